"""From any table to users, items and events. The only place for pandas."""

from agent.ingest.flow import Sources, ingest, ingest_frames, to_frame
from agent.ingest.mapping import Mapping, load_mapping, parse_mapping
from agent.ingest.propose import propose_mapping

__all__ = [
    "Mapping",
    "Sources",
    "ingest",
    "ingest_frames",
    "load_mapping",
    "parse_mapping",
    "propose_mapping",
    "to_frame",
]
