"""From channels to one order: what fusion learns, the trained model, and ranking with it."""

from limner.rank.batch import (
    HistoryBatch,
    UserList,
    audience,
    history_batch,
    lists,
    probabilities_of,
    with_context,
)
from limner.rank.channels import Catalogue, Channels, catalogue_of, fit_channels
from limner.rank.diversify import diversify_list, idle_quotas, one_of_each
from limner.rank.eligibility import (
    allowed,
    check_context,
    check_wishes,
    fitting_key,
    shelf_flags,
    shortfall,
)
from limner.rank.features import CANDIDATES, CHANNEL_SIGNALS
from limner.rank.model import (
    EvaluationPoint,
    Model,
    current_version,
    fit,
    load_model,
    save,
    untrained,
)
from limner.rank.order import OrderRequest, RankedCandidate, order, order_many, score_users
from limner.rank.ratings import Rated
from limner.rank.report import train_report
from limner.rank.stated_preferences import PROMISED, stated_preferences_of
from limner.rank.training_queries import How

__all__ = [
    "CANDIDATES",
    "CHANNEL_SIGNALS",
    "PROMISED",
    "Catalogue",
    "Channels",
    "EvaluationPoint",
    "HistoryBatch",
    "How",
    "Model",
    "OrderRequest",
    "RankedCandidate",
    "Rated",
    "UserList",
    "allowed",
    "audience",
    "catalogue_of",
    "check_context",
    "check_wishes",
    "current_version",
    "diversify_list",
    "fit",
    "fit_channels",
    "fitting_key",
    "history_batch",
    "idle_quotas",
    "lists",
    "load_model",
    "one_of_each",
    "order",
    "order_many",
    "probabilities_of",
    "save",
    "score_users",
    "shelf_flags",
    "shortfall",
    "stated_preferences_of",
    "train_report",
    "untrained",
    "with_context",
]
