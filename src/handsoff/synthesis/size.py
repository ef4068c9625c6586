"""How large a generated dataset can become, before it is made."""

from handsoff.core.disk import BLOCK
from handsoff.core.frames import Frame

IMAGE_BYTES, LABEL_BYTES, UNCERTAINTY_BYTES = 3, 4, 1  # per pixel, as if nothing were compressed; depth is float32
RECORD_BYTES = 1000  # of samples.jsonl, of the ledger and of labels that share a file


def most_bytes(frame: Frame, tasks: int, samples: int) -> int:
    """An upper bound of what so many samples of so many tasks take on a disk."""
    files, pixels = 1 + 2 * tasks, frame[0] * frame[1]
    pixel = IMAGE_BYTES + tasks * (LABEL_BYTES + UNCERTAINTY_BYTES)
    return samples * (pixels * pixel + files * BLOCK + RECORD_BYTES)
