"""The door for MCP clients."""

import typer

from limner.cli.session import Session


def mcp(ctx: typer.Context) -> None:
    """Answer an MCP client on stdin and stdout: tools, portraits, prompts."""
    from limner.mcp import serve_mcp

    with Session(ctx) as session:
        session.wait(serve_mcp(session.engine()))
