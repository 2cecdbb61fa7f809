"""The flow of an ingest: read, resolve, clean, store, report. One transaction; all or nothing."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from agent.errors import BadInputError
from agent.ingest.clean import (
    Occurrences,
    Rejected,
    attribute,
    clean_events,
    clean_items,
    clean_users,
    identify,
    split_list,
)
from agent.ingest.mapping import Join, Layout, Mapping, TableName, load_mapping, plain_name, resolve
from agent.ingest.read import BROKEN, LINE, Chunk, as_text, read_table
from agent.interactions import NO_TIME
from agent.progress import Progress, Quiet
from agent.schema import IngestReport, Item, Scale, TableReport, User, Value
from agent.store import EventColumns, Store

CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class Sources:
    """What to ingest: files, folders, globs, archives, or `URL#SELECT …` for a query over a SQLAlchemy URL."""

    events: Sequence[str] = ()
    items: Sequence[str] = ()
    users: Sequence[str] = ()
    mapping: str | Mapping | None = None


def ingest(
    store: Store, sources: Sources, *, progress: Progress | None = None, chunk_rows: int = CHUNK_ROWS
) -> IngestReport:
    """Read everything into the store, or nothing.

    Raises BadInputError where a file is unusable or no row of all survives; the store is then as it was.
    """
    if not (sources.events or sources.items or sources.users):
        raise BadInputError("Nothing to ingest; name --events FILE (and --items, --users).")
    mapping = load_mapping(sources.mapping) if isinstance(sources.mapping, str) else sources.mapping or Mapping()
    run = _Run(store, mapping, progress or Quiet(), chunk_rows)
    with store.loading():
        for place in sources.users:
            run.users(_chunks(store, place, mapping, "users", chunk_rows), place)
        for place in sources.items:
            run.items(_chunks(store, place, mapping, "items", chunk_rows), place)
        for place in sources.events:
            run.events(_chunks(store, place, mapping, "events", chunk_rows), place)
        run.check()
    return run.report()


def ingest_frames(
    store: Store,
    events: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    mapping: str | Mapping | None = None,
) -> IngestReport:
    """The same from pandas frames."""
    chosen = load_mapping(mapping) if isinstance(mapping, str) else mapping or Mapping()
    run = _Run(store, chosen, Quiet(), CHUNK_ROWS)

    def chunks(frame: pd.DataFrame, name: str) -> Iterator[Chunk]:
        text = as_text(frame)
        text[LINE] = range(1, len(text) + 1)
        for at in range(0, len(text), CHUNK_ROWS):
            yield Chunk(text.iloc[at : at + CHUNK_ROWS].reset_index(drop=True), name, at == 0)

    with store.loading():
        if users is not None:
            run.users(chunks(users, "users frame"), "frame")
        if items is not None:
            run.items(chunks(items, "items frame"), "frame")
        if events is not None:
            run.events(chunks(events, "events frame"), "frame")
        run.check()
    return run.report()


def to_frame(values: Sequence[Value]) -> pd.DataFrame:
    """Values as a frame, one row each, one column a field."""
    return pd.DataFrame([value.model_dump() for value in values])


def _chunks(store: Store, place: str, mapping: Mapping, table: TableName, rows: int) -> Iterator[Chunk]:
    if "://" in place:
        from agent.store.source import read_query

        url, mark, query = place.partition("#")
        if not mark:
            raise BadInputError(
                f"'{url}' needs a query behind '#', such as {url.split(':')[0]}://…#SELECT * FROM events."
            )
        line, first = 1, True
        for columns, part in read_query(url, query, rows):
            frame = as_text(pd.DataFrame(part, columns=columns, dtype=object))
            frame[LINE] = range(line, line + len(frame))
            line += len(frame)
            yield Chunk(frame, "query", first)
            first = False
        return
    from agent.ingest.mapping import Reading

    yield from read_table(place, mapping.read.get(table, Reading()), rows)


@dataclass
class _Tally:
    read: int = 0
    kept: int = 0
    merged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def report(self) -> TableReport:
        rejected = sum(self.reasons.values())
        return TableReport(
            read=self.read,
            kept=self.kept,
            merged=self.merged,
            rejected=rejected,
            reasons=dict(self.reasons.most_common()),
        )


class _Run:
    """One ingest's counts, notes and rejected rows."""

    def __init__(self, store: Store, mapping: Mapping, progress: Progress, rows: int) -> None:
        self.store, self.mapping, self.progress, self.rows = store, mapping, progress, rows
        self.tally: dict[TableName, _Tally] = {"events": _Tally(), "items": _Tally(), "users": _Tally()}
        self.notes: list[str] = []
        self.rejected: list[dict[str, object]] = []
        self.rejected_path: Path | None = None
        self.now = int(time.time() * 1000)

    # ------------------------------------------------------------ tables

    def users(self, chunks: Iterator[Chunk], place: str) -> None:
        source = self._source(place)
        layout: Layout | None = None
        self.progress.start("users")
        for chunk in chunks:
            layout = self._layout("users", chunk, layout)
            users, bad = clean_users(chunk.frame, layout, source)
            self._count("users", chunk, bad, *self._merge_users(users))
        self.progress.done()

    def _merge_users(self, users: list[User]) -> tuple[int, int]:
        added = self.store.add_users(users)
        return added.kept, added.merged

    def items(self, chunks: Iterator[Chunk], place: str) -> None:
        """Items. Where many rows speak of one item (an events file), the first value that is not empty counts."""
        source = self._source(place)
        layout: Layout | None = None
        side = _side_tables(self.mapping, Path(place).parent, self.rows)
        seen: dict[str, Item] = {}
        self.progress.start("items")
        for chunk in chunks:
            layout = self._layout("items", chunk, layout)
            items, bad = clean_items(chunk.frame, layout, source)
            before = len(seen)
            for item in items:
                old = seen.get(item.item_id)
                seen[item.item_id] = _with_side(item, side) if old is None else _fuller(old, item)
            fresh = len(seen) - before
            self._count("items", chunk, bad, fresh, len(items) - fresh)
        # Written at the end: an item that many rows describe is only then complete.
        added = self.store.add_items(list(seen.values()))
        self.tally["items"].kept += added.kept - len(seen)
        self.tally["items"].merged += added.merged
        self.progress.done()

    def events(self, chunks: Iterator[Chunk], place: str) -> None:
        source = self._source(place)
        layout: Layout | None = None
        count = Occurrences()
        low, high, timed = np.inf, -np.inf, False
        self.progress.start("events")
        for chunk in chunks:
            layout = self._layout("events", chunk, layout)
            if chunk.first:
                count = Occurrences()
            clean = clean_events(chunk.frame, layout, self.mapping, self.now)
            hashes, again = identify(clean, count)
            fresh = np.flatnonzero(~again)
            columns = EventColumns(
                None if clean.event_id is None else [clean.event_id[i] for i in fresh], hashes[fresh],
                [clean.user_id[i] for i in fresh], [clean.item_id[i] for i in fresh], [clean.type[i] for i in fresh],
                clean.value[fresh], clean.time[fresh], [clean.text[i] for i in fresh], source,
                [clean.context[i] for i in fresh],
            )  # fmt: skip
            added = self.store.add_events(columns)
            rated = np.array([one in ("rating", "review") for one in clean.type], dtype=bool) & np.isfinite(clean.value)
            if rated.any():
                low, high = min(low, clean.value[rated].min()), max(high, clean.value[rated].max())
            timed |= bool((clean.time != NO_TIME).any())
            self._count("events", chunk, clean.rejected, added.kept, added.merged + int(again.sum()))
        self.progress.done()
        if layout is None:
            return
        if self.mapping.scale is not None:
            low, high = self.mapping.scale
            self.store.set_scale(Scale(source=source, low=low, high=high, declared=True))
        elif low < high:
            self.store.set_scale(Scale(source=source, low=float(low), high=float(high)))
            self.notes.append(
                f"Ratings of '{source}' run from {low:g} to {high:g}, as observed; no scale was declared."
            )
        if "timestamp" not in layout.fields:
            self.notes.append(f"'{Path(place).name}' has no time column: the order of its rows stands for time.")
        elif not timed:
            self.notes.append(f"'{Path(place).name}' has no usable times: the order of its rows stands for time.")

    # ------------------------------------------------------------ bookkeeping

    def _source(self, place: str) -> str:
        if self.mapping.source:
            return self.mapping.source
        if "://" in place:
            return place.split("://")[0]
        name = Path(place).name.split(".")[0]
        return name or "data"

    def _layout(self, table: TableName, chunk: Chunk, layout: Layout | None) -> Layout:
        if layout is not None and not chunk.first:
            # A later chunk of JSON lines may bring new keys or lack some.
            for spec in layout.fields.values():
                for name in [spec.column, *spec.columns]:
                    if name and name not in chunk.frame:
                        chunk.frame[name] = ""
            for name in layout.rest:
                if name not in chunk.frame:
                    chunk.frame[name] = ""
            return layout
        columns = [str(c) for c in chunk.frame.columns if c not in (LINE, BROKEN)]
        made = resolve(table, columns, self.mapping, f"'{chunk.file}'")
        if layout is None and made.rest:
            kind = "context of events" if table == "events" else f"attributes of {table}"
            self.notes.append(
                f"Other columns of '{chunk.file}' became {kind}: {', '.join(plain_name(one) for one in made.rest[:8])}."
            )
        return made

    def _count(self, table: TableName, chunk: Chunk, bad: list[Rejected], kept: int, merged: int) -> None:
        tally = self.tally[table]
        tally.read += len(chunk.frame)
        tally.kept += kept
        tally.merged += merged
        tally.reasons.update(one.reason for one in bad)
        self.rejected += [
            {"table": table, "file": chunk.file, "line": one.line, "reason": one.reason, "row": one.row} for one in bad
        ]
        if len(self.rejected) >= self.rows:
            self._spill()
        self.progress.advance(len(chunk.frame))

    def _spill(self) -> None:
        """Rejected rows go to their file as they come, so that memory stays flat."""
        if not self.rejected:
            return
        folder = self.store.folder / "rejected"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row, ensure_ascii=False) for row in self.rejected]
        if self.rejected_path is None:
            # Named by content, so that the same bad file again makes no second one.
            name = hashlib.blake2b("\n".join(lines).encode(), digest_size=6).hexdigest()
            self.rejected_path = folder / f"{name}.jsonl"
            self.rejected_path.unlink(missing_ok=True)
        with self.rejected_path.open("a", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        self.rejected.clear()

    def check(self) -> None:
        """Raises BadInputError where tables were read and not one row of all is usable."""
        self._spill()
        for table, tally in self.tally.items():
            if tally.read and not tally.kept and not tally.merged:
                reasons = ", ".join(f"{count} {why}" for why, count in tally.reasons.most_common(3))
                raise BadInputError(
                    f"No row of the {table} table can be used ({reasons}); check the mapping of its columns."
                )
        if not any(tally.read for tally in self.tally.values()):
            raise BadInputError("The files hold a header and no rows.")

    def report(self) -> IngestReport:
        return IngestReport(
            events=self.tally["events"].report(),
            items=self.tally["items"].report(),
            users=self.tally["users"].report(),
            notes=list(dict.fromkeys(self.notes)),
            rejected_file=str(self.rejected_path) if self.rejected_path else None,
        )


def _fuller(old: Item, new: Item) -> Item:
    """`old` itself, unless the new row fills what it lacks."""
    gaps = {
        name: value
        for name in ("title", "text", "price", "image", "audio")
        if not getattr(old, name) and (value := getattr(new, name))
    }
    if not old.categories and new.categories:
        gaps["categories"] = new.categories
    more = {name: value for name, value in new.attributes.items() if name not in old.attributes}
    if more:
        gaps["attributes"] = {**old.attributes, **more}
    return old.model_copy(update=gaps) if gaps else old


# ---------------------------------------------------------------- side tables


def _side_tables(mapping: Mapping, folder: Path, rows: int) -> list[tuple[Join, dict[str, list[str]]]]:
    """For each join, item id to the list of its values."""
    return [(join, _lookup(join, folder, rows, many=True)) for join in mapping.joins]


def _lookup(join: Join, folder: Path, rows: int, *, many: bool) -> dict[str, list[str]]:
    names = _lookup(join.through, folder, rows, many=False) if join.through else None
    found: dict[str, list[str]] = {}
    for chunk in read_table(str(folder / join.file), join.read, rows):
        for name in (join.key, join.column):
            if name not in chunk.frame:
                raise BadInputError(f"The side table '{chunk.file}' has no column '{name}'.")
        for key, raw in zip(chunk.frame[join.key], chunk.frame[join.column], strict=True):
            cell = str(raw)
            values = (
                names.get(cell.strip(), [])
                if names is not None
                else split_list(cell)
                if many
                else [str(attribute(cell))]
            )
            target = found.setdefault(key.strip(), [])
            target += [one for one in values if one and one not in target][: join.limit - len(target)]
    return found


def _with_side(item: Item, side: list[tuple[Join, dict[str, list[str]]]]) -> Item:
    for join, table in side:
        values = table.get(item.item_id)
        if not values:
            continue
        if join.into == "categories":
            attributes = {**item.attributes, "genre": values} if join.column.startswith("genre") else item.attributes
            item = item.model_copy(update={"categories": values, "attributes": attributes})
        else:
            item = item.model_copy(update={"attributes": {**item.attributes, join.into: values}})
    return item
