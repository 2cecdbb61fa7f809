"""A neural baseline that reads histories in order: SASRec, by torch (the extra `neural`)."""

import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import CannotRunError
from limner.evals.metrics import hit_matrix, ndcg
from limner.evals.systems.base import Personal, Scores, Setting, Training, UserBatch

if TYPE_CHECKING:
    import torch

Ints = NDArray[np.int64]

SECONDS = 100.0
"""Seconds of processor time for learning; after them the best epoch so far is taken. A trial may
take two minutes in all. Processor time is counted, so that other work on the machine takes nothing
from it.
"""
_LOGITS = 40_000_000
"""Places in sequences by items that are scored at once while learning."""
_VALIDATED = 500
"""Users at most whose last item is held out to stop by, a fifth of all at most."""
_PATIENCE = 10
"""Epochs without a better one after which learning stops."""
_EPOCHS = 300
_BATCH = 16
"""Sequences a step at most; small, since time is short: on ml-100k's validation .09 with 128, .11
with 16.
"""


@dataclass
class SasRec(Personal):
    """Self-attention over a user's last items (Kang and McAuley 2018), with cross-entropy over the
    whole catalogue, without which it falls short of its published numbers (Klenitskiy and Vasilev
    2023).

    Learning stops by ndcg@10 of the last items of some users, and after `SECONDS` at the latest.
    What a user had before is no target, since nothing that was had is recommended.
    """

    dropout: float = 0.2
    factors: int = 64
    length: int = 50
    """Last items that are read."""
    layers: int = 2
    rate: float = 2e-3

    name: ClassVar[str] = "sasrec"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "dropout": (0.2, 0.5),
        "factors": (64, 128),
    }

    def learn(self, training: Training) -> None:
        if importlib.util.find_spec("torch") is None:
            raise CannotRunError("system.no_torch")
        import torch

        items = len(training.x.item_ids)
        past = [
            one.items
            for one in training.asked(np.arange(len(training.x.user_ids))).histories
            if len(one.items)
        ]
        random = np.random.default_rng(training.seed)
        # The seed of torch is everybody's, so it is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            self._network = _Network(items, self.factors, self.layers, self.length, self.dropout)
            self._fit(past, random)

    def judge(self, asked: UserBatch) -> Scores:
        import torch

        rows = [at for at, one in enumerate(asked.histories) if len(one.items)]
        scores = np.zeros((len(asked), self._network.items), dtype=np.float32)
        if rows:
            with torch.inference_mode():
                scores[rows] = self._network.last(
                    [asked.histories[at].items for at in rows]
                ).numpy()
        return scores

    def _fit(self, past: Sequence[Ints], random: np.random.Generator) -> None:
        """Learn from different users' items, oldest first; at the end the network is that of its
        best epoch.
        """
        import torch

        held_out = _held_out(past, random)
        lessons = [
            _windows(one[:-1] if at in held_out else one, self.length)
            for at, one in enumerate(past)
        ]
        windows = [window for some in lessons for window in some]
        optimiser = torch.optim.Adam(self._network.parameters, lr=self.rate, betas=(0.9, 0.98))
        began, best, waited = time.thread_time(), -1.0, 0
        best_state = self._network.state()
        for _ in range(_EPOCHS):
            self._network.train()
            for batch in _batches(windows, self._network.items, random):
                if time.thread_time() - began > SECONDS:
                    break
                optimiser.zero_grad()
                self._network.loss(batch).backward()  # type: ignore[no-untyped-call, unused-ignore]
                optimiser.step()
            self._network.rest()
            reached = self._reached([past[at] for at in held_out])
            waited = 0 if reached > best else waited + 1
            if reached > best:
                best, best_state = reached, self._network.state()
            if waited >= _PATIENCE or time.thread_time() - began > SECONDS:
                break
        self._network.restore(best_state)

    def _reached(self, histories: Sequence[Ints]) -> float:
        """Mean ndcg@10 of each one's last item from those before; 0 where nobody is held out, so
        that time decides.
        """
        import torch

        if not histories:
            return 0.0
        values = []
        with torch.inference_mode():
            for begin in range(0, len(histories), 100):
                chunk = histories[begin : begin + 100]
                scores = self._network.last([one[:-1] for one in chunk])
                for row, one in enumerate(chunk):
                    scores[row, torch.from_numpy(one[:-1])] = -torch.inf
                top = scores.topk(min(10, scores.shape[1])).indices.numpy()
                ends = np.arange(len(chunk) + 1, dtype=np.int64)
                hits = hit_matrix(top, ends, np.array([one[-1] for one in chunk], dtype=np.int64))
                values.append(ndcg(hits, np.ones(len(chunk), dtype=np.int64), 10))
        return float(np.concatenate(values).mean())


@dataclass(frozen=True)
class _Window:
    """A stretch of one user's items."""

    read: Ints
    """[n] items, oldest first."""
    next: Ints
    """[n] the item that followed each; -1 where the user had had it before."""


