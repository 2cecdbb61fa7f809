"""The flow of an ingest: read, resolve, clean, store, report. One transaction; all or nothing."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, compress, islice
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from limner.core.errors import BadInputError
from limner.core.interactions import NO_TIME
from limner.core.messages import Message, message
from limner.core.progress import Progress, Quiet
from limner.core.schema import Attributes, IngestReport, Item, Scale, TableReport, User, Value
from limner.core.telemetry import logged
from limner.core.variants import Variants
from limner.ingest.broken_text import MARK, BrokenLetters, mend_letters
from limner.ingest.clean import (
    CleanEvents,
    GivenIds,
    Occurrences,
    Rejected,
    attribute,
    attribute_name,
    clean_events,
    clean_items,
    clean_users,
    identify,
    rejected,
    split_list,
)
from limner.ingest.column_profile import LOOK, TableProfile
from limner.ingest.column_types import ColumnTypes, named_as_codes
from limner.ingest.mapping import (
    FIELDS,
    ROW,
    ColumnRule,
    FileFormat,
    Join,
    Layout,
    Mapping,
    TableName,
    counts_plays,
    load_mapping,
    meanings_of,
    nameless,
    resolve,
)
from limner.ingest.missing import MissingCells, something
from limner.ingest.pivot import looks_pivoted, pivoted
from limner.ingest.read import (
    BROKEN,
    LINE,
    META,
    RAW,
    TableChunk,
    as_text,
    estimated_rows,
    read_table,
)
from limner.ingest.refine_layout import (
    by_name_notes,
    refine_events,
    refine_items,
    split_lists,
    without_events,
)
from limner.ingest.rejects import RejectedRows
from limner.ingest.shared_titles import shared_title, without_title
from limner.store import EventColumns, Store

CHUNK_ROWS = 100_000
_EARLY = 315_532_800_000
"""1980-01-01 in epoch milliseconds."""


@dataclass(frozen=True)
class Sources:
    """What to ingest: files, folders, globs, archives, or `URL#SELECT …` for a query over a
    SQLAlchemy URL.
    """

    events: Sequence[str] = ()
    items: Sequence[str] = ()
    users: Sequence[str] = ()
    mapping: str | Mapping | None = None
    allow_unknown_items: bool = False
    """Also store events if none of them is about an item of the items table."""


@logged("ingest", "files", lambda report: _kept(report))
def ingest(
    store: Store,
    *parts: Sources,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
    wait: float = 0.0,
) -> IngestReport:
    """Read tables into the store in one transaction: everything or nothing. Each of `parts` has its
    own mapping.

    `wait`: seconds to wait for another process that writes. Raises BadInputError where a file is
    unusable or no row at all survives, StoreBusyError where another process goes on writing. The
    store is then unchanged.
    """
    bad = RejectedRows(store.folder / "rejected", chunk_rows)
    runs: list[IngestRun] = []
    with bad.settled(), store.loading(wait=wait):
        for sources in parts:
            if not (sources.events or sources.items or sources.users):
                raise BadInputError("ingest.nothing")
            mapping = _mapping_of(sources.mapping)
            run = IngestRun(store, mapping, progress or Quiet(), bad)
            runs.append(run)
            _read_all(run, sources, chunk_rows)
            run.finish(allow_unknown_items=sources.allow_unknown_items)
        bad.write()
    return _merged([run.report() for run in runs], bad.path)


def _mapping_of(mapping: str | Mapping | None) -> Mapping:
    """A mapping, read from its file where it is a path; an empty one for None."""
    return load_mapping(mapping) if isinstance(mapping, str) else mapping or Mapping()


def _read_all(run: "IngestRun", sources: Sources, rows: int) -> None:
    """Read users, then items, then events, `rows` rows at a time."""
    mapping = run.mapping
    run.twofold = frozenset(sources.events) & frozenset(sources.items)
    for place in sources.users:
        read = partial(_chunks, place, mapping, "users", rows)
        run.users(read, place, estimated_rows(place))
    for place in sources.items:
        read = partial(_chunks, place, mapping, "items", rows)
        run.items(read, place, rows, estimated_rows(place))
    for place in sources.events:
        read = partial(_chunks, place, mapping, "events", rows)
        run.events(read, place, estimated_rows(place))


@logged("ingest", "frames", lambda report: _kept(report))
def ingest_frames(
    store: Store,
    events: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    mapping: str | Mapping | None = None,
    *,
    allow_unknown_items: bool = False,
) -> IngestReport:
    """Ingest pandas frames in one transaction. Columns are mapped as those of files; raises as
    `ingest` does.
    """
    bad = RejectedRows(store.folder / "rejected", CHUNK_ROWS)
    run = IngestRun(store, _mapping_of(mapping), Quiet(), bad)

    def chunks(frame: pd.DataFrame, name: str) -> Iterator[TableChunk]:
        text = as_text(frame)
        text[LINE] = range(1, len(text) + 1)
        for at in range(0, len(text), CHUNK_ROWS):
            yield TableChunk(text.iloc[at : at + CHUNK_ROWS].reset_index(drop=True), name, at == 0)

    with bad.settled(), store.loading():
        if users is not None:
            run.users(partial(chunks, users, "users frame"), "frame")
        if items is not None:
            run.items(partial(chunks, items, "items frame"), "frame", CHUNK_ROWS)
        if events is not None:
            run.events(partial(chunks, events, "events frame"), "frame")
        run.finish(allow_unknown_items=allow_unknown_items)
        bad.write()
    return _merged([run.report()], bad.path)


def _kept(report: IngestReport) -> dict[str, int]:
    """Rows stored by table, and rows rejected of all."""
    tables = {"events": report.events, "items": report.items, "users": report.users}
    rejected = sum(table.rejected for table in tables.values())
    return {name: table.kept for name, table in tables.items()} | {"rejected": rejected}


def _merged(reports: Sequence[IngestReport], rejected_file: Path | None) -> IngestReport:
    """One report of all parts: counts add up, notes follow each other."""
    return IngestReport(
        events=_sum([report.events for report in reports]),
        items=_sum([report.items for report in reports]),
        users=_sum([report.users for report in reports]),
        notes=list(dict.fromkeys(note for report in reports for note in report.notes)),
        rejected_file=str(rejected_file) if rejected_file else None,
    )


def _sum(tables: Sequence[TableReport]) -> TableReport:
    reasons: Counter[str] = Counter()
    for table in tables:
        reasons.update(table.reasons)
    return TableReport(
        read=sum(table.read for table in tables),
        kept=sum(table.kept for table in tables),
        merged=sum(table.merged for table in tables),
        rejected=sum(table.rejected for table in tables),
        reasons=dict(reasons.most_common()),
    )


def to_frame(values: Sequence[Value]) -> pd.DataFrame:
    """Values as a frame, one row each, one column a field."""
    return pd.DataFrame([value.model_dump() for value in values])


def _chunks(place: str, mapping: Mapping, table: TableName, rows: int) -> Iterator[TableChunk]:
    if "://" in place:
        from limner.store.source import read_query

        parts = re.split(
            r"#\s*(?=select\b|with\b|values\b)", place, maxsplit=1, flags=re.IGNORECASE
        )
        url, query = parts[0], parts[-1]
        if len(parts) < 2:
            raise BadInputError("ingest.no_query", scheme=url.split(":")[0])
        line, first = 1, True
        for columns, part in read_query(url, query, rows):
            frame = as_text(pd.DataFrame(part, columns=columns, dtype=object))
            frame[LINE] = range(line, line + len(frame))
            line += len(frame)
            yield TableChunk(frame, "query", first)
            first = False
        return
    yield from _file_chunks(place, mapping, table, rows)


def _file_chunks(place: str, mapping: Mapping, table: TableName, rows: int) -> Iterator[TableChunk]:
    """The chunks of files; of a table of one attribute a row, pivoted, if the mapping says so or
    says nothing of the table and its first rows look so.
    """
    reading = mapping.read.get(table, FileFormat())
    chunks = read_table(place, reading, rows)
    told = reading.pivot
    if told is None and table != "events" and not mapping.table(table):
        first = next(chunks, None)
        if first is None:
            return
        told = looks_pivoted(TableProfile(first.frame))
        chunks = chain([first], chunks)
    yield from chunks if told is None else pivoted(chunks, told, table)


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


class Bin(Protocol):
    """Receives rejected rows, each a mapping with its file, line and reason."""

    def add(self, rows: Sequence[MappingOf[str, object]]) -> None: ...


class IngestRun:
    """One part's counts, notes and rejected rows."""

    def __init__(
        self,
        store: Store,
        mapping: Mapping,
        progress: Progress,
        bad: Bin,
        *,
        keeps_scale: bool = False,
        is_typed: bool = False,
    ) -> None:
        """keeps_scale: the mapping's scale is the one that the store has, and is not declared by
        it. is_typed: a program sent the rows, whose lists are lists and whose text is text.
        """
        self.store, self.mapping, self.progress, self.bad = store, mapping, progress, bad
        self.keeps_scale, self.is_typed = keeps_scale, is_typed
        self.tally: dict[TableName, _Tally] = {
            "events": _Tally(),
            "items": _Tally(),
            "users": _Tally(),
        }
        self.notes: list[Message] = []
        self.now = int(time.time() * 1000)
        self.day_first: bool | None = None
        self.list_marks: dict[tuple[str, str], str] = {}
        self.times = mapping.times
        self.plays = False
        self.items_used: Counter[str] = Counter()
        self.items_read: set[str] = set()
        self.noted: set[tuple[TableName, str]] = set()
        self.twofold: frozenset[str] = frozenset()
        """Files that are both tables, of events and of items."""
        self.rows_before: Counter[tuple[TableName, str]] = Counter()
        self.missing = MissingCells(mapping)
        self.broken: dict[tuple[TableName, str], BrokenLetters] = {}

    # ------------------------------------------------------------ tables

    def users(
        self, read: Callable[[], Iterator[TableChunk]], place: str, total: int | None = None
    ) -> None:
        """Users; `read` opens the table, which is looked through first for the types of its
        columns.
        """
        source, types = self._source(place), self._types("users", read)
        side = _side_tables(self.mapping, "users", Path(place).parent, CHUNK_ROWS, self.notes)
        layout: Layout | None = None
        self.progress.start("users", total)
        for chunk in read():
            layout = self._layout("users", chunk, layout, place)
            users, bad = clean_users(chunk.frame, layout, source, types.text)
            users = [_user_with_side(user, side) for user in users]
            added = self.store.add_users(users)
            self._count("users", chunk, bad, added.kept, added.merged)
        self.progress.done()
        self._note_codes("users", types, layout)

    def items(
        self,
        read: Callable[[], Iterator[TableChunk]],
        place: str,
        rows: int,
        total: int | None = None,
    ) -> None:
        """Items. Where many rows speak of one, its commonest title counts, and the first of
        everything else. `read` opens the table, as `users` takes it.
        """
        source = self._source(place)
        layout: Layout | None = None
        side = _side_tables(self.mapping, "items", Path(place).parent, rows, self.notes)
        types = self._types("items", read)
        described = _ItemRows(source, side, types.text)
        good = 0
        self.progress.start("items", total)
        for chunk in read():
            layout = self._layout("items", chunk, layout, place)
            bad = described.add(chunk.frame, layout)
            good += len(chunk.frame) - len(bad)
            self._count("items", chunk, bad, 0, 0)
        items = self._titled(described.items(), place)
        self.items_read.update(item.item_id for item in items)
        self._note_variants(items, layout, place)
        self._note_codes("items", types, layout)
        # Written at the end: an item that many rows describe is only then complete.
        added = self.store.add_items(items)
        self.tally["items"].kept += added.kept
        self.tally["items"].merged += good - added.kept
        self.progress.done()

    def _types(self, table: TableName, read: Callable[[], Iterator[TableChunk]]) -> ColumnTypes:
        """The types of a table's columns, by the cells of all rows."""
        types = ColumnTypes()
        for chunk in read():
            types.look(chunk.frame, table, self.missing)
        return types

    def _note_codes(self, table: TableName, types: ColumnTypes, layout: Layout | None) -> None:
        """Say which attributes were kept as text though they are digits."""
        if layout is None:
            return
        own = [rule.column for name, rule in layout.fields.items() if name not in FIELDS[table]]
        names = sorted(types.codes.intersection([*own, *layout.rest]))
        if names:
            self.notes.append(message("ingest.kept_as_text", table=table, columns=", ".join(names)))

    def _titled(self, items: list[Item], place: str) -> list[Item]:
        """Items whose titles tell them apart: one that most of them share is none."""
        title = shared_title(items)
        if not title:
            return items
        n = sum(item.title == title for item in items)
        self.notes.append(
            message("ingest.shared_title", file=_name(place), n=n, title=title[:60].strip())
        )
        return [without_title(item) if item.title == title else item for item in items]

    def events(
        self, read: Callable[[], Iterator[TableChunk]], place: str, total: int | None = None
    ) -> None:
        """Events; `read` opens the table, and opens it again where its first rows do not tell
        enough.
        """
        source = self._source(place)
        layout: Layout | None = None
        count, given = Occurrences(), GivenIds()
        extent = _Extent()
        self.progress.start("events", total)
        for chunk in read():
            layout = self._layout("events", chunk, layout, place, read)
            if chunk.first:
                count = Occurrences()
            clean = clean_events(
                chunk.frame,
                layout,
                self.mapping,
                self.now,
                bool(self.day_first),
                self.times,
                named_as_codes(chunk.frame),
            )
            if clean.event_id is None:
                hashes, again = identify(clean, count)
                fresh, twice = ~again, np.zeros_like(again)
            else:
                hashes, again, twice = given.check(clean)
                fresh = ~again & ~twice
            columns = _columns(clean, hashes, fresh, source)
            added = self.store.add_events(columns)
            self.items_used.update(one for one in columns.item_id if one is not None)
            extent.add(columns)
            bad = clean.rejected + (self._twice(chunk, clean, twice) if twice.any() else [])
            self._count("events", chunk, bad, added.kept, added.merged + int(again.sum()))
        self.progress.done()
        if layout is None:
            self.notes.append(message("ingest.no_rows", file=_name(place)))
            return
        self._set_scale(source, extent.low, extent.high)
        self._note_times(layout, place, extent.last)

    def _note_variants(self, items: Sequence[Item], layout: Layout | None, place: str) -> None:
        """Say by which column items are variants of one thing."""
        rule = layout.fields.get("group") if layout is not None else None
        if rule is not None and (variants := Variants(items)):
            self.notes.append(
                message(
                    "ingest.variants",
                    file=_name(place),
                    column=rule.column,
                    groups=variants.groups,
                    items=variants.items,
                )
            )

    def _set_scale(self, source: str, low: float, high: float) -> None:
        """Store the declared rating scale of a source, else the observed one."""
        if self.mapping.scale is not None and not self.keeps_scale:
            low, high = self.mapping.scale
            self.store.set_scale(Scale(source=source, low=low, high=high, declared=True))
        elif self.mapping.scale is None and low < high:
            self.store.set_scale(Scale(source=source, low=float(low), high=float(high)))
            self.notes.append(message("ingest.observed_scale", source=source, low=low, high=high))

    def _note_times(self, layout: Layout, place: str, last: int) -> None:
        if "timestamp" not in layout.fields:
            self.notes.append(message("ingest.no_time_column", file=_name(place)))
        elif NO_TIME < last < _EARLY:
            self.notes.append(message("ingest.early_times", file=_name(place)))

    def _twice(
        self, chunk: TableChunk, clean: CleanEvents, other: NDArray[np.bool_]
    ) -> list[Rejected]:
        """Rows whose event id stood for another event before."""
        lost = {one.line for one in clean.rejected}
        lines = chunk.frame[LINE].to_numpy()
        kept = np.array(
            [at for at, line in enumerate(lines.tolist()) if line not in lost], dtype=np.intp
        )
        reason = np.full(len(lines), "event_id used for another event", dtype=object)
        return rejected(chunk.frame, kept[other], reason)

    # ------------------------------------------------------------ bookkeeping

    def _source(self, place: str) -> str:
        if self.mapping.source:
            return self.mapping.source
        if "://" in place:
            return place.split("://")[0]
        name = Path(place).name.split(".")[0]
        return re.sub(r"[*?\[\]]+", "", name).strip("-_ ") or "data"

    def _layout(
        self,
        table: TableName,
        chunk: TableChunk,
        layout: Layout | None,
        place: str,
        read: Callable[[], Iterator[TableChunk]] = lambda: iter(()),
    ) -> Layout:
        """The layout of a chunk, whose cells are made ready for it: those that stand for nothing
        are emptied, and broken letters are marked.
        """
        self.notes += chunk.notes
        self.missing.blank(chunk.frame, table, chunk.file, first=chunk.first)
        made = self._columns_of(table, chunk, layout, place, read)
        self._number(table, chunk.frame, made, place)
        self._mend(table, chunk, made)
        return made

    def _columns_of(
        self,
        table: TableName,
        chunk: TableChunk,
        layout: Layout | None,
        place: str,
        read: Callable[[], Iterator[TableChunk]],
    ) -> Layout:
        """The layout of a chunk: made anew for each file, widened where JSON lines bring new keys
        later.
        """
        frame = chunk.frame
        columns = [str(c) for c in frame.columns if c not in META]
        if layout is not None and not chunk.first:
            layout = self._continued(table, frame, columns, layout, place)
            _blank_rules(frame, layout.fields.values())
            return layout
        if not columns and BROKEN in frame:
            raise _no_record(chunk, table)
        made = resolve(table, columns, self.mapping, f"'{chunk.file}'")
        if (table, _name(place)) not in self.noted:
            self.notes += by_name_notes(table, made, self.mapping, _name(place))
        if table == "events":
            made = self._refined(made, chunk, place, read)
            self.plays |= counts_plays(made)
        else:
            profile = TableProfile(frame)
            if table == "items":
                made = refine_items(made, profile, self.mapping)
                if place in self.twofold:
                    events = resolve("events", columns, self.mapping, f"'{chunk.file}'")
                    made = without_events(made, events)
            if not self.is_typed:
                self.notes += split_lists(
                    table, made, profile, self.mapping, _name(place), self.list_marks
                )
        _blank_rules(frame, made.fields.values())
        if any(nameless(c) and not self.mapping.ignores(c) for c in columns):
            self.notes.append(message("ingest.unnamed_column", file=_name(place)))
        self._note_rest(table, made.rest, place)
        return made

    def _number(self, table: TableName, frame: pd.DataFrame, layout: Layout, place: str) -> None:
        """Number a chunk's rows where a field asks for it; over all files of the table."""
        first = self.rows_before[table, place] + 1
        self.rows_before[table, place] += len(frame)
        fields = [name for name, rule in layout.fields.items() if rule.row]
        if fields:
            frame[ROW] = [str(number) for number in range(first, first + len(frame))]
            for name in fields:
                self.notes.append(message("ingest.row_numbers", file=_name(place), field=name))

    def _mend(self, table: TableName, chunk: TableChunk, layout: Layout) -> None:
        """Mark broken letters in a chunk's cells, and remember how many rows had some."""
        broken = mend_letters(chunk.frame, layout)
        if broken is not None:
            first = self.broken.setdefault((table, chunk.file), broken)
            if first is not broken:
                first.rows += broken.rows

    def _broken_notes(self) -> list[Message]:
        return [
            message(
                "ingest.broken_letters",
                file=Path(file).name,
                table=table,
                n=broken.rows,
                line=broken.line,
                cell=_excerpt(broken.cell),
            )
            for (table, file), broken in self.broken.items()
        ]

    def _refined(
        self,
        layout: Layout,
        chunk: TableChunk,
        place: str,
        read: Callable[[], Iterator[TableChunk]],
    ) -> Layout:
        """An events layout, corrected by the cells of the file's first chunk."""

        def later(column: str) -> list[str]:
            nothing = self.missing.words("events", column, ())
            frames = (one.frame for one in read() if one.file == chunk.file)
            cells = (str(cell).strip() for one in frames if column in one for cell in one[column])
            return list(islice((cell for cell in cells if cell and cell not in nothing), LOOK))

        table, file = TableProfile(chunk.frame), f"'{_name(place)}'"
        refined = refine_events(layout, table, self.mapping, file, later, self.day_first)
        self.day_first = refined.day_first
        self.times = self.mapping.times or refined.times
        self.notes += refined.notes
        return refined.layout

    def _continued(
        self, table: TableName, frame: pd.DataFrame, columns: list[str], layout: Layout, place: str
    ) -> Layout:
        """The layout of a later chunk. Columns that the chunk lacks are added to it, empty."""
        known = [c for rule in layout.fields.values() for c in rule.sources] + layout.rest
        if self.mapping.returns:
            known.append(self.mapping.returns.split("=", 1)[0])
        for name in set(known).difference([*columns, ROW]):
            frame[name] = ""
        ignores = self.mapping.ignores
        new = [c for c in columns if not (c in known or ignores(c) or nameless(c))]
        return self._widened(table, layout, new, known, place) if new else layout

    def _widened(
        self, table: TableName, layout: Layout, new: list[str], known: list[str], place: str
    ) -> Layout:
        wide = resolve(table, [*known, *new], self.mapping, f"'{_name(place)}'")
        more = {
            target: spec
            for target, spec in wide.fields.items()
            if target not in layout.fields and spec.column in new
        }
        rest = [c for c in new if c not in {spec.column for spec in more.values()}]
        self._note_rest(table, rest, place)
        return Layout({**layout.fields, **more}, [*layout.rest, *rest])

    def _note_rest(self, table: TableName, rest: list[str], place: str) -> None:
        names = list(dict.fromkeys(attribute_name(one) for one in rest))
        if not names or (table, _name(place)) in self.noted:
            return
        self.noted.add((table, _name(place)))
        kind = message(
            "ingest.context_of_events" if table == "events" else f"ingest.attributes_of_{table}"
        )
        file, shown, more = _name(place), ", ".join(names[:8]), len(names) - 8
        self.notes.append(
            message("ingest.other_columns_more", file=file, kind=kind, names=shown, more=more)
            if more > 0
            else message("ingest.other_columns", file=file, kind=kind, names=shown)
        )

    def _count(
        self, table: TableName, chunk: TableChunk, bad: list[Rejected], kept: int, merged: int
    ) -> None:
        tally = self.tally[table]
        tally.read += len(chunk.frame)
        tally.kept += kept
        tally.merged += merged
        tally.reasons.update(one.reason for one in bad)
        self.bad.add(
            [
                {
                    "table": table,
                    "file": chunk.file,
                    "line": one.line,
                    "reason": one.reason,
                    "row": one.row,
                }
                for one in bad
            ]
        )
        self.progress.advance(len(chunk.frame))

    def finish(self, *, allow_unknown_items: bool = False) -> None:
        """Keep what the mapping says of columns. Raises BadInputError where no row was usable, and
        where no event is about an item of the items table.
        """
        self._check()
        if not (allow_unknown_items or self.mapping.allow_unknown_items):
            self._check_items()
        self.store.add_meanings(meanings_of(self.mapping, self.plays))

    def _check(self) -> None:
        """Raises BadInputError where tables were read and not one row of all is usable."""
        for table, tally in self.tally.items():
            if tally.read and not tally.kept and not tally.merged:
                reasons = ", ".join(f"{count} {why}" for why, count in tally.reasons.most_common(3))
                raise BadInputError("ingest.no_usable_row", table=table, reasons=reasons)
        if not any(tally.read for tally in self.tally.values()):
            raise BadInputError("ingest.only_header")
        self._note_untitled()

    def _check_items(self) -> None:
        """Raises BadInputError if items were read and no event is about any of them."""
        if self.items_read and self.items_used and self.items_read.isdisjoint(self.items_used):
            named, known = next(iter(self.items_used)), min(self.items_read)
            raise BadInputError(
                "ingest.no_known_item",
                n_named=len(self.items_used),
                named=named[:40],
                n_known=len(self.items_read),
                known=known[:40],
            )

    def _note_untitled(self) -> None:
        """Say how many events name an item of which nothing is known but its id."""
        bare, events = 0, 0
        for part in _parts(list(self.items_used), 10_000):
            for item in self.store.items(part):
                if not item.title:
                    bare, events = bare + 1, events + self.items_used[item.item_id]
        if bare:
            self.notes.append(message("ingest.untitled_items", items=bare, events=events))

    def report(self) -> IngestReport:
        return IngestReport(
            events=self.tally["events"].report(),
            items=self.tally["items"].report(),
            users=self.tally["users"].report(),
            notes=list(dict.fromkeys([*self.notes, *self.missing.notes(), *self._broken_notes()])),
        )


