"""The report's plots: matplotlib's SVG, made to stand in a page and to take its colours. Needs the
extra `evals`.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from limner.evals.contest import Contest, Entry
from limner.evals.portraits import PortraitMap, Projection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (5.0, 3.5)
"""Inches; the text is then readable at a phone's width and at half a desktop's."""
_MOST = 6
"""Systems in a plot by length of history; the table has all of them."""
_NAME = 24
INK, FAINT, LINE = "#0b0001", "#0b0002", "#0b0003"
SERIES = tuple(f"#0c000{at}" for at in range(1, 8))
"""Stand-ins that no data has: the page's style sheet says what they are, in the light and in the
dark.
"""
_VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    LINE: "line",
    **{one: f"s{at}" for at, one in enumerate(SERIES, 1)},
}
_MARKERS = "oDs^vPX"


@dataclass(frozen=True)
class Plot:
    """One figure of the page."""

    title: str
    caption: str
    alt: str
    svg: str
    """Safe to stand in HTML: matplotlib escapes what it writes, and ids are the plot's own."""


def plots(contest: Contest, prefix: str) -> list[Plot]:
    """The plots that the records have numbers for. `prefix` keeps the ids of one page apart."""
    with _look():
        drawn = [_against_coverage(contest), _by_bucket(contest), _against_cost(contest)]
    return [_named(one, f"{prefix}{at}") for at, one in enumerate(drawn) if one is not None]


def portrait_plots(found: PortraitMap, prefix: str) -> list[Plot]:
    """One map a projection."""
    with _look():
        return [
            _named(_map(found, one), f"{prefix}{at}") for at, one in enumerate(found.projections)
        ]


def _against_coverage(contest: Contest) -> Plot | None:
    label = contest.beyond("coverage")
    if label is None or not contest.metric:
        return None
    points = [
        (one, x, y)
        for one in contest.entries
        if (x := one.mean(label)) is not None and (y := _y(contest, one))
    ]
    if len(points) < 2:
        return None
    figure, axes = _figure()
    _scatter(contest, axes, points)
    axes.set_xlabel(f"{label}, a share of the catalogue")
    axes.set_ylabel(contest.metric)
    return Plot(
        "Accuracy against coverage",
        "Up is more accurate, right reaches more of the catalogue. Bars are 95% intervals.",
        (
            f"Scatter plot of {contest.metric} against {label}, one point a system; the "
            "first table has the numbers."
        ),
        _svg(figure),
    )


def _against_cost(contest: Contest) -> Plot | None:
    users = max(contest.split.users, 1)
    points = [
        (one, 1000 * one.result.rank_seconds / users, y)
        for one in contest.entries
        if one.result.rank_seconds > 0 and (y := _y(contest, one))
    ]
    if len(points) < 2:
        return None
    from matplotlib.ticker import LogLocator

    figure, axes = _figure()
    axes.set_xscale("log")
    costs = [x for _, x, _ in points]
    if max(costs) < 100 * min(costs):
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    _scatter(contest, axes, points)
    axes.set_xlabel("milliseconds a user, training apart (log scale)")
    axes.set_ylabel(contest.metric)
    return Plot(
        "Cost against quality",
        "Up is more accurate, left is faster. Training times stand with the settings.",
        f"Scatter plot of {contest.metric} against milliseconds a user, one point a system.",
        _svg(figure),
    )


def _bucket_points(contest: Contest, axes: "Axes", entry: Entry, shift: float) -> None:
    """One system's means with their intervals, a little beside the bucket's middle."""
    cells = [entry.in_bucket(bucket, contest.metric) for bucket in contest.buckets()]
    known = [(x, cell) for x, cell in enumerate(cells) if cell and cell.mean is not None]
    if not known:
        return
    means = np.array([cell.mean for _, cell in known], dtype=np.float64)
    spans = np.array([cell.ci95 or (cell.mean, cell.mean) for _, cell in known], dtype=np.float64)
    style = _style(contest, entry)
    axes.errorbar(
        [x + shift for x, _ in known],
        means,
        yerr=np.abs(spans.T - means),
        fmt=style.marker,
        color=style.colour,
        markersize=style.size,
        elinewidth=1.3,
        label=_short(entry.name),
    )


