"""Composition: a dataset that holds what an aim asks for.

It goes in rounds: propose draws → make and label them → decide from the ledger what is short → propose again. The first
round is what `generate` draws without an aim. The plan of every later round is an entry of the ledger, so that a run
that goes on makes the same samples.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Generator as Steps
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from handsoff.core.sequences import Lazy
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.datasets.generated import Record
from handsoff.editing.edit import about
from handsoff.engines.contract import Engine
from handsoff.generators.contract import Generator, StyleGenerator
from handsoff.generators.stored import load_generator
from handsoff.jobs.folder import Job
from handsoff.jobs.ledger import read_entry, write_entry
from handsoff.jobs.progress import Progress
from handsoff.labeling.labeler import EXAMPLE_WS, GENERATOR
from handsoff.sampling.draws import Draw, draw_latents, uniform_draws
from handsoff.sampling.edits import ANCHORS, DIRECTIONS, VECTORS, WS
from handsoff.sampling.probes import Probe, probe
from handsoff.sampling.proposals import NO_CONDITIONS, Tools, next_round
from handsoff.sampling.raking import choose
from handsoff.sampling.targets import Group, groups_of, members, values
from handsoff.synthesis.dataset import Production, make_shards
from handsoff.synthesis.pooled import read_given
from handsoff.synthesis.references import examples_of, prefix_of, reference_records, require_groups
from handsoff.synthesis.select import kept_of, select
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import LEDGER, DrawShards
from handsoff.synthesis.table import Decided, Table
from handsoff.tasks.base import Task

REFERENCE = f"{LEDGER}/reference.json"
LEAST_ROUND = 64  # samples
BATCH = 256  # latents that are drawn together
PROBED = 20_000  # unedited draws that directions are found from, at the most


@dataclass
class Composition:
    """What decides about the samples of a dataset that has an aim.

    Attributes:
        labelers: folders.
        tasks: of the labels.
        settings: with an aim.
        reference: records of what is to be matched.
        photos: numbers of the labelled photos, see `examples_of`.
        shards: of all samples so far.
        proposals: how the samples after the first round were proposed, in order; both grow with every round.
        edits: a folder of edit vectors.
    """

    labelers: Sequence[Path]
    tasks: Mapping[str, Task]
    settings: GenerateSettings
    reference: Sequence[Record]
    photos: Mapping[str, Record]
    shards: DrawShards
    proposals: list[Record] = field(default_factory=list)
    edits: Path | None = None

    @property
    def count(self) -> int:
        """How many samples stay."""
        return kept_of(self.settings.n, self.settings.keep)

    def groups(self, records: Sequence[Record]) -> list[Group]:
        """What is asked for, given the samples so far, of which the first `n` are plain draws."""
        aim = self.settings.wanted
        parts = {name: task.parts for name, task in self.tasks.items()}
        return groups_of(aim, parts, records[: self.settings.n], self.reference) if aim else []

    def decide(self, table: Table) -> Decided:
        """Those samples stay that come nearest to the aim.

        First the most certain ones are found, within strata (`candidate`), then `count` of these are chosen. Edits that
        did something else than they were made for are no candidates.
        """
        settings = self.settings
        certain = select(table, settings.keep, settings.drop, settings.strata)
        rows = np.flatnonzero(certain.kept)
        groups = self.groups(told := Told(self, table, certain))
        asked = np.array([group.asked for group in groups])
        rng = np.random.default_rng((settings.seed, self.count))
        kept = np.zeros(len(told), bool)
        kept[rows[choose(values(groups, told)[rows], asked, self.count, rng)]] = True
        return replace(certain, kept=kept, candidate=certain.kept, proposal=self.proposal)

    def proposal(self, row: int) -> Record | None:
        """How a sample was proposed; None: it is of the first round."""
        later = row - len(self.shards.rounds[0])
        return self.proposals[later] if later >= 0 else None

    def reached(self, groups: Sequence[Group], told: "Told") -> Float[np.ndarray, " m"]:
        """The share of every group among the samples that stay."""
        return values(groups, told)[told.decided.kept].mean(0)

    def met(self, groups: Sequence[Group], reached: Float[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Which shares are as asked, as nearly as the number of samples allows."""
        asked, tolerances = np.array([(group.asked, group.tolerance(self.count)) for group in groups]).T
        return np.abs(reached - asked) <= tolerances + 1e-9


@dataclass(frozen=True)
class Told(Lazy[Record]):
    """Samples as decisions and proposals look at them: each a record, made from columns when it is looked at.

    Attributes:
        composition: of the dataset.
        table: what samples show, and their attributes.
        decided: who was certain enough.
    """

    composition: Composition
    table: Table
    decided: Decided

    def __len__(self) -> int:
        return self.table.count

    def item(self, place: int) -> Record:
        proposal = self.composition.proposal(place)
        certain = self.decided.kept if self.decided.candidate is None else self.decided.candidate
        return {
            **self.table.record(place),
            "draw": self.composition.shards.draw(place).record(),
            "candidate": bool(certain[place]),
            **({} if proposal is None else {"proposal": proposal}),
        }


def composition_of(  # all that it follows from
    job: Job,
    labelers: Sequence[Path],
    tasks: Mapping[str, Task],
    settings: GenerateSettings,
    draws: Sequence[Draw],
    edits: Path | None,
) -> Steps[Progress, None, Composition]:
    """Read what the aim refers to, once per dataset; `draws` are those of the first round.

    Raises:
        InputError: a set that is to be matched cannot be read, or shows nothing to match.
    """
    photos = examples_of(labelers, {} if settings.attributes is None else read_given(Path(settings.attributes))[1])
    aim, entry = settings.wanted, job.out / REFERENCE
    reference: list[Record] = []
    if aim is not None and aim.match is not None:
        known = read_entry(entry)
        reference = known or [dict(record) for record in (yield from reference_records(aim.match, labelers, tasks))]
        require_groups(aim.match, reference, {name: task.parts for name, task in tasks.items()})
        if known is None:
            write_entry(entry, reference)
    shards = DrawShards(settings.seed, (draws,))
    return Composition(labelers, tasks, settings, reference, photos, shards, edits=edits)


