"""What a text says that items are: a film catalogue has no books, and a small model does not know
which it is.
"""

from collections.abc import Iterator
from functools import lru_cache

from limner.verify.grounds import Grounds
from limner.words.language import Language
from limner.words.text import stem, stems_of, tokens_of


def foreign_noun(text: str, grounds: Grounds) -> str | None:
    """A noun for items ("books", "films") that neither the grounds nor the language's templates
    use; None without any.

    `check_words` lets such nouns stand, since prose needs them; this is the stricter reading for
    models that only word claims.
    """
    language = grounds.language
    known = grounds.words | grounds.title_words | _plain(language)
    for token in tokens_of(text):
        if token.folded in language.item_nouns and stem(token.folded, language.code) not in known:
            return token.text
    return None


@lru_cache(maxsize=16)
def _plain(language: Language) -> frozenset[str]:
    """Stems of the words that templates and facet names use for items."""
    said = [
        *_strings(language.templates.model_dump()),
        *language.facets.values(),
        *_strings(dict(language.phrases)),
    ]
    return frozenset(s for text in said for s in stems_of(text, language.code))


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _strings(part)
    elif isinstance(node, dict):
        for part in node.values():
            yield from _strings(part)
