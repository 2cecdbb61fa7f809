"""Bad input and bad luck: one sentence that says what is wrong and what to do, and the store as it
was before.
"""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from limner.core.schema import Profile
from limner.store import Counts, open_store
from limner.testing import Failure, ScriptedServer
from tests.e2e.running import (
    ITEMS,
    SILENT,
    TABLES,
    Done,
    asking,
    environment,
    limner,
    together,
    write_tables,
)


def newest(place: Path, user: str) -> Profile:
    store = open_store(str(place / "store"), create=False)
    found = store.profile(user)
    store.close()
    assert found is not None
    return found


def counts(place: Path) -> Counts:
    store = open_store(str(place / "store"), create=False)
    found = store.counts()
    store.close()
    return found


# ---------------------------------------------------------------- a model that does not help


@contextmanager
def no_model(kind: str) -> Iterator[tuple[dict[str, str], str]]:
    """Settings under which no model answers, and what a warning says of it."""
    if kind == "unreachable":
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))  # nobody else can listen there meanwhile
            address = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
            yield {"LIMNER_LLM": "openai", "OPENAI_BASE_URL": address}, "start the server"
    else:
        with ScriptedServer(api_key="right") as server:
            yield asking(server, OPENAI_API_KEY="wrong"), "OPENAI_API_KEY"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unreachable", "wrong key"])
def test_without_its_model_every_verb_answers_in_template_words(
    kind: str, made: Path, tmp_path: Path
) -> None:
    commands: tuple[tuple[str, ...], ...] = (
        ("profile", "show", "u0"),
        ("profile", "build", "u0", "u1"),
        ("chat", "What should u0 watch next?"),
        ("recommend", "u0", "-n", "3", "--json"),
    )
    places = [Path(shutil.copytree(made, tmp_path / str(at))) for at in range(len(commands))]
    with no_model(kind) as (env, why):
        *told, asked = together(
            *(
                partial(limner, place, *command, env=env)
                for place, command in zip(places, commands, strict=True)
            )
        )
    for done in told:
        assert done.code == 0, done.err
        assert len(done.warnings) == 1, done.warnings
        assert why in done.warnings[0]
    assert asked.code == 0, asked.err
    answer = json.loads(asked.out)
    assert any(why in note["text"] for note in answer["notes"])
    assert {one["reason"]["source"] for one in answer["recommendations"]} == {"template"}
    for place in places:
        portrait = newest(place, "u0")
        assert (portrait.source, portrait.summary_source, portrait.grade) == (
            "template",
            "template",
            "none",
        )
        assert any(why in note.text for note in portrait.notes)


@contextmanager
def nobody_at() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("away", ["chroma", "embeddings"])
def test_without_vectors_recommendations_are_made_without_content(
    away: str, made: Path, tmp_path: Path
) -> None:
    """On a store that was only ingested the rest is trained; on a trained one the rest still
    ranks.
    """
    fresh, trained = tmp_path / "fresh", Path(shutil.copytree(made, tmp_path / "trained"))
    fresh.mkdir()
    write_tables(fresh)
    (fresh / "limner.yaml").write_text("llm: {retry_budget: 1}\n")
    assert limner(fresh, "ingest", *TABLES).code == 0
    with nobody_at() as address:
        env = (
            {"LIMNER_CHROMA_URL": address}
            if away == "chroma"
            else {
                "LIMNER_EMBED": "openai",
                "OPENAI_BASE_URL": address,
                "OPENAI_API_KEY": "x",
                "LIMNER_LLM": "none",
            }
        )
        for place in (fresh, trained) if away == "chroma" else (fresh,):
            done = limner(place, "recommend", "u0", "-n", "3", "--json", env=env)
            assert done.code == 0, done.err
            answer = json.loads(done.out)
            assert len(answer["recommendations"]) == 3
            assert any(
                "ithout" in note["text"] and "vectors" in note["text"] for note in answer["notes"]
            ) == (place is trained)
            assert any(
                "ithout what items are about" in note["text"] for note in answer["notes"]
            ) == (place is fresh)
            # A trained model keeps the vectors that it was trained with.
            assert place is trained or all(
                "content" not in one["channels"] for one in answer["recommendations"]
            )
            assert all(one["reason"]["text"] for one in answer["recommendations"])
        # What needs the vectors says so in one sentence.
        done = limner(fresh, "train", env=env)
        assert (
            done.code == 1
            and ("Chroma" if away == "chroma" else "embedding endpoint") in done.failure
        )
    assert limner(fresh, "train").code == 0
    again = limner(fresh, "recommend", "u0", "-n", "3", "--json")
    assert not any("ithout what items" in note["text"] for note in json.loads(again.out)["notes"])


