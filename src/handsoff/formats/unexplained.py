"""Files that look like annotations, but that no reader knows: named, with the export to choose where it is known."""

from pathlib import PurePosixPath
from typing import NamedTuple

from handsoff.datasets.sources import Source
from handsoff.formats.trees import holds_rows, mentions

SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml", ".txt", ".yaml", ".yml", ".csv")
PLAIN = (
    "readme",
    "license",
    "licence",
    "changelog",
    "requirements",
    "attributions",
    "job.json",
    "report.json",
    "samples.jsonl",
)  # beginnings of other texts' names
OPENED, NAMED = 20, 3  # files of a suffix that are looked into, and files that are named
MAX_LOOK = 2**26  # bytes


class Tool(NamedTuple):
    """How a tool's files are told: by their suffix, and by words that they hold."""

    title: str
    remedy: str
    suffixes: tuple[str, ...]
    words: tuple[bytes, ...]


COCO = "export COCO instead"
TOOLS = (
    Tool("a project of VGG Image Annotator", COCO, (".json",), (b'"shape_attributes"', b'"region')),
    Tool("of VGG Image Annotator", COCO, (".csv",), (b"region_shape_attributes",)),
    Tool("of VoTT", "convert it to COCO", (".json",), (b'"assets"', b'"visitedAssets')),
    Tool("of VoTT", "convert it to COCO", (".json",), (b'"asset"', b'"regions"')),
    Tool("of Supervisely", COCO, (".json",), (b'"classTitle"',)),
    Tool("of V7 Darwin", COCO, (".json",), (b'"annotations"', b'"slots"')),
    Tool("of V7 Darwin", COCO, (".json",), (b'"annotations"', b'"bounding_box"', b'"workview_url"')),
    Tool("of Labelbox", "convert it to COCO, or export masks", (".json", ".ndjson", ".jsonl"), (b'"data_row"',)),
    Tool("of Labelbox", "convert it to COCO, or export masks", (".json",), (b'"Labeled Data"',)),
    Tool("of Kili", COCO, (".json",), (b'"jsonResponse"',)),
    Tool("of Encord", COCO, (".json",), (b'"objectHash"', b'"featureHash"')),
    Tool("of SuperAnnotate", COCO, (".json",), (b'"instances"', b'"className"')),
    Tool("of Segments.ai", COCO, (".json",), (b'"segmentation_bitmap"',)),
    Tool("of Datumaro", "export it as COCO (datum convert -f coco)", (".json",), (b'"items"', b'"label_id"')),
    Tool("of Datumaro", "export it as COCO (datum convert -f coco)", (".json",), (b'"items"', b'"dm_format')),
    Tool("of Scalabel or BDD100K", "give its masks, or convert it to COCO", (".json",), (b'"poly2d"',)),
    Tool("of Scalabel or BDD100K", "convert it to COCO with masks", (".json",), (b'"box2d"',)),
    Tool(
        "polygons of Cityscapes", "make labelIds of them with cityscapesScripts", (".json",), (b'"imgHeight"', b'"obj')
    ),
    Tool("a list of COCO results", "give the file with images and categories", (".json",), (b'"image_id"', b'"score"')),
    Tool("boxes of CreateML", "polygons or masks are needed", (".json",), (b'"coordinates"', b'"annotation')),
    Tool("boxes of Pascal VOC", "masks are needed, in SegmentationClass/", (".xml",), (b"<annotation>", b"<bndbox")),
    Tool("of dlib", "convert it to COCO keypoints", (".xml",), (b"<dataset>", b"<box ")),
    Tool("of Roboflow's semantic masks", COCO, (".csv",), (b"Pixel Value",)),
    Tool("a table of boxes", "polygons or masks are needed", (".csv",), (b"xmin",)),
)
ROWS = Tool("of YOLO", "put it in labels/ beside images/, and the classes' names: in data.yaml", (".txt",), ())


def unexplained(source: Source) -> list[str]:
    """A sentence per tool whose files are known, and one about all others.

    Meant for a dataset that no reader recognises.
    """
    files = [file for file in source.sizes if PurePosixPath(file).suffix.lower() in SUFFIXES and not is_plain(file)]
    known: dict[Tool, list[str]] = {}
    rest: list[str] = []
    for suffix in SUFFIXES:
        alike = [file for file in files if PurePosixPath(file).suffix.lower() == suffix]
        tools = [tool_of(source, file, suffix) for file in alike[:OPENED]]
        tools += [next((tool for tool in tools if tool), None)] * (len(alike) - len(tools))
        for file, tool in zip(alike, tools, strict=True):
            (rest if tool is None else known.setdefault(tool, [])).append(file)
    told = [f"{source.path}: {named(held)} {verb(held)} {tool.title}: {tool.remedy}." for tool, held in known.items()]
    if rest:
        told.append(f"{source.path}: {named(rest)} {verb(rest)} of no known form: no labels are read from there.")
    return told


def is_plain(file: str) -> bool:
    return PurePosixPath(file).name.lower().startswith(PLAIN)


def tool_of(source: Source, file: str, suffix: str) -> Tool | None:
    """The tool that wrote a file, None where it is not known."""
    if source.sizes[file] > MAX_LOOK:
        return None
    if suffix == ".txt" and holds_rows(source, file):
        return ROWS
    return next((tool for tool in TOOLS if suffix in tool.suffixes and mentions(source, file, *tool.words)), None)


def named(files: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(files) - NAMED
    return ", ".join(files[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def verb(files: list[str]) -> str:
    return "is" if len(files) == 1 else "are"
