"""One question answered: planned, called, said, and checked where a model said it."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter

from limner.chat.check import check
from limner.chat.compose import AnswerLine, cited, evidence_of, lines_of, sentences, text_of
from limner.chat.conversation import Conversation
from limner.chat.model import CallLog, phrased, planned
from limner.chat.plan import plan
from limner.chat.reading import QuestionReading
from limner.chat.steps import AnswerPlan, Step, users_of
from limner.chat.values import (
    LONGEST,
    Answer,
    Finished,
    Language,
    Piece,
    TextDelta,
    ToolCall,
    ToolStarted,
)
from limner.core.errors import BadInputError, LimnerError, ModelError, StoreBusyError, UsageError
from limner.core.messages import Message, message, say
from limner.core.schema import Grade, Source
from limner.core.telemetry import log_run
from limner.engine import Engine
from limner.llm import HELPLESS
from limner.llm.session import ModelHandle
from limner.tools import Result, ToolStatement
from limner.tools.find_users import FindUsersResult
from limner.tools.items import ItemsResult
from limner.tools.recommend import RecommendResult


async def stream(
    engine: Engine, question: str, conversation: Conversation | None = None
) -> AsyncGenerator[Piece, None]:
    """Answer one question piece by piece: `ToolStarted` as each tool begins, `TextDelta`s of
    verified text, and at the end exactly one `Finished`, whose `answer.text` is the deltas joined.

    Nothing that was not verified is ever yielded. Never raises for a model's fault or an unknown
    id: the answer says what is missing. Raises BadInputError where the question is too long,
    StoreError where the store itself cannot be read. Closing it (`aclose`) stops the work, and the
    conversation is as it was before.
    """
    if len(question) > LONGEST:
        raise BadInputError("chat.too_long", length=len(question), most=LONGEST)
    began = perf_counter()
    talk = conversation or Conversation()
    talk.nouns = engine.data.catalogue().nouns
    chosen = await engine.models.ready()
    notes = list(chosen.notes)
    found, reading = plan(engine, question, talk)
    refused = found.missing is not None and found.missing.form.startswith("chat.refused")
    spoken: _Spoken | None = None
    if chosen.chat is not None and chosen.grade == "full" and not refused:
        called = CallLog()
        try:
            turns = planned(engine, chosen.chat, question, reading.language, talk, called)
            async with aclosing(turns) as work:
                text = ""
                async for piece in work:
                    if isinstance(piece, Step):
                        yield ToolStarted(tool=piece.tool.name, arguments=piece.shown())
                    else:
                        text = piece
            spoken = _by_agent(engine, question, text, called, reading, talk, chosen)
        except (ModelError, LimnerError) as error:
            notes.append(message("chat.planner_instead", error=error))
    if spoken is None:
        called = CallLog()
        for step in found.steps:
            yield ToolStarted(tool=step.tool.name, arguments=step.shown())
            called.add(step, await _run(engine, step, reading.language))
        spoken = await _by_planner(engine, question, found, called, reading, talk, chosen)
    reply = _answer(engine, spoken, called, reading.language, talk, [*notes, *spoken.notes])
    for sentence in sentences(reply.text):
        yield TextDelta(text=sentence)
    _remember(talk, question, reply, called, reading)
    counts = {"calls": len(reply.calls), "sources": len(reply.sources)}
    log_run("chat", "answer", perf_counter() - began, counts)
    yield Finished(answer=reply)


async def answer(engine: Engine, question: str, conversation: Conversation | None = None) -> Answer:
    """Answer one question; degrade to the planner when no model may plan. Raises as `stream`
    does.
    """
    async with aclosing(stream(engine, question, conversation)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Finished):
                return piece.answer
    raise RuntimeError("a stream ended without its answer")


def recall(
    engine: Engine, questions: Iterable[tuple[str, str]], only: str | None = None
) -> Conversation:
    """A conversation of which only the (question, answer) pairs are known, as a caller without
    memory sends them.

    Whom it was about is read from the questions again; nothing is called. only: the one user of
    whom it may tell.
    """
    talk = Conversation(only=only)
    for question, said in questions:
        found, reading = plan(engine, question[-LONGEST:], talk)
        talk.add(question, said)
        talk.spoke_of(users_of(found.steps))
        if found.steps:
            talk.reading, talk.steps = reading, found.steps
    return talk


# ---------------------------------------------------------------- saying it


@dataclass(frozen=True)
class _Spoken:
    """What is answered, before its marks are looked up."""

    text: str
    answered: bool = True
    source: Source = "template"
    grade: Grade = "none"
    model: str | None = None
    notes: tuple[Message, ...] = ()


async def _run(engine: Engine, step: Step, language: Language) -> Result:
    """A tool's result; one that cannot be had says why."""
    try:
        return await step.tool.run(engine, step.args)
    except StoreBusyError:
        return Result(found=False, said=[ToolStatement(form="chat.busy")])
    except UsageError as error:
        why = say(error.message, language).text
        return Result(found=False, said=[ToolStatement(form="chat.failed", values={"why": why})])


