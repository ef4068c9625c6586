"""Put the demo's data together: `python tools/render_heads/bundle.py GENERATOR TRAIN TEST PHOTOS src/handsoff/demo`.

GENERATOR is a folder of `handsoff train`, whose weights are stored in 16 bits; TRAIN and TEST are folders of
`render.py --labels`, PHOTOS is one without labels, whose images are stored as lossless WebP. The same folders always
give the same bytes.
"""

import argparse
import io
import shutil
import zipfile
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save

MOMENT = (1980, 1, 1, 0, 0, 0)  # of every file in a zip


def bundle_zip(folder: Path, target: Path) -> None:
    """All files of a folder, in sorted order, without the hidden ones, which only a resumed run needs."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    with zipfile.ZipFile(target, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=9)


def bundle_photos(folder: Path, target: Path) -> None:
    """All images of a folder, in sorted order: lossless WebP takes three quarters of the space of PNG."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.glob("*.png")):
            buffer = io.BytesIO()
            Image.open(file).save(buffer, "WEBP", lossless=True, quality=100, method=6)
            archive.writestr(zipfile.ZipInfo(f"{file.stem}.webp", MOMENT), buffer.getvalue())


def bundle_generator(folder: Path, target: Path) -> None:
    """The card as it is (architecture, config, image size, framing, conditions, licence), the weights in 16 bits."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "generator.json", target / "generator.json")
    weights = load_file(folder / "generator.safetensors")
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    if not all(torch.isfinite(tensor).all() for tensor in halves.values()):
        raise SystemExit("a weight does not fit 16 bits")
    (target / "generator.safetensors").write_bytes(save(halves))


def main() -> None:
    """Parse the command line and write the generator and the zips of the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("generator", "train", "test", "photos", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    bundle_generator(options.generator, options.out / "generator")
    for part in ("train", "test"):
        bundle_zip(getattr(options, part), options.out / f"{part}.zip")
    bundle_photos(options.photos, options.out / "photos.zip")


if __name__ == "__main__":
    main()
