"""The portrait: from facts and a window of events to a `Profile` whose every claim is verified."""

from agent.profile.cost import EMBEDDED, HOSTED, Speed, estimate
from agent.profile.diff import ChangedPreference, ProfileDiff, diff
from agent.profile.paint import FAILED, paint, paint_plainly
from agent.profile.subject import Subject, settings_digest, subject_of

__all__ = [
    "EMBEDDED",
    "FAILED",
    "HOSTED",
    "ChangedPreference",
    "ProfileDiff",
    "Speed",
    "Subject",
    "diff",
    "estimate",
    "paint",
    "paint_plainly",
    "settings_digest",
    "subject_of",
]
