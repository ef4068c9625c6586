"""The result in words: whom the verdict compares, and what it says."""

from typing import Any

import pytest

from handsoff.report.meaning import caution, meaning
from handsoff.report.verdict import (
    added_arm,
    added_data,
    arm_title,
    comparison,
    critical,
    difference,
    per_class,
    score,
    scores,
    verdict,
)
from measured import GOOD, arm, metrics


@pytest.mark.parametrize(
    ("given", "words", "tone"),
    [
        (GOOD, "Synthetic data helped", "good"),
        (metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.4, 0.41, 0.42)), "Synthetic data did not help", "bad"),
        (metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.5, 0.515, 0.525)), "no clear difference", "even"),
        (metrics((0.5,), (0.3,), (0.6,)), "better in a single run", "even"),
        (
            metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.4, 0.41, 0.42), "nme"),
            "helped: NME 0.510 from the real labels alone, 0.310 with synthetic",
            "good",
        ),
        ({"arms": {"real_only": {"miou": arm(0.5)}}}, "The real labels alone reach mIoU 0.500.", "even"),
        ({"arms": {"gan_only": {"miou": arm(0.5)}}}, "not all measured", "even"),
    ],
)
def test_the_verdict(given: dict[str, Any], words: str, tone: str) -> None:
    sentence, found = verdict(scores(given))
    assert words in sentence
    assert found == tone


def test_a_difference_is_clear_by_the_t_test() -> None:
    real, close, far = (score(arm(*runs)) for runs in ((0.50, 0.51, 0.52), (0.515, 0.525, 0.535), (0.53, 0.54, 0.55)))
    assert difference(close, real, "miou").clear is False
    assert difference(far, real, "miou").clear is True
    assert difference(score(0.9), real, "miou").clear is None


def test_classes_that_few_labels_show_are_named_with_what_helps() -> None:
    iou = {"face": 0.9, "beard": 0.7, "hat": 0.5, "glasses": 0.1}
    told = {
        "arms": {"real_only": {"miou": arm(0.6)}},
        "per_class": {"real_only": {name: arm(value) for name, value in iou.items()}},
        "n_real": 50,
    }
    found = meaning({**told, "scarce": {"beard": 10, "hat": 3, "glasses": 2, "scarf": 1}})
    assert found[0].startswith("Fewer than half of the 50 real labels show glasses (2), hat (3), which they teach")
    assert "--set paste=0.5" in found[0]
    assert not any("paste" in sentence for sentence in meaning({**told, "scarce": {}}) + meaning(told))


def test_pasting_is_told_only_where_something_was_pasted() -> None:
    """Of keypoints, or where no class is rare, nothing is."""

    def told(**pasted: list[str]) -> list[str]:
        return [sentence for sentence in meaning({**GOOD, "paste": 0.5, "pasted": pasted}) if "pasted" in sentence]

    (sentence,) = told(real_only=["hat", "beard"], synthetic_only=[], real_plus_synthetic=["hat", "beard"])
    assert "Rare classes (hat, beard) were pasted" in sentence
    assert sentence.endswith("so not in synthetic only.")
    assert told(real_only=[], synthetic_only=[]) == told(real_only=["hat"]) == told() == []


def test_a_class_that_few_runs_scored_has_as_few() -> None:
    classes = {"real_only": {"hat": {"mean": 0.5, "std": 0.0, "runs": [0.5]}, "hair": {"mean": 0.5, "std": 0.0}}}
    found = per_class({"arms": {"real_only": {"miou": arm(0.6, 0.7, 0.8)}}, "per_class": classes})
    assert len(found["hat"]["real_only"].runs) == 1
    assert len(found["hair"]["real_only"].runs) == 3, "as earlier versions wrote it"


def test_advice_is_given_only_where_it_is_needed() -> None:
    worse = metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.4, 0.41, 0.42))
    assert any("train on the real labels alone" in sentence for sentence in meaning(worse))
    assert not any("train on the real labels alone" in sentence for sentence in meaning(GOOD))


