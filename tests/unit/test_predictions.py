"""Predicted ratings and probabilities in the harness: what is asked, what is answered, and how it
is measured.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from limner.core.errors import BadInputError
from limner.core.interactions import Interactions
from limner.core.progress import Quiet
from limner.core.schema import Item, Scale
from limner.core.settings import SignalTable
from limner.evals import metrics as kernels
from limner.evals.data import EvaluationData, Shelf
from limner.evals.measure import Truth, measure, predict, rank
from limner.evals.metrics import parse
from limner.evals.predictions import predict_probabilities, predict_ratings
from limner.evals.run import RunPlan, run, training_of
from limner.evals.splits import Split, global_time, leave_last_out, ratio
from limner.evals.systems import SYSTEMS, Training, UserBatch
from limner.evals.systems.base import Scores
from limner.evals.systems.cases import STRETCH, probability_cases, rating_cases

USERS, ITEMS, DAY = 60, 40, 86_400_000
FIVE = {"stars": Scale(source="stars", low=1, high=5)}
ALL = ["rmse", "mae", "accuracy", "log_loss", "ece"]


def rated(
    rows: Sequence[tuple[int, int, int, float]], users: int = USERS, items: int = ITEMS
) -> Interactions:
    """Of (user, item, time, rating)."""
    found = sorted(rows, key=lambda row: (row[0], row[2]))
    n = len(found)
    zeros = np.zeros(n, np.int16)
    return Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at}" for at in range(items)],
        ["rating"],
        ["stars"],
        np.array([one[0] for one in found], np.int32),
        np.array([one[1] for one in found], np.int32),
        zeros,
        zeros,
        np.array([one[3] for one in found]),
        np.array([one[2] for one in found], np.int64),
        np.arange(1, n + 1),
    )


def tastes(seed: int = 0) -> Interactions:
    """Items are good or bad, users strict or mild; many ratings, times of their own."""
    random = np.random.default_rng(seed)
    good, mild = random.normal(0, 0.8, ITEMS), random.normal(0, 0.5, USERS)
    rows = []
    for user in range(USERS):
        some = random.permutation(ITEMS)[: int(random.integers(12, 30))]
        for item in some.tolist():
            value = float(
                np.clip(np.round(3.2 + good[item] + mild[user] + random.normal(0, 0.5)), 1, 5)
            )
            rows.append((user, item, int(random.integers(0, 1000)) * DAY + user, value))
    return rated(rows)


def dataset(x: Interactions) -> EvaluationData:
    return EvaluationData(
        "made", x, FIVE, Shelf([Item(item_id=one, categories=["any"]) for one in x.item_ids])
    )


def truth_of(split: Split, x: Interactions) -> Truth:
    return Truth(split, training_of(dataset(x), split, SignalTable(), 0, Quiet()))


# ---------------------------------------------------------------- what is asked


def test_the_first_rating_of_each_new_item_is_asked_for() -> None:
    x = rated(
        [
            (0, 0, 1, 4),
            (1, 1, 2, 3),
            (0, 0, 8, 1),
            (0, 2, 8, 5),
            (0, 2, 9, 1),
            (1, 3, 9, 2),
            (2, 4, 9, 2),
        ]
    )
    split = global_time(x, share=0.3)
    truth = truth_of(split, x)
    cases = truth.ratings
    told = [
        (split.users[user], item, value)
        for user, item, value in zip(*vars(cases).values(), strict=True)
    ]
    assert told == [(0, 2, 5.0), (1, 3, 2.0)]  # 0 had item 0 before; user 2 was not known


def test_ratings_of_another_scale_are_told_on_that_of_the_most() -> None:
    x = rated([(0, 0, 1, 4), (1, 1, 2, 3), (0, 2, 8, 5), (1, 3, 9, 10)])
    x = replace(
        x,
        sources=["stars", "tens"],
        source=np.array([0, 0, 0, 1], np.int16)[np.argsort([0, 1, 2, 3])],
    )
    scales = {**FIVE, "tens": Scale(source="tens", low=0, high=10)}
    split = global_time(x, share=0.5)
    data = replace(dataset(x), scales=scales)
    cases = rating_cases(split, training_of(data, split, SignalTable(), 0, Quiet()))
    assert dict(zip(cases.item.tolist(), cases.truth.tolist(), strict=True)) == {2: 5.0, 3: 5.0}


def test_a_test_part_without_ratings_is_refused() -> None:
    x = replace(tastes(), types=["view"])
    with pytest.raises(BadInputError, match="No rating can be asked for"):
        run(dataset(x), RunPlan("global-time", ["rating-mean"], ["rmse"]))


def test_probabilities_are_asked_of_everyone_known_about_what_most_had() -> None:
    x = tastes()
    split = global_time(x).everyone()
    truth = truth_of(split, x)
    cases = truth.probabilities
    assert len(split.users) == len(np.unique(split.train.user))
    end = np.sort(split.test.time)[round(STRETCH * len(split.train)) - 1]
    had = set(zip(split.train.user.tolist(), split.train.item.tolist(), strict=True))
    within = split.test.time <= end
    got = set(zip(split.test.user[within].tolist(), split.test.item[within].tolist(), strict=True))
    for user, item, happened in zip(
        split.users[cases.user].tolist(), cases.item.tolist(), cases.truth, strict=True
    ):
        assert (user, item) not in had
        assert happened == ((user, item) in got)
    assert 0 < cases.truth.mean() < 1
    # Which pairs are asked does not hang on what happened.
    other = replace(split, test=split.test.take(split.test.user % 2 == 0))
    again = probability_cases(other, truth.training)
    assert np.array_equal(again.item, cases.item) and np.array_equal(again.user, cases.user)


def test_a_split_that_asks_everyone_says_so_and_has_another_hash() -> None:
    x = rated([(0, 0, 1, 4), (1, 1, 2, 3), (2, 1, 3, 3), (0, 2, 8, 5)])
    split = global_time(x, share=0.7)
    wide = split.everyone()
    assert (split.users.tolist(), wide.users.tolist()) == ([0], [0, 1, 2])
    assert [one.tolist() for one in wide.relevant] == [[2], [], []]
    assert wide.digest != split.digest and "3 users, of whom 1" in wide.notes[-1].text
    assert wide.everyone() is wide
    last = leave_last_out(tastes())
    assert last.everyone() is last


def test_probabilities_of_what_comes_next_are_asked_where_each_user_is_cut() -> None:
    x = tastes()
    truth = truth_of(leave_last_out(x), x)
    assert truth.probabilities.truth.sum() == len(
        truth.split.users
    )  # the catalogue is small enough to hold each
    with pytest.raises(BadInputError, match="global-time or leave-last-out"):
        run(dataset(x), RunPlan("ratio", ["base-rate"], ["log_loss"]))
    assert ratio(x).moment is None


# ---------------------------------------------------------------- how it is measured


@given(st.integers(1, 60), st.integers(1, 8), st.integers(0, 10_000))
def test_the_mean_of_shares_is_the_error_over_all_cases(cases: int, users: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    user = random.integers(0, users, cases)
    stars, said = random.integers(1, 6, cases).astype(float), random.uniform(1, 5, cases)
    happened, told = random.integers(0, 2, cases).astype(float), random.random(cases)
    for name, true, predicted in (
        ("rmse", stars, said),
        ("mae", stars, said),
        ("accuracy", happened, told),
        ("log_loss", happened, told),
        ("ece", happened, told),
        ("rmse", stars, stars),
    ):
        found = kernels.shares(name, true, predicted, user, users)
        assert np.isnan(found).sum() == users - len(np.unique(user))
        assert np.nanmean(found) == pytest.approx(
            getattr(kernels, name)(true, predicted), abs=1e-12
        )


def test_their_interval_is_that_of_the_error_itself() -> None:
    random = np.random.default_rng(3)
    user = np.sort(random.integers(0, 200, 4000))
    bias = random.normal(0, 0.5, 200)
    stars = random.integers(1, 6, 4000).astype(float)
    said = stars + bias[user] + random.normal(0, 1, 4000)
    quick = kernels.interval(kernels.shares("rmse", stars, said, user, 200))
    squares, count = kernels.by_user(np.square(said - stars), user, 200)
    drawn = random.integers(0, 200, (2000, 200))
    whole = np.sqrt((squares * count)[drawn].sum(axis=1) / count[drawn].sum(axis=1))
    low, high = np.quantile(whole, [0.025, 0.975])
    assert quick.high - quick.low == pytest.approx(high - low, rel=0.12)
    assert quick.low == pytest.approx(low, abs=0.01)


class Guess:
    """Says one rating and one probability; raises for some users, is silent about others."""

    name = "guess"

    def __init__(
        self, rating: float = 3.0, chance: float = 0.2, raises: int = -1, silent: int = -1
    ) -> None:
        self._rating, self._chance, self._raises, self._silent = rating, chance, raises, silent

    def fit(self, training: Training) -> None:
        self._items = len(training.x.item_ids)

    def score(self, asked: UserBatch) -> Scores:
        return np.tile(np.arange(self._items, dtype=float), (len(asked), 1))

    def _say(
        self, value: float, asked: UserBatch, items: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        if self._raises in asked.users:
            raise RuntimeError("no such user")
        return [
            np.full(len(one), np.nan if user == self._silent else value)
            for user, one in zip(asked.users, items, strict=True)
        ]

    def ratings(
        self, asked: UserBatch, items: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        return self._say(self._rating, asked, items)

    def probabilities(
        self, asked: UserBatch, items: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        return self._say(self._chance, asked, items)


def test_errors_are_those_of_the_cases_whole_and_by_bucket() -> None:
    x = tastes()
    truth = truth_of(global_time(x).everyone(), x)
    guess = Guess()
    guess.fit(truth.training)
    specs = [parse(one) for one in ["ndcg@5", *ALL]]
    found = measure(
        rank(guess, truth, 5, Quiet()), truth, specs, predictions=predict(guess, truth, specs)
    )
    stars, chances = truth.ratings, truth.probabilities
    whole = found.summary(truth, [one.label for one in specs], seed=0)
    assert whole["rmse"].mean == pytest.approx(np.sqrt(np.mean((stars.truth - 3) ** 2)))
    assert whole["mae"].mean == pytest.approx(np.mean(np.abs(stars.truth - 3)))
    assert whole["ece"].mean == pytest.approx(abs(chances.truth.mean() - 0.2))
    assert whole["accuracy"].mean == pytest.approx(1 - chances.truth.mean())
    assert whole["rmse"].n == len(np.unique(stars.user)) and whole["ece"].n == len(
        truth.split.users
    )
    for bucket, held in found.buckets(truth, ["mae"], seed=0).items():
        inside = np.array(truth.buckets)[stars.user] == bucket
        expected = np.mean(np.abs(stars.truth - 3)[inside]) if inside.any() else None
        assert held["mae"].mean == (None if expected is None else pytest.approx(expected))


def test_what_was_not_predicted_is_counted_and_stands_as_usual() -> None:
    x = tastes()
    truth = truth_of(global_time(x).everyone(), x)
    first, second = (
        truth.split.users[truth.ratings.user[0]],
        truth.split.users[truth.ratings.user[-1]],
    )
    guess = Guess(raises=int(first), silent=int(second))
    guess.fit(truth.training)
    said = predict_ratings(guess, truth.ratings, truth.split, truth.training)
    assert said is not None and truth.training.rated is not None
    missing = np.isin(truth.split.users[truth.ratings.user], [first, second])
    assert said.silent == missing.sum()
    place, scale = truth.training.rated
    assert said.told[missing] == pytest.approx(
        scale.low + (np.nanmean(place) + 1) / 2 * (scale.high - scale.low)
    )
    assert (said.told[~missing] == 3.0).all()
    assert "the first time it raised RuntimeError: no such user" in str(said.remark("ratings"))


def test_what_is_no_probability_is_refused() -> None:
    x = tastes()
    truth = truth_of(global_time(x).everyone(), x)
    guess = Guess(chance=1.5)
    with pytest.raises(ValueError, match="below 0 or above 1"):
        predict_probabilities(guess, truth.probabilities, truth.split, truth.training)


def test_systems_that_predict_nothing_have_no_such_number_and_others_are_compared() -> None:
    record = run(
        dataset(tastes()),
        RunPlan(
            "global-time", ["popular", "rating-mean", "rating-bias", "base-rate"], ["ndcg@5", *ALL]
        ),
    )
    by_name = {one.name: one for one in record.systems}
    assert [one.state for one in record.systems] == ["ok"] * 4
    for name in ALL:
        assert (
            by_name["popular"].metrics[name].mean is None
            and by_name["popular"].metrics[name].n == 0
        )
    mean, bias = (by_name[one].metrics["rmse"] for one in ("rating-mean", "rating-bias"))
    assert mean.mean is not None and bias.mean is not None and bias.mean < mean.mean - 0.2
    assert mean.ci95 is not None and mean.ci95[0] < mean.mean < mean.ci95[1]
    assert (
        by_name["base-rate"].metrics["ece"].mean is not None
        and by_name["base-rate"].metrics["ece"].mean < 0.1
    )


def test_limner_predicts_better_than_the_means_and_sees_nothing_of_the_test() -> None:
    x = tastes()
    record = run(
        dataset(x), RunPlan("global-time", ["rating-mean", "limner"], ["rmse", "log_loss"])
    )
    by_name = {one.name: one.metrics for one in record.systems}
    assert (by_name["limner"]["rmse"].mean or 9) < (by_name["rating-mean"]["rmse"].mean or 0)
    assert by_name["limner"]["log_loss"].n == record.split.users
    split = global_time(x).everyone()
    changed = x.value.copy()
    changed[x.time >= (split.moment or 0)] = 6 - changed[x.time >= (split.moment or 0)]
    found = []
    for events in (x, replace(x, value=changed)):
        truth = truth_of(global_time(events).everyone(), events)
        ours = SYSTEMS["limner"].make()
        ours.fit(truth.training)
        said = predict(ours, truth, [parse(one) for one in ALL])
        assert said.ratings is not None and said.probabilities is not None
        found.append((said.ratings.told, said.probabilities.told, said.ratings.cases.truth))
    assert np.array_equal(found[0][0], found[1][0]) and np.array_equal(found[0][1], found[1][1])
    assert not np.array_equal(found[0][2], found[1][2])
