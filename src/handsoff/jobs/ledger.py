"""What is done of a work already: entries that survive a kill and vouch for the files they name."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import Stamp, read_json, sha256, write_json

Files = dict[str, Stamp]  # path in the output folder → size and hash, as JSON gives it back


def write_entry(entry: Path, content: Any) -> Any:
    """Write an entry, when all that it tells of is on the disk; what `read_entry` will give back."""
    content = json.loads(json.dumps(content))  # tuples are lists then, and all keys are strings
    write_json(entry, {"content": content, "sha256": seal(content)})
    return content


def read_entry(entry: Path) -> Any:
    """The content of an entry; None where it is missing or damaged, so that its part is made again."""
    if not entry.is_file():
        return None
    try:
        found = read_json(entry)
    except InputError:
        return None
    if not isinstance(found, dict) or found.get("sha256") != seal(found.get("content")):
        return None
    return found["content"]


def seal(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def relative(stamps: Mapping[Path, Stamp], out: Path) -> Files:
    """What `recorded` saw, by the paths in the output folder."""
    return {path.relative_to(out).as_posix(): stamp for path, stamp in stamps.items()}


def fit(files: Files, out: Path) -> bool:
    """Whether all files are in the output folder, as they were written."""
    return all(fits(out / name, *stamp) for name, stamp in files.items())


def fits(file: Path, size: int, content: str) -> bool:
    try:
        return file.stat().st_size == size and sha256(file) == content
    except OSError:
        return False
