"""What things cost: seconds, memory, bytes."""

import json
from statistics import fmean, stdev
from typing import Any

from rows import RESULTS, head, row


def generator(result: dict[str, Any]) -> str:
    """Our form of modulated convolution beside the published one."""
    lines = head(
        "px", "batch", "published form, float32", "ours, float32", "published, mixed", "ours, mixed",
        "ratio float32", "ratio mixed", "difference",
    )  # fmt: skip
    for case in result["rows"]:
        timed = (case[name] for name in ("naive_float32", "ours_float32", "naive_mixed", "ours_mixed"))
        ratios = (f"{case[name]:.2f}" for name in ("ratio_float32", "ratio_mixed_to_mixed"))
        times = (f"{seconds:.2f} s" for seconds in timed)
        difference = f"{case['relative_difference']:.0e}"
        lines.append(row(str(case["resolution"]), str(case["batch"]), *times, *ratios, difference))
    return "\n".join(lines)


def labeling(result: dict[str, Any]) -> str:
    """Labels beside images and beside the published form, and what arithmetic alone would take."""
    lines = head(
        "px", "form", "image", "label", "image + label / image", "memory", "times faster", "times smaller",
        "difference", "same class",
    )  # fmt: skip
    for case in result["rows"]:
        compared = "same_argmax" in case
        lines.append(
            row(
                str(case["size"]),
                case["form"],
                f"{case['image']:.2f} s",
                f"{case['label']:.2f} s",
                f"{(case['image'] + case['label']) / case['image']:.2f}",
                f"{case['memory'] / 1e6:,.0f} MB",
                *(f"{case[name]:.1f}" if name in case else "" for name in ("faster", "smaller")),
                f"{case['relative_difference']:.0e}" if compared else "",
                f"{case['same_argmax']:.3%}" if compared else "",
            )
        )
    lines += ["", *head("px", "image", "published form", "ours", "ours / image")]
    for size, counts in result["operations"].items():
        numbers = (f"{counts[name]:,.0f}" for name in ("image", "naive", "ours"))
        lines.append(row(size, *numbers, f"{counts['ours'] / counts['image']:.1f}"))
    return "\n".join(lines)


def fitting(result: dict[str, Any]) -> str:
    """Fitting the labeler at a size where hypercolumns fit no machine."""
    lines = head(
        "px", "labelled images", "seconds", "of them the generator's", "peak memory", "published form, on paper"
    )
    for case in result["rows"]:
        seconds = (f"{case[name]:.0f}" for name in ("seconds", "generator_seconds"))
        memory = f"{case['memory'] / 1e9:.1f} GB", f"{case['naive_memory'] / 1e9:,.0f} GB"
        lines.append(row(str(case["size"]), str(case["images"]), *seconds, *memory))
    return "\n".join(lines)


def writing(result: dict[str, Any]) -> str:
    """Images a second, from bare to written."""
    lines = head(
        "tasks", "px", "images alone", "labelled by the pixel classifiers",
        "and by the image networks", "written one after the other",
        "handsoff generate", "lost to files", "times the cost of the first",
    )  # fmt: skip
    columns = ("bare", "labelled_by_members_alone", "labelled", "one_after_the_other", "generate")
    first = result["rows"][0]["generate"]
    for case in result["rows"]:
        rates = (f"{case[name]:.1f}" for name in columns)
        lost, times = f"{1 - case['generate'] / case['labelled']:.0%}", f"{first / case['generate']:.1f}"
        lines.append(row(", ".join(case["tasks"]), str(case["size"][0]), *rates, lost, times))
    precision = result["precision"]
    same = f"{precision['same_label']:.2%} of the pixels of {precision['samples']} samples"
    return "\n".join([*lines, "", f"In 16 bits {same} have the class of 32 bits."])


