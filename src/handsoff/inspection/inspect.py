"""What a folder or zip is and what it holds, in short facts: for `handsoff inspect` and for the end of every verb."""

from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.images import READABLE
from handsoff.datasets.generated import VERBS
from handsoff.datasets.sources import image_names, open_source
from handsoff.formats.exchange import READERS, format_of, open_dataset
from handsoff.formats.photos import photos_in
from handsoff.formats.samples import Dataset, load_image
from handsoff.formats.unexplained import unexplained
from handsoff.generators.stored import CARD as GENERATOR
from handsoff.generators.stored import GeneratorCard, read_card
from handsoff.inspection.statistics import Facts, LabelStatistics, collect_statistics
from handsoff.jobs.folder import recorded_plan, require_done
from handsoff.learning.predictor import CARD as MODEL
from handsoff.learning.predictor import PredictorCard, read_predictor_card
from handsoff.tasks.classes import shortened

NOT_FACTS = frozenset({"verb", "inputs", "settings", "version", "recipe", "results", "schema"})


def describe(path: Path) -> tuple[str, Facts, Facts, list[str], bytes]:
    """What lies at `path`.

    Returns:
        One line, facts, classes with how often they occur, what is wrong, and a contact sheet as PNG or b"".

    Raises:
        InputError: `path` is missing, or is neither a folder of HandsOff, nor a dataset, nor images.
    """
    if path.is_dir() and (path / "job.json").is_file():
        job = recorded_plan(path)
        done = (path / "DONE").is_file()
        inputs = [(name, str(source.get("path"))) for name, source in job.inputs.items()]
        known = report_facts(require_done(path, job.verb)) if done else []
        state = "finished" if done else "not finished: the same command again goes on"
        statistics = (
            collect_statistics(open_dataset(open_source(path)))
            if done and job.verb in {*VERBS, "convert"}
            else LabelStatistics()
        )
        return (
            f"made by handsoff {job.verb}, {state}",
            inputs + known + [fact for fact in statistics.facts if fact not in known],
            statistics.parts,
            statistics.problems,
            statistics.sheet,
        )
    if path.is_dir() and (path / MODEL).is_file():
        return "a model that handsoff evaluate handed over", model_facts(read_predictor_card(path)), [], [], b""
    if path.is_dir() and (path / GENERATOR).is_file():
        return "a generator of handsoff train or handsoff import", generator_facts(read_card(path)), [], [], b""
    source = open_source(path)
    name = format_of(source)
    if name is not None:
        statistics = collect_statistics(open_dataset(source, name))
        return (
            f"a labelled dataset, {READERS[name].title}",
            statistics.facts,
            statistics.parts,
            statistics.problems,
            statistics.sheet,
        )
    try:
        image_names(source)
    except InputError:
        raise InputError(
            f"{path} is no folder of HandsOff, no labelled dataset of a known format (docs/formats.md) and "
            f"holds no images (kinds that are read: {READABLE})."
            f"{''.join(f' {sentence}' for sentence in unexplained(source))}"
        ) from None
    photos = photos_in(source)
    notes = (*photos.notes, *unexplained(source))
    statistics = collect_statistics(
        Dataset(tuple(photos.sizes), {}, lambda file: load_image(source, file, file), notes=notes)
    )
    return "unlabelled images", statistics.facts, [], statistics.problems, statistics.sheet


def model_facts(card: PredictorCard) -> Facts:
    """What a model labels, what it learnt from, and how it scores."""

    def scores(values: list[float]) -> str:
        return ", ".join(f"{value:.3f}" for value in values) or "none: nothing chose it"

    return [
        ("task", card.task),
        ("network", f"{card.network}, {card.networks} of them"),
        ("image size", "x".join(map(str, card.image_size))),
        ("framing", card.framing),
        ("learnt from", f"{card.arm}, {card.examples} real labels"),
        (f"{card.metric} on validation", scores(card.validation)),
        (f"{card.metric} on test", scores(card.test)),
        ("licence", card.licence or "not stated"),
    ]


def generator_facts(card: GeneratorCard) -> Facts:
    """What a generator draws, what it can be told, and how near it comes to its training photos."""
    asked = card.conditions.names
    known = [("nearness", card.nearness.sentence())] if card.nearness is not None else []
    return [
        ("architecture", card.architecture),
        ("image size", "x".join(map(str, card.image_size))),
        ("framing", card.framing),
        ("conditions", f"{len(asked)} {card.conditions.kind}: {shortened(asked)}" if asked else "none"),
        *known,
        *([("tuned on", f"{card.tuned_on:,} photos")] if card.tuned_on else []),
        ("licence", card.licence or "not stated"),
    ]


def report_facts(report: dict[str, Any], prefix: str = "") -> Facts:
    """The numbers and short texts of a `report.json`, without what was asked for."""
    found: Facts = []
    for name, value in report.items():
        if isinstance(value, dict) and name not in NOT_FACTS and not prefix:
            found += report_facts(value, f"{name} ")
        elif isinstance(value, str | int | float) and name not in NOT_FACTS:
            found.append((prefix + name.replace("_", " "), shown(value)))
    return found


def shown(value: str | float) -> str:
    """A value for people: thousands separated, four digits of a fraction."""
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,}"  # noqa: PLR2004  # whole numbers in sight
