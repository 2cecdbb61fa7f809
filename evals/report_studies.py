"""The report's sections on portraits, reasons and chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limner.evals.compare import ALPHA
from limner.evals.contest import number
from limner.evals.records import Comparison
from limner.evals.studies.records import Figure, StudyRecord
from limner.evals.view import Cell, TestRow, ViewRow, ViewTable

_TITLES = {"portraits": "Portraits", "reasons": "Reasons", "chat": "Chat"}


@dataclass(frozen=True)
class StudySection:
    id: str
    title: str
    record: StudyRecord
    lead: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[ViewTable]
    """The first is shown open, the others are folded."""
    tests: Sequence[TestRow]
    cost: Sequence[tuple[str, str]]


def study_section(record: StudyRecord, name: str) -> StudySection:
    """Everything that the template shows of one study."""
    who = record.model or "none: template words"
    facts = [
        ("asked", f"{record.cases:,}"),
        *((state, f"{n:,}") for state, n in record.states.items() if n),
        ("model", who),
        ("test set", record.split.hash),
    ]
    tables = [_table("Measures, by length of history", record.figures, record.buckets, " events")]
    if record.kinds:
        tables.insert(0, _table("By kind of question", {}, record.kinds, "", turned=True))
    if record.groups:
        tables.append(_table("By group of users", record.figures, record.groups, ""))
    title = _TITLES[record.study]
    if record.variant not in ("", record.study):
        title = f"{title} ({record.variant.removeprefix(f'{record.study}.')})"
    return StudySection(
        name, title, record, lead(record), facts, tables, _tests(record.comparisons), _cost(record)
    )


def _tests(found: Sequence[Comparison]) -> list[TestRow]:
    return [
        TestRow(one.system, one.baseline, one.difference, *one.ci95, one.p, one.p_holm, one.n)
        for one in found
    ]


def lead(record: StudyRecord) -> str:
    """What the figures and tests carry, in a sentence or two."""
    if not record.states.get("ok"):
        return "Nothing could be measured."
    if record.study == "portraits":
        gains = [
            scope for scope in ("content", "ranker", "blend", "facets") if _gains(record, scope)
        ]
        helped = (
            f"Ranking gains from them ({', '.join(gains)}): more than from the history "
            "alone, and than from another "
            "user's portrait."
            if gains
            else "That ranking gains from them is not shown."
        )
        return f"{_share(record, 'grounded')} of the claims are grounded. {helped}"
    if record.study == "reasons":
        sure = _better(record, "necessity", "necessity.random")
        mattered = (
            "moved the item more than other events did"
            if sure
            else "are not shown to move the item more than others"
        )
        valid, supported = _share(record, "citation.valid"), _share(record, "statement.precision")
        said = f"{valid} of the citations are valid and {supported} of the statements supported."
        return f"{said} The cited events {mattered}."
    return (
        f"{_share(record, 'exact')} of the answers that the data hold are right; of "
        "questions without an answer "
        f"{_share(record, 'abstained')} are met by saying so."
    )


def _share(record: StudyRecord, name: str) -> str:
    figure = record.figures.get(name)
    if figure is None or figure.mean is None:
        return "An unknown share"
    shown = f"{figure.mean:.1%}".replace(".0%", "%")
    # All but one must not read as all.
    return "More than 99.9%" if shown == "100%" and figure.mean < 1 else shown


def _gains(record: StudyRecord, scope: str) -> bool:
    return all(
        _better(record, f"utility.{scope}.with", f"utility.{scope}.{arm}")
        for arm in ("without", "shuffled")
    )


def _better(record: StudyRecord, system: str, baseline: str) -> bool:
    return any(
        comparison.system == system
        and comparison.baseline == baseline
        and comparison.difference > 0
        and comparison.p_holm <= ALPHA
        for comparison in record.comparisons
    )


def _table(
    caption: str,
    whole: Mapping[str, Figure],
    parts: Mapping[str, Mapping[str, Figure]],
    unit: str,
    *,
    turned: bool = False,
) -> ViewTable:
    """Measures by parts; `turned`: parts by measures."""
    names = list(dict.fromkeys([*whole, *(name for some in parts.values() for name in some)]))
    if turned:
        rows = [
            ViewRow(part, False, [_cell(some.get(name)) for name in names])
            for part, some in parts.items()
        ]
        return ViewTable(caption, [], [(name, "") for name in names], rows, "kind")
    columns = [("all", ""), *((f"{part.replace('-', '–')}{unit}", "") for part in parts)]
    rows = [
        ViewRow(
            name,
            False,
            [_cell(whole.get(name)), *(_cell(some.get(name)) for some in parts.values())],
        )
        for name in names
    ]
    return ViewTable(caption, [], columns, rows, "measure")


def _cell(one: Figure | None) -> Cell:
    if one is None or one.mean is None:
        return Cell("–", "" if one is None or not one.undefined else f"undefined {one.undefined:,}")
    ends = "" if one.ci95 is None else f"{number(one.ci95[0])}–{number(one.ci95[1])}, "
    missing = f", undefined {one.undefined:,}" if one.undefined else ""
    return Cell(number(one.mean), f"{ends}n {one.n:,}{missing}")


def _cost(record: StudyRecord) -> list[tuple[str, str]]:
    total, per = record.cost.total, record.cost.per_user
    rows = [(f"model {name}", f"{n:,}") for name, n in record.cost.llm.items()]
    rows.append(("seconds a user", number(per.get("seconds"))))
    if total.calls or total.cached:
        rows += [
            ("calls", f"{total.calls:,}"),
            ("from the cache", f"{total.cached:,}"),
            ("failed", f"{total.failed:,}"),
            ("tokens", f"{total.input_tokens + total.output_tokens:,}"),
            ("dollars", number(total.cost)),
            ("tokens a user", number(per.get("tokens"))),
            ("dollars a user", number(per.get("cost"))),
            ("seconds a call", number(record.cost.per_request.get("seconds"))),
        ]
    return rows
