"""A store that holds only what may be known, with a real engine over it: where every study asks its
questions.

Of the events that name an item it holds the split's training part. Events without one (searches,
stated preferences) are held where they lie before the moment that is asked about: T, or the user's
own first hidden event.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import BadInputError, SettingsError
from limner.core.interactions import NO_TIME, Interactions, milliseconds
from limner.core.messages import Message
from limner.core.metrics import bucket_of
from limner.core.progress import Progress
from limner.core.schema import Event, Item, Scale
from limner.core.settings import EmbedSettings, Settings
from limner.engine import open_engine
from limner.evals.data import opened
from limner.evals.records import SplitInfo
from limner.evals.splits import Split, make_split
from limner.explain.attribution import Past
from limner.profile import Subject
from limner.retrieve import History
from limner.store import EventColumns, Store, event_hash

if TYPE_CHECKING:
    from limner.engine import Engine
    from limner.index.embedders import Embedder
    from limner.llm.session import ModelHandle

_STAMP = "lab"
_GROUP_VALUES = 12
"""An attribute of users with more values makes no groups."""
_SMALL_GROUP = 5
"""Users asked below which a group is no group."""


@dataclass
class Lab:
    """Everything that a study may look at. `hidden` is for judging alone: no stage sees it."""

    dataset: str
    engine: "Engine"
    split: SplitInfo
    users: list[str]
    """Asked about."""
    hidden: Mapping[str, frozenset[str]]
    """The items that each user went on to."""
    groups: Mapping[str, Mapping[str, str]]
    """Attributes of each user."""
    notes: list[Message] = field(default_factory=list)
    _events: dict[str, list[Event]] = field(default_factory=dict)

    def events(self, user_id: str) -> list[Event]:
        """Events of the training part."""
        if user_id not in self._events:
            self._events[user_id] = self.engine.store.events(user_id)
        return self._events[user_id]

    @cached_property
    def items(self) -> Mapping[str, Item]:
        return self.engine.data.catalogue().items

    @property
    def scales(self) -> Mapping[str, Scale]:
        return self.engine.data.catalogue().scales

    def bucket(self, user_id: str) -> str:
        return bucket_of(len(self.past(user_id).taste))

    def past(self, user_id: str, events: Sequence[Event] | None = None) -> Past:
        return self.engine.pipeline.past_of(self.events(user_id) if events is None else events)

    def history(self, events: Sequence[Event]) -> History:
        """The history as the trained channels see it."""
        model = self.engine.state.ranker.model()
        if model is None:
            raise ValueError("the lab is not trained")
        return model.history(self.engine.pipeline.past_of(events).taste)

    def subject(
        self, user_id: str, model: "ModelHandle", events: Sequence[Event] | None = None
    ) -> Subject:
        """The subject of a user's portrait, from all training events or from the given ones."""
        return self.engine.portraits.subject(
            user_id, model, self.events(user_id) if events is None else events
        )


def open_lab(
    dataset: str,
    split: str,
    settings: Settings,
    folder: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    neutral: bool = False,
    progress: Progress,
    embedder: "Embedder | None" = None,
    trained: Path | None = None,
) -> Lab:
    """Fill the store in `folder` (or go on with one that was filled of the same), and train its
    engine.

    neutral: items under names that mean nothing and without prose, to see what a model knows by
    heart. trained: a folder with a trained lab of this data set, split and embedder, which a new
    `folder` copies; it is made where it is missing. Training asks no model, so labs of several
    models begin alike. Raises UsageError and BadInputError as `eval run` does,
    BadInputError where the folder holds another lab.
    """
    if trained is not None and not folder.exists():
        if not trained.exists():
            made = open_lab(
                dataset,
                split,
                settings,
                trained,
                limit=limit,
                seed=seed,
                neutral=neutral,
                progress=progress,
                embedder=embedder,
            )
            made.engine.store.close()
        shutil.copytree(trained, folder)
    with opened(dataset, progress) as (name, source):
        items = {one.item_id: one for one in source.items()}
        x = source.interactions().over(items)
        cut = make_split(split, x)
        cut = cut if limit is None else cut.limited(limit, seed)
        engine = open_engine(
            _settings(settings, folder), create=True, progress=progress, embedder=embedder
        )
        stamp = f"{name} {cut.name} {_hash_of(cut)} {'neutral' if neutral else 'plain'}"
        held = engine.store.note(_STAMP)
        if held not in (None, stamp):
            raise BadInputError("evals.other_lab", folder=folder, found=held, expected=stamp)
        if held is None:
            with engine.store.writing():
                _fill(engine.store, source, cut, x, neutral=neutral)
                engine.store.set_note(_STAMP, stamp)
    if not engine.trainer.is_trained():
        engine.train()
    users = [x.user_ids[at] for at in cut.users]
    hidden = {
        user: frozenset(x.item_ids[one] for one in relevant)
        for user, relevant in zip(users, cut.relevant, strict=True)
    }
    info = SplitInfo(
        name=cut.name,
        hash=cut.digest,
        users=len(users),
        train_events=len(cut.train),
        test_events=cut.test_events,
        items=len(x.item_ids),
    )
    return Lab(name, engine, info, users, hidden, _groups(engine.store, users), list(cut.notes))


