"""Published checkpoints: read exactly, and as data only."""

import argparse
import io
import os
import pickle
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from checkpoint_files import State, nvidia_file, nvidia_state
from handsoff.cli import main as cli
from handsoff.core.errors import HandsOffError
from handsoff.core.files import read_json
from handsoff.generators.checkpoints.importing import ImportSettings, import_checkpoint
from handsoff.generators.checkpoints.tensors import Storage, View, tensor_of
from handsoff.generators.stored import load_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.jobs.progress import run_to_end
from toy import SHARED

REFERENCE = SHARED / "reference"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference outputs are not on this machine")


def reference(name: str) -> tuple[dict[str, np.ndarray], State]:
    arrays = dict(np.load(REFERENCE / f"{name}.npz"))
    return arrays, {
        key.removeprefix("state/"): torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")
    }


def imported(path: Path, out: Path, licence: str | None = "free") -> StyleGAN2:
    run_to_end(import_checkpoint(path, out, ImportSettings(licence=licence)))
    return load_generator(out)


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float((ours - torch.from_numpy(theirs)).norm() / np.linalg.norm(theirs))


FORMS: dict[str, Callable[[Path, State], Path]] = {}


def form(name: str) -> Callable[[Callable[[Path, State], Path]], Callable[[Path, State], Path]]:
    def register(function: Callable[[Path, State], Path]) -> Callable[[Path, State], Path]:
        FORMS[name] = function
        return function

    return register


@form("zip")
def torch_zip(folder: Path, state: State) -> Path:
    torch.save(
        {"g": {"junk": torch.zeros(2)}, "g_ema": state, "args": argparse.Namespace(size=32, channel_multiplier=2)},
        folder / "a.pt",
    )
    return folder / "a.pt"


@form("stream")
def torch_stream(folder: Path, state: State) -> Path:
    torch.save({"g_ema": OrderedDict(state)}, folder / "a.pt", _use_new_zipfile_serialization=False)
    return folder / "a.pt"


@form("plain state")
def plain_state(folder: Path, state: State) -> Path:
    torch.save(state, folder / "a.pth")
    return folder / "a.pth"


@form("e4e")
def inside_a_model(folder: Path, state: State) -> Path:
    torch.save(
        {
            "state_dict": {"encoder.x": torch.zeros(1), **{f"decoder.{key}": value for key, value in state.items()}},
            "opts": {"a": 1},
        },
        folder / "a.pt",
    )
    return folder / "a.pt"


@form("safetensors")
def safe(folder: Path, state: State) -> Path:
    save_file(state, folder / "a.safetensors")
    return folder / "a.safetensors"


@needs_reference
@pytest.mark.parametrize("kind", FORMS)
@torch.no_grad()
def test_community_checkpoints_are_exact(tmp_path: Path, kind: str) -> None:
    arrays, state = reference("stylegan2_rosinality")
    net = imported(FORMS[kind](tmp_path, state), tmp_path / "out")
    assert (net.image_size, net.z_dim, net.config.channels) == ((32, 32), 32, (48, 48, 32, 24))
    w = net.mapping(torch.from_numpy(arrays["z"]))
    assert relative(w[:, 0], arrays["w"]) < 1e-5
    image, features = net.synthesis(w)
    assert relative(image, arrays["image_stored_noise"]) < 1e-4
    for index, feature in enumerate(features):
        assert relative(feature, arrays[f"feature/{index}"]) < 1e-4


def check_ada(net: StyleGAN2, arrays: dict[str, np.ndarray]) -> None:
    z = torch.from_numpy(arrays["z"])
    assert relative(net.mapping(z), arrays["ws"]) < 1e-5
    assert relative(net.mapping(z, psi=0.7), arrays["ws_psi0.7"]) < 1e-5
    ws = torch.from_numpy(arrays["ws"])
    image, features = net.synthesis(ws)
    assert relative(image, arrays["image_noise_const"]) < 1e-4
    assert relative(net.synthesis(ws, noise="none")[0], arrays["image_noise_none"]) < 1e-4
    names = ["b4.conv1", *(f"b{size}.{conv}" for size in (8, 16, 32) for conv in ("conv0", "conv1"))]
    for name, feature in zip(names, features, strict=True):
        assert relative(feature, arrays[f"feature/{name}"]) < 1e-4


