"""The API of the review, request by request."""

import errno
import io
import shutil
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from browsing import everything
from discs import CLASSES, blobs, write_dataset
from handsoff.core.files import disk_error, png, read_json, write_json
from handsoff.datasets.corrections import Corrections
from handsoff.datasets.labelled import open_labelled
from handsoff.review.app import create_app
from handsoff.review.desk import open_desk
from handsoff.review.session import open_session


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", blobs(6, 0))


def client_of(dataset: Path) -> TestClient:
    return TestClient(create_app(open_desk(open_session(dataset))))


@pytest.fixture
def client(dataset: Path) -> TestClient:
    return client_of(dataset)


def mask(client: TestClient, name: str) -> tuple[np.ndarray, str]:
    answer = client.get(f"/api/label/segmentation/{name}")
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content))), answer.headers["x-version"]


# --- see


def test_it_says_what_the_dataset_is(client: TestClient) -> None:
    facts = client.get("/api/dataset").json()
    assert facts["count"] == 6
    assert facts["size"] == [32, 32]
    assert facts["tasks"]["segmentation"]["editor"] == "mask"
    assert [part["name"] for part in facts["tasks"]["segmentation"]["parts"]] == CLASSES
    assert facts["tasks"]["segmentation"]["background"] == "background"
    assert facts["orders"][0] == "uncertainty"
    assert facts["decided"] == {"accept": 0, "reject": 0, "undecided": 6}


def test_the_most_uncertain_come_first_in_pages(client: TestClient) -> None:
    found = client.get("/api/samples", params={"from": 1, "count": 2}).json()
    assert found["total"] == 6
    assert [sample["name"] for sample in found["samples"]] == ["004", "003"]
    assert found["samples"][0]["version"] == 0


def test_what_is_decided_along_a_list_does_not_move_its_next_page(client: TestClient) -> None:
    asked: dict[str, str | int] = {"order": "name", "decision": "undecided", "count": 2}
    first = client.get("/api/samples", params={**asked, "from": 0}).json()
    for sample in first["samples"]:
        client.put(f"/api/decision/{sample['name']}", json={"decision": "accept", "version": 0})
    following = client.get("/api/samples", params={**asked, "from": 2, "list": first["list"]}).json()
    assert [sample["name"] for sample in following["samples"]] == ["002", "003"]
    assert (following["total"], following["list"]) == (6, first["list"])
    anew = client.get("/api/samples", params={**asked, "from": 0, "list": "of another server"}).json()
    assert [sample["name"] for sample in anew["samples"]] == ["002", "003"]
    assert (anew["total"], anew["list"] != first["list"]) == (4, True)


def test_pictures_are_served(client: TestClient) -> None:
    image = np.asarray(Image.open(io.BytesIO(client.get("/api/image/002").content)))
    assert np.array_equal(image, blobs(6, 0).images[2])
    small = client.get("/api/thumbnail/002", params={"task": "segmentation"})
    assert Image.open(io.BytesIO(small.content)).size == (32, 32)
    again = client.get("/api/thumbnail/002?task=segmentation", headers={"if-none-match": small.headers["etag"]})
    assert again.status_code == 304


def test_a_thumbnail_is_not_taken_for_that_of_another_dataset(client: TestClient, tmp_path: Path) -> None:
    other = client_of(write_dataset(tmp_path / "other", blobs(6, 1)))
    shown = {"if-none-match": client.get("/api/thumbnail/002").headers["etag"]}
    assert client.get("/api/thumbnail/002", headers=shown).status_code == 304
    assert other.get("/api/thumbnail/002", headers=shown).status_code == 200


@pytest.mark.parametrize("name", ["two\nlines", "last\n", "folder\n/cr\r", "a\u2028b"])
def test_a_sample_may_be_called_anything(tmp_path: Path, name: str) -> None:
    folder, images = tmp_path / "data", blobs(1, 0)
    for kind, data in (("images", images.images[0]), ("masks", images.labels[0])):
        file = folder / kind / f"{name}.png"
        file.parent.mkdir(parents=True)
        file.write_bytes(png(data))
    write_json(folder / "classes.json", ["background", "two\nlines", "core"])
    client, path = client_of(folder), quote(name)
    for kind in ("image", "thumbnail", "label/segmentation", "regions/segmentation"):
        assert client.get(f"/api/{kind}/{path}").status_code == 200
    answer = client.put(
        f"/api/label/segmentation/{path}", content=png(np.zeros((32, 32), np.uint8)), headers={"if-match": "0"}
    )
    assert answer.json()["corrected"] == ["segmentation"]
    assert client.put(f"/api/decision/{path}", json={"decision": "accept", "version": 1}).json()["name"] == name
    assert not open_labelled(folder).label("segmentation", name).any()
    assert client.get("/api/samples", params={"part": "two\nlines"}).status_code == 200