def _settings(settings: Settings, folder: Path) -> Settings:
    """Over the lab's store; vectors by the embedder that takes seconds, unless one is named."""
    update: dict[str, object] = {"data": str(folder)}
    if settings.embed.choice == "auto":
        from limner.index.embedders import choose_embedder

        fast = EmbedSettings(choice="wordllama")
        try:
            choose_embedder(Settings(embed=fast))
            update["embed"] = fast
        except SettingsError:
            pass
    return settings.model_copy(update=update)


def _hash_of(cut: Split) -> str:
    """Hash of the training, which does not depend on how many users are asked."""
    import hashlib

    return hashlib.sha256(np.sort(cut.train.seq).tobytes()).hexdigest()[:16]


def _fill(store: Store, source: Store, cut: Split, x: Interactions, *, neutral: bool) -> None:
    items = source.items()
    store.add_items([nameless(one, at) for at, one in enumerate(items, 1)] if neutral else items)
    store.add_users(source.users())
    for scale in source.scales().values():
        store.set_scale(scale)
    training = frozenset(cut.train.seq.tolist())
    first = _first_hidden(cut, x)
    with store.loading():
        for user_id in source.user_ids():
            events = [
                one
                for one in source.events(user_id)
                if _is_known(one, training, first.get(user_id))
            ]
            for named in sorted({one.source for one in events}):
                store.add_events(_columns([one for one in events if one.source == named], named))


def _first_hidden(cut: Split, x: Interactions) -> dict[str, int]:
    """By user, epoch milliseconds before which an event without an item is known; not of those with
    nothing hidden.
    """
    if cut.moment is not None:
        return dict.fromkeys(x.user_ids, cut.moment)
    hidden: NDArray[np.int64] = np.flatnonzero(~np.isin(x.seq, cut.train.seq))
    first: dict[str, int] = {}
    for at in hidden[::-1].tolist():
        first[x.user_ids[x.user[at]]] = int(x.time[at])
    return first


def _is_known(event: Event, kept: frozenset[int], first: int | None) -> bool:
    if event.item_id is not None:
        return event.seq in kept
    if first is None:
        return True
    return (
        event.timestamp is not None
        and first != NO_TIME
        and event.timestamp.timestamp() * 1000 < first
    )


def _columns(events: Sequence[Event], source: str) -> EventColumns:
    return EventColumns(
        event_id=[one.event_id for one in events],
        id_hash=np.array([event_hash(one.event_id) for one in events], dtype=np.int64),
        user_id=[one.user_id for one in events],
        item_id=[one.item_id for one in events],
        type=[one.type for one in events],
        value=np.array(
            [np.nan if one.value is None else one.value for one in events], dtype=np.float64
        ),
        time=np.array([milliseconds(one.timestamp) for one in events], dtype=np.int64),
        text=[one.text for one in events],
        source=source,
        context=[
            json.dumps(one.context, ensure_ascii=False) if one.context else "" for one in events
        ],
    )


def nameless(item: Item, number: int) -> Item:
    """An item that keeps its values but not what it is called: no title, prose or picture, and no
    text attribute of its own; the year that ended its title stays, since it is a value.
    """
    import re

    year = re.search(r"\(\d{4}\)\s*$", item.title)
    title = f"Item {number} {year[0]}".strip() if year else f"Item {number}"
    plain_attributes = (
        {
            name: value
            for name, value in item.attributes.items()
            if not (
                isinstance(value, str)
                and (item.title.casefold()[:12] in value.casefold() or "://" in value)
            )
        }
        if item.title
        else dict(item.attributes)
    )
    return item.model_copy(
        update={
            "title": title,
            "text": "",
            "image": None,
            "audio": None,
            "attributes": plain_attributes,
        }
    )


def _groups(store: Store, users: Sequence[str]) -> dict[str, dict[str, str]]:
    """By user, attributes that few values of divide them; numbers in many values (ages) by their
    thirds.
    """
    raw: dict[str, dict[str, str | float]] = {}
    for user_id in users:
        user = store.user(user_id)
        for name, value in (user.attributes if user else {}).items():
            if not isinstance(value, list):
                number = isinstance(value, int | float) and not isinstance(value, bool)
                raw.setdefault(name, {})[user_id] = float(value) if number else str(value)
    out: dict[str, dict[str, str]] = {one: {} for one in users}
    for name, values in raw.items():
        for user_id, group in _grouped(values).items():
            out[user_id][name] = group
    return out


def _grouped(values: Mapping[str, str | float]) -> dict[str, str]:
    """The group of each user, small ones left out; empty where the values tell everyone apart."""
    if len(set(values.values())) > _GROUP_VALUES:
        named = _thirds(values)
    else:
        named = {
            user: f"{value:g}" if isinstance(value, float) else value
            for user, value in values.items()
        }
    sizes = Counter(named.values())
    return {user: group for user, group in named.items() if sizes[group] >= _SMALL_GROUP}


def _thirds(values: Mapping[str, str | float]) -> dict[str, str]:
    """The third of the users that each belongs to; empty where not all values are numbers."""
    numbers = {user: value for user, value in values.items() if isinstance(value, float)}
    if len(numbers) < len(values):
        return {}
    low, high = np.quantile(list(numbers.values()), [1 / 3, 2 / 3])
    names = (f"below {low:g}", f"{low:g} to {high:g}", f"above {high:g}")
    return {user: names[int(value >= low) + int(value > high)] for user, value in numbers.items()}
