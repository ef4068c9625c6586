"""Exported models say what PyTorch says, need nothing of HandsOff, and say what they are."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from handsoff.core.device import full_precision
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.images import ORIENTATION, decode_image
from handsoff.learning import models, onnx
from handsoff.learning.models import build_model
from handsoff.learning.onnx import example, export
from handsoff.learning.predictor import PredictorCard, load_predictor, save_predictor
from handsoff.tasks import make_task

SCHEMAS: dict[str, dict[str, Any]] = {
    "segmentation": {"classes": ["sky", "sea", "land"]},
    "keypoints": {"names": ["left", "right"], "mirror": [[0, 1]], "scale": None, "sigma": None},
    "depth": {"unit": "metres", "range": [1.0, 10.0], "scale": 1.0},
    "normals": {"focal": 1.0},
}


def write_model(folder: Path, task: str, network: str, size: tuple[int, int]) -> Path:
    """Two networks, of which the second is the best."""
    schema = SCHEMAS[task]
    torch.manual_seed(0)
    networks = [build_model(network, make_task(task, schema).channels).eval() for _ in range(2)]
    card = PredictorCard(
        task, schema, network, 2, 1, list(size), "crop", "CC0", "real_only", "miou", [0.5, 0.6], [0.7, 0.8], 4
    )
    save_predictor(folder, [network.state_dict() for network in networks], card)
    return folder


def tiny(channels: int) -> nn.Module:
    """A network that is exported in a moment; it sees enough around a pixel for smooth heat maps."""
    return nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.Tanh(), nn.Conv2d(4, channels, 1))


def torch_answers(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    model = load_predictor(folder)
    with torch.no_grad(), full_precision():
        outputs = model.networks[model.card.best].cpu()(torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1)
        return {name: answer.numpy() for name, answer in model.task.learning.answers(outputs.float()).items()}


def random_images(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("task", SCHEMAS)
def test_every_task_is_exported(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.MODELS, "tiny", tiny)
    folder = write_model(tmp_path / "model", task, "tiny", (24, 16))
    export(folder, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    images = random_images(5, 24, 16)
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"images": images}), strict=True))
    wanted = torch_answers(folder, images)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_allclose(found[name].astype(float), values, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the default network as an evaluation leaves it, and its export."""
    root = tmp_path_factory.mktemp("exported")
    write_model(root / "report" / "model", "segmentation", "lite0", (64, 48))
    export(root / "report", root / "model.onnx")
    return root


@pytest.mark.slow
def test_the_default_network_labels_alike(exported: Path) -> None:
    images = random_images(3, 64, 48)
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    labels, scores = session.run(None, {"images": images})
    wanted = torch_answers(exported / "report" / "model", images)
    assert labels.dtype == np.uint8
    assert np.abs(scores - wanted["scores"]).max() < 1e-4
    assert (labels == wanted["labels"]).mean() > 0.999
    assert session.get_inputs()[0].shape[1:] == [64, 48, 3]


@pytest.mark.slow
def test_the_file_says_what_it_is(exported: Path) -> None:
    stated = onnxruntime.InferenceSession(exported / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(stated["classes"]) == ["sky", "sea", "land"]
    assert (stated["task"], stated["framing"], stated["licence"]) == ("segmentation", "crop", "CC0")
    assert (stated["arm"], stated["miou"]) == ("real_only", "0.8"), "of the best network"


@pytest.mark.slow
def test_the_example_of_the_card_needs_no_torch(exported: Path) -> None:
    Image.fromarray(random_images(1, 90, 70)[0]).save(exported / "photo.jpg")
    code = example(make_task("segmentation", SCHEMAS["segmentation"]), "crop")
    assert len(code.strip().splitlines()) <= 11
    code += "import sys\nassert not {'torch', 'handsoff'} & set(sys.modules)\nassert labels.shape == (1, 64, 48)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=exported, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("framing", onnx.PLACED)
def test_the_example_reads_photos_upright_as_label_does(framing: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(random_images(1, 48, 64)[0]).save(tmp_path / "photo.jpg", exif=exif)
    upright = decode_image((tmp_path / "photo.jpg").read_bytes(), "photo")
    code = example(make_task("segmentation", SCHEMAS["segmentation"]), framing)
    opening = next(line for line in code.splitlines() if "photo.jpg" in line).removeprefix("photo = ")
    photo = eval(opening.replace("photo.jpg", str(tmp_path / "photo.jpg")), {"Image": Image, "ImageOps": ImageOps})  # noqa: S307  # our own line
    assert np.array_equal(np.asarray(photo), upright)


@pytest.mark.slow
def test_only_onnx_files_are_overwritten(exported: Path, tmp_path: Path) -> None:
    folder = exported / "report"
    (tmp_path / "folder.onnx").mkdir()
    for name, content in (("thesis.doc", b"my thesis"), ("empty.onnx", b""), ("noise.onnx", bytes(range(256)))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="is there and is no ONNX file: choose another file with -o"):
            export(folder, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    with pytest.raises(InputError, match="is no ONNX file"):
        export(folder, tmp_path / "folder.onnx")
    (tmp_path / "old.onnx").write_bytes((exported / "model.onnx").read_bytes())
    onnx.refuse_other(tmp_path / "old.onnx", onnx.imported_onnx())


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model: give the report of handsoff evaluate, or its folder model"):
        export(tmp_path, tmp_path / "model.onnx")


def test_without_the_extra_a_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(HandsOffError, match=r"pip install 'handsoff-labels\[onnx\]'"):
        export(tmp_path, tmp_path / "model.onnx")


@pytest.mark.slow
def test_a_network_that_cannot_be_exported_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sorted(nn.Module):
        """Its work depends on the values of its input."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.last = nn.Conv2d(3, channels, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.last(images if images.sum() > 0 else -images)

    monkeypatch.setitem(models.MODELS, "sorted", Sorted)
    write_model(tmp_path / "model", "depth", "sorted", (16, 16))
    with pytest.raises(HandsOffError, match="The network sorted cannot be exported as ONNX"):
        export(tmp_path, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
