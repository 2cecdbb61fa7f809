"""Studies from end to end on a small store: leaks, going on, errors, cost limits, and the
command.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import limner.llm.session
from limner.cli import main
from limner.core.errors import BadInputError
from limner.core.progress import Quiet
from limner.core.schema import Item, Usage, User
from limner.core.settings import LlmSettings, Price, RerankSettings, Settings
from limner.evals.execution import Execution
from limner.evals.studies import run as running
from limner.evals.studies.lab import Lab, open_lab
from limner.evals.studies.reasons import ReasonStudy
from limner.evals.studies.records import Case, StudyRecord
from limner.evals.studies.run import StudyPlan, run_study
from limner.evals.studies.stream import CaseStream, load_studies, load_study
from limner.evals.studies.summary import MEASURES, NEUTRAL
from limner.llm import ChatReply, ChatRequest, ChosenModel
from limner.store import EventColumns, event_hash, open_store
from limner.testing import Failure, FakeChat, FakeEmbedder, ScriptedServer

USERS, ITEMS, DAY = 24, 24, 86_400_000
GENRES = ("Crime", "Comedy", "Horror", "Western")
SETTINGS = Settings(llm=LlmSettings(choice="none"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Users who like the genre of their number, and a search each before and after the cut."""
    folder = tmp_path_factory.mktemp("source")
    held = open_store(str(folder))
    held.add_items(
        [
            Item(
                item_id=f"i{at}",
                title=f"Title {chr(65 + at)} ({1980 + at})",
                categories=[GENRES[at % 4]],
            )
            for at in range(ITEMS)
        ]
    )
    held.add_users(
        [User(user_id=f"u{at}", attributes={"sex": "FM"[at % 2]}) for at in range(USERS)]
    )
    random = np.random.default_rng(3)
    rows: list[tuple[str, str | None, str, float, int, str]] = []
    for user in range(USERS):
        own = [one for one in range(ITEMS) if one % 4 == user % 4]
        other = [one for one in range(ITEMS) if one % 4 != user % 4]
        some = [
            *random.permutation(own)[:5].tolist(),
            *random.permutation(other)[: 5 + user % 3].tolist(),
        ]
        for place, item in enumerate(random.permutation(some).tolist()):
            rated = 5.0 if item % 4 == user % 4 else 2.0
            rows.append((f"u{user}", f"i{item}", "rating", rated, place * 10 + user % 10, ""))
        rows += [(f"u{user}", None, "search", np.nan, day, f"crime {day}") for day in (1, 200)]
    ids = [f"e{at}" for at in range(len(rows))]
    held.add_events(
        EventColumns(
            event_id=ids,
            id_hash=np.array([event_hash(one) for one in ids]),
            user_id=[row[0] for row in rows],
            item_id=[row[1] for row in rows],
            type=[row[2] for row in rows],
            value=np.array([row[3] for row in rows]),
            time=np.array([row[4] * DAY for row in rows], dtype=np.int64),
            text=[row[5] for row in rows],
            source="s",
            context=[""] * len(rows),
        )
    )
    from limner.core.schema import Scale

    held.set_scale(Scale(source="s", low=1, high=5, declared=True))
    held.close()
    return str(folder)


