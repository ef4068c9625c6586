"""`handsoff generate`: a labelled dataset from seeds, whose images a generator draws."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, weights_hash, write_bytes
from handsoff.datasets.attributes import ATTRIBUTES
from handsoff.datasets.licences import together
from handsoff.editing.edit import CARD as EDITS
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.generators.conditions import words_of
from handsoff.generators.stored import read_card
from handsoff.jobs.folder import Job, Plan, open_job, require_done
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.labeler import CARD, GENERATOR
from handsoff.labeling.labeler import read_card as card_of
from handsoff.sampling.aims import Aim
from handsoff.sampling.draws import Draws, planned_draws
from handsoff.sampling.targets import located
from handsoff.synthesis.account import account, missed
from handsoff.synthesis.card import drawn_images
from handsoff.synthesis.compose import compose, composition_of
from handsoff.synthesis.dataset import Decision, Production, finish, make_samples
from handsoff.synthesis.ignoring import check_ignoring, ignore_uncertain
from handsoff.synthesis.output import output_of
from handsoff.synthesis.pooled import given_input, given_words, prepare
from handsoff.synthesis.references import check_aim, check_match
from handsoff.synthesis.samples import Wanted
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import LEDGER, DrawShards, ShardContext, loaded, make_shard, materials, readers
from handsoff.synthesis.table import SHARE, SHOWN, PartOf, Table
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

CONTACT = "inversions.png"


def plan(labelers: Sequence[Path], settings: GenerateSettings, edits: Path | None = None) -> Plan:
    """What `generate` is going to do.

    Raises:
        InputError: there is no labeler, one is unusable, two have the same task, the generator does not know the
            condition, the aim names what is not there or no sample can have, or there are edits and no aim.
        MismatchError: the labelers, or the edits, belong to different generators.
    """
    if not labelers:
        raise InputError("There is no labeler to label samples with: give the folder of handsoff fit, or several.")
    inputs = {}
    for index, folder in enumerate(labelers):
        require_done(folder, "fit")
        name = "labeler" if index == 0 else f"labeler {index + 1}"
        inputs[name] = {"path": str(folder.resolve()), "fingerprint": weights_hash(folder / CARD)}
    check_same_generator(labelers)
    draws_of(labelers[0], settings.model_copy(update={"n": 1}))  # refuses what all draws would be refused for
    tasks = tasks_of_cards([card_of(folder) for folder in labelers])
    check_ignoring(settings.ignore_pixels, tasks)
    if settings.wanted is not None:
        check_aim(settings, tasks, asked_words(labelers[0]))
        matched = check_match(settings.wanted.match, labelers)
        inputs |= {} if matched is None else {"match": matched}
        if settings.attributes is not None:
            inputs["attributes"] = given_input(Path(settings.attributes))
    if edits is not None:
        inputs["edits"] = edits_input(edits, labelers[0], settings)
    stated = settings.model_dump(exclude={"attributes"})
    return Plan("generate", inputs, {**stated, "aim": settings.placeless_aim})


def edits_input(edits: Path, labeler: Path, settings: GenerateSettings) -> dict[str, str]:
    """Edit vectors as an input of the plan.

    Raises:
        InputError: they are none, or there is no aim that they could serve.
        MismatchError: they are of another generator.
    """
    require_done(edits, "edit")
    if settings.wanted is None:
        raise InputError("Edits are made to reach an aim: say what the dataset is to hold, such as --aim hat=0.2.")
    if read_json(edits / EDITS)["generator"] != card_of(labeler)["generator"]:
        raise MismatchError(f"{edits} holds edits of another generator than that of {labeler}: learn them with it.")
    return {"path": str(edits.resolve()), "fingerprint": weights_hash(edits / EDITS)}


def generate(
    labelers: Sequence[Path],
    out: Path,
    settings: GenerateSettings,
    engine: Engine = LOCAL,
    edits: Path | None = None,
) -> Work:
    """Draw `n` samples, label them, drop the most uncertain; `out` becomes a labelled folder with a manifest.

    Several labelers of one generator label the same samples, each with labels of its task. Shards that an
    interrupted run finished are not made again.

    Args:
        labelers: the first one's generator draws.
        out: folder to write.
        settings: see there.
        engine: does the work.
        edits: the folder of `handsoff edit`, whose vectors are proposed to reach the aim.

    Raises:
        InputError: as `plan`, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(labelers, settings, edits)) as job:
        if not job.done:
            yield from write_dataset(job, labelers, settings, edits, engine)
    return job.outcome


