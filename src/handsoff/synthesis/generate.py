"""`handsoff generate`: a labelled dataset from seeds.

Draws are cut into shards, an engine makes them (`synthesis.shard`), and when all are made the most certain samples are
selected from the ledger.
"""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from handsoff.core.disk import require_space_for_rest
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png, sha256, write_bytes
from handsoff.core.images import tile
from handsoff.datasets.generated import Record, remove_uncertainty, write_manifest, write_records
from handsoff.datasets.labelled import open_like, remove_sample, write_cards
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.generators.contract import check_condition
from handsoff.generators.stored import read_card
from handsoff.jobs.folder import Job, Plan, open_job, require_done
from handsoff.jobs.ledger import fit, read_entry
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.labeler import CARD, GENERATOR
from handsoff.labeling.labeler import read_card as card_of
from handsoff.sampling.draws import Draw, condition_of, uniform_draws
from handsoff.synthesis.card import write_card
from handsoff.synthesis.samples import FILES, REST
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import Shard, ShardContext, ledger_entry, loaded, make_shard, shards_of
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

SHOWN = 16  # samples in preview.png
CONTACT = "inversions.png"
UNCERTAINTY_IS = (
    "disagreement of the ensemble, 0..1; per pixel in uncertainty*/NAME.png times 255, per point in samples.jsonl"
)


def plan(labelers: Sequence[Path], settings: GenerateSettings) -> Plan:
    """What `generate` is going to do.

    Raises:
        InputError: a labeler is unusable, two have the same task, or the generator does not know the condition.
        MismatchError: the labelers belong to different generators.
    """
    inputs = {}
    for index, folder in enumerate(labelers):
        require_done(folder, "fit")
        name = "labeler" if index == 0 else f"labeler {index + 1}"
        inputs[name] = {"path": str(folder.resolve()), "fingerprint": labeler_fingerprint(folder)}
    check_same_generator(labelers)
    planned_draws(labelers[0], settings.model_copy(update={"n": 1}))  # refuses what all draws would be refused for
    return Plan("generate", inputs, settings.model_dump())


