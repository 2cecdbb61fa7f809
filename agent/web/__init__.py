"""The page in the browser, rendered here from the engine's values: a door, without logic of its own."""

from agent.web.pages import router
from agent.web.problems import Pages
from agent.web.render import Renderer

__all__ = ["Pages", "Renderer", "router"]
