"""Small pictures of samples, made when they are asked for; the latest stay in memory."""

import hashlib
import io
import threading
from collections import OrderedDict

import numpy as np
from PIL import Image

from handsoff.core.images import decode_image
from handsoff.review.session import Session

SIDE, LEAST, MOST = 160, 32, 512  # longer side in pixels: unless said, and what can be asked for
KEPT = 64 * 2**20  # bytes in memory
QUALITY = 80  # of the JPEG

Key = tuple[str, str, int, int, bool]  # sample, task ("" for the image alone), side, version, whether it is corrected


class Thumbnails:
    """Pictures of the samples of a session, with a label over them or without."""

    def __init__(self, session: Session, kept: int = KEPT) -> None:
        self.session, self.kept = session, kept
        self.made: OrderedDict[Key, bytes] = OrderedDict()
        self.bytes = 0
        self.lock = threading.Lock()

    def get(self, name: str, task: str = "", side: int = SIDE) -> tuple[bytes, str]:
        """A JPEG, and a tag that is another one for any other picture, also of another dataset.

        Raises:
            NoSuchSampleError: there is no such sample or kind of label.
            InputError: the image or the label is damaged.
        """
        self.session.known(name, task or None)
        side = max(LEAST, min(MOST, side))
        key = (name, task, side, self.session.record(name).version, task in self.session.corrections_of(name))
        with self.lock:
            data = self.made.get(key)
            if data is not None:
                self.made.move_to_end(key)
        if data is None:
            data = self.keep(key, self.draw(name, task, side))
        return data, f'"{hashlib.sha256(data).hexdigest()}"'

    def draw(self, name: str, task: str, side: int) -> bytes:
        image = decode_image(self.session.image_file(name), name)
        if task:
            label = self.session.label(task, name)
            image = self.session.tasks[task].drawing.draw(image[None], label[None])[0]
        picture = Image.fromarray(np.ascontiguousarray(image))
        picture.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue()

    def keep(self, key: Key, data: bytes) -> bytes:
        """Put a picture into memory; the ones not asked for longest make room."""
        with self.lock:
            self.bytes += len(data) - len(self.made.pop(key, b""))
            self.made[key] = data
            while self.bytes > self.kept and len(self.made) > 1:
                self.bytes -= len(self.made.popitem(last=False)[1])
        return data
