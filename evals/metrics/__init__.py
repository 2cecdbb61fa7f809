"""The metrics of the harness: pure kernels on arrays, and what is certain about their means.

Accuracy of lists (`accuracy`) and of full rows of scores (`ranks`), what accuracy does not show
(`beyond`), errors of predicted ratings and probabilities (`predictions`), intervals and tests
(`statistics`), names (`registry`). Undefined is NaN, never 0, and every mean says over how many it
is.
"""

from limner.core.metrics import Bins, Mean, Style, ece, interval, intervals, mae, ndcg, rmse
from limner.evals.metrics.accuracy import (
    LIST_KERNELS,
    STYLES,
    f1,
    hit,
    hit_matrix,
    list_lengths,
    map_,
    mrr,
    precision,
    recall,
    style_of,
)
from limner.evals.metrics.beyond import (
    arp,
    calibration_kl,
    coverage,
    gini,
    ild,
    novelty,
    serendipity,
    user_coverage,
)
from limner.evals.metrics.predictions import accuracy, by_user, log_loss, shares
from limner.evals.metrics.ranks import Ties, auc, midranks, rank_auc, rank_hit, rank_ndcg
from limner.evals.metrics.registry import METRICS, MetricSpec, parse
from limner.evals.metrics.statistics import PairedTest, holm, paired_test, paired_tests

__all__ = [
    "LIST_KERNELS",
    "METRICS",
    "STYLES",
    "Bins",
    "Mean",
    "MetricSpec",
    "PairedTest",
    "Style",
    "Ties",
    "accuracy",
    "arp",
    "auc",
    "by_user",
    "calibration_kl",
    "coverage",
    "ece",
    "f1",
    "gini",
    "hit",
    "hit_matrix",
    "holm",
    "ild",
    "interval",
    "intervals",
    "list_lengths",
    "log_loss",
    "mae",
    "map_",
    "midranks",
    "mrr",
    "ndcg",
    "novelty",
    "paired_test",
    "paired_tests",
    "parse",
    "precision",
    "rank_auc",
    "rank_hit",
    "rank_ndcg",
    "recall",
    "rmse",
    "serendipity",
    "shares",
    "style_of",
    "user_coverage",
]
