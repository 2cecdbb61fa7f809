"""Log lines of the stages: counts and seconds, silent unless asked for, and no text of users."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.cli import main
from limner.core.telemetry import TextLines, log_run, logged
from tests.unit.ingesting import Bench


@pytest.fixture(autouse=True)
def unchanged_logger() -> Iterator[None]:
    """The logger as it was before, whatever a command sets."""
    logger = logging.getLogger("limner")
    before = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


async def test_a_plain_and_an_async_function_log_one_line_when_they_succeed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @logged("rank", "plain", lambda result: {"n": result})
    def plain(n: int) -> int:
        return 10 // n

    @logged("rank", "later", lambda result: {"n": result})
    async def later(n: int) -> int:
        return n

    caplog.set_level("INFO", "limner")
    assert (plain(5), await later(3)) == (2, 3)
    with pytest.raises(ZeroDivisionError):
        plain(0)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("limner.rank", "rank.plain"),
        ("limner.rank", "rank.later"),
    ]
    assert [fields_of(record)["n"] for record in caplog.records] == [2, 3]
    assert all(isinstance(fields_of(record)["seconds"], float) for record in caplog.records)
    assert plain.__name__ == "plain"


def test_ingest_counts_rows_and_shows_none_of_their_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "limner")
    bench = Bench(tmp_path)
    text = "user_id,item_id,type,text\nsecret-user,i1,review,my secret\nu2,i1,like,\n,i1,like,\n"
    bench.run(bench.write("e.csv", text))
    [record] = [record for record in caplog.records if record.name == "limner.ingest"]
    counts = {name: value for name, value in fields_of(record).items() if name != "seconds"}
    assert counts == {"events": 2, "items": 0, "users": 0, "rejected": 1}
    assert "secret" not in TextLines().format(record)


def test_a_line_is_text_for_people(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "limner")
    log_run("llm", "call", 1.23456, {"outcome": "ok", "input_tokens": 7})
    line = TextLines().format(caplog.records[0])
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d INFO llm\.call outcome=ok input_tokens=7 seconds=1\.235", line
    )


@pytest.mark.parametrize("level", ["", "off", "info", "warning"])
def test_commands_are_silent_unless_a_level_is_set(
    level: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMNER_LOG", level)
    events = tmp_path / "events.csv"
    events.write_text("user_id,item_id,type\nu1,i1,like\n", encoding="utf-8")
    arguments = ["--data", str(tmp_path / "store"), "-q", "ingest", "--events", str(events)]
    assert main([*arguments, "--json"]) == 0
    stderr = capsys.readouterr().err
    assert ("INFO ingest.files events=1 items=" in stderr) == (level == "info")
    if level != "info":
        assert stderr == ""


def test_a_level_that_there_is_not_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIMNER_LOG", "loud")
    assert main(["history", "ann"]) == 2
    assert "Setting 'log' is wrong" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 1  # goes on, and says it as one of its lines
    assert "Setting 'log' is wrong" in " ".join(capsys.readouterr().out.split())
