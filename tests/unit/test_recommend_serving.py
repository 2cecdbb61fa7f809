"""Answers at once: kept while nothing changed, and never longer."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.core.errors import UnknownIdError
from limner.core.schema import Profile, RecommendationRequest, Recommendations
from limner.engine import Engine
from limner.explain.attribution import Past
from limner.rank import RankedCandidate
from limner.recommend.serving import LRUCache
from tests.http.live import small_engine
from tests.http.tasteful import copied, engine_of, made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("swift"))


@pytest.fixture
def engine(trained: Path, tmp_path: Path) -> Engine:
    return engine_of(copied(trained, tmp_path))


def asked(engine: Engine, user: str = "u0", n: int = 5, **wishes: object) -> Recommendations:
    return listed(engine, user, n, **wishes)


def listed(engine: Engine, user: str, n: int = 5, **fields: object) -> Recommendations:
    """As a server answers."""
    request = RecommendationRequest.model_validate(
        {"user_id": user, "n": n, "wording": "cached", **fields}
    )
    return asyncio.run(engine.recommend(request, keep=True))


def ids(answer: Recommendations) -> list[str]:
    return [one.item.item_id for one in answer.recommendations]


def orders(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom lists were made for from here on."""
    made_for: list[str] = []
    real = engine.pipeline.choose

    def choose(
        profile: Profile, past: Past, request: RecommendationRequest
    ) -> list[RankedCandidate]:
        made_for.append(profile.user_id)
        return real(profile, past, request)

    monkeypatch.setattr(engine.pipeline, "choose", choose)
    return made_for


def test_the_same_request_is_answered_without_ordering_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked(engine)
    made_for = orders(engine, monkeypatch)
    again = asked(engine)
    assert made_for == [] and again.recommendations == first.recommendations
    shorter = listed(engine, "u0", 3, explain=False)
    assert made_for == [] and ids(shorter) == ids(first)[:3]
    asked(engine, diversity=0.5)
    asked(engine, "u1")
    assert made_for == ["u0", "u1"]


def test_a_new_list_looks_up_once_how_far_the_store_has_come(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(engine)
    looked: list[str] = []
    for name in ("state", "newest"):
        real = getattr(engine.store, name)

        def count(*given: object, name: str = name, real: Callable[..., object] = real) -> object:
            looked.append(name)
            return real(*given)

        monkeypatch.setattr(engine.store, name, count)
    asked(engine, diversity=0.5)
    assert sorted(looked) == ["newest", "state"]


def test_what_somebody_else_does_keeps_an_answer_and_what_the_user_does_ends_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked(engine)
    made_for = orders(engine, monkeypatch)
    engine.edits.take("events", [{"user_id": "u5", "item_id": "00", "type": "view"}])
    asked(engine)
    assert made_for == []
    engine.edits.take("events", [{"user_id": "u0", "item_id": ids(first)[0], "type": "view"}])
    assert ids(first)[0] not in ids(asked(engine)) and made_for == ["u0"]


def test_another_process_that_writes_ends_it_too(engine: Engine) -> None:
    first = asked(engine)
    other = engine_of(engine.store.folder.parent)
    other.edits.take("events", [{"user_id": "u0", "item_id": ids(first)[0], "type": "view"}])
    other.edits.take("items", [{"item_id": ids(first)[1], "attributes": {"hidden": True}}])
    assert not set(ids(first)[:2]) & set(ids(asked(engine)))


def test_nothing_is_kept_of_an_erased_user(engine: Engine) -> None:
    asked(engine)
    engine.erase("u0")
    assert (
        "u0" not in engine.recommendations._known
        and not len(engine.recommendations._orders)
        and not len(engine.recommendations._answers)
    )
    with pytest.raises(UnknownIdError):
        asked(engine)


def test_a_list_of_any_length_is_what_it_would_be_anew(engine: Engine) -> None:
    for n in (30, 7, 2, 40):
        for given in ({}, {"diversity": 0.3}):
            kept = listed(engine, "u1", n, **given)
            engine.recommendations.forget("u1")
            anew = listed(engine, "u1", n, **given)
            assert kept.recommendations == anew.recommendations and len(kept.recommendations) <= n


def test_users_are_kept_in_bounded_number(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.recommend.serving.KEPT", 2)
    for user in ("u0", "u1", "u2", "u3"):
        asked(engine, user)
    assert [*engine.recommendations._known] == ["u2", "u3"]


def test_what_was_not_asked_for_longest_goes_first() -> None:
    held = LRUCache[int](2)
    held.put("a", "x", 1, 10)
    held.put("b", "x", 1, 20)
    assert held.get("a", "x", 1) == 10
    held.put("c", "x", 1, 30)
    assert (held.get("a", "x", 1), held.get("b", "x", 1), held.get("c", "x", 1)) == (10, None, 30)
    assert held.get("c", "x", 2) is None and held.get("c", "y", 1) is None and len(held) == 2
    held.forget("a")
    assert held.get("a", "x", 1) is None and len(held) == 1


def test_what_every_answer_needs_can_be_read_before_the_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.recommendations.warm()

    def unread(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("limner.state.ranker.load_model", unread)
    monkeypatch.setattr(engine.store, "items", unread)
    assert len(ids(asked(engine))) == 5


def test_a_store_that_nothing_was_trained_on_is_left_alone(tmp_path: Path) -> None:
    engine = small_engine(tmp_path)
    engine.recommendations.warm()
    assert not engine.state.ranker.models_folder.exists()
