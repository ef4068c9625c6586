"""Painting on a generated image: in the background its latents follow the painted mask (`editing.paint`).

One image follows at a time. The result is shown before it is kept; its label is what the labeler sees in the new image,
never the painted mask.
"""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, UInt8

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import weights_hash
from handsoff.core.images import IGNORE
from handsoff.editing.paint import MASK, PLAIN, Canvas, follow, moved, open_canvas
from handsoff.editing.settings import PaintSettings
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.stored import generator_shell
from handsoff.jobs.progress import Progress
from handsoff.labeling.labeler import CARD, GENERATOR, load_labeler, read_card
from handsoff.review.painted import Painted, keep, mend, painted_folder
from handsoff.review.session import NoSuchSampleError, Session
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import WS, Materials, Vector, read_materials
from handsoff.synthesis.samples import LabelledSample, label_draws

Mask = UInt8[np.ndarray, "h w"]
State = Literal["none", "running", "done", "failed"]
SIDES = ("before", "after")


@dataclass(frozen=True)
class PaintState:
    """How far it is.

    Attributes:
        job: counts what was started, so that two windows do not take each other's results.
        name: the sample that is painted on.
        progress: 0 to 1.
        note: what is being done, or why it failed.
        reached: share of the painted pixels that have the painted class in the labeler's label of the result.
    """

    job: int = 0
    state: State = "none"
    name: str = ""
    progress: float = 0.0
    note: str = ""
    reached: float | None = None

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Followed:
    """A finished job: the sample as the labeler sees it before, and what became of it."""

    before: LabelledSample
    painted: Painted


@dataclass
class Painting:
    """Lets images of a session follow painted masks.

    Attributes:
        labeler: the one that the review was started with.
        task: of its labels.
        result: of the last job, until it is kept or dropped.
        stopped: ends the job that runs.
    """

    session: Session
    labeler: Path
    task: str
    settings: PaintSettings = PLAIN
    state: PaintState = field(default_factory=PaintState)
    result: Followed | None = None
    thread: threading.Thread | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    canvas: Canvas | None = None

    def start(self, name: str, mask: Mask) -> int:
        """Begin in the background; the number of the job.

        Raises:
            NoSuchSampleError: there is no such sample.
            InputError: another image follows already, or nothing was painted.
        """
        region = mask != self.session.label(self.task, name)
        if not (region & (mask != IGNORE)).any():
            raise InputError("The painted mask is that of the sample: paint something else.")
        with self.lock:
            if self.thread is not None and self.thread.is_alive():
                if not self.stopped.is_set():
                    raise InputError("An image follows already: wait until that has ended.")
                self.thread.join()
            self.result, self.stopped = None, threading.Event()
            self.state = PaintState(self.state.job + 1, "running", name, note="loading the labeler")
            self.thread = threading.Thread(target=self.run, args=(name, mask, region), daemon=True)
            self.thread.start()
            return self.state.job

    def run(self, name: str, mask: Mask, region: Bool[np.ndarray, "h w"]) -> None:
        """Follow the mask; what goes wrong is told in the state."""
        try:
            for progress in self.follow(name, mask, region):
                if self.stopped.is_set():
                    self.state = PaintState(self.state.job)
                    return
                share = round(progress.done / progress.total, 3)
                self.state = replace(self.state, progress=share, note=progress.note)
        except HandsOffError as error:
            self.state = replace(self.state, state="failed", note=str(error))
        except BaseException as error:
            self.state = replace(self.state, state="failed", note=f"This is a bug of HandsOff: {error!r}")
            raise

    def follow(self, name: str, mask: Mask, region: Bool[np.ndarray, "h w"]) -> Iterator[Progress]:
        """The latents follow; the result is made from its draw and the vector alone, as it will be from its record."""
        self.canvas = self.canvas or open_canvas(load_labeler(self.labeler))
        labeler, net = self.canvas.labeler, self.canvas.generator
        materials, draw = read_materials(self.session.dataset.source.path), self.draw(name)
        latents, plain = draw_latents(net, [draw], materials), replace(draw, edits=())
        delta = yield from follow(self.canvas, latents, mask[None], region[None], self.settings)
        base = draw_latents(net, [plain]).tensors[WS]
        vector = (moved(latents, delta).tensors[WS] - base)[0].cpu()
        edited = replace(plain, edits=(Vector(name, 1.0),))
        (before,) = label_draws([labeler], [draw], materials)
        (after,) = label_draws([labeler], [edited], Materials(vectors={name: vector}))
        asked = region & (mask != IGNORE)
        reached = float((after.labels[self.task] == mask)[asked].mean())
        painted = Painted(name, plain, vector, after, weights_hash(self.labeler / CARD), reached)
        if not self.stopped.is_set():
            self.result = Followed(before, painted)
            self.state = replace(self.state, state="done", progress=1.0, note="", reached=reached)

    def draw(self, name: str) -> Draw:
        """What a sample was made from.

        Raises:
            InputError: the dataset does not say.
        """
        record = self.session.account().get(name, {})
        if "draw" not in record:
            raise InputError(f"The dataset does not say how {name} was drawn, so its image cannot follow.")
        return Draw.of_record(record["draw"])

    def finished(self, job: int) -> Followed:
        """The result of a job.

        Raises:
            NoSuchSampleError: it is not finished, was kept or dropped, or another image followed since.
        """
        result = self.result
        if result is None or self.state.job != job:
            raise NoSuchSampleError("This image was kept or dropped, or another one followed since: paint again.")
        return result

    def picture(self, job: int, side: str, what: str) -> UInt8[np.ndarray, "h w *c"]:
        """The image or the labeler's label, `before` or `after`.

        Raises:
            NoSuchSampleError: as `finished`, or there is no such picture.
        """
        found = self.finished(job)
        if side not in SIDES or what not in {"image", "label"}:
            raise NoSuchSampleError("There is an image and a label, before and after.")
        sample = found.before if side == "before" else found.painted.sample
        return sample.image if what == "image" else sample.labels[self.task]

    def keep(self, job: int) -> dict[str, str]:
        """Write the result as a new sample; its name, and that of its dataset.

        Raises:
            NoSuchSampleError: as `finished`.
            HandsOffError: as `painted.keep`.
        """
        with self.lock:
            painted, path = self.finished(job).painted, self.session.dataset.source.path
            task, generated = self.session.tasks[self.task], self.session.generated
            name = keep(path, generated.manifest if generated else {}, task, painted)
            self.result, self.state = None, PaintState(job)
        return {"name": name, "dataset": painted_folder(path).name}

    def drop(self, job: int) -> None:
        """Forget a job, whether it runs or has ended; nothing happens where another one was started since."""
        with self.lock:
            if self.state.job == job:
                self.stopped.set()
                self.result, self.state = None, PaintState(job)

    def stop(self) -> None:
        """End what runs, at its next step."""
        self.stopped.set()
        if self.thread is not None:
            self.thread.join()


def open_painting(session: Session, labeler: Path) -> Painting | None:
    """What lets images follow; None where that is not possible: photos, labels that are no masks, no w space.

    Args:
        session: of the dataset.
        labeler: is known to belong to it.

    Raises:
        HandsOffError: what an earlier review painted cannot be finished.
    """
    task = session.tasks[read_card(labeler)["task"]]
    shell = generator_shell(labeler / GENERATOR)
    if not session.is_drawn or task.drawing.editor != MASK or not isinstance(shell, StyleGenerator):
        return None
    mend(painted_folder(session.dataset.source.path), task)
    return Painting(session, labeler, task.name)
