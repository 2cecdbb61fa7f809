"""Systems of one split side by side: who is tested against whom, and what may be said of it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from limner.core.metrics import BUCKETS
from limner.evals.compare import ALPHA, direction, is_pooled
from limner.evals.metrics import METRICS, Style, holm, paired_tests
from limner.evals.records import Metric, SplitInfo, SystemResult
from limner.evals.runs import SavedRun, UserValues, pair

K = TypeVar("K")

OURS = "limner"
PREFERRED = (
    "ndcg@10",
    "ndcg",
    "hit",
    "recall",
    "mrr",
    "map",
    "precision",
    "f1",
    "auc",
    "rmse",
    "mae",
    "log_loss",
)
"""The headline's metric: the first of these that was measured; errors of predictions where nothing
was ranked.
"""
BEYOND = (("Coverage", "coverage"), ("Novelty", "novelty"), ("Diversity", "ild"))
"""What stands on the first page beside accuracy, and the metric that measures it."""
_FEW = 100
"""Users below which a reader is warned."""
_BUCKET_ROUNDS = 2000
"""Fewer than elsewhere: there are many buckets, and few users in each."""


@dataclass(frozen=True)
class Entry:
    """One system of the contest."""

    name: str
    """With its run's name where several runs have a system of that name."""
    result: SystemResult
    values: UserValues | None = None

    def mean(self, metric: str) -> float | None:
        found = self.result.metrics.get(metric)
        return None if found is None else found.mean

    def in_bucket(self, bucket: str, metric: str) -> Metric | None:
        return self.result.buckets.get(bucket, {}).get(metric)


@dataclass(frozen=True)
class Test:
    """The focal system minus another, paired by user."""

    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int

    def outcome(self, metric: str) -> int:
        """1 where the focal system is significantly better, -1 where worse, 0 where neither can be
        said.
        """
        if not self.p_holm <= ALPHA:
            return 0
        return int(np.sign(self.difference * direction(metric)))


@dataclass(frozen=True)
class Contest:
    """Everything that ran on one split of one data set, best first by `metric`."""

    dataset: str
    split: SplitInfo
    style: Style
    """Whose definition of the accuracy metrics its numbers follow."""
    runs: Sequence[SavedRun]
    entries: Sequence[Entry]
    absent: Sequence[Entry]
    """Failed or skipped."""
    metric: str
    """For the headline: of accuracy, or else an error of predictions; empty where none was
    measured.
    """
    focal: Entry | None
    """What the records test, else Limner, else the best; every other is tested against it."""
    tests: Mapping[tuple[str, str], Test]
    """By metric and the other's name."""
    bucket_tests: Mapping[tuple[str, str], Test]
    """Of `metric`, by bucket and the other's name."""

    @property
    def others(self) -> list[Entry]:
        return [one for one in self.entries if one is not self.focal]

    @property
    def metrics(self) -> list[str]:
        return list(dict.fromkeys(name for one in self.entries for name in one.result.metrics))

    def accuracy(self) -> list[str]:
        """Metrics of ranking accuracy, the headline's first."""
        found = [name for name in self.metrics if _needs(name) in ("list", "scores")]
        return sorted(found, key=lambda name: name != self.metric)

    def beyond(self, name: str) -> str | None:
        """The label under which a metric was measured, at the headline's cut where there is a
        choice.
        """
        found = [one for one in self.metrics if one.partition("@")[0] == name]
        cut = self.metric.partition("@")[2]
        return next(
            (one for one in found if one.partition("@")[2] == cut), found[0] if found else None
        )

    def buckets(self) -> list[str]:
        """Lengths of history that have a user, shortest first."""
        return [
            name
            for name, _, _ in BUCKETS
            if any(
                cell is not None and cell.n
                for one in self.entries
                for cell in one.result.buckets.get(name, {}).values()
            )
        ]


def contests(runs: Iterable[SavedRun]) -> list[Contest]:
    """Runs of the same data, split, candidates and style of metrics together, in the order
    given.
    """
    grouped: dict[tuple[str, ...], list[SavedRun]] = {}
    for run in runs:
        one = run.evaluation
        split = one.split
        key = (one.dataset, split.name, split.hash, split.candidates, one.style)
        grouped.setdefault(key, []).append(run)
    return [_contest(some) for some in grouped.values()]


