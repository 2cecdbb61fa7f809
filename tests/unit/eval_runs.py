"""Run records made by hand, for tests of comparing and reporting."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limner.core.metrics import BUCKETS
from limner.evals.metrics import Style, holm, interval, paired_tests
from limner.evals.records import Comparison, Evaluation, Metric, SplitInfo, SystemResult

USERS = 200
HOSTILE = "<script>alert('x')</script>"
NAMED = [name for name, _, _ in BUCKETS if name != "0"]

Values = Mapping[str, Mapping[str, Sequence[float]]]
"""By system, then metric: a value for each user."""


def made_up(
    levels: Mapping[str, float], users: int = USERS, seed: int = 0
) -> dict[str, dict[str, Sequence[float]]]:
    """Systems whose users' values lie around a level, together with what the user is like."""
    random = np.random.default_rng(seed)
    user = random.random(users) * 0.1
    out: dict[str, dict[str, Sequence[float]]] = {}
    for name, level in levels.items():
        ndcg = np.clip(level + user + random.normal(0, 0.05, users), 0, 1)
        out[name] = {
            "ndcg@10": ndcg.tolist(),
            "hit@10": (random.random(users) < ndcg * 2).astype(float).tolist(),
            "novelty@10": random.normal(9 - 10 * level, 1, users).tolist(),
            "ild@10": np.clip(random.normal(0.8 - level, 0.1, users), 0, 1).tolist(),
        }
    return out


def metric(values: Sequence[float]) -> Metric:
    found = interval(np.asarray(values, dtype=np.float64), rounds=200)
    if not found.n:
        return Metric(mean=None, ci95=None, n=0)
    return Metric(mean=found.mean, ci95=(found.low, found.high) if found.n > 1 else None, n=found.n)


class RecordOptions(TypedDict, total=False):
    """What `evaluation` takes by name."""

    dataset: str
    split: str
    digest: str
    candidates: str
    style: Style
    ours: str
    more: Sequence[SystemResult]


def evaluation(
    values: Values,
    *,
    dataset: str = "ml-100k",
    split: str = "leave-last-out",
    digest: str = "0123456789abcdef",
    candidates: str = "all",
    style: Style = "ours",
    ours: str = "",
    more: Sequence[SystemResult] = (),
) -> Evaluation:
    """A record as a run would write it; `ours` is tested against every other system."""
    users = len(next(iter(next(iter(values.values())).values())))
    buckets = np.array(bucket_of(users))
    systems = [
        SystemResult(
            name=name,
            metrics={
                **{one: metric(row) for one, row in rows.items()},
                "coverage@10": Metric(mean=0.1 + 0.1 * at, ci95=None, n=users),
            },
            buckets={
                bucket: {
                    one: metric(np.asarray(row)[buckets == bucket].tolist())
                    for one, row in rows.items()
                }
                for bucket in NAMED
            },
            fit_seconds=1.5 * (at + 1),
            rank_seconds=0.2 * 4**at,
            settings={"neighbours": 20 * (at + 1)},
        )
        for at, (name, rows) in enumerate(values.items())
    ]
    comparisons = []
    for name in values[ours] if ours else ():
        others = [one for one in values if one != ours]
        own = np.array([values[ours][name]] * len(others))
        tests = paired_tests(own, np.array([values[one][name] for one in others]), rounds=999)
        fixed = holm([one.p for one in tests])
        comparisons += [
            Comparison(
                system=ours,
                baseline=other,
                metric=name,
                difference=one.diff,
                ci95=(one.low, one.high),
                p=one.p,
                p_holm=float(p),
                n=one.n,
            )
            for other, one, p in zip(others, tests, fixed, strict=True)
        ]
    info = SplitInfo(
        name=split,
        hash=digest,
        users=users,
        train_events=20_000,
        test_events=users,
        items=1_500,
        candidates=candidates,
    )
    return Evaluation(
        dataset=dataset, split=info, systems=[*systems, *more], comparisons=comparisons, style=style
    )


def bucket_of(users: int) -> list[str]:
    return [NAMED[at % len(NAMED)] for at in range(users)]


def write_run(
    folder: Path, record: Evaluation, values: Values | None = None, first: int = 0
) -> Path:
    """A run's folder; users are u000, u001, … from `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record.model_dump(mode="json")), encoding="utf-8")
    if values is not None:
        names = list(next(iter(values.values())))
        columns: dict[str, list[str | float]] = {
            one: [] for one in ("user_id", "system", "bucket", *names)
        }
        for system, rows in values.items():
            users = len(rows[names[0]])
            columns["user_id"] += [f"u{first + at:03}" for at in range(users)]
            columns["system"] += [system] * users
            columns["bucket"] += bucket_of(users)
            for name in names:
                columns[name] += list(rows[name])
        pq.write_table(pa.table(columns), folder / "per_user.parquet")
    return folder
