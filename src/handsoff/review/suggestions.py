"""Which samples to correct next: uncertain ones that show what nobody has corrected yet.

Greedy k-centre (Sener & Savarese 2018, algorithm 1) in pooled Lite0 features, every distance times the uncertainty.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float

from handsoff.backbones.distances import pooled_features
from handsoff.backbones.lite0 import frozen_lite0, viewing_size
from handsoff.core.frames import Frame
from handsoff.core.images import decode_image, to_float
from handsoff.datasets.framing import frame_photo
from handsoff.review.queue import Queue

CANDIDATES = 10  # looked at per sample that is asked for, the most uncertain ones
LATEST = 200  # of the samples that were decided: new ones are to differ from them
BATCH = 16
LEAST = 1e-3  # uncertainty: distances still count where nothing is uncertain

Pooled = Float[np.ndarray, "_n c"]


class Suggestions:
    """Chooses samples; the features of those that it has seen stay in memory."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.features: dict[str, Float[np.ndarray, " c"]] = {}

    def next(self, count: int) -> list[str]:
        """The samples to correct next, the most useful first; fewer where fewer are undecided.

        Raises:
            InputError: an image is damaged.
        """
        session = self.queue.session
        seen = [name for name in list(session.records) if session.decision(name) != "undecided"]
        done = {*seen, *(name for name, tasks in list(session.corrected.items()) if tasks)}
        numbers = self.queue.numbers.get("uncertainty", {})
        undecided = [name for name in session.dataset.names if name not in done]
        ranked = sorted(undecided, key=lambda name: -numbers.get(name, 0.0))[: count * CANDIDATES]
        if not ranked:
            return []
        latest = sorted(done, key=lambda name: session.record(name).when)[-LATEST:]
        self.look_at([*ranked, *latest])
        weights = np.array([numbers.get(name, 0.0) for name in ranked]) + LEAST
        candidates = np.stack([self.features[name] for name in ranked])
        known = np.stack([self.features[name] for name in latest]) if latest else candidates[:0]
        return [ranked[index] for index in spread(candidates, weights, known, count)]

    def look_at(self, names: Sequence[str]) -> None:
        """Read the features of the samples that are not known yet."""
        session = self.queue.session
        new = [name for name in names if name not in self.features]
        if not new:
            return
        frame = session.size(session.dataset.names[0])

        def batches() -> Iterator[torch.Tensor]:
            for start in range(0, len(new), BATCH):
                images = [self.image(name, frame) for name in new[start : start + BATCH]]
                yield to_float(np.stack(images))

        found = pooled_features(frozen_lite0(), batches(), viewing_size(frame)).numpy()
        self.features |= dict(zip(new, found, strict=True))

    def image(self, name: str, frame: Frame) -> np.ndarray:
        image = decode_image(self.queue.session.image_file(name), name)
        return image if image.shape[:2] == frame else frame_photo(image, frame, "crop", name, enlarge=True)


def spread(candidates: Pooled, weights: Float[np.ndarray, " n"], known: Pooled, count: int) -> list[int]:
    """Indices of candidates, chosen one by one: the largest weight times distance to all that is known or chosen."""
    distance = np.full(len(candidates), np.inf)
    for row in known:
        distance = np.minimum(distance, np.linalg.norm(candidates - row, axis=1))
    chosen: list[int] = []
    while len(chosen) < min(count, len(candidates)):
        score = weights * np.where(np.isinf(distance), 1.0, distance)
        score[chosen] = -1
        chosen.append(int(score.argmax()))
        distance = np.minimum(distance, np.linalg.norm(candidates - candidates[chosen[-1]], axis=1))
    return chosen
