"""What an aim refers to: names and words that there are, and photos or samples whose statistics are matched."""

from collections.abc import Generator as Steps
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.datasets.attributes import ATTRIBUTES, available, describe
from handsoff.datasets.framing import frame_sample
from handsoff.datasets.given import Values
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.sources import open_source, refuse_too_many
from handsoff.formats.exchange import format_of
from handsoff.formats.photos import photos_in
from handsoff.generators.conditions import UNCONDITIONAL
from handsoff.jobs.progress import Progress
from handsoff.labeling.labeler import EXAMPLES, read_card, read_examples
from handsoff.sampling.aims import LABELLED, UNLABELLED
from handsoff.sampling.targets import CLUSTER, MANY, Parts, Record, check_names, located, matched
from handsoff.synthesis.photo_shard import framed, label_photos
from handsoff.synthesis.pooled import CLUSTERS, given_words
from handsoff.synthesis.settings import GenerateSettings, LabelSettings
from handsoff.synthesis.voter_cards import read_voters
from handsoff.synthesis.voters import load_voter
from handsoff.tasks.base import Task

MOST = 300  # samples or photos that are looked at, spread evenly over the set
TOGETHER = ("light_x", "light_y")  # are measured by the labels of several tasks, which no labeler alone has
Tasks = Mapping[str, Task]


def examples_of(labelers: Sequence[Path], given: Values) -> dict[str, dict[str, Any]]:
    """Numbers of the photos that the labelers were fitted to, by the labeler's prefix and the photo's name.

    A photo of several labelers is there several times: that names are alike does not say that the photos are. As in
    samples, an attribute is that of the first labeler that tells it.

    Args:
        labelers: folders, each of another task.
        given: further attributes, by the name of a photo.
    """
    found: dict[str, dict[str, Any]] = {}
    told = set(TOGETHER) if len(labelers) > 1 else set[str]()
    for labeler in labelers:
        photos, prefix = read_examples(labeler), prefix_of(labeler, labelers)
        known = {name: {**photo.get("attributes", {}), **given.get(name, {})} for name, photo in photos.items()}
        for name, values in known.items():
            own = {attribute: value for attribute, value in values.items() if attribute not in told}
            found[prefix + name] = {"shows": photos[name]["shows"], "attributes": own}
        told.update(*known.values())
    return found


def prefix_of(labeler: Path, labelers: Sequence[Path]) -> str:
    """What the names of a labeler's photos begin with, so that all differ: "" of the first one, TASK/ of others."""
    return "" if labeler == labelers[0] else f"{read_card(labeler)['task']}/"


def check_aim(settings: GenerateSettings, tasks: Tasks, asked: Mapping[str, Sequence[str]]) -> None:
    """Whether all that an aim names is there, and samples can have it.

    Args:
        settings: with the aim, if there is one.
        tasks: of the labels.
        asked: attributes that the generator can be asked for, each with its words, none where it is a number.

    Raises:
        InputError: something is not there, or `condition` says it of all samples.
    """
    aim, given, condition = settings.wanted, given_words(settings.attributes), settings.condition
    if aim is None:
        return
    parts = {name: task.parts for name, task in tasks.items()}
    clusters = tuple(map(str, range(min(CLUSTERS, settings.n))))
    always = {**dict.fromkeys(available(tasks), ()), CLUSTER: clusters}
    check_names(aim, parts, {**always, **asked, **given, **always})
    fixed = condition.keys() if isinstance(condition, dict) else asked.keys() if condition == UNCONDITIONAL else ()
    for name in aim.wishes:
        if name in fixed and name not in {*always, *given} and located(name, parts) is None:
            raise InputError(
                f"The aim asks for {name}, and condition = {condition} says of all samples what it is: leave one of "
                "them out."
            )


