"""What a text names, found by a reader of its own: values of the catalogue, quoted titles,
numbers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limner.words import title_variants
from limner.words.text import fold, stems_of, tokens_of

_QUOTED = re.compile(r"[\"“«„]([^\"”»“]{2,}?)[\"”»“]")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)?(?![\w])")
_LONGEST = 5
_THEME = "theme"


@dataclass(frozen=True)
class CatalogueValue:
    facet: str
    value: str


class ValueNames:
    """Facet values of a catalogue, as a text in a language may name them."""

    def __init__(
        self,
        values: Iterable[tuple[str, str]],
        code: str = "en",
        forms: Mapping[str, list[str]] | None = None,
    ):
        """`forms`: other words for a value, by value (translations, decades, "low prices"). A band
        of a number goes by these alone, since "low" says little.
        """
        self._code = code
        self._by_stems: dict[tuple[str, ...], list[CatalogueValue]] = {}
        self._unquoted: dict[tuple[str, ...], list[CatalogueValue]] = {}
        for facet, value in values:
            own = [] if facet.endswith(" band") else [value]
            for form in dict.fromkeys(
                [*own, *(forms or {}).get(f"{facet}:{value}" if not own else value, ())]
            ):
                if key := stems_of(form, code)[: _LONGEST + 1]:
                    self._by_stems.setdefault(key, []).append(CatalogueValue(facet, value))
                    if facet != _THEME:
                        self._unquoted.setdefault(key, []).append(CatalogueValue(facet, value))

    def find(self, text: str) -> list[CatalogueValue]:
        """Every value that is named outside quotes, the longest first, without overlap, in order.

        Words of titles (themes) are left out: "what stands out" speaks neither of stands nor of
        outings. They count in quotes alone (`named_in`), as the project's own sentences have them.
        """
        words = stems_of(_QUOTED.sub(" ; ", text), self._code)
        values: list[CatalogueValue] = []
        begin = 0
        while begin < len(words):
            size = next(
                (n for n in range(_LONGEST, 0, -1) if words[begin : begin + n] in self._unquoted), 0
            )
            values += self._unquoted[words[begin : begin + size]] if size else []
            begin += size or 1
        return list(dict.fromkeys(values))

    def word(self, one: CatalogueValue) -> tuple[str, ...]:
        """What stands for a value in a text; of values that differ in their endings the same."""
        return stems_of(one.value, self._code)

    def exact(self, text: str) -> list[CatalogueValue]:
        """The values that a whole text is, a quoted one, say."""
        return self._by_stems.get(stems_of(text, self._code), [])


def named_in(text: str, names: ValueNames) -> list[CatalogueValue]:
    """Values that a text names, in quotes too where the whole quotation is one."""
    return list(
        dict.fromkeys(
            [*names.find(text), *(one for said in quoted(text) for one in names.exact(said))]
        )
    )


def quoted(text: str) -> list[str]:
    return [one.strip(" .,") for one in _QUOTED.findall(text)]


def numbers(text: str) -> list[float]:
    """Outside quotes."""
    return [float(one.replace(",", ".")) for one in _NUMBER.findall(_QUOTED.sub(" ", text))]


def is_title(said: str, title: str) -> bool:
    """Whether a quoted text is a way to say a title, one that was cut short with … included."""
    plain = _title(said)
    forms = [_title(one) for one in title_variants(title)]
    if said.rstrip().endswith(("…", "...")):
        return any(one.startswith(plain) for one in forms)
    return plain in forms


def shape(text: str, names: ValueNames) -> str:
    """A text without its quoted titles, values and numbers: what makes two sentences read alike."""
    bare = fold(_NUMBER.sub("#", _QUOTED.sub("*", text)))
    for one in sorted(names.find(text), key=lambda each: -len(each.value)):
        bare = re.sub(rf"\b{re.escape(fold(one.value))}\w{{0,3}}\b", "*", bare)
    return bare


def _title(text: str) -> str:
    return " ".join(one.folded for one in tokens_of(text) if one.kind != "mark")