def several(**arms: tuple[float, ...]) -> dict[str, Any]:
    """Metrics of any arms."""
    return {"arms": {name: {"miou": arm(*runs)} for name, runs in arms.items()}}


def test_the_verdict_names_the_best_of_many_arms() -> None:
    found = several(
        real_only=(0.5, 0.51, 0.52), real_plus_gan=(0.6, 0.61, 0.62), real_plus_diffusion=(0.7, 0.71, 0.72),
        gan_only=(0.1, 0.11, 0.12),
    )  # fmt: skip
    assert verdict(scores(found)) == (
        "Synthetic data helped: mIoU 0.510 from the real labels alone, 0.710 with real + diffusion.",
        "good",
    )


@pytest.mark.parametrize("arms", [{"gan_only": (0.5,)}, {}])
def test_nothing_to_compare_is_said(arms: dict[str, tuple[float, ...]]) -> None:
    assert "not all measured" in verdict(scores(several(**arms)))[0]
    assert meaning(several(**arms)) == []


def test_arms_have_titles_by_rule() -> None:
    names = ["real_only", "synthetic_only", "real_plus_synthetic", "real_plus_50-dataset"]
    assert [arm_title(name) for name in names] == [
        "real only",
        "synthetic only",
        "real + synthetic",
        "real + 50-dataset",
    ]


def test_what_was_compared() -> None:
    assert comparison(GOOD) == (
        "The same small model was trained on 5 real labelled images, on 1,234 generated ones, and on both, "
        "3 times each, and scored on 7 real test images, its best moment chosen on 3 others."
    )
    more = several(real_only=(0.5,), a_only=(0.4,), b_only=(0.4,), real_plus_all=(0.6,))
    more |= {"n_real": 5, "n_synthetic": 30, "n_test": 7, "pools": {"real": 5, "a": 10, "b": 20}}
    assert comparison(more) == (
        "The same small model was trained once on each of 4 mixtures of 5 real labelled images and "
        "30 generated ones (10 of a, 20 of b), and scored on 7 real test images."
    )


def test_the_best_arm_without_real_photos_is_named() -> None:
    found = several(real_only=(0.5,), a_only=(0.3,), b_only=(0.4,)) | {
        "shares": {"real_only": {"real": [1, 1]}, "a_only": {"a": [1, 1]}, "b_only": {"b": [1, 1]}}
    }
    assert any("only generated images (b only) reaches 80% of" in sentence for sentence in meaning(found))


def test_an_arm_without_a_score_says_nothing_of_what_is_reached_without_real_photos() -> None:
    shares = {"shares": {name: {name: [1, 1]} for name in ("synthetic_only", "b_only")}}
    nothing = several(real_only=(0.5,), synthetic_only=(float("nan"),), b_only=(float("nan"),)) | shares
    assert not any("has seen only" in sentence for sentence in meaning(nothing))
    one = several(real_only=(0.5,), synthetic_only=(float("nan"),), b_only=(0.4,)) | shares
    assert any("(b only) reaches 80% of" in sentence for sentence in meaning(one))


PHOTOS: dict[str, Any] = several(
    real_only=(0.5, 0.51, 0.52), photos_only=(0.4, 0.41, 0.42), real_plus_photos=(0.7, 0.71, 0.72),
    real_plus_synthetic=(0.55, 0.56, 0.57), real_plus_photos_plus_synthetic=(0.6, 0.61, 0.62),
) | {
    "pools": {"real": 50, "photos": 9000, "synthetic": 1234}, "photos": ["photos"],
    "shares": {
        "real_only": {"real": [1, 1]}, "photos_only": {"photos": [1, 1]},
        "real_plus_photos": {"real": [0.25, 1], "photos": [0.75, 0]},
        "real_plus_synthetic": {"real": [0.25, 1], "synthetic": [0.75, 0]},
        "real_plus_photos_plus_synthetic": {"real": [0.25, 1], "photos": [0.375, 0], "synthetic": [0.375, 0]},
    },
    "n_real": 50, "n_synthetic": 1234, "n_photos": 9000, "n_test": 200,
}  # fmt: skip


