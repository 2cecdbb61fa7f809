"""Settings: tables that a project lays over the defaults."""

from pathlib import Path

import pytest

from limner.core.errors import SettingsError
from limner.core.settings import PRICES, SIGNALS, Price, load_settings
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
    ],
)
def test_what_is_wrong_with_settings_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({}, project(tmp_path, text))
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
