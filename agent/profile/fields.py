"""The project's own portrait fields and questions: how answers are read, updated, and listed as
unknown.
"""

from collections.abc import Iterable, Mapping, Sequence

from limner.core.schema import Event, FieldValue, Profile, Scalar
from limner.core.settings import PortraitField, PortraitSettings
from limner.words.text import fold

_FLAGS = {"true": True, "yes": True, "false": False, "no": False}
_UNKNOWN = ("", "unknown", "none", "n/a", "not known", "null")


def questions(portrait: PortraitSettings) -> dict[str, str]:
    """Questions by the short name that a model sees: Q1, Q2, …"""
    return {f"Q{number}": question for number, question in enumerate(portrait.ask, 1)}


def declared(portrait: PortraitSettings) -> dict[str, PortraitField]:
    """Every field that may be answered, the questions as text fields named by themselves."""
    asked = {question: PortraitField(description=question) for question in portrait.ask}
    return {**asked, **portrait.fields}


def describe(portrait: PortraitSettings) -> str:
    """Fields and questions as lines of a prompt; "none" without any."""
    lines = []
    for name, field in portrait.fields.items():
        kind = {
            "text": "a short text",
            "choice": "one of",
            "choices": "a list of",
            "number": "a number",
            "flag": "true or false",
        }
        words = kind[field.type]
        if field.type in ("choice", "choices"):
            words += f" {', '.join(field.allowed)}" + (
                "" if field.strict else " or another word from the evidence"
            )
        lines.append(f"{name} ({words}): {field.description}")
    lines += [
        f"{short} (a short text): {question}" for short, question in questions(portrait).items()
    ]
    return "\n".join(lines) or "none"


def is_unknown(value: Scalar | list[str]) -> bool:
    """Whether an answer means that the value is unknown."""
    if isinstance(value, list):
        return not value or all(is_unknown(word) for word in value)
    return isinstance(value, str) and fold(value).strip(" .") in _UNKNOWN


def coerce(value: Scalar | list[str], field: PortraitField) -> Scalar | list[str]:
    """An answer in the type of its field where it can be read so; as it is otherwise, for
    verification to refuse.
    """
    if field.type == "choices" and not isinstance(value, list):
        return [part.strip() for part in str(value).split(",") if part.strip()]
    if isinstance(value, list):
        return value[0] if len(value) == 1 and field.type != "choices" else value
    if field.type in ("text", "choice"):
        return str(value)
    if isinstance(value, str) and field.type == "flag":
        return _FLAGS.get(fold(value), value)
    if isinstance(value, str) and field.type == "number":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def update_fields(
    portrait: PortraitSettings,
    previous: Profile | None,
    new: Iterable[FieldValue],
    events: Sequence[Event],
) -> list[FieldValue]:
    """The fields of the next portrait: new verified values joined with the previous ones by each
    field's rule.

    replace: the new value, else the previous one. merge: for `choices` both lists without repeats,
    else as replace. keep_first: the previous value where there is one. A previous value goes where
    its field is no longer declared or no longer allows it, or where none of its events is left.
    """
    fields = declared(portrait)
    old = _still_valid(previous.fields if previous else (), fields, events)
    fresh = {value.name: value for value in new}
    joined = (_join(old.get(name), fresh.get(name), field) for name, field in fields.items())
    return [value for value in joined if value is not None]


def _still_valid(
    values: Iterable[FieldValue], fields: Mapping[str, PortraitField], events: Sequence[Event]
) -> dict[str, FieldValue]:
    """Previous field values that are still valid, by name, with their remaining evidence."""
    known = {event.event_id for event in events}
    valid = {}
    for value in values:
        field = fields.get(value.name)
        evidence = [event_id for event_id in value.evidence if event_id in known]
        if field is not None and evidence and _still_allowed(value, field):
            valid[value.name] = value.model_copy(update={"evidence": evidence})
    return valid


def _join(
    before: FieldValue | None, after: FieldValue | None, field: PortraitField
) -> FieldValue | None:
    if before is None or after is None:
        return after or before
    if field.update == "keep_first":
        return before
    return _merge(before, after) if field.update == "merge" else after


def unanswered(portrait: PortraitSettings, fields: Iterable[FieldValue]) -> list[str]:
    """Names of the requested fields without a value."""
    answered = {value.name for value in fields}
    return [name for name in declared(portrait) if name not in answered]


def _merge(before: FieldValue, after: FieldValue) -> FieldValue:
    if not (isinstance(before.value, list) and isinstance(after.value, list)):
        return after
    return after.model_copy(
        update={
            "value": list(dict.fromkeys([*before.value, *after.value])),
            "evidence": list(dict.fromkeys([*before.evidence, *after.evidence])),
        }
    )


def _still_allowed(value: FieldValue, field: PortraitField) -> bool:
    is_list = isinstance(value.value, list)
    if is_list != (field.type == "choices"):
        return False
    if field.type not in ("choice", "choices") or not field.strict:
        return True
    words = value.value if isinstance(value.value, list) else [str(value.value)]
    return {fold(word) for word in words} <= {fold(word) for word in field.allowed}
