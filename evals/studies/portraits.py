"""Portraits: are their claims grounded, do they name what matters, do they stay the same, and does
ranking gain.

=================== ================================================================================
measure             of one user
=================== ================================================================================
grounded            share of the preferences that hold in all of the following
grounded.cited      ... that cite events, all of which exist and are the user's
grounded.facet      ... all of whose cited events carry the value
grounded.polarity   ... all of whose cited events can be read as the polarity says
grounded.basis      ... all of whose cited events are of the kind that the basis speaks of
grounded.chance     share that would hold if each cited as many of the user's events, drawn by
                    chance: how easy it is
grounded.summary    share of the catalogue's values named in the summary that an item of the user's
                    carries
coverage@5          share of the five strongest mined facts that a preference names, with the same
                    polarity
coverage.summary    share of the three strongest that the summary names
stability.rebuild   Jaccard of the preferences of the portrait and of one painted again (a model is
                    asked anew)
stability.thinned   the same for a portrait of the history without a tenth of its events, drawn by
                    chance
utility.SCOPE.ARM   ndcg@10 over the catalogue of what the user went on to; see
                    `limner.evals.studies.utility`
steer.SCOPE         how far a stated preference lifts the items that carry it; see
                    `limner.evals.studies.utility`
=================== ================================================================================

Beside them stand `preferences`, how many there are, and `words.model`, the share of them in a
model's words.

A preference is its facet, value and polarity. Nothing here asks `limner.verify`:
`limner.evals.studies.raw` reads the events and items anew. The mined facts of coverage are the
engine's own, as an oracle of what the history says most.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limner.core.schema import Event, Fact, Item, Preference, Profile, Scale
from limner.evals.studies.lab import Lab
from limner.evals.studies.raw import Numbers, carries, judge
from limner.evals.studies.records import Case
from limner.evals.studies.utility import Bench
from limner.evals.studies.words import ValueNames, named_in
from limner.llm import Chat, ChatReply, ChatRequest
from limner.llm.session import ModelHandle
from limner.profile import paint
from limner.words import spoken, thing
from limner.words.text import fold

NAN = float("nan")
STRONGEST = 5
SUMMARISED = 3
THINNED = 0.1

Key = tuple[str, str, str]


# ---------------------------------------------------------------- kernels


def key_of(claim: Preference | Fact) -> Key:
    return fold(claim.facet), fold(claim.value), claim.polarity


def jaccard(a: Collection[Key], b: Collection[Key]) -> float:
    """|a ∩ b| / |a ∪ b|; NaN where both are empty."""
    union = set(a) | set(b)
    return len(set(a) & set(b)) / len(union) if union else NAN


def coverage(facts: Sequence[Fact], preferences: Sequence[Preference], k: int) -> float:
    """Share of the k strongest facts that a preference names; one value under two facets is one
    fact. NaN without.
    """
    wanted = strongest(facts, k)
    named = {(fold(one.value), one.polarity) for one in preferences}
    return (
        sum((fold(one.value), one.polarity) in named for one in wanted) / len(wanted)
        if wanted
        else NAN
    )


def strongest(facts: Sequence[Fact], k: int) -> list[Fact]:
    """Stated before mined, then by strength times confidence."""
    distinct: dict[tuple[str, str], Fact] = {}
    for one in sorted(
        facts, key=lambda each: (each.basis != "stated", -each.strength * each.confidence)
    ):
        distinct.setdefault((fold(one.value), one.polarity), one)
    return list(distinct.values())[:k]


def groundedness(
    profile: Profile,
    events: Sequence[Event],
    items: Mapping[str, Item],
    types: Mapping[str, float],
    scales: Mapping[str, Scale],
    numbers: Numbers,
    seed: int = 0,
) -> dict[str, float]:
    """Shares of the portrait's preferences; NaN where it has none."""
    own = {one.event_id: one for one in events}
    judged = [judge(one, own, items, types, scales, numbers) for one in profile.preferences]
    random = np.random.default_rng(seed)
    blind = [
        judge(_citing(one, list(own), random), own, items, types, scales, numbers)
        for one in profile.preferences
        if own
    ]

    def share(holds: Sequence[bool]) -> float:
        return sum(holds) / len(holds) if holds else NAN

    return {
        "grounded": share([one.grounded for one in judged]),
        "grounded.cited": share([one.cited for one in judged]),
        "grounded.facet": share([one.facet for one in judged]),
        "grounded.polarity": share([one.polarity for one in judged]),
        "grounded.basis": share([one.basis for one in judged]),
        "grounded.chance": share([one.grounded for one in blind]),
    }


def _citing(claim: Preference, ids: Sequence[str], random: np.random.Generator) -> Preference:
    """The claim, citing as many event ids drawn by chance as it cites now."""
    n = min(max(1, len(claim.evidence)), len(ids))
    drawn = random.choice(len(ids), n, replace=False)
    return claim.model_copy(update={"evidence": [ids[at] for at in drawn.tolist()]})


def summary_grounded(
    text: str, names: ValueNames, items: Sequence[Item], numbers: Numbers
) -> float:
    """Share of the values that a text names which at least one of the items carries; NaN where it
    names none.

    A word that is several values' (a genre and a theme, a singular and a plural) holds where one of
    them is carried.
    """
    by_word: dict[tuple[str, ...], list[bool]] = {}
    for one in named_in(text, names):
        by_word.setdefault(names.word(one), []).append(
            any(carries(item, one.facet, one.value, numbers) for item in items)
        )
    return sum(any(held) for held in by_word.values()) / len(by_word) if by_word else NAN