# --- decide and correct


def test_a_decision_is_on_the_disk_at_once(client: TestClient, dataset: Path) -> None:
    answer = client.put("/api/decision/003", json={"decision": "reject", "version": 0})
    assert answer.json() == {"name": "003", "version": 1, "decision": "reject", "corrected": []}
    assert read_json(dataset / "corrections" / "samples" / "003.json")["decision"] == "reject"
    assert "003" not in open_labelled(dataset).names
    assert client_of(dataset).get("/api/samples?decision=reject").json()["total"] == 1


def test_a_corrected_mask_comes_back(client: TestClient, dataset: Path) -> None:
    before, version = mask(client, "001")
    after = np.where(before == 2, 1, before).astype(np.uint8)
    answer = client.put("/api/label/segmentation/001", content=png(after), headers={"if-match": version})
    assert answer.json()["version"] == 1
    assert np.array_equal(mask(client, "001")[0], after)
    assert np.array_equal(open_labelled(dataset).label("segmentation", "001"), after)
    assert np.array_equal(open_labelled(dataset, corrections="ignore").label("segmentation", "001"), before)


def test_a_label_is_saved_though_another_of_its_sample_is_damaged(tmp_path: Path) -> None:
    folder = everything(tmp_path / "data")
    points = read_json(folder / "keypoints.json")
    write_json(folder / "keypoints.json", {**points, "001": [[99, 12, 2], [20, 12, 2]]})
    client = client_of(folder)
    assert client.get("/api/label/keypoints/001").status_code == 400
    label = png(np.zeros((32, 32), np.uint8))
    answer = client.put("/api/label/segmentation/001", content=label, headers={"if-match": "0"})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert client.post("/api/undo").status_code == 200


def test_a_label_as_the_dataset_has_it_is_no_correction(client: TestClient, dataset: Path) -> None:
    """The editor sends it where a stroke was taken back."""
    before, _ = mask(client, "001")
    changed = png(np.zeros_like(before))
    client.put("/api/label/segmentation/001", content=changed, headers={"if-match": "0"})
    answer = client.put("/api/label/segmentation/001", content=png(before), headers={"if-match": "1"})
    assert (answer.json()["version"], answer.json()["corrected"]) == (2, [])
    assert not (dataset / "corrections" / "masks" / "001.png").exists()
    assert not any(row["corrected"] for row in client_of(dataset).get("/api/samples").json()["samples"])
    assert client.post("/api/undo").json()["corrected"] == ["segmentation"]
    assert not mask(client, "001")[0].any(), "undo brings the correction back"