@pytest.mark.slow
def test_a_model_of_another_version_is_trained_anew(place: Path) -> None:
    assert limner(place, "train").code == 0
    folder = place / "store" / "models"
    manifest = folder / (folder / "current").read_text().strip() / "manifest.json"
    manifest.write_text(json.dumps({"version": 1}))
    done = limner(place, "recommend", "u0", "-n", "2", "--json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["recommendations"]) == 2


@pytest.mark.slow
def test_a_run_stops_asking_after_three_failed_calls(place: Path) -> None:
    # A server that asks to wait longer than the 20 s that a call may take is asked once a call.
    with ScriptedServer(otherwise=Failure(503, retry_after=25)) as server:
        done = limner(place, "profile", "build", "--all", "--concurrency", "1", env=asking(server))
        assert done.code == 0, done.err
        assert len(server.requests) == 3
    [warning] = done.warnings
    assert "3 times in a row" in warning
    assert "12 of 13" in warning


@pytest.mark.slow
def test_a_failing_model_does_not_take_a_good_portraits_place(place: Path) -> None:
    with ScriptedServer() as server:
        assert limner(place, "profile", "build", "u0", env=asking(server)).code == 0
    before = newest(place, "u0")
    assert before.grade == "phrase"
    with no_model("unreachable") as (env, _):
        # Not even its name is known; a name, and no answer.
        for more in ({}, {"LIMNER_LLM_MODEL": "other", "LIMNER_LLM_GRADE": "phrase"}):
            assert limner(place, "profile", "build", "u0", env=env | more).code == 0
    assert newest(place, "u0") == before


# ---------------------------------------------------------------- the store and its disk


def no_larger(files: int) -> Callable[[], None]:
    """Stands for a disk that fills: no file may grow beyond so many bytes."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (files, files))

    return limit


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_leaves_the_store_as_it_was(place: Path) -> None:
    before = counts(place)
    rows = "".join(
        f"v{at % 500},i{at % 300},{at % 5 + 1},{1_000_000_000 + at}\n" for at in range(20_000)
    )
    (place / "many.csv").write_text(f"user_id,item_id,rating,timestamp\n{rows}")
    room = (place / "store" / "limner.db").stat().st_size
    for command in (
        ("ingest", "--events", "many.csv"),
        ("profile", "build", "--all"),
        ("--data", "new", "ingest", "--events", "many.csv"),
    ):
        done = limner(place, *command, before=no_larger(room))
        assert done.code == 1, done.err
        assert "free some" in done.failure
    assert not (place / "new").exists()
    after = counts(place)
    assert (after.users, after.items, after.events) == (before.users, before.items, before.events)
    for command in (("profile", "build", "--all"), ("ingest", "--events", "many.csv")):
        assert limner(place, *command).code == 0
    assert counts(place) == Counts(
        before.users + 500, before.items + 300, before.events + 20_000, before.users
    )


@pytest.mark.slow
def test_an_index_of_another_embedder_is_refused_and_made_anew(place: Path) -> None:
    with ScriptedServer() as server:
        env = asking(server, LIMNER_EMBED="openai")
        refused = limner(place, "profile", "build", "u0", env=env)
        assert refused.code == 1
        assert "limner profile build --reindex" in refused.failure
        assert not server.requests  # nothing was paid for a portrait that could not be kept
        made = limner(place, "profile", "build", "u0", "--reindex", env=env)
        assert made.code == 0, made.err
        # Vectors that came from elsewhere, unknown to the store.
        (place / "store" / "chroma").rename(place / "chroma")
        made = limner(place, "profile", "build", "--reindex", "--json")
        assert made.code == 0, made.err
        assert json.loads(made.out)["embedded"] > ITEMS
    shutil.rmtree(place / "store" / "chroma")
    (place / "chroma").rename(place / "store" / "chroma")
    for done in together(
        *(partial(limner, place, *verb) for verb in (("recommend", "u1"), ("doctor",)))
    ):
        assert done.code == 1
        assert "limner profile build --reindex" in done.out + done.err
    assert limner(place, "profile", "build", "u1", "--reindex").code == 0


@pytest.mark.slow
def test_an_embedding_endpoint_that_is_gone_costs_no_recommendation(place: Path) -> None:
    with ScriptedServer() as server:
        env = {"LIMNER_EMBED": "openai", "OPENAI_BASE_URL": server.base_url}
        assert limner(place, "profile", "build", "u0", "--reindex", env=env).code == 0
    (place / "limner.yaml").write_text("llm: {retry_budget: 0.2}\n")
    before = counts(place)
    painted, stranger, built, spared = (
        limner(place, *command, env=env)
        for command in (
            ("recommend", "u0", "-n", "3"),
            ("recommend", "u1", "-n", "3"),
            ("profile", "build", "u2", "u3"),
            ("profile", "build", "--reindex"),
        )
    )
    assert (painted.code, painted.warnings) == (0, []), painted.err
    assert stranger.code == 0, stranger.err
    assert "ithout the portrait's vectors" in stranger.warnings[0]
    assert built.code == 0 and "not embedded: 3" in " ".join(built.warnings), built.err
    assert spared.code == 1
    assert counts(place) == replace(before, profiles=before.profiles + 3)
    again = limner(place, "recommend", "u0", "-n", "3", env=env)
    assert (again.code, again.warnings) == (0, []), again.err  # no vector was thrown away


@pytest.mark.slow
def test_the_doctor_names_what_mends_an_index_that_lags(place: Path) -> None:
    def found() -> dict[str, tuple[str, str]]:
        checks = json.loads(limner(place, "doctor", "--json").out)["checks"]
        return {check["name"]: (check["state"], check["detail"]) for check in checks}

    assert {state for state, _ in found().values()} == {"ok"}
    (place / "new.csv").write_text("item_id,title\n00,Another title\n31,Film 31\n")
    (place / "more.csv").write_text("user_id,item_id\nu0,31\n")
    assert limner(place, "ingest", "--items", "new.csv", "--events", "more.csv").code == 0
    for name in ("channels", "embeddings"):
        state, detail = found()[name]
        assert state == "warn"
        assert "limner train" in detail
    assert " 2, run" in found()["embeddings"][1]
    assert limner(place, "train").code == 0
    assert {state for state, _ in found().values()} == {"ok"}


@pytest.mark.slow
def test_one_process_writes_and_others_read(place: Path) -> None:
    assert limner(place, "profile", "build", "u0").code == 0
    code = (
        "import sys; from limner.store import open_store\n"
        "with open_store('store').loading():\n    print('loading', flush=True); "
        "sys.stdin.readline()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None and other.stdout.readline()
        writing = (("ingest", "--events", "events.csv"), ("train",), ("profile", "build", "u1"))
        for done in together(*(partial(limner, place, *command) for command in writing)):
            assert done.code == 1, done.err
            assert "Another process is writing" in done.failure
        with ScriptedServer() as server:
            reading = (
                ("history", "u0"),
                ("profile", "show", "u0"),
                ("recommend", "u0", "-n", "2"),
                ("profile", "show", "u1", "--json"),
            )
            *others, found, passing = together(
                *(partial(limner, place, *command, env=asking(server)) for command in reading)
            )
            assert not server.requests  # no answer could be kept
        assert [one.code for one in (*others, found, passing)] == [0, 0, 0, 0], (
            found.err + passing.err
        )
        assert any("another process" in warning for warning in found.warnings)
        assert json.loads(passing.out)["version"] == 0
    finally:
        other.communicate(b"\n")
    assert counts(place).profiles == 1


@pytest.mark.parametrize(
    "tags", [b"\x00\x01\x02\xff" * 500, b"who,what\n1,2\n"], ids=["binary", "no user column"]
)
def test_a_data_set_whose_last_file_is_bad_is_not_read_in_part(tags: bytes, place: Path) -> None:
    before = counts(place)
    folder = place / "ml"
    folder.mkdir()
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.0,1000000000\n,1,4.0,1000000000\n"
    )
    (folder / "movies.csv").write_text("movieId,title,genres\n1,Toy Story (1995),Comedy\n")
    (folder / "tags.csv").write_bytes(tags)
    done = limner(place, "ingest", "ml")
    assert done.code == 2, done.err
    assert "tags.csv" in done.failure
    assert counts(place) == before
    assert not (place / "store" / "rejected").exists()


# ---------------------------------------------------------------- users


def test_users_that_are_not_known_and_users_of_whom_nothing_is(place: Path) -> None:
    verbs = (("history",), ("recommend",), ("profile", "show"), ("profile", "build"))
    *refused, found = together(
        *(partial(limner, place, *verb, "nobody") for verb in verbs),
        partial(limner, place, "recommend", SILENT, "-n", "3", "--json"),
    )
    for done in refused:
        assert done.code == 2
        assert "'nobody'" in done.failure
    assert found.code == 0, found.err
    answer = json.loads(found.out)
    assert len(answer["recommendations"]) == 3
    assert answer["fallback"]
    assert any("popular" in note["text"] for note in answer["notes"])


# ---------------------------------------------------------------- what comes in

BAD_ROWS = (
    (",03,5,1000000000", "user"),
    ("u1,,5,1000000000", "item"),
    ("u1,03,9,1000000000", "scale"),
    ("u1,03,five,1000000000", "rating"),
    ("u\x001,03,5,1000000000", "NUL"),
    ("u1,03,5,99999999999", "time"),
    ("u1,03,5,soon", "time"),
)


def test_bad_rows_are_rejected_and_counted(place: Path) -> None:
    before = counts(place)
    rows = [row for row, _ in BAD_ROWS]
    (place / "mapping.yaml").write_text("scale: [1, 5]\n")
    (place / "bad.csv").write_text(
        "\n".join(["user_id,item_id,rating,timestamp", "new,03,5,1000000000", *rows]) + "\n"
    )
    (place / "bad.jsonl").write_text(
        '{"user_id": "new", "item_id": "03", "rating": 4}\n'
        '{"user_id": "\\ud800", "item_id": "03", "rating": 4}\n'
        '{"user_id"\n'
    )
    done = limner(
        place,
        "ingest",
        "--events",
        "bad.csv",
        "--events",
        "bad.jsonl",
        "--mapping",
        "mapping.yaml",
        "--json",
    )
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["events"]["kept"], report["events"]["rejected"]) == (2, len(rows) + 2)
    file = place / report["rejected_file"]
    rejected = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for number, (one, (_, why)) in enumerate(zip(rejected, BAD_ROWS, strict=False), 3):
        assert (one["file"], one["line"]) == ("bad.csv", number)
        assert why in one["reason"]
    assert [one["line"] for one in rejected[len(rows) :]] == [2, 3]
    assert counts(place).events == before.events + 2


UNUSABLE = {
    "missing": None,
    "empty": b"",
    "only a header": b"user_id,item_id\n",
    "binary": bytes(range(256)) * 40,
    "no user column": b"colour,item_id\nred,1\n",
    "wrong separator": b"user_id~item_id\nu~i\n",
    "no good row": b"user_id,item_id\n,1\n,2\n",
}


@pytest.mark.slow
def test_unusable_files_are_refused(tmp_path: Path) -> None:
    def ingested(place: Path, content: bytes | None) -> Done:
        place.mkdir()
        if content is not None:
            (place / "f.csv").write_bytes(content)
        return limner(place, "ingest", "--events", "f.csv", "--json")

    found = together(
        *(partial(ingested, tmp_path / what, content) for what, content in UNUSABLE.items())
    )
    for what, done in zip(UNUSABLE, found, strict=True):
        assert done.code == 2, f"{what}: {done.err}"
        assert json.loads(done.out)["error"]["message"] == done.failure
        assert done.failure.endswith(".")
        assert not (tmp_path / what / "store").exists()
