"""The portrait: from facts and a window of events to a `Profile` whose every claim is verified."""

from limner.profile.cost import EMBEDDED, HOSTED, Speed, estimate
from limner.profile.diff import ChangedPreference, ProfileDiff, diff
from limner.profile.paint import paint, paint_plainly
from limner.profile.subject import Subject, settings_digest, subject_of

__all__ = [
    "EMBEDDED",
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
