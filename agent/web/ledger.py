"""What a language model was asked for, and what that cost: sums of the ledger by purpose and
model.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from limner.core.schema import LedgerRow
from limner.store import Store


@dataclass(frozen=True)
class LedgerLine:
    """Calls of one model for one purpose, or of all."""

    purpose: str
    model: str
    calls: int
    cached: int
    """Calls that the response cache answered."""
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float
    """Mean of the calls that were not cached."""


@dataclass(frozen=True)
class Ledger:
    lines: Sequence[LedgerLine]
    """The dearest first."""
    total: LedgerLine
    first: str
    last: str


class Accountant:
    """Adds up a store's ledger, each row once; anew where a user's rows were erased."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._erased = -1
        self._row = 0
        self._sums: dict[tuple[str, str], Counter[str]] = {}
        self._span: tuple[str, str] = ("", "")

    def ledger(self) -> Ledger:
        with self._lock:
            erased = self._store.state().erased
            if erased != self._erased:
                self._erased, self._row, self._sums, self._span = erased, 0, {}, ("", "")
            for number, row in self._store.ledger_since(self._row):
                self._row = number
                self._add(row)
            lines = [_line(*key, sums) for key, sums in self._sums.items()]
        whole: Counter[str] = Counter()
        for sums in self._sums.values():
            whole.update(sums)
        ordered = sorted(lines, key=lambda one: (-one.cost, -one.calls, one.purpose, one.model))
        return Ledger(ordered, _line("", "", whole), *self._span)

    def _add(self, row: LedgerRow) -> None:
        day = f"{row.at:%Y-%m-%d}"
        self._span = (self._span[0] or day, day)
        fresh = row.outcome != "cached"
        self._sums.setdefault((row.purpose, row.model), Counter()).update(
            {
                "calls": 1,
                "cached": not fresh,
                "failed": row.has_failed,
                "input": row.input_tokens,
                "output": row.output_tokens,
                "nanodollars": round(row.cost * 1e9),
                "ms": round(row.seconds * 1000) if fresh else 0,
            }
        )


def _line(purpose: str, model: str, sums: Counter[str]) -> LedgerLine:
    fresh = sums["calls"] - sums["cached"]
    return LedgerLine(
        purpose,
        model,
        sums["calls"],
        sums["cached"],
        sums["failed"],
        sums["input"],
        sums["output"],
        sums["nanodollars"] / 1e9,
        sums["ms"] / 1000 / fresh if fresh else 0.0,
    )
