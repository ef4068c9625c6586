"""Set-up of the whole suite: annotations are checked while it runs, and every test has small photos to work on."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook
from PIL import Image

install_import_hook("handsoff", "typechecking.typechecked")

torch.set_num_threads(1)  # everything here is tiny, and sums come out the same on every machine


def pytest_report_header() -> str:
    import handsoff  # noqa: PLC0415  # after the hook

    return f"handsoff: {Path(handsoff.__file__).parent}"


def blobs(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth random picture: a coloured disc on a gradient."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    picture = np.stack([x, y, 1 - x], -1) * rng.uniform(50, 200, 3)
    inside = (x - rng.uniform(0.3, 0.6)) ** 2 + (y - rng.uniform(0.3, 0.6)) ** 2 < rng.uniform(0.02, 0.08)
    picture[inside] = rng.uniform(0, 255, 3)
    return picture.astype(np.uint8)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A zip of small pictures: `photos(count, height, width)`, made once per shape."""

    def make(count: int = 12, height: int = 20, width: int = 18) -> Path:
        path = tmp_path_factory.getbasetemp() / f"photos_{count}_{height}x{width}.zip"
        if not path.exists():
            with zipfile.ZipFile(path, "w") as archive:
                for index in range(count):
                    with archive.open(f"{index:03d}.png", "w") as file:
                        Image.fromarray(blobs(index, height, width)).save(file, "PNG")
        return path

    return make


@pytest.fixture(autouse=True)
def spoken() -> None:
    """The terminal speaks as it does at first, whatever options a command of another test was given."""
    from handsoff.terminal.console import speak  # noqa: PLC0415  # after the hook

    speak()


@pytest.fixture
def diffusion_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy diffusion generator can be stored and loaded, as an architecture of HandsOff's own."""
    from handsoff.generators.stored import ARCHITECTURES  # noqa: PLC0415  # after the hook
    from toy_generators import ToyDiffusion, build_toy_diffusion  # noqa: PLC0415

    monkeypatch.setitem(ARCHITECTURES, ToyDiffusion.architecture, build_toy_diffusion)
