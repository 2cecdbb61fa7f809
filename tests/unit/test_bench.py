"""What benchmarks share: turns, processes of their own, reports, and the command."""

import argparse
import json
import os
from dataclasses import dataclass

import pytest

from limner.evals.bench.__main__ import SUBJECTS, main, parse
from limner.evals.bench.harness import Report, in_own_process, in_turns, line


def test_contenders_take_turns_after_each_block() -> None:
    calls: list[tuple[str, int]] = []
    ticks = iter(range(100))
    times = in_turns(
        {"a": lambda at: calls.append(("a", at)), "b": lambda at: calls.append(("b", at))},
        3,
        block=2,
        clock=lambda: float(next(ticks)),
    )
    assert calls == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("a", 2), ("b", 2)]
    assert {name: seconds.tolist() for name, seconds in times.items()} == {
        "a": [1.0] * 3,
        "b": [1.0] * 3,
    }


def test_a_process_of_its_own_has_a_peak_of_its_own() -> None:
    pid, mib = in_own_process(os.getpid)
    assert pid != os.getpid()
    assert mib > 1


def test_a_report_is_text_and_then_json() -> None:
    @dataclass(frozen=True)
    class Figures:
        seconds: float

    text = str(Report("thing: 1 row", [line("ours", "2.0 s", "peak 3 MiB")], [Figures(2.0)]))
    title, measured, figures = text.split("\n")
    assert (title, measured.split()) == ("thing: 1 row", ["ours", "2.0", "s", "peak", "3", "MiB"])
    assert json.loads(figures) == [{"seconds": 2.0}]


def test_a_subject_and_its_sizes() -> None:
    assert parse("facts=40,2000") == ("facts", [40, 2000])
    assert parse("api") == ("api", [])


@pytest.mark.parametrize("text", ["fact", "facts=1,2,3", "facts=many", "ingest=-1"])
def test_what_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


def test_one_subject_prints_its_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["facts=40,2000"]) == 0
    title, *_, figures = capsys.readouterr().out.splitlines()
    assert title.startswith("facts: 40 users, 2,000 events")
    assert json.loads(figures)["events"] == 2000


def test_several_subjects_run_in_turn(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["facts=40,2000", "facts=30,1500"]) == 0
    titles = [text for text in capfd.readouterr().out.splitlines() if text.startswith("facts: ")]
    assert [title.split()[1] for title in titles] == ["40", "30"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_takes_the_sizes_that_help_names(subject: str) -> None:
    import inspect
    from importlib import import_module

    reports = import_module(f"limner.evals.bench.{subject}").reports
    assert [name.upper() for name in inspect.signature(reports).parameters] == SUBJECTS[
        subject
    ].split(",")
