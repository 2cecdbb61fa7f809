"""The examples of CONTRIBUTING.md work: a channel and a tool, as they are printed there."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from limner.engine import Engine
from limner.retrieve import Channel, History
from limner.tools.base import Args, Result, Tool, ToolStatement, tool
from tests.unit.chat_store import make_engine

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(heading: str) -> str:
    """The first Python block under a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", section, re.M | re.S)
    return textwrap.dedent(str(blocks[0]))


def test_the_channel_scores_what_shares_users() -> None:
    names: dict[str, Any] = {
        "Sequence": Sequence,
        "dataclass": dataclass,
        "cached_property": cached_property,
        "np": np,
        "NDArray": NDArray,
        "History": History,
    }
    exec(compile(example("Add a channel"), "CONTRIBUTING.md", "exec"), names)
    users = sp.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32))
    channel: Channel = names["ItemKNN"](users)
    history = History(np.array([0]), np.array([1.0], dtype=np.float32))
    # Items 0 and 1 share two users of 2 and 3: cosine 2 / sqrt(6). Items 0 and 2 share none.
    assert channel.score([history])[0] == pytest.approx([1.0, 2 / 6**0.5, 0.0])
    disliked = History(np.array([0]), np.array([-1.0], dtype=np.float32))
    assert not channel.score([disliked]).any()
    assert channel.name == "item_knn" and channel.holds() == "3 items"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("contributing") / "store")
    yield made
    made.store.close()


async def test_the_tool_counts(engine: Engine) -> None:
    names: dict[str, Any] = {
        "Args": Args,
        "Counter": Counter,
        "Engine": Engine,
        "Field": Field,
        "Result": Result,
        "ToolStatement": ToolStatement,
        "tool": tool,
        "__name__": "event_types",
    }
    exec(compile(example("Add a tool"), "CONTRIBUTING.md", "exec"), names)
    made: Tool = names["event_types"]
    result = await made.run(engine, made.args.model_validate({"user_id": "13"}))
    assert result.found and sum(result.model_dump(exclude={"answer"})["counts"].values()) == 6
    assert {statement.form for statement in result.said} == {"event_types.count"}
