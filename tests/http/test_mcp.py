"""`limner mcp` asked by the SDK's own client over stdio."""

import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import TextContent, TextResourceContents

from limner.core.schema import Profile
from limner.tools import TOOLS
from tests.e2e.running import TABLES, environment, limner, write_tables


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained store, and a user whose id needs quoting."""
    folder = tmp_path_factory.mktemp("mcp")
    write_tables(folder)
    with (folder / "events.csv").open("a", encoding="utf-8") as file:
        file.write("a/b c,01,5,1000000000\n")
    for args in (("ingest", *TABLES), ("train",)):
        done = limner(folder, *args)
        assert done.code == 0, done.err
    return folder


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[Client]:
    args = ["-m", "limner.cli", "--data", "store", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=args, env=environment(), cwd=folder)
    async with Client(server) as client:
        yield client


async def test_the_tools_are_the_chats_and_answer(place: Path) -> None:
    async with connected(place) as client:
        listed = (await client.list_tools()).tools
        assert [one.name for one in listed] == [one.name for one in TOOLS]
        for offered, tool in zip(listed, TOOLS, strict=True):
            assert offered.input_schema == tool.args.model_json_schema()
            assert offered.description == tool.description
        found = await client.call_tool("portrait", {"user_id": "u1"})
        assert not found.is_error
        [content] = found.content
        assert isinstance(content, TextContent)
        assert found.structured_content["found"]
        assert found.structured_content["answer"] in content.text
        assert found.structured_content["evidence"]
        assert all(event in content.text for event in found.structured_content["evidence"])
        items = await client.call_tool("recommend", {"user_id": "u1", "n": 3})
        assert not items.is_error
        assert items.structured_content["found"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("portrait", {"user_id": "nobody"}, "nobody"),
        ("portrait", {}, "user_id"),
        ("portrait", {"user_id": "u1", "colour": "red"}, "colour"),
        ("recommend", {"user_id": "u1", "n": "many"}, "n:"),
    ],
)
async def test_a_mistake_is_told_to_the_model(
    place: Path, tool: str, arguments: dict[str, str], said: str
) -> None:
    async with connected(place) as client:
        found = await client.call_tool(tool, arguments)
        [content] = found.content
        assert isinstance(content, TextContent)
        assert found.is_error or found.structured_content["found"] is False
        assert said in content.text
        assert not (await client.call_tool("portrait", {"user_id": "u1"})).is_error


async def test_portraits_and_contexts_are_resources(place: Path) -> None:
    async with connected(place) as client:
        templates = {
            one.uri_template for one in (await client.list_resource_templates()).resource_templates
        }
        assert templates == {"limner://users/{id}/portrait", "limner://users/{id}/context"}
        [portrait] = (await client.read_resource("limner://users/u2/portrait")).contents
        assert isinstance(portrait, TextResourceContents)
        profile = Profile.model_validate_json(portrait.text)
        assert profile.user_id == "u2"
        [context] = (await client.read_resource("limner://users/u2/context")).contents
        assert isinstance(context, TextResourceContents)
        assert context.mime_type == "text/plain"
        assert profile.preferences[0].evidence[0] in context.text
        [quoted] = (await client.read_resource("limner://users/a%2Fb%20c/portrait")).contents
        assert isinstance(quoted, TextResourceContents)
        assert json.loads(quoted.text)["user_id"] == "a/b c"
        listed = {str(one.uri) for one in (await client.list_resources()).resources}
        assert {"limner://users/u2/portrait", "limner://users/a%2Fb%20c/portrait"} <= listed
        for uri in (
            "limner://users/nobody/portrait",
            "limner://users/nobody/context",
            "limner://items/1/portrait",
        ):
            with pytest.raises(MCPError):
                await client.read_resource(uri)


async def test_prompts_carry_the_users_context(place: Path) -> None:
    async with connected(place) as client:
        assert {one.name for one in (await client.list_prompts()).prompts} == {
            "describe_user",
            "recommend_to_user",
        }
        asked = {"user_id": "u3", "question": "Does this user like horror?"}
        context, words = (await client.get_prompt("describe_user", asked)).messages
        assert context.content.type == "resource"
        assert "u3" in context.content.resource.text  # type: ignore[union-attr]
        assert words.content.type == "text"
        assert "Does this user like horror?" in words.content.text
        for name, arguments in (
            ("describe_user", {}),
            ("nothing", {"user_id": "u3"}),
            ("describe_user", {"user_id": "x"}),
        ):
            with pytest.raises(MCPError):
                await client.get_prompt(name, arguments)


def test_stdout_carries_the_protocol_alone_and_the_end_of_stdin_ends_it(
    place: Path, tmp_path: Path
) -> None:
    """On a store that was only ingested, so that the first answer trains."""
    folder = Path(shutil.copytree(place, tmp_path / "fresh"))
    shutil.rmtree(folder / "store")
    assert limner(folder, "ingest", *TABLES).code == 0
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    sent = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "recommend", "arguments": {"user_id": "u1", "n": 2}},
        },
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "limner.cli", "--data", "store", "mcp"],
        cwd=folder,
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    for one in sent:
        process.stdin.write(json.dumps(one) + "\n")
    process.stdin.flush()
    lines = [json.loads(process.stdout.readline())]
    while lines[-1].get("id") != 2:
        lines.append(json.loads(process.stdout.readline()))
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert lines[-1]["result"]["structuredContent"]["found"]
    rest, _ = process.communicate(timeout=60)  # progress of what took long went to stderr
    assert rest == ""
    assert process.returncode == 0
