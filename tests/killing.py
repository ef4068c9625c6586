"""Stops every verb in the middle of its work, runs it again, and compares with a run that nobody stopped.

`python tests/killing.py FOLDER --kills 1000` prints what came of it; `tests/jobs/test_kills.py` does a few of each.
"""

import argparse
import itertools
import json
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from alike import contents, differences
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.cli.main import main
from handsoff.formats import convert
from handsoff.generators.stored import load_generator
from handsoff.inversion import encoder
from handsoff.learning import schedule
from handsoff.synthesis import shard
from handsoff.training import snapshots, train  # noqa: F401  # loaded before children are forked
from handsoff.verbs import VERBS
from stopping import SIGNALS, How, Stop, begin, end
from toy import QUICK_RECIPE, toy_generator, toy_several

# What an attempt may end with: 0 where it was over before, 2 and a sentence on a full disk, 130 between two steps.
PAGE = 4096
ENDS: dict[How, set[int]] = {"kill": {0, -9}, "int": {0, 130}, "term": {0, 130, -15}, "full": {0, 2}}
FORMATS = ("folder", "coco", "webdataset")


@dataclass
class Findings:
    """What came of it: attempts that were stopped, and a sentence for everything that is wrong."""

    stopped: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


# --- the world ---


def speed_up() -> None:
    """Small shards and parts, and distances of few images: many file operations in little time."""
    torch.set_num_threads(1)
    shard.SHARD, convert.PART, encoder.CHECKPOINT_STEPS, snapshots.MEASURED_IMAGES = 4, 3, 2, 8
    schedule.CHECK = 1  # every step leaves a checkpoint
    snapshots.distances = lambda real, fake: {
        "fd_lite0": float((real.mean(0) - fake.mean(0)).square().sum()),
        "kd_lite0": 0.0,
    }
    frozen_lite0()
    for verb in VERBS.values():
        verb.load(verb.function)


def build(world: Path) -> int:
    """What the verbs take, made by a toy generator and by the verbs themselves."""
    toy_several(toy_generator(world / "generator"), world / "labelled", 10)
    state = {}
    for name, value in load_generator(world / "generator").state_dict().items():  # in the names of NVIDIA
        kind, rest = name.split(".", 1)
        block, _, inner = rest.partition(".")
        state[f"mapping.{rest}" if kind == "mapping_network" else f"synthesis.b{4 << int(block)}.{inner}"] = value
    save_file(state, world / "published.safetensors")
    with zipfile.ZipFile(world / "photos.zip", "w") as archive:
        for index in range(12):
            pixels = np.random.default_rng(index).integers(0, 256, (20, 20, 3), np.uint8)
            with archive.open(f"{index}.png", "w") as file:
                Image.fromarray(pixels).save(file, "PNG")
    (world / "recipe.toml").write_text(QUICK_RECIPE)
    for name, verb in (("latents", "invert"), ("labeler", "fit"), ("dataset", "generate"), ("run", "run")):
        if main([*arguments_of(world)[verb], "-o", str(world / name)]):
            return 1
    return 0


