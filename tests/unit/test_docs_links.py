"""Pages lead somewhere: links, headings and named files exist, and every part is described."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("prompts/*.md")])
NOT_THERE = {"agent/retrieve/item_knn.py", "tools/event_types.py", "agent/words/nl.yaml"}
"""Files that CONTRIBUTING.md has its reader write."""
_FENCED = re.compile(r"^ *```.*?^ *```", re.M | re.S)
_PATH = re.compile(r"`((?:agent|docs|evals|prompts|tests|tools)/[\w./-]+)`")


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.M)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_are_there(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if heading:
            assert heading in slugs(target), f"{page.name} links to {link}"
    for name in set(_PATH.findall(text)) - NOT_THERE:
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_every_folder_of_the_engine_has_its_paragraph() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "agent").glob("*/__init__.py")}
    missing = {name for name in folders if f"**`agent/{name}/`**" not in text}
    assert not missing


def test_every_decision_is_listed_and_says_why() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    for record in sorted(folder.glob("[0-9]*.md")):
        text = record.read_text(encoding="utf-8")
        assert f"]({record.name})" in listed
        assert text.startswith(f"# {int(record.name[:4])}. ")
        assert all(part in text for part in ("**Decided.**", "**Why.**", "**Costs.**"))


def test_what_the_pages_import_is_there() -> None:
    lines = {
        line
        for page in PAGES
        for line in re.findall(r"^ *(from limner[\w.]* import [\w, ]+)$", page.read_text(), re.M)
    }
    assert len(lines) > 5
    for line in lines:
        exec(line, {})
