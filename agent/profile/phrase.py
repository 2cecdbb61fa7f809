"""Grade `phrase`: code picks the claims, the model words each in one sentence, code checks its
words.

A sentence that fails is replaced by its template sentence. The summary counts as the model's where
at least half of its sentences are; else the template summary stands whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limner.core.schema import Dropped, Fact, Profile, Trait
from limner.core.settings import Settings
from limner.llm import Chat, ChatRequest, ask
from limner.llm.prompts import Prompt, load_prompt
from limner.profile.draft import phrased
from limner.profile.subject import Subject, Tally, built_from
from limner.profile.template import MAX_EVIDENCE, distinct
from limner.verify import EMPTY_LEXICON, check_words, grounds_from, tidy
from limner.verify.grounds import value_variants
from limner.verify.nouns import foreign_noun
from limner.verify.sentence import TASTE, Sentence
from limner.words import Language, preference_text, summary_text, thing, trait_text
from limner.words.templates import is_tentative, percents, stands_out, values_text
from limner.words.text import stems_of, tokens_of

PROMPT = "portrait-phrase"
LIKES, DISLIKES, HABITS = 3, 2, 2
"""Most values or habits in one claim."""
TOKENS_A_CLAIM = 45


@dataclass(frozen=True)
class PhrasedClaim:
    """The content of one sentence to be worded."""

    key: str
    """likes, share, interest_rising, interest_fading, dislikes or habits: its name in prompt and
    answer.
    """
    content: str
    """The claim as the prompt states it."""
    template: str
    """The sentence that stands in where the model's fails."""
    facts: tuple[Fact, ...] = ()
    traits: tuple[Trait, ...] = ()
    is_asked: bool = True
    """False where the template stands as it is: a first sign, which models make a passion of, or a
    share of looks.
    """


def claims_of(
    facts: Sequence[Fact], traits: Sequence[Trait], language: Language
) -> list[PhrasedClaim]:
    """At most five claims: what is liked, what stands out, what is changing, what is disliked, how
    the user behaves.
    """
    facts = distinct(facts)
    dislikes = [fact for fact in facts if fact.polarity == "dislike"][:DISLIKES]
    claims = _like_claims([fact for fact in facts if fact.polarity == "like"], language)
    if dislikes:
        claims.append(_values("dislikes", dislikes, language))
    return claims + _habit_claims(traits, language)


def _like_claims(likes: Sequence[Fact], language: Language) -> list[PhrasedClaim]:
    """At most three claims: likes or first signs of them, the share that stands out, a trend."""
    certain = [fact for fact in likes if not is_tentative(fact)]
    top = [fact for fact in certain if stands_out(fact) and fact.count > 2][:1]
    claims = []
    # The template's sentence on a share of looks says the liking too.
    is_said_by_top = len(certain) == 1 and any(fact.looked for fact in top)
    if likes and not is_said_by_top:
        shown = (certain or likes)[:LIKES]
        claims.append(_values("likes", shown, language, is_asked=bool(certain)))
    claims += [_counted(fact, language) for fact in top]
    changing = [f for f in certain if f.trend in ("rising", "fading") and f not in top][:1]
    return claims + [_counted(fact, language, trend_only=True) for fact in changing]


def _habit_claims(traits: Sequence[Trait], language: Language) -> list[PhrasedClaim]:
    """One claim of at most `HABITS` traits that have words; empty where none has."""
    shown = tuple([trait for trait in traits if trait_text(trait, language)][:HABITS])
    if not shown:
        return []
    phrases = "; ".join(trait_text(trait, language) for trait in shown)
    return [PhrasedClaim("habits", phrases, summary_text([], shown, language), traits=shown)]


def _values(
    word: str, facts: Sequence[Fact], language: Language, *, is_asked: bool = True
) -> PhrasedClaim:
    names = ", ".join(thing(fact.facet, fact.value, language) for fact in facts)
    return PhrasedClaim(
        word, names, values_text(facts, language), facts=tuple(facts), is_asked=is_asked
    )


def _counted(fact: Fact, language: Language, *, trend_only: bool = False) -> PhrasedClaim:
    name = thing(fact.facet, fact.value, language)
    if trend_only:
        return PhrasedClaim(
            f"interest_{fact.trend}", name, preference_text(fact, language), facts=(fact,)
        )
    still = fact.model_copy(update={"trend": "unknown"})
    share, base = percents(fact.share, fact.base_rate, language)
    content = f"{name} {share}%, average {base}%"
    # Models say "of what they choose" whatever it was.
    return PhrasedClaim(
        "share", content, preference_text(still, language), facts=(fact,), is_asked=not fact.looked
    )