@needs_reference
@pytest.mark.usefixtures("nvidia_modules")
@torch.no_grad()
def test_nvidias_pickles_are_exact_and_their_source_is_never_run(tmp_path: Path) -> None:
    arrays, state = reference("stylegan2_ada")
    attributes = {
        "synthesis.b8": {"architecture": "skip"},
        "synthesis.b4.conv1": {"conv_clamp": None, "activation": "lrelu", "use_noise": True},
    }
    net = imported(nvidia_file(tmp_path / "a.pkl", state, attributes), tmp_path / "out", licence=None)
    check_ada(net, arrays)
    assert "non-commercial" in net.licence
    assert read_json(tmp_path / "out" / "report.json")["found"] == "G_ema"


@needs_reference
@torch.no_grad()
def test_a_plain_state_of_nvidias_names_is_exact(tmp_path: Path) -> None:
    arrays, state = reference("stylegan2_ada")
    save_file(state, tmp_path / "a.safetensors")
    check_ada(imported(tmp_path / "a.safetensors", tmp_path / "out"), arrays)


@pytest.mark.usefixtures("nvidia_modules")
@pytest.mark.parametrize(
    "config",
    [
        StyleGAN2Config((32, 16), (4, 2), 16, 24, 2, 256, 16),
        StyleGAN2Config((16, 16), (4, 4), 16, 16, 8, block_channels=(12, 8, 10)),
        StyleGAN2Config((8, 8), (4, 4), 32, 16, 1, 64, 16),
        StyleGAN2Config((16, 16), (4, 4), 8, 16, 2, 256, 16, classes=3),
        StyleGAN2Config((16, 16), (4, 4), 8, 16, 2, 256, 16, clamp=0.5),
    ],
)
@torch.no_grad()
def test_every_shape_is_read_from_the_checkpoint(tmp_path: Path, config: StyleGAN2Config) -> None:
    """Not square (as StyleGAN-Human), channels by no rule, class-conditional, clamped as in 16-bit training."""
    torch.manual_seed(0)
    net = StyleGAN2(config, "mine").eval()
    file = nvidia_file(tmp_path / "a.pkl", nvidia_state(net), clamp=config.clamp)
    found = imported(file, tmp_path / "out", licence="mine")
    classes = torch.tensor([0, 1, 2, 1, 0]) if config.classes else None
    theirs = net.draw(range(5), classes)
    assert torch.equal(found.draw(range(5), classes).tensors["ws"], theirs.tensors["ws"])
    assert torch.equal(found.synthesize(theirs), net.synthesize(theirs))
    assert found.licence == "mine"


# --- what is refused


