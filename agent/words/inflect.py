"""Inflected forms of lexicon entries, by language: generous rules, since a form that no one writes
does no harm.

Irregular forms are in the language data.
"""

from collections.abc import Iterable, Mapping

Irregular = Mapping[str, list[str]]

_SEPARABLE = (
    "hervor",
    "heraus",
    "zurück",
    "weiter",
    "auf",
    "aus",
    "fort",
    "hin",
    "nach",
    "dar",
    "ein",
    "vor",
    "an",
    "ab",
    "zu",
)
_HADA = (
    "하다 한다 합니다 하며 하고 하는 한 할 해 해서 해요 하여 했습니다 했으며 했고 했다 "
    "했던 하지 하지만 "
    "하지는 하지도 하므로 하기 함 하면 하시 하시는 하시고 하시며 합니다만 하는데 하게 "
    "하셨습니다 하신 하시기 "
    "하였습니다 하기도 하기에 하시니 하셨기 하셨으니 하신다면 하니 해온 해왔습니다 "
    "하시기에 하셨고 하셨으며 "
    "하셨던 하십니다 하시면 하실 하시므로"
)
_FR_ER = "e es ent é ée és ées ait aient ant a ons ez era"
_FR_IR = "it is i ie ies issent issait issant issez"
_ES_AR = "a an as ó aron ado ada ados adas ando aba aban e en o aste"
_ES_ER = "e en es ió ieron ido ida idos idas iendo ía ían a an o iste"


def inflect(entry: str, kind: str, code: str, irregular: Irregular) -> Iterable[str]:
    """All forms of an entry of one kind: verbs, nouns, adjectives, hada (Korean verbs in 하다), or
    words (not inflected).

    A verb phrase is inflected at its first word, every other phrase at its last.
    """
    if kind == "words":
        return [entry]
    if kind == "hada":
        return [entry, *(entry + ending for ending in _HADA.split())]
    words = entry.split(" ")
    place = 0 if kind == "verbs" else len(words) - 1
    head = words[place]
    forms = list({"verbs": _verb, "nouns": _noun, "adjectives": _adjective}[kind](head, code))
    if head in irregular:
        # English irregular verbs are listed whole; elsewhere the list adds to the regular forms.
        forms = [head, *irregular[head], *([] if code == "en" else forms)]
    return [" ".join([*words[:place], form, *words[place + 1 :]]) for form in forms]


def _verb(word: str, code: str) -> Iterable[str]:
    if code == "en":
        return _verb_en(word)
    if code == "de":
        return _verb_de(word)
    if code == "fr":
        endings = {"er": _FR_ER, "ir": _FR_IR}.get(word[-2:], "")
    else:
        endings = {"ar": _ES_AR, "er": _ES_ER, "ir": _ES_ER}.get(word[-2:], "")
    return [word, *(word[:-2] + ending for ending in endings.split())]


def _verb_en(word: str) -> Iterable[str]:
    if word.endswith("y") and word[-2] not in "aeiou":
        return [word, word[:-1] + "ies", word[:-1] + "ied", word + "ing"]
    third = word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")
    base = word[:-1] if word.endswith("e") and not word.endswith("ee") else _doubled(word)
    return [word, third, base + "ed", base + "ing"]


def _doubled(word: str) -> str:
    """The final consonant doubled before -ed and -ing, in short words: plan, planned."""
    short = (
        2 < len(word) <= 4
        and word[-1] not in "aeiouwxy"
        and word[-2] in "aeiou"
        and word[-3] not in "aeiou"
    )
    return word + word[-1] if short else word


def _verb_de(word: str) -> Iterable[str]:
    prefix = next((p for p in _SEPARABLE if word.startswith(p) and len(word) > len(p) + 4), "")
    root = word.removesuffix("en") if word.endswith("en") else word.removesuffix("n")
    past = root + ("e" if root.endswith(("t", "d")) else "")
    forms = [
        word,
        root + "e",
        past + "t",
        past + "te",
        past + "ten",
        past + "st",
        root + "end",
        root + "ende",
    ]
    forms += [root + "enden", f"{prefix}ge{past.removeprefix(prefix)}t"]
    return [*forms, f"{prefix}zu{word.removeprefix(prefix)}"] if prefix else forms


def _noun(word: str, code: str) -> Iterable[str]:
    if code == "en":
        return _noun_en(word)
    if code == "de":
        return [word, *(word + ending for ending in ["e", "en", "n", "er", "ern", "s", "es"])]
    if code == "fr":
        return [word, word + "s", word + "x", *([word[:-2] + "aux"] if word.endswith("al") else [])]
    if code == "es":
        return [word, word + "s", word + "es", *([word[:-1] + "ces"] if word.endswith("z") else [])]
    return [word]


def _noun_en(word: str) -> Iterable[str]:
    if word.endswith("y") and word[-2] not in "aeiou":
        return [word, word[:-1] + "ies", word + "'s"]
    plural = word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return [word, plural, word + "'s"]


def _adjective(word: str, code: str) -> Iterable[str]:
    if code == "de":
        return [
            word,
            *(
                word + ending
                for ending in ["e", "en", "er", "es", "em", "ere", "eren", "sten", "ste"]
            ),
        ]
    if code == "fr":
        ends = {"f": "ve", "x": "se"}
        feminine = word[:-1] + ends[word[-1]] if word[-1] in ends else word.removesuffix("e") + "e"
        return [
            word,
            word + "s",
            feminine,
            feminine + "s",
            *(word + ending for ending in ["le", "les", "ne", "nes", "te", "tes"]),
        ]
    if code == "es":
        root = word[:-1] if word.endswith(("o", "a")) else word
        return [word, word + "s", word + "es", root + "o", root + "a", root + "os", root + "as"]
    return [word]
