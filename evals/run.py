"""`limner eval run`: systems against each other on one split, full catalogue, with intervals and paired tests."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.config import SignalTable
from agent.errors import CannotRunError, UsageError
from agent.progress import Progress, Quiet
from agent.rank import How
from agent.signals import signals
from evals.data import Dataset, load
from evals.experiment import METRICS, SYSTEMS, Experiment
from evals.measure import Lists, Measured, Truth, comparisons, mean_of, measure, rank
from evals.metrics import MetricSpec, Style, parse
from evals.records import Evaluation, SplitInfo, SystemResult
from evals.splits import Split, make_split
from evals.systems import Contestant, Training, resolve
from evals.tuning import TRIALS, Tuned, try_validation, tune
from evals.write import write_json, write_run, write_users

if TYPE_CHECKING:
    import pandas as pd

_RANKED = ("list", "scores", "items")


def run(
    dataset: str | Dataset,
    split: str = "global-time",
    systems: Sequence[str] = SYSTEMS,
    metrics: Sequence[str] = METRICS,
    *,
    against: str = "limner",
    style: Style = "ours",
    limit: int | None = None,
    seed: int = 0,
    repeat: int = 1,
    trials: int = TRIALS,
    candidates: int | None = None,
    out: Path | None = None,
    signal_table: SignalTable | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Tune and fit each system on the training part, and rank the whole catalogue minus what a user has had.

    dataset: a known name, a folder of a known data set, a store, or one that was loaded. candidates: rank only what is
    relevant and so many other items, drawn for each user, which inflates every number. out: a folder that gets
    `run.json` and `per_user.parquet`, both anew after every system, and `runs/NAME.parquet`.

    A system that raises is recorded as failed, one that cannot run here as skipped, and the others go on.
    Raises UsageError for an unknown name of any kind, BadInputError where the split asks nobody.
    """
    say = progress or Quiet()
    specs = [_spec(one) for one in metrics]
    depth = max((spec.k or 0 for spec in specs), default=0) or 10
    contestants = resolve(systems, depth)
    data = load(dataset, say) if isinstance(dataset, str) else dataset
    cut = make_split(split, data.x)
    cut = cut if limit is None else cut.limited(limit, seed)
    truth = Truth(cut, _training(data, cut, signal_table or SignalTable(), seed, say))
    work = _Work(truth, specs, style, depth, repeat, trials, candidates, seed, say)
    if out is not None:
        # Of an earlier run, and soon beside another record.
        (out / "per_user.parquet").unlink(missing_ok=True)
    results: list[SystemResult] = []
    measured: dict[str, Measured] = {}

    def evaluation(*, tested: bool) -> Evaluation:
        return Evaluation(
            dataset=data.name, split=_info(truth, candidates), systems=results, seed=seed,
            comparisons=comparisons(measured, against, seed) if tested else [], notes=[*cut.notes, *work.notes],
        )  # fmt: skip

    for contestant in contestants:
        result, numbers, lists = work.result(contestant)
        results.append(result)
        if numbers is not None:
            measured[contestant.name] = numbers
        if out is not None:
            if lists is not None:
                write_run(out / "runs", contestant.name, lists, truth)
            write_users(out / "per_user.parquet", measured, truth)
            write_json(out / "run.json", evaluation(tested=False))
    found = evaluation(tested=True)
    if out is not None:
        write_json(out / "run.json", found)
    return found


@dataclass
class _Work:
    """What is the same for every system of one run."""

    truth: Truth
    specs: Sequence[MetricSpec]
    style: Style
    depth: int
    repeat: int
    trials: int
    candidates: int | None
    seed: int
    progress: Progress

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self._validation: Truth | None = None
        self._cut = False

    def result(self, contestant: Contestant) -> tuple[SystemResult, Measured | None, Lists | None]:
        """Of one system, whatever becomes of it."""
        try:
            return self._result(contestant)
        except CannotRunError as error:
            self.progress.say(f"{contestant.name} is skipped: {error}")
            return SystemResult(name=contestant.name, state="skipped", why=str(error)), None, None
        except Exception as error:  # noqa: BLE001 - a contestant may raise anything; it is recorded as failed
            why = f"{type(error).__name__}: {error}"
            self.progress.say(f"{contestant.name} failed: {why}")
            return SystemResult(name=contestant.name, state="failed", why=why), None, None

    def _result(self, contestant: Contestant) -> tuple[SystemResult, Measured, Lists]:
        tuned = self._tuned(contestant)
        parts: list[Measured] = []
        every: list[Lists] = []
        fitting = 0.0
        for number in range(self.repeat if contestant.seeded else 1):
            training = self.truth.training.again(self.seed + number)
            began = time.monotonic()
            system = contestant.make(**tuned.settings)
            system.fit(training)
            fitting += time.monotonic() - began
            self.progress.start(f"ranking by {contestant.name}", len(self.truth.split.users))
            lists = rank(
                system, self.truth, self.depth, self.progress, auc=any(one.needs == "scores" for one in self.specs),
                candidates=self.candidates, seed=self.seed,
            )  # fmt: skip
            self.progress.done()
            every.append(lists)
            parts.append(measure(lists, self.truth, self.specs, self.style))
        numbers = mean_of(parts)
        labels = [one.label for one in self.specs]
        failed = max(one.failed for one in every)
        error = next((one.error for one in every if one.error), "")
        result = SystemResult(
            name=contestant.name, metrics=numbers.summary(self.truth, labels, self.seed),
            buckets=numbers.buckets(self.truth, labels, self.seed), failed_users=failed,
            why=f"raised for some users, the first time {error}" if error else "",
            fit_seconds=round(fitting / len(every), 3),
            rank_seconds=round(sum(one.seconds for one in every) / len(every), 3),
            settings=dict(tuned.settings), trials=tuned.trials, tune_seconds=tuned.seconds,
        )  # fmt: skip
        return result, numbers, every[0]

    def _tuned(self, contestant: Contestant) -> Tuned:
        if not contestant.grid or self.trials < 2:
            return Tuned({})
        if not self._cut:
            self._validation, why = try_validation(self.truth.split.name, self.truth.training)
            self._cut = True
            if why:
                self.notes.append(why)
        if self._validation is None:
            return Tuned({})
        tuned = tune(contestant, self._validation, self.trials, self.progress)
        if tuned.note:
            self.notes.append(tuned.note)
        return tuned


