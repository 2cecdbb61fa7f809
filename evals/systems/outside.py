"""Contestants from outside: a Python object by import path, and a run that was made elsewhere."""

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from limner.core.errors import BadInputError, UsageError
from limner.core.messages import Message, message
from limner.evals.systems.base import Scores, System, Training, UserBatch

_COLUMNS = ("user_id", "item_id", "score")


class ExternalRecommender(Protocol):
    """A class that an import path may name instead of a System."""

    def fit(self, training: Training) -> object: ...

    def recommend(self, user_ids: list[str], n: int) -> Sequence[Sequence[str]]:
        """Item ids for each user, best first, at most n."""


class Unknown:
    """Ids from outside that the data set does not have, which would otherwise only look like a poor
    system.
    """

    def __init__(self) -> None:
        self._ids, self._strange, self._first = 0, 0, ""

    def count(self, ids: int, strange: Sequence[str]) -> None:
        """So many ids were given, of which these are unknown."""
        if strange and not self._strange:
            self._first = strange[0]
        self._ids, self._strange = self._ids + ids, self._strange + len(strange)

    @property
    def remark(self) -> Message | None:
        """None where all were known."""
        if not self._strange:
            return None
        return message("run.strange_items", n=self._strange, all=self._ids, first=self._first)


class Outsider:
    """A `fit` and `recommend` as a System: its items score by their places, others are not
    recommended.
    """

    def __init__(self, name: str, inner: ExternalRecommender, depth: int) -> None:
        self.name, self._inner, self._depth = name, inner, depth

    def fit(self, training: Training) -> None:
        self._inner.fit(training)
        self._position = {item_id: at for at, item_id in enumerate(training.x.item_ids)}
        self._unknown = Unknown()

    @property
    def remark(self) -> Message | None:
        return self._unknown.remark

    def score(self, asked: UserBatch) -> Scores:
        """Raises TypeError for an item id that is not text: 7 is not '7', and a pair is no id."""
        # What a user has had is taken out later, so more are asked for.
        had = max((len(np.unique(one.items)) for one in asked.histories), default=0)
        lists = self._inner.recommend(list(asked.user_ids), self._depth + had)
        if len(lists) != len(asked):
            raise ValueError(f"{len(lists)} lists for {len(asked)} users")
        scores = np.full((len(asked), len(self._position)), -np.inf)
        scored, strange = 0, []
        for row, listed in enumerate(lists):
            for place, item_id in enumerate(listed):
                if not isinstance(item_id, str):
                    raise TypeError(
                        f"recommend gave {item_id!r} ({type(item_id).__name__}); item ids are text"
                    )
                scored += 1
                at = self._position.get(item_id)
                if at is None:
                    strange.append(item_id)
                elif scores[row, at] == -np.inf:
                    scores[row, at] = -float(place)
        self._unknown.count(scored, strange)
        return scores


class RenamedSystem:
    """A System under the name it was asked for by."""

    def __init__(self, name: str, inner: System) -> None:
        self.name, self._inner = name, inner

    def fit(self, training: Training) -> None:
        self._inner.fit(training)

    def score(self, asked: UserBatch) -> Scores:
        return self._inner.score(asked)


class RunFile:
    """`user_id,item_id,score` of another tool, CSV or Parquet; users it does not name get
    nothing.
    """

    def __init__(self, path: Path) -> None:
        """Raises BadInputError where the file is not of that form."""
        self.name = path.name
        self._by_user = _read_run(path)

    def fit(self, training: Training) -> None:
        """Raises BadInputError where the file knows none of the data set's users, or none of its
        items.
        """
        self._position = {item_id: at for at, item_id in enumerate(training.x.item_ids)}
        self._unknown = Unknown()
        listed = [item_id for some in self._by_user.values() for item_id, _ in some]
        self._unknown.count(len(listed), [one for one in listed if one not in self._position])
        users = list(self._by_user)
        for what, known, ids in (
            ("user", training.x.user_ids, users),
            ("item", self._position, listed),
        ):
            if ids and not set(ids) & set(known):
                raise BadInputError("system.run_foreign", file=self.name, what=what, first=ids[0])

    @property
    def remark(self) -> Message | None:
        return self._unknown.remark

    def score(self, asked: UserBatch) -> Scores:
        scores = np.full((len(asked), len(self._position)), -np.inf)
        for row, user_id in enumerate(asked.user_ids):
            for item_id, score in self._by_user.get(user_id, ()):
                at = self._position.get(item_id)
                if at is not None:
                    scores[row, at] = max(scores[row, at], score)
        return scores


def is_run(name: str) -> bool:
    return name.lower().endswith((".csv", ".csv.gz", ".parquet"))


def imported(path: str, depth: int) -> System:
    """The object that `module:Class` names. Raises UsageError, which says what is missing."""
    module, _, name = path.partition(":")
    with _working_directory_first():
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UsageError("system.not_importable", path=path, error=error) from error
    made = cast(Callable[[], object], found)() if isinstance(found, type) else found
    if hasattr(made, "fit") and hasattr(made, "score"):
        return RenamedSystem(path, cast(System, made))
    if hasattr(made, "fit") and hasattr(made, "recommend"):
        return Outsider(path, cast(ExternalRecommender, made), depth)
    raise UsageError("system.no_methods", path=path)


@contextmanager
def _working_directory_first() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    if not path.is_file():
        raise BadInputError("system.no_run_file", file=path)
    lists: dict[str, list[tuple[str, float]]] = {}
    for user_id, item_id, score in _rows(path):
        if user_id is None or item_id is None or score is None or score != score:
            raise BadInputError("system.run_empty_cell", file=path, names=", ".join(_COLUMNS))
        lists.setdefault(user_id, []).append((item_id, score))
    return lists


def _rows(path: Path) -> Iterator[tuple[str | None, str | None, float | None]]:
    """(user id, item id, score) of a run file, in its order."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            # Ids are text, or 007 would become 7.
            kinds = {"user_id": pa.string(), "item_id": pa.string(), "score": pa.float64()}
            table = pyarrow.csv.read_csv(
                path, convert_options=pyarrow.csv.ConvertOptions(column_types=kinds)
            )
        missing = [one for one in _COLUMNS if one not in table.column_names]
        if missing:
            raise BadInputError(
                "system.run_no_column", file=path, column=missing[0], names=", ".join(_COLUMNS)
            )
        users, items = (table.column(one).cast(pa.string()).to_pylist() for one in _COLUMNS[:2])
        scores = table.column("score").cast(pa.float64()).to_pylist()
    except pa.ArrowException as error:
        raise BadInputError(
            "system.run_unreadable", file=path, error=str(error).splitlines()[0]
        ) from error
    return zip(users, items, scores, strict=True)
