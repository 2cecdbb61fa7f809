"""Routes that refuse query parameters that they do not know: one that is misspelt would otherwise
be passed over, and a list of one user's events would be everyone's.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel


class StrictRoute(APIRoute):
    """Answers an unknown query parameter with 422, as an unknown field of a body is answered."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, known = super().get_route_handler(), query_names(self.dependant)

        async def handle_known(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    raise RequestValidationError(
                        [
                            {
                                "type": "extra_forbidden",
                                "loc": ("query", name),
                                "msg": "Extra inputs are not permitted",
                                "input": request.query_params[name],
                            }
                        ]
                    )
            return await handle(request)

        return handle_known


def query_names(dependant: Dependant) -> frozenset[str]:
    """The query parameters that a route or its dependencies read; of a model its fields."""
    names: set[str] = set()
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names |= annotation.model_fields.keys()
        else:
            names.add(field.alias)
    return frozenset(names.union(*map(query_names, dependant.dependencies)))
