"""A language's closed vocabulary and templates, read from the YAML data beside this file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from agent.errors import UsageError
from agent.words.inflect import inflect
from agent.words.text import Phrases, fold, stems_of, tokens_of

Tags = frozenset[str]
LANGUAGES = ("en", "zh", "ko", "de", "fr", "es")
CLAIMS = frozenset(
    {"rising", "fading", "steady", "recent", "majority", "only", "always", "never", "often", "rare", "superlative",
     "broad", "narrow"}
)  # fmt: skip
"""Words of these kinds are accepted only where the cited facts bear them out."""


@dataclass(frozen=True, eq=False)
class Language:
    """What a portrait in one language may say without grounds, and how templates say it.

    `lexicon` maps folded token sequences to tags: function, noun, verb, neutral, like, dislike, negation, contrast,
    reset, neutralizing, baseline (words for everybody), exemplify, split, the CLAIMS, particle (Korean), and
    `group:NAME` (words for a habit's label).
    """

    code: str
    name: str
    cjk: bool
    verb_last: bool
    """True where the taste word follows what it speaks of (Korean)."""
    negation: str
    """Where a negation stands by its taste word: before, after, or around."""
    capital_names: bool
    """False where common nouns are capitalised too (German) or there are no capitals."""
    decimal_comma: bool
    decades: tuple[str, ...]
    lexicon: Phrases[Tags]
    numbers: Mapping[str, float]
    fractions: Phrases[float]
    months: Mapping[str, int]
    percent: frozenset[str]
    concepts: Mapping[str, tuple[str, ...]]
    """Folded value in any language to its forms in this one, the template's form first."""
    person: frozenset[str]
    item_nouns: frozenset[str]
    attribute_verbs: frozenset[str]
    possessives: frozenset[str]
    sensitive_person: Phrases[str]
    sensitive_topic: Phrases[str]
    facets: Mapping[str, str]
    traits: Mapping[str, str]
    labels: Mapping[str, str]
    phrases: Mapping[str, Mapping[str, str]]
    """Habits as verb phrases, by trait name and label."""
    templates: Mapping[str, Any]

    def value(self, value: str) -> str:
        """A catalogue value in this language where a translation is known, else as it is."""
        forms = self.concepts.get(fold(value))
        return forms[0] if forms else value

    def facet(self, facet: str) -> str:
        return self.facets.get(facet, facet.replace("_", " "))


def supported_languages() -> tuple[str, ...]:
    """Codes of the languages with a closed vocabulary; in any other one nothing can be verified."""
    return LANGUAGES


def _entries(text: str) -> Iterable[str]:
    return (entry.replace("_", " ") for entry in str(text or "").split())


def _key(phrase: str) -> tuple[str, ...]:
    return tuple(t.folded for t in tokens_of(phrase) if t.kind != "mark")


def _data(name: str) -> dict[str, Any]:
    loaded = yaml.load(files("agent.words").joinpath(name).read_text(encoding="utf-8"), Loader=_LOADER)
    return dict(loaded)


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _lexicon(data: Mapping[str, Any], code: str) -> Phrases[Tags]:
    table: Phrases[Tags] = Phrases()
    irregular = {str(k): str(v).split() for k, v in (data.get("irregular") or {}).items()}

    def add(block: Mapping[str, str] | str, tag: str) -> None:
        block = {"words": block} if isinstance(block, str) else block
        for kind, text in block.items():
            for entry in _entries(text):
                for form in inflect(entry, kind, code, irregular):
                    key = _key(form)
                    tags = {tag, "reset"} if kind == "hada" and form.endswith("지만") else {tag}
                    table.put(key, (table.get(key) or frozenset()) | tags)

    for section in ("words", "taste", "claims"):
        for tag, block in (data.get(section) or {}).items():
            add(block, tag)
    for tag, text in (data.get("groups") or {}).items():
        add(text, f"group:{tag}")
    for tag in ("exemplify", "split"):
        add(data.get(tag) or "", tag)
    for tag in ("percent", "person"):
        add(data.get(tag) or "", "noun")
    for text in (data.get("facets") or {}).values():
        add(str(text).replace(" ", "_"), "noun")
    for text in (data.get("traits") or {}).values():
        if "{" not in str(text):
            add(str(text).replace(" ", "_"), "noun")
    return table


def _concepts(code: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, forms in _data("values.yaml").items():
        own = tuple(str(form) for form in forms.get(code, [name]))
        for other in forms.values():
            for form in other:
                found.setdefault(fold(str(form)), own)
        found[fold(name)] = own
    for forms in _data("values.yaml").values():
        own = tuple(str(form) for form in forms.get(code, ()))
        if own:
            found[fold(own[0])] = own
    return found


def _sensitive(data: Mapping[str, Any], kind: str) -> Phrases[str]:
    table: Phrases[str] = Phrases()
    for trait, block in (data.get("sensitive") or {}).items():
        for entry in _entries(block.get(kind) or ""):
            table.put(_key(entry), trait)
            for form in inflect(entry, "nouns", str(data["code"]), {}) if kind == "person" else ():
                table.put(_key(form), trait)
    return table


@cache
def load_language(code: str) -> Language:
    """The language of a BCP 47 code; only its primary subtag counts ("zh-CN" is "zh").

    Raises UsageError where there is no vocabulary for it: see `supported_languages`.
    """
    primary = code.replace("_", "-").split("-")[0].lower()
    if primary not in LANGUAGES:
        raise UsageError(f"Portraits in '{code}' cannot be verified; choose one of {', '.join(LANGUAGES)}.")
    data = _data(f"{primary}.yaml")
    numbers = {fold(str(word)): float(n) for word, n in (data.get("numbers") or {}).items()}
    fractions: Phrases[float] = Phrases()
    for phrase, share in (data.get("fractions") or {}).items():
        fractions.put(_key(str(phrase).replace("_", " ")), float(share))
    months = {fold(name): i + 1 for i, names in enumerate(data.get("months") or []) for name in str(names).split()}

    def words(key: str) -> frozenset[str]:
        return frozenset(fold(entry) for entry in _entries(data.get(key) or ""))

    return Language(
        code=primary,
        name=str(data["name"]),
        cjk=bool(data.get("cjk", False)),
        verb_last=data.get("order") == "after",
        negation=str(data["negation"]),
        capital_names=bool(data.get("capital_names", False)),
        decimal_comma=bool(data.get("decimal_comma", False)),
        decades=tuple(data.get("decades") or ("{year}s",)),
        lexicon=_lexicon(data, primary),
        numbers=numbers,
        fractions=fractions,
        months=months,
        percent=words("percent") | {"%", "％"},
        concepts=_concepts(primary),
        person=words("person"),
        item_nouns=words("item_nouns"),
        attribute_verbs=words("attribute_verbs"),
        possessives=words("possessives"),
        sensitive_person=_sensitive(data, "person"),
        sensitive_topic=_sensitive(data, "topic"),
        facets={str(k): str(v) for k, v in (data.get("facets") or {}).items()},
        traits={str(k): str(v) for k, v in (data.get("traits") or {}).items()},
        labels={str(k): str(v) for k, v in (data.get("labels") or {}).items()},
        phrases=data.get("phrases") or {},
        templates=data["templates"],
    )


def stems(text: str, language: Language) -> tuple[str, ...]:
    """Stems of a text in a language."""
    return stems_of(text, language.code)
