"""`limner eval compare`: two runs of the same split, metric by metric, paired by user."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from limner.core.errors import BadInputError, UsageError
from limner.core.metrics import BUCKETS
from limner.evals.metrics import METRICS, Style, holm, paired_tests
from limner.evals.records import Evaluation, Metric, StrictRecord, SystemResult
from limner.evals.runs import Pair, SavedRun, UserValues, load_run, pair
from limner.evals.studies.records import StudyRecord
from limner.evals.studies.stream import RECORD as STUDY
from limner.evals.studies.stream import CaseStream, load_study
from limner.evals.studies.summary import direction as of_measure
from limner.evals.studies.utility import chosen

ALPHA = 0.05
BELOW = 100
"""Exit code of an evaluation that fell below what was asked of it."""

Verdict = Literal["A better", "B better", "differs", "no difference", "untested"]


class MetricComparison(StrictRecord):
    """One metric of a system in A and in B."""

    a: str
    """System in A."""
    b: str
    metric: str
    mean_a: float | None
    mean_b: float | None
    """Over all users of each run."""
    difference: float | None
    """B minus A; over the users that both have a value for, where the line is tested."""
    ci95: tuple[float, float] | None
    p: float | None
    """Two-sided randomisation test, paired by user; None where there is nothing by user."""
    p_holm: float | None
    """Corrected over the table (Holm 1979)."""
    n: int
    """Users paired; 0 where the line is untested."""
    verdict: Verdict
    """At 5% after correction; `differs` for a metric of which neither more nor less is better."""
    bucket: str = ""
    """The length of history of the users it is of; all of them where it is empty."""


class RunComparison(StrictRecord):
    """What compare says of two runs."""

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
    notes: list[str]

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
    cases = sorted(
        chosen([one for one in stream.read() if one.state == "ok"]), key=lambda one: one.id
    )
    metrics = {
        name: Metric(mean=one.mean, ci95=one.ci95, n=one.n) for name, one in record.figures.items()
    }
    names = dict.fromkeys(name for one in cases for name in one.values)
    values = UserValues(
        np.array([one.id for one in cases], dtype=np.str_),
        np.array([one.bucket for one in cases], dtype=np.str_),
        {
            name: np.array([one.values.get(name) for one in cases], dtype=np.float64)
            for name in names
        },
    )
    evaluation = Evaluation(
        dataset=record.dataset,
        split=record.split,
        systems=[SystemResult(name=record.study, metrics=metrics)],
        seed=record.seed,
        asked=record.asked,
    )
    unmeasured = [f"{n:,} {state}" for state, n in record.states.items() if n and state != "ok"]
    notes = (
        [f"{name}: {' and '.join(unmeasured)} of {record.cases:,} cases, which enter nothing."]
        if unmeasured
        else []
    )
    return SavedRun(
        name, evaluation, "", {record.study: values} if cases else {}, notes, record.study
    )


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
    """Every metric of every system that both runs have, or of the two that are named, B minus A.

    system: that of A; against: that of B, the same name where left out. Raises BadInputError where
    the runs are not of the same data and split, UsageError where there is no such system or metric,
    or none in common, or nothing can be tested although `need_tests`.
    """
    if a.study != b.study:
        kinds = [f"a study of {one.study}" if one.study else "a run of systems" for one in (a, b)]
        raise BadInputError(f"The runs cannot be compared: A is {kinds[0]}, B {kinds[1]}.")
    same_split(a.evaluation, b.evaluation)
    pairs = _pairs(a.evaluation, b.evaluation, system, against)
    notes = [*_notes(a.evaluation, b.evaluation), *a.notes, *b.notes]
    lines: list[MetricComparison] = []
    inside: list[MetricComparison] = []
    for one, other in pairs:
        both = [name for name in one.metrics if name in other.metrics]
        chosen = [name for name in metrics if name in both] if metrics else both
        paired = None
        if one.name in a.per_user and other.name in b.per_user:
            paired = pair(a.per_user[one.name], b.per_user[other.name], chosen)
            if paired.only_one:
                notes.append(
                    f"{one.name}: {paired.only_one:,} users are in one run only and are "
                    "left out of the test."
                )
        lines += _lines(one, other, chosen, paired, seed)
        inside += _by_bucket(one.name, other.name, paired, seed) if paired is not None else []
    absent = [name for name in metrics if name not in {line.metric for line in lines}]
    if absent:
        raise UsageError(f"The two runs do not both have the metric '{absent[0]}'.")
    if not lines:
        raise UsageError("The two runs have no metric in common.")
    if all(line.p is None for line in lines):
        untested = (
            "Nothing is tested: per_user.parquet with the same metrics must lie "
            "beside both run.json."
        )
        if need_tests:
            raise UsageError(untested)
        notes.append(untested)
    return RunComparison(
        a=a.name,
        b=b.name,
        dataset=a.evaluation.dataset,
        split=a.evaluation.split.name,
        hash=a.evaluation.split.hash,
        candidates=a.evaluation.split.candidates,
        style=a.evaluation.style,
        lines=judge(lines),
        buckets=judge(inside),
        notes=notes,
    )


def same_split(a: Evaluation, b: Evaluation) -> None:
    """Raises BadInputError where the two were not asked the same questions."""
    for what, left, right in (
        ("data set", a.dataset, b.dataset),
        ("split", a.split.name, b.split.name),
        ("test events", a.split.hash, b.split.hash),
        ("candidates", a.split.candidates, b.split.candidates),
        ("metric style", a.style, b.style),
    ):
        if left != right:
            raise BadInputError(
                f"The runs cannot be compared: A's {what} '{left}', B's '{right}'; run "
                "both on the same data and split."
            )


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
    left = {one.name: one for one in a.systems if one.state == "ok"}
    right = {one.name: one for one in b.systems if one.state == "ok"}
    if system or against:
        names = (system or against, against or system)
        for name, there, run in ((names[0], left, "A"), (names[1], right, "B")):
            if name not in there:
                raise UsageError(
                    f"Run {run} has no system '{name}'; it has "
                    f"{', '.join(there) or 'none that ran'}."
                )
        return [(left[names[0]], right[names[1]])]
    shared = [name for name in left if name in right]
    if shared:
        return [(left[name], right[name]) for name in shared]
    if len(left) == len(right) == 1:
        return list(zip(left.values(), right.values(), strict=True))
    raise UsageError(
        f"The runs have no system in common (A: {', '.join(left) or 'none'}; B: "
        f"{', '.join(right) or 'none'}); "
        "name one of each by --system and --against."
    )


def _notes(a: Evaluation, b: Evaluation) -> list[str]:
    notes = []
    if (a.split.train_events, a.split.items) != (b.split.train_events, b.split.items):
        notes.append(
            f"The training parts differ: {a.split.train_events:,} events of "
            f"{a.split.items:,} items in A, "
            f"{b.split.train_events:,} of {b.split.items:,} in B."
        )
    for run, one in (("A", a), ("B", b)):
        for system in one.systems:
            if system.state != "ok":
                notes.append(
                    f"{system.name} {system.state} in {run} and is not compared: "
                    f"{system.why or 'no reason'}."
                )
                continue
            if system.failed_users:
                notes.append(
                    f"{system.name} failed for {system.failed_users:,} users in {run}; "
                    "they count as misses."
                )
            if system.why:
                notes.append(f"{system.name} in {run}: {system.why}.")
    return notes


def _lines(
    one: SystemResult, other: SystemResult, metrics: Sequence[str], paired: Pair | None, seed: int
) -> list[MetricComparison]:
    tested = {}
    if paired is not None and len(paired.buckets) and paired.a:
        found = paired_tests(
            np.stack(list(paired.b.values())), np.stack(list(paired.a.values())), seed
        )
        tested = dict(zip(paired.a, found, strict=True))
    lines = []
    for metric in metrics:
        left, right, test = one.metrics[metric].mean, other.metrics[metric].mean, tested.get(metric)
        plain = None if left is None or right is None else right - left
        sure = test is not None and test.n > 0
        lines.append(
            MetricComparison(
                a=one.name,
                b=other.name,
                metric=metric,
                mean_a=left,
                mean_b=right,
                difference=test.diff if test is not None and sure else plain,
                ci95=(test.low, test.high) if test is not None and test.n > 1 else None,
                p=test.p if test is not None and sure else None,
                p_holm=None,
                n=test.n if test is not None else 0,
                verdict="untested",
            )
        )
    return lines


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
