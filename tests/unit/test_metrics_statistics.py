"""Intervals, paired tests and their correction against exact answers, and what they make of
undefined values.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.metrics import Mean
from limner.evals.metrics import holm, interval, intervals, paired_test, paired_tests

nan = math.nan


def test_the_interval_of_a_mean_is_about_two_standard_errors_each_way() -> None:
    values = np.random.default_rng(1).normal(3, 2, 2000)
    found = interval(values, rounds=4000)
    error = values.std() / math.sqrt(2000)
    assert found.mean == pytest.approx(values.mean()) and found.n == 2000
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_interval_of_few_values_has_the_exact_bootstrap_s_bounds() -> None:
    """All 4^4 resamples of four users, written out."""
    values = np.array([0.0, 0.1, 0.4, 1.0])
    every = [np.mean(drawn) for drawn in itertools.product(values, repeat=4)]
    found = interval(values, rounds=20_000)
    low, high = np.quantile(every, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_bounds_lie_among_the_values_and_zero_is_zero() -> None:
    values = np.zeros((2, 40))
    values[0, :3] = (0.9, 0.7, 1.0)
    values[1, 5] = 1e4
    for one in intervals(values, seed=3):
        assert 0.0 <= one.low < 1e-7 or one.low > 1e-3
        assert not np.signbit(one.low) and one.high <= 1e4
    [flat] = intervals(np.full((1, 50), 0.1))
    assert flat.low == flat.high == 0.1


def test_undefined_values_count_for_nothing() -> None:
    values = np.array([0.5, nan, 0.5, nan])
    assert interval(values) == Mean(0.5, 0.5, 0.5, 2)
    nothing = interval(np.full(3, nan))
    assert nothing.n == 0 and all(np.isnan([nothing.mean, nothing.low, nothing.high]))
    assert interval(np.zeros(0)).n == 0
    one = interval(np.array([0.5, nan]))
    assert (one.mean, one.n) == (0.5, 1) and np.isnan(one.low)


def test_the_same_seed_gives_the_same_interval_and_rows_do_not_touch_each_other() -> None:
    random = np.random.default_rng(2)
    values = np.stack([random.random(300), random.random(300) * 1000])
    values[1, :100] = nan
    both = intervals(values, seed=4)
    assert both == intervals(values, seed=4) != intervals(values, seed=5)
    for row, found in zip(values, both, strict=True):
        alone = interval(row, seed=4)
        assert (found.mean, found.n) == (alone.mean, alone.n)
        assert found.low == pytest.approx(alone.low, rel=1e-5)
        assert found.high == pytest.approx(alone.high, rel=1e-5)
    assert both[1].n == 200


def test_a_weighted_mean_is_pooled_over_users() -> None:
    """Two errors of the first user, one of the second, none of the third."""
    found = interval(np.array([2.0, 5.0, nan]), weights=np.array([2, 1, 0]))
    assert (found.mean, found.n) == (3.0, 2)
    assert found.low == pytest.approx(2.0) and found.high == pytest.approx(5.0)


def test_many_rounds_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(50)
    whole = interval(values)
    monkeypatch.setattr("limner.core.metrics.ROUNDS", 7)
    parts = interval(values)
    assert parts.low == pytest.approx(whole.low)
    assert parts.high == pytest.approx(whole.high)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_the_randomisation_test_counts_sign_flips(differences: list[int]) -> None:
    """Against every way to flip the signs."""
    a = np.array(differences, dtype=np.float64)
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(a))
    ]
    exact = np.mean([one >= abs(a.sum()) for one in flips])
    found = paired_test(a, np.zeros(len(a)))
    assert found.p == pytest.approx(exact, abs=0.025)
    assert found.diff == pytest.approx(a.mean()) and found.n == len(a)


def test_a_tie_with_what_was_seen_counts_whatever_the_rounding() -> None:
    """Of eight ways to sign three values, the one that was seen and its opposite are as far from 0
    as itself.
    """
    random = np.random.default_rng(7)
    for values in (np.full(3, 1 / 3), *random.random((20, 3))):
        assert paired_test(values, np.zeros(3), rounds=4000).p == pytest.approx(0.25, abs=0.03)


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not() -> None:
    random = np.random.default_rng(6)
    base = random.random(400)
    better, same = base + random.normal(0.05, 0.1, 400), base + random.normal(0, 0.1, 400)
    for method in ("randomisation", "t", "wilcoxon"):
        assert paired_test(better, base, method=method).p < 0.001, method
        assert paired_test(same, base, method=method).p > 0.05, method
    found = paired_test(better, base)
    assert 0 < found.low < found.diff < found.high
    assert found.p == pytest.approx(1 / 10_001)


def test_p_values_are_uniform_where_nothing_differs() -> None:
    """Of many comparisons without a difference, one in twenty has p below .05."""
    random = np.random.default_rng(8)
    a, b = random.random((400, 60)), random.random((400, 60))
    below = np.mean([one.p < 0.05 for one in paired_tests(a, b, rounds=1000)])
    assert 0.02 < below < 0.09


def test_users_with_one_value_only_are_no_pair() -> None:
    a, b = np.array([1.0, nan, 0.5, 0.2]), np.array([0.5, 0.5, nan, 0.2])
    found = paired_test(a, b)
    assert (found.n, found.diff) == (2, 0.25)
    for method in ("randomisation", "t", "wilcoxon"):
        none = paired_test(np.full(2, nan), np.ones(2), method=method)
        assert none.n == 0 and np.isnan(none.p)
        assert paired_test(np.ones(5), np.ones(5), method=method).p == 1.0


def test_scipy_s_tests_are_scipy_s() -> None:
    from scipy import stats

    random = np.random.default_rng(9)
    a, b = random.random(30), random.random(30)
    assert paired_test(a, b, method="t").p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_test(a, b, method="wilcoxon").p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_holm_steps_down() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, nan, 0.02]), [0.5, nan, 0.04])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_its_procedure_rejects(p_values: list[float], level: float) -> None:
    """In order of size, each against level / (what is left), until one stands."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = set()
    for nth, at in enumerate(order):
        if p_values[at] * (len(order) - nth) > level:
            break
        rejected.add(at)
    assert {at for at, p in enumerate(holm(p_values)) if p <= level} == rejected
