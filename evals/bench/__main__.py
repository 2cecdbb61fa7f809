"""Run benchmarks and print their reports.

    python -m limner.evals.bench [SUBJECT[=SIZE[,SIZE]]...]

A subject without sizes is measured at those that its targets are stated for. Several subjects, or
none for all, run each in a process of its own, so that neither memory nor what one has loaded
changes the next.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module

SUBJECTS = {
    "ingest": "ROWS",
    "facts": "USERS,EVENTS",
    "embed": "TEXTS",
    "metrics": "USERS,SHARED_USERS",
    "api": "SECONDS",
    "rank": "EVENTS",
    "memory": "REQUESTS",
}
"""The sizes that each subject accepts, in order. Each is a module of this package with a function
`reports` that takes them.
"""
ON_REQUEST = ("memory",)
"""Subjects that run only where they are named."""


def parse(text: str) -> tuple[str, list[int]]:
    """(subject, sizes) of `SUBJECT=SIZE,SIZE`; raises ArgumentTypeError for anything else."""
    subject, _, sizes = text.partition("=")
    if subject not in SUBJECTS:
        raise argparse.ArgumentTypeError(
            f"'{subject}' is none of the subjects {', '.join(SUBJECTS)}"
        )
    accepted = SUBJECTS[subject].split(",")
    numbers = sizes.split(",") if sizes else []
    if len(numbers) > len(accepted) or not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"the sizes are {subject}={SUBJECTS[subject]}, in numbers")
    return subject, [int(number) for number in numbers]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 where every subject ran, otherwise that of the first that failed."""
    parser = argparse.ArgumentParser(prog="python -m limner.evals.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    offered = "  ".join(f"{name}={sizes}" for name, sizes in SUBJECTS.items())
    parser.add_argument(
        "subjects", nargs="*", type=parse, metavar="SUBJECT[=SIZE,...]", help=offered
    )
    asked: list[tuple[str, list[int]]] = parser.parse_args(arguments).subjects
    if len(asked) == 1:
        subject, sizes = asked[0]
        for report in import_module(f"limner.evals.bench.{subject}").reports(*sizes):
            sys.stdout.write(f"{report}\n")
            sys.stdout.flush()
        return 0
    for subject, sizes in asked or [(name, []) for name in SUBJECTS if name not in ON_REQUEST]:
        text = f"{subject}={','.join(map(str, sizes))}" if sizes else subject
        code = subprocess.run([sys.executable, "-m", "limner.evals.bench", text]).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
