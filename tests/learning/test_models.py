"""Predictors by name: other libraries' behind our interface, and one sentence for whatever cannot be had."""

import importlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from handsoff.core.errors import HandsOffError, InputError, MismatchError, UnknownNameError
from handsoff.jobs.progress import run_to_end
from handsoff.learning.data import LabelledArrays
from handsoff.learning.models import build_model, deeplabv3_resnet101
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import new_model, require_usable, train_predictor
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

TASKS = {
    "segmentation": make_task("segmentation", {"classes": ["background", "blob", "core"]}),
    "depth": make_task("depth", {"range": [1, 10]}),
}
TRUNK = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.2,
}
NECK = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 16}
LEVELS = ["stage1", "stage2", "stage3", "stage4"]


def tiny(kind: str) -> Any:
    """A model of transformers with random weights."""
    import transformers as t  # noqa: PLC0415  # slow, and not every test needs it

    dpt = t.DPTConfig(**TRUNK, **NECK, image_size=64, is_hybrid=False, backbone_out_indices=[0, 1, 2, 3])
    torch.manual_seed(0)
    match kind:
        case "segformer":
            return t.SegformerForSemanticSegmentation(
                t.SegformerConfig(
                    depths=[1] * 4,
                    hidden_sizes=[8, 16, 24, 32],
                    num_attention_heads=[1, 1, 2, 2],
                    decoder_hidden_size=16,
                    num_labels=7,
                )
            )
        case "dpt":
            return t.DPTForDepthEstimation(dpt)
        case "dpt for classes":
            return t.DPTForSemanticSegmentation(dpt)
        case "classifier":
            return t.ViTForImageClassification(t.ViTConfig(**TRUNK, image_size=32))
    backbone = t.Dinov2Config(**TRUNK, image_size=70, patch_size=14, out_features=LEVELS, reshape_hidden_states=False)
    return t.DepthAnythingForDepthEstimation(
        t.DepthAnythingConfig(**NECK, backbone_config=backbone, patch_size=14, reassemble_hidden_size=32)
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Kind → the name of a folder with such a model, made once."""
    folder = tmp_path_factory.mktemp("models")

    def make(kind: str) -> str:
        if not (folder / kind).is_dir():
            tiny(kind).save_pretrained(folder / kind)
        return f"hf:{folder / kind}"

    return make


def samples(task: Task) -> LabelledArrays:
    rng = np.random.default_rng(0)
    labels = (
        rng.integers(0, 3, (4, 32, 32)).astype(np.uint8)
        if task.name == "segmentation"
        else rng.uniform(1, 9, (4, 32, 32)).astype(np.float32)
    )
    return LabelledArrays(rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8), labels)


def trained(task: Task, name: str, seed: int = 0) -> dict[str, Tensor]:
    """The weights after one step."""
    work = train_predictor(task, lambda _: [(samples(task), 2)], seed, LearnSettings(model=name, steps=1, batch=2), "")
    return {key: value.cpu() for key, value in run_to_end(work).model.state_dict().items()}


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"'lite9': did you mean lite2\? choose one of deeplabv3_resnet101, hf:NAME, lite0, lite0-frozen, lite2",
    ):
        build_model("lite9", 3)


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'torchvision'"), RuntimeError("operator torchvision::nms does not exist")]
)
def test_a_package_that_cannot_be_imported_is_one_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(
        HandsOffError, match=rf"deeplabv3_resnet101 needs torchvision, which cannot be imported here \({error}\): "
    ) as caught:
        build_model("deeplabv3_resnet101", 3)
    assert "\n" not in str(caught.value)
    with pytest.raises(HandsOffError, match="hf:some/model needs transformers"):
        build_model("hf:some/model", 3)


@pytest.fixture
def torchvision() -> Any:
    try:
        return importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision: {error}")


@pytest.mark.slow
@pytest.mark.usefixtures("torchvision")
def test_deeplab_answers_at_the_size_of_the_image() -> None:
    model = deeplabv3_resnet101(5, pretrained=False)
    outputs = model(torch.zeros(2, 3, 48, 32))
    assert outputs.shape == (2, 5, 48, 32)
    assert outputs.requires_grad


@pytest.mark.usefixtures("torchvision")
def test_weights_of_deeplab_that_cannot_be_fetched_may_be_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *_, **__: (_ for _ in ()).throw(OSError("no network"))
    )
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        HandsOffError,
        match=rf"could not be fetched \(no network\): put them at {tmp_path}/hub/checkpoints/resnet101-\w+.pth",
    ):
        build_model("deeplabv3_resnet101", 3)


@pytest.mark.parametrize(
    ("kind", "channels"),
    [("segformer", 1), ("segformer", 5), ("segformer", 7), ("dpt for classes", 4), ("dpt", 1), ("depth anything", 1)],
)
def test_outputs_are_as_large_as_the_image_and_everything_learns(kind: str, channels: int, saved: Any) -> None:
    model: Any = build_model(saved(kind), channels).train()
    if kind in {"dpt", "depth anything"}:
        nn.init.ones_(
            model.tail[-1].weight
        )  # it begins with zeros, and until the second step no gradient comes through
    for frame in [(32, 32), (48, 32), (100, 131)]:
        outputs = model(torch.randn(2, 3, *frame).clamp(-1, 1))
        assert outputs.shape == (2, channels, *frame)
        assert outputs.dtype == torch.float32
    outputs.square().sum().backward()
    first = next(parameter for name, parameter in model.named_parameters() if "proj" in name)
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("kind", "task"), [("segformer", "segmentation"), ("segformer", "depth"), ("depth anything", "depth")]
)
def test_one_step_is_drawn_from_its_seed(kind: str, task: str, saved: Any) -> None:
    """Dropout and the new head too: nothing comes from torch's own stream, and nothing is taken from it."""
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = trained(TASKS[task], saved(kind))
    assert torch.equal(torch.rand(3), expected)
    other = trained(TASKS[task], saved(kind))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_the_trunk_is_pretrained_and_the_head_is_drawn_from_the_seed(saved: Any) -> None:
    models: list[nn.Module] = [new_model(TASKS["segmentation"], seed, saved("segformer")) for seed in (0, 0, 1)]
    states = [{key: value.cpu() for key, value in model.state_dict().items()} for model in models]
    head = "network.decode_head.classifier.weight"
    assert states[0][head].shape[0] == 3
    assert torch.equal(states[0][head], states[1][head])
    assert not torch.equal(states[0][head], states[2][head])
    truth = tiny("segformer").state_dict()
    kept = [key for key in states[2] if "decode_head.classifier" not in key]
    assert all(torch.equal(states[2][key], truth[key.removeprefix("network.")]) for key in kept)


def test_loading_says_nothing_and_leaves_logging_as_it_was(saved: Any, capfd: pytest.CaptureFixture[str]) -> None:
    name = saved("segformer")
    capfd.readouterr()
    build_model(name, 5)
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_a_depth_model_is_for_depth(saved: Any) -> None:
    with pytest.raises(MismatchError, match="estimates depth, one number per pixel, and this task needs 3"):
        build_model(saved("dpt"), 3)


def test_other_models_are_refused(saved: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose a model for semantic segmentation or depth estimation"):
        build_model(saved("classifier"), 3)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be used"):
        build_model(f"hf:{tmp_path}", 3)


def test_pickled_weights_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("segformer")
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a pickle was opened"))
    with pytest.raises(InputError, match=r"has no \*\.safetensors in .* and pickled weights are not opened"):
        build_model(f"hf:{tmp_path}", 3)


def test_code_in_a_folder_is_not_run(tmp_path: Path) -> None:
    config = {
        "model_type": "homemade",
        "auto_map": {"AutoConfig": "code.Config", "AutoModelForSemanticSegmentation": "code.Model"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(InputError, match="cannot be used"):
        build_model(f"hf:{tmp_path}", 3)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no connection."""
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["nobody/nothing", "no such name", "/no/such/folder"])
def test_what_cannot_be_fetched_is_said_at_once(name: str) -> None:
    importlib.import_module("transformers")
    began = time.monotonic()
    with pytest.raises(
        HandsOffError,
        match=rf"^hf:{name} is no local folder, .* could not be fetched .*give a folder that holds the model",
    ) as caught:
        build_model(f"hf:{name}", 3)
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)


def test_what_was_fetched_before_is_taken_from_the_cache(offline: Path) -> None:
    model, place = tiny("segformer"), offline / "models--somebody--something"
    model.save_pretrained(place / "snapshots" / ("a" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    built = build_model("hf:somebody/something", 7).state_dict()
    assert all(torch.equal(built[f"network.{key}"], value) for key, value in model.state_dict().items())


def test_a_network_that_cannot_take_the_images_is_refused(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = saved("dpt for classes")
    require_usable(TASKS["segmentation"], (48, 32), name)
    monkeypatch.setattr("handsoff.learning.models.working_size", lambda frame, *_, **__: frame)
    with pytest.raises(HandsOffError, match="cannot take images of 48x32 pixels"):
        require_usable(TASKS["segmentation"], (48, 32), name)
