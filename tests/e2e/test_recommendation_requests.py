"""Wishes, hidden and new items, users of whom nothing is known, everyone at once: the real engine
and command line.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import limner.state.ranker
from limner import Limner
from limner.cli import main
from limner.core.errors import BadInputError, IndexAwayError, UnknownIdError
from limner.core.messages import message
from limner.core.schema import Item, RecommendationRequest, Recommendations
from limner.core.settings import load_settings
from limner.engine import Engine, open_engine
from limner.ingest import Sources
from limner.rank import allowed
from limner.state.item_vectors import ItemVectorState
from limner.testing import FakeEmbedder

GENRES = ("Comedy", "Drama", "War")
USERS, ITEMS = 24, 60


def write_items(folder: Path, **more: str) -> None:
    """Items 0 … 59 of three genres; `more` rows, or other states of these, by item id:
    genre,price,hidden,available.
    """
    rows = {f"i{at}": f"{GENRES[at % 3]},{at},false,yes" for at in range(ITEMS)} | more
    lines = [f"{name},Film {name[1:]},{cells}" for name, cells in rows.items()]
    head = "item_id,title,genres,price,hidden,available"
    (folder / "items.csv").write_text("\n".join([head, *lines]), encoding="utf-8")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Users of each genre, of one age each, and two of whom nothing but their attributes or their
    id is known.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMNER_LLM", "none")
    events = [
        f"u{user},i{(user % 3 + 3 * (user // 3 + step)) % ITEMS},purchase,"
        f"{1_000_000_000 + 1000 * step + user}"
        for user in range(USERS)
        for step in range(12)
    ]
    people = [f"u{user},{('young', 'grown', 'old')[user % 3]}" for user in range(USERS)]
    (tmp_path / "events.csv").write_text(
        "\n".join(["user_id,item_id,type,timestamp", *events]), encoding="utf-8"
    )
    (tmp_path / "users.csv").write_text(
        "\n".join(["user_id,life", *people, "fresh,old", "blank,"]), encoding="utf-8"
    )
    write_items(tmp_path)
    settings = load_settings(
        {}, overrides={("data",): str(tmp_path / "store"), ("llm", "choice"): "none"}
    )
    made = open_engine(settings, create=True, embedder=FakeEmbedder())
    made.ingest(Sources(events=["events.csv"], items=["items.csv"], users=["users.csv"]))
    yield made
    made.store.close()


async def one(engine: Engine, user: str, n: int = 10, **wishes: object) -> Recommendations:
    return await engine.recommend(request_of(user, n, **wishes))


def request_of(user: str | None, n: int, **wishes: object) -> RecommendationRequest:
    return RecommendationRequest.model_validate(
        {"user_id": user, "n": n, "explain": False, **wishes}
    )


def ids(found: Recommendations) -> list[str]:
    return [each.item.item_id for each in found.recommendations]


async def test_filters_look_at_the_whole_catalogue(engine: Engine) -> None:
    had = {event.item_id for event in engine.data.history("u0")}
    found = await one(engine, "u0", 50, category=["war"], price_min=10, filter="price < 50")
    fits = {f"i{at}" for at in range(10, 50) if at % 3 == 2} - had
    assert set(ids(found)) == fits
    assert found.notes == [message("list.short", given=len(fits), asked=50)]
    assert (
        found.wishes is not None
        and found.wishes.category == ["war"]
        and found.wishes.filter == "price < 50"
    )
    assert (await one(engine, "u0")).wishes is None
    with pytest.raises(BadInputError, match="items have"):
        await one(engine, "u0", filter="colour = red")


async def test_quotas_hold_and_excluded_items_stay_away(engine: Engine) -> None:
    first = ids(await one(engine, "u1", 3))
    found = await one(
        engine, "u1", 6, quota={"category": 2}, exclude=first, diversity=0.3, novelty=0.2
    )
    assert Counter(each.item.categories[0] for each in found.recommendations) == dict.fromkeys(
        GENRES, 2
    )
    assert not set(first) & set(ids(found))
    assert not any("quota" in note.text for note in found.notes)


async def test_a_quota_that_nothing_has_is_said(engine: Engine, tmp_path: Path) -> None:
    found = await one(engine, "u1", 3, quota={"category": 2, "category:Opera": 1})
    assert "No item has category:Opera, so its quota changes nothing." in [
        note.text for note in found.notes
    ]
    write_items(tmp_path, i0="Opera,1,false,yes")
    engine.ingest(Sources(items=["items.csv"]))
    again = await one(engine, "u1", 3, quota={"category": 2, "category:Opera": 1})
    assert not any("Opera" in note.text for note in again.notes)


async def test_with_a_user_goes_what_was_counted_of_them(engine: Engine, tmp_path: Path) -> None:
    await one(engine, "fresh", 3)
    derived = [tmp_path / "store" / name for name in ("population", "demographics", "holders")]
    engine.state.catalogue.holders()
    assert all(len([*folder.iterdir()]) == 2 for folder in derived)
    before, pairs = (
        engine.state.catalogue.demographics(),
        engine.state.catalogue.snapshot().population.pairs,
    )
    engine.erase("u2")
    assert not any(folder.exists() for folder in derived)
    assert not [*(tmp_path / "store").glob(".*.part"), *(tmp_path / "store").glob(".*.old")]
    after = engine.state.catalogue.demographics()
    assert (
        after.sizes[after.position["life: old"]] == before.sizes[before.position["life: old"]] - 1
    )
    assert engine.state.catalogue.snapshot().population.pairs == pairs - 12


async def test_a_hidden_item_is_gone_at_once_and_comes_back(engine: Engine, tmp_path: Path) -> None:
    best, second = ids(await one(engine, "u0", 2))
    version = engine.state.ranker.model().manifest.version
    write_items(tmp_path, **{best: "Comedy,1,true,yes", second: "Comedy,1,,out of stock"})
    engine.ingest(Sources(items=["items.csv"]))
    assert not {best, second} & set(ids(await one(engine, "u0", 50)))
    assert (
        best not in (also := ids(await one(engine, "u0", 50, available=False))) and second in also
    )
    everyone = [found async for found in engine.recommend_all(request_of(None, 50))]
    assert not {best, second} & {name for found in everyone for name in ids(found)}
    given = RecommendationRequest(user_id="u0", items=[best, second, "i5"], explain=False)
    ranked = await engine.recommend(given)
    flags = {each.item.item_id: each.flags for each in ranked.recommendations}
    assert "hidden" in flags[best] and "unavailable" in flags[second] and len(flags) == 3
    assert any("hidden" in note.text for note in engine.users(for_item=best).notes)
    write_items(tmp_path, **{best: "Comedy,1,false,yes"})
    engine.ingest(Sources(items=["items.csv"]))
    assert best in ids(await one(engine, "u0", 50))
    assert engine.state.ranker.model().manifest.version == version
    assert "hidden" not in engine.state.catalogue.snapshot().population.facets


async def test_an_item_that_came_after_training_is_found_without_training(
    engine: Engine, tmp_path: Path
) -> None:
    await one(engine, "u0")
    write_items(tmp_path, new="Comedy,5,false,yes", later="War,5,false,no")
    engine.ingest(Sources(items=["items.csv"]))
    found = await one(engine, "u0", ITEMS)
    assert "new" in ids(found) and "later" not in ids(found)
    flagged = {each.item.item_id for each in found.recommendations if "cold_item" in each.flags}
    assert "new" in flagged and "i3" not in flagged
    assert ids(await one(engine, "u0", filter="title = Film ew")) == ["new"]
    assert engine.state.ranker.unreached() == set()
    users = engine.users(None, for_item="new")
    assert users.considered == users.population == USERS + 2 and "likeness" in users.definition


async def test_a_short_list_says_why(engine: Engine) -> None:
    had = sorted({event.item_id or "" for event in engine.data.history("u0")})
    three = " or ".join(f"title = 'Film {one[1:]}'" for one in had[:3])
    assert (await one(engine, "u0", 5, filter=three)).notes == [message("list.had_fitting", n=3)]
    nothing = await one(engine, "u0", 5, filter="price > 20 and price < 3")
    assert nothing.notes == [message("list.none_fits")] and not nothing.recommendations
    rest = [name for name in (f"i{at}" for at in range(ITEMS)) if name not in had]
    found = await one(engine, "u0", 5, filter="price >= 0", exclude=rest)
    assert found.notes[0].code == "list.excluded_fitting" and not found.recommendations


async def test_a_visitor_is_nobody_in_the_store(engine: Engine) -> None:
    found = await engine.recommend(request_of(None, 5, context=["i0", "i3"], explain=True))
    assert (
        found.user_id == ""
        and found.recommendation_id is None
        and not {"i0", "i3"} & set(ids(found))
    )
    assert {each.item.categories[0] for each in found.recommendations} == {"Comedy"}
    assert all(each.reason is not None for each in found.recommendations)


async def test_who_did_nothing_gets_what_their_like_had(engine: Engine) -> None:
    like = await one(engine, "fresh", 5)
    assert like.fallback and any("same life" in note.text for note in like.notes)
    assert {each.item.categories[0] for each in like.recommendations} == {"War"}
    assert all("demographic" in each.channels for each in like.recommendations)
    unknown = await one(engine, "blank", 5)
    assert unknown.fallback and any("popular with others" in note.text for note in unknown.notes)
    visit = await one(engine, "blank", 5, context=["i0", "i3"])
    assert (
        not visit.fallback
        and not {"i0", "i3"} & set(ids(visit))
        and any("this visit" in note.text for note in visit.notes)
    )
    assert {each.item.categories[0] for each in visit.recommendations} == {"Comedy"}
    with pytest.raises(UnknownIdError):
        await one(engine, "blank", context=["nowhere"])


async def test_the_catalogue_is_looked_through_once_for_all_visits(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RecommendationRequest] = []

    def watched(
        ids: Sequence[str], items: Mapping[str, Item], wishes: RecommendationRequest
    ) -> NDArray[np.bool_] | None:
        asked.append(wishes)
        return allowed(ids, items, wishes)

    monkeypatch.setattr(limner.state.ranker, "allowed", watched)
    for wishes in (
        {},
        {"context": ["i0"]},
        {"context": ["i1", "i2"]},
        {"exclude": ["i4"]},
        {"novelty": 0.5},
    ):
        await one(engine, "u0", 3, **wishes)
    assert len(asked) == 1
    await one(engine, "u0", 3, price_min=3)
    assert len(asked) == 2
    with pytest.raises(UnknownIdError):
        await one(engine, "u0", 3, context=["nowhere"])
    with pytest.raises(BadInputError):
        await one(engine, "u0", 3, quota={"colour": 1})


async def test_everyone_at_once_gets_what_each_gets_alone(engine: Engine) -> None:
    for wishes in ({}, {"quota": {"category": 2}, "diversity": 0.4, "category": ["War", "Drama"]}):
        everyone = [found async for found in engine.recommend_all(request_of(None, 7, **wishes))]
        assert [found.user_id for found in everyone] == engine.store.user_ids()
        for found in everyone[::5]:
            alone = await one(engine, found.user_id, 7, **wishes)
            assert ids(alone) == ids(found) and alone.fallback == found.fallback
            pairs = zip(alone.recommendations, found.recommendations, strict=True)
            assert all(a.score == pytest.approx(b.score) and a.flags == b.flags for a, b in pairs)


def test_the_commands_write_tables(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    opener = partial(open_engine, embedder=FakeEmbedder())

    def run(*argv: str) -> dict[str, Any]:
        assert main(["--data", "store", *argv, "--json"], open_engine=opener) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    said = run("recommend", "--all", "--out", "all.parquet", "-n", "3", "--category", "War")
    rows = pq.read_table("all.parquet").to_pylist()
    assert said["rows"] == len(rows) == 3 * (USERS + 2) and said["fallback"] == 2
    assert list(rows[0]) == ["user_id", "rank", "item_id", "title", "score", "probability"]
    assert {int(row["item_id"][1:]) % 3 for row in rows} == {2}
    # Of twenty items of a genre its users have had twelve, and the others are theirs to the last.
    short = run("recommend", "--all", "--out", "short.parquet", "-n", "10", "--category", "War")
    of = Counter(row["user_id"] for row in pq.read_table("short.parquet").to_pylist())
    assert short["short"] == sum(n < 10 for n in of.values()) == USERS // 3 and said["short"] == 0
    again = ["recommend", "--all", "--out", "s.csv", "-n", "10", "--category", "War"]
    assert main(["--data", "store", *again], open_engine=opener) == 0
    assert "8 users got fewer items than were asked for." in " ".join(
        capsys.readouterr().out.split()
    )
    run("recommend", "--all", "--out", "why.csv", "-n", "2", "--explain")
    with Path("why.csv").open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert len(told) == 2 * (USERS + 2) and all(row["reason"] for row in told)
    run("recommend", "u0", "u1", "--out", "two.jsonl", "--no-explain")
    assert len(Path("two.jsonl").read_text(encoding="utf-8").splitlines()) == 20
    found = run("users", "--for-item", "i5", "--where", "life = old", "-n", "3")
    assert (
        found["matching"] == 9
        and found["considered"] + found["had"] == 9
        and len(found["users"]) == 3
    )
    wide = run("users", "--for-item", "i5", "--out", "whom.csv")
    assert wide["rows"] == wide["considered"] and "users" not in wide
    assert len(Path("whom.csv").read_text(encoding="utf-8").splitlines()) == wide["rows"] + 1


@pytest.mark.parametrize("given", [["--all"], ["--all", "--explain"], ["u0", "u1"]])
def test_a_table_says_what_it_had_to_do_without(
    given: list[str],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def away(self: ItemVectorState) -> None:
        raise IndexAwayError("No server answers.")

    call = ["--data", "store", "recommend", *given, "--out", "all.csv", "-n", "2"]
    opener = partial(open_engine, embedder=FakeEmbedder())
    assert main([*call, "--json"], open_engine=opener) == 0
    assert not any(
        "No server" in note["text"] for note in json.loads(capsys.readouterr().out)["notes"]
    )
    monkeypatch.setattr(ItemVectorState, "look", away)
    assert main([*call, "--json"], open_engine=opener) == 0
    assert any(
        "No server answers." in note["text"]
        for note in json.loads(capsys.readouterr().out)["notes"]
    )
    assert main(call, open_engine=opener) == 0
    assert "No server answers." in " ".join(capsys.readouterr().err.split())


def test_the_python_door_has_them_too(engine: Engine) -> None:
    settings = engine.settings
    engine.store.close()
    with Limner(settings=settings) as limner:
        limner.engine.state.vectors._embedder = FakeEmbedder()
        assert len(limner.recommend("u0", 4, category=["War"], explain=False)) == 4
        assert len(limner.recommend_all(2)) == 2 * (USERS + 2)
        users = limner.users("i5", 3)
        assert list(users["rank"]) == [1, 2, 3]
