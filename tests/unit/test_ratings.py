"""Predicted ratings: a linear model that knows generous users, good items and what a user makes of
their like.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.core.schema import Scale
from limner.rank.ratings import Rated, Ratings, fit_ratings, load_ratings

USERS, ITEMS, EACH = 60, 20, 15
SCALE = Scale(source="made", low=1, high=5)
FACETS = sp.csr_array(np.repeat(np.eye(2, dtype=np.float32), ITEMS // 2, axis=0))
"""The first half of the items has one attribute, the second another."""


def made(noise: float = 0.05) -> tuple[Interactions, NDArray[np.float64]]:
    """Users differ in how generously they rate and in which half they like, items in how good they
    are.
    """
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(USERS), EACH).astype(np.int32)
    item = np.concatenate([random.permutation(ITEMS)[:EACH] for _ in range(USERS)]).astype(np.int32)
    generous, good = random.normal(0, 0.2, USERS), random.normal(0, 0.2, ITEMS)
    taste = random.choice([-0.25, 0.25], USERS)
    place = generous[user] + good[item] + taste[user] * np.where(item < ITEMS // 2, 1, -1)
    place = np.clip(place + random.normal(0, noise, len(user)), -1, 1)
    n, zeros = len(user), np.zeros(len(user), np.int16)
    x = Interactions(
        [f"u{at}" for at in range(USERS)],
        [f"i{at}" for at in range(ITEMS)],
        ["rating"],
        ["made"],
        user,
        item,
        zeros,
        zeros,
        place * 2 + 3,
        np.arange(n, dtype=np.int64),
        np.arange(1, n + 1),
    )
    return x, place


def fitted() -> Ratings:
    x, place = made()
    found = fit_ratings(x, place, FACETS, SCALE)
    assert found is not None
    return found


def test_it_is_much_better_than_the_mean_and_calibrated() -> None:
    report = fitted().report
    assert report.rmse < 0.5 * report.rmse_of_mean and report.mae <= report.rmse
    assert report.calibration_error < 0.15 and (report.low, report.high) == (1, 5)


def test_a_generous_user_a_good_item_and_a_liked_kind_raise_the_rating() -> None:
    model = fitted()
    items = np.arange(ITEMS)
    mild, kind = Rated(items[:4], np.full(4, 0.0)), Rated(items[:4], np.full(4, 0.8))
    assert (model.predict(kind, FACETS, items) > model.predict(mild, FACETS, items)).all()
    split = Rated(np.array([0, 1, 10, 11]), np.array([0.8, 0.8, -0.8, -0.8]))
    level = replace(model, deviation=np.zeros(ITEMS))
    first, second = level.predict(split, FACETS, np.array([5, 15]))
    assert first > second
    best, worst = int(model.deviation.argmax()), int(model.deviation.argmin())
    assert (
        model.predict(mild, sp.csr_array((ITEMS, 1), dtype=np.float32), np.array([best, worst]))[0]
        > 3
    )


def test_predictions_stay_on_the_scale() -> None:
    wild = replace(fitted(), coefficients=(5.0, 0.0, 0.0, 0.0))
    assert wild.predict(Rated(np.array([0]), np.array([1.0])), FACETS, np.array([1])).tolist() == [
        5.0
    ]


def test_the_test_ratings_are_not_seen_while_fitting() -> None:
    """With late ratings that contradict all early ones nothing is explained."""
    x, place = made()
    nth = np.tile(np.arange(EACH), USERS)
    place = np.where(nth >= EACH * 0.8, np.random.default_rng(1).uniform(-1, 1, len(place)), place)
    found = fit_ratings(x, place, FACETS, SCALE)
    assert found is not None and found.report.rmse == pytest.approx(
        found.report.rmse_of_mean, rel=0.1
    )


def test_too_few_ratings_teach_nothing() -> None:
    x, place = made()
    assert fit_ratings(x, np.where(x.user < 5, place, np.nan), FACETS, SCALE) is None


def test_a_stored_model_predicts_the_same_and_a_wider_catalogue_knows_no_more(
    tmp_path: Path,
) -> None:
    model = fitted()
    assert load_ratings(tmp_path) is None
    model.save(tmp_path)
    loaded = load_ratings(tmp_path)
    assert loaded is not None and loaded.report == model.report
    rated, items = Rated(np.array([0, 12]), np.array([0.5, -0.5])), np.arange(ITEMS)
    assert np.allclose(loaded.predict(rated, FACETS, items), model.predict(rated, FACETS, items))
    wide = model.over(ITEMS + 1)
    facets = sp.csr_array(sp.vstack([FACETS, sp.csr_array((1, 2), dtype=np.float32)]))
    assert np.allclose(wide.predict(rated, facets, items), model.predict(rated, FACETS, items))
    assert 1 <= wide.predict(rated, facets, np.array([ITEMS]))[0] <= 5
