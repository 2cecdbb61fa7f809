"""Drawing evaluations: systems side by side, comparisons of two runs, and reports."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from limner.cli.show.layout import Wide, bullets, card, plain_table, words
from limner.cli.text import counted
from limner.core.metrics import BUCKETS
from limner.evals.records import Evaluation, Metric, SystemResult, apart

if TYPE_CHECKING:
    from limner.evals.compare import MetricComparison, RunComparison
    from limner.evals.report import Written


def evaluation(report: Evaluation) -> RenderableType:
    """A table of systems by metrics, then the first metric by length of history. All metrics have
    intervals if there is room, otherwise only the first.

    ↓ marks a value significantly below that of the tested system, ↑ one above (Holm, 5%). Metrics
    that do not fit into the width go into further tables below.
    """
    return Wide(lambda width: _evaluation(report, width))


def _evaluation(report: Evaluation, width: int) -> RenderableType:
    systems = [system for system in report.systems if system.state == "ok"]
    names = [system.name for system in systems]
    labels = list(dict.fromkeys(label for one in report.systems for label in one.metrics))
    room = width - 6 - max(cell_len(name) for name in ("system", *names))
    columns = _metric_columns(report, systems, labels, spans=labels)
    if len(_fitting(columns, room)) > 1:
        columns = _metric_columns(report, systems, labels, spans=labels[:1])
    parts: list[RenderableType] = _tables(names, columns, room)
    by_bucket = _by_bucket(systems)
    if len(by_bucket) > 1:
        parts.append(words(f"{labels[0]} by length of history, and of how many users", "bold"))
        parts += _tables(names, by_bucket, room)
    if report.comparisons:
        tested = report.comparisons[0].system
        legend = f"↓ significantly below {tested}, ↑ above (paired test, Holm's correction, 5%)"
        parts.append(words(legend, "dim"))
    if troubles := [*_troubles(report)]:
        parts.append(bullets(troubles))
    return card(Group(*parts), words(_evaluation_title(report)))


def _metric_columns(
    report: Evaluation,
    systems: Sequence[SystemResult],
    labels: Sequence[str],
    spans: Collection[str],
) -> dict[str, list[str]]:
    """The cells of each metric, one a system; metrics in `spans` show their intervals."""
    marks = {
        (test.baseline, test.metric): "↓" if test.difference > 0 else "↑"
        for test in report.comparisons
        if test.p_holm < 0.05
    }
    users = report.split.users
    return {
        label: [
            _mean(one.metrics[label], marks.get((one.name, label), ""), label in spans, users)
            for one in systems
        ]
        for label in labels
    }


def _troubles(report: Evaluation) -> Iterator[str]:
    """Warnings about the numbers: systems that did not run or missed users, and sampled
    candidates.
    """
    for system in report.systems:
        if system.state != "ok":
            yield f"{system.name} {system.state}: {system.why}"
    for system in report.systems:
        missed = counted(system.failed_users, "user")
        troubles = [
            f"gave nothing for {missed}, who count as misses" if system.failed_users else "",
            system.why.text if system.why else "",
        ]
        if system.state == "ok" and any(troubles):
            yield f"{system.name} {'; '.join(trouble for trouble in troubles if trouble)}."
    if (candidates := report.split.candidates) != "all":
        yield f"Ranked among {candidates} candidates a user, which inflates every number."


def _evaluation_title(report: Evaluation) -> str:
    split = report.split
    protocol = apart(split.candidates, report.style)
    users, test_set = f"{split.users:,} users", f"test set {split.hash}"
    return " · ".join([report.dataset, split.name, *protocol, users, test_set])


def _by_bucket(rows: Sequence[SystemResult]) -> dict[str, list[str]]:
    """The first metric by length of history: for each length that has users, one cell a system."""
    columns: dict[str, list[str]] = {}
    for name, *_ in BUCKETS:
        found = [next(iter(one.buckets.get(name, {}).values()), None) for one in rows]
        n = max((cell.n for cell in found if cell is not None), default=0)
        if n:
            cells = ["-" if cell is None else _mean(cell, "", False, n) for cell in found]
            columns[f"{name} events ({n:,})"] = cells
    return columns


def _tables(
    names: Sequence[str], columns: Mapping[str, Sequence[str]], room: int
) -> list[RenderableType]:
    """Tables with one row a system; columns that do not fit into the width go into further tables
    below.
    """
    tables: list[RenderableType] = []
    for some in _fitting(columns, room):
        table = plain_table("system", *some, right=some)
        for at, name in enumerate(names):
            table.add_row(words(name), *(columns[label][at] for label in some))
        tables.append(table)
    return tables


def _fitting(columns: Mapping[str, Sequence[str]], width: int) -> list[list[str]]:
    """The columns' names in as many groups as needed for each to fit a width, at least one a
    group.
    """
    groups: list[list[str]] = [[]]
    left = width
    for name, cells in columns.items():
        size = max(cell_len(one) for one in (name, *cells)) + 3
        if groups[-1] and size > left:
            groups.append([])
            left = width
        groups[-1].append(name)
        left -= size
    return groups


def _mean(metric: Metric, mark: str, whole: bool, asked: int) -> str:
    """A mean to four digits, of large figures fewer, then its mark; with the interval where
    `whole`, and with the users that it is over where they are not those `asked`.
    """

    def number(value: float) -> str:
        # A bootstrap bound of 0 may come out as -1e-10 in records of older versions.
        return f"{round(value, 4) + 0.0:.4f}" if abs(value) < 10 else f"{value:,.1f}"

    n = "" if metric.n == asked else f" n={metric.n:,}"
    if metric.mean is None:
        return f"-{n}"
    interval = (
        f" [{number(metric.ci95[0])}, {number(metric.ci95[1])}]" if whole and metric.ci95 else ""
    )
    return f"{number(metric.mean)}{interval}{n}{mark or ' '}"


_VERDICTS = {
    "A better": ("A", "yellow"),
    "B better": ("B", "green"),
    "no difference": ("even", "dim"),
    "untested": ("-", "dim"),
}


def run_comparison(comparison: "RunComparison") -> RenderableType:
    """A table with one row a metric: A, B, their difference, and which is significantly better.
    Rows for each length of history follow, if they were compared.
    """
    numbers = ("A", "B", "B - A", "95% interval", "Holm p")
    table = plain_table("metric", *numbers, "better", right=numbers)
    table.padding = (0, 1, 0, 0)
    for column in table.columns[1:]:
        column.no_wrap = True
    pairs = list(dict.fromkeys((line.a, line.b) for line in comparison.lines))
    for a, b in pairs:
        if len(pairs) > 1:
            table.add_row(words(a, "bold"))
        for line in comparison.lines:
            if (line.a, line.b) == (a, b):
                _add_comparison(table, line, comparison.buckets)
    alone = [" against ".join(dict.fromkeys(pair)) for pair in pairs if len(pairs) == 1]
    protocol = apart(comparison.candidates, comparison.style)
    title = " · ".join([comparison.dataset, comparison.split, *protocol, comparison.hash, *alone])
    return card(table, words(title), words(f"A {comparison.a} · B {comparison.b}"), padding=(0, 1))


def _add_comparison(
    table: Table, line: "MetricComparison", buckets: "Sequence[MetricComparison]"
) -> None:
    table.add_row(words(line.metric), *_compared(line))
    for inside in buckets:
        if (inside.a, inside.b, inside.metric) == (line.a, line.b, line.metric):
            name = Text.assemble("  ", words(f"{inside.bucket}, n={inside.n:,}", "dim"))
            table.add_row(name, *_compared(inside))


def _compared(line: "MetricComparison") -> list[RenderableType]:
    """The cells of a line behind its name."""
    span = (
        "" if line.ci95 is None else f"{_decimal(line.ci95[0], '+')} {_decimal(line.ci95[1], '+')}"
    )
    numbers = [
        _decimal(line.mean_a),
        _decimal(line.mean_b),
        _decimal(line.difference, "+"),
        span,
        _decimal(line.p_holm),
    ]
    return [*numbers, Text(*_VERDICTS.get(line.verdict, (line.verdict, "dim")))]


def _decimal(number: float | None, sign: str = "") -> str:
    """A number with four decimals if below 1, two if below 100, none otherwise; "-" for None."""
    if number is None:
        return "-"
    size = abs(number)
    return f"{number:{sign}.{4 if size < 1 else 2 if size < 100 else 0}f}"


def written(report: "Written") -> RenderableType:
    """The headline of each data set, and where the page lies."""
    parts: list[RenderableType] = []
    for one in report.findings:
        name = " · ".join([one.dataset, one.split, *apart(one.candidates, one.style)])
        parts += [
            words(name, "bold"),
            Padding(words(" ".join([one.headline, *one.more])), (0, 0, 1, 2)),
        ]
    return Group(*parts, words(report.file))
