"""What must be the same in two outputs of one work, whenever and however often it was stopped."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

TIMES = {"seconds", "training_seconds", "images_per_second", "outcome", "ram_mib", "gpu_mib"}  # may differ
LEFT = {"chunks", "photos.u8", "photos.json"}  # removed after `DONE`: a kill in between leaves them to the next call
MEASURED = {"costs.json", "progress.html"}  # files that say how long something took, in many ways


def contents(out: Path) -> dict[str, str]:
    """File → hash of what must be the same whenever and however often a work was stopped."""
    return {
        file.relative_to(out).as_posix(): hashlib.sha256(content(file)).hexdigest()
        for file in sorted(out.rglob("*"))
        if file.is_file() and not {"ledger", *LEFT} & {*file.relative_to(out).parts}
    }


def content(file: Path) -> bytes:
    data = file.read_bytes()
    if file.name in MEASURED:
        return b""
    if file.suffix == ".json":
        return json.dumps(timeless(json.loads(data)), sort_keys=True).encode()
    if file.suffix == ".jsonl":
        return "\n".join(json.dumps(timeless(json.loads(line)), sort_keys=True) for line in data.splitlines()).encode()
    if file.suffix == ".html":
        return re.sub(rb"[\d,.]+ (s|min)\b", b"", data)
    if file.name == "checkpoint.safetensors":
        tensors = load_file(file)
        del tensors["numbers.seconds"]
        return b"".join(name.encode() + tensor.numpy().tobytes() for name, tensor in sorted(tensors.items()))
    return data


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(entry) for key, entry in value.items() if key not in TIMES}
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
