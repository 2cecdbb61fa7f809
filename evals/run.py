"""`limner eval run`: systems against each other on one split, full catalogue, with intervals and
paired tests.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limner.core.errors import BadInputError, CannotRunError, UsageError
from limner.core.progress import Progress, Quiet
from limner.core.schema import LedgerRow
from limner.core.settings import Settings, SignalTable
from limner.core.signals import signals
from limner.core.telemetry import logged
from limner.evals.data import EvaluationData, load
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
from limner.evals.records import Evaluation, SplitInfo, SystemResult
from limner.evals.runs import PER_USER, RECORD, load_run
from limner.evals.splits import Split, make_split
from limner.evals.systems import Asking, Contestant, Remarking, System, Training, resolve
from limner.evals.systems.limner import LimnerSystem
from limner.evals.tuning import TRIALS, Tuned, try_validation, tune
from limner.evals.write import write_json, write_run, write_users
from limner.llm import Budget
from limner.rank import How

if TYPE_CHECKING:
    import pandas as pd

OURS = LimnerSystem.name


@logged("evals", "run", lambda evaluation: {"systems": len(evaluation.systems)})
def run(
    dataset: str | EvaluationData,
    split: str = "global-time",
    systems: Sequence[str] = SYSTEMS,
    metrics: Sequence[str] = METRICS,
    *,
    against: str = "",
    style: Style = "ours",
    limit: int | None = None,
    seed: int = 0,
    repeat: int = 1,
    trials: int = TRIALS,
    candidates: int | None = None,
    out: Path | None = None,
    jobs: int = 1,
    resume: bool = False,
    retry_errors: bool = False,
    signal_table: SignalTable | None = None,
    settings: Settings | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Tune and fit each system on the training part, and rank the whole catalogue minus what a user
    has had.

    dataset: a known name, a folder of a known data set, a store, or one that was loaded. against:
    the system that is tested against every other; Limner, or the first where it takes no part.
    candidates: rank only what is relevant and so many other items, drawn for each user, which
    inflates every number. out: a folder that gets `run.json` and `per_user.parquet`, both anew
    after every system, and `runs/NAME.parquet`. jobs: systems at the same time, each in a process
    of its own. resume: take over what `out` holds of the same run; with retry_errors all but its
    failures. settings: by which a system that asks a model finds it, none where they are left out;
    purse: what it is paid from.

    A system that raises is recorded as failed, one that cannot run here as skipped, and the others
    go on. Raises UsageError for an unknown name of any kind, and where `against` is none of several
    systems; BadInputError where the split asks nobody, or where `out` is to be gone on with and
    holds another run.
    """
    say = progress or Quiet()
    specs = [parse(one) for one in metrics]
    depth = max((spec.k or 0 for spec in specs), default=0) or 10
    contestants = resolve(systems, depth)
    tested, told = opponent(against, [one.name for one in contestants])
    data = load(dataset, say) if isinstance(dataset, str) else dataset
    asked = _Asked(
        data,
        split,
        tuple(spec.label for spec in specs),
        style,
        limit,
        seed,
        repeat,
        trials,
        candidates,
        signal_table or SignalTable(),
        settings,
        budget.left if budget else None,
    )
    work = asked.work(say)
    truth = work.truth
    _check_cases(truth, specs)
    earlier = _earlier(out, asked, truth, retry_errors) if resume or retry_errors else {}
    shapes = {one.name: asked.shape(one) for one in contestants}
    done = {name: earlier[name] for name, shape in shapes.items() if name in earlier}
    for name in [name for name, found in done.items() if found.result.asked != shapes[name]]:
        say.say(f"{name} is measured anew: the settings of the model that it asks have changed.")
        del done[name]
    if out is not None:
        # What stands there is of an earlier run, and of systems that may take no part in this one.
        _write_users(out, done, truth)
    notes = [*truth.split.notes, *told, *(note for one in done.values() for note in one.notes)]

    def evaluation(*, whole: bool) -> Evaluation:
        results = [done[one.name] for one in contestants if one.name in done]
        measured = {one.result.name: one.by_user for one in results if one.by_user is not None}
        return Evaluation(
            dataset=data.name,
            split=_info(truth, candidates),
            systems=[one.result for one in results],
            style=style,
            seed=seed,
            comparisons=comparisons(measured, tested, seed) if whole else [],
            notes=list(dict.fromkeys(notes)),
            asked=asked.digest,
        )

    todo = [one for one in contestants if one.name not in done]
    for found in asked.in_processes(todo, jobs, say) if jobs > 1 else map(work.outcome, todo):
        name = found.result.name
        done[name] = found = replace(
            found, result=found.result.model_copy(update={"asked": shapes[name]})
        )
        notes += found.notes
        if budget is not None:
            budget.pay(found.result.cost.cost)
        if out is not None:
            if found.lists is not None:
                write_run(out / "runs", found.result.name, found.lists, truth)
            _write_users(out, done, truth)
            write_json(out / RECORD, evaluation(whole=False))
    others = [name for name, one in done.items() if one.by_user is not None and name != tested]
    if done[tested].by_user is None and len(others) > 1:
        notes.append(f"{tested} was not measured, so nothing is tested.")
    record = evaluation(whole=True)
    if out is not None:
        write_json(out / RECORD, record)
    return record


