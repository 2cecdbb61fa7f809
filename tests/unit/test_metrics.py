"""The metric kernels against definitions written out with sets and loops, and what undefined looks
like.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from limner.core.errors import UsageError
from limner.evals import metrics
from limner.evals.metrics import LIST_KERNELS, METRICS, STYLES, Style

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
    return np.array([[*one, *[-1] * (width - len(one))] for one in lists], dtype=np.int64).reshape(
        len(lists), width
    )


items = st.integers(0, ITEMS - 1)
one_list = st.lists(items, max_size=8, unique=True)
many = st.lists(
    st.tuples(one_list, st.lists(items, max_size=10, unique=True)), min_size=1, max_size=6
)


def defined(name: str, style: Style, ranked: Sequence[int], relevant: set[int], k: int) -> float:
    """One user's value from the formulas of the table in `limner.evals.metrics.accuracy`."""
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
    return gained / sum(
        discount(rank) for rank in range(1, (k if style == "rectools" else min(size, k)) + 1)
    )


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
        values,
        [defined(name, style, ranked, set(relevant), k) for ranked, relevant in users],
        atol=1e-12,
    )


def test_an_item_listed_twice_counts_where_it_stands_first() -> None:
    hits = metrics.hit_matrix(np.array([[3, 3, 1], [1, 3, 3]]), *packed([[3], [3]]))
    assert hits.tolist() == [[True, False, False], [False, True, False]]


@pytest.mark.parametrize("items", [5, 3_000_000])
def test_hits_are_found_in_small_and_in_huge_catalogues(items: int) -> None:
    """Whether the lookup table holds all users at once or one at a time."""
    lists = np.array([[items - 1, 0, -1], [0, 2, 1], [-1, -1, -1]])
    hits = metrics.hit_matrix(lists, *packed([[0], [items - 1, 2], [items - 1, 0]]))
    assert hits.tolist() == [[False, True, False], [False, True, False], [False] * 3]


def test_lists_and_relevant_items_of_different_users_are_refused() -> None:
    with pytest.raises(ValueError, match="2 lists"):
        metrics.hit_matrix(np.array([[0], [1]]), *packed([[0], [1], [2]]))


def test_lists_shorter_than_the_cut_and_no_lists_at_all() -> None:
    for kernel in LIST_KERNELS.values():
        for style in STYLES:
            assert kernel(np.zeros((0, 5), bool), np.zeros(0, int), 10, style, None).shape == (0,)
            nothing = kernel(np.zeros((1, 0), bool), np.array([2]), 10, style, None)
            assert nothing.shape == (1,) and (nothing[0] == 0 or np.isnan(nothing[0]))
    assert metrics.hit_matrix(np.zeros((2, 0), int), *packed([[1], []])).shape == (2, 0)
    assert metrics.precision(np.array([[True, True]]), np.array([2]), 10)[0] == pytest.approx(0.2)


scores_row = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, -np.inf]), min_size=3, max_size=8)


@settings(max_examples=100, deadline=None)
@given(row=scores_row, data=st.data())
def test_auc_counts_pairs(row: list[float], data: st.DataObject) -> None:
    relevant = data.draw(st.lists(st.integers(0, len(row) - 1), unique=True))
    others = [score for item, score in enumerate(row) if item not in relevant and score > -np.inf]
    pairs = [
        float(row[one] > other) + 0.5 * (row[one] == other) for one in relevant for other in others
    ]
    found = metrics.auc(np.array([row]), *packed([relevant]))
    np.testing.assert_allclose(found, [float(np.mean(pairs)) if pairs else nan])
    if len(relevant) == 1 and row[relevant[0]] > -np.inf:
        ranks = metrics.midranks(np.array([row]), np.array(relevant))
        np.testing.assert_allclose(metrics.rank_auc(ranks, np.array([len(others) + 1])), found)


def test_ties_count_half_or_for_or_against_the_target() -> None:
    scores, target = np.array([[3.0, 1.0, 1.0, 1.0, 0.0]]), np.array([2])
    assert metrics.midranks(scores, target).tolist() == [2.0]
    assert metrics.midranks(scores, target, "first").tolist() == [1.0]
    assert metrics.midranks(scores, target, "last").tolist() == [3.0]
    ranks = np.array([0.0, 1.0, 9.0, 10.0])
    assert metrics.rank_hit(ranks, 10).tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(
        metrics.rank_ndcg(ranks, 10), [1, 1 / math.log2(3), 1 / math.log2(11), 0]
    )


FEATURES = 4
features_rows = st.lists(
    st.lists(st.integers(0, 1), min_size=FEATURES, max_size=FEATURES),
    min_size=ITEMS,
    max_size=ITEMS,
)


def cosine_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(1 - a @ b / np.sqrt((a @ a) * (b @ b)))


