"""The wheel: exactly the four packages with their data, and a command that works where no checkout
is.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = {
    "agent": PurePosixPath("limner"),
    **{name: PurePosixPath("limner", name) for name in ("evals", "prompts", "tools")},
}
"""Folders of the checkout, and where they lie in an installed copy."""
CARRIED = {".py", ".yaml", ".json", ".typed", ".html", ".css", ".js", ".svg", ".LICENSE"}
LEFT_BEHIND = (".*", "build", "dist", "demo-data", "*.egg-info", "__pycache__")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run with nothing of this process' settings; a failure shows what the command said."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIMNER_", "OPENAI_", "PYTHON"))
    }
    env = keep | {"LIMNER_LLM": "none", "LIMNER_CACHE": str(cwd / "cache")}
    done = subprocess.run(
        [str(one) for one in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy: what lies in a checkout's build/ would find its way into the wheel.
    source = tmp_path_factory.mktemp("source") / "limner"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    run(
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--outdir",
        source.parent / "dist",
        source,
        cwd=source.parent,
    )
    [made] = (source.parent / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a virtual environment that holds the wheel and sees the tests' packages, but no
    checkout.
    """
    place = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=place)
    python = _bin(place) / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        wheel,
        cwd=place,
    )
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(python, "-c", asked, cwd=place).stdout.strip())
    # A folder named in a .pth file is only put on the path: its own .pth files, an editable Limner
    # among them, are not.
    shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "dependencies.pth").write_text("\n".join(sorted(shared)), encoding="utf-8")
    return place


def _bin(place: Path) -> Path:
    return place / "venv" / ("Scripts" if os.name == "nt" else "bin")


def test_it_carries_the_four_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = {
            name for name in packed.namelist() if not name.split("/")[0].endswith(".dist-info")
        }
    ours = {
        (PACKAGES[package] / path.relative_to(ROOT / package)).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in CARRIED
    }
    assert names == ours
    assert {"limner/py.typed", "limner/words/en.yaml", "limner/prompts/portrait.v1.yaml"} <= names


def test_no_code_of_the_checkout_can_be_imported(place: Path) -> None:
    code = (
        "import importlib.util as u; "
        "print(*(u.find_spec(name).origin for name in ('limner', 'limner.evals', "
        "'limner.prompts', 'limner.tools'))); "
        "print(u.find_spec('tests'))"
    )
    ours, tests = run(_bin(place) / "python", "-c", code, cwd=place).stdout.splitlines()
    assert all(Path(origin).is_relative_to(place) for origin in ours.split())
    assert str(ROOT) not in tests


def test_the_command_works_from_another_folder(place: Path) -> None:
    limner = _bin(place) / "limner"
    assert "recommend" in run(limner, "--help", cwd=place).stdout
    assert run(limner, "--version", cwd=place).stdout == f"limner {PROJECT['version']}\n"
    rows = [
        f"u{user},i{item},{5 - item % 3},{1_000_000_000 + item}"
        for user in range(6)
        for item in range(user, 12)
    ]
    (place / "events.csv").write_text(
        "\n".join(["user_id,item_id,rating,timestamp", *rows]), encoding="utf-8"
    )
    titles = [f"i{item},Film {item},{('Comedy', 'Drama')[item % 2]}" for item in range(15)]
    (place / "items.csv").write_text("\n".join(["item_id,title,genres", *titles]), encoding="utf-8")
    tables = ("--events", "events.csv", "--items", "items.csv")
    report = json.loads(
        run(limner, "--data", "store", "ingest", *tables, "--json", cwd=place).stdout
    )
    assert report["events"]["kept"] == len(rows)
    answer = json.loads(
        run(limner, "--data", "store", "recommend", "u3", "-n", "3", "--json", cwd=place).stdout
    )
    assert len(answer["recommendations"]) == 3
    assert all(
        one["item"]["title"].startswith("Film ") and one["reason"]["text"]
        for one in answer["recommendations"]
    )
