"""Lists chosen as a whole: maximal marginal relevance against brute force, novelty, quotas; and
everyone at once.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import BadInputError, UnknownIdError
from limner.core.filters import boost_of
from limner.core.schema import Item, RecommendationRequest
from limner.rank import (
    Model,
    OrderRequest,
    RankedCandidate,
    allowed,
    audience,
    catalogue_of,
    check_context,
    check_wishes,
    fit,
    history_batch,
    lists,
    order,
    order_many,
)
from limner.rank.diversify import ItemCosines, boosts, diversify_list, idle_quotas, pick, relevance
from tests.unit.test_rank import made

GENRES = ("Drama", "War", "Comedy")
NUMBERS = st.floats(0, 1).map(lambda one: round(one, 3))


def items_of(n: int = 20, **attributes: dict[str, object]) -> dict[str, Item]:
    """i0, i1, … of three genres; `attributes` by item id."""
    return {
        f"i{at}": Item(
            item_id=f"i{at}",
            title=f"Film {at}",
            categories=[GENRES[at % 3]],
            price=float(at),
            attributes=attributes.get(f"i{at}", {}),
        )
        for at in range(n)
    }


@pytest.fixture(scope="module")
def model() -> Model:
    x = made()
    held = fit(x, np.ones(len(x), np.float32))
    vectors = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return held.over(held.item_ids, replace(catalogue_of(held.item_ids), vectors=vectors))


@given(st.data(), st.integers(1, 8), NUMBERS)
def test_diversity_is_maximal_marginal_relevance(
    data: st.DataObject, n: int, diversity: float
) -> None:
    size = data.draw(st.integers(1, 7))
    value = np.array(data.draw(st.lists(NUMBERS, min_size=size, max_size=size)))
    upper = np.array(
        data.draw(st.lists(NUMBERS, min_size=size * size, max_size=size * size))
    ).reshape(size, size)
    like = (upper + upper.T) / 2
    taken = pick(value, lambda one: like[one], n, diversity, [()] * size, {})
    expected: list[int] = []
    while len(expected) < min(n, size):
        left = [one for one in range(size) if one not in expected]
        gain = {
            one: (1 - diversity) * value[one]
            - diversity * max((like[one, other] for other in expected), default=0)
            for one in left
        }
        expected.append(max(left, key=lambda one: (gain[one], -one)))
    assert taken == expected


@given(st.data(), st.integers(1, 12), NUMBERS)
def test_no_quota_is_passed_and_none_is_left_open(
    data: st.DataObject, n: int, diversity: float
) -> None:
    size = data.draw(st.integers(1, 12))
    value = np.array(data.draw(st.lists(NUMBERS, min_size=size, max_size=size)))
    names = st.sets(st.sampled_from(["g:a", "g:b", "h:a"])).map(sorted)
    groups = data.draw(st.lists(names, min_size=size, max_size=size))
    caps = data.draw(
        st.fixed_dictionaries({}, optional={"g": st.integers(0, 2), "g:b": st.integers(0, 3)})
    )
    taken = pick(value, lambda _: np.zeros(size), n, diversity, groups, caps)
    assert len(taken) == len(set(taken)) <= n
    held = Counter(group for one in taken for group in groups[one])

    def most(group: str) -> float:
        return caps.get(group, caps.get(group[0], np.inf))

    assert all(count <= most(group) for group, count in held.items())
    if len(taken) < n:
        for one in set(range(size)) - set(taken):
            assert any(held[group] >= most(group) for group in groups[one])


def test_novelty_runs_from_the_fused_score_to_self_information() -> None:
    score, log_share = (
        np.array([3.0, 2.0, 1.0]),
        np.log(np.array([0.5, 0.25, 1 / 16], dtype=np.float32)),
    )
    at = np.array([0, 1, 2])
    assert relevance(score, log_share, at, 0.0) == pytest.approx([1, 0.5, 0])
    assert relevance(score, log_share, at, 1.0) == pytest.approx([1 / 4, 2 / 4, 4 / 4])
    assert relevance(score, log_share, at, 0.5) == pytest.approx([0.625, 0.5, 0.5])
    assert relevance(score, log_share, np.array([0, 1, -1]), 1.0)[2] == pytest.approx(
        1
    )  # nobody is known to have it


def test_likeness_is_the_mean_of_the_cosines_that_there_are(model: Model) -> None:
    like = ItemCosines(model.channels.catalogue, np.array([3, 5, -1]))
    vectors = model.channels.catalogue.vectors
    assert like.to(0) == pytest.approx([1, max(0.0, float(vectors[3] @ vectors[5])), 0], abs=1e-6)
    assert not like.to(2).any()


WISHES = st.builds(
    RecommendationRequest,
    category=st.lists(st.sampled_from(GENRES), max_size=2, unique=True),
    price_max=st.none() | st.integers(0, 19).map(float),
    filter=st.sampled_from(["", "price > 3", "not category = War"]),
    exclude=st.lists(st.integers(0, 19).map("i{}".format), max_size=4),
    available=st.booleans(),
    diversity=NUMBERS,
    novelty=NUMBERS,
    quota=st.fixed_dictionaries(
        {}, optional={"category": st.integers(0, 3), "category:war": st.integers(0, 1)}
    ),
    context=st.lists(st.integers(0, 19).map("i{}".format), max_size=2),
)


@given(WISHES, st.integers(1, 25))
def test_lists_keep_every_wish_and_miss_no_item_that_fits(
    model: Model, wishes: RecommendationRequest, n: int
) -> None:
    items = items_of(
        i4={"hidden": True}, i9={"available": False}, i11={"in_stock": "no", "hidden": "false"}
    )
    x = made()
    crowd = history_batch(x, np.ones(len(x), np.float32), model)
    may = allowed(model.item_ids, items, wishes)
    found = list(
        lists(
            model,
            crowd,
            items,
            n,
            wishes,
            repeats=False,
            allowed=may,
            attributes={},
            demographics=None,
        )
    )
    assert [one.user_id for one in found] == crowd.user_ids
    for user, one in enumerate(found[:5]):
        had = {f"i{(user + at) % 20}" for at in range(6)}
        ids = [each.candidate.item_id for each in one.items]
        fits = {
            name
            for name, item in items.items()
            if name not in had | {"i4"} | {*wishes.exclude, *wishes.context}
            and (not wishes.available or name not in ("i9", "i11"))
            and (not wishes.category or item.categories[0] in wishes.category)
            and (wishes.price_max is None or (item.price or 0) <= wishes.price_max)
            and (wishes.filter != "price > 3" or (item.price or 0) > 3)
            and ("War" not in wishes.filter or item.categories != ["War"])
        }
        assert len(ids) == len(set(ids)) and set(ids) <= fits
        held = Counter(items[name].categories[0] for name in ids)
        most = {kind: wishes.quota.get("category", n) for kind in GENRES}
        most["War"] = wishes.quota.get("category:war", most["War"])
        assert all(held[kind] <= most[kind] for kind in GENRES)
        room = sum(
            min(most[kind], sum(items[name].categories == [kind] for name in fits))
            for kind in GENRES
        )
        assert len(ids) == min(n, room)


@pytest.mark.parametrize("year", [1990, 1990.0, "1990"])
def test_a_quota_of_one_number_holds_however_the_data_writes_it(model: Model, year: object) -> None:
    items = items_of(20, **{f"i{at}": {"year": year} for at in range(10)})
    ranked = order(model, model.history([("i15", 1.0)]), n=20)
    found = diversify_list(
        lambda n: ranked[:n], 20, RecommendationRequest(quota={"year:1990": 2}), model, items
    )
    assert (
        sum(items[one.candidate.item_id].attributes.get("year") is not None for one in found) == 2
    )


def test_a_boost_lifts_what_fits_and_leaves_the_rest_in_order(model: Model) -> None:
    items = items_of()
    ranked = order(model, model.history([("i3", 1.0)]), n=20)

    def shown(**boost: float) -> list[str]:
        wishes = RecommendationRequest(
            boost={name.replace("_", ":"): factor for name, factor in boost.items()}
        )
        return [
            one.candidate.item_id
            for one in diversify_list(lambda n: ranked[:n], 20, wishes, model, items)
        ]

    plain = [one.candidate.item_id for one in ranked]
    lifted = shown(category_War=10)
    wars = [one for one in plain if items[one].categories == ["War"]]
    assert [one for one in lifted if one in wars] == wars
    assert [one for one in lifted if one not in wars] == [one for one in plain if one not in wars]
    assert sum(map(lifted.index, wars)) < sum(map(plain.index, wars))
    assert set(shown(category_War=0)[-len(wars) - 1 :]) >= set(
        wars
    )  # the last of all has no relevance anyway
    assert shown(category_War=1) == plain


@pytest.mark.parametrize(
    "text", ["category:Drama*2", "category: Drama*2", "category = Drama and price > 3 * 2"]
)
def test_a_boost_is_a_condition_times_a_factor(text: str) -> None:
    condition, factor = boost_of(text)
    assert factor == 2
    fits = boosts([items_of()["i6"], items_of()["i7"], None], {condition: factor})
    assert fits.tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    "text", ["category:Drama", "*2", "category:Drama*x", "category:Drama*11", "a = *2"]
)
def test_a_boost_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        boost_of(text)


def test_quotas_look_past_the_first_candidates(
    monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    monkeypatch.setattr("limner.rank.diversify.CANDIDATES", 2)
    history = model.history([("i3", 1.0)])
    asked: list[int] = []

    def ordered(k: int) -> list[RankedCandidate]:
        asked.append(k)
        return order(model, history, exclude=frozenset(["i3"]), n=k)[:k]

    found = diversify_list(
        ordered, 3, RecommendationRequest(quota={"category": 1}), model, items_of()
    )
    assert (
        len({items_of()[one.candidate.item_id].categories[0] for one in found}) == len(found) == 3
    )
    assert asked[0] == 3 and asked == sorted(asked)


def test_many_are_ordered_as_each_alone(model: Model) -> None:
    histories = [model.history([(f"i{at}", 1.0)]) for at in range(6)] + [model.history([])]
    banned = [frozenset([f"i{at}"]) for at in range(6)] + [frozenset[str]()]
    many = list(
        order_many(model, [OrderRequest(*one) for one in zip(histories, banned, strict=True)], n=7)
    )
    for history, had, found in zip(histories, banned, many, strict=True):
        alone = order(model, history, exclude=had, n=7)
        assert [one.candidate.item_id for one in alone] == [one.candidate.item_id for one in found]
        assert [one.score for one in alone] == pytest.approx([one.score for one in found])


def test_a_group_speaks_for_those_without_history_and_changes_nobody_else(model: Model) -> None:
    group = np.zeros(20, dtype=np.float32)
    group[13] = 1
    known = OrderRequest(model.history([("i3", 1.0)]), frozenset(["i3"]))
    alone = [*order_many(model, [known])]
    both = [
        *order_many(model, [known, OrderRequest(model.history([]), demographic=group)], named=True)
    ]
    assert [(one.candidate.item_id, one.score) for one in both[0]] == [
        (one.candidate.item_id, one.score) for one in alone[0]
    ]
    assert both[1][0].candidate.item_id == "i13" and "demographic" in both[1][0].candidate.scores


def test_a_crowd_is_the_histories_of_all(model: Model) -> None:
    x = replace(made(), user_ids=[*made().user_ids, "silent"])
    crowd = history_batch(x, np.ones(len(x), np.float32), model)
    assert len(crowd) == 31 and len(crowd.history(30).items) == 0
    assert crowd.history(2).items.tolist() == [2, 3, 4, 5, 6, 7]
    assert {crowd.user_ids[at] for at in np.flatnonzero(crowd.had(7))} == {
        f"u{user}" for user in range(30) if 7 in {(user + at) % 20 for at in range(6)}
    }


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_users_of_an_item_are_likeliest_first_and_counted(
    model: Model, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = model.channels
    wide = max(len(channels.all) * len(channels.item_ids), 2 * channels.users.shape[0])
    monkeypatch.setattr("limner.rank.features._CELLS", batch * wide)
    x = replace(made(), user_ids=[*made().user_ids, "silent"])
    crowd = history_batch(x, np.ones(len(x), np.float32), model)
    done: list[int] = []
    found = audience(
        model, crowd, items_of()["i8"], crowd.user_ids, None, repeats=False, advance=done.append
    )
    had = {crowd.user_ids[at] for at in np.flatnonzero(crowd.had(8))}
    ids = [one.user_id for one in found.users]
    assert found.population == found.matching == 31 and found.had == len(had)
    assert found.considered == len(ids) == len(set(ids)) == 31 - len(had) == sum(done)
    assert not had & set(ids) and [one.rank for one in found.users] == list(range(1, len(ids) + 1))
    assert ids[-1] == "silent" and found.users[-1].flags == ["cold_user"]
    assert ids[0] in ("u2", "u22")  # who had i2 to i7
    scores = [one.score for one in found.users[:-1]]
    assert scores == sorted(scores, reverse=True)
    few = audience(
        model, crowd, items_of()["i8"], ["u2", "u8", "u9"], 1, repeats=True, advance=done.append
    )
    assert (few.matching, few.had, few.considered, len(few.users)) == (3, 0, 3, 1)


def test_users_of_an_item_that_nobody_had_are_those_who_had_the_like(model: Model) -> None:
    ids = [*model.item_ids, "new"]
    vectors = np.vstack([model.channels.catalogue.vectors, model.channels.catalogue.vectors[[10]]])
    wide = model.over(ids, replace(catalogue_of(ids), vectors=vectors))
    x = made()
    crowd = history_batch(x, np.ones(len(x), np.float32), wide)
    found = audience(
        wide, crowd, Item(item_id="new"), crowd.user_ids, 5, repeats=False, advance=lambda _: None
    )
    assert (
        all(one.probability is None for one in found.users)
        and "likeness" in found.definition
        and found.notes
    )
    best = {crowd.user_ids[at] for at in np.flatnonzero(crowd.had(10))}
    assert found.users[0].user_id in best


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        (RecommendationRequest(category=["Dramma"]), "there are Drama"),
        (RecommendationRequest(filter="genr = Drama"), "No item has 'genr'"),
        (RecommendationRequest(quota={"genr": 2}), "No item has 'genr' to set a quota on"),
        (RecommendationRequest(boost={"genr:War": 2}), "'genr'"),
        (RecommendationRequest(price_min=5, price_max=3), "swap"),
    ],
)
def test_wishes_for_what_is_not_there_are_refused(wishes: RecommendationRequest, why: str) -> None:
    with pytest.raises(BadInputError, match=why):
        check_wishes(wishes, items_of())
    check_wishes(
        RecommendationRequest(category=["drama"], filter="price > 3", quota={"category:Drama": 1}),
        items_of(),
    )
    check_context(RecommendationRequest(context=["i3"]), items_of())
    with pytest.raises(UnknownIdError):
        check_context(RecommendationRequest(context=["nowhere"]), items_of())


def test_a_quota_on_a_value_that_no_item_has_is_idle() -> None:
    items = items_of().values()
    assert idle_quotas({"category": 2, "category:WAR": 1}, items) == []
    assert idle_quotas({"category": 2, "category:Warr": 1, "Category:Opera": 3}, items) == [
        "category:Warr",
        "Category:Opera",
    ]
    assert idle_quotas({}, items) == []
