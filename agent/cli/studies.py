"""eval portraits, reasons, chat: what they are worth, case by case."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.session import Json, Session
from limner.core.errors import UsageError

if TYPE_CHECKING:
    from limner.evals.studies.run import StudyPlan

Data = Annotated[
    str, typer.Option("--dataset", help="ml-100k, a folder of a known data set, or a store.")
]
SplitName = Annotated[
    str, typer.Option("--split", help="global-time, leave-last-out, ratio, cold-users, cold-items.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Ask at most so many users.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn by chance.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Keep cases, record and the store asked."),
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Cases at the same time, for a model that can.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what --out holds; nothing is asked twice.")
]
Retry = Annotated[
    bool, typer.Option("--retry-errors", help="Go on, and ask again where an error was.")
]
Limits = Annotated[
    float | None,
    typer.Option(
        "--cost-limit", min=0, metavar="USD", help="Skip what comes after so many dollars."
    ),
]
Least = Annotated[
    list[str] | None,
    typer.Option("--least", metavar="NAME=VALUE", help="Exit code 100 where a measure is below."),
]
Repeat = Annotated[
    int, typer.Option("--repeat", min=1, help="How often each portrait is painted again.")
]
Neutral = Annotated[
    bool | None,
    typer.Option(
        "--neutral/--no-neutral", help="Also with items under neutral names; if a model paints."
    ),
]
Judged = Annotated[bool, typer.Option("--judge", help="A model judges the reasons too.")]


def portraits(
    ctx: typer.Context,
    dataset: Data = "",
    split: SplitName = "global-time",
    limit: Limit = 100,
    seed: Seed = 0,
    repeat: Repeat = 1,
    neutral: Neutral = None,
    out: Out = None,
    jobs: Jobs = 1,
    resume: Resume = False,
    retry_errors: Retry = False,
    cost_limit: Limits = None,
    least: Least = None,
    as_json: Json = False,
) -> None:
    """Are portraits grounded, complete and stable, and what does ranking gain from them?"""
    from limner.evals.studies.run import StudyPlan

    plan = StudyPlan("portraits", dataset, split, limit, seed, repeat=repeat, neutral=neutral)
    _run(ctx, plan, out, jobs, resume, retry_errors, cost_limit, least or [], as_json)


def reasons(
    ctx: typer.Context,
    dataset: Data = "",
    split: SplitName = "global-time",
    limit: Limit = 100,
    seed: Seed = 0,
    judge: Judged = False,
    out: Out = None,
    jobs: Jobs = 1,
    resume: Resume = False,
    retry_errors: Retry = False,
    cost_limit: Limits = None,
    least: Least = None,
    as_json: Json = False,
) -> None:
    """Do reasons cite what is there, say what they cite, and name what made the recommendation?"""
    from limner.evals.studies.run import StudyPlan

    plan = StudyPlan("reasons", dataset, split, limit, seed, judge=judge)
    _run(ctx, plan, out, jobs, resume, retry_errors, cost_limit, least or [], as_json)


def chat(
    ctx: typer.Context,
    dataset: Data = "",
    split: SplitName = "global-time",
    limit: Limit = 100,
    seed: Seed = 0,
    out: Out = None,
    jobs: Jobs = 1,
    resume: Resume = False,
    retry_errors: Retry = False,
    cost_limit: Limits = None,
    least: Least = None,
    phrasings: Annotated[
        str,
        typer.Option(
            "--phrasings",
            metavar="FILE",
            help="Whose words: `paraphrases` (shipped) or a YAML file.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Is the chat exact where the data hold an answer, and does it say so where they do not?"""
    from limner.evals.studies.run import StudyPlan

    plan = StudyPlan("chat", dataset, split, limit, seed, phrasings=phrasings)
    _run(ctx, plan, out, jobs, resume, retry_errors, cost_limit, least or [], as_json)


def _run(
    ctx: typer.Context,
    plan: "StudyPlan",
    out: Path | None,
    jobs: int,
    resume: bool,
    retry_errors: bool,
    cost_limit: float | None,
    least: Sequence[str],
    as_json: bool,
) -> None:
    from dataclasses import replace

    from limner.cli.show.studies import study as drawn
    from limner.evals.compare import BELOW
    from limner.evals.execution import Execution
    from limner.evals.studies.run import study
    from limner.evals.studies.summary import check_measures
    from limner.evals.suite import short_of

    if cost_limit == 0:
        raise UsageError("evals.wrong_cost_limit")
    with Session(ctx, as_json) as session:
        settings = session.settings()
        wanted = _least(least)
        check_measures(plan.study, wanted)
        plan = plan if plan.dataset else replace(plan, dataset=settings.data)
        execution = Execution(out, jobs, resume, retry_errors, cost_limit)
        found = session.wait(study(plan, settings, execution, progress=session.progress))
        session.give(found, drawn(found))
        missed = short_of(found, wanted)
        session.notes([*found.notes, *missed])
        if found.states.get("error"):
            raise typer.Exit(1)
        if missed:
            raise typer.Exit(BELOW)


def _least(pairs: Sequence[str]) -> dict[str, float]:
    """`name=value` as numbers. Raises UsageError for anything else."""
    thresholds = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            thresholds[name] = float(value)
        except ValueError as error:
            raise UsageError("evals.wrong_threshold", text=pair) from error
    return thresholds
