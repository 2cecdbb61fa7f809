"""Claims of extent, trend and time: rising, recently, mostly, only, always, never, often, rarely,
most of all.
"""

from datetime import timedelta

from limner.verify.grounds import Origin
from limner.verify.sentence import TASTE, Segment, Sentence
from limner.words.language import CLAIMS

RECENT = timedelta(days=90)
"""What happened longer ago than this before `Grounds.as_of` is not recent."""
OFTEN = 3
"""Events from which something happened often."""
RARE_SHARE = 0.2
ALL_SHARE = 0.999


def check_extent(sentence: Sentence, segments: list[Segment]) -> None:
    pieces = sentence.clauses(segments)
    everywhere = sentence.facts([s for piece, _ in pieces for s in piece])
    for piece, _ in pieces:
        for i, s in enumerate(piece):
            claims = s.tags & CLAIMS
            if not claims or s.phrase or s.quoted:
                continue
            if "only" in claims and any(later.kind == "number" for later in piece[i + 1 :]):
                # "only 1 of 5" belittles a number that is checked on its own.
                continue
            if (
                any(tag.startswith("group:") and sentence.labelled(tag) for tag in s.tags)
                or s.text.casefold() in sentence.grounds.labels
            ):
                continue
            here = sentence.facts(piece)
            if not all(_backed(sentence, claim, here, everywhere, piece, i) for claim in claims):
                sentence.found.append(f"unsupported_claim: {s.text}")
        for s in piece:
            groups = [tag for tag in s.tags if tag.startswith("group:")]
            if (
                groups
                and not s.tags - frozenset(groups)
                and not any(sentence.labelled(g) for g in groups)
            ):
                word = sentence.stems[s.start]
                if s.end - s.start > 1 or word not in sentence.grounds.words:
                    sentence.found.append(f"unsupported_word: {s.text}")


def _backed(
    sentence: Sentence,
    claim: str,
    here: list[Origin],
    everywhere: list[Origin],
    piece: list[Segment],
    at: int,
) -> bool:
    facts = [o for o in here if o.kind != "event"]
    if facts:
        return all(_holds(sentence, claim, o, piece, at) for o in facts)
    wider = [o for o in everywhere if o.kind != "event"] or [
        sentence.grounds.origins[i] for i in sentence.grounds.facts
    ]
    events = [o for o in (here or everywhere) if o.kind == "event"]
    if claim == "recent" and events:
        return any(_holds(sentence, claim, o, piece, at) for o in events)
    if claim == "often" and len(events) >= OFTEN:
        return True
    if claim in ("broad", "narrow"):
        return _holds(sentence, claim, Origin("", "note"), piece, at)
    return any(_holds(sentence, claim, o, piece, at) for o in wider)


def _holds(sentence: Sentence, claim: str, o: Origin, piece: list[Segment], at: int) -> bool:
    """Whether one cited thing bears a claim out."""
    share = o.share
    if claim in ("rising", "fading", "steady"):
        return o.trend == claim
    if claim == "recent":
        near = (
            sentence.grounds.as_of is not None
            and o.last_seen is not None
            and sentence.grounds.as_of - o.last_seen <= RECENT
        )
        return o.trend == "rising" or near
    if claim == "majority":
        # "most of which they enjoyed" speaks of the value's own events.
        kind = o.positive if o.polarity > 0 else o.negative
        judged = any(s.tags & TASTE for s in piece[at + 1 :]) and o.count and kind is not None
        return (share is not None and share > 0.5) or bool(
            judged and (kind or 0) * 2 > (o.count or 0)
        )
    if claim == "only":
        return share is not None and share >= ALL_SHARE
    if claim == "always":
        one_sided = o.count is not None and o.count >= OFTEN and o.count in (o.positive, o.negative)
        return one_sided or (share is not None and share >= ALL_SHARE)
    if claim == "never":
        taste = any(s.tags & TASTE for s in piece[at + 1 : at + 4])
        return taste and (o.positive == 0 or o.negative == 0)
    if claim == "often":
        return o.count is not None and o.count >= OFTEN
    if claim == "rare":
        few = share is not None and share < RARE_SHARE
        return few and (o.polarity < 0 or not any(s.tags & TASTE for s in piece))
    if claim == "superlative":
        rivals = [
            r
            for i in sentence.grounds.facts
            if (r := sentence.grounds.origins[i]).polarity == o.polarity
        ]
        return any(
            own is not None and all((theirs or 0) <= own for theirs in others)
            for own, others in (
                (o.count, [r.count for r in rivals]),
                (o.strength, [r.strength for r in rivals]),
            )
        )
    group = "group:broad" if claim == "broad" else "group:narrow"
    liked = [i for i in sentence.grounds.facts if sentence.grounds.origins[i].polarity > 0]
    return sentence.labelled(group) or (claim == "broad" and len(liked) >= 4)