def arguments_of(world: Path) -> dict[str, list[str]]:
    """Verb → its arguments, without the output."""

    def given(*arguments: str, **settings: object) -> list[str]:
        return [*arguments, *(part for name, value in settings.items() for part in ("--set", f"{name}={value}"))]

    def at(name: str) -> str:
        return str(world / name)

    labelled = at("labelled")
    labels = ("--real", labelled, "--synthetic", at("dataset"), "--validation", labelled, "--test", labelled)
    tiny = {"batch": 10, "channel_base": 64, "channel_max": 8, "w_dim": 8, "feature_size": 32, "snapshot_kimg": 0.02}
    quick = {"members": 2, "hidden": [8, 8], "steps": 4, "images": 2, "pixels": 20, "networks": 2, "network_steps": 3}
    return {
        "train": given("train", at("photos.zip"), "--resolution", "16", "--kimg", "0.05", **tiny),
        "import": given("import", at("published.safetensors"), "--licence", "CC0"),
        "invert": given("invert", at("generator"), at("labelled"), photos=at("photos.zip"), encoder_steps=4,
                        encoder_batch=4, steps=2, batch=3, first=7),
        "fit": given("fit", at("generator"), at("latents"), **quick, features='["generator"]'),
        "generate": given("generate", at("labeler"), "-n", "10", keep=0.7),
        "label": given("label", at("labeler"), at("photos.zip"), "--apart", labelled, keep=0.7),
        "evaluate": given("evaluate", *labels, "--first", "4", "--steps", "3", "--seeds", "2", batch=2,
                          validation_part="4:6", test_part="7:10", curve="2,all"),
        **{f"convert {name}": given("convert", at("labelled"), "--format", name, tasks='["segmentation"]')
           for name in FORMATS},
        "run": given("run", at("recipe.toml")),
        "diagnose": given("diagnose", at("run"), images=8, photos=4),
    }  # fmt: skip


# --- trials ---


