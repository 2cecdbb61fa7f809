"""Capitalised words that the grounds do not have as a name."""

from limner.verify.sentence import ARTICLES, Segment, Sentence


def check_names(sentence: Sentence, segments: list[Segment]) -> None:
    """Capitalised words that the grounds do not have as a name, in languages where capitals mean
    names.
    """
    if not sentence.language.capital_names:
        return
    for s in segments:
        token = sentence.tokens[s.start]
        if (
            s.kind != "word"
            or s.quoted
            or not sentence.named(s.start)
            or "name" in s.tags
            or "grounded" in s.tags
        ):
            continue
        before = sentence.tokens[s.start - 1]
        if (
            (before.kind == "mark" and before.text in ".!?:…")
            or token.folded in sentence.language.months
            or token.text == "I"
        ):
            continue
        if (
            token.folded in ARTICLES
            and s.end < len(sentence.tokens)
            and sentence.tokens[s.end].capital
        ):
            continue
        sentence.found.append(f"unsupported_name: {s.text}")
    names: list[Segment] = []
    for s in [*segments, Segment("mark", "", 0, 0)]:
        if s.kind == "word" and "name" in s.tags:
            names.append(s)
            continue
        if names:
            key = tuple(sentence.stems[n.start] for n in names)
            if not _part_of_title(sentence, key):
                sentence.found.append(f"unsupported_name: {' '.join(n.text for n in names)}")
            names = []


def _part_of_title(sentence: Sentence, key: tuple[str, ...]) -> bool:
    said = " ".join(key)
    return any(f" {said} " in f" {title} " for title in sentence.grounds.title_lines)
