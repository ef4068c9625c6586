"""`handsoff push`: a dataset with its card to the Hugging Face hub, where one can be reached."""

import json
import os
from pathlib import Path
from typing import Any

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import read_json
from handsoff.datasets.card import CARD
from handsoff.datasets.corrections import corrections_folder, is_corrections
from handsoff.datasets.generated import SAMPLES, UNCERTAINTY, read_records
from handsoff.datasets.shards import INDEX, url_of
from handsoff.datasets.sources import label_folders
from handsoff.tasks import TASKS

PUSHED = frozenset({"generate", "label", "convert", "review"})  # verbs whose folders are datasets
# Paths of this machine, and photos of yours: from the anchors a generator rebuilds them.
KEPT = ["job.json", "report.json", "DONE", "ledger/*", "inversions.png", "anchors.safetensors", ".*"]
HTTP = ("httpx", "httpcore", "requests", "urllib3")  # libraries by which huggingface_hub may speak to it
HINTS = {
    401: "log in with `hf auth login`, or set HF_TOKEN",
    403: "use a token that may write to it",
    404: "check its name, and that your token may write to it",
}


def push(dataset: str | os.PathLike[str], repo: str, *, private: bool = False) -> str:
    """Upload a finished dataset to the Hugging Face hub; the same call again makes the repository what it is now.

    The accounts of how the folder was made (`job.json`, `report.json`, the ledger), which hold paths of this machine,
    `inversions.png`, which shows labelled photos, and `anchors.safetensors`, their latents, stay here. So does who
    painted samples.

    Args:
        dataset: The folder of `handsoff generate` or `label`, of `handsoff convert` in a format that has a card, or the
            painted samples of `handsoff review`.
        repo: Where it goes, as OWNER/NAME.
        private: Make a repository private where it is a new one.

    Returns:
        Its address.

    Raises:
        InputError: The folder is no finished dataset with a card.
        HandsOffError: The extra `hub` is not installed, or the hub refuses or cannot be reached.
    """
    folder = Path(dataset)
    check_pushable(folder)
    try:
        import huggingface_hub  # noqa: PLC0415  # an extra
    except ImportError:
        raise HandsOffError("handsoff push needs huggingface_hub: pip install 'handsoff-labels[hub]'.") from None
    api: Any = huggingface_hub.HfApi()
    anonymous = records_without_people(folder)
    try:
        address = api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        kept = [*KEPT, SAMPLES] if anonymous else KEPT
        api.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=folder, ignore_patterns=kept, delete_patterns=replaced()
        )
        if anonymous:
            api.upload_file(repo_id=repo, repo_type="dataset", path_or_fileobj=anonymous, path_in_repo=SAMPLES)
    except Exception as error:
        raise explained(error, repo) from error
    return str(address)


def replaced() -> list[str]:
    """Where a dataset has its images and labels: what an earlier upload put there and the folder lacks now, goes.

    Else images that were dropped since would stay among the labelled ones. Other files of the repository stay.
    """
    folders = {"images", "shards", "data", *label_folders()}
    tables = {f"{location.folder}.json" for task in TASKS.values() for location in task.locations}
    cards = {task.card for task in TASKS.values()}
    maps = f"{UNCERTAINTY}-*/*"  # of one task among several
    return sorted({f"{folder}/*" for folder in folders} | {maps, INDEX} | tables | cards)


def records_without_people(folder: Path) -> bytes:
    """The samples.jsonl of painted samples without who painted them; of any other dataset nothing."""
    records = read_records(folder) if read_json(folder / "job.json")["verb"] == "review" else []
    for record in records:
        record["painted"].pop("who", None)
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def check_pushable(folder: Path) -> None:
    """Refuse what is no finished dataset with a card.

    Raises:
        InputError: it is none.
    """
    job = read_json(folder / "job.json") if (folder / "job.json").is_file() else {}
    verb = job.get("verb") if isinstance(job, dict) else None
    if verb not in PUSHED:
        raise InputError(
            f"{folder} is no dataset of handsoff generate, label or convert: give the folder that one of them wrote."
        )
    if not (folder / "DONE").is_file():
        raise InputError(f"{folder} is not finished: run handsoff {verb} again with the same options, it continues.")
    if is_corrections(corrections_folder(folder)):
        raise InputError(
            f"{folder} has corrections, which would not be uploaded: convert it, which applies them, and push that."
        )
    if (url := url_of(folder)) is not None:
        raise InputError(
            f"The shards of {folder} lie at {url}, and would not be uploaded: convert the dataset, and push that."
        )
    if not (folder / CARD).is_file():
        raise InputError(
            f"{folder} has no dataset card ({CARD}): convert the dataset with --format huggingface, and push that."
        )


def explained(error: Exception, repo: str) -> HandsOffError:
    """What went wrong at the hub, in a sentence; anything else is a bug and stays what it is.

    Raises:
        Exception: `error`, where it has nothing to do with the hub.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return HandsOffError(f"The hub refused {repo} ({status}): {HINTS.get(status, 'try again later')}.")
    kind = type(error)
    if kind.__name__ == "LocalTokenNotFoundError":
        return HandsOffError(f"The hub refused {repo}: {HINTS[401]}.")
    if kind.__name__ == "HFValidationError":
        return HandsOffError(f"{repo!r} is no name of a repository: write OWNER/NAME.")
    if isinstance(error, OSError) or kind.__module__.startswith(HTTP):
        reason = next(iter(str(error).splitlines()), "") or kind.__name__
        return HandsOffError(f"The hub cannot be reached ({reason.rstrip('.')}): try again where there is a network.")
    raise error
