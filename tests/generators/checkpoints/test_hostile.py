"""Files made to harm: no crash, no hang, no memory beyond proportion, and always one sentence."""

import io
import json
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from checkpoint_files import nvidia_state
from handsoff.generators.checkpoints.bounds import RefusedError
from handsoff.generators.checkpoints.files import read_checkpoint
from handsoff.generators.checkpoints.importing import build, read_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config

FUZZ_SECONDS = float(os.environ.get("HANDSOFF_FUZZ_SECONDS", "20"))
MEMORY = 400 * 2**20  # bytes that all of it may take
ORDERED = b"ccollections\nOrderedDict\n"


def wholes() -> dict[str, bytes]:
    """Small valid files of each wrapping."""
    torch.manual_seed(0)
    state = nvidia_state(StyleGAN2(StyleGAN2Config((8, 8), (4, 4), 4, 4, 1, 64, 4)))
    arrays = {name: value.numpy() for name, value in state.items()}
    files = {
        "arrays.pkl": pickle.dumps({"G_ema": arrays}),
        "arrays5.pkl": pickle.dumps({"G_ema": arrays}, protocol=5),
        "tensors.pkl": pickle.dumps({"G_ema": state}, protocol=0),
        "whole.safetensors": save(state),
    }
    for name, zipped in (("zip.pt", True), ("stream.pt", False)):
        buffer = io.BytesIO()
        torch.save({"g_ema": state}, buffer, _use_new_zipfile_serialization=zipped)
        files[name] = buffer.getvalue()
    return files


