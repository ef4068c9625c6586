"""A model folder of diffusers, read by HandsOff and compared with diffusers itself."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EDMEulerScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.importing import import_checkpoint
from handsoff.generators.checkpoints.settings import ImportSettings
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.stored import load_generator, read_card
from handsoff.jobs.folder import require_done
from handsoff.jobs.progress import run_to_end

SHAPE: dict[str, Any] = {
    "sample_size": 16, "block_out_channels": (8, 16), "norm_num_groups": 4, "attention_head_dim": 4,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
}  # fmt: skip
PUBLISHED: dict[str, Any] = {  # what google/ddpm-* say
    "downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "attention_head_dim": None, "norm_eps": 1e-6,
    "layers_per_block": 2,
}  # fmt: skip


def written(folder: Path, scheduler: Any, **changes: Any) -> UNet2DModel:
    """A pipeline's folder, as diffusers writes it; the U-Net in it has random weights."""
    torch.manual_seed(0)
    unet = UNet2DModel(**{**SHAPE, **changes}).eval().requires_grad_(requires_grad=False)
    unet.save_pretrained(folder / "unet")
    scheduler.save_pretrained(folder / "scheduler")
    return unet


def imported(folder: Path, out: Path, **settings: Any) -> Diffusion:
    run_to_end(import_checkpoint(folder, out, ImportSettings(licence="CC0", **settings)))
    net = load_generator(out)
    assert isinstance(net, Diffusion)
    return net


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", ["linear", "squaredcos_cap_v2"])
def test_a_ddpm_denoises_as_diffusers_does(tmp_path: Path, prediction: str, spacing: str) -> None:
    """At every timestep the image that diffusers expects of its step, attention blocks included."""
    changes = (
        PUBLISHED if prediction == "epsilon" else {"resnet_time_scale_shift": "scale_shift", "add_attention": True}
    )
    scheduler = DDPMScheduler(beta_schedule=spacing, prediction_type=prediction, clip_sample=False)
    unet, net = written(tmp_path / "model", scheduler, **changes), imported(tmp_path / "model", tmp_path / "out")
    x = torch.randn(2, 3, 16, 16)
    for timestep in (1, 250, 800):
        kept = scheduler.alphas_cumprod[timestep]
        sigma = ((1 - kept) / kept).sqrt()
        output = unet(x, timestep).sample
        wanted = scheduler.step(output, timestep, x).pred_original_sample
        scaled = (x / kept.sqrt()).to(net.device)
        found = net.denoise(scaled, sigma.expand(2).to(net.device))
        assert torch.allclose(found.cpu(), wanted, rtol=1e-4, atol=1e-4 * float(1 + sigma))


def test_an_edm_model_denoises_as_diffusers_does(tmp_path: Path) -> None:
    scheduler = EDMEulerScheduler(sigma_data=0.4, sigma_max=60.0)
    unet, net = written(tmp_path / "model", scheduler), imported(tmp_path / "model", tmp_path / "out", steps=20)
    x, sigma = torch.randn(2, 3, 16, 16), torch.tensor(0.7)
    output = unet(scheduler.precondition_inputs(x, sigma), scheduler.precondition_noise(sigma)).sample
    wanted = scheduler.precondition_outputs(x, output, sigma)
    assert torch.allclose(net.denoise(x.to(net.device), sigma.expand(2).to(net.device)).cpu(), wanted, atol=1e-5)
    assert (net.config.sigma_max, net.config.steps) == (60.0, 20)
    card, report = read_card(tmp_path / "out"), require_done(tmp_path / "out", "import")
    assert (card.architecture, card.licence) == ("diffusion", "CC0")
    assert report["found"] == "unet/diffusion_pytorch_model.safetensors"


def test_samples_are_those_of_ddim(tmp_path: Path) -> None:
    """DDIM's sampler is Euler's method on the same path: with many steps both end at the same image."""
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
    unet, net = written(tmp_path / "model", scheduler), imported(tmp_path / "model", tmp_path / "out", steps=18)
    latents = net.draw([1])
    scheduler.set_timesteps(125)
    x = latents.tensors["noise"].cpu()
    for timestep in scheduler.timesteps:
        x = scheduler.step(unet(x, timestep).sample, timestep, x).prev_sample
    found = net.synthesize(latents).cpu()
    assert float((found - x).abs().max()) < 0.05 * float(x.abs().max())


