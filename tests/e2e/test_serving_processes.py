"""`limner serve` as processes of its own: several over one store, a model trained meanwhile, and
the end of it all.
"""

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from limner.store import open_store
from limner.testing import Drip, Hang, ScriptedAnswer, ScriptedServer
from tests.e2e.running import asking, limner, start


@dataclass
class Served:
    """A server that runs as a process, and what it says."""

    process: "subprocess.Popen[str]"
    url: str
    said: list[str] = field(default_factory=list)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60)

    def requests(self) -> list[dict[str, object]]:
        """Its log of requests."""
        lines = [json.loads(line) for line in self.said if line.startswith("{")]
        return [line for line in lines if line["event"] == "request"]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


@contextmanager
def served(folder: Path, *args: str, **env: str) -> Iterator[Served]:
    process = start(folder, "serve", "--port", "0", *args, **env)
    assert process.stderr is not None
    first = process.stderr.readline()
    found = re.search(r"Serving on (http://\S+?),", first)
    assert found, first + process.stderr.read()
    server = Served(process, found[1], [first])
    reading = threading.Thread(target=lambda: server.said.extend(process.stderr or ()))
    reading.start()
    try:
        assert server.get("/health/live").status_code == 200
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        reading.join()


def test_a_model_that_was_trained_meanwhile_answers_the_next_request(place: Path) -> None:
    with served(place) as server:
        assert server.get("/health/ready").json() == {"store": "ok", "model": "ok", "index": "ok"}
        before = server.get("/v1/users/u1/recommendations?n=5").json()
        assert before["recommendations"]
        (place / "more.csv").write_text(
            "user_id,item_id,rating,timestamp\n"
            + "".join(f"u{user},hit,5,{1_100_000_000 + user}\n" for user in range(12) if user != 1),
            encoding="utf-8",
        )
        assert limner(place, "ingest", "--events", "more.csv").code == 0
        assert limner(place, "train").code == 0
        after = server.get("/v1/users/u1/recommendations?n=30").json()
        found = [one["item"]["item_id"] for one in after["recommendations"]]
        assert "hit" in found
        flags = after["recommendations"][found.index("hit")]["flags"]
        assert "cold_item" not in flags  # the new model has learned it


def test_several_processes_answer_count_and_end_together(place: Path) -> None:
    with served(place, "--workers", "2") as server:
        for _ in range(40):
            assert server.get("/v1/users/u1/profile").json()["user_id"] == "u1"
        shown = server.get("/metrics").text
        route = 'method="GET",route="/v1/users/{user_id}/profile",status="200"'
        assert re.search(rf"limner_requests_total\{{{re.escape(route)}\}} 40\.0", shown)
        assert server.stop() == 0
    assert len({line["process"] for line in server.requests()}) == 2


def test_a_write_waits_until_another_process_has_written(place: Path) -> None:
    store, liked = open_store(str(place / "store")), {"items": [{"item_id": "05", "type": "like"}]}
    (place / "limner.yaml").write_text("server: {write_wait: 1}\n", encoding="utf-8")
    with served(place) as server:

        def like() -> httpx.Response:
            return httpx.post(f"{server.url}/v1/users/u2/feedback", json=liked, timeout=60)

        with store.writing():
            # Reads never wait: a portrait that cannot be kept now is painted in passing.
            assert server.get("/v1/users/u2/profile").json()["version"] == 0
            refused = like()
            assert (refused.status_code, refused.json()["code"]) == (503, "store_busy")
            assert refused.headers["retry-after"]
        assert server.get("/v1/users/u2/profile").json()["version"] == 1
        with store.writing():
            answers: list[httpx.Response] = []
            asked = threading.Thread(target=lambda: answers.append(like()))
            asked.start()
            asked.join(0.2)
        asked.join()
        assert answers[0].is_success
    store.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_running_answer_is_finished_before_the_server_ends(place: Path, workers: str) -> None:
    """A model that takes its time is waited for; new requests are not taken."""
    words = Drip(ScriptedAnswer('{"yes": "really"}'), size=64, pause=0.1)
    with (
        ScriptedServer(otherwise=words) as model,
        served(place, "--workers", workers, **asking(model)) as server,
    ):
        answers: list[httpx.Response] = []
        asked = threading.Thread(target=lambda: answers.append(server.get("/v1/users/u3/profile")))
        asked.start()
        while not model.requests:
            assert server.process.poll() is None
        assert server.stop() in (0, -signal.SIGTERM)
        asked.join()
        assert answers[0].status_code == 200
        assert answers[0].json()["user_id"] == "u3"
        with pytest.raises(httpx.ConnectError):
            server.get("/health/live")


def test_an_answer_that_takes_too_long_does_not_keep_the_server(place: Path) -> None:
    (place / "limner.yaml").write_text("server: {grace: 1}\n", encoding="utf-8")
    with ScriptedServer(otherwise=Hang()) as model, served(place, **asking(model)) as server:
        answers: list[httpx.Response] = []
        asked = threading.Thread(target=lambda: answers.append(server.get("/v1/users/u3/profile")))
        asked.start()
        while not model.requests:
            assert server.process.poll() is None
        server.stop()
        asked.join()
        assert answers[0].status_code == 503
        assert answers[0].json()["code"] == "stopping"


def test_the_models_key_is_in_no_answer_and_no_line_of_log(place: Path) -> None:
    secret = "sk-very-secret-0123456789"
    with ScriptedServer(otherwise=ScriptedAnswer("no"), api_key="another") as model:
        with served(place, **{**asking(model), "OPENAI_API_KEY": secret}) as server:
            paths = (
                "/v1/users/u1/recommendations",
                "/v1/users/u1/profile",
                "/metrics",
                "/openapi.json",
                "/health/ready",
            )
            told = [server.get(path).text for path in paths]
            server.stop()
        assert any(
            seen.headers.get("authorization") == f"Bearer {secret}" for seen in model.requests
        )
        assert secret not in "".join([*told, *server.said])
    # Every question to the model stands in the counts, from the ledger; every stage was timed.
    assert re.search(
        r'limner_model_calls_total\{model="scripted",outcome="refused",purpose="\w+"\} [1-9]',
        told[2],
    )
    for stage in ("portrait", "rank", "explain"):
        assert re.search(rf'limner_stage_seconds_count\{{stage="{stage}"\}} [1-9]', told[2]), stage
    assert re.search(r'limner_reasons_total\{source="template"\} [1-9]', told[2])
    assert re.search(r'limner_portraits_total\{source="template"\} [1-9]', told[2])


def test_interrupting_stops_it(place: Path) -> None:
    with served(place) as server:
        assert server.stop(signal.SIGINT) in (0, 130)
    assert "Traceback" not in "".join(server.said)
