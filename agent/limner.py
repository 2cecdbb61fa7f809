"""`from limner import Limner`: the same verbs as methods, for scripts and notebooks; pandas frames
in and out.
"""

from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Self, TypeVar

from limner.chat import Answer, answer
from limner.core.request_fields import read_request, takes_fields
from limner.core.schema import BuildReport, IngestReport, Profile, Recommendations, TrainReport
from limner.core.settings import Settings, load_settings
from limner.engine import open_engine
from limner.ingest import Sources, ingest_frames, to_frame

if TYPE_CHECKING:
    import pandas as pd
    from anyio.from_thread import BlockingPortal

T = TypeVar("T")


class Limner(AbstractContextManager["Limner"]):
    """A store and its engine.

    ::

        with Limner("shop") as limner:
            limner.ingest(events=frame)
            limner.recommend("u1", n=5)
    """

    def __init__(self, data: str = ".limner", settings: Settings | None = None) -> None:
        from anyio.from_thread import start_blocking_portal

        chosen = settings or load_settings(overrides={("data",): data})
        self.engine = open_engine(chosen, create=True)
        # A loop of our own in a thread: a notebook already runs one where this is called.
        self._stack = ExitStack()
        self._portal: BlockingPortal = self._stack.enter_context(start_blocking_portal())

    def ingest(
        self,
        events: "str | pd.DataFrame | None" = None,
        items: "str | pd.DataFrame | None" = None,
        users: "str | pd.DataFrame | None" = None,
        mapping: str | None = None,
        *,
        allow_unknown_items: bool = False,
    ) -> IngestReport:
        """Files or frames; all three of one kind. Events of which none is about an item of the
        items table are stored only with `allow_unknown_items`.
        """
        tables = (events, items, users)
        if any(isinstance(one, str) for one in tables):
            paths = [[one] if isinstance(one, str) else [] for one in tables]
            return self.engine.ingest(
                Sources(paths[0], paths[1], paths[2], mapping, allow_unknown_items)
            )
        frames = [None if isinstance(one, str) else one for one in tables]
        return ingest_frames(
            self.engine.store,
            frames[0],
            frames[1],
            frames[2],
            mapping,
            allow_unknown_items=allow_unknown_items,
        )

    def history(self, user_id: str) -> "pd.DataFrame":
        return to_frame(self.engine.data.history(user_id))

    def train(self, llm_users: int | None = None) -> TrainReport:
        """llm_users: users of the past on whom the model's order is weighed."""
        return self._wait(self.engine.weigh(self.engine.train(), llm_users))

    def build(self, user_ids: Sequence[str] | None = None, *, force: bool = False) -> BuildReport:
        return self._wait(self.engine.build(user_ids, force=force))

    def profile(self, user_id: str, version: int | None = None) -> Profile:
        return self._wait(self.engine.profile(user_id, version))

    @takes_fields("items")
    def recommend(self, user_id: str, n: int = 10, **fields: object) -> "pd.DataFrame":
        """One row an item: item_id, title, rank, score, reason, evidence.

        fields: of `RecommendationRequest`, such as `category=["War"]` or `explain=False`. Raises
        BadInputError for a wrong one.
        """
        request = read_request({"user_id": user_id, "n": n, **fields})
        return _rows(self._wait(self.engine.recommend(request)))

    @takes_fields("user_id", "items")
    def recommend_all(self, n: int = 10, **fields: object) -> "pd.DataFrame":
        """One row an item of everyone's list: user_id, rank, item_id, title, score, probability.

        fields: as `recommend` takes them; without reasons unless `explain=True`.
        """
        import pandas as pd

        request = read_request({"n": n, "explain": False, **fields})

        async def rows() -> list[tuple[object, ...]]:
            return [
                (
                    one.user_id,
                    each.rank,
                    each.item.item_id,
                    each.item.title,
                    each.score,
                    each.probability,
                )
                async for one in self.engine.recommend_all(request)
                for each in one.recommendations
            ]

        return pd.DataFrame(
            self._wait(rows()),
            columns=["user_id", "rank", "item_id", "title", "score", "probability"],
        )

    def users(
        self, for_item: str, n: int | None = None, *, where: str = "", repeats: bool = False
    ) -> "pd.DataFrame":
        """The users that an item is likeliest for, best first: user_id, rank, score, probability,
        flags.
        """
        import pandas as pd

        found = self.engine.users(n, for_item=for_item, where=where, repeats=repeats)
        columns = ["user_id", "rank", "score", "probability", "flags"]
        return pd.DataFrame([one.model_dump() for one in found.users], columns=columns)

    def rank(
        self, user_id: str, item_ids: Sequence[str], *, explain: bool = False
    ) -> "pd.DataFrame":
        request = read_request({"user_id": user_id, "items": item_ids, "explain": explain})
        return _rows(self._wait(self.engine.recommend(request)))

    def chat(self, question: str) -> Answer:
        return self._wait(answer(self.engine, question))

    def close(self) -> None:
        self._wait(self.engine.close())
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, work: Coroutine[object, object, T]) -> T:
        async def run() -> T:
            return await work

        return self._portal.call(run)


def _rows(result: Recommendations) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "item_id": one.item.item_id,
                "title": one.item.title,
                "rank": one.rank,
                "score": one.score,
                "flags": one.flags,
                "reason": one.reason.text if one.reason else "",
                "evidence": one.reason.evidence if one.reason else [],
            }
            for one in result.recommendations
        ],
        columns=["item_id", "title", "rank", "score", "flags", "reason", "evidence"],
    )
