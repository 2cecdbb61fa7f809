"""Bad input and bad luck: one sentence that says what is wrong and what to do, and the store as it was before."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.testing import Failure, ScriptedServer
from tests.e2e.running import asking, limner

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
def test_without_its_model_every_verb_answers_in_template_words(kind: str, place: Path) -> None:
    with no_model(kind) as (env, why):
        shown = limner(place, "profile", "show", "u0", **env)
        told = limner(place, "chat", "What should u3 watch next?", **env)
        built = limner(place, "profile", "build", "u1", "u2", **env)
        for done in (shown, told, built):
            assert done.code == 0, done.err
            assert len(done.warnings) == 1, done.warnings
            assert why in done.warnings[0]
            assert "key wrong" not in done.err
        asked = limner(place, "recommend", "u4", "-n", "3", "--json", **env)
        assert asked.code == 0, asked.err
        answer = json.loads(asked.out)
        assert any(why in note for note in answer["notes"])
        assert {one["reason"]["source"] for one in answer["recommendations"]} == {"template"}
    portrait = json.loads(limner(place, "profile", "show", "u1", "--json").out)
    assert (portrait["source"], portrait["summary_source"], portrait["grade"]) == ("template", "template", "none")
    assert any(why in note for note in portrait["notes"])


@pytest.mark.slow
def test_a_run_stops_asking_after_three_failed_calls(place: Path) -> None:
    # A server that asks to wait longer than the 20 s that a call may take is asked once a call.
    with ScriptedServer(otherwise=Failure(503, retry_after=25)) as server:
        done = limner(place, "profile", "build", "--all", "--concurrency", "1", **asking(server))
        assert done.code == 0, done.err
        assert len(server.requests) == 3
        [warning] = done.warnings
        assert "3 times in a row" in warning
        assert "12 of 13" in warning


@pytest.mark.slow
def test_a_failing_model_does_not_take_a_good_portraits_place(place: Path) -> None:
    with ScriptedServer() as server:
        assert limner(place, "profile", "build", "u0", **asking(server)).code == 0
    before = limner(place, "profile", "show", "u0", "--json").out
    with no_model("unreachable") as (env, _):
        for more in ({}, {"LIMNER_LLM_MODEL": "other", "LIMNER_LLM_GRADE": "phrase"}):
            assert limner(place, "profile", "build", "u0", **env, **more).code == 0
    assert limner(place, "profile", "show", "u0", "--json").out == before
