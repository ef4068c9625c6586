"""Works that are killed, interrupted, out of room or not alone: run again, they end as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import killing

KILLS = int(
    os.environ.get("HANDSOFF_KILLS", "0")
)  # so many, however long it takes; else what half a minute has room for


@pytest.mark.slow
def test_every_verb_ends_alike_whatever_stops_it(tmp_path: Path) -> None:
    tests = Path(killing.__file__).parent
    paths = os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    limits = ["--kills", str(KILLS or 1000), *([] if KILLS else ["--seconds", "30", "--seed", "1"])]
    done = subprocess.run(
        [sys.executable, killing.__file__, tmp_path / "trials", *limits],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["stuck"] == []
    assert found["different"] == []
    assert found["stopped"]
