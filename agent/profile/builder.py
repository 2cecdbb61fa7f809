"""Building portraits: painting, storing, and checking whether they are current."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Sequence

from limner.core.errors import (
    BudgetSpentError,
    FetchError,
    IndexAwayError,
    ModelError,
    StoreBusyError,
    StoreFullError,
    UnknownIdError,
)
from limner.core.messages import Message, joined, message
from limner.core.progress import Progress
from limner.core.schema import BuildReport, Estimate, Event, Preference, Profile
from limner.core.settings import Settings
from limner.core.telemetry import Telemetry, logged, timed
from limner.index.embedders import Vectors
from limner.llm.session import ModelHandle, ModelSession
from limner.profile import Subject, estimate, paint, paint_plainly, settings_digest, subject_of
from limner.state.derived import DerivedState
from limner.state.snapshots import known_items
from limner.store import Store

_SAMPLE = 5
"""Users that an estimate paints in its head."""


class ProfileBuilder:
    """Paints the portraits of a store's users."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        derived: DerivedState,
        models: ModelSession,
        watch: Telemetry,
    ) -> None:
        self.settings, self.store, self.progress, self.watch = settings, store, progress, watch
        self.derived, self.models = derived, models

    @logged(
        "profile",
        "build",
        lambda report: {
            "built": len(report.built),
            "skipped": report.skipped,
            "failed": len(report.failed),
        },
    )
    async def build(
        self, wanted: Sequence[str], model: ModelHandle, concurrency: int, force: bool
    ) -> BuildReport:
        """Paint portraits, each stored when it is finished; those that are up to date are passed
        over.
        """
        built: dict[str, Profile] = {}
        failed: dict[str, Message] = {}
        stopped: list[Message] = []
        skipped = kept = 0
        turn = asyncio.Semaphore(concurrency)
        self.progress.start("portraits", len(wanted))

        async def one(user_id: str) -> None:
            nonlocal skipped, kept
            async with turn:
                if stopped:
                    return
                try:
                    subject = self.subject(user_id, model)
                    if not force and self._is_current(subject.previous, subject, model):
                        skipped += 1
                    elif painted := await self._paint(subject, model):
                        built[user_id] = painted
                    else:
                        kept += 1
                except UnknownIdError:
                    pass  # erased since the run began
                except BudgetSpentError as error:
                    stopped.append(error.message)
                except (ModelError, FetchError) as error:
                    failed[user_id] = error.message
                self.progress.advance()

        await _all(one(user_id) for user_id in wanted)
        self.progress.done()
        notes = [*model.notes, *(model.recorded.notes if model.recorded else [])]
        notes += _failures(built.values(), model)
        if kept:
            notes.append(message("portrait.kept_as_is", kept=kept, all=len(wanted)))
        return BuildReport(
            built=[built[user_id] for user_id in wanted if user_id in built],
            skipped=skipped + kept,
            failed=failed,
            notes=list(dict.fromkeys(notes)),
            stopped=stopped[0] if stopped else None,
        )

    async def _paint(self, subject: Subject, model: ModelHandle) -> Profile | None:
        """Paint a portrait and store it: window and facts → draft → verified portrait. It is
        embedded later.

        None if the model failed and the stored portrait is of the same events: template words would
        be no improvement.
        """
        with timed(self.watch, "portrait"):
            profile = await paint(subject, model.chat, model.grade, self.settings)
        self.watch.painted(profile)
        if model.unavailable:
            profile = profile.model_copy(update={"notes": [*profile.notes, *model.notes]})
        if (model.unavailable or profile.grade != model.grade) and self._is_of_now(
            subject.previous, subject
        ):
            return None
        return self.store.save_profile(profile)

    def subject(
        self, user_id: str, model: ModelHandle, events: Sequence[Event] | None = None
    ) -> Subject:
        """One user with everything that a portrait may rest on; of some `events` alone, as if it
        were the first.
        """
        world = self.derived.catalogue.snapshot()
        held = self.store.events(user_id) if events is None else events
        return subject_of(
            self.store.require_user(user_id),
            held,
            known_items(held, world.items),
            world.population,
            self.settings,
            scales=world.scales,
            grade=model.grade,
            model=model.name or "",
            previous=self.store.profile(user_id) if events is None else None,
            lexicon=world.lexicon(self.settings.portrait.language),
            nouns=world.nouns,
        )

    async def current(self, user_id: str) -> Profile | None:
        """The newest stored portrait, of any version, that the model set now would paint from the
        same events.
        """
        model = await self.models.ready()
        subject = self.subject(user_id, model)
        versions = reversed(self.store.profile_versions(user_id))
        return next((one for one in versions if self._is_current(one, subject, model)), None)

    def _is_current(self, old: Profile | None, subject: Subject, model: ModelHandle) -> bool:
        """Whether the model would paint the same again; one that cannot be had paints nothing
        better.
        """
        made_by = (old.grade, old.model) if old is not None else None
        return self._is_of_now(old, subject) and (
            model.unavailable or made_by == (model.grade, model.name)
        )

    def _is_of_now(self, old: Profile | None, subject: Subject) -> bool:
        last = max((event.seq for event in subject.events), default=0)
        return (
            old is not None
            and old.built_from.last_seq == last
            and old.built_from.settings == settings_digest(self.settings, subject.nouns)
        )

    def wanted(self, user_ids: Sequence[str] | None) -> list[str]:
        """Whose portraits are to be painted, each once; everyone's where None. Raises
        UnknownIdError.
        """
        if user_ids is None:
            return self.store.user_ids()
        for user_id in user_ids:
            self.store.require_user(user_id)
        return list(dict.fromkeys(user_ids))

    async def estimate(self, user_ids: Sequence[str] | None = None) -> Estimate:
        """What a build would cost, from a sample; nothing is asked of a model but its grade."""
        wanted = self.wanted(user_ids)
        model = await self.models.ready()
        sample = [
            self.subject(user_id, model)
            for user_id in wanted[:: max(1, len(wanted) // _SAMPLE)][:_SAMPLE]
        ]
        hosted = model.chat.hosted if model.chat else False
        return estimate(sample, len(wanted), model.name, model.grade, self.settings, hosted=hosted)

    async def paint_first(self, user_id: str) -> list[Message]:
        """Have the model paint a user's portrait where none is stored. Why that could not be, as
        notes. Raises UnknownIdError.
        """
        self.store.require_user(user_id)
        if self.store.profile(user_id) is not None:
            return []
        try:
            with self.store.writing():
                # Not a run of its own: a model that other requests found failing is not tried
                # anew.
                report = await self.build([user_id], await self.models.ready(), 1, force=False)
        except (StoreBusyError, StoreFullError) as error:
            return [message("portrait.unstored", why=error)]
        why = report.stopped or report.failed.get(user_id)
        return [] if why is None else [message("portrait.unstored", why=why)]

    def profile(
        self, user_id: str, version: int | None = None, notes: Sequence[Message] = ()
    ) -> Profile:
        """A stored portrait; where there is none one in template words, stored unless a model is to
        paint a better. One that is not stored is version 0 and says why.

        notes: why it could not be painted by a model. Raises UnknownIdError.
        """
        self.store.require_user(user_id)
        stored = self.store.profile(user_id, version)
        if stored is not None:
            return stored
        if version is not None:
            raise UnknownIdError("portrait.no_version", user=user_id, version=version)
        profile = self.in_template_words(user_id)
        if not notes and not self.models.is_set():
            try:
                return self.keep(profile)
            except (StoreBusyError, StoreFullError) as error:
                notes = [message("portrait.unstored", why=error)]
        return profile.model_copy(update={"notes": list(notes) or profile.notes})

    def in_template_words(self, user_id: str, events: Sequence[Event] | None = None) -> Profile:
        """A portrait that is not stored; of some `events` alone, where given."""
        return paint_plainly(
            self.subject(user_id, ModelHandle(None, "none"), events), self.settings
        )

    def embed_some(self) -> int:
        """Embed some of the portraits that wait for it; how many texts that were. Raises as
        `PortraitVectorState.embed_some` does.
        """
        return self.derived.portraits.embed_some()

    def embed_waiting(self) -> list[Message]:
        """Embed what was painted since, before it is looked through; what could not be done, as
        notes.
        """
        try:
            self.derived.portraits.embed_all()
        except (StoreBusyError, StoreFullError, IndexAwayError, FetchError, ModelError) as error:
            waiting = self.store.count_unembedded()
            return [message("vectors.new_portraits", n=waiting, error=error)]
        return []

    def vectors(self) -> tuple[list[str], Vectors]:
        """User ids and [users, dimensions] of every portrait that can be embedded."""
        self.embed_waiting()
        return self.derived.vectors.index().everything("portraits")

    def vectors_key(self) -> tuple[int, int]:
        """A key that changes whenever a portrait is embedded or a user is erased."""
        return self.derived.vectors.index().generation("portraits"), self.store.state().erased

    def keep(self, profile: Profile) -> Profile:
        """Store a portrait as the next version."""
        with self.store.writing(wait=self.settings.server.write_wait):
            return self.store.save_profile(profile)

    def after_edit(self, user_id: str, without: Collection[str] = ()) -> Profile:
        """The portrait anew at once after its user said something of it: counted and in template
        words, with the texts of claims that stand as they stood. The next build words it all.

        without: ids of events that are about to be erased.
        """
        old = self.profile(user_id)
        profile = self.in_template_words(
            user_id,
            [event for event in self.store.events(user_id) if event.event_id not in without],
        )
        texts = {
            (one.facet, one.value, one.polarity): one
            for one in old.preferences
            if one.source == "llm" and not set(without) & set(one.evidence)
        }

        def as_it_stood(preference: Preference) -> Preference:
            stood = texts.get((preference.facet, preference.value, preference.polarity))
            return (
                preference
                if stood is None
                else preference.model_copy(update={"text": stood.text, "source": stood.source})
            )

        kept = [as_it_stood(one) for one in profile.preferences]
        return self.keep(profile.model_copy(update={"preferences": kept}))


def _failures(built: Collection[Profile], model: ModelHandle) -> list[Message]:
    """What a run should say of portraits that a model was to write and did not."""
    failed = [profile for profile in built if profile.grade != model.grade]
    if not failed:
        return []
    gave_up = model.recorded.gave_up if model.recorded else None
    why = gave_up or _why_template(failed[-1].notes)
    return [message("portrait.many_template", failed=len(failed), all=len(built), why=why)]


def _why_template(notes: Sequence[Message]) -> Message:
    """What kept the model from writing a portrait."""
    for note in notes:
        if note.code == "portrait.template" and isinstance(note.args["error"], Message):
            return note.args["error"]
    return joined(notes)


async def _all(work: Iterable[Coroutine[object, object, None]]) -> None:
    """Run everything; the first error ends what is under way and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
    else:
        return
    raise first
