"""Baselines get a fair chance: settings chosen on a validation split cut from the training, never
on the test.
"""

import time
from dataclasses import dataclass
from itertools import product

import numpy as np

from limner.core.errors import BadInputError
from limner.core.messages import Message, message
from limner.core.progress import Progress, Quiet
from limner.evals.measure import Truth, measure, rank
from limner.evals.metrics import parse
from limner.evals.splits import make_split
from limner.evals.systems import Contestant, Settings, Training

TRIALS = 10
SECONDS = 120.0
"""Longest trial in seconds. A longer one does not count, and is a system's last. It is not cut off:
only a process can be, and a copy of the training for each trial would cost more than the rare long
trial.
"""
_USERS = 2_000
"""Asked at most in a trial, drawn with the seed."""
_METRIC = "ndcg@10"


@dataclass(frozen=True)
class Tuned:
    settings: Settings
    """The settings that won; empty where there was nothing to choose."""
    trials: int = 0
    seconds: float = 0.0
    note: Message | None = None


def validation(split: str, training: Training) -> Truth:
    """A validation set: the training, split once more in the way that the data was split.

    For splits by cold users or items it is split by global time, since too few of them are cold in
    the training. Raises BadInputError where it asks nobody.
    """
    name = "global-time" if split.startswith("cold-") else split
    cut = make_split(name, training.x).limited(_USERS, training.seed)
    return Truth(cut, training.before(cut))


def tune(
    contestant: Contestant, truth: Truth, trials: int, progress: Progress, seconds: float = SECONDS
) -> Tuned:
    """The best of at most `trials` settings by ndcg@10; the defaults are always among them. No test
    event is seen.

    A trial of over `seconds` is the last, and what it tried is not chosen: the defaults are where
    they took so long.
    """
    options = choices(contestant, trials, truth.training.seed)
    if len(options) < 2:
        return Tuned({})
    began = time.monotonic()
    progress.start(f"tuning {contestant.name}", len(options))
    spec = parse(_METRIC)
    best, record, done, note = options[0], -1.0, 0, None
    for settings in options:
        start = time.monotonic()
        system = contestant.make(**settings)
        system.fit(truth.training)
        lists = rank(system, truth, spec.k or 10, Quiet(), seed=truth.training.seed)
        reached = float(np.nanmean(measure(lists, truth, [spec]).by_user[spec.label]))
        done += 1
        progress.advance()
        if time.monotonic() - start > seconds:
            code = "tuning.first_too_slow" if done == 1 else "tuning.too_slow"
            note = message(code, system=contestant.name, trial=done, seconds=seconds)
            break
        if reached > record:
            best, record = settings, reached
    progress.done()
    return Tuned(best, done, round(time.monotonic() - began, 3), note)


def choices(contestant: Contestant, trials: int, seed: int) -> list[Settings]:
    """The defaults, then others of the grid by chance; at most `trials`."""
    names = list(contestant.grid)
    every = [dict(zip(names, values, strict=True)) for values in product(*contestant.grid.values())]
    if not names or trials < 1:
        return [{}]
    rest = np.random.default_rng(seed).permutation(np.arange(1, len(every)))
    return [every[0], *(every[at] for at in rest[: trials - 1])]


def try_validation(split: str, training: Training) -> tuple[Truth | None, Message | None]:
    """(validation set, reason): the set and None, or None and why there is none."""
    try:
        return validation(split, training), None
    except BadInputError as error:
        return None, message("tuning.no_validation", error=error)
