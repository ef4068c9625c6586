"""`handsoff push`: what goes to the hub, what stays here, and one sentence where it cannot go."""

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import handsoff
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import write_json
from handsoff.datasets.generated import write_records
from handsoff.datasets.hub import KEPT, push
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from toy import write_classes, write_mask

hub = pytest.importorskip("huggingface_hub")


class FakeApi:
    """Keeps what it is asked, or raises `error`."""

    asked: ClassVar[list[dict[str, Any]]] = []
    error: ClassVar[Exception | None] = None

    def create_repo(self, repo: str, **options: Any) -> str:
        if self.error is not None:
            raise self.error
        self.asked.append({"repo": repo, **options})
        return f"https://hub.example/datasets/{repo}"

    def upload_folder(self, **options: Any) -> None:
        self.asked.append(options)

    upload_file = upload_folder


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub, "HfApi", FakeApi)
    monkeypatch.setattr(FakeApi, "asked", [])
    write_mask(tmp_path / "labelled", "a", np.zeros((4, 4, 3), np.uint8), np.eye(4, dtype=np.uint8))
    write_classes(tmp_path / "labelled", ["background", "eye"])
    run_to_end(convert(tmp_path / "labelled", tmp_path / "out", ConvertSettings(format="huggingface")))
    return tmp_path / "out"


def test_a_dataset_goes_to_the_hub_without_what_is_private(dataset: Path) -> None:
    assert handsoff.push(dataset, "me/faces", private=True) == "https://hub.example/datasets/me/faces"
    created, uploaded = FakeApi.asked
    assert created == {"repo": "me/faces", "repo_type": "dataset", "private": True, "exist_ok": True}
    assert (uploaded["repo_id"], uploaded["folder_path"], uploaded["repo_type"]) == ("me/faces", dataset, "dataset")
    files = [file.relative_to(dataset).as_posix() for file in dataset.rglob("*") if file.is_file()]
    kept = set(hub.utils.filter_repo_objects(files, ignore_patterns=KEPT))
    assert {"README.md", "manifest.json", "data/train-00000.parquet", "classes.json"} <= kept
    assert not {"job.json", "report.json", "DONE"} & kept


def test_what_the_dataset_has_no_more_goes_from_the_hub_and_nothing_else(dataset: Path) -> None:
    push(dataset, "me/faces")
    there = [
        "images/old.png",
        "masks/old.png",
        "uncertainty/old.png",
        "uncertainty-depth/old.png",
        "shards/shard-0.tar",
        "shards.jsonl",
        "keypoints.json",
    ]
    own = ["LICENSE", "database/own.csv", "scripts/load.py", "README.md", ".gitattributes"]
    patterns = FakeApi.asked[-1]["delete_patterns"]
    assert list(hub.utils.filter_repo_objects([*there, *own], allow_patterns=patterns)) == there


def test_painted_samples_go_to_the_hub_without_who_painted_them(dataset: Path) -> None:
    write_json(dataset / "job.json", {"verb": "review", "inputs": {}, "settings": {}})
    write_records(dataset, [{"name": "a", "painted": {"from": "b", "who": "ann", "reached": 0.5}}])
    push(dataset, "me/faces")
    _, folder, file = FakeApi.asked
    assert "samples.jsonl" in folder["ignore_patterns"]
    assert file["path_in_repo"] == "samples.jsonl"
    assert json.loads(file["path_or_fileobj"]) == {"name": "a", "painted": {"from": "b", "reached": 0.5}}


def test_what_is_no_dataset_with_a_card_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no dataset of handsoff generate, label or convert"):
        push(tmp_path / "labelled", "me/faces")
    (dataset / "README.md").unlink()
    with pytest.raises(InputError, match="has no dataset card"):
        push(dataset, "me/faces")
    (dataset / "DONE").unlink()
    with pytest.raises(InputError, match="is not finished"):
        push(dataset, "me/faces")
    assert not FakeApi.asked


def test_without_the_extra_one_sentence_names_it(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HandsOffError, match=r"pip install 'handsoff-labels\[hub\]'"):
        push(dataset, "me/faces")


class RefusedError(Exception):
    """As the hub's library raises them: with the response."""

    def __init__(self, status: int) -> None:
        super().__init__("a long page")
        self.response = type("Response", (), {"status_code": status})()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionError("Name or service not known"), "The hub cannot be reached (Name or service not known)"),
        (RefusedError(401), "The hub refused me/faces (401): log in with `hf auth login`"),
        (RefusedError(403), "use a token that may write to it"),
        (RefusedError(500), "try again later"),
        (hub.errors.LocalTokenNotFoundError("no token"), "log in with `hf auth login`"),
        (hub.errors.HFValidationError("Repo id must …"), "'me/faces' is no name of a repository"),
    ],
)
def test_what_the_hub_says_is_one_sentence(
    error: Exception, sentence: str, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeApi, "error", error)
    with pytest.raises(HandsOffError) as found:
        push(dataset, "me/faces")
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)


def test_a_bug_stays_a_bug(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeApi, "error", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        push(dataset, "me/faces")


def test_no_network_is_one_sentence(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr(hub, "HfApi", lambda: hub_at("http://127.0.0.1:9"))
    with pytest.raises(HandsOffError, match="The hub cannot be reached"):
        push(dataset, "me/faces")


def hub_at(address: str) -> Any:
    """The real client, of a hub that is not there."""
    from huggingface_hub.hf_api import HfApi  # noqa: PLC0415  # not the fake

    return HfApi(endpoint=address)
