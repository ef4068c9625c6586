"""What is in the repository belongs to everybody: nothing of the machine it was written on."""

import re
import subprocess

import pytest

from pages import ROOT

MACHINE = re.compile(rb"(?<![\w.*])/(work|root|Users|tmp)/\w")


def tracked() -> list[str]:
    """The files that git knows; none where this is no checkout."""
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607  # whichever git
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_folder_of_one_machine() -> None:
    files = tracked()
    if not files:
        pytest.skip("not a git checkout")
    for name in files:
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            found = [line.decode(errors="replace") for line in content.splitlines() if MACHINE.search(line)]
            assert not found, f"{name}: {found[0]}"
