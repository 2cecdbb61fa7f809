"""One experiment with studies: the grid, thresholds, the cost limit, going on, and comparing what
two studies found.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import limner.llm.session
from limner.cli import main
from limner.core.errors import BadInputError, UsageError
from limner.core.messages import plain
from limner.core.schema import TrainReport, Usage
from limner.core.settings import LlmSettings, Price, Settings
from limner.engine import Engine
from limner.evals.compare import compare, direction, load_either
from limner.evals.execution import Execution
from limner.evals.experiment import Experiment, StudyOf, read_experiment
from limner.evals.records import SplitInfo
from limner.evals.report import report
from limner.evals.report_studies import study_section
from limner.evals.studies.records import Case, StudyRecord
from limner.evals.studies.stream import RECORD, CaseStream, load_study, write_record
from limner.evals.studies.summary import figures
from limner.evals.suite import missed, run_experiment, short_of, variants
from limner.llm import ChatReply, ChosenModel
from limner.testing import FakeChat, FakeEmbedder
from tests.unit.test_study_runs import store

__all__ = ["store"]

BARE = Settings(llm=LlmSettings(choice="none"))


def test_a_grid_is_every_model_with_every_set_of_prompts() -> None:
    grid = [
        StudyOf(
            study="portraits",
            models=["none", "org/m:1"],
            prompts={"a": {}, "b": {"portrait": "x.yaml"}},
        ),
        StudyOf(study="reasons", judge=True, models=["own.gguf"]),
    ]
    found = variants(grid)
    assert [one.name for one in found] == [
        "portraits.none.a",
        "portraits.none.b",
        "portraits.org_m_1.a",
        "portraits.org_m_1.b",
        "reasons",
    ]
    base = Settings(
        llm=LlmSettings(choice="auto", model="m", grade="full"), prompts={"reasons": "r.yaml"}
    )
    chosen = [one.settings(base) for one in found]
    assert [one.llm.choice for one in chosen] == ["none", "none", "openai", "openai", "local"]
    assert chosen[2].llm.model == "org/m:1" and chosen[4].llm.local_model == "own.gguf"
    assert (
        chosen[1].prompts == {"reasons": "r.yaml", "portrait": "x.yaml"}
        and chosen[0].prompts == base.prompts
    )
    assert found[4].plan.judge and not found[0].plan.judge
    with pytest.raises(UsageError, match="two studies 'chat'"):
        variants([StudyOf(study="chat"), StudyOf(study="chat", limit=3)])


def test_studies_alone_ask_no_system(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text("studies: [{study: chat}]\n")
    assert read_experiment(file).systems == []
    file.write_text("studies: [{study: chat}]\nsystems: [popular]\n")
    assert read_experiment(file).systems == ["popular"]
    for text, said in (
        ("systems: []", "neither systems nor studies"),
        ("studies: [{study: art}]", "studies.0.study"),
        ("studies: [{study: chat, limits: 3}]", "limits"),
        ("cost_limit: 0", "cost_limit"),
    ):
        file.write_text(text)
        with pytest.raises(BadInputError, match=said):
            read_experiment(file)


def test_an_experiment_runs_systems_and_studies_and_says_what_is_below(
    store: str, tmp_path: Path
) -> None:
    asked = Experiment(
        datasets=[store],
        systems=["popular"],
        metrics=["ndcg@10"],
        trials=0,
        against="popular",
        studies=[
            StudyOf(
                study="reasons",
                limit=4,
                thresholds={"citation.valid": 0.99, "sufficiency": -1.0, "judge.supported": 0.0},
            )
        ],
        out=str(tmp_path / "out"),
    )
    found = run_experiment(asked, BARE, embedder=FakeEmbedder())
    assert [one.systems[0].name for one in found.evaluations] == ["popular"]
    [record] = found.studies
    assert record.states["ok"] == 4 and record.variant == "reasons"
    assert (tmp_path / "out" / "run.json").is_file() and load_study(
        tmp_path / "out" / "reasons"
    ) == record
    lines = missed(found, asked)
    # Less sufficiency is better, so that its threshold is the greatest that passes.
    assert (
        len(lines) == 2
        and "sufficiency is" in lines[0].text
        and "judge.supported was not measured" in lines[1].text
    )
    again = run_experiment(asked, BARE, Execution(resume=True), embedder=FakeEmbedder())
    assert again == found
    assert found.document == found and not found.is_wrong


def test_a_misspelt_threshold_is_found_before_anything_runs(tmp_path: Path) -> None:
    studies = [
        StudyOf(study="chat"),
        StudyOf(study="portraits", thresholds={"neutral.grounded": 0.5, "groundd": 0.9}),
    ]
    asked = Experiment(datasets=[str(tmp_path / "nowhere")], systems=["popular"], studies=studies)
    with pytest.raises(
        UsageError, match=r"'groundd', which is no measure; the study 'portraits' measures grounded"
    ):
        run_experiment(asked, BARE)
    assert (
        main(["eval", "chat", "--dataset", str(tmp_path / "nowhere"), "--least", "exct=0.5"]) == 2
    )


def test_studies_of_one_split_share_what_was_trained(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    train = Engine.train

    def counted(engine: Engine) -> TrainReport:
        trained.append(engine.settings.data)
        return train(engine)

    monkeypatch.setattr(Engine, "train", counted)
    studies = [
        StudyOf(study="reasons", limit=4),
        StudyOf(study="portraits", limit=3, neutral=True),
        StudyOf(study="chat"),
    ]
    asked = Experiment(datasets=[store], systems=[], studies=studies)
    found = run_experiment(asked, BARE, embedder=FakeEmbedder())
    assert len(trained) == 2  # under the items' names, and under neutral ones
    trained.clear()
    for at, one in enumerate(studies):
        alone = run_experiment(
            asked.model_copy(update={"studies": [one]}), BARE, embedder=FakeEmbedder()
        )
        assert alone.studies[0].figures == found.studies[at].figures
    assert len(trained) == 4


def test_the_cost_limit_is_one_for_all_studies(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
    studies = [StudyOf(study="reasons", limit=4), StudyOf(study="portraits", limit=4)]
    asked = Experiment(datasets=[store], systems=[], studies=studies, cost_limit=2.0)
    found = run_experiment(asked, Settings(llm=llm), embedder=FakeEmbedder())
    assert 1.0 < sum(one.cost.total.cost for one in found.studies) <= 2.0
    assert found.studies[1].states["skipped"] == 4


def test_the_command_reads_studies_from_the_file(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMNER_LLM", "none")
    file = tmp_path / "e.yaml"
    file.write_text(
        f"datasets: [{store}]\nstudies:\n  - {{study: reasons, limit: 3, thresholds: "
        f"{{citation.valid: 1.1}}}}\n"
    )
    assert main(["--quiet", "eval", "run", str(file), "--json"]) == 100
    said = capsys.readouterr()
    record = StudyRecord.model_validate_json(said.out)
    assert record.study == "reasons" and record.cases == 3
    assert (
        main(
            ["--quiet", "eval", "run", str(file), "--systems", "popular", "--trials", "0", "--json"]
        )
        == 100
    )
    assert set(json.loads(capsys.readouterr().out)) == {"evaluations", "studies"}


# ---------------------------------------------------------------- comparing


def kept(
    folder: Path,
    values: dict[str, dict[str, float | None]],
    *,
    digest: str = "h",
    error: bool = False,
) -> Path:
    """A study as it lies on disk, by case and measure."""
    cases = [Case(id=one, user_id=one, bucket="1-4", values=some) for one, some in values.items()]
    if error:
        cases.append(Case(id="bad", user_id="bad", bucket="1-4", state="error", why=plain("no")))
    stream = CaseStream(folder)
    for one in cases:
        stream.write(one)
    info = SplitInfo(
        name="ratio", hash=digest, users=len(values), train_events=9, test_events=9, items=9
    )
    done = [one for one in cases if one.state == "ok"]
    write_record(
        folder,
        StudyRecord(
            study="reasons",
            dataset="made",
            split=info,
            cases=len(cases),
            states={"ok": len(done), "error": int(error)},
            figures=figures(done),
        ),
    )
    return folder


def made(shift: float, seed: int) -> dict[str, dict[str, float | None]]:
    random = np.random.default_rng(seed)
    return {
        f"u{at}": {
            "necessity": float(0.5 + shift + random.normal(0, 0.05)),
            "sufficiency": float(0.5 + shift),
            "preferences": float(5 + shift),
            "feature.match": None if at % 3 else 0.5,
        }
        for at in range(60)
    }


def test_two_studies_are_paired_case_by_case(tmp_path: Path) -> None:
    a, b = kept(tmp_path / "a", made(0.0, 1)), kept(tmp_path / "b", made(0.2, 2), error=True)
    found = compare(load_either(a), load_either(b / RECORD))
    verdicts = {one.metric: one.verdict for one in found.lines}
    assert verdicts == {
        "necessity": "B better",
        "sufficiency": "A better",
        "preferences": "differs",
        "feature.match": "no difference",
    }
    by_name = {one.metric: one for one in found.lines}
    assert by_name["necessity"].n == 60 and by_name["feature.match"].n == 20
    assert all(
        one.p is not None and one.p_holm is not None and one.p_holm >= one.p for one in found.lines
    )
    assert (found.a, found.b, found.lines[0].a) == ("a", "b", "reasons")
    assert "b: 1 error of 61 cases, which enter nothing." in [note.text for note in found.notes]
    assert [one.metric for one in found.worse] == ["sufficiency"]


def test_studies_of_other_data_or_of_another_kind_are_refused(tmp_path: Path) -> None:
    a, b = kept(tmp_path / "a", made(0.0, 1)), kept(tmp_path / "b", made(0.0, 1), digest="other")
    with pytest.raises(BadInputError, match="cannot be compared"):
        compare(load_either(a), load_either(b))
    with pytest.raises(BadInputError):
        load_either(tmp_path / "none")
    chat = replace(load_either(a), study="chat")
    with pytest.raises(BadInputError, match="A is a study of reasons, B a study of chat"):
        compare(load_either(a), chat)
    other = load_either(a)
    system = other.evaluation.systems[0].model_copy(update={"name": "chat", "metrics": {}})
    chat = replace(other, evaluation=other.evaluation.model_copy(update={"systems": [system]}))
    with pytest.raises(UsageError, match="no metric in common"):
        compare(load_either(a), chat)


def test_the_command_compares_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = kept(tmp_path / "a", made(0.2, 1)), kept(tmp_path / "b", made(0.0, 2))
    assert (
        main(["eval", "compare", str(a), str(b), "--metrics", "necessity", "--fail-if-worse"])
        == 100
    )
    assert "necessity" in capsys.readouterr().out


def test_what_was_chosen_on_others_is_compared_as_the_record_has_it(
    store: str, tmp_path: Path
) -> None:
    asked = Experiment(
        datasets=[store],
        systems=[],
        studies=[StudyOf(study="portraits", limit=8)],
        out=str(tmp_path),
    )
    [record] = run_experiment(asked, BARE, Execution(jobs=3), embedder=FakeEmbedder()).studies
    values = load_either(tmp_path / "portraits").per_user["portraits"].metrics
    for name, figure in record.figures.items():
        if figure.mean is not None:
            assert np.nanmean(values[name]) == pytest.approx(figure.mean), name


@pytest.mark.parametrize(
    ("measure", "sign"),
    [
        ("grounded", 1),
        ("grounded.facet", 1),
        ("grounded.chance", 0),
        ("neutral.grounded", 1),
        ("coverage@5", 1),
        ("utility.blend.with", 1),
        ("utility.blend.shuffled", 0),
        ("steer.content.top", 1),
        ("preferences", 0),
        ("words.model", 0),
        ("sufficiency", -1),
        ("sufficiency.top", 1),
        ("sufficiency.top.random", 0),
        ("necessity.random", 0),
        ("false", -1),
        ("exact", 1),
        ("silent", -1),
        ("diversity", -1),
        ("ndcg@10", 1),
        ("arp@10", -1),
        ("judge.unscored", -1),
        ("judge.supported", 1),
        ("what", 0),
    ],
)
def test_which_way_is_better(measure: str, sign: int) -> None:
    assert direction(measure) == sign


def test_a_report_tells_variants_apart(tmp_path: Path) -> None:
    record = load_study(kept(tmp_path / "a", made(0.0, 1)))
    several = record.model_copy(update={"variant": "reasons.gpt-4o-mini.short"})
    assert study_section(record, "x").title == "Reasons"
    assert study_section(several, "x").title == "Reasons (gpt-4o-mini.short)"
    written = report([], tmp_path / "r.html", studies=[record, several])
    assert "Reasons (gpt-4o-mini.short)" in Path(written.file).read_text(encoding="utf-8")


def test_a_threshold_without_a_measure_is_missed(tmp_path: Path) -> None:
    record = load_study(kept(tmp_path / "a", made(0.0, 1)))
    assert short_of(record, {"necessity": 0.1, "sufficiency": 0.6}) == []
    [short] = short_of(record, {"sufficiency": 0.4})
    assert short.text == "sufficiency is 0.5000, the threshold is 0.4."
    shutil.rmtree(tmp_path / "a")
