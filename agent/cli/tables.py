"""Results as tables in files: recommendations a row an item, an audience a row a user."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from limner.cli.table_writer import Kind, Row, writing_rows
from limner.core.messages import Message
from limner.core.schema import Audience, ListOptions, RecommendationRequest, Recommendations

_LISTED: Mapping[str, Kind] = {
    "user_id": "text",
    "rank": "whole",
    "item_id": "text",
    "title": "text",
    "score": "number",
    "probability": "number",
}
_USERS: Mapping[str, Kind] = {
    "user_id": "text",
    "rank": "whole",
    "score": "number",
    "probability": "number",
}
_AT_ONCE = 10_000
"""Rows collected in memory before they are written."""


class WrittenTable(BaseModel):
    """Summary of a written table of recommendations."""

    model_config = ConfigDict(frozen=True)

    file: str
    rows: int
    users: int
    """Users who got at least one item."""
    short: int
    """Users who got fewer than were asked for, but some."""
    empty: int
    """Users whose list is empty."""
    fallback: int
    """Users without a usable past, who got popular items."""
    wishes: ListOptions | None = None
    notes: list[Message] = []
    """Notes for people, from all the lists."""


async def write_recommendations(
    file: Path, lists: AsyncIterator[Recommendations], request: RecommendationRequest
) -> WrittenTable:
    """user_id, rank, item_id, title, score, probability, and reason where they are asked for; in
    the order of the lists, of which each answers the request for another user.
    """
    with_reasons = request.explain
    columns: Mapping[str, Kind] = {**_LISTED, "reason": "text"} if with_reasons else _LISTED
    rows = users = short = empty = fallback = 0
    wishes = None
    notes: dict[Message, None] = {}
    waiting: list[Row] = []
    with writing_rows(file, columns) as sink:
        async for answer in lists:
            listed: list[Row] = [
                (
                    answer.user_id,
                    each.rank,
                    each.item.item_id,
                    each.item.title,
                    each.score,
                    each.probability,
                    *([each.reason.text if each.reason else None] if with_reasons else []),
                )
                for each in answer.recommendations
            ]
            waiting += listed
            rows, users, empty = rows + len(listed), users + bool(listed), empty + (not listed)
            short += 0 < len(listed) < request.n
            fallback, wishes = fallback + answer.fallback, answer.wishes
            notes |= dict.fromkeys(answer.notes)
            if len(waiting) >= _AT_ONCE:
                sink.write(waiting)
                waiting = []
        sink.write(waiting)
    return WrittenTable(
        file=str(file),
        rows=rows,
        users=users,
        short=short,
        empty=empty,
        fallback=fallback,
        wishes=wishes,
        notes=list(notes),
    )


def write_users(file: Path, found: Audience) -> None:
    """user_id, rank, score, probability; best first."""
    with writing_rows(file, _USERS) as sink:
        sink.write([(one.user_id, one.rank, one.score, one.probability) for one in found.users])
