"""Arms: the mixtures that an evaluation compares, as data. Every arm trains the same model on other batches."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.evaluation.settings import EvaluateSettings, Shares
from handsoff.learning.settings import REAL_ONLY

REAL = "real"  # the pool of real labelled photos
PHOTOS, SYNTHETIC = "photos", "synthetic"  # the pool of the only dataset of photos, and of the only other one
ONLINE = "online"  # the pool of samples that the only generated dataset's labeler draws during training
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


def pool_names(datasets: Sequence[Path], kinds: Sequence[str]) -> list[str]:
    """What the datasets are called: by their kind where there is one of a kind, else by their folders' names.

    Folders of the same name get those of their parents before it, as many as it takes: `50/dataset` and `200/dataset`
    are 50-dataset and 200-dataset.

    Args:
        datasets: in the order in which they were given.
        kinds: "photos" or "synthetic" for each.

    Raises:
        InputError: two cannot be told apart.
    """
    paths = [[*place.parent.parts[1:], place.name.removesuffix(".zip")] for place in map(Path.resolve, datasets)]
    several = [path for path, kind in zip(paths, kinds, strict=True) if kinds.count(kind) > 1]
    names = [
        kind
        if kinds.count(kind) == 1
        else shortest_name(path, several, {REAL, ALL, PHOTOS, SYNTHETIC, ONLINE} - {kind})
        for path, kind in zip(paths, kinds, strict=True)
    ]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(
                f"{datasets[index]} is given twice or named like another dataset: give every dataset once."
            )
    return names


def shortest_name(path: list[str], paths: Iterable[list[str]], reserved: Collection[str]) -> str:
    """The end of a path, as long as it takes to be no other path's end and no word with a meaning of its own."""
    for depth in range(1, len(path) + 1):
        ends = ["-".join(other[-depth:]) for other in paths]
        name = "-".join(path[-depth:])
        if ends.count(name) == 1 and name not in reserved:
            return name
    return "-".join(path)


def default_arms(datasets: Sequence[str]) -> list[Arm]:
    """Real only, every dataset alone, real with every dataset and, where there are several, real with all of them.

    Photos come first. The last arm is called after its datasets where they are one of photos and one of the other kind.
    """
    datasets = sorted(datasets, key=lambda name: name != PHOTOS)
    alone = [Arm(f"{name}_only", {name: (1.0, 1.0)}) for name in datasets]
    mixed = [real_plus(name, [name]) for name in datasets]
    every = f"{PHOTOS}_plus_{SYNTHETIC}" if datasets == [PHOTOS, SYNTHETIC] else ALL
    together = [real_plus(every, datasets)] if datasets[1:] else []
    return [Arm(REAL_ONLY, {REAL: (1.0, 1.0)}), *alone, *mixed, *together]


def real_plus(name: str, datasets: Sequence[str]) -> Arm:
    """Real samples with those of `datasets` in equal parts; training ends on real ones alone."""
    part = (1 - REAL_AT_FIRST) / len(datasets)
    return Arm(f"real_plus_{name}", {REAL: (REAL_AT_FIRST, 1.0), **dict.fromkeys(datasets, (part, 0.0))})


def choose_arms(settings: EvaluateSettings, datasets: Sequence[str], online: str | None = None) -> list[Arm]:
    """The arms of the settings, or the default ones, all or those that are named.

    Args:
        settings: tell which.
        datasets: names of their pools.
        online: that of the dataset whose labeler can draw samples during training; the arms with these are only
            trained where they are named.

    Raises:
        UnknownNameError: no default arm has this name.
        InputError: an arm has a pool that is not there, or one too small to be in any batch.
    """
    if not isinstance(settings.arms, dict):
        default = {arm.name: arm for arm in default_arms(datasets)}
        known = {**default, **{arm.name: arm for arm in (online_arms() if online else ())}}
        for name in settings.arms or ():
            if name not in known:
                raise UnknownNameError("arm", name, known)
        arms = [known[name] for name in settings.arms or default]
    else:
        pools = [REAL, *datasets, *([ONLINE] if online else [])]
        arms = [arm_of(name, shares, pools) for name, shares in settings.arms.items()]
    for arm in arms:
        require_all_pools(arm, settings)
    return arms


def online_arms() -> list[Arm]:
    """New samples at every step, alone and beside the real ones, as a dataset would be."""
    return [Arm(f"{ONLINE}_only", {ONLINE: (1.0, 1.0)}), real_plus(ONLINE, [ONLINE])]


def arm_of(name: str, shares: Mapping[str, Shares], pools: Sequence[str]) -> Arm:
    """One arm of the settings, its pools in the order of `pools`."""
    unknown = [pool for pool in shares if pool not in pools]
    if unknown:
        raise InputError(f"The arm {name} has no pool {unknown[0]!r} to draw from: choose from {', '.join(pools)}.")
    bounds = {pool: shares[pool] for pool in pools if pool in shares}
    return Arm(
        name,
        {pool: share if isinstance(share, tuple) else (float(share), float(share)) for pool, share in bounds.items()},
    )


def require_all_pools(arm: Arm, settings: EvaluateSettings) -> None:
    """Refuse an arm one of whose pools is in no batch of a run.

    Raises:
        InputError: it is such an arm.
    """
    last = POSITIONS if settings.cooldown else 0
    batches = [arm.counts(position / POSITIONS, settings.batch) for position in range(last + 1)]
    absent = [pool for pool in arm.shares if not any(counts[pool] for counts in batches)]
    if absent:
        raise InputError(
            f"The arm {arm.name} never has a sample of {absent[0]} in a batch of {settings.batch}: give it a larger "
            f"share in --set arms=…, raise batch, or leave it out."
        )
