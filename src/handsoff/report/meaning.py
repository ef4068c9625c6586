"""What the result means in a few sentences, also when added data did not help, and how far it can be trusted."""

import math
from collections.abc import Iterable
from typing import Any

from handsoff.report.verdict import (
    BOTH,
    PHOTOS,
    REAL_ONLY,
    STANDARD,
    SYNTHETIC,
    SYNTHETIC_ONLY,
    Score,
    added_arm,
    added_data,
    arm_title,
    best_arm,
    difference,
    lower_is_better,
    main_metric,
    per_class,
    scores,
    title,
)


def meaning(metrics: dict[str, Any], missing: Iterable[str] = (), looked_at: int = 0) -> list[str]:
    """What the result means, in a few sentences.

    Args:
        metrics: the content of `metrics.json`.
        missing: classes or points that do not occur in the generated labels that were looked at.
        looked_at: how many those are.
    """
    found = scores(metrics)
    return [
        *without_real(metrics),
        *classes(metrics),
        *absent(list(missing), looked_at),
        *scarce(metrics),
        *not_pasted(metrics),
        *advice(found, added_data(metrics)),
    ]


def without_real(metrics: dict[str, Any]) -> list[str]:
    """How much of the real-only score is reached without the model seeing any real image, by the best such arm."""
    found = scores(metrics)
    metric, shares = main_metric(found), metrics.get("shares") or {}
    alone = {
        arm: entry[metric]
        for arm, entry in found.items()
        if metric in entry
        and math.isfinite(entry[metric].mean)
        and (arm == SYNTHETIC_ONLY or (arm in shares and "real" not in shares[arm]))
    }
    real = found.get(REAL_ONLY, {}).get(metric)
    if real is None or not alone or lower_is_better(metric) or not real.mean > 0:
        return []
    best = max(alone, key=lambda arm: alone[arm].mean)
    share, lacks = alone[best].mean / real.mean, difference(alone[best], real, metric)
    photos = set(metrics.get("photos") or ()) & (metrics.get("shares") or {}).get(best, {}).keys()
    if photos:
        seen, gap = (
            "photos that were labelled automatically",
            "what is missing is how far such labels are from real ones",
        )
    else:
        seen, gap = "generated images", "what is missing is how far generated images and labels are from real ones"
    chance = " (one run of each says nothing about chance)" if lacks.clear is None else ""
    if share >= 1:
        words = f"their labels teach as well as the real ones{chance}"
    else:
        words = "these runs cannot tell their labels from the real ones" if lacks.clear is False else gap
    named = "" if best in {SYNTHETIC_ONLY, "photos_only"} else f" ({arm_title(best)})"
    reached = math.floor(round(100 * share, 9))  # 58 where the share is 0.58, of which floating point makes 57.99…
    return [f"A model that has seen only {seen}{named} reaches {reached}% of the real-only score: {words}."]


def classes(metrics: dict[str, Any]) -> list[str]:
    """Which classes or points gain and which lose most where synthetic data is added to the real."""
    found = scores(metrics)
    added = added_arm(found)
    whole = {name: arms for name, arms in per_class(metrics).items() if {added, REAL_ONLY} <= set(arms)}
    gaps = {name: difference(arms[str(added)], arms[REAL_ONLY], "") for name, arms in whole.items()}
    clear = {name: gap for name, gap in gaps.items() if gap.tone != "even"}
    gains = sorted((name for name in clear if clear[name].gain > 0), key=lambda name: -clear[name].gain)[:3]
    losses = sorted((name for name in clear if clear[name].gain < 0), key=lambda name: clear[name].gain)[:3]
    parts = [
        f"{verb} most: {', '.join(f'{name} ({clear[name].shown})' for name in names)}"
        for verb, names in (("Gained", gains), ("Lost", losses))
        if names
    ]
    arm = "with synthetic data added to the real" if added == BOTH else f"with {arm_title(str(added))}"
    return [f"One by one, {arm}. {'. '.join(parts)}."] if parts else []


def absent(missing: list[str], looked_at: int) -> list[str]:
    """The classes or points that the generated labels seem to lack."""
    if not missing:
        return []
    seen = f"Not among the {looked_at:,} generated labels that were looked at: {', '.join(missing)}."
    return [f"{seen} Synthetic data cannot teach what it does not contain."]


