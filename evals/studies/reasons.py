"""Reasons: do they cite what is there, say what they cite, say something of their own, and name
what mattered.

=================== ================================================================================
measure             of one user's list
=================== ================================================================================
citation.valid      share of the cited ids that are events of this user's, and of the cited
                    preferences that the
                    portrait holds
citation.any        share of the reasons that cite anything
words.model         share of the reasons in a model's words; the others are in template words
statement.precision share of the statements of the texts (quoted titles, values, numbers) that what
                    is cited supports
statement.recall    share of what is cited (preferences; events, by title or by a value they carry)
                    that the text states
feature.match       FMR: share of the reasons that name the value which joins the user and the item
necessity           fall in the item's rank when the cited events are taken from the history, as a
                    share of the
                    catalogue; `necessity.random` the same for as many other events, drawn by chance
necessity.top       PN: share of the items that leave the first ten then, and `necessity.top.random`
sufficiency         fall in rank when only the cited events are left; `sufficiency.random` as many
                    others
sufficiency.top     PS: share of the items that stay in the first ten then, and
                    `sufficiency.top.random`
necessity.score     fall in the item's score, in standard deviations of the scores of the user's
                    candidates
judge.supported     share of the reasons that a model, shown what is cited, says follow from it;
                    where it was asked
=================== ================================================================================

of all lists together
    feature.coverage    FCR: different values of the main facet that any reason names, of all that
                        the catalogue has
    diversity           DIV: mean number of values that two reasons have in common; less is more
                        diverse
    sentences.unique    USR: different texts, of all texts; `shapes.unique` the same without names
                        and numbers

FMR, FCR, DIV and USR are those of Li, Zhang and Chen (2020, "Generate neural template explanations
for recommendation"; 2021, "Personalized transformer for explainable recommendation", PETER), with
the facet values of the catalogue as features. There the feature of a pair comes from a review; here
it is the user's strongest mined like that the item carries, whatever the reason says, and FMR is
undefined where there is none. Precision and recall of statements follow the citation recall and
precision of Gao and others (2023, "Enabling large language models to generate text with
citations"), by rules instead of a model. Necessity and sufficiency are comprehensiveness and
sufficiency of DeYoung and others (2020, "ERASER"), with ranks for probabilities; PN and PS as Tan
and others (2021, "Counterfactual explainable recommendation") have them. Of items that the trained
channels do not know they are undefined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import (
    Event,
    Fact,
    Item,
    Profile,
    Reason,
    Recommendation,
    RecommendationRequest,
    Scale,
)
from limner.evals.studies.judge import Judge
from limner.evals.studies.lab import Lab
from limner.evals.studies.portraits import names_of, numbers_of, strongest
from limner.evals.studies.raw import Numbers, carries
from limner.evals.studies.records import Case, GivenReason
from limner.evals.studies.words import (
    CatalogueValue,
    ValueNames,
    is_title,
    named_in,
    numbers,
    quoted,
    shape,
)
from limner.llm.session import ModelHandle
from limner.rank import score_users
from limner.words.text import fold

NAN = float("nan")
TOP = 10
_MANY = 10_000
"""Scores below minus this are those of items that are no candidates."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Reasons = Sequence[tuple[Recommendation, Reason]]


# ---------------------------------------------------------------- statements


@dataclass(frozen=True)
class ReasonCase:
    """The item that a reason is for and the evidence that it cites."""

    item: Item
    events: Sequence[tuple[Event, Item | None]]
    preferences: Sequence[CatalogueValue]
    scales: Mapping[str, Scale]


@dataclass(frozen=True)
class Statements:
    made: int
    supported: int
    cited: int
    stated: int

    @property
    def precision(self) -> float:
        return self.supported / self.made if self.made else NAN

    @property
    def recall(self) -> float:
        return self.stated / self.cited if self.cited else NAN

    def __add__(self, other: "Statements") -> "Statements":
        return Statements(
            self.made + other.made,
            self.supported + other.supported,
            self.cited + other.cited,
            self.stated + other.stated,
        )


