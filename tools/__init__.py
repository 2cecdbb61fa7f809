"""What the chat agent and MCP clients may call: small typed functions over the engine, one file a subject."""

from tools.base import Args, Result, Tool
from tools.find_users import find_users
from tools.history import history
from tools.portrait import portrait
from tools.recommend import recommend

TOOLS: tuple[Tool, ...] = (portrait, history, recommend, find_users)

__all__ = ["TOOLS", "Args", "Result", "Tool", "find_users", "history", "portrait", "recommend"]
