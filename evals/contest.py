"""The systems of one split side by side: which are tested against which, and the conclusions."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
"""Qualities on the first page besides accuracy: the name shown, and the metric."""
_FEW = 100
"""With fewer users than this a reader is warned."""
_BUCKET_ROUNDS = 2000
"""Sign flips of a test inside a bucket: fewer than elsewhere, since there are many buckets with
few users.
"""


@dataclass(frozen=True)
class Entry:
    """One system of the contest."""

    name: str
    """The system's name, with that of its run where several runs have such a system."""
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
    """The library whose definition of accuracy metrics its numbers follow."""
    runs: Sequence[SavedRun]
    entries: Sequence[Entry]
    absent: Sequence[Entry]
    """Failed or skipped."""
    metric: str
    """For the headline: of accuracy, or else an error of predictions; empty where none was
    measured.
    """
    focal: Entry | None
    """The system that all others are tested against: the one that the records test, else Limner,
    else the best.
    """
    tests: Mapping[tuple[str, str], Test]
    """Tests of the focal system against each other one, by metric and the other's name."""
    bucket_tests: Mapping[tuple[str, str], Test]
    """Tests by `metric` inside a bucket of history length, by bucket and the other's name."""

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
    labels = _labels(runs)
    entries = [
        Entry(labels[at, result.name], result, run.per_user.get(result.name))
        for at, run in enumerate(runs)
        for result in run.evaluation.systems
    ]
    ran = [entry for entry in entries if entry.result.state == "ok"]
    metric = _headline_metric(name for entry in ran for name in entry.result.metrics)
    ran.sort(key=lambda entry: _place(entry, metric))
    tested = {
        labels[at, comparison.system]
        for at, run in enumerate(runs)
        for comparison in run.evaluation.comparisons
        if (at, comparison.system) in labels
    }
    focal = _focal(ran, tested)
    first = runs[0].evaluation
    contest = Contest(
        first.dataset,
        first.split,
        first.style,
        runs,
        ran,
        [entry for entry in entries if entry.result.state != "ok"],
        metric,
        focal,
        {},
        {},
    )
    if focal is None:
        return contest
    return replace(
        contest,
        tests=_tests(contest, focal, _recorded(runs, labels)),
        bucket_tests=_bucket_tests(contest, focal),
    )


def _labels(runs: Sequence[SavedRun]) -> dict[tuple[int, str], str]:
    """A name for each system, by the run's position and its own name; with the name of the run
    where several runs have such a system.
    """
    counts = Counter(result.name for run in runs for result in run.evaluation.systems)
    return {
        (at, result.name): result.name
        if counts[result.name] == 1
        else f"{result.name} ({run.name})"
        for at, run in enumerate(runs)
        for result in run.evaluation.systems
    }


def _place(entry: Entry, metric: str) -> float:
    """Sorts the best first, and last what has no mean."""
    mean = entry.mean(metric)
    return np.inf if mean is None else -mean * (direction(metric) or 1)


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
    """The tests that the records hold, by metric, system and baseline, each in both directions."""
    out: dict[tuple[str, str, str], Test] = {}
    for at, run in enumerate(runs):
        for comparison in run.evaluation.comparisons:
            system, baseline = (
                named.get((at, comparison.system)),
                named.get((at, comparison.baseline)),
            )
            if system is None or baseline is None:
                continue
            low, high = comparison.ci95
            out[comparison.metric, system, baseline] = Test(
                comparison.difference, low, high, comparison.p, comparison.p_holm, comparison.n
            )
            out.setdefault(
                (comparison.metric, baseline, system),
                Test(
                    -comparison.difference,
                    -high,
                    -low,
                    comparison.p,
                    comparison.p_holm,
                    comparison.n,
                ),
            )
    return out


