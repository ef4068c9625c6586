"""The steps of a finished run are read from its report."""

from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes, write_json
from handsoff.inspection.steps import finished_steps


@pytest.mark.parametrize("steps", [{}, {"steps": [1]}, {"steps": {"4/report": {"verb": "evaluate"}}}])
def test_a_damaged_report_is_refused_in_a_sentence(tmp_path: Path, steps: dict[str, Any]) -> None:
    write_json(tmp_path / "job.json", {"verb": "run", "inputs": {}, "settings": {}})
    write_json(tmp_path / "report.json", {"recipe": {}, **steps})
    write_bytes(tmp_path / "DONE", b"")
    with pytest.raises(InputError, match=r"report\.json is damaged \(steps.*restore it or make the folder again"):
        finished_steps(tmp_path)


def test_steps_have_their_inputs_in_the_run_or_elsewhere(tmp_path: Path) -> None:
    step = {
        "verb": "fit",
        "inputs": {"generator": "/elsewhere", "examples": "latents"},
        "seconds": 1,
        "outcome": "made",
    }
    write_json(tmp_path / "job.json", {"verb": "run", "inputs": {}, "settings": {}})
    write_json(tmp_path / "report.json", {"recipe": {}, "steps": {"4/labeler": step}})
    write_bytes(tmp_path / "DONE", b"")
    (found,) = finished_steps(tmp_path)
    assert found.inputs == {"generator": [Path("/elsewhere")], "examples": [tmp_path / "latents"]}
