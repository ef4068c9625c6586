"""The formats of other tools, a file each: `recognises` and `read` bring samples in, `write` and `finish` take them out."""

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.formats.exchange import folder
from handsoff.formats.photos import Source
from handsoff.formats.samples import Reader, Samples, Writer
from handsoff.tasks import TASKS

READERS: dict[str, Reader] = {  # asked in this order what a pack is: the strictest first
    "folder": Reader("HandsOff's folder format", folder.recognises, folder.read),
}
WRITERS: dict[str, Writer] = {
    "folder": Writer("HandsOff's folder format", folder.write, folder.finish, tuple(TASKS)),
}


def format_of(source: Source) -> str | None:
    """The name of the first format that recognises the pack, None if none does."""
    return next((name for name, reader in READERS.items() if reader.recognises(source)), None)


def read_samples(source: Source, name: str | None = None) -> Samples:
    """Open a pack of any format, or of this one.

    Raises:
        InputError: it is of no known format, or not whole.
        UnknownNameError: there is no such format.
    """
    if name is not None and name not in READERS:
        raise UnknownNameError("format", name, READERS)
    found = name or format_of(source)
    if found is None:
        titles = ", ".join(reader.title for reader in READERS.values())
        raise InputError(f"{source.path} is in no format that HandsOff knows ({titles}): see docs/formats.md.")
    return READERS[found].read(source)
