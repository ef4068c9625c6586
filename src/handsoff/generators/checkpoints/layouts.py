"""Where in a checkpoint's content a StyleGAN2 generator lies, and of which of two families it is.

The families are NVIDIA's and the community's (rosinality's port).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.bounds import RefusedError
from handsoff.generators.checkpoints.machine import shown
from handsoff.generators.checkpoints.tensors import Record

# Of several generators in a file, the averaged one is read.
PREFERRED = ("g_ema", "G_ema", "ema", "generator_ema")
NVIDIA_MARK, COMMUNITY_MARK = "synthesis.b4.const", "input.input"
STYLEGAN3_MARK = "synthesis.input.freqs"
BESIDE = ("latent_avg", "args", "opts")  # entries that say something about the generator beside them
MAX_DEPTH, MAX_NAME, MAX_GENERATORS = 40, 200, 64


@dataclass
class Found:
    """A generator inside a checkpoint: its values by name, not decoded yet, and what else the file holds.

    Attributes:
        attributes: module name → attributes of its object, where the file has objects.
        beside: the entries of `BESIDE` in the dicts around it.
    """

    path: str
    values: dict[str, Any]
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    nvidia: bool = False


def find_generator(content: Any, where: str) -> Found:
    """The generator in the content of a file.

    Raises:
        InputError: the file holds no generator of a known form; the message names what it holds.
    """
    found = list(candidates(content, "", {}, set()))
    known = [generator for generator in found if STYLEGAN3_MARK not in generator.values]
    if found and not known:
        raise InputError(f"{where} holds a StyleGAN3 generator, and only StyleGAN2 is read: give another checkpoint.")
    if not known:
        held = ", ".join(map(shown, list(content)[:8])) if isinstance(content, dict) else shown(content)
        raise InputError(
            f"{where} holds no StyleGAN2 generator of NVIDIA's or the community's form (found: {held}): give another "
            "checkpoint."
        )
    return min(
        known,
        key=lambda generator: next(
            (rank for rank, name in enumerate(PREFERRED) if name in generator.path.split(".")), len(PREFERRED)
        ),
    )


def candidates(content: Any, path: str, beside: dict[str, Any], seen: set[int], depth: int = 0) -> Iterator[Found]:
    """Every generator in nested dicts and network objects, each looked at once however often it is referred to."""
    if id(content) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(content))
    if isinstance(content, Record):
        values, attributes = dict[str, Any](), dict[str, dict[str, Any]]()
        flatten(content, "", values, attributes, set())
        if NVIDIA_MARK in values or STYLEGAN3_MARK in values:
            yield Found(path, values, attributes, beside, nvidia=content.nvidia)
        return
    if not isinstance(content, dict):
        return
    beside = beside | {name: content[name] for name in BESIDE if name in content}
    names = [key for key in content if is_name(key)]
    prefixes = [
        name.removesuffix(mark)
        for mark in (NVIDIA_MARK, COMMUNITY_MARK, STYLEGAN3_MARK)
        for name in names
        if name == mark or name.endswith(f".{mark}")
    ]
    if len(prefixes) > MAX_GENERATORS:
        raise RefusedError(f"The checkpoint holds more than {MAX_GENERATORS} generators: give one of them alone.")
    for prefix in prefixes:
        values = {name.removeprefix(prefix): content[name] for name in names if name.startswith(prefix)}
        yield Found(f"{path}.{prefix}".strip("."), values, beside=beside)
    for name in names:
        if isinstance(content[name], dict | Record):
            yield from candidates(content[name], f"{path}.{name}".lstrip("."), beside, seen, depth + 1)


def flatten(
    record: Record, prefix: str, values: dict[str, Any], attributes: dict[str, dict[str, Any]], seen: set[int]
) -> None:
    """Parameters, buffers and attributes of a module object and those inside it, by dotted name."""
    if id(record) in seen or prefix.count(".") > MAX_DEPTH or len(prefix) > MAX_NAME:
        raise RefusedError(
            "A module of the checkpoint lies within itself, in two places or too deep: this is no generator that can "
            "be read."
        )
    seen.add(id(record))
    own = record.attributes
    attributes[prefix.rstrip(".")] = {
        name: value for name, value in own.items() if isinstance(value, bool | int | float | str | list | type(None))
    }
    for kind in ("_parameters", "_buffers"):
        for name, value in members(own, kind).items():
            if value is not None:
                values[f"{prefix}{name}"] = value
    for name, module in members(own, "_modules").items():
        if isinstance(module, Record):
            flatten(module, f"{prefix}{name}.", values, attributes, seen)


def members(attributes: dict[str, Any], kind: str) -> dict[str, Any]:
    """A module's parameters, buffers or modules by name."""
    found = attributes.get(kind) or {}
    if not isinstance(found, dict) or not all(map(is_name, found)):
        raise RefusedError("A module of the checkpoint has parts without names: this is no generator that can be read.")
    return found


def is_name(key: Any) -> bool:
    """Whether it can be the name of a part, and stand in a sentence."""
    return isinstance(key, str) and len(key) <= MAX_NAME and key.isprintable()
