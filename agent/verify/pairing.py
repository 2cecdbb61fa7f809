"""What belongs together: numbers beside what they count, titles beside the values they carry."""

from collections.abc import Sequence

from limner.verify.sentence import ARTICLES, QUOTES, STRONG, TASTE, Segment, Sentence

_ONE = frozenset({"a", "an", "un", "une", "una", "ein", "eine"})


def check_pairs(sentence: Sentence, segments: list[Segment]) -> None:
    """Numbers beside what a piece speaks of must be its own; titles given as examples must carry
    the value.
    """
    pieces: list[list[Segment]] = [[]]
    for s in segments:
        if (s.kind == "mark" and s.text in STRONG | frozenset(",，、")) or (
            s.tags & {"split", "reset", "exemplify"} and not s.phrase
        ):
            pieces.append([])
        else:
            pieces[-1].append(s)
    mentioned = {i for s in segments if s.phrase for i in s.phrase.origins}
    for piece in pieces:
        phrases = [s for s in piece if s.phrase]
        titles = [s for s in phrases if s.phrase and s.phrase.kind == "title"]
        subject = titles or phrases
        for s in piece:
            if s.kind != "number":
                continue
            owners = _owners(sentence, s, [n for n in piece if n.kind == "number" and n is not s])
            beside = {i for t in subject if t.phrase for i in t.phrase.origins}
            counted = next(
                (t for t in piece if t.start == s.end and t.phrase and t.phrase.kind == "value"),
                None,
            )
            if counted is not None and counted.phrase is not None and "percent" not in s.tags:
                # "4 comedies" is a count: a rating of 4 does not bear it out, four cited comedies
                # do.
                events = {
                    i for i in counted.phrase.origins if sentence.grounds.origins[i].kind == "event"
                }
                if float(len(events)) not in s.numbers:
                    owners = {
                        i
                        for i in owners
                        if sentence.grounds.origins[i].kind in ("fact", "preference")
                    } or {-1}
            if not owners or not mentioned or owners & (beside or mentioned):
                continue
            if -1 not in owners and all(
                sentence.grounds.origins[i].kind in ("note", "trait") for i in owners
            ):
                continue
            about = (
                subject[0].text
                if subject
                else next((s.text for s in segments if s.phrase), "the rest")
            )
            sentence.found.append(f"wrong_pairing: {s.text} with {about}")
    _examples(sentence, segments)


def _owners(sentence: Sentence, s: Segment, others: Sequence[Segment]) -> set[int]:
    """Origins that have this number; the top of a scale only beside a rating of its own ("1 of
    5").
    """

    def has(numbers: frozenset[float], segment: Segment) -> bool:
        return any(round(n, 4) in numbers for n in segment.numbers)

    if "date" in s.tags:
        return set(s.owners)
    if "percent" in s.tags:
        return {i for i, o in enumerate(sentence.grounds.origins) if has(sentence.percents(o), s)}
    return {
        i
        for i, o in enumerate(sentence.grounds.origins)
        if has(o.numbers, s) or (has(o.scale, s) and any(has(o.numbers, other) for other in others))
    }


def _examples(sentence: Sentence, segments: list[Segment]) -> None:
    """A value said of a title ("the horror film “X”", "comedies such as “Y”") must be one that its
    item carries.
    """
    for n, s in enumerate(segments):
        if s.phrase is None or s.phrase.kind != "title":
            continue
        value = _value_before(sentence, segments, n) or _value_after(sentence, segments, n)
        if value is None or value.phrase is None:
            continue
        items = [
            i for i in s.phrase.origins if sentence.grounds.origins[i].kind in ("event", "item")
        ]
        valued = [i for i in items if i in sentence.grounds.valued]
        if valued and not value.phrase.origins & set(valued):
            sentence.found.append(f"wrong_pairing: {value.phrase.text} with {s.phrase.text}")


def _value_before(sentence: Sentence, segments: list[Segment], n: int) -> Segment | None:
    """The value said of the title at `n`: nothing but nouns, articles and "such as" between
    them.
    """
    comma = example = False
    for back in range(n - 1, max(-1, n - 6), -1):
        s = segments[back]
        if s.phrase is not None:
            return s if s.phrase.kind == "value" and (example or not comma) else None
        if s.kind == "mark" and s.text in ",，、":
            comma = True
        elif "exemplify" in s.tags:
            example = True
        elif not (
            (
                s.kind == "mark"
                and (s.text in QUOTES or s.text in QUOTES.values() or s.text in "(（")
            )
            or ("noun" in s.tags and not s.tags & TASTE)
            or s.text.casefold() in ARTICLES
        ):
            return None
    return None


def _value_after(sentence: Sentence, segments: list[Segment], n: int) -> Segment | None:
    """The value that a title is said to be: "“X” is a horror film", "“X”, a horror film"."""
    said = False
    for s in segments[n + 1 : n + 7]:
        word = s.text.casefold()
        if s.phrase is not None:
            return s if said and s.phrase.kind == "value" else None
        if word in sentence.language.attribute_verbs or word in _ONE:
            said = True
        elif not (
            word in ARTICLES
            or (s.kind == "mark" and (s.text in QUOTES.values() or s.text in '",，'))
        ):
            return None
    return None