class Evil:
    """Pickles as a call of anything."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], tuple(self.call[1:])


def evil_files(target: Path) -> dict[str, bytes]:
    """Name → a pickle that would create `target` if any of it were run."""
    code = f"open({str(target)!r}, 'w').close()"
    touch = Evil(os.system, f"touch {target}")
    return {
        "os.system": pickle.dumps(touch),
        "builtins.eval": pickle.dumps(Evil(eval, code)),
        "builtins.exec": pickle.dumps({"g_ema": [Evil(exec, code)]}),
        "builtins.getattr": pickle.dumps(Evil(getattr, os, "system"))
        if False
        else pickle.dumps(Evil(getattr, Evil(__import__, "os"), "system")),  # readable
        "shutil.rmtree": pickle.dumps(Evil(shutil.rmtree, str(target.parent / "nothing"))),
        "nested": pickle.dumps({"G_ema": {"a": (1, [Evil(Evil, os.system, "true")])}}),
        "protocol 0": pickle.dumps(touch, protocol=0),
        "INST": b"(S'touch " + str(target).encode() + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'touch " + str(target).encode() + b"'\no.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "setattr by BUILD": b"\x80\x02cos\nenviron\n}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb.",
        "state of a class": (
            b"\x80\x02ccollections\nOrderedDict\nN}X\x0b\x00\x00\x00__reduce__XX\x01\x00\x00\x00bs\x86b."
        ),
        "call of a value": b"\x80\x02X\x01\x00\x00\x00a)R.",
        "memo that is not there": b"\x80\x02h\x07.",
        "empty": b"",
        "no stop": b"\x80\x02}",
        "absurd length": b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"a.",
        "absurd memo": b"\x80\x02}r\xff\xff\xff\xff.",
        "text": b"<html>not found</html>",
    }


@pytest.mark.parametrize("case", list(evil_files(Path("x"))))
def test_nothing_in_a_file_is_ever_run(tmp_path: Path, case: str) -> None:
    target = tmp_path / "was_here"
    (tmp_path / "a.pkl").write_bytes(evil_files(target)[case])
    with pytest.raises(HandsOffError) as caught:
        run_to_end(import_checkpoint(tmp_path / "a.pkl", tmp_path / "out", ImportSettings()))
    assert "a.pkl" in str(caught.value)
    assert not target.exists()
    assert not (tmp_path / "out").exists()
    if case.startswith(("os", "builtins", "shutil")):
        assert (
            case.replace("os.", "posix.") in str(caught.value)
            or case in str(caught.value)
            or "__import__" in str(caught.value)
        )


@pytest.mark.parametrize("case", ["os.system", "nested", "setattr by BUILD"])
def test_nothing_inside_torchs_wrappings_is_run_either(tmp_path: Path, case: str) -> None:
    target = tmp_path / "was_here"
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", evil_files(target)[case])
        archive.writestr("archive/version", "3")
    stream = io.BytesIO()
    torch.save([1], stream, _use_new_zipfile_serialization=False)
    head = stream.getvalue().split(pickle.dumps([1], protocol=2)[2:])[0]
    (tmp_path / "b.pt").write_bytes(head + evil_files(target)[case])
    for name in ("a.pt", "b.pt"):
        with pytest.raises(HandsOffError, match=name):
            run_to_end(import_checkpoint(tmp_path / name, tmp_path / "out", ImportSettings()))
    assert not target.exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    with pytest.raises(HandsOffError, match="unpacks to far more than its size"):
        run_to_end(import_checkpoint(tmp_path / "a.pt", tmp_path / "out", ImportSettings()))


def test_references_that_multiply_do_not(tmp_path: Path) -> None:
    """A billion laughs: lists of lists of the same list. Nothing is copied, so nothing grows."""
    layers: Any = ["ha"] * 10
    for _ in range(60):
        layers = [layers] * 10
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G_ema": layers}))
    with pytest.raises(HandsOffError, match="holds no StyleGAN2 generator"):
        run_to_end(import_checkpoint(tmp_path / "a.pkl", tmp_path / "out", ImportSettings()))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((2**20, 2**20), (0, 0), 0), ((5,), (1,), 0), ((2,), (1,), 3), ((2,), (-1,), 1), ((2**70,), (1,), 0)],
)
def test_a_tensor_that_reaches_beyond_its_data_is_refused(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    storage = Storage(torch.float32, 4, lambda: bytes(16))
    with pytest.raises(HandsOffError, match="reaches beyond its data"):
        tensor_of(View(storage, offset, size, stride), "a.pt")


def test_a_cycle_ends(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["self"] = content
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(HandsOffError, match="holds no StyleGAN2 generator"):
        run_to_end(import_checkpoint(tmp_path / "a.pkl", tmp_path / "out", ImportSettings()))


def test_import_is_a_verb_and_asks_for_the_licence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", str(tmp_path / "none.pkl"), "-o", str(tmp_path / "out")]) == 2
    assert "does not exist: give a checkpoint file" in capsys.readouterr().err
    torch.manual_seed(0)
    net = StyleGAN2(StyleGAN2Config((16, 16), (4, 4), 8, 16, 2, 256, 16))
    save_file(nvidia_state(net), tmp_path / "a.safetensors")
    assert cli.main(["import", str(tmp_path / "a.safetensors"), "-o", str(tmp_path / "out")]) == 2
    assert "a.safetensors does not say under what terms it stands: add --licence TEXT" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not (tmp_path / "out").exists()
    assert cli.main(["import", str(tmp_path / "a.safetensors"), "-o", str(tmp_path / "out"), "--licence", "CC0"]) == 0
    assert load_generator(tmp_path / "out").licence == "CC0"
    assert "CC0" in capsys.readouterr().out
