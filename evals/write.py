"""What a run leaves on disk: its record as JSON, per-user values and runs as Parquet."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from limner.evals.measure import Floats, SystemLists, Truth
from limner.evals.records import Evaluation


def write_whole(file: Path, text: str) -> None:
    """Whole or not at all, so that a run that is killed leaves what stood there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def write_json(file: Path, evaluation: Evaluation) -> None:
    write_whole(file, evaluation.model_dump_json(indent=2))


def write_run(folder: Path, name: str, lists: SystemLists, truth: Truth) -> None:
    """`NAME.parquet`: user_id, item_id, score, rank (from 1)."""
    import pyarrow as pa
    import pyarrow.parquet

    folder.mkdir(parents=True, exist_ok=True)
    x, users = truth.training.x, truth.split.users
    row, place = np.nonzero(lists.items >= 0)
    ids = np.array(x.user_ids, dtype=object)[users[row]]
    items = np.array(x.item_ids, dtype=object)[lists.items[row, place]]
    table = pa.table(
        {
            "user_id": pa.array(ids, pa.string()),
            "item_id": pa.array(items, pa.string()),
            "score": lists.scores[row, place],
            "rank": (place + 1).astype(np.int32),
        }
    )
    pyarrow.parquet.write_table(table, folder / f"{_file_name(name)}.parquet")


def write_users(file: Path, measured: Mapping[str, Mapping[str, Floats]], truth: Truth) -> None:
    """A row a system and user: user_id, system, bucket (of history length), and each metric that
    has a value a user.

    Whole or not at all; no file where nothing was measured.
    """
    import pyarrow as pa
    import pyarrow.parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    x, users = truth.training.x, truth.split.users
    ids = pa.array([x.user_ids[at] for at in users], pa.string())
    buckets = pa.array(truth.buckets, pa.string())
    tables = [
        pa.table(
            {
                "user_id": ids,
                "system": pa.array([name] * len(users), pa.string()),
                "bucket": buckets,
                **by_user,
            }
        )
        for name, by_user in measured.items()
    ]
    if not tables:
        file.unlink(missing_ok=True)
        return
    part = file.with_suffix(".part")
    pyarrow.parquet.write_table(pa.concat_tables(tables), part)
    part.replace(file)


def _file_name(name: str) -> str:
    """A file name for a system, whose name may be an import path or the path of a run file."""
    return "".join(one if one.isalnum() or one in "-_." else "_" for one in name)
