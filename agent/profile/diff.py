"""What changed from one version of a portrait to another."""

from limner.core.schema import Preference, Profile, Trait, Value


class ChangedPreference(Value):
    """A claim of both versions whose numbers or events differ."""

    before: Preference
    """The claim in the earlier version."""
    after: Preference
    """The claim in the later version."""


class ProfileDiff(Value):
    """What changed from one version of a portrait to another."""

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
    old, new = ({_key(one): one for one in profile.preferences} for profile in (before, after))
    habits = {one.name: one for one in before.traits}
    return ProfileDiff(
        user_id=after.user_id,
        from_version=before.version,
        to_version=after.version,
        added=[one for key, one in new.items() if key not in old],
        removed=[one for key, one in old.items() if key not in new],
        changed=[
            ChangedPreference(before=old[key], after=one)
            for key, one in new.items()
            if key in old and _numbers(old[key]) != _numbers(one)
        ],
        traits=[one for one in after.traits if habits.get(one.name) != one],
        summary_before=before.summary,
        summary_after=after.summary,
    )


def _key(one: Preference) -> tuple[str, str, str]:
    return one.facet, one.value.casefold(), one.polarity


def _numbers(one: Preference) -> tuple[object, ...]:
    return one.strength, one.confidence, one.trend, one.basis, one.evidence
