"""Arms as data: which samples make which batch, and what cannot be an arm."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.evaluation.arms import Arm, choose_arms, default_arms, pool_names
from handsoff.evaluation.settings import EvaluateSettings


def test_the_standard_arms_are_three() -> None:
    arms = default_arms(["synthetic"])
    assert [arm.name for arm in arms] == ["real_only", "synthetic_only", "real_plus_synthetic"]
    real, synthetic, both = ([arm.counts(step / 4, 8) for step in range(5)] for arm in arms)
    assert real == [{"real": 8}] * 5
    assert synthetic == [{"synthetic": 8}] * 5
    assert [list(counts.items()) for counts in both] == [
        [("real", 2), ("synthetic", 6)], [("real", 4), ("synthetic", 4)], [("real", 5), ("synthetic", 3)],
        [("real", 6), ("synthetic", 2)], [("real", 8), ("synthetic", 0)],
    ]  # fmt: skip


def test_several_datasets_make_an_arm_each_and_one_of_all() -> None:
    arms = {arm.name: arm for arm in default_arms(["a", "b", "c"])}
    assert list(arms) == [
        "real_only", "a_only", "b_only", "c_only", "real_plus_a", "real_plus_b", "real_plus_c", "real_plus_all",
    ]  # fmt: skip
    assert arms["real_plus_all"].counts(0, 16) == {"real": 4, "a": 4, "b": 4, "c": 4}
    assert arms["real_plus_all"].counts(1, 16) == {"real": 16, "a": 0, "b": 0, "c": 0}


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=1, max_size=6),
    st.integers(1, 64), st.floats(0, 1),
)  # fmt: skip
def test_counts_always_add_up_to_the_batch(weights: list[tuple[float, float]], batch: int, position: float) -> None:
    first, last = (sum(weight[end] for weight in weights) for end in (0, 1))
    arm = Arm("any", {str(index): (weight[0] / first, weight[1] / last) for index, weight in enumerate(weights)})
    counts = arm.counts(position, batch)
    assert sum(counts.values()) == batch
    assert min(counts.values()) >= 0


def test_an_arm_of_the_settings() -> None:
    table: dict[str, Any] = {"mine": {"a": [0.5, 0.0], "real": [0.5, 1.0]}, "even": {"real": 0.5, "b": 0.5}}
    mine, even = choose_arms(EvaluateSettings(steps=3, batch=4, arms=table), ["a", "b"])
    assert [mine.counts(step / 2, 4) for step in range(3)] == [
        {"real": 2, "a": 2},
        {"real": 3, "a": 1},
        {"real": 4, "a": 0},
    ]
    assert even.counts(0, 4) == {"real": 2, "b": 2}


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        ({}, "names no arm"),
        (" , ", "names no arm"),
        ({"mine": {}}, "the arm mine is empty"),
        ({"mine": {"real": 0.5}}, "the shares of the arm mine add up to 0.5 at the first step, not to 1"),
        ({"mine": {"real": [0.5, 1], "synthetic": 0.5}}, "the shares of the arm mine add up to 1.5 at the last step"),
        ({"mine": {"real": 2, "synthetic": -1}}, "less than or equal to 1"),
        ({"../mine": {"real": 1}}, "'../mine' cannot name an arm"),
        ({"real_only": {"synthetic": 1}}, "the arm real_only, to which reports compare the others, learns from real"),
    ],
)
def test_what_is_no_arm(arms: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        EvaluateSettings(arms=arms)


def test_an_arm_of_an_unknown_pool_is_refused() -> None:
    settings = EvaluateSettings(arms={"mine": {"real": 0.5, "fake": 0.5}})
    with pytest.raises(InputError, match="The arm mine has no pool 'fake' to draw from: choose from real, synthetic"):
        choose_arms(settings, ["synthetic"])


def test_a_pool_that_is_in_no_batch_is_refused() -> None:
    settings = EvaluateSettings(batch=16, arms={"mine": {"real": 0.98, "synthetic": 0.02}})
    with pytest.raises(InputError, match="The arm mine never has a sample of synthetic in a batch of 16"):
        choose_arms(settings, ["synthetic"])


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["50/dataset"], ["synthetic"]),
        (["gan", "diffusion.zip"], ["gan", "diffusion"]),
        (["50/dataset", "200/dataset"], ["50-dataset", "200-dataset"]),
        (["50/dataset", "200/dataset", "v1.5"], ["50-dataset", "200-dataset", "v1.5"]),
        (["run/real", "run/all"], ["run-real", "run-all"]),
        (["run/photos", "b"], ["run-photos", "b"]),
    ],
)
def test_datasets_of_a_kind_are_called_by_their_folders(folders: list[str], names: list[str]) -> None:
    assert pool_names([Path(folder) for folder in folders], ["synthetic"] * len(folders)) == names


def test_the_only_dataset_of_a_kind_is_called_by_it() -> None:
    paths = [Path("run/gan"), Path("run/labelled"), Path("run/synthetic")]
    assert pool_names(paths[:1], ["photos"]) == ["photos"]
    assert pool_names(paths[:2], ["synthetic", "photos"]) == ["synthetic", "photos"]
    assert pool_names(paths, ["synthetic", "photos", "synthetic"]) == ["gan", "photos", "synthetic"]
    assert pool_names(paths, ["synthetic", "photos", "photos"]) == ["synthetic", "labelled", "run-synthetic"]


def test_photos_come_first_and_the_arm_of_both_says_so() -> None:
    arms = {arm.name: arm for arm in default_arms(["synthetic", "photos"])}
    assert list(arms) == [
        "real_only", "photos_only", "synthetic_only", "real_plus_photos", "real_plus_synthetic",
        "real_plus_photos_plus_synthetic",
    ]  # fmt: skip
    assert list(arms["real_plus_photos_plus_synthetic"].counts(0, 8).items()) == [
        ("real", 2), ("photos", 3), ("synthetic", 3),
    ]  # fmt: skip
    assert list({arm.name: arm for arm in default_arms(["gan", "photos", "other"])})[-1] == "real_plus_all"


@pytest.mark.parametrize(
    "arms", ["real_only, real_plus_photos,real_only", ["real_only", "real_plus_photos"]], ids=["text", "list"]
)
def test_default_arms_can_be_chosen_by_name(arms: Any) -> None:
    settings = EvaluateSettings(arms=arms)
    assert settings.arms == ("real_only", "real_plus_photos")
    pools = ["photos", "synthetic"]
    assert choose_arms(settings, pools) == [arm for arm in default_arms(pools) if arm.name in settings.arms]


def test_an_arm_that_is_no_default_is_refused_with_those_that_are() -> None:
    listed = "choose one of photos_only, real_only, real_plus_photos"
    with pytest.raises(UnknownNameError, match=f"Unknown arm 'real_plus_foto': did you mean .*{listed}"):
        choose_arms(EvaluateSettings(arms="real_plus_foto"), ["photos"])


def test_a_dataset_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="given twice"):
        pool_names([Path("a"), Path("b"), Path("a")], ["synthetic"] * 3)
    with pytest.raises(InputError, match="given twice"):
        pool_names([Path("a"), Path("a")], ["photos"] * 2)
    assert pool_names([], []) == []


def test_an_arm_whose_batches_lack_a_pool_is_refused_whoever_wrote_it() -> None:
    """Without a cooldown the shares stay what they are at first."""
    ramp: dict[str, Any] = {"mine": {"synthetic": [1, 0], "real": [0, 1]}}
    assert choose_arms(EvaluateSettings(arms=ramp), ["synthetic"])
    with pytest.raises(InputError, match="The arm mine never has a sample of real in a batch of 8"):
        choose_arms(EvaluateSettings(arms=ramp, cooldown=0, batch=8), ["synthetic"])
    with pytest.raises(InputError, match=r"The arm real_plus_all never has a sample of . in a batch of 2"):
        choose_arms(EvaluateSettings(batch=2), list("abcde"))
