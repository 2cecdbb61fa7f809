"""What the ingest tests share: write a table, ingest it into a fresh store, look at what came of
it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from limner.core.schema import Event, IngestReport
from limner.ingest import Sources, ingest, parse_mapping
from limner.store import Store, open_store


@dataclass
class Bench:
    """A folder for tables and a store."""

    folder: Path

    def __post_init__(self) -> None:
        self.store: Store = open_store(str(self.folder / "store"))

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def run(
        self,
        events: str | None = None,
        chunk_rows: int = 100_000,
        mapping: object = None,
        items: str | None = None,
        users: str | None = None,
    ) -> IngestReport:
        sources = Sources(
            events=[events] if events else [],
            items=[items] if items else [],
            users=[users] if users else [],
            mapping=None if mapping is None else parse_mapping(mapping, "test"),
        )
        report = ingest(self.store, sources, chunk_rows=chunk_rows)
        for table in (report.events, report.items, report.users):
            assert table.read == table.kept + table.merged + table.rejected
            assert sum(table.reasons.values()) == table.rejected
        return report

    def events(self) -> list[Event]:
        found = [event for user in self.store.user_ids() for event in self.store.events(user)]
        return sorted(found, key=lambda event: event.seq)

    def rejected(self, report: IngestReport) -> list[dict[str, object]]:
        assert report.rejected_file is not None
        return [
            json.loads(line)
            for line in Path(report.rejected_file).read_text(encoding="utf-8").splitlines()
        ]
