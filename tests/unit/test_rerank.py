"""Reranking: orders are joined fairly, asking stops in time, and the list is never left."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import limner.rerank
from limner.core.errors import ModelUnavailableError
from limner.core.messages import plain
from limner.core.progress import Quiet
from limner.core.schema import Item
from limner.core.settings import RerankSettings, Settings
from limner.llm import ChatReply, ChatRequest
from limner.rank import EvaluationPoint
from limner.rerank import (
    NEUTRAL,
    Reranked,
    Taste,
    TasteBefore,
    WeightCase,
    blend,
    fit_weight,
    kendall_tau,
    mean_rank_order,
    weigh,
)
from limner.testing import FakeChat
from tests.unit.portraits import EVENTS

IDS = [f"i{number}" for number in range(8)]
ITEMS = {item_id: Item(item_id=item_id, title=f"Title {item_id}") for item_id in IDS}
TASTE = Taste(liked=[shown.item for shown in EVENTS if shown.item and shown.signal > 0])


async def rerank(*given: Any, weight: float = 1.0, **named: Any) -> Reranked:
    return await limner.rerank.rerank(*given, weight=weight, **named)


def settings(**rules: object) -> Settings:
    return Settings(rerank=RerankSettings.model_validate(rules))


def shown_order(request: ChatRequest) -> list[str]:
    """Item ids in the order in which the request lists them."""
    return re.findall(r"^\d+\. \"Title (i\d+)\"", request.messages[-1].content, re.MULTILINE)


def ranker(key: Callable[[str], float]) -> FakeChat:
    def answer(request: ChatRequest) -> str:
        listed = shown_order(request)
        return json.dumps(
            {"order": sorted(range(1, len(listed) + 1), key=lambda n: key(listed[n - 1]))}
        )

    return FakeChat(answer)


async def test_a_model_with_a_taste_of_its_own_reorders_and_stops_early() -> None:
    chat = ranker(lambda item_id: -int(item_id[1:]))
    found = await rerank(IDS, ITEMS, TASTE, chat, "full", settings(rounds=20))
    assert found.order == IDS[::-1]
    assert found.state == "applied" and found.method == "listwise"
    assert found.rounds == 2 == len(chat.requests)


async def test_rounds_are_shuffled_and_come_in_reversed_pairs() -> None:
    chat = FakeChat(lambda request: json.dumps({"order": list(range(1, 9))}))
    await rerank(IDS, ITEMS, TASTE, chat, "full", settings(rounds=4))
    orders = [shown_order(request) for request in chat.requests]
    assert len(orders) == 4 and orders[0] != IDS
    assert orders[1] == orders[0][::-1] and orders[3] == orders[2][::-1]
    assert orders[2] not in orders[:2]


async def test_a_model_that_copies_the_order_it_is_shown_changes_nothing() -> None:
    chat = FakeChat(lambda request: json.dumps({"order": list(range(1, 9))}))
    found = await rerank(IDS, ITEMS, TASTE, chat, "full", settings(rounds=4))
    assert found.order == IDS


@given(
    st.lists(st.integers(min_value=-3, max_value=30), max_size=20),
    st.integers(min_value=0, max_value=10),
)
def test_whatever_is_answered_the_list_is_never_left(order: list[int], seed: int) -> None:
    import asyncio

    chat = FakeChat(lambda request: json.dumps({"order": order}))
    found = asyncio.run(rerank(IDS, ITEMS, TASTE, chat, "full", settings(seed=seed, top=5)))
    assert sorted(found.order) == sorted(IDS)
    assert found.order[5:] == IDS[5:]


async def test_invented_numbers_are_counted_and_missing_items_follow_in_prior_order() -> None:
    def answer(request: ChatRequest) -> str:
        listed = shown_order(request)
        best = [listed.index(f"i{n}") + 1 for n in (7, 6, 5, 4)]
        return json.dumps({"order": [best[0], 99, *best[1:], best[0]]})

    found = await rerank(IDS, ITEMS, TASTE, FakeChat(answer), "full", settings())
    assert found.order == ["i7", "i6", "i5", "i4", "i0", "i1", "i2", "i3"]
    assert found.invented == 2 * found.rounds


async def test_answers_that_name_too_few_items_count_as_failure() -> None:
    found = await rerank(
        IDS, ITEMS, TASTE, FakeChat(lambda r: '{"order": [1, 44, 45]}'), "full", settings()
    )
    assert found.state == "failed" and found.order == IDS and found.note


async def test_a_model_that_is_down_leaves_the_prior_order() -> None:
    chat = FakeChat(lambda request: ModelUnavailableError("gone"))
    found = await rerank(IDS, ITEMS, TASTE, chat, "full", settings())
    assert (found.order, found.state, found.note) == (IDS, "failed", plain("gone"))


async def test_a_model_that_dies_in_a_later_round_keeps_what_was_ordered() -> None:
    calls = 0

    def answer(request: ChatRequest) -> str | Exception:
        nonlocal calls
        calls += 1
        if calls == 3:
            return ModelUnavailableError("gone")
        return json.dumps({"order": list(range(1, 9))})

    found = await rerank(IDS, ITEMS, TASTE, FakeChat(answer), "full", settings())
    assert (found.state, found.rounds, found.note) == ("applied", 2, plain("gone"))


@pytest.mark.parametrize(
    ("grade", "modes"),
    [("phrase", ("listwise", "off")), ("none", ("auto", "listwise", "pointwise", "off"))],
)
async def test_lists_are_not_given_to_a_model_below_full(
    grade: str, modes: tuple[str, ...]
) -> None:
    chat = FakeChat()
    for mode in modes:
        found = await rerank(IDS, ITEMS, TASTE, chat, grade, settings(mode=mode))
        assert found.state == "skipped" and found.order == IDS and found.note
    assert chat.requests == []


def judge(likes: set[str]) -> FakeChat:
    """Thinks that even numbers are good for everyone, and knows what this user likes."""

    def answer(request: ChatRequest) -> ChatReply:
        text = request.messages[-1].content
        item_id = re.search(r"Title (i\d+)", text)[1]  # type: ignore[index]
        odds = 3.0 * (int(item_id[1:]) % 2 == 0) + (
            0 if NEUTRAL in text else 1.0 * (item_id in likes)
        )
        return ChatReply("yes", logprobs={"yes": odds, "no": 0.0})

    return FakeChat(answer)


async def test_pointwise_takes_out_what_the_model_thinks_of_the_item_itself() -> None:
    chat = judge({"i5", "i7"})
    found = await rerank(
        IDS, ITEMS, TASTE, chat, "phrase", settings(mode="pointwise"), user_id="u1"
    )
    assert found.order == ["i5", "i7", "i0", "i1", "i2", "i3", "i4", "i6"]
    assert found.method == "pointwise" and found.state == "applied"
    neutral = [request for request in chat.requests if NEUTRAL in request.messages[-1].content]
    assert len(neutral) == len(IDS) and all(request.user_id is None for request in neutral)
    own = [request for request in chat.requests if request not in neutral]
    assert len({request.messages[-1].content.split("Item:")[0] for request in own}) == 1


async def test_without_log_probabilities_likeness_judges() -> None:
    chat = FakeChat(lambda request: "yes" if not request.choices else ChatReply("yes"))
    likeness = {item_id: float(item_id == "i3") for item_id in IDS}
    found = await rerank(
        IDS, ITEMS, TASTE, chat, "phrase", settings(mode="pointwise"), likeness=likeness
    )
    assert (found.order[0], found.method) == ("i3", "likeness")
    assert len(chat.requests) == 1
    bare = await rerank(IDS, ITEMS, TASTE, chat, "phrase", settings(mode="pointwise"))
    assert (bare.state, bare.order) == ("skipped", IDS)


async def test_nothing_is_asked_of_a_user_without_taste() -> None:
    chat = FakeChat()
    found = await rerank(IDS, ITEMS, Taste(), chat, "full", settings())
    assert found.state == "skipped" and not chat.requests


def test_mean_ranks_ties_and_tau() -> None:
    assert mean_rank_order([["c", "b", "a"], ["a", "b", "c"]], ["b", "a", "c"]) == ["b", "a", "c"]
    assert mean_rank_order([["c", "a", "b"], ["c", "b", "a"]], ["a", "b", "c"]) == ["c", "a", "b"]
    assert kendall_tau("abcd", "abcd") == 1 and kendall_tau("abcd", "dcba") == -1
    assert kendall_tau("abcd", "abdc") == pytest.approx(2 / 3)


def test_blend_moves_by_its_weight() -> None:
    prior, judged = list("abcd"), list("dcba")
    assert blend(prior, judged, 0.0)[0] == prior and blend(prior, judged, 1.0)[0] == judged
    order, scores = blend(prior, judged, 0.3)
    assert order == prior and scores["a"] == pytest.approx(0.7)


async def test_a_model_without_weight_is_not_asked() -> None:
    chat = FakeChat()
    found = await rerank(IDS, ITEMS, TASTE, chat, "full", settings(), weight=0.0)
    assert (found.order, found.state, chat.requests) == (IDS, "skipped", [])


async def test_auto_judges_one_by_one_with_a_model_that_only_phrases() -> None:
    found = await rerank(IDS, ITEMS, TASTE, judge({"i5"}), "phrase", settings())
    assert (found.method, found.order[0]) == ("pointwise", "i5")


# ---------------------------------------------------------------- its weight


def cases(
    judged: Callable[[str], list[str]], count: int = 60, history: int = 7
) -> list[WeightCase]:
    """What was wanted stands anywhere in the ranker's order."""
    random = np.random.default_rng(0)
    return [
        WeightCase(history, IDS, judged(wanted), frozenset({wanted}))
        for wanted in random.choice(IDS, count).tolist()
    ]


