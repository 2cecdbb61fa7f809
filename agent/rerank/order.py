"""Reordering a shortlist with a model: listwise in shuffled rounds, or pointwise by log-odds; never
leaving the list.

**Listwise** (grade `full`). Each round shows the candidates in another order under short local
numbers. Rounds come in pairs: the second shows the first's order reversed, so that a preference for
places at the top of the prompt cancels out (a model that only copies the order it is shown leaves
the prior order as it was). Orders are joined by mean rank (Borda 1781); asking stops when a further
round hardly moves the joint order (Kendall's tau of at least STABLE).

**Pointwise** (grades `full` and `phrase`). Log-odds of "yes" for this user minus the log-odds for a
user of whom nothing is known, which takes out what the model thinks of the item itself.

Either order is blended with the prior order by ranks: blend = (1 - w) prior + w model, each 1 for
the first place and 0 for the last. The weight w is fitted on the past (`limner.rerank.weight`); a
model whose weight is zero is not asked.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from limner.core.errors import ModelError
from limner.core.messages import Message, message
from limner.core.schema import Grade, Item, Preference, RerankState
from limner.core.settings import Settings
from limner.core.telemetry import logged
from limner.llm import Chat, ChatRequest, ask
from limner.llm.prompts import Prompt, load_prompt
from limner.words import plain_title, spoken

LISTWISE, POINTWISE = "rerank", "judge-item"
"""Prompts."""
STABLE = 0.9
"""Kendall's tau between the joint orders before and after a round, from which asking stops."""
MIN_RETURNED = 0.5
"""Share of the candidates that a listwise answer must name to count."""
MAX_PREFERENCES = 8
MAX_TITLES = 5
YES, NO = "yes", "no"


class Ranking(BaseModel):
    """The form of a listwise answer."""

    model_config = ConfigDict(extra="forbid")

    order: list[int]
    """Local numbers, best first."""


@dataclass(frozen=True)
class Taste:
    """The description of a user in the prompt."""

    preferences: Sequence[Preference] = ()
    """Strongest first."""
    liked: Sequence[Item] = ()
    disliked: Sequence[Item] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.preferences or self.liked or self.disliked)


@dataclass(frozen=True)
class ModelOrder:
    """A model's own order of the items it was shown."""

    order: list[str]
    """Best first; empty where the model gave none."""
    method: str = ""
    """listwise, pointwise, likeness, or empty where it was not asked."""
    rounds: int = 0
    invented: int = 0
    """Numbers in answers that stood for no candidate, or for one twice."""
    state: RerankState = "skipped"
    note: Message | None = None
    """Why it was skipped or failed, for a person."""


@dataclass(frozen=True)
class Reranked:
    order: list[str]
    """Every item of the prior, best first."""
    state: RerankState
    scores: dict[str, float] = field(default_factory=dict)
    """Blended score in [0, 1] of the items that were reordered."""
    method: str = ""
    """listwise, pointwise, likeness, or empty where nothing was applied."""
    rounds: int = 0
    invented: int = 0
    """Numbers in answers that stood for no candidate, or for one twice."""
    note: Message | None = None
    """Why it was skipped or failed, for a person."""


@logged("rerank", "order", lambda done: {"state": done.state, "moved": len(done.scores)})
async def rerank(
    prior: Sequence[str],
    items: Mapping[str, Item],
    taste: Taste,
    chat: Chat | None,
    grade: Grade,
    settings: Settings,
    *,
    weight: float,
    user_id: str | None = None,
    likeness: Mapping[str, float] | None = None,
) -> Reranked:
    """The prior order, its first `settings.rerank.top` items reordered.

    prior: different item ids, best first, all in `items`. weight: share in [0, 1] of the model's
    order in the blend; at 0 the model is not asked. likeness: see `judge`. A model that fails
    leaves the prior order and the state `failed`.
    """
    if not weight:
        return Reranked(list(prior), "skipped")
    head = list(prior[: settings.rerank.top])
    judged = await judge(
        head, items, taste, chat, grade, settings, user_id=user_id, likeness=likeness
    )
    if not judged.order:
        return Reranked(list(prior), judged.state, invented=judged.invented, note=judged.note)
    blended, scores = blend(head, judged.order, weight)
    order = [*blended, *prior[len(head) :]]
    return Reranked(
        order, "applied", scores, judged.method, judged.rounds, judged.invented, judged.note
    )


async def judge(
    head: Sequence[str],
    items: Mapping[str, Item],
    taste: Taste,
    chat: Chat | None,
    grade: Grade,
    settings: Settings,
    *,
    user_id: str | None = None,
    likeness: Mapping[str, float] | None = None,
) -> ModelOrder:
    """The model's own order of `head`, different item ids that are all in `items`.

    likeness: for pointwise mode where the model tells no log-probabilities (or there is none), e.g.
    cosine to the user's likes minus cosine to their dislikes.
    """
    mode, note = _mode(settings, chat, grade, likeness)
    if not mode or len(head) < 2 or taste.is_empty:
        return ModelOrder([], note=note or message("rerank.too_little"))
    try:
        if mode == "listwise":
            assert chat is not None
            return await _listwise(list(head), items, taste, chat, settings, user_id)
        return await _pointwise(list(head), items, taste, chat, settings, user_id, likeness)
    except ModelError as error:
        return ModelOrder([], state="failed", note=error.message)


