"""Reasons of recommendations in every language that the chat speaks, and not only in the
portrait's.
"""

from collections.abc import Mapping, Sequence

from limner.core.schema import Reason, Recommendation
from limner.engine import Engine
from limner.tools.words import LANGUAGES, ToolStatement

Values = Mapping[str, str | int | float | ToolStatement]


def other_reasons(
    engine: Engine, user_id: str, found: Sequence[Recommendation]
) -> dict[str, dict[str, Reason]]:
    """By item id, then language: reasons in template words, for every language other than that of
    the list.
    """
    explained = [one for one in found if one.reason is not None]
    if not explained:
        return {}
    others: dict[str, dict[str, Reason]] = {one.item.item_id: {} for one in explained}
    for language in LANGUAGES:
        reasons = engine.recommendations.reasons_in(language, user_id, explained)
        for item_id, reason in reasons.items():
            others[item_id][language] = reason
    return others


def reasoned(
    form: str, values: Values, reason: Reason, others: Mapping[str, Reason]
) -> ToolStatement:
    """A statement with a reason, and the same reason in the other languages."""

    def said(one: Reason) -> ToolStatement:
        return ToolStatement(
            form=form, values={**values, "reason": one.text}, evidence=one.evidence
        )

    return said(reason).model_copy(
        update={"instead": {language: said(one) for language, one in others.items()}}
    )
