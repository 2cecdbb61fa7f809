"""What words of a question mean, in English and Chinese: tags by phrase, from the YAML files beside
this one.
"""

from functools import lru_cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

from limner.words.text import Phrases, stems_of

LANGUAGES = ("en", "zh")
FILLER = "filler"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cues: dict[str, str]
    """Tag to words and phrases, separated by commas."""
    filler: str
    """What carries no meaning of its own."""


def key_of(text: str) -> tuple[str, ...]:
    """How phrases are compared: light English stems, and Chinese character by character."""
    return stems_of(text, "en")


@lru_cache(maxsize=1)
def vocabulary() -> Phrases[frozenset[str]]:
    """Tags by `key_of` of a phrase, both languages in one table: a question may mix them."""
    found: dict[tuple[str, ...], set[str]] = {}
    for language in LANGUAGES:
        text = (
            resources.files("limner.chat.vocabulary")
            .joinpath(f"{language}.yaml")
            .read_text(encoding="utf-8")
        )
        data = _File.model_validate(yaml.safe_load(text))
        for tag, words in [*data.cues.items(), (FILLER, data.filler)]:
            for phrase in words.split(","):
                if key := key_of(phrase):
                    found.setdefault(key, set()).add(tag)
    table: Phrases[frozenset[str]] = Phrases()
    for key, tags in found.items():
        table.put(key, frozenset(tags))
    return table