def _mode(
    settings: Settings, chat: Chat | None, grade: Grade, likeness: Mapping[str, float] | None
) -> tuple[str, Message | None]:
    """(`listwise`, `pointwise` or empty, why it is empty). A model is never trusted above its
    grade.
    """
    mode = settings.rerank.mode
    able = chat is not None and grade != "none"
    ranks_lists = able and grade == "full"
    if mode == "off":
        return "", message("rerank.off")
    if mode == "auto":
        if not able:
            return "", message("rerank.no_model")
        return "listwise" if ranks_lists else "pointwise", None
    if mode == "listwise":
        return (mode, None) if ranks_lists else ("", message("rerank.no_lists", grade=grade))
    if able or likeness is not None:
        return "pointwise", None
    return "", message("rerank.no_items", grade=grade)


# ---------------------------------------------------------------- listwise


async def _listwise(
    head: list[str],
    items: Mapping[str, Item],
    taste: Taste,
    chat: Chat,
    settings: Settings,
    user_id: str | None,
) -> ModelOrder:
    prompt = _prompt(LISTWISE, settings)
    shuffler = random.Random(settings.rerank.seed)
    orders: list[list[str]] = []
    joint = head
    shown = head
    invented, note = 0, None
    for turn in range(settings.rerank.rounds):
        shown = shown[::-1] if turn % 2 else shuffler.sample(head, len(head))
        try:
            order, wrong = await _round(shown, head, items, taste, chat, prompt, settings, user_id)
        except ModelError as error:
            if len(orders) < 2:
                raise  # one unpaired round would only pass on the model's position bias
            note = error.message
            break
        invented += wrong
        if order is None:
            continue
        orders.append(order)
        before, joint = joint, mean_rank_order(orders, head)
        if len(orders) >= 2 and kendall_tau(before, joint) >= STABLE:
            break
    if len(orders) < 2:
        why = message("rerank.not_ordered", model=chat.name)
        return ModelOrder([], invented=invented, state="failed", note=why)
    return ModelOrder(joint, "listwise", len(orders), invented, "applied", note)


async def _round(
    shown: Sequence[str],
    head: Sequence[str],
    items: Mapping[str, Item],
    taste: Taste,
    chat: Chat,
    prompt: Prompt,
    settings: Settings,
    user_id: str | None,
) -> tuple[list[str] | None, int]:
    """(order of all candidates, or None where too few were named; how many numbers stood for no
    candidate or a repeated one).
    """
    lines = "\n".join(
        f"{number}. {item_line(items[item_id])}" for number, item_id in enumerate(shown, 1)
    )
    request = ChatRequest(
        purpose="rerank",
        prompt=prompt.label,
        messages=prompt.render(taste=taste_text(taste, settings.portrait.language), items=lines),
        user_id=user_id,
        max_tokens=30 + 6 * len(shown),
        temperature=settings.llm.temperature,
    )
    ranking, _ = await ask(chat, request, Ranking)
    named: dict[str, None] = {}
    wrong = 0
    for number in ranking.order:
        if 1 <= number <= len(shown) and shown[number - 1] not in named:
            named[shown[number - 1]] = None
        else:
            wrong += 1
    if len(named) < MIN_RETURNED * len(shown):
        return None, wrong
    return [*named, *(item_id for item_id in head if item_id not in named)], wrong


def mean_rank_order(orders: Sequence[Sequence[str]], prior: Sequence[str]) -> list[str]:
    """Items of `prior` by mean rank over the orders; ties keep the prior order. Each order holds
    every item.
    """
    total = dict.fromkeys(prior, 0)
    for order in orders:
        for rank, item_id in enumerate(order):
            total[item_id] += rank
    return sorted(prior, key=lambda item_id: total[item_id])  # sorted() is stable: ties stay


def kendall_tau(a: Sequence[str], b: Sequence[str]) -> float:
    """Kendall's tau-a of two orders of the same items, in [-1, 1]; 1 below two items."""
    place = {item_id: rank for rank, item_id in enumerate(b)}
    ranks = [place[item_id] for item_id in a]
    pairs = len(ranks) * (len(ranks) - 1) // 2
    if not pairs:
        return 1.0
    swapped = sum(ranks[i] > ranks[j] for i in range(len(ranks)) for j in range(i + 1, len(ranks)))
    return 1 - 2 * swapped / pairs


# ---------------------------------------------------------------- pointwise


