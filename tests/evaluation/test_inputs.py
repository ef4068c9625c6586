"""What an evaluation reads of reviewed datasets."""

from pathlib import Path

import numpy as np

from discs import blobs, write_dataset, write_labelled
from handsoff.evaluation.evaluate import reviews
from handsoff.evaluation.inputs import Inputs, open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.review.session import open_session


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