def _blank_rules(frame: pd.DataFrame, rules: Iterable[ColumnRule]) -> None:
    for rule in rules:
        if rule.nothing and rule.column in frame:
            cells = frame[rule.column]
            frame[rule.column] = cells.mask(cells.str.strip().isin(rule.nothing), "")


def _no_record(chunk: TableChunk, table: TableName) -> BadInputError:
    """Why a file of which no row is a record cannot be used."""
    first = chunk.frame.iloc[0]
    return BadInputError(
        "ingest.no_record",
        file=f"'{chunk.file}'",
        reason=first[BROKEN],
        key="item_id" if table == "items" else "user_id",
        line=first[LINE],
        row=" ".join(str(first[RAW]).split())[:80],
    )


def _excerpt(cell: str) -> str:
    """The part of a cell around its first broken letter, marked."""
    text = re.sub("[\ud800-\udfff]", MARK, " ".join(cell.split()))
    start = max(0, text.find(MARK) - 20)
    return text[start : start + 40]


def _name(place: str) -> str:
    """A file's name; a query's URL without what may be a password."""
    return f"{place.split('://')[0]} query" if "://" in place else Path(place).name or place


def _parts(ids: list[str], size: int) -> Iterator[list[str]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _columns(
    clean: CleanEvents, hashes: NDArray[np.int64], fresh: NDArray[np.bool_], source: str
) -> EventColumns:
    """The fresh rows of a clean chunk, as the columns that the store takes."""
    if fresh.all():
        return EventColumns(
            clean.event_id,
            hashes,
            clean.user_id,
            clean.item_id,
            clean.type,
            clean.value,
            clean.time,
            clean.text,
            source,
            clean.context,
        )
    return EventColumns(
        None if clean.event_id is None else list(compress(clean.event_id, fresh)),
        hashes[fresh],
        list(compress(clean.user_id, fresh)),
        list(compress(clean.item_id, fresh)),
        list(compress(clean.type, fresh)),
        clean.value[fresh],
        clean.time[fresh],
        list(compress(clean.text, fresh)),
        source,
        list(compress(clean.context, fresh)),
    )


def _row_keys(frame: pd.DataFrame, layout: Layout) -> list[int]:
    """[n] a hash of each row's columns that are used."""
    used = [c for rule in layout.fields.values() for c in rule.sources]
    names = list(dict.fromkeys([*used, *layout.rest, *([BROKEN] if BROKEN in frame else [])]))
    return [hash(row) for row in zip(*(frame[name] for name in names), strict=True)]


class _Extent:
    """Range of the observed ratings, and the latest time in epoch milliseconds, of a table."""

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")
        self.last = int(NO_TIME)

    def add(self, columns: EventColumns) -> None:
        rated = np.isfinite(columns.value)
        if rated.any():
            rated &= np.array([one in ("rating", "review") for one in columns.type], dtype=bool)
        if rated.any():
            ratings = columns.value[rated]
            self.low = min(self.low, float(ratings.min()))
            self.high = max(self.high, float(ratings.max()))
        self.last = max(self.last, int(columns.time.max(initial=NO_TIME)))


class _ItemRows:
    """The items that the rows of a file describe, complete when all rows are added."""

    def __init__(
        self,
        source: str,
        side: list[tuple[Join, dict[str, list[str]]]],
        text_columns: frozenset[str],
    ) -> None:
        self._source, self._side, self._texts = source, side, text_columns
        self._items: dict[str, Item] = {}
        self._titles = _Titles()
        self._good: dict[int, tuple[str, str]] = {}
        """Item id and title by the key of a usable row."""

    def add(self, frame: pd.DataFrame, layout: Layout) -> list[Rejected]:
        """Read a chunk's rows, and return the unusable ones."""
        # Of wholly equal rows one is looked at; an events file names each item many times.
        good, keys = self._good, _row_keys(frame, layout)
        fresh = np.array([key not in good for key in keys], dtype=bool)
        fresh &= ~pd.Series(keys).duplicated().to_numpy()
        looked = frame[fresh].reset_index(drop=True)
        items, places, bad = clean_items(looked, layout, self._source, self._texts)
        chosen = np.flatnonzero(fresh)
        for place, item in zip(places, items, strict=True):
            good[keys[chosen[place]]] = (item.item_id, item.title)
            old = self._items.get(item.item_id)
            self._items[item.item_id] = (
                _with_side(item, self._side) if old is None else _fuller(old, item)
            )
        # A bad row is bad each time.
        lost = {keys[i] for i in chosen.tolist()} - good.keys()
        if lost and not fresh.all():
            again = ~fresh & np.array([key in lost for key in keys], dtype=bool)
            twice = frame[again].reset_index(drop=True)
            bad += clean_items(twice, layout, self._source)[2]
        self._titles.vote(good[key] for key in keys if key in good)
        return bad

    def items(self) -> list[Item]:
        return [self._titles.settle(item) for item in self._items.values()]


class _Titles:
    """Titles that the rows of a file give each item. Votes are counted only for items with several
    titles.
    """

    def __init__(self) -> None:
        self._first: dict[str, list[str | int]] = {}
        self._votes: dict[str, Counter[str]] = {}

    def vote(self, names: Iterable[tuple[str, str]]) -> None:
        for item_id, title in names:
            if not title:
                continue
            if (votes := self._votes.get(item_id)) is not None:
                votes[title] += 1
            elif (first := self._first.setdefault(item_id, [title, 0]))[0] == title:
                first[1] = int(first[1]) + 1
            else:
                self._votes[item_id] = Counter({str(first[0]): int(first[1]), title: 1})

    def settle(self, item: Item) -> Item:
        """The item under its commonest title; the first of equally common ones."""
        votes = self._votes.get(item.item_id)
        title = votes.most_common(1)[0][0] if votes else item.title
        return item if title == item.title else item.model_copy(update={"title": title})


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


def _side_tables(
    mapping: Mapping, of: TableName, folder: Path, rows: int, notes: list[Message]
) -> list[tuple[Join, dict[str, list[str]]]]:
    """For each join of a table, id to the list of its values. What a limit left out is noted."""
    joins = (join for join in mapping.joins if join.of == of)
    return [(join, _limited(join, _counted(join, folder, rows), notes)) for join in joins]


def _counted(join: Join, folder: Path, rows: int) -> dict[str, Counter[str]]:
    """By id, how many rows of a side table say each value, in the order of the rows."""
    names = _names(join.through, folder, rows) if join.through else None
    counts: dict[str, Counter[str]] = {}
    for key, cell in _side_rows(join, folder, rows):
        counts.setdefault(key, Counter()).update(dict.fromkeys(_side_values(cell, names), 1))
    return counts


def _names(join: Join, folder: Path, rows: int) -> dict[str, list[str]]:
    """The values that a table gives for each key that is looked up in it."""
    names: dict[str, list[str]] = {}
    for key, cell in _side_rows(join, folder, rows):
        if cell and cell not in (known := names.setdefault(key, [])):
            known.append(str(attribute(cell)))
    return names


def _side_rows(join: Join, folder: Path, rows: int) -> Iterator[tuple[str, str]]:
    """(key, cell) of each row. Raises BadInputError where a column is missing."""
    for chunk in read_table(str(folder / join.file), join.read, rows):
        for name in (join.key, join.column):
            if name not in chunk.frame:
                raise BadInputError("ingest.side_table_column", file=chunk.file, column=name)
        for key, raw in zip(chunk.frame[join.key], chunk.frame[join.column], strict=True):
            yield key.strip(), something(str(raw))


def _limited(
    join: Join, counts: dict[str, Counter[str]], notes: list[Message]
) -> dict[str, list[str]]:
    """For each id the values that most rows say of it, of equals those that are commonest overall;
    in the order of the rows.
    """
    overall = Counter(chain.from_iterable(own.elements() for own in counts.values()))
    table: dict[str, list[str]] = {}
    cut, left = 0, 0
    for key, own in counts.items():
        kept = set(sorted(own, key=lambda value: (-own[value], -overall[value]))[: join.limit])
        table[key] = [value for value in own if value in kept]
        cut, left = cut + (len(own) > join.limit), left + len(own) - len(kept)
    if left:
        notes.append(
            message(
                "ingest.side_table_cut",
                file=join.file,
                column=join.column,
                limit=join.limit,
                n=cut,
                left=left,
            )
        )
    return table


def _side_values(cell: str, names: dict[str, list[str]] | None) -> list[str]:
    """The values of a side table's cell: looked up in `names`, or a list."""
    return names.get(cell, []) if names is not None else split_list(cell)


def _with_side(item: Item, side: list[tuple[Join, dict[str, list[str]]]]) -> Item:
    for join, table in side:
        values = table.get(item.item_id)
        if not values:
            continue
        into = _into(join)
        if into == "categories":
            attributes = (
                {**item.attributes, "genre": values}
                if join.column.startswith("genre")
                else item.attributes
            )
            item = item.model_copy(update={"categories": values, "attributes": attributes})
        else:
            item = item.model_copy(update={"attributes": {**item.attributes, into: values}})
    return item


def _user_with_side(user: User, side: list[tuple[Join, dict[str, list[str]]]]) -> User:
    joined: Attributes = {
        _into(join): values for join, table in side if (values := table.get(user.user_id))
    }
    return user.model_copy(update={"attributes": user.attributes | joined}) if joined else user


def _into(join: Join) -> str:
    return join.into or attribute_name(join.column)
