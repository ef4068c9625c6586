"""Inversion of photos whose latents are known."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alike import contents, differences
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png, read_json, sha256, write_bytes, write_json
from handsoff.core.images import decode_mask, tile, to_uint8
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.latents import load_latents
from handsoff.generators.stored import load_generator, save_generator
from handsoff.inversion import chunk
from handsoff.inversion import invert as module
from handsoff.inversion.encoder import Encoder, load_encoder, new_encoder
from handsoff.inversion.invert import SHOWN, invert, needed, plan
from handsoff.inversion.refine import Target
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.folder import Job
from handsoff.jobs.progress import Part, Progress, run_to_end
from handsoff.tasks.depth import Depth
from toy import CLASSES, toy_generator, toy_labels, toy_several, write_classes, write_mask
from toy_generators import toy_conditional, toy_diffusion

QUICK = InvertSettings(encoder_steps=0, steps=80, batch=4)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    run_to_end(invert(root / "generator", root / "labelled", root / "latents", QUICK))
    return root


def test_the_generators_own_images_are_found_again(world: Path) -> None:
    card, from_mean = read_json(world / "latents" / "latents.json"), []
    net = load_generator(world / "generator")
    with torch.no_grad():
        mean = net.synthesis(net.mapping(torch.zeros(1, 16), psi=0.0))[0]
    for name in open_labelled(world / "labelled").names:
        image = torch.from_numpy(open_labelled(world / "labelled").image(name).copy()).permute(2, 0, 1) / 127.5 - 1
        from_mean.append(float((image - mean[0]).square().mean()))
    assert np.mean(card["pixel"]) < 0.35 * np.mean(from_mean)
    assert read_tensors(world / "latents" / "latents.safetensors")["ws"].shape == (8, net.num_ws, 16)


def test_labels_and_errors_lie_beside_the_latents(world: Path) -> None:
    labels = open_labelled(world / "latents" / "labels")
    assert labels.tasks["segmentation"].schema["classes"] == CLASSES
    original = open_labelled(world / "labelled")
    for name in original.names:
        np.testing.assert_array_equal(labels.label("segmentation", name), original.label("segmentation", name))
        assert (world / "latents" / "errors" / f"{name}.png").is_file()
    assert (world / "latents" / "contact.png").is_file()


def test_a_killed_inversion_goes_on_and_finds_the_same(world: Path, tmp_path: Path) -> None:
    work = invert(world / "generator", world / "labelled", tmp_path / "latents", QUICK)
    next(work)
    work.close()
    first = next((tmp_path / "latents" / "chunks").iterdir())
    before = first.stat().st_mtime_ns
    again = invert(world / "generator", world / "labelled", tmp_path / "latents", QUICK)
    assert [(progress.done, first.stat().st_mtime_ns) for progress in again] == [(4, before), (8, before)], (
        "a finished chunk is not made again"
    )
    assert differences(contents(world / "latents"), contents(tmp_path / "latents")) == []


def test_an_inversion_that_was_killed_once_its_chunks_were_removed_finds_the_same(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "latents", tmp_path / "latents")
    for name in ("DONE", "report.json"):
        (tmp_path / "latents" / name).unlink()
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", QUICK))
    assert differences(contents(world / "latents"), contents(tmp_path / "latents")) == []


def test_chunks_stay_until_the_inversion_is_finished(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    arguments = (world / "generator", world / "labelled", tmp_path / "latents", QUICK)
    monkeypatch.setattr(Job, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(invert(*arguments))
    monkeypatch.undo()
    chunks = tmp_path / "latents" / "chunks"
    before = {file: file.stat().st_mtime_ns for file in chunks.iterdir()}
    monkeypatch.setattr(chunk, "refine", interrupted)  # nothing is refined again
    run_to_end(invert(*arguments))
    assert before
    assert not chunks.exists()
    chunks.mkdir()  # as if killed between `DONE` and their end
    assert run_to_end(invert(*arguments)) == "done"
    assert not chunks.exists()


@pytest.mark.parametrize("tuning_steps", [0, 1])
def test_what_is_shown_is_what_every_chunk_found_and_no_chunk_stays(
    world: Path, tmp_path: Path, tuning_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_labels(toy_generator(tmp_path / "other", seed=1), tmp_path / "labelled", SHOWN + 3)
    tuning = {"tuning_steps": tuning_steps, "tuning_lr": 1e-2} if tuning_steps else {}
    settings = InvertSettings(encoder_steps=0, steps=2, batch=5, **tuning)
    found: list[dict[str, torch.Tensor]] = []

    def seen(tensors: dict[str, torch.Tensor], before: int) -> dict[str, torch.Tensor]:
        found.append(tensors)
        return needed(tensors, before)

    monkeypatch.setattr(module, "needed", seen)
    run_to_end(invert(world / "generator", tmp_path / "labelled", tmp_path / "out", settings))
    error, rebuilt = (torch.cat([part[name] for part in found[-3:]]) for name in ("error", "rebuilt"))
    assert error.shape == (SHOWN + 3, 16, 16)
    labels = open_labelled(tmp_path / "out" / "labels")
    grey = (error.clamp(0, 1) * 255).to(torch.uint8).numpy()
    for name, expected in zip(labels.names, grey, strict=True):
        assert (tmp_path / "out" / "errors" / f"{name}.png").read_bytes() == png(expected)
    trio = np.stack([labels.load((16, 16))[0], to_uint8(rebuilt), grey[..., None].repeat(3, -1)], 1)[:SHOWN]
    assert (tmp_path / "out" / "contact.png").read_bytes() == png(tile(trio.reshape(-1, 16, 16, 3), 6))
    assert not (tmp_path / "out" / "chunks").exists()


def test_images_are_kept_of_the_photos_that_are_shown_alone() -> None:
    found = {
        "ws": torch.ones(5, 1),
        "error": torch.linspace(-1, 2, 20).view(5, 2, 2),
        "rebuilt": torch.ones(5, 3, 2, 2),
    }
    kept = [needed(found, before) for before in (0, SHOWN - 2, SHOWN, SHOWN + 5)]
    assert [len(part["rebuilt"]) for part in kept] == [5, 2, 0, 0]
    assert all(part["rebuilt"].untyped_storage().nbytes() == 48 * len(part["rebuilt"]) for part in kept)
    assert all(part["error"].dtype == torch.uint8 for part in kept)
    assert (kept[0]["error"].min(), kept[0]["error"].max()) == (0, 255)


def sparse_depth(root: Path, folder: Path, *, card: bool = False) -> None:
    """Photos with a depth of every third pixel alone, so that no surface is known anywhere."""
    net, task = toy_generator(root / "generator"), Depth({"unit": "metres"})
    images = to_uint8(net.synthesize(net.draw(range(4))))
    for index, image in enumerate(images):
        depth = np.zeros((16, 16), np.float32)
        depth[::3, ::3] = 1 + image[::3, ::3].mean(-1) / 255
        write_sample(folder, f"{index}", image, {"depth": depth}, {"depth": task})
    write_cards(folder, {"depth": task})
    if card:
        write_json(folder / "normals.json", {"focal": 1.2})


@pytest.mark.parametrize("card", [False, True])
def test_normals_that_nobody_gave_are_left_out_where_depth_tells_none(tmp_path: Path, *, card: bool) -> None:
    sparse_depth(tmp_path, tmp_path / "labelled", card=card)
    quick = InvertSettings(encoder_steps=0, steps=1)
    run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "latents", quick))
    assert list(read_json(tmp_path / "latents" / "latents.json")["tasks"]) == ["depth"]
    (note,) = read_json(tmp_path / "latents" / "report.json")["notes"]
    assert "The normals of" in note
    assert note.endswith("They were only derived from other labels, so they are left out.")
    asked = quick.model_copy(update={"tasks": ("depth", "normals")})
    with pytest.raises(InputError, match=r"The normals of .* are black everywhere"):
        run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "asked", asked))


def test_normals_that_somebody_gave_are_refused_where_they_say_nothing(tmp_path: Path) -> None:
    sparse_depth(tmp_path, tmp_path / "labelled")
    for index in range(4):
        write_bytes(tmp_path / "labelled" / "normals" / f"{index}.png", png(np.zeros((16, 16, 3), np.uint8)))
    with pytest.raises(InputError, match=r"The normals of .* are black everywhere"):
        run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "latents", QUICK))


def test_an_encoder_is_trained_resumed_and_lent(world: Path, tmp_path: Path) -> None:
    quick = InvertSettings(encoder_steps=3, encoder_batch=4, steps=2, photos=str(world / "labelled" / "images"))
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", quick))
    assert (tmp_path / "latents" / "encoder.safetensors").is_file()
    assert not (tmp_path / "latents" / "photos.u8").exists()
    shutil.move(tmp_path / "latents", tmp_path / "moved")
    lent = quick.model_copy(update={"encoder": str(tmp_path / "moved")})
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "second", lent))
    ours, again = (read_tensors(tmp_path / folder / "latents.safetensors")["ws"] for folder in ("moved", "second"))
    assert torch.equal(ours, again)


def test_what_the_encoder_comes_from_is_an_input(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By content, wherever it is named from; and what is named must be there."""
    shutil.copytree(world / "labelled" / "images", tmp_path / "photos")
    quick = InvertSettings(encoder_steps=3, encoder_batch=4, steps=2, photos=str(tmp_path / "photos"))
    data = (world / "generator", world / "labelled")
    before = plan(*data, quick)
    monkeypatch.chdir(tmp_path)
    assert plan(*data, quick.model_copy(update={"photos": "photos"})) == before
    first = next((tmp_path / "photos").iterdir())
    first.write_bytes(png(np.zeros((16, 16, 3), np.uint8)))
    assert plan(*data, quick).inputs["photos"] != before.inputs["photos"]
    with pytest.raises(InputError, match="nowhere does not exist"):
        plan(*data, quick.model_copy(update={"photos": "nowhere"}))
    with pytest.raises(InputError, match=r"photos has no encoder.safetensors: name a folder of handsoff invert"):
        plan(*data, quick.model_copy(update={"encoder": "photos"}))