def opponent(against: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """The system that is tested against the others, and what is to be said of the choice.

    Raises UsageError where one was named that takes no part, though there are others to test.
    """
    if against in names:
        return against, []
    if against and len(names) > 1:
        raise UsageError(
            f"'{against}' cannot be tested against the others: the systems are {', '.join(names)}."
        )
    if OURS in names or len(names) == 1:
        return OURS if OURS in names else names[0], []
    return names[0], [
        f"{OURS} is not among the systems, so {names[0]} is tested against the others."
    ]


def _write_users(out: Path, done: Mapping[str, "_Outcome"], truth: Truth) -> None:
    write_users(
        out / PER_USER,
        {name: one.by_user for name, one in done.items() if one.by_user is not None},
        truth,
    )


@dataclass(frozen=True)
class _Outcome:
    """Of one system."""

    result: SystemResult
    by_user: Mapping[str, Floats] | None = None
    """[users] by metric; None where it was not measured."""
    lists: SystemLists | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    """What a run asks of every system; goes to other processes as it is."""

    data: EvaluationData
    split: str
    metrics: tuple[str, ...]
    style: Style
    limit: int | None
    seed: int
    repeat: int
    trials: int
    candidates: int | None
    table: SignalTable
    settings: Settings | None
    money: float | None

    @property
    def digest(self) -> str:
        """Of everything that shapes every system's numbers."""
        shaping = (
            self.data.name,
            self.split,
            self.metrics,
            self.style,
            self.limit,
            self.seed,
            self.repeat,
            self.trials,
            self.candidates,
            self.table.model_dump_json(),
        )
        return hashlib.sha256(repr(shaping).encode()).hexdigest()[:16]

    def shape(self, contestant: Contestant) -> str:
        """Hash of the settings that shape this system's numbers alone; empty where none does."""
        return contestant.shape(self.settings) if contestant.shape and self.settings else ""

    def work(self, progress: Progress) -> "_RunContext":
        cut = make_split(self.split, self.data.x)
        specs = [parse(one) for one in self.metrics]
        if any(one.needs == "probabilities" for one in specs):
            cut = cut.everyone()
        cut = cut if self.limit is None else cut.limited(self.limit, self.seed)
        training = training_of(self.data, cut, self.table, self.seed, progress)
        if self.settings is not None:
            training = replace(training, settings=self.settings, money=self.money)
        truth = Truth(cut, training)
        depth = max((spec.k or 0 for spec in specs), default=0) or 10
        return _RunContext(
            truth,
            specs,
            self.style,
            depth,
            self.repeat,
            self.trials,
            self.candidates,
            self.seed,
            progress,
        )

    def in_processes(
        self, contestants: Sequence[Contestant], jobs: int, progress: Progress
    ) -> Iterator[_Outcome]:
        """As they are finished. A process that dies (no memory is left, say) fails its system alone
        or, where the others were waiting for it, those too.
        """
        progress.start("measuring systems", len(contestants))
        # Spawned: a fork of a process that has used OpenMP may hang.
        with ProcessPoolExecutor(
            min(jobs, max(len(contestants), 1)), mp_context=get_context("spawn")
        ) as pool:
            running = {pool.submit(_in_process, self, one.name): one.name for one in contestants}
            for future in as_completed(running):
                name = running[future]
                try:
                    found = future.result()
                except BrokenExecutor as error:
                    why = f"its process ended before it was done ({error})"
                    found = _Outcome(SystemResult(name=name, state="failed", why=why))
                if found.result.state != "ok":
                    progress.say(f"{name} {found.result.state}: {found.result.why}")
                progress.advance()
                yield found
        progress.done()


def _in_process(asked: _Asked, name: str) -> _Outcome:
    work = asked.work(Quiet())
    [contestant] = resolve([name], work.depth)
    return work.outcome(contestant)


def _earlier(
    out: Path | None, asked: _Asked, truth: Truth, retry_errors: bool
) -> dict[str, _Outcome]:
    """What a run that was begun has measured, by system; those that were skipped are tried
    again.
    """
    if out is None:
        raise UsageError("Without --out DIR there is nothing to go on with.")
    if not (out / RECORD).exists():
        return {}
    held = load_run(out)
    if held.evaluation.asked != asked.digest or held.evaluation.split.hash != truth.split.digest:
        differs = _other(held.evaluation, asked, truth)
        raise BadInputError(
            f"'{out}' holds another run{differs}; leave --resume out, or name another --out."
        )
    ids = [truth.training.x.user_ids[at] for at in truth.split.users]
    found: dict[str, _Outcome] = {}
    for result in held.evaluation.systems:
        values = held.per_user.get(result.name)
        if result.state == "ok" and values is not None:
            row = {user: at for at, user in enumerate(values.users.tolist())}
            order = np.array([row[one] for one in ids], dtype=np.int64)
            own = {
                name: values.metrics[name][order]
                for name in asked.metrics
                if name in values.metrics
            }
            found[result.name] = _Outcome(result, own, notes=tuple(held.evaluation.notes))
        elif result.state == "failed" and not retry_errors:
            found[result.name] = _Outcome(result)
    return found


def _other(held: Evaluation, asked: _Asked, truth: Truth) -> str:
    """In brackets, what the record shows to be another than is asked for; empty where it shows
    nothing.
    """
    info = _info(truth, asked.candidates)
    metrics = next(
        (list(one.metrics) for one in held.systems if one.state == "ok"), list(asked.metrics)
    )
    pairs = (
        ("data set", held.dataset, asked.data.name),
        ("split", held.split.name, info.name),
        ("test set", held.split.hash, info.hash),
        ("candidates", held.split.candidates, info.candidates),
        ("metrics", ",".join(metrics), ",".join(asked.metrics)),
        ("style", held.style, asked.style),
        ("seed", str(held.seed), str(asked.seed)),
    )
    said = [f"its {what} {there}, not {here}" for what, there, here in pairs if there != here]
    return f" ({'; '.join(said)})" if said else ""


@dataclass
class _RunContext:
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
        self._rows: list[LedgerRow] = []
        """Calls of a model by the system that is measured."""
        self._validation: Truth | None = None
        self._cut = False

    def outcome(self, contestant: Contestant) -> _Outcome:
        """Of one system, whatever becomes of it."""
        self._rows = []
        try:
            result, measured, lists = self._result(contestant)
            return _Outcome(result, measured.by_user, lists, tuple(self.notes))
        except CannotRunError as error:
            self.progress.say(f"{contestant.name} is skipped: {error}")
            cost = spent(self._rows)
            return _Outcome(
                SystemResult(name=contestant.name, state="skipped", why=str(error), cost=cost)
            )
        except Exception as error:  # noqa: BLE001 - a contestant may raise anything; it is recorded as failed
            why = f"{type(error).__name__}: {error}"
            self.progress.say(f"{contestant.name} failed: {why}")
            return _Outcome(
                SystemResult(name=contestant.name, state="failed", why=why, cost=spent(self._rows))
            )

    def _result(self, contestant: Contestant) -> tuple[SystemResult, Measured, SystemLists]:
        tuned = self._tuned(contestant)
        parts: list[Measured] = []
        every: list[SystemLists] = []
        remarks: list[str] = []
        fitting, model = 0.0, ""
        for number in range(self.repeat if contestant.seeded else 1):
            training = self.truth.training.again(self.seed + number)
            began = time.monotonic()
            system = contestant.make(**tuned.settings)
            try:
                system.fit(training)
                fitting += time.monotonic() - began
                lists = self._lists(contestant.name, system)
                predictions = predict(system, self.truth, self.specs)
                remarks.append(predictions.remark)
                if isinstance(system, Remarking):
                    remarks.append(system.remark)
            finally:
                if isinstance(system, Asking):
                    model = system.model
                    self._rows += system.ledger
                    system.close()
            every.append(lists)
            parts.append(measure(lists, self.truth, self.specs, self.style, predictions))
        numbers = mean_of(parts)
        labels = [one.label for one in self.specs]
        failed = max(one.failed for one in every)
        said = [next((one.trouble for one in every if one.error), ""), *dict.fromkeys(remarks)]
        result = SystemResult(
            name=contestant.name,
            metrics=numbers.summary(self.truth, labels, self.seed),
            buckets=numbers.buckets(self.truth, labels, self.seed),
            failed_users=failed,
            why="; ".join(one for one in said if one),
            fit_seconds=round(fitting / len(every), 3),
            rank_seconds=round(sum(one.seconds for one in every) / len(every), 3),
            settings={**tuned.settings, **({"model": model} if model else {})},
            trials=tuned.trials,
            tune_seconds=tuned.seconds,
            cost=spent(self._rows),
        )
        return result, numbers, every[0]

    def _lists(self, name: str, system: System) -> SystemLists:
        self.progress.start(f"ranking by {name}", len(self.truth.split.users))
        lists = rank(
            system,
            self.truth,
            self.depth,
            self.progress,
            auc=any(one.needs == "scores" for one in self.specs),
            candidates=self.candidates,
            seed=self.seed,
        )
        self.progress.done()
        return lists

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


def training_of(
    data: EvaluationData, cut: Split, table: SignalTable, seed: int, progress: Progress
) -> Training:
    """What every system of a run may learn from: of the events, those of the split's training part
    alone.
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
    """Raises BadInputError where the split holds none of what some metric's systems would have to
    predict.
    """
    needed = {one.needs for one in specs}
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
        pd.DataFrame(
            rows, columns=["system", "state", "metric", "mean", "low", "high", "n"]
        ).astype(number),
        pd.DataFrame(
            inside, columns=["system", "bucket", "metric", "mean", "low", "high", "n"]
        ).astype(number),
        pd.DataFrame(
            tested,
            columns=[
                "system",
                "baseline",
                "metric",
                "difference",
                "low",
                "high",
                "p",
                "p_holm",
                "n",
            ],
        ),
    )