def _contest(runs: Sequence[SavedRun]) -> Contest:
    held = [one.name for run in runs for one in run.evaluation.systems]
    named = {
        (at, one.name): one.name if held.count(one.name) == 1 else f"{one.name} ({run.name})"
        for at, run in enumerate(runs)
        for one in run.evaluation.systems
    }
    entries = [
        Entry(named[at, one.name], one, run.per_user.get(one.name))
        for at, run in enumerate(runs)
        for one in run.evaluation.systems
    ]
    ran = [one for one in entries if one.result.state == "ok"]
    metric = _headline_metric(name for one in ran for name in one.result.metrics)

    def place(one: Entry) -> float:
        mean = one.mean(metric)
        return np.inf if mean is None else -mean * (direction(metric) or 1)

    ran.sort(key=place)
    focal = _focal(
        ran,
        {
            named[at, one.system]
            for at, run in enumerate(runs)
            for one in run.evaluation.comparisons
            if (at, one.system) in named
        },
    )
    first = runs[0].evaluation
    contest = Contest(
        first.dataset,
        first.split,
        first.style,
        runs,
        ran,
        [one for one in entries if one.result.state != "ok"],
        metric,
        focal,
        {},
        {},
    )
    if focal is None:
        return contest
    return replace(
        contest,
        tests=_tests(contest, focal, _recorded(runs, named)),
        bucket_tests=_bucket_tests(contest, focal),
    )


def _focal(ran: Sequence[Entry], tested: Collection[str]) -> Entry | None:
    """The one system that the records test against others, else Limner, else the best."""
    if len(tested) == 1 and (found := [one for one in ran if one.name in tested]):
        return found[0]
    return next((one for one in ran if one.result.name == OURS), ran[0] if ran else None)


