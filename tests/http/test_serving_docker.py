"""The Dockerfile: no engine runs here, so a linter reads it, and what it copies must be there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_linter_finds_nothing() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("HADOLINT IS MISSING: its wheel is for Linux on x86-64 alone")
    done = subprocess.run(
        [linter, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_all_that_is_installed_is_copied() -> None:
    kept = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.M)
    assert all((ROOT / one).exists() for one in kept)
    packages = {one.parent.name for one in ROOT.glob("*/__init__.py")} - {"tests"}
    read = {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"}
    assert packages | read == set(kept)
