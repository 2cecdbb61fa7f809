"""Room for models that think before they answer."""

from limner.llm.base import ChatReply

_FIRST, _MOST = 1024, 16_384


class ThinkingRoom:
    """Tokens that are added to the limit of every request to one model, since thinking counts
    against it. None at first; it grows when a model has spent a whole limit without a word.
    """

    def __init__(self) -> None:
        self.tokens = 0

    def grows(self, reply: ChatReply, room: int) -> bool:
        """Whether a reply that was asked with so much room should be asked again with more."""
        if reply.outcome != "truncated" or reply.text.strip() or reply.tool_uses or room >= _MOST:
            return False
        if room == self.tokens:  # no call beside it has seen to it
            self.tokens = min(_MOST, max(_FIRST, 4 * room))
        return True