def zipped(pickled: bytes, numbers: bytes = b"", how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/data/0", numbers)
    return buffer.getvalue()


def lying_zip(how: int) -> bytes:
    """An entry of 100 MB that says it has a few bytes."""
    data = zipped(b"\x80\x02}.", bytes(10), how=how)
    large = zipped(b"}" * 100_000_000, how=how)
    size, small = struct.pack("<I", 100_000_000), struct.pack("<I", 1000)
    return large.replace(size, small) or data


def safetensors(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(storage_count: int, size: bytes, stride: bytes) -> bytes:
    """A pickle of {"synthesis.b4.const": a tensor}, whose numbers are the zip's entry 0."""
    identity = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    count = b"J" + struct.pack("<i", storage_count)
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + count + b"tQK\x00" + size + stride + b"\x89" + ORDERED
    return b"\x80\x02}X\x12\x00\x00\x00synthesis.b4.const" + made + b")RtRs."


def hostile_files() -> dict[str, bytes]:
    start = b"\x80\x02"
    doubling = b")" + b"2\x86" * 60  # a pair of the same pair, of the same pair …
    huge = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}
    return {
        "nested tuples.pkl": start + b")" + b"\x85" * 200_000 + b".",
        "nested tuples as a key.pkl": start + b"})" + b"\x85" * 200_000 + b"Ns.",
        "nested lists.pkl": start + b"]" * 100_000 + b"a" * 99_999 + b".",
        "nested dicts.pkl": start + b"}" + b"X\x01\x00\x00\x00a}" * 50_000 + b"s" * 50_000 + b".",
        "nested in persistent id.pt": zipped(start + b")" + b"\x85" * 200_000 + b"Q."),
        "nested as encoding.pkl": start + b"c_codecs\nencode\nX\x01\x00\x00\x00a)" + b"\x85" * 200_000 + b"\x86R.",
        "key hash.pkl": start + b"}" + doubling + b"Ns.",
        "set hash.pkl": b"\x80\x04\x8f(" + doubling + b"\x90.",
        "frozenset hash.pkl": b"\x80\x04(" + doubling + b"\x91.",
        "called set hash.pkl": start + b"cbuiltins\nset\n(]" + doubling + b"atR.",
        "colliding keys.pkl": start
        + b"}("
        + b"".join(b"\x8a\x0c" + (index * (2**61 - 1)).to_bytes(12, "little") + b"N" for index in range(30_000))
        + b"u.",
        "doubling text.pkl": start + b"ctorch\ndevice\n)" + b"\x85\x81q\x00ctorch\ndevice\nh\x00\x86" * 50 + b"R.",
        "device of pairs.pkl": start + b"ctorch\ndevice\n" + doubling + b"R.",
        "dtype of pairs.pkl": start + b"cnumpy\ndtype\n" + doubling + b"R.",
        "copied dicts.pkl": start
        + b"}("
        + b"".join(b"M" + struct.pack("<H", index) + b"N" for index in range(30_000))
        + b"uq\x000"
        + (ORDERED + b"h\x00\x85R") * 20_000
        + b".",
        "copied text.pkl": start
        + b"X"
        + struct.pack("<I", 500_000)
        + b"a" * 500_000
        + b"q\x000"
        + b"c_codecs\nencode\nh\x00\x85R" * 20_000
        + b".",
        "long name.pkl": start + b"c" + b"a" * 500_000 + b"\nb\n)R.",
        "escapes in a name.pkl": start + b"ca\x1b[31m\x07\nb\n)R.",
        "many opcodes.pkl": b"\x80\x04" + b"\x8f" * 3_000_000 + b".",
        "many generators.pkl": pickle.dumps({f"{index}.input.input": 1 for index in range(20_000)}),
        "empty tensor.pt": zipped(tensor(0, b"(M\x20\x4eK\x00K\x03K\x03t", b"(K\x09K\x09K\x03K\x01t")),
        "tensor of strides 0.pt": zipped(
            tensor(4, b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft", b"(K\x00K\x00t"), bytes(16)
        ),
        "storage larger than its entry.pt": zipped(tensor(2**31 - 1, b"(K\x01t", b"(K\x01t"), bytes(4)),
        "bomb.pt": zipped(b"}" * 50_000_000, how=zipfile.ZIP_DEFLATED),
        "lying bomb.pt": lying_zip(zipfile.ZIP_DEFLATED),
        "lying bz2 bomb.pt": lying_zip(zipfile.ZIP_BZIP2),
        "lying lzma bomb.pt": lying_zip(zipfile.ZIP_LZMA),
        "cut zip.pt": zipped(b"}.", bytes(1000))[:-40],
        "header beyond the file.safetensors": struct.pack("<Q", 2**60) + b"{}",
        "header of 90 MB.safetensors": struct.pack("<Q", 90 * 2**20) + b"{}",
        "huge.safetensors": safetensors({"synthesis.b4.const": huge}, bytes(4)),
        "empty.safetensors": safetensors(
            {"synthesis.b4.conv1.weight": {"dtype": "F32", "shape": [20000, 0, 3, 3], "data_offsets": [0, 0]}}
            | {"synthesis.b4.const": {"dtype": "F32", "shape": [20000, 4, 0], "data_offsets": [0, 0]}}
        ),
        "nested.safetensors": struct.pack("<Q", 100_002) + b"[" * 100_002,
    }


def tried(folder: Path, seconds: float) -> dict[str, Any]:
    """The result of `hostile.py`: a crash or a hang of it is one of this test."""
    script = Path(__file__).with_name("hostile.py")
    done = subprocess.run(
        [sys.executable, str(script), str(seconds), str(folder)],
        capture_output=True, text=True, timeout=seconds + 300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_hostile_files_are_refused_in_bounded_time_and_memory(tmp_path: Path) -> None:
    for name, data in hostile_files().items():
        (tmp_path / name).write_bytes(data)
    result = tried(tmp_path, 0)
    assert result["escapes"] == {}
    assert result["tried"] == len(hostile_files())
    assert result["memory"] < MEMORY
    assert result["longest"] < 20


def test_tensors_that_share_their_numbers_read_them_once(tmp_path: Path) -> None:
    """However many parts of one storage a small file names."""
    whole = torch.zeros(1000)
    torch.save({str(index): whole[index : index + 1] for index in range(50)}, tmp_path / "views.pt")
    views = read_checkpoint(tmp_path / "views.pt")
    assert len({id(view.storage) for view in views.values()}) == 1
    stored = next(arg for code, arg, _ in pickletools.genops(pickle.dumps(whole, 3)) if code.name == "BINBYTES")
    kept = b"\x80\x03]" + b"N0" * 40 + b"B" + struct.pack("<I", len(stored)) + stored + b"q\x000"
    calls = b"(" + b"ctorch.storage\n_load_from_bytes\nh\x00\x85R" * 300 + b"e."
    (tmp_path / "repeated.pkl").write_bytes(kept + calls)
    storages = read_checkpoint(tmp_path / "repeated.pkl")
    with pytest.raises(RefusedError, match="far more than its size"):
        [storage.values for storage in storages]


def test_damaged_files_and_random_pickles_are_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    """`HANDSOFF_FUZZ_SECONDS` says for how long."""
    for name, data in wholes().items():
        (tmp_path / name).write_bytes(data)
    result = tried(tmp_path, FUZZ_SECONDS)
    assert result["escapes"] == {}
    assert result["tried"] > FUZZ_SECONDS
    assert result["memory"] < MEMORY


@pytest.mark.parametrize("name", wholes())
def test_what_the_fuzz_begins_with_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(wholes()[name])
    assert build(read_generator(tmp_path / name), "none", "crop").image_size == (8, 8)
