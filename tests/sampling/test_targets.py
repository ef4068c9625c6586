"""An aim and records → groups of samples and their shares."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.core.errors import InputError
from handsoff.sampling.aims import Bins, read_aim, read_text
from handsoff.sampling.targets import LEAST, Group, bins, check_names, groups_of, values

PARTS = {"segmentation": ("background", "hat", "nose"), "keypoints": ("nose", "chin")}


def record(hat: float = 0.0, *, chin: bool = False, **attributes: Any) -> dict[str, Any]:
    shows: dict[str, Any] = {"segmentation": {"background": 1 - hat, **({"hat": hat} if hat else {})}}
    shows["keypoints"] = {"chin": 1.0} if chin else {}
    return {"shows": shows, "attributes": attributes}


def groups(text: str, plain: list[dict[str, Any]], reference: list[dict[str, Any]] | None = None) -> list[Group]:
    return groups_of(read_aim(read_text(text)), PARTS, plain, reference or [])


def test_a_part_is_shown_from_a_thousandth_of_the_pixels_on() -> None:
    (hat, chin) = groups("hat=0.5, chin=0.1", [])
    assert [hat.holds(record(share)) for share in (0.0, LEAST / 2, LEAST, 0.3)] == [False, False, True, True]
    assert chin.holds(record(chin=True))
    assert not chin.holds(record())
    assert values([hat, chin], [record(0.2, chin=True), record()]).tolist() == [[1, 1], [0, 0]]


def test_a_share_of_the_pixels_is_a_mean() -> None:
    (hat,) = groups("hat={pixels=0.05}", [])
    assert values([hat], [record(0.2), record()]).mean() == pytest.approx(0.1)


def test_histograms_and_even_distributions_are_bins() -> None:
    plain = [record(brightness=value) for value in np.linspace(0, 1, 101).tolist()]
    even = groups("brightness=uniform", plain)
    assert [group.asked for group in even] == [0.2] * 5
    assert values(even, plain).sum(1).tolist() == [1] * 101, "also those beyond the percentiles"
    low, high = groups("brightness={range=[0.2, 0.6], weights=[1, 3]}", plain)
    assert (low.asked, high.asked) == (0.25, 0.75)
    found = [(low.holds(record(brightness=v)), high.holds(record(brightness=v))) for v in (0.1, 0.2, 0.4, 0.6, 0.7)]
    assert found == [(False, False), (True, False), (False, True), (False, True), (False, False)]
    (inside,) = groups("brightness=[0.2, 0.5]", plain)
    assert (inside.asked, inside.holds(record(brightness=0.3)), inside.holds(record())) == (1.0, True, False)


@pytest.mark.parametrize("values", [[0.3] * 20, [0.3] * 99 + [0.9]])
def test_an_even_distribution_of_one_value_is_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match=r"nearly all samples have brightness = 0\.3: write a range"):
        groups("brightness=uniform", [record(brightness=value) for value in values])


@pytest.mark.parametrize("name", ["brightness", "cluster"])
def test_an_even_distribution_of_what_no_sample_tells_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"no sample has a known {name}"):
        groups(f"{name}=uniform", [record()])


def test_every_cluster_has_the_same_share() -> None:
    plain = [record(cluster=min(index, 7)) for index in range(40)]
    found = groups("cluster=uniform", plain)
    assert [group.asked for group in found] == [1 / 8] * 8
    assert values(found, plain[:8]).tolist() == np.eye(8).tolist()


def test_a_share_of_samples_may_be_missed_by_one_and_of_pixels_by_a_twentieth() -> None:
    few, much, none = groups("chin=0.1, hat={pixels=0.01}, background={pixels=0}", [])
    assert [few.tolerance(count) for count in (10, 1000)] == [0.1, 0.005]
    assert [much.tolerance(count) for count in (10, 1000)] == pytest.approx([5e-4] * 2)
    assert 0 < none.tolerance(10) < LEAST


def test_words_have_shares() -> None:
    plain = [record(mood=mood) for mood in ("sad", "happy", "sad")]
    assert [(group.title, group.asked) for group in groups("mood=uniform", plain)] == [
        ("mood happy", 0.5),
        ("mood sad", 0.5),
    ]
    (happy,) = groups("mood={happy=0.7}", plain)
    assert values([happy], plain)[:, 0].tolist() == [0, 1, 0]


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=12, max_size=40), st.lists(st.floats(0, 100), min_size=40, max_size=40))
def test_a_set_matches_itself(hats: list[float], places: list[float]) -> None:
    reference = [record(hat, **{"nose x": place}) for hat, place in zip(hats, places, strict=False)]
    found = groups_of(read_aim({"match": "labelled"}), PARTS, [], reference)
    shares = values(found, reference).mean(0)
    assert shares == pytest.approx([group.asked for group in found])


def test_what_is_asked_for_counts_more_than_what_is_matched() -> None:
    reference = [record(0.1 * (index % 2)) for index in range(20)]
    found = groups("hat=0.9, match=labelled", [], reference)
    assert [group.asked for group in found if group.name == "hat"] == [0.9]
    assert {group.name for group in found} == {"hat", "nose", "chin", "background"}


def test_tasks_that_a_reference_has_no_labels_of_are_not_matched() -> None:
    reference = [{"shows": {"segmentation": {"hat": 0.1}}}] * 3
    found = groups("match=labelled", [], reference)
    assert {group.task for group in found} == {"segmentation"}


def test_a_task_is_matched_by_the_photos_that_have_its_labels() -> None:
    masks = [{"shows": {"segmentation": {"background": 0.5, "hat": 0.01 * index}}} for index in range(34)]
    points: list[dict[str, Any]] = [
        {"shows": {"keypoints": {"nose": 1.0}}, "attributes": {"nose x": float(index)}} for index in range(12)
    ]
    points += [{"shows": {"keypoints": {"chin": 1.0}}, "attributes": {}}] * 4
    found = groups("match=labelled", [], [*masks, *points])
    for task, own in (("segmentation", masks), ("keypoints", points)):
        asked = [group for group in found if group.task == task]
        assert values(asked, own).mean(0) == pytest.approx([group.asked for group in asked])
    points_asked = {group.title: group.asked for group in found if group.task == "keypoints"}
    assert points_asked == {"keypoints/nose": 0.75, "chin": 0.25}
    assert [group.asked for group in found if group.name == "nose x"] == pytest.approx([0.25] * 3)


def test_groups_have_titles_of_their_own() -> None:
    """What is proposed for one of them must not count for another."""
    twice: dict[str, Any] = {"shows": {"segmentation": {"nose": 0.1}, "keypoints": {"nose": 1.0}}}
    neither: dict[str, Any] = {"shows": {"segmentation": {}, "keypoints": {}}}
    parts = {"segmentation": ("nose", "hat"), "keypoints": ("nose",)}
    titles = [group.title for group in groups_of(read_aim(read_text("match=labelled")), parts, [], [twice, neither])]
    assert titles == ["segmentation/nose", "hat", "keypoints/nose"]
    years = [group.title for group in bins("year", Bins(1990, 2000, (1.0,) * 5), [])]
    assert years == [f"year {year} to {year + 2}" for year in range(1990, 2000, 2)]


def test_what_few_photos_all_show_is_matched() -> None:
    found = groups("match=labelled", [], [record(0.1, chin=True)] * 3)
    assert {(group.task, group.name): group.asked for group in found} == {
        ("segmentation", "background"): 1, ("segmentation", "hat"): 1, ("segmentation", "nose"): 0,
        ("keypoints", "nose"): 0, ("keypoints", "chin"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("backgroud=0.3", "names 'backgroud', which is no class, point or attribute here: did you mean background"),
        ("nose=0.3", "segmentation and keypoints have: write segmentation/nose or keypoints/nose"),
        ("hat=uniform", "hat, a part of the labels, as an attribute"),
        ("hat=[0.1, 0.2]", "hat, a part of the labels, as an attribute"),
        ("brightness=0.3", "share of brightness, an attribute: write a range"),
        ("brightness={dark=0.3}", "brightness = dark, and brightness is a number: write a range such as"),
        ("mood={hapy=0.3}", "mood = hapy, which it never is: did you mean happy.* choose among happy, sad"),
        ("mood=[0, 1]", "a range of mood, which is a word: .* it is one of happy, sad"),
        ("cluster={2=0.3}", "cluster = 2, which it never is: choose among 0, 1"),
    ],
)
def test_names_that_cannot_be_asked_for_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_names(
            read_aim(read_text(text)), PARTS, {"brightness": (), "mood": ("happy", "sad"), "cluster": ("0", "1")}
        )


def test_words_clusters_and_ranges_that_there_are_can_be_asked_for() -> None:
    aim = read_aim(read_text("mood={happy=0.3}, cluster={1=0.5}, brightness=[0, 0.5]"))
    known = {"brightness": (), "mood": ("happy", "sad"), "cluster": ("0", "1")}
    check_names(aim, PARTS, known)
    for even in known:
        check_names(read_aim({even: "uniform"}), PARTS, known)
    check_names(read_aim({"cluster": [0, 1]}), PARTS, known)


def test_a_part_can_be_named_with_its_task() -> None:
    aim = read_aim(read_text("keypoints/nose=0.3"))
    check_names(aim, PARTS, {})
    (group,) = groups_of(aim, PARTS, [], [])
    assert (group.task, group.name) == ("keypoints", "nose")
