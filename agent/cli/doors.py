"""The other doors: chat, serve, eval run, compare, report."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.session import Json, Session, tell
from agent.errors import UsageError


def chat(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Ask once; leave out to converse.")] = "",
    as_json: Json = False,
) -> None:
    """Ask about users in words."""
    from agent.chat import Conversation, answer

    with Session(ctx, as_json) as session:
        engine = session.engine()
        if question:
            reply = session.wait(answer(engine, question))
            session.give(reply, reply.text)
            session.notes(reply.notes)
            return
        if as_json:
            raise UsageError("With --json, ask a question: limner chat 'QUESTION' --json.")
        tell(session.err, "Ask about users; an empty line ends.", "dim")
        talk = Conversation()
        while line := _asked():
            reply = session.wait(answer(engine, line, talk))
            session.out.print(reply.text)
            session.notes(reply.notes)


def _asked() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def serve(
    ctx: typer.Context,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="The address; other than loopback needs care: no keys yet.")] = (
        "127.0.0.1"
    ),
) -> None:
    """Serve the REST API; /docs describes it."""
    from agent.api import serve as run

    with Session(ctx) as session:
        engine = session.engine()
        tell(session.err, f"Serving on http://{host}:{port}, described at /docs. Ctrl-C stops.", "dim")
        run(engine, host, port)


def eval_run(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Option("--dataset", help="ml-100k, a folder of a known data set, or a store.")] = "",
    split: Annotated[str, typer.Option("--split", help="leave-last-out or global-time.")] = "leave-last-out",
    systems: Annotated[str, typer.Option("--systems", help="Comma-separated: popular, ease, limner.")] = (
        "popular,ease,limner"
    ),
    metrics: Annotated[str, typer.Option("--metrics", help="Comma-separated: ndcg@10, hit@10, coverage@10.")] = (
        "ndcg@10,hit@10,coverage@10"
    ),
    as_json: Json = False,
) -> None:
    """Compare systems offline: rank the full catalogue for each user and measure."""
    from agent.cli import show
    from evals.run import run

    with Session(ctx, as_json) as session:
        report = run(
            dataset or session.settings().data, split, systems.split(","), metrics.split(","), session.progress
        )
        session.give(report, show.evaluation(report))


def eval_compare(
    ctx: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder, or its run.json: what stood before.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The run to hold against it.")],
    metrics: Annotated[str, typer.Option("--metrics", help="Comma-separated; all that both have if left out.")] = "",
    system: Annotated[
        str, typer.Option("--system", metavar="NAME", help="Only this system; all that both have if left out.")
    ] = "",
    against: Annotated[
        str, typer.Option("--against", metavar="NAME", help="The system of B, where it is another than that of A.")
    ] = "",
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit code 100 where B is significantly worse.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare two runs of the same split, user by user, and say which is significantly better."""
    from agent.cli import show
    from evals.compare import BELOW, compare
    from evals.runs import load_run

    with Session(ctx, as_json) as session:
        named = [one.strip() for one in metrics.split(",") if one.strip()]
        found = compare(load_run(a), load_run(b), named, system, against, need_tests=fail_if_worse)
        session.give(found, show.run_comparison(found))
        session.notes(found.notes)
        if fail_if_worse and found.worse:
            raise typer.Exit(BELOW)
