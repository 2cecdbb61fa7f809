"""Changes that a running server takes: rows, an item's shelf, what a user says of themselves."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, StrictBool

from limner.core.availability import AVAILABLE, HIDDEN
from limner.core.errors import BadInputError, UnknownIdError
from limner.core.messages import message
from limner.core.schema import (
    ApiKey,
    Event,
    Item,
    LedgerRow,
    Outcome,
    Polarity,
    Profile,
    Reason,
    RowsReport,
    Scalar,
    ShownList,
    User,
    Value,
)
from limner.core.settings import Settings
from limner.core.signals import RATED_TYPES
from limner.facts import STRUCK, WITHDRAWN, told_polarity, without_withdrawn
from limner.profile.builder import ProfileBuilder
from limner.recommend.erasure import is_whole, names_user, rejected_files
from limner.state.derived import DerivedState
from limner.store import ResponseLog, Store

Table = Literal["users", "items", "events"]
Thumb = Literal["like", "dislike", "hide"]
THUMBS: tuple[Thumb, ...] = ("like", "dislike")
HIDDEN_BY = "hidden"
"""Key in the context of a `skip` event: true if the user hid the item."""
STATED = "stated"
"""The source of events by which users speak of their own portraits."""


class ItemPatch(Value):
    """Changes to an item; fields that are left out stay as they are."""

    title: str | None = Field(default=None, min_length=1)
    """The new name."""
    text: str | None = None
    """The new description."""
    categories: list[str] | None = None
    """Categories, either from the widest to the narrowest or side by side, as in the data."""
    price: float | None = Field(default=None, ge=0, strict=True)
    """In the data's currency; null removes it, as it does for `image` and `audio`."""
    image: str | None = None
    """Path or address of a picture."""
    audio: str | None = None
    """Path or address of a sound."""
    hidden: StrictBool | None = None
    """True: the item is not recommended any more, from the next request on."""
    available: StrictBool | None = None
    """False: the item is recommended only where unavailable items are asked for."""
    attributes: dict[str, Scalar | list[str] | None] = Field(default={})
    """Attributes by name; null removes an attribute, others stay."""


def _written(value: object) -> object:
    """Times are given as text; a number could be of seconds or milliseconds."""
    if isinstance(value, int | float):
        raise ValueError("a time is text, such as 2026-03-01T10:30:00Z")
    return value


class EventPatch(Value):
    """Changes to an event; fields that are left out stay as they are."""

    type: str | None = Field(default=None, min_length=1, max_length=64)
    """What was done: view, click, like, purchase, rating, …"""
    value: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    """The value on the scale of the data; null removes it."""
    timestamp: Annotated[AwareDatetime, BeforeValidator(_written)] | None = None
    """When it happened, with its offset; null where that is not known."""
    text: str | None = Field(default=None, max_length=100_000)
    """What the user wrote; null or an empty text removes it."""


class ClaimKey(Value):
    """Names a claim of a portrait."""

    facet: str = Field(max_length=100)
    """The dimension of taste: genre, brand, era, …"""
    value: str = Field(max_length=500)
    """The value of that facet, as the portrait has it."""
    polarity: Polarity = "like"
    """like or dislike."""


class Statement(Value):
    """A preference that the user states."""

    value: str = Field(default="", max_length=500)
    """What the user likes or dislikes, such as "Film-Noir". Where it is left out, it is searched in
    `text`.
    """
    facet: str = Field(default="", max_length=100)
    """genre, brand, …; where it is left out, the facet that has the value."""
    polarity: Polarity | None = None
    """like or dislike; where it is left out, what the verb of `text` says, else like."""
    text: str = Field(default="", max_length=2000)
    """The preference in the user's own words. Without a `value`, words of negation, contrast or
    condition make it a note without effect, and the portrait's `notes` say so.
    """


class PortraitEdit(Value):
    """Corrections of a portrait by its user. Each is stored as an event, which later portraits take
    into account.
    """

    edit_id: str | None = Field(default=None, min_length=1, max_length=200)
    """The sender's own id of this edit; one that is sent again under the same id counts once."""
    state: list[Statement] = Field(default=[], max_length=50)
    """Preferences to add."""
    strike: list[ClaimKey] = Field(default=[], max_length=50)
    """Claims of the portrait that are wrong, and are removed from it."""
    withdraw: list[ClaimKey] = Field(default=[], max_length=50)
    """Claims that were stated or removed earlier. The latest correction of each is undone, and the
    other events count again.
    """


