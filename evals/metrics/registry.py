"""Metrics by name, as `--metrics ndcg@10,coverage@20,rmse` has them."""

from dataclasses import dataclass
from typing import Literal

from limner.core.errors import UsageError

Kind = Literal["user", "pooled", "whole"]
Needs = Literal["list", "scores", "items", "ratings", "probabilities"]

DEFAULT_K = 10


@dataclass(frozen=True)
class MetricSpec:
    """One metric that was asked for."""

    name: str
    k: int | None
    """Cut of the list; None for a metric that has none."""
    kind: Kind
    """`user`: a value for each user, whose mean is the result; `pooled`: an error over all cases of
    all users, in which each has a share; `whole`: one number over everything.
    """
    needs: Needs
    """`list` and the relevant items; `scores` of the whole catalogue; `items`, the list and what is
    known of its items; predicted `ratings`; predicted `probabilities`.
    """
    higher_is_better: bool
    """False where lower is better, or where neither is: those are told by their meaning."""

    @property
    def label(self) -> str:
        """The metric as a user writes it: ndcg@10."""
        return self.name if self.k is None else f"{self.name}@{self.k}"


def _metric(
    name: str, kind: Kind, needs: Needs, *, cut: bool = True, higher: bool = True
) -> MetricSpec:
    return MetricSpec(name, DEFAULT_K if cut else None, kind, needs, higher)


METRICS: dict[str, MetricSpec] = {
    one.name: one
    for one in (
        _metric("precision", "user", "list"),
        _metric("recall", "user", "list"),
        _metric("f1", "user", "list"),
        _metric("hit", "user", "list"),
        _metric("mrr", "user", "list"),
        _metric("map", "user", "list"),
        _metric("ndcg", "user", "list"),
        _metric("auc", "user", "scores", cut=False),
        _metric("coverage", "whole", "items"),
        _metric("user_coverage", "whole", "items"),
        _metric("novelty", "user", "items"),
        _metric("ild", "user", "items"),
        _metric("serendipity", "user", "items"),
        _metric("arp", "user", "items", higher=False),
        _metric("gini", "whole", "items", higher=False),
        _metric("calibration", "user", "items", higher=False),
        _metric("rmse", "pooled", "ratings", cut=False, higher=False),
        _metric("mae", "pooled", "ratings", cut=False, higher=False),
        _metric("accuracy", "pooled", "probabilities", cut=False),
        _metric("log_loss", "pooled", "probabilities", cut=False, higher=False),
        _metric("ece", "pooled", "probabilities", cut=False, higher=False),
    )
}
"""Every metric, at its default cut."""


def parse(label: str) -> MetricSpec:
    """`ndcg@10` -> the metric with its cut, 10 where none is given. Raises UsageError, naming what
    there is.
    """
    name, at, cut = label.strip().lower().partition("@")
    known = METRICS.get(name)
    if known is None:
        names = ", ".join(
            one.name if one.k is None else f"{one.name}@K" for one in METRICS.values()
        )
        raise UsageError("metric.unknown", name=label, names=names)
    if not at:
        return known
    if known.k is None:
        raise UsageError("metric.takes_no_cut", name=name, cut=cut)
    if not (cut.isascii() and cut.isdigit() and int(cut) > 0):
        raise UsageError("metric.wrong_cut", text=label, name=name, k=DEFAULT_K)
    return MetricSpec(name, int(cut), known.kind, known.needs, known.higher_is_better)
