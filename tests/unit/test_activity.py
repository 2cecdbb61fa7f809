"""Who comes back: fitted, calibrated, stored, and what it does to probabilities."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import StoreError
from limner.core.interactions import NO_TIME, Interactions
from limner.core.schema import Item, RecommendationRequest
from limner.core.settings import load_settings
from limner.engine import open_engine
from limner.evals.metrics import auc, ece
from limner.ingest import Sources
from limner.rank import (
    Model,
    audience,
    fit,
    history_batch,
    load_model,
    order,
    save,
    train_report,
    with_context,
)
from limner.rank.activity import Activity, fit_activity, load_activity
from limner.rank.fusion import Method, TrainingExamples, learn
from limner.rank.training_queries import evaluation_windows
from limner.retrieve import History
from limner.testing import FakeEmbedder

DAY = 86_400_000


def leaving(users: int, seed: int = 3) -> Interactions:
    """Users who come over a hundred days, do something every few days, and leave for good at a
    moment of their own; a third of them has only one item, again and again.
    """
    random = np.random.default_rng(seed)
    user, time, item = [], [], []
    for one in range(users):
        begin, stay, pace = random.uniform(0, 100), random.exponential(25), random.uniform(0.5, 6)
        at = begin + np.cumsum(np.r_[0.0, random.exponential(pace, 60)])
        at = at[(at < min(100, begin + stay)) | (np.arange(61) == 0)]
        user.append(np.full(len(at), one))
        time.append(at)
        item.append((random.integers(40) + (one % 3 > 0) * np.arange(len(at))) % 40)
    n = sum(map(len, user))
    zeros = np.zeros(n, np.int16)
    return Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at:02}" for at in range(40)],
        ["like"],
        ["made"],
        np.concatenate(user).astype(np.int32),
        np.concatenate(item).astype(np.int32),
        zeros,
        zeros,
        np.full(n, np.nan),
        (np.concatenate(time) * DAY).astype(np.int64),
        np.arange(1, n + 1),
    )


def timed(x: Interactions) -> list[History]:
    """Of every user who has done anything."""
    starts = x.starts()
    spans = [slice(starts[one], starts[one + 1]) for one in np.unique(x.user)]
    return [
        History(x.item[span].astype(np.int64), np.ones(0, np.float32), time=x.time[span])
        for span in spans
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of trained models, to be copied."""
    x, folder = leaving(300), tmp_path_factory.mktemp("models")
    save(fit(x, np.ones(len(x), np.float32)), folder)
    return folder


@pytest.fixture(scope="module")
def model(home: Path) -> Model:
    found = load_model(home)
    assert found is not None
    return found


