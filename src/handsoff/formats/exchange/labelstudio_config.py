"""Label Studio's labelling configuration, `label_config.xml`: the labels, and which data holds the image."""

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source

CONFIG = "label_config.xml"
SHAPES = ("brush", "bitmask", "polygon", "rectangle", "ellipse", "vector", "magicwand")  # tags of tools for regions
POINT = "keypoint"


@dataclass(frozen=True)
class Config:
    """What the reader needs of a configuration.

    Attributes:
        regions: labels of regions in the project's order; None if the project has no tool for regions, or is not known.
        points: labels of points in the project's order.
        images: name of an `Image` tag → key of its address in a task's data.
    """

    regions: tuple[str, ...] | None = None
    points: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)


def read_config(source: Source, file: str) -> Config:
    """The configuration, an empty one where there is no such file.

    Raises:
        InputError: the file is not XML, or declares types or entities.
    """
    if file not in source.sizes:
        return Config()
    elements = [element for element in parsed(source, file).iter() if isinstance(element.tag, str)]
    tags = {element.tag.lower() for element in elements}
    region_tags = {f"{shape}labels" for shape in SHAPES}
    point_tags = {f"{POINT}labels"}
    if not tags.isdisjoint(SHAPES):  # their labels stand in a `Labels` tag
        region_tags.add("labels")
    elif POINT in tags:
        point_tags.add("labels")
    return Config(
        labels(elements, region_tags) if tags & region_tags else None,
        labels(elements, point_tags),
        {
            element.get("name", ""): (element.get("value") or element.get("valueList") or "").removeprefix("$")
            for element in elements
            if element.tag.lower() == "image"
        },
    )


def merged(configs: Collection[Config]) -> Config:
    """One configuration of several projects, with the labels of all of them, those of the first one first."""
    regions = [config.regions for config in configs if config.regions is not None]
    return Config(
        tuple(dict.fromkeys(itertools.chain(*regions))) if regions else None,
        tuple(dict.fromkeys(itertools.chain(*(config.points for config in configs)))),
    )


def labels(elements: Iterable[ET.Element], tags: set[str]) -> tuple[str, ...]:
    """The labels in these tags, each once. Results hold a label's alias where it has one."""
    listed = (
        label.get("alias") or label.get("value") or ""
        for element in elements
        if element.tag.lower() in tags
        for label in element.iter("Label")
    )
    return tuple(dict.fromkeys(label for label in listed if label and not label.startswith("$")))  # $: from the data


def parsed(source: Source, file: str) -> ET.Element:
    data = source.read(file)
    if b"<!" in data.replace(b"<!--", b""):
        raise InputError(
            f"{source.path / file} declares types or entities, which no labelling configuration needs: remove them."
        )
    try:
        return ET.fromstring(data)  # noqa: S314  # safe: entities, which could expand without bound, are refused above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError(
            f"{source.path / file} is not readable as XML ({error}): copy the project's labelling configuration again."
        ) from None
