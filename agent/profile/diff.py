"""Differences between two versions of a portrait."""

from limner.core.schema import Preference, Profile, Trait, Value


class ChangedPreference(Value):
    """A claim of both versions whose numbers or events differ."""

    before: Preference
    """The claim in the earlier version."""
    after: Preference
    """The claim in the later version."""


class ProfileDiff(Value):
    """The differences between two versions of a portrait."""

    user_id: str
    """The user's id, exactly as in the data."""
    from_version: int
    """The earlier version."""
    to_version: int
    """The later version."""
    added: list[Preference]
    """Claims that only the later version has."""
    removed: list[Preference]
    """Claims that only the earlier version has."""
    changed: list[ChangedPreference]
    """Claims of both whose strength, confidence, trend, basis or evidence differ."""
    traits: list[Trait]
    """Habits that differ, as the later version has them."""
    summary_before: str
    """The summary of the earlier version."""
    summary_after: str
    """The summary of the later version."""


def diff(before: Profile, after: Profile) -> ProfileDiff:
    old = {_key(preference): preference for preference in before.preferences}
    new = {_key(preference): preference for preference in after.preferences}
    both = [(old[key], preference) for key, preference in new.items() if key in old]
    old_traits = {trait.name: trait for trait in before.traits}
    return ProfileDiff(
        user_id=after.user_id,
        from_version=before.version,
        to_version=after.version,
        added=[preference for key, preference in new.items() if key not in old],
        removed=[preference for key, preference in old.items() if key not in new],
        changed=[
            ChangedPreference(before=earlier, after=later)
            for earlier, later in both
            if _numbers(earlier) != _numbers(later)
        ],
        traits=[trait for trait in after.traits if old_traits.get(trait.name) != trait],
        summary_before=before.summary,
        summary_after=after.summary,
    )


def _key(preference: Preference) -> tuple[str, str, str]:
    return preference.facet, preference.value.casefold(), preference.polarity


def _numbers(preference: Preference) -> tuple[object, ...]:
    return (
        preference.strength,
        preference.confidence,
        preference.trend,
        preference.basis,
        preference.evidence,
    )
