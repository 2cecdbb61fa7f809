"""The report: what it claims comes from the tests, what it shows is escaped, and it stands
alone.
"""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest

from limner.cli import main
from limner.core.errors import BadInputError, LimnerError
from limner.core.messages import plain
from limner.core.metrics import BUCKETS, bucket_of
from limner.evals.contest import Contest, contests, headline, names, number
from limner.evals.portraits import FEWEST, MOST, PortraitMap, project
from limner.evals.records import Comparison, Metric, SplitInfo, SystemResult
from limner.evals.report import page, render, report
from limner.evals.report_studies import lead
from limner.evals.runs import SavedRun, load_run, load_runs
from limner.evals.studies.records import Figure, StudyRecord
from limner.evals.studies.stream import write_record
from tests.unit.eval_runs import HOSTILE, RecordOptions, Values, evaluation, made_up, write_run

WINS = made_up({"popular": 0.03, "ease": 0.08, "limner": 0.14})
LOSES = made_up({"popular": 0.03, "ease": 0.14, "limner": 0.08})
EVEN = made_up({"popular": 0.03, "ease": 0.12, "limner": 0.12})


@pytest.fixture
def one(tmp_path: Path) -> "Make":
    return Make(tmp_path)


class Make:
    """Contests of one run each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        values: Values,
        *,
        by_user: bool = True,
        name: str = "run",
        **more: Unpack[RecordOptions],
    ) -> SavedRun:
        record = evaluation(values, **more)
        return load_run(write_run(self.folder / name, record, values if by_user else None))

    def contest(
        self, values: Values, *, by_user: bool = True, **more: Unpack[RecordOptions]
    ) -> Contest:
        [found] = contests([self.run(values, by_user=by_user, **more)])
        return found


class Parsed(HTMLParser):
    """Tags and ids of a page; fails on an id that is there twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def ids(self) -> list[str]:
        return [held["id"] or "" for _, held in self.tags if "id" in held]


# ---------------------------------------------------------------- what it claims


def test_a_winner_is_one_by_every_test(one: Make) -> None:
    said = headline(one.contest(WINS, ours="limner"))
    assert said.lead.startswith("limner wins: ndcg@10") and "each of the 2 others" in said.lead
    assert any(
        "significantly ahead of every other at 1–4, 5–19, 20–99 and 100+ events" in line
        for line in said.more
    )


def test_a_loser_is_called_one(one: Make) -> None:
    said = headline(one.contest(LOSES, ours="limner"))
    assert said.lead.startswith("limner does not win: ease (")
    assert any("significantly better than popular" in line for line in said.more)
    assert any("significantly behind ease at 1–4" in line for line in said.more)


def test_what_cannot_be_told_apart_is_not_won(one: Make) -> None:
    said = headline(one.contest(EVEN, ours="limner"))
    assert (
        "is significantly better in ndcg@10" in said.lead
        and "than popular, but not than ease" in said.lead
    )


def test_without_tests_nothing_is_claimed(one: Make) -> None:
    contest = one.contest(WINS, by_user=False)
    assert not contest.tests and not contest.bucket_tests
    said = " ".join([headline(contest).lead, *headline(contest).more])
    assert "no test says whether that is more than chance" in said and "untested" in said
    assert "significant" not in said and "wins" not in said


def test_tests_that_the_record_lacks_are_made_from_the_values(one: Make) -> None:
    made, recorded = one.contest(WINS).tests, one.contest(WINS, ours="limner").tests
    assert made.keys() == recorded.keys()
    for key, test in recorded.items():
        assert made[key].difference == pytest.approx(test.difference)
        assert made[key].n == test.n


def test_a_test_the_other_way_round_is_turned(one: Make) -> None:
    record = evaluation(WINS, ours="popular")
    more = [
        line for line in evaluation(WINS, ours="ease").comparisons if line.baseline == "popular"
    ]
    write_run(
        one.folder / "x", record.model_copy(update={"comparisons": [*record.comparisons, *more]})
    )
    [contest] = contests([load_run(one.folder / "x")])
    assert contest.tests["ndcg@10", "popular"].outcome("ndcg@10") == 1
    assert contest.tests["novelty@10", "popular"].outcome("novelty@10") == -1
    assert ("ndcg@10", "ease") not in contest.tests
    assert "Against ease nothing was tested." in headline(contest).more


