"""The YAML file of one language as it is written: every key is declared, and an unknown or missing
one is an error.
"""

from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field

Forms = tuple[str, ...]
Block = str | dict[str, str]
"""Words separated by blanks: as they stand, or by the kind of inflection that they take."""


class Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListForm(Data):
    """How a list is said: "a, b, and c"."""

    comma: str
    last: str
    """Between two."""
    last_many: str
    """Before the last of three and more."""


class SummaryForms(Data):
    likes: Forms
    first: Forms
    """For likes that rest on few events."""
    top: Forms
    top_looked: str
    """`top` for items that were looked at and not chosen."""
    dislikes: Forms
    rising: str
    fading: str
    traits: str
    nothing: str


class ReasonForms(Data):
    """Why an item, by its grounds. Three forms each where an event is named: chosen, only looked
    at, or rated.
    """

    shared: Forms
    """A taste that the item shares, without an event."""
    shared_event: Forms
    shared_looked: Forms
    shared_rated: Forms
    followed: Forms
    """Others who had the event's item went on to this one."""
    followed_looked: Forms
    followed_rated: Forms
    together: Forms
    """Others had both."""
    together_looked: Forms
    together_rated: Forms
    alike: Forms
    """The two are described alike."""
    alike_looked: Forms
    alike_rated: Forms
    similar: Forms
    """People with a history like the user's chose it."""
    plain: Forms
    """Near to the history as a whole."""
    popular: Forms
    """Nothing of the user's leads to it: of someone known, and of someone who is not."""
    popular_cold: Forms
    recent: Forms
    recent_cold: Forms
    nothing: Forms
    """No way led to it: it was asked for."""


class Openings(Data):
    """First words of reasons for small models, and the last after "…"; empty where the phrasing
    prompt has one form.
    """

    liked: Forms = ()
    alike: Forms = ()
    """Where the event's item is described as the recommended one is."""
    others: Forms = ()
    """Where other people led from the event to the item."""
    taste: Forms = ()


class Templates(Data):
    value: dict[str, str]
    """How a facet's value stands in a sentence, by facet; `default`, `named` and `sensitive`
    too.
    """
    prices: dict[str, str]
    """The price bands low, mid and high."""
    list_: ListForm = Field(alias="list")
    like: Forms
    like_bare: Forms
    like_few: str
    """For likes with few events: gives counts, no shares."""
    like_one: str
    like_looked: str
    """`like_looked`, and the two that follow, are for items that were looked at and not chosen."""
    like_few_looked: str
    like_one_looked: str
    dislike: Forms
    dislike_bare: Forms
    trend: dict[str, str]
    summary: SummaryForms
    openings: Openings = Openings()
    reason: ReasonForms


class SensitiveWords(Data):
    person: str = ""
    """Forms for a statement about a person."""
    topic: str = ""


class LanguageFile(Data):
    """One language's YAML file. `limner.words.language.Language` is made from it."""

    code: str
    name: str
    cjk: bool = False
    order: str
    negation: str
    capital_names: bool = False
    decimal_comma: bool = False
    decades: Forms = ("{year}s",)
    irregular: dict[str, str] = {}
    words: dict[str, Block]
    taste: dict[str, Block] = {}
    claims: dict[str, Block]
    groups: dict[str, Block]
    exemplify: str
    split: str
    numbers: dict[str, float]
    fractions: dict[str, float]
    percent: str
    months: tuple[str | int, ...]
    person: str
    points: str
    """Words by which a sentence speaks of the item at hand: "this"."""
    modal: str
    """Words by which something is offered: "you may like X" offers X."""
    crowd: str
    """Words for other people, said of an item only where people led to it."""
    item_nouns: str
    sensitive: dict[str, SensitiveWords]
    attribute_verbs: str
    possessives: str
    facets: dict[str, str]
    traits: dict[str, str]
    labels: dict[str, str]
    phrases: dict[str, dict[str, str]]
    """Habits as verb phrases, by trait name and label."""
    templates: Templates


def read_language(code: str) -> LanguageFile:
    return LanguageFile.model_validate(_read(f"{code}.yaml"))


def read_values() -> dict[str, dict[str, list[str]]]:
    """Common catalogue values by name: how each language says them, the template's form first."""
    return _Values.model_validate({"values": _read("values.yaml")}).values


class _Values(Data):
    values: dict[str, dict[str, list[str]]]


def _read(name: str) -> object:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(
        files("limner.words").joinpath(name).read_text(encoding="utf-8"), Loader=loader
    )
