"""Evaluations drawn for people: systems side by side, two runs held against each other, and what a report says."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.show import Wide, bullets, card, plain_table, words
from agent.cli.text import counted
from evals.records import Evaluation, Metric, apart

if TYPE_CHECKING:
    from evals.compare import RunComparison
    from evals.report import Written


def evaluation(report: Evaluation) -> RenderableType:
    """Systems by metrics; the first metric with its interval, the others as means, and where systems differ for sure.

    ↓ marks a value significantly below that of the system that was tested, ↑ one above (Holm, 5%). Metrics that do not
    fit beside each other stand in a table below.
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
    columns = {
        label: [_mean(one.metrics[label], marks.get((one.name, label), ""), whole=label == labels[0]) for one in rows]
        for label in labels
    }
    parts: list[RenderableType] = []
    for some in _fitting(columns, width - 6 - max(cell_len(one) for one in ("system", *(row.name for row in rows)))):
        table = plain_table("system", *some, right=some)
        for at, one in enumerate(rows):
            table.add_row(words(one.name), *(columns[label][at] for label in some))
        parts.append(table)
    tested = next((one.system for one in report.comparisons), "")
    if tested:
        parts.append(words(f"↓ significantly below {tested}, ↑ above (paired test, Holm's correction, 5%)", "dim"))
    said = [f"{one.name} {one.state}: {one.why}" for one in report.systems if one.state != "ok"]
    for one in rows:
        missed = counted(one.failed_users, "user")
        troubles = [f"gave nothing for {missed}, who count as misses" if one.failed_users else "", one.why]
        if any(troubles):
            said.append(f"{one.name} {'; '.join(trouble for trouble in troubles if trouble)}.")
    split = report.split
    if split.candidates != "all":
        said.append(f"Ranked among {split.candidates} candidates a user, which inflates every number.")
    if said:
        parts.append(bullets(said))
    named = [report.dataset, split.name, *apart(split.candidates, report.style), f"{split.users:,} users"]
    return card(Group(*parts), words(" · ".join([*named, f"test set {split.hash}"])))


def _fitting(columns: Mapping[str, Sequence[str]], width: int) -> list[list[str]]:
    """The columns' names in as many groups as needed for each to fit a width, at least one a group."""
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


def _mean(metric: Metric, mark: str, *, whole: bool) -> str:
    """A mean to four digits, of large figures fewer, then its mark; with the interval where `whole`."""

    def number(value: float) -> str:
        # A bootstrap bound of 0 may come out as -1e-10.
        return f"{round(value, 4) + 0.0:.4f}" if abs(value) < 10 else f"{value:,.1f}"

    if metric.mean is None:
        return "-"
    interval = f" [{number(metric.ci95[0])}, {number(metric.ci95[1])}]" if whole and metric.ci95 else ""
    return f"{number(metric.mean)}{interval}{mark or ' '}"


def run_comparison(found: "RunComparison") -> RenderableType:
    """One line a metric: A, B, how far apart, and which is significantly better."""
    numbers = ("A", "B", "B - A", "95% interval", "p (Holm)")
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
        for line in found.lines:
            if (line.a, line.b) == (one, other):
                span = "" if line.ci95 is None else f"{_decimal(line.ci95[0], '+')} {_decimal(line.ci95[1], '+')}"
                table.add_row(
                    words(line.metric), _decimal(line.mean_a), _decimal(line.mean_b), _decimal(line.difference, "+"),
                    span, _decimal(line.p_holm), better.get(line.verdict, Text(line.verdict, "dim")),
                )  # fmt: skip
    alone = [" against ".join(dict.fromkeys(pair)) for pair in pairs if len(pairs) == 1]
    title = " · ".join([found.dataset, found.split, *apart(found.candidates, found.style), found.hash, *alone])
    return card(table, words(title), words(f"A {found.a} · B {found.b}"))


def _decimal(number: float | None, sign: str = "") -> str:
    """Four decimals below 1, two below 100, else none."""
    if number is None:
        return "-"
    size = abs(number)
    return f"{number:{sign}.{4 if size < 1 else 2 if size < 100 else 0}f}"


def written(report: "Written") -> RenderableType:
    """The headline of each data set, and where the page lies."""
    grid = Table.grid(padding=(0, 2))
    for one in report.findings:
        name = " · ".join([one.dataset, one.split, *apart(one.candidates, one.style)])
        grid.add_row(words(name, "bold"), words(" ".join([one.headline, *one.more])))
    return Group(grid, Text(), words(report.file))