def write_dataset(
    job: Job, labelers: Sequence[Path], settings: GenerateSettings, edits: Path | None, engine: Engine
) -> Part:
    """Make all samples, and what the dataset says of itself."""
    marks = [job.plan.inputs[name]["fingerprint"] for name in job.plan.inputs if name.startswith("labeler")]
    cards = [card_of(folder) for folder in labelers]
    tasks, draws = tasks_of_cards(cards), draws_of(labelers[0], settings)
    aim = settings.wanted
    wanted = Wanted() if aim is None else wanted_of(aim, tasks, asked_words(labelers[0], settings.attributes))
    output = output_of(settings, job.out)
    output.check(job.plan)
    named, looked_at = tuple(zip(labelers, marks, strict=True)), parts_of(tasks, settings)

    def production(shards: DrawShards, rounds: int = 0) -> Production:
        stage = f"generating, round {rounds}" if rounds else "generating"
        context = ShardContext(named, job.out, output, job.plan, wanted, rounds)
        return Production(stage, make_shard, shards, context, shards.drawn, tasks, partial(Table, looked_at))

    composition, notes = None, list[str]()
    decide: Decision = partial(select, keep=settings.keep, drop=settings.drop, strata=settings.strata)
    made = production(DrawShards(settings.seed, (draws,)))
    if aim is not None:
        given = None if settings.attributes is None else Path(settings.attributes)
        yield Progress("reading what the aim refers to", 0, 1)
        yield from prepare(job.out / LEDGER, wanted.pooled, given, labelers[0], draws)
        composition = yield from composition_of(job, labelers, tasks, settings, draws, edits)
        made = yield from compose(job, composition, production, engine)
        decide = composition.decide
    samples = yield from make_samples(job, made, decide, engine)
    loaded.cache_clear()
    materials.forget()
    readers.forget()
    card, drawn, kept = cards[0], len(samples), samples.kept
    facts = {name: card[name] for name in ("image_size", "framing", "generator")} | {"licence": terms_of(cards)}
    nearness = read_card(labelers[0] / GENERATOR).nearness
    if nearness is not None:
        facts["nearness"] = asdict(nearness)
        notes += [nearness.sentence()] if nearness.alarming else []
    facts |= {"drawn": drawn, "kept": kept, "psi": settings.psi, "seed": settings.seed}
    facts |= {} if draws.guidance is None else {"guidance": draws.guidance}
    if settings.ignore_pixels:
        facts["ignored_above"] = yield from ignore_uncertain(job.out, tasks, samples, settings.ignore_pixels)
    if composition is not None:
        told = account(composition, samples)
        facts["aim"] = told
        notes += missed(told)
    if (labelers[0] / CONTACT).is_file():  # labelers of images have no inversions to show
        write_bytes(job.out / CONTACT, (labelers[0] / CONTACT).read_bytes())
    finish(samples, made, drawn_images(cards, facts["licence"], settings, drawn), facts)
    job.finish(seed=settings.seed, licence=facts["licence"], drawn=drawn, kept=kept, notes=notes)


def tasks_of_cards(cards: Sequence[dict[str, Any]]) -> dict[str, Task]:
    return {card["task"]: make_task(card["task"], card["schema"]) for card in cards}


def asked_words(labeler: Path, given: str | None = None) -> dict[str, tuple[str, ...]]:
    """The attributes that the generator can be asked for, with their words.

    Without the given ones: those are predicted from images.
    """
    found, others = words_of(read_card(labeler / GENERATOR).conditions), given_words(given)
    return {name: words for name, words in found.items() if name not in others}


def wanted_of(aim: Aim, tasks: Mapping[str, Task], asked: Collection[str] = ()) -> Wanted:
    """What is told of every sample: the attributes that an aim names, `asked` ones as the generator was asked."""
    parts = {name: task.parts for name, task in tasks.items()}
    names = [name for name in aim.wishes if located(name, parts) is None]
    measured = tuple(name for name in names if name in ATTRIBUTES)
    others = [name for name in names if name not in ATTRIBUTES]
    return Wanted(
        measured,
        tuple(name for name in others if name not in asked),
        aim.match is not None,
        tuple(name for name in others if name in asked),
    )


def parts_of(tasks: Mapping[str, Task], settings: GenerateSettings) -> dict[PartOf, str]:
    """The parts that decisions look at: what an aim names; with strata also the others, for whether they are shown."""
    aim, parts = settings.wanted, {name: task.parts for name, task in tasks.items()}
    named = set() if aim is None else {located(name, parts) for name in aim.wishes}
    matched, strata = aim is not None and aim.match is not None, settings.strata == "parts"
    return {
        (task, part): SHARE if matched or (task, part) in named else SHOWN
        for task, names in parts.items()
        for part in names
        if matched or strata or (task, part) in named
    }


def draws_of(labeler: Path, settings: GenerateSettings) -> Draws:
    """One draw per sample.

    Raises:
        InputError: the generator does not know the condition, or needs one.
    """
    conditions = read_card(labeler / GENERATOR).conditions
    return planned_draws(conditions, settings.n, settings.seed, settings.psi, settings.condition, settings.guidance)


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


def terms_of(labelers: Sequence[dict[str, Any]]) -> str:
    """The terms under which everything stands that labelers label together, from their cards."""
    return together(str(card["licence"]) for card in labelers) or "unknown"


def labelers_licence(labelers: Sequence[Path]) -> str:
    """The same of finished labelers.

    Raises:
        InputError: one is not finished.
    """
    for labeler in labelers:
        require_done(labeler, "fit")
    return terms_of([card_of(labeler) for labeler in labelers])
