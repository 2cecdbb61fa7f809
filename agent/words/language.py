"""A language's closed vocabulary and templates, read from the YAML data beside this file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain

from limner.core.columns import Nouns
from limner.core.errors import UsageError
from limner.core.messages import Message, message
from limner.words.data import Block, LanguageFile, Templates, read_language, read_values
from limner.words.inflect import inflect
from limner.words.text import Phrases, fold, tokens_of

Tags = frozenset[str]
LANGUAGES = ("en", "zh", "ko", "de", "fr", "es")
FALLBACK = "en"
CLAIMS = frozenset(
    {
        "rising",
        "fading",
        "steady",
        "recent",
        "majority",
        "only",
        "always",
        "never",
        "often",
        "rare",
        "superlative",
        "broad",
        "narrow",
    }
)
"""Words of these kinds are accepted only where the cited facts bear them out."""


@dataclass(frozen=True, eq=False)
class Language:
    """What a portrait in one language may say without grounds, and how templates say it.

    `lexicon` maps folded token sequences to tags: function, noun, verb, neutral, like, dislike,
    negation, contrast, reset, neutralizing, baseline (words for everybody), exemplify, split, the
    CLAIMS, particle (Korean), and `group:NAME` (words for a habit's label).
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
    points: frozenset[str]
    modal: frozenset[str]
    crowd: frozenset[str]
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
    templates: Templates

    def value(self, value: str) -> str:
        """A catalogue value in this language where a translation is known, else as it is."""
        forms = self.concepts.get(fold(value))
        return forms[0] if forms else value

    @property
    def lowers_nouns(self) -> bool:
        """Whether common nouns are in lower case: neither German nor a script without capitals."""
        return not self.cjk and self.code != "de"

    def facet(self, facet: str) -> str:
        return self.facets.get(facet, facet.replace("_", " "))


def spoken(code: str, nouns: Nouns | None = None) -> Language:
    """The language of a code; English where there is no vocabulary for it, since nothing could be
    checked. `nouns`: what English calls the things of this catalogue.
    """
    language = load_language(code if is_spoken(code) else FALLBACK)
    if nouns is None or not nouns.item or language.code != FALLBACK:
        return language
    return _with_nouns(nouns.item, nouns.items or nouns.item)


@cache
def _with_nouns(item: str, items: str) -> Language:
    """English that says "films" for items and titles, and knows the words."""
    plain = load_language(FALLBACK)
    say = partial(with_nouns, item=item, items=items)
    templates = plain.templates.model_copy(
        update={
            "value": {facet: say(form) for facet, form in plain.templates.value.items()},
            "prices": {band: say(form) for band, form in plain.templates.prices.items()},
        }
    )
    phrases = {
        trait: {label: say(form) for label, form in forms.items()}
        for trait, forms in plain.phrases.items()
    }
    lexicon: Phrases[Tags] = Phrases()
    for key, tags in plain.lexicon.entries():
        lexicon.put(key, tags)
    for noun, like in ((item, "item"), (items, "items")):
        known = plain.lexicon.get(_key(like))
        if known is not None and _key(noun) not in lexicon:
            lexicon.put(_key(noun), known)
    return replace(
        plain,
        templates=templates,
        phrases=phrases,
        lexicon=lexicon,
        item_nouns=plain.item_nouns | {fold(item), fold(items)},
    )


_ITEMS = re.compile(r"(?<!\{)\b(?:([Aa])n )?(?:item|title)(s?)\b(?!\})")
"""The words of templates that stand for things of the catalogue; no name of what fills them in."""


def with_nouns(text: str, *, item: str, items: str) -> str:
    """An English template that says "a film" for "an item", and "films" for more and for titles."""

    def named(match: re.Match[str]) -> str:
        noun = items if match[2] else item
        if not match[1]:
            return noun
        return f"{match[1]}n {noun}" if noun[0] in "aeiou" else f"{match[1]} {noun}"

    return _ITEMS.sub(named, text)


def is_spoken(code: str) -> bool:
    return _primary(code) in LANGUAGES


def unspoken(code: str) -> list[Message]:
    """A note that English is used instead of the language asked for; empty if it is not."""
    if is_spoken(code):
        return []
    return [message("language.unspoken", language=code, others=", ".join(LANGUAGES))]


def _primary(code: str) -> str:
    return code.replace("_", "-").split("-")[0].lower()


def supported_languages() -> tuple[str, ...]:
    """Codes of the languages with a closed vocabulary; in any other one nothing can be verified."""
    return LANGUAGES


def _entries(text: str) -> Iterable[str]:
    return (entry.replace("_", " ") for entry in text.split())


def _key(phrase: str) -> tuple[str, ...]:
    return tuple(t.folded for t in tokens_of(phrase) if t.kind != "mark")


def _lexicon(data: LanguageFile) -> Phrases[Tags]:
    table: Phrases[Tags] = Phrases()
    irregular = {word: forms.split() for word, forms in data.irregular.items()}

    for tag, block in _tagged_blocks(data):
        for entry, kind in _entries_of_block(block):
            for form in inflect(entry, kind, data.code, irregular):
                key = _key(form)
                tags = {tag, "reset"} if kind == "hada" and form.endswith("지만") else {tag}
                table.put(key, (table.get(key) or frozenset()) | tags)
    return table


def _tagged_blocks(data: LanguageFile) -> Iterable[tuple[str, Block]]:
    """(tag, words) of all parts of a language file that belong to the lexicon."""
    for section in (data.words, data.taste, data.claims):
        yield from section.items()
    for label, block in data.groups.items():
        yield f"group:{label}", block
    yield "exemplify", data.exemplify
    yield "split", data.split
    yield "noun", data.percent
    yield "noun", data.person
    for phrase in (*data.facets.values(), *data.traits.values()):
        yield "noun", phrase.replace(" ", "_")


def _entries_of_block(block: Block) -> Iterable[tuple[str, str]]:
    """(entry, kind of inflection) of each word or phrase of a block."""
    by_kind = {"words": block} if isinstance(block, str) else block
    return ((entry, kind) for kind, text in by_kind.items() for entry in _entries(text))


def _concepts(code: str) -> dict[str, tuple[str, ...]]:
    """`Language.concepts` of one language.

    Where two values share a form, the value whose name it is has it, then the first in the file;
    this language's own first form comes before both.
    """
    concepts: dict[str, tuple[str, ...]] = {}
    values = read_values()
    for name, forms in values.items():
        own = tuple(forms.get(code, [name]))
        for form in chain.from_iterable(forms.values()):
            concepts.setdefault(fold(form), own)
        concepts[fold(name)] = own
    for forms in values.values():
        own = tuple(forms.get(code, ()))
        if own:
            concepts[fold(own[0])] = own
    return concepts


def _sensitive(data: LanguageFile, kind: str) -> Phrases[str]:
    table: Phrases[str] = Phrases()
    for trait, words in data.sensitive.items():
        for entry in _entries(words.person if kind == "person" else words.topic):
            table.put(_key(entry), trait)
            for form in inflect(entry, "nouns", data.code, {}) if kind == "person" else ():
                table.put(_key(form), trait)
    return table


@cache
def load_language(code: str) -> Language:
    """The language of a BCP 47 code; only its primary subtag counts ("zh-CN" is "zh").

    Raises UsageError where there is no vocabulary for it: see `supported_languages`.
    """
    primary = _primary(code)
    if primary not in LANGUAGES:
        raise UsageError("language.unverified", language=code, names=", ".join(LANGUAGES))
    data = read_language(primary)
    fractions: Phrases[float] = Phrases()
    for phrase, share in data.fractions.items():
        fractions.put(_key(phrase.replace("_", " ")), share)

    def words(text: str) -> frozenset[str]:
        return frozenset(fold(entry) for entry in _entries(text))

    return Language(
        code=primary,
        name=data.name,
        cjk=data.cjk,
        verb_last=data.order == "after",
        negation=data.negation,
        capital_names=data.capital_names,
        decimal_comma=data.decimal_comma,
        decades=data.decades,
        lexicon=_lexicon(data),
        numbers={fold(word): n for word, n in data.numbers.items()},
        fractions=fractions,
        months={
            fold(name): i + 1 for i, names in enumerate(data.months) for name in str(names).split()
        },
        percent=words(data.percent) | {"%", "％"},
        concepts=_concepts(primary),
        person=words(data.person),
        points=words(data.points),
        modal=words(data.modal),
        crowd=words(data.crowd),
        item_nouns=words(data.item_nouns),
        attribute_verbs=words(data.attribute_verbs),
        possessives=words(data.possessives),
        sensitive_person=_sensitive(data, "person"),
        sensitive_topic=_sensitive(data, "topic"),
        facets=data.facets,
        traits=data.traits,
        labels=data.labels,
        phrases=data.phrases,
        templates=data.templates,
    )