def _headline_metric(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    for wanted in PREFERRED:
        for name in found:
            if wanted in (name, name.partition("@")[0]):
                return name
    return ""


def _needs(label: str) -> str:
    known = METRICS.get(label.partition("@")[0])
    return "" if known is None else known.needs


# ---------------------------------------------------------------- tests


def _recorded(
    runs: Sequence[SavedRun], named: Mapping[tuple[int, str], str]
) -> dict[tuple[str, str, str], Test]:
    """Of the records, by metric, system and baseline; both ways round."""
    out: dict[tuple[str, str, str], Test] = {}
    for at, run in enumerate(runs):
        for one in run.evaluation.comparisons:
            system, baseline = named.get((at, one.system)), named.get((at, one.baseline))
            if system is None or baseline is None:
                continue
            low, high = one.ci95
            out[one.metric, system, baseline] = Test(
                one.difference, low, high, one.p, one.p_holm, one.n
            )
            out.setdefault(
                (one.metric, baseline, system),
                Test(-one.difference, -high, -low, one.p, one.p_holm, one.n),
            )
    return out


def _tests(
    contest: Contest, focal: Entry, recorded: Mapping[tuple[str, str, str], Test]
) -> dict[tuple[str, str], Test]:
    """Of the focal system against every other: the runs' own, and what they lack from the values by
    user.
    """
    out: dict[tuple[str, str], Test] = {}
    for metric in contest.metrics:
        found = {
            one.name: recorded[metric, focal.name, one.name]
            for one in contest.others
            if (metric, focal.name, one.name) in recorded
        }
        fresh = {
            one.name: test
            for one in contest.others
            if one.name not in found and (test := _test(focal, one, metric)) is not None
        }
        found |= fresh
        if fresh:
            found = _corrected(found)
        out.update({(metric, name): test for name, test in found.items()})
    return out


def _bucket_tests(contest: Contest, focal: Entry) -> dict[tuple[str, str], Test]:
    if is_pooled(contest.metric):
        return {}
    found = {
        (bucket, one.name): test
        for bucket in contest.buckets()
        for one in contest.others
        if (test := _test(focal, one, contest.metric, bucket, _BUCKET_ROUNDS)) is not None
    }
    return _corrected(found)


def _test(
    focal: Entry, other: Entry, metric: str, bucket: str = "", rounds: int = 10_000
) -> Test | None:
    """Of their values by user, not yet corrected; None where there are none."""
    if focal.values is None or other.values is None:
        return None
    both = pair(focal.values, other.values, [metric])
    if metric not in both.a:
        return None
    rows = both.buckets == bucket if bucket else np.ones(len(both.buckets), dtype=bool)
    if not rows.any():
        return None
    [one] = paired_tests(both.a[metric][rows][None], both.b[metric][rows][None], rounds=rounds)
    return Test(one.diff, one.low, one.high, one.p, one.p, one.n) if one.n else None


def _corrected(tests: Mapping[K, Test]) -> dict[K, Test]:
    fixed = holm([one.p for one in tests.values()])
    return {
        key: replace(one, p_holm=float(p))
        for (key, one), p in zip(tests.items(), fixed, strict=True)
    }


# ---------------------------------------------------------------- words


@dataclass(frozen=True)
class Headline:
    """What the tests allow to be said, in sentences."""

    lead: str
    more: tuple[str, ...] = ()


def headline(contest: Contest) -> Headline:
    """Who wins and where it does not; nothing is claimed that no test carries."""
    focal, metric = contest.focal, contest.metric
    more = [*_caveats(contest)]
    if focal is None:
        return Headline("No system ran to its end.", tuple(more))
    if not metric:
        return Headline(f"No metric of accuracy was measured for {focal.name}.", tuple(more))
    if not contest.others:
        return Headline(
            f"{focal.name} reaches {_with_interval(focal, metric)}; nothing stands beside it.",
            tuple(more),
        )
    ahead, behind, even, untested = _sides(
        contest, lambda one: contest.tests.get((metric, one.name))
    )
    lead = _lead(contest, focal, ahead, behind, even, untested)
    said = []
    if behind:
        if ahead:
            said.append(f"It is significantly better than {names(ahead)}.")
        if even:
            said.append(f"No significant difference from {names(even)}.")
    above = [one for one in even if _higher(one, focal, metric)]
    if above and (ahead or behind):
        said.append(f"{names(above)} {_have(above)} the better mean, within chance.")
    if untested and (ahead or behind or even):
        said.append(f"Against {names(untested)} nothing was tested.")
    if all(one.result.name != OURS for one in contest.entries):
        said.append(
            f"{OURS} is not among the systems; {focal.name} is held against the others "
            "for its mean."
        )
    where = [
        *_other_accuracy(contest, focal),
        *_by_bucket(contest, focal),
        *_beyond_accuracy(contest, focal),
    ]
    return Headline(lead, (*said, *where, *more))


def _lead(
    contest: Contest,
    focal: Entry,
    ahead: list[Entry],
    behind: list[Entry],
    even: list[Entry],
    untested: list[Entry],
) -> str:
    metric, own = contest.metric, number(focal.mean(contest.metric))
    if behind:
        theirs = names([f"{one.name} ({number(one.mean(metric))})" for one in behind])
        verb = "is" if len(behind) == 1 else "are"
        return (
            f"{focal.name} does not win: {theirs} {verb} significantly better in "
            f"{metric} than its {own}."
        )
    if ahead and not even:
        all_of = len(ahead) == len(contest.others)
        whom = f"each of the {len(ahead)} others" if all_of and len(ahead) > 1 else names(ahead)
        return f"{focal.name} wins: {metric} {own}, significantly better than {whom}."
    if ahead:
        return (
            f"{focal.name} is significantly better in {metric} ({own}) than "
            f"{names(ahead)}, but not than {names(even)}."
        )
    if even:
        return f"{focal.name} ({metric} {own}) and {names(even)} cannot be told apart."
    rank = 1 + sum(_higher(one, focal, metric) for one in contest.others)
    place = "the best" if rank == 1 else f"place {rank} of {len(contest.entries)} by"
    return (
        f"{focal.name} has {place} mean {metric}, {own}; no test says whether that is "
        "more than chance."
    )


def _by_bucket(contest: Contest, focal: Entry) -> list[str]:
    """One sentence on lengths of history."""
    metric = contest.metric
    found: dict[str, list[str]] = {}
    for bucket in contest.buckets():
        own = focal.in_bucket(bucket, metric)
        if own is None or own.mean is None:
            continue

        def test(one: Entry, bucket: str = bucket) -> Test | None:
            return contest.bucket_tests.get((bucket, one.name))

        ahead, behind, even, untested = _sides(contest, test)
        if behind:
            said = f"significantly behind {names(behind)}"
        elif ahead and not even and not untested:
            said = "significantly ahead of every other"
        elif ahead:
            said = f"ahead, but not significantly of {names([*even, *untested])},"
        elif even:
            said = "no significant difference"
        else:
            best = all(_mean(one.in_bucket(bucket, metric)) <= own.mean for one in contest.others)
            said = "the best mean, untested," if best else "not the best mean, untested,"
        found.setdefault(said, []).append(bucket.replace("-", "–"))
    parts = [f"{said} at {names(at)} events" for said, at in found.items()]
    return [f"By length of history: {'; '.join(parts)}."] if parts else []


def _other_accuracy(contest: Contest, focal: Entry) -> list[str]:
    """One sentence on the other metrics of accuracy in which another is significantly better."""
    parts = []
    for label in contest.accuracy()[1:]:
        tests = [(one, contest.tests.get((label, one.name))) for one in contest.others]
        better = [one for one, test in tests if test is not None and test.outcome(label) < 0]
        if better:
            theirs = names([f"{one.name} {number(one.mean(label))}" for one in better])
            parts.append(f"{label} ({theirs} against {number(focal.mean(label))})")
    said = f"Significantly better than {focal.name} by another metric of accuracy"
    return [f"{said}: {'; '.join(parts)}."] if parts else []


def _beyond_accuracy(contest: Contest, focal: Entry) -> list[str]:
    """One sentence on where another goes further than the focal system."""
    parts = []
    for what, name in BEYOND:
        label = contest.beyond(name)
        own = None if label is None else focal.mean(label)
        if label is None or own is None:
            continue
        best = max(contest.others, key=lambda one: _or_low(one.mean(label)))
        theirs = best.mean(label)
        if theirs is None or theirs <= own:
            continue
        test = contest.tests.get((label, best.name))
        sure = (
            ", untested" if test is None else "" if test.outcome(label) < 0 else ", within chance"
        )
        parts.append(f"{what.lower()} ({best.name} {number(theirs)} against {number(own)}{sure})")
    return [f"Others go further in {names(parts)}."] if parts else []


def _caveats(contest: Contest) -> list[str]:
    """Who is not in the numbers, and whether they are of enough users."""
    users = contest.split.users
    said = (
        [f"Only {users:,} users were asked, too few to tell small differences."]
        if users < _FEW
        else []
    )
    said += [
        f"{one.name} {'failed' if one.result.state == 'failed' else 'was skipped'}"
        f"{': ' + one.result.why.rstrip('.') if one.result.why else ''}."
        for one in contest.absent
    ]
    for one in contest.entries:
        if one.result.failed_users:
            said.append(
                f"{one.name} gave nothing for {one.result.failed_users:,} users, who "
                "count as misses."
            )
        if one.result.why:
            said.append(f"{one.name}: {one.result.why}.")
    return said


def _sides(
    contest: Contest, test_of: Callable[[Entry], Test | None]
) -> tuple[list[Entry], list[Entry], list[Entry], list[Entry]]:
    """The others that the focal system is ahead of, behind, not told apart from, and not tested
    against.
    """
    sides: tuple[list[Entry], list[Entry], list[Entry], list[Entry]] = ([], [], [], [])
    for one in contest.others:
        test = test_of(one)
        at = 3 if test is None else {1: 0, -1: 1, 0: 2}[test.outcome(contest.metric)]
        sides[at].append(one)
    return sides


def _higher(one: Entry, other: Entry, metric: str) -> bool:
    return _or_low(one.mean(metric)) * (direction(metric) or 1) > _or_low(other.mean(metric)) * (
        direction(metric) or 1
    )


def _or_low(mean: float | None) -> float:
    return -np.inf if mean is None else mean


def _mean(cell: Metric | None) -> float:
    return _or_low(None if cell is None else cell.mean)


def _have(entries: Sequence[Entry]) -> str:
    return "has" if len(entries) == 1 else "have"


def _with_interval(entry: Entry, metric: str) -> str:
    found = entry.result.metrics[metric]
    span = "" if found.ci95 is None else f" ({number(found.ci95[0])} to {number(found.ci95[1])})"
    return f"{metric} {number(found.mean)}{span}"


def names(some: Sequence[Entry] | Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = [one if isinstance(one, str) else one.name for one in some]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def number(value: float | None) -> str:
    """Four decimals below 1, two below 100, none above; a dash where undefined."""
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(value)
    text = f"{value:.4f}" if size < 1 else f"{value:.2f}" if size < 100 else f"{value:,.0f}"
    return text.lstrip("-") if not text.strip("-0.") else text