def _by_bucket(contest: Contest) -> Plot | None:
    buckets, metric = contest.buckets(), contest.metric
    if len(buckets) < 2 or not metric:
        return None
    shown = list(contest.entries[:_MOST])
    if contest.focal is not None and contest.focal not in shown:
        shown[-1] = contest.focal
    figure, axes = _figure()
    for at, entry in enumerate(shown):
        shift = (at - (len(shown) - 1) / 2) * 0.7 / len(shown)
        _bucket_points(contest, axes, entry, shift)
    axes.set_xticks(range(len(buckets)), [bucket.replace("-", "–") for bucket in buckets])
    axes.set_xlim(-0.6, len(buckets) - 0.4)
    axes.margins(y=0.1)
    axes.autoscale_view(scalex=False)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("events in a user's history")
    axes.set_ylabel(metric)
    figure.legend(
        loc="outside upper left", ncols=3, frameon=False, handletextpad=0.3, columnspacing=1.0
    )
    left = len(contest.entries) - len(shown)
    more = (
        f" {left} more {'system is' if left == 1 else 'systems are'} in the table." if left else ""
    )
    return Plot(
        f"{metric} by length of history",
        f"Bars are 95% intervals.{more}",
        (
            f"{metric} of each system by the events in a user's history, with intervals; the "
            "table has the numbers."
        ),
        _svg(figure),
    )


def _map(portraits: PortraitMap, projection: Projection) -> Plot:
    figure, axes = _figure()
    buckets = [
        one for one in dict.fromkeys(portraits.bucket_names) if one in set(portraits.buckets)
    ]
    for position, bucket in enumerate(buckets):
        rows = [row for row, one in enumerate(portraits.buckets) if one == bucket]
        axes.scatter(
            projection.places[rows, 0],
            projection.places[rows, 1],
            s=24,
            marker=_MARKERS[position % len(_MARKERS)],
            color=SERIES[position % len(SERIES)],
            alpha=0.75,
            linewidths=0,
            label=f"{bucket.replace('-', '–')} events",
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    figure.legend(
        loc="outside upper left", ncols=3, frameon=False, handletextpad=0.1, columnspacing=0.8
    )
    return Plot(
        f"Portraits by {projection.name}",
        projection.caption,
        (
            f"Map of {len(portraits.buckets)} portraits in two dimensions by {projection.name}, "
            "a point a user."
        ),
        _svg(figure),
    )


# ---------------------------------------------------------------- drawing


@dataclass(frozen=True)
class _Style:
    colour: str
    marker: str
    size: float


def _style(contest: Contest, one: Entry) -> _Style:
    """The focal system first and larger; the others in the order of the table."""
    if one is contest.focal:
        return _Style(SERIES[0], _MARKERS[0], 7.0)
    at = 1 + contest.others.index(one) % (len(SERIES) - 1)
    return _Style(SERIES[at], _MARKERS[at], 5.0)


def _y(contest: Contest, one: Entry) -> tuple[float, float, float] | None:
    """Mean and interval of the headline's metric."""
    found = one.result.metrics.get(contest.metric)
    if found is None or found.mean is None:
        return None
    low, high = found.ci95 or (found.mean, found.mean)
    return found.mean, low, high


def _scatter(
    contest: Contest,
    axes: "Axes",
    points: Sequence[tuple[Entry, float, tuple[float, float, float]]],
) -> None:
    """Points with their intervals, each named beside it."""
    for entry, x, (y, low, high) in points:
        style = _style(contest, entry)
        axes.errorbar(
            [x],
            [y],
            yerr=[[max(y - low, 0.0)], [max(high - y, 0.0)]],
            fmt=style.marker,
            color=style.colour,
            markersize=style.size,
            elinewidth=1.3,
        )
    axes.margins(x=0.12, y=0.12)
    axes.autoscale_view()
    axes.set_ylim(bottom=max(min(0.0, axes.get_ylim()[0]), -0.02 * axes.get_ylim()[1]))
    figure = axes.get_figure(root=True)
    if figure is not None:
        figure.draw_without_rendering()  # so that the layout is what it will be
    places = {
        entry.name: (
            axes.transData.transform((x, y)),
            axes.transData.transform((x, low)),
            axes.transData.transform((x, high)),
        )
        for entry, x, (y, low, high) in points
    }
    extent = axes.get_window_extent()
    frame = _Box(extent.x0, extent.y0, extent.x1, extent.y1)
    taken = [
        _Box(x - 6, min(y, low) - 6, x + 6, max(y, high) + 6)
        for (x, y), (_, low), (_, high) in places.values()
    ]
    for entry, x, (y, _, _) in points:
        name, (across, up) = _short(entry.name), places[entry.name][0]
        boxes = [(shift, _name_box(across, up, shift, len(name))) for shift in _PLACES]
        shift, box = min(
            boxes, key=lambda tried: sum(map(tried[1].over, taken)) + 1000 * tried[1].outside(frame)
        )
        taken.append(box)
        axes.annotate(
            name,
            (x, y),
            xytext=shift,
            textcoords="offset points",
            color=INK,
            va="center",
            ha="center" if not shift[0] else "left" if shift[0] > 0 else "right",
            fontweight="bold" if entry is contest.focal else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": FAINT,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 5,
            }
            if abs(shift[0]) > 10 or abs(shift[1]) > 16
            else None,
        )