class StoredReason(Value):
    """A reason for an item in a model's words, as it is stored for later lists."""

    item_id: str
    """The item that it is for."""
    reason: Reason
    """The reason."""


class StoredConversation(Value):
    """A conversation in which a user is named."""

    conversation_id: str
    """The id under which it goes on."""
    pairs: list[tuple[str, str]]
    """Questions with their answers, oldest first."""


class RejectedLine(Value):
    """A row that an ingest rejected."""

    reason: str
    """Why it was."""
    row: dict[str, str]
    """Its cells by column."""


class Export(Value):
    """All that is stored of a user."""

    user: User
    """The user, with attributes."""
    events: list[Event]
    """Oldest first."""
    profiles: list[Profile]
    """Every stored version of the portrait."""
    recommendations: list[ShownList]
    """Lists that were recommended to the user and are still stored."""
    ledger: list[LedgerRow]
    """Calls of a language model about the user."""
    outcomes: list[Outcome]
    """What came of items of recommended lists."""
    reasons: list[StoredReason]
    """Reasons in a model's words that are stored for later lists."""
    conversations: list[StoredConversation]
    """Conversations that name the user."""
    keys: list[ApiKey]
    """API keys of this user alone, without their secrets."""
    rejected: list[RejectedLine]
    """Rows that were rejected by an ingest and name the user."""


def thumb_of(event: Event) -> Thumb | None:
    """The thumb that an event amounts to: like, dislike or hide; None for any other event."""
    if event.type == "skip" and event.context.get(HIDDEN_BY) not in (None, False, "", "false"):
        return "hide"
    return next((one for one in THUMBS if one == event.type), None)


