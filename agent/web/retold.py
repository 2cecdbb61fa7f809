"""Notes and errors, which the engine says in English, in the reader's language: read back by forms
of `retold.yaml`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import yaml

SOURCE = "en"
"""The language in which notes and errors are made."""
_PLACE = re.compile(r"\{(\w+)\}")
_AGAIN = ("error", "why")
"""Placeholders whose values are sentences, which are translated in the same way."""


@dataclass(frozen=True)
class Told:
    text: str
    lang: str
    """Language of the text: the reader's where the text could be translated."""


@dataclass(frozen=True)
class SentenceForm:
    """One sentence in every language."""

    said: Mapping[str, str]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = _PLACE.split(self.said[SOURCE])
        literal = [
            re.escape(part) if at % 2 == 0 else f"(?P<{part}>.+?)" for at, part in enumerate(parts)
        ]
        return re.compile("".join(literal), re.DOTALL)

    @property
    def fixed(self) -> int:
        """Characters that are not values: of two forms that fit, the one with more of them is
        meant.
        """
        return len(_PLACE.sub("", self.said[SOURCE]))


def read_forms() -> Sequence[SentenceForm]:
    """The most telling first."""
    text = resources.files("limner.web").joinpath("retold.yaml").read_text(encoding="utf-8")
    return sorted((SentenceForm(said) for said in yaml.safe_load(text)), key=lambda one: -one.fixed)


def retold(text: str, language: str, forms: Sequence[SentenceForm]) -> Told:
    """A note or an error in a language; as it is where no form is of it."""
    for form in forms if language != SOURCE else ():
        found = form.pattern.fullmatch(text)
        if found is not None:
            values = {
                name: retold(value, language, forms).text if name in _AGAIN else value
                for name, value in found.groupdict().items()
            }
            return Told(form.said[language].format_map(values), language)
    return Told(text, SOURCE)