def test_old_names_and_half_precision_are_read_and_classes_too(tmp_path: Path) -> None:
    unet = written(tmp_path / "model", DDPMScheduler(), num_class_embeds=3)
    file = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(file)
    pattern = re.compile(rf"(?<=\.)({'|'.join(map(re.escape, old))})(?=\.)")
    save_file({pattern.sub(lambda m: old[m[0]], name): value.half() for name, value in state.items()}, file)
    net = imported(tmp_path / "model", tmp_path / "out", without_class=True, guidance=1.5)
    assert net.conditions.names == ("0", "1")
    assert all(torch.allclose(value.cpu(), state[name], atol=1e-3) for name, value in net.unet.state_dict().items())
    assert len(state) == len(unet.state_dict())


def test_classes_are_denoised_and_guided_as_diffusers_does(tmp_path: Path) -> None:
    """Where diffusers guides the noise that is predicted (Ho and Salimans 2022, equation 6), images follow from it."""
    scheduler = DDPMScheduler(clip_sample=False)
    unet = written(tmp_path / "model", scheduler, num_class_embeds=3)
    net = imported(tmp_path / "model", tmp_path / "out", without_class=True, guidance=2.5)
    x, classes = torch.randn(2, 3, 16, 16), torch.tensor([1, 0])
    for timestep in (1, 800):
        kept = scheduler.alphas_cumprod[timestep]
        sigma = float(((1 - kept) / kept).sqrt())
        scaled = x / kept.sqrt()
        told, without = (unet(x, timestep, ids).sample for ids in (classes, torch.full((2,), 2)))
        for noise, guidance in ((told, None), (without + 2.5 * (told - without), torch.full((2,), 2.5))):
            wanted = scheduler.step(noise, timestep, x).pred_original_sample
            strength = None if guidance is None else guidance.to(net.device)
            found = net.guided(scaled.to(net.device), sigma, classes.to(net.device), strength)
            assert torch.allclose(found.cpu(), wanted, rtol=1e-4, atol=1e-4 * (1 + sigma))
    assert net.conditions.guidance == 2.5
    assert read_card(tmp_path / "out").conditions == net.conditions


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("unet/config.json", {"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel', which is not read"),
        ("unet/config.json", {"_class_name": ["my", "Model"]}, "which is not read: UNet2DModel is"),
        ("unet/config.json", {"in_channels": 4}, "in_channels"),
        ("unet/config.json", {"down_block_types": ["SkipDownBlock2D", "DownBlock2D"]}, "down_block_types"),
        ("unet/config.json", {"time_embedding_type": "fourier"}, "time_embedding_type"),
        ("unet/config.json", {"class_embed_type": "identity"}, "class_embed_type"),
        ("unet/config.json", {"flux": 1}, "'flux', which is not known"),
        ("unet/config.json", {"block_out_channels": [1 << 40, 8]}, "channels"),
        ("unet/config.json", {"block_out_channels": [8, 32]}, "does not fit"),
        ("unet/config.json", {"sample_size": None}, "sample_size"),
        ("scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "which is not read"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "laplace"}, "spacing"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1, 0.2]}, "sets trained_betas"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "prediction"),
        ("scheduler/scheduler_config.json", {"beta_end": 2.0}, "do not rise"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_said_and_leaves_nothing(
    tmp_path: Path, part: str, changes: dict[str, Any], said: str
) -> None:
    written(tmp_path / "model", DDPMScheduler())
    edit(tmp_path / "model" / part, **changes)
    with pytest.raises(InputError, match=re.escape(said)):
        imported(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pickled_weights_a_missing_scheduler_and_a_missing_licence_are_said(tmp_path: Path) -> None:
    written(tmp_path / "model", DDPMScheduler())
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    with pytest.raises(InputError, match="mapping_lr says nothing about a diffusion model"):
        imported(tmp_path / "model", tmp_path / "out", mapping_lr=0.1)
    with pytest.raises(InputError, match="guidance needs a class that means none"):
        imported(tmp_path / "model", tmp_path / "out", guidance=2.0)
    with pytest.raises(InputError, match="add --licence TEXT"):
        run_to_end(import_checkpoint(tmp_path / "model", tmp_path / "out", ImportSettings()))
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-9])
    with pytest.raises(InputError, match="safetensors"):
        imported(tmp_path / "model", tmp_path / "out")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"pickled weights \(diffusion_pytorch_model.bin\), which are not read"):
        imported(tmp_path / "model", tmp_path / "out")
    weights.write_bytes(whole)
    (tmp_path / "model" / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(InputError, match="does not say on which noise"):
        imported(tmp_path / "model", tmp_path / "out")
    with pytest.raises(InputError, match=r"holds no config.json: give a checkpoint file, or a model folder"):
        imported(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