class DataEditor:
    """Changes a store, and keeps what is derived from it true."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        derived: DerivedState,
        profile_builder: ProfileBuilder,
    ) -> None:
        self._wait = settings.server.write_wait
        self._store, self._derived, self._painter = store, derived, profile_builder
        self._kept = ResponseLog(store)

    def take(self, table: Table, rows: Sequence[object], source: str = "") -> RowsReport:
        """Rows in, cleaned as those of files are; each stands for itself, one that is no object
        too.
        """
        from limner.ingest import ingest_rows  # with pandas, which few verbs need

        with self._store.changing(wait=self._wait):
            return ingest_rows(self._store, table, rows, source)

    def patch_item(self, item_id: str, patch: ItemPatch) -> Item:
        """Change an item, and return it as it is now. Raises UnknownIdError, or BadInputError for a
        value that cannot be stored.
        """
        with self._store.changing(wait=self._wait):
            item = self._store.item(item_id)
            if item is None:
                raise UnknownIdError("item.unknown", item=item_id)
            report = self.take("items", [_patched(item, patch)], item.source)
            if report.rows:
                raise BadInputError("item.wrong_change", reason=report.rows[0].reason)
        return self._store.items([item_id])[0]

    @contextmanager
    def changing_user(self, user_id: str) -> Iterator[None]:
        """A change of what is stored of a user, alone; an erasure is before it or after it.

        Raises UnknownIdError, and StoreBusyError where others go on writing.
        """
        with self._store.changing(wait=self._wait):
            self._store.require_user(user_id)
            yield

    def edit_portrait(self, user_id: str, edit: PortraitEdit) -> Profile:
        """Apply a user's corrections, and return the new portrait: stated preferences come first,
        struck claims are gone.

        Raises UnknownIdError. Raises BadInputError for an empty edit or statement, a claim to
        strike that is not in the portrait, or a claim to withdraw without an earlier correction.
        """
        self._store.require_user(user_id)
        if not edit.state and not edit.strike and not edit.withdraw:
            raise BadInputError("edit.empty")
        key = edit.edit_id
        with self.changing_user(user_id):
            if key and self._store.events_by_id([f"{key}-0"]):
                return self._painter.profile(user_id)
            contexts = [
                *(self._stated(one) for one in edit.state),
                *self._struck(user_id, edit.strike),
                *self._withdrawn(user_id, edit.withdraw),
            ]
            rows = [
                {
                    "user_id": user_id,
                    "type": "preference",
                    "text": text,
                    "context": context,
                    **({"event_id": f"{key}-{number}"} if key else {}),
                }
                for number, (context, text) in enumerate(contexts)
            ]
            report = self.take("events", rows, STATED)
            if report.rows:
                raise BadInputError("statement.wrong", reason=report.rows[0].reason)
            return self._painter.after_edit(user_id)

    def take_back(self, user_id: str, item_id: str) -> bool:
        """Erase what a user said of an item by like, dislike or hide, however often. False where
        there is nothing of that.

        Portraits that count these events are erased too, and the newest one is counted again.
        """
        with self.changing_user(user_id):
            thumbs = [
                one
                for one in self._store.events(user_id)
                if one.item_id == item_id and thumb_of(one)
            ]
            if not thumbs:
                return False
            with self._portraits_without(user_id, thumbs):
                for event in thumbs:
                    self._store.erase_event(event)
        return True

    @contextmanager
    def _portraits_without(self, user_id: str, events: Sequence[Event]) -> Iterator[bool]:
        """Surrounds a change of events: before it the newest portrait is counted without them, and
        afterwards the portraits that count them are erased. Gives whether there were any.
        """
        first = min(event.seq for event in events)
        painted = self._store.profile_versions(user_id)
        outdated = [one.version for one in painted if one.built_from.last_seq >= first]
        if outdated:
            # first: where the index is away, nothing is erased by half
            self._derived.portraits.forget(user_id)
            self._painter.after_edit(user_id, without={event.event_id for event in events})
        yield bool(outdated)
        self._store.erase_profiles(user_id, outdated)

    def event(self, event_id: str) -> Event:
        """Raises UnknownIdError."""
        found = self._store.events_by_id([event_id])
        if not found:
            raise UnknownIdError("event.unknown", event=event_id)
        return found[0]

    def erase_event(self, event_id: str) -> Event:
        """Erase one event with all that rests on it, and return it as it was: portraits that count
        it go and the newest is counted anew, counts over everyone are made anew, lists, reasons and
        answers of a model that may name it go. Raises UnknownIdError.
        """
        user_id = self.event(event_id).user_id
        with self.changing_user(user_id):
            event = self.event(event_id)
            with self._portraits_without(user_id, [event]):
                self._store.erase_event(event, recount=True)
        return event

    def correct_event(self, event_id: str, patch: EventPatch) -> Event:
        """Change one event and all that rests on it, and return it as it is now. Raises
        UnknownIdError, and BadInputError for a value outside of the scale.
        """
        user_id = self.event(event_id).user_id
        with self.changing_user(user_id):
            event = self.event(event_id)
            changed = event.model_copy(update=_changes(patch))
            self._require_on_scale(changed)
            with self._portraits_without(user_id, [event]) as painted:
                self._store.correct_event(event, changed)
            if painted:
                _, between = self._store.newest(user_id) or (0, 0)
                self._painter.after_edit(user_id)
                self._store.erase_profiles(user_id, [between])
            return self.event(event_id)

    def _require_on_scale(self, event: Event) -> None:
        scale = self._store.scales().get(event.source)
        if event.type not in RATED_TYPES or event.value is None or scale is None:
            return
        if not scale.low <= event.value <= scale.high:
            raise BadInputError(
                "event.off_scale", value=event.value, low=scale.low, high=scale.high
            )

    def _stated(self, statement: Statement) -> tuple[dict[str, str], str]:
        value, text = statement.value.strip(), statement.text.strip()
        if not value and not text:
            raise BadInputError("statement.empty")
        told = statement.polarity or told_polarity(text)
        if not value or told is None:
            return ({"polarity": statement.polarity} if statement.polarity else {}), text
        population = self._derived.catalogue.snapshot().population
        codes = population.known.get(value.casefold(), [])
        known = [
            code
            for code in codes
            if not statement.facet or population.facets[code] == statement.facet.strip()
        ]
        facet = statement.facet.strip() or (population.facets[known[0]] if known else STATED)
        return {
            "facet": facet,
            "value": population.values[known[0]] if known else value,
            "polarity": told,
        }, text

    def _struck(self, user_id: str, claims: Sequence[ClaimKey]) -> list[tuple[dict[str, str], str]]:
        if not claims:
            return []
        by_claim = {
            (one.facet.casefold(), one.value.casefold(), one.polarity): one
            for one in self._painter.profile(user_id).preferences
        }
        struck = []
        for claim in claims:
            preference = by_claim.get(
                (claim.facet.casefold(), claim.value.casefold(), claim.polarity)
            )
            if preference is None:
                raise BadInputError(
                    "portrait.no_claim",
                    user=user_id,
                    polarity=message(f"word.{claim.polarity}s"),
                    facet=claim.facet,
                    value=claim.value,
                )
            context = {
                "facet": preference.facet,
                "value": preference.value,
                "polarity": preference.polarity,
                STRUCK: "yes",
            }
            struck.append((context, ""))
        return struck

    def _withdrawn(
        self, user_id: str, claims: Sequence[ClaimKey]
    ) -> list[tuple[dict[str, str], str]]:
        if not claims:
            return []
        by_value = {
            (
                str(one.context.get("facet", "")).casefold(),
                str(one.context["value"]).casefold(),
            ): one.context
            for one in without_withdrawn(self._store.events(user_id))
            if one.type == "preference" and one.context.get("value") is not None
        }
        withdrawn = []
        for claim in claims:
            stated = by_value.get((claim.facet.casefold(), claim.value.casefold()))
            if stated is None or (stated.get("polarity") == "dislike") != (
                claim.polarity == "dislike"
            ):
                raise BadInputError(
                    "statement.unknown",
                    user=user_id,
                    polarity=message(f"word.{claim.polarity}s"),
                    facet=claim.facet,
                    value=claim.value,
                )
            context = {
                "facet": str(stated["facet"]),
                "value": str(stated["value"]),
                "polarity": claim.polarity,
            }
            withdrawn.append(({**context, WITHDRAWN: "yes"}, ""))
        return withdrawn

    def export(self, user_id: str) -> Export:
        """Raises UnknownIdError."""
        return Export(
            user=self._store.require_user(user_id),
            events=self._store.events(user_id),
            profiles=self._store.profile_versions(user_id),
            recommendations=self._kept.lists_of(user_id),
            ledger=self._store.ledger(user_id),
            outcomes=self._kept.outcomes_of(user_id),
            reasons=[
                StoredReason(item_id=item_id, reason=reason)
                for item_id, reason in self._kept.reasons_of(user_id)
            ],
            conversations=[
                StoredConversation(conversation_id=key, pairs=json.loads(body)["pairs"])
                for key, body in self._kept.conversations_about(user_id)
            ],
            keys=[key for key in self._store.api_keys() if key.user_id == user_id],
            rejected=[
                _rejected_line(line)
                for file in rejected_files(self._store.folder)
                for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
                if is_whole(line) and names_user(line, user_id)
            ],
        )


def _rejected_line(line: str) -> RejectedLine:
    read = json.loads(line)
    return RejectedLine(reason=read["reason"], row=read["row"])


def _changes(patch: EventPatch) -> dict[str, object]:
    """The fields of an event that are other ones. Raises BadInputError for a text that cannot be
    stored, and where nothing changes.
    """
    changes = patch.model_dump(exclude_unset=True)
    if changes.get("type", "") is None:
        del changes["type"]
    if not changes:
        raise BadInputError("event.no_change")
    if "text" in changes:
        changes["text"] = changes["text"] or ""
    for text in (changes.get("type", ""), changes.get("text", "")):
        if "\x00" in text or _has_surrogate(text):
            raise BadInputError("event.bad_text")
    return changes


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


_LOOSE = ("price", "image", "audio")


def _patched(item: Item, patch: ItemPatch) -> dict[str, object]:
    """The whole item as a row."""
    # null takes a price, picture or sound away; of what every item has it says nothing.
    given = {
        one for one in patch.model_fields_set if one in _LOOSE or getattr(patch, one) is not None
    }
    row: dict[str, object] = {
        name: getattr(patch if name in given else item, name)
        for name in ("title", "text", "categories", "price", "image", "audio")
    }
    return {"item_id": item.item_id, **row, "attributes": _patched_attributes(item, patch)}


def _patched_attributes(item: Item, patch: ItemPatch) -> dict[str, Scalar | list[str]]:
    attributes: dict[str, Scalar | list[str]] = dict(item.attributes)
    if patch.categories is not None:
        attributes |= {
            name: patch.categories for name, value in attributes.items() if value == item.categories
        }
    for names, flag, name in (
        (HIDDEN, patch.hidden, "hidden"),
        (AVAILABLE, patch.available, "available"),
    ):
        if flag is not None:
            attributes = {
                one: value for one, value in attributes.items() if one.lower() not in names
            }
            attributes[name] = flag
    for name, value in patch.attributes.items():
        if value is None:
            attributes.pop(name, None)
        else:
            attributes[name] = value
    return attributes
