"""`limner eval report`: runs as one HTML page that needs nothing beside itself. Needs the extra
`evals`.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from limner.core.errors import LimnerError
from limner.core.messages import Message
from limner.evals.compare import ALPHA, direction
from limner.evals.contest import BEYOND, Contest, Entry, Test, contests, headline, number
from limner.evals.metrics import Style
from limner.evals.plots import Plot, plots, portrait_plots
from limner.evals.portraits import PortraitMap
from limner.evals.records import Metric, StrictRecord, apart
from limner.evals.report_studies import StudySection, study_section
from limner.evals.runs import SavedRun
from limner.evals.studies import StudyRecord
from limner.evals.view import Cell, TestRow, ViewRow, ViewTable, Whisker

_FIRST = 2
"""Metrics of accuracy on the first page; all stand further down."""
_PACKAGES = ("limner", "numpy", "scipy", "scikit-learn", "lightgbm", "pyarrow", "matplotlib")
_WHAT = {
    "list": "Accuracy",
    "scores": "Accuracy",
    "items": "Beyond accuracy",
    "ratings": "Ratings",
    "probabilities": "Probabilities",
}


class Finding(StrictRecord):
    """The report's part on one data set and split."""

    dataset: str
    split: str
    hash: str
    candidates: str = "all"
    style: Style = "ours"
    headline: str
    more: list[str]


class Written(StrictRecord):
    """A report that was written."""

    file: str
    findings: list[Finding]
    notes: list[Message]


# ---------------------------------------------------------------- what the template sees


@dataclass(frozen=True)
class ReportSection:
    """One data set and split."""

    id: str
    contest: Contest
    lead: str
    more: Sequence[str]
    facts: Sequence[tuple[str, str]]
    apart: Sequence[str]
    """Labels for numbers of another protocol; empty for our metrics over all items."""
    sampled: bool
    first: ViewTable
    unmeasured: Sequence[str]
    buckets: Sequence[ViewTable]
    every: Sequence[ViewTable]
    plots: Sequence[Plot]
    tests: Sequence[TestRow]
    """(metric, name of the other system, test, verdict in words)."""
    settings: Sequence[tuple[Entry, str]]
    notes: Sequence[str]


@dataclass(frozen=True)
class ReportPage:
    title: str
    made: str
    alpha: str
    sections: Sequence[ReportSection]
    portraits: Sequence[Plot] = ()
    portrait_note: str = ""
    studies: Sequence[StudySection] = ()
    runs: Sequence[SavedRun] = ()
    environment: Sequence[tuple[str, str]] = field(default_factory=list)


# ---------------------------------------------------------------- the page


def report(
    runs: Iterable[SavedRun],
    out: Path,
    portraits: PortraitMap | None = None,
    title: str = "Limner evaluation",
    studies: Sequence[StudyRecord] = (),
) -> Written:
    """Write the page to `out`. Raises LimnerError where the extra `evals` is not installed."""
    given = list(runs)
    found = contests(given)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(render(page(found, given, portraits, title, studies)), encoding="utf-8")
    findings = []
    for contest in found:
        summary = headline(contest)
        findings.append(
            Finding(
                dataset=contest.dataset,
                split=contest.split.name,
                hash=contest.split.hash,
                candidates=contest.split.candidates,
                style=contest.style,
                headline=summary.lead,
                more=[*summary.more],
            )
        )
    for record in _in_order(studies):
        section = study_section(record, "")
        findings.append(
            Finding(
                dataset=record.dataset,
                split=f"{record.split.name}, {record.study}",
                hash=record.split.hash,
                headline=section.lead,
                more=[],
            )
        )
    return Written(
        file=str(out),
        findings=findings,
        notes=[portraits.note] if portraits and portraits.note else [],
    )


def page(
    compared: Sequence[Contest],
    runs: Sequence[SavedRun],
    portraits: PortraitMap | None,
    title: str = "Limner evaluation",
    studies: Sequence[StudyRecord] = (),
) -> ReportPage:
    """Everything that the template shows, in its order."""
    try:
        sections = [_section(one, f"part{at}") for at, one in enumerate(compared)]
        maps = portrait_plots(portraits, "map") if portraits else []
    except ImportError as error:
        raise _missing(error) from error
    return ReportPage(
        title,
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{ALPHA:.0%}",
        sections,
        maps,
        portraits.note.text if portraits and portraits.note else "",
        [study_section(one, f"study{at}") for at, one in enumerate(_in_order(studies))],
        runs,
        _environment(),
    )


