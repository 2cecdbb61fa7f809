"""Questions that ask two things: "What did user 13 watch last, and what does user 405 like?"."""

import re
from collections.abc import Iterable
from itertools import pairwise

MOST = 3
"""Parts beyond which a question is left whole."""
_ASKS = r"(?:what|which|who|whom|whose|when|how|why)\b"
_BETWEEN = re.compile(
    rf"[?;]\s+(?=\w)|\s*,?\s+(?:and|but)\s+(?={_ASKS})|[？；]\s*(?=\w)|[，,]\s*(?=(?:那么)?(?:什么|谁|哪|多少|几|为什么|怎么))",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“][^\"”]*[\"”]|《[^》]*》")


def parts(question: str, titles: Iterable[str]) -> list[str]:
    """The question cut before each further question word, never within a title or a quotation;
    whole where nothing parts it, or too much does.
    """
    masked = _QUOTED.sub(lambda found: "_" * len(found[0]), question)
    for one in titles:
        masked = masked.replace(one, "_" * len(one))
    cuts = [(found.start(), found.end()) for found in _BETWEEN.finditer(masked)]
    bounds = pairwise([(0, 0), *cuts, (len(question), len(question))])
    found = [question[end:begin].strip() for (_, end), (begin, _) in bounds]
    found = [one for one in found if one]
    return found if len(found) <= MOST else [question]
