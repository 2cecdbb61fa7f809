"""Users chosen by words or by their attributes, as the same value that users for an item come
in.
"""

from collections.abc import Mapping, Sequence

from limner.core.schema import Audience, RankedUser
from limner.index.chroma import Hit

LIKENESS = "likeness (cosine similarity) of the user's portrait to the words, nearest first"
ACTIVITY = "number of events, most first"


def audience_like(
    words: str, found: Sequence[Hit], population: int, matching: int, painted: int
) -> Audience:
    """Users by the likeness of their portraits. painted: of the matching users, those who have a
    portrait.
    """
    notes = []
    if painted < matching:
        notes.append(
            f"Users without a portrait cannot be found by words: {matching - painted:,} "
            f"of {matching:,}. "
            "`limner profile build --all` paints them."
        )
    users = [
        RankedUser(user_id=one.id, rank=rank, score=round(one.score, 6))
        for rank, one in enumerate(found, 1)
    ]
    return Audience(
        like=words,
        users=users,
        definition=LIKENESS,
        population=population,
        matching=matching,
        had=0,
        considered=painted,
        notes=notes,
    )


def audience_where(
    matching: Sequence[str], events: Mapping[str, int], population: int, n: int | None
) -> Audience:
    """Users by how much they did. events: by user id, of those who did anything."""
    ordered = sorted(matching, key=lambda one: (-events.get(one, 0), one))[:n]
    users = [
        RankedUser(user_id=one, rank=rank, score=events.get(one, 0))
        for rank, one in enumerate(ordered, 1)
    ]
    return Audience(
        users=users,
        definition=ACTIVITY,
        population=population,
        matching=len(matching),
        had=0,
        considered=len(matching),
    )
