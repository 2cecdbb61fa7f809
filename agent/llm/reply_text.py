"""What a model says, apart from what it thinks: parts of an answer joined, thinking left out."""

import re

_OPEN = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking|thought|reasoning)>\s*", re.IGNORECASE)


def joined_text(content: object) -> str:
    """The text of a message's content: a string, or a list of parts of which only those of the
    type `text` are said; "" of anything else.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(_part_text(part) for part in content)


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def without_thinking(text: str) -> str:
    """An answer without the thinking before it: one or more blocks in tags, a block that was opened
    by the prompt and is only closed here, or one that was cut off before it closed.
    """
    while opened := _OPEN.match(text):
        closed = _CLOSE.search(text, opened.end())
        if closed is None:
            return ""
        text = text[closed.end() :]
    closed = _CLOSE.search(text)
    if closed is not None and not _OPEN.search(text, 0, closed.start()):
        return text[closed.end() :]
    return text
