"""Networks that saw the photos themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discs import SEGMENTATION, blobs
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json
from handsoff.core.tensors import read_tensors
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.likeness import read_learnt, read_seen, save_seen
from handsoff.generators.stored import load_generator
from handsoff.jobs.progress import run_to_end
from handsoff.labeling import image_networks
from handsoff.labeling.fit import fit, plan
from handsoff.labeling.image_networks import network_file, train_image_networks
from handsoff.labeling.labeler import load_labeler
from handsoff.learning import schedule
from handsoff.learning.models import build_model
from handsoff.learning.predictor import PredictorCard, save_predictor
from handsoff.tasks import make_task
from toy import FIT


@pytest.mark.slow
def test_image_networks_label_too(world: Path, tmp_path: Path) -> None:
    """They are trained once, also when the fit is interrupted after them, and their weight decides."""
    settings = FIT.model_copy(update={"networks": 2, "network_steps": 3, "network_share": 1.0})
    work = fit(world / "generator", world / "latents", tmp_path / "labeler", settings)
    while not next(work).stage.startswith("fitting"):
        pass
    work.close()  # type: ignore[attr-defined]  # a generator
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "labeler").glob("network-*")}
    assert len(before) == 2
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "labeler", settings))
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    whole = network_file(tmp_path / "labeler", 1).read_bytes()
    (tmp_path / "labeler" / "DONE").unlink()
    network_file(tmp_path / "labeler", 1).write_bytes(whole[:-1] + b"a")
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "labeler", settings))
    assert network_file(tmp_path / "labeler", 1).read_bytes() == whole, "a damaged one is trained again"
    labeler = load_labeler(tmp_path / "labeler")
    latents = labeler.generator.draw(range(4))
    with torch.no_grad():
        image = labeler.extractor.from_latents(latents)[0].float().clamp(-1, 1)
        expected = labeler.task.learning.decode(torch.stack([network(image) for network in labeler.networks]))[0]
    assert (labeler.label(latents)[1] == expected).mean() > 0.99


def test_a_network_never_goes_on_from_the_checkpoint_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped when a network is written and its checkpoint still lies there, the work ends as if nothing happened."""
    monkeypatch.setattr(schedule, "CHECK", 1)
    settings, photos = FIT.model_copy(update={"networks": 2, "network_steps": 2}), blobs(4, 0)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    run_to_end(train_image_networks(SEGMENTATION, photos, tmp_path / "whole", settings))
    write = image_networks.write_tensors

    def written_then_stopped(*given: object, **named: bool) -> None:
        write(*given, **named)  # type: ignore[arg-type]  # handed on as they came
        raise KeyboardInterrupt

    monkeypatch.setattr(image_networks, "write_tensors", written_then_stopped)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train_image_networks(SEGMENTATION, photos, tmp_path / "cut", settings))
    monkeypatch.setattr(image_networks, "write_tensors", write)
    run_to_end(train_image_networks(SEGMENTATION, photos, tmp_path / "cut", settings))
    for index in range(2):
        whole, cut = (read_tensors(network_file(tmp_path / name, index)) for name in ("whole", "cut"))
        assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert len(list((tmp_path / "cut").iterdir())) == 2, "no checkpoint is left"


def teacher(
    folder: Path,
    schema: dict[str, Any],
    licence: str | None = None,
    size: int = 16,
    kind: str = "segmentation",
    photos: np.ndarray | None = None,
    **changes: Any,
) -> Path:
    """A report whose model has two networks, and knows the photos that it learnt from and two of its test."""
    task, rng = make_task(kind, schema), np.random.default_rng(5)
    card = PredictorCard(
        task=task.name, schema=task.schema, network="lite0", networks=2, best=0, image_size=[size, size],
        framing="crop", licence=licence, arm="real_only", metric="miou", validation=[], test=[0.5, 0.4], examples=8,
    )  # fmt: skip
    card = replace(card, **changes)
    save_predictor(folder / "model", [build_model("lite0", task.channels).state_dict() for _ in range(2)], card)
    others = [rng.integers(0, 256, (count, size, size, 3), np.uint8) for count in (8, 2)]
    save_seen(folder / "model", others[0] if photos is None else photos, others[1])
    return folder


def photos_of(world: Path) -> np.ndarray:
    """What the labeler is fitted to."""
    labelled = open_labelled(world / "latents" / "labels")
    return np.stack([labelled.image(name) for name in labelled.names])


def test_networks_of_a_real_only_evaluation_are_taken_over(world: Path, tmp_path: Path) -> None:
    """With what they have seen and the terms of what they learnt from; none is trained."""
    schema = read_json(world / "latents" / "latents.json")["tasks"]["segmentation"]
    size = load_generator(world / "generator").image_size[0]
    report = teacher(tmp_path / "report", schema, "research only", size, photos=photos_of(world))
    settings, out = FIT.model_copy(update={"networks": 1, "steps": 2}), tmp_path / "labeler"
    stages = {step.stage for step in fit(world / "generator", world / "latents", out, settings, teacher=report)}
    assert not any(stage.startswith("network") for stage in stages)
    assert network_file(out, 0).read_bytes() == network_file(report / "model", 0).read_bytes()
    assert not network_file(out, 1).exists(), "one was asked for"
    labeler = load_labeler(out)
    assert (len(labeler.networks), labeler.card["network"]) == (1, "lite0")
    assert "research only" in labeler.card["licence"]
    assert (len(read_learnt(out)), len(read_seen(out))) == (8 + 8, 8 + 8 + 2)
    inputs = plan(world / "generator", world / "latents", settings, teacher=report).inputs
    assert inputs["teacher"]["path"] == str(report)


def test_a_teacher_of_something_else_is_refused(world: Path, tmp_path: Path) -> None:
    schema = read_json(world / "latents" / "latents.json")["tasks"]["segmentation"]
    size = load_generator(world / "generator").image_size[0]

    def asked(report: Path) -> None:
        run_to_end(fit(world / "generator", world / "latents", tmp_path / "out", FIT, teacher=report))

    with pytest.raises(InputError, match="holds no model: give the report of handsoff evaluate"):
        asked(tmp_path)
    with pytest.raises(MismatchError, match="labels depth, not segmentation"):
        asked(teacher(tmp_path / "deep", {"range": [1.0, 2.0]}, size=size, kind="depth"))
    with pytest.raises(MismatchError, match=f"evaluate with --set frame={size}x{size}"):
        asked(teacher(tmp_path / "large", schema, size=size * 2))
    with pytest.raises(MismatchError, match=r"learnt from 400 labels \(real only\), the labeler is fitted to 8"):
        asked(teacher(tmp_path / "more", schema, size=size, examples=400))
    with pytest.raises(MismatchError, match=r"8 labels \(real plus photos\).* without datasets"):
        asked(teacher(tmp_path / "mixed", schema, size=size, arm="real_plus_photos"))
    with pytest.raises(InputError, match="did not learn from the corrected samples"):
        plan(world / "generator", world / "latents", FIT, corrected=tmp_path, teacher=tmp_path)
    with pytest.raises(MismatchError, match="learnt from other photos than these"):
        asked(teacher(tmp_path / "others", schema, size=size))
    with pytest.raises(MismatchError, match="learnt other segmentation labels than these"):
        asked(teacher(tmp_path / "other", {"classes": ["ground", "cloud"]}, size=size, photos=photos_of(world)))
    assert not (tmp_path / "out").exists()
