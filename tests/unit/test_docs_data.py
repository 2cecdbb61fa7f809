"""docs/data.md names every key of a mapping file, and its examples are mappings."""

import re
from pathlib import Path

import yaml

from limner.ingest import parse_mapping
from limner.ingest.mapping import ALIASES, FIELDS, ColumnRule, FileFormat, Join, Mapping

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_every_key_is_documented() -> None:
    fenced = re.findall(r"```yaml(.*?)```", TEXT, re.S)
    inline = re.findall(r"`[^`]+`", re.sub(r"```.*?```", "", TEXT, flags=re.S))
    named = set(re.findall(r"[a-z_]+", " ".join([*fenced, *inline])))
    for model in (Mapping, ColumnRule, FileFormat, Join):
        assert set(model.model_fields) <= named, model.__name__
    for fields in FIELDS.values():
        assert set(fields) <= named


def test_every_example_is_a_mapping() -> None:
    examples = re.findall(r"```yaml(.*?)```", TEXT, re.S)
    assert len(examples) == 2
    for example in examples:
        parse_mapping(yaml.safe_load(example), "docs/data.md")


def test_the_aliases_that_are_named_are_found() -> None:
    table = re.findall(
        r"^\| `(\w+)` \| (`.*?) \|", TEXT.split("## Events")[1].split("## Items")[0], re.M
    )
    assert len(table) == 8
    for field, names in table:
        for name in re.findall(r"`([^`]+)`", names):
            assert name.lower() in ALIASES[field]
