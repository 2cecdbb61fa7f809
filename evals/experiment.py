"""One experiment as one file: data, splits, systems, metrics, thresholds."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.config import yaml_complaint
from agent.errors import BadInputError
from evals.metrics.accuracy import Style

SYSTEMS = ("random", "popular", "recent", "item-knn", "user-knn", "ease", "limner")
"""Compared where nothing is named: what needs no package beyond Limner's own."""
METRICS = ("ndcg@10", "recall@10", "hit@10", "coverage@10", "novelty@10", "ild@10", "arp@10", "gini@10")
"""Accuracy, then what accuracy does not show."""


class Experiment(BaseModel):
    """What `limner eval run EXPERIMENT.yaml` reads; a key that is not named here is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: list[str] = []
    """Known names, folders of known data sets, stores; paths are seen from the working directory."""
    splits: list[str] = Field(default=["global-time"], min_length=1)
    systems: list[str] = Field(default=list(SYSTEMS), min_length=1)
    """Built-in names, import paths `module:Class`, run files; with `ablate`, only `limner` where none is named."""
    ablate: bool = False
    """Whether Limner without each family of its channels takes part too."""
    metrics: list[str] = Field(default=list(METRICS), min_length=1)
    style: Style = "ours"
    """Whose definition of accuracy metrics counts."""
    against: str = "limner"
    """The system that is tested against each other, where it takes part."""
    thresholds: dict[str, dict[str, float]] = {}
    """By system, then metric: the least mean that passes; the greatest, for metrics where lower is better."""
    limit: int | None = Field(default=None, ge=1)
    """Users asked at most, drawn by chance."""
    seed: int = Field(default=0, ge=0)
    repeat: int = Field(default=1, ge=1)
    """How many seeds systems that depend on one are run with; each user's values are averaged."""
    trials: int = Field(default=10, ge=0, le=10)
    """Settings that are tried for each baseline; 0 keeps the defaults."""
    candidates: int | None = Field(default=None, ge=1)
    """Rank only what is relevant and so many items drawn for each user, which inflates every number; all where None."""
    out: str | None = None
    """A folder for run.json, per-user values and runs."""

    @model_validator(mode="before")
    @classmethod
    def _systems(cls, given: object) -> object:
        if isinstance(given, Mapping) and given.get("ablate") is True and "systems" not in given:
            return {**given, "systems": ["limner"]}
        return given


def read_experiment(path: Path) -> Experiment:
    """From YAML. Raises BadInputError, one sentence that names the key and what was expected."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(f"There is no experiment '{path}'.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(f"{path} cannot be read as YAML: {yaml_complaint(error)}.") from error
    if not isinstance(loaded, Mapping):
        raise BadInputError(f"{path} must be a mapping of keys: {', '.join(Experiment.model_fields)}.")
    return _checked(loaded, f"{path}: ")


def overruled(experiment: Experiment, **given: object) -> Experiment:
    """With what a door was given; None, empty text and empty lists leave what the experiment says.

    Raises BadInputError for a value that does not fit.
    """
    kept = {key: value for key, value in given.items() if value not in (None, "", [])}
    return _checked({**experiment.model_dump(exclude_unset=True), **kept}, "")


def _checked(values: Mapping[str, object], where: str) -> Experiment:
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(Experiment.model_fields)
            raise BadInputError(f"{where}there is no key '{key}'; choose from {known}.") from error
        raise BadInputError(f"{where}'{key}': {first['msg']}.") from error
