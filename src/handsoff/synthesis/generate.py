"""`handsoff generate`: a labelled dataset from seeds, whose images a generator draws."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import weights_hash, write_bytes
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.generators.contract import check_condition
from handsoff.generators.stored import read_card
from handsoff.jobs.folder import Job, Plan, open_job, require_done
from handsoff.jobs.progress import Part, Work
from handsoff.labeling.labeler import CARD, GENERATOR
from handsoff.labeling.labeler import read_card as card_of
from handsoff.sampling.draws import Draw, condition_of, uniform_draws
from handsoff.synthesis.card import drawn_images
from handsoff.synthesis.dataset import Production, finish, make_samples
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import ShardContext, loaded, make_shard, shards_of
from handsoff.tasks import make_task

CONTACT = "inversions.png"


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
        inputs[name] = {"path": str(folder.resolve()), "fingerprint": weights_hash(folder / CARD)}
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
    """Make all samples, and what the dataset says of itself."""
    marks = [source["fingerprint"] for source in job.plan.inputs.values()]
    context = ShardContext(tuple(zip(labelers, marks, strict=True)), job.out)
    shards = list(shards_of(planned_draws(labelers[0], settings), settings.seed))
    production = Production("generating", make_shard, shards, context, settings.n)
    records = yield from make_samples(job, production, settings.keep, settings.drop, engine)
    loaded.cache_clear()
    cards = [card_of(folder) for folder in labelers]
    tasks = {card["task"]: make_task(card["task"], card["schema"]) for card in cards}
    card, drawn, kept = cards[0], len(records), sum(record["kept"] for record in records)
    facts = {name: card[name] for name in ("image_size", "framing", "licence", "generator")}
    nearness = read_card(labelers[0] / GENERATOR).nearness
    if nearness is not None:
        facts["nearness"] = asdict(nearness)
    notes = [nearness.sentence()] if nearness is not None and nearness.alarming else []
    counts = {"drawn": drawn, "kept": kept, "psi": settings.psi, "seed": settings.seed}
    if (labelers[0] / CONTACT).is_file():  # labelers of images have no inversions to show
        write_bytes(job.out / CONTACT, (labelers[0] / CONTACT).read_bytes())
    finish(job.out, tasks, records, drawn_images(cards, settings, drawn), {**facts, **counts})
    job.finish(seed=settings.seed, licence=card["licence"], drawn=drawn, kept=kept, notes=notes)


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
