"""`/docs`: the OpenAPI document for people, drawn by Swagger UI, with no file from another site."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

# Swagger UI's own files come with fastapi-offline; it styles by attributes, and draws from data:
# images.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src "
    "'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
_FILES = {"swagger-ui.js": "swagger-ui-bundle.js", "swagger-ui.css": "swagger-ui.css"}
_KEEP = {"Cache-Control": "public, max-age=86400"}
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#document"});'
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Limner API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="document"></div>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    @routes.get("/docs/{name}", response_class=Response)
    async def file(name: str) -> Response:
        if name == "start.js":
            return Response(_START, media_type="text/javascript", headers=_KEEP)
        if name not in _FILES:
            raise HTTPException(404)
        return FileResponse(
            Path(str(resources.files("fastapi_offline") / "static" / _FILES[name])), headers=_KEEP
        )

    return routes