def test_others_that_go_further_are_named(one: Make) -> None:
    said = " ".join(headline(one.contest(WINS, ours="limner")).more)
    assert "Others go further in novelty (popular" in said and "diversity (popular" in said
    assert "coverage" not in said, "limner covers most"


def test_failed_skipped_and_missing_users_are_said(one: Make) -> None:
    record = evaluation(
        WINS,
        more=[
            SystemResult(name="bpr", state="failed", why=plain("no memory.")),
            SystemResult(name="llm", state="skipped"),
        ],
    )
    systems = [
        system.model_copy(update={"failed_users": 7}) if system.name == "ease" else system
        for system in record.systems
    ]
    write_run(one.folder / "x", record.model_copy(update={"systems": systems}), WINS)
    [contest] = contests([load_run(one.folder / "x")])
    assert {
        "bpr failed: no memory.",
        "llm was skipped.",
        "ease gave nothing for 7 users, who count as misses.",
    } <= set(headline(contest).more)
    assert "bpr" not in [entry.name for entry in contest.entries]


def test_a_winner_says_where_it_loses_in_accuracy(one: Make) -> None:
    values = {name: dict(rows) for name, rows in WINS.items()}
    values["ease"]["auc"] = [0.9] * 200
    values["limner"]["auc"] = [0.8] * 200
    values["popular"]["auc"] = [0.7] * 200
    said = headline(one.contest(values, ours="limner"))
    assert said.lead.startswith("limner wins: ndcg@10")
    assert (
        "Significantly better than limner by another metric of accuracy: auc (ease "
        "0.9000 against 0.8000)."
    ) in said.more
    assert not any(
        "another metric" in line for line in headline(one.contest(WINS, ours="limner")).more
    )


def test_what_the_record_tests_is_highlighted(one: Make) -> None:
    contest = one.contest(WINS, ours="ease")
    assert contest.focal is not None and contest.focal.name == "ease"
    assert headline(contest).lead.startswith("ease does not win: limner (")


def test_the_best_stands_in_where_limner_did_not_run(one: Make) -> None:
    contest = one.contest(made_up({"popular": 0.03, "ease": 0.1}))
    assert contest.focal is not None and contest.focal.name == "ease"
    assert any("limner is not among the systems" in line for line in headline(contest).more)


def test_few_users_are_a_caveat(one: Make) -> None:
    few = made_up({"popular": 0.03, "limner": 0.1}, users=40)
    assert any("Only 40 users were asked" in line for line in headline(one.contest(few)).more)
    assert not any("Only" in line for line in headline(one.contest(WINS)).more)


def test_nothing_to_stand_beside(one: Make) -> None:
    assert "nothing stands beside it" in headline(one.contest(made_up({"limner": 0.1}))).lead
    none = one.run(WINS).evaluation.model_copy(
        update={"systems": [SystemResult(name="limner", state="failed")]}
    )
    write_run(one.folder / "none", none)
    [contest] = contests([load_run(one.folder / "none")])
    assert headline(contest).lead == "No system ran to its end."
    assert "No system ran to its end." in render(page([contest], [], None))


def test_no_accuracy_was_measured(one: Make) -> None:
    contest = one.contest(
        {"limner": {"novelty@10": [1.0, 2.0]}, "ease": {"novelty@10": [2.0, 3.0]}}
    )
    assert headline(contest).lead.startswith("No metric of accuracy")
    assert "novelty@10" in render(page([contest], [], None))


def test_runs_of_one_split_stand_in_one_table(one: Make) -> None:
    first, second = (
        one.run(WINS, name="first"),
        one.run(made_up({"als": 0.09, "limner": 0.1}), name="second"),
    )
    other = one.run(WINS, name="third", digest="f" * 16)
    found = contests([first, second, other])
    assert [len(contest.entries) for contest in found] == [5, 3]
    assert {entry.name for entry in found[0].entries} == {
        "popular",
        "ease",
        "als",
        "limner (first)",
        "limner (second)",
    }
    assert found[0].focal is not None and found[0].focal.name == "limner (first)"
    assert found[0].tests["ndcg@10", "als"].n == 200, "across runs, by user"


