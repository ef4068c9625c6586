"""Networks that saw the photos themselves."""

from pathlib import Path

import pytest
import torch

from discs import SEGMENTATION, blobs
from handsoff.core.tensors import read_tensors
from handsoff.jobs.progress import run_to_end
from handsoff.labeling import image_networks
from handsoff.labeling.fit import fit
from handsoff.labeling.image_networks import network_file, train_image_networks
from handsoff.labeling.labeler import load_labeler
from handsoff.learning import schedule
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
