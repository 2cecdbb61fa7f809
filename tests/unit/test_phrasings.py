"""Phrasings of questions: the shipped ones fill, and a file that does not fit says why."""

from pathlib import Path

import pytest
import yaml

from limner.core.errors import BadInputError
from limner.evals.studies.questions import KINDS, SHIPPED, load_phrasings


def test_the_shipped_phrasings_fill() -> None:
    found = load_phrasings(SHIPPED)
    fill = dict.fromkeys(("user", "other", "type", "facet", "title", "value", "nobody"), "x")
    for kind in KINDS:
        templates = found.of(kind)
        assert len(templates) >= 10 and {language for language, _ in templates} == {"en", "zh"}
        assert all("{" not in template.format(**fill) for _, template in templates)


@pytest.mark.parametrize(
    ("kind", "template", "complaint"),
    [
        ("count", "How many?", "lacks {user}"),
        ("last", "{user} and {other}", "has {other}"),
        ("best", None, "none for"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, kind: str, template: str | None, complaint: str) -> None:
    templates = {one: {"en": list(texts)} for one, texts in _fitting().items()}
    templates[kind]["en"] = [template] if template else []
    file = tmp_path / "words.yaml"
    file.write_text(yaml.safe_dump(templates), encoding="utf-8")
    with pytest.raises(BadInputError, match=complaint):
        load_phrasings(str(file))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        load_phrasings("nowhere.yaml")


def _fitting() -> dict[str, list[str]]:
    return {
        "count": ["{user}"],
        "count-type": ["{user} {type}"],
        "last": ["{user}"],
        "favourite": ["{user} {facet}"],
        "best": ["{user}"],
        "compare": ["{user} {other}"],
        "cohort": ["{title}"],
        "cohort-value": ["{facet} {value}"],
        "unanswerable": ["{nobody}"],
    }
