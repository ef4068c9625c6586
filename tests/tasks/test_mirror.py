"""Left and right in the names of classes and points, however they are spelt."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handsoff.formats.exchange.celebamask import PARTS
from handsoff.tasks import make_task
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.mirror import lone_sides, mirrored_names

SPELT = [
    ("left_eye", "right_eye"),
    ("Left eye", "Right eye"),
    ("LEFT_EYE", "RIGHT_EYE"),
    ("LeftEye", "rightEye"),
    ("l_eye", "r_eye"),
    ("eye.L", "eye.R"),
    ("Eye (l)", "eye (R)"),
    ("L", "R"),
    ("eyeL", "eyeR"),
    ("LEye", "REye"),
    ("mouthL2", "mouthR2"),
]


@pytest.mark.parametrize("pair", SPELT)
def test_masks_swap_the_sides_in_the_mirror_however_they_are_spelt(pair: tuple[str, str]) -> None:
    geometry = make_task("segmentation", {"classes": ["background", *pair]}).geometry
    flip = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    moved = geometry.move(np.array([[[1, 0, 0, 2]]], np.uint8), flip, torch.tensor([True]), (1, 4))
    assert moved.tolist() == [[[1, 0, 0, 2]]], "a face that looks alike in the mirror keeps its mask"
    outputs = torch.arange(3.0).view(3, 1, 1)
    assert geometry.mirrors
    assert geometry.mirror_outputs(outputs).flatten().tolist() == [0, 2, 1]


@pytest.mark.parametrize("pair", SPELT)
def test_points_find_their_partners_however_they_are_spelt(pair: tuple[str, str]) -> None:
    names = ["left_ear", *pair, "right_ear"]
    assert Keypoints.declare({"names": names}, "points.json", {}, [[0, 0]] * 4)["mirror"] == [[0, 3], [1, 2]]


@pytest.mark.parametrize(
    "lone",
    ["left_arm", "Right arm", "ARM_LEFT", "armLeft", "LeftArm", "l_arm", "R arm", "arm.L", "Arm (r)", "arm_r", "腕L"],
)
def test_nothing_is_mirrored_where_a_side_has_no_partner(lone: str) -> None:
    names = ["left_eye", "right_eye", lone]
    assert lone_sides(names) == [lone]
    assert not make_task("segmentation", {"classes": names}).geometry.mirrors
    assert Keypoints.declare({"names": names}, "points.json", {}, [[0, 0]] * 3)["mirror"] is None
    stated = Keypoints.declare({"names": names, "mirror": [[0, 1]]}, "points.json", {}, [[0, 0]] * 3)
    assert stated["mirror"] == [[0, 1]], "a person knows better"


JOINED = [
    (("lefteye", "righteye"), "leftear"),
    (("EYELEFT", "EYERIGHT"), "EARLEFT"),
    (("eyeL", "eyeR"), "earL"),
]


@pytest.mark.parametrize(("pair", "lone"), JOINED)
def test_a_side_that_is_joined_to_its_word_counts_where_others_are_paired_so(pair: tuple[str, str], lone: str) -> None:
    names = ["background", *pair, lone]
    assert lone_sides(names) == [lone]
    assert not make_task("segmentation", {"classes": names}).geometry.mirrors
    assert lone_sides(["background", *pair, "skin"]) == []


def test_words_and_letters_that_are_no_sides_keep_masks_in_the_mirror() -> None:
    names = ["bright sky", "cleft chin", "leftover", "upright", "wall", "r", "u-turn"]
    assert mirrored_names(names) == list(range(len(names)))
    assert lone_sides(names) == []


@pytest.mark.parametrize(
    "names",
    [
        list(PARTS),
        ["background", "skin", "ear_r", "neck_l"],
        ["nose", "L_Eye", "R_Eye", "u_arm", "l_arm"],
        ["Öl", "fél", "l'eau", "L5", "r2", "wall", "l"],
    ],
)
def test_a_letter_that_is_no_side_keeps_masks_in_the_mirror(names: list[str]) -> None:
    """As CelebAMask-HQ calls its parts, l_lip is the lower lip, ear_r an earring and neck_l a necklace."""
    assert lone_sides(names) == []
    geometry = make_task("segmentation", {"classes": names}).geometry
    swapped = [name for name, partner in zip(names, mirrored_names(names), strict=True) if names[partner] != name]
    assert geometry.mirrors
    assert {name[2:].lower() for name in swapped} <= {"eye", "brow", "ear"}


@pytest.mark.parametrize(
    ("names", "lone"),
    [
        (["background", "l_eye", "mouth"], "l_eye"),
        (["l_eye", "r_eye", "l_ear"], "l_ear"),
        (["eye_l", "eye_r", "ear_r"], "ear_r"),
    ],
)
def test_a_side_in_one_letter_without_a_partner_has_no_mirror_image(names: list[str], lone: str) -> None:
    assert lone_sides(names) == [lone]
    assert not make_task("segmentation", {"classes": names}).geometry.mirrors
    assert Keypoints.declare({"names": names}, "points.json", {}, [[0, 0]] * 3)["mirror"] is None


parts = st.sampled_from(["left", "Right", "RIGHT", "l", "R", "_", " ", "eye", "Ear"])


@given(st.lists(st.lists(parts, min_size=1, max_size=4).map("".join), unique=True, max_size=8))
def test_the_mirror_of_the_mirror_is_the_name_itself(names: list[str]) -> None:
    partners = mirrored_names(names)
    assert [partners[partner] for partner in partners] == list(range(len(names)))


def test_a_capital_tells_sides_only_of_names_that_have_no_other_partner() -> None:
    assert mirrored_names(["leftEyeL", "leftEyeR", "rightEyeR"]) == [0, 2, 1]
