"""`limner eval run`: one experiment from end to end, its rankings and its studies."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from pydantic import Field

from limner.core.errors import BadInputError, UsageError
from limner.core.messages import Message, message
from limner.core.progress import Progress, Quiet
from limner.core.settings import Settings
from limner.evals.data import EvaluationData, load
from limner.evals.execution import Execution
from limner.evals.experiment import Experiment, StudyOf
from limner.evals.metrics import parse
from limner.evals.records import Evaluation, StrictRecord
from limner.evals.run import RunPlan, opponent, run
from limner.evals.splits import make_split
from limner.evals.studies.records import StudyRecord
from limner.evals.studies.run import StudyPlan, study
from limner.evals.studies.summary import check_measures, direction
from limner.evals.systems import ABLATIONS, resolve
from limner.index.embedders import Embedder
from limner.llm import Budget

Wait = Callable[[Coroutine[object, object, StudyRecord]], StudyRecord]

_CHOICES = ("auto", "openai", "local", "none")


class ExperimentResults(StrictRecord):
    """All that an experiment found."""

    evaluations: list[Evaluation]
    studies: list[StudyRecord] = Field(default=[])

    @property
    def document(self) -> StrictRecord:
        """What is printed as JSON: one evaluation, or one study, by itself."""
        every: list[StrictRecord] = [*self.evaluations, *self.studies]
        return every[0] if len(every) == 1 else self

    @property
    def notes(self) -> list[Message]:
        notes = [*(one.notes for one in self.evaluations), *(one.notes for one in self.studies)]
        return [note for some in notes for note in some]

    @property
    def is_wrong(self) -> bool:
        """Whether anything failed by an error."""
        failed = any(system.state == "failed" for one in self.evaluations for system in one.systems)
        return failed or any(one.states.get("error") for one in self.studies)


def run_experiment(
    experiment: Experiment,
    settings: Settings,
    execution: Execution | None = None,
    *,
    progress: Progress | None = None,
    embedder: Embedder | None = None,
    wait: Wait = asyncio.run,
) -> ExperimentResults:
    """Every data set by every split: the systems side by side, then each study with each model and
    set of prompts.

    With several data sets or splits, `experiment.out` gets a folder `DATASET.SPLIT` for each;
    studies lie in folders below, named as `StudyVariant.name`. The cost limit is one for all of it;
    `execution` needs neither limit nor folder. wait: runs the studies' coroutines. Raises as
    `limner.evals.run.run` and `limner.evals.studies.run.study` do.
    """
    systems = _systems(experiment)
    _check(experiment, systems)
    say = progress or Quiet()
    # Before anything is fitted: the last cell's mistake must not cost what the others found.
    datasets = {name: _cut(name, experiment.splits, say) for name in experiment.datasets}
    budget = Budget(experiment.cost_limit or settings.llm.max_cost or None)
    shared = replace(execution or Execution(), budget=budget)
    evaluations, studies = [], []
    for (name, data), split in product(datasets.items(), experiment.splits):
        here = replace(shared, out=_folder(experiment, data, split))
        if systems:
            plan = _run_plan(experiment, split, systems, settings)
            evaluations.append(run(data, plan, here, settings=settings, progress=say))
        asked = variants(experiment.studies)
        with tempfile.TemporaryDirectory() as scratch:
            # The first study's trained lab serves the others.
            here = replace(here, shared_labs=Path(scratch) if len(asked) > 1 else None)
            for variant in asked:
                work = study(
                    replace(variant.plan, dataset=name, split=split, seed=experiment.seed),
                    variant.settings(settings),
                    replace(here, out=here.out / variant.name if here.out else None),
                    progress=say,
                    embedder=embedder,
                )
                studies.append(wait(work))
    return ExperimentResults(evaluations=evaluations, studies=studies)


def _systems(experiment: Experiment) -> list[str]:
    """Names of the systems, with the ablations where they are asked for."""
    ablations = ABLATIONS if experiment.ablate else ()
    return [*experiment.systems, *(name for name in ablations if name not in experiment.systems)]


def _folder(experiment: Experiment, data: EvaluationData, split: str) -> Path | None:
    """Where a data set's results by one split go; None where nothing is written."""
    if not experiment.out:
        return None
    several = len(experiment.datasets) * len(experiment.splits) > 1
    return Path(experiment.out) / f"{data.name}.{split}" if several else Path(experiment.out)


def _run_plan(
    experiment: Experiment, split: str, systems: Sequence[str], settings: Settings
) -> RunPlan:
    return RunPlan(
        split,
        systems,
        experiment.metrics,
        experiment.against,
        experiment.style,
        experiment.limit,
        experiment.seed,
        experiment.repeat,
        experiment.trials,
        experiment.candidates,
        settings.signals,
    )


def _check(experiment: Experiment, systems: Sequence[str]) -> None:
    """Raises UsageError for an experiment without data sets, and for thresholds on what is not
    measured.
    """
    if not experiment.datasets:
        raise UsageError("experiment.no_data_set")
    for asked in experiment.studies:
        check_measures(asked.study, asked.thresholds)
    if systems:
        names = [contestant.name for contestant in resolve(systems, 10)]
        opponent(experiment.against, names)
        _measurable(experiment, names)


