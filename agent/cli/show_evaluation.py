"""Evaluations drawn for people: systems side by side, two runs held against each other, and what a
report says.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from limner.cli.show import Wide, bullets, card, plain_table, words
from limner.cli.text import counted
from limner.core.metrics import BUCKETS
from limner.evals.records import Evaluation, Metric, SystemResult, apart

if TYPE_CHECKING:
    from limner.evals.compare import MetricComparison, RunComparison
    from limner.evals.report import Written


def evaluation(report: Evaluation) -> RenderableType:
    """Systems by metrics, with intervals where there is room, else with that of the first alone;
    then the first metric by length of history.

    ↓ marks a value significantly below that of the system that was tested, ↑ one above (Holm, 5%).
    Metrics that do not fit beside each other stand in a table below.
    """
    return Wide(lambda width: _evaluation(report, width))


def _evaluation(report: Evaluation, width: int) -> RenderableType:
    marks = {
        (one.baseline, one.metric): "↓" if one.difference > 0 else "↑"
        for one in report.comparisons
        if one.p_holm < 0.05
    }
    labels = list(dict.fromkeys(label for one in report.systems for label in one.metrics))
    rows = [one for one in report.systems if one.state == "ok"]

    def drawn(spans: Collection[str]) -> dict[str, list[str]]:
        return {
            label: [
                _mean(
                    one.metrics[label],
                    marks.get((one.name, label), ""),
                    label in spans,
                    report.split.users,
                )
                for one in rows
            ]
            for label in labels
        }

    room = width - 6 - max(cell_len(one) for one in ("system", *(row.name for row in rows)))
    columns = drawn(labels)
    if len(_fitting(columns, room)) > 1:
        columns = drawn(labels[:1])
    parts: list[RenderableType] = _tables([one.name for one in rows], columns, room)
    inside = _by_bucket(rows)
    if len(inside) > 1:
        parts.append(words(f"{labels[0]} by length of history, and of how many users", "bold"))
        parts += _tables([one.name for one in rows], inside, room)
    tested = next((one.system for one in report.comparisons), "")
    if tested:
        parts.append(
            words(
                f"↓ significantly below {tested}, ↑ above (paired test, Holm's correction, 5%)",
                "dim",
            )
        )
    said = [f"{one.name} {one.state}: {one.why}" for one in report.systems if one.state != "ok"]
    for one in rows:
        missed = counted(one.failed_users, "user")
        troubles = [
            f"gave nothing for {missed}, who count as misses" if one.failed_users else "",
            one.why,
        ]
        if any(troubles):
            said.append(f"{one.name} {'; '.join(trouble for trouble in troubles if trouble)}.")
    split = report.split
    if split.candidates != "all":
        said.append(
            f"Ranked among {split.candidates} candidates a user, which inflates every number."
        )
    if said:
        parts.append(bullets(said))
    named = [
        report.dataset,
        split.name,
        *apart(split.candidates, report.style),
        f"{split.users:,} users",
    ]
    return card(Group(*parts), words(" · ".join([*named, f"test set {split.hash}"])))


def _by_bucket(rows: Sequence[SystemResult]) -> dict[str, list[str]]:
    """Of the first metric, the cells of each length of history that has a user."""
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
    """A row a system; columns that do not fit beside each other stand in a table below."""
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


def run_comparison(found: "RunComparison") -> RenderableType:
    """One line a metric: A, B, how far apart, and which is significantly better; of the first also
    by history.
    """
    numbers = ("A", "B", "B - A", "95% interval", "Holm p")
    table = plain_table("metric", *numbers, "better", right=numbers)
    table.padding = (0, 1, 0, 0)
    for column in table.columns[1:]:
        column.no_wrap = True
    better = {
        "A better": Text("A", "yellow"),
        "B better": Text("B", "green"),
        "no difference": Text("even", "dim"),
        "untested": Text("-", "dim"),
    }
    pairs = dict.fromkeys((line.a, line.b) for line in found.lines)
    for one, other in pairs:
        if len(pairs) > 1:
            table.add_row(words(one, "bold"))
        for line in [each for each in found.lines if (each.a, each.b) == (one, other)]:
            table.add_row(words(line.metric), *_compared(line, better))
            for inside in found.buckets:
                if (inside.a, inside.b, inside.metric) == (line.a, line.b, line.metric):
                    name = Text.assemble("  ", words(f"{inside.bucket}, n={inside.n:,}", "dim"))
                    table.add_row(name, *_compared(inside, better))
    alone = [" against ".join(dict.fromkeys(pair)) for pair in pairs if len(pairs) == 1]
    title = " · ".join(
        [found.dataset, found.split, *apart(found.candidates, found.style), found.hash, *alone]
    )
    return card(table, words(title), words(f"A {found.a} · B {found.b}"), padding=(0, 1))


def _compared(line: "MetricComparison", better: Mapping[str, Text]) -> list[RenderableType]:
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
    return [*numbers, better.get(line.verdict, Text(line.verdict, "dim"))]


def _decimal(number: float | None, sign: str = "") -> str:
    """Four decimals below 1, two below 100, else none."""
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
