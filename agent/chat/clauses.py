"""What a question says of each thing that it names: had, liked or disliked, or not, and what joins
them.

"Who liked Comedy but never watched Fargo?" is: liked Comedy; and not had Fargo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from limner.chat.reading import QuestionReading, Thing

Verb = Literal["had", "like", "dislike"]
_NOT = ("never", "except")


@dataclass(frozen=True)
class Clause:
    thing: Thing
    verb: Verb | None
    """None: nothing says it yet."""
    negated: bool
    either: bool
    """Joined by "or" to the one before."""


def clauses(reading: QuestionReading) -> list[Clause]:
    """One for each item and value, in the order of the question.

    A verb holds until the next; so does a negation, over what it lists ("neither Fargo nor Heat").
    """
    found: list[Clause] = []
    verb: Verb | None = None
    negated = either = spent = False
    for _, what in sorted(
        [*_said(reading), *((one.at, one) for one in reading.things)], key=lambda one: one[0]
    ):
        if isinstance(what, Thing):
            found.append(Clause(what, verb, negated, either and bool(found)))
            either, spent = False, True
        elif what == "not":
            negated, spent = True, False
        elif what == "or":
            either = True
        else:
            verb = what
            if spent:
                negated = spent = False
    return _completed(found, reading)


def _said(reading: QuestionReading) -> list[tuple[int, "Verb | Literal['not', 'or'] | Thing"]]:
    """Verbs, negations and "or" by place; of one word that says several the one that judges."""
    found: dict[int, Verb | Literal["not", "or"]] = {}
    for one in reading.words:
        if one.tag in ("like", "favourite"):
            found[one.at] = "like"
        elif one.tag == "dislike":
            found[one.at] = "dislike"
        elif one.tag in _NOT:
            found[one.at] = "not"
        elif one.tag == "join.or":
            found.setdefault(one.at, "or")
        elif one.tag in ("had", "rate") or one.tag.startswith("type."):
            found.setdefault(one.at, "had")
    return [*found.items()]


def _completed(found: Sequence[Clause], reading: QuestionReading) -> list[Clause]:
    """With the verb that stands behind them, where none stood before: "Fargo was liked by"."""
    verbs = [
        what
        for _, what in sorted(_said(reading), key=lambda one: one[0])
        if what in ("had", "like", "dislike")
    ]
    first: Verb = "dislike" if "dislike" in verbs[:1] else "like" if "like" in verbs[:1] else "had"
    return [one if one.verb is not None else replace(one, verb=first) for one in found]
