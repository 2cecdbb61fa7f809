"""From any table to users, items and events. The only place for pandas."""

from limner.ingest.flow import Sources, ingest, ingest_frames, to_frame
from limner.ingest.mapping import Mapping, load_mapping, parse_mapping
from limner.ingest.propose import propose_mapping
from limner.ingest.rows import ingest_rows

__all__ = [
    "Mapping",
    "Sources",
    "ingest",
    "ingest_frames",
    "ingest_rows",
    "load_mapping",
    "parse_mapping",
    "propose_mapping",
    "to_frame",
]