def _tests(
    contest: Contest, focal: Entry, recorded: Mapping[tuple[str, str, str], Test]
) -> dict[tuple[str, str], Test]:
    """Tests of the focal system against every other, by metric and the other's name: those of the
    records, and where they lack one, a test of the values by user.
    """
    out: dict[tuple[str, str], Test] = {}
    for metric in contest.metrics:
        tests = {
            one.name: recorded[metric, focal.name, one.name]
            for one in contest.others
            if (metric, focal.name, one.name) in recorded
        }
        fresh = {
            one.name: test
            for one in contest.others
            if one.name not in tests and (test := _test(focal, one, metric)) is not None
        }
        tests |= fresh
        if fresh:
            tests = _corrected(tests)
        out.update({(metric, name): test for name, test in tests.items()})
    return out


def _bucket_tests(contest: Contest, focal: Entry) -> dict[tuple[str, str], Test]:
    if is_pooled(contest.metric):
        return {}
    tests = {
        (bucket, one.name): test
        for bucket in contest.buckets()
        for one in contest.others
        if (test := _test(focal, one, contest.metric, bucket, _BUCKET_ROUNDS)) is not None
    }
    return _corrected(tests)


def _test(
    focal: Entry, other: Entry, metric: str, bucket: str = "", rounds: int = 10_000
) -> Test | None:
    """A test of two systems' values by user, p not yet corrected; None without such values."""
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
    """A summary in sentences that claims only what the tests show."""

    lead: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sides:
    """The other systems, grouped by the tests' result for the focal one."""

    ahead: list[Entry] = field(default_factory=list)
    """Systems that the focal one is significantly better than."""
    behind: list[Entry] = field(default_factory=list)
    even: list[Entry] = field(default_factory=list)
    """No significant difference."""
    untested: list[Entry] = field(default_factory=list)


def headline(contest: Contest) -> Headline:
    """The summary of a contest: which system wins, and where it does not."""
    focal, metric = contest.focal, contest.metric
    caveats = _caveats(contest)
    if focal is None:
        return Headline("No system ran to its end.", tuple(caveats))
    if not metric:
        return Headline(f"No metric of accuracy was measured for {focal.name}.", tuple(caveats))
    if not contest.others:
        return Headline(
            f"{focal.name} reaches {_with_interval(focal, metric)}; nothing stands beside it.",
            tuple(caveats),
        )
    sides = _sides(contest, lambda entry: contest.tests.get((metric, entry.name)))
    more = [
        *_besides(focal, metric, sides),
        *_without_ours(contest, focal),
        *_other_accuracy(contest, focal),
        *_by_bucket(contest, focal),
        *_beyond_accuracy(contest, focal),
        *caveats,
    ]
    return Headline(_lead(contest, focal, sides), tuple(more))


def _besides(focal: Entry, metric: str, sides: Sides) -> list[str]:
    """Sentences on the systems that the lead does not speak of."""
    sentences = []
    if sides.behind and sides.ahead:
        sentences.append(f"It is significantly better than {names(sides.ahead)}.")
    if sides.behind and sides.even:
        sentences.append(f"No significant difference from {names(sides.even)}.")
    decided = sides.ahead or sides.behind
    above = [entry for entry in sides.even if _higher(entry, focal, metric)]
    if above and decided:
        sentences.append(f"{names(above)} {_have(above)} the better mean, within chance.")
    if sides.untested and (decided or sides.even):
        sentences.append(f"Against {names(sides.untested)} nothing was tested.")
    return sentences


def _without_ours(contest: Contest, focal: Entry) -> list[str]:
    if any(entry.result.name == OURS for entry in contest.entries):
        return []
    return [
        f"{OURS} is not among the systems; {focal.name} is held against the others for its mean."
    ]


def _lead(contest: Contest, focal: Entry, sides: Sides) -> str:
    metric, own = contest.metric, number(focal.mean(contest.metric))
    ahead, behind, even = sides.ahead, sides.behind, sides.even
    if behind:
        theirs = names([f"{entry.name} ({number(entry.mean(metric))})" for entry in behind])
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
    return _untested_lead(contest, focal, own)


