"""The verbs: one entry each says what a step takes, what can be set about it, and where its work is done.

The command line, recipes and the runner follow from this table. A method with a step of its own adds a module with two
functions, `plan(inputs, settings)` and the work, and one entry here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from handsoff.editing.settings import EditSettings
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.evaluation.settings import EvaluateSettings, ScoreSettings
from handsoff.formats.settings import ConvertSettings
from handsoff.generators.checkpoints.settings import ImportSettings
from handsoff.inspection.settings import DiagnoseSettings
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import Work
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis.settings import GenerateSettings, LabelSettings, SampleSettings
from handsoff.training.settings import TrainSettings

if TYPE_CHECKING:
    from handsoff.formats.reading import Reads

Inputs = Mapping[str, Path | list[Path] | None]


@dataclass(frozen=True)
class Input:
    """What a verb takes: a folder or file; `several` of them, as a list; or none, where it is `optional`.

    Attributes:
        about: what to give, in a sentence.
        reads: what of a folder is read, see `formats.reading`.
    """

    name: str
    several: bool = False
    optional: bool = False
    about: str = ""
    reads: "Reads" = "labels"


@dataclass(frozen=True)
class Verb:
    """One kind of step.

    Attributes:
        module: where `plan` and the work function are; imported when there is work, since it brings torch along.
        function: the name of the work function there.
        settings: the type of its settings.
        inputs: what it takes besides; these are the names of the arguments of both functions.
        owned: setting → what it follows from in a recipe, where it cannot be set in the verb's own table.
        extends: whether a finished folder can be worked on further; `finished(out, settings)` of the module says
            whether as much was done as is asked for now.
        shards: whether its work is cut into shards, which any engine computes.
        summary: what it does, in a sentence.
    """

    name: str
    module: str
    function: str
    settings: type[BaseModel]
    inputs: tuple[Input, ...]
    owned: Mapping[str, str] = field(default_factory=dict)
    extends: bool = False
    shards: bool = False
    summary: str = ""

    def load(self, name: str) -> Callable[..., Any]:
        """A function of the verb's module."""
        function: Callable[..., Any] = getattr(import_module(self.module), name)
        return function

    def about(self, name: str) -> str:
        """What to give as an input."""
        return next(given.about for given in self.inputs if given.name == name)

    def work(self, inputs: Inputs, out: Path, settings: BaseModel, engine: Engine = LOCAL) -> Work:
        """Begin, or go on with, the work in the folder `out`; the engine computes what is cut into shards.

        Raises:
            InputError: `out` lies among what is read of an input.
        """
        from handsoff.formats.reading import refuse_inside  # noqa: PLC0415  # brings torch along

        for taken in self.inputs:
            value = inputs.get(taken.name) or []
            for path in value if isinstance(value, list) else [value]:
                refuse_inside(out, path, taken.reads)
        more = {"engine": engine} if self.shards else {}
        work: Work = self.load(self.function)(**given(inputs), out=out, settings=settings, **more)
        return work


def given(inputs: Inputs) -> dict[str, Path | list[Path]]:
    """The inputs without those that are left out."""
    return {name: value for name, value in inputs.items() if value is not None}


