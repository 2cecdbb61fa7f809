"""From channels to one order: what fusion learns, the trained model, and ranking with it."""

from limner.rank.batch import Crowd, Listed, audience, crowd_of, lists, probabilities_of, with_context
from limner.rank.channels import Catalogue, Channels, catalogue_of, fit_channels
from limner.rank.diversify import idle_quotas, shaped
from limner.rank.eligibility import allowed, check_context, check_wishes, fitting_key, shelf_flags, shortfall
from limner.rank.features import CANDIDATES, TELLS
from limner.rank.model import Model, Moment, current_version, fit, load_model, train
from limner.rank.order import Asked, Ranked, order, order_many, score_users
from limner.rank.ratings import Rated
from limner.rank.report import train_report
from limner.rank.stated_preferences import PROMISED, heeding
from limner.rank.training_queries import How

__all__ = [
    "CANDIDATES", "PROMISED", "TELLS", "Asked", "Catalogue", "Channels", "Crowd", "How", "Listed", "Model", "Moment",
    "Ranked", "Rated", "allowed", "audience", "catalogue_of", "check_context", "check_wishes", "crowd_of",
    "current_version", "fit", "fit_channels", "fitting_key", "heeding", "idle_quotas", "lists", "load_model", "order",
    "order_many", "probabilities_of", "score_users", "shaped", "shelf_flags", "shortfall", "train", "train_report",
    "with_context",
]  # fmt: skip
