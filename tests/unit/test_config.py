"""Settings: tables that a project lays over the defaults."""

from pathlib import Path

import pytest

from agent.config import PRICES, SIGNALS, Price, load_settings
from agent.errors import SettingsError


def project(folder: Path, text: str) -> Path:
    file = folder / "limner.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_signals_are_laid_over_the_default_table(tmp_path: Path) -> None:
    file = project(tmp_path, "signals: {types: {view: 0, wishlist: 0.6}}\nllm: {prices: {mine: {input: 1}}}\n")
    settings = load_settings({}, file)
    assert settings.signals.types == {**SIGNALS, "view": 0.0, "wishlist": 0.6}
    assert settings.llm.prices == {**PRICES, "mine": Price(input=1.0)}
    assert load_settings({}).signals.types == SIGNALS


@pytest.mark.parametrize("table", ["{view: 2}", "{view: much}", "[view]", "0.3"])
def test_a_signal_that_is_none_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(SettingsError, match=r"signals\.types"):
        load_settings({}, project(tmp_path, f"signals: {{types: {table}}}\n"))
