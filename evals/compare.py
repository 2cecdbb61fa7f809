"""`limner eval compare`: two runs of the same split, metric by metric, paired by user."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from limner.core.errors import BadInputError, UsageError
from limner.core.messages import Message, message
from limner.core.metrics import BUCKETS
from limner.evals.metrics import METRICS, PairedTest, Style, holm, paired_tests
from limner.evals.records import Evaluation, Metric, StrictRecord, SystemResult
from limner.evals.runs import Pair, SavedRun, UserValues, load_run, pair
from limner.evals.studies.records import Case, StudyRecord
from limner.evals.studies.stream import RECORD as STUDY
from limner.evals.studies.stream import CaseStream, load_study
from limner.evals.studies.summary import direction as of_measure
from limner.evals.studies.utility import chosen

ALPHA = 0.05
BELOW = 100
"""Exit code of an evaluation below its threshold."""

Verdict = Literal["A better", "B better", "differs", "no difference", "untested"]


class MetricComparison(StrictRecord):
    """One metric of a system in A and in B."""

    a: str
    """System in A."""
    b: str
    metric: str
    mean_a: float | None
    mean_b: float | None
    """Means over all users of each run."""
    difference: float | None
    """B minus A; over the users that both have a value for, where the line is tested."""
    ci95: tuple[float, float] | None
    p: float | None
    """p of a two-sided randomisation test, paired by user; None without values by user."""
    p_holm: float | None
    """Corrected over the table (Holm 1979)."""
    n: int
    """Users paired; 0 where the line is untested."""
    verdict: Verdict
    """At 5% after correction; `differs` for a metric of which neither more nor less is better."""
    bucket: str = ""
    """The history length of the users; empty for all users."""


class RunComparison(StrictRecord):
    """The comparison of two runs."""

    a: str
    b: str
    dataset: str
    split: str
    hash: str
    candidates: str = "all"
    style: Style = "ours"
    lines: list[MetricComparison]
    buckets: list[MetricComparison]
    """The first metric of each pair by length of history, corrected over these lines alone."""
    notes: list[Message]

    @property
    def worse(self) -> list[MetricComparison]:
        """Lines on which B is significantly worse."""
        return [line for line in self.lines if line.verdict == "A better"]


def is_pooled(label: str) -> bool:
    """Whether a metric is an error over all cases of all users, as rmse."""
    known = METRICS.get(label.partition("@")[0])
    return known is not None and known.kind == "pooled"


def load_either(path: Path) -> SavedRun:
    """A run's folder or run.json, or a study's folder or study.json. Raises BadInputError where it
    is neither.
    """
    if path.name != STUDY and not (path / STUDY).is_file():
        return load_run(path)
    folder = path if path.is_dir() else path.parent
    return _as_run(folder.resolve().name, load_study(path), CaseStream(folder))


def _as_run(name: str, record: StudyRecord, stream: CaseStream) -> SavedRun:
    """A study as one system: its measures are metrics, its cases users."""
    finished = chosen([case for case in stream.read() if case.state == "ok"])
    figures = {
        measure: Metric(mean=figure.mean, ci95=figure.ci95, n=figure.n)
        for measure, figure in record.figures.items()
    }
    evaluation = Evaluation(
        dataset=record.dataset,
        split=record.split,
        systems=[SystemResult(name=record.study, metrics=figures)],
        seed=record.seed,
        asked=record.asked,
    )
    values: dict[str, UserValues] = {record.study: _case_values(finished)} if finished else {}
    return SavedRun(name, evaluation, "", values, _unmeasured(name, record), record.study)


def _case_values(cases: Sequence[Case]) -> UserValues:
    cases = sorted(cases, key=lambda case: case.id)
    measures = dict.fromkeys(measure for case in cases for measure in case.values)
    return UserValues(
        np.array([case.id for case in cases], dtype=np.str_),
        np.array([case.bucket for case in cases], dtype=np.str_),
        {
            measure: np.array([case.values.get(measure) for case in cases], dtype=np.float64)
            for measure in measures
        },
    )


def _unmeasured(name: str, record: StudyRecord) -> list[Message]:
    """A sentence on the cases of a study that were not measured, where there are any."""
    counts = [f"{n:,} {state}" for state, n in record.states.items() if n and state != "ok"]
    if not counts:
        return []
    return [
        message("compare.unmeasured", run=name, states=" and ".join(counts), cases=record.cases)
    ]


def compare(
    a: SavedRun,
    b: SavedRun,
    metrics: Sequence[str] = (),
    system: str = "",
    against: str = "",
    *,
    need_tests: bool = False,
    seed: int = 0,
) -> RunComparison:
    """Compare two runs, B minus A: every metric of every system that both have, or of two named
    ones.

    system: the name in A; against: the name in B, the same if left out. Raises BadInputError where
    the runs are not of the same data and split, or have no common metric.
    """
    _same_kind(a, b)
    same_split(a.evaluation, b.evaluation)
    notes = [*_notes(a.evaluation, b.evaluation), *a.notes, *b.notes]
    lines: list[MetricComparison] = []
    bucket_lines: list[MetricComparison] = []
    for left, right in _pairs(a.evaluation, b.evaluation, system, against):
        shared = [name for name in left.metrics if name in right.metrics]
        selected = [name for name in metrics if name in shared] if metrics else shared
        paired = None
        if left.name in a.per_user and right.name in b.per_user:
            paired = pair(a.per_user[left.name], b.per_user[right.name], selected)
            notes += _unpaired(left.name, paired)
            bucket_lines += _by_bucket(left.name, right.name, paired, seed)
        lines += _lines(left, right, selected, paired, seed)
    _check_lines(lines, metrics)
    if all(line.p is None for line in lines):
        if need_tests:
            raise UsageError("compare.untested")
        notes.append(message("compare.untested"))
    return RunComparison(
        a=a.name,
        b=b.name,
        dataset=a.evaluation.dataset,
        split=a.evaluation.split.name,
        hash=a.evaluation.split.hash,
        candidates=a.evaluation.split.candidates,
        style=a.evaluation.style,
        lines=judge(lines),
        buckets=judge(bucket_lines),
        notes=notes,
    )


def _same_kind(a: SavedRun, b: SavedRun) -> None:
    """Raises BadInputError where the two are of different studies, or only one is a study."""
    if a.study != b.study:
        kinds = [
            message("compare.kind_study", study=run.study)
            if run.study
            else message("compare.kind_run")
            for run in (a, b)
        ]
        raise BadInputError("compare.other_kind", a=kinds[0], b=kinds[1])


def _unpaired(name: str, paired: Pair) -> list[Message]:
    """A sentence on the users whom only one of the runs has."""
    if not paired.only_one:
        return []
    return [message("compare.one_run_only", system=name, n=paired.only_one)]


def _check_lines(lines: Sequence[MetricComparison], metrics: Sequence[str]) -> None:
    """Raises UsageError for an empty comparison, or a requested metric that is missing."""
    present = {line.metric for line in lines}
    absent = [name for name in metrics if name not in present]
    if absent:
        raise UsageError("compare.no_common_metric_named", metric=absent[0])
    if not lines:
        raise UsageError("compare.no_common_metric")


def same_split(a: Evaluation, b: Evaluation) -> None:
    """Raises BadInputError for runs of different test questions."""
    for what, left, right in (
        ("data set", a.dataset, b.dataset),
        ("split", a.split.name, b.split.name),
        ("test events", a.split.hash, b.split.hash),
        ("candidates", a.split.candidates, b.split.candidates),
        ("metric style", a.style, b.style),
    ):
        if left != right:
            raise BadInputError("compare.differ", what=what, a=left, b=right)


def direction(metric: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither; of metrics, and of what studies
    measure.
    """
    known = METRICS.get(metric.partition("@")[0])
    return of_measure(metric) if known is None else 1 if known.higher_is_better else -1