def _untested_lead(contest: Contest, focal: Entry, own: str) -> str:
    rank = 1 + sum(_higher(entry, focal, contest.metric) for entry in contest.others)
    place = "the best" if rank == 1 else f"place {rank} of {len(contest.entries)} by"
    return (
        f"{focal.name} has {place} mean {contest.metric}, {own}; no test says whether that is "
        "more than chance."
    )


def _by_bucket(contest: Contest, focal: Entry) -> list[str]:
    """One sentence on lengths of history."""
    buckets_by_outcome: dict[str, list[str]] = {}
    for bucket in contest.buckets():
        outcome = _bucket_outcome(contest, focal, bucket)
        if outcome:
            buckets_by_outcome.setdefault(outcome, []).append(bucket.replace("-", "–"))
    parts = [
        f"{outcome} at {names(buckets)} events" for outcome, buckets in buckets_by_outcome.items()
    ]
    return [f"By length of history: {'; '.join(parts)}."] if parts else []


def _bucket_outcome(contest: Contest, focal: Entry, bucket: str) -> str:
    """How the focal system does among users of one length of history; empty where it has no mean
    there.
    """
    metric = contest.metric
    own = focal.in_bucket(bucket, metric)
    if own is None or own.mean is None:
        return ""
    sides = _sides(contest, lambda entry: contest.bucket_tests.get((bucket, entry.name)))
    if sides.behind:
        return f"significantly behind {names(sides.behind)}"
    rest = [*sides.even, *sides.untested]
    if sides.ahead:
        return (
            f"ahead, but not significantly of {names(rest)},"
            if rest
            else "significantly ahead of every other"
        )
    if sides.even:
        return "no significant difference"
    means = [_mean(entry.in_bucket(bucket, metric)) for entry in contest.others]
    best = all(mean <= own.mean for mean in means)
    return "the best mean, untested," if best else "not the best mean, untested,"


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
    parts = [_further(contest, focal, what, contest.beyond(name)) for what, name in BEYOND]
    further = [part for part in parts if part]
    return [f"Others go further in {names(further)}."] if further else []


def _further(contest: Contest, focal: Entry, what: str, label: str | None) -> str:
    """The system that goes furthest by a metric, and how far; empty if it is the focal one."""
    own = None if label is None else focal.mean(label)
    if label is None or own is None:
        return ""
    best = max(contest.others, key=lambda entry: _or_low(entry.mean(label)))
    theirs = best.mean(label)
    if theirs is None or theirs <= own:
        return ""
    test = contest.tests.get((label, best.name))
    sure = ", untested" if test is None else "" if test.outcome(label) < 0 else ", within chance"
    return f"{what.lower()} ({best.name} {number(theirs)} against {number(own)}{sure})"


def _caveats(contest: Contest) -> list[str]:
    """Sentences on systems that are missing from the numbers, and on too few users."""
    users = contest.split.users
    sentences = (
        [f"Only {users:,} users were asked, too few to tell small differences."]
        if users < _FEW
        else []
    )
    sentences += [
        f"{entry.name} {'failed' if entry.result.state == 'failed' else 'was skipped'}"
        f"{': ' + entry.result.why.text.rstrip('.') if entry.result.why else ''}."
        for entry in contest.absent
    ]
    for entry in contest.entries:
        if entry.result.failed_users:
            sentences.append(
                f"{entry.name} gave nothing for {entry.result.failed_users:,} users, who "
                "count as misses."
            )
        if entry.result.why:
            sentences.append(f"{entry.name}: {entry.result.why.text}.")
    return sentences


def _sides(contest: Contest, test_of: Callable[[Entry], Test | None]) -> Sides:
    sides = Sides()
    by_outcome = {1: sides.ahead, -1: sides.behind, 0: sides.even}
    for entry in contest.others:
        test = test_of(entry)
        side = sides.untested if test is None else by_outcome[test.outcome(contest.metric)]
        side.append(entry)
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
