"""Statements and how they are said: forms of words by name and language, from `words.yaml` beside
this file.

A form is a Python format string. Of a number the format spec is its noun, put into the plural where
English needs it: `{n:event}` is "1 event" or "1,682 events". A value may be a statement itself,
said in the same language.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import resources

import yaml
from pydantic import Field

from limner.core.columns import NO_NOUNS, Nouns
from limner.core.errors import SettingsError
from limner.core.schema import Value
from limner.words import spoken
from limner.words.language import with_nouns

LANGUAGES = ("en", "zh")
_OF_TITLES = re.compile(r"(?<!\{)\b[Tt]itles?\b")
"""A form that speaks of titles, which are not what things are called."""
_MARKS = 3
"""Events that one statement cites at most."""


class ToolStatement(Value):
    """A statement: which form of words, what fills it, and the events it rests on."""

    form: str
    values: "dict[str, str | int | float | ToolStatement]" = Field(default={})
    evidence: list[str] = Field(default=[])
    only: str = ""
    """The only language in which it can be said, for text that was written earlier; empty
    for any.
    """
    instead: "dict[str, ToolStatement]" = Field(default={})
    """Replacement statements by language, for text that was written earlier in another language."""

    def in_(self, language: str) -> "ToolStatement":
        """This statement, or its replacement in that language."""
        return self.instead.get(language, self)


Mark = Callable[[str], str]
"""An event id as the mark that cites it."""


def say(
    said: ToolStatement, language: str = "en", mark: Mark | None = None, nouns: Nouns = NO_NOUNS
) -> str:
    """The statement in words; with `mark`, its first events cited at its end, and those of its
    parts at theirs. nouns: what English calls the things of the catalogue.
    """
    said = said.in_(language)
    text = _fill(said, language, mark, nouns)
    cited = [mark(event) for event in said.evidence[:_MARKS]] if mark else []
    return f"{text} {' '.join(cited)}" if cited else text


def events_of(said: ToolStatement) -> list[str]:
    """Event ids that a statement and its parts rest on in any language, in order."""
    found = [
        event
        for one in said.values.values()
        if isinstance(one, ToolStatement)
        for event in events_of(one)
    ]
    others = [event for one in said.instead.values() for event in events_of(one)]
    return list(dict.fromkeys([*found, *said.evidence, *others]))


def listed(parts: Sequence[ToolStatement]) -> ToolStatement:
    """Several phrases as one that lists them."""
    whole = parts[-1] if parts else ToolStatement(form="nothing")
    for one in reversed(parts[:-1]):
        whole = ToolStatement(form="list", values={"first": one, "rest": whole})
    return whole


def phrase(text: str) -> ToolStatement:
    """Text that is the same in every language."""
    return ToolStatement(form="as_is", values={"text": text})


def kind(type_: str) -> ToolStatement:
    """The name of an event type in words, or as it is where there are none; empty for ""."""
    if not type_:
        return phrase("")
    form = f"type.{type_}"
    return ToolStatement(form=form) if form in _forms() else phrase(type_)


def channel(name: str) -> ToolStatement:
    """A way of finding items, in quotes: by its name, in words where another language has them."""
    form = f"channel.{name}"
    return (
        ToolStatement(form=form)
        if form in _forms()
        else ToolStatement(form="quoted", values={"text": name})
    )


def kind_before(type_: str) -> ToolStatement:
    """The name of an event type as it stands before the word "event"; empty for ""."""
    return ToolStatement(form="type.before", values={"type": kind(type_)}) if type_ else phrase("")


def _fill(said: ToolStatement, language: str, mark: Mark | None, nouns: Nouns) -> str:
    forms = _forms()
    if said.form not in forms:
        raise SettingsError("tools.unknown_form", form=said.form)
    values: dict[str, object] = {}
    for name, value in said.values.items():
        if isinstance(value, ToolStatement):
            values[name] = say(value, language, mark, nouns)
        elif isinstance(value, str):
            values[name] = spoken(language).facet(value) if name == "facet" else value
        else:
            values[name] = _Number(value, language, nouns)
    form = forms[said.form][language]
    if language == "en" and nouns.item and not _OF_TITLES.search(form):
        form = with_nouns(form, item=nouns.item, items=nouns.items)
    return form.format_map(values)


class _Number:
    def __init__(self, value: int | float, language: str, nouns: Nouns) -> None:
        self._value, self._language, self._nouns = value, language, nouns

    def __format__(self, noun: str) -> str:
        value = self._value
        plain = f"{value:,}" if isinstance(value, int) else f"{value:.10g}"
        if not noun:
            return plain
        if self._language != "en":
            return f"{plain}{noun}"
        if self._nouns.item and noun.endswith("item"):
            of = noun.removesuffix("item")
            return f"{plain} {of}{self._nouns.item if value == 1 else self._nouns.items}"
        return f"{plain} {noun if value == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


@lru_cache(maxsize=1)
def _forms() -> Mapping[str, Mapping[str, str]]:
    """By name, then language. Raises SettingsError where a form lacks a language."""
    text = resources.files("limner.tools").joinpath("words.yaml").read_text(encoding="utf-8")
    forms: dict[str, dict[str, str]] = yaml.safe_load(text)
    for name, form in forms.items():
        if set(form) != set(LANGUAGES):
            raise SettingsError("tools.form_incomplete", form=name, languages=sorted(form))
    return forms