@dataclass
class Trials:
    """All attempts of one verb, in one output folder."""

    verb: str
    arguments: list[str]
    out: Path
    found: Findings
    chance: random.Random
    whole: dict[str, str] = field(default_factory=dict)
    operations: int = 0
    room: int = 0

    def start(self, stop: Stop | None = None, log: str = "log") -> tuple[int, int]:
        return begin(lambda: main([*self.arguments, "-o", str(self.out)]), self.log(log), stop)

    def log(self, name: str = "log") -> Path:
        return self.out.parent.parent / f"{name}.txt"

    def measure(self) -> None:
        """The run that nobody stops."""
        code, self.operations = end(self.start())
        if code:
            raise SystemExit(f"{self.verb} does not work:\n{self.log().read_text()}")
        self.whole, self.room = contents(self.out), sum(pages(file) for file in self.out.rglob("*"))
        shutil.rmtree(self.out)

    def check(self, what: str) -> None:
        """Run to the end and compare."""
        code, _ = end(self.start())
        if code:
            self.found.stuck.append(f"{self.verb}, {what}: exit {code}\n{self.log().read_text()[-2000:]}")
        elif (now := contents(self.out)) != self.whole:
            self.found.different.append(f"{self.verb}, {what}: {differences(self.whole, now)}")
        shutil.rmtree(self.out, ignore_errors=True)

    def stopped(self, how: Sequence[How]) -> None:
        """Stop it up to three times, then run it to its end."""
        told = []
        for _ in range(self.chance.randint(1, 3)):
            stop = Stop(self.chance.choice(how), self.chance.randint(1, self.operations))
            told.append(f"{stop.how} at {stop.at}")
            code, _ = end(self.start(stop))
            if code not in ENDS[stop.how] or (
                code and stop.how == "full" and "disk is full" not in self.log().read_text()
            ):
                self.found.stuck.append(
                    f"{self.verb}, {', '.join(told)}: exit {code}\n{self.log().read_text()[-2000:]}"
                )
            if code == 0:
                break
            self.found.stopped[stop.how] += 1
        self.check(", ".join(told))

    def damaged(self) -> None:
        """Kill it, cut a file short or change a byte in what it leaves, then run it to its end: made again, or said."""
        stop = Stop("kill", self.chance.randint(self.operations // 2, self.operations))
        code, _ = end(self.start(stop))
        files = [file for file in sorted(self.out.rglob("*")) if file.is_file() and file.stat().st_size]
        files = [file for file in files if file.name not in {"job.json", ".lock"} and not is_finished(self.out, file)]
        if not code or not files:
            shutil.rmtree(self.out)
            return
        file = self.chance.choice(files)
        data = bytearray(file.read_bytes())
        if self.chance.random() < 0.5:
            data = data[: len(data) // 2]
        else:
            data[len(data) // 2] ^= 1
        file.write_bytes(data)
        self.found.stopped["damaged"] += 1
        self.check(f"kill at {stop.at}, {file.relative_to(self.out)} damaged")

    def two_at_once(self) -> None:
        """Two processes: one does the work, the other says so or comes too late."""
        children = [self.start(log=name) for name in ("first", "second")]
        codes = [end(child)[0] for child in children]
        self.found.stopped["two at once"] += 1
        for name, code in zip(("first", "second"), codes, strict=True):
            said = self.log(name).read_text()
            if code not in {0, 2} or codes == [2, 2] or (code == 2 and "is being written by another" not in said):
                self.found.stuck.append(f"{self.verb}, two at once: exits {codes}\n{said[-2000:]}")
        self.check("two at once")

    def signalled(self) -> None:
        self.stopped(["kill", "kill", "int", "term"])

    def full_disk(self) -> None:
        self.stopped(["full"])

    def small_disk(self) -> None:
        """A file system that holds a share of what the verb writes, then one that holds all."""
        place, share = self.out.parent, self.chance.uniform(0.05, 0.95)
        size = max(PAGE, int(self.room * share))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)  # noqa: S607
        try:
            code, _ = end(self.start())
            said = self.log().read_text()
            self.found.stopped["small disk"] += code != 0
            if code not in {0, 2} or (code and "ree some space" not in said):  # it is full, or will be
                self.found.stuck.append(f"{self.verb}, small disk: exit {code}\n{said[-2000:]}")
            subprocess.run(["mount", "-o", "remount,size=1g", place], check=True)  # noqa: S607
            self.check(f"a disk of {share:.0%}")
        finally:
            subprocess.run(["umount", place], check=True)  # noqa: S607


def is_finished(out: Path, file: Path) -> bool:
    """Whether a file lies in a finished folder, which nobody looks into again."""
    return any((folder / "DONE").is_file() for folder in file.parents if folder.is_relative_to(out))


def pages(file: Path) -> int:
    """Bytes that a file or folder takes in memory, in whole pages."""
    return -(-file.stat().st_size // PAGE) * PAGE if file.is_file() else PAGE


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a small disk."""
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], check=True, capture_output=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["umount", folder], check=True)  # noqa: S607
    return True


def trials_of(folder: Path, verbs: Sequence[str], found: Findings, seed: int) -> list[Trials]:
    """The world, and every verb measured in it."""
    speed_up()
    world, place = folder / "world", folder / "place"
    place.mkdir(parents=True, exist_ok=True)
    if not world.is_dir():
        code, _ = end(begin(lambda: build(world), folder / "log.txt"))
        if code:
            raise SystemExit((folder / "log.txt").read_text())
    trials = [
        Trials(name, arguments, place / "out", found, random.Random(f"{seed} {name}"))  # noqa: S311  # no secret
        for name, arguments in arguments_of(world).items()
        if not verbs or name.split()[0] in verbs
    ]
    for trial in trials:
        trial.measure()
    return trials


def run_trials(folder: Path, kills: int, verbs: Sequence[str] = (), seconds: float = 1e9, seed: int = 0) -> Findings:
    """Trials in turn, until so many attempts were stopped by a signal or so many seconds are over."""
    found = Findings()
    trials, deadline = trials_of(folder, verbs, found, seed), time.monotonic() + seconds
    kinds: list[Callable[[Trials], None]] = [Trials.signalled, Trials.two_at_once, Trials.signalled, Trials.damaged]
    kinds += [
        Trials.signalled,
        Trials.full_disk,
        Trials.signalled,
        *([Trials.small_disk] * can_mount(folder / "place")),
    ]
    for number in itertools.count():
        for index, trial in enumerate(trials):
            if sum(found.stopped[how] for how in SIGNALS) >= kills or time.monotonic() > deadline:
                return found
            kinds[(number + index) % len(kinds)](trial)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--verbs", nargs="*", default=())
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0)
    findings = run_trials(**vars(parser.parse_args()))
    print(json.dumps({"stopped": findings.stopped, "stuck": findings.stuck, "different": findings.different}, indent=1))  # noqa: T201  # a report
    sys.exit(bool(findings.stuck or findings.different))
