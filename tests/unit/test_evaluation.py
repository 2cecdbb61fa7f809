"""The harness on tiny data that is made here: splits, systems, tuning, records, leaks."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from limner.core.errors import BadInputError, CannotRunError, UsageError
from limner.core.interactions import NO_TIME, Interactions
from limner.core.messages import plain
from limner.core.progress import Quiet
from limner.core.schema import Item
from limner.core.settings import Settings, SignalTable
from limner.evals import metrics as kernels
from limner.evals.data import EvaluationData, Shelf
from limner.evals.execution import Execution
from limner.evals.experiment import Experiment, overruled, read_experiment
from limner.evals.measure import Truth, measure, rank
from limner.evals.records import Evaluation
from limner.evals.run import RunPlan, frames, run, training_of
from limner.evals.runs import load_run
from limner.evals.splits import (
    SPLITS,
    Split,
    cold_items,
    cold_users,
    global_time,
    leave_last_out,
    make_split,
    ratio,
)
from limner.evals.suite import below, run_experiment
from limner.evals.systems import SYSTEMS, Contestant, Training, UserBatch, resolve
from limner.evals.systems.base import Scores, keep_largest
from limner.evals.tuning import choices, tune, validation

USERS, ITEMS, DAY = 40, 30, 86_400_000
FAST = ["random", "popular", "recent", "item-knn", "user-knn", "ease"]


def made(
    rows: Sequence[tuple[int, int, int]], items: int = ITEMS, users: int = USERS
) -> Interactions:
    """Of (user, item, time)."""
    table = np.array(sorted(rows, key=lambda row: (row[0], row[2])), dtype=np.int64).reshape(-1, 3)
    n = len(table)
    return Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at}" for at in range(items)],
        ["like"],
        ["made"],
        table[:, 0].astype(np.int32),
        table[:, 1].astype(np.int32),
        np.zeros(n, np.int16),
        np.zeros(n, np.int16),
        np.full(n, 4.0),
        table[:, 2],
        np.arange(1, n + 1),
    )


def many(seed: int = 0) -> Interactions:
    """Each user walks through the items of their half of the catalogue, at distinct times."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        half = random.permutation(ITEMS // 2)[: int(random.integers(4, 13))] + (user % 2) * (
            ITEMS // 2
        )
        times = np.sort(random.choice(1000, len(half), replace=False)) * DAY + user
        rows += [(user, int(item), int(time)) for item, time in zip(half, times, strict=True)]
    return made(rows)


