"""How prose says the titles that catalogues write their own way."""

import re

_TURNED = re.compile(r"(.+),\s+(The|A|An|Le|La|Les|L'|Il|El|Los|Las|Der|Die|Das|Un|Une|Ein|Eine)", re.IGNORECASE)
_YEAR = re.compile(r"\s*\((?:19|20)\d\d(?:[-–]\d*)?\)\s*$")
_ASIDE = re.compile(r"\s*\([^()]*\)")


def title_variants(title: str) -> list[str]:
    """How prose may say a title: without the year, with the article in front, and each alias in parentheses.

    "Matrix, The (1999)" is also "The Matrix" and "Matrix, The"; "City, The (Cité, La) (1995)" is also "La Cité".
    """
    title = " ".join(title.split())
    bare = _YEAR.sub("", title)
    main = _ASIDE.sub("", bare).strip()
    aliases = (
        re.sub(r"^a\.?k\.?a\.?\s+", "", alias, flags=re.IGNORECASE) for alias in re.findall(r"\(([^()]{2,})\)", bare)
    )
    variants = [title, bare]
    for name in [main, *aliases]:
        variants.append(name)
        if turned := _TURNED.fullmatch(name):
            variants += [_turn(turned), turned[1]]
        elif led := re.fullmatch(r"(?:The|A|An)\s+(\S+.*)", name):
            variants.append(led[1])
    if ":" in main and len(head := main.split(":")[0].strip()) > 3:
        variants.append(head)
    return [v for v in dict.fromkeys(variants) if v]


def plain_title(title: str) -> str:
    """The title as prose says it: year and aliases dropped, article in front."""
    bare = _YEAR.sub("", " ".join(title.split()))
    main = _ASIDE.sub("", bare).strip() or bare or title
    turned = _TURNED.fullmatch(main)
    return _turn(turned) if turned else main


def _turn(turned: re.Match[str]) -> str:
    return f"{turned[2]}{'' if turned[2].endswith(chr(39)) else ' '}{turned[1]}"
