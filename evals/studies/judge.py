"""A model's opinion of a reason: whether it follows from what it cites.

A verdict that cannot be read is unscored, never a no: a judge that does not understand the form
says nothing of what it judges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from limner.core.errors import BudgetSpentError, ModelError
from limner.llm import Chat, ChatRequest, ask
from limner.llm.prompts import load_prompt


class Verdict(BaseModel):
    """The judge's answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["supported", "unsupported"]


@dataclass(frozen=True)
class Judge:
    chat: Chat
    override: str = ""
    """Path of a prompt file instead of the built-in one."""

    async def supported(
        self, user_id: str, title: str, text: str, evidence: Sequence[str]
    ) -> bool | None:
        """Whether a reason follows; None where there is no verdict. Raises BudgetSpentError."""
        prompt = load_prompt("judge-reason", self.override)
        messages = prompt.render(
            item=title, reason=text, evidence="\n".join(f"- {one}" for one in evidence) or "- none"
        )
        request = ChatRequest(
            purpose="judge", prompt=prompt.label, messages=messages, user_id=user_id, max_tokens=40
        )
        try:
            verdict, _ = await ask(self.chat, request, Verdict)
        except BudgetSpentError:
            raise
        except ModelError:
            return None
        return verdict.verdict == "supported"
