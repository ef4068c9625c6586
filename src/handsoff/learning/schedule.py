"""When a run warms up, keeps its rate, cools down and ends: one rule for every run, whatever its samples are.

The rate rises over the first steps, then stays. Averaged weights (see `supervised`) are scored on the validation part
as the run goes. When no score has been better for `patience` steps, or the cap of `steps` comes near, the run goes back
to the moment of the best score, from there the rate falls to 0 over `cooldown` steps, and the run is over (cf. Hägele
et al. 2024, constant rate with cooldown: the length of a run need not be known when it begins).
"""

import math
from dataclasses import dataclass, field

from handsoff.learning.settings import LearnSettings

WARM_UP = 100  # steps in which the rate rises, in short runs a quarter of the run
CHECK = 100  # steps between two scores on the validation part


@dataclass
class Schedule:
    """Where a run stands; a run without validation takes all of its `steps`.

    Attributes:
        step: steps done, on the way to the weights that the run has now.
        made: the same with the steps that were given up.
        cools_from: the step at which the cooldown begins; None as long as that is open.
        best: the best score so far, higher is better, and best_step: when that was.
        scores: step → primary metric on the validation part.
    """

    settings: LearnSettings
    step: int = 0
    made: int = 0
    cools_from: int | None = None
    best: float = -float("inf")
    best_step: int = 0
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def cooldown(self) -> int:
        """Its length: as set, at most half of the cap."""
        return min(self.settings.cooldown, self.settings.steps // 2)

    @property
    def last_start(self) -> int:
        """The latest step at which the cooldown can begin."""
        return self.settings.steps - self.cooldown

    @property
    def end(self) -> int:
        """The number of steps, as far as it is known: at most the cap."""
        return self.settings.steps if self.cools_from is None else self.cools_from + self.cooldown

    @property
    def over(self) -> bool:
        return self.step >= self.end

    @property
    def position(self) -> float:
        """0 before the cooldown, then rising; it would be 1 at the end."""
        start = self.last_start if self.cools_from is None else self.cools_from
        return max(0.0, (self.step - start) / max(self.cooldown, 1))

    @property
    def rate(self) -> float:
        """The learning rate of the next step, as a share of the highest."""
        warm_up = min(WARM_UP, max(self.settings.steps // 4, 1))
        return min(1.0, (self.step + 1) / warm_up) * (1 - self.position)

    @property
    def due(self) -> bool:
        """Whether this is a moment to score the averaged weights."""
        return self.step % CHECK == 0 or self.over or (self.cools_from is None and self.step == self.last_start)

    def scored(self, score: float, value: float) -> bool:
        """Take a score on the validation part; whether it is the best so far.

        Args:
            score: the task's primary metric.
            value: the same, turned so that higher is better.
        """
        self.scores[str(self.step)] = score
        value = value if math.isfinite(value) else -math.inf  # any number is better than none
        better = value > self.best or not self.best_step
        if better:
            self.best, self.best_step = value, self.step
        return better

    @property
    def stands_still(self) -> bool:
        """Whether it is time to go back to the best moment and cool down; never without validation."""
        waited = self.step - self.best_step >= self.settings.patience or self.step >= self.last_start
        return self.cools_from is None and bool(self.scores) and waited

    def cool_down(self) -> None:
        """Go back to the best moment; the cooldown begins there."""
        self.step = self.cools_from = self.best_step
        self.scores = {step: score for step, score in self.scores.items() if int(step) <= self.step}

    def advance(self) -> None:
        self.step += 1
        self.made += 1