GENERATOR = Input("generator", about="A generator: the folder of handsoff train or handsoff import.")
TRAIN = Verb(
    "train",
    "handsoff.training.train",
    "train",
    TrainSettings,
    (
        Input("images", about="A folder or zip of images.", reads="photos"),
        Input("init", optional=True, about="A generator to begin with, of the same resolution and framing."),
    ),
    {"framing": "[convert] framing"},
    extends=True,
    summary="Train a generator on a folder or zip of unlabelled images.",
)
IMPORT = Verb(
    "import",
    "handsoff.generators.checkpoints.importing",
    "import_checkpoint",
    ImportSettings,
    (
        Input(
            "checkpoint",
            about="A published StyleGAN2 checkpoint (.pkl, .pt, .pth, .safetensors), or a diffusers folder.",
        ),
    ),
    summary="Turn a published checkpoint into a generator; nothing in the file is run.",
)
INVERT = Verb(
    "invert",
    "handsoff.inversion.invert",
    "invert",
    InvertSettings,
    (GENERATOR, Input("labelled", about="A folder or zip of images with masks, keypoints or depth.")),
    {"first": "budgets", "skip": "budgets", "tasks": "tasks", "labels": "[labels]"},
    shards=True,
    summary="Find the generator's latents of labelled photos.",
)
FIT = Verb(
    "fit",
    "handsoff.labeling.fit",
    "fit",
    FitSettings,
    (
        GENERATOR,
        Input(
            "examples",
            about="The folder of handsoff invert, a generated dataset with corrected labels, or labelled photos.",
        ),
        Input(
            "corrected",
            optional=True,
            about="A dataset that was reviewed: the samples that a person accepted or corrected are learnt from, too.",
        ),
        Input(
            "denoiser",
            optional=True,
            about="A diffusion model whose features are read, where the generator is another; of the same frame.",
        ),
        Input(
            "samples",
            optional=True,
            about="The folder of handsoff sample whose images were labelled, where the labels lie elsewhere.",
        ),
        Input(
            "teacher",
            optional=True,
            about="The report of handsoff evaluate on the same labels alone: its networks serve, and none is trained.",
        ),
    ),
    {"first": "budgets", "task": "tasks", "labels": "[labels]"},
    summary="Train the labeler on latents or photos and their labels.",
)
SAMPLE = Verb(
    "sample",
    "handsoff.synthesis.sample",
    "sample",
    SampleSettings,
    (GENERATOR,),
    {"n": "budgets"},
    summary="Draw images for people to label; their latents are known.",
)
EDIT = Verb(
    "edit",
    "handsoff.editing.edit",
    "edit",
    EditSettings,
    (
        Input("labeler", about="The folder of handsoff fit, whose labels are masks."),
        Input("examples", about="The folder of handsoff invert, or labelled photos: their masks are pasted."),
    ),
    {"first": "budgets", "labels": "[labels]"},
    summary="Learn edit vectors that add rare classes to a generator's samples.",
)
GENERATE = Verb(
    "generate",
    "handsoff.synthesis.generate",
    "generate",
    GenerateSettings,
    (
        Input("labelers", several=True, about="The folder of handsoff fit; several of one generator label together."),
        Input("edits", optional=True, about="The folder of handsoff edit, whose vectors help to reach the aim."),
    ),
    shards=True,
    summary="Draw a labelled dataset.",
)
LABEL = Verb(
    "label",
    "handsoff.synthesis.label",
    "label",
    LabelSettings,
    (
        Input(
            "voters",
            several=True,
            about="The folder of handsoff fit, or the report of handsoff evaluate; several label together.",
        ),
        Input("photos", about="A folder or zip of photos; copies of labelled ones are left out.", reads="photos"),
        Input(
            "apart",
            several=True,
            optional=True,
            about="Photos, such as those of a test, whose copies are left out too; may be repeated.",
            reads="photos",
        ),
    ),
    {"apart_first": "budgets, validation and reserve"},
    shards=True,
    summary="Label your own photos: real images, labels, uncertainty, selection.",
)
EVALUATE = Verb(
    "evaluate",
    "handsoff.evaluation.evaluate",
    "evaluate",
    EvaluateSettings,
    (
        Input("real", about="The labelled photos that were used."),
        Input(
            "synthetic",
            several=True,
            about="The folder of handsoff generate or handsoff label; may be repeated; without one: real only.",
        ),
        Input("test", about="Labelled photos to test on."),
        Input("validation", optional=True, about="Labelled photos that choose the best moment of a run."),
        Input(
            "before",
            optional=True,
            about="The report of an earlier evaluation: runs of it that would come out the same are not made again.",
        ),
    ),
    {
        "first": "budgets",
        "task": "tasks",
        "validation_part": "validation",
        "test_part": "test",
        "curve_part": "reserve",
        "labels_part": "budgets, validation and reserve",
        "labels": "[labels]",
        "skip": "budgets",
        "frame": "[train] resolution",
        "framing": "[convert] framing",
    },
    shards=True,
    summary="Measure what datasets are worth beside real labels, on real test photos, and hand over the best model.",
)
SCORE = Verb(
    "score",
    "handsoff.evaluation.score",
    "score",
    ScoreSettings,
    (
        Input(
            "voters",
            several=True,
            about="The folder of handsoff fit, or the report of handsoff evaluate; several are compared.",
        ),
        Input("test", about="Labelled photos to test on."),
        Input(
            "labelled",
            optional=True,
            about="With group: the labelled photos that they learnt from; nobody of their groups is tested.",
        ),
    ),
    {"test_part": "validation and reserve", "labels_part": "budgets, validation and reserve"},
    summary="Score labelers and models as they are on test photos; nothing is trained.",
)
CONVERT = Verb(
    "convert",
    "handsoff.formats.convert",
    "convert",
    ConvertSettings,
    (Input("dataset", about="A labelled dataset of any format, see docs/formats.md.", reads="all"),),
    {
        "format": "nothing: it is the folder format",
        "tasks": "tasks",
        "split": "split",
        "classes": "[classes]",
        "frame": "[train] resolution",
    },
    summary="Turn labelled data of any format into any other.",
)
DIAGNOSE = Verb(
    "diagnose",
    "handsoff.inspection.diagnose",
    "diagnose",
    DiagnoseSettings,
    (Input("run", about="The output folder of handsoff run.", reads="made"),),
    summary="Measure every link of a finished run on its own, to see where quality is lost.",
)
VERBS = {
    verb.name: verb
    for verb in (TRAIN, IMPORT, INVERT, SAMPLE, FIT, EDIT, GENERATE, LABEL, EVALUATE, SCORE, CONVERT, DIAGNOSE)
}
