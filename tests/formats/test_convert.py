"""`convert`: images that may be copied, resuming after an interruption, errors that leave nothing behind."""

import io
import json
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import read_json
from handsoff.core.images import decode_mask, shows_itself
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.formats import convert as module
from handsoff.formats.convert import convert
from handsoff.formats.exchange import WRITERS, format_of, open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from toy import write_classes, write_mask

CLASSES = ["background", "eye", "ear"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(10):
        write_mask(
            tmp_path / "dataset",
            f"{index}",
            rng.integers(0, 255, (9, 7, 3), dtype=np.uint8),
            rng.integers(0, 3, (9, 7), dtype=np.uint8),
        )
    write_classes(tmp_path / "dataset", CLASSES)
    return tmp_path / "dataset"


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    skipped = {"job.json", "report.json"}  # paths and seconds
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in skipped
    }


class StopError(Exception):
    pass


@pytest.mark.parametrize("name", ["folder", "webdataset"])
def test_what_is_damaged_in_an_unfinished_output_is_made_again(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(module, "PART", 3)
    out, settings = tmp_path / "out", ConvertSettings(format=name)
    run_to_end(convert(dataset, tmp_path / "whole", settings))

    def cut(file: Path) -> None:
        file.write_bytes(file.read_bytes()[:-5])

    for damage in (
        lambda: cut(out / "ledger" / "00000.json"),
        lambda: cut(max(file for file in out.rglob("*") if file.suffix in {".png", ".tar"})),
        lambda: shutil.rmtree(out / ("images" if name == "folder" else "ledger")),
    ):
        work = convert(dataset, out, settings)
        next(work)
        next(work)
        work.close()
        damage()
        assert run_to_end(convert(dataset, out, settings)) == "continued"
        assert files(out) == files(tmp_path / "whole")
        shutil.rmtree(out)


def test_names_that_no_file_can_have_are_said_before_work(tmp_path: Path) -> None:
    write_mask(tmp_path / "in", "a" * 251, np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8))
    write_classes(tmp_path / "in", CLASSES)
    run_to_end(convert(tmp_path / "in", tmp_path / "fits", ConvertSettings()))
    with zipfile.ZipFile(tmp_path / "long.zip", "w") as archive:
        for kind in ("images", "masks"):
            archive.write(tmp_path / "in" / kind / f"{'a' * 251}.png", f"{kind}/{'é' * 130}.png")
        archive.write(tmp_path / "in" / "classes.json", "classes.json")
    with pytest.raises(InputError, match=r"long\.zip: the name .* has 264 bytes, and a file's name may have 255"):
        run_to_end(convert(tmp_path / "long.zip", tmp_path / "out", ConvertSettings()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_stopped_goes_on_to_the_same_bytes(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(module, "PART", 3)
    settings = ConvertSettings(format=name)
    run_to_end(convert(dataset, tmp_path / "whole", settings))
    calls: list[int] = []
    writer = WRITERS[name]

    def failing(out: Path, part: int, samples: Iterator[Any], writing: Any) -> list[dict[str, Any]]:
        calls.append(part)
        if calls == [0, 1, 2]:
            next(iter(samples))
            raise StopError
        return writer.write(out, part, samples, writing)

    monkeypatch.setitem(
        WRITERS, name, type(writer)(writer.title, failing, writer.finish, writer.holds, writer.alone, writer.ignores)
    )
    with pytest.raises(StopError):
        run_to_end(convert(dataset, tmp_path / "parts", settings))
    run_to_end(convert(dataset, tmp_path / "parts", settings))
    assert calls == [0, 1, 2, 2, 3]
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_images_are_copied_only_where_everybody_sees_the_same(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 6, 3), dtype=np.uint8))
    data = {
        "a.jpg": encoded(plain, "JPEG"), "b.jpg": encoded(plain, "JPEG", exif=exif),
        "c.jpg": encoded(plain.convert("CMYK"), "JPEG"), "d.png": encoded(plain.convert("P"), "PNG"),
        "e.webp": encoded(plain, "WEBP"), "f.png": encoded(plain.convert("RGBA"), "PNG"),
    }  # fmt: skip
    for file, content in data.items():
        sizes = (6, 8) if file == "b.jpg" else (8, 6)
        write_mask(tmp_path / "dataset", file[0], np.zeros((*sizes, 3), np.uint8), np.zeros(sizes, np.uint8))
        (tmp_path / "dataset" / "images" / f"{file[0]}.png").unlink()
        (tmp_path / "dataset" / "images" / file).write_bytes(content)
    write_classes(tmp_path / "dataset", CLASSES)
    run_to_end(convert(tmp_path / "dataset", tmp_path / "out", ConvertSettings()))
    assert sorted(file.name for file in (tmp_path / "out" / "images").iterdir()) == [
        "a.jpg",
        "b.png",
        "c.png",
        "d.png",
        "e.webp",
        "f.png",
    ]
    assert (tmp_path / "out" / "images" / "a.jpg").read_bytes() == data["a.jpg"]
    before, after = open_labelled(tmp_path / "dataset"), open_labelled(tmp_path / "out")
    for name in before.names:
        np.testing.assert_array_equal(before.image(name), after.image(name))
        assert shows_itself((tmp_path / "out" / after.images[name]).read_bytes())


def test_a_bad_sample_found_late_leaves_nothing(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 3)
    (dataset / "images" / "8.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"8.png is not a readable image"):
        run_to_end(convert(dataset, tmp_path / "out", ConvertSettings()))
    assert not (tmp_path / "out").exists()


def test_what_a_format_cannot_say_is_said_before_or_becomes_a_class(dataset: Path, tmp_path: Path) -> None:
    mask = np.full((9, 7), 255, np.uint8)
    mask[0] = 1
    Image.fromarray(mask).save(dataset / "masks" / "3.png")
    with pytest.raises(
        InputError,
        match="3 has ignored pixels, which YOLO cannot say: name the class they become with --set ignore=CLASS",
    ):
        run_to_end(convert(dataset, tmp_path / "out", ConvertSettings(format="yolo")))
    run_to_end(convert(dataset, tmp_path / "out", ConvertSettings(format="yolo", ignore="ear")))
    found = open_dataset(open_source(tmp_path / "out")).read("3").labels["segmentation"]
    np.testing.assert_array_equal(found, np.where(mask == 255, 2, mask))
    with pytest.raises(InputError, match=r"ignore = 'nose' is no class of .*: choose one of background, eye, ear"):
        run_to_end(convert(dataset, tmp_path / "other", ConvertSettings(format="yolo", ignore="nose")))
    np.savez(dataset / "x.npz", a=0)
    (dataset / "depth").mkdir()
    for index in range(10):
        np.savez(dataset / "depth" / f"{index}.npz", depth=np.ones((9, 7), np.float32))
    with pytest.raises(InputError, match=r"COCO holds segmentation and keypoints, not depth: choose with --set"):
        run_to_end(convert(dataset, tmp_path / "other", ConvertSettings(format="coco")))
    run_to_end(convert(dataset, tmp_path / "other", ConvertSettings(format="coco", tasks=("segmentation",), first=4)))
    assert read_json(tmp_path / "other" / "report.json")["count"] == 4


@pytest.mark.parametrize("path", ["../evil.png", "/etc/evil.png", "images/../../evil.png", "images\\..\\evil.png"])
def test_paths_that_lead_out_of_a_zip_are_refused(tmp_path: Path, path: str) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("images/a.png", encoded(Image.new("RGB", (4, 4)), "PNG"))
        archive.writestr(path, b"x")
    with pytest.raises(HandsOffError, match=r"slip.zip holds the path .*, which leads out of it"):
        open_source(tmp_path / "slip.zip")


def test_absurd_declared_sizes_of_masks_and_files_are_refused(tmp_path: Path) -> None:
    huge = encoded(Image.new("L", (2, 2)), "PNG")
    huge = (
        huge[:16] + struct.pack(">II", 60_000, 60_000) + huge[24:]
    )  # IHDR now declares 3.6 gigapixels; its checksum is checked after
    with pytest.raises(InputError, match=r"not a readable mask|declares 60000x60000"):
        decode_mask(huge, "mask.png")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        archive.writestr("images/a.png", b"x")
    source = open_source(tmp_path / "bomb.zip")
    source.sizes["images/a.png"] = 2**40
    with pytest.raises(InputError, match="declares 1,099,511,627,776 bytes"):
        source.read("images/a.png")


def test_every_format_is_told_from_the_others(dataset: Path, tmp_path: Path) -> None:
    for name in WRITERS:
        run_to_end(convert(dataset, tmp_path / name, ConvertSettings(format=name)))
        source = open_source(tmp_path / name)
        assert format_of(source) == name
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for file in source.sizes:
                archive.write(tmp_path / name / file, f"deep/{file}")
        assert format_of(open_source(tmp_path / f"{name}.zip")) == name
        assert open_dataset(open_source(tmp_path / f"{name}.zip")).names == tuple("0123456789")
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert (manifest["format"], manifest["count"]) == (name, 10)


def test_settings_about_masks_are_refused_where_there_are_none(dataset: Path, tmp_path: Path) -> None:
    (dataset / "depth").mkdir()
    for index in range(10):
        np.savez(dataset / "depth" / f"{index}.npz", depth=np.ones((9, 7), np.float32))
    for settings in (
        ConvertSettings(tasks=("depth",), classes={"eye": "eye"}),
        ConvertSettings(tasks=("depth",), ignore="ear"),
    ):
        with pytest.raises(
            InputError,
            match="gives no masks here, which classes and ignore are about, only depth: leave those settings out",
        ):
            run_to_end(convert(dataset, tmp_path / "out", settings))
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"instances": True}, "instances says nothing to the format folder: it is for coco and coco-panoptic"),
        ({"prefix": "x", "format": "coco"}, "prefix says nothing to the format coco: it is for labelstudio"),
        ({"margin": 0.2, "frame": "8x8"}, "margin shows more around what around names: say around too"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ConvertSettings(**settings)
