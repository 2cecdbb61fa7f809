"""A run of `profile build --all` that is killed at any moment goes on, loses nothing and pays
nothing twice.
"""

import json
import re
import time
from collections import Counter
from pathlib import Path
from threading import Event, Semaphore

import pytest

from limner.core.schema import Profile
from limner.core.settings import load_settings
from limner.engine import open_engine
from limner.ingest import Sources
from limner.store import open_store
from limner.testing import Behaviour, ScriptedAnswer, ScriptedServer, SeenRequest
from tests.e2e.running import IDS, asking, limner, start

pytestmark = pytest.mark.slow

CONCURRENCY = 4
BUILD = ("profile", "build", "--all", "--concurrency", str(CONCURRENCY), "--json")


class Gate:
    """Lets so many answers through and holds the others until it is opened, so that a kill always
    comes between.
    """

    def __init__(self, answers: int) -> None:
        self._left, self._open = Semaphore(answers), Event()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        while not self._open.is_set() and not self._left.acquire(timeout=0.05):
            pass


def words(seen: SeenRequest) -> Behaviour:
    """Says what each claim is about."""
    claims = dict(re.findall(r"^(\w+): (.+)$", seen.text, re.M))
    asked = (seen.schema or {}).get("properties")
    assert isinstance(asked, dict)
    return ScriptedAnswer(json.dumps({name: f"Likes {claims.get(name, name)}." for name in asked}))


def portraits(place: Path) -> dict[str, list[Profile]]:
    """Every stored version of everyone's portrait."""
    store = open_store(str(place / "store"), create=False)
    found = {user: store.profile_versions(user) for user in store.profiled_users()}
    store.close()
    return found


def repeated(server: ScriptedServer) -> int:
    """Requests that ask what was asked before."""
    questions = Counter(json.dumps(seen.body, sort_keys=True) for seen in server.requests)
    return questions.total() - len(questions)


def test_a_killed_build_goes_on(place: Path) -> None:
    finished: dict[str, list[Profile]] = {}
    gate = Gate(0)

    def held(seen: SeenRequest) -> Behaviour:
        gate.wait()
        return words(seen)

    with ScriptedServer(otherwise=held) as server:
        for kills, enough in enumerate((1, 3, 6), 1):
            gate = Gate(0 if kills == 1 else 4)
            run = start(place, *BUILD, **asking(server))
            # The first is killed while its first answers come, the others when more portraits are
            # finished.
            while (
                run.poll() is None
                and (len(server.requests) if kills == 1 else len(portraits(place))) < enough
            ):
                time.sleep(0.01)
            run.kill()
            gate.open()
            _, said = run.communicate()
            assert run.returncode == -9, f"the run ended before it could be killed: {said}"
            assert repeated(server) <= CONCURRENCY * (kills - 1)
            stored = portraits(place)
            assert finished.items() <= stored.items()
            finished = stored
        assert 6 <= len(finished) < len(IDS)

        done = limner(place, *BUILD, env=asking(server))
        assert done.code == 0, done.err
        assert json.loads(done.out)["skipped"] == len(finished)
        stored = portraits(place)
        assert finished.items() <= stored.items()
        assert {user for user, versions in stored.items() if versions[-1].source == "llm"} == set(
            IDS
        )
        assert all(len(versions) == 1 for versions in stored.values())
        assert len(server.requests) - repeated(server) == len(IDS), (
            "their questions should all be different"
        )
        assert repeated(server) <= CONCURRENCY * kills

        paid = len(server.requests)
        again = json.loads(limner(place, *BUILD, env=asking(server)).out)
        assert (again["built"], again["skipped"]) == ([], len(stored))
        assert len(server.requests) == paid

    settings = load_settings(
        {}, overrides={("data",): str(place / "store"), ("llm", "choice"): "none"}
    )
    index = open_engine(settings).state.vectors.index()
    assert index.count("portraits") == len(stored)
    assert index.count("preferences") == sum(
        len(versions[-1].preferences) for versions in stored.values()
    )


async def test_a_portrait_painted_anew_takes_its_preferences_place(place: Path) -> None:
    (place / "more.csv").write_text(
        "user_id,item_id,type\n" + "".join(f"u0,{i:02},like\n" for i in range(1, 30, 3))
    )
    settings = load_settings(
        {}, overrides={("data",): str(place / "store"), ("llm", "choice"): "none"}
    )
    engine = open_engine(settings)
    await engine.build(["u0"])
    engine.ingest(Sources([str(place / "more.csv")]))
    await engine.build(["u0"])
    before, after = (
        {(one.polarity, one.facet, one.value) for one in profile.preferences}
        for profile in engine.store.profile_versions("u0")
    )
    assert before - after
    held = engine.state.vectors.index().everything("preferences")[0]
    assert {tuple(one.split("\x1f")[1:]) for one in held} == after
    await engine.close()