@pytest.fixture(scope="module")
def trained(store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab that was filled and trained once."""
    folder = tmp_path_factory.mktemp("lab")
    lab(store, folder).engine.store.close()
    return folder


@pytest.fixture
def out(trained: Path, tmp_path: Path) -> Path:
    """A folder to run in, its lab ready."""
    shutil.copytree(trained, tmp_path / "run" / "lab")
    return tmp_path / "run"


def lab(store: str, folder: Path, *, neutral: bool = False, split: str = "global-time") -> Lab:
    return open_lab(
        store, split, SETTINGS, folder, neutral=neutral, progress=Quiet(), embedder=FakeEmbedder()
    )


def go(store: str, study: str, execution: Execution, **more: object) -> StudyRecord:
    plan = StudyPlan(**{"study": study, "dataset": store, "limit": 8, **more})  # type: ignore[arg-type]
    return run_study(plan, SETTINGS, execution, embedder=FakeEmbedder())


@pytest.mark.parametrize("split", ["global-time", "leave-last-out"])
def test_the_lab_holds_nothing_of_what_is_hidden(store: str, tmp_path: Path, split: str) -> None:
    made = lab(store, tmp_path / "lab", split=split)
    x = made.engine.store.interactions()
    assert len(x) == made.split.train_events
    source = open_store(store, create=False)
    for user in made.users:
        events = made.events(user)
        later = [
            one
            for one in source.events(user)
            if one.event_id not in {each.event_id for each in events}
        ]
        assert made.hidden[user] <= {one.item_id for one in later}
        assert not made.hidden[user] & {one.item_id for one in events}
        last = max(one.timestamp for one in events if one.timestamp)
        assert all(one.timestamp and one.timestamp >= last for one in later)
        assert [one.text for one in events if one.type == "search"] == ["crime 1"]
    source.close()
    assert {made.groups[user]["sex"] for user in made.users} == {"F", "M"}


def test_a_lab_is_gone_on_with_and_never_mixed(store: str, tmp_path: Path) -> None:
    first = lab(store, tmp_path / "lab")
    again = lab(store, tmp_path / "lab")
    assert again.split == first.split and again.engine.store.counts() == first.engine.store.counts()
    with pytest.raises(BadInputError, match="another lab"):
        lab(store, tmp_path / "lab", split="leave-last-out")


def test_neutral_names_leave_facts_as_they_are(store: str, tmp_path: Path) -> None:
    bare = lab(store, tmp_path / "lab", neutral=True)
    assert {one.title.rsplit(" ", 1)[0] for one in bare.items.values()} == {
        f"Item {at}" for at in range(1, ITEMS + 1)
    }
    assert {one.categories[0] for one in bare.items.values()} == set(GENRES)


def test_portraits_from_end_to_end(store: str, out: Path) -> None:
    found = go(store, "portraits", Execution(out), neutral=True)
    assert found.states == {"ok": 8, "error": 0, "skipped": 0}
    assert found.figures["grounded"].mean == 1 and found.figures["grounded.chance"].mean < 0.9  # type: ignore[operator]
    assert found.figures["stability.rebuild"].mean == 1
    # What words an embedder is given does not change what the shipped order begins with.
    assert found.figures["utility.ranker.with"].mean == found.figures["utility.ranker.without"].mean
    assert found.figures["neutral.grounded"].mean == 1
    assert {name.removeprefix(NEUTRAL) for name in found.figures} == set(MEASURES["portraits"])
    steered = found.figures["steer.list.top"]
    assert steered.mean is not None and 0 <= steered.mean <= 1
    assert {one.system for one in found.comparisons} >= {"utility.content.with", "grounded"}
    assert found.cost.total.calls == 0 and found.cost.llm == {
        "ran": 0,
        "fell back": 0,
        "skipped": 8,
    }
    assert load_study(out) == found and load_studies(out.parent) == [found]
    assert (
        set(found.groups) <= {"sex=F", "sex=M"}
        and sum(one["grounded"].n for one in found.buckets.values()) == 8
    )


def test_what_is_drawn_by_chance_depends_on_the_seed(store: str, out: Path) -> None:
    chances = [
        go(store, "portraits", Execution(out), limit=None, seed=seed).figures["grounded.chance"]
        for seed in (0, 1)
    ]
    assert chances[0].n == chances[1].n and chances[0].mean != chances[1].mean


def test_reasons_from_end_to_end(store: str, out: Path) -> None:
    found = go(store, "reasons", Execution(out))
    assert found.figures["citation.valid"].mean == 1
    assert (
        found.figures["statement.precision"].n + found.figures["statement.precision"].undefined == 8
    )
    assert 0 < (found.figures["sentences.unique"].mean or 0) <= 1
    assert {one.baseline for one in found.comparisons} >= {"necessity.random", "sufficiency.random"}


def test_the_chat_is_exact_and_declines_what_no_data_hold(store: str, out: Path) -> None:
    found = go(store, "chat", Execution(out))
    assert set(found.figures) == set(MEASURES["chat"])
    for kind in ("count", "count-type", "last", "compare"):
        assert found.kinds[kind]["exact"].mean == 1, kind
    assert found.kinds["count-type"]["exact"].n == 8
    assert found.kinds["unanswerable"]["exact"].undefined == 8
    assert found.kinds["unanswerable"]["abstained"].mean == 1


def test_a_study_goes_on_where_it_was_killed(
    store: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = go(store, "reasons", Execution(out))
    lines = (out / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    (out / "cases.jsonl").write_text("\n".join([*lines[:3], lines[3][:40]]), encoding="utf-8")
    asked: list[str] = []

    class Watched(ReasonStudy):
        async def one(self, user_id: str) -> Case:
            asked.append(user_id)
            return await super().one(user_id)

    monkeypatch.setattr(running, "ReasonStudy", Watched)
    again = go(store, "reasons", Execution(out, resume=True))
    assert len(asked) == 5 and not {json.loads(one)["id"] for one in lines[:3]} & set(asked)
    assert again.figures == whole.figures and again.states == {"ok": 8, "error": 0, "skipped": 0}
    with pytest.raises(BadInputError, match="something else"):
        go(store, "reasons", Execution(out, resume=True), seed=1)
    other = SETTINGS.model_copy(update={"rerank": RerankSettings(top=5)})
    with pytest.raises(BadInputError, match="something else"):
        run_study(
            StudyPlan("reasons", store, limit=8),
            other,
            Execution(out, resume=True),
            embedder=FakeEmbedder(),
        )


def test_errors_are_counted_and_tried_again_on_request(
    store: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(ReasonStudy):
        async def one(self, user_id: str) -> Case:
            if int(user_id[1:]) % 2:
                raise RuntimeError("not today")
            return await super().one(user_id)

    with monkeypatch.context() as patch:
        patch.setattr(running, "ReasonStudy", Broken)
        first = go(store, "reasons", Execution(out))
    wrong = first.states["error"]
    assert 0 < wrong < 8 and first.figures["citation.any"].n == 8 - wrong
    assert any(
        f"{wrong} of 8 raised" in note.text and "not today" in note.text for note in first.notes
    )
    assert go(store, "reasons", Execution(out, resume=True)).states["error"] == wrong
    assert go(store, "reasons", Execution(out, retry_errors=True)).states == {
        "ok": 8,
        "error": 0,
        "skipped": 0,
    }


def test_what_comes_after_the_cost_limit_is_skipped(
    store: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(running._StudyWork, "_is_spent", lambda self: len(done) >= 3)

    class Watched(ReasonStudy):
        async def one(self, user_id: str) -> Case:
            done.append(user_id)
            return await super().one(user_id)

    monkeypatch.setattr(running, "ReasonStudy", Watched)
    found = go(store, "reasons", Execution(out, cost_limit=1.0))
    assert (
        found.states == {"ok": 3, "error": 0, "skipped": 5} and found.figures["citation.any"].n == 3
    )


def test_nobody_is_measured_in_template_words_for_want_of_money(
    store: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: ChatRequest) -> ChatReply:
        return ChatReply(
            "no", Usage(input_tokens=1000 * (request.purpose == "reason"), output_tokens=0)
        )

    chat = FakeChat(answer, name="dear", hosted=True)
    monkeypatch.setattr(
        limner.llm.session, "choose_chat", lambda *_: ChosenModel(chat, "dear", "nowhere")
    )
    llm = LlmSettings(
        choice="openai", grade="phrase", prices={"dear": Price(input=1000.0, output=0.0)}
    )
    # A reason costs a dollar, the ten of the first user do not fit, and what is left pays for no
    # other call.
    plan, execution = StudyPlan("reasons", store, limit=8), Execution(out, cost_limit=1.05)
    found = run_study(plan, Settings(llm=llm), execution, embedder=FakeEmbedder())
    assert 0 < found.cost.total.cost < 1.05
    assert found.states == {"ok": 0, "error": 0, "skipped": 8} and not found.figures


def test_the_cost_limit_holds_for_painting_measuring_and_neutral_names_together(
    store: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = FakeChat(
        lambda _: ChatReply("no", Usage(input_tokens=100, output_tokens=0)),
        name="dear",
        hosted=True,
    )
    monkeypatch.setattr(
        limner.llm.session, "choose_chat", lambda *_: ChosenModel(chat, "dear", "nowhere")
    )
    llm = LlmSettings(
        choice="openai", grade="phrase", prices={"dear": Price(input=1000.0, output=0.0)}
    )
    plan = StudyPlan("portraits", store, limit=8, neutral=True)
    found = run_study(
        plan, Settings(llm=llm), Execution(out, cost_limit=3.0), embedder=FakeEmbedder()
    )
    # Ten cents a call; what is counted before sending is more, so that not all of it can be spent.
    assert 1.5 < found.cost.total.cost <= 3.0
    assert found.states["skipped"]
    # The settings' own limit is one for all of it too.
    held = Settings(llm=llm.model_copy(update={"max_cost": 1.5}))
    shutil.rmtree(out / "lab-neutral", ignore_errors=True)
    again = run_study(replace(plan, seed=1), held, Execution(out), embedder=FakeEmbedder())
    assert again.cost.total.cost - found.cost.total.cost <= 1.5


def test_a_bad_line_is_said(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text("{}\n{}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="Line 1"):
        CaseStream(tmp_path).read()


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_line_cut_within_a_letter_is_left_out(cut: int, tmp_path: Path) -> None:
    CaseStream(tmp_path).write(Case(id="u1", user_id="u1", bucket="1-4"))
    whole = (tmp_path / "cases.jsonl").read_bytes()
    name = "한".encode()
    (tmp_path / "cases.jsonl").write_bytes(whole + b'{"id": "' + name[:cut])
    assert [one.id for one in CaseStream(tmp_path).read()] == ["u1"]


def test_the_command(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMNER_LLM", "none")
    call = ["eval", "chat", "--dataset", store, "--limit", "3", "--out", str(tmp_path / "run")]
    assert main([*call, "--json"]) == 0
    printed = StudyRecord.model_validate_json(capsys.readouterr().out)
    assert printed == load_study(tmp_path / "run")
    assert main([*call, "--resume", "--least", "exact=1.01"]) == 100
    said = capsys.readouterr()
    assert "cohort-value" in said.out and "the threshold is 1.01" in said.err
    assert main([*call, "--least", "exact"]) == 2
    assert main([*call, "--cost-limit", "0"]) == 2


def test_a_model_that_fails_is_counted_as_fallen_back(store: str, out: Path) -> None:
    with ScriptedServer(otherwise=Failure(400, "no such model")) as server:
        llm = LlmSettings(
            choice="openai", base_url=server.base_url, api_key="k", model="m", grade="phrase"
        )
        plan = StudyPlan("reasons", store, limit=3, judge=True)
        found = run_study(plan, Settings(llm=llm), Execution(out), embedder=FakeEmbedder())
    assert found.states == {"ok": 3, "error": 0, "skipped": 0}
    assert found.cost.llm == {"ran": 0, "fell back": 3, "skipped": 0}
    assert found.cost.total.failed == found.cost.total.calls > 0 and found.cost.total.cost == 0
    # No verdict came back: nothing is scored, and nothing counts as a no.
    judged, unscored = found.figures["judge.supported"], found.figures["judge.unscored"]
    assert set(found.figures) == set(MEASURES["reasons"])
    assert (judged.mean, judged.undefined) == (None, 3) and unscored.mean and unscored.mean > 0
    assert found.figures["words.model"].mean == 0


def test_what_neutral_names_cost_is_counted_too(store: str, out: Path) -> None:
    with ScriptedServer(otherwise=Failure(400, "no such model")) as server:
        llm = LlmSettings(
            choice="openai", base_url=server.base_url, api_key="k", model="m", grade="phrase"
        )
        plan = StudyPlan("portraits", store, limit=2, neutral=True)
        found = run_study(plan, Settings(llm=llm), Execution(out), embedder=FakeEmbedder())
    rows = []
    for name in ("lab", "lab-neutral"):
        kept = open_store(str(out / name), create=False)
        rows.append(len(kept.ledger()))
        kept.close()
    assert found.cost.total.calls == sum(rows) and all(rows)
    assert found.cost.llm == {"ran": 0, "fell back": 2, "skipped": 0}
