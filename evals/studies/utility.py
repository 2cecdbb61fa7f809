"""What a portrait does for ranking: with it, without it, and with another user's in its place.

Three arms differ in one thing alone, whose preferences are added to the user's own events:

    without     nobody's
    with        the portrait's
    shuffled    those of another user who is asked

and stand in four scopes:

    content     the content channel by itself, over the whole catalogue; preferences are words, by
                their vectors
    ranker      the order that `recommend` starts from, as it is shipped
    blend       both orders joined by reciprocal rank, 1 / (60 + rank) each (Cormack and others
                2009)
    facets      the ranker's order and the preferences as values, no vectors: -log(rank) + w m, with
                m the sum of
                strength times confidence of the likes that an item carries, less that of the
                dislikes; w is chosen for
                each fifth of the users on the others, 0 among the choices

Steering adds one preference, as if stated, to the portrait: a value of the main facet that nothing
in the portrait names. The shift is the mean rank of the items that carry it, before minus after, as
a share of the items ranked: 0 where nothing moves, at most (items without it) / (items). It depends
on no hidden event. One more scope is of the first ten alone:

    list        what `recommend` gives, which heeds what was stated whatever the ranker makes of it
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Preference, Profile, RecommendationRequest
from limner.evals.studies.lab import Lab
from limner.evals.studies.records import Case
from limner.index.documents import preference_text
from limner.rank import order
from limner.retrieve import Wording, content_candidates, content_scores
from limner.words.text import fold

CUT = 10
_RRF = 60
_LEAST, _MOST = 0.02, 0.3
"""Base rates between which a value is steered to: common enough to have items, rare enough to be a
wish.
"""
SCOPES = ("content", "ranker", "blend")
STEERED = (*(f"steer.{scope}{end}" for scope in SCOPES for end in ("", ".top")), "steer.list.top")
"""Measures of steering."""
WEIGHTS = (0.0, 0.3, 1.0, 3.0, 10.0)
"""Weights of the preferences as facet values."""
FOLDS = 5
ARMS = ("without", "with", "shuffled")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def ndcg(ranks: Ints, relevant: int, k: int = CUT) -> float:
    """ndcg@10 from the 1-based ranks of the relevant items; NaN where there is none."""
    if not relevant:
        return float("nan")
    ideal = (1 / np.log2(np.arange(2, min(relevant, k) + 2))).sum()
    return float((1 / np.log2(ranks[ranks <= k] + 1)).sum() / ideal)


def ranks_of(scores: Floats, banned: Ints) -> Ints:
    """[items] 1-based places, best first, ties by position; banned items come last."""
    held = scores.copy()
    held[banned] = -np.inf
    places = np.empty(len(held), dtype=np.int64)
    places[np.argsort(-held, kind="stable")] = np.arange(1, len(held) + 1)
    return places


def shift(before: Ints, after: Ints, carriers: Ints, ranked: int) -> float:
    """Mean rank of the carriers before, minus after, as a share of the items ranked; NaN without
    carriers.
    """
    return (
        float((before[carriers] - after[carriers]).mean() / ranked)
        if len(carriers) and ranked
        else float("nan")
    )


def chosen(cases: Sequence[Case]) -> list[Case]:
    """The cases with `utility.facets.ARM`: the value at the weight that is best for users of other
    folds.

    Of equally good weights the smaller counts. `utility.facets.weight` is that of the arm `with`.
    """
    values = [case.values for case in cases]
    for arm in ("with", "shuffled"):
        for row, best, tried in _best_weights([case.tried.get(arm) for case in cases]):
            values[row] = {**values[row], f"utility.facets.{arm}": tried[best]}
            if arm == "with":
                values[row]["utility.facets.without"] = tried[0]
                values[row]["utility.facets.weight"] = WEIGHTS[best]
    return [
        case.model_copy(update={"values": own}) for case, own in zip(cases, values, strict=True)
    ]


def _best_weights(
    tried: Sequence[Sequence[float | None] | None],
) -> Iterator[tuple[int, int, list[float | None]]]:
    """(row, place of the best weight, values of all weights) of each row with values, None where
    undefined; nothing for fewer than two rows.
    """
    known = [row for row, own in enumerate(tried) if own]
    if len(known) < 2:
        return
    table = np.array([tried[row] for row in known], dtype=np.float64)  # None becomes NaN
    fold = np.arange(len(known)) % FOLDS
    for part in range(FOLDS):
        others = table[(fold != part) & ~np.isnan(table).any(axis=1)]
        if not len(others):
            continue
        best = int(others.mean(axis=0).argmax())
        for at in np.flatnonzero(fold == part).tolist():
            yield known[at], best, [None if np.isnan(one) else float(one) for one in table[at]]


class Bench:
    """Ranks the lab's catalogue for its users under different portraits."""

    def __init__(self, lab: Lab, seed: int = 0) -> None:
        self._lab, self._seed = lab, seed
        snapshots = lab.engine.state
        self._vectors = snapshots.vectors.items()
        model = snapshots.ranker.model()
        if model is None:
            raise ValueError("the lab is not trained")
        self._model = model
        self._position = self._vectors.positions
        self._population = snapshots.catalogue.snapshot().population
        self._codes = {
            (fold(facet), fold(value)): code
            for code, (facet, value) in enumerate(
                zip(self._population.facets, self._population.values, strict=True)
            )
        }
        # Ties fall by chance, the same for every arm, and not to the items that came first.
        self._chance = np.random.default_rng(seed).random(len(self._vectors.item_ids)) * 1e-9
        shuffled = np.random.default_rng(seed).permutation(len(lab.users))
        # A cycle, so that nobody gets their own.
        self._other = {
            lab.users[at]: lab.users[nxt]
            for at, nxt in zip(shuffled.tolist(), np.roll(shuffled, 1).tolist(), strict=True)
        }

    def utility(self, user_id: str, profile: Profile) -> dict[str, float]:
        """`utility.SCOPE.ARM`: ndcg@10."""
        wanted = [
            self._position[one]
            for one in self._lab.hidden.get(user_id, ())
            if one in self._position
        ]
        other = self._lab.engine.store.profile(self._other.get(user_id, user_id))
        wordings = {
            "without": None,
            "with": self._wording(profile.preferences),
            "shuffled": self._wording(other.preferences)
            if other and other.user_id != user_id
            else None,
        }
        measured = {f"utility.{scope}.{arm}": float("nan") for scope in SCOPES for arm in ARMS}
        for arm, wording in wordings.items():
            missing = arm == "shuffled" and wording is None
            for scope, places in self._orders(user_id, wording).items():
                value = (
                    ndcg(places[wanted], len(self._lab.hidden.get(user_id, ())))
                    if wanted
                    else float("nan")
                )
                measured[f"utility.{scope}.{arm}"] = float("nan") if missing else value
        return measured

    def tried(self, user_id: str, profile: Profile) -> dict[str, list[float | None]]:
        """For each arm, ndcg@10 at each of WEIGHTS; empty where there is nothing to find."""
        hidden = self._lab.hidden.get(user_id, frozenset())
        wanted = [self._position[one] for one in hidden if one in self._position]
        other = self._lab.engine.store.profile(self._other.get(user_id, user_id))
        if not wanted or other is None or other.user_id == user_id:
            return {}
        banned = self._banned(user_id)
        place = np.log(self._orders(user_id, None)["ranker"])
        values_by_arm: dict[str, list[float | None]] = {}
        for arm, one in (("with", profile), ("shuffled", other)):
            match = self._match(one.preferences)
            values_by_arm[arm] = [
                ndcg(ranks_of(weight * match - place, banned)[wanted], len(hidden))
                for weight in WEIGHTS
            ]
        return values_by_arm

    def _match(self, preferences: Sequence[Preference]) -> Floats:
        """[items] how far each carries what is liked, less what is disliked."""
        match = np.zeros(len(self._vectors.item_ids))
        for one in preferences:
            sign = 1.0 if one.polarity == "like" else -1.0
            match[self._holders(fold(one.facet), fold(one.value))] += (
                sign * one.strength * one.confidence
            )
        return match

    def _holders(self, facet: str, value: str) -> Ints:
        """Positions of the items that carry a value."""
        code = self._codes.get((facet, value))
        if code is None:
            return np.empty(0, dtype=np.int64)
        population = self._population
        rows = np.repeat(np.arange(len(population.item_ids)), np.diff(population.starts))[
            population.codes == code
        ]
        held = [population.item_ids[at] for at in rows.tolist()]
        return np.array(
            sorted(self._position[one] for one in held if one in self._position), dtype=np.int64
        )

    def steer(self, user_id: str, profile: Profile) -> dict[str, float]:
        """`steer.SCOPE`: shift of the items that carry the added value; `steer.SCOPE.top`: what it
        adds to their share of the first ten.
        """
        named = dict.fromkeys(STEERED, float("nan"))
        wish = self._wish(user_id, profile)
        if wish is None:
            return named
        added, holders = wish
        before = self._orders(user_id, self._wording(profile.preferences))
        after = self._orders(user_id, self._wording([*profile.preferences, added]))
        banned = self._banned(user_id)
        carriers = np.setdiff1d(holders, banned)
        ranked = len(self._vectors.item_ids) - len(banned)
        for scope in SCOPES:
            named[f"steer.{scope}"] = shift(before[scope], after[scope], carriers, ranked)
            if len(carriers):
                top = [
                    (one[scope][carriers] <= CUT).sum() / min(CUT, ranked)
                    for one in (after, before)
                ]
                named[f"steer.{scope}.top"] = float(top[0] - top[1])
        if len(carriers):
            steered = profile.model_copy(update={"preferences": [*profile.preferences, added]})
            shares = [
                np.isin(self._first(user_id, one), carriers).sum() / CUT
                for one in (steered, profile)
            ]
            named["steer.list.top"] = float(shares[0] - shares[1])
        return named

    def _first(self, user_id: str, profile: Profile) -> list[int]:
        """Positions of the first ten items of the user's list."""
        request = RecommendationRequest(user_id=user_id, n=CUT)
        pipeline = self._lab.engine.pipeline
        chosen = pipeline.choose(profile, self._lab.past(user_id), request)[:CUT]
        return [
            self._position[one.candidate.item_id]
            for one in chosen
            if one.candidate.item_id in self._position
        ]

    def _wish(self, user_id: str, profile: Profile) -> tuple[Preference, Ints] | None:
        """A value to steer to, and the positions of the items that carry it."""
        population = self._population
        named = {fold(one.value) for one in profile.preferences}
        codes = [
            code
            for code, facet in enumerate(population.facets)
            if facet == population.primary
            and _LEAST <= population.base[code] <= _MOST
            and fold(population.values[code]) not in named
        ]
        if not codes:
            return None
        drawn = np.random.default_rng((self._seed, self._lab.users.index(user_id)))
        code = codes[int(drawn.integers(len(codes)))]
        wish = Preference(
            facet=population.facets[code],
            value=population.values[code],
            polarity="like",
            basis="stated",
            strength=1.0,
            confidence=1.0,
            evidence=[],
        )
        return wish, self._holders(fold(wish.facet), fold(wish.value))

    def _wording(self, preferences: Sequence[Preference]) -> Wording:
        """Embedded as the index embeds them."""
        embedder = self._lab.engine.state.vectors.index().embedder

        def of(polarity: str) -> NDArray[np.float32]:
            texts = [preference_text(one) for one in preferences if one.polarity == polarity]
            return (
                embedder.passages(texts)
                if texts
                else np.empty((0, embedder.dimensions), dtype=np.float32)
            )

        return Wording(of("like"), of("dislike"))

    def _orders(self, user_id: str, wording: Wording | None) -> dict[str, Ints]:
        """[items] places for each scope."""
        events = self._lab.events(user_id)
        pairs = self._lab.past(user_id).taste
        banned = self._banned(user_id)
        content = ranks_of(content_scores(self._vectors, pairs, wording) + self._chance, banned)
        near = content_candidates(self._vectors, pairs, wording, k=300 + len(pairs))
        had = frozenset(one for one, _ in pairs)
        shown = order(
            self._model,
            self._lab.history(events),
            content=near,
            exclude=had,
            n=len(self._vectors.item_ids),
        )
        score = np.full(len(self._vectors.item_ids), -np.inf)
        for place, one in enumerate(shown):
            if (at := self._position.get(one.candidate.item_id)) is not None:
                score[at] = -place
        ranker = ranks_of(score, banned)
        return {
            "content": content,
            "ranker": ranker,
            "blend": ranks_of(1 / (_RRF + content) + 1 / (_RRF + ranker) + self._chance, banned),
        }

    def _banned(self, user_id: str) -> Ints:
        had = {one.item_id for one in self._lab.events(user_id)}
        return np.array(
            sorted(self._position[one] for one in had if one in self._position), dtype=np.int64
        )
