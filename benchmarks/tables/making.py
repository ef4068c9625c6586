"""What makes generators and inversion better, and what aims and selection make of a dataset."""

from typing import Any

from rows import head, reached, row

from handsoff.report.verdict import arm_title


def training(result: dict[str, Any]) -> str:
    """FD after equal processor minutes, along the way and at the end."""
    trials = result["trials"]
    marks = [round(point["minutes"]) for point in trials[0]["curve"]]
    lines = head("variant", "seed", "kimg", *(f"FD-lite0 after {mark} min" for mark in marks), "FD, middle", "KD")
    for trial in trials:
        last, curve = trial["curve"][-1], (f"{point['fd_lite0']:.1f}" for point in trial["curve"])
        numbers = (f"{last[name]:.1f}" for name in ("fd_middle", "kd_lite0"))
        lines.append(row(trial["variant"], str(trial["seed"]), f"{last['kimg']:.1f}", *curve, *numbers))
    return "\n".join(lines)


def averages(result: dict[str, Any]) -> str:
    """Distances by the half-life of the average, each trial at its end."""
    trials = {name: lines[-1] for name, lines in result["trials"].items()}
    lines = head(
        "half-life, images", *(f"{distance}, rates {name}" for name in trials for distance in ("FD-lite0", "KD"))
    )
    for half_life in next(iter(trials.values()))["averages"]:
        found = [last["averages"][half_life] for last in trials.values()]
        numbers = (f"{distances[name]:.1f}" for distances in found for name in ("fd_lite0", "kd_lite0"))
        lines.append(row("no average" if half_life == "none" else f"{float(half_life):,.0f}", *numbers))
    floor = result["photos_among_themselves"]
    floors = [f"{floor[name]:.1f}" for name in ("fd_lite0", "kd_lite0")] * len(trials)
    lines.append(row("2,000 other photos", *floors))
    return "\n".join(lines)


def inversion(result: dict[str, Any]) -> str:
    """Every variant of inversion by every judge, and encoders alone."""
    heads = f"{result['labelled']} labelled and {result['held_out']} held-out heads"
    said = f"{heads}; FD-lite0 of {result['samples']:,} samples; seconds on one core:"
    lines = [said, ""]
    lines += head(
        "variant", "MSE, labelled", "perceptual, labelled", "MSE, held out", "perceptual, held out",
        "label transfer, labelled", "label transfer, held out", "labeler, held out", "FD-lite0", "seconds",
    )  # fmt: skip
    for name, found in result["variants"].items():
        parts = [found["latents"], found["held-out"]]
        errors = [f"{part['reconstruction'][error]:.4f}" for part in parts for error in ("pixel", "perceptual")]
        transfer = [f"{part['label_transfer']['reconstructions']:.3f}" for part in parts]
        distance = f"{found['distance']['fd_lite0']:.1f}" if "distance" in found else ""
        labeler = f"{found['held-out']['labeler']:.3f}"
        lines.append(row(name, *errors, *transfer, labeler, distance, f"{found['seconds']:.0f}"))
    photos = [part["label_transfer"]["photos"] for part in parts]
    lines.append(row("the photos themselves", *[""] * 4, *(f"{score:.3f}" for score in photos), *[""] * 3))
    if result["encoders"]:
        lines += ["", *head("encoder alone", "MSE, held out", "perceptual, held out", "seconds")]
    for name, found in result["encoders"].items():
        errors = [f"{found['reconstruction'][error]:.4f}" for error in ("pixel", "perceptual")]
        lines.append(row(name, *errors, f"{found['seconds']:.0f}"))
    return "\n".join(lines)


def composition(result: dict[str, Any]) -> str:
    """What an aim asked for and what came out, and the share of every kind of proposal that was confirmed."""
    kinds = list(dict.fromkeys(kind for group in result["groups"] for kind in group["proposals"]))
    lines = head(
        "shown in", "asked", "reached", "plain draws", "labelled images", *(f"confirmed: {kind}" for kind in kinds)
    )
    for group in result["groups"]:
        shares = [f"{group[key]:.1%}" for key in ("asked", "reached", "plain", "photos")]
        found = [group["proposals"].get(kind) for kind in kinds]
        worked = ["–" if tried is None else f"{tried['confirmed']} of {tried['tried']}" for tried in found]
        lines.append(row(group["group"], *shares, *worked))
    told = f"{result['kept']:,} samples, chosen of {result['drawn']:,} draws:"
    return "\n".join([told, "", *lines])


def of_draws(values: list[float]) -> str:
    """Mean and, of several, the standard deviation."""
    mean = sum(values) / len(values)
    spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return f"{mean:.3f}" + (f" ± {spread:.3f}" if values[1:] else "")


