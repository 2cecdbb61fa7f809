"""The language of conditions on attributes, as a grammar, and what is wrong with a text outside it.

`limner.core.filters` says what a condition means. This module is imported where a text is parsed,
since lark is.
"""

from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from limner.core.errors import BadInputError
from limner.core.filters import Both, Compare, Condition, Either, Missing, Not
from limner.core.messages import Message, message

GRAMMAR = r"""
?either: both (_OR both)*
?both: single (_AND single)*
?single: _NOT single                              -> negation
       | "(" either ")"                           -> brackets
       | _name SIGN value                         -> comparison
       | _name _IN "(" value ("," value)* ")"     -> membership
       | _name _IS MISSING                        -> missing
       | _name _IS _NOT MISSING                   -> present
_name: NAME | QUOTED
value: QUOTED | WORD+

SIGN: "<=" | ">=" | "!=" | "==" | "=" | "<" | ">" | "~"
QUOTED: /"[^"]*"|'[^']*'/
WORD: /[^\s=<>!~(),"']+/
NAME: /(?!(and|or|not|in|is)(?![^\s=<>!~(),"']))[^\s=<>!~(),"']+/i
_AND.2: /and(?![^\s=<>!~(),"'])/i
_OR.2: /or(?![^\s=<>!~(),"'])/i
_NOT.2: /not(?![^\s=<>!~(),"'])/i
_IN.2: /in(?![^\s=<>!~(),"'])/i
_IS.2: /is(?![^\s=<>!~(),"'])/i
MISSING.2: /missing(?![^\s=<>!~(),"'])/i
%ignore /\s+/
"""
"""A keyword is one only where it may stand: in `title = not in love` all three are words."""

DEEPEST = 50
"""Brackets and negations that may stand within each other."""


class _TooDeep(ValueError):
    pass


def parse_condition(text: str) -> Condition:
    """Raises BadInputError, a sentence that says what is wrong and where."""
    try:
        return _build(_parser().parse(text))
    except UnexpectedInput as error:
        why = message("condition.empty") if not text.strip() else _explain(error, text)
    except _TooDeep:
        why = message("condition.too_deep")
    raise BadInputError("condition.wrong", text=text, why=why)


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, start="either", parser="lalr")


def _build(tree: Tree[Token], depth: int = 0) -> Condition:
    """The condition that a parsed text stands for."""
    if depth > DEEPEST:
        raise _TooDeep
    nested = [child for child in tree.children if isinstance(child, Tree)]
    match tree.data:
        case "either":
            return Either(tuple(_build(child, depth) for child in nested))
        case "both":
            return Both(tuple(_build(child, depth) for child in nested))
        case "negation":
            return Not(_build(nested[0], depth + 1))
        case "brackets":
            return _build(nested[0], depth + 1)
    name, *operator = _tokens(tree)
    attribute = _text(name).lower()
    if tree.data in ("missing", "present"):
        return Missing(attribute) if tree.data == "missing" else Not(Missing(attribute))
    sign = operator[0].replace("==", "=") if operator else "="
    values = tuple(" ".join(_text(word) for word in _tokens(value)) for value in nested)
    if sign == "!=":
        return Not(Compare(attribute, "=", values))
    return Compare(attribute, sign, values)


def _tokens(tree: Tree[Token]) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token)]


def _text(token: Token) -> str:
    return token[1:-1] if token.type == "QUOTED" else str(token)


def _explain(error: UnexpectedInput, text: str) -> Message:
    """What stands where in the text, or what should stand there."""
    if not isinstance(error, UnexpectedToken) or error.interactive_parser is None:
        rest = text[error.pos_in_stream or 0 :].strip()[:20]
        return message("condition.unreadable", text=rest)
    expected = error.accepts
    stack = error.interactive_parser.parser_state.value_stack
    leaves = [item.children[0] if isinstance(item, Tree) else item for item in stack]
    parsed = [leaf for leaf in leaves if isinstance(leaf, Token)]
    if "SIGN" in expected:
        name = _text(parsed[-1]).lower()
        return message("condition.no_operator", name=name)
    if "NAME" in expected:
        if error.token.type == "$END":
            return message("condition.no_name_at_end")
        return message("condition.no_name", text=_text(error.token))
    if expected == {"WORD", "QUOTED"}:
        place = max(i for i, token in enumerate(parsed) if token.type in ("SIGN", "_IN"))
        name, operator = _text(parsed[place - 1]).lower(), parsed[place].lower()
        return message("condition.no_value", before=f"{name} {operator}")
    for terminal, word in (("MISSING", "missing"), ("LPAR", "("), ("RPAR", ")")):
        if terminal in expected:
            return message("condition.no_word", word=word)
    return message("condition.misplaced", text=_text(error.token))