def statements(
    text: str, cited: ReasonCase, names: ValueNames, numbers_: Numbers | None = None
) -> Statements:
    """Counts of one reason.

    A quotation is supported where it is a title of the item or of a cited event's item, or a value
    that is; a value where it is a cited preference, or a cited event's item or the item itself
    carries it; a number where it is a cited event's value or an end of its scale.
    """
    supported = _supported(text, cited, names, numbers_)
    titles, values = quoted(text), named_in(text, names)
    named = {fold(value.value) for value in values}
    stated = [fold(preference.value) in named for preference in cited.preferences]
    stated += [
        item is not None
        and (_is_any_title(titles, [item]) or _any_carries([item], values, numbers_))
        for _, item in cited.events
    ]
    return Statements(len(supported), sum(supported), len(stated), sum(stated))


def _supported(
    text: str, cited: ReasonCase, names: ValueNames, numbers_: Numbers | None
) -> list[bool]:
    """For each quotation, value and number in a reason: whether what it cites supports it."""
    known = [cited.item, *(item for _, item in cited.events if item is not None)]
    preferred = {fold(preference.value) for preference in cited.preferences}

    def is_cited(value: CatalogueValue) -> bool:
        return fold(value.value) in preferred or _any_carries(known, [value], numbers_)

    by_word: dict[tuple[str, ...], bool] = {}
    for value in names.find(text):
        word = names.word(value)
        by_word[word] = is_cited(value) or by_word.get(word, False)
    quotations = [
        _is_any_title([title], known) or any(map(is_cited, names.exact(title)))
        for title in quoted(text)
    ]
    allowed = _numbers_of(cited)
    return [*quotations, *by_word.values(), *(number in allowed for number in numbers(text))]


def _is_any_title(titles: Sequence[str], items: Sequence[Item]) -> bool:
    return any(is_title(title, item.title) for title in titles for item in items)


def _any_carries(
    items: Sequence[Item], values: Sequence[CatalogueValue], numbers_: Numbers | None
) -> bool:
    return any(
        carries(item, value.facet, value.value, numbers_) for item in items for value in values
    )


def _numbers_of(cited: ReasonCase) -> set[float]:
    """Numbers that a reason may say: values of the cited events, and the ends of their scales."""
    allowed = {event.value for event, _ in cited.events if event.value is not None}
    for event, _ in cited.events:
        if (scale := cited.scales.get(event.source)) is not None:
            allowed |= {scale.low, scale.high}
    return allowed


# ---------------------------------------------------------------- all lists together


def unique_ratio(texts: Sequence[str]) -> float:
    """USR: different texts over texts; NaN without any."""
    return len(set(texts)) / len(texts) if texts else NAN


def feature_coverage(features: Sequence[Sequence[str]], collection: int) -> float:
    """FCR: different features named, over the features that there are."""
    return len({one for some in features for one in some}) / collection if collection else NAN


def feature_diversity(features: Sequence[Sequence[str]]) -> float:
    """DIV: mean over all pairs of explanations of the size of their features' intersection; NaN for
    fewer than two.
    """
    n = len(features)
    if n < 2:
        return NAN
    count: dict[str, int] = {}
    for some in features:
        for one in set(some):
            count[one] = count.get(one, 0) + 1
    return sum(k * (k - 1) / 2 for k in count.values()) / (n * (n - 1) / 2)


# ---------------------------------------------------------------- counterfactuals


def place(scores: Floats, item: int, banned: Ints) -> float:
    """1-based rank of an item among those not banned; an item tied with others has their mean
    rank.
    """
    held = scores.copy()
    held[banned] = -np.inf
    own = scores[item]
    return 1 + float((held > own).sum()) + (float((held == own).sum()) - 1) / 2


