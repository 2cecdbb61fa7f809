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
"""Below minus this lies what is no candidate, whose score says nothing."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# ---------------------------------------------------------------- statements


@dataclass(frozen=True)
class ReasonCase:
    """What a reason may be judged by: the item it is for, and what it cites."""

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


def statements(
    text: str, cited: ReasonCase, names: ValueNames, numbers_: Numbers | None = None
) -> Statements:
    """Counts of one reason.

    A quotation is supported where it is a title of the item or of a cited event's item, or a value
    that is; a value where it is a cited preference, or a cited event's item or the item itself
    carries it; a number where it is a cited event's value or an end of its scale.
    """
    known = [cited.item, *(item for _, item in cited.events if item is not None)]
    preferred = {fold(one.value) for one in cited.preferences}

    def holds(one: CatalogueValue) -> bool:
        return fold(one.value) in preferred or any(
            carries(item, one.facet, one.value, numbers_) for item in known
        )

    by_word: dict[tuple[str, ...], bool] = {}
    for one in names.find(text):
        by_word[names.word(one)] = holds(one) or by_word.get(names.word(one), False)
    titles = quoted(text)
    held = [
        any(is_title(said, item.title) for item in known)
        or any(holds(one) for one in names.exact(said))
        for said in titles
    ]
    allowed = {event.value for event, _ in cited.events if event.value is not None}
    for event, _ in cited.events:
        if (scale := cited.scales.get(event.source)) is not None:
            allowed |= {scale.low, scale.high}
    held += [*by_word.values(), *(one in allowed for one in numbers(text))]
    values = named_in(text, names)
    named = {fold(one.value) for one in values}
    stated = [fold(one.value) in named for one in cited.preferences]
    for _, item in cited.events:
        stated.append(
            item is not None
            and (
                any(is_title(one, item.title) for one in titles)
                or any(carries(item, one.facet, one.value, numbers_) for one in values)
            )
        )
    return Statements(len(held), sum(held), len(stated), sum(stated))


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
        found = await lab.engine.recommend(RecommendationRequest(user_id=user_id, n=self._n))
        profile = await lab.engine.profile(user_id)
        events = {one.event_id: one for one in lab.events(user_id)}
        held = {(fold(one.facet), fold(one.value)) for one in profile.preferences}
        facts = lab.subject(user_id, self._model).facts.facts
        reasons = [(one, one.reason) for one in found.recommendations if one.reason is not None]
        right = named = 0
        made = supported = cited = stated = 0
        match: list[float] = []
        for one, reason in reasons:
            values = [_value(name) for name in reason.preferences]
            right += sum(each in events for each in reason.evidence)
            right += sum((fold(each.facet), fold(each.value)) in held for each in values)
            named += len(reason.evidence) + len(values)
            counted = statements(
                reason.text, self._cited(one, reason, events, values), self._names, self._numbers
            )
            made, supported = made + counted.made, supported + counted.supported
            cited, stated = cited + counted.cited, stated + counted.stated
            if (joining := self._joining(one.item, facts)) is not None:
                match.append(
                    float(
                        fold(joining.value)
                        in {fold(each.value) for each in named_in(reason.text, self._names)}
                    )
                )
        numbers_: dict[str, float] = {
            "citation.valid": right / named if named else NAN,
            "citation.any": float(np.mean([bool(r.evidence or r.preferences) for _, r in reasons]))
            if reasons
            else NAN,
            "words.model": float(np.mean([r.source == "llm" for _, r in reasons]))
            if reasons
            else NAN,
            "statement.precision": supported / made if made else NAN,
            "statement.recall": stated / cited if cited else NAN,
            "feature.match": float(np.mean(match)) if match else NAN,
            **self._counterfactual(user_id, reasons, events),
        }
        if self._judge is not None:
            numbers_ |= await self._judged(user_id, reasons, events)
        return Case(
            id=user_id,
            user_id=user_id,
            bucket=lab.bucket(user_id),
            groups=dict(lab.groups.get(user_id, {})),
            values={name: None if np.isnan(one) else float(one) for name, one in numbers_.items()},
            said=[self._said(one, reason) for one, reason in reasons],
            source=self._source(reasons),
        )

    def _source(self, reasons: Sequence[tuple[Recommendation, Reason]]) -> str:
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
        one: Recommendation,
        reason: Reason,
        events: Mapping[str, Event],
        values: Sequence[CatalogueValue],
    ) -> ReasonCase:
        own = [events[each] for each in reason.evidence if each in events]
        return ReasonCase(
            one.item,
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
        self,
        user_id: str,
        reasons: Sequence[tuple[Recommendation, Reason]],
        events: Mapping[str, Event],
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
        found: dict[str, list[float]] = {name: [] for name in names}
        past = [one for one in events.values() if one.item_id in self._trained.positions]
        banned = np.unique([self._trained.positions[one.item_id or ""] for one in past]).astype(
            np.int64
        )
        ranked = len(self._trained.item_ids) - len(banned)
        random = np.random.default_rng((self._seed, len(past)))
        for one, reason in reasons:
            at = self._trained.positions.get(one.item.item_id)
            cited = {each for each in reason.evidence if each in events and events[each] in past}
            others = [each.event_id for each in past if each.event_id not in cited]
            if at is None or not cited or at in banned or len(others) < len(cited):
                continue
            drawn = set(
                random.choice(np.array(others, dtype=object), len(cited), replace=False).tolist()
            )
            full, without, less, only, few = self._scores(
                past,
                [
                    set(),
                    cited,
                    drawn,
                    {e.event_id for e in past} - cited,
                    {e.event_id for e in past} - drawn,
                ],
            )
            before = place(full, at, banned)
            after = {
                "necessity": without,
                "necessity.random": less,
                "sufficiency": only,
                "sufficiency.random": few,
            }
            for name, scores in after.items():
                found[name].append((place(scores, at, banned) - before) / max(ranked, 1))
            if before <= TOP:
                for name, scores in (("necessity.top", without), ("necessity.top.random", less)):
                    found[name].append(float(place(scores, at, banned) > TOP))
                for name, scores in (("sufficiency.top", only), ("sufficiency.top.random", few)):
                    found[name].append(float(place(scores, at, banned) <= TOP))
            spread = float(full[full > -_MANY].std())
            if spread > 0 and min(full[at], without[at]) > -_MANY:
                found["necessity.score"].append(float(full[at] - without[at]) / spread)
        return {name: float(np.mean(held)) if held else NAN for name, held in found.items()}

    def _scores(self, past: Sequence[Event], dropped: Sequence[set[str]]) -> NDArray[np.float64]:
        """[histories, items] of the history without each set of events."""
        histories = [
            self._lab.history([one for one in past if one.event_id not in without])
            for without in dropped
        ]
        return score_users(self._trained, histories)

    # ------------------------------------------------------------ a model's opinion

    async def _judged(
        self,
        user_id: str,
        reasons: Sequence[tuple[Recommendation, Reason]],
        events: Mapping[str, Event],
    ) -> dict[str, float]:
        assert self._judge is not None
        verdicts: list[bool] = []
        unscored = 0
        for one, reason in reasons:
            lines = [
                (
                    f"{event.type}{f' {event.value:g}' if event.value is not None else ''}: "
                    f"{item.title if item else ''}"
                )
                for event, item in self._cited(one, reason, events, []).events
            ] + [f"likes {name.replace(':', ': ', 1)}" for name in reason.preferences]
            verdict = await self._judge.supported(user_id, one.item.title, reason.text, lines)
            if verdict is None:
                unscored += 1
            else:
                verdicts.append(verdict)
        return {
            "judge.supported": sum(verdicts) / len(verdicts) if verdicts else NAN,
            "judge.unscored": float(unscored),
        }


def _value(name: str) -> CatalogueValue:
    facet, _, value = name.partition(":")
    return CatalogueValue(facet, value)