def generate(labelers: Sequence[Path], out: Path, settings: GenerateSettings, engine: Engine = LOCAL) -> Work:
    """Draw `n` samples, label them, drop the most uncertain; `out` becomes a labelled folder with a manifest.

    Several labelers of one generator label the same samples, each with labels of its task. Shards that an
    interrupted run finished are not made again.

    Raises:
        InputError: as `plan`, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(labelers, settings)) as job:
        if not job.done:
            yield from write_dataset(job, labelers, settings, engine)
    return job.outcome


def write_dataset(job: Job, labelers: Sequence[Path], settings: GenerateSettings, engine: Engine) -> Part:
    """Make all shards, select, and finish; of a run that goes on, damaged shards are found and made again."""
    shards = list(shards_of(planned_draws(labelers[0], settings), settings.seed))
    marks = [source["fingerprint"] for source in job.plan.inputs.values()]
    context = ShardContext(tuple(zip(labelers, marks, strict=True)), job.out)
    while True:
        records: list[Record] = []
        total = 0.0
        for entry in engine.map(make_shard, shards, context):
            made: list[Record] = read_entry(entry)
            if not records:
                require_space_for_rest(job.out, len(list((job.out / "images").iterdir())), settings.n)
            records += made
            total += sum(fmean(record["uncertainties"].values()) for record in made)
            yield Progress("generating", len(records), settings.n, f"mean uncertainty {total / len(records):.3f}")
        yield Progress("selecting", 0, 1)
        chosen = select(records, settings.keep, settings.drop)
        damaged = [] if job.outcome == "made" else (yield from damaged_shards(job.out, shards, chosen))
        if not damaged:
            break
        for shard in damaged:
            ledger_entry(job.out, shard).unlink()
    loaded.cache_clear()
    finish(job, labelers, chosen, settings)


def damaged_shards(
    out: Path, shards: Sequence[Shard], records: Sequence[Record]
) -> Generator[Progress, None, list[Shard]]:
    """The shards that a file is missing or wrong of; files of samples that are dropped do not count."""
    kept = {record["name"]: record[FILES] for record in records if record["kept"]}
    damaged = []
    for number, shard in enumerate(shards, start=1):
        if not all(fit(kept[name], out) for name in shard.names if name in kept):
            damaged.append(shard)
        yield Progress("checking what was made before", number, len(shards), f"{len(damaged)} to make again")
    return damaged


def planned_draws(labeler: Path, settings: GenerateSettings) -> list[Draw]:
    """One draw per sample.

    Raises:
        InputError: the generator does not know the condition, or needs one.
    """
    conditions = read_card(labeler / GENERATOR).conditions
    seeds = range(settings.seed, settings.seed + settings.n)
    draws = uniform_draws(conditions, seeds, settings.psi, settings.condition)
    check_condition(conditions, condition_of(conditions, draws), len(draws))
    return draws


def labeler_fingerprint(labeler: Path) -> str:
    """Hash of all that decides how a labeler labels: its card, which names its generator, and its weights."""
    digest = hashlib.sha256()
    for file in [labeler / CARD, *sorted(labeler.glob("*.safetensors"))]:
        digest.update(f"{file.name} {sha256(file)}\n".encode())
    return digest.hexdigest()


def check_same_generator(labelers: Sequence[Path]) -> None:
    """Several labelers must share their generator and differ in their task.

    Raises:
        MismatchError: one has another generator.
        InputError: two have the same task.
    """
    cards = [card_of(folder) for folder in labelers]
    for folder, card in zip(labelers[1:], cards[1:], strict=True):
        if card["generator"] != cards[0]["generator"]:
            raise MismatchError(
                f"{folder} was fitted to another generator than {labelers[0]}: give labelers of the same one."
            )
    names = [card["task"] for card in cards]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"Two labelers have the task {twice[0]}: give one of each task.")


def labeler_licence(labeler: Path) -> str:
    """The terms under which everything stands that a finished labeler labels.

    Raises:
        InputError: it is not finished.
    """
    require_done(labeler, "fit")
    return str(card_of(labeler)["licence"])


def finish(job: Job, labelers: Sequence[Path], records: Sequence[Record], settings: GenerateSettings) -> None:
    """Remove what was dropped, and write what the dataset says of itself."""
    out, cards = job.out, [card_of(folder) for folder in labelers]
    tasks = {card["task"]: make_task(card["task"], card["schema"]) for card in cards}
    kept = [record for record in records if record["kept"]]
    for record in records:
        if not record["kept"]:
            remove_sample(out, record["name"], tasks)
            remove_uncertainty(out, tasks, record["name"])
    write_cards(out, tasks, {record["name"]: record[REST] for record in kept})
    own = {REST, FILES}  # of the ledger
    write_records(out, ({key: value for key, value in record.items() if key not in own} for record in records))
    if (labelers[0] / CONTACT).is_file():  # labelers of images have no inversions to show
        write_bytes(out / CONTACT, (labelers[0] / CONTACT).read_bytes())
    write_card(out, cards, tasks, records, settings)
    write_preview(out, [record["name"] for record in kept[:SHOWN]], tasks)
    card, drawn = cards[0], len(records)
    facts = {name: card[name] for name in ("image_size", "framing", "licence", "generator")}
    counts = {"drawn": drawn, "kept": len(kept), "psi": settings.psi, "seed": settings.seed}
    schemas = {name: task.schema for name, task in tasks.items()}
    write_manifest(out, {"tasks": schemas, **facts, **counts, "uncertainty": UNCERTAINTY_IS})
    job.finish(seed=settings.seed, licence=card["licence"], drawn=drawn, kept=len(kept))


def write_preview(out: Path, names: Sequence[str], tasks: Mapping[str, Task]) -> None:
    """`preview.png`: some samples, each as its image and, for every task, the image with the label drawn over it."""
    data = open_like(out, {name: task.schema for name, task in tasks.items()})
    pictures = []
    for name in names:
        image, labels = data.sample(name)
        pictures += [image, *(task.drawing.draw(image[None], labels[kind][None])[0] for kind, task in tasks.items())]
    write_bytes(out / "preview.png", png(tile(np.stack(pictures), 4 * (1 + len(tasks)))))