class ReasonStudy:
    """Measures one user's list at a time; what all users share is made once."""

    def __init__(
        self,
        lab: Lab,
        model: ModelHandle,
        *,
        n: int = TOP,
        judge: Judge | None = None,
        seed: int = 0,
    ) -> None:
        self._lab, self._model, self._n, self._seed, self._judge = lab, model, n, seed, judge
        self._names = names_of(lab)
        self._population = lab.engine.data.catalogue().population
        trained = lab.engine.state.ranker.model()
        if trained is None:
            raise ValueError("the lab is not trained")
        self._trained = trained
        self._numbers = numbers_of(lab)

    @property
    def features(self) -> int:
        """Values of the main facet."""
        return sum(one == self._population.primary for one in self._population.facets)

    async def one(self, user_id: str) -> Case:
        lab = self._lab
        response = await lab.engine.recommend(RecommendationRequest(user_id=user_id, n=self._n))
        events = {event.event_id: event for event in lab.events(user_id)}
        reasons = [
            (recommendation, recommendation.reason)
            for recommendation in response.recommendations
            if recommendation.reason is not None
        ]
        profile = await lab.engine.profile(user_id)
        measured = {
            **self._citations(reasons, events, profile),
            **self._statements(reasons, events),
            "feature.match": self._matches(user_id, reasons),
            **self._counterfactual(user_id, reasons, events),
        }
        if self._judge is not None:
            measured |= await self._judged(user_id, reasons, events)
        return Case(
            id=user_id,
            user_id=user_id,
            bucket=lab.bucket(user_id),
            groups=dict(lab.groups.get(user_id, {})),
            values={
                name: None if np.isnan(value) else float(value) for name, value in measured.items()
            },
            said=[self._said(recommendation, reason) for recommendation, reason in reasons],
            source=self._source(reasons),
        )

    def _citations(
        self, reasons: Reasons, events: Mapping[str, Event], profile: Profile
    ) -> dict[str, float]:
        preferences = {(fold(own.facet), fold(own.value)) for own in profile.preferences}
        valid = [event_id in events for _, reason in reasons for event_id in reason.evidence]
        valid += [
            (fold(value.facet), fold(value.value)) in preferences
            for _, reason in reasons
            for value in map(_value, reason.preferences)
        ]
        return {
            "citation.valid": sum(valid) / len(valid) if valid else NAN,
            "citation.any": _mean([bool(r.evidence or r.preferences) for _, r in reasons]),
            "words.model": _mean([r.source == "llm" for _, r in reasons]),
        }

    def _statements(self, reasons: Reasons, events: Mapping[str, Event]) -> dict[str, float]:
        total = Statements(0, 0, 0, 0)
        for recommendation, reason in reasons:
            values = [_value(name) for name in reason.preferences]
            cited = self._cited(recommendation, reason, events, values)
            total += statements(reason.text, cited, self._names, self._numbers)
        return {"statement.precision": total.precision, "statement.recall": total.recall}

    def _matches(self, user_id: str, reasons: Reasons) -> float:
        """FMR, over the reasons for items that carry one of the user's likes."""
        facts = self._lab.subject(user_id, self._model).facts.facts
        matches = []
        for recommendation, reason in reasons:
            if (joining := self._joining(recommendation.item, facts)) is not None:
                named = {fold(value.value) for value in named_in(reason.text, self._names)}
                matches.append(fold(joining.value) in named)
        return _mean(matches)

    def _source(self, reasons: Reasons) -> str:
        if self._model.chat is None or self._model.grade == "none":
            return "template"
        return "llm" if any(reason.source == "llm" for _, reason in reasons) else "failed"

    def _said(self, one: Recommendation, reason: Reason) -> GivenReason:
        main = self._population.primary
        features = [each.value for each in named_in(reason.text, self._names) if each.facet == main]
        return GivenReason(
            item_id=one.item.item_id,
            text=reason.text,
            shape=shape(reason.text, self._names),
            features=features,
            source=reason.source,
        )

    def _cited(
        self,
        recommendation: Recommendation,
        reason: Reason,
        events: Mapping[str, Event],
        values: Sequence[CatalogueValue],
    ) -> ReasonCase:
        own = [events[each] for each in reason.evidence if each in events]
        return ReasonCase(
            recommendation.item,
            [(each, self._lab.items.get(each.item_id or "")) for each in own],
            values,
            self._lab.scales,
        )

    def _joining(self, item: Item, facts: Sequence[Fact]) -> Fact | None:
        """The user's strongest like that the item carries; bands of a number are no features."""
        likes = [one for one in facts if one.polarity == "like" and not one.facet.endswith(" band")]
        return next(
            (
                one
                for one in strongest(likes, len(likes))
                if carries(item, one.facet, one.value, self._numbers)
            ),
            None,
        )

    # ------------------------------------------------------------ counterfactuals

    def _counterfactual(
        self, user_id: str, reasons: Reasons, events: Mapping[str, Event]
    ) -> dict[str, float]:
        names = (
            "necessity",
            "necessity.random",
            "necessity.top",
            "necessity.top.random",
            "necessity.score",
            "sufficiency",
            "sufficiency.random",
            "sufficiency.top",
            "sufficiency.top.random",
        )
        values: dict[str, list[float]] = {name: [] for name in names}
        positions = self._trained.positions
        past = [event for event in events.values() if event.item_id in positions]
        banned = np.unique([positions[event.item_id or ""] for event in past]).astype(np.int64)
        random = np.random.default_rng((self._seed, len(past)))
        for recommendation, reason in reasons:
            at = positions.get(recommendation.item.item_id)
            every = {event.event_id: None for event in past}
            cited = set(reason.evidence) & every.keys()
            others = [event_id for event_id in every if event_id not in cited]
            if at is None or not cited or at in banned or len(others) < len(cited):
                continue
            drawn = random.choice(np.array(others, dtype=object), len(cited), replace=False)
            for name, value in self._falls(past, cited, set(drawn.tolist()), at, banned).items():
                values[name].append(value)
        return {name: _mean(measured) for name, measured in values.items()}

    def _falls(
        self, past: Sequence[Event], cited: set[str], drawn: set[str], item: int, banned: Ints
    ) -> dict[str, float]:
        """How an item's rank and score fall without the cited events, without all others, and
        without as many random ones. `.top` is only measured for the first ten items, the score only
        for candidates.
        """
        every = {event.event_id for event in past}
        full, without, without_drawn, only, only_drawn = self._scores(
            past, [set(), cited, drawn, every - cited, every - drawn]
        )
        ranked = max(len(self._trained.item_ids) - len(banned), 1)
        before = place(full, item, banned)
        after = {
            "necessity": place(without, item, banned),
            "necessity.random": place(without_drawn, item, banned),
            "sufficiency": place(only, item, banned),
            "sufficiency.random": place(only_drawn, item, banned),
        }
        falls = {name: (place_after - before) / ranked for name, place_after in after.items()}
        if before <= TOP:
            falls["necessity.top"] = float(after["necessity"] > TOP)
            falls["necessity.top.random"] = float(after["necessity.random"] > TOP)
            falls["sufficiency.top"] = float(after["sufficiency"] <= TOP)
            falls["sufficiency.top.random"] = float(after["sufficiency.random"] <= TOP)
        spread = float(full[full > -_MANY].std())
        if spread > 0 and min(full[item], without[item]) > -_MANY:
            falls["necessity.score"] = float(full[item] - without[item]) / spread
        return falls

    def _scores(self, past: Sequence[Event], dropped: Sequence[set[str]]) -> NDArray[np.float64]:
        """[histories, items] of the history without each set of events."""
        histories = [
            self._lab.history([one for one in past if one.event_id not in without])
            for without in dropped
        ]
        return score_users(self._trained, histories)

    # ------------------------------------------------------------ a model's opinion

    async def _judged(
        self, user_id: str, reasons: Reasons, events: Mapping[str, Event]
    ) -> dict[str, float]:
        assert self._judge is not None
        verdicts: list[bool] = []
        unscored = 0
        for recommendation, reason in reasons:
            lines = [
                (
                    f"{event.type}{f' {event.value:g}' if event.value is not None else ''}: "
                    f"{item.title if item else ''}"
                )
                for event, item in self._cited(recommendation, reason, events, []).events
            ] + [f"likes {name.replace(':', ': ', 1)}" for name in reason.preferences]
            verdict = await self._judge.supported(
                user_id, recommendation.item.title, reason.text, lines
            )
            if verdict is None:
                unscored += 1
            else:
                verdicts.append(verdict)
        return {
            "judge.supported": sum(verdicts) / len(verdicts) if verdicts else NAN,
            "judge.unscored": float(unscored),
        }


def _mean(values: Sequence[float]) -> float:
    """The mean; NaN for no values."""
    return float(np.mean(values)) if values else NAN


def _value(name: str) -> CatalogueValue:
    facet, _, value = name.partition(":")
    return CatalogueValue(facet, value)
