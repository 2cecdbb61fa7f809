"""The system `llm` over real HTTP: a model that orders lists by one number of the user's, and
models that do not.
"""

import json
import re
from pathlib import Path

import pytest

import limner.llm.session
from limner.core.schema import Usage
from limner.core.settings import LlmSettings, Price, RerankSettings, Settings
from limner.evals.execution import Execution
from limner.evals.records import Evaluation, SystemResult
from limner.evals.run import RunPlan, run
from limner.llm import Budget, ChatReply, ChosenModel
from limner.testing import Behaviour, Failure, FakeChat, ScriptedAnswer, ScriptedServer, SeenRequest
from tests.unit.test_evaluation import USERS, dataset, many


def settings(server: ScriptedServer, grade: str = "full", **more: object) -> Settings:
    llm = {
        "choice": "openai",
        "base_url": server.base_url,
        "api_key": "k",
        "model": "m",
        "grade": grade,
        "backoff": 0.01,
        "retry_budget": 0.05,
    }
    return Settings(llm=LlmSettings.model_validate({**llm, **more}))


def evaluated(
    held: Settings | None, budget: Budget | None = None, out: Path | None = None, limit: int = 6
) -> Evaluation:
    return run(
        dataset(many()),
        RunPlan(
            "leave-last-out",
            ["llm", "popular"],
            ["hit@10", "coverage@10"],
            against="llm",
            trials=0,
            limit=limit,
        ),
        Execution(budget=budget, out=out),
        settings=held,
    )


def llm(found: Evaluation) -> SystemResult:
    return next(one for one in found.systems if one.name == "llm")


def half(request: SeenRequest) -> Behaviour:
    """Items of the half of the catalogue that the user is told to like come first."""
    liked = re.search(r'enjoyed "Title (\d+)', request.text)
    left = liked is not None and int(liked[1]) < 15
    listed = re.findall(r'^(\d+)\. "Title (\d+)', request.text, re.M)
    order = sorted(listed, key=lambda one: ((int(one[1]) < 15) != left, int(one[0])))
    return ScriptedAnswer(json.dumps({"order": [int(number) for number, _ in order]}))


def test_the_models_order_alone_decides(tmp_path: Path) -> None:
    with ScriptedServer(otherwise=half) as server:
        found = evaluated(settings(server), out=tmp_path, limit=USERS)
        asked = len(server.requests)
    own = llm(found)
    assert own.state == "ok" and own.failed_users == 0 and own.settings == {"model": "m"}
    # Everyone stays in their half of the catalogue; of the fifteen there, most of what was not had
    # is on the list.
    mean, popular = own.metrics["hit@10"].mean, found.systems[1].metrics["hit@10"].mean
    assert mean is not None and popular is not None and mean > popular + 0.2
    assert own.cost.calls == asked > 0 and own.cost.input_tokens > 0 and own.cost.failed == 0
    assert {one.baseline for one in found.comparisons} == {"popular"}


def test_pointwise_goes_by_the_log_odds() -> None:
    def yes_for_left(request: SeenRequest) -> Behaviour:
        title = re.findall(r'"Title (\d+)', request.text)[-1]
        sure = -0.1 if int(title) < 15 else -3.0
        return ScriptedAnswer(
            "yes",
            logprobs={"yes": sure, "no": -0.5 - sure}
            if "enjoyed" in request.text
            else {"yes": -0.7, "no": -0.7},
        )

    with ScriptedServer(otherwise=yes_for_left) as server:
        found = llm(evaluated(settings(server, "phrase")))
    assert found.state == "ok" and found.failed_users == 0


@pytest.mark.parametrize("held", [None, Settings(llm=LlmSettings(choice="none"))])
def test_without_a_model_it_is_skipped_and_counted_apart(held: Settings | None) -> None:
    found = evaluated(held)
    assert [(one.name, one.state) for one in found.systems] == [
        ("llm", "skipped"),
        ("popular", "ok"),
    ]
    assert "no model" in str(llm(found).why)
    assert not found.comparisons


def test_a_model_that_tells_no_log_probabilities_is_skipped() -> None:
    with ScriptedServer(otherwise=ScriptedAnswer("yes"), logprobs=False) as server:
        found = llm(evaluated(settings(server, "phrase")))
    assert found.state == "skipped" and "log-probabilities" in str(found.why)


def test_a_model_that_is_away_has_failed() -> None:
    with ScriptedServer(otherwise=Failure(500)) as server:
        found = llm(evaluated(settings(server)))
    assert found.state == "failed" and found.cost.failed == found.cost.calls > 0


def test_users_for_whom_the_model_gives_no_order_are_misses() -> None:
    def sometimes(request: SeenRequest) -> Behaviour:
        liked = re.search(r'enjoyed "Title (\d+)', request.text)
        return (
            half(request)
            if liked and int(liked[1]) < 15
            else ScriptedAnswer(json.dumps({"order": []}))
        )

    with ScriptedServer(otherwise=sometimes) as server:
        found = llm(evaluated(settings(server), limit=USERS))
    assert (
        found.state == "ok"
        and found.failed_users == USERS // 2
        and "did not order" in str(found.why)
    )
    assert found.metrics["hit@10"].n == USERS


def test_the_cost_limit_is_kept_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = FakeChat(
        lambda request: ChatReply(
            '{"order": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}', Usage(input_tokens=100)
        ),
        name="dear",
        hosted=True,
    )
    monkeypatch.setattr(
        limner.llm.session, "choose_chat", lambda *_: ChosenModel(chat, "dear", "nowhere")
    )
    prices = {"dear": Price(input=1000.0, output=0.0)}
    budget = Budget(2.0)
    found = llm(
        evaluated(Settings(llm=LlmSettings(choice="openai", grade="full", prices=prices)), budget)
    )
    assert 0 < found.cost.cost <= 2.0 and budget.spent == pytest.approx(found.cost.cost)
    assert 0 < found.failed_users < 6 and "cost limit" in str(found.why)
    nothing = llm(
        evaluated(Settings(llm=LlmSettings(choice="openai", grade="full", prices=prices)), budget)
    )
    assert (
        nothing.state == "failed" and nothing.cost.calls == 0 and "cost limit" in str(nothing.why)
    )


def test_what_it_cost_is_shown() -> None:
    from rich.console import Console

    from limner.cli.show.studies import models_asked

    with ScriptedServer(otherwise=half) as server:
        found = evaluated(settings(server), limit=2)
    drawn = models_asked(found)
    assert drawn is not None
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(drawn)
    assert re.search(r"llm asked m: \d+ calls, 0 from the cache, 0 failed", captured.get())
    assert models_asked(evaluated(None)) is None


def test_a_resumed_run_asks_anew_where_another_model_or_order_is_set(tmp_path: Path) -> None:
    def again(held: Settings) -> int:
        before = len(server.requests)
        found = run(
            dataset(many()),
            RunPlan(
                "leave-last-out", ["llm", "popular"], ["hit@10"], against="llm", trials=0, limit=6
            ),
            Execution(out=tmp_path, resume=True),
            settings=held,
        )
        assert llm(found).state == "ok" and llm(found).settings == {"model": held.llm.model}
        return len(server.requests) - before

    with ScriptedServer(otherwise=half) as server:
        first = again(settings(server))
        assert first > 0 and again(settings(server)) == 0
        assert again(settings(server, api_key="other", timeout=30.0)) == 0  # what shapes no answer
        assert again(settings(server, model="better")) == first
        assert again(settings(server, model="better")) == 0
        shorter = settings(server, model="better")
        assert again(shorter.model_copy(update={"rerank": RerankSettings(top=3)})) > 0