@settings(max_examples=60, deadline=None)
@given(lists=st.lists(one_list, min_size=1, max_size=4), rows=features_rows, k=st.integers(1, 9))
def test_diversity_is_the_mean_over_pairs(
    lists: list[list[int]], rows: list[list[int]], k: int
) -> None:
    features = np.array(rows, dtype=np.float64)
    apart: list[float] = []
    differing: list[float] = []
    for one in lists:
        known = [item for item in one[:k] if features[item].any()]
        far = [cosine_distance(features[a], features[b]) for a, b in combinations(known, 2)]
        apart.append(float(np.mean(far)) if far else nan)
        bits = [np.abs(features[a] - features[b]).sum() for a, b in combinations(one[:k], 2)]
        differing.append(float(np.mean(bits)) if bits else nan)
    ranked = padded(lists, 8)
    np.testing.assert_allclose(metrics.ild(ranked, features, k), apart, atol=1e-9)
    np.testing.assert_allclose(metrics.ild(ranked, features, k, "hamming"), differing, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(users=many, rows=features_rows, k=st.integers(1, 9))
def test_calibration_is_steck_s_divergence(
    users: list[tuple[list[int], list[int]]], rows: list[list[int]], k: int
) -> None:
    features = np.array(rows, dtype=np.float64)

    def spread(chosen: list[int]) -> NDArray[np.float64] | None:
        shares = [features[item] / features[item].sum() for item in chosen if features[item].any()]
        return np.mean(shares, axis=0) if shares else None

    expected = []
    for ranked, past in users:
        p, q = spread(past), spread(ranked[:k])
        if p is None or q is None:
            expected.append(nan)
            continue
        mixed = 0.99 * q + 0.01 * p
        expected.append(sum(a * math.log(a / b) for a, b in zip(p, mixed, strict=True) if a > 0))
    indptr, indices = packed([past for _, past in users])
    found = metrics.calibration_kl(
        padded([ranked for ranked, _ in users], 8), indptr, indices, features, k
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_calibration_ends() -> None:
    features = np.eye(2)
    found = metrics.calibration_kl(
        np.array([[0], [1], [-1]]), *packed([[0], [0], [0]]), features, 1
    )
    np.testing.assert_allclose(found, [0, -math.log(0.01), nan], atol=1e-12)
    assert np.isnan(
        metrics.calibration_kl(np.array([[0]]), *packed([[0]]), np.zeros((1, 0)), 1)
    ).all()


@settings(max_examples=60, deadline=None)
@given(lists=st.lists(one_list, min_size=1, max_size=4), k=st.integers(1, 9), data=st.data())
def test_novelty_popularity_and_spread(lists: list[list[int]], k: int, data: st.DataObject) -> None:
    counts = np.array(data.draw(st.lists(st.integers(0, 9), min_size=ITEMS, max_size=ITEMS)))
    ranked, tops = padded(lists, 8), [one[:k] for one in lists]

    def means(values: NDArray[np.float64]) -> list[float]:
        return [float(np.mean([values[item] for item in top])) if top else nan for top in tops]

    np.testing.assert_allclose(metrics.arp(ranked, counts, k), means(counts.astype(np.float64)))
    known = -np.log2(np.maximum(counts, 1) / 10)
    np.testing.assert_allclose(
        metrics.novelty(ranked, counts / 10, k, users=10), means(known), atol=1e-9
    )
    seen = [item for top in tops for item in top]
    assert metrics.coverage(ranked, ITEMS, k) == len(set(seen)) / ITEMS
    assert metrics.user_coverage(ranked, k) == sum(bool(top) for top in tops) / len(tops)
    times = [seen.count(item) for item in range(ITEMS)]
    if seen:
        # Half the mean difference between two items, over the mean (Gini 1912).
        differences = np.abs(np.subtract.outer(times, times)).mean()
        assert metrics.gini(ranked, ITEMS, k) == pytest.approx(
            differences / (2 * np.mean(times)), abs=1e-9
        )
    else:
        assert np.isnan(metrics.gini(ranked, ITEMS, k))


def test_novelty_without_the_number_of_users_takes_the_rarest() -> None:
    found = metrics.novelty(np.array([[0, 1], [2, -1], [-1, -1]]), np.array([1.0, 0.25, 0.0]), 2)
    np.testing.assert_allclose(found, [1.0, 2.0, nan])


def test_serendipity_is_what_rectools_documents() -> None:
    """The example of `rectools.metrics.Serendipity`."""
    lists = padded([[0, 1], [1, 2], [2], [1, 2]], 2)
    hits = metrics.hit_matrix(lists, *packed([[0, 1], [1, 2], [1], [1]]))
    relevant, popularity = np.array([2, 2, 1, 1]), np.array([3, 2, 0, 0])
    np.testing.assert_allclose(
        metrics.serendipity(lists, hits, relevant, popularity, 1), [0, 0.25, 0, 0.25]
    )
    np.testing.assert_allclose(
        metrics.serendipity(lists, hits, relevant, popularity, 2), [0, 0.5, 0, 0.125]
    )
    assert np.isnan(metrics.serendipity(lists, hits, np.zeros(4, int), popularity, 2)).all()


def test_undefined_is_not_zero() -> None:
    hits = np.array([[True, False], [False, False]])
    found = metrics.ndcg(hits, np.array([1, 0]), 2)
    assert found[0] == 1 and np.isnan(found[1])
    assert metrics.coverage(np.array([[0, 1], [1, -1]]), 4) == 0.5
    assert np.isnan(metrics.coverage(np.array([[0]]), 0))
    nobody = np.zeros((0, 3), dtype=np.int64)
    assert np.isnan(metrics.user_coverage(nobody)) and metrics.coverage(nobody, 3) == 0
    none = np.zeros(0)
    for number in (
        metrics.rmse(none, none),
        metrics.mae(none, none),
        metrics.accuracy(none, none),
        metrics.log_loss(none, none),
        metrics.ece(none, none),
    ):
        assert np.isnan(number)


def test_a_prediction_that_is_missing_is_not_left_out_in_silence() -> None:
    true, predicted = np.array([1.0, 1.0]), np.array([0.9, nan])
    for kernel in (metrics.rmse, metrics.mae, metrics.accuracy, metrics.log_loss, metrics.ece):
        assert np.isnan(kernel(true, predicted)), kernel


def test_errors_by_hand() -> None:
    true, predicted = np.array([1.0, 3.0, 5.0]), np.array([2.0, 3.0, 3.0])
    assert metrics.mae(true, predicted) == 1.0
    assert metrics.rmse(true, predicted) == pytest.approx(math.sqrt(5 / 3))
    y, p = np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.5, 0.6])
    assert metrics.accuracy(y, p) == 0.75
    assert metrics.log_loss(y, p) == pytest.approx(-np.mean(np.log([0.9, 0.8, 0.5, 0.4])))
    assert metrics.log_loss(np.array([0]), np.array([1.0])) == pytest.approx(
        -math.log(1e-15), rel=1e-3
    )
    means, counts = metrics.by_user(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 2]), 3)
    np.testing.assert_allclose(means, [2.0, nan, 5.0])
    assert counts.tolist() == [2, 0, 1]


