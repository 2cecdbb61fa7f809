"""`limner eval run`: one experiment from end to end, its rankings and its studies."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from pydantic import Field

from limner.core.errors import BadInputError, UsageError
from limner.core.progress import Progress, Quiet
from limner.core.settings import Settings
from limner.evals.data import EvaluationData, load
from limner.evals.experiment import Experiment, StudyOf
from limner.evals.metrics import parse
from limner.evals.records import Evaluation, StrictRecord
from limner.evals.run import opponent, run
from limner.evals.splits import make_split
from limner.evals.studies.records import StudyRecord
from limner.evals.studies.run import Going, StudyPlan, study
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
    def notes(self) -> list[str]:
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
    *,
    jobs: int = 1,
    resume: bool = False,
    retry_errors: bool = False,
    progress: Progress | None = None,
    embedder: Embedder | None = None,
    wait: Wait = asyncio.run,
) -> ExperimentResults:
    """Every data set by every split: the systems side by side, then each study with each model and
    set of prompts.

    With several data sets or splits, `out` gets a folder `DATASET.SPLIT` for each; studies lie in
    folders below, named as `StudyVariant.name`. The cost limit is one for all of it. wait: runs the
    studies' coroutines. Raises as `limner.evals.run.run` and `limner.evals.studies.run.study` do.
    """
    if not experiment.datasets:
        raise UsageError("The experiment names no data set; give `datasets`.")
    systems = [
        *experiment.systems,
        *(one for one in ABLATIONS if experiment.ablate and one not in experiment.systems),
    ]
    for wanted in experiment.studies:
        check_measures(wanted.study, wanted.thresholds)
    if systems:
        names = [one.name for one in resolve(systems, 10)]
        opponent(experiment.against, names)
        _measurable(experiment, names)
    say = progress or Quiet()
    # Before anything is fitted: the last cell's mistake must not cost what the others found.
    every = {name: _cut(name, experiment.splits, say) for name in experiment.datasets}
    budget = Budget(experiment.cost_limit or settings.llm.max_cost or None)
    several = len(experiment.datasets) * len(experiment.splits) > 1
    evaluations, studies = [], []
    for name, data in every.items():
        for split in experiment.splits:
            out = Path(experiment.out) if experiment.out else None
            out = out / f"{data.name}.{split}" if out and several else out
            if systems:
                evaluations.append(
                    run(
                        data,
                        split,
                        systems,
                        experiment.metrics,
                        against=experiment.against,
                        style=experiment.style,
                        limit=experiment.limit,
                        seed=experiment.seed,
                        repeat=experiment.repeat,
                        trials=experiment.trials,
                        candidates=experiment.candidates,
                        out=out,
                        jobs=jobs,
                        resume=resume,
                        retry_errors=retry_errors,
                        signal_table=settings.signals,
                        settings=settings,
                        budget=budget,
                        progress=say,
                    )
                )
            with tempfile.TemporaryDirectory() as scratch:
                asked = variants(experiment.studies)
                kept = (
                    Path(scratch) if len(asked) > 1 else None
                )  # what one trained, the others begin with
                for one in asked:
                    plan = replace(one.plan, dataset=name, split=split, seed=experiment.seed)
                    place = out / one.name if out else None
                    going = Going(place, jobs, resume, retry_errors, budget=budget, kept=kept)
                    studies.append(
                        wait(
                            study(
                                plan, one.settings(settings), going, progress=say, embedder=embedder
                            )
                        )
                    )
    return ExperimentResults(evaluations=evaluations, studies=studies)


def _cut(name: str, splits: Sequence[str], say: Progress) -> EvaluationData:
    """A data set that every split can cut. Raises BadInputError, which names both, where one
    cannot.
    """
    try:
        data = load(name, say)
    except BadInputError as error:
        raise BadInputError(f"{name}: {error}") from error
    for split in splits:
        try:
            make_split(split, data.x)
        except BadInputError as error:
            raise BadInputError(f"{data.name}, {split}: {error}") from error
    return data


def _measurable(experiment: Experiment, names: Sequence[str]) -> None:
    """Raises UsageError for a threshold on what is not measured."""
    labels = [parse(one).label for one in experiment.metrics]
    for system, wanted in experiment.thresholds.items():
        if system not in names:
            raise UsageError(
                f"There is a threshold on {system}, which is not among the systems: "
                f"{', '.join(names)}."
            )
        for label in wanted:
            if parse(label).label not in labels:
                raise UsageError(
                    f"There is a threshold on {label}, which is not measured: "
                    f"{', '.join(labels)} are."
                )


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
    """Of each study every model with every set of prompts. Raises UsageError where two would have
    the same name.
    """
    found = []
    for one in studies:
        prompts = one.prompts or {"": {}}
        for model, (named, texts) in product(one.models or [""], prompts.items()):
            parts = [
                one.study,
                _plain(model) if len(one.models) > 1 else "",
                _plain(named) if len(prompts) > 1 else "",
            ]
            name = ".".join(part for part in parts if part)
            plan = StudyPlan(
                one.study,
                "",
                limit=one.limit,
                repeat=one.repeat,
                neutral=one.neutral,
                judge=one.judge,
                variant=name,
            )
            found.append(StudyVariant(name, plan, model, texts))
    twice = [
        one.name for at, one in enumerate(found) if one.name in {other.name for other in found[:at]}
    ]
    if twice:
        raise UsageError(
            f"The experiment has two studies '{twice[0]}'; list the models and prompts "
            "of one together."
        )
    return found


def _plain(text: str) -> str:
    """As part of a folder's name."""
    return "".join(one if one.isalnum() or one in "-_" else "_" for one in text)


# ---------------------------------------------------------------- thresholds


def missed(found: ExperimentResults, experiment: Experiment) -> list[str]:
    """A sentence for each threshold that was missed; one that was not measured is missed too."""
    wanted = {one.study: one.thresholds for one in experiment.studies}
    said = [line for one in found.evaluations for line in below(one, experiment)]
    for one in found.studies:
        where = f"{one.dataset}, {one.split.name}, {one.variant or one.study}: "
        said += [where + line for line in short_of(one, wanted.get(one.study, {}))]
    return said


def short_of(record: StudyRecord, wanted: Mapping[str, float]) -> list[str]:
    """The same of one study, by measure."""
    said = []
    for name, bound in wanted.items():
        figure = record.figures.get(name)
        said += _beyond(
            name, figure.mean if figure else None, bound, less_is_better=direction(name) < 0
        )
    return said


def below(evaluation: Evaluation, experiment: Experiment) -> list[str]:
    """A sentence for each threshold that was missed; one that was not measured is missed too."""
    found = []
    results = {one.name: one for one in evaluation.systems}
    for system, wanted in experiment.thresholds.items():
        for label, least in wanted.items():
            spec = parse(label)
            metric = results[system].metrics.get(spec.label) if system in results else None
            where = f"{evaluation.dataset}, {evaluation.split.name}: {spec.label} of {system}"
            mean = metric.mean if metric else None
            found += _beyond(where, mean, least, less_is_better=not spec.higher_is_better)
    return found


def _beyond(what: str, mean: float | None, bound: float, *, less_is_better: bool) -> list[str]:
    """A sentence where a mean does not keep to a bound or is not known."""
    if mean is None:
        return [f"{what} was not measured, the threshold is {bound:g}."]
    if mean > bound if less_is_better else mean < bound:
        return [f"{what} is {mean:.4f}, the threshold is {bound:g}."]
    return []
