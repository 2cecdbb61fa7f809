"""Whatever is killed at any moment: the store opens, what was acknowledged is there, no batch is
there by half, and who was erased stays erased.
"""

import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import pytest

from limner.core.settings import load_settings
from limner.engine import Engine, open_engine
from limner.store import open_store
from tests.e2e.running import IDS, environment, limner, soaking, start

pytestmark = pytest.mark.slow
log = logging.getLogger("soak")

BATCH = 400
FEEDBACK = """
import sys
from limner.core.settings import load_settings
from limner.engine import open_engine
from limner.recommend.feedback import Feedback, FeedbackItem
engine = open_engine(load_settings({}, None, {("data",): "store", ("llm", "choice"): "none"}))
for at in range(500):
    event_id = f"{sys.argv[1]}-{at}"
    item = FeedbackItem(item_id=f"{at % 30:02}", type="view", event_id=event_id)
    engine.feedback.hear("steady", Feedback(items=[item]))
    print(event_id, flush=True)
"""


@dataclass
class Truth:
    """What must be true of the store."""

    events: set[str] = field(default_factory=set)
    """Events whose storing was acknowledged."""
    batches: set[str] = field(default_factory=set)
    """Batches that were begun."""
    erased: set[str] = field(default_factory=set)
    """Users whose erasure was acknowledged."""
    half_erased: set[str] = field(default_factory=set)
    """Users whose erasure was killed."""


class Runs:
    """Runs verbs in one folder and kills them."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.random, self.truth = place, Random(seed), Truth()
        self.number = 0
        self.usual = self._measured()
        """Seconds that a short command takes on this machine."""
        self.ended: Counter[str] = Counter()

    def _measured(self) -> float:
        began = time.monotonic()
        assert not self.ingest(after=60)
        return time.monotonic() - began

    def one(self) -> None:
        self.number += 1
        verbs: dict[str, Callable[[], bool]] = {
            "ingest": self.ingest,
            "feedback": self.feedback,
            "erase": self.erase,
            "train": partial(self.plain, "train"),
            "build": partial(self.plain, "profile", "build", "--all", "--force"),
            "reindex": partial(self.plain, "profile", "build", "--reindex"),
            "recommend": partial(self.plain, "recommend", "steady"),
            "backup": self.backup,
            "restore": self.restore,
        }
        names = list(verbs)
        name = names[self.number % len(names)]
        killed = verbs[name]()
        self.ended[f"{name} {'killed' if killed else 'ended'}"] += 1

    def killed(self, run: "subprocess.Popen[str]", after: float | None = None) -> tuple[bool, str]:
        """Whether it was killed before it ended, and what it printed. It is killed `after` seconds,
        by default while a short command works or just after.
        """
        if after is None:
            after = self.random.uniform(0.3, 1.1) * self.usual
        try:
            out, err = run.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            run.kill()
            out, err = run.communicate()
        assert run.returncode in (0, -9), err
        return run.returncode == -9, out

    def plain(self, *verb: str) -> bool:
        return self.killed(start(self.place, *verb))[0]

    def ingest(self, after: float | None = None) -> bool:
        name = f"batch{self.number}"
        rows = [f"{name}-{at},v{at % 40},{at % 30:02},5" for at in range(BATCH)]
        table = "\n".join(["event_id,user_id,item_id,rating", *rows]) + "\n"
        (self.place / f"{name}.csv").write_text(table)
        self.truth.batches.add(name)
        killed, _ = self.killed(start(self.place, "ingest", "--events", f"{name}.csv"), after)
        if not killed:
            self.truth.events |= {f"{name}-{at}" for at in range(BATCH)}
        return killed

    def feedback(self) -> bool:
        run = subprocess.Popen(
            [sys.executable, "-c", FEEDBACK, f"told{self.number}"],
            cwd=self.place,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        told = [run.stdout.readline().strip() for _ in range(self.random.randint(1, 30))]
        killed, out = self.killed(run, self.random.uniform(0, 0.3))
        self.truth.events |= {*told, *out.splitlines()}
        return killed

    def erase(self) -> bool:
        left = [one for one in IDS if one not in self.truth.erased | self.truth.half_erased]
        user = self.random.choice(left or sorted(self.truth.half_erased or self.truth.erased))
        killed, _ = self.killed(start(self.place, "erase", user, "--yes"))
        (self.truth.half_erased if killed else self.truth.erased).add(user)
        return killed

    def backup(self) -> bool:
        return self.plain("backup", f"b{self.number}.tar.gz")

    def restore(self) -> bool:
        """Of what is there now, so that nothing that was acknowledged is taken back."""
        done = limner(self.place, "backup", f"r{self.number}.tar.gz")
        assert done.code == 0, done.err
        command = ("restore", f"r{self.number}.tar.gz", "--replace")
        killed = self.plain(*command)
        if not (self.place / "store").exists():  # between its last two steps: run it again
            assert limner(self.place, *command).code == 0
        return killed

    def check(self) -> None:
        store = open_store(str(self.place / "store"), create=False)
        assert store.damage() == []
        ids = sorted(self.truth.events)
        there = {event.event_id for event in store.events_by_id(ids)}
        assert there == self.truth.events
        for batch in self.truth.batches:
            found = store.events_by_id([f"{batch}-{at}" for at in range(BATCH)])
            assert len(found) in (0, BATCH), batch
        assert not self.truth.erased & set(store.user_ids())
        store.close()


def test_nothing_is_lost_or_comes_back_whatever_is_killed(place: Path) -> None:
    rounds = 100 if soaking() else 15
    (place / "steady.csv").write_text("user_id,item_id,rating\nsteady,01,5\nsteady,04,5\n")
    assert limner(place, "ingest", "--events", "steady.csv").code == 0
    runs = Runs(place, seed=11)
    for _ in range(rounds):
        runs.one()
        runs.check()
    log.info("%d rounds: %s", rounds, dict(sorted(runs.ended.items())))
    truth = runs.truth
    # What was killed is ended by the same command.
    assert limner(place, "train").code == 0
    for user in sorted(truth.half_erased):
        assert limner(place, "erase", user, "--yes").code == 0
    runs.check()
    engine = engine_at(place)
    gone = truth.erased | truth.half_erased
    assert not gone & set(engine.store.user_ids())
    assert not {user: found for user in gone if (found := engine.eraser.check(user).found)}
    engine.store.close()
    log.info("%d events acknowledged, %d users erased", len(truth.events), len(gone))


def engine_at(place: Path) -> Engine:
    given = {("data",): str(place / "store"), ("llm", "choice"): "none"}
    return open_engine(load_settings({}, overrides=given))
