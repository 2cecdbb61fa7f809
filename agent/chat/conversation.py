"""What a conversation remembers, bounded in tokens."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from limner.chat.reading import QuestionReading
from limner.chat.steps import Step
from limner.core.columns import NO_NOUNS, Nouns
from limner.core.schema import ChatMessage
from limner.llm import tokens

MEMORY_TOKENS = 2000
"""Of what was said before, at most, by default."""
_NUMBERED = 400
"""Events of a conversation that keep their numbers."""
_USERS = 4


@dataclass
class Conversation:
    """What was said so far and whom it was about, bounded in tokens."""

    turns: list[ChatMessage] = field(default_factory=list)
    user_id: str | None = None
    """The user last spoken of, so that "and what did they buy?" has someone to mean."""
    max_tokens: int = MEMORY_TOKENS
    """Of the turns that are kept."""
    users: tuple[str, ...] = ()
    """The users spoken of lately, the last one last, for "compare those two"."""
    items: tuple[str, ...] = ()
    """Item ids of the last recommendations or list, for "why the second?"."""
    reading: QuestionReading | None = None
    """The last question that was answered, for "and user 7?"."""
    steps: tuple[Step, ...] = ()
    """What was called for it, for "why?"."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Event ids that were cited, by the number that stands for each."""
    given: int = 0
    """Numbers that were given out."""
    only: str | None = None
    """The one user who asks and of whom it may tell; None: it tells of everyone."""
    nouns: Nouns = NO_NOUNS
    """What things of the catalogue are called."""

    def __post_init__(self) -> None:
        if self.only is not None:
            self.users, self.user_id = (self.only,), self.only

    def may(self, step: Step) -> bool:
        """Whether a call tells of nobody whom it must not tell of."""
        return self.only is None or step.keeps_to(self.only)

    def add(self, question: str, answer: str) -> None:
        """Remember a turn; the oldest are forgotten until the rest fits, and of the newest the end
        is cut.
        """
        self.turns += [
            ChatMessage(role="user", content=question),
            ChatMessage(role="assistant", content=answer),
        ]
        sizes = [tokens.count(turn.content) for turn in self.turns]
        while len(self.turns) > 2 and sum(sizes) > self.max_tokens:
            del self.turns[:2], sizes[:2]
        if sum(sizes) > self.max_tokens:
            half = self.max_tokens // 2
            self.turns = [
                one.model_copy(update={"content": tokens.cut(one.content, half)})
                for one in self.turns
            ]

    def number_of(self, event_id: str) -> int:
        """The number that stands for an event, given out at its first use."""
        if event_id not in self.numbers:
            self.given += 1
            self.numbers[event_id] = self.given
            if len(self.numbers) > _NUMBERED:
                del self.numbers[next(iter(self.numbers))]
        return self.numbers[event_id]

    def spoke_of(self, user_ids: Iterable[str]) -> None:
        """The users of this turn come last."""
        found = tuple(dict.fromkeys(user_ids))
        if found:
            kept = tuple(one for one in self.users if one not in found)
            self.users = (*kept, *found)[-_USERS:]
            self.user_id = found[-1]
