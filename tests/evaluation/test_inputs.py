"""What an evaluation reads of reviewed datasets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discs import blobs, write_dataset, write_labelled
from handsoff.core.errors import InputError
from handsoff.evaluation.data import load_data
from handsoff.evaluation.evaluate import reviews
from handsoff.evaluation.inputs import Inputs, open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.review.session import open_session


def test_labels_are_those_of_any_budget_and_no_others(tmp_path: Path) -> None:
    real, test = write_labelled(tmp_path / "real", blobs(8, 1)), write_labelled(tmp_path / "test", blobs(4, 2))

    def labels(test: Path, **settings: str | int) -> str:
        return "".join(name[-1] for name in open_inputs(real, [], test, EvaluateSettings(**settings), None).labels)  # type: ignore[arg-type]

    assert labels(test, first=2, skip=1) == "12"
    assert labels(test) == "01234567"
    assert labels(test, first=2, labels_part=":5") == "01234"
    assert labels(test, first=2, labels_part=":5", validation_part="3:5") == "012"
    assert labels(real, first=2, validation_part="3:5", test_part="6:") == "0125"


def test_a_group_that_only_unused_labels_share_is_tested(tmp_path: Path) -> None:
    """Of the real samples 000 to 003 only the first is a label; the test has the groups 000 to 003 as well."""
    real, test = write_labelled(tmp_path / "real", blobs(4, 1)), write_labelled(tmp_path / "test", blobs(4, 2))
    for part, names in (("", "123"), (":2", "23")):
        settings = EvaluateSettings(first=1, group=r"^(\d+)$", labels_part=part or None)
        data = run_to_end(load_data(open_inputs(real, [], test, settings, None), settings.group))
        assert "".join(name[-1] for name in data.test.names) == names


def test_corrections_are_applied_told_and_part_of_the_fingerprint(tmp_path: Path) -> None:
    real, test = write_labelled(tmp_path / "real", blobs(4, 1)), write_labelled(tmp_path / "test", blobs(4, 2))
    dataset = write_dataset(tmp_path / "dataset", blobs(4, 0))

    def opened(corrections: str | None = None) -> Inputs:
        return open_inputs(real, [dataset], test, EvaluateSettings(corrections=corrections), None)  # type: ignore[arg-type]

    before = opened()
    assert reviews(before) == {}
    session = open_session(dataset)
    session.decide("001", "reject", 0)
    session.correct("segmentation", "002", np.zeros((32, 32), np.uint8), 0)
    after, ignored = opened(), opened("ignore")
    assert after.pools["synthetic"].names == ("000", "002", "003")
    assert reviews(after) == {"synthetic": {"accepted": 0, "rejected": 1, "corrected": 1}}
    assert after.fingerprints["synthetic"] != before.fingerprints["synthetic"]
    assert ignored.fingerprints == before.fingerprints
    assert reviews(ignored) == {}


def test_what_was_converted_or_downloaded_is_labelled_data_like_any_other(tmp_path: Path) -> None:
    """It has a manifest, and no labeler that made its labels."""
    real = write_labelled(tmp_path / "real", blobs(4, 1))
    run_to_end(convert(write_labelled(tmp_path / "renders", blobs(5, 0)), tmp_path / "converted", ConvertSettings()))
    downloaded = write_dataset(tmp_path / "downloaded", blobs(6, 2))
    for name in ("job.json", "report.json", "DONE"):
        (downloaded / name).unlink(missing_ok=True)
    found = open_inputs(real, [tmp_path / "converted", downloaded], real, EvaluateSettings(), None)
    assert sorted(len(pool.names) for pool in found.pools.values()) == [4, 5, 6]
    assert found.generated == {}


def test_accepted_samples_belong_to_the_fingerprint_where_they_are_learnt_otherwise(tmp_path: Path) -> None:
    real, dataset = write_labelled(tmp_path / "real", blobs(4, 1)), write_dataset(tmp_path / "dataset", blobs(4, 0))

    def mark(**settings: object) -> dict[str, str]:
        return open_inputs(real, [dataset], real, EvaluateSettings(**settings), None).fingerprints["synthetic"]  # type: ignore[arg-type]

    kinds: list[dict[str, object]] = [{"confidence": 0.0}, {"unlabelled": "teacher"}, {"cutmix": 0.5}]
    before, plain = [mark(**kind) for kind in kinds], mark()
    open_session(dataset).decide("001", "accept", 0)
    assert all(mark(**kind) != earlier for kind, earlier in zip(kinds, before, strict=True))
    assert mark() == plain, "every label is learnt alike"


def test_the_range_of_depths_follows_from_what_is_trained_on(tmp_path: Path) -> None:
    for folder in ("images", "depth"):
        (tmp_path / folder).mkdir()
    for index, far in enumerate((20, 20, 1000)):
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(tmp_path / "images" / f"{index}.png")
        depth = np.linspace(10, far, 64).reshape(8, 8).astype(np.uint16)
        Image.fromarray(depth).save(tmp_path / "depth" / f"{index}.png")
    settings = EvaluateSettings(first=2, test_part="2:")
    low, high = open_inputs(tmp_path, [], tmp_path, settings, None).task.schema["range"]
    assert 8 < low < 10
    assert 20 < high < 25


def test_more_labels_than_there_are_are_refused(tmp_path: Path) -> None:
    real = write_labelled(tmp_path / "real", blobs(4, 1))
    with pytest.raises(InputError, match=r"real has 3 labelled samples to learn from, not 4\."):
        open_inputs(real, [], real, EvaluateSettings(skip=1, first=4), None)
