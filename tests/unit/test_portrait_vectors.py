"""Portraits are embedded behind the answers, or before they are looked through; none is forgotten,
none outlives its user.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from limner.core.errors import ModelError, StoreBusyError
from limner.core.progress import Progress
from limner.core.schema import RecommendationRequest, Recommendations
from limner.engine import Engine, open_engine
from limner.evals.portraits import portrait_map
from limner.index.chroma import Index, IndexRow, Kind
from limner.index.embedders import Vectors
from limner.recommend.edits import ClaimKey, PortraitEdit, Statement
from limner.state.portrait_vectors import preference_id
from limner.testing import FakeEmbedder
from limner.web.map import Cartographer
from limner.web.words import read_words
from tests.http.tasteful import copied, engine_of, made

USERS = [f"u{at}" for at in range(12)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("vectors"))


@pytest.fixture
def engine(trained: Path, tmp_path: Path) -> Engine:
    return engine_of(copied(trained, tmp_path))


class OtherEmbedder(FakeEmbedder):
    name = "fake:other"


def asked(engine: Engine, user: str) -> Recommendations:
    request = RecommendationRequest(user_id=user, n=5, wording="cached", explain=False)
    return asyncio.run(engine.recommend(request, keep=True))


def writes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(what was done, of how many rows) to the index from here on."""
    done: list[tuple[str, int]] = []
    upsert, delete = Index.upsert, Index.delete

    def upserted(
        self: Index, kind: Kind, rows: Sequence[IndexRow], progress: Progress | None = None
    ) -> int:
        done.append((f"upsert {kind}", len(rows)))
        return upsert(self, kind, rows, progress)

    def deleted(self: Index, kind: Kind, ids: Sequence[str]) -> None:
        done.append((f"delete {kind}", len(ids)))
        delete(self, kind, ids)

    monkeypatch.setattr(Index, "upsert", upserted)
    monkeypatch.setattr(Index, "delete", deleted)
    return done


def in_index(engine: Engine) -> tuple[set[str], set[str]]:
    """Ids of portraits and of preferences."""
    index = engine.state.vectors.index()
    return set(index.everything("portraits")[0]), set(index.everything("preferences")[0])


def in_store(engine: Engine) -> tuple[set[str], set[str]]:
    held = engine.data.portraits()
    return {one.user_id for one in held}, {
        preference_id(one.user_id, p) for one in held for p in one.preferences
    }


