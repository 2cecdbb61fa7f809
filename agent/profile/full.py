"""Grade `full`: the model drafts a portrait from window and facts; every claim of it is verified,
and code counts.

A claim that is refused is sent back once, with the words it was refused for. What fails again is
dropped and counted. Mined facts that the draft left out are added in template words; where a draft
contradicts a mined fact, the fact wins. A very long history is read in parts, whose notes are
verified and then merged.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from limner.core.errors import BudgetSpentError, ModelError
from limner.core.messages import Message, message
from limner.core.schema import Dropped, Fact, FieldValue, Preference, Profile, Trait, Window
from limner.core.settings import Settings
from limner.llm import Chat, ChatReply, ChatRequest, ask
from limner.llm.privacy import masker
from limner.llm.prompts import Prompt, load_prompt
from limner.profile.draft import Draft, DraftField, DraftPreference, DraftSentence, Fixes, Notes
from limner.profile.fields import (
    coerce,
    declared,
    describe,
    is_unknown,
    questions,
    unanswered,
    update_fields,
)
from limner.profile.subject import Subject, Tally, built_from
from limner.profile.template import MAX_EVIDENCE, preference_of, strongest
from limner.verify import (
    check_words,
    grounds_from,
    resolve,
    strip_citations,
    verify_field,
    verify_preference,
)
from limner.words import Language
from limner.words.templates import percent
from limner.words.text import fold

PORTRAIT, PART, MERGE, REPAIR = "portrait", "portrait-part", "portrait-merge", "portrait-repair"
MAX_TOKENS = 1600
PART_TOKENS = 500
MAX_REPAIRED = 12

Hide = Callable[[str], str]
Claim = DraftSentence | DraftPreference | DraftField


@dataclass
class CheckedDraft:
    """The verified parts of a draft, and the refused claims."""

    sentences: list[tuple[str, list[str]]] = field(default_factory=list)
    """Sentence and event ids, in the draft's order."""
    preferences: list[Preference] = field(default_factory=list)
    fields: list[FieldValue] = field(default_factory=list)
    refused: list[tuple[Claim, Dropped]] = field(default_factory=list)

    def add(self, other: "CheckedDraft") -> None:
        self.sentences += other.sentences
        self.preferences += other.preferences
        self.fields += other.fields
        self.refused += other.refused


@dataclass(frozen=True)
class DraftReader:
    """Checks a draft against the user's events and facts."""

    subject: Subject
    window: Window
    settings: Settings
    language: Language

    @property
    def facts(self) -> Sequence[Fact]:
        return self.subject.facts.facts

    def check(self, draft: Draft) -> CheckedDraft:
        checked = CheckedDraft()
        for sentence in draft.summary:
            checked.add(self.sentence(sentence))
        for preference in draft.preferences:
            checked.add(self.preference(preference))
        unknown = {fold(name) for name in draft.unknowns}
        for value in draft.fields:
            if fold(value.name) not in unknown:  # said both ways: unknown is the safer one
                checked.add(self.field(value))
        return checked

    def sentence(self, claim: DraftSentence) -> CheckedDraft:
        text, inline = strip_citations(claim.sentence.strip())
        traits, rest = self._habits([*claim.evidence, *inline])

        def refuse(reason: str) -> CheckedDraft:
            return CheckedDraft(
                refused=[(claim, Dropped(stage="summary", claim=text, reason=reason))]
            )

        if not text:
            return refuse("empty")
        cited = resolve(rest, self.facts, self.window) if rest or not traits else None
        if isinstance(cited, str):
            return refuse(cited)
        facts, events = (cited.facts, cited.events) if cited else ((), ())
        grounds = grounds_from(
            self.language,
            facts=facts,
            events=events,
            traits=traits,
            scales=self.subject.scales,
            total=self.window.total,
            as_of=self.subject.last_event,
        )
        if problems := check_words(text, grounds, self.language, self.subject.lexicon):
            return refuse("; ".join(problems))
        ids = [shown.event.event_id for shown in events] + [
            i for fact in facts for i in fact.evidence[:2]
        ]
        return CheckedDraft(sentences=[(text, list(dict.fromkeys(ids)))])

    def preference(self, claim: DraftPreference) -> CheckedDraft:
        verified = verify_preference(
            facet=claim.facet,
            value=claim.value,
            polarity=claim.polarity,
            evidence=claim.evidence,
            facts=self.facts,
            window=self.window,
            language=self.language,
            text=claim.text,
            kind=claim.kind,
            catalogue=self.subject.lexicon,
            scales=self.subject.scales,
            values_of=self.subject.values_of,
        )
        return (
            CheckedDraft(refused=[(claim, verified)])
            if isinstance(verified, Dropped)
            else CheckedDraft(preferences=[verified])
        )

    def field(self, claim: DraftField) -> CheckedDraft:
        name = questions(self.settings.portrait).get(claim.name.strip().upper(), claim.name)
        wanted = declared(self.settings.portrait).get(name)
        if is_unknown(claim.value):
            return CheckedDraft()
        if wanted is None:
            dropped = Dropped(
                stage="field",
                claim=f"{name}: {claim.value}",
                reason="unknown_field: nobody asked for it",
            )
            return CheckedDraft(refused=[(claim, dropped)])
        _, evidence = self._habits(claim.evidence)
        value = coerce(claim.value, wanted)
        verified = verify_field(
            name,
            wanted,
            value,
            evidence,
            facts=self.facts,
            window=self.window,
            language=self.language,
            catalogue=self.subject.lexicon,
            scales=self.subject.scales,
        )
        return (
            CheckedDraft(refused=[(claim, verified)])
            if isinstance(verified, Dropped)
            else CheckedDraft(fields=[verified])
        )

    def _habits(self, evidence: Sequence[str]) -> tuple[list[Trait], list[str]]:
        """(habits cited as T1, T2, …; the other citations)."""
        named = {f"T{number}": trait for number, trait in enumerate(self.subject.facts.traits, 1)}
        names = [cited.strip().strip("[]").upper() for cited in evidence]
        return [named[name] for name in names if name in named], [
            name for name in names if name not in named
        ]


