"""The MCP door: the chat's tools, portraits and contexts as resources, and prompts, for any MCP
client, on stdio.

stdout carries the protocol alone; what a person should read goes to stderr.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from mcp import MCPError, types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from pydantic import ValidationError

from limner.api.pool import Pool
from limner.core.errors import LimnerError
from limner.core.messages import message
from limner.engine import Engine
from limner.llm.prompts import load_prompt
from limner.tools import TOOLS, Tool

_THREADS = 4
_PAGE = 100
_CONTEXT_TOKENS = 500
_RESOURCE = re.compile(r"limner://users/([^/]+)/(portrait|context)")
_JSON, _TEXT = "application/json", "text/plain"
_INSTRUCTIONS = (
    "Portraits of users, in which every claim points at events, and recommendations that "
    "say why. Users and items go "
    "by the ids of the data. Say only what the tools return, and cite their event ids."
)
_TEMPLATES = (
    types.ResourceTemplate(
        uri_template="limner://users/{id}/portrait",
        name="portrait",
        mime_type=_JSON,
        description="The whole portrait of a user as JSON, with the evidence of every claim.",
    ),
    types.ResourceTemplate(
        uri_template="limner://users/{id}/context",
        name="context",
        mime_type=_TEXT,
        description=(
            "The portrait of a user for a prompt: what matters most, in at most "
            f"{_CONTEXT_TOKENS} tokens."
        ),
    ),
)
_USER = types.PromptArgument(
    name="user_id", description="The user's id, exactly as in the data.", required=True
)
_PROMPTS = (
    types.Prompt(
        name="describe_user",
        description="Who is this user?",
        arguments=[
            _USER,
            types.PromptArgument(
                name="question", description="What to say of them.", required=False
            ),
        ],
    ),
    types.Prompt(
        name="recommend_to_user",
        description="What should this user see next, and why?",
        arguments=[
            _USER,
            types.PromptArgument(
                name="n", description="How many items; 5 if left out.", required=False
            ),
            types.PromptArgument(
                name="wish", description="What they should be like, in words.", required=False
            ),
        ],
    ),
)

Context = ServerRequestContext[object]


async def serve_mcp(engine: Engine) -> None:
    """Answer one client on stdin and stdout until it goes."""
    door = Door(engine.discreet)  # what it tells goes to a model of whatever kind
    try:
        async with stdio_server() as (incoming, outgoing):
            server = door.server()
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        await door.close()


class Door:
    """An engine, as MCP asks for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = Pool(_THREADS)
        self._tools = {one.name: one for one in TOOLS}

    def server(self) -> Server[object]:
        from importlib.metadata import version

        return Server(
            "limner",
            version=version("limner"),
            instructions=_INSTRUCTIONS,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
        )

    async def close(self) -> None:
        await self._pool.close()

    # ------------------------------------------------------------ tools

    async def list_tools(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(one) for one in TOOLS])

    async def call_tool(
        self, _: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """What a tool found; a wrong argument or a failure comes as the tool's error, for the model
        to read.
        """
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool '{params.name}'.")
        try:
            args = tool.args.model_validate(params.arguments or {})
            result = await self._pool.run(lambda: tool.run(self._engine, args))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            return _failed(
                f"Wrong arguments: {where}: {first['msg']}."
                if where
                else f"Wrong arguments: {first['msg']}."
            )
        except LimnerError as error:
            return _failed(str(error))
        lines = [
            result.answer or "Nothing is known that answers this.",
            *(note.text for note in result.notes),
        ]
        if result.evidence:
            lines.append(f"Evidence: {', '.join(result.evidence)}.")
        return types.CallToolResult(
            content=[types.TextContent(text="\n".join(lines))],
            structured_content=result.model_dump(mode="json", exclude={"said"}),
        )

    # ------------------------------------------------------------ resources

    async def list_resources(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Portraits that are painted; those of other users are painted when they are read."""
        users = await self._pool.call(self._engine.data.users_with_portrait)
        cursor = params.cursor if params else None
        if cursor is not None and not cursor.isdecimal():
            raise MCPError(types.INVALID_PARAMS, "This cursor was not given by this server.")
        start = int(cursor or 0)
        end = start + _PAGE
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=_uri(one, "portrait"), name=f"Portrait of {one}", mime_type=_JSON
                )
                for one in users[start:end]
            ],
            next_cursor=str(end) if end < len(users) else None,
        )

    async def list_templates(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=list(_TEMPLATES))

    async def read_resource(
        self, _: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        found = _RESOURCE.fullmatch(str(params.uri))
        if found is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no resource '{params.uri}'.")
        contents = await self._resource(unquote(found[1]), found[2])
        return types.ReadResourceResult(contents=[contents])

    async def _resource(self, user_id: str, kind: str) -> types.TextResourceContents:
        try:
            if kind == "portrait":
                profile = await self._pool.run(lambda: self._engine.profile(user_id))
                text, form = profile.model_dump_json(), _JSON
            else:
                packed = await self._pool.call(
                    self._engine.recommendations.context, user_id, _CONTEXT_TOKENS
                )
                text, form = packed.text, _TEXT
        except LimnerError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error
        return types.TextResourceContents(uri=_uri(user_id, kind), mime_type=form, text=text)

    # ------------------------------------------------------------ prompts

    async def list_prompts(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=list(_PROMPTS))

    async def get_prompt(
        self, _: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        """What to do, and the user's context."""
        arguments: Mapping[str, str] = params.arguments or {}
        user_id = arguments.get("user_id", "")
        if not user_id:
            raise MCPError(types.INVALID_PARAMS, "Name the user with the argument user_id.")
        match params.name:
            case "describe_user":
                text = self._told(
                    "mcp-user", question=arguments.get("question") or "Who is this user?"
                )
            case "recommend_to_user":
                text = self._told(
                    "mcp-recommend", n=arguments.get("n") or "5", wish=arguments.get("wish", "")
                )
            case _:
                unknown = message("prompt.unknown", prompt=params.name)
                raise MCPError(types.INVALID_PARAMS, unknown.text)
        context = await self._resource(user_id, "context")
        return types.GetPromptResult(
            messages=[
                types.PromptMessage(role="user", content=types.EmbeddedResource(resource=context)),
                types.PromptMessage(role="user", content=types.TextContent(text=text)),
            ]
        )

    def _told(self, prompt_id: str, **values: str) -> str:
        """A prompt file's words as one message: MCP knows no system role."""
        prompt = load_prompt(prompt_id, self._engine.settings.prompts.get(prompt_id, ""))
        return "\n\n".join(message.content for message in prompt.render(**values))


def _described(one: Tool) -> types.Tool:
    return types.Tool(
        name=one.name,
        description=one.description,
        input_schema=one.args.model_json_schema(),
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )


def _failed(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=words)], is_error=True)


def _uri(user_id: str, kind: str) -> str:
    return f"limner://users/{quote(user_id, safe='')}/{kind}"
