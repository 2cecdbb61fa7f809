"""Between this machine and a hosted model: texts go out masked and without user ids, which come
back shown.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from limner.chat.conversation import Conversation
from limner.chat.reading import read, words_of
from limner.engine import Engine
from limner.llm.privacy import TextMask, masker
from limner.tools import Result, ToolStatement


@dataclass(frozen=True)
class Pseudonymizer:
    """What hides and shows; neither where the model is on this machine."""

    mask: Callable[[str], str] = str
    text_mask: TextMask | None = None

    @classmethod
    def of(
        cls, engine: Engine, question: str, talk: Conversation, *, hosted: bool
    ) -> "Pseudonymizer":
        if not hosted:
            return cls()
        hide = masker(engine.settings)
        if not engine.settings.privacy.pseudonyms:
            return cls(hide)
        text_mask = TextMask()
        said = [question, *(turn.content for turn in talk.turns)]
        if talk.only is None:
            text_mask.learn({*engine.data.known_users(words_of(" ".join(said))), *talk.users})
        else:  # whoever is called a user, known or not: a model that saw which is one could tell
            text_mask.learn(
                [
                    *talk.users,
                    *(one for text in said for one in read(engine, text, talk.only).nobody),
                ]
            )
        return cls(hide, text_mask)

    def out(self, text: str) -> str:
        return self.text_mask.hide(self.mask(text)) if self.text_mask else self.mask(text)

    def back(self, text: str) -> str:
        return self.text_mask.show(text) if self.text_mask else text

    def told(self, result: Result, lines: Iterable[str]) -> str:
        """A tool's result as a model reads it; users that it names are hidden from then on."""
        self.learn([result])
        return self.out("\n".join(lines))

    def learn(self, results: Iterable[Result]) -> None:
        """The users that results name, to be hidden from now on."""
        if self.text_mask:
            for one in results:
                self.text_mask.learn(_users_of(one.model_dump()))
                self.text_mask.learn(_said_users(one.said))


def _users_of(node: object) -> Iterator[str]:
    """Whatever stands under the name `user_id` or `other_id`."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("user_id", "other_id") and isinstance(value, str):
                yield value
            yield from _users_of(value)
    elif isinstance(node, list):
        for part in node:
            yield from _users_of(part)


def _said_users(said: Iterable[ToolStatement]) -> Iterator[str]:
    """Users that statements name."""
    for one in said:
        yield from _said_users(one.instead.values())
        for name, value in one.values.items():
            if isinstance(value, ToolStatement):
                yield from _said_users([value])
            elif name in ("user", "other", "more", "less") and isinstance(value, str):
                yield value
