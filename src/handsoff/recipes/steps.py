"""The steps that a method makes of a recipe, each a verb with a folder of its own."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.jobs.folder import Plan
from handsoff.jobs.progress import Work
from handsoff.verbs import VERBS, Inputs, given


@dataclass(frozen=True)
class Step:
    """One verb to be done.

    Attributes:
        verb: its name in `VERBS`.
        folder: its output.
        inputs: name → file or folder, several, or None where an optional input is left out.
        settings: of the verb's settings type.
    """

    verb: str
    folder: Path
    inputs: Inputs
    settings: BaseModel

    def paths(self) -> list[Path]:
        """All its inputs in one list."""
        return [
            path for value in given(self.inputs).values() for path in (value if isinstance(value, list) else [value])
        ]

    def plan(self) -> Plan:
        """What the folder is made by: the inputs' fingerprints and the settings.

        Raises:
            HandsOffError: an input is missing or cannot be used.
        """
        plan: Plan = VERBS[self.verb].load("plan")(**given(self.inputs), settings=self.settings)
        return plan

    def work(self, engine: Engine = LOCAL) -> Work:
        """Begin the step, or go on with it."""
        return VERBS[self.verb].work(self.inputs, self.folder, self.settings, engine)

    def finished(self) -> bool:
        """Whether the folder is finished, and as much was done as is asked for now."""
        verb = VERBS[self.verb]
        return (self.folder / "DONE").is_file() and (
            not verb.extends or bool(verb.load("finished")(self.folder, self.settings))
        )
