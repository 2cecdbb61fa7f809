"""How prose says the titles that catalogues write their own way."""

import re
from functools import lru_cache

_TURNED = re.compile(
    r"(.+),\s+(The|A|An|Le|La|Les|L'|Il|El|Los|Las|Der|Die|Das|Un|Une|Ein|Eine)", re.IGNORECASE
)
_YEAR = re.compile(r"\s*\((?:19|20)\d\d(?:[-–]\d*)?\)\s*$")
_ASIDE = re.compile(r"\s*\([^()]*\)")
_PATH = re.compile(r"(?<![\w.@/])[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+(?![\w@/])")
"""A dotted path of categories: "electronics.audio.headphone"."""
_SITES = (
    "com",
    "org",
    "net",
    "de",
    "fr",
    "es",
    "uk",
    "kr",
    "cn",
    "jp",
    "io",
    "co",
    "fm",
    "eu",
    "us",
    "it",
    "info",
)
_SHOUTED = 5
"""Capitals in a row from which a word is taken to be written for effect, not for its letters (USB,
DVD, BMW).
"""


def title_variants(title: str) -> list[str]:
    """How prose may say a title: without the year, with the article in front, and each alias in
    parentheses.

    "Matrix, The (1999)" is also "The Matrix" and "Matrix, The"; "City, The (Cité, La) (1995)" is
    also "La Cité".
    """
    title = " ".join(title.split())
    bare = _YEAR.sub("", title)
    main = _ASIDE.sub("", bare).strip()
    aliases = (
        re.sub(r"^a\.?k\.?a\.?\s+", "", alias, flags=re.IGNORECASE)
        for alias in re.findall(r"\(([^()]{2,})\)", bare)
    )
    variants = [title, bare]
    for name in [main, *aliases]:
        variants.append(name)
        if turned := _TURNED.fullmatch(name):
            variants += [_turn(turned), turned[1]]
        elif led := re.fullmatch(r"(?:The|A|An)\s+(\S+.*)", name):
            variants.append(led[1])
    variants.append(plain_title(title))
    if ":" in main and len(head := main.split(":")[0].strip()) > 3:
        variants.append(head)
    return [v for v in dict.fromkeys(variants) if v]


@lru_cache(maxsize=65536)
def plain_title(title: str) -> str:
    """The title as prose says it: year and aliases dropped, article in front, no capitals
    throughout, no paths.
    """
    bare = _YEAR.sub("", " ".join(title.split()))
    main = _ASIDE.sub("", bare).strip() or bare or title
    turned = _TURNED.fullmatch(main)
    return shown_title(_turn(turned) if turned else main)


def listed_title(title: str) -> str:
    """The title as a list shows it: as prose says it, the year kept."""
    year = _YEAR.search(title)
    return plain_title(title) + (f" {year[0].strip()}" if year else "")


def last_level(category: str) -> str:
    """A category as a person reads it: the last level of a path."""
    return _PATH.sub(_last_level, category.rpartition(" > ")[2])


def shown_title(title: str) -> str:
    """A title for reading: a dotted path by its last level, and a title in capitals as a
    sentence.
    """
    calm = _PATH.sub(_last_level, title)
    if " " not in calm or not is_shouted(calm):  # WALL-E and SPACED are names
        return calm
    lower = calm.lower()
    first = re.search(r"\w", lower)
    return (
        lower if first is None else lower[: first.start()] + first[0].upper() + lower[first.end() :]
    )


def is_shouted(text: str) -> bool:
    """Whether a text is in capitals throughout, and long enough for that to be no abbreviation."""
    return text.isupper() and sum(map(str.isalpha, text)) >= _SHOUTED


def _last_level(path: re.Match[str]) -> str:
    levels = path[0].split(".")
    if levels[0] == "www" or (len(levels) == 2 and levels[1] in _SITES):
        return path[0]
    return levels[-1].replace("_", " ")


def _turn(turned: re.Match[str]) -> str:
    return f"{turned[2]}{'' if turned[2].endswith(chr(39)) else ' '}{turned[1]}"