def _cut(name: str, splits: Sequence[str], say: Progress) -> EvaluationData:
    """A data set that every split can cut. Raises BadInputError, which names both, where one
    cannot.
    """
    try:
        data = load(name, say)
    except BadInputError as error:
        raise BadInputError("evals.case_failed", where=name, error=error) from error
    for split in splits:
        try:
            make_split(split, data.x)
        except BadInputError as error:
            raise BadInputError(
                "evals.split_failed", data=data.name, split=split, error=error
            ) from error
    return data


def _measurable(experiment: Experiment, names: Sequence[str]) -> None:
    """Raises UsageError for a threshold on what is not measured."""
    labels = [parse(one).label for one in experiment.metrics]
    for system, wanted in experiment.thresholds.items():
        if system not in names:
            raise UsageError("evals.no_threshold_system", system=system, names=", ".join(names))
        for label in wanted:
            if parse(label).label not in labels:
                raise UsageError("evals.no_threshold_metric", metric=label, names=", ".join(labels))


@dataclass(frozen=True)
class StudyVariant:
    """A study by one model with one set of prompts."""

    name: str
    """The study, and model and prompts where there are several: that of a folder."""
    plan: StudyPlan
    """Without data set, split and seed."""
    model: str
    prompts: Mapping[str, str]

    def settings(self, base: Settings) -> Settings:
        """The project's, with this model and these prompts."""
        llm: dict[str, object] = {}
        if self.model in _CHOICES:
            llm = {"choice": self.model}
        elif self.model.endswith(".gguf"):
            llm = {"choice": "local", "local_model": self.model}
        elif self.model:
            llm = {"choice": "openai", "model": self.model}
        update = {
            "llm": base.llm.model_copy(update=llm),
            "prompts": {**base.prompts, **self.prompts},
        }
        return base.model_copy(update=update)


def variants(studies: list[StudyOf]) -> list[StudyVariant]:
    """Each study by every model with every set of prompts. Raises UsageError where two would have
    the same name.
    """
    collected = [variant for asked in studies for variant in _variants_of(asked)]
    names = [variant.name for variant in collected]
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    if twice:
        raise UsageError("experiment.study_twice", study=twice[0])
    return collected


def _variants_of(asked: StudyOf) -> list[StudyVariant]:
    prompts = asked.prompts or {"": {}}
    of_study = []
    for model, (prompts_name, texts) in product(asked.models or [""], prompts.items()):
        model_part = _plain(model) if len(asked.models) > 1 else ""
        prompts_part = _plain(prompts_name) if len(prompts) > 1 else ""
        name = ".".join(filter(None, [asked.study, model_part, prompts_part]))
        plan = StudyPlan(
            asked.study,
            "",
            limit=asked.limit,
            repeat=asked.repeat,
            neutral=asked.neutral,
            judge=asked.judge,
            variant=name,
        )
        of_study.append(StudyVariant(name, plan, model, texts))
    return of_study


def _plain(text: str) -> str:
    """The text with every character replaced that does not belong in a folder's name."""
    return "".join(one if one.isalnum() or one in "-_" else "_" for one in text)


# ---------------------------------------------------------------- thresholds


def missed(results: ExperimentResults, experiment: Experiment) -> list[Message]:
    """A sentence for each threshold that was missed; one that was not measured is missed too."""
    wanted = {one.study: one.thresholds for one in experiment.studies}
    sentences = [line for one in results.evaluations for line in below(one, experiment)]
    for one in results.studies:
        where = f"{one.dataset}, {one.split.name}, {one.variant or one.study}"
        sentences += [
            message("evals.case_failed", where=where, error=line)
            for line in short_of(one, wanted.get(one.study, {}))
        ]
    return sentences


def short_of(record: StudyRecord, wanted: Mapping[str, float]) -> list[Message]:
    """A sentence for each threshold on a measure that a study missed or did not measure."""
    sentences = []
    for name, bound in wanted.items():
        figure = record.figures.get(name)
        sentences += _beyond(
            name, figure.mean if figure else None, bound, less_is_better=direction(name) < 0
        )
    return sentences


def below(evaluation: Evaluation, experiment: Experiment) -> list[Message]:
    """A sentence for each threshold that was missed; one that was not measured is missed too."""
    sentences = []
    results = {one.name: one for one in evaluation.systems}
    for system, wanted in experiment.thresholds.items():
        for label, least in wanted.items():
            spec = parse(label)
            metric = results[system].metrics.get(spec.label) if system in results else None
            where = f"{evaluation.dataset}, {evaluation.split.name}: {spec.label} of {system}"
            mean = metric.mean if metric else None
            sentences += _beyond(where, mean, least, less_is_better=not spec.higher_is_better)
    return sentences


def _beyond(what: str, mean: float | None, bound: float, *, less_is_better: bool) -> list[Message]:
    """A sentence where a mean does not keep to a bound or is not known."""
    if mean is None:
        return [message("evals.threshold_unmeasured", what=what, bound=bound)]
    if mean > bound if less_is_better else mean < bound:
        return [message("evals.below_threshold", what=what, mean=mean, bound=bound)]
    return []