def request(
    subject: Subject, claims: Sequence[PhrasedClaim], settings: Settings, language: Language
) -> tuple[ChatRequest, Prompt]:
    # Small models answer in the language of the examples, so each language has its own.
    prompt_id = PROMPT if language.code == "en" else f"{PROMPT}-{language.code}"
    prompt = load_prompt(prompt_id, settings.prompts.get(prompt_id, ""))
    lines = "\n".join(f"{claim.key}: {claim.content}" for claim in claims)
    asked = ChatRequest(
        purpose="phrase",
        prompt=prompt.label,
        messages=prompt.render(claims=lines),
        user_id=subject.user.user_id,
        max_tokens=20 + TOKENS_A_CLAIM * len(claims),
        temperature=settings.llm.temperature,
    )
    return asked, prompt


def refusal(text: str, claim: PhrasedClaim, subject: Subject, language: Language) -> str:
    """Why a sentence may not stand for a claim; empty if it may."""
    if not text:
        return "empty"
    grounds = grounds_from(
        language,
        facts=claim.facts,
        traits=claim.traits,
        total=len(subject.events),
        as_of=subject.last_event,
    )
    if problems := check_words(text, grounds, language, subject.lexicon):
        return "; ".join(problems)
    if noun := foreign_noun(text, grounds):
        return f"unsupported_word: {noun}"
    if missing := unsaid(text, claim.key, language):
        return missing
    if claim.facts and not any(_mentions(text, fact, language) for fact in claim.facts):
        return "off_claim: it names nothing that the claim is about"
    return ""


def unsaid(text: str, key: str, language: Language) -> str:
    """A refusal where a sentence names what its claim is about without claiming it; empty if it
    does.

    What is liked or not must be said to be, a share must have its number, and a change must be one.
    """
    if key == "share":
        return (
            ""
            if any(token.kind == "number" for token in tokens_of(text))
            else "off_claim: it says no share"
        )
    wanted = {
        "likes": TASTE,
        "dislikes": TASTE,
        "interest_rising": {"rising"},
        "interest_fading": {"fading"},
    }.get(key)
    if wanted is None:
        return ""
    grounds = grounds_from(language)
    sentence = Sentence(text, grounds, language, EMPTY_LEXICON)
    return (
        ""
        if sentence.tags() & wanted
        else f"off_claim: it does not say what {key.removeprefix('interest_')} means"
    )


def _mentions(text: str, fact: Fact, language: Language) -> bool:
    stems = f" {' '.join(stems_of(text, language.code))} "
    forms = [
        " ".join(stems_of(form, language.code)) for form in value_variants(fact.value, language)
    ]
    return any(f" {form} " in stems for form in forms if form)


async def phrase(
    subject: Subject,
    base: Profile,
    chat: Chat,
    settings: Settings,
    language: Language,
    tally: Tally,
) -> Profile:
    """The template portrait `base` with its summary in the model's words, if there is anything to
    say.

    Raises ModelError.
    """
    claims = claims_of(subject.facts.facts, subject.facts.traits, language)
    wanted = [claim for claim in claims if claim.is_asked]
    if not wanted:
        return base.model_copy(update={"grade": "phrase", "model": chat.name})
    asked, prompt = request(subject, wanted, settings, language)
    answered, answer = await ask(chat, asked, phrased(tuple(claim.key for claim in wanted)))
    tally.add(answer)
    tally.claims += len(wanted)
    sentences, dropped = _checked(claims, answered.model_dump(), subject, language)
    evidence = [i for claim in claims for fact in claim.facts for i in fact.evidence[:2]]
    update = {
        "summary_evidence": list(dict.fromkeys(evidence))[: 2 * MAX_EVIDENCE],
        "dropped": dropped,
        "grade": "phrase",
        "model": chat.name,
        "prompt": prompt.label,
        "built_from": built_from(subject, tally, settings),
        "summary": base.summary,
        "summary_source": "template",
        "source": "template",
    }
    if 2 * len(dropped) <= len(wanted):
        summary = ("" if language.code == "zh" else " ").join(sentences)
        update |= {"summary": summary, "summary_source": "llm", "source": "llm"}
    return base.model_copy(update=update)


def _checked(
    claims: Sequence[PhrasedClaim],
    answers: Mapping[str, object],
    subject: Subject,
    language: Language,
) -> tuple[list[str], list[Dropped]]:
    """One sentence a claim, the template's where the model was not asked or its own is refused; and
    the refused ones.

    answers: the model's sentence by the claim's key.
    """
    sentences, dropped = [], []
    for claim in claims:
        sentence = claim.template
        if claim.is_asked:
            text = tidy(str(answers[claim.key]), language)
            if reason := refusal(text, claim, subject, language):
                dropped.append(Dropped(stage="summary", claim=text, reason=reason))
            else:
                sentence = text
        sentences.append(sentence)
    return sentences, dropped
