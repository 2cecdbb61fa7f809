"""Studies: what portraits, reasons and the chat are worth, measured user by user on data that was hidden from them."""

from evals.studies.records import STUDIES, Study

__all__ = ["STUDIES", "Study"]
