"""Whether what is said to be liked is liked, and what is denied may be denied, clause by clause."""

from limner.verify.sentence import TASTE, Segment, Sentence
from limner.words.language import CLAIMS


def _sign(sentence: Sentence, at: int, piece: list[Segment]) -> int:
    """1 or -1 of the taste word at a place, negations in its piece applied."""
    sign = 1 if "like" in piece[at].tags else -1
    if "like" in piece[at].tags and "dislike" in piece[at].tags:
        return 0
    previous = max((i for i in range(at) if piece[i].tags & TASTE), default=-1)
    following = next((i for i in range(at + 1, len(piece)) if piece[i].tags & TASTE), len(piece))
    where = sentence.language.negation
    around = piece[previous + 1 if where != "after" else max(previous + 1, at - 1) : at]
    if where != "before":
        around = [*around, *piece[at + 1 : following]]
    return -sign if any(s.denies for s in around) else sign


def check_polarity(sentence: Sentence, segments: list[Segment]) -> None:
    pieces = sentence.clauses(segments)
    signs: list[int | None] = []
    own: list[bool] = []
    for piece, _ in pieces:
        taste = [i for i, s in enumerate(piece) if s.tags & TASTE and not s.phrase and not s.quoted]
        own.append(bool(taste))
        signs.append(_sign(sentence, taste[-1], piece) if taste else None)
    for n, (piece, opened) in enumerate(pieces):
        _compare(sentence, piece)
        if own[n]:
            _bind(sentence, piece)
            continue
        before = next((signs[k] for k in range(n - 1, -1, -1) if signs[k] is not None), None)
        after = None
        for k in range(n + 1, len(pieces)):
            if pieces[k][1] or signs[k] is not None:
                after = None if pieces[k][1] else signs[k]
                break
        sign = (after or before) if sentence.language.verb_last else (before or after)
        denials = [s for s in piece if s.denies]
        negated = len(denials) % 2
        plain = [s for s in denials if not s.tags & CLAIMS]
        if len(plain) % 2 and any("verb" in s.tags for s in piece) and any(s.phrase for s in piece):
            # What is cited was watched, rated, bought: it cannot be said that it was not.
            sentence.found.append(f"unsupported_claim: {plain[0].text}")
        if sign is not None and negated:
            base = before if before is not None else after
            sign = -(base or 0)
        elif opened and not negated:
            sign = None
        contrast = False
        for s in piece:
            contrast = contrast or "contrast" in s.tags
            if not contrast:
                _agree(sentence, s, sign)


def _bind(sentence: Sentence, piece: list[Segment]) -> None:
    """Each phrase takes the sign of the taste word before it, else of the next (the other way round
    in Korean).
    """
    taste = [i for i, s in enumerate(piece) if s.tags & TASTE and not s.phrase and not s.quoted]
    contrast = [i for i, s in enumerate(piece) if "contrast" in s.tags]
    for i, s in enumerate(piece):
        if s.phrase is None:
            continue
        before = [t for t in taste if t < i]
        after = [t for t in taste if t > i]
        nearest = (
            (after[:1] or before[-1:])
            if sentence.language.verb_last
            else (before[-1:] or after[:1])
        )
        if not nearest or any(nearest[0] < c < i for c in contrast):
            continue
        sign = _sign(sentence, nearest[0], piece)
        between = piece[nearest[0] + 1 : i] if sentence.language.negation == "before" else []
        _agree(sentence, s, -sign if any(b.denies for b in between) else sign)


def _compare(sentence: Sentence, piece: list[Segment]) -> None:
    """ "More comedy than drama": what is said to be more must be, by count or strength."""
    at = next((i for i, s in enumerate(piece) if "contrast" in s.tags), None)
    if at is None or any("less" in s.text.casefold().split() for s in piece[:at]):
        return
    left, right = sentence.facts(piece[:at]), sentence.facts(piece[at:])
    for more in left:
        for less in right:
            same = more.polarity == less.polarity and "event" not in (more.kind, less.kind)
            if (
                same
                and (more.count or 0) < (less.count or 0)
                and (more.strength or 0) < (less.strength or 0)
            ):
                sentence.found.append(f"unsupported_claim: {piece[at].text}")
                return


def _agree(sentence: Sentence, segment: Segment, sign: int | None) -> None:
    if not sign or segment.phrase is None or segment.phrase.kind == "person":
        return
    origins = [sentence.grounds.origins[i] for i in segment.phrase.origins]
    judged = [o for o in origins if o.kind in ("fact", "preference")] or [
        o for o in origins if o.polarity
    ]
    if judged and all(o.polarity == -sign for o in judged):
        sentence.found.append(f"flipped_polarity: {segment.phrase.text}")
