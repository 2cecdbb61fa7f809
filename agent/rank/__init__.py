"""From channels to one order: what fusion learns, the trained model, and ranking with it."""

from agent.rank.channels import Catalogue, Channels, catalogue_of, fit_channels
from agent.rank.crowd import Crowd, Listed, audience, crowd_of, lists, probabilities_of, with_context
from agent.rank.features import CANDIDATES, TELLS
from agent.rank.heed import PROMISED, heeding
from agent.rank.lessons import How
from agent.rank.model import Model, Moment, current_version, fit, load_model, train
from agent.rank.order import Asked, Ranked, order, order_many, score_users
from agent.rank.ratings import Rated
from agent.rank.report import train_report
from agent.rank.reshape import idle_quotas, shaped
from agent.rank.wishes import allowed, check_context, check_wishes, fitting_key, shelf_flags, shortfall

__all__ = [
    "CANDIDATES", "PROMISED", "TELLS", "Asked", "Catalogue", "Channels", "Crowd", "How", "Listed", "Model", "Moment",
    "Ranked", "Rated", "allowed", "audience", "catalogue_of", "check_context", "check_wishes", "crowd_of",
    "current_version", "fit", "fit_channels", "fitting_key", "heeding", "idle_quotas", "lists", "load_model", "order",
    "order_many", "probabilities_of", "score_users", "shaped", "shelf_flags", "shortfall", "train", "train_report",
    "with_context",
]  # fmt: skip
