"""Attributes that are read from an image as a whole: from Lite0's pooled features, linearly.

`cluster` is the nearest of eight centres of the generator's own images (k-means). Others are given: `attributes.json`
beside labelled photos, {name: {attribute: number or word}}; what generated images have is predicted by ridge regression
on those photos, whose skill is measured on held-out ones.
"""

import hashlib
import json
from collections.abc import Generator as Steps
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8

from handsoff.backbones.distances import pooled_features
from handsoff.backbones.lite0 import Lite0, frozen_lite0, viewing_size
from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.core.images import to_float
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.datasets.framing import frame_photo
from handsoff.datasets.given import GIVEN, Values, check_given, is_number
from handsoff.datasets.labelled import list_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.sources import open_source
from handsoff.generators.stored import load_generator
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.progress import Part, Progress
from handsoff.labeling.labeler import GENERATOR, read_card
from handsoff.sampling.draws import Draw
from handsoff.sampling.targets import CLUSTER
from handsoff.synthesis.samples import images_of

CLUSTERS, ROUNDS = 8, 50
FITTED_ON = 512  # draws that the clusters are found from
BATCH = 16
FOLDS, RIDGE = 5, 1.0  # of the features' mean variance, per photo
LEAST_SKILL = 0.5  # held-out: correlation of a number, or accuracy over that of the most frequent word, 0 to 1
FILE, CARD = "pooled.safetensors", "pooled.json"  # in the ledger
DRAWN, FEATURES = "drawn.safetensors", "features"  # there too, until the clusters are found; what is in it

Features = Float[np.ndarray, "n c"]
Centres = Float[np.ndarray, "k c"]


@dataclass(frozen=True)
class Linear:
    """A linear reader of features: numbers of one attribute, or a score for each of its words.

    Attributes:
        weights: the last row is the offset.
        words: none where it reads a number.
        skill: held-out, see `LEAST_SKILL`.
    """

    weights: Float[np.ndarray, "c1 k"]
    words: tuple[str, ...]
    skill: float

    def read(self, features: Features) -> list[Any]:
        scores = np.column_stack([features, np.ones(len(features))]) @ self.weights
        if self.words:
            return [self.words[index] for index in scores.argmax(1)]
        return [round(float(value), 6) for value in scores[:, 0]]


@dataclass(frozen=True)
class Pooled:
    """The attributes that are read from pooled features."""

    centres: Centres | None
    readers: Mapping[str, Linear]

    def read(self, images: UInt8[np.ndarray, "n h w 3"]) -> list[dict[str, Any]]:
        """The attributes of every image."""
        features = features_of(images)
        columns: dict[str, list[Any]] = {name: reader.read(features) for name, reader in self.readers.items()}
        if self.centres is not None:
            columns[CLUSTER] = nearest(features, self.centres).tolist()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@lru_cache(maxsize=1)
def network() -> Lite0:
    return frozen_lite0()