def test_a_worker_that_comes_later_refuses_other_photos(world: Path, tmp_path: Path) -> None:
    """Chunks are places among the photos: with one more in front, all latents would be of the photo before."""
    labelled = Path(shutil.copytree(world / "labelled", tmp_path / "labelled"))
    planned = plan(world / "generator", labelled, QUICK)
    context = chunk.Context(world / "generator", labelled, tmp_path / "out", QUICK, planned)
    assert len(chunk.read(context).photos) == 8
    write_mask(labelled, "aaa", np.zeros((16, 16, 3), np.uint8), np.eye(16, dtype=np.uint8))
    with pytest.raises(MismatchError, match="labelled has been changed since this work began: put it back"):
        chunk.read(context)


def test_a_range_of_depths_is_left_to_those_who_learn_from_them(tmp_path: Path) -> None:
    """Budgets differ in their labels, and so in the range that their teachers and labelers infer."""
    net = toy_generator(tmp_path / "generator")
    toy_several(net, tmp_path / "labelled")
    write_json(tmp_path / "labelled" / "depth.json", {"unit": "metres"})
    settings = QUICK.model_copy(update={"steps": 0, "tasks": ("depth",)})
    run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "latents", settings))
    assert read_json(tmp_path / "latents" / "latents.json")["tasks"]["depth"]["range"] is None
    assert open_labelled(tmp_path / "latents" / "labels").tasks["depth"].schema["range"] is None