def test_a_first_list_and_a_stated_preference_write_no_vector(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = writes(monkeypatch)
    for user in USERS:
        assert asked(engine, user).profile_version == 1
    edited = engine.edits.edit_portrait(
        "u0", PortraitEdit(state=[Statement(facet="genre", value="Noir")])
    )
    assert asked(engine, "u0").profile_version == edited.version
    assert done == []
    engine.state.portraits.embed_all()
    assert [what for what, _ in done if what.startswith("upsert")] == [
        "upsert portraits",
        "upsert preferences",
    ]
    assert in_index(engine) == in_store(engine) and in_index(engine)[0] == set(USERS)
    before = len(done)
    assert engine.state.portraits.embed_all() == 0 and len(done) == before


def test_a_list_is_the_same_before_and_after_its_portrait_is_embedded(
    engine: Engine, trained: Path
) -> None:
    first = asked(engine, "u0").recommendations
    engine.state.portraits.embed_all()
    engine.recommendations.forget("u0")
    engine.state.portraits._book.erase("u0")
    again = engine_of(engine.store.folder.parent)  # which has embedded nothing itself
    assert asked(again, "u0").recommendations == first


def test_a_vector_that_other_portraits_hold_too_is_read_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in USERS:
        asked(engine, user)
    engine.state.portraits.embed_all()
    engine.store.close()
    again = engine_of(engine.store.folder.parent)
    profiles = [again.store.profile(user) for user in USERS]
    wordings = [again.state.portraits.wording(one) for one in profiles if one is not None]
    monkeypatch.setattr(Index, "vectors", None)
    anew = [again.state.portraits.wording(one) for one in profiles if one is not None]
    assert [one.likes.tolist() for one in anew] == [one.likes.tolist() for one in wordings] and len(
        anew
    ) == len(USERS)


def test_users_are_found_by_words_as_soon_as_they_are_painted(engine: Engine) -> None:
    asked(engine, "u3")
    assert [one.user_id for one in engine.users(like="war").users] == ["u3"]
    asked(engine, "u4")
    assert {one.user_id for one in engine.users(like="war").users} == {"u3", "u4"}


def test_maps_show_who_was_painted_a_moment_ago(engine: Engine) -> None:
    cartographer, english = Cartographer(engine), read_words()["en"]
    for user in USERS[:10]:
        asked(engine, user)
    assert cartographer.map(english).portraits == 10
    asked(engine, USERS[10])
    assert cartographer.map(english).portraits == 11
    asked(engine, USERS[11])
    assert len(portrait_map(engine).buckets) == 12


def test_a_report_does_without_portraits_of_another_embedder(engine: Engine) -> None:
    for user in USERS[:10]:
        asked(engine, user)
    portrait_map(engine)
    other = open_engine(engine.settings, embedder=OtherEmbedder())
    found = portrait_map(other)
    other.store.close()
    assert not found.projections and "was made by the embedder" in str(found.note)


def test_what_cannot_be_embedded_now_is_said_and_embedded_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(engine, "u3")
    with monkeypatch.context() as patch:

        def busy(*_: object, **__: object) -> object:
            raise StoreBusyError("Another process is writing.")

        patch.setattr(engine.store, "changing", busy)
        found = engine.users(like="war")
        assert found.users == [] and any(
            "not embedded: 1. Another process" in note.text for note in found.notes
        )
    assert [one.user_id for one in engine.users(like="war").users] == ["u3"]


@pytest.mark.parametrize("at", ["portraits", "preferences", "set_embedded"])
def test_a_process_that_is_killed_forgets_no_vector(
    at: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in USERS[:3]:
        asked(engine, user)
    with monkeypatch.context() as patch:
        upsert = Index.upsert

        def killed(
            self: Index, kind: Kind, rows: Sequence[IndexRow], progress: Progress | None = None
        ) -> int:
            if kind == at:
                raise KeyboardInterrupt
            return upsert(self, kind, rows, progress)

        def unsaid(_: object) -> None:
            raise KeyboardInterrupt

        if at == "set_embedded":
            patch.setattr(engine.store, at, unsaid)
        else:
            patch.setattr(Index, "upsert", killed)
        with pytest.raises(KeyboardInterrupt):
            engine.state.portraits.embed_all()
    other = engine_of(engine.store.folder.parent)
    other.state.portraits.embed_all()
    assert in_index(other) == in_store(other) and in_index(other)[0] == set(USERS[:3])


def test_what_is_erased_or_changed_while_it_is_embedded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("u0", "u1", "u2"):
        asked(engine, user)
    passages = engine.state.vectors.index().embedder.passages
    monkeypatch.setattr(
        engine.state.vectors.index().embedder, "passages", lambda texts: meanwhile(texts)
    )

    def meanwhile(texts: Sequence[str]) -> Vectors:
        monkeypatch.setattr(engine.state.vectors.index().embedder, "passages", passages)
        engine.erase("u0")
        engine.edits.edit_portrait(
            "u1", PortraitEdit(state=[Statement(facet="genre", value="Noir")])
        )
        return passages(texts)

    engine.state.portraits.embed_some()
    assert in_index(engine)[0] == {"u2"}
    engine.state.portraits.embed_all()
    assert in_index(engine) == in_store(engine) and in_index(engine)[0] == {"u1", "u2"}


def test_what_a_portrait_holds_no_more_is_forgotten(engine: Engine) -> None:
    asked(engine, "u0")
    held = engine.store.profile("u0")
    assert held is not None
    engine.state.portraits.embed_all()
    one = held.preferences[0]
    engine.edits.edit_portrait(
        "u0",
        PortraitEdit(strike=[ClaimKey(facet=one.facet, value=one.value, polarity=one.polarity)]),
    )
    engine.state.portraits.embed_all()
    assert (
        in_index(engine) == in_store(engine) and preference_id("u0", one) not in in_index(engine)[1]
    )


def test_vectors_that_rest_on_an_event_go_with_it(engine: Engine) -> None:
    item = asked(engine, "u0").recommendations[0].item.item_id
    engine.edits.take("events", [{"user_id": "u0", "item_id": item, "type": "like"}])
    engine.portraits.after_edit("u0")
    engine.state.portraits.embed_all()
    assert "u0" in in_index(engine)[0]
    assert engine.edits.take_back("u0", item)
    assert in_index(engine) == (set(), set())
    engine.state.portraits.embed_all()
    assert in_index(engine) == in_store(engine)


def test_all_that_was_embedded_is_embedded_anew(engine: Engine) -> None:
    for user in USERS[:3]:
        asked(engine, user)
    engine.state.portraits.embed_all()
    engine.trainer.reindex()
    assert in_index(engine) == in_store(engine) and engine.store.count_unembedded() == 0


def test_a_list_without_the_portraits_words_says_so_and_is_not_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def gone(texts: Sequence[str]) -> Vectors:
            raise ModelError("No endpoint answers.")

        patch.setattr(engine.state.vectors.index().embedder, "passages", gone)
        found = asked(engine, "u0")
        assert found.profile_version == 1 and len(found.recommendations) == 5
        assert any(
            "portrait's vectors" in note.text and "No endpoint answers." in note.text
            for note in found.notes
        )
    assert not any("No endpoint" in note.text for note in asked(engine, "u0").notes)


def test_the_embedder_is_read_before_the_first_page_unless_texts_are_sent_away(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []

    def noted(self: FakeEmbedder, given: Sequence[str]) -> Vectors:
        texts.extend(given)
        return self.queries(given)

    monkeypatch.setattr(FakeEmbedder, "passages", noted)
    engine.recommendations.warm()
    assert len(texts) == 1
    monkeypatch.setattr("limner.state.item_vectors.is_hosted", lambda _: True)
    texts.clear()
    engine_of(engine.store.folder.parent).recommendations.warm()
    assert texts == []
