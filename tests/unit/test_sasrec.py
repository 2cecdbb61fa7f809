"""SASRec on tiny data. Without torch, which CI does not install (its usual build is gigabytes),
these are skipped.
"""

import importlib.util

import numpy as np
import pytest

from limner.core.errors import CannotRunError
from limner.evals.measure import Truth, measure, rank
from limner.evals.metrics import parse
from limner.evals.run import RunPlan, run
from limner.evals.splits import leave_last_out
from limner.evals.systems import sasrec
from limner.evals.systems.sasrec import SasRec, _batches, _held_out, _windows
from tests.unit.test_evaluation import DAY, dataset, made, many, truth_of

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="TORCH IS MISSING: pip install torch, any CPU build, to run this",
)


def walks(users: int = 60, items: int = 12) -> list[tuple[int, int, int]]:
    """Everyone goes up the items one by one, from somewhere: what comes next is certain, popularity
    tells nothing.
    """
    return [
        (user, (user + step) % items, step * DAY + user)
        for user in range(users)
        for step in range(6)
    ]


def test_every_item_but_the_first_is_once_a_target_and_repeats_are_none() -> None:
    items = np.array([4, 5, 6, 5, 7, 8, 9], dtype=np.int64)
    found = _windows(items, 3)
    pairs = [
        pair
        for one in found[::-1]
        for pair in zip(one.read.tolist(), one.next.tolist(), strict=True)
    ]
    assert pairs == [(4, 5), (5, 6), (6, -1), (5, 7), (7, 8), (8, 9)]
    assert _windows(items[:1], 3) == []
    assert _windows(np.array([2, 2]), 3) == []


def test_batches_hold_every_window_once_and_no_more_than_fits() -> None:
    windows = [one for size in range(2, 60) for one in _windows(np.arange(size), 50)]
    found = [one for batch in _batches(windows, 100_000, np.random.default_rng(0)) for one in batch]
    assert sorted(id(one) for one in found) == sorted(id(one) for one in windows)
    for batch in _batches(windows, 100_000, np.random.default_rng(0)):
        assert len(batch) == 1 or sum(len(one.read) for one in batch) * 100_000 <= 40_000_000


def test_only_users_whose_last_item_is_new_to_them_are_held_out() -> None:
    past = [np.array([0, 1, 0]), np.array([0, 1]), *([np.array([0, 1, 2])] * 28)]
    held = _held_out(past, np.random.default_rng(0))
    assert len(held) == 6 and not held & {0, 1}


def test_without_torch_it_is_skipped_and_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    x = many()
    with pytest.raises(CannotRunError, match=r"pip install 'limner\[neural\]'"):
        SasRec().fit(truth_of(leave_last_out(x), x).training)
    found = run(dataset(x), RunPlan("leave-last-out", ["sasrec", "popular"], ["ndcg@10"], trials=0))
    assert [one.state for one in found.systems] == ["skipped", "ok"]


@needs_torch
def test_it_learns_what_follows_what() -> None:
    x = made(walks(), items=12, users=60)
    truth = truth_of(leave_last_out(x), x)
    system = SasRec(factors=16, dropout=0.0, rate=0.01)
    system.fit(truth.training)
    reached = measure(
        rank(system, truth, 10, truth.training.progress), truth, [parse("hit@1")]
    ).by_user["hit@1"]
    assert reached.mean() > 0.9


@needs_torch
def test_the_same_seed_gives_the_same_and_leaves_the_seed_of_torch_alone() -> None:
    import torch

    x = many()
    truth = truth_of(leave_last_out(x), x)
    before = torch.get_rng_state()
    found = []
    for _ in range(2):
        system = SasRec(factors=16)
        system.fit(truth.training)
        found.append(system.score(truth.training.asked(truth.split.users)))
    assert np.array_equal(found[0], found[1])
    assert torch.equal(torch.get_rng_state(), before)


@needs_torch
def test_time_ends_learning_and_a_user_without_history_gets_what_is_popular(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sasrec, "SECONDS", 0.0)
    x = made([row for row in walks() if row[0] != 7], items=12, users=60)
    truth = truth_of(leave_last_out(x), x)
    system = SasRec(factors=16)
    system.fit(truth.training)
    scores = system.score(truth.training.asked(np.array([7, 8])))
    assert np.array_equal(scores[0], truth.training.share)
    assert np.isfinite(scores[1]).all()


def truth(users: int) -> Truth:
    x = made(walks(users), items=12, users=users)
    return truth_of(leave_last_out(x), x)


@needs_torch
def test_few_users_are_enough() -> None:
    few = truth(3)
    system = SasRec(factors=16)
    system.fit(few.training)
    assert np.isfinite(system.score(few.training.asked(few.split.users))).all()
