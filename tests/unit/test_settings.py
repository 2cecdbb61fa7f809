"""Settings: tables that a project lays over the defaults."""

import os
from pathlib import Path
from threading import Thread

import pytest

from limner.core.errors import SettingsError
from limner.core.settings import PRICES, SIGNALS, Price, Settings, load_settings
from limner.llm.prompts import load_prompt


def project(folder: Path, text: str) -> Path:
    file = folder / "limner.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_signals_are_laid_over_the_default_table(tmp_path: Path) -> None:
    file = project(
        tmp_path, "signals: {types: {view: 0, wishlist: 0.6}}\nllm: {prices: {mine: {input: 1}}}\n"
    )
    settings = load_settings({}, file)
    assert settings.signals.types == {**SIGNALS, "view": 0.0, "wishlist": 0.6}
    assert settings.llm.prices == {**PRICES, "mine": Price(input=1.0)}
    assert load_settings({}).signals.types == SIGNALS


@pytest.mark.parametrize("table", ["{view: 2}", "{view: much}", "[view]", "0.3"])
def test_a_signal_that_is_none_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(SettingsError, match=r"signals\.types"):
        load_settings({}, project(tmp_path, f"signals: {{types: {table}}}\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "portrait: {max_preference: 3}\n",
            "There is no setting 'portrait.max_preference'; perhaps "
            "'portrait.max_preferences' was meant.",
        ),
        ("colours: {}\n", "There is no setting 'colours'; docs/settings.md lists them."),
        (
            "llm: {\n",
            (
                "limner.yaml' is not valid YAML: expected the node content, but found "
                "'<stream end>' in line 2."
            ),
        ),
        ("llm: {threads: none}\n", "Setting 'llm.threads' is wrong: "),
        ("llm: auto\n", "limner.yaml: 'llm' must be a section, not 'auto'."),
        ("- llm\n", "limner.yaml must be a mapping of sections; see docs/settings.md."),
        ("llm: {api_key: sk}\n", "keep the key out of files; set OPENAI_API_KEY"),
        ("Data: x\n", "There is no setting 'Data'; perhaps 'data' was meant."),
    ],
)
def test_what_is_wrong_with_settings_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({}, project(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_later_sources_win_and_leave_the_rest_of_a_section(tmp_path: Path) -> None:
    file = project(tmp_path, "llm: {choice: local, model: a, threads: 3, slots: 4}\ndata: d\n")
    variables = {"LIMNER_LLM": "openai", "LIMNER_LLM_MODEL": "b", "LIMNER_DATA": ""}
    settings = load_settings(variables, file, {("llm", "model"): "c", ("reasons", "voice"): "dry"})
    assert (settings.llm.choice, settings.llm.model) == ("openai", "c")
    assert (settings.llm.threads, settings.llm.slots, settings.data) == (3, 4, "d")
    assert settings.reasons.voice == "dry" and type(settings) is Settings


def test_the_environment_given_is_the_only_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LIMNER_DATA": "elsewhere", "LIMNER_SERVER__RATE": "9"}.items():
        monkeypatch.setenv(name, value)
    assert load_settings({}) == Settings() == load_settings({"DATA": "x", "SERVER": "y"})
    assert (load_settings().data, load_settings().server.rate) == ("elsewhere", 9.0)


def test_every_setting_has_a_variable() -> None:
    settings = load_settings(
        {
            "LIMNER_SERVER__THREADS": "3",
            "LIMNER_LLM__PROBE__SCHEMA": "0.95",
            "LIMNER_SIGNALS": '{"types": {"view": 0}}',
            "LIMNER_LLM__MODEL": "general",
            "LIMNER_LLM_MODEL": "short",
            "LIMNER_LANGUAGE": "",
            "LIMNER_PORTRAIT__LANGUAGE": "de",
            "LIMNER_CACHE": "/nowhere",
            "LIMNER_SOMETHING__ELSE": "1",
        }
    )
    assert settings.server.threads == 3 and settings.llm.probe.schema_ == 0.95
    assert settings.signals.types == {**SIGNALS, "view": 0.0}
    assert settings.llm.model == "short" and settings.portrait.language == "de"


def test_a_settings_file_may_be_a_pipe_and_must_exist(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=("data: piped\n",))
    writer.start()
    assert load_settings({}, pipe).data == "piped"
    writer.join()
    with pytest.raises(SettingsError, match="There is no settings file"):
        load_settings({}, tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"LIMNER_THREADS": "many"}, "Setting 'llm.threads' is wrong: "),
        ({"LIMNER_LLM": "gpt"}, "Setting 'llm.choice' is wrong: "),
        ({"LIMNER_LLM__THREAD": "2"}, "no setting 'llm.thread'; perhaps 'llm.threads' was meant."),
        ({"LIMNER_SERVER": "fast"}, "A whole section in the environment must be a JSON object"),
    ],
)
def test_what_is_wrong_with_a_variable_is_one_sentence(
    variables: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(variables)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id: [", "is not valid YAML: expected the node content"),
        (b"id: reason\n", "does not fit at version: Field required."),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_prompt_file_is_one_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "reason.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_prompt("reason", str(file))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