def features_of(images: UInt8[np.ndarray, "n h w 3"]) -> Features:
    size = viewing_size((images.shape[1], images.shape[2]))
    batches = (to_float(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
    return pooled_features(network(), batches, size).numpy().astype(np.float64)


def read_given(path: Path) -> tuple[LabelledDataset, Values]:
    """Labelled photos and their attributes.

    Raises:
        InputError: `attributes.json` is missing, wrong, or has nothing about some of the photos.
    """
    data = list_labelled(open_source(path))
    found, where = data.source.json(GIVEN), data.source.path / GIVEN
    return data, check_given(found, str(where), data.names)


def given_words(path: str | None) -> dict[str, tuple[str, ...]]:
    """The attributes that are given, each with its words, none where it is a number.

    Raises:
        InputError: as `read_given`.
    """
    if path is None:
        return {}
    data, values = read_given(Path(path))
    told = [values.get(name, {}) for name in data.names]
    found = {name: {entry[name] for entry in told} for name in next(iter(told), {})}
    return {name: () if any(map(is_number, column)) else tuple(sorted(column)) for name, column in found.items()}


def given_input(path: Path) -> dict[str, str]:
    """The given attributes and their photos, as an input of the plan."""
    data, values = read_given(path)
    found = data.describe()
    mark = hashlib.sha256(f"{found['fingerprint']}{json.dumps(values, sort_keys=True)}".encode()).hexdigest()
    return {**found, "fingerprint": mark}


def prepare(folder: Path, names: Sequence[str], given: Path | None, labeler: Path, draws: Sequence[Draw]) -> Part:
    """Find the clusters and fit the readers of the named attributes, once per dataset; `folder` gets them.

    The images that clusters are found in are drawn batch by batch, and stay until they all are there.

    Raises:
        InputError: an attribute cannot be told from images well enough.
    """
    if (folder / CARD).is_file() or not names:
        return
    tensors: dict[str, torch.Tensor] = {}
    card: dict[str, Any] = {}
    if CLUSTER in names:
        tensors[CLUSTER] = torch.from_numpy(k_means((yield from drawn_features(folder, labeler, draws[:FITTED_ON]))))
    others = [name for name in names if name != CLUSTER]
    if others and given is not None:
        data, values = read_given(given)
        height, width = read_card(labeler)["image_size"]
        framing = read_card(labeler)["framing"]
        images = [frame_photo(data.image(name), (height, width), framing, name, enlarge=True) for name in data.names]
        features = features_of(np.stack(images))
        for name in others:
            reader = fit_reader(features, [values[photo][name] for photo in data.names])
            if reader.skill < LEAST_SKILL:
                raise InputError(
                    f"{name} of {GIVEN} cannot be told from images: on held-out photos its prediction has a skill of "
                    f"{reader.skill:.2f}, and {LEAST_SKILL} is needed. Give more photos, or leave it out of the aim."
                )
            tensors[name] = torch.from_numpy(reader.weights)
            card[name] = {"words": list(reader.words), "skill": round(reader.skill, 4)}
    write_tensors(folder / FILE, tensors)
    write_json(folder / CARD, card)
    (folder / DRAWN).unlink(missing_ok=True)


def load(folder: Path) -> Pooled:
    """What `prepare` wrote."""
    tensors, card = read_tensors(folder / FILE), read_json(folder / CARD)
    readers = {
        name: Linear(tensors[name].numpy(), tuple(entry["words"]), entry["skill"]) for name, entry in card.items()
    }
    return Pooled(tensors[CLUSTER].numpy() if CLUSTER in tensors else None, readers)


def drawn_features(folder: Path, labeler: Path, draws: Sequence[Draw]) -> Steps[Progress, None, Features]:
    """The features of images that the generator draws; those of finished batches lie in `folder` until all are."""
    file, generator = folder / DRAWN, load_generator(labeler / GENERATOR)
    parts = [read_tensors(file)[FEATURES].numpy()] if is_whole(file) else []
    for start in range(sum(map(len, parts)), len(draws), BATCH):
        parts.append(features_of(images_of(generator, draws[start : start + BATCH])))
        write_tensors(file, {FEATURES: torch.from_numpy(np.concatenate(parts))}, sealed=True)
        yield Progress("drawing what clusters are found in", sum(map(len, parts)), len(draws))
    return np.concatenate(parts)


def nearest(features: Features, centres: Centres) -> Int64[np.ndarray, " n"]:
    distances = (features**2).sum(1, keepdims=True) - 2 * features @ centres.T + (centres**2).sum(1)
    return distances.argmin(1)


def k_means(features: Features, clusters: int = CLUSTERS) -> Centres:
    """Lloyd's algorithm from centres that lie far apart (k-means++ without chance: the farthest point is next)."""
    centres = features[[int(((features - features.mean(0)) ** 2).sum(1).argmin())]]
    while len(centres) < min(clusters, len(features)):
        apart = ((features[:, None] - centres[None]) ** 2).sum(-1).min(1)
        centres = np.vstack([centres, features[int(apart.argmax())]])
    for _ in range(ROUNDS):
        own = nearest(features, centres)
        moved = np.stack([features[own == k].mean(0) if (own == k).any() else centres[k] for k in range(len(centres))])
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def fit_reader(features: Features, values: Sequence[Any]) -> Linear:
    """Ridge regression of an attribute, and its skill on held-out photos."""
    words = () if is_number(values[0]) else tuple(sorted(set(values)))
    targets = np.array([[value == word for word in words] if words else [value] for value in values], np.float64)
    fold, held = np.arange(len(values)) % FOLDS, np.empty_like(targets)
    for number in range(FOLDS):
        weights = ridge(features[fold != number], targets[fold != number])
        held[fold == number] = np.column_stack([features, np.ones(len(features))])[fold == number] @ weights
    if words:
        right, most = float((held.argmax(1) == targets.argmax(1)).mean()), float(targets.mean(0).max())
        skill = (right - most) / (1 - most) if most < 1 else 0.0
    else:
        known = held[:, 0].std() > 0 and targets[:, 0].std() > 0
        skill = float(np.corrcoef(held[:, 0], targets[:, 0])[0, 1]) if known else 0.0
    return Linear(ridge(features, targets), words, max(skill, 0.0))


def ridge(features: Features, targets: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "c1 k"]:
    """Weights, and the offset in the last row, in the dual form: there are fewer photos than features."""
    mean, level = features.mean(0), targets.mean(0)
    x = features - mean
    kernel = x @ x.T
    strength = RIDGE * np.trace(kernel) / len(x)
    weights = x.T @ np.linalg.solve(kernel + strength * np.eye(len(x)), targets - level)
    return np.vstack([weights, level - mean @ weights])
