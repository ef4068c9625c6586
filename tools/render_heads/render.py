"""Render synthetic heads: `python tools/render_heads/render.py OUT --count N --size 64 --seed S [--labels]`.

Without `--labels`: a folder of PNGs, or a zip of them where OUT ends in `.zip`. With it: a labelled folder
(images, masks, keypoints, depth, classes). `--attributes` also writes `attributes.json`: yaw, pitch, light, age, hat,
glasses and beard of every head.
Image i of a seed is the same whatever the number of workers; what exists already is left alone.
"""

import argparse
import functools
import io
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scene
from PIL import Image
from tqdm import tqdm

COLOURS = (  # of the classes, for drawing
    (0, 0, 0),
    (236, 188, 158),
    (240, 130, 110),
    (70, 140, 240),
    (110, 70, 40),
    (250, 200, 90),
    (200, 40, 70),
    (140, 100, 60),
    (90, 60, 110),
    (0, 200, 200),
    (230, 90, 200),
    (90, 170, 90),
)


@functools.cache
def studio(folder: Path | None) -> scene.Studio:
    """The assets, loaded once per process."""
    return scene.open_studio(folder)


def png(array: np.ndarray) -> bytes:
    """An image or mask as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    """Write atomically: a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(path)


def packed(depth: np.ndarray) -> bytes:
    """Depth (H, W) in metres, 0 where there is nothing, as an npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, depth=depth)
    return buffer.getvalue()


def name_of(seed: int, index: int) -> str:
    return f"head-{seed:03d}-{index:06d}"


def render_one(task: tuple[Path, int, int, int, int, bool, Path | None]) -> tuple[int, bytes]:
    """Render one head and, unless it goes into a zip, write it.

    Returns its index and the image's bytes (empty once written).
    """
    out, seed, index, size, factor, labels, folder = task
    picture = scene.draw(studio(folder), seed, index, size, factor)
    name, image = name_of(seed, index), png(picture.image)
    if out.suffix == ".zip":
        return index, image
    if labels:
        write(out / "masks" / f"{name}.png", png(picture.mask))
        write(out / "depth" / f"{name}.npz", packed(picture.depth))
        points = [
            [round(float(x) - 0.5, 3), round(float(y) - 0.5, 3), int(seen)] for x, y, seen in picture.keypoints
        ]  # the first pixel's centre is 0
        write(out / ".keypoints" / f"{name}.json", json.dumps(points).encode())
        write(out / "images" / f"{name}.png", image)  # last: its presence means the sample is whole
    else:
        write(out / f"{name}.png", image)
    return index, b""


def done(out: Path, *, labels: bool) -> set[str]:
    """Names that are already there."""
    if out.suffix == ".zip":
        if not out.is_file():
            return set()
        with zipfile.ZipFile(out) as archive:
            return {Path(name).stem for name in archive.namelist()}
    return {path.stem for path in (out / "images" if labels else out).glob("head-*.png")}


def render(
    tasks: list[tuple[Path, int, int, int, int, bool, Path | None]], workers: int
) -> Iterator[tuple[int, bytes]]:
    """Render all tasks, in order, here or in worker processes."""
    if workers <= 1:
        yield from map(render_one, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(render_one, tasks, chunksize=8)


def write_lists(out: Path, args: argparse.Namespace) -> None:
    """What the labels mean, the keypoints and, beside the layout, `colours.json` and `about.json`."""
    write(out / "classes.json", (json.dumps(list(scene.CLASSES), indent=1) + "\n").encode())
    write(out / "colours.json", (json.dumps(dict(zip(scene.CLASSES, COLOURS, strict=True)), indent=1) + "\n").encode())
    names = [name_of(args.seed, index) for index in range(args.first, args.first + args.count)]
    points = {name: json.loads((out / ".keypoints" / f"{name}.json").read_text()) for name in names}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(rows)}" for name, rows in points.items())
    write(out / "keypoints.json", f"{{\n{lines}\n}}\n".encode())
    eyes = [
        [index for index, point in enumerate(studio(args.assets).names) if point.startswith(f"{side}_eye")]
        for side in ("left", "right")
    ]
    write(
        out / "points.json", (json.dumps({"names": studio(args.assets).names, "scale": eyes}, indent=1) + "\n").encode()
    )
    write(out / "depth.json", b'{"unit": "metres"}\n')
    about = {
        "seed": args.seed,
        "first": args.first,
        "count": args.count,
        "size": args.size,
        "samples_per_pixel": args.factor**2,
        "licence": "CC0-1.0",
    }
    about["depth"] = "metres along the optical axis, float32, 0 = background; array `depth` of each npz"
    write(out / "about.json", (json.dumps(about, indent=1) + "\n").encode())


def attributes_of(args: argparse.Namespace) -> Path:
    """Where the attributes go: into the folder, beside a zip."""
    return args.out.with_suffix(".json") if args.out.suffix == ".zip" else args.out / "attributes.json"


def write_attributes(args: argparse.Namespace) -> None:
    """What is random about every head and can be told in a number or a word; nothing is rendered for it."""
    indices = range(args.first, args.first + args.count)
    heads = {name_of(args.seed, i): scene.sample_head(studio(args.assets), args.seed, i).attributes() for i in indices}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in heads.items())
    write(attributes_of(args), f"{{\n{lines}\n}}\n".encode())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Render synthetic human heads.")
    parser.add_argument("out", type=Path, help="a folder, or a .zip for images only")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--seed", type=int, default=0, help="heads of different seeds share no identity")
    parser.add_argument("--first", type=int, default=0, help="index of the first head")
    parser.add_argument("--labels", action="store_true", help="write masks, keypoints and depth too")
    parser.add_argument(
        "--attributes", action="store_true", help="write attributes.json too, of a zip as a .json beside it"
    )
    parser.add_argument("--factor", type=int, default=3, help="samples per pixel and axis")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--assets", type=Path, help="folder with the unpacked data, where the wheel is not installed")
    args = parser.parse_args()
    if args.labels and args.out.suffix == ".zip":
        parser.error("--labels writes a folder: give OUT without .zip")
    return args


def main() -> None:
    args = arguments()
    known = done(args.out, labels=args.labels)
    indices = [index for index in range(args.first, args.first + args.count) if name_of(args.seed, index) not in known]
    tasks = [(args.out, args.seed, index, args.size, args.factor, args.labels, args.assets) for index in indices]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    archive = zipfile.ZipFile(args.out, "a") if args.out.suffix == ".zip" else None
    for index, data in tqdm(
        render(tasks, args.workers), total=args.count, initial=args.count - len(tasks), unit="head"
    ):
        if archive:
            archive.writestr(zipfile.ZipInfo(f"{name_of(args.seed, index)}.png"), data)
    if archive:
        archive.close()
    if args.labels:
        write_lists(args.out, args)
    if args.attributes:
        write_attributes(args)


if __name__ == "__main__":
    main()