# ---------------------------------------------------------------- the study


@dataclass(frozen=True)
class Anew:
    """A chat that asks again what it has asked before: answers of another repeat are others."""

    chat: Chat
    repeat: int

    @property
    def name(self) -> str:
        return self.chat.name

    @property
    def hosted(self) -> bool:
        return self.chat.hosted

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self.chat.complete(replace(request, repeat=self.repeat))

    async def close(self) -> None:
        await self.chat.close()


class PortraitStudy:
    """Measures one user at a time; what all users share is made once."""

    def __init__(self, lab: Lab, model: ModelHandle, *, repeat: int = 1, seed: int = 0) -> None:
        self._lab, self._model, self._repeat, self._seed = lab, model, repeat, seed
        self._bench = Bench(lab, seed)
        self._numbers, self._names = numbers_of(lab), names_of(lab)

    async def one(self, user_id: str) -> Case:
        lab = self._lab
        profile = await lab.engine.profile(user_id)
        events = lab.events(user_id)
        subject = lab.subject(user_id, self._model)
        facts = subject.facts.facts
        types = lab.engine.settings.signals.types
        values = groundedness(
            profile, events, lab.items, types, lab.scales, self._numbers, self._seed
        )
        own = [
            lab.items[one] for one in {e.item_id for e in events if e.item_id} if one in lab.items
        ]
        values["grounded.summary"] = summary_grounded(
            profile.summary, self._names, own, self._numbers
        )
        values[f"coverage@{STRONGEST}"] = coverage(facts, profile.preferences, STRONGEST)
        values["coverage.summary"] = self._in_summary(profile, facts)
        values |= await self._stability(user_id, profile)
        values |= self._bench.utility(user_id, profile)
        values |= self._bench.steer(user_id, profile)
        values["preferences"] = float(len(profile.preferences))
        own_words = [one.source == "llm" for one in profile.preferences]
        values["words.model"] = sum(own_words) / len(own_words) if own_words else NAN
        return Case(
            id=user_id,
            user_id=user_id,
            bucket=lab.bucket(user_id),
            groups=dict(lab.groups.get(user_id, {})),
            values={name: None if np.isnan(one) else float(one) for name, one in values.items()},
            tried=self._bench.tried(user_id, profile),
            source=came_from(profile.source, profile.grade, self._model),
        )

    def _in_summary(self, profile: Profile, facts: Sequence[Fact]) -> float:
        wanted = strongest(facts, SUMMARISED)
        named = {fold(one.value) for one in named_in(profile.summary, self._names)}
        return sum(fold(one.value) in named for one in wanted) / len(wanted) if wanted else NAN

    async def _stability(self, user_id: str, profile: Profile) -> dict[str, float]:
        keys = {key_of(one) for one in profile.preferences}
        again = []
        for number in range(1, self._repeat + 1):
            painted = await self._paint(user_id, None, number)
            again.append(jaccard(keys, {key_of(one) for one in painted.preferences}))
        events = self._lab.events(user_id)
        drawn = np.random.default_rng((self._seed, len(events)))
        kept = np.sort(drawn.permutation(len(events))[: round(len(events) * (1 - THINNED))])
        thinned = NAN
        if len(kept) < len(events):
            painted = await self._paint(user_id, [events[at] for at in kept.tolist()], 0)
            thinned = jaccard(keys, {key_of(one) for one in painted.preferences})
        return {
            "stability.rebuild": float(np.mean(again)) if again else NAN,
            "stability.thinned": thinned,
        }

    async def _paint(self, user_id: str, events: Sequence[Event] | None, repeat: int) -> Profile:
        chat = Anew(self._model.chat, repeat) if self._model.chat and repeat else self._model.chat
        subject = self._lab.subject(user_id, self._model, events)
        return await paint(subject, chat, self._model.grade, self._lab.engine.settings)


def numbers_of(lab: Lab) -> Numbers:
    """Thirds of the catalogue's numbers over the lab's pairs."""
    x = lab.engine.data.interactions()
    pairs = np.unique(x.user.astype(np.int64) * max(len(x.item_ids), 1) + x.item) % max(
        len(x.item_ids), 1
    )
    return Numbers.of(lab.items, (x.item_ids[at] for at in pairs.tolist()))


def names_of(lab: Lab) -> ValueNames:
    """The catalogue's values as the portraits' language names them."""
    population = lab.engine.data.catalogue().population
    language = spoken(lab.engine.settings.portrait.language)
    forms: dict[str, list[str]] = {}
    for facet, value in zip(population.facets, population.values, strict=True):
        if facet.endswith(" band"):
            forms[f"{facet}:{value}"] = [thing(facet, value, language)]
            continue
        other = list(language.concepts.get(fold(value), ()))
        if len(value) == 5 and value[:4].isdigit() and value.endswith("0s"):
            other += [form.format(year=value[:4], short=value[2:4]) for form in language.decades]
        forms[value] = other
    return ValueNames(zip(population.facets, population.values, strict=True), language.code, forms)


def came_from(source: str, grade: str, model: ModelHandle) -> str:
    """llm, template, or failed where a model was there and its words were not."""
    if source == "llm":
        return "llm"
    return (
        "template"
        if model.chat is None or model.grade == "none"
        else "failed"
        if grade == "none"
        else "template"
    )
