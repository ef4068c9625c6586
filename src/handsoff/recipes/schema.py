"""What a recipe says, and what a method makes of it: steps, each with a folder of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.settings import ConvertSettings
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import Work
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis.settings import GenerateSettings
from handsoff.training.settings import TrainSettings

Pack = Literal["labelled", "test"]


class Recipe(BaseModel):
    """A recipe: data, budgets, method, and the settings of every step.

    The labelled pack is cut once, in sorted order: its first max(`budgets`) samples are the labels (a smaller budget is
    the beginning of them), the next `validation` ones choose, and the rest are the test unless `test` names another pack.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: Path | None = Field(None, description="unlabelled images, a folder or zip")
    generator: Path | None = Field(None, description="a generator made earlier, instead of `images`")
    labelled: Path = Field(description="labelled images, a folder or zip")
    test: Path | None = Field(None, description="another labelled pack to test on")
    split: dict[Pack, str] = Field(
        {}, description="which splits of the pack teach and test: {labelled = 'train', test = 'val'}"
    )
    output: Path = Field(description="where all the folders go")
    budgets: tuple[int, ...] = Field(
        (50,), min_length=1, description="how many labels to use; each gets a dataset and a report"
    )
    validation: int = Field(
        100, ge=0, description="labelled samples that choose, never teach; 0: the last weights of a run count"
    )
    method: str = "handsoff"
    tasks: tuple[str, ...] = Field(
        ("segmentation",),
        min_length=1,
        description="kinds of labels to generate; each gets a label generator and a report",
    )
    labels: dict[str, dict[str, Any]] = Field(
        {}, description="what to know about the labels, by task, see docs/tasks.md"
    )
    classes: dict[str, str] | None = Field(
        None,
        description="'left_eye,right_eye' = 'eye': which classes of the pack make up yours, in the order of the ids",
    )
    convert: ConvertSettings = Field(
        ConvertSettings(), description="how labelled and test images are read and framed, see docs/formats.md"
    )
    train: TrainSettings = TrainSettings()
    invert: InvertSettings = InvertSettings()
    fit: FitSettings = FitSettings()
    generate: GenerateSettings = GenerateSettings(n=10_000)
    evaluate: EvaluateSettings = EvaluateSettings()

    @field_validator("tasks")
    @classmethod
    def differ(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tasks)) < len(tasks):
            raise ValueError("name every task once")
        return tasks

    @property
    def largest(self) -> int:
        """How many samples of the pack are labels of the largest budget."""
        return max(self.budgets)

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """What to know about the labels; `classes` is the short form of the merge table of segmentation."""
        merge = {} if self.classes is None else {"merge": self.classes}
        return {**self.labels, **({"segmentation": {**self.labels.get("segmentation", {}), **merge}} if merge else {})}

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

    def for_train(self) -> TrainSettings:
        """Unlabelled images are framed as the labelled ones are."""
        return self.train.model_copy(update={"framing": self.convert.framing})

    def for_convert(self, pack: Pack, frame: str) -> ConvertSettings:
        """All kinds of labels that are wanted; in the generator's frame where anything is said about framing."""
        framed = bool(self.convert.model_fields_set & {"framing", "around", "align", "aspect"})
        return self.convert.model_copy(
            update={"tasks": self.tasks, "split": self.split.get(pack), "frame": frame if framed else None}
        )

    def for_invert(self) -> InvertSettings:
        """All labels at once: every budget uses the beginning of the same codes."""
        return self.invert.model_copy(update={"first": self.largest, "tasks": self.tasks, "labels": self.options})

    def for_fit(self, budget: int, task: str) -> FitSettings:
        return self.fit.model_copy(update={"first": budget, "task": task})

    def for_evaluate(self, budget: int, task: str) -> EvaluateSettings:
        """Every budget is validated and tested on the same samples."""
        end = self.largest + self.validation
        parts = {
            "validation_part": f"{self.largest}:{end}" if self.validation else None,
            "test_part": f"{end}:" if self.test is None else None,
        }
        return self.evaluate.model_copy(update={"first": budget, "task": task, **parts})

    def with_defaults(self, defaults: Mapping[str, Mapping[str, Any]]) -> "Recipe":
        """The same recipe with a method's own settings per step wherever the recipe itself says nothing."""
        stated = {table: getattr(self, table).model_dump(exclude_unset=True) for table in defaults}
        return self.model_copy(
            update={
                table: type(getattr(self, table))(**{**values, **stated[table]}) for table, values in defaults.items()
            }
        )


@dataclass(frozen=True)
class Step:
    """One verb of a plan.

    Attributes:
        folder: its output.
        begin: starts or continues it; does nothing if it is done.
    """

    folder: Path
    begin: Callable[[], Work]