def test_too_few_labels_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 4"):
        run_to_end(
            invert(world / "generator", world / "labelled", tmp_path / "latents", QUICK.model_copy(update={"first": 3}))
        )
    assert not (tmp_path / "latents").exists()


def test_photos_smaller_than_the_generator_are_refused_and_leave_nothing(world: Path, tmp_path: Path) -> None:
    toy_generator(tmp_path / "large", resolution=(32, 32))
    with pytest.raises(InputError, match="smaller than the resolution"):
        run_to_end(invert(tmp_path / "large", world / "labelled", tmp_path / "latents", QUICK))
    assert not (tmp_path / "latents").exists()


def test_masks_of_one_class_are_refused(world: Path, tmp_path: Path) -> None:
    """0 and 255 is how many tools write a mask of one object; here 255 means: ignore."""
    shutil.copytree(world / "labelled", tmp_path / "binary")
    for path in (tmp_path / "binary" / "masks").iterdir():
        mask = decode_mask(path.read_bytes(), path.name)
        path.write_bytes(png(np.where(mask == 0, 0, 255).astype(np.uint8)))
    with pytest.raises(
        InputError, match="masks hold only 0 and 255, and 255 means ignored: if it is meant to be middle"
    ):
        run_to_end(invert(world / "generator", tmp_path / "binary", tmp_path / "out", QUICK))
    assert not (tmp_path / "out").exists()