def first(wanted: str) -> list[str]:
    return [wanted, *(item_id for item_id in IDS if item_id != wanted)]


def test_a_model_that_knows_gets_the_say() -> None:
    found = fit_weight(cases(first), "oracle", "listwise")
    assert [one.bucket for one in found.buckets] == ["all", "5-19"]
    everyone = found.buckets[0]
    assert everyone.weight >= 0.7 and everyone.cases == 60
    assert (
        everyone.low is not None and everyone.gain is not None and 0 < everyone.low <= everyone.gain
    )
    assert found.of("5-19") == everyone.weight and found.of("100+") == everyone.weight


def test_a_model_that_guesses_gets_none() -> None:
    random = np.random.default_rng(1)
    found = fit_weight(cases(lambda wanted: random.permutation(IDS).tolist()), "dice", "listwise")
    assert {one.weight for one in found.buckets} == {0.0}


def test_a_model_that_agrees_gets_none() -> None:
    found = fit_weight(cases(lambda wanted: IDS), "copy", "listwise")
    assert found.of("all") == 0 and found.buckets[0].gain == 0


def test_few_users_are_no_proof() -> None:
    assert fit_weight(cases(first, 19), "oracle", "listwise").of("all") == 0


def test_the_gain_at_the_whole_say_is_the_change_of_ndcg() -> None:
    from limner.rerank.weight import WEIGHTS, _gains

    found = _gains(WeightCase(3, ["a", "b", "c"], ["b", "a", "c"], frozenset({"b"})))
    assert found[WEIGHTS.index(0.0)] == 0
    assert found[WEIGHTS.index(1.0)] == pytest.approx(1 - 1 / np.log2(3))


