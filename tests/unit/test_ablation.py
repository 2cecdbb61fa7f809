"""The ranker without one family of channels: nothing of it is left, and nothing changes where
nothing is left out.
"""

import numpy as np
import pytest

from limner.core.errors import UsageError
from limner.evals.splits import leave_last_out
from limner.evals.systems import SYSTEMS, Training, resolve
from limner.evals.systems.limner import FAMILIES, WITHOUT, LimnerSystem
from limner.rank import fit
from limner.rank.features import tabulate
from tests.unit.eval_runs import evaluation, made_up
from tests.unit.test_evaluation import many, truth_of


@pytest.fixture(scope="module")
def training() -> Training:
    x = many()
    return truth_of(leave_last_out(x), x).training


def columns_of(training: Training, muted: frozenset[str]) -> list[str]:
    model = fit(training.x, training.signal, training.catalogue, how=training.how, muted=muted)
    asked = training.asked(np.arange(3))
    return tabulate(model.channels, asked.histories, [one.items for one in asked.histories]).names


def test_every_channel_is_of_one_family(training: Training) -> None:
    """A channel that is added must be put into a family, or what it adds is shown nowhere."""
    held = fit(training.x, training.signal, training.catalogue, how=training.how).channels
    families = [name for some in FAMILIES.values() for name in some]
    assert len(families) == len(set(families))
    channels = {one.name for one in held.all}
    assert channels - {"content", "content_late"} <= set(families)
    assert set(families) - channels <= {
        "content",
        "content_late",
        "popularity",
        "popularity gap",
        "age",
        "entry gap",
        "entry near",
    }


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_without_a_family_nothing_of_it_is_a_column(training: Training, family: str) -> None:
    every = columns_of(training, frozenset())
    left = columns_of(training, FAMILIES[family])
    gone = [name for name in every if name.removeprefix("place ") in FAMILIES[family]]
    assert left == [name for name in every if name not in gone]
    assert gone or family == "content"


def test_what_is_left_out_names_no_candidate(training: Training) -> None:
    model = fit(
        training.x,
        training.signal,
        training.catalogue,
        how=training.how,
        muted=FAMILIES["next_item"],
    )
    asked = training.asked(np.arange(3))
    table = tabulate(model.channels, asked.histories, [one.items for one in asked.histories])
    assert table.top_candidates[0] and not any(
        set(one) & FAMILIES["next_item"] for one in table.top_candidates
    )


def test_each_family_is_a_contestant(training: Training) -> None:
    [system] = resolve(["limner-without:popularity"], 10)
    made = system.make()
    assert made == LimnerSystem("popularity")
    made.fit(training)
    other = LimnerSystem()
    other.fit(training)
    asked = training.asked(np.arange(10))
    assert not np.array_equal(made.score(asked), other.score(asked))
    assert {name for name in SYSTEMS if name.startswith(WITHOUT)} == {
        f"{WITHOUT}{one}" for one in FAMILIES
    }
    with pytest.raises(UsageError, match="limner-without:content"):
        resolve(["limner-without:magic"], 10)


def test_the_table_says_what_each_family_adds_most_first() -> None:
    from rich.console import Console

    from limner.cli.show.studies import ablation

    record = evaluation(
        made_up({"limner": 0.3, f"{WITHOUT}facets": 0.3, f"{WITHOUT}next_item": 0.1}), ours="limner"
    )
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(ablation(record))
    text = captured.get()
    assert text.index("next_item") < text.index("facets")
    assert "+0.2" in text and "not significant" in text and "ndcg@10" in text
    assert ablation(evaluation(made_up({"limner": 0.3, "ease": 0.2}), ours="limner")) is None
