"""The language in which a request is told what is wrong."""

from collections.abc import Mapping

from limner.core.messages import LANGUAGES, SOURCE


def language_of(headers: Mapping[str, str]) -> str:
    """That of a request by its headers, whose names are lower case."""
    return preferred(headers.get("accept-language", ""))


def preferred(accepted: str) -> str:
    """The first language of an Accept-Language header that messages are worded in; English where it
    names none.
    """
    weighed = []
    for at, part in enumerate(accepted.split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            quality = 0.0
        weighed.append((-quality, at, name.split("-")[0].lower()))
    return next(
        (code for quality, _, code in sorted(weighed) if quality < 0 and code in LANGUAGES), SOURCE
    )
