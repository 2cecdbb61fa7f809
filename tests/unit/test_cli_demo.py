"""The demo's steps, with an engine that is not there and data that is there already."""

import json
from pathlib import Path

import pytest

from limner.cli import main
from limner.core.errors import SettingsError
from limner.core.progress import Progress
from limner.core.settings import Settings
from tests.unit.cli_fake import FakeEngine, Opening


class NoModel(Opening):
    """Opens engines only for template words."""

    def __call__(
        self, settings: Settings, *, create: bool = False, progress: Progress | None = None
    ) -> FakeEngine:
        if settings.llm.choice != "none":
            raise SettingsError("There is no model; set OPENAI_API_KEY or install limner[local].")
        return super().__call__(settings, create=create, progress=progress)


@pytest.fixture(autouse=True)
def _data_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LIMNER_LLM", "LIMNER_DATA", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("demo-data", "elsewhere"):
        (tmp_path / folder / "ml-100k").mkdir(parents=True)
        for name in ("u.data", "u.item", "u.user"):
            (tmp_path / folder / "ml-100k" / name).write_text("x\n", encoding="utf-8")


def asked(engine: FakeEngine) -> list[str]:
    return [name for name, _ in engine.asked]


def test_template_words_come_first_and_a_model_rewords_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    opening = Opening()
    assert main(["demo"], open_engine=opening) == 0
    first, second = opening.engines
    assert first.settings.llm.choice == "none"
    assert asked(first) == ["ingest", "train", "build", "recommend"]
    assert second.settings.llm.choice == "auto"
    assert asked(second) == ["build", "recommend"]
    assert first.closed
    assert second.closed
    shown = capsys.readouterr()
    for part in (
        "For user 196",
        "User 196",
        "after",
        "What to try next",
        "--data demo-data profile show 196 --why",
    ):
        assert part in shown.out
    assert "may be used for research" in shown.err


def test_without_a_model_the_demo_is_complete_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = NoModel()
    assert main(["demo"], open_engine=opening) == 0
    assert "OPENAI_API_KEY or install" in capsys.readouterr().err
    monkeypatch.setenv("LIMNER_LLM", "none")
    assert main(["demo"], open_engine=opening) == 0
    assert [engine.settings.llm.choice for engine in opening.engines] == ["none", "none"]


def test_the_demo_never_touches_the_store_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIMNER_DATA", "precious")
    opening = NoModel()
    assert main(["demo"], open_engine=opening) == 0
    assert main(["--data", "elsewhere", "demo"], open_engine=opening) == 0
    assert [engine.settings.data for engine in opening.engines] == ["demo-data", "elsewhere"]


def test_the_demo_is_one_document_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json"], open_engine=Opening()) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"ingest", "portraits", "recommendations"}
    assert len(document["portraits"]["template"]) == len(document["portraits"]["model"]) == 1