def compose(
    job: Job,
    composition: Composition,
    production: Callable[[DrawShards, int], Production],
    engine: Engine,
) -> Steps[Progress, None, Production]:
    """Make round after round until the aim is reached, or no more samples may be drawn.

    Args:
        job: of the dataset.
        composition: decides.
        production: makes the shards, given their number of rounds.
        engine: does the work.

    Returns:
        What makes all samples; they are made.
    """
    settings, known = composition.settings, dict[tuple[Any, ...], Record]()
    for number in range(1, settings.most_draws + 2):
        shards = composition.shards
        so_far = production(shards, number - 1)
        table = yield from make_shards(job, so_far, engine)
        entry = job.out / LEDGER / f"round-{number}.json"
        plan = read_entry(entry)
        if plan is None:
            yield Progress(f"round {number}: deciding what to draw", 0, 1)
            plan = plan_round(job.out, composition, table, number, settings.most_draws - shards.drawn)
            write_entry(entry, plan)
        draws = [Draw.of_record(record["draw"]) for record in plan["proposals"]]
        if not draws:
            break
        composition.shards = replace(shards, rounds=(*shards.rounds, draws))
        for record in plan["proposals"]:  # few differ: they share their tables
            told = {"round": number, "group": record["group"], "kind": record["kind"]}
            composition.proposals.append(known.setdefault(tuple(told.values()), told))
    return so_far


def plan_round(out: Path, composition: Composition, table: Table, number: int, left: int) -> dict[str, Any]:
    """The proposals of a round, and how well directions were found; none where the aim is reached."""
    settings = composition.settings
    told = Told(composition, table, composition.decide(table))
    groups = composition.groups(told)
    reached = composition.reached(groups, told)
    met = composition.met(groups, reached)
    if left <= 0 or met.all():
        return {"proposals": [], "probes": {}}
    count = min(left, max(LEAST_ROUND, settings.n // 2))
    shortfalls = np.clip([group.asked for group in groups] - reached, 0, None)
    shortfalls[met] = 0
    generator = load_generator(composition.labelers[0] / GENERATOR)
    short = [group for group, shortfall in zip(groups, shortfalls, strict=True) if shortfall > 0]
    probes = find_directions(generator, short, told) if isinstance(generator, StyleGenerator) else {}
    titles = {title: f"{title}, round {number}" for title, found in probes.items() if found.useful}
    write_materials(out, composition, {name: probes[title] for title, name in titles.items()})
    start = settings.seed + len(told)
    seeds = range(start, start + count)
    draws = uniform_draws(generator.conditions, seeds, settings.psi, settings.condition, settings.guidance)
    tools = Tools(
        layers=generator.num_ws if isinstance(generator, StyleGenerator) else 0,
        conditions=generator.conditions if settings.condition is None else NO_CONDITIONS,
        directions=titles,
        photos={name: numbers for name, numbers in composition.photos.items() if name in stored(out / ANCHORS)},
        vectors=by_part(stored(out / VECTORS)),
    )
    rng = np.random.default_rng((settings.seed, number))
    made = next_round(groups, shortfalls, told, tools, draws, rng)
    return {
        "proposals": [{"draw": proposal.draw.record(), **proposal.record()} for proposal in made],
        "probes": {title: round(found.skill, 4) for title, found in probes.items()},
    }


def stored(file: Path) -> dict[str, Any]:
    return read_tensors(file) if file.is_file() else {}


def by_part(vectors: Iterable[str]) -> dict[str, list[str]]:
    """TASK/PART → the names of the edit vectors that add it."""
    found: dict[str, list[str]] = {}
    for name in vectors:
        found.setdefault(about(name), []).append(name)
    return found


def write_materials(out: Path, composition: Composition, probes: Mapping[str, Probe]) -> None:
    """Put what edits need into the folder of the dataset: latents of labelled photos, edit vectors, and directions."""
    if not (out / ANCHORS).is_file():
        labelers = composition.labelers
        files = {prefix_of(labeler, labelers): stored(labeler / EXAMPLE_WS) for labeler in labelers}
        photos = {f"{prefix}{name}": ws for prefix, found in files.items() for name, ws in found.items()}
        if photos:
            write_tensors(out / ANCHORS, photos)
    if composition.edits is not None and not (out / VECTORS).is_file():
        write_tensors(out / VECTORS, read_tensors(composition.edits / VECTORS))
    if probes:
        before = stored(out / DIRECTIONS)
        found = {name: torch.from_numpy(found.direction).float() for name, found in probes.items()}
        write_tensors(out / DIRECTIONS, {**before, **found})


def find_directions(generator: Generator, groups: Sequence[Group], records: Sequence[Record]) -> dict[str, Probe]:
    """A probe for every group that has enough samples among the first unedited draws, by its title."""
    plain = list(islice((record for record in records if "edits" not in record["draw"]), PROBED))
    draws = [Draw.of_record(record["draw"]) for record in plain]
    batches = (draws[start : start + BATCH] for start in range(0, len(draws), BATCH))
    w = np.concatenate([draw_latents(generator, batch).tensors[WS][:, 0].cpu().numpy() for batch in batches])
    found = {group.title: probe(w, members(group, plain)) for group in groups}
    return {title: made for title, made in found.items() if made is not None}
