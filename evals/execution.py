"""Settings of how runs and studies are carried out, apart from what they measure."""

from dataclasses import dataclass
from pathlib import Path

from limner.llm import Budget


@dataclass(frozen=True)
class Execution:
    """How a run or a study is carried out; none of it changes what is measured."""

    out: Path | None = None
    """A folder that gets the record, and the values by user or by case."""
    jobs: int = 1
    """Systems or cases at the same time."""
    resume: bool = False
    """Reuse the finished parts of the same run or study in `out`."""
    retry_errors: bool = False
    """Reuse the finished parts in `out`, but repeat the failures."""
    cost_limit: float | None = None
    """US dollars that a study may spend; None for the limit of the settings."""
    budget: Budget | None = None
    """Shared with other runs and studies; its limit counts then."""
    shared_labs: Path | None = None
    """Folder of trained labs that the studies of one data set and split share."""

    def shared_lab(self, name: str) -> Path | None:
        return self.shared_labs / name if self.shared_labs else None
