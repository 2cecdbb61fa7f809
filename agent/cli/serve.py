"""The verbs `serve`, `eval run`, `eval compare` and `eval report`."""

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.session import Json, Session, tell
from limner.core.errors import UsageError


def serve(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen on.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option("--host", help="The address to listen on; another than loopback needs keys."),
    ] = "127.0.0.1",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that serve side by side.")
    ] = 1,
) -> None:
    """Serve the page in the browser (/) and the REST API, which /docs describes."""
    from limner.server import exposure, listen
    from limner.server import serve as run

    with Session(ctx) as session:
        settings = session.settings()
        with listen(host, port) as listening:
            exposed = exposure(settings, listening)
            shown = f"http://{host}:{listening.getsockname()[1]}"
            tell(
                session.err,
                f"Serving on {shown}, described at /docs. {exposed.words} Ctrl-C stops.",
                "dim",
            )
            run(settings, listening, exposed, workers=workers, quiet=session.globals.quiet)


def eval_run(
    ctx: typer.Context,
    experiment: Annotated[
        Path | None,
        typer.Argument(metavar="EXPERIMENT.yaml", help="Says all of it; options overrule it."),
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", help="ml-100k, a folder of a known data set, or a store.")
    ] = "",
    split: Annotated[
        str,
        typer.Option(
            "--split", help="global-time, leave-last-out, ratio, cold-users or cold-items."
        ),
    ] = "",
    systems: Annotated[
        str | None,
        typer.Option(
            "--systems", help="Comma-separated: names, import paths module:Class, run files."
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Comma-separated, as in ndcg@10,hit@10,coverage@10."),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            "--metric-style", help="Whose definitions: ours, recbole, lenskit or rectools."
        ),
    ] = "",
    against: Annotated[
        str,
        typer.Option("--against", metavar="NAME", help="The system to test; limner, or the first."),
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Ask at most so many users.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of everything that is drawn by chance.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=0, max=10, help="Settings tried a baseline; 0 keeps the defaults."
        ),
    ] = None,
    repeat: Annotated[
        int | None,
        typer.Option("--repeat", min=1, help="Seeds of the systems that depend on one; averaged."),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            "--candidates",
            min=1,
            metavar="N",
            help="Rank N items drawn a user; inflates every number.",
        ),
    ] = None,
    ablate: Annotated[
        bool,
        typer.Option(
            "--ablate", help="Also Limner without each family of channels: what does it add?"
        ),
    ] = False,
    cost_limit: Annotated[
        float | None,
        typer.Option(
            "--cost-limit", min=0, metavar="USD", help="Ask no model beyond so many dollars."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep the record and the runs.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Systems at the same time, a process each.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what --out holds; no system twice.")
    ] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Go on, and try again the systems that failed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare systems offline: rank the full catalogue for each user, measure, and test the
    differences.
    """
    from limner.cli.show import studies as show_studies
    from limner.evals.compare import BELOW
    from limner.evals.execution import Execution
    from limner.evals.experiment import Experiment, overruled, read_experiment
    from limner.evals.suite import missed, run_experiment

    with Session(ctx, as_json) as session:
        settings = session.settings()
        asked = overruled(
            read_experiment(experiment) if experiment else Experiment(),
            datasets=[dataset] if dataset else [],
            splits=_listed(split),
            systems=_named("--systems", systems),
            metrics=_named("--metrics", metrics),
            style=style,
            against=against,
            limit=limit,
            seed=seed,
            trials=trials,
            repeat=repeat,
            candidates=candidates,
            ablate=ablate or None,
            cost_limit=cost_limit,
            out=str(out) if out else "",
        )
        if not asked.datasets:
            asked = overruled(asked, datasets=[settings.data])
        results = run_experiment(
            asked,
            settings,
            Execution(jobs=jobs, resume=resume, retry_errors=retry_errors),
            progress=session.progress,
            wait=session.wait,
        )
        short = missed(results, asked)
        session.give(results.document, *show_studies.experiment(results))
        session.notes([*results.notes, *short])
        if results.is_wrong:
            raise typer.Exit(1)
        if short:
            raise typer.Exit(BELOW)


def _named(option: str, text: str | None) -> list[str]:
    """The names that an option lists, separated by commas; empty if the option was left out. Raises
    UsageError if it was set without any name.
    """
    found = _listed(text or "")
    if text is not None and not found:
        raise UsageError("wishes.no_names", option=option)
    return found


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def eval_compare(
    ctx: typer.Context,
    a: Annotated[
        Path, typer.Argument(metavar="A", help="The folder of a run or a study: what stood before.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one to hold against it.")],
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; all that both have if left out.")
    ] = "",
    system: Annotated[
        str,
        typer.Option(
            "--system", metavar="NAME", help="Only this system; all that both have if left out."
        ),
    ] = "",
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="NAME", help="The system of B, where it is another than that of A."
        ),
    ] = "",
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit code 100 where B is significantly worse.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare two runs, or two studies, of the same split user by user, and say which is
    significantly better.
    """
    from limner.cli.show.evaluations import run_comparison
    from limner.evals.compare import BELOW, compare, load_either

    with Session(ctx, as_json) as session:
        comparison = compare(
            load_either(a),
            load_either(b),
            _listed(metrics),
            system,
            against,
            need_tests=fail_if_worse,
        )
        session.give(comparison, run_comparison(comparison))
        session.notes(comparison.notes)
        if fail_if_worse and comparison.worse:
            raise typer.Exit(BELOW)


def eval_report(
    ctx: typer.Context,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs and studies, or their run.json."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    store: Annotated[
        str, typer.Option("--store", metavar="DIR", help="Also a map of this store's portraits.")
    ] = "",
    title: Annotated[
        str, typer.Option("--title", help="What stands above the page.")
    ] = "Limner evaluation",
    as_json: Json = False,
) -> None:
    """Write runs as one HTML page: who wins, where it does not, tables and plots."""
    from limner.cli.show.evaluations import written as drawn
    from limner.evals.portraits import portrait_map
    from limner.evals.report import report
    from limner.evals.runs import load_runs
    from limner.evals.studies.stream import load_studies

    with Session(ctx, as_json) as session:
        found = [(one, load_studies(one)) for one in runs]
        studies = [study for _, held in found for study in held]
        # Where only studies lie, no run is missing.
        loaded = [run for one, held in found for run in load_runs(one, besides=bool(held))]
        portraits = (
            portrait_map(session.engine(session.settings({("data",): store}))) if store else None
        )
        written = report(loaded, out, portraits, title, studies)
        session.give(written, drawn(written))
        session.notes(written.notes)
