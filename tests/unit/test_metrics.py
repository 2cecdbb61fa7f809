"""The metric kernels against definitions written out with sets and loops, and what undefined looks like."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.errors import UsageError
from evals import metrics
from evals.metrics import LIST_KERNELS, STYLES, Style

Ints = NDArray[np.int64]
ITEMS = 12
nan = math.nan


def packed(sets: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """CSR of one set of items for each user."""
    return (
        np.concatenate([[0], np.cumsum([len(one) for one in sets])]).astype(np.int64),
        np.array([item for one in sets for item in one], dtype=np.int64),
    )


def padded(lists: Sequence[Sequence[int]], width: int) -> Ints:
    return np.array([[*one, *[-1] * (width - len(one))] for one in lists], dtype=np.int64).reshape(len(lists), width)


items = st.integers(0, ITEMS - 1)
one_list = st.lists(items, max_size=8, unique=True)
many = st.lists(st.tuples(one_list, st.lists(items, max_size=10, unique=True)), min_size=1, max_size=6)


def defined(name: str, style: Style, ranked: Sequence[int], relevant: set[int], k: int) -> float:
    """One user's value from the formulas of the table in `evals.metrics.accuracy`."""
    if not relevant:
        return nan
    top = list(ranked[:k])
    hits = [item in relevant for item in top]
    found, size = sum(hits), len(relevant)
    exact = (found / len(top) if top else nan) if style == "lenskit" else found / k
    complete = found / (min(size, k) if style == "lenskit" else size)

    def discount(rank: int) -> float:
        return 1 / math.log2(max(rank, 2) if style == "lenskit" else rank + 1)

    if name == "precision":
        return exact
    if name == "recall":
        return complete
    if name == "f1":
        return 0.0 if exact + complete == 0 else 2 * exact * complete / (exact + complete)
    if name == "hit":
        return float(any(hits))
    if name == "mrr":
        return next((1 / rank for rank, one in enumerate(hits, 1) if one), 0.0)
    if name == "map":
        total = sum(sum(hits[:rank]) / rank for rank, one in enumerate(hits, 1) if one)
        below = {"rectools": size, "lenskit": min(size, len(top))}.get(style, min(size, k))
        return total / below if below else nan
    gained = sum(discount(rank) for rank, one in enumerate(hits, 1) if one)
    return gained / sum(discount(rank) for rank in range(1, (k if style == "rectools" else min(size, k)) + 1))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", list(LIST_KERNELS))
@settings(max_examples=60, deadline=None)
@given(users=many, k=st.integers(1, 10))
def test_accuracy_is_what_its_definition_says(
    name: str, style: Style, users: list[tuple[list[int], list[int]]], k: int
) -> None:
    lists = padded([ranked for ranked, _ in users], 8)
    indptr, indices = packed([relevant for _, relevant in users])
    hits = metrics.hit_matrix(lists, indptr, indices)
    values = LIST_KERNELS[name](hits, np.diff(indptr), k, style, metrics.list_lengths(lists))
    assert values.dtype == np.float64
    np.testing.assert_allclose(
        values, [defined(name, style, ranked, set(relevant), k) for ranked, relevant in users], atol=1e-12
    )


def test_undefined_is_not_zero() -> None:
    hits = np.array([[True, False], [False, False]])
    found = metrics.ndcg(hits, np.array([1, 0]), 2)
    assert found[0] == 1 and np.isnan(found[1])
    assert metrics.coverage(np.array([[0, 1], [1, -1]]), 4) == 0.5
    assert np.isnan(metrics.coverage(np.array([[0]]), 0))


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(UsageError, match="ndcg@K"):
        metrics.parse("dcg@10")
    with pytest.raises(UsageError, match="rectools"):
        metrics.style_of("ranx")