def render(shown: ReportPage) -> str:
    """The page as HTML; all text of the data is escaped. Raises LimnerError without the extra
    `evals`.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise _missing(error) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"drawn": Markup, "number": number, "seconds": _seconds}
    source = files("limner.evals").joinpath("templates", "report.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(page=shown)


def _in_order(studies: Sequence[StudyRecord]) -> list[StudyRecord]:
    """Data set by data set, portraits first."""
    return sorted(
        studies,
        key=lambda one: (
            one.dataset,
            one.split.name,
            ("portraits", "reasons", "chat").index(one.study),
        ),
    )


def _missing(error: ImportError) -> LimnerError:
    return LimnerError("report.needs_extra", error=error)


def _section(contest: Contest, name: str) -> ReportSection:
    summary = headline(contest)
    split = contest.split
    facts = [
        ("users asked", f"{split.users:,}"),
        ("items ranked", f"{split.items:,}"),
        ("events to learn from", f"{split.train_events:,}"),
        ("events to find", f"{split.test_events:,}"),
        ("test set", split.hash),
    ]
    first, unmeasured = _first(contest)
    return ReportSection(
        id=name,
        contest=contest,
        lead=summary.lead,
        more=summary.more,
        facts=facts,
        apart=apart(split.candidates, contest.style),
        sampled=split.candidates != "all",
        first=first,
        unmeasured=unmeasured,
        buckets=_bucket_tables(contest),
        every=_every(contest),
        plots=plots(contest, name),
        tests=_test_rows(contest),
        settings=[
            (one, ", ".join(f"{key} {value}" for key, value in one.result.settings.items()))
            for one in contest.entries
        ],
        notes=list(
            dict.fromkeys(note.text for run in contest.runs for note in run.evaluation.notes)
        ),
    )


# ---------------------------------------------------------------- tables


def _first(contest: Contest) -> tuple[ViewTable, list[str]]:
    """Accuracy, coverage, novelty and diversity, and which of them nobody measured."""
    accuracy = contest.accuracy()[:_FIRST]
    spans, columns, unmeasured = [], list(accuracy), []
    if accuracy:
        spans.append(("Accuracy", len(accuracy)))
    for what, name in BEYOND:
        label = contest.beyond(name)
        if label is None:
            unmeasured.append(what.lower())
        else:
            spans.append((what, 1))
            columns.append(label)
    return _table(contest, "Systems, best first", columns, spans), unmeasured


def _every(contest: Contest) -> list[ViewTable]:
    """All metrics, by what they measure."""
    grouped: dict[str, list[str]] = {}
    for label in contest.metrics:
        grouped.setdefault(_group(label), []).append(label)
    return [_table(contest, what, labels, []) for what, labels in grouped.items()]


def _group(label: str) -> str:
    from limner.evals.metrics import METRICS

    known = METRICS.get(label.partition("@")[0])
    return "Others" if known is None else _WHAT[known.needs]


def _table(
    contest: Contest, caption: str, labels: Sequence[str], spans: Sequence[tuple[str, int]]
) -> ViewTable:
    columns = [
        _column(
            contest,
            label,
            {one.name: one.result.metrics.get(label) for one in contest.entries},
            {
                one.name: test
                for one in contest.others
                if (test := contest.tests.get((label, one.name)))
            },
        )
        for label in labels
    ]
    heads = [(label, _under(contest, label)) for label in labels]
    return ViewTable(caption, spans, heads, _rows(contest, columns))


def _under(contest: Contest, label: str) -> str:
    """What stands below a metric's name: which way it goes, and of how many users it is where that
    is not everyone.
    """
    found = [one.result.metrics[label] for one in contest.entries if label in one.result.metrics]
    counts = {one.n for one in found if one.mean is not None and one.ci95 is not None} - {
        contest.split.users
    }
    said = [] if direction(label) >= 0 else ["less is better"]
    if counts:
        said.append(f"of {' or '.join(f'{one:,}' for one in sorted(counts))} users")
    return ", ".join(said)


def _bucket_tables(contest: Contest) -> list[ViewTable]:
    """Systems by length of history, for each metric that has a value a user; the headline's
    first.
    """
    buckets = contest.buckets()
    measured = [
        label
        for label in contest.metrics
        if any(
            one.in_bucket(bucket, label) is not None
            for one in contest.entries
            for bucket in buckets
        )
    ]
    tables = []
    for label in sorted(measured, key=lambda one: one != contest.metric):
        columns = [_bucket_column(contest, bucket, label) for bucket in buckets]
        heads = [
            (f"{bucket.replace('-', '–')} events", f"{_users(contest, bucket, label):,} users")
            for bucket in buckets
        ]
        tables.append(
            ViewTable(f"{label} by length of history", [], heads, _rows(contest, columns))
        )
    return tables


def _bucket_column(contest: Contest, bucket: str, label: str) -> dict[str, Cell]:
    tests = contest.bucket_tests if label == contest.metric else {}
    metrics = {one.name: one.in_bucket(bucket, label) for one in contest.entries}
    tested = {name: test for (inside, name), test in tests.items() if inside == bucket}
    return _column(contest, label, metrics, tested)


def _users(contest: Contest, bucket: str, label: str) -> int:
    return max(
        (cell.n for one in contest.entries if (cell := one.in_bucket(bucket, label)) is not None),
        default=0,
    )


def _column(
    contest: Contest, label: str, metrics: Mapping[str, Metric | None], tests: Mapping[str, Test]
) -> dict[str, Cell]:
    """The cells of one metric, by system."""
    known = [metric for metric in metrics.values() if metric]
    best = _best([metric.mean for metric in known if metric.mean is not None], label)
    ends = [end for metric in known for end in metric.ci95 or ()]
    span = (min(ends), max(ends)) if ends else (0.0, 0.0)
    return {
        name: Cell("–")
        if metric is None or metric.mean is None
        else _cell(metric, _mark(tests.get(name), label), best, span)
        for name, metric in metrics.items()
    }


def _best(means: Sequence[float], label: str) -> float | None:
    """The best of several means; None of a single one, or where neither more nor less is better."""
    way = direction(label)
    return (max if way > 0 else min)(means) if len(means) > 1 and way else None


def _cell(metric: Metric, mark: str, best: float | None, span: tuple[float, float]) -> Cell:
    return Cell(
        number(metric.mean),
        "" if metric.ci95 is None else f"{number(metric.ci95[0])}–{number(metric.ci95[1])}",
        mark,
        metric.mean == best,
        _whisker(metric, span),
    )


def _mark(test: Test | None, label: str) -> str:
    """The mark of a significant difference from the focal system; else empty."""
    return "" if test is None or not test.p_holm <= ALPHA else _MARKS[test.outcome(label)]


_MARKS = {1: "worse", -1: "better", 0: "differs"}
"""How the other system does beside the focal one, by the focal system's outcome."""


