"""Training, storing, finding and fusing on a small made catalogue."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import StoreError
from limner.core.interactions import Interactions
from limner.core.schema import RatingReport
from limner.evals.splits import global_time, leave_last_out
from limner.rank import How, Model, catalogue_of, fit, load_model, order, save, train_report
from limner.rank.features import FRESH, RRF, WEIGHTS, choose, tabulate
from limner.rank.fusion import Method
from limner.rank.ratings import Ratings
from limner.rank.training_queries import evaluation_windows, training_queries
from limner.retrieve import ContentBook, History, ItemVectors, content_candidates, fit_collaborative


def made(users: int = 30, items: int = 20) -> Interactions:
    """User u has six items in a row from u on."""
    user = np.repeat(np.arange(users), 6).astype(np.int32)
    item = ((user + np.tile(np.arange(6), users)) % items).astype(np.int32)
    n = len(user)
    zeros = np.zeros(n, np.int16)
    return Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at}" for at in range(items)],
        ["like"],
        ["made"],
        user,
        item,
        zeros,
        zeros,
        np.full(n, np.nan),
        np.arange(n, dtype=np.int64) * 1000,
        np.arange(1, n + 1),
    )


@pytest.fixture(scope="module")
def model() -> Model:
    x = made()
    return fit(x, np.ones(len(x), np.float32))


def test_a_stored_model_scores_as_the_fitted_one(model: Model, tmp_path: Path) -> None:
    x = made()
    assert load_model(tmp_path) is None
    for _ in range(3):
        save(fit(x, np.ones(len(x), np.float32)), tmp_path)
    loaded = load_model(tmp_path)
    assert (
        loaded is not None and loaded.manifest.version == 3 and loaded.manifest.last_seq == len(x)
    )
    assert sorted(one.name for one in tmp_path.glob("v*")) == ["v2", "v3"]
    history = model.history([("i3", 1.0), ("i4", 1.0), ("never seen", 1.0)])
    assert len(history.items) == 2
    for ours, theirs in zip(model.channels.all, loaded.channels.all, strict=True):
        assert np.allclose(ours.score([history]), theirs.score([history]))


def test_a_damaged_model_says_so(tmp_path: Path) -> None:
    x = made()
    save(fit(x, np.ones(len(x), np.float32)), tmp_path)
    (tmp_path / "v1" / "channels.npz").write_bytes(b"broken")
    with pytest.raises(StoreError, match="train"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["channels.npz", "items.json", "ratings.npz"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_model_whose_file_was_cut_off_says_so(name: str, share: float, tmp_path: Path) -> None:
    x = made()
    save(fit(x, np.ones(len(x), np.float32)), tmp_path)
    folder = tmp_path / "v1"
    if name == "ratings.npz":
        report = RatingReport(
            ratings=1, rmse=1, rmse_of_mean=1, mae=1, calibration_error=0, low=1, high=5
        )
        Ratings(0.0, np.zeros(len(x.item_ids)), (0.0, 1.0, 1.0, 1.0), 1, 5, report).save(folder)
        assert load_model(tmp_path) is not None
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StoreError, match="train"):
        load_model(tmp_path)


def test_a_version_that_is_gone_before_it_was_read_gives_way_to_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = made()
    for _ in range(3):
        save(fit(x, np.ones(len(x), np.float32)), tmp_path)
    names = iter(["v1", "v3", "v3"])
    monkeypatch.setattr("limner.rank.model.current_version", lambda _: next(names))
    loaded = load_model(tmp_path)
    assert loaded is not None and loaded.manifest.version == 3


def test_what_follows_comes_first(model: Model) -> None:
    events = [("i3", 1.0), ("i4", 1.0), ("i5", 1.0)]
    assert (
        order(model, model.history(events), exclude=frozenset(dict(events)), n=5)[
            0
        ].candidate.item_id
        == "i6"
    )


def test_a_disliked_item_is_no_sign_of_taste(model: Model) -> None:
    liked = model.channels.collaborative.score(
        [History(np.array([3]), np.array([1.0], np.float32))]
    )
    disliked = model.channels.collaborative.score(
        [History(np.array([3]), np.array([-1.0], np.float32))]
    )
    assert liked.any() and not disliked.any()


@given(st.lists(st.integers(0, 19), max_size=19, unique=True), st.integers(1, 25))
def test_candidates_are_unseen_and_enough(model: Model, had: list[int], n: int) -> None:
    exclude = frozenset(f"i{at}" for at in had)
    history = model.history([(one, 1.0) for one in sorted(exclude)])
    found = order(model, history, exclude=exclude, n=n)
    ranked = [one.candidate.item_id for one in found]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len(set(ranked)) == len(ranked) and not exclude & set(ranked)
    assert len(ranked) >= min(n, 20 - len(exclude))


def test_every_item_asked_for_comes_back_cold_ones_by_content(model: Model) -> None:
    asked = ["nowhere", "i3", "cold", "i9", "i19"]
    found = order(model, model.history([("i3", 1.0)]), content={"cold": 0.5}, include=asked)
    given = [one.candidate.item_id for one in found if one.candidate.item_id in asked]
    assert sorted(given) == sorted(asked) and given[-2:] == ["cold", "nowhere"]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_voice_is_named_only_for_items_among_its_best(
    monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    monkeypatch.setattr(sys.modules["limner.rank.features"], "DEPTH", 2)
    monkeypatch.setattr(sys.modules["limner.rank.order"], "CANDIDATES", 2)
    found = order(
        model, model.history([("i3", 1.0), ("i4", 1.0)]), exclude=frozenset(["i3", "i4"]), n=2
    )
    named = [one.candidate.item_id for one in found if "next_item" in one.candidate.scores]
    assert len(named) <= 2 and "i5" in named


def test_an_item_is_added_to_the_candidates_of_every_user(model: Model) -> None:
    histories = [model.history([(f"i{at}", 1.0)]) for at in range(7)]
    own = [one.items for one in histories]
    plain = tabulate(model.channels, histories, own, n=3)
    table = tabulate(model.channels, histories, own, n=3, add=[np.array([15])] * 7)
    for row in range(7):
        assert 15 in table.items[row] and set(plain.items[row]) - {-1} <= set(table.items[row])
        assert not set(own[row]) & set(table.items[row])


@given(st.lists(st.booleans(), min_size=20, max_size=20), st.integers(1, 25))
def test_only_allowed_items_come_back_as_many_as_there_are(
    model: Model, mask: list[bool], n: int
) -> None:
    allowed = np.array(mask)
    had = frozenset(["i3", "i4"])
    found = [
        one.candidate.item_id
        for one in order(
            model, model.history([("i3", 1.0), ("i4", 1.0)]), exclude=had, allowed=allowed, n=n
        )
    ]
    may = {f"i{at}" for at in np.flatnonzero(allowed)} - had
    assert set(found) <= may and len(found) == len(set(found)) and len(found) >= min(n, len(may))


def test_items_that_came_after_training_are_reached_by_content(model: Model) -> None:
    ids = [*model.item_ids, *(f"new{at}" for at in range(FRESH + 5))]
    vectors = np.eye(len(ids), 24, dtype=np.float32)
    vectors[20:] = vectors[3]  # like i3
    plain = model.over(ids, catalogue_of(ids))
    wide = model.over(ids, replace(catalogue_of(ids), vectors=vectors))
    assert [one for one in range(20, len(ids)) if one in wide.channels.fresh] == [
        *range(20, len(ids))
    ]
    history = model.history([("i3", 1.0)])
    for before, after in zip(model.channels.all, plain.channels.all, strict=True):
        old, new = before.score([history]), after.score([history])
        assert np.allclose(old, new[:, :20]) and not new[:, 20:].any()
    table = tabulate(wide.channels, [history], [history.items], n=3, fresh=wide.channels.fresh)
    assert np.isin(table.items, np.arange(20, len(ids))).sum() >= FRESH
    found = order(wide, history, exclude=frozenset(["i3"]))
    assert {f"new{at}" for at in range(FRESH)} <= {one.candidate.item_id for one in found}
    fitted = fit(made(), np.ones(len(made()), np.float32))
    assert len(fitted.channels.fresh) == 0


def test_reciprocal_ranks_add_up_by_weight() -> None:
    scores = {
        "next_item": np.array([2.0, 1.0, 0.0, 9.0], np.float32),
        "popular": np.array([0.0, 0.5, 0.0, 9.0], np.float32),
        "next_10": np.array([0.0, 0.5, 7.0, 9.0], np.float32),  # no voice
    }
    total = (WEIGHTS["next_item"] + WEIGHTS["popular"]) / (RRF + 1)
    first, second = 1 / (RRF + 1), 1 / (RRF + 2)
    expected = [
        WEIGHTS["next_item"] * first,
        WEIGHTS["next_item"] * second + WEIGHTS["popular"] * first,
    ]
    open_ = np.array([True, True, True, False])
    choice = choose(scores, open_, 4)
    assert choice.items.tolist() == [0, 1] and choice.prior == pytest.approx(
        np.array(expected) / total
    )
    assert choice.top_candidates["next_item"].items.tolist() == [0, 1] and choice.top_candidates[
        "popular"
    ].scores.tolist() == [0.5]
    more = choose(scores, open_, 4, {"demographic": np.array([1.0, 0.0, 0.0, 1.0], np.float32)})
    expected[0] += WEIGHTS["demographic"] * first
    assert more.prior == pytest.approx(np.array(expected) / total)


@given(st.lists(st.integers(-2, 30), min_size=1, max_size=200), st.integers(1, 12))
def test_a_voice_names_its_best_and_ties_in_order(values: list[int], depth: int) -> None:
    score = np.array(values, dtype=np.float32)
    open_ = np.arange(len(values)) % 3 > 0
    expected = sorted(
        (at for at in range(len(values)) if open_[at] and values[at] > 0),
        key=lambda at: (-values[at], at),
    )
    assert (
        choose({"popular": score}, open_, depth).top_candidates["popular"].items.tolist()
        == expected[:depth]
    )
    constant_rankings = {
        "popular": np.argsort(-score, kind="stable")[: np.count_nonzero(score > 0)]
    }
    found = choose(
        {"popular": score}, open_, depth, constant_rankings=constant_rankings
    ).top_candidates["popular"]
    assert (
        found.items.tolist() == expected[:depth]
        and found.scores.tolist() == score[expected[:depth]].tolist()
    )


def test_what_everyone_is_told_stands_in_its_order(model: Model) -> None:
    """A moment of their own has an order of its own."""
    channels = model.channels
    assert {*channels.constant_rankings} == {"recent", "latest", "popular"}
    for name, order_ in channels.constant_rankings.items():
        said = next(one for one in channels.candidate_generators if one.name == name)
        [score] = said.score([History(np.array([3]), np.ones(1, np.float32))])
        assert order_.tolist() == sorted(
            np.flatnonzero(score > 0).tolist(), key=lambda at: (-score[at], at)
        )
    early = History(np.array([3]), np.ones(1, np.float32), now=1)
    table = tabulate(channels, [early], [early.items])
    one = next(one for one in channels.candidate_generators if one.name == "latest")
    [score] = one.score([early])
    wanted = sorted(np.flatnonzero(score > 0).tolist(), key=lambda at: (-score[at], at))
    assert table.top_candidates[0]["latest"].items.tolist() == [at for at in wanted if at != 3]


def test_ids_are_ordered_as_people_count(model: Model) -> None:
    """By text `i10` would come before `i2`."""
    assert model.channels.entry.tolist() == list(range(20))
    mixed = replace(model.channels, item_ids=["10", "9A", "9", "B2", "B10"])
    assert mixed.entry.tolist() == [2, 1, 0, 3, 4]


def test_columns_say_how_far_ids_are_from_the_last_and_the_nearest_that_a_user_had(
    model: Model,
) -> None:
    history = model.history([("i4", 1.0), ("i9", 1.0)])
    table = tabulate(model.channels, [history], [history.items])
    ids = [model.item_ids[at] for at in table.items[0]]
    gap, near = (
        table.columns[0][:, table.names.index(name)] for name in ("entry gap", "entry near")
    )
    for one in ("i5", "i12"):
        number, at = int(one[1:]), ids.index(one)
        assert gap[at] == number - 9 and near[at] == min(abs(number - 4), abs(number - 9))
    nothing = tabulate(model.channels, [model.history([])], [np.empty(0, np.int64)])
    assert np.isnan(nothing.columns[..., nothing.names.index("entry gap")]).all()


def test_ease_keeps_to_the_items_with_the_most_users() -> None:
    x = made(items=40)
    large = fit_collaborative(x, ease_items=10)
    counts = np.bincount(x.item, minlength=40)
    spoken = np.flatnonzero(large.weights.sum(axis=0))
    assert large.weights.diagonal().sum() == 0 and len(spoken) <= 10
    assert counts[spoken].min() >= np.sort(counts)[-10]


def test_content_is_likes_minus_dislikes() -> None:
    axes = np.eye(4, dtype=np.float32)
    vectors = np.stack(
        [axes[0], axes[0] * 0.9 + axes[3] * 0.1, axes[1], axes[1] * 0.9 + axes[3] * 0.1]
    )
    items = ItemVectors(["a", "a2", "b", "b2"], vectors.astype(np.float32))
    found = content_candidates(items, [("a", 1.0), ("b", -1.0)], exclude=frozenset(["a", "b"]))
    assert list(found) == ["a2"]
    assert content_candidates(items, []) == {}


def test_the_content_book_keeps_one_version_and_forgets(tmp_path: Path) -> None:
    book = ContentBook(tmp_path / "content")
    assert book.get("u", "1:1") is None
    book.put("u", "1:1", {"a": 1 / 3})
    assert book.get("u", "1:1") == {"a": 1 / 3} and book.get("u", "2:1") is None
    book.erase("u")
    assert book.get("u", "1:1") is None and not list((tmp_path / "content").iterdir())


def test_the_content_book_does_without_a_disk(tmp_path: Path) -> None:
    (tmp_path / "content").write_text("a file where the folder should be")
    book = ContentBook(tmp_path / "content")
    book.put("u", "1:1", {"a": 0.5})
    assert book.get("u", "1:1") is None


def test_splits_leak_nothing() -> None:
    x = made()
    split = leave_last_out(x)
    assert len(split.train) == len(x) - 30 and [len(one) for one in split.relevant] == [1] * 30
    assert len(leave_last_out(x, skip=1).train) == len(x) - 60
    timed = global_time(x, 0.5)
    assert timed.train.time.max() < x.time[len(x) // 2 + 1]
    had = {(int(u), int(i)) for u, i in zip(timed.train.user, timed.train.item, strict=True)}
    assert not any(
        (int(u), int(i)) in had
        for u, items in zip(timed.users, timed.relevant, strict=True)
        for i in items
    )


def lively(users: int = 120, items: int = 30) -> Interactions:
    """Users who walk along the items from a start of their own, at times that overlap."""
    random = np.random.default_rng(1)
    steps = random.integers(6, 12, users)
    user = np.repeat(np.arange(users), steps).astype(np.int32)
    place = np.concatenate([np.arange(n) for n in steps])
    begin = random.integers(0, items, users)
    item = ((begin[user] + place * random.integers(1, 3, len(user))) % items).astype(np.int32)
    time = (random.integers(0, 10_000, users)[user] + place * 900).astype(np.int64)
    n = len(user)
    zeros = np.zeros(n, np.int16)
    return Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at:02}" for at in range(items)],
        ["like"],
        ["made"],
        user,
        item,
        zeros,
        zeros,
        np.full(n, np.nan),
        time,
        np.arange(1, n + 1),
    )


@pytest.mark.parametrize("how", ["time", "user"])
@pytest.mark.parametrize("method", ["lightgbm", "logistic"])
def test_fusion_learns_and_is_stored(how: How, method: Method, tmp_path: Path) -> None:
    x = lively()
    signal = np.ones(len(x), np.float32)
    model = fit(x, signal, how=how, method=method)
    assert model.fusion is not None and model.fusion.method == method
    assert model.fusion.worth["fusion"] >= model.fusion.worth["popular"]
    assert set(model.fusion.adds) == {one.name for one in model.channels.candidate_generators}
    assert max(model.fusion.adds.values()) > 0
    told = model.fusion.calibration
    assert 0 < told.share < 1 and abs(told.mean - told.share) < 0.1
    history = model.history([("i03", 1.0), ("i04", 1.0)])
    found = order(model, history, exclude=frozenset(["i03", "i04"]))
    assert all(one.probability is not None and 0 < one.probability < 1 for one in found)
    save(fit(x, signal, method=method), tmp_path)
    loaded = load_model(tmp_path)
    assert loaded is not None and loaded.fusion is not None
    assert how == "user" or loaded.fusion.adds == model.fusion.adds
    again = order(loaded, history, exclude=frozenset(["i03", "i04"]))
    assert how == "user" or [one.candidate.item_id for one in again] == [
        one.candidate.item_id for one in found
    ]


@pytest.mark.parametrize("method", ["lightgbm", "logistic"])
def test_a_fusion_orders_by_the_columns_that_it_learned_from(method: Method) -> None:
    """Vectors that came after training bring columns that it does not know; without vectors some
    are missing.
    """
    x = lively()
    signal = np.ones(len(x), np.float32)
    bare, told = (catalogue_of(x.item_ids, vectors=one) for one in (None, pictured(x.item_ids)))
    for learned, now in ((bare, told), (told, bare)):
        model = fit(x, signal, learned, method=method)
        history = model.history([("i03", 1.0), ("i04", 1.0)])
        found = order(model.over(x.item_ids, now), history, exclude=frozenset(["i03", "i04"]))
        assert len(found) == len(x.item_ids) - 2 and all(np.isfinite(one.score) for one in found)


def pictured(item_ids: list[str]) -> ItemVectors:
    return ItemVectors(
        item_ids, np.random.default_rng(3).normal(size=(len(item_ids), 4)).astype(np.float32)
    )


def test_lessons_by_time_see_nothing_later() -> None:
    x = lively()
    signal = np.ones(len(x), np.float32)
    found = list(training_queries(x, signal, "time"))
    asked = [{query.history.now for query in lesson.queries} for lesson in found]
    # A lesson that saw everything would ask nobody, and hold.
    assert asked == [{begin} for begin, _ in evaluation_windows(x)]
    starts = x.starts()
    for lesson, [moment] in zip(found, asked, strict=True):
        assert x.time[lesson.seen].max() < moment
        assert any(len(query.relevant) for query in lesson.queries)
        for query in lesson.queries:
            span = slice(starts[query.user], starts[query.user + 1])
            before = x.time[span] < query.history.now
            assert query.history.items.tolist() == x.item[span][before].tolist()
            assert not set(query.relevant.tolist()) & set(query.history.items.tolist())


def test_lessons_by_user_hold_out_what_they_ask_for() -> None:
    x = lively()
    starts = x.starts()
    for lesson in training_queries(x, np.ones(len(x), np.float32), "user"):
        assert lesson.queries
        for query in lesson.queries:
            at = starts[query.user] + len(query.history.items)
            assert x.item[at] == query.relevant[0]
            assert not lesson.seen[at]


def test_without_lightgbms_library_logistic_regression_joins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Missing:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    x = lively()
    model = fit(x, np.ones(len(x), np.float32))
    assert model.fusion is not None and model.fusion.method == "logistic"
    assert any("libgomp" in note.text for note in train_report(model, "none", 0).notes)
