"""Learning from a review: a labeler is fitted again in the background, and the queue is sorted by its uncertainty.

It goes to `corrections/labeler-K/`. What it learns from besides are the examples of the labeler that the review was
started with, where they still lie where it found them. A killed fit goes on where it stood, if nothing was corrected
since; otherwise it is begun anew.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.datasets.generated import Record
from handsoff.datasets.samples import LabelledDataset
from handsoff.generators.stored import generator_hash
from handsoff.inversion.invert import LABELS
from handsoff.jobs.folder import DONE, JOB, REPORT, Plan, difference, discard, recorded_plan, require_done
from handsoff.jobs.progress import Progress
from handsoff.labeling.features import DIFFUSION
from handsoff.labeling.fit import fit, loss_before, plan
from handsoff.labeling.labeler import DENOISER, GENERATOR, load_labeler, read_card
from handsoff.labeling.settings import FitSettings
from handsoff.review.queue import UNCERTAINTY, Queue
from handsoff.review.session import Session
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import read_materials
from handsoff.synthesis.photo_shard import FramedPhoto, framed, label_photos
from handsoff.synthesis.samples import SHOWN, LabelledSample, label_draws
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import VoterCard, read_voters
from handsoff.synthesis.voters import load_voter

LABELER, NUMBERS = "labeler-", "uncertainties.json"  # the latter: sample → uncertainty, by the labeler it lies in
BATCH = 16  # samples that are labelled again before the queue is sorted by them
State = Literal["none", "running", "done", "failed"]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class RefitState:
    """How far it is.

    Attributes:
        progress: of the stage, 0 to 1.
        note: what is being done, or why it failed.
        before, after: the mean loss of the classifiers on the accepted and corrected samples, each by classifiers that
            did not learn from the sample; None where it is not known.
        labeler: the folder of the new labeler.
    """

    state: State = "none"
    progress: float = 0.0
    note: str = ""
    before: float | None = None
    after: float | None = None
    labeler: str = ""

    def record(self) -> dict[str, Any]:
        return asdict(self)


def stated(fitted: Plan) -> FitSettings:
    """The settings of a labeler; what only versions before knew is left out."""
    return FitSettings(**{name: value for name, value in fitted.settings.items() if name in FitSettings.model_fields})


@dataclass
class Refit:
    """Fits labelers to what a session has so far, one at a time.

    Attributes:
        labeler: the one that the review was started with.
        again: where its settings, examples and generator are known from, a plan of `handsoff fit`.
    """

    session: Session
    queue: Queue
    labeler: Path
    again: Plan
    state: RefitState = field(default_factory=RefitState)
    thread: threading.Thread | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> FitSettings:
        """Those of the first labeler. Pixel classifiers of photos without latents read the photos themselves."""
        settings = stated(self.again)
        return settings if self.session.is_drawn else settings.model_copy(update={"features": ("lite0",)})

    @property
    def denoiser(self) -> Path | None:
        """The diffusion model that the settings read, where it is not the generator."""
        found = self.labeler / DENOISER
        return found if DIFFUSION in self.settings.features and found.is_dir() else None

    @property
    def samples(self) -> Path | None:
        """The images that the first labeler's examples are, where their labels lay elsewhere."""
        found = self.again.inputs.get("samples")
        return None if found is None else Path(found["path"])

    def start(self, first: Sequence[str]) -> str:
        """Begin in the background; the name of the new labeler.

        Args:
            first: the samples that are labelled again before all others.

        Raises:
            InputError: it runs already, or nobody has accepted or corrected anything.
        """
        with self.session.lock:
            if self.thread is not None and self.thread.is_alive():
                raise InputError("The labeler is being fitted already: wait until that has ended.")
            if not self.session.taught():
                raise InputError("Nothing is accepted or corrected yet: there is nothing to learn from.")
            out = self.folder()
            self.state = RefitState("running", note="beginning", labeler=out.name)
            self.thread = threading.Thread(target=self.run, args=(out, list(first)), daemon=True)
            self.thread.start()
        return out.name

    def run(self, out: Path, first: Sequence[str]) -> None:
        """Fit, measure, and sort the queue anew; what goes wrong is told in the state."""
        try:
            self.fit(out)
            if not self.stopped.is_set():
                self.label_again(out, first)
        except HandsOffError as error:
            self.state = replace(self.state, state="failed", note=str(error))
        except BaseException as error:
            self.state = replace(self.state, state="failed", note=f"This is a bug of HandsOff: {error!r}")
            raise
        else:
            if not self.stopped.is_set():
                self.state = replace(self.state, state="done", progress=1.0, note="")

    def fit(self, out: Path) -> None:
        """The fit itself. Nothing can be corrected until its data is read: it must be what its plan says."""
        generator, settings = self.labeler / GENERATOR, self.settings
        examples, corrected = self.examples(), self.session.dataset.source.path
        if examples is None:
            settings = settings.model_copy(update={"first": None, "corrections": "only"})
        inputs = (generator, examples or corrected)
        beside = None if examples is None or self.of_examples else corrected
        samples = None if examples is None else self.samples
        wanted = plan(*inputs, settings, beside, self.denoiser, samples)
        if (out / JOB).is_file() and difference(out, wanted):
            discard(out)
        self.state = replace(self.state, before=loss_before(self.labeler, corrected, stated(self.again)))
        with closing(fit(*inputs, out, settings, beside, self.denoiser, samples)) as work:
            with self.session.lock:
                self.show(next(work, None))
            for progress in work:
                self.show(progress)
                if self.stopped.is_set():
                    return
        report = read_json(out / REPORT)
        after = report.get("corrected_loss", (report.get("held_out_loss") or [None])[-1])
        self.state = replace(self.state, after=after)

    def show(self, progress: Progress | None) -> None:
        if progress is not None:
            share = progress.done / max(progress.total, 1)
            note = f"{progress.stage}{progress.note and f': {progress.note}'}"
            self.state = replace(self.state, progress=round(share, 3), note=note)

    def examples(self) -> Path | None:
        """What the first labeler learnt from; None where that is gone or cannot be read with these features."""
        path = Path(self.again.inputs["examples"]["path"])
        try:
            found = plan(self.labeler / GENERATOR, path, self.settings, None, self.denoiser, self.samples)
        except HandsOffError:
            return None
        same = found.inputs["examples"]["fingerprint"] == self.again.inputs["examples"]["fingerprint"]
        return path if same or self.of_examples else None

    @property
    def of_examples(self) -> bool:
        """Whether what is reviewed is what the first labeler learnt from: the corrections are then in place there."""
        path, reviewed = Path(self.again.inputs["examples"]["path"]), self.session.dataset.source.path.resolve()
        return reviewed in {path.resolve(), (path / LABELS).resolve()}

    def folder(self) -> Path:
        """Where the next labeler goes: where one was begun and not finished, or after the last one."""
        number = 1
        while (self.session.corrections.folder / f"{LABELER}{number}" / DONE).is_file():
            number += 1
        return self.session.corrections.folder / f"{LABELER}{number}"

    def resort(self) -> None:
        """Sort the queue by what the last labeler of an earlier session was unsure of."""
        for number in range(1, int(self.folder().name.removeprefix(LABELER))):
            file = self.session.corrections.folder / f"{LABELER}{number}" / NUMBERS
            if file.is_file():
                found = {name: float(value) for name, value in read_json(file).items()}
                self.queue.renumber(UNCERTAINTY, found)

    def label_again(self, labeler: Path, first: Sequence[str]) -> None:
        """Ask the new labeler about all undecided samples, and sort the queue by its uncertainty batch by batch."""
        names = self.session.dataset.names
        undecided = [name for name in names if self.session.decision(name) == "undecided"]
        numbers = self.queue.numbers.get(UNCERTAINTY, {})
        wanted = set(undecided)
        ranked = sorted(undecided, key=lambda name: -numbers.get(name, 0.0))
        order = list(dict.fromkeys([*(name for name in first if name in wanted), *ranked]))
        label = relabeller(labeler, self.session)
        found: dict[str, float] = {}
        for start in range(0, len(order), BATCH):
            if self.stopped.is_set():
                return
            batch = order[start : start + BATCH]
            new = {name: sample.uncertainties for name, sample in zip(batch, label(batch), strict=True)}
            found |= {name: max(values.values()) for name, values in new.items()}
            self.queue.renumber(UNCERTAINTY, found)
            self.show(Progress("sorting the queue", start + len(batch), len(order)))
        write_json(labeler / NUMBERS, found)