def dataset(x: Interactions) -> EvaluationData:
    items = [
        Item(
            item_id=one,
            title=f"Title {at}",
            categories=["left" if at < ITEMS // 2 else "right", f"group {at % 3}"],
        )
        for at, one in enumerate(x.item_ids)
    ]
    return EvaluationData("made", x, {}, Shelf(items))


def truth_of(split: Split, x: Interactions) -> Truth:
    """As a run puts it together."""
    return Truth(split, training_of(dataset(x), split, SignalTable(), 0, Quiet()))


# ---------------------------------------------------------------- splits


def test_global_time_cuts_at_one_moment_and_asks_what_is_new() -> None:
    x = made(
        [
            (0, 0, 1),
            (0, 1, 2),
            (1, 0, 3),
            (1, 1, 4),
            (0, 1, 8),
            (0, 2, 9),
            (1, 1, 9),
            (2, 3, 9),
            (2, 4, 9),
            (0, 2, 10),
        ]
    )
    split = global_time(x, share=0.4)
    assert split.moment == 8
    assert split.train.time.max() < 8
    assert split.users.tolist() == [0]
    assert [one.tolist() for one in split.relevant] == [[2]]
    assert [note.text for note in split.notes] == [
        "1 users without an event before the cut are not asked.",
        "1 users with test events have none of an item new to them, and are not asked.",
    ]


def test_leave_last_out_orders_ties_by_item_id_and_asks_nobody_for_what_they_had() -> None:
    x = made([(0, 9, 5), (0, 2, 5), (1, 1, 1), (1, 2, 2), (1, 1, 3), (2, 0, 1)])
    ids = replace(x, item_ids=[str(at) for at in range(ITEMS)])
    split = leave_last_out(ids)
    assert split.users.tolist() == [0]
    assert split.relevant[0].tolist() == [9]
    assert sorted(note.text for note in split.notes) == [
        "1 users whose last item they had had before are not asked.",
        "1 users with a single event are trained on but not asked.",
    ]
    assert len(split.train) == 4


def test_ratio_keeps_the_first_of_each_user() -> None:
    x = made([(0, at, at) for at in range(10)] + [(1, 0, 0), (1, 1, 1)] + [(2, 5, 5)])
    split = ratio(x)
    assert split.users.tolist() == [0, 1]
    assert [one.tolist() for one in split.relevant] == [[8, 9], [1]]
    assert np.bincount(split.train.user, minlength=3).tolist()[:3] == [8, 1, 1]


def test_cold_users_have_few_events_and_cold_items_none() -> None:
    x = many()
    warm = global_time(x)
    cold = cold_users(x, fewer_than=5)
    size = np.bincount(cold.train.user, minlength=USERS)
    assert len(cold.users) and (size[cold.users] < 5).all()
    assert (size[np.setdiff1d(warm.users, cold.users)] >= 5).all()
    # One more item, which comes after the cut.
    late = made(
        [
            *zip(x.user.tolist(), x.item.tolist(), x.time.tolist(), strict=True),
            (3, ITEMS, 10_000 * DAY),
        ],
        ITEMS + 1,
    )
    split = cold_items(late)
    assert ITEMS in np.concatenate(split.relevant)
    assert (
        np.bincount(split.train.item, minlength=ITEMS + 1)[np.concatenate(split.relevant)].sum()
        == 0
    )


def test_events_without_a_time_stay_out_of_global_time() -> None:
    x = many()
    time = x.time.copy()
    time[:3] = NO_TIME
    split = global_time(replace(x, time=time))
    assert "3 events without a time are left out." in [note.text for note in split.notes]
    assert NO_TIME not in split.train.time


@pytest.mark.parametrize("name", SPLITS)
def test_an_empty_split_is_an_error(name: str) -> None:
    for rows in ([], [(0, 0, 1), (1, 1, 1)]):
        with pytest.raises(BadInputError, match=r"asks about nobody|nothing to train on"):
            make_split(name, made(rows))


def test_a_limit_draws_users_and_changes_the_hash() -> None:
    split = leave_last_out(many())
    some = split.limited(7, seed=1)
    assert len(some.users) == len(some.relevant) == 7
    assert some.digest != split.digest
    assert some.digest == split.limited(7, seed=1).digest != split.limited(7, seed=2).digest
    assert split.limited(10_000) is split
    at = split.users.tolist().index(int(some.users[0]))
    assert (split.relevant[at] == some.relevant[0]).all()


# ---------------------------------------------------------------- leaks


class Spy:
    """Remembers what it was shown."""

    def fit(self, training: Training) -> None:
        self.training = training

    def score(self, asked: UserBatch) -> Scores:
        self.asked = asked
        return np.zeros((len(asked), len(self.training.x.item_ids)))


MOVED = ["item-knn", "user-knn", "ease", "bm25"]
"""Systems that say something else after any change of what they learn from."""
LEARNERS = [
    (*FAST, "bm25"),
    ("content",),
    ("als", "bpr"),
    pytest.param(("limner",), marks=pytest.mark.slow),
]


def everything(split: Split, x: Interactions) -> Truth:
    """What a leaking run would put together: every event, the hidden ones too."""
    return Truth(
        split, replace(truth_of(split, x).training, x=x, signal=np.ones(len(x), np.float32))
    )


def changed_after(x: Interactions, moment: int, change: str) -> Interactions:
    """Another future from a moment on, which stays the moment of the split."""
    late = np.flatnonzero(x.time >= moment)
    if change == "deleted":
        # One event at T keeps the moment where it is.
        first = late[x.time[late] == moment]
        return x.take(np.sort(np.concatenate([np.flatnonzero(x.time < moment), first])))
    item, value = x.item.copy(), x.value.copy()
    item[late] = np.random.default_rng(1).permutation(item[late])
    value[late] = 1.0
    return replace(x, item=item, value=value)


def changed_last(x: Interactions) -> Interactions:
    """Another last event of every user, of the other half of the catalogue."""
    last = x.starts()[1:] - 1
    item, value = x.item.copy(), x.value.copy()
    item[last] = (item[last] + ITEMS // 2) % ITEMS
    value[last] = 1.0
    return replace(x, item=item, value=value)


def cut_again(x: Interactions, moment: int) -> Split:
    return global_time(x, float((x.time < moment).mean()))


def assert_same_said(names: Sequence[str], before: Truth, after: Truth) -> None:
    """To the last bit, to every user, by every system that can run here."""
    for name in names:
        said = []
        for truth in (before, after):
            system = SYSTEMS[name].make()
            try:
                system.fit(truth.training)
            except CannotRunError as error:
                pytest.skip(str(error))
            said.append(np.asarray(system.score(truth.training.asked(np.arange(USERS)))))
        assert np.isfinite(said[0]).any()
        assert np.array_equal(said[0], said[1]), name


@pytest.mark.parametrize("change", ["deleted", "shuffled"])
@pytest.mark.parametrize("names", LEARNERS, ids=str)
def test_nothing_after_the_moment_reaches_a_system_under_global_time(
    change: str, names: Sequence[str]
) -> None:
    """Whatever happens after T, what systems learn from and say is the same to the last bit."""
    x = many()
    split = global_time(x)
    assert split.moment is not None
    other = changed_after(x, split.moment, change)
    again = cut_again(other, split.moment)
    assert again.moment == split.moment and again.digest != split.digest
    before, after = truth_of(split, x), truth_of(again, other)
    assert before.training.x.time.max() < split.moment
    assert_same_said(names, before, after)
    one, two = validation("global-time", before.training), validation("global-time", after.training)
    assert one.split.digest == two.split.digest
    chosen = [
        tune(SYSTEMS["item-knn"], truth, 5, truth.training.progress).settings
        for truth in (one, two)
    ]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("name", ["leave-last-out", "ratio"])
@pytest.mark.parametrize("names", LEARNERS, ids=str)
def test_no_users_own_last_event_reaches_what_is_said_to_them(
    name: str, names: Sequence[str]
) -> None:
    x = many()
    other = changed_last(x)
    split, again = make_split(name, x), make_split(name, other)
    assert again.digest != split.digest and len(split.users) == USERS
    before, after = truth_of(split, x), truth_of(again, other)
    assert_same_said(names, before, after)
    assert (
        validation(name, before.training).split.digest
        == validation(name, after.training).split.digest
    )


@pytest.mark.parametrize("name", MOVED)
def test_a_leak_would_be_seen(name: str) -> None:
    """The tests above must be able to fail: they do where the training holds what they change."""
    x = many()
    split = global_time(x)
    assert split.moment is not None
    for change in ("deleted", "shuffled"):
        other = changed_after(x, split.moment, change)
        with pytest.raises(AssertionError, match=name):
            assert_same_said(
                [name], everything(split, x), everything(cut_again(other, split.moment), other)
            )
    other = changed_last(x)
    for cut in (leave_last_out, ratio):
        with pytest.raises(AssertionError, match=name):
            assert_same_said([name], everything(cut(x), x), everything(cut(other), other))


def test_a_history_ends_at_the_moment_that_is_asked_about() -> None:
    x = many()
    by_time, by_user = truth_of(global_time(x), x), truth_of(leave_last_out(x), x)
    asked = by_time.training.asked(by_time.split.users)
    assert {one.now for one in asked.histories} == {by_time.split.moment}
    own = by_user.training.asked(np.arange(1)).histories[0]
    assert own.now == by_user.training.x.time[by_user.training.x.user == 0].max()


# ---------------------------------------------------------------- ranking and measuring


class Fixed:
    """Gives the same scores to everyone; raises for some, or recommends them nothing."""

    name = "fixed"

    def __init__(
        self,
        scores: NDArray[np.float64],
        bad: frozenset[str] = frozenset(),
        silent: frozenset[str] = frozenset(),
    ) -> None:
        self._scores, self._bad, self._silent = scores, bad, silent

    def fit(self, training: Training) -> None: ...

    def score(self, asked: UserBatch) -> Scores:
        if self._bad & set(asked.user_ids):
            raise RuntimeError("no")
        scores = np.tile(self._scores, (len(asked), 1))
        scores[[one in self._silent for one in asked.user_ids]] = -np.inf
        return scores


def test_lists_are_the_best_items_less_what_the_user_had() -> None:
    x = many()
    truth = truth_of(leave_last_out(x), x)
    scores = np.random.default_rng(3).random(ITEMS)
    lists = rank(Fixed(scores), truth, 5, truth.training.progress)
    for row, user in enumerate(truth.split.users):
        had = set(truth.training.x.item[truth.training.x.user == user].tolist())
        best = [at for at in np.argsort(-scores).tolist() if at not in had][:5]
        assert lists.items[row].tolist() == best
        assert np.allclose(lists.scores[row], scores[best])


def test_ties_fall_as_often_to_any_item() -> None:
    x = many()
    truth = truth_of(leave_last_out(x), x)
    first = {
        rank(Fixed(np.zeros(ITEMS)), truth, 1, truth.training.progress, seed=one).items[0, 0]
        for one in range(20)
    }
    assert len(first) > 5
    first_order, second_order = (
        rank(Fixed(np.zeros(ITEMS)), truth, 9, truth.training.progress, seed=4).items
        for _ in range(2)
    )
    assert np.array_equal(first_order, second_order)


def test_users_for_whom_a_system_raises_are_misses_not_absent() -> None:
    x = many()
    truth = truth_of(leave_last_out(x), x)
    specs = [kernels.parse(one) for one in ("hit@30", "auc", "precision@3")]
    perfect = rank(
        Fixed(np.arange(ITEMS, dtype=float)), truth, ITEMS, truth.training.progress, auc=True
    )
    partly = rank(
        Fixed(np.arange(ITEMS, dtype=float), frozenset({"u0", "u5"})),
        truth,
        ITEMS,
        truth.training.progress,
        auc=True,
    )
    assert (perfect.failed, partly.failed) == (0, 2)
    whole, part = (measure(one, truth, specs).by_user for one in (perfect, partly))
    assert whole["hit@30"].mean() == 1
    assert part["hit@30"].mean() == (USERS - 2) / USERS
    assert not np.isnan(part["auc"]).any() and part["auc"][0] == 0
    silent = rank(
        Fixed(np.arange(ITEMS, dtype=float), silent=frozenset({"u0", "u5"})),
        truth,
        ITEMS,
        truth.training.progress,
        auc=True,
    )
    assert silent.failed == 2 and not silent.raised.any()
    assert measure(silent, truth, specs).by_user["auc"].tolist() == part["auc"].tolist()
    with pytest.raises(RuntimeError):
        rank(Fixed(np.zeros(ITEMS), frozenset(x.user_ids)), truth, 5, truth.training.progress)
    with pytest.raises(ValueError, match="shape"):
        rank(Fixed(np.zeros(ITEMS + 1)), truth, 5, truth.training.progress)


def test_diversity_over_facets_is_the_kernels() -> None:
    x = many()
    truth = truth_of(leave_last_out(x), x)
    lists = rank(Fixed(np.random.default_rng(0).random(ITEMS)), truth, 10, truth.training.progress)
    found = measure(lists, truth, [kernels.parse("ild@6")]).by_user["ild@6"]
    dense = np.asarray(truth.training.catalogue.facets.todense())
    assert (np.abs(dense).sum(axis=1) > 0).any()
    assert np.allclose(found, kernels.ild(lists.items, dense, 6), equal_nan=True, atol=1e-5)


def test_calibration_sees_the_main_facet() -> None:
    x = many()
    truth = truth_of(leave_last_out(x), x)
    assert truth.training.population.primary
    assert truth.categories.shape[0] == ITEMS and truth.categories.any()
    lists = rank(Fixed(np.arange(ITEMS, dtype=float)), truth, 10, truth.training.progress)
    values = measure(lists, truth, [kernels.parse("calibration@10")]).by_user["calibration@10"]
    # The best scores are all of the right half, so that users of the left are worse off.
    assert values[0::2].mean() > values[1::2].mean()


# ---------------------------------------------------------------- systems


@pytest.mark.parametrize("name", [*FAST, "als", "bpr", "bm25", "content"])
def test_baselines_find_more_than_chance(name: str) -> None:
    x = many()
    truth = truth_of(leave_last_out(x), x)
    # With more factors than items, they only memorise.
    system = SYSTEMS[name].make(**({"factors": 4} if name in ("als", "bpr") else {}))
    try:
        system.fit(truth.training)
    except CannotRunError as error:
        pytest.skip(str(error))
    scores = np.asarray(system.score(truth.training.asked(np.arange(USERS))))
    assert scores.shape == (USERS, ITEMS)
    assert np.isfinite(scores).all()
    if name not in ("random", "popular", "recent"):
        lists = rank(system, truth, 5, truth.training.progress)
        own = (lists.items >= ITEMS // 2) == (truth.split.users % 2 == 1)[:, None]
        assert own[lists.items >= 0].mean() > 0.7


@pytest.mark.parametrize("name", ["item-knn", "user-knn", "ease", "bm25"])
def test_users_without_history_get_what_is_popular(name: str) -> None:
    x = many()
    keep = x.user != 7
    training = Training(x.take(keep), np.ones(int(keep.sum()), np.float32), dataset(x).shelf)
    system = SYSTEMS[name].make()
    try:
        system.fit(training)
    except CannotRunError as error:
        pytest.skip(str(error))
    assert np.allclose(system.score(training.asked(np.array([7])))[0], training.share)


def test_item_knn_by_hand() -> None:
    x = made([(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 2), (2, 0, 1), (2, 2, 2)], items=3, users=3)
    training = Training(x, np.ones(6, np.float32), Shelf([Item(item_id=one) for one in x.item_ids]))
    plain, shrunk = SYSTEMS["item-knn"].make(), SYSTEMS["item-knn"].make(shrink=1.0, neighbours=1)
    plain.fit(training)
    shrunk.fit(training)
    asked = training.asked(np.array([2]))
    assert np.allclose(plain.score(asked)[0], [1 / np.sqrt(3), 2 / np.sqrt(6), 1 / np.sqrt(3)])
    # Item 0's one nearest is item 1, which this user has not had.
    assert np.allclose(shrunk.score(asked)[0], [0, 2 / (np.sqrt(6) + 1), 1 / (np.sqrt(3) + 1)])


def test_keep_largest() -> None:
    import scipy.sparse as sp

    matrix = sp.csr_array(np.array([[3.0, 1, 2], [0, 0, 0], [0, 5, 0]]))
    assert keep_largest(matrix, 2).toarray().tolist() == [[3, 0, 2], [0, 0, 0], [0, 5, 0]]
    assert keep_largest(matrix, 9).toarray().tolist() == matrix.toarray().tolist()


def test_unknown_systems_and_names_twice_are_refused() -> None:
    for names in (
        ["nothing"],
        ["popular", "popular"],
        ["no.such.module:Thing"],
        ["json:JSONDecoder"],
        [],
    ):
        with pytest.raises(UsageError):
            resolve(names, 10)


OWN = """
import numpy as np

class Lists:
    def fit(self, training):
        frame = training.frame()
        assert list(frame.columns) == ["user_id", "item_id", "type", "value", "timestamp", "signal"]
        self.best = frame.item_id.value_counts().index.tolist()
    def recommend(self, user_ids, n):
        return [self.best[:n] for _ in user_ids]

class Scores:
    name = "whatever"
    def fit(self, training):
        self.items = len(training.x.item_ids)
    def score(self, asked):
        if "u0" in asked.user_ids:
            raise KeyError("u0")
        return np.zeros((len(asked), self.items))

class Broken:
    def fit(self, training):
        raise RuntimeError("no luck")
    def score(self, asked):
        return None
"""


def test_anyone_can_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_systems.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    rows = ["user_id,item_id,score"] + [
        f"u{user},i{item},{ITEMS - item}" for user in range(30) for item in range(ITEMS)
    ]
    (tmp_path / "other.csv").write_text("\n".join(rows))
    names = [
        "popular",
        "own_systems:Lists",
        "own_systems:Scores",
        "own_systems:Broken",
        "other.csv",
    ]
    found = run(
        dataset(many()),
        RunPlan("leave-last-out", names, ["hit@10", "coverage@10"], against="popular", trials=0),
    )
    by_name = {one.name: one for one in found.systems}
    assert [one.state for one in found.systems] == ["ok", "ok", "ok", "failed", "ok"]
    assert str(by_name["own_systems:Broken"].why) == "RuntimeError: no luck"
    assert by_name["own_systems:Scores"].failed_users == 1
    assert "KeyError" in str(by_name["own_systems:Scores"].why)
    assert by_name["other.csv"].failed_users == 10
    assert all(one.metrics["hit@10"].n == USERS for one in found.systems if one.state == "ok")
    popular, same = (
        by_name["popular"].metrics["hit@10"].mean,
        by_name["own_systems:Lists"].metrics["hit@10"].mean,
    )
    assert popular is not None and same is not None and abs(popular - same) < 0.2
    assert {one.baseline for one in found.comparisons} == set(names) - {
        "popular",
        "own_systems:Broken",
    }


class Numbers:
    """Ids as pandas reads them where they look like numbers."""

    def fit(self, training: Training) -> None: ...

    def recommend(self, user_ids: list[str], n: int) -> list[list[int]]:
        return [[1004856] for _ in user_ids]


class Prefixed:
    """Every second id is none of the data set's."""

    def fit(self, training: Training) -> None:
        self._ids = training.x.item_ids

    def recommend(self, user_ids: list[str], n: int) -> list[list[str]]:
        return [[name for one in self._ids[:10] for name in (f"x{one}", one)] for _ in user_ids]


class Together:
    """Raises where it is asked for many at once."""

    def fit(self, training: Training) -> None:
        self._share = training.share

    def score(self, asked: UserBatch) -> Scores:
        if len(asked) > 1:
            raise MemoryError("too many")
        return np.tile(self._share, (1, 1))


def test_ids_from_outside_that_nothing_has_are_said(tmp_path: Path) -> None:
    for name, rows in (
        ("users", ["7,i1,1"]),
        ("items", ["u0,1,1"]),
        ("some", [f"u0,i{at},1" for at in range(9)] + ["u0,x9,2"]),
    ):
        (tmp_path / f"{name}.csv").write_text("\n".join(["user_id,item_id,score", *rows]))
    files = [f"{tmp_path}/{one}.csv" for one in ("users", "items", "some")]
    names = [f"{__name__}:Numbers", f"{__name__}:Prefixed", *files]
    found = run(dataset(many()), RunPlan("leave-last-out", names, ["hit@10"], trials=0))
    numbers, prefixed, users, items, some = found.systems
    assert (numbers.state, users.state, items.state) == ("failed", "failed", "failed")
    assert "recommend gave 1004856 (int); item ids are text" in str(numbers.why)
    assert "names no user of this data set: its first user_id is '7'" in str(users.why)
    assert "names no item of this data set: its first item_id is '1'" in str(items.why)
    said = "item ids that it gave are no items of this data set, the first"
    assert str(prefixed.why) == f"{USERS * 10} of {USERS * 20} {said} 'xi0'"
    assert str(some.why) == f"1 of 10 {said} 'x9'"
    assert "no items of this data set, the first 'x9'" in " ".join(
        drawn(found).replace("│", " ").split()
    )


def test_a_system_that_raises_for_many_at_once_is_told_from_a_clean_one() -> None:
    found = run(
        dataset(many()),
        RunPlan("leave-last-out", [f"{__name__}:Together", "popular"], ["hit@10"], trials=0),
    )
    assert found.systems[0].failed_users == 0
    assert found.systems[0].metrics == found.systems[1].metrics
    said = "raised when asked for many at once, so it was asked one by one: MemoryError: too many"
    assert str(found.systems[0].why) == said
    assert "asked one by one: MemoryError" in " ".join(drawn(found).replace("│", " ").split())


def test_a_run_that_was_kept_ranks_as_it_did(tmp_path: Path) -> None:
    data = dataset(many())
    first = run(
        data, RunPlan("leave-last-out", ["ease"], ["ndcg@10"], trials=0), Execution(out=tmp_path)
    )
    again = run(
        data,
        RunPlan("leave-last-out", [str(tmp_path / "runs" / "ease.parquet")], ["ndcg@10"], trials=0),
    )
    assert again.systems[0].metrics == first.systems[0].metrics


def test_a_bad_run_file_says_what_is_wrong(tmp_path: Path) -> None:
    for text, said in (
        ("user_id,score\nu0,1\n", "no column item_id"),
        ("user_id,item_id,score\nu0,i0,high\n", "cannot be read"),
        ("user_id,item_id,score\nu0,i0,\n", "empty cell"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(BadInputError, match=said):
            resolve([str(tmp_path / "bad.csv")], 10)
    with pytest.raises(BadInputError, match="no run file"):
        resolve([str(tmp_path / "none.csv")], 10)


# ---------------------------------------------------------------- tuning


def test_tuning_takes_what_is_best_on_validation_and_counts_trials() -> None:
    class Knob:
        name = "knob"

        def __init__(self, good: int = 0) -> None:
            self.good = good

        def fit(self, training: Training) -> None:
            self._random = np.random.default_rng(0)
            self.training = training

        def score(self, asked: UserBatch) -> Scores:
            scores = self._random.random((len(asked), ITEMS))
            if self.good == 3:
                for row, user in enumerate(asked.users):
                    scores[row, (user % 2) * (ITEMS // 2) : (user % 2 + 1) * (ITEMS // 2)] += 1
            return scores

    x = many()
    training = truth_of(leave_last_out(x), x).training
    held = validation("leave-last-out", training)
    assert set(held.training.x.seq.tolist()) < set(training.x.seq.tolist())
    knob = Contestant("knob", Knob, {"good": (0, 1, 2, 3)})
    found = tune(knob, held, 10, training.progress)
    assert found.settings == {"good": 3}
    assert found.trials == 4
    slow = tune(knob, held, 10, training.progress, seconds=-1)
    assert (slow.trials, slow.settings) == (1, {"good": 0}) and str(slow.note).endswith(
        "the defaults stand."
    )


def test_a_trial_that_overran_is_the_last_and_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The best settings of all, but too slow: a clock that tells three seconds for them."""
    now = [0.0]
    monkeypatch.setattr("limner.evals.tuning.time.monotonic", lambda: now[0])

    class Slow:
        name = "slow"

        def __init__(self, good: int = 0) -> None:
            self.good = good

        def fit(self, training: Training) -> None:
            now[0] += 3.0 if self.good else 1.0

        def score(self, asked: UserBatch) -> Scores:
            scores = np.zeros((len(asked), ITEMS))
            for row, user in enumerate(asked.users) if self.good else ():
                scores[row, (user % 2) * (ITEMS // 2) : (user % 2 + 1) * (ITEMS // 2)] = 1
            return scores

    x = many()
    training = truth_of(leave_last_out(x), x).training
    held = validation("leave-last-out", training)
    slow = Contestant("slow", Slow, {"good": (0, 1, 2)})
    found = tune(slow, held, 10, training.progress, seconds=2.0)
    assert (found.settings, found.trials, found.seconds) == ({"good": 0}, 2, 4.0)
    assert str(found.note) == "slow: trial 2 took over 2 s, so it was the last and does not count."
    assert tune(slow, held, 10, training.progress, seconds=5.0).settings != {"good": 0}


def test_choices_start_with_the_defaults_and_never_repeat() -> None:
    for contestant in SYSTEMS.values():
        options = choices(contestant, 10, seed=0)
        assert 1 <= len(options) <= 10
        assert len({json.dumps(one) for one in options}) == len(options)
        made_plain, made_first = contestant.make(), contestant.make(**options[0])
        assert vars(made_plain) == vars(made_first)
    assert choices(SYSTEMS["als"], 0, seed=0) == [{}]


def test_signals_go_along_with_their_events_into_validation() -> None:
    x = many()
    training = truth_of(global_time(x), x).training
    tagged = replace(training, signal=training.x.seq.astype(np.float32))
    held = validation("cold-items", tagged)
    assert held.split.name == "global-time"
    assert np.array_equal(held.training.signal, held.training.x.seq.astype(np.float32))


# ---------------------------------------------------------------- whole runs


def test_the_record_has_buckets_intervals_and_tests(tmp_path: Path) -> None:
    labels = [
        "ndcg@10",
        "recall@5",
        "coverage@10",
        "novelty@10",
        "ild@10",
        "arp@10",
        "gini@10",
        "auc",
        "serendipity@5",
    ]
    found = run(
        dataset(many()),
        RunPlan("leave-last-out", ["popular", "ease"], labels, against="ease", trials=2),
        Execution(out=tmp_path / "one"),
    )
    assert found.split.users == USERS and found.split.items == ITEMS and found.split.hash
    ease = found.systems[1]
    assert list(ease.metrics) == labels
    assert ease.trials == 2 and ease.settings
    assert ease.metrics["coverage@10"].ci95 is None
    low, high = ease.metrics["ndcg@10"].ci95 or (1, 0)
    assert low <= (ease.metrics["ndcg@10"].mean or 0) <= high
    assert sum(one["ndcg@10"].n for one in ease.buckets.values()) == USERS
    assert set(ease.buckets) == {"1-4", "5-19"}
    assert [(one.system, one.baseline, one.metric) for one in found.comparisons][:2] == [
        ("ease", "popular", "ndcg@10"),
        ("ease", "popular", "recall@5"),
    ]
    by_hand = (ease.metrics["ndcg@10"].mean or 0) - (found.systems[0].metrics["ndcg@10"].mean or 0)
    assert found.comparisons[0].difference == pytest.approx(by_hand)
    kept = Evaluation.model_validate_json((tmp_path / "one" / "run.json").read_text())
    assert kept == found
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "one" / "per_user.parquet")
    assert table.column_names[:3] == ["user_id", "system", "bucket"]
    assert table.num_rows == 2 * USERS
    rows = table.to_pandas()
    assert rows[rows.system == "ease"]["ndcg@10"].mean() == pytest.approx(
        ease.metrics["ndcg@10"].mean
    )
    listed = pq.read_table(tmp_path / "one" / "runs" / "ease.parquet").to_pandas()
    assert listed.groupby("user_id")["rank"].max().eq(10).all()
    shown = frames(found)
    assert len(shown.metrics) == 2 * len(labels)
    assert len(shown.comparisons) == len(found.comparisons)
    assert set(shown.buckets.bucket) == {"1-4", "5-19"}


def test_a_run_is_the_same_twice_and_another_with_another_seed() -> None:
    def once(seed: int) -> list[object]:
        found = run(
            dataset(many()),
            RunPlan("global-time", ["random", "item-knn"], ["ndcg@10"], seed=seed, trials=3),
        )
        return [(one.metrics, one.settings) for one in found.systems]

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_repeats_average_each_user() -> None:
    data = dataset(many())
    single = [
        run(data, RunPlan("leave-last-out", ["random"], ["hit@10"], seed=0, trials=0, repeat=n))
        for n in (1, 2)
    ]
    means = [one.systems[0].metrics["hit@10"].mean for one in single]
    assert means[0] != means[1]
    assert all(one.systems[0].metrics["hit@10"].n == USERS for one in single)


def drawn(record: Evaluation, width: int = 110) -> str:
    """As a terminal of that width shows it."""
    from rich.console import Console

    from limner.cli.show.evaluations import evaluation

    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(evaluation(record))
    text = captured.get()
    assert max(len(line) for line in text.splitlines()) <= width
    return text


def test_the_style_of_the_metrics_is_in_the_record_and_above_the_table() -> None:
    theirs = run(
        dataset(many()),
        RunPlan("leave-last-out", ["popular"], ["recall@10"], style="lenskit", trials=0),
    )
    assert theirs.style == "lenskit" and "lenskit metrics" in drawn(theirs)
    ours = run(dataset(many()), RunPlan("leave-last-out", ["popular"], ["recall@10"], trials=0))
    assert ours.style == "ours" and "metrics" not in drawn(ours)


def test_sampled_candidates_are_labelled_and_inflate() -> None:
    data = dataset(many())
    full = run(data, RunPlan("leave-last-out", ["random"], ["hit@5"], trials=0))
    some = run(data, RunPlan("leave-last-out", ["random"], ["hit@5"], trials=0, candidates=6))
    assert (full.split.candidates, some.split.candidates) == ("all", "sampled 6")
    assert "sampled" not in drawn(full) and "inflates" not in drawn(full)
    assert "leave-last-out · sampled 6 candidates" in drawn(
        some
    ) and "inflates every number" in drawn(some)
    assert (some.systems[0].metrics["hit@5"].mean or 0) > (
        full.systems[0].metrics["hit@5"].mean or 0
    )
    truth = truth_of(leave_last_out(data.x), data.x)
    lists = rank(
        Fixed(np.arange(ITEMS, dtype=float)), truth, 20, truth.training.progress, candidates=6
    )
    assert ((lists.items >= 0).sum(axis=1) == 7).all()
    found = kernels.hit_matrix(lists.items, truth.indptr, truth.indices)
    assert found.any(axis=1).all()


def test_metrics_and_splits_that_there_are_not_are_refused() -> None:
    with pytest.raises(UsageError, match="There is no metric"):
        run(dataset(many()), RunPlan("leave-last-out", ["popular"], ["nothing@3"]))
    with pytest.raises(UsageError, match="There is no split"):
        run(dataset(many()), RunPlan("by-moon", ["popular"], ["ndcg@10"]))


def test_tuning_without_validation_is_said() -> None:
    x = made([(user, item, item) for user in range(6) for item in (user, user + 6)])
    found = run(dataset(x), RunPlan("leave-last-out", ["item-knn"], ["hit@10"]))
    assert any("keep their defaults" in note.text for note in found.notes)
    assert found.systems[0].trials == 0


# ---------------------------------------------------------------- experiments


def test_an_experiment_says_which_key_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "exp.yaml"
    for text, said in (
        ("dataset: ml-100k", "no key 'dataset'; choose from datasets"),
        ("limit: 0", "'limit'"),
        ("thresholds: {limner: {ndcg@10: high}}", "'thresholds.limner.ndcg@10'"),
        ("style: mine", "'style'"),
        ("- a", "must be a mapping"),
        ("a: [", "cannot be read as YAML"),
    ):
        file.write_text(text)
        with pytest.raises(BadInputError, match=said):
            read_experiment(file)
    with pytest.raises(BadInputError, match="no experiment"):
        read_experiment(tmp_path / "none.yaml")
    file.write_text("datasets: [a]\nseed: 3\nsystems: [popular]\n")
    experiment = overruled(read_experiment(file), systems=["ease"], seed=0, limit=None, out="")
    assert (experiment.systems, experiment.seed, experiment.datasets) == (["ease"], 0, ["a"])
    with pytest.raises(BadInputError, match="style"):
        overruled(experiment, style="mine")


def test_an_ablation_is_of_limner_alone_unless_others_are_named(tmp_path: Path) -> None:
    file = tmp_path / "exp.yaml"
    file.write_text("ablate: true\n")
    assert read_experiment(file).systems == ["limner"]
    file.write_text("seed: 1\n")
    assert overruled(read_experiment(file), ablate=True).systems == ["limner"]
    assert overruled(read_experiment(file), ablate=True, systems=["popular"]).systems == ["popular"]
    assert overruled(Experiment(), ablate=None).systems == list(Experiment().systems) != ["limner"]


def test_thresholds_say_what_was_missed() -> None:
    found = run(
        dataset(many()), RunPlan("leave-last-out", ["popular"], ["ndcg@10", "arp@10"], trials=0)
    )
    easy = {"popular": {"ndcg@10": 0.0, "arp@10": 1000.0}}
    hard = {"popular": {"ndcg@10": 1.0, "arp@10": 0.1}, "limner": {"ndcg@10": 0.1}}
    assert below(found, Experiment(thresholds=easy)) == []
    missed = below(found, Experiment(thresholds=hard))
    assert len(missed) == 3
    assert "limner was not measured" in missed[2].text


def test_one_bad_cell_is_named_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    good, untimed = many(), replace(many(), time=np.full(len(many()), NO_TIME))
    held = {"good": dataset(good), "untimed": replace(dataset(untimed), name="untimed")}

    def fitted(*_: object, **__: object) -> Evaluation:
        raise AssertionError("nothing may be fitted")

    monkeypatch.setattr("limner.evals.suite.load", lambda name, _: held[name])
    monkeypatch.setattr("limner.evals.suite.run", fitted)
    grid = Experiment(
        datasets=["good", "untimed"], splits=["leave-last-out", "global-time"], systems=["popular"]
    )
    with pytest.raises(BadInputError, match="untimed, global-time: The split"):
        run_experiment(grid, Settings())


def test_who_is_tested_is_said_where_it_is_not_limner() -> None:
    data = dataset(many())
    found = run(
        data, RunPlan("leave-last-out", ["popular", "ease", "random"], ["hit@10"], trials=0)
    )
    assert {one.system for one in found.comparisons} == {"popular"} and len(found.comparisons) == 2
    assert "limner is not among the systems, so popular is tested against the others." in [
        note.text for note in found.notes
    ]
    with pytest.raises(
        UsageError,
        match="'eaze' cannot be tested against the others: the systems are popular, ease",
    ):
        run(
            data,
            RunPlan("leave-last-out", ["popular", "ease"], ["hit@10"], against="eaze", trials=0),
        )
    broken = f"{__name__}:Numbers"
    failed = run(
        data,
        RunPlan(
            "leave-last-out", [broken, "popular", "ease"], ["hit@10"], against=broken, trials=0
        ),
    )
    assert not failed.comparisons
    assert f"{broken} was not measured, so nothing is tested." in [
        note.text for note in failed.notes
    ]


def test_the_table_tells_lengths_of_history_and_where_users_are_others() -> None:
    found = run(
        dataset(many()),
        RunPlan("leave-last-out", ["popular", "ease"], ["hit@10", "ild@10"], trials=0),
    )
    text = drawn(found)
    assert "hit@10 by length of history" in text
    sizes = {bucket: one["hit@10"].n for bucket, one in found.systems[0].buckets.items()}
    for bucket, n in sizes.items():
        assert f"{bucket} events ({n})" in text
    assert text.count("[") == 4, "both metrics have their intervals where there is room"
    assert drawn(found, 60).count("[") == 2
    assert "n=" not in text
    fewer = found.systems[0].metrics["ild@10"].model_copy(update={"n": 7})
    one = found.systems[0].model_copy(
        update={"metrics": {**found.systems[0].metrics, "ild@10": fewer}}
    )
    assert "n=7" in drawn(found.model_copy(update={"systems": [one]}))


def test_cold_splits_have_hashes_of_their_own() -> None:
    x = many()
    late = made(
        [
            *zip(x.user.tolist(), x.item.tolist(), x.time.tolist(), strict=True),
            (3, ITEMS, 10_000 * DAY),
        ],
        ITEMS + 1,
    )
    assert len({cut(late).digest for cut in (global_time, cold_users, cold_items)}) == 3


def test_an_experiment_without_data_is_refused() -> None:
    with pytest.raises(UsageError, match="names no data set"):
        run_experiment(Experiment(), Settings())


def test_the_command_runs_an_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from limner.cli import main

    x = many()
    lines = [
        f"{x.user_ids[user]},{x.item_ids[item]},4,{time // 1000}"
        for user, item, time in zip(x.user, x.item, x.time, strict=True)
    ]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *lines]))
    (tmp_path / "own_failing.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert main(["--data", "store", "--quiet", "ingest", "--events", "events.csv"]) == 0
    capsys.readouterr()

    def given(*more: str) -> tuple[int, str, str]:
        code = main(["--data", "store", "--quiet", "eval", "run", *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    (tmp_path / "exp.yaml").write_text(
        "splits: [leave-last-out, ratio]\nsystems: [popular, item-knn]\nmetrics: "
        "[ndcg@10, coverage@10]\n"
        "against: item-knn\nthresholds: {item-knn: {ndcg@10: 0.01}}\ntrials: 0\nout: kept\n"
    )
    code, out, _ = given("exp.yaml", "--json")
    document = json.loads(out)
    assert code == 0
    assert [one["split"]["name"] for one in document["evaluations"]] == ["leave-last-out", "ratio"]
    assert sorted(one.name for one in (tmp_path / "kept").iterdir()) == [
        "store.leave-last-out",
        "store.ratio",
    ]
    code, _, err = given("exp.yaml", "--split", "ratio", "--systems", "popular", "--json")
    assert code == 2 and "threshold on item-knn, which is not among the systems: popular" in err
    code, _, err = given("exp.yaml", "--metrics", "hit@10")
    assert code == 2 and "threshold on ndcg@10, which is not measured" in err
    (tmp_path / "hard.yaml").write_text(
        "systems: [popular]\nthresholds: {popular: {ndcg@10: 0.99}}\ntrials: 0\n"
    )
    code, out, _ = given("hard.yaml", "--split", "ratio", "--json")
    assert code == 100
    assert json.loads(out)["split"]["name"] == "ratio"
    shape = {"mean", "ci95", "n"}
    assert set(json.loads(out)["systems"][0]["metrics"]["ndcg@10"]) == shape
    code, out, err = given(
        "--split", "ratio", "--systems", "popular,own_failing:Broken,item-knn", "--trials", "0"
    )
    assert code == 1
    assert "own_failing:Broken failed: RuntimeError: no luck" in " ".join(
        out.replace("│", " ").split()
    )
    code, out, err = given("exp.yaml", "--split", "cold")
    assert code == 2 and "There is no split 'cold'" in err


def test_the_table_fits_the_terminal_and_marks_what_is_certain() -> None:
    from rich.console import Console

    from limner.cli.show.evaluations import evaluation
    from limner.evals.records import Comparison, Metric, SplitInfo, SystemResult

    labels = ["ndcg@10", "hit@10", "coverage@10", "novelty@10", "arp@10"]
    metrics = {one: Metric(mean=0.1234, ci95=(-1e-10, 0.2), n=9) for one in labels}
    metrics["arp@10"] = Metric(mean=1234.5, ci95=None, n=9)
    tests = [
        Comparison(
            system="limner",
            baseline="ease",
            metric=label,
            difference=sign * 0.1,
            ci95=(0, 1),
            p=p,
            p_holm=p,
            n=9,
        )
        for label, sign, p in (("ndcg@10", 1, 0.01), ("hit@10", -1, 0.01), ("coverage@10", 1, 0.2))
    ]
    record = Evaluation(
        dataset="made",
        split=SplitInfo(name="ratio", hash="abc", users=9, train_events=1, test_events=1, items=3),
        systems=[
            SystemResult(name="limner", metrics=metrics),
            SystemResult(name="ease", metrics=metrics, failed_users=2),
            SystemResult(name="als", state="skipped", why=plain("not installed")),
        ],
        comparisons=tests,
    )
    for width in (60, 80, 110):
        console = Console(width=width, color_system=None)
        with console.capture() as captured:
            console.print(evaluation(record))
        text = captured.get()
        assert max(len(line) for line in text.splitlines()) <= width
        for said in (
            "0.1234 [0.0000, 0.2000]↓",
            "0.1234↑",
            "1,234.5",
            "als skipped: not installed",
            "2 users",
        ):
            assert said in text, (width, said)
        assert text.count("↓") == 2  # the mark, and what it means


def test_every_system_and_split_and_key_is_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(
        encoding="utf-8"
    )
    for name in (*SYSTEMS, *SPLITS):
        assert f"`{name}`" in text, name
    block = text.split("```yaml")[1].split("```")[0]
    import yaml

    assert set(yaml.safe_load(block)) == set(Experiment.model_fields)
    assert Experiment.model_validate(yaml.safe_load(block))


# ---------------------------------------------------------------- going on, and side by side


class Counted:
    """Popular, and writes down that it was fitted; raises while a file says so."""

    def fit(self, training: Training) -> None:
        with Path("fitted").open("a", encoding="utf-8") as out:
            out.write("x")
        if Path("broken").exists():
            raise RuntimeError("not today")
        self._share = training.share

    def score(self, asked: UserBatch) -> Scores:
        return np.tile(self._share, (len(asked), 1))


COUNTED = f"{__name__}:Counted"


def test_a_run_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = dataset(many())
    whole = run(
        data, RunPlan("leave-last-out", [COUNTED, "popular", "recent"], trials=0, against="popular")
    )
    Path("fitted").unlink()
    run(data, RunPlan("leave-last-out", [COUNTED], trials=0), Execution(out=tmp_path / "run"))
    again = run(
        data,
        RunPlan("leave-last-out", [COUNTED, "popular", "recent"], trials=0, against="popular"),
        Execution(out=tmp_path / "run", resume=True),
    )
    assert Path("fitted").read_text(encoding="utf-8") == "x"  # once, in the first call
    assert [one.metrics for one in again.systems] == [one.metrics for one in whole.systems]
    assert again.comparisons == whole.comparisons
    with pytest.raises(BadInputError, match=r"another run \(its seed 0, not 1\)"):
        run(
            data,
            RunPlan("leave-last-out", ["popular"], trials=0, seed=1),
            Execution(out=tmp_path / "run", resume=True),
        )
    with pytest.raises(BadInputError, match=r"its metrics ndcg@10.*, not hit@3\)"):
        run(
            data,
            RunPlan("leave-last-out", ["popular"], ["hit@3"], trials=0),
            Execution(out=tmp_path / "run", resume=True),
        )


def test_going_on_with_fewer_systems_leaves_nothing_of_the_others(tmp_path: Path) -> None:
    data, out = dataset(many()), tmp_path / "run"
    run(
        data,
        RunPlan("leave-last-out", ["popular", "recent", "random"], ["hit@10"], trials=0),
        Execution(out=out),
    )
    fewer = run(
        data,
        RunPlan("leave-last-out", ["random", "popular"], ["hit@10"], trials=0),
        Execution(out=out, resume=True),
    )
    held = load_run(out)
    assert [one.name for one in held.evaluation.systems] == ["random", "popular"]
    assert set(held.per_user) == {"random", "popular"}
    assert held.evaluation == fewer


def test_failures_are_kept_until_they_are_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, out = dataset(many()), tmp_path / "run"
    Path("broken").touch()
    first = run(data, RunPlan("leave-last-out", [COUNTED], trials=0), Execution(out=out))
    assert first.systems[0].state == "failed"
    Path("broken").unlink()
    assert (
        run(data, RunPlan("leave-last-out", [COUNTED], trials=0), Execution(out=out, resume=True))
        .systems[0]
        .state
        == "failed"
    )
    assert (
        run(
            data,
            RunPlan("leave-last-out", [COUNTED], trials=0),
            Execution(out=out, retry_errors=True),
        )
        .systems[0]
        .state
        == "ok"
    )


def test_systems_side_by_side_give_what_they_give_one_after_another(tmp_path: Path) -> None:
    data = dataset(many())
    names = ["popular", "recent"]
    one = run(data, RunPlan("leave-last-out", names, trials=0, against="popular"))
    both = run(
        data,
        RunPlan("leave-last-out", names, trials=0, against="popular"),
        Execution(jobs=2, out=tmp_path / "run"),
    )
    assert [x.metrics for x in both.systems] == [x.metrics for x in one.systems]
    assert both.comparisons == one.comparisons
    assert (
        json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["systems"][1][
            "name"
        ]
        == "recent"
    )
