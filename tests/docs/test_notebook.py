"""The notebook of the documentation runs from top to bottom."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import handsoff
from pages import ROOT

PARAMETERS = 'labels, steps, samples = 4, 2, 2\nwork = "notebook"'


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source = PARAMETERS
    package = str(Path(handsoff.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any(text.startswith("50 heads with ") for text in printed)
    assert any(text.startswith("8 samples; (3, 64, 64) torch.uint8 (64, 64) torch.int64") for text in printed)
    assert len(list((tmp_path / "notebook" / "dataset" / "masks").glob("*.png"))) == 8
