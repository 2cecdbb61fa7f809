"""Painting one portrait: facts always, a model's words as far as its grade goes, template words
otherwise.
"""

from limner.core.errors import BudgetSpentError, ModelError
from limner.core.messages import message
from limner.core.schema import Grade, Profile
from limner.core.settings import Settings
from limner.facts import struck, unread_statements
from limner.llm import Chat
from limner.profile.full import full
from limner.profile.phrase import phrase
from limner.profile.subject import Subject, Tally, built_from
from limner.profile.template import template_profile
from limner.words import Language, spoken, unspoken
from limner.words.text import fold

_UNREAD, _LONGEST = 5, 120
"""Statements that are noted at most, the newest first, and characters of each."""


async def paint(
    subject: Subject, chat: Chat | None, grade: Grade, settings: Settings, language: str = ""
) -> Profile:
    """The portrait of one user, not yet stored (version 0).

    language: BCP 47; empty for the settings'. One without vocabulary falls back to English, with a
    note. A model that fails costs its words only: the same facts stand in template words, with a
    note, grade `none` and what was spent. Raises BudgetSpentError, since a run that has no money
    left should stop rather than paint its other users without a model.
    """
    wanted = language or settings.portrait.language
    tally = Tally()
    profile = await _painted(subject, chat, grade, settings, spoken(wanted, subject.nouns), tally)
    return _noted(profile, subject, wanted)


def paint_plainly(subject: Subject, settings: Settings) -> Profile:
    """`paint` in template words, at once."""
    wanted = settings.portrait.language
    profile = template_profile(subject, settings, spoken(wanted, subject.nouns), Tally())
    return _noted(profile, subject, wanted)


def _noted(profile: Profile, subject: Subject, language: str) -> Profile:
    """With notes on what was not understood: statements in words, and the language."""
    unread = unread_statements(subject.events)[-_UNREAD:]
    notes = [message("statement.unread", text=text[:_LONGEST]) for text in reversed(unread)]
    return profile.model_copy(update={"notes": [*profile.notes, *notes, *unspoken(language)]})


async def _painted(
    subject: Subject,
    chat: Chat | None,
    grade: Grade,
    settings: Settings,
    language: Language,
    tally: Tally,
) -> Profile:
    base = template_profile(subject, settings, language, tally)
    if chat is None or grade == "none":
        return base
    try:
        stage = full if grade == "full" else phrase
        return _heeded(await stage(subject, base, chat, settings, language, tally), base, subject)
    except BudgetSpentError:
        raise
    except ModelError as error:
        return base.model_copy(
            update={
                "notes": [message("portrait.template", error=error)],
                "built_from": built_from(subject, tally, settings),
            }
        )


def _heeded(profile: Profile, base: Profile, subject: Subject) -> Profile:
    """The portrait without claims that the user struck. A summary that mentions one is replaced by
    the template's.
    """
    wrong = struck(subject.events)
    if not wrong:
        return profile
    unstruck = [
        one
        for one in profile.preferences
        if (one.facet, one.value.casefold(), one.polarity) not in wrong
    ]
    said = fold(profile.summary)
    if not any(fold(value) in said for _, value, _ in wrong):
        return profile.model_copy(update={"preferences": unstruck})
    return profile.model_copy(
        update={
            "preferences": unstruck,
            "summary": base.summary,
            "summary_source": base.summary_source,
            "summary_evidence": base.summary_evidence,
        }
    )