def _held_out(past: Sequence[Ints], random: np.random.Generator) -> frozenset[int]:
    """Positions of users whose last item is new to them, with two or more before it."""
    able = [at for at, one in enumerate(past) if len(one) > 2 and one[-1] not in one[:-1]]
    drawn = random.permutation(len(able))[: min(_VALIDATED, len(past) // 5)]
    return frozenset(able[at] for at in drawn)


def _windows(items: Ints, length: int) -> list[_Window]:
    """Training windows of one user's items, cut from the end, so that every item but the first is a
    target once.
    """
    if len(items) < 2:
        return []
    again = np.ones(len(items), dtype=bool)
    again[np.unique(items, return_index=True)[1]] = False
    following = np.where(again, -1, items)[1:]
    ends = range(len(following), 0, -length)
    found = [
        _Window(items[max(end - length, 0) : end], following[max(end - length, 0) : end])
        for end in ends
    ]
    return [one for one in found if (one.next >= 0).any()]


def _batches(
    windows: Sequence[_Window], items: int, random: np.random.Generator
) -> Iterator[list[_Window]]:
    """In random order, up to `_BATCH` of them and as many as may be scored at once; those of like
    length together.
    """
    order = random.permutation(len(windows))
    order = order[np.argsort([len(windows[at].read) // 10 for at in order], kind="stable")]
    parts: list[list[_Window]] = [[]]
    places = 0
    for begin in order.tolist():
        size = len(windows[begin].read)
        if parts[-1] and (len(parts[-1]) >= _BATCH or (places + size) * items > _LOGITS):
            parts.append([])
            places = 0
        parts[-1].append(windows[begin])
        places += size
    for begin in random.permutation(len(parts)).tolist():
        if parts[begin]:
            yield parts[begin]


class _Network:
    """Items and places as vectors, causal self-attention over them, and the same items as what is
    predicted.
    """

    def __init__(self, items: int, factors: int, layers: int, length: int, dropout: float) -> None:
        from torch import nn

        self.items, self._length = items, length
        self._item, self._place = (
            nn.Embedding(items + 1, factors, padding_idx=items),
            nn.Embedding(length, factors),
        )
        nn.init.normal_(self._item.weight, std=0.02)
        nn.init.normal_(self._place.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            factors,
            nhead=max(1, factors // 64),
            dim_feedforward=factors,
            dropout=dropout,
            batch_first=True,
            norm_first=True,
        )
        self._read = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(factors), enable_nested_tensor=False
        )
        self._drop = nn.Dropout(dropout)
        self._all = nn.ModuleList([self._item, self._place, self._read, self._drop])
        self.parameters = list(self._all.parameters())

    def train(self) -> None:
        self._all.train()

    def rest(self) -> None:
        """Learn no more: nothing is dropped by chance."""
        self._all.eval()

    def state(self) -> "list[torch.Tensor]":
        return [one.detach().clone() for one in self.parameters]

    def restore(self, state: "Sequence[torch.Tensor]") -> None:
        for one, kept in zip(self.parameters, state, strict=True):
            one.data.copy_(kept)

    def loss(self, batch: Sequence[_Window]) -> "torch.Tensor":
        """Mean cross-entropy of what followed, over the whole catalogue."""
        import torch
        from torch.nn import functional

        states, sizes = self._states([one.read for one in batch])
        following = torch.full(states.shape[:2], -1, dtype=torch.int64)
        for row, one in enumerate(batch):
            following[row, : sizes[row]] = torch.from_numpy(one.next)
        kept = following >= 0
        return functional.cross_entropy(
            states[kept] @ self._item.weight[: self.items].T, following[kept]
        )

    def last(self, past: Sequence[Ints]) -> "torch.Tensor":
        """[users, items] scores of what comes after each user's items."""
        import torch

        states, sizes = self._states(past)
        return (
            states[torch.arange(len(past)), torch.tensor(sizes) - 1]
            @ self._item.weight[: self.items].T
        )

    def _states(self, past: Sequence[Ints]) -> "tuple[torch.Tensor, list[int]]":
        """[users, longest, factors], and how many of each user's are no padding, which stands at
        the end.

        Places are counted from the end of what is read, as in the paper, which pads in front.
        """
        import torch
        from torch import nn

        shown = [one[-self._length :] for one in past]
        sizes = [len(one) for one in shown]
        longest = max(sizes)
        items = torch.full((len(shown), longest), self.items, dtype=torch.int64)
        for row, one in enumerate(shown):
            items[row, : sizes[row]] = torch.from_numpy(one)
        place = (
            torch.arange(longest)[None, :] + self._length - torch.tensor(sizes)[:, None]
        ).clamp(max=self._length - 1)
        given = self._drop(self._item(items) * self._item.embedding_dim**0.5 + self._place(place))
        mask = nn.Transformer.generate_square_subsequent_mask(longest)
        states: torch.Tensor = self._read(given, mask=mask, is_causal=True)
        return states, sizes