# ---------------------------------------------------------------- what is asked


def _prompt(prompt_id: str, settings: Settings) -> Prompt:
    return load_prompt(prompt_id, settings.prompts.get(prompt_id, ""))


def fact_lines(facts: Sequence[Fact], language: Language) -> str:
    """Facts as a model sees them, one a line under F numbers; "none" without any."""
    lines = []
    for fact in facts:
        line = f'F{fact.number} {fact.polarity}s {language.facet(fact.facet)} "{fact.value}": '
        if fact.basis == "stated":
            line += "said so"
        else:
            share, base = (percent(x, language) for x in (fact.share, fact.base_rate))
            line += (
                f"{fact.count} events, {fact.positive} positive, {fact.negative} "
                f"negative, {share}% of choices against "
                f"{base}% on average"
            )
        lines.append(line + (f", {fact.trend}" if fact.trend != "unknown" else ""))
    return "\n".join(lines) or "none"


def habit_lines(traits: Sequence[Trait]) -> str:
    """Habits under T numbers; "none" without any."""
    return (
        "\n".join(
            f"T{number} {trait.name.replace('_', ' ')}: {trait.label}"
            + (f" ({trait.detail})" if trait.detail else "")
            for number, trait in enumerate(traits, 1)
            if trait.label != "unknown"
        )
        or "none"
    )


def event_lines(window: Window, hide: Hide) -> str:
    lines = "\n".join(shown.line for shown in window.events)
    return hide(lines) or "none"