def not_pasted(metrics: dict[str, Any]) -> list[str]:
    """Which arms trained without pasting, where others were trained with it."""
    pasted = metrics.get("pasted") or {}
    classes = dict.fromkeys(name for names in pasted.values() for name in names)
    without = [arm_title(arm) for arm, names in pasted.items() if not names]
    if not classes or not without:
        return []
    where = "where there are real labels to take them from"
    return [f"Rare classes ({', '.join(classes)}) were pasted {where}, so not in {', '.join(without)}."]


def scarce(metrics: dict[str, Any]) -> list[str]:
    """The classes that few labelled images show and that real labels alone teach worse than the others."""
    counts, found = metrics.get("scarce") or {}, scores(metrics)
    real, classes = found.get(REAL_ONLY, {}).get(main_metric(found)), per_class(metrics)
    if real is None:
        return []
    poor = [name for name in counts if REAL_ONLY in classes.get(name, {}) and classes[name][REAL_ONLY].mean < real.mean]
    if not poor:
        return []
    listed = ", ".join(f"{name} ({counts[name]})" for name in sorted(poor, key=lambda name: counts[name]))
    few = (
        f"Fewer than half of the {metrics['n_real']:,} real labels show {listed}, which they teach worse than the rest"
    )
    return [f"{few}: label more images that show them, or paste them over other images in training, --set paste=0.5."]


def advice(found: dict[str, dict[str, Score]], added: str = SYNTHETIC) -> list[str]:
    """What to try when the added data did not clearly help; nothing after single runs, which do not tell."""
    best, metric = best_arm(found), main_metric(found)
    if best is None:
        return []
    gap = difference(found[best][metric], found[REAL_ONLY][metric], metric)
    if gap.tone == "good" or gap.clear is None:
        return []
    generated = (
        "look at the inversions below, for a generator that cannot draw the labelled images cannot carry their labels, "
        "and train it longer if they are poor; look at the labels of the generated images; "
        "then generate more, or keep fewer of the uncertain ones"
    )
    photos = (
        "look at the labels of the photos, and drop more of the uncertain ones; give photos that are more like those "
        "of the test; or label some of the most uncertain ones by hand"
    )
    steps = photos if added == PHOTOS else generated
    until = {"bad": "train on the real labels alone", "even": "the real labels alone are as good"}[gap.tone]
    return [f"To get more out of it, in this order: {steps}. Until that changes the result, {until}."]


def unscored(found: dict[str, dict[str, Score]]) -> list[str]:
    """The arms that the headline leaves out because a run of theirs has no score."""
    metric = main_metric(found)
    names = [
        arm_title(arm) for arm, entry in found.items() if metric in entry and not math.isfinite(entry[metric].mean)
    ]
    if not names:
        return []
    return [f"{', '.join(names)}: a run has no score in {title(metric)}, so the headline leaves this out."]


def caution(metrics: dict[str, Any]) -> list[str]:
    """How far the numbers can be trusted."""
    found = scores(metrics)
    metric = main_metric(found)
    runs = min((len(arm[metric].runs) for arm in found.values() if metric in arm), default=0)
    notes = unscored(found)
    if runs == 1:
        notes.append(
            "Each arm was trained once, so the spread between runs is unknown: "
            "repeat with --seeds 3 before you decide anything."
        )
    elif runs > 1:
        rule = "a difference counts as clear when chance between runs would make it in fewer than one case of twenty"
        notes.append(f"± is the standard deviation over {runs} runs; {rule}.")
    if len(found) > len(STANDARD):
        notes.append(
            f"The headline is about the best of {len(found) - 1} arms: the more there are, "
            "the more easily chance makes one of them look better."
        )
    if metrics.get("excluded_from_photos"):
        notes.append(
            f"{metrics['excluded_from_photos']:,} samples of datasets were not trained on because others of their "
            "group are validation or test images."
        )
    if metrics.get("unknown_teachers"):
        notes.append(
            f"Who labelled {' and '.join(metrics['unknown_teachers'])} was moved or removed since: whether they "
            "learnt from test images cannot be told."
        )
    if metrics.get("excluded_from_test"):
        notes.append(
            f"{metrics['excluded_from_test']:,} images were left out of the test because they, "
            "copies of them or others of their group served for training or validation."
        )
    return notes