def relabeller(folder: Path, session: Session) -> Callable[[Sequence[str]], Iterator[LabelledSample]]:
    """What labels samples of a session again: from their latents where they were drawn, else from their images."""
    account = session.account()
    if session.is_drawn:
        labeler, materials = load_labeler(folder), read_materials(session.dataset.source.path)
        return lambda names: label_draws([labeler], [draw_of(account[name]) for name in names], materials)
    settings = LabelSettings()
    card = read_voters([folder], settings)[0]
    voter = load_voter(card, settings)
    return lambda names: label_photos([voter], photos_of(session.dataset, names, account, card))


def photos_of(
    dataset: LabelledDataset, names: Sequence[str], account: Mapping[str, Record], card: VoterCard
) -> list[FramedPhoto]:
    """Photos of a dataset as a labeler sees them; what of them is shown says the dataset's account, where it has one.

    Raises:
        InputError: an image is damaged.
    """
    photos = []
    files = [dataset.images[name] for name in names]
    for name, photo in zip(names, framed(dataset.source, files, card, enlarge=True), strict=True):
        if isinstance(photo, InputError):
            raise photo
        shown = account.get(name, {}).get(SHOWN)
        photos.append(photo if shown is None else replace(photo, shown=tuple(shown)))
    return photos


def draw_of(record: Record) -> Draw:
    return Draw.of_record(record["draw"])


def open_refit(session: Session, queue: Queue, labeler: Path) -> Refit:
    """Check that a labeler can learn from a dataset's corrections.

    Raises:
        InputError: the folder holds no finished labeler, or it labels something else.
        MismatchError: the dataset was drawn from another generator, or its images have another size.
    """
    require_done(labeler, "fit")
    card, path = read_card(labeler), session.dataset.source.path
    if card["task"] not in session.tasks:
        raise InputError(f"{labeler} labels {card['task']}, and {path} has {', '.join(session.tasks)}: give another.")
    if session.is_drawn and session.generated is not None:
        drawn, own = str(session.generated.manifest.get("generator")), generator_hash(labeler / GENERATOR)
        if drawn != own:
            raise MismatchError(
                f"{path} was drawn from generator {drawn[:12]}, and {labeler} was fitted to {own[:12]}: give the "
                "labeler that labelled it."
            )
    size = session.size(session.dataset.names[0])
    if list(size) != card["image_size"]:
        found, wanted = ("x".join(map(str, sides)) for sides in (size, card["image_size"]))
        raise MismatchError(
            f"{path} has images of {found} pixels, and {labeler} labels {wanted}: give another labeler."
        )
    refit = Refit(session, queue, labeler, recorded_plan(labeler))
    refit.resort()
    return refit
