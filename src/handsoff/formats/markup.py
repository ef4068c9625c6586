"""XML from strangers: read without document types, so that no entity is expanded and nothing else is fetched."""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source

MAX_DEPTH = 100  # elements inside each other: annotations need five
MAX_XML = 2**30  # bytes


def read_xml(source: Source, file: str) -> Element:
    """The root of an XML file.

    Raises:
        InputError: it is not whole XML, is too large or too deep, or declares a document type.
    """
    where = source.path / file
    if source.sizes[file] > MAX_XML:
        raise InputError(f"{where} is larger than {MAX_XML:,} bytes: export fewer images at a time.")
    builder, depth = TreeBuilder(), [0]

    def start(tag: str, attributes: dict[str, str]) -> None:
        depth[0] += 1
        if depth[0] > MAX_DEPTH:
            raise InputError(f"{where} has more than {MAX_DEPTH} elements inside each other: export it again.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        depth[0] -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise InputError(f"{where} declares a document type (<!DOCTYPE …>), which is not read: remove it.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(source.read(file), True)  # noqa: FBT003  # expat's "this is all": it takes no keyword
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"{where} is not valid XML ({error}): export it again.") from None