def test_photos_are_not_called_synthetic() -> None:
    assert verdict(scores(PHOTOS), added_data(PHOTOS))[0].startswith("Labelled photos helped: mIoU 0.510 from the real")
    assert added_arm(scores(PHOTOS)) == "real_plus_photos"
    assert "1,234 generated ones and 9,000 photos that were labelled automatically, and scored" in comparison(PHOTOS)
    assert "seen only photos that were labelled automatically reaches 80% of" in meaning(PHOTOS)[0]


def test_what_the_best_arm_learnt_from_is_named() -> None:
    both = PHOTOS["arms"] | {"real_plus_photos_plus_synthetic": {"miou": arm(0.8, 0.81, 0.82)}}
    assert added_data(PHOTOS | {"arms": both}) == "labelled photos and synthetic data"
    synthetic = PHOTOS["arms"] | {"real_plus_synthetic": {"miou": arm(0.8, 0.81, 0.82)}}
    assert added_data(PHOTOS | {"arms": synthetic}) == added_data(GOOD) == "synthetic data"


def test_the_rule_of_five_percent_holds_for_any_number_of_runs() -> None:
    """Between two tabled degrees of freedom the stricter one counts."""
    values = [critical(freedom) for freedom in range(1, 200)]
    assert values == sorted(values, reverse=True)
    assert (critical(14), critical(15), critical(500)) == (2.15, 2.15, 1.98)
    eight = [0.5 + 0.01 * step for step in range(8)]
    just_below = score(arm(*(value + 2.07 * 0.01 * 6**0.5 / 2 for value in eight)))  # t = 2.07 of 2.15
    assert difference(just_below, score(arm(*eight)), "miou").clear is False


def test_a_difference_that_rounds_to_nothing_is_no_help() -> None:
    sentence, tone = verdict(scores(several(real_only=(0.725,) * 3, real_plus_synthetic=(0.7251,) * 3)))
    assert ("no clear difference" in sentence, tone) == (True, "even")


def test_labels_teach_as_well_only_where_nothing_is_missing() -> None:
    def told(real: tuple[float, ...], alone: tuple[float, ...]) -> str:
        return meaning(several(real_only=real, synthetic_only=alone))[0]

    assert "reaches 99% of the real-only score: what is missing" in told((0.7, 0.7001, 0.7002), (0.697, 0.6971, 0.6972))
    assert "reaches 58% of the real-only score" in told((0.5,), (0.29,))
    assert "teach as well as the real ones." in told((0.70, 0.71, 0.72), (0.705, 0.71, 0.715))
    assert "one run of each says nothing about chance" in told((0.7,), (0.7003,))
    noisy = told((0.77, 0.80, 0.83), (0.64, 0.70, 0.76))
    assert "reaches 87% of the real-only score: these runs cannot tell their labels from the real ones." in noisy


def test_single_runs_are_followed_by_no_advice_and_photos_by_their_own() -> None:
    assert not any(
        "To get more" in sentence for sentence in meaning(several(real_only=(0.7,), real_plus_synthetic=(0.74,)))
    )
    photos = several(real_only=(0.7, 0.71, 0.72), real_plus_photos=(0.6, 0.61, 0.62))
    photos |= {"photos": ["photos"], "shares": {"real_plus_photos": {"real": [0.25, 1.0], "photos": [0.75, 0.0]}}}
    told = next(sentence for sentence in meaning(photos) if "To get more" in sentence)
    assert "labels of the photos" in told
    assert "inversions" not in told


def test_an_arm_without_a_score_is_named() -> None:
    found = several(real_only=(0.7, 0.71), photos_only=(0.6, 0.61), real_plus_photos=(0.7, float("nan")))
    assert any("real + photos: a run has no score" in sentence for sentence in caution(found))
