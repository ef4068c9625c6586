"""Write the tables of README.md and docs/*.md from benchmarks/results/*.json: no number there is typed by hand.

`python benchmarks/tables` writes them; with `--check` it only says which pages are out of date, and fails if one is.
The results of recipes (faces, heads-tasks, …) are the `diagnosis.json` that `handsoff diagnose RUN` wrote; those of
methods side by side (compare-cars, …) the `compare.json` of `handsoff compare`.
"""

import json
import re
import sys

from cost import engines, fitting, generator, labeling, review, scale, scrolling, writing
from making import averages, bias, composition, conditions, inversion, longtail, selection, training
from rows import RESULTS, ROOT
from worth import faces, gain, headline, heads, methods, photos, redesign, tasks

TABLES = (  # of which results, in which page
    ("training", "docs/experiments/training.md", training),
    ("averages", "docs/experiments/training.md", averages),
    ("inversion", "docs/experiments/inversion.md", inversion), ("composition", "docs/composition.md", composition),
    ("selection", "docs/composition.md", selection), ("longtail", "docs/composition.md", longtail),
    ("longtail-faces", "docs/composition.md", longtail),
    ("bias", "docs/composition.md", bias), ("bias-faces", "docs/composition.md", bias),
    ("conditions", "docs/composition.md", conditions),
    ("photos", "docs/experiments/photos.md", photos), ("photos", "README.md", gain),
    ("compare-faces-curve", "docs/experiments/photos.md", methods), ("compare-faces-curve", "README.md", headline),
    ("heads-tasks", "docs/tasks.md", tasks), ("faces-keypoints", "docs/tasks.md", tasks),
    ("faces", "docs/experiments/faces.md", faces), ("heads", "docs/experiments/heads.md", heads),
    ("redesign", "docs/experiments/redesign.md", redesign),
    ("generator", "docs/performance.md", generator), ("labeling", "docs/performance.md", labeling),
    ("review", "docs/review.md", review), ("scrolling", "docs/review.md", scrolling),
    ("engines", "docs/engines.md", engines), ("scale", "docs/scale.md", scale),
    ("fitting", "docs/performance.md", fitting), ("writing", "docs/performance.md", writing),
    ("compare-heads-methods", "docs/compare.md", methods), ("compare-heads-handsoff", "docs/compare.md", methods),
    ("compare-keypoints-frozen", "docs/experiments/keypoints.md", methods),
    ("compare-heads-keypoints", "docs/experiments/heads.md", methods),
    ("compare-heads-depth", "docs/experiments/heads.md", methods),
    *(
        (f"compare-{name}", f"docs/experiments/{name}.md", methods)
        for name in ("cars", "fashion", "driving", "heads", "keypoints")
    ),
)  # fmt: skip


def main() -> int:
    stale = []
    for name, page, table in TABLES:
        source = RESULTS / f"{name}.json"
        if not source.is_file():
            continue
        text = (ROOT / page).read_text(encoding="utf-8")
        body = table(json.loads(source.read_text(encoding="utf-8")))
        fresh = re.sub(
            f"(<!-- {name}:begin -->).*(<!-- {name}:end -->)",
            lambda found, body=body: f"{found[1]}\n{body}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        if fresh != text and "--check" in sys.argv:
            stale.append(page)
            print(f"{page} is not what benchmarks/results/{source.name} says: run python benchmarks/tables.")
        elif fresh != text:
            (ROOT / page).write_text(fresh, encoding="utf-8")
    return int(bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