def _whisker(cell: Metric, span: tuple[float, float]) -> Whisker | None:
    """The place of an interval between the least and greatest end of its column, in percent."""
    if cell.mean is None or cell.ci95 is None or span[0] == span[1]:
        return None
    low, high = cell.ci95
    return Whisker(
        *(round(100 * (one - span[0]) / (span[1] - span[0]), 1) for one in (low, cell.mean, high))
    )


def _rows(contest: Contest, columns: Sequence[Mapping[str, Cell]]) -> list[ViewRow]:
    rows = []
    for one in contest.entries:
        missed = one.result.failed_users
        note = f"nothing for {missed:,} users" if missed else ""
        rows.append(
            ViewRow(one.name, one is contest.focal, [column[one.name] for column in columns], note)
        )
    return rows


def _test_rows(contest: Contest) -> list[TestRow]:
    if contest.focal is None:
        return []
    rows = []
    for (metric, other), test in contest.tests.items():
        outcome = test.outcome(metric)
        sure = test.p_holm <= ALPHA
        sentence = (
            contest.focal.name
            if outcome > 0
            else other
            if outcome < 0
            else "differs"
            if sure
            else "no difference"
        )
        rows.append(
            TestRow(
                metric,
                other,
                test.difference,
                test.low,
                test.high,
                test.p,
                test.p_holm,
                test.n,
                sentence,
            )
        )
    return rows


# ---------------------------------------------------------------- the end


def _environment() -> list[tuple[str, str]]:
    """(name, value) of the versions and the machine of the process that makes the report."""
    out = [
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}"),
    ]
    for name in _PACKAGES:
        try:
            out.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return out


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"
