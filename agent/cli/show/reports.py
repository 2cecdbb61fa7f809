"""Drawing the reports of long work: training, builds, estimates, checks."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limner.cli.show.layout import bullets, heading, plain_table, words
from limner.cli.text import compact, counted, duration
from limner.core.schema import BuildReport, Check, Estimate, RerankWeight, TrainReport


def _above_usual(report: TrainReport) -> str:
    if report.probability_mean is None or report.probability_share is None:
        return ""
    return f" ({report.probability_mean:.2%} told, {report.probability_share:.2%} happened)"


def train_report(report: TrainReport) -> RenderableType:
    """The report of a training: the worth of each channel and of the fusion, and the errors of
    predictions.
    """
    learned = (
        f"Learned from {counted(report.events, 'event')} of "
        f"{counted(report.users, 'user')} on {report.items:,} items"
    )
    return Group(
        Text(f"{learned} in {duration(report.seconds)} (model {report.version})."),
        _channel_table(report),
        *(
            words(line, "dim")
            for line in [*_training_lines(report), *(note.text for note in report.notes)]
        ),
        *(_rerank_weight(report.rerank) if report.rerank else ()),
    )


def _is_graded(report: TrainReport) -> bool:
    return any(channel.ndcg is not None for channel in report.channels)


def _channel_table(report: TrainReport) -> Table:
    graded = _is_graded(report)
    table = plain_table("channel", "what it holds", *(("ndcg@10 alone", "adds") if graded else ()))
    for channel in report.channels:
        worth = "" if channel.ndcg is None else f"{channel.ndcg:.3f}"
        adds = "" if channel.adds is None else f"{channel.adds:+.3f}"
        table.add_row(
            words(channel.name, "bold"), words(channel.holds), *((worth, adds) if graded else ())
        )
    if report.fusion_ndcg is not None:
        table.add_row(
            words("learned fusion", "bold"),
            words(f"{counted(report.lessons, 'question')} of the past"),
            words(f"{report.fusion_ndcg:.3f}", "bold"),
            "",
        )
    return table


def _training_lines(report: TrainReport) -> Iterator[str]:
    yield f"Embeddings: {report.embedder}, {counted(report.embedded, 'item text')} embedded anew."
    if _is_graded(report):
        yield (
            "ndcg@10 is over the candidates of users that were held out. A channel adds what the "
            "fusion loses of it where what the channel tells is shuffled among them; channels that "
            "tell the same stand in for each other."
        )
    if (ratings := report.ratings) is not None:
        yield (
            f"Predicted ratings ({ratings.low:g} to {ratings.high:g}) are off by "
            f"{ratings.mae:.2f} on average; their RMSE is {ratings.rmse:.3f}, that of the mean "
            f"rating {ratings.rmse_of_mean:.3f}. By size of prediction they are off by "
            f"{ratings.calibration_error:.2g} on average."
        )
    if report.calibration_error is not None:
        yield (
            "Probabilities of an item, for a user who does anything, are off by "
            f"{report.calibration_error:.2g} on average{_above_usual(report)}; they count "
            f"{counted(report.unanswered, 'further question')} without an answer."
        )
    if report.activity_error is not None:
        yield f"Those that a user does anything at all are off by {report.activity_error:.2g}."


def _rerank_weight(weight: RerankWeight) -> tuple[RenderableType, ...]:
    table = plain_table("history", "users asked", "weight", "ndcg@10", "95% interval")
    for bucket in weight.buckets:
        table.add_row(
            words(bucket.bucket, "bold"),
            f"{bucket.cases:,}",
            f"{bucket.weight:g}",
            "" if bucket.gain is None else f"{bucket.gain:+.3f}",
            ""
            if bucket.low is None or bucket.high is None
            else f"{bucket.low:+.3f} to {bucket.high:+.3f}",
        )
    said = (
        f"What the order of {weight.model} ({weight.method}) adds, on users of the "
        "past that the ranker did not see:"
    )
    return Text(said), table, words("With weight 0 the model is not asked for the order.", "dim")


def build_report(report: BuildReport) -> RenderableType:
    parts: list[RenderableType] = []
    calls = sum(profile.built_from.calls for profile in report.built)
    cost = sum(profile.built_from.cost for profile in report.built)
    line = Text.assemble(("Painted ", ""), (counted(len(report.built), "portrait"), "bold"))
    if report.skipped:
        line.append(f"; {report.skipped:,} were up to date")
    if report.failed:
        line.append(f"; {len(report.failed):,} failed", style="red")
    line.append(f" ({counted(calls, 'model call')}{f', ${cost:.4f}' if cost else ''}).")
    parts.append(line)
    if report.failed:
        shown = list(report.failed.items())[:10]
        parts.append(bullets((f"{user}: {reason}" for user, reason in shown), "red"))
        if len(report.failed) > len(shown):
            parts.append(Text(f"  … and {len(report.failed) - len(shown):,} more", style="red"))
    if report.stopped:
        parts.append(
            words(f"Stopped early: {report.stopped} The same command goes on from here.", "yellow")
        )
    return Group(*parts)


def estimate(value: Estimate) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row("portraits to paint", f"{value.users:,}")
    table.add_row(
        "model", words(f"{value.model} ({value.grade})" if value.model else "none: template words")
    )
    table.add_row("calls", f"{value.calls:,}")
    table.add_row("input tokens", compact(value.input_tokens))
    table.add_row("output tokens", compact(value.output_tokens))
    table.add_row("cost", f"${value.cost:,.2f}")
    table.add_row("time", duration(value.hours * 3600))
    return Group(
        heading("Estimate; nothing was painted"),
        table,
        Text(f"From a sample of {counted(value.sample, 'user')}.", "dim"),
    )


def checks(results: Sequence[Check]) -> RenderableType:
    marks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
    table = Table.grid(padding=(0, 2))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in results:
        mark, style = marks[check.state]
        table.add_row(
            Text(mark, style=f"bold {style}"), words(check.name, "bold"), words(check.detail)
        )
    return table
