"""`limner eval run`: systems against each other on one split, full catalogue, with intervals and
paired tests.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limner.core.errors import BadInputError, CannotRunError, UsageError
from limner.core.messages import Message, joined, message, plain
from limner.core.progress import Progress, Quiet
from limner.core.schema import LedgerRow
from limner.core.settings import Settings, SignalTable
from limner.core.signals import signals
from limner.core.telemetry import logged
from limner.evals.data import EvaluationData, load
from limner.evals.execution import Execution
from limner.evals.experiment import METRICS, SYSTEMS
from limner.evals.measure import (
    Floats,
    Measured,
    SystemLists,
    Truth,
    comparisons,
    mean_of,
    measure,
    predict,
    rank,
)
from limner.evals.metrics import MetricSpec, Style, parse
from limner.evals.money import spent
from limner.evals.records import Comparison, Evaluation, Metric, SplitInfo, SystemResult
from limner.evals.runs import PER_USER, RECORD, UserValues, load_run
from limner.evals.splits import Split, make_split
from limner.evals.systems import Asking, Contestant, Remarking, System, Training, resolve
from limner.evals.systems.limner import LimnerSystem
from limner.evals.tuning import TRIALS, Tuned, try_validation, tune
from limner.evals.write import write_json, write_run, write_users
from limner.rank import How

if TYPE_CHECKING:
    import pandas as pd

OURS = LimnerSystem.name


@dataclass(frozen=True)
class RunPlan:
    """Everything that shapes the numbers of a run."""

    split: str = "global-time"
    systems: Sequence[str] = SYSTEMS
    metrics: Sequence[str] = METRICS
    against: str = ""
    """The system that is tested against every other; Limner, or the first where it takes no
    part.
    """
    style: Style = "ours"
    limit: int | None = None
    """Users asked at most, drawn by chance; all where None."""
    seed: int = 0
    repeat: int = 1
    """Number of seeds for a system that depends on one."""
    trials: int = TRIALS
    """Settings that are tried for each baseline."""
    candidates: int | None = None
    """Rank only what is relevant and so many other items, drawn for each user, which inflates every
    number; all items where None.
    """
    signals: SignalTable = field(default_factory=SignalTable)

    @property
    def specs(self) -> list[MetricSpec]:
        return [parse(metric) for metric in self.metrics]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(spec.label for spec in self.specs)

    @property
    def depth(self) -> int:
        """Length of the lists that the metrics need."""
        return max((spec.k or 0 for spec in self.specs), default=0) or 10

    def digest(self, dataset: str) -> str:
        """Hash of everything that shapes every system's numbers."""
        shaping = (
            dataset,
            self.split,
            self.labels,
            self.style,
            self.limit,
            self.seed,
            self.repeat,
            self.trials,
            self.candidates,
            self.signals.model_dump_json(),
        )
        return hashlib.sha256(repr(shaping).encode()).hexdigest()[:16]


