"""Tables of a diagnosis."""

from handsoff.report.diagnosis import label_table


def test_a_score_that_does_not_exist_is_a_dash() -> None:
    scores = {"miou": 0.5, "miou_foreground": float("nan")}
    table = label_table("16", "segmentation", {"labels_on_held_out_photos": {"metrics": scores}, "arms": {}})
    assert table.rows == [("mIoU", "0.500"), ("mIoU, foreground", "–")]
