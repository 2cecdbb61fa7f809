"""A study drawn for people: its measures by length of history, its tests, and what it cost."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from limner.cli.show.layout import Wide, card, plain_table, words
from limner.cli.text import clean, counted

if TYPE_CHECKING:
    from limner.evals.records import Evaluation, Spent
    from limner.evals.studies.records import Cost, Figure, StudyRecord
    from limner.evals.suite import ExperimentResults


def study(record: "StudyRecord") -> RenderableType:
    """Each measure with its mean, interval and number of cases, and its means by length of
    history.
    """
    return Wide(lambda width: _study(record, width))


def _study(record: "StudyRecord", width: int) -> RenderableType:
    parts: list[RenderableType] = [_measures(record, width)]
    if record.kinds:
        parts += [Text(), _kinds(record.kinds)]
    parts += [*_differences(record), words(_spent(record.cost), "dim")]
    states = ", ".join(f"{n:,} {state}" for state, n in record.states.items() if n)
    who = record.model or "template words"
    what = clean(record.variant or record.study)
    title = f"{clean(record.dataset)} · {record.split.name} · {what} · {states} · {clean(who)}"
    return card(Group(*parts), Text(title))


def _measures(record: "StudyRecord", width: int) -> RenderableType:
    """A row a measure; its means by length of history where there is room for them."""
    buckets: Mapping[str, Mapping[str, Figure]] = {}
    if len(record.buckets) > 1 and width >= 90:
        buckets = {f"{name} events": figures for name, figures in record.buckets.items()}
    columns = ["mean", "95% interval", "n", *buckets]
    table = plain_table("measure", *columns, right=columns)
    for name, figure in record.figures.items():
        inside = [_mean(figures.get(name)) for figures in buckets.values()]
        table.add_row(words(name), _mean(figure), _interval(figure), _n(figure), *inside)
    return table


def _differences(record: "StudyRecord") -> list[Text]:
    """Pairs of measures that differ significantly, or that none does; empty where none was
    tested.
    """
    sure = [test for test in record.comparisons if test.p_holm < 0.05]
    if record.comparisons and not sure:
        text = "No pair of measures differs significantly (paired test, Holm's correction, 5%)."
        return [words(text, "dim")]
    return [
        words(
            f"{test.system} differs from {test.baseline}: "
            f"{test.difference:+.4f} (p {test.p_holm:.4f})"
        )
        for test in sure
    ]


def experiment(results: "ExperimentResults") -> list[RenderableType]:
    """All results of an experiment, one table below another."""
    from limner.cli.show.evaluations import evaluation

    drawn = [
        part
        for one in results.evaluations
        for part in (evaluation(one), ablation(one), models_asked(one))
        if part
    ]
    return [*drawn, *(study(one) for one in results.studies)]


def ablation(report: "Evaluation") -> RenderableType | None:
    """The loss in the first metric without each family of channels. None if the run left no family
    out.
    """
    from limner.evals.systems.limner import WITHOUT, LimnerSystem

    tests = [
        one
        for one in report.comparisons
        if one.system == LimnerSystem.name and one.baseline.startswith(WITHOUT)
    ]
    rows = [one for one in tests if one.metric == tests[0].metric]
    if not rows:
        return None
    columns = ["adds", "95% interval", "p (Holm)"]
    table = plain_table("channels", *columns, right=columns)
    for test in sorted(rows, key=lambda one: -one.difference):
        sure = "" if test.p_holm < 0.05 else " not significant"
        table.add_row(
            words(test.baseline.removeprefix(WITHOUT)),
            f"{test.difference:+.4f}",
            f"{test.ci95[0]:+.4f} to {test.ci95[1]:+.4f}",
            f"{test.p_holm:.4f}{sure}",
        )
    said = (
        f"{rows[0].metric} of {rows[0].system} less that of the same ranker trained "
        "without the family."
    )
    return card(Group(table, words(said, "dim")), Text("what each family of channels adds"))


def models_asked(report: "Evaluation") -> RenderableType | None:
    """Calls and cost of the systems that asked a model; None if none did."""
    rows = [one for one in report.systems if one.cost.calls or one.cost.cached]
    lines = [
        words(
            f"{one.name} asked {one.settings.get('model', 'a model')}: {_calls(one.cost)}.", "dim"
        )
        for one in rows
    ]
    return Group(*lines) if lines else None


def _kinds(kinds: "Mapping[str, Mapping[str, Figure]]") -> RenderableType:
    names = list(dict.fromkeys(name for some in kinds.values() for name in some))
    table = plain_table("kind of question", *names, right=names)
    for kind, some in kinds.items():
        table.add_row(words(kind), *(_mean(some.get(name)) for name in names))
    return table


def _mean(one: "Figure | None") -> str:
    return "–" if one is None or one.mean is None else f"{one.mean:.4f}"


def _interval(one: "Figure") -> str:
    return "" if one.ci95 is None else f"{one.ci95[0]:.4f}–{one.ci95[1]:.4f}"


def _n(one: "Figure") -> str:
    return f"{one.n:,}" + (f" (of {one.n + one.undefined:,})" if one.undefined else "")


def _spent(cost: "Cost") -> str:
    if not cost.total.calls and not cost.total.cached:
        return "No model was asked."
    ran = ", ".join(f"{name} {n:,}" for name, n in cost.llm.items() if n)
    return f"{_calls(cost.total)}; the model's words: {ran}."


def _calls(total: "Spent") -> str:
    tokens = total.input_tokens + total.output_tokens
    return (
        f"{counted(total.calls, 'call')}, {total.cached:,} from the cache, "
        f"{total.failed:,} failed, {tokens:,} tokens, "
        f"${total.cost:.4f}, {total.seconds:.1f} s of the model"
    )
