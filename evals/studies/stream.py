"""Cases on disk, a JSON line each as it is finished, so that a run that is killed loses none."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from limner.core.errors import BadInputError
from limner.evals.studies.records import Case, StudyRecord
from limner.evals.write import write_whole

CASES, RECORD = "cases.jsonl", "study.json"


class CaseStream:
    """`cases.jsonl` in a folder, or nowhere where the folder is None."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / CASES if folder else None

    def write(self, case: Case) -> None:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as out:
                out.write(case.model_dump_json() + "\n")

    def restart(self, kept: Sequence[Case]) -> None:
        """Hold these and no others; whole or not at all."""
        if self._file is None:
            return
        write_whole(self._file, "".join(one.model_dump_json() + "\n" for one in kept))

    def read(self) -> list[Case]:
        """What was finished, the last line of each id; a last line that was cut off by a kill is
        left out.

        Raises BadInputError for any other line that is no case.
        """
        if self._file is None or not self._file.exists():
            return []
        # A kill may have cut a letter in two.
        lines = self._file.read_text(encoding="utf-8", errors="replace").split("\n")
        cases: dict[str, Case] = {}
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                case = Case.model_validate_json(line)
            except ValidationError as error:
                if number == len(lines):
                    break
                raise BadInputError("evals.no_case", line=number, file=self._file) from error
            cases[case.id] = case
        return list(cases.values())


def write_record(folder: Path, record: StudyRecord) -> None:
    write_whole(folder / RECORD, record.model_dump_json(indent=2))


def load_study(path: Path) -> StudyRecord:
    """A study from its folder or its study.json. Raises BadInputError for anything else."""
    file = path / RECORD if path.is_dir() else path
    try:
        return StudyRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise BadInputError("evals.no_study", path=path, record=RECORD) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(one) for one in first["loc"]) or "the whole file"
        raise BadInputError(
            "evals.wrong_study", file=file, where=where, why=first["msg"]
        ) from error


def load_studies(path: Path) -> list[StudyRecord]:
    """The study there, or the studies in the folders below, by name; empty where there is none."""
    if path.is_file():
        return [load_study(path)] if path.name == RECORD else []
    if (path / RECORD).exists():
        return [load_study(path)]
    return [load_study(one) for one in sorted(path.glob(f"*/{RECORD}"))]
