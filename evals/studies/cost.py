"""Cost of a study, from the ledger alone."""

from collections.abc import Sequence

from limner.core.schema import LedgerRow
from limner.evals.money import spent
from limner.evals.studies.records import Case, Cost

_RAN = {"llm": "ran", "failed": "fell back", "template": "skipped"}


def cost_of(rows: Sequence[LedgerRow], cases: Sequence[Case]) -> Cost:
    """`cases`: what was finished; means per user are over their different users, and None without
    any.
    """
    done = [one for one in cases if one.state == "ok"]
    total = spent(rows)
    users = len({one.user_id for one in done})
    tokens = total.input_tokens + total.output_tokens

    def per(value: float, n: int) -> float | None:
        return round(value / n, 6) if n else None

    llm: dict[str, int] = {"ran": 0, "fell back": 0, "skipped": 0}
    for row in done:
        llm[_RAN.get(row.source, "skipped")] += 1
    return Cost(
        total=total,
        purposes={
            name: spent([one for one in rows if one.purpose == name])
            for name in dict.fromkeys(one.purpose for one in rows)
        },
        per_user={
            "calls": per(total.calls, users),
            "tokens": per(tokens, users),
            "cost": per(total.cost, users),
            "model_seconds": per(total.seconds, users),
            "seconds": per(sum(one.seconds for one in done), users),
        },
        per_request={
            "tokens": per(tokens, total.calls),
            "cost": per(total.cost, total.calls),
            "seconds": per(total.seconds, total.calls),
        },
        llm=llm,
    )