def check_match(match: str | None, labelers: Sequence[Path]) -> dict[str, str] | None:
    """What is matched, as an input of the plan; None where nothing is, or photos that the labelers know.

    Raises:
        InputError: it is not there, cannot be labelled, or the labelers do not know their photos.
    """
    if match is None:
        return None
    if match == LABELLED:
        if not any(map(read_examples, labelers)):
            raise InputError(f"{labelers[0]} has no {EXAMPLES} of its photos to match: run handsoff fit again.")
        return None
    if match == UNLABELLED:
        raise InputError(
            'match = "unlabelled" is known in a recipe, which names the photos: give their folder instead.'
        )
    source = open_source(Path(match))
    if format_of(source) is not None:
        return open_labelled(Path(match)).describe()
    read_voters(labelers, LabelSettings())
    return photos_in(source).describe()


def reference_records(match: str, labelers: Sequence[Path], tasks: Tasks) -> Steps[Progress, None, Sequence[Record]]:
    """What the set that is matched shows; of attributes, those by which labels are compared.

    Raises:
        InputError: the set cannot be read.
    """
    if match == LABELLED:
        return [only_measures(numbers) for labeler in labelers for numbers in read_examples(labeler).values()]
    if format_of(open_source(Path(match))) is not None:
        return (yield from labelled_records(Path(match), labelers, tasks))
    return (yield from photo_records(Path(match), labelers))


def require_groups(match: str, reference: Sequence[Record], parts: Parts) -> None:
    """Whether a set asks for anything: otherwise any samples would pass for being like it.

    Raises:
        InputError: it does not.
    """
    if not any(matched(parts, reference)):
        raise InputError(
            f"match = {match} asks for nothing: compared are classes, points and the depths of {MANY} photos or more, "
            f"and its {len(reference)} photos have no such labels. Ask for attributes by name, or leave match out."
        )


def only_measures(numbers: Mapping[str, Any]) -> Record:
    known = {name: value for name, value in numbers.get("attributes", {}).items() if name not in ATTRIBUTES}
    return {"shows": numbers["shows"], "attributes": known}


def labelled_records(path: Path, labelers: Sequence[Path], tasks: Tasks) -> Steps[Progress, None, Sequence[Record]]:
    """Of a labelled folder or zip, framed as the generator's images; of those tasks that it has labels of."""
    known = [name for name in open_labelled(path).tasks if name in tasks]
    if not known:
        raise InputError(f"{path} has no labels for {' or '.join(tasks)} that could be matched: give another folder.")
    data, card = open_like(path, {name: tasks[name].schema for name in known}), read_card(labelers[0])
    height, width = card["image_size"]
    names = spread(data.names)
    records: list[Record] = []
    for number, name in enumerate(names, start=1):
        image, labels = frame_sample(
            *data.sample(name), data.tasks, (height, width), card["framing"], name, enlarge=True
        )
        records.append(describe(image, labels, data.tasks, (), measures=True))
        yield Progress("reading what is to be matched", number, len(names))
    return records


def photo_records(path: Path, labelers: Sequence[Path]) -> Steps[Progress, None, Sequence[Record]]:
    """Of photos, which the labelers label first; those that cannot be used are skipped.

    Raises:
        InputError: these are too many.
    """
    settings = LabelSettings()
    cards = read_voters(labelers, settings)
    voters = [load_voter(card, settings) for card in cards]
    tasks = {voter.task.name: voter.task for voter in voters}
    source = photos_in(open_source(path))
    files = spread(sorted(source.sizes))
    records: list[Record] = []
    broken: list[InputError] = []
    for start in range(0, len(files), 16):
        found = framed(source, files[start : start + 16], cards[0], enlarge=True)
        broken += [photo for photo in found if isinstance(photo, InputError)]
        refuse_too_many(broken, len(files), source)
        samples = label_photos(voters, [photo for photo in found if not isinstance(photo, InputError)])
        records += [describe(sample.image, sample.labels, tasks, (), measures=True) for sample in samples]
        note = f"skipped {len(broken)}, the last one: {broken[-1]}" if broken else ""
        yield Progress("labelling photos to be matched", min(start + 16, len(files)), len(files), note)
    return records


def spread(names: Sequence[str]) -> list[str]:
    """At most `MOST` of the names, evenly over all."""
    return [names[index * len(names) // MOST] for index in range(MOST)] if len(names) > MOST else list(names)
