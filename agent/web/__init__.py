"""The page in the browser, rendered here from the engine's values: a door, without logic of its
own.
"""

from limner.web.pages import router
from limner.web.problems import ProblemPages
from limner.web.render import Renderer

__all__ = ["ProblemPages", "Renderer", "router"]
