"""Reordering by a model, and how much its order is worth."""

from limner.rerank.order import (
    NEUTRAL,
    ModelOrder,
    Reranked,
    Taste,
    blend,
    judge,
    kendall_tau,
    mean_rank_order,
    prompts_of,
    rerank,
)
from limner.rerank.weight import (
    TasteBefore,
    WeightCase,
    fit_weight,
    load_weight,
    save_weight,
    weigh,
)

__all__ = [
    "NEUTRAL",
    "ModelOrder",
    "Reranked",
    "Taste",
    "TasteBefore",
    "WeightCase",
    "blend",
    "fit_weight",
    "judge",
    "kendall_tau",
    "load_weight",
    "mean_rank_order",
    "prompts_of",
    "rerank",
    "save_weight",
    "weigh",
]