def test_other_styles_and_candidates_stand_apart_and_say_so(
    one: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        one.run(WINS, name="first"),
        one.run(WINS, name="second", style="lenskit"),
        one.run(WINS, name="third", candidates="sampled 100"),
    ]
    found = contests(runs)
    assert [(len(contest.entries), contest.style) for contest in found] == [
        (3, "ours"),
        (3, "lenskit"),
        (3, "ours"),
    ]
    text = render(page(found, runs, None))
    assert text.count("leave-last-out · lenskit metrics") == 2, (
        "in the list of data sets, and above the section"
    )
    assert text.count("leave-last-out · sampled 100 candidates") == 2
    assert main(["eval", "report", str(one.folder), "--out", str(one.folder / "page.html")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "sampled 100 candidates" in said and "lenskit metrics" in said


def test_names_and_numbers() -> None:
    assert [names(["a"]), names(["a", "b"]), names(["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [number(one) for one in (0.12074, 8.934, 1234.5, None, float("nan"))] == [
        "0.1207",
        "8.93",
        "1,234",
        "–",
        "–",
    ]


# ---------------------------------------------------------------- what it shows


def test_hostile_text_is_text(one: Make, tmp_path: Path) -> None:
    """Names, reasons, settings, notes and titles of data never become markup, and never break a
    plot.
    """
    evil = [
        HOSTILE,
        '"><img src=x onerror=alert(1)>',
        "$\\frac{$ %s {{ 7*7 }} {% raw %}",
        "</style></svg>--><b>",
        "名字 ]]>",
    ]
    values = made_up({**{name: 0.02 * at for at, name in enumerate(evil)}, "limner": 0.1})
    skipped = SystemResult(name=f"s{HOSTILE}", state="skipped", why=plain(HOSTILE))
    record = evaluation(
        values, dataset=HOSTILE, split=HOSTILE, candidates=f"sampled {HOSTILE}", more=[skipped]
    )
    systems = [
        system.model_copy(update={"settings": {HOSTILE: HOSTILE}}) for system in record.systems
    ]
    record = record.model_copy(update={"systems": systems, "notes": [plain(HOSTILE)]})
    run = load_run(write_run(tmp_path / "run <i>", record, values))
    out = tmp_path / "page.html"
    written = report([run], out, title=HOSTILE)
    text = out.read_text(encoding="utf-8")
    assert written.findings[0].dataset == HOSTILE
    found = {tag for tag, _ in Parsed(text).tags}
    assert not found & {"script", "img", "b2", "i", "iframe", "object", "embed"}
    assert HOSTILE not in text and "&lt;script&gt;" in text
    assert "{{ 7*7 }}" in text, "not evaluated"
    assert "onerror" not in {key for _, held in Parsed(text).tags for key in held}


def test_it_needs_nothing_beside_itself(one: Make) -> None:
    parsed = Parsed(render(page(contests([one.run(WINS, ours="limner")]), [], None)))
    named = [
        held.get(key) or ""
        for _, held in parsed.tags
        for key in ("src", "href", "xlink:href", "action", "data")
    ]
    assert all(name == "" or name.startswith(("#", "data:")) for name in named)
    assert not [
        tag for tag, held in parsed.tags if tag == "link" and held.get("rel") == "stylesheet"
    ]
    assert "default-src 'none'" in next(
        held["content"] or "" for _, held in parsed.tags if "http-equiv" in held
    )


def test_ids_are_there_once(one: Make) -> None:
    runs = [
        one.run(WINS, ours="limner"),
        one.run(LOSES, ours="limner", name="other", digest="f" * 16),
    ]
    text = render(page(contests(runs), runs, some_map()))
    ids = Parsed(text).ids()
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"(?:url\(#|href=\"#|aria-labelledby=\")([^\")]+)", text))
    assert used and used <= set(ids)


def test_tables_are_for_everybody(one: Make) -> None:
    parsed = Parsed(render(page(contests([one.run(WINS, ours="limner")]), [], None)))
    count = [tag for tag, _ in parsed.tags].count
    assert count("table") == count("caption") > 4
    assert all(
        held.get("scope") in ("row", "col", "colgroup") for tag, held in parsed.tags if tag == "th"
    )
    assert all("aria-label" in held for _, held in parsed.tags if held.get("role") == "img")


def test_marks_follow_the_tests(one: Make) -> None:
    shown = page(contests([one.run(LOSES, ours="limner")]), [], None).sections[0]
    cells = {row.name: row.cells for row in shown.first.rows}
    assert [row.name for row in shown.first.rows] == ["ease", "limner", "popular"]
    assert [heading for heading, _ in shown.first.spans] == [
        "Accuracy",
        "Coverage",
        "Novelty",
        "Diversity",
    ]
    assert (cells["ease"][0].mark, cells["popular"][0].mark, cells["limner"][0].mark) == (
        "better",
        "worse",
        "",
    )
    assert cells["ease"][0].best and not cells["limner"][0].best
    assert [cell.mark for row in shown.first.rows for cell in row.cells[2:3]] == ["", "", ""], (
        "coverage has no test"
    )
    assert [plot.title for plot in shown.plots] == [
        "Accuracy against coverage",
        "ndcg@10 by length of history",
        "Cost against quality",
    ]


def test_what_was_not_measured_is_said(one: Make) -> None:
    values = {name: {"ndcg@10": rows["ndcg@10"]} for name, rows in WINS.items()}
    shown = page(contests([one.run(values)]), [], None)
    assert shown.sections[0].unmeasured == ["novelty", "diversity"]
    assert "Not measured in these runs: novelty, diversity." in render(shown)


def test_a_metric_of_other_users_than_were_asked_says_of_how_many(one: Make) -> None:
    half = {
        name: {"ndcg@10": [*rows["ndcg@10"][:150], *[math.nan] * 50], "hit@10": rows["hit@10"]}
        for name, rows in WINS.items()
    }
    shown = page(contests([one.run(half)]), [], None)
    heads = dict(shown.sections[0].first.columns)
    assert heads["ndcg@10"] == "of 150 users" and heads["hit@10"] == ""


def test_undefined_is_a_dash_and_sampling_a_warning(one: Make) -> None:
    record = evaluation(WINS, candidates="sampled 100")
    undefined = record.systems[0].model_copy(
        update={
            "metrics": {"ndcg@10": Metric(mean=None, ci95=None, n=0)},
            "buckets": {},
            "rank_seconds": 0.0,
        }
    )
    write_run(
        one.folder / "x", record.model_copy(update={"systems": [undefined, *record.systems[1:]]})
    )
    text = render(page(contests([load_run(one.folder / "x")]), [], None))
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S).lower()
    assert "sampled 100" in text and "inflates every number" in text


def test_the_same_runs_give_the_same_plots(one: Make) -> None:
    found = contests([one.run(WINS, ours="limner")])
    assert page(found, [], None).sections[0].plots == page(found, [], None).sections[0].plots


# ---------------------------------------------------------------- portraits


def some_map(users: int = 40) -> PortraitMap:
    vectors = np.random.default_rng(0).normal(size=(users, 16)).astype(np.float32)
    return project(
        [f"u{at}" for at in range(users)], vectors, {f"u{at}": at * 3 for at in range(users)}
    )


def test_a_map_of_portraits() -> None:
    found = some_map()
    assert [one.name for one in found.projections] == ["PCA", "t-SNE"]
    assert all(
        one.places.shape == (40, 2) and np.isfinite(one.places).all() for one in found.projections
    )
    assert [found.buckets[0], found.buckets[1], found.buckets[-1]] == ["0", "1-4", "100+"]
    text = render(page([], [], found))
    assert "Portraits by PCA" in text and "Portraits by t-SNE" in text


def test_too_few_or_equal_portraits_make_no_map() -> None:
    assert f"needs {FEWEST} portraits; the store has 3" in str(some_map(3).note)
    alike = project([f"u{at}" for at in range(20)], np.ones((20, 4), np.float32), {})
    assert not alike.projections and "all alike" in str(alike.note)
    assert "No map of portraits" in render(page([], [], alike))


def test_many_portraits_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.evals.portraits.MOST", 30)
    assert MOST > 30
    found = some_map(40)
    assert len(found.buckets) == 30 and "30 of 40" in str(found.note)


def test_buckets_are_the_records() -> None:
    assert [bucket_of(low) for _, low, _ in BUCKETS] == [name for name, _, _ in BUCKETS]


# ---------------------------------------------------------------- the command


def test_the_command(one: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one.run(WINS, ours="limner", name="all/first")
    one.run(LOSES, ours="limner", name="all/second", dataset="kmrd")
    out = tmp_path / "new" / "report.html"
    assert main(["eval", "report", str(tmp_path / "all"), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == str(out)
    assert [found["dataset"] for found in document["findings"]] == ["ml-100k", "kmrd"]
    assert document["findings"][0]["headline"] in out.read_text(encoding="utf-8")
    assert (
        main(
            [
                "eval",
                "report",
                str(tmp_path / "all" / "first"),
                "--out",
                str(out),
                "--title",
                "Autumn",
            ]
        )
        == 0
    )
    assert "limner wins" in capsys.readouterr().out
    assert "<title>Autumn</title>" in out.read_text(encoding="utf-8")


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="There is no run"):
        load_runs(tmp_path)


def test_without_the_extra_it_says_what_to_install(
    one: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = contests([one.run(WINS)])
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(LimnerError, match=r"limner\[evals\]"):
        page(found, [], None)


# ---------------------------------------------------------------- studies


def measured(study: str, gained: float, p: float = 0.001) -> StudyRecord:
    """A study whose portraits are grounded and whose ranking gains so much by them."""
    figures = {
        name: Figure(mean=mean, ci95=(mean - 0.01, mean), n=40, undefined=2)
        for name, mean in (
            ("grounded", 0.996),
            ("citation.valid", 1.0),
            ("statement.precision", 0.9),
            ("exact", 0.25),
        )
    }
    pairs = [
        ("utility.blend.with", "utility.blend.without"),
        ("utility.blend.with", "utility.blend.shuffled"),
    ]
    return StudyRecord(
        study=study,
        dataset=HOSTILE,
        model=HOSTILE,
        cases=42,
        states={"ok": 40, "error": 2, "skipped": 0},
        split=SplitInfo(
            name="global-time", hash="ab", users=42, train_events=9, test_events=9, items=9
        ),
        figures=figures,
        buckets={"1-4": figures},
        groups={f"sex={HOSTILE}": figures},
        notes=[plain(HOSTILE)],
        comparisons=[
            Comparison(
                system=a, baseline=b, metric=a, difference=gained, ci95=(0, 1), p=p, p_holm=p, n=40
            )
            for a, b in pairs
        ],
    )


def test_a_study_claims_what_its_tests_carry() -> None:
    assert lead(measured("portraits", 0.1)).startswith(
        "99.6% of the claims are grounded. Ranking gains from them (blend)"
    )
    for other in (measured("portraits", -0.1), measured("portraits", 0.1, p=0.2)):
        assert lead(other).endswith("That ranking gains from them is not shown.")
    assert "not shown to move" in lead(measured("reasons", 0.1))
    assert lead(measured("chat", 0.0)).startswith("25% of the answers")
    nothing = measured("portraits", 0.1).model_copy(update={"states": {"error": 42}})
    assert lead(nothing) == "Nothing could be measured."


def test_all_but_one_is_not_all() -> None:
    record = measured("portraits", 0.1)
    almost = record.model_copy(
        update={"figures": {"grounded": Figure(mean=0.9999, ci95=None, n=10_000)}}
    )
    assert lead(almost).startswith("More than 99.9%")


def test_studies_stand_on_the_page_by_themselves(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    written = report([], out, studies=[measured("chat", 0.0), measured("portraits", 0.1)])
    html = out.read_text(encoding="utf-8")
    assert html.index("99.6% of the claims") < html.index("25% of the answers")
    assert "n 40, undefined 2" in html and "<script>" not in html
    assert [one.split for one in written.findings] == [
        "global-time, portraits",
        "global-time, chat",
    ]


def test_the_command_finds_studies(tmp_path: Path) -> None:
    write_record(tmp_path / "all" / "chat", measured("chat", 0.0))
    out = tmp_path / "report.html"
    assert main(["eval", "report", str(tmp_path / "all"), "--out", str(out)]) == 0
    assert "25% of the answers" in out.read_text(encoding="utf-8")
    assert main(["eval", "report", str(tmp_path), "--out", str(out)]) == 2
