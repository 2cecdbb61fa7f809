"""What a hosted model is told in chat: texts masked, user ids behind pseudonyms, and back again."""

from collections.abc import Collection

from pydantic import Field
from typing_extensions import override

from limner.chat import Conversation
from limner.chat.compose import lines_of
from limner.chat.model import CallLog, langchain_tool, phrased
from limner.chat.pseudonymizer import Pseudonymizer
from limner.core.settings import PrivacySettings, Settings
from limner.engine import Engine
from limner.state.reader import DataReader
from limner.testing import FakeChat
from limner.tools.base import Args, Result, Tool, ToolStatement

QUESTION = "What does 196 like, and who is like ann-1?"


class Asked(Args):
    user_id: str = Field(description="")


class Found(Result):
    user_id: str
    others: list[dict[str, str]] = Field(default=[])


class ThreeUsers(DataReader):
    def __init__(self) -> None: ...

    @override
    def known_users(self, among: Collection[str]) -> set[str]:
        return {"196", "ann-1", "bo"} & set(among)


class FakeEngine(Engine):
    """Knows three users and settings, and has nothing else."""

    def __init__(self, privacy: PrivacySettings) -> None:
        self.settings, self.data = Settings(privacy=privacy), ThreeUsers()


def engine(privacy: PrivacySettings | None = None) -> Engine:
    return FakeEngine(privacy or PrivacySettings())


async def told(pseudonymizer: Pseudonymizer, user_id: str) -> tuple[str, str]:
    """(the user that the tool was asked about, what the model reads of it)."""
    asked: list[str] = []

    async def run(_: Engine, args: Args) -> Result:
        asked.append(args.model_dump()["user_id"])
        said = ToolStatement(form="as_is", values={"text": "196 wrote to a@b.org of bo"})
        return Found(found=True, said=[said], user_id="196", others=[{"user_id": "bo"}])

    one = Tool("portrait", "a portrait", Asked, run)
    read = await langchain_tool(
        engine(), one, CallLog(), pseudonymizer, "en", Conversation()
    ).ainvoke({"user_id": user_id})
    return asked[0], read


async def test_a_hosted_model_reads_pseudonyms_and_asks_by_them() -> None:
    pseudonymizer = Pseudonymizer.of(engine(), QUESTION, Conversation(), hosted=True)
    out = pseudonymizer.out(QUESTION)
    assert "196" not in out and "ann-1" not in out and pseudonymizer.back(out) == QUESTION
    alias = out.split()[2]
    asked, read = await told(pseudonymizer, alias)
    assert asked == "196"
    assert not {"196", "bo", "a@b.org"} & set(read.split())
    assert pseudonymizer.back(read).endswith("of bo") and alias in read


async def test_settings_and_models_on_this_machine_leave_ids_as_they_are() -> None:
    open_ = Pseudonymizer.of(
        engine(PrivacySettings(pseudonyms=False)), QUESTION, Conversation(), hosted=True
    )
    assert open_.out(QUESTION) == QUESTION
    asked, read = await told(open_, "196")
    assert asked == "196" and "bo" in read and "a@b.org" not in read
    here = Pseudonymizer.of(engine(), QUESTION, Conversation(), hosted=False)
    asked, read = await told(here, "196")
    assert here.out(QUESTION) == QUESTION and asked == "196" and "a@b.org" in read


async def test_a_hosted_model_that_words_results_reads_pseudonyms_of_the_users_in_them_too() -> (
    None
):
    alike = ToolStatement(form="similar.user", values={"user": "bo", "likeness": 0.5, "shared": 3})
    result = Result(
        found=True,
        said=[ToolStatement(form="similar.users", values={"users": alike, "user": "196", "n": 7})],
    )
    talk, chat = Conversation(), FakeChat(lambda request: request.messages[-1].content, hosted=True)
    said = await phrased(
        engine(), chat, "Who is like 196?", [result], lines_of(result.said, "en", talk), "en", talk
    )
    sent = chat.requests[0].messages[-1].content
    assert "likeness 0.5" in sent and not {"196", "bo"} & set(sent.split())
    assert "Most like user 196 are users bo " in said
