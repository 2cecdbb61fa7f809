"""Questions about users in words: the only place for langchain.

A model graded `full` plans the tool calls; below that a deterministic planner chooses them, in
English and Chinese, and a model graded `phrase` only words what they returned. Either way an answer
is checked after it is written: a sentence that says what no tool returned goes, and where too
little stands the tools' own statements are the answer.
"""

from limner.chat.conversation import Conversation
from limner.chat.flow import answer, recall, stream
from limner.chat.plan import plan
from limner.chat.values import Answer, CitedEvent, Finished, Piece, TextDelta, ToolCall, ToolStarted

__all__ = [
    "Answer",
    "CitedEvent",
    "Conversation",
    "Finished",
    "Piece",
    "TextDelta",
    "ToolCall",
    "ToolStarted",
    "answer",
    "plan",
    "recall",
    "stream",
]
