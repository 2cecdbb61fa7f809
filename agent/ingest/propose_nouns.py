"""What things of a catalogue are called, by the names of its id column and its file."""

import re

from limner.core.columns import Nouns
from limner.facts.column_roles import facet_name
from limner.ingest.mapping import alias_key
from limner.ingest.table_look import TableLook, key_stem

_NO_NOUN = frozenset(
    [
        "item",
        "thing",
        "object",
        "entity",
        "content",
        "stock",
        "article",
        "artikel",
        "produkt",
        "producto",
        "produit",
        "prodotto",
        "parent",
        "sku",
        "asin",
        "ean",
        "gtin",
        "upc",
        "plu",
        "mpn",
        "barcode",
        "code",
        "number",
        "record",
        "row",
        "ref",
        "reference",
        "key",
        "uuid",
        "guid",
        "serial",
        "data",
        "table",
        "list",
        "meta",
        "info",
        "catalog",
        "catalogue",
        "column",
        "unnamed",
        "i",
        "u",
    ]
)
"""Stems of keys and files that name no kind of thing."""
_BY_KEY = {"isbn": "book", "isbn10": "book", "isbn13": "book", "appid": "app"}
_SAME = ("anime", "manga", "series", "news", "music", "species")
"""Nouns that are their own plural."""


def nouns_of(items: TableLook, events: TableLook | None = None) -> tuple[Nouns, str]:
    """(what one and several are called, after what); empty nouns where no name is a noun."""
    looks = [items] if events is None or events is items else [items, events]
    return next((found for look in looks if (found := _named(look))[0].item), (Nouns(), ""))


def _named(items: TableLook) -> tuple[Nouns, str]:
    key = items.fields["item_id"].column if "item_id" in items.fields else ""
    by_key = _BY_KEY.get(alias_key(key)) or _noun(key_stem(key))
    if by_key and not items.headless:
        return _both(by_key), f"from '{key}'"
    if items.table == "events":
        return Nouns(), ""
    stem = items.name.split(".")[0]
    noun = _noun(facet_name(stem)) if facet_name(stem) != stem.lower() else ""
    return (_both(noun), f"from '{items.name}'") if noun else (Nouns(), "")


def _noun(stem: str) -> str:
    """A stem that is a single word of letters, and a kind of thing."""
    stem = re.sub(r"(?:nr|nummer)$", "", stem)
    return stem if re.fullmatch(r"[a-z]{3,}", stem) and stem not in _NO_NOUN else ""


def _both(noun: str) -> Nouns:
    return Nouns(item=noun, items=plural(noun))


def plural(noun: str) -> str:
    """The English plural of a noun."""
    if noun in _SAME:
        return noun
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"