@logged("evals", "run", lambda evaluation: {"systems": len(evaluation.systems)})
def run(
    dataset: str | EvaluationData,
    plan: RunPlan,
    execution: Execution | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Tune and fit each system on the training part, and rank the whole catalogue minus what a user
    has had.

    dataset: a known name, a folder of a known data set, a store, or one that was loaded. With
    `execution.out` a folder gets `run.json` and `per_user.parquet`, both written again after every
    system, and `runs/NAME.parquet`; with `execution.jobs` systems are measured in processes of
    their own. settings: where a system that asks a model finds it; without them there is none.

    A system that raises is recorded as failed, one that cannot run here as skipped, and the others
    go on. Raises UsageError for an unknown name of any kind, and where `plan.against` is none of
    several systems; BadInputError where the split asks nobody, or where a run is to be resumed and
    `out` holds another one.
    """
    say, execution = progress or Quiet(), execution or Execution()
    contestants = resolve(plan.systems, plan.depth)
    tested, choice_notes = opponent(plan.against, [contestant.name for contestant in contestants])
    data = load(dataset, say) if isinstance(dataset, str) else dataset
    budget = execution.budget
    work = _RunWork(data, plan, settings, budget.left if budget else None)
    context = work.context(say)
    _check_cases(context.truth, plan.specs)
    done = _resumed(work, execution, context.truth, contestants, say)
    results = _Results(work, context.truth, contestants, tested, execution.out, done, choice_notes)
    results.write_users()
    todo = [contestant for contestant in contestants if contestant.name not in done]
    outcomes = (
        work.in_processes(todo, execution.jobs, say)
        if execution.jobs > 1
        else map(context.outcome, todo)
    )
    for outcome in outcomes:
        if budget is not None:
            budget.pay(outcome.result.cost.cost)
        results.add(outcome)
    return results.finish()


def opponent(against: str, names: Sequence[str]) -> tuple[str, list[Message]]:
    """The system that is tested against the others, and what is to be said of the choice.

    Raises UsageError where one was named that takes no part, though there are others to test.
    """
    if against in names:
        return against, []
    if against and len(names) > 1:
        raise UsageError("run.unknown_against", name=against, names=", ".join(names))
    if OURS in names or len(names) == 1:
        return OURS if OURS in names else names[0], []
    return names[0], [message("run.without_ours", ours=OURS, system=names[0])]


@dataclass(frozen=True)
class _Outcome:
    """The result of one system, with its values and lists if it was measured."""

    result: SystemResult
    by_user: Mapping[str, Floats] | None = None
    """[users] by metric; None where it was not measured."""
    lists: SystemLists | None = None
    notes: tuple[Message, ...] = ()


def _values_by_user(outcomes: Iterable[_Outcome]) -> dict[str, Mapping[str, Floats]]:
    """[users] by system and metric, of the systems that were measured."""
    return {
        outcome.result.name: outcome.by_user for outcome in outcomes if outcome.by_user is not None
    }


@dataclass
class _Results:
    """Collects what became of the systems of a run, and keeps the folder up to date."""

    work: "_RunWork"
    truth: Truth
    contestants: Sequence[Contestant]
    tested: str
    """Name of the system that is tested against every other."""
    out: Path | None
    done: dict[str, _Outcome]
    """Records by system; begins with those of an earlier run."""
    notes: list[Message]
    """Notes on the choice of the tested system."""

    def __post_init__(self) -> None:
        earlier = [note for outcome in self.done.values() for note in outcome.notes]
        self.notes = [*self.truth.split.notes, *self.notes, *earlier]
        self._shapes = self.work.shapes(self.contestants)

    def add(self, outcome: _Outcome) -> None:
        name = outcome.result.name
        result = outcome.result.model_copy(update={"asked": self._shapes[name]})
        self.done[name] = replace(outcome, result=result)
        self.notes += outcome.notes
        if self.out is None:
            return
        if outcome.lists is not None:
            write_run(self.out / "runs", name, outcome.lists, self.truth)
        self.write_users()
        write_json(self.out / RECORD, self._evaluation([]))

    def write_users(self) -> None:
        """Replace the values by user, which may be those of systems that take no part any more."""
        if self.out is not None:
            write_users(self.out / PER_USER, _values_by_user(self.done.values()), self.truth)

    def finish(self) -> Evaluation:
        """The record of the whole run, with tests."""
        measured = _values_by_user(self._in_order())
        others = [name for name in measured if name != self.tested]
        if self.tested not in measured and len(others) > 1:
            self.notes.append(message("run.untested", system=self.tested))
        record = self._evaluation(comparisons(measured, self.tested, self.work.plan.seed))
        if self.out is not None:
            write_json(self.out / RECORD, record)
        return record

    def _in_order(self) -> list[_Outcome]:
        names = [contestant.name for contestant in self.contestants]
        return [self.done[name] for name in names if name in self.done]

    def _evaluation(self, tests: list[Comparison]) -> Evaluation:
        plan = self.work.plan
        return Evaluation(
            dataset=self.work.data.name,
            split=_info(self.truth, plan.candidates),
            systems=[outcome.result for outcome in self._in_order()],
            style=plan.style,
            seed=plan.seed,
            comparisons=tests,
            notes=list(dict.fromkeys(self.notes)),
            asked=plan.digest(self.work.data.name),
        )


@dataclass(frozen=True)
class _RunWork:
    """A run's data and plan; goes to other processes as it is."""

    data: EvaluationData
    plan: RunPlan
    settings: Settings | None
    money: float | None

    def shapes(self, contestants: Sequence[Contestant]) -> dict[str, str]:
        """Hash of the settings that shape one system's numbers alone, by its name; empty text where
        no setting does.
        """
        return {
            contestant.name: contestant.shape(self.settings)
            if contestant.shape and self.settings
            else ""
            for contestant in contestants
        }

    def context(self, progress: Progress) -> "_RunContext":
        """Cut the data and make ready what every system needs."""
        plan = self.plan
        split = make_split(plan.split, self.data.x)
        if any(spec.needs == "probabilities" for spec in plan.specs):
            split = split.everyone()
        split = split if plan.limit is None else split.limited(plan.limit, plan.seed)
        training = training_of(self.data, split, plan.signals, plan.seed, progress)
        if self.settings is not None:
            training = replace(training, settings=self.settings, money=self.money)
        return _RunContext(Truth(split, training), plan, progress)

    def in_processes(
        self, contestants: Sequence[Contestant], jobs: int, progress: Progress
    ) -> Iterator[_Outcome]:
        """Outcomes in the order in which the systems are finished.

        A process that dies (no memory is left, say) fails its system alone or, where the others
        were waiting for it, those too.
        """
        progress.start("measuring systems", len(contestants))
        # Spawned: a fork of a process that has used OpenMP may hang.
        with ProcessPoolExecutor(
            min(jobs, max(len(contestants), 1)), mp_context=get_context("spawn")
        ) as pool:
            running = {
                pool.submit(_in_process, self, contestant.name): contestant.name
                for contestant in contestants
            }
            for future in as_completed(running):
                outcome = _outcome_of(future, running[future])
                if outcome.result.state != "ok":
                    progress.say(
                        f"{outcome.result.name} {outcome.result.state}: {outcome.result.why}"
                    )
                progress.advance()
                yield outcome
        progress.done()


def _in_process(work: _RunWork, name: str) -> _Outcome:
    [contestant] = resolve([name], work.plan.depth)
    return work.context(Quiet()).outcome(contestant)


def _outcome_of(future: "Future[_Outcome]", name: str) -> _Outcome:
    """The outcome of a system that ran in another process, which may have died."""
    try:
        return future.result()
    except BrokenExecutor as error:
        why = message("run.process_ended", error=error)
        return _Outcome(SystemResult(name=name, state="failed", why=why))


def _resumed(
    work: _RunWork,
    execution: Execution,
    truth: Truth,
    contestants: Sequence[Contestant],
    say: Progress,
) -> dict[str, _Outcome]:
    """Outcomes of an earlier run that is resumed, by system; empty where none is, and without
    systems whose own settings have changed.
    """
    if not (execution.resume or execution.retry_errors):
        return {}
    if execution.out is None:
        raise UsageError("evals.nothing_to_resume")
    if not (execution.out / RECORD).exists():
        return {}
    earlier = _earlier(execution.out, work, truth, retry_errors=execution.retry_errors)
    done = {}
    for name, shape in work.shapes(contestants).items():
        if name not in earlier:
            continue
        if earlier[name].result.asked == shape:
            done[name] = earlier[name]
        else:
            say.say(
                f"{name} is measured anew: the settings of the model that it asks have changed."
            )
    return done


def _earlier(out: Path, work: _RunWork, truth: Truth, *, retry_errors: bool) -> dict[str, _Outcome]:
    """Outcomes in a folder, by system: those that were measured, and unless they are to be tried
    again those that failed. Skipped systems are always tried again.

    Raises BadInputError where the folder holds another run.
    """
    saved = load_run(out)
    record = saved.evaluation
    if record.asked != work.plan.digest(work.data.name) or record.split.hash != truth.split.digest:
        differences = _differences(record, work, truth)
        raise BadInputError("evals.other_run", folder=out, differences=differences)
    outcomes: dict[str, _Outcome] = {}
    for result in record.systems:
        values = saved.per_user.get(result.name)
        if result.state == "ok" and values is not None:
            by_user = _in_order_of(truth, values, work.plan.labels)
            outcomes[result.name] = _Outcome(result, by_user, notes=tuple(record.notes))
        elif result.state == "failed" and not retry_errors:
            outcomes[result.name] = _Outcome(result)
    return outcomes


def _in_order_of(truth: Truth, values: UserValues, labels: Sequence[str]) -> dict[str, Floats]:
    """[users] by metric, in the order of the split's users."""
    row = {user: at for at, user in enumerate(values.users.tolist())}
    user_ids = truth.training.x.user_ids
    order = np.array([row[user_ids[at]] for at in truth.split.users], dtype=np.int64)
    return {label: values.metrics[label][order] for label in labels if label in values.metrics}


def _differences(record: Evaluation, work: _RunWork, truth: Truth) -> str:
    """In brackets, how the run of a record differs from the one that is asked for; empty where the
    record does not show it.
    """
    info, plan = _info(truth, work.plan.candidates), work.plan
    labels = list(plan.labels)
    measured = [list(result.metrics) for result in record.systems if result.state == "ok"]
    pairs = (
        ("data set", record.dataset, work.data.name),
        ("split", record.split.name, info.name),
        ("test set", record.split.hash, info.hash),
        ("candidates", record.split.candidates, info.candidates),
        ("metrics", ",".join(measured[0] if measured else labels), ",".join(labels)),
        ("style", record.style, plan.style),
        ("seed", str(record.seed), str(plan.seed)),
    )
    different = [f"its {what} {there}, not {here}" for what, there, here in pairs if there != here]
    return f" ({'; '.join(different)})" if different else ""


@dataclass
class _RunContext:
    """Measures the systems of one run, one after another."""

    truth: Truth
    plan: RunPlan
    progress: Progress

    def __post_init__(self) -> None:
        self.specs = self.plan.specs
        self.notes: list[Message] = []
        self._rows: list[LedgerRow] = []
        """Calls of a model by the system that is being measured."""
        self._validation: Truth | None = None
        self._validation_tried = False

    def outcome(self, contestant: Contestant) -> _Outcome:
        """Measure one system; an error of its own is part of the outcome."""
        self._rows = []
        try:
            result, measured, lists = self._result(contestant)
            return _Outcome(result, measured.by_user, lists, tuple(self.notes))
        except CannotRunError as error:
            self.progress.say(f"{contestant.name} is skipped: {error}")
            cost = spent(self._rows)
            return _Outcome(
                SystemResult(name=contestant.name, state="skipped", why=error.message, cost=cost)
            )
        except Exception as error:  # noqa: BLE001 - a contestant may raise anything; it is recorded as failed
            why = plain(f"{type(error).__name__}: {error}")
            self.progress.say(f"{contestant.name} failed: {why}")
            return _Outcome(
                SystemResult(name=contestant.name, state="failed", why=why, cost=spent(self._rows))
            )

    def _result(self, contestant: Contestant) -> tuple[SystemResult, Measured, SystemLists]:
        tuned = self._tuned(contestant)
        rounds = [
            self._round(contestant, tuned, number)
            for number in range(self.plan.repeat if contestant.seeded else 1)
        ]
        numbers = mean_of([each.measured for each in rounds])
        lists = [each.lists for each in rounds]
        model = rounds[-1].model
        trouble = next((each.trouble for each in lists if each.error), None)
        remarks = [trouble, *dict.fromkeys(remark for each in rounds for remark in each.remarks)]
        said = [remark for remark in remarks if remark]
        result = SystemResult(
            name=contestant.name,
            metrics=numbers.summary(self.truth, self.plan.labels, self.plan.seed),
            buckets=numbers.buckets(self.truth, self.plan.labels, self.plan.seed),
            failed_users=max(each.failed for each in lists),
            why=joined(said, "remarks") if said else None,
            fit_seconds=round(sum(each.fit_seconds for each in rounds) / len(rounds), 3),
            rank_seconds=round(sum(each.seconds for each in lists) / len(rounds), 3),
            settings={**tuned.settings, **({"model": model} if model else {})},
            trials=tuned.trials,
            tune_seconds=tuned.seconds,
            cost=spent(self._rows),
        )
        return result, numbers, lists[0]

    def _round(self, contestant: Contestant, tuned: Tuned, number: int) -> "_Round":
        """Fit and measure the system once, with the seed of round `number`."""
        training = self.truth.training.again(self.plan.seed + number)
        began = time.monotonic()
        system = contestant.make(**tuned.settings)
        model = ""
        try:
            system.fit(training)
            fit_seconds = time.monotonic() - began
            lists = self._lists(contestant.name, system)
            predictions = predict(system, self.truth, self.specs)
            remarks = [predictions.remark]
            if isinstance(system, Remarking):
                remarks.append(system.remark)
        finally:
            if isinstance(system, Asking):
                model = system.model
                self._rows += system.ledger
                system.close()
        measured = measure(lists, self.truth, self.specs, self.plan.style, predictions)
        return _Round(measured, lists, remarks, fit_seconds, model)

    def _lists(self, name: str, system: System) -> SystemLists:
        self.progress.start(f"ranking by {name}", len(self.truth.split.users))
        lists = rank(
            system,
            self.truth,
            self.plan.depth,
            self.progress,
            auc=any(spec.needs == "scores" for spec in self.specs),
            candidates=self.plan.candidates,
            seed=self.plan.seed,
        )
        self.progress.done()
        return lists

    def _tuned(self, contestant: Contestant) -> Tuned:
        """The settings to fit with: the defaults where nothing can be tuned."""
        if not contestant.grid or self.plan.trials < 2:
            return Tuned({})
        if not self._validation_tried:
            self._validation, why = try_validation(self.truth.split.name, self.truth.training)
            self._validation_tried = True
            if why:
                self.notes.append(why)
        if self._validation is None:
            return Tuned({})
        tuned = tune(contestant, self._validation, self.plan.trials, self.progress)
        if tuned.note:
            self.notes.append(tuned.note)
        return tuned


@dataclass(frozen=True)
class _Round:
    """One fit of a system, and what it measured."""

    measured: Measured
    lists: SystemLists
    remarks: list[Message | None]
    fit_seconds: float
    model: str


def training_of(
    data: EvaluationData, cut: Split, table: SignalTable, seed: int, progress: Progress
) -> Training:
    """What every system of a run learns from: the events of the split's training part, and the
    items.
    """
    how: How = "user" if cut.moment is None else "time"
    signal = signals(cut.train, table, data.scales)
    return Training(
        cut.train,
        signal,
        data.shelf,
        data.scales,
        how=how,
        moment=cut.moment,
        seed=seed,
        progress=progress,
    )


def _check_cases(truth: Truth, specs: Sequence[MetricSpec]) -> None:
    """Raises BadInputError where a metric needs predictions and the split has none to make."""
    needed = {spec.needs for spec in specs}
    if "ratings" in needed:
        _ = truth.ratings
    if "probabilities" in needed:
        _ = truth.probabilities


def _info(truth: Truth, candidates: int | None) -> SplitInfo:
    cut = truth.split
    return SplitInfo(
        name=cut.name,
        hash=cut.digest,
        users=len(cut.users),
        train_events=len(cut.train),
        test_events=cut.test_events,
        items=truth.items,
        candidates="all" if candidates is None else f"sampled {candidates}",
    )


# ---------------------------------------------------------------- notebooks


@dataclass(frozen=True)
class Frames:
    """An evaluation as pandas frames."""

    metrics: "pd.DataFrame"
    """A row a system and metric: system, state, metric, mean, low, high, n."""
    buckets: "pd.DataFrame"
    """A row a system, bucket of history length and metric: system, bucket, metric, mean, low, high,
    n.
    """
    comparisons: "pd.DataFrame"
    """A row a comparison: system, baseline, metric, difference, low, high, p, p_holm, n."""


def frames(evaluation: Evaluation) -> Frames:
    """The evaluation for notebooks; undefined numbers are NaN."""
    import pandas as pd

    rows = [
        (system.name, system.state, *values)
        for system in evaluation.systems
        for values in _metric_rows(system.metrics)
    ]
    bucket_rows = [
        (system.name, bucket, *values)
        for system in evaluation.systems
        for bucket, metrics in system.buckets.items()
        for values in _metric_rows(metrics)
    ]
    tests = [
        (
            test.system,
            test.baseline,
            test.metric,
            test.difference,
            *test.ci95,
            test.p,
            test.p_holm,
            test.n,
        )
        for test in evaluation.comparisons
    ]
    number = {"mean": "float64"}
    metric_columns = ["metric", "mean", "low", "high", "n"]
    test_columns = ["system", "baseline", "metric", "difference", "low", "high", "p", "p_holm", "n"]
    return Frames(
        pd.DataFrame(rows, columns=["system", "state", *metric_columns]).astype(number),
        pd.DataFrame(bucket_rows, columns=["system", "bucket", *metric_columns]).astype(number),
        pd.DataFrame(tests, columns=test_columns),
    )


def _metric_rows(metrics: Mapping[str, Metric]) -> list[tuple[object, ...]]:
    """(metric, mean, low, high, n) each."""
    return [
        (label, metric.mean, *(metric.ci95 or (np.nan, np.nan)), metric.n)
        for label, metric in metrics.items()
    ]
