"""Tries files on the reader in a process of its own, whose memory and time are bounded: `hostile.py SECONDS FOLDER`.

First every file in FOLDER, then for SECONDS damaged variants of them and pickles of random opcodes. Prints one JSON
line: how many were tried, what escaped, how much memory was taken, and the longest time.
"""

import json
import pickletools
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType

from handsoff.core.errors import HandsOffError
from handsoff.generators.checkpoints.importing import build, read_generator

TIMEOUT = 20  # seconds for one file
LONGEST = 1000  # characters of a sentence
MOSTLY = 0.7
CODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes if opcode.name != "STOP"]
NAMES = [
    b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n",
    b"ctorch.storage\n_load_from_bytes\n", b"ctorch\nSize\n", b"ctorch\ndevice\n", b"c_codecs\nencode\n",
    b"cbuiltins\nset\n", b"cnumpy.core.multiarray\nscalar\n", b"cargparse\nNamespace\n",
    b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n", b"X\x12\x00\x00\x00synthesis.b4.const",
    b"X\x0b\x00\x00\x00input.input", b"X\x05\x00\x00\x00state", b"X\x0a\x00\x00\x00class_name", b"h\x00", b"q\x00",
    b"K\x02", b"\x85", b"\x86", b"R", b"b", b"s", b"}", b"(", b"u", b"t", b"\x94",
]  # fmt: skip


class TooLongError(BaseException):
    """No Exception, so that nothing on the way takes it for its own."""


def too_long(_: int, __: FrameType | None) -> None:
    raise TooLongError


def escape_of(path: Path) -> str | None:
    """What reading the file raised beside HandsOffError."""
    signal.alarm(TIMEOUT)
    try:
        build(read_generator(path), "none", "crop")
    except HandsOffError as error:
        sentence = str(error)
        return None if sentence.isprintable() and len(sentence) < LONGEST else f"no sentence: {sentence[:500]!r}"
    except BaseException:  # noqa: BLE001  # an escape, whatever it is
        return traceback.format_exc()[-500:]
    finally:
        signal.alarm(0)
    return None


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Bytes exchanged, repeated or cut off, mostly near the beginning or the end, where the structure is."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        near = min(len(changed), 4000)
        place = dice.choice((dice.randrange(near), len(changed) - 1 - dice.randrange(near)))
        piece = bytes(dice.choice((dice.randbytes(1), b"\xff\xff\xff\x7f", dice.choice(NAMES), dice.choice(CODES))))
        changed[place : place + dice.choice((0, len(piece)))] = piece
    return bytes(changed[: dice.randint(1, len(changed))]) if dice.random() < 0.2 else bytes(changed)  # a fifth


def random_pickle(dice: random.Random) -> bytes:
    parts = (
        dice.choice(NAMES) if dice.random() < MOSTLY else dice.choice(CODES) + dice.randbytes(dice.choice((0, 1, 4)))
        for _ in range(dice.randint(1, 60))
    )
    return b"\x80\x02" + b"".join(parts) + b"."


def main(seconds: float, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, too_long)
    originals = sorted(folder.iterdir())
    escape_of(originals[0])  # what torch takes once
    before, tried, escapes, longest, dice = peak(), 0, dict[str, str](), 0.0, random.Random(0)  # noqa: S311  # reproducible

    def attempt(path: Path, name: str) -> None:
        nonlocal tried, longest
        begin = time.monotonic()
        found = escape_of(path)
        longest, tried = max(longest, time.monotonic() - begin), tried + 1
        if found:
            escapes[name] = found

    for path in originals:
        attempt(path, path.name)
    contents = [(path.suffix, data) for path in originals if len(data := path.read_bytes()) < 2**20]
    with tempfile.TemporaryDirectory() as scratch:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            suffix, data = dice.choice(contents)
            data = damaged(data, dice) if dice.random() < 0.7 else random_pickle(dice)  # a mixture
            path = Path(scratch) / f"a{suffix}"
            path.write_bytes(data)
            attempt(path, data[:300].hex())
    print(json.dumps({"tried": tried, "escapes": escapes, "memory": peak() - before, "longest": longest}))  # noqa: T201  # its result


def peak() -> int:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
