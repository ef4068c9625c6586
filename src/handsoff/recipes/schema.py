"""What a recipe says: data, budgets, a method, and a table of settings for any verb."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing, frame_of
from handsoff.formats.settings import ConvertSettings
from handsoff.generators.stored import read_card
from handsoff.inversion.settings import OF_ENCODER
from handsoff.learning.settings import MACHINE, LearnSettings
from handsoff.sampling.aims import UNLABELLED
from handsoff.tasks import TASKS, task_type
from handsoff.training.settings import ALONE, TrainSettings
from handsoff.verbs import VERBS

Role = Literal["labelled", "test"]  # of a labelled dataset
Tables = Mapping[str, Mapping[str, Any]]  # verb → its settings
DEFAULTS: Tables = {
    "generate": {"n": 10_000},
    "sample": {"n": 1, "seed": 10_000_000},
}  # where a recipe need not say what a command line must
FRAMING = frozenset({"framing", "around", "align", "aspect"})  # settings of convert that ask for a frame


def stated_settings(verb: str, stated: Mapping[str, Any]) -> BaseModel:
    """The settings of a verb in a recipe.

    Raises:
        ValidationError: an unknown name or an impossible value.
    """
    return VERBS[verb].settings(**{**DEFAULTS.get(verb, {}), **stated})


class Recipe(BaseModel):
    """A recipe: data, budgets, method, and the settings of every step.

    The labelled dataset is cut once, in sorted order: its first max(`budgets`) samples are the labels (a smaller budget
    takes the first of them), the next `validation` ones choose the best weights of a run, the next `reserve` ones are
    further labels for the learning curve, and the rest are the test unless `test` names another dataset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    images: Path | None = Field(None, description="unlabelled images, a folder or zip")
    generator: Path | None = Field(None, description="a generator made earlier, instead of `images`")
    diffusion: Path | None = Field(
        None, description="a diffusion model made earlier, for methods that read one; without it they train one"
    )
    photos: Path | None = Field(
        None, description="unlabelled photos that become a second dataset, a folder or zip; unless said, `images`"
    )
    rounds: int = Field(
        1,
        ge=1,
        description="how often the photos are labelled: first by networks that learnt from the labels alone (or, with "
        "[label] inversion, by the labelers), then by models that learnt from the photos",
    )
    labelled: Path = Field(description="labelled images, a folder or zip")
    test: Path | None = Field(None, description="another labelled dataset to test on")
    split: dict[Role, str] = Field(
        {}, description="which splits of the dataset are labels and test: {labelled = 'train', test = 'val'}"
    )
    output: Path = Field(description="where all the folders go")
    budgets: tuple[int, ...] = Field(
        (50,), min_length=1, description="how many labels to use; each gets a dataset and a report"
    )
    validation: int = Field(
        100,
        ge=0,
        description="labelled samples that choose the best weights and are never trained on; 0: the last weights count",
    )
    reserve: int = Field(
        0, ge=0, description="labelled samples after those, not tested on, that only the learning curve trains on"
    )
    method: str = "handsoff"
    tasks: tuple[str, ...] = Field(
        (next(iter(TASKS)),),
        min_length=1,
        description="kinds of labels to generate; each gets a labeler and a report",
    )
    labels: dict[str, dict[str, Any]] = Field(
        {}, description="what to know about the labels, by task, see docs/tasks.md"
    )
    classes: dict[str, str] | None = Field(
        None,
        description="'left_eye,right_eye' = 'eye': which classes of the dataset make up yours, in the order of the ids",
    )
    tables: dict[str, dict[str, Any]] = Field({}, description="verb → what is said about its settings")

    @field_validator("budgets", mode="before")
    @classmethod
    def count(cls, budgets: Any) -> Any:
        """Whole numbers as they are written: no text and no truth value is taken for one."""
        if not isinstance(budgets, list | tuple) or not budgets or not all(type(number) is int for number in budgets):
            raise ValueError("write whole numbers without quotes or points, such as 50 or [10, 50]")
        if len(set(budgets)) < len(budgets):
            raise ValueError("name every number of labels once")
        return budgets

    @field_validator("tasks")
    @classmethod
    def differ(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tasks)) < len(tasks):
            raise ValueError("name every task once")
        return tasks

    @property
    def largest(self) -> int:
        """How many samples of the labelled dataset are labels of the largest budget."""
        return max(self.budgets)

    @property
    def apart_from_test(self) -> int:
        """How many of the labelled samples are labels, validation or reserve; the test begins after them."""
        return self.largest + self.validation + self.reserve

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """What to know about the labels, by task; `classes` is the short form of the table that merges classes."""
        merging = [name for name, task in TASKS.items() if task.merges] if self.classes is not None else []
        return {**self.labels, **{name: {**self.labels.get(name, {}), "merge": self.classes} for name in merging}}

    @property
    def unlabelled(self) -> Path | None:
        """The photos that can be labelled."""
        return self.photos or self.images

    @property
    def framing(self) -> Framing:
        """How photos get into the generator's frame: as they did for a given generator, else as [convert] says."""
        if self.generator is not None:
            return read_card(self.generator).framing
        stated: Framing = self.tables.get("convert", {}).get("framing", "crop")
        return stated

    @property
    def frame(self) -> Frame:
        """The image size (height, width) of the generator, made already or yet to be trained.

        Raises:
            InputError: `generator` is none, or the resolution to train at is no size.
        """
        if self.generator is not None:
            return read_card(self.generator).image_size
        resolution = TrainSettings(**self.tables.get("train", {})).resolution
        try:
            return frame_of(resolution)
        except ValueError:
            raise InputError(f"[train] resolution = {resolution} is no size: write 64, or 96x64.") from None

    def settings(self, verb: str, **owned: Any) -> BaseModel:
        """The settings of a verb: what its table says, and what follows from the rest of the recipe.

        Raises:
            ValidationError: an unknown name or an impossible value, in a recipe that `load_recipe` has not checked.
        """
        return stated_settings(verb, self.tables.get(verb, {})).model_copy(update=owned)

    def folder(self, budget: int, kind: str, task: str) -> Path:
        """Where a step of one task goes: where there are several tasks, the folder's name ends with it."""
        return self.output / str(budget) / (kind if len(self.tasks) == 1 else f"{kind}-{task}")

    def reports(self) -> dict[str, Path]:
        """The folders of all evaluations, by budget and, where there are several, task."""
        pairs = [(budget, task) for budget in self.budgets for task in self.tasks]
        return {
            f"{budget}" if len(self.tasks) == 1 else f"{budget} {task}": self.folder(budget, "report", task)
            for budget, task in pairs
        }

    def of_first_budget(self, budget: int, kind: str, task: str) -> Path | None:
        """The evaluation whose learning curve the one of another budget shares; None where there is no such."""
        shared = self.tables.get("evaluate", {}).get("curve") is not None and budget != self.budgets[0]
        return self.folder(self.budgets[0], kind, task) if shared else None

    def for_train(self) -> BaseModel:
        """Unlabelled images are framed as the labelled ones are."""
        return self.settings("train", framing=self.framing)

    def for_diffusion(self) -> BaseModel:
        """A diffusion model of the same frame; what the recipe says of GANs alone does not count.

        Nor do conditions where it trains on other photos than the GAN: they are told of the GAN's.
        """
        said, others = self.tables.get("train", {}), self.images not in {None, self.unlabelled}
        left = {*ALONE["stylegan2"], *(("conditions", "mirrored") if others else ())}
        stated = {name: value for name, value in said.items() if name not in left}
        size = f"{self.frame[0]}x{self.frame[1]}"
        return stated_settings("train", {**stated, "kind": "diffusion"}).model_copy(
            update={"framing": self.framing, "resolution": size}
        )

    def for_convert(self, role: Role) -> ConvertSettings:
        """The kinds of labels that are wanted; in the generator's frame where anything is said about framing."""
        said = self.tables.get("convert", {})
        frame = f"{self.frame[0]}x{self.frame[1]}" if said.keys() & FRAMING else None
        framing = said.get("framing", self.framing)
        owned = {"tasks": self.tasks, "split": self.split.get(role), "frame": frame, "framing": framing}
        return ConvertSettings(**said).model_copy(update=owned)

    def for_invert(self) -> BaseModel:
        """All labels at once: every budget uses the first of the same latents.

        What the recipe says of an encoder does not count for a method that has none.
        """
        said = self.tables.get("invert", {})
        unused = OF_ENCODER if said.get("encoder_steps") == 0 else ()
        stated = {name: value for name, value in said.items() if name not in unused}
        owned = {"first": self.largest, "tasks": self.tasks, "labels": self.options}
        return stated_settings("invert", stated).model_copy(update=owned)

    def for_fit(self, budget: int, task: str) -> BaseModel:
        return self.settings("fit", first=budget, task=task)

    def for_evaluate(self, budget: int, task: str) -> BaseModel:
        """Every budget is validated and tested on the same samples.

        Of several kinds of labels `paste` is for the masks alone, and `confidence` for those of pixels.
        """
        start = self.largest + self.validation
        end = self.apart_from_test
        parts = {
            "validation_part": f"{self.largest}:{start}" if self.validation else None,
            "test_part": f"{end}:" if self.test is None else None,
            "curve_part": f":{end}" if self.reserve else None,
            "labels_part": None if self.test is None else f":{end}",
        }
        masks = [name for name in self.tasks if task_type(name).merges]
        maps = [name for name in self.tasks if task_type(name).pixelwise]
        pasted = {"paste": 0.0} if masks and task not in masks else {}
        weighted = {"confidence": None} if maps and task not in maps else {}
        return self.settings("evaluate", first=budget, task=task, **parts, **pasted, **weighted)

    def for_real_only(self, budget: int, task: str, **owned: Any) -> BaseModel:
        """An evaluation without datasets, of the labels as the recipe wants them, in the frame of its generator.

        The arms that the recipe names, and what it says of a machine's labels, are those of evaluations with datasets.
        """
        frame = f"{self.frame[0]}x{self.frame[1]}"
        seen = {"labels": self.options, "frame": frame, "framing": self.framing, "arms": None}
        alone = LearnSettings().model_dump(include=set(MACHINE))
        return self.for_evaluate(budget, task).model_copy(update={**seen, **alone, **owned})

    def for_oracle(self, task: str) -> BaseModel:
        """An evaluation of the labels in reserve alone, on the same test: its model labels in a person's place."""
        kept = {"skip": self.largest + self.validation, "curve": None, "curve_part": None}
        return self.for_real_only(self.reserve, task, **kept)

    def for_annotation(self) -> BaseModel:
        """Labels in a person's place: every image gets them."""
        return self.settings("label", n=None, keep=1.0, ignore_pixels=0.0, inversion="none")

    def for_score(self) -> BaseModel:
        """On the samples that evaluations test on, in a comparison by their groups; what is scored reads photos."""
        evaluated: Any = self.for_evaluate(self.largest, self.tasks[0])
        group = self.tables.get("score", {}).get("group", evaluated.group)
        labels = None if group is None else f":{self.apart_from_test}"
        owned = {"test_part": evaluated.test_part, "group": group, "labels_part": labels, "inversion": "none"}
        return self.settings("score", **owned)

    def for_round(self, budget: int, task: str) -> BaseModel:
        """An evaluation whose model labels the photos of the next round: of all arms only the one with photos."""
        return self.for_evaluate(budget, task).model_copy(
            update={"arms": ("real_plus_photos",), "curve": None, "curve_part": None}
        )

    def curve_labels(self, samples: int) -> int:
        """How many labels the learning curve can have, of so many labelled samples."""
        limited = self.reserve or self.test is None
        return self.largest + self.reserve if limited else samples - self.validation

    def for_generate(self) -> BaseModel:
        """An aim may be to match the unlabelled photos: the recipe knows where they are.

        Raises:
            InputError: it names none.
        """
        settings: Any = self.settings("generate")
        if settings.wanted is None or settings.wanted.match != UNLABELLED:
            return self.settings("generate")
        if self.unlabelled is None:
            raise InputError('[generate.aim] match = "unlabelled" needs unlabelled photos: give photos = "FOLDER".')
        return self.settings("generate", aim={**settings.aim, "match": str(self.unlabelled)})

    def for_label(self) -> BaseModel:
        """No copy of a label, of a validation photo or of a test photo becomes training data.

        Where the test is a dataset of its own, the other labelled photos may: nobody looks at their labels.
        """
        return self.settings("label", apart_first=None if self.test is None else self.apart_from_test)

    @property
    def apart(self) -> list[Path]:
        """The labelled datasets, with those photos in them."""
        return [self.labelled, *([] if self.test is None else [self.test])]

    def with_defaults(self, defaults: Tables) -> "Recipe":
        """The same recipe with a method's own settings wherever the recipe itself says nothing."""
        merged = {verb: {**values, **self.tables.get(verb, {})} for verb, values in defaults.items()}
        return self.model_copy(update={"tables": {**self.tables, **merged}})
