"""The texts of the page in every language, from `words.yaml` beside this file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

import yaml

from limner.core.columns import NO_NOUNS, Nouns
from limner.core.errors import SettingsError
from limner.core.messages import Message, MessageText, say
from limner.words import Language, spoken
from limner.words.language import with_nouns
from limner.words.templates import spoken_value

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
"""Languages by code, each named in itself."""
_DECADE = re.compile(r"(?:1[5-9]|20)\d0s")
_OF_TITLES = re.compile(r"\btitle")
"""A form of the page that speaks of titles, which are not what things are called."""
Form = str | Mapping[str, str]
"""A format string, or two: `one`, where its `n` is 1, and `other`."""


@dataclass(frozen=True)
class Words:
    """One language."""

    code: str
    forms: Mapping[str, Form]
    nouns: Nouns = NO_NOUNS
    """What things of the catalogue are called, in English."""

    @property
    def language(self) -> Language:
        """The language of portraits and reasons, with the catalogue's nouns."""
        return spoken(self.code, self.nouns)

    def calling(self, nouns: Nouns) -> "Words":
        """These words, with the catalogue's nouns for its items; in English only."""
        if not nouns.item or nouns == self.nouns:
            return self
        forms = _named(self.forms, nouns) if self.code == "en" else self.forms
        return Words(self.code, forms, nouns)

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key, filled in; whole numbers with their thousands apart."""
        form = self.forms[key]
        if not isinstance(form, str):
            form = form["one" if values.get("n") == 1 else "other"]
        return (
            form.format_map({name: self.number(one) for name, one in values.items()})
            if values
            else form
        )

    def number(self, value: object) -> object:
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value

    def known(self, key: str, otherwise: str) -> str:
        """The words of a key that data named, or what it is called there."""
        form = self.forms.get(key)
        return form if isinstance(form, str) else otherwise

    def facet(self, facet: str) -> str:
        return self.language.facet(facet)

    def value(self, facet: str, value: str) -> str:
        """A catalogue value, translated where a translation is known; as the data have it in
        English.
        """
        if self.code == "en" and facet != "price band":
            return value
        language = self.language
        if _DECADE.fullmatch(value):
            return language.decades[0].format(year=value[:4])
        return spoken_value(facet, value, language)

    def tools(self, names: Iterable[str]) -> str:
        """What was looked up, each kind once."""
        return self("comma").join(
            dict.fromkeys(self.known(f"tool-{one}", one.replace("_", " ")) for one in names)
        )

    def message(self, message: Message) -> MessageText:
        """A note or an error of the engine, in this language where the catalogue has it so."""
        return say(message, self.code)

    def day(self, moment: datetime | None) -> str:
        return f"{moment:%Y-%m-%d}" if moment else self("no-date")


def _named(forms: Mapping[str, Form], nouns: Nouns) -> dict[str, Form]:
    """Forms that say "film" for item."""

    def say(form: str) -> str:
        return (
            form
            if _OF_TITLES.search(form)
            else with_nouns(form, item=nouns.item, items=nouns.items)
        )

    return {
        key: say(form) if isinstance(form, str) else {n: say(one) for n, one in form.items()}
        for key, form in forms.items()
    }


def read_words() -> Mapping[str, Words]:
    """The texts by language code. Raises SettingsError where a key lacks a language."""
    text = resources.files("limner.web").joinpath("words.yaml").read_text(encoding="utf-8")
    forms_by_key: dict[str, dict[str, Form]] = yaml.safe_load(text)
    for key, forms in forms_by_key.items():
        if set(forms) != set(LANGUAGES):
            raise SettingsError("page.words_incomplete", key=key, languages=sorted(forms))
    return {
        code: Words(code, {key: forms[code] for key, forms in forms_by_key.items()})
        for code in LANGUAGES
    }
