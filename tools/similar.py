"""Who is like this user?"""

import numpy as np
from pydantic import Field

from limner.engine import Engine
from limner.tools.base import Args, Result, ToolStatement, Value, tool
from limner.tools.words import listed

IDEA = (
    "cosine similarity of what users liked and disliked, an item weighing less the "
    "more users had it"
)


class SimilarUsersArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    limit: int = Field(default=5, ge=1, le=50, description="how many users")


class SimilarUser(Value):
    user_id: str
    likeness: float
    """Cosine similarity in [-1, 1]."""
    shared: int
    """Items that both had."""


class SimilarUsersResult(Result):
    user_id: str
    users: list[SimilarUser] = Field(default=[])
    definition: str = IDEA
    considered: int = 0
    """Users with whom this one shares an item."""


@tool(
    "similar_users",
    "The users whose taste in items is most like that of one user.",
    SimilarUsersArgs,
)
async def similar_users(engine: Engine, args: SimilarUsersArgs) -> SimilarUsersResult:
    engine.data.user(args.user_id)
    census = engine.data.census()
    x, size = census.x, max(len(census.item_ids), 1)
    none = ToolStatement(form="similar.none", values={"user": args.user_id})
    user = census.user_position.get(args.user_id)
    if user is None or not (x.user == user).any():
        return SimilarUsersResult(found=False, said=[none], user_id=args.user_id)
    key = x.user.astype(np.int64) * size + x.item
    pairs, inverse = np.unique(key, return_inverse=True)
    weight = np.bincount(inverse, weights=census.signal) / np.bincount(inverse)
    users, items = pairs // size, pairs % size
    had = np.bincount(items, minlength=size)
    weight = weight * np.log1p(len(census.user_ids) / np.maximum(had, 1))[items]
    own = np.zeros(size)
    own[items[users == user]] = weight[users == user]
    mine = np.zeros(size, dtype=bool)
    mine[items[users == user]] = True
    norm = np.sqrt(np.bincount(users, weights=weight**2, minlength=len(census.user_ids)))
    dot = np.bincount(users, weights=weight * own[items], minlength=len(census.user_ids))
    shared = np.bincount(users, weights=mine[items], minlength=len(census.user_ids))
    likeness = dot / np.maximum(norm * norm[user], 1e-12)
    likeness[user] = -np.inf
    best = [
        one
        for one in np.argsort(-likeness, kind="stable")[: args.limit].tolist()
        if likeness[one] > 0
    ]
    similar = [
        SimilarUser(
            user_id=census.user_ids[one],
            likeness=round(float(likeness[one]), 3),
            shared=int(shared[one]),
        )
        for one in best
    ]
    if not similar:
        return SimilarUsersResult(found=False, said=[none], user_id=args.user_id)
    lines = [
        ToolStatement(
            form="similar.user",
            values={"user": one.user_id, "likeness": one.likeness, "shared": one.shared},
        )
        for one in similar
    ]
    considered = int((shared > 0).sum()) - 1
    said = [
        ToolStatement(
            form="similar.users",
            values={"users": listed(lines), "user": args.user_id, "n": considered},
        ),
        ToolStatement(form="similar.definition"),
    ]
    return SimilarUsersResult(
        found=True, said=said, user_id=args.user_id, users=similar, considered=considered
    )