def judge(lines: Sequence[MetricComparison]) -> list[MetricComparison]:
    """The lines with p corrected over all of them, and who is better."""
    corrected = holm([np.nan if line.p is None else line.p for line in lines])
    return [
        line.model_copy(
            update={
                "p_holm": None if np.isnan(p) else float(p),
                "verdict": _verdict(line, float(p)),
            }
        )
        for line, p in zip(lines, corrected, strict=True)
    ]


def _verdict(line: MetricComparison, p: float) -> Verdict:
    if np.isnan(p) or line.difference is None:
        return "untested"
    if p > ALPHA or line.difference == 0:
        return "no difference"
    better = direction(line.metric) * line.difference
    return "differs" if not better else "B better" if better > 0 else "A better"


def _pairs(
    a: Evaluation, b: Evaluation, system: str, against: str
) -> list[tuple[SystemResult, SystemResult]]:
    """Pairs of systems to compare, one of A and one of B each. Raises UsageError for none."""
    left, right = _measured(a), _measured(b)
    if system or against:
        return [(_named(left, system or against, "A"), _named(right, against or system, "B"))]
    shared = [name for name in left if name in right]
    if shared:
        return [(left[name], right[name]) for name in shared]
    if len(left) == len(right) == 1:
        return list(zip(left.values(), right.values(), strict=True))
    raise UsageError(
        "compare.no_common_system", a=", ".join(left) or "none", b=", ".join(right) or "none"
    )