async def _by_planner(
    engine: Engine,
    question: str,
    found: AnswerPlan,
    called: CallLog,
    reading: QuestionReading,
    talk: Conversation,
    chosen: ModelHandle,
) -> _Spoken:
    language = reading.language
    if found.missing is not None:
        return _Spoken(text_of(lines_of([found.missing], language, talk), language), answered=False)
    answered = any(one.found for one in called.results)
    lines = _lines(called.results, language, talk)
    asides = lines_of(found.readings, language, talk)
    whole = text_of([*lines, *asides], language)
    # A model that was to plan and failed is not asked once more for words.
    if chosen.chat is None or chosen.grade != "phrase" or not answered:
        return _Spoken(whole, answered)
    try:
        said = await phrased(engine, chosen.chat, question, called.results, lines, language, talk)
    except ModelError as error:
        # A tool that asked the same model before has said why; here it would be that nobody asks it
        # any more.
        if any(note.code in HELPLESS for one in called.results for note in one.notes):
            return _Spoken(whole)
        return _Spoken(whole, notes=(message("portrait.template", error=error),))
    if not said:
        return _Spoken(whole)
    checked = check(engine, said, lines, question, talk)
    notes = _dropped(checked.dropped, talk)
    if not checked.text:
        return _Spoken(whole, notes=notes)
    text = checked.text + ("\n" + text_of(asides, language) if asides else "")
    return _Spoken(text, True, "llm", chosen.grade, chosen.name, notes)


def _by_agent(
    engine: Engine,
    question: str,
    text: str,
    called: CallLog,
    reading: QuestionReading,
    talk: Conversation,
    chosen: ModelHandle,
) -> _Spoken:
    language = reading.language
    if not called.results:
        missing = text_of(lines_of([ToolStatement(form="chat.unknown")], language, talk), language)
        why = message("chat.unchecked")
        return _Spoken(missing, False, "template", "full", chosen.name, (why,))
    lines = _lines(called.results, language, talk)
    checked = check(engine, text, lines, question, talk)
    notes = _dropped(checked.dropped, talk)
    if checked.text:
        answered = any(one.found for one in called.results)
        return _Spoken(checked.text, answered, "llm", "full", chosen.name, notes)
    answered = any(one.found for one in called.results)
    return _Spoken(text_of(lines, language), answered, "template", "full", chosen.name, notes)


def _dropped(wrong: Sequence[str], talk: Conversation) -> tuple[Message, ...]:
    if not wrong:
        return ()
    if talk.only is not None:  # what was wrong may be another user's id
        return (message("chat.dropped"),)
    return (message("chat.dropped_words", words=", ".join(wrong[:3])),)


def _lines(results: Sequence[Result], language: Language, talk: Conversation) -> list[AnswerLine]:
    said = [one for result in results for one in result.said]
    unique = [one for at, one in enumerate(said) if one not in said[:at]]
    return lines_of(unique, language, talk)


def _answer(
    engine: Engine,
    spoken: _Spoken,
    called: CallLog,
    language: Language,
    talk: Conversation,
    notes: Sequence[Message],
) -> Answer:
    results = [note for one in called.results for note in one.notes]
    return Answer(
        text=spoken.text,
        calls=[
            ToolCall(tool=step.tool.name, arguments=step.shown(), found=result.found)
            for step, result in zip(called.steps, called.results, strict=True)
        ],
        sources=cited(engine, spoken.text, talk),
        evidence=evidence_of(called.results),
        answered=spoken.answered,
        language=language,
        source=spoken.source,
        grade=spoken.grade,
        model=spoken.model,
        notes=list(dict.fromkeys([*notes, *results])),
    )


# ---------------------------------------------------------------- remembering it


def _remember(
    talk: Conversation, question: str, reply: Answer, called: CallLog, reading: QuestionReading
) -> None:
    talk.add(question, reply.text)
    users = [*users_of(called.steps), *_found_users(called.results)]
    talk.spoke_of(users)
    if called.steps:
        talk.reading, talk.steps = reading, tuple(called.steps)
        talk.items = _found_items(called.results) or talk.items


def _found_users(results: Sequence[Result]) -> list[str]:
    """A single user that was found is whom "they" means from now on."""
    found = [
        one.users[0].user_id
        for one in results
        if isinstance(one, FindUsersResult) and len(one.users) == 1
    ]
    return found


def _found_items(results: Sequence[Result]) -> tuple[str, ...]:
    for result in reversed(results):
        if isinstance(result, RecommendResult):
            return tuple(one.item.item_id for one in result.recommendations)
        if isinstance(result, ItemsResult):
            return tuple(one.item_id for one in result.items)
    return ()