@settings(max_examples=60, deadline=None)
@given(
    cases=st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30),
    bins=st.integers(1, 12),
    equal=st.sampled_from(["width", "mass"]),
)
def test_calibration_error_of_probabilities(
    cases: list[tuple[bool, float]], bins: int, equal: metrics.Bins
) -> None:
    """Bin by bin, as Guo and others (2017) write it."""
    y, p = np.array([float(one) for one, _ in cases]), np.array([one for _, one in cases])
    if equal == "width":
        parts = [
            [
                at
                for at, one in enumerate(p)
                if low / bins < one <= (low + 1) / bins or (low == 0 and one == 0)
            ]
            for low in range(bins)
        ]
    else:
        order = sorted(range(len(p)), key=lambda at: (p[at], at))
        parts = [
            [at for nth, at in enumerate(order) if nth * bins // len(p) == part]
            for part in range(bins)
        ]
    expected = sum(
        len(part) / len(p) * abs(y[part].mean() - p[part].mean()) for part in parts if part
    )
    assert metrics.ece(y, p, bins, equal) == pytest.approx(expected, abs=1e-9)


def test_a_probability_on_an_edge_is_in_the_bin_below() -> None:
    """0.7 * 10 is a little above 7 in floating point."""
    for edge in (0.1, 0.3, 0.7, 1.0):
        y, p = np.array([1.0, 0.0]), np.array([edge, edge - 0.05])
        assert metrics.ece(y, p) == pytest.approx(abs(1 - p.sum()) / 2)
    half = np.repeat([1.0, 0.0], 40)
    assert metrics.ece(half, np.full(80, 0.5), 2, "mass") == 0.5


def test_every_metric_has_a_name() -> None:
    assert {name for name, spec in METRICS.items() if spec.needs == "list"} == set(LIST_KERNELS)
    assert metrics.parse(" NDCG@5 ") == metrics.MetricSpec("ndcg", 5, "user", "list", True)
    assert metrics.parse("ndcg").label == "ndcg@10" and metrics.parse("auc").label == "auc"
    assert metrics.parse("coverage@20").kind == "whole"
    assert not metrics.parse("rmse").higher_is_better
    assert [metrics.parse(spec.label) for spec in METRICS.values()] == list(METRICS.values())


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("dcg@10", "ndcg@K"),
        ("", "ndcg@K"),
        ("ndcg@0", "above 0"),
        ("ndcg@", "above 0"),
        ("ndcg@ten", "above 0"),
        ("ndcg@-5", "above 0"),
        ("ndcg@²", "above 0"),
        ("rmse@10", "takes no cut"),
    ],
)
def test_an_unknown_metric_is_told_what_there_is(label: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        metrics.parse(label)


def test_an_unknown_style_is_told_what_there_is() -> None:
    assert [metrics.style_of(style) for style in STYLES] == list(STYLES)
    with pytest.raises(UsageError, match="rectools"):
        metrics.style_of("ranx")