def scale(result: dict[str, Any]) -> str:
    """What was measured of many samples, and ten million by it."""
    samples, records, wanted = result["samples"], result["records"], 10_000_000
    seconds, counted = records["seconds"], records["records"]
    grown = samples["megabytes_most"] - samples["megabytes_warm"]
    said = (
        f"From {samples['samples'] // 10:,} to {samples['samples']:,} samples the process grew by {grown:.0f} MB, from "
        f"{samples['megabytes_warm']:.0f} MB on. With a million records it had "
        f"{records['megabytes_of_columns'] * 1e6 / counted:.0f} MB of columns, and at the most "
        f"{records['megabytes_more_at_most'] * 1e6 / counted:.0f} MB more than before."
    )
    times, files = wanted / counted, samples["ledger_files"] / samples["samples"] * wanted
    rows = {
        **at_64_px(wanted),
        "shards": f"{wanted / result['shard']:,.0f}",
        "files of the ledger": f"{files:,.0f}",
        "ledger": f"{samples['ledger_bytes_per_sample'] * wanted / 1e9:.1f} GB",
        "`samples.jsonl`": f"{samples['records_bytes_per_sample'] * wanted / 1e9:.1f} GB",
        "`shards.jsonl`": f"{samples['index_bytes_per_sample'] * wanted / 1e9:.1f} GB",
        "memory of the process that decides": f"{records['megabytes_more_at_most'] * times / 1000:.1f} GB more",
        "samples a second that it can take, at the most": f"{counted / seconds['write']:,.0f}",
        "reading the ledger, when a run goes on": f"{seconds['read'] * times / 60:.0f} minutes",
        "selection": f"{seconds['decide'] * times / 60:.1f} minutes",
        "each file that is written of all records": f"{seconds['stream'] * times / 60:.0f} minutes",
    }
    lines = [said, "", *head("of ten million samples", ""), *(row(*pair) for pair in rows.items())]
    return "\n".join(lines)


def at_64_px(samples: int) -> dict[str, str]:
    """What computing samples of 64 px takes, by `engines.json`."""
    path = RESULTS / "engines.json"
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))["engines"]["processes"]
    hours = samples / found["samples_per_second"]["2"] * 2 / 3600
    return {
        "computing, at 64 px": f"{hours:,.0f} hours of one core",
        "images, masks and uncertainty, at 64 px": f"{found['bytes_per_sample'] * samples / 1e9:,.0f} GB",
    }


def engines(result: dict[str, Any]) -> str:
    """What a second worker gives, and what a shard costs beside its labels."""
    rows = result["engines"]
    counts = list(dict.fromkeys(count for found in rows.values() for count in found["milliseconds"]))
    lines = head(
        "engine", "one worker", "two workers", "ratio", "first result after",
        *(f"ms per shard, of {int(count):,}" for count in counts),
    )  # fmt: skip
    for name, found in rows.items():
        rates = (f"{rate:.1f}/s" for rate in found["samples_per_second"].values())
        spent = (f"{found['milliseconds'][count]:.2f}" for count in counts)
        lines.append(row(f"`{name}`", *rates, f"{found['ratio']:.2f}", f"{found['start']:.1f} s", *spent))
    told = f"On {result['machine']['cores']} CPU cores; of `local`, workers are threads."
    return "\n".join([*lines, "", told])


def review(result: dict[str, Any]) -> str:
    """A simulated review: mIoU by the samples that were corrected, and how much was wrong in these."""
    settings, minutes = result["settings"], result["minutes_per_sample"]
    said = (
        f"{settings['seeds']} seeds, each with {settings['labels']} first labels and {settings['pool']} labelled heads "
        f"that can be corrected; mIoU on {settings['held_out']} other heads. A person is taken to need {minutes:g} "
        "minute for a sample:"
    )
    orders = list(dict.fromkeys(case["order"] for case in result["rows"]))
    lines = [said, "", *head("corrected", "minutes", *orders, *(f"wrong pixels, {order}" for order in orders))]
    for count in [0, *settings["budgets"]]:
        means, wrong, gains = [], [], []
        for order in orders:
            cases = [case for case in result["rows"] if (case["order"], case["corrected"]) == (order, count)]
            scores = [case["miou"] for case in cases]
            shares = [share for case in cases for share in case.get("changed", [])]
            means.append(f"{fmean(scores):.3f} ± {stdev(scores):.3f}")
            wrong.append(f"{fmean(shares):.0%}" if shares else "")
            first = fmean(case["miou"] for case in result["rows"] if (case["order"], case["corrected"]) == (order, 0))
            gains.append(f"{100 * (fmean(scores) - first):+.1f} {order}")
        lines.append(row(str(count), f"{count * minutes:g}", *means, *wrong))
    return "\n".join([*lines, "", f"Points of mIoU after {count * minutes:g} minutes: {', '.join(gains)}."])


def scrolling(result: dict[str, Any]) -> str:
    """What the server of a review takes with many samples."""
    lines = head(f"{result['samples']:,} samples", "seconds of one core")
    return "\n".join([*lines, *(row(what, f"{seconds:.2g}") for what, seconds in result["seconds"].items())])
