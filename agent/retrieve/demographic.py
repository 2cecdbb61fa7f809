"""What users with the same attributes have had: a candidate generator for users without history.

For item i and a user with attribute values a, combined as in naive Bayes (Pazzani 1999):

    score(i) = p(i) Π_a lift(i, a) ** w,    lift(i, a) = (n(i, a) + k p(i)) / ((N(a) + k) p(i))

p(i): share of all users who had the item; n(i, a): users with the value who had it; N(a): users
with the value; k = `SHRINK` users' worth of belief that the value changes nothing; w = 1 / √(number
of values), since attributes are correlated. Numbers are read by fifths of the population. Values
that all users or fewer than `FEWEST` carry are left out.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.atomic import written_whole
from limner.core.errors import UNREADABLE
from limner.core.interactions import Interactions
from limner.core.schema import Attributes, User
from limner.retrieve.base import seen_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

FORMAT = 1
SHRINK = 20.0
FEWEST = 5
"""Fewest users with a value: smaller groups are chance, and could give a user away."""
_LONGEST = 60
"""Longest value in characters; longer ones are prose and left out."""
_FEW_NUMBERS = 12
"""Different numbers up to which a numeric attribute is read as names."""
_PARTS = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Demographics:
    """Counts by attribute value."""

    item_ids: list[str]
    values: list[str]
    """`name: value`."""
    edges: dict[str, list[float]]
    """For each numeric attribute, the four numbers that divide its users into fifths."""
    counts: "sp.csr_array"
    """[values, items] users with the value who had the item."""
    sizes: NDArray[np.int64]
    """[values] users with the value."""
    share: NDArray[np.float64]
    """[items] share of users who had the item."""

    @cached_property
    def position(self) -> dict[str, int]:
        return {value: at for at, value in enumerate(self.values)}

    def known(self, attributes: Attributes) -> list[str]:
        """A user's values that are counted, as `name: value`."""
        return [value for value in _read(attributes, self.edges) if value in self.position]

    def score(self, attributes: Attributes, item_ids: Sequence[str]) -> NDArray[np.float32] | None:
        """[items] scores, the largest 1, 0 for items that nobody had; None where no value of the
        user's is counted.
        """
        rows = [self.position[value] for value in self.known(attributes)]
        if not rows:
            return None
        had = np.maximum(self.share, 1e-12)
        counted = self.counts[rows].toarray()
        lift = (counted + SHRINK * had) / ((self.sizes[rows, None] + SHRINK) * had)
        score = np.where(
            self.share > 0, np.log(had) + np.log(lift).sum(axis=0) / np.sqrt(len(rows)), -np.inf
        )
        score = np.exp(score - score.max(initial=-np.inf))
        by_id = dict(zip(self.item_ids, score.tolist(), strict=True))
        return np.array([by_id.get(item_id, 0.0) for item_id in item_ids], dtype=np.float32)

    def save(self, folder: Path) -> None:
        """A folder of `demographics.npz` and `demographics.json`, in place of what is there."""
        head = {
            "format": FORMAT,
            "item_ids": self.item_ids,
            "values": self.values,
            "edges": self.edges,
        }
        with written_whole(folder) as part:
            np.savez_compressed(
                part / "demographics.npz",
                sizes=self.sizes,
                share=self.share,
                data=self.counts.data,
                indices=self.counts.indices,
                indptr=self.counts.indptr,
            )
            (part / "demographics.json").write_text(
                json.dumps(head, ensure_ascii=False), encoding="utf-8"
            )


def load_demographics(folder: Path) -> Demographics | None:
    """The saved counts; None where they cannot be read or have another format, since they can be
    counted again.
    """
    import scipy.sparse as sp

    try:
        head = json.loads((folder / "demographics.json").read_text("utf-8"))
        if head.pop("format", None) != FORMAT:
            return None
        with np.load(folder / "demographics.npz", allow_pickle=False) as saved:
            shape = (len(head["values"]), len(head["item_ids"]))
            counts = sp.csr_array((saved["data"], saved["indices"], saved["indptr"]), shape=shape)
            return Demographics(**head, counts=counts, sizes=saved["sizes"], share=saved["share"])
    except UNREADABLE:
        return None


def count_demographics(x: Interactions, users: Sequence[User]) -> Demographics:
    """Count over all events and users; users without events are left out."""
    import scipy.sparse as sp

    attributes = {user.user_id: user.attributes for user in users}
    seen = seen_matrix(x)
    active = np.flatnonzero(np.diff(seen.indptr))
    edges = _edges([attributes.get(x.user_ids[at], {}) for at in active])
    rows: list[int] = []
    columns: list[int] = []
    codes: dict[str, int] = {}
    for at in active.tolist():
        for value in _read(attributes.get(x.user_ids[at], {}), edges):
            rows.append(codes.setdefault(value, len(codes)))
            columns.append(at)
    carried = sp.csr_array(
        (np.ones(len(rows)), (rows, columns)), shape=(len(codes), len(x.user_ids))
    )
    sizes = np.asarray(carried.sum(axis=1)).ravel()
    counted = np.flatnonzero((sizes >= FEWEST) & (sizes < len(active)))
    names = list(codes)
    counts = (carried[counted] @ seen).tocsr().astype(np.float32)
    share = np.asarray(seen.sum(axis=0)).ravel() / max(len(active), 1)
    return Demographics(
        list(x.item_ids),
        [names[code] for code in counted],
        edges,
        counts,
        sizes[counted].astype(np.int64),
        share.astype(np.float64),
    )


def _read(attributes: Attributes, edges: Mapping[str, list[float]]) -> list[str]:
    """A user's attributes as `name: value`, numeric ones as `name: fifth/5`."""
    values = []
    for name, value in attributes.items():
        if name in edges:
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.append(f"{name}: {bisect_right(edges[name], value) + 1}/5")
            continue
        for part in value if isinstance(value, list) else [value]:
            text = str(part).strip().casefold()
            if 0 < len(text) <= _LONGEST:
                values.append(f"{name}: {text}")
    return list(dict.fromkeys(values))


def _edges(rows: Sequence[Attributes]) -> dict[str, list[float]]:
    """By attribute whose values are mostly numbers, and many different ones: the numbers between
    the fifths of its users.
    """
    numbers: dict[str, list[float]] = {}
    carriers: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            carriers[name] = carriers.get(name, 0) + 1
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.setdefault(name, []).append(float(value))
    return {
        name: [float(edge) for edge in np.quantile(own, _PARTS)]
        for name, own in numbers.items()
        if 2 * len(own) > carriers[name] and len(set(own)) > _FEW_NUMBERS
    }
