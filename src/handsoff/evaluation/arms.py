"""Arms: the mixtures that an evaluation compares, as data. Every arm trains the same model on other batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from handsoff.core.errors import InputError
from handsoff.evaluation.settings import EvaluateSettings, Shares

REAL = "real"  # the pool of real labelled photos
SYNTHETIC = "synthetic"  # the pool of the dataset, where there is one dataset only
ALL = "all"  # in an arm's name: every dataset
REAL_AT_FIRST = 0.25  # share of real samples in a mixed arm until its cooldown, at whose end all are real
POSITIONS = 100  # moments of a cooldown at which an arm is looked at


@dataclass(frozen=True)
class Arm:
    """One mixture.

    Attributes:
        shares: pool → its share of the batch until the cooldown begins, and at its end, linear between; they add up
            to 1.
    """

    name: str
    shares: dict[str, tuple[float, float]]

    def counts(self, position: float, batch: int) -> dict[str, int]:
        """Pool → how many of its samples are in a batch, always `batch` in total.

        Args:
            position: in the cooldown, 0 before it, 1 at its end.
            batch: samples per step.
        """
        cumulative = accumulate(first + (last - first) * position for first, last in self.shares.values())
        ends = [min(round(batch * share), batch) for share in cumulative]
        ends[-1] = batch
        return {pool: end - start for pool, (start, end) in zip(self.shares, pairwise([0, *ends]), strict=True)}


def pool_names(datasets: Sequence[Path]) -> list[str]:
    """What the datasets are called: "synthetic" where there is one, else each by its folder's name.

    Folders of the same name get those of their parents before it, as many as it takes: `50/dataset` and `200/dataset`
    are 50-dataset and 200-dataset.

    Raises:
        InputError: there is none, or two cannot be told apart.
    """
    if len(datasets) < 2:  # noqa: PLR2004  # nothing to tell apart
        if not datasets:
            raise InputError("There is no dataset to evaluate: give at least one with --synthetic.")
        return [SYNTHETIC]
    paths = [[*place.parent.parts[1:], place.name.removesuffix(".zip")] for place in map(Path.resolve, datasets)]
    names = [shortest_name(path, paths) for path in paths]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(
                f"{datasets[index]} is given twice or named like another dataset: give every dataset once."
            )
    return names


def shortest_name(path: list[str], paths: Iterable[list[str]]) -> str:
    """The end of a path, as long as it takes to be no other path's end and no word with a meaning of its own."""
    for depth in range(1, len(path) + 1):
        ends = ["-".join(other[-depth:]) for other in paths]
        name = "-".join(path[-depth:])
        if ends.count(name) == 1 and name not in {REAL, ALL}:
            return name
    return "-".join(path)


def default_arms(datasets: Sequence[str]) -> list[Arm]:
    """Real only, every dataset alone, real with every dataset and, where there are several, real with all of them."""
    alone = [Arm(f"{name}_only", {name: (1.0, 1.0)}) for name in datasets]
    mixed = [real_plus(name, [name]) for name in datasets]
    return [Arm("real_only", {REAL: (1.0, 1.0)}), *alone, *mixed, *([real_plus(ALL, datasets)] if datasets[1:] else [])]


def real_plus(name: str, datasets: Sequence[str]) -> Arm:
    """Real samples with those of `datasets` in equal parts; training ends on real ones alone."""
    part = (1 - REAL_AT_FIRST) / len(datasets)
    return Arm(f"real_plus_{name}", {REAL: (REAL_AT_FIRST, 1.0), **dict.fromkeys(datasets, (part, 0.0))})


def choose_arms(settings: EvaluateSettings, datasets: Sequence[str]) -> list[Arm]:
    """The arms of the settings, or the default ones.

    Raises:
        InputError: an arm has a pool that is not there, or one too small to be in any batch.
    """
    if settings.arms is None:
        return default_arms(datasets)
    return [arm_of(name, shares, [REAL, *datasets], settings) for name, shares in settings.arms.items()]


def arm_of(name: str, shares: Mapping[str, Shares], pools: Sequence[str], settings: EvaluateSettings) -> Arm:
    """One arm of the settings, its pools in the order of `pools`."""
    unknown = [pool for pool in shares if pool not in pools]
    if unknown:
        raise InputError(f"The arm {name} has no pool {unknown[0]!r} to draw from: choose from {', '.join(pools)}.")
    bounds = {pool: shares[pool] for pool in pools if pool in shares}
    arm = Arm(
        name,
        {pool: share if isinstance(share, tuple) else (float(share), float(share)) for pool, share in bounds.items()},
    )
    batches = [arm.counts(position / POSITIONS, settings.batch) for position in range(POSITIONS + 1)]
    absent = [pool for pool in arm.shares if not any(counts[pool] for counts in batches)]
    if absent:
        raise InputError(
            f"The arm {name} never has a sample of {absent[0]} in a batch of {settings.batch}: "
            "give it a larger share, raise batch, or leave it out."
        )
    return arm