_PLACES = [(10, 0), (-10, 0), (0, 16), (0, -16)] + [
    (across, up)
    for up in (14, -14, 28, -28, 42, -42, 56, -56, 70, -70)
    for across in (10, -10, 40, -40)
]
"""Offsets of a point's label, in points; the first free place is used."""


@dataclass(frozen=True)
class _Box:
    left: float
    low: float
    right: float
    high: float

    def over(self, other: "_Box") -> float:
        """The area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.high, other.high) - max(self.low, other.low)
        return max(across, 0.0) * max(up, 0.0)

    def outside(self, frame: "_Box") -> float:
        """How far it stands out on all sides, where the numbers of the axes are."""
        across = max(frame.left - self.left, 0.0) + max(self.right - frame.right, 0.0)
        return across + max(frame.low - self.low, 0.0) + max(self.high - frame.high, 0.0)


def _name_box(across: float, up: float, shift: tuple[int, int], letters: int) -> _Box:
    """About where a name of so many letters will stand."""
    width, middle = 6.4 * letters, up + shift[1]
    left = across + shift[0] - (width / 2 if not shift[0] else 0 if shift[0] > 0 else width)
    return _Box(left, middle - 7, left + width, middle + 7)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


_LOOK: Any = {
    "font.size": 10.5,
    "text.parse_math": False,
    "axes.titlesize": 10.5,
    "legend.fontsize": 9.5,
    "legend.title_fontsize": 9.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "limner",
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": LINE,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
}


@contextmanager
def _look() -> Iterator[None]:
    """All of a plot is made in here, since matplotlib reads these when it makes a text."""
    import matplotlib

    with matplotlib.rc_context(_LOOK), warnings.catch_warnings():
        # The page's fonts draw the letters; those that matplotlib has are only measured.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _figure() -> "tuple[Figure, Axes]":
    """A figure made without pyplot, which would keep it in matplotlib's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=72, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    return figure, axes


def _svg(figure: "Figure") -> str:
    """The figure as one `svg` element without a size of its own, in the page's colours."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return re.sub(r"(?<=: )#0[bc]000\d", lambda found: f"var(--{_VARIABLES[found.group()]})", text)


def _named(plot: Plot, prefix: str) -> Plot:
    """The figure as SVG, with ids that no other figure of the page has."""

    def tag(found: re.Match[str]) -> str:
        return re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"{prefix}-", found.group())

    return replace(plot, svg=re.sub(r"<[^>]+>", tag, plot.svg))