def about(subject: Subject, settings: Settings, hide: Hide) -> str:
    """User attributes that the settings allow to be shown; "nothing" without any. They ground no
    claim.
    """
    shown = []
    for name in settings.privacy.demographics:
        value = subject.user.attributes.get(name)
        if value is not None:
            shown.append(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    return hide("; ".join(shown)) or "nothing"


def _hide(settings: Settings, *, hosted: bool) -> Hide:
    """The function that hides private text before it leaves the machine."""
    return masker(settings) if hosted else str


def portrait_request(
    subject: Subject, settings: Settings, language: Language, *, hosted: bool
) -> ChatRequest:
    hide = _hide(settings, hosted=hosted)
    return _draft_request(
        PORTRAIT, subject, settings, language, hide, events=event_lines(subject.window, hide)
    )


def part_requests(
    subject: Subject, settings: Settings, language: Language, *, hosted: bool
) -> list[ChatRequest]:
    prompt = _prompt(PART, settings)
    hide = _hide(settings, hosted=hosted)
    return [
        ChatRequest(
            purpose="portrait",
            prompt=prompt.label,
            user_id=subject.user.user_id,
            max_tokens=PART_TOKENS,
            temperature=settings.llm.temperature,
            messages=prompt.render(
                language=language.name,
                facts=fact_lines(subject.facts.facts, language),
                fields=describe(settings.portrait),
                events=event_lines(part, hide),
            ),
        )
        for part in subject.parts
    ]


def merge_request(
    notes: Sequence[DraftSentence],
    subject: Subject,
    settings: Settings,
    language: Language,
    *,
    hosted: bool,
) -> ChatRequest:
    lines = "\n".join(f"- {note.sentence} [{', '.join(note.evidence)}]" for note in notes) or "none"
    return _draft_request(
        MERGE, subject, settings, language, _hide(settings, hosted=hosted), notes=lines
    )


def _draft_request(
    prompt_id: str,
    subject: Subject,
    settings: Settings,
    language: Language,
    hide: Hide,
    **material: str,
) -> ChatRequest:
    prompt = _prompt(prompt_id, settings)
    return ChatRequest(
        purpose="portrait",
        prompt=prompt.label,
        user_id=subject.user.user_id,
        max_tokens=MAX_TOKENS,
        temperature=settings.llm.temperature,
        messages=prompt.render(
            language=language.name,
            preferences=str(settings.portrait.max_preferences),
            about=about(subject, settings, hide),
            facts=fact_lines(subject.facts.facts, language),
            habits=habit_lines(subject.facts.traits),
            fields=describe(settings.portrait),
            **material,
        ),
    )


def repair_request(
    refused: Sequence[tuple[Claim, Dropped]], reader: DraftReader, *, hosted: bool
) -> ChatRequest:
    """The refused claims, why, and what each cited."""
    subject, settings = reader.subject, reader.settings
    prompt = _prompt(REPAIR, settings)
    lines, numbers = [], set[str]()
    for number, (claim, dropped) in enumerate(refused, 1):
        lines.append(
            f"{number}. {dropped.claim} [{', '.join(claim.evidence)}]\n   refused: {dropped.reason}"
        )
        numbers.update(cited.strip("[]Ee ") for cited in claim.evidence)
    cited = Window(
        user_id=reader.window.user_id,
        total=reader.window.total,
        tokens=0,
        events=[shown for shown in reader.window.events if str(shown.number) in numbers],
    )
    return ChatRequest(
        purpose="portrait",
        prompt=prompt.label,
        user_id=subject.user.user_id,
        max_tokens=MAX_TOKENS // 2,
        temperature=settings.llm.temperature,
        messages=prompt.render(
            language=reader.language.name,
            facts=fact_lines(reader.facts, reader.language),
            habits=habit_lines(subject.facts.traits),
            claims="\n".join(lines),
            events=event_lines(cited, _hide(settings, hosted=hosted)),
        ),
    )


# ---------------------------------------------------------------- the flow


async def full(
    subject: Subject,
    base: Profile,
    chat: Chat,
    settings: Settings,
    language: Language,
    tally: Tally,
) -> Profile:
    """A portrait drafted by the model on the ground of the template portrait `base`. Raises
    ModelError.
    """
    shown = subject.shown()
    if not shown.events and not subject.facts.facts:
        return base.model_copy(update={"grade": "full", "model": chat.name})
    reader = DraftReader(subject, shown, settings, language)
    notes: list[Message] = []
    dropped: list[Dropped] = []
    if subject.is_long:
        read, dropped, notes = await _read_parts(reader, chat, tally)
        asked = merge_request(read, subject, settings, language, hosted=chat.hosted)
    else:
        asked = portrait_request(subject, settings, language, hosted=chat.hosted)
    draft, answer = await ask(chat, asked, Draft)
    tally.add(answer)
    tally.claims += (
        len(draft.summary)
        + len(draft.preferences)
        + sum(not is_unknown(f.value) for f in draft.fields)
    )
    checked = reader.check(draft)
    if checked.refused:
        try:
            checked = await _repair(checked, draft, reader, chat, tally)
        except BudgetSpentError:
            raise
        except ModelError as error:
            notes.append(message("portrait.refused_kept", error=error))
    dropped += [refusal for _, refusal in checked.refused]
    return _assemble(base, draft, checked, reader, chat, asked, tally, dropped, notes)


async def _read_parts(
    reader: DraftReader, chat: Chat, tally: Tally
) -> tuple[list[DraftSentence], list[Dropped], list[Message]]:
    """Verified notes on every part, what was refused, and which parts could not be read. Raises
    where none could.
    """
    requests = part_requests(reader.subject, reader.settings, reader.language, hosted=chat.hosted)
    # A failed part must not throw away those that were paid for; other errors still end the flow.
    answers = await asyncio.gather(*(_part(chat, request) for request in requests))
    failed = [answer for answer in answers if isinstance(answer, ModelError)]
    if len(failed) == len(answers):
        raise failed[0]
    verified: list[DraftSentence] = []
    dropped: list[Dropped] = []
    for answer in answers:
        if isinstance(answer, ModelError):
            continue
        notes, used = answer
        tally.add(used)
        tally.claims += len(notes.notes)
        for note in notes.notes:
            checked = reader.sentence(note)
            dropped += [refusal for _, refusal in checked.refused]
            if checked.sentences:
                _, inline = strip_citations(note.sentence)
                evidence = list(dict.fromkeys([*note.evidence, *inline]))
                verified.append(DraftSentence(sentence=checked.sentences[0][0], evidence=evidence))
    failures = (
        [message("portrait.parts_unread", failed=len(failed), parts=len(answers), error=failed[0])]
        if failed
        else []
    )
    return verified, dropped, failures


async def _part(chat: Chat, request: ChatRequest) -> tuple[Notes, ChatReply] | ModelError:
    try:
        return await ask(chat, request, Notes)
    except BudgetSpentError:
        raise
    except ModelError as error:
        return error


async def _repair(
    checked: CheckedDraft, draft: Draft, reader: DraftReader, chat: Chat, tally: Tally
) -> CheckedDraft:
    """One more try for refused claims: the draft is read again with the mended claims in their
    places.
    """
    refused = checked.refused[:MAX_REPAIRED]
    fixes, answer = await ask(chat, repair_request(refused, reader, hosted=chat.hosted), Fixes)
    tally.add(answer)
    mended: dict[int, Claim] = {}
    for fix in fixes.fixes:
        if 1 <= fix.number <= len(refused) and fix.text.strip():
            claim = refused[fix.number - 1][0]
            evidence = fix.evidence or claim.evidence
            field_name = {DraftSentence: "sentence", DraftPreference: "text", DraftField: "value"}[
                type(claim)
            ]
            mended[id(claim)] = claim.model_copy(
                update={field_name: fix.text, "evidence": evidence}
            )
    update = {
        part: [mended.get(id(claim), claim) for claim in claims]
        for part, claims in (
            ("summary", draft.summary),
            ("preferences", draft.preferences),
            ("fields", draft.fields),
        )
    }
    return reader.check(draft.model_copy(update=update))


def _assemble(
    base: Profile,
    draft: Draft,
    checked: CheckedDraft,
    reader: DraftReader,
    chat: Chat,
    asked: ChatRequest,
    tally: Tally,
    dropped: list[Dropped],
    notes: list[Message],
) -> Profile:
    subject, portrait = reader.subject, reader.settings.portrait
    mine = bool(checked.sentences) and 2 * len(checked.sentences) >= len(draft.summary)
    preferences = join_preferences(checked.preferences, reader.facts, reader.language)
    fields = update_fields(portrait, subject.previous, checked.fields, subject.events)
    evidence = list(dict.fromkeys(event_id for _, ids in checked.sentences for event_id in ids))
    preferences_shown = strongest(preferences, portrait.max_preferences)
    theirs = (
        mine
        or bool(checked.fields)
        or any(preference.source == "llm" for preference in preferences_shown)
    )
    joint = "" if reader.language.code == "zh" else " "
    return base.model_copy(
        update={
            "summary": joint.join(text for text, _ in checked.sentences) if mine else base.summary,
            "summary_source": "llm" if mine else "template",
            "summary_evidence": evidence[: 2 * MAX_EVIDENCE] if mine else base.summary_evidence,
            "preferences": preferences_shown,
            "fields": fields,
            "unknowns": unanswered(portrait, fields),
            "dropped": dropped,
            "built_from": built_from(subject, tally, reader.settings, read=reader.window),
            "source": "llm" if theirs else "template",
            "grade": "full",
            "model": chat.name,
            "prompt": asked.prompt,
            "notes": notes,
        }
    )


def join_preferences(
    drafted: Sequence[Preference], facts: Sequence[Fact], language: Language
) -> list[Preference]:
    """The model's preferences and, in template words, the facts it left out; one a value, and no
    contradictions.

    Verification has refused what contradicts a fact; of two drafts that contradict each other the
    stronger stays.
    """
    joined: dict[str, Preference] = {}
    for preference in sorted(drafted, key=lambda p: -p.strength * p.confidence):
        joined.setdefault(fold(preference.value), preference)
    for fact in facts:
        joined.setdefault(fold(fact.value), preference_of(fact, language))
    return list(joined.values())
