"""Studies: what portraits, reasons and the chat are worth, measured user by user on data that was
hidden from them.
"""

from limner.evals.studies.records import Study, StudyRecord

__all__ = ["Study", "StudyRecord"]
