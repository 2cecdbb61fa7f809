"""Cells that stand for nothing: which words do so in which column, and how often they were met."""

import re
from collections import Counter
from collections.abc import Collection, Set

import pandas as pd

from limner.core.messages import Message, joined, message
from limner.ingest.mapping import Mapping, TableName, alias_key, as_rule
from limner.ingest.read import META

USUAL = frozenset({"", "nan", "NaN", "NULL", "null", "None", "\\N", "N/A", "NA", "<NA>"})
"""Words that stand for nothing in any column that the mapping does not speak of."""
_NAMIBIA = "NA"
_COUNTRIES_TEXT = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO "
    "BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ "
    "DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP "
    "GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG "
    "KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML "
    "MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE "
    "PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL "
    "SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM "
    "US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW EU EL UK"
)
_COUNTRIES = frozenset(_COUNTRIES_TEXT.split())
"""ISO 3166-1 alpha-2, and what is used beside it."""
_STATES_TEXT = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH "
    "NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR ON QC BC AB MB SK "
    "NS NB NL PE YT NT NU"
)
_STATES = frozenset(_STATES_TEXT.split())
"""States of the USA and provinces of Canada, many of which are countries' codes too."""
_NAMED = ("country", "nation", "iso2", "alpha2", "land", "pays", "pais")
_PADDED = re.compile(r"(?:^|\x00)\s|\s(?:\x00|$)")
_SHOWN = 8
"""Columns that the report names; the number of the others is said."""


def something(cell: str) -> str:
    """A cell without blanks around it; "" where it is one of the usual words for nothing."""
    cell = cell.strip()
    return "" if cell in USUAL else cell


class MissingCells:
    """Empties the cells of tables that stand for nothing, and remembers which words did."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._words: dict[tuple[TableName, str, str], frozenset[str]] = {}
        self._met: Counter[tuple[str, str, str]] = Counter()

    def blank(self, frame: pd.DataFrame, table: TableName, file: str, *, first: bool) -> None:
        """Empty them in place. The first chunk of a file tells which words count in a column."""
        for name in frame.columns:
            if name in META:
                continue
            cells = set(frame[name])
            key = (table, file, str(name))
            if first or key not in self._words:
                self._words[key] = self.words(table, str(name), cells)
            found = _standing_for(self._words[key], cells)
            if not any(found):
                continue
            column = frame[name]
            hit = column.isin(found)
            met = Counter(word for cell in column[hit] if (word := cell.strip()))
            self._met.update({(file, str(name), word): n for word, n in met.items()})
            frame[name] = column.mask(hit, "")

    def words(self, table: TableName, column: str, cells: Collection[str]) -> frozenset[str]:
        """The words for nothing of a column that holds these cells."""
        told = self._mapping.nothing
        if isinstance(told, dict) and column in told:
            return frozenset(told[column])
        usual = USUAL - {_NAMIBIA} if _are_countries(column, cells) else USUAL
        rules = map(as_rule, self._mapping.table(table).values())
        own = {word for rule in rules if rule.column == column for word in rule.nothing}
        return usual | own | (set() if isinstance(told, dict) else set(told))

    def notes(self) -> list[Message]:
        """For each file, how often which word stood for nothing in which column."""
        return [self._note(file) for file in dict.fromkeys(file for file, _, _ in self._met)]

    def _note(self, file: str) -> Message:
        met = [(column, word, n) for (of, column, word), n in self._met.items() if of == file]
        met.sort(key=lambda one: -one[2])
        counted = [
            message("ingest.nothing_word", column=column, word=word, n=n)
            for column, word, n in met[:_SHOWN]
        ]
        if len(met) > _SHOWN:
            counted.append(message("ingest.nothing_more", n=len(met) - _SHOWN))
        return message(
            "ingest.nothing_words", file=file, words=joined(counted, "listing"), column=met[0][0]
        )


def _standing_for(words: Set[str], cells: Set[str]) -> list[str]:
    """The cells that are one of some words, blanks around them left out."""
    if _PADDED.search("\x00".join(cells)):
        return [cell for cell in cells if cell.strip() in words]
    return [*words & cells]


def _are_countries(column: str, cells: Collection[str]) -> bool:
    """Whether a column holds two-letter codes of countries, so that NA is Namibia."""
    if len(cells) > 2 * len(_COUNTRIES):
        return False
    codes = {cell.strip() for cell in cells} - (USUAL - {_NAMIBIA})
    codes = {code for code in codes if any(map(str.isalnum, code))}
    if _NAMIBIA not in codes or not codes <= _COUNTRIES:
        return False
    if any(name in alias_key(column) for name in _NAMED):
        return True
    others = codes - {_NAMIBIA}
    return len(others) > 2 and not others <= _STATES