def test_lengths_of_history_have_weights_of_their_own() -> None:
    harms = cases(lambda wanted: first(wanted)[::-1], history=200)
    found = fit_weight([*cases(first, history=2), *harms], "mixed", "listwise")
    assert found.of("1-4") >= 0.7 and found.of("100+") == 0


async def test_the_past_is_asked_where_the_shortlist_holds_what_came_next() -> None:
    async def known_of(moment: EvaluationPoint) -> TasteBefore:
        assert moment.user_id == "knows"
        return TasteBefore(TASTE, {})

    past = [
        EvaluationPoint("knows", 12, IDS, frozenset({"i5"})),
        EvaluationPoint("hopeless", 12, IDS, frozenset({"elsewhere"})),
    ]
    chat = judge({"i5"})
    weight, why = await weigh(past, ITEMS, known_of, chat, "phrase", settings(), Quiet())
    assert weight is not None and not why
    assert (weight.method, weight.buckets[0].cases, weight.of("all")) == ("pointwise", 2, 0.0)
    assert len(chat.requests) == 2 * len(IDS)


async def test_a_model_that_fails_is_not_weighed() -> None:
    async def known_of(moment: EvaluationPoint) -> TasteBefore:
        return TasteBefore(TASTE, {})

    chat = FakeChat(lambda request: ModelUnavailableError("gone"))
    past = [EvaluationPoint("u", 12, IDS, frozenset({"i5"}))]
    assert await weigh(past, ITEMS, known_of, chat, "full", settings(), Quiet()) == (
        None,
        plain("gone"),
    )


async def test_one_failure_among_many_counts_as_the_order_that_was() -> None:
    async def known_of(moment: EvaluationPoint) -> TasteBefore:
        return TasteBefore(TASTE, {})

    calls = 0

    def answer(request: ChatRequest) -> str | Exception:
        nonlocal calls
        calls += 1
        return (
            ModelUnavailableError("hiccup")
            if calls == 1
            else json.dumps({"order": list(range(8, 0, -1))})
        )

    past = [EvaluationPoint(f"u{at}", 12, IDS, frozenset({"i5"})) for at in range(3)]
    weight, why = await weigh(past, ITEMS, known_of, FakeChat(answer), "full", settings(), Quiet())
    assert weight is not None and not why and weight.buckets[0].cases == 3


async def test_likeness_is_weighed_where_a_model_tells_no_log_probabilities() -> None:
    async def known_of(moment: EvaluationPoint) -> TasteBefore:
        return TasteBefore(TASTE, {item_id: float(item_id in moment.relevant) for item_id in IDS})

    past = [EvaluationPoint(f"u{at}", 12, IDS, frozenset({IDS[at % 8]})) for at in range(40)]
    chat = FakeChat(lambda request: ChatReply("yes"))
    weight, _ = await weigh(past, ITEMS, known_of, chat, "phrase", settings(), Quiet())
    assert weight is not None and weight.method == "likeness" and weight.of("all") > 0