def longtail(result: dict[str, Any]) -> str:
    """IoU of each part by the number of labelled heads that show it."""
    cells, lines = result["cells"], []
    ks = sorted({cell["k"] for cell in cells})
    for part in dict.fromkeys(cell["part"] for cell in cells):
        own = [cell for cell in cells if cell["part"] == part]
        lines += ["", *head(part, *(f"k = {k}" for k in ks))]
        for arm in dict.fromkeys(arm for cell in own for arm in cell["scores"]):
            found = [
                [cell["scores"][arm][part] for cell in own if cell["k"] == k and arm in cell["scores"]] for k in ks
            ]
            lines.append(row(arm.replace("_", " "), *(of_draws(values) if values else "–" for values in found)))
        aimed = [[cell["aim"]["reached"] for cell in own if cell["k"] == k and cell.get("aim")] for k in ks]
        if any(aimed):
            shares = (of_draws(found) if found else "–" for found in aimed)
            lines.append(row("share of samples that the aim reached", *shares))
        shown = [cell["tested"]["shown"] for cell in own if "tested" in cell]
        if shown:
            lines += ["", f"Of the test {' to '.join(map(str, sorted({min(shown), max(shown)})))} images show {part}."]
    return "\n".join(lines[1:])


def selection(result: dict[str, Any]) -> str:
    """What each rule of selection keeps of generated images, and of photos, and what a model makes of it."""
    rules = result["rules"]
    generated = chosen(rules, ("synthetic_only", "real_plus_synthetic"))
    of_photos = {rule: found["photos"] for rule, found in rules.items() if "photos" in found}
    photos = ["", *chosen(of_photos, ("real_plus_photos",))] if of_photos else []
    return "\n".join([*generated, *photos])


def chosen(rules: dict[str, Any], arms: tuple[str, ...]) -> list[str]:
    """A table of rules; the IoU of rare parts is that of the first arm."""
    parts = list(next(iter(rules.values()))["shown"])
    titles = [arm_title(arm) for arm in arms]
    lines = head("rule", "kept", *titles, *(f"{part}: samples, IoU of {titles[0]}" for part in parts))
    for rule, found in rules.items():
        scores = reached({arm: found["arms"][arm] for arm in arms}, "miou")
        own = found["per_class"][arms[0]]
        shown = (f"{found['shown'][part]:,}, {own.get(part, {}).get('mean', 0.0):.3f}" for part in parts)
        lines.append(row(rule, f"{found['kept']:,}", *scores, *shown))
    return lines


def bias(result: dict[str, Any]) -> str:
    """mIoU of every arm, and how much of the loss it gives back."""
    lines = head("labels", "trained on", "mIoU", "given back")
    for kind in dict.fromkeys(cell["bias"] for cell in result["cells"]):
        cells = [cell["miou"] for cell in result["cells"] if cell["bias"] == kind]
        lost = sum(cell["unbiased"] - cell["real_only"] for cell in cells)
        for arm in cells[0]:
            gained = sum(cell[arm] - cell["real_only"] for cell in cells)
            share = f"{gained / lost:.0%}" if lost > 0 and arm not in {"real_only", "unbiased"} else ""
            title = "real only, labels of all kinds" if arm == "unbiased" else arm.replace("_", " ")
            lines.append(row(kind, title, of_draws([cell[arm] for cell in cells]), share))
    return "\n".join(lines)


def conditions(result: dict[str, Any]) -> str:
    """What came out of what was asked for."""
    training, look = result["training"], result["looker"]
    right = ", ".join(f"{name} {share:.1%}" for name, share in look.items() if name != "yaw_error")
    said = (
        f"{training['kimg']} kimg at {training['resolution']} px; FD-lite0 {result['fd']:.1f} of images with the "
        f"attributes of photos. On rendered heads the networks that look are wrong by {look['yaw_error']:.1f} degrees "
        f"of yaw, and right about {right}."
    )
    lines = [said, "", *head("asked for", "came out", "unasked", "FD-lite0, asked", "FD-lite0, unconditional", "heads")]
    for case in result["rows"]:
        if "error" in case:
            came, none = f"{case['mean']:+.1f}°, off by {case['error']:.1f}°", f"off by {case['unasked']:.1f}°"
        else:
            came, none = f"{case['right']:.1%}", f"{case['unasked']:.1%}"
        known = (case[name] for name in ("fd_asked", "fd_unconditional"))
        distances = ("–" if value is None else f"{value:.1f}" for value in known)
        lines.append(row(case["asked"], came, none, *distances, f"{case['photos']:,}"))
    return "\n".join(lines)