async def _pointwise(
    head: list[str],
    items: Mapping[str, Item],
    taste: Taste,
    chat: Chat | None,
    settings: Settings,
    user_id: str | None,
    likeness: Mapping[str, float] | None,
) -> ModelOrder:
    odds = None
    if chat is not None:
        odds = await _contrast(head, items, taste, chat, settings, user_id)
    method = "pointwise"
    if odds is None:
        if likeness is None or any(item_id not in likeness for item_id in head):
            return ModelOrder(
                [],
                note=message("rerank.no_probabilities", model=chat.name if chat else "The model"),
            )
        odds, method = {item_id: likeness[item_id] for item_id in head}, "likeness"
    return ModelOrder(sorted(head, key=lambda item_id: -odds[item_id]), method, state="applied")


async def _contrast(
    head: Sequence[str],
    items: Mapping[str, Item],
    taste: Taste,
    chat: Chat,
    settings: Settings,
    user_id: str | None,
) -> dict[str, float] | None:
    """By item id, log-odds of yes for this user minus those for a user of whom nothing is known;
    None where the model gives no log-probabilities.
    """
    first, *rest = head
    mine = taste_text(taste, settings.portrait.language)
    probe = await _log_odds(items[first], mine, chat, settings, user_id)
    if probe is None:
        return None
    # The user's part was read by the first call; the others find it in the server's cache.
    own = [
        probe,
        *await asyncio.gather(*(_log_odds(items[i], mine, chat, settings, user_id) for i in rest)),
    ]
    # Without a user: these answers are the same for everyone and come from the answer cache next
    # time.
    bare = await asyncio.gather(*(_log_odds(items[i], NEUTRAL, chat, settings, None) for i in head))
    odds: dict[str, float] = {}
    for item_id, with_user, without in zip(head, own, bare, strict=True):
        if with_user is None or without is None:
            return None
        odds[item_id] = with_user - without
    return odds


async def _log_odds(
    item: Item, taste: str, chat: Chat, settings: Settings, user_id: str | None
) -> float | None:
    prompt = _prompt(POINTWISE, settings)
    answer = await chat.complete(
        ChatRequest(
            purpose="rerank",
            prompt=prompt.label,
            messages=prompt.render(taste=taste, item=item_line(item)),
            user_id=user_id,
            max_tokens=1,
            choices=(YES, NO),
        )
    )
    if answer.logprobs is None or not {YES, NO} <= set(answer.logprobs):
        return None
    return answer.logprobs[YES] - answer.logprobs[NO]


# ---------------------------------------------------------------- shared

NEUTRAL = "Nothing is known about this user's taste."


def blend(
    prior: Sequence[str], judged: Sequence[str], weight: float
) -> tuple[list[str], dict[str, float]]:
    """Two orders of the same items joined by ranks; `weight` is the second's share. Ties keep the
    prior order.
    """
    last = max(1, len(prior) - 1)
    place = {item_id: rank for rank, item_id in enumerate(judged)}
    scores = {
        item_id: round((1 - weight) * (1 - rank / last) + weight * (1 - place[item_id] / last), 6)
        for rank, item_id in enumerate(prior)
    }
    return sorted(prior, key=lambda item_id: -scores[item_id]), scores


def taste_text(taste: Taste, language: str) -> str:
    """The user's part of a prompt: what they like and dislike, and titles."""
    facet_name = spoken(language).facet
    lines = []
    for word, polarity in (("likes", "like"), ("dislikes", "dislike")):
        preferences = [p for p in taste.preferences if p.polarity == polarity]
        values = [f"{facet_name(p.facet)}: {p.value}" for p in preferences[:MAX_PREFERENCES]]
        if values:
            lines.append(f"The user {word} {'; '.join(values)}.")
    for word, items in (("enjoyed", taste.liked), ("did not enjoy", taste.disliked)):
        titles = [f'"{plain_title(item.title)}"' for item in items if item.title]
        if titles:
            lines.append(f"The user {word} {', '.join(titles[:MAX_TITLES])}.")
    return "\n".join(lines) or NEUTRAL


def item_line(item: Item) -> str:
    """A candidate as a model sees it: title, categories and the first attributes."""
    parts = [", ".join(item.categories[:5])]
    for name, value in list(item.attributes.items())[:4]:
        text = ", ".join(value[:4]) if isinstance(value, list) else str(value)
        if 0 < len(text) <= 60:
            parts.append(f"{name}: {text}")
    if item.price is not None:
        parts.append(f"price: {item.price:g}")
    about = "; ".join(part for part in parts if part)
    title = plain_title(item.title) or item.item_id
    return f'"{title}"' + (f" ({about})" if about else "")


def prompts_of(settings: Settings) -> list[str]:
    """Labels (id, version and content hash) of the prompts that a model may be asked with."""
    return [_prompt(prompt_id, settings).label for prompt_id in (LISTWISE, POINTWISE)]


def _prompt(prompt_id: str, settings: Settings) -> Prompt:
    return load_prompt(prompt_id, settings.prompts.get(prompt_id, ""))
