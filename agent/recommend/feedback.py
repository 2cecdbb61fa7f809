"""Feedback on recommended lists: stored as ordinary events, and counted by channel."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from limner.core.errors import BadInputError, StoreFullError, UnknownIdError
from limner.core.messages import message
from limner.core.schema import Outcome, Recommendations, RejectedRow, ShownList, Value
from limner.recommend.edits import HIDDEN_BY, DataEditor
from limner.store import ResponseLog, Store

FeedbackType = Literal[
    "impression",
    "click",
    "view",
    "like",
    "dislike",
    "hide",
    "cart",
    "purchase",
    "return",
    "play",
    "skip",
    "rating",
    "review",
    "share",
    "withdraw",
]
SEEN: FeedbackType = "impression"
"""The feedback type for an item seen in a list. It is counted, and makes no event, since it shows
no taste.
"""
HIDE: FeedbackType = "hide"
"""An event of type `skip`: the item is not shown again, and counts a little against its kind."""
WITHDRAW: FeedbackType = "withdraw"
"""The feedback type that undoes every like, dislike and hide of the item. It makes no event."""
NOTHING = "nothing to take back"
CHOSEN = frozenset({"click", "view", "like", "cart", "purchase", "play", "review", "share"})
"""Feedback types that count as a click in click-through rates."""


class FeedbackItem(Value):
    """One action of a user on one item."""

    item_id: str = Field(min_length=1, max_length=255)
    """The item's id, exactly as in the data."""
    type: FeedbackType
    """`impression` is only counted. `withdraw` undoes every `like`, `dislike` and `hide` of the
    item, before the other rows are read. All others are stored as events; `hide` as a `skip`.
    """
    value: float | None = None
    """A rating on the data's scale, or seconds played."""
    text: str = Field(default="", max_length=20_000)
    """What the user wrote about the item."""
    timestamp: datetime | None = None
    """When it happened; the current time if left out."""
    event_id: str | None = Field(default=None, min_length=1, max_length=255)
    """The sender's own id of this row; a row sent again under the same id counts once."""


class Feedback(Value):
    """Feedback on a list, or on items shown elsewhere."""

    recommendation_id: str | None = Field(default=None, max_length=32)
    """The list that the items were shown in."""
    items: list[FeedbackItem] = Field(min_length=1, max_length=1000)
    """One action each, oldest first."""


class FeedbackReport(Value):
    """How many rows of feedback were read, stored, counted, withdrawn and rejected."""

    recommendation_id: str | None
    """The list that the feedback is on; null where it names none."""
    read: int
    """Rows that were sent."""
    events: int
    """New events."""
    counted: int
    """New outcomes of the list, impressions included."""
    withdrawn: int = 0
    """Events that were undone."""
    rows: list[RejectedRow] = Field(default=[])
    """Each row that was rejected, and why."""


class ClickThrough(Value):
    """Click-through of one channel and model version, over the items that this channel scored
    highest.
    """

    channel: str
    """The channel that placed the items highest; empty where none did."""
    model_version: int
    """Version of the trained channels."""
    listed: int
    """Items in recommended lists that are still stored."""
    impressions: int
    """Items that were reported as seen."""
    clicks: int
    """Outcomes by which someone chose an item: click, view, like, cart, purchase, play, review,
    share.
    """
    click_through: float | None
    """clicks / impressions; null where no impression was reported."""
    outcomes: dict[str, int]
    """Number of outcomes by type."""


