"""What users with the same attributes have had."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limner.core.schema import User
from limner.retrieve import Demographics, count_demographics, load_demographics
from limner.retrieve.demographic import FEWEST, SHRINK
from tests.unit.test_rank import made


def users() -> list[User]:
    """Thirty: the first ten are old smiths, one has a value of his own, all live in one town."""
    return [
        User(
            user_id=f"u{at}",
            attributes={
                "job": "Smith" if at < 10 else "baker",
                "age": 70 - at,
                "town": "Ulm",
                "pet": f"p{at}",
            },
        )
        for at in range(30)
    ]


@pytest.fixture
def counted() -> Demographics:
    return count_demographics(made(), users())


def test_the_formula_is_naive_bayes_shrunk(counted: Demographics) -> None:
    x = made()
    n = np.array(
        [
            len({u for u, i in zip(x.user, x.item, strict=True) if i == item and u < 10})
            for item in range(20)
        ]
    )
    lift = (n + SHRINK * counted.share) / ((10 + SHRINK) * counted.share)
    expected = counted.share * lift
    assert counted.known({"job": "smith"}) == ["job: smith"]
    score = counted.score({"job": " SMITH "}, x.item_ids)
    assert score == pytest.approx(expected / expected.max(), rel=1e-5)
    both = counted.score({"job": "smith", "age": 70}, x.item_ids)
    assert both is not None and score is not None and not np.allclose(both, score)


def test_numbers_are_read_by_fifths_and_values_that_tell_nothing_are_left_out(
    counted: Demographics,
) -> None:
    assert {one for one in counted.values if one.startswith("age")} == {
        f"age: {part}/5" for part in range(1, 6)
    }
    assert counted.known({"age": 200}) == ["age: 5/5"] and counted.known({"age": -1.5}) == [
        "age: 1/5"
    ]
    assert counted.known({"town": "Ulm"}) == []  # all live there
    assert counted.known({"pet": "p3"}) == []  # fewer than FEWEST have it
    assert FEWEST > 1
    assert (
        counted.score({"town": "Ulm", "shoe": 42}, made().item_ids) is None
        and counted.score({}, ["i1"]) is None
    )


def test_items_unknown_or_had_by_nobody_score_nothing(counted: Demographics) -> None:
    x = replace(made(), item_ids=[*made().item_ids, "never"])
    score = count_demographics(x, users()).score({"job": "baker"}, ["never", "i3", "elsewhere"])
    assert score is not None and score[0] == score[2] == 0 and score[1] > 0


def test_they_are_kept_as_they_are(counted: Demographics, tmp_path: Path) -> None:
    assert load_demographics(tmp_path) is None
    counted.save(tmp_path)
    loaded = load_demographics(tmp_path)
    assert loaded is not None
    of = {"job": "baker", "age": 50}
    assert np.array_equal(loaded.score(of, made().item_ids), counted.score(of, made().item_ids))  # type: ignore[arg-type]
    whole = (tmp_path / "demographics.npz").read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "demographics.npz").write_bytes(whole[:size])
        assert load_demographics(tmp_path) is None
    counted.save(tmp_path)
    (tmp_path / "demographics.json").write_text("{")
    assert load_demographics(tmp_path) is None


def test_without_users_or_events_there_is_nothing() -> None:
    x = made()
    assert count_demographics(x, []).score({"job": "smith"}, x.item_ids) is None
    none = count_demographics(x.take(np.zeros(len(x), dtype=bool)), users())
    assert none.score({"job": "smith"}, x.item_ids) is None
