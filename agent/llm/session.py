"""The model of one engine: chosen once, graded once, and closed in order."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock

from limner.core.errors import FetchError, ModelError, SettingsError
from limner.core.messages import Message, message
from limner.core.progress import Progress
from limner.core.schema import Grade, ProbeResult
from limner.core.settings import Settings, cache_folder
from limner.llm import Budget, CachedChat, Chat, ChosenModel, ResponseCache, choose_chat, which
from limner.llm.privacy import outgoing
from limner.llm.probe import cached_probe
from limner.llm.thinking import ThinkingRoom

COOL_DOWN = 60.0
"""Seconds after which a long-lived process tries a failed model again."""


@dataclass(frozen=True)
class ModelHandle:
    """A model that may be asked, and how far it is trusted."""

    chat: Chat | None
    grade: Grade
    notes: list[Message] = field(default_factory=list)
    recorded: CachedChat | None = None
    unavailable: bool = False
    """True where a model is set but cannot be had."""

    @property
    def name(self) -> str | None:
        return self.chat.name if self.chat and self.grade != "none" else None


class ModelSession:
    """Opens the model at first need. A model that cannot be had costs words, never the answer."""

    def __init__(self, settings: Settings, store: ResponseCache, progress: Progress) -> None:
        self.settings, self._store, self._progress = settings, store, progress
        self.budget: Budget | None = None
        """A budget for every call, in place of the limit of a single run; None for none."""
        self._chosen: ChosenModel | None = None
        self._opened = False
        self._opening: Future[None] | None = None
        self._lock = Lock()
        self._thinking = ThinkingRoom()
        self._grade: Grade = "none"
        self._unavailable = False
        self._notes: list[Message] = []
        self._recorded: CachedChat | None = None
        self.probe: ProbeResult | None = None

    @property
    def chosen(self) -> ChosenModel | None:
        return self._chosen

    async def ready(self) -> ModelHandle:
        """The model as this process asks it, opened and graded at the first call.

        Raises SettingsError where `auto` finds none at all.
        """
        await self._open()
        return self.handle()

    def handle(self) -> ModelHandle:
        """The model as this process asks it: its failures and its cost are counted over all
        requests. Without a model as long as none was opened.
        """
        if self._recorded is None and self._chosen is not None and self._grade != "none":
            self._recorded = self._record(self._chosen, None, cool_down=COOL_DOWN)
        return self._as_ready(self._recorded)

    async def for_run(self, max_cost: float | None) -> ModelHandle:
        """The model for one run, with a cost limit and a count of failures of the run's own."""
        await self._open()
        if self._chosen is None or self._grade == "none":
            return self._as_ready(None)
        return self._as_ready(self._record(self._chosen, max_cost))

    def _as_ready(self, recorded: CachedChat | None) -> ModelHandle:
        return ModelHandle(recorded, self._grade, list(self._notes), recorded, self._unavailable)

    async def _open(self) -> None:
        """Once for all event loops: whoever comes while it is being opened waits for that."""
        while not self._opened:
            with self._lock:
                opening = self._opening
                if mine := opening is None:
                    opening = self._opening = Future()
            assert opening is not None
            if not mine:
                await asyncio.shield(asyncio.wrap_future(opening))
                continue
            try:
                await self._choose()
                self._opened = True
            finally:
                self._opening = None
                opening.set_result(None)

    async def _choose(self) -> None:
        llm = self.settings.llm
        if llm.grade == "none" or llm.choice == "none":
            return
        try:
            self._chosen = choose_chat(self.settings, self._progress)
            if self._chosen is None:
                return
            if self._chosen.hosted:
                for sentence in outgoing(self.settings):
                    self._progress.say(sentence)
            if llm.grade != "auto":
                self._grade = llm.grade
                return
            chat = self._record(self._chosen, None)
            self.probe = await cached_probe(
                chat, self._chosen.identity, llm.probe, cache_folder(), self._progress
            )
            self._grade = self.probe.grade
            if self._grade == "none":
                self._notes.append(message("model.failed_probe", model=self._chosen.name))
        except (ModelError, FetchError) as error:
            self._unavailable = True
            self._notes.append(message("model.cannot_be_asked", error=error))

    def _record(
        self, chosen: ChosenModel, max_cost: float | None, cool_down: float | None = None
    ) -> CachedChat:
        llm = self.settings.llm
        return CachedChat(
            chosen.chat,
            self._store,
            identity=chosen.identity,
            prices=llm.prices,
            max_cost=max_cost if max_cost is not None else llm.max_cost or None,
            budget=self.budget,
            give_up_after=llm.give_up_after,
            cool_down=cool_down,
            thinking=self._thinking,
        )

    def kind(self) -> str:
        """openai, local or none, without opening anything. Raises SettingsError."""
        return which(self.settings.llm)

    def is_set(self) -> bool:
        """Whether the settings name any model, without opening it."""
        try:
            return self.settings.llm.grade != "none" and self.kind() != "none"
        except SettingsError:
            return False

    def has_endpoint(self) -> bool:
        """Whether the settings name a remote model, which is neither fetched nor loaded here."""
        try:
            return self.kind() == "openai"
        except SettingsError:
            return False

    async def close(self) -> None:
        if self._chosen is not None:
            await self._chosen.close()