def _measured(evaluation: Evaluation) -> dict[str, SystemResult]:
    """The systems that ran to their end, by name."""
    return {result.name: result for result in evaluation.systems if result.state == "ok"}


def _named(systems: Mapping[str, SystemResult], name: str, run: str) -> SystemResult:
    if name not in systems:
        raise UsageError(
            "compare.no_system", run=run, name=name, names=", ".join(systems) or "none that ran"
        )
    return systems[name]


def _notes(a: Evaluation, b: Evaluation) -> list[Message]:
    notes = []
    if (a.split.train_events, a.split.items) != (b.split.train_events, b.split.items):
        notes.append(
            message(
                "compare.other_training",
                a_events=a.split.train_events,
                a_items=a.split.items,
                b_events=b.split.train_events,
                b_items=b.split.items,
            )
        )
    for run, one in (("A", a), ("B", b)):
        for system in one.systems:
            if system.state != "ok":
                notes.append(
                    message(
                        "compare.not_compared",
                        system=system.name,
                        state=system.state,
                        run=run,
                        why=system.why or message("compare.no_reason"),
                    )
                )
                continue
            if system.failed_users:
                notes.append(
                    message(
                        "compare.failed_users", system=system.name, n=system.failed_users, run=run
                    )
                )
            if system.why:
                notes.append(
                    message("compare.trouble", system=system.name, run=run, why=system.why)
                )
    return notes


def _lines(
    left_system: SystemResult,
    right_system: SystemResult,
    metrics: Sequence[str],
    paired: Pair | None,
    seed: int,
) -> list[MetricComparison]:
    tests = {}
    if paired is not None and len(paired.buckets) and paired.a:
        results = paired_tests(
            np.stack(list(paired.b.values())), np.stack(list(paired.a.values())), seed
        )
        tests = dict(zip(paired.a, results, strict=True))
    return [_line(left_system, right_system, metric, tests.get(metric)) for metric in metrics]


def _line(
    one: SystemResult, other: SystemResult, metric: str, test: PairedTest | None
) -> MetricComparison:
    left, right = one.metrics[metric].mean, other.metrics[metric].mean
    line = MetricComparison(
        a=one.name,
        b=other.name,
        metric=metric,
        mean_a=left,
        mean_b=right,
        difference=None if left is None or right is None else right - left,
        ci95=None,
        p=None,
        p_holm=None,
        n=0,
        verdict="untested",
    )
    if test is None or not test.n:
        return line
    interval = (test.low, test.high) if test.n > 1 else None
    tested = {"difference": test.diff, "ci95": interval, "p": test.p, "n": test.n}
    return line.model_copy(update=tested)


def _by_bucket(a: str, b: str, paired: Pair, seed: int) -> list[MetricComparison]:
    """The first metric that is a mean of users; nothing where all users are of one bucket.

    A user's share in an error over all cases says nothing of the error over a bucket's.
    """
    metric = next((one for one in paired.a if not is_pooled(one)), None)
    held = [name for name, *_ in BUCKETS if (paired.buckets == name).any()]
    if metric is None or len(held) < 2:
        return []
    lines = []
    for name in held:
        rows = paired.buckets == name
        left, right = paired.a[metric][rows], paired.b[metric][rows]
        [test] = paired_tests(right[None], left[None], seed)
        if test.n:
            both = ~np.isnan(left) & ~np.isnan(right)
            lines.append(
                MetricComparison(
                    a=a,
                    b=b,
                    metric=metric,
                    mean_a=float(left[both].mean()),
                    mean_b=float(right[both].mean()),
                    difference=test.diff,
                    ci95=(test.low, test.high) if test.n > 1 else None,
                    p=test.p,
                    p_holm=None,
                    n=test.n,
                    verdict="untested",
                    bucket=name,
                )
            )
    return lines
