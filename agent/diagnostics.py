"""Checks of a store and its models."""

from collections.abc import Callable
from pathlib import Path

from limner.core.errors import UNREADABLE, LimnerError
from limner.core.messages import Message
from limner.core.schema import Check, SkillScore
from limner.llm.session import ModelSession
from limner.rank import load_model
from limner.recommend.training import Trainer
from limner.state.derived import DerivedState
from limner.store import Store


class Doctor:
    """Looks at store, channels, embeddings and model."""

    def __init__(
        self, store: Store, derived: DerivedState, models: ModelSession, trainer: Trainer
    ) -> None:
        self.store, self.derived, self.models, self.trainer = store, derived, models, trainer

    def faults(self) -> list[Message]:
        """What keeps answers from being given: of the store, the trained ranker and the vectors.
        Opens what is not open yet, so that the first request need not.
        """
        looks: list[Callable[[], object]] = [self.store.revision, self.derived.ranker.trained]
        if self.derived.vectors.is_indexed():
            looks.append(self.derived.vectors.check_index)
        return [fault for look in looks if (fault := _fault_of(look)) is not None]

    async def examine(self, *, probe: bool = False) -> list[Check]:
        """Run all checks; each failed one says what to do."""
        checks = [
            _looked("store", self._store),
            _looked("portraits", self._portraits),
            _looked("channels", self._channels),
            _looked("embeddings", self._index),
        ]
        return [*checks, *await self.examine_model(probe=probe)]

    async def examine_model(self, *, probe: bool = False) -> list[Check]:
        """The checks of the language model alone, which need nothing of the store."""
        try:
            return await self._model(probe)
        except LimnerError as error:
            return [Check(name="model", state="fail", detail=str(error))]

    def _store(self) -> Check:
        if damage := self.store.damage():
            detail = f"damaged ({' '.join(damage[0].split())}); put a backup in its place"
            return Check(name="store", state="fail", detail=f"{detail}: limner restore --replace")
        counts = self.store.counts()
        held = (
            f"{counts.users:,} users, {counts.items:,} items, {counts.events:,} "
            f"events, {counts.profiles:,} portraits"
        )
        if self.store.unwritable is not None:
            detail = f"{held}; only read: {self.store.unwritable}"
            return Check(name="store", state="warn", detail=detail)
        return Check(name="store", state="ok" if counts.events else "warn", detail=held)

    def _portraits(self) -> Check:
        broken = self.store.broken_profiles()
        if not broken:
            return Check(name="portraits", state="ok", detail="all can be read")
        named = ", ".join(f"'{user}'" for user in broken[:3])
        detail = (
            f"{len(broken):,} cannot be read (of {named}{', …' if len(broken) > 3 else ''}); "
            "each is painted anew when it is next built or asked for"
        )
        return Check(name="portraits", state="fail", detail=detail)

    def _channels(self) -> Check:
        model = self.derived.ranker.trained()
        if model is None:
            return Check(
                name="channels", state="warn", detail="not trained yet; run `limner train`"
            )
        trained = f"model v{model.manifest.version}, {model.manifest.events:,} events"
        if not self.trainer.is_trained():
            return Check(
                name="channels",
                state="warn",
                detail=f"{trained}; newer ones came, run `limner train`",
            )
        return Check(name="channels", state="ok", detail=trained)

    def _index(self) -> Check:
        if not self.derived.vectors.is_indexed():
            return Check(
                name="embeddings",
                state="warn",
                detail="no item is embedded yet; run `limner train`",
            )
        try:
            embedder, missing = (
                self.derived.vectors.check_index(),
                self.derived.vectors.unembedded(),
            )
        except LimnerError as error:
            return Check(name="embeddings", state="fail", detail=str(error))
        if missing:
            lag = (
                f"{embedder}; items that are not embedded as they are now: {missing:,}, "
                "run `limner train`"
            )
            return Check(name="embeddings", state="warn", detail=lag)
        waiting = self.store.count_unembedded()  # which whoever looks for them will embed
        unseen = (
            self.store.counts().profiles - waiting - self.derived.vectors.index().count("portraits")
        )
        if unseen > 0:
            lag = (
                f"{embedder}; portraits that are not embedded: {unseen:,}, run `limner "
                "profile build --reindex`"
            )
            return Check(name="embeddings", state="warn", detail=lag)
        return Check(name="embeddings", state="ok", detail=embedder)

    async def _model(self, probe: bool) -> list[Check]:
        kind = self.models.kind()
        if kind == "none" or (kind == "local" and not probe and not self._model_is_here()):
            detail = (
                "none is set: template words"
                if kind == "none"
                else "the embedded model is not fetched yet"
            )
            return [Check(name="model", state="ok" if kind == "none" else "warn", detail=detail)]
        ready = await self.models.ready()
        chosen = self.models.chosen
        if chosen is None:
            return [
                Check(
                    name="model",
                    state="fail",
                    detail="; ".join(note.text for note in ready.notes) or "no model",
                )
            ]
        checks = [
            Check(
                name="model",
                state="ok",
                detail=f"{chosen.name} {chosen.where}, grade {ready.grade}",
            )
        ]
        probe_result = self.models.probe
        return [*checks, *map(_skill_check, probe_result.skills if probe_result else [])]

    def _model_is_here(self) -> bool:
        from limner.llm import is_fetched

        return is_fetched(self.models.settings)


def _skill_check(skill: SkillScore) -> Check:
    words = f"{skill.right} of {skill.asked} right, needs {skill.threshold:.0%}"
    return Check(
        name=f"skill: {skill.skill}",
        state="ok" if skill.passed else "warn",
        detail=words if skill.asked else "not asked",
    )


def _looked(name: str, look: Callable[[], Check]) -> Check:
    """A check, failed where what it looks at is damaged; the next ones go on."""
    try:
        return look()
    except LimnerError as error:
        return Check(name=name, state="fail", detail=str(error))
    except UNREADABLE as error:
        detail = f"damaged ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
        return Check(name=name, state="fail", detail=detail)


def check_channels_of(folder: Path) -> Check:
    """The check of the trained channels in a store's folder whose database cannot be opened."""

    def look() -> Check:
        model = load_model(folder / "models")
        if model is None:
            return Check(name="channels", state="warn", detail="not trained yet")
        trained = f"model v{model.manifest.version}, {model.manifest.events:,} events"
        return Check(name="channels", state="ok", detail=trained)

    return _looked("channels", look)


def _fault_of(look: Callable[[], object]) -> Message | None:
    """What is wrong; None where nothing is."""
    try:
        look()
    except LimnerError as error:
        return error.message
    return None