class FeedbackService:
    """Stores the lists that were recommended, and takes feedback on them."""

    def __init__(self, store: Store, editor: DataEditor) -> None:
        self._store, self._editor, self._kept = store, editor, ResponseLog(store)

    def keep(
        self, answer: Recommendations, model_version: int, *, anonymous: bool = False
    ) -> Recommendations:
        """The answer with its `recommendation_id`; without one while another process loads data,
        and where the disk takes nothing, which a note says.
        """
        if not answer.recommendations or self._store.is_loaded_elsewhere():
            return answer
        shown = ShownList(
            recommendation_id=f"r{secrets.token_hex(10)}",
            user_id=None if anonymous else answer.user_id,
            at=datetime.now(UTC),
            items=[one.item.item_id for one in answer.recommendations],
            channels=[next(iter(one.channels), "") for one in answer.recommendations],
            model_version=model_version,
            profile_version=answer.profile_version,
        )
        try:
            self._kept.keep_list(shown)
        except StoreFullError as error:
            note = message("list.not_kept", error=error)
            return answer.model_copy(update={"notes": [*answer.notes, note]})
        return answer.model_copy(update={"recommendation_id": shown.recommendation_id})

    def shown(self, recommendation_id: str) -> ShownList | None:
        """A stored list by its id; None where it is not stored any more."""
        return self._kept.shown(recommendation_id)

    def hear(self, user_id: str, feedback: Feedback) -> FeedbackReport:
        """Take a user's feedback, and report what became of each row.

        Raises UnknownIdError for an unknown user or list, BadInputError for an item that was not on
        the list.
        """
        self._store.require_user(user_id)
        shown = self._of(user_id, feedback)
        rows = list(enumerate(feedback.items))
        withdrawals = {row: item.item_id for row, item in rows if item.type == WITHDRAW}
        missing = self._take_back(user_id, withdrawals)
        events, unusable = self._take_events(user_id, feedback)
        rejected = {**dict.fromkeys(missing, NOTHING), **unusable}
        good = [item for row, item in rows if item.type != WITHDRAW and row not in rejected]
        outcomes = [] if shown is None else [_outcome(user_id, item, shown) for item in good]
        return FeedbackReport(
            recommendation_id=feedback.recommendation_id,
            read=len(rows),
            events=events,
            counted=self._kept.add_outcomes(outcomes) if outcomes else 0,
            withdrawn=len(withdrawals) - len(missing),
            rows=[RejectedRow(row=row, reason=why) for row, why in sorted(rejected.items())],
        )

    def _take_back(self, user_id: str, item_ids: Mapping[int, str]) -> list[int]:
        """Undo the newest thumb on each item; the rows for which there was none."""
        return [row for row, one in item_ids.items() if not self._editor.take_back(user_id, one)]

    def _take_events(self, user_id: str, feedback: Feedback) -> tuple[int, dict[int, str]]:
        """(number of new events, reasons by row of feedback that was rejected)."""
        sent = {
            row: item
            for row, item in enumerate(feedback.items)
            if item.type not in (SEEN, WITHDRAW)
        }
        if not sent:
            return 0, {}
        events = [_row(user_id, item, feedback) for item in sent.values()]
        with self._editor.changing_user(user_id):
            report, rows = self._editor.take("events", events), list(sent)
        return report.kept, {rows[bad.row]: bad.reason for bad in report.rows}

    def _of(self, user_id: str, feedback: Feedback) -> ShownList | None:
        if feedback.recommendation_id is None:
            return None
        shown = self._kept.shown(feedback.recommendation_id)
        # A list of a visitor may be claimed by the user that they turn out to be.
        if shown is None or shown.user_id not in (None, user_id):
            raise UnknownIdError(
                "feedback.unknown_list", user=user_id, list=feedback.recommendation_id
            )
        foreign = next(
            (one.item_id for one in feedback.items if one.item_id not in shown.items), None
        )
        if foreign is not None:
            raise BadInputError("feedback.foreign_item", item=foreign, list=shown.recommendation_id)
        return shown

    def stats(self) -> list[ClickThrough]:
        """Click-through by channel and version of the trained channels, newest version first."""
        listed, outcomes = self._kept.listed(), self._kept.outcomes()
        rates = []
        for channel, version in sorted({*listed, *outcomes}, key=lambda key: (-key[1], key[0])):
            of: Mapping[str, int] = outcomes.get((channel, version), {})
            impressions, clicks = (
                of.get(SEEN, 0),
                sum(n for kind, n in of.items() if kind in CHOSEN),
            )
            rates.append(
                ClickThrough(
                    channel=channel,
                    model_version=version,
                    listed=listed[channel, version],
                    impressions=impressions,
                    clicks=clicks,
                    click_through=clicks / impressions if impressions else None,
                    outcomes=dict(of),
                )
            )
        return rates


def _row(user_id: str, item: FeedbackItem, feedback: Feedback) -> dict[str, object]:
    row: dict[str, object] = {
        "user_id": user_id,
        "item_id": item.item_id,
        "type": "skip" if item.type == HIDE else item.type,
        "text": item.text,
    }
    if item.value is not None:
        row["value"] = item.value
    if item.timestamp is not None:
        row["timestamp"] = item.timestamp.isoformat()
    if item.event_id is not None:
        row["event_id"] = item.event_id
    context = (
        {"recommendation_id": feedback.recommendation_id} if feedback.recommendation_id else {}
    )
    row["context"] = {**context, **({HIDDEN_BY: True} if item.type == HIDE else {})}
    return row


def _outcome(user_id: str, row: FeedbackItem, shown: ShownList) -> Outcome:
    return Outcome(
        recommendation_id=shown.recommendation_id,
        user_id=user_id,
        item_id=row.item_id,
        type=row.type,
        channel=shown.channels[shown.items.index(row.item_id)],
        model_version=shown.model_version,
    )
