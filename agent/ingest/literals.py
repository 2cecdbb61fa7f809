"""Values written as JSON or as Python writes them."""

import ast
import json


def literal(text: str) -> object:
    """What a text says as JSON, or as Python prints it (single quotes, u'…', True, None). Raises
    ValueError for other text.
    """
    try:
        return json.loads(text)
    except ValueError:
        return python_literal(text)


def python_literal(text: str) -> object:
    """What a text says as Python prints it. Raises ValueError for other text."""
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error
