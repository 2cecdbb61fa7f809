"""Reading runs from disk: their records, and their values by user."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from limner.core.errors import BadInputError
from limner.core.messages import Message, rejection
from limner.evals.records import Evaluation

RECORD, PER_USER = "run.json", "per_user.parquet"
_KEYS = ("user_id", "system", "bucket")

Ids = NDArray[np.str_]


@dataclass(frozen=True)
class UserValues:
    """One system's values: for each of `users` (sorted ids) its bucket of history and each metric,
    NaN undefined.
    """

    users: Ids
    buckets: Ids
    metrics: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class SavedRun:
    """One `run.json`, with the values by user where they lie beside it."""

    name: str
    """Name of the run's folder, for people."""
    evaluation: Evaluation
    sha256: str
    """Hash of run.json."""
    per_user: Mapping[str, UserValues] = field(default_factory=dict)
    """Values by system; empty where there is no per_user.parquet."""
    notes: Sequence[Message] = ()
    """Sentences that a comparison with this run must repeat."""
    study: str = ""
    """Kind of study; empty for a run of systems."""


def load_run(path: Path) -> SavedRun:
    """A run from its folder or its run.json. Raises BadInputError for anything else."""
    file = path / RECORD if path.is_dir() else path
    try:
        text = file.read_bytes()
    except FileNotFoundError as error:
        raise BadInputError("run.none", path=path, record=RECORD) from error
    try:
        evaluation = Evaluation.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(one) for one in first["loc"]) or "the whole file"
        raise BadInputError("run.wrong", file=file, where=where, why=rejection(first)) from error
    beside = file.with_name(PER_USER)
    per_user = load_per_user(beside) if beside.is_file() else {}
    return SavedRun(
        file.resolve().parent.name or file.stem,
        evaluation,
        hashlib.sha256(text).hexdigest(),
        per_user,
    )


def load_runs(path: Path, *, besides: bool = False) -> list[SavedRun]:
    """The run there, or the runs in the folders below, by name. Raises BadInputError where there is
    none, unless something else lies there that is wanted too (`besides`).
    """
    below = (
        [] if (path / RECORD).exists() or not path.is_dir() else sorted(path.glob(f"*/{RECORD}"))
    )
    if below:
        return [load_run(one) for one in below]
    return [] if besides and not (path / RECORD).exists() else [load_run(path)]


def load_per_user(file: Path) -> dict[str, UserValues]:
    """Values by system. Raises BadInputError for another table, or one that has a user of a system
    twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise BadInputError("run.no_parquet", file=file) from error
    missing = [name for name in _KEYS if name not in table.column_names]
    if missing:
        raise BadInputError("run.no_column", file=file, column=missing[0])
    user, system, bucket = (
        np.array(table[name].cast(pa.string()).to_pylist(), dtype=np.str_) for name in _KEYS
    )
    metrics = {
        name: np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)
        for name in table.column_names
        if name not in _KEYS
    }
    out: dict[str, UserValues] = {}
    for name in np.unique(system).tolist():
        rows = np.flatnonzero(system == name)
        rows = rows[np.argsort(user[rows], kind="stable")]
        ids = user[rows]
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        if len(twice):
            raise BadInputError("run.user_twice", file=file, user=ids[twice[0]], system=name)
        out[name] = UserValues(
            ids, bucket[rows], {one: values[rows] for one, values in metrics.items()}
        )
    return out


@dataclass(frozen=True)
class Pair:
    """Two systems' values for the users that both have, in the same order."""

    buckets: Ids
    a: Mapping[str, NDArray[np.float64]]
    b: Mapping[str, NDArray[np.float64]]
    only_one: int
    """Number of users that only one of the systems has."""


def pair(a: UserValues, b: UserValues, metrics: Sequence[str]) -> Pair:
    """Pair two systems' values by user id, for the metrics that both have."""
    shared, left, right = np.intersect1d(a.users, b.users, assume_unique=True, return_indices=True)
    both = [one for one in metrics if one in a.metrics and one in b.metrics]
    return Pair(
        a.buckets[left],
        {one: a.metrics[one][left] for one in both},
        {one: b.metrics[one][right] for one in both},
        len(a.users) + len(b.users) - 2 * len(shared),
    )