def _training(data: Dataset, cut: Split, table: SignalTable, seed: int, progress: Progress) -> Training:
    how: How = "user" if cut.moment is None else "time"
    signal = signals(cut.train, table, data.scales)
    return Training(cut.train, signal, data.shelf, how, cut.moment, seed, progress)


def _info(truth: Truth, candidates: int | None) -> SplitInfo:
    cut = truth.split
    return SplitInfo(
        name=cut.name, hash=cut.digest, users=len(cut.users), train_events=len(cut.train), test_events=cut.test_events,
        items=truth.items, candidates="all" if candidates is None else f"sampled {candidates}",
    )  # fmt: skip


def _spec(label: str) -> MetricSpec:
    spec = parse(label)
    if spec.needs not in _RANKED:
        raise UsageError(f"The metric '{label}' needs predicted {spec.needs}, and eval run compares rankings.")
    return spec


# ---------------------------------------------------------------- experiments


def run_experiment(
    experiment: Experiment, *, signal_table: SignalTable | None = None, progress: Progress | None = None
) -> list[Evaluation]:
    """Every data set by every split, each under `out/DATASET.SPLIT` where there are several. Raises as `run` does."""
    if not experiment.datasets:
        raise UsageError("The experiment names no data set; give `datasets`.")
    resolve(experiment.systems, 10)
    several = len(experiment.datasets) * len(experiment.splits) > 1
    out = Path(experiment.out) if experiment.out else None
    found = []
    for name in experiment.datasets:
        data = load(name, progress)
        for split in experiment.splits:
            found.append(
                run(
                    data, split, experiment.systems, experiment.metrics, against=experiment.against,
                    style=experiment.style, limit=experiment.limit, seed=experiment.seed, repeat=experiment.repeat,
                    trials=experiment.trials, candidates=experiment.candidates,
                    out=out / f"{data.name}.{split}" if out and several else out,
                    signal_table=signal_table, progress=progress,
                )
            )  # fmt: skip
    return found


def below(evaluation: Evaluation, experiment: Experiment) -> list[str]:
    """A sentence for each threshold that was missed; one that was not measured is missed too."""
    found = []
    results = {one.name: one for one in evaluation.systems}
    for system, wanted in experiment.thresholds.items():
        for label, least in wanted.items():
            spec = parse(label)
            metric = results[system].metrics.get(spec.label) if system in results else None
            where = f"{evaluation.dataset}, {evaluation.split.name}: {spec.label} of {system}"
            if metric is None or metric.mean is None:
                found.append(f"{where} was not measured, the threshold is {least:g}.")
            elif metric.mean < least if spec.higher_is_better else metric.mean > least:
                found.append(f"{where} is {metric.mean:.4f}, the threshold is {least:g}.")
    return found


# ---------------------------------------------------------------- notebooks


@dataclass(frozen=True)
class Frames:
    """An evaluation as pandas frames."""

    metrics: "pd.DataFrame"
    """A row a system and metric: system, state, metric, mean, low, high, n."""
    buckets: "pd.DataFrame"
    """The same by bucket of history length."""
    comparisons: "pd.DataFrame"
    """A row a comparison: system, baseline, metric, difference, low, high, p, p_holm, n."""


def frames(evaluation: Evaluation) -> Frames:
    """For notebooks; undefined is NaN."""
    import pandas as pd

    rows, inside = [], []
    for one in evaluation.systems:
        for label, metric in one.metrics.items():
            low, high = metric.ci95 or (np.nan, np.nan)
            rows.append((one.name, one.state, label, metric.mean, low, high, metric.n))
        for bucket, held in one.buckets.items():
            for label, metric in held.items():
                low, high = metric.ci95 or (np.nan, np.nan)
                inside.append((one.name, bucket, label, metric.mean, low, high, metric.n))
    tested = [
        (one.system, one.baseline, one.metric, one.difference, *one.ci95, one.p, one.p_holm, one.n)
        for one in evaluation.comparisons
    ]
    number = {"mean": "float64"}
    return Frames(
        pd.DataFrame(rows, columns=["system", "state", "metric", "mean", "low", "high", "n"]).astype(number),
        pd.DataFrame(inside, columns=["system", "bucket", "metric", "mean", "low", "high", "n"]).astype(number),
        pd.DataFrame(
            tested, columns=["system", "baseline", "metric", "difference", "low", "high", "p", "p_holm", "n"]
        ),
    )  # fmt: skip