def test_a_label_counts_only_once_its_record_is_written(
    client: TestClient, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk."""
    before, _ = mask(client, "001")
    sent = {"content": png(np.zeros_like(before)), "headers": {"if-match": "0"}}
    with monkeypatch.context() as broken:
        broken.setattr(Corrections, "write_record", refuse_to_write)
        assert client.put("/api/label/segmentation/001", **sent).status_code == 503, "the page sends it again"
    assert np.array_equal(mask(client, "001")[0], before)
    assert not (dataset / "corrections" / "masks" / "001.png").exists()
    assert client.put("/api/label/segmentation/001", **sent).json()["corrected"] == ["segmentation"]
    assert client.post("/api/undo").json()["corrected"] == []
    assert np.array_equal(mask(client, "001")[0], before)


def refuse_to_write(*_: object) -> None:
    raise disk_error(Path("001.json"), OSError(errno.ENOSPC, "No space left on device"))


def test_a_correction_that_somebody_removed_can_be_made_again(client: TestClient, dataset: Path) -> None:
    before, _ = mask(client, "001")
    label = png(np.zeros_like(before))
    client.put("/api/label/segmentation/001", content=label, headers={"if-match": "0"})
    (dataset / "corrections" / "masks" / "001.png").unlink()
    assert client.put("/api/label/segmentation/001", content=label, headers={"if-match": "1"}).status_code == 200
    assert not mask(client, "001")[0].any()


def test_files_say_what_is_corrected(client: TestClient, dataset: Path) -> None:
    """As a person may remove or restore them, whatever the records say."""
    before, _ = mask(client, "001")
    client.put("/api/label/segmentation/001", content=png(np.zeros_like(before)), headers={"if-match": "0"})
    shown = client.get("/api/thumbnail/001?task=segmentation").content
    file = dataset / "corrections" / "masks" / "001.png"
    kept = file.rename(dataset / "kept.png")
    assert np.array_equal(mask(client, "001")[0], before), "the label that the dataset has"
    assert client.get("/api/thumbnail/001?task=segmentation").content != shown
    decided = client.put("/api/decision/001", json={"decision": "accept", "version": 1}).json()
    assert (decided["version"], decided["corrected"]) == (2, [])
    assert client.get("/api/samples?corrected=true").json()["total"] == 0
    shutil.copy(kept, file)
    late = client.put("/api/decision/001", json={"decision": "reject", "version": 1})
    assert late.json()["current"] == {"version": 2, "decision": "accept", "corrected": ["segmentation"]}
    assert not mask(client, "001")[0].any()
    assert client.get("/api/samples?corrected=true").json()["total"] == 1


def test_a_request_that_says_nothing_sensible_gets_one_sentence(client: TestClient) -> None:
    before, _ = mask(client, "001")
    answers = [
        client.get("/api/samples", params={"decision": "foo"}),
        client.get("/api/suggest", params={"count": 0}),
        client.put("/api/decision/001", json={}),
        client.put("/api/decision/001", content=b'{"decision": "accept", "version": 1e400}'),
        client.put("/api/label/segmentation/001", content=png(before), headers={"if-match": "9" * 5000}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 428]
    for answer in answers:
        assert answer.json().keys() == {"error"}
        assert answer.json()["error"].endswith(".")


def test_a_canvas_is_read(client: TestClient) -> None:
    before, version = mask(client, "001")
    rgba = np.dstack([before, before, before, np.full_like(before, 255)])
    answer = client.put("/api/label/segmentation/001", content=png(rgba), headers={"if-match": f'"{version}"'})
    assert answer.status_code == 200
    assert np.array_equal(mask(client, "001")[0], before)


def test_two_windows_do_not_lose_each_others_work(client: TestClient) -> None:
    now = client.get("/api/changes").json()["now"]
    one, two = {"x-window": "one"}, {"x-window": "two"}
    client.put("/api/decision/000", json={"decision": "accept", "version": 0}, headers=one)
    late = client.put("/api/decision/000", json={"decision": "reject", "version": 0}, headers=two)
    assert late.status_code == 409
    assert late.json()["current"] == {"version": 1, "decision": "accept", "corrected": []}
    assert client.get("/api/changes", params={"since": now}, headers=two).json()["names"] == ["000"]
    assert client.get("/api/changes", params={"since": now}, headers=one).json()["names"] == []


def test_a_window_takes_back_its_own_changes(client: TestClient, dataset: Path) -> None:
    before, _ = mask(client, "001")
    one = {"x-window": "one"}
    client.put("/api/decision/001", json={"decision": "accept", "version": 0}, headers=one)
    client.put("/api/label/segmentation/001", content=png(np.zeros_like(before)), headers={"if-match": "1", **one})
    assert client.post("/api/undo", headers={"x-window": "two"}).status_code == 400
    assert client.post("/api/undo", headers=one).json()["decision"] == "accept"
    assert np.array_equal(mask(client, "001")[0], before)
    assert not (dataset / "corrections" / "masks" / "001.png").exists()
    assert client.post("/api/undo", headers=one).json()["decision"] == "undecided"
    assert client.post("/api/undo", headers=one).status_code == 400


def test_what_another_window_did_since_stays(client: TestClient) -> None:
    before, _ = mask(client, "001")
    one, two = {"x-window": "one"}, {"x-window": "two"}
    mine, theirs = np.full_like(before, 1), np.full_like(before, 2)
    client.put("/api/label/segmentation/001", content=png(mine), headers={"if-match": "0", **one})
    client.put("/api/label/segmentation/001", content=png(theirs), headers={"if-match": "1", **two})
    client.put("/api/decision/001", json={"decision": "accept", "version": 2}, headers=one)
    assert client.post("/api/undo", headers=one).json()["decision"] == "undecided"
    assert client.post("/api/undo", headers=one).status_code == 409
    assert np.array_equal(mask(client, "001")[0], theirs)
    assert client.post("/api/undo", headers=two).status_code == 200
    assert np.array_equal(mask(client, "001")[0], mine)
    assert client.post("/api/undo", headers=two).status_code == 400


def test_what_another_window_took_back_is_no_obstacle(client: TestClient) -> None:
    one, two = {"x-window": "one"}, {"x-window": "two"}
    client.put("/api/decision/001", json={"decision": "accept", "version": 0}, headers=one)
    client.put("/api/decision/001", json={"decision": "reject", "version": 1}, headers=two)
    assert client.post("/api/undo", headers=two).json()["decision"] == "accept"
    assert client.post("/api/undo", headers=one).json()["decision"] == "undecided"


def test_a_window_takes_back_all_it_did_in_any_order(dataset: Path) -> None:
    session, rng, done = open_session(dataset), np.random.default_rng(0), []
    for changes in [True] * 20 + rng.choice([True, False], 20).tolist() + [False] * 40:
        if changes:
            name = f"00{rng.integers(3)}"
            done.append((name, session.decision(name)))
            session.decide(name, "accept" if rng.random() < 0.5 else "reject", session.record(name).version)
        elif done:
            name, record = session.undo()
            assert (name, record.decision) == done.pop()
    assert done == []
    assert session.counts()["undecided"] == 6


# --- another dataset at the same address


def test_a_page_of_another_dataset_changes_nothing(dataset: Path, tmp_path: Path) -> None:
    other = client_of(write_dataset(tmp_path / "other", blobs(6, 1)))
    client = client_of(dataset)
    client.headers["x-dataset"] = other.get("/api/dataset").json()["id"]
    label = png(np.zeros((32, 32), np.uint8))
    for answer in (
        client.put("/api/decision/001", json={"decision": "accept", "version": 0}),
        client.put("/api/label/segmentation/001", content=label, headers={"if-match": "0"}),
        client.post("/api/undo"),
        client.post("/api/refit"),
        client.post("/api/painted/1"),
        client.get("/api/samples"),
    ):
        assert answer.status_code == 412
        assert answer.json()["error"].startswith("The server has another dataset now than this page: reload")
    assert not (dataset / "corrections").exists()
    client.headers["x-dataset"] = client_of(dataset).get("/api/dataset").json()["id"]
    assert client.put("/api/decision/001", json={"decision": "accept", "version": 0}).status_code == 200


def test_a_dataset_is_known_again_until_it_is_made_anew(dataset: Path, tmp_path: Path) -> None:
    session = open_session(dataset)
    first = session.identity
    session.correct("segmentation", "001", np.zeros((32, 32), np.uint8), 0)
    assert open_session(dataset).identity == first
    shutil.copytree(dataset, tmp_path / "copy")
    assert open_session(tmp_path / "copy").identity != first
    records = dataset / "samples.jsonl"
    records.write_text(records.read_text().replace('"seed": 1', '"seed": 9'))
    assert open_session(dataset).identity != first


@pytest.mark.parametrize("name", ["nothing", "../classes.json", "..%2F..%2Fjob.json", "%2Fetc%2Fpasswd"])
@pytest.mark.parametrize("kind", ["image", "thumbnail", "label/segmentation", "uncertainty/segmentation"])
def test_nothing_but_samples_is_served(client: TestClient, kind: str, name: str) -> None:
    answer = client.get(f"/api/{kind}/{name}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"no image", {"if-match": "0"}, 400),
        (png(np.zeros((8, 8), np.uint8)), {"if-match": "0"}, 400),
        (png(np.full((32, 32), 9, np.uint8)), {"if-match": "0"}, 400),
        (png(np.zeros((32, 32), np.uint8)), {}, 428),
        (png(np.zeros((32, 32), np.uint8)), {"if-match": "3"}, 409),
    ],
)
def test_a_wrong_mask_is_refused_in_a_sentence(
    client: TestClient, dataset: Path, data: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.put("/api/label/segmentation/001", content=data, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert not (dataset / "corrections").exists()
