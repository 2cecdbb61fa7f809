"""One experiment as one file: data, splits, systems, metrics, thresholds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from limner.core.errors import BadInputError
from limner.core.metrics import Style
from limner.core.settings import yaml_complaint
from limner.evals.studies.records import Study

SYSTEMS = ("random", "popular", "recent", "item-knn", "user-knn", "ease", "limner")
"""Systems of an experiment that names none; they need no further packages."""
METRICS = (
    "ndcg@10",
    "recall@10",
    "hit@10",
    "coverage@10",
    "novelty@10",
    "ild@10",
    "arp@10",
    "gini@10",
)
"""Accuracy, then what accuracy does not show."""


class StudyOf(BaseModel):
    """One study of an experiment; its options are those of `limner eval portraits|reasons|chat`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: Study
    limit: int | None = Field(default=100, ge=1)
    """Users asked at most, drawn by chance; all where it is null."""
    repeat: int = Field(default=1, ge=1)
    """How often each portrait is painted again."""
    neutral: bool | None = None
    """Portraits also with items under neutral names; where a model paints, if it is left out."""
    judge: bool = False
    """Whether a model judges the reasons too."""
    models: list[str] = []
    """Each in turn: `none`, `local`, a model's name at the endpoint of the environment, or a .gguf
    file; the settings' where none is named.
    """
    prompts: dict[str, dict[str, str]] = {}
    """Each in turn, under a name: paths of prompt files by the prompt's id, over the settings'."""
    thresholds: dict[str, float] = {}
    """By measure, the least mean that passes; the greatest, for measures of which less is
    better.
    """


class Experiment(BaseModel):
    """An experiment as `limner eval run EXPERIMENT.yaml` reads it; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: list[str] = []
    """Known names, folders of known data sets, stores; paths are seen from the working
    directory.
    """
    splits: list[str] = Field(default=["global-time"], min_length=1)
    systems: list[str] = list(SYSTEMS)
    """Built-in names, import paths `module:Class`, run files. Where none is named: only `limner`
    with `ablate`, and with studies none at all.
    """
    ablate: bool = False
    """Whether Limner without each family of its channels takes part too."""
    metrics: list[str] = Field(default=list(METRICS), min_length=1)
    style: Style = "ours"
    """The library whose definition of accuracy metrics counts."""
    against: str = ""
    """The system that is tested against each other; `limner` where none is named, else the
    first.
    """
    thresholds: dict[str, dict[str, float]] = {}
    """By system, then metric: the least mean that passes; the greatest, for metrics where lower is
    better.
    """
    limit: int | None = Field(default=None, ge=1)
    """Users asked at most, drawn by chance."""
    seed: int = Field(default=0, ge=0)
    repeat: int = Field(default=1, ge=1)
    """How many seeds systems that depend on one are run with; each user's values are averaged."""
    trials: int = Field(default=10, ge=0, le=10)
    """Settings that are tried for each baseline; 0 keeps the defaults."""
    candidates: int | None = Field(default=None, ge=1)
    """Rank only what is relevant and so many items drawn for each user, which inflates every
    number; all where None.
    """
    studies: list[StudyOf] = []
    """Studies of portraits, reasons and the chat, on the same data sets and splits."""
    cost_limit: float | None = Field(default=None, gt=0)
    """US dollars that one call may spend on models, all systems and studies together."""
    out: str | None = None
    """A folder for run.json, per-user values and runs; studies get folders below."""

    @model_validator(mode="before")
    @classmethod
    def _systems(cls, given: object) -> object:
        if not isinstance(given, Mapping) or "systems" in given:
            return given
        if given.get("ablate") is True:
            return {**given, "systems": ["limner"]}
        return {**given, "systems": []} if given.get("studies") else given

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not self.systems and not self.studies:
            raise ValueError("names neither systems nor studies")
        return self


def read_experiment(path: Path) -> Experiment:
    """Read YAML. Raises BadInputError, one sentence that names the key and what was expected."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError("experiment.none", file=path) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(
            "experiment.bad_yaml", file=path, error=yaml_complaint(error)
        ) from error
    if not isinstance(loaded, Mapping):
        raise BadInputError(
            "experiment.no_mapping", file=path, names=", ".join(Experiment.model_fields)
        )
    return _checked(loaded, f"{path}: ")


def overruled(experiment: Experiment, **given: object) -> Experiment:
    """This experiment with the values that a door was given. None, empty text and empty lists
    change nothing.

    Raises BadInputError for a value that does not fit.
    """
    kept = {key: value for key, value in given.items() if value not in (None, "", [])}
    return _checked({**experiment.model_dump(exclude_unset=True), **kept}, "")


def _checked(values: Mapping[str, object], where: str) -> Experiment:
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "systems"
        if first["type"] == "extra_forbidden":
            known = ", ".join(Experiment.model_fields)
            raise BadInputError(
                "experiment.unknown_key", where=where, key=key, names=known
            ) from error
        raise BadInputError(
            "experiment.bad_value", where=where, key=key, why=first["msg"]
        ) from error