def test_every_photo_is_framed_as_the_generator_says(
    tmp_path: Path, photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labelled photos and those that the encoder is trained on, also where no other step's job.json says how."""
    toy_generator(tmp_path / "generator", framing="letterbox")
    flat, grey = str(photos(count=4, height=10, width=40)), np.full((20, 40, 3), 128, np.uint8)
    for index in range(4):
        write_mask(tmp_path / "labelled", f"{index}", grey, np.arange(40, dtype=np.uint8)[None].repeat(20, 0) // 14)
    write_classes(tmp_path / "labelled", CLASSES)
    seen: list[np.ndarray] = []

    def trained(target: Target, pictures: np.ndarray, out: Path, settings: InvertSettings) -> Part:
        seen.append(np.array(pictures))
        write_tensors(out / "encoder.safetensors", new_encoder(target.generator).state_dict())
        yield Progress("training the encoder", settings.encoder_steps, settings.encoder_steps)

    monkeypatch.setattr(module, "train_encoder", trained)
    settings = InvertSettings(steps=1, photos=flat)
    run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "latents", settings))
    assert (seen[0][:, 0] == 0).all(), "a black bar"
    image, labels = open_labelled(tmp_path / "latents" / "labels").sample("0")
    assert (image[:4] == 0).all()
    assert (labels["segmentation"][:4] == 255).all(), "nothing is known of the bars"
    assert set(np.unique(labels["segmentation"][4:12])) == {0, 1, 2}, "both ends of the photo are in the frame"


def test_the_encoder_is_loaded_once(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def counted(generator: StyleGenerator, folder: Path) -> Encoder:
        calls.append(folder)
        return load_encoder(generator, folder)

    monkeypatch.setattr(chunk, "load_encoder", counted)
    settings = InvertSettings(
        encoder_steps=1, encoder_batch=2, steps=1, batch=2, photos=str(world / "labelled" / "images")
    )
    work = invert(world / "generator", world / "labelled", tmp_path / "latents", settings)
    assert [progress.done for progress in work if progress.stage == "refining"] == [2, 4, 6, 8], "four chunks"
    assert calls == [tmp_path / "latents"]


def test_an_encoder_of_another_shape_is_refused(world: Path, tmp_path: Path) -> None:
    write_tensors(tmp_path / "other" / "encoder.safetensors", {"out.bias": torch.zeros(3)})
    settings = InvertSettings(encoder=str(tmp_path / "other"), steps=1)
    with pytest.raises(MismatchError, match="does not fit the generator"):
        run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", settings))


@pytest.mark.usefixtures("diffusion_known")
def test_a_generator_without_a_w_space_is_refused_at_once(world: Path, tmp_path: Path) -> None:
    save_generator(toy_diffusion(), tmp_path / "diffusion")
    with pytest.raises(InputError, match="cannot be inverted"):
        plan(tmp_path / "diffusion", world / "labelled", QUICK)
    with pytest.raises(InputError, match="give the labelled photos to handsoff fit"):
        run_to_end(invert(tmp_path / "diffusion", world / "labelled", tmp_path / "latents", QUICK))
    assert not (tmp_path / "latents").exists()


def test_photos_of_a_conditional_generator_are_inverted(world: Path, tmp_path: Path) -> None:
    save_generator(toy_conditional(), tmp_path / "conditional")
    settings = InvertSettings(encoder_steps=2, encoder_batch=4, steps=2)
    run_to_end(invert(tmp_path / "conditional", world / "labelled", tmp_path / "latents", settings))
    assert load_latents(tmp_path / "latents" / "latents.safetensors").condition is None


def test_what_invert_writes_is_what_others_read(world: Path) -> None:
    folder = world / "latents"
    card, report = read_json(folder / "latents.json"), read_json(folder / "report.json")
    assert list(card) == ["names", "tasks", "pixel", "perceptual", "prior"]
    assert {len(card[name]) for name in card if name != "tasks"} == {8}
    assert report["fingerprint"] == sha256(folder / "latents.safetensors")
    assert report["licence"] == "CC0"
