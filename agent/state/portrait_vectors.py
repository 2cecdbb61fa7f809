"""The vectors of portraits and of their preferences, and the items nearest to each portrait."""

from collections.abc import Sequence

import numpy as np

from limner.core.errors import FetchError, IndexAwayError, LimnerError, ModelError
from limner.core.messages import Message, message
from limner.core.progress import Progress
from limner.core.schema import Preference, Profile
from limner.core.settings import Settings
from limner.index.chroma import Hit, Index, IndexRow
from limner.index.documents import portrait_text, preference_text
from limner.index.embedders import Vectors
from limner.rank import CANDIDATES
from limner.retrieve import ContentBook, Wording, content_candidates
from limner.state.item_vectors import ItemVectorState
from limner.state.request_view import DerivedPart, RequestView, locked
from limner.store import Store

_AT_ONCE = 64
"""Portraits that are embedded and written together. No other change is possible during the
write.
"""


class PortraitVectorState(DerivedPart):
    """Embeds portraits, and keeps the items nearest to each until portrait, events or items
    change.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        view: RequestView,
        vectors: ItemVectorState,
    ) -> None:
        super().__init__(view)
        self._settings, self._store, self._progress = settings, store, progress
        self._vectors = vectors
        self._book = ContentBook(store.folder / "content")

    def wording(self, profile: Profile) -> Wording:
        """The vectors of a portrait's preferences: those of texts embedded before, in this process
        or in the index, and the rest embedded now.
        """
        index = self._vectors.index()
        ids = {
            preference_text(one): preference_id(profile.user_id, one) for one in profile.preferences
        }
        vectors = index.embedder.kept(list(ids))
        if sought := [text for text in ids if text not in vectors]:
            stored = index.vectors("preferences", [ids[text] for text in sought])
            read = {text: stored[ids[text]] for text in sought if ids[text] in stored}
            index.embedder.keep(read)
            vectors |= read
        new = [text for text in ids if text not in vectors]
        vectors |= dict(zip(new, index.embedder.passages(new), strict=True))
        empty = np.empty((0, index.embedder.dimensions), dtype=np.float32)

        def of(polarity: str) -> Vectors:
            texts = dict.fromkeys(
                preference_text(one) for one in profile.preferences if one.polarity == polarity
            )
            return np.stack([vectors[text] for text in texts]) if texts else empty

        return Wording(of("like"), of("dislike"))

    def candidates(
        self, profile: Profile, events: Sequence[tuple[str, float]], last_seq: int
    ) -> dict[str, float]:
        """Items nearest to a portrait and to what its user liked, kept until portrait, events or
        items change.

        By the events alone where the portrait's words cannot be embedded, which `embedding_error`
        tells until the next call.
        """
        self._view.own.embedding_error = None
        key = f"{profile.version}:{last_seq}:{self._vectors.generation()}"
        scores = self._book.get(profile.user_id, key)
        if scores is None and self._vectors.away is not None:
            return {}
        if scores is None:
            k = CANDIDATES + len(events)
            try:
                wording = self.wording(profile)
            except (IndexAwayError, ModelError, FetchError) as error:
                self._view.own.embedding_error = error
                return content_candidates(self._vectors.items(), events, k=k)
            scores = content_candidates(self._vectors.items(), events, wording, k=k)
            self._book.put(profile.user_id, key, scores)
            if self._store.user(profile.user_id) is None:
                self._book.erase(profile.user_id)  # erased while they were looked for
        return scores

    def embedding_error(self) -> list[Message]:
        """Why this thread's list is made without the portrait's words, as a note; empty where it is
        made with them.
        """
        error: LimnerError | None = getattr(self._view.own, "embedding_error", None)
        return [] if error is None else [message("vectors.not_made", error=error)]

    def embed_all(self) -> int:
        """Embed every portrait that was painted since; how many texts that were. Raises as
        `embed_some` does.
        """
        embedded, waiting = 0, self._store.count_unembedded()
        if waiting:
            self._progress.start("embedding portraits", waiting)
            while waiting:
                embedded += self.embed_some()
                left = self._store.count_unembedded()
                self._progress.advance(max(0, waiting - left))
                waiting = left
            self._progress.done()
        return embedded

    def embed_some(self) -> int:
        """Embed some of the portraits that wait for it, and each of their preferences; how many
        texts that were.

        A portrait waits in the store from the moment it is stored until its vectors are. Raises
        StoreBusyError where others write, IndexAwayError, ModelError or FetchError where nothing
        can be embedded now.
        """
        waiting = self._store.unembedded(_AT_ONCE)
        if not waiting:
            return 0
        if self._vectors.away is not None:
            raise self._vectors.away
        index = self._vectors.index()
        held = [self._store.profile(user_id, version) for user_id, version in waiting.items()]
        portraits = [one for one in held if one is not None]
        # The slow part, while others may still write; of short texts the embedder keeps what it
        # made.
        made = index.embedder.passages([portrait_text(one) for one in portraits])
        index.embedder.passages(
            [preference_text(each) for one in portraits for each in one.preferences]
        )
        with self._store.changing(wait=self._settings.server.write_wait):
            # Whoever was erased or painted anew meanwhile is left out.
            now = {
                user: version
                for user, version in self._store.unembedded(_AT_ONCE).items()
                if waiting.get(user) == version
            }
            embedded = self._write_vectors(
                index,
                [
                    (one, vector)
                    for one, vector in zip(portraits, made, strict=True)
                    if one.user_id in now
                ],
            )
            self._store.set_embedded(now)
        return embedded

    def _write_vectors(self, index: Index, portraits: Sequence[tuple[Profile, Vectors]]) -> int:
        """Write the portraits at once, then their preferences; vectors of preferences they no
        longer have are deleted.
        """
        rows = [
            IndexRow(one.user_id, portrait_text(one), {"user_id": one.user_id}, vector)
            for one, vector in portraits
        ]
        preferences = [
            IndexRow(
                preference_id(one.user_id, each), preference_text(each), {"user_id": one.user_id}
            )
            for one, _ in portraits
            for each in one.preferences
        ]
        if again := [one.user_id for one, _ in portraits if one.version > 1]:
            gone = set(index.owned("preferences", again)) - {row.id for row in preferences}
            index.delete("preferences", sorted(gone))
        embedded = index.upsert("portraits", rows) + index.upsert("preferences", preferences)
        self._vectors.keep_choice()
        return embedded

    def like(self, words: str, among: Sequence[str] | None, n: int | None) -> list[Hit]:
        """The n users (all where None) whose portraits are likest to some words, best first; cosine
        similarity.

        among: only these users. Raises as `Index.search` does.
        """
        index = self._vectors.index()
        asked = index.embedder.queries([words])
        if among is None and n is not None:
            return index.search("portraits", asked, n)[0]
        if among is None:
            ids, vectors = index.everything("portraits")
        else:
            found = index.vectors("portraits", among)
            ids = sorted(found)
            vectors = (
                np.stack([found[one] for one in ids])
                if ids
                else np.empty((0, len(asked[0])), np.float32)
            )
        likeness = vectors @ asked[0]
        order = np.argsort(-likeness, kind="stable")[:n]
        return [Hit(ids[at], float(likeness[at])) for at in order.tolist()]

    @locked
    def forget(self, user_id: str) -> int:
        """Drop a user from the index and from the cached candidates; how many vectors went."""
        self._book.erase(user_id)
        return self._vectors.index().erase(user_id) if self._vectors.is_indexed() else 0

    def compact(self) -> None:
        """Take what was dropped out of the index's files too."""
        if self._vectors.is_indexed():
            self._vectors.index().compact()

    def residue(self, user_id: str) -> list[str]:
        """Places of the index, and of the cached candidates, that still hold a user."""
        found = self._book.files_of(user_id)
        return found + (
            self._vectors.index().residue(user_id) if self._vectors.is_indexed() else []
        )


def preference_id(user_id: str, one: Preference) -> str:
    return f"{user_id}\x1f{one.polarity}\x1f{one.facet}\x1f{one.value}"
