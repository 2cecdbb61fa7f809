"""Cost of model calls, from rows of a ledger."""

from collections.abc import Sequence

from limner.core.schema import LedgerRow
from limner.evals.records import Spent


def spent(rows: Sequence[LedgerRow]) -> Spent:
    """Number and cost of some calls. A cached answer costs nothing and is not counted."""
    called = [one for one in rows if one.outcome != "cached"]
    return Spent(
        calls=len(called),
        cached=len(rows) - len(called),
        failed=sum(one.has_failed for one in called),
        input_tokens=sum(one.input_tokens for one in called),
        output_tokens=sum(one.output_tokens for one in called),
        cost=round(sum(one.cost for one in called), 6),
        seconds=round(sum(one.seconds for one in called), 3),
    )