def test_the_chance_to_come_back_is_what_happens() -> None:
    x = leaving(3000)
    moment = np.quantile(x.time, 0.7, method="higher")
    past = x.take(x.time < moment)
    end = np.sort(x.time)[int(0.7 * len(x)) + len(past) // 5]
    found = fit_activity(past)
    assert found is not None and found.ece < 0.08
    told = found.probability(timed(past))
    came = (np.bincount(x.user[(x.time >= moment) & (x.time <= end)], minlength=3000) > 0)[
        np.unique(past.user)
    ]
    assert 0.1 < came.mean() < 0.6
    assert abs(told.mean() - came.mean()) < 0.06 and ece(came, told, 10, "mass") < 0.08
    assert ece(came, np.full(len(came), 0.9), 10, "mass") > 0.08, "the bound tells good from bad"
    assert auc(told[None], np.array([0, came.sum()]), np.flatnonzero(came))[0] > 0.8


def test_the_later_the_last_event_the_likelier_the_next() -> None:
    found = Activity([-1.0, 0.0, 0.5, -2.0], now=100 * DAY, span=100 * DAY, rate=0.25, ece=0.0)
    nothing = np.empty(0, np.int64), np.empty(0, np.float32)

    def chance(*days: float) -> float:
        return float(
            found.probability(
                [History(*nothing, time=np.array([day * DAY for day in days], np.int64))]
            )[0]
        )

    assert chance(10) < chance(50) < chance(99) < chance(98, 99)
    assert chance(100) == chance(140), "what came after training is as good as now"
    unknown = [
        History(*nothing),
        History(*nothing, time=np.empty(0, np.int64)),
        History(*nothing, time=np.array([NO_TIME])),
    ]
    assert found.probability([*unknown]).tolist() == [0.25] * 3


def test_events_without_times_tell_nothing(tmp_path: Path) -> None:
    x = leaving(300)
    assert fit_activity(replace(x, time=np.full(len(x), NO_TIME))) is None
    assert fit_activity(x.take(np.zeros(len(x), bool))) is None
    some = replace(x, time=np.where(np.arange(len(x)) == 5, NO_TIME, x.time))
    model = save(fit(some, np.ones(len(x), np.float32)), tmp_path)
    loaded = load_model(tmp_path)
    assert (
        model.fusion is not None
        and model.activity is None
        and loaded is not None
        and loaded.activity is None
    )
    assert train_report(model, "none", 0).activity_error is None
    score = np.array([[0.5, 1.5]])
    assert (
        model.probability(score, timed(x)[:1]).tolist() == model.fusion.probability(score).tolist()
    )


def test_it_is_stored_with_the_model(model: Model, home: Path, tmp_path: Path) -> None:
    assert model.activity is not None and model.activity == fit_activity(leaving(300))
    report = train_report(model, "none", 0)
    assert report.activity_error == round(model.activity.ece, 4) and report.unanswered > 0
    folder = shutil.copytree(home, tmp_path / "models")
    (folder / "v1" / "activity.json").write_text("{}")
    with pytest.raises(StoreError, match="run `limner train` again"):
        load_model(folder)
    assert load_activity(tmp_path) is None


def test_a_model_of_before_says_that_it_must_be_trained_anew(home: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(home, tmp_path / "models")
    file = folder / "v1" / "fusion.json"
    head = json.loads(file.read_text())
    del head["asked"]
    file.write_text(json.dumps(head))
    with pytest.raises(StoreError, match="run `limner train` again"):
        load_model(folder)


def test_it_changes_the_order_of_users_and_not_of_items(model: Model) -> None:
    assert model.activity is not None and model.fusion is not None
    now = model.activity.now
    events = [("i03", 1.0), ("i04", 1.0)]
    old, new = (model.history(events, [now - days * DAY, now - days * DAY]) for days in (60, 1))
    without = replace(model, activity=None)
    lists = [
        order(*asked, exclude=frozenset(["i03", "i04"]))
        for asked in ((model, old), (model, new), (without, new))
    ]
    assert len({tuple(one.candidate.item_id for one in found) for found in lists}) == 1
    past, present, given = ([one.probability or 0.0 for one in found] for found in lists)
    active = model.activity.probability([old, new])
    assert active[0] < active[1]
    assert np.allclose(past, active[0] * np.array(given)) and np.allclose(
        present, active[1] * np.array(given)
    )
    visit = with_context(old, [7], model)
    assert model.activity.probability([visit])[0] > active[0], "who visits is there"


def test_users_of_an_item_are_ordered_by_who_is_still_there(model: Model) -> None:
    x = leaving(300)
    crowd = history_batch(x, np.ones(len(x), np.float32), model)
    item = Item(item_id="i05")
    found = audience(
        model, crowd, item, crowd.user_ids, None, repeats=False, advance=lambda _: None
    )
    given = audience(
        replace(model, activity=None),
        crowd,
        item,
        crowd.user_ids,
        None,
        repeats=False,
        advance=lambda _: None,
    )
    assert "does anything" in found.definition and "next" in given.definition
    assert model.activity is not None
    chance = {one.user_id: one.probability or 0.0 for one in given.users}
    for one in found.users:
        active = model.activity.probability([crowd.history(crowd.position[one.user_id])])[0]
        assert one.probability == pytest.approx(chance[one.user_id] * active)
    assert [one.probability for one in found.users] == sorted(
        (one.probability or 0 for one in found.users), reverse=True
    )
    assert [one.user_id for one in found.users] != [one.user_id for one in given.users]


def test_questions_without_an_answer_are_learned_from(model: Model) -> None:
    assert model.fusion is not None
    # A third of the users comes back for what they had already.
    assert model.fusion.asked > 1.3 * model.fusion.queries


@pytest.mark.parametrize("method", ["lightgbm", "logistic"])
def test_probabilities_count_questions_without_an_answer(method: Method) -> None:
    random = np.random.default_rng(5)
    questions, each = 2000, 20
    columns = random.normal(size=(questions * each, 3)).astype(np.float32)
    chance = (
        1 / (1 + np.exp(3 - 1.5 * columns[:, 0])) * np.repeat(random.random(questions) < 0.4, each)
    )
    relevant = random.random(len(columns)) < chance
    whole = TrainingExamples(
        columns,
        relevant,
        np.full(questions, each),
        np.arange(questions),
        ["next_item", "content", "history"],
    )
    fusion = learn(whole, method).fusion
    assert fusion.asked == questions and fusion.queries == whole.answered.sum() < 0.5 * questions
    told = fusion.probability(fusion.score(columns))
    assert abs(told.mean() - relevant.mean()) < 0.2 * relevant.mean()
    assert ece(relevant, told, 10, "mass") < 0.03
    # Learned from the answered questions alone, it promises too much.
    boast = learn(whole.take(whole.answered), method).fusion
    assert boast.probability(boast.score(columns)).mean() > 1.5 * relevant.mean()


async def test_every_door_tells_the_same_chance(tmp_path: Path) -> None:
    x = leaving(200)
    rows = [
        f"u{u},i{i:02},like,{t // 1000 + 1_000_000_000}"
        for u, i, t in zip(x.user, x.item, x.time, strict=True)
    ]
    (tmp_path / "events.csv").write_text(
        "\n".join(["user_id,item_id,type,timestamp", *rows]), encoding="utf-8"
    )
    settings = load_settings(
        {}, overrides={("data",): str(tmp_path / "store"), ("llm", "choice"): "none"}
    )
    engine = open_engine(settings, create=True, embedder=FakeEmbedder())
    try:
        engine.ingest(Sources(events=[str(tmp_path / "events.csv")]))
        everyone = {
            found.user_id: found
            async for found in engine.recommend_all(RecommendationRequest(n=5, explain=False))
        }
        user = x.user_ids[
            int(np.flatnonzero((np.bincount(x.user) == 10) & (np.arange(200) % 3 > 0))[0])
        ]
        told = {one.item.item_id: one.probability for one in everyone[user].recommendations}
        assert len(told) == 5 and all(told.values()), "a fusion was learned"
        alone = await engine.recommend(RecommendationRequest(user_id=user, n=5, explain=False))
        ranked = await engine.recommend(
            RecommendationRequest(user_id=user, items=list(told), explain=False)
        )
        for found in (alone, ranked):
            assert {
                one.item.item_id: one.probability for one in found.recommendations
            } == pytest.approx(told)
        for item_id, probability in told.items():
            reached = engine.users(None, for_item=item_id)
            assert next(
                one for one in reached.users if one.user_id == user
            ).probability == pytest.approx(probability)
        model = engine.state.ranker.model()
        assert model is not None and model.activity is not None and model.activity.rate < 0.9
    finally:
        await engine.close()


def test_how_many_come_back_is_told_as_of_the_last_moment() -> None:
    random = np.random.default_rng(5)
    rows = []
    for one in range(600):
        begin = random.uniform(0, 100)
        # Whoever comes late leaves soon, and from day 80 on many leave whatever they did before.
        gone = min(
            begin + random.exponential(60 - 0.5 * begin), 80.0 if random.random() < 0.7 else 100.0
        )
        at = np.r_[begin, begin + np.cumsum(random.exponential(4, 40))]
        rows += [(one, moment) for moment in at[(at < gone) | (np.arange(41) == 0)]]
    table = np.array(rows)
    zeros = np.zeros(len(rows), np.int16)
    x = Interactions(
        [f"u{at}" for at in range(600)],
        ["i0"],
        ["like"],
        ["made"],
        table[:, 0].astype(np.int32),
        zeros.astype(np.int32),
        zeros,
        zeros,
        np.full(len(rows), np.nan),
        (table[:, 1] * DAY).astype(np.int64),
        np.arange(1, len(rows) + 1),
    )
    learned = fit_activity(x)
    assert learned is not None
    begin, end = evaluation_windows(x)[-1]
    before = x.take(x.time < begin)
    came = np.isin(np.unique(before.user), x.user[(x.time >= begin) & (x.time <= end)])
    told = replace(learned, now=begin).probability(timed(before))
    assert told.mean() == pytest.approx(came.mean(), abs=0.02)
    assert learned.rate == came.mean()
