"""Finding users: by an item they would like, by words that their portraits match, or by attributes.
All answers are an `Audience`.
"""

from collections.abc import Mapping, Sequence

from limner.core.errors import BadInputError, UnknownIdError
from limner.core.messages import Message, message
from limner.core.progress import Progress
from limner.core.schema import Audience, RankedUser, RecommendationRequest
from limner.index.chroma import Hit
from limner.profile.builder import ProfileBuilder
from limner.rank import audience, shelf_flags
from limner.recommend.pipeline import RecommendationPipeline
from limner.recommend.training import Trainer
from limner.state.derived import DerivedState
from limner.state.reader import DataReader

LIKENESS = "likeness (cosine similarity) of the user's portrait to the words, nearest first"
ACTIVITY = "number of events, most first"


class AudienceFinder:
    """Finds users, best first. `n`: at most so many, all where None; `where`: among those whose
    attributes fit a condition.
    """

    def __init__(
        self,
        data: DataReader,
        state: DerivedState,
        trainer: Trainer,
        builder: ProfileBuilder,
        pipeline: RecommendationPipeline,
        progress: Progress,
    ) -> None:
        self._data, self._state, self._progress = data, state, progress
        self._trainer, self._builder, self._pipeline = trainer, builder, pipeline

    def find(
        self,
        n: int | None = 10,
        *,
        for_item: str | None = None,
        like: str | None = None,
        where: str = "",
        repeats: bool = False,
    ) -> Audience:
        """Users for an item, users whose portraits match some words, or otherwise the most active
        ones.

        `repeats` also lets in users who have had the item. Raises UnknownIdError for an unknown
        item, BadInputError for empty words, a wrong condition, or both an item and words.
        """
        if for_item is not None and like is not None:
            raise BadInputError("api.two_audiences")
        if for_item is not None:
            return self._for_item(for_item, n, where, repeats)
        if like is not None:
            return self._like(like, n, where)
        population = self._data.counts().users
        matching = [user.user_id for user in self._data.users(where)]
        events = dict(self._data.active_users())
        return self._told(audience_where(matching, events, population, n), where)

    def _for_item(self, item_id: str, n: int | None, where: str, repeats: bool) -> Audience:
        item = self._data.catalogue().items.get(item_id)
        if item is None:
            raise UnknownIdError("item.unknown", item=item_id)
        matching = [user.user_id for user in self._data.users(where)]
        notes = self._trainer.ready(RecommendationRequest())
        model = self._pipeline.model()
        self._progress.start("users", len(matching))
        users = audience(
            model,
            self._state.ranker.crowd(model),
            item,
            matching,
            n,
            variants=self._state.catalogue.snapshot().variants,
            repeats=repeats,
            advance=self._progress.advance,
        )
        self._progress.done()
        hidden = [message("audience.unavailable", flag=flag) for flag in shelf_flags(item)]
        return self._told(users, where, [*hidden, *notes])

    def _like(self, words: str, n: int | None, where: str) -> Audience:
        if not words.strip():
            raise BadInputError("audience.no_words")
        population = self._data.counts().users
        matching = [user.user_id for user in self._data.users(where)]
        painted = set(self._data.users_with_portrait())
        among = [user_id for user_id in matching if user_id in painted]
        notes = self._builder.embed_waiting()
        found = self._state.portraits.like(words, among if where else None, n)
        return self._told(
            audience_like(words, found, population, len(matching), len(among)), where, notes
        )

    def _told(self, answer: Audience, where: str, notes: Sequence[Message] = ()) -> Audience:
        """An audience completed with its filter, the period of the data, and notes."""
        return answer.model_copy(
            update={
                "filter": where,
                "period": self._data.period_text(),
                "notes": [*notes, *answer.notes],
            }
        )


def audience_like(
    words: str, hits: Sequence[Hit], population: int, matching: int, painted: int
) -> Audience:
    """Users by the likeness of their portraits. painted: of the matching users, those who have a
    portrait.
    """
    notes = []
    if painted < matching:
        notes.append(message("audience.unpainted", n=matching - painted, all=matching))
    users = [
        RankedUser(user_id=one.id, rank=rank, score=round(one.score, 6))
        for rank, one in enumerate(hits, 1)
    ]
    return Audience(
        like=words,
        users=users,
        definition=LIKENESS,
        population=population,
        matching=matching,
        had=0,
        considered=painted,
        notes=notes,
    )


def audience_where(
    matching: Sequence[str], events: Mapping[str, int], population: int, n: int | None
) -> Audience:
    """Users by how much they did. events: by user id, of those who did anything."""
    ordered = sorted(matching, key=lambda one: (-events.get(one, 0), one))[:n]
    users = [
        RankedUser(user_id=one, rank=rank, score=events.get(one, 0))
        for rank, one in enumerate(ordered, 1)
    ]
    return Audience(
        users=users,
        definition=ACTIVITY,
        population=population,
        matching=len(matching),
        had=0,
        considered=len(matching),
    )
