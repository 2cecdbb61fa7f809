"""From channels to one order: what fusion learns, the trained model, and ranking with it."""

from agent.rank.channels import Catalogue, Channels, catalogue_of, fit_channels
from agent.rank.features import CANDIDATES
from agent.rank.lessons import How
from agent.rank.model import Model, current_version, fit, load_model, train
from agent.rank.order import Ranked, order, score_users
from agent.rank.report import train_report

__all__ = [
    "CANDIDATES", "Catalogue", "Channels", "How", "Model", "Ranked", "catalogue_of", "current_version", "fit",
    "fit_channels", "load_model", "order", "score_users", "train", "train_report",
]  # fmt: skip
