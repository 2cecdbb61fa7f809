"""Ids as segments of a path."""

from urllib.parse import urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limner.core.urls import id_of, segment


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example("..")
@example("~..")
@example("%2F")
def test_any_id_is_one_segment_and_comes_back(one: str) -> None:
    part = segment(one)
    assert part.isascii() and not set(part) & set("/?#")
    assert id_of(part) == one
    assert (
        urljoin("http://host/v1/users/x", part) == f"http://host/v1/users/{part}"
    )  # which no client walks up from


@pytest.mark.parametrize(
    ("one", "part"), [(".", "~."), ("..", "~.."), ("~..", "~~.."), ("~", "~"), ("...", "...")]
)
def test_dots_are_hidden(one: str, part: str) -> None:
    assert segment(one) == part and id_of(part) == one
