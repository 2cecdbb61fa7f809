"""From cases to figures: means with intervals, by history length, by group of users, and paired
tests.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import UsageError
from limner.core.filters import listed
from limner.core.metrics import BUCKETS
from limner.evals import metrics as kernels
from limner.evals.measure import holm_corrected
from limner.evals.records import Comparison
from limner.evals.studies.portraits import STRONGEST
from limner.evals.studies.reasons import feature_coverage, feature_diversity, unique_ratio
from limner.evals.studies.records import Case, Figure, GivenReason, Study
from limner.evals.studies.utility import ARMS, SCOPES, STEERED

PAIRED: Mapping[Study, tuple[tuple[str, str], ...]] = {
    "portraits": tuple(
        (f"utility.{scope}.with", f"utility.{scope}.{arm}")
        for scope in (*SCOPES, "facets")
        for arm in ("without", "shuffled")
    ),
    "reasons": (
        ("necessity", "necessity.random"),
        ("necessity.top", "necessity.top.random"),
        ("sufficiency", "sufficiency.random"),
        ("sufficiency.top", "sufficiency.top.random"),
    ),
    "chat": (),
}
"""Pairs of measures of one user; the first minus the second is tested."""
NEUTRAL = "neutral."
"""Prefix of a measure taken with meaningless item names."""


MEASURES: Mapping[Study, tuple[str, ...]] = {
    "portraits": (
        *(
            f"grounded{end}"
            for end in ("", ".cited", ".facet", ".polarity", ".basis", ".chance", ".summary")
        ),
        f"coverage@{STRONGEST}",
        "coverage.summary",
        "stability.rebuild",
        "stability.thinned",
        "preferences",
        "words.model",
        *(f"utility.{scope}.{arm}" for scope in (*SCOPES, "facets") for arm in ARMS),
        "utility.facets.weight",
        *STEERED,
    ),
    "reasons": (
        "citation.valid",
        "citation.any",
        "statement.precision",
        "statement.recall",
        "words.model",
        "feature.match",
        "feature.coverage",
        "diversity",
        "sentences.unique",
        "shapes.unique",
        "judge.supported",
        "judge.unscored",
        *(
            f"{name}{end}"
            for name in ("necessity", "sufficiency")
            for end in ("", ".random", ".top", ".top.random")
        ),
        "necessity.score",
    ),
    "chat": ("exact", "abstained", "false", "silent"),
}
"""All that each study may measure; of portraits also under neutral names."""


def check_measures(study: Study, names: Iterable[str]) -> None:
    """Raises UsageError for a name that a study does not measure."""
    known = MEASURES[study]
    for name in names:
        plain = name.removeprefix(NEUTRAL) if study == "portraits" else name
        if plain not in known:
            there = listed(name, known, "listed.study_measures", study=study)
            raise UsageError("evals.no_threshold_measure", name=name, listed=there)


_LESS = ("false", "silent", "judge.unscored", "sufficiency", "diversity")
_MORE = (
    "grounded",
    "coverage",
    "stability",
    "utility",
    "steer",
    "citation",
    "statement",
    "feature",
    "necessity",
    "sentences",
    "shapes",
    "judge.supported",
    "sufficiency.top",
    "exact",
    "abstained",
)
_CONTROLS = (".random", ".chance", ".shuffled")


def direction(measure: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither (how many preferences, what
    controls have).
    """
    name = measure.removeprefix(NEUTRAL)
    # The longest name that it begins with says more than a shorter one.
    signs = dict.fromkeys(_LESS, -1) | dict.fromkeys(_MORE, 1)
    known = [one for one in signs if name == one or name.startswith((f"{one}.", f"{one}@"))]
    return signs[max(known, key=len)] if known and not name.endswith(_CONTROLS) else 0


def figure(values: Sequence[float | None], seed: int = 0) -> Figure:
    """Mean, 95% interval, how many it is over, and how many were undefined."""
    held = np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    interval = kernels.interval(held, seed=seed)
    missing = int(np.isnan(held).sum())
    if not interval.n:
        return Figure(mean=None, ci95=None, n=0, undefined=missing)
    return Figure(
        mean=interval.mean,
        ci95=(interval.low, interval.high) if interval.n > 1 else None,
        n=interval.n,
        undefined=missing,
    )


def figures(cases: Sequence[Case], seed: int = 0, features: int = 0) -> dict[str, Figure]:
    """Figures of every measure in the finished cases; for lists of reasons also those over the
    whole lists.
    """
    names = dict.fromkeys(name for one in cases for name in one.values)
    found = {name: figure([one.values.get(name) for one in cases], seed) for name in names}
    said = [each for one in cases for each in one.said]
    if said:
        found |= _together(said, features)
    return found


def _together(reasons: Sequence[GivenReason], features: int) -> dict[str, Figure]:
    named = [one.features for one in reasons]
    values = {
        "feature.coverage": feature_coverage(named, features),
        "diversity": feature_diversity(named),
        "sentences.unique": unique_ratio([one.text for one in reasons]),
        "shapes.unique": unique_ratio([one.shape for one in reasons]),
    }
    return {
        name: Figure(
            mean=None if np.isnan(one) else one,
            ci95=None,
            n=len(reasons),
            undefined=int(np.isnan(one)),
        )
        for name, one in values.items()
    }


def by_bucket(
    cases: Sequence[Case], seed: int = 0, features: int = 0
) -> dict[str, dict[str, Figure]]:
    """Figures by length of history; lengths without users are left out."""
    held = {name: [one for one in cases if one.bucket == name] for name, *_ in BUCKETS}
    return {name: figures(some, seed, features) for name, some in held.items() if some}


def by_group(
    cases: Sequence[Case], seed: int = 0, features: int = 0
) -> dict[str, dict[str, Figure]]:
    """Figures by `attribute=value` of the user."""
    names = sorted({f"{name}={value}" for one in cases for name, value in one.groups.items()})
    members = {
        name: [
            one for one in cases if one.groups.get(name.partition("=")[0]) == name.partition("=")[2]
        ]
        for name in names
    }
    return {name: figures(some, seed, features) for name, some in members.items()}


def by_kind(cases: Sequence[Case], seed: int = 0) -> dict[str, dict[str, Figure]]:
    """Figures by kind of question."""
    kinds = dict.fromkeys(one.asked.kind for one in cases if one.asked)
    return {
        kind: figures([one for one in cases if one.asked and one.asked.kind == kind], seed)
        for kind in kinds
    }


def comparisons(study: Study, cases: Sequence[Case], seed: int = 0) -> list[Comparison]:
    """Tests of the study's own pairs of measures, and of each measure against itself under neutral
    names; Holm's correction over all of them.
    """
    names = dict.fromkeys(name for case in cases for name in case.values)
    pairs = [pair for pair in PAIRED[study] if pair[0] in names and pair[1] in names]
    pairs += [(name.removeprefix(NEUTRAL), name) for name in names if name.startswith(NEUTRAL)]
    if not pairs:
        return []
    tests = kernels.paired_tests(
        _columns(cases, [first for first, _ in pairs]),
        _columns(cases, [second for _, second in pairs]),
        seed,
    )
    return holm_corrected([(first, second, first) for first, second in pairs], tests)


def _columns(cases: Sequence[Case], names: Sequence[str]) -> NDArray[np.float64]:
    """[names, cases] values; NaN where undefined."""
    return np.array([[case.values.get(name) for case in cases] for name in names], dtype=np.float64)
