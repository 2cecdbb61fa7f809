"""The server's metrics for Prometheus. Requests and stages are counted as they happen, model calls
from the store's ledger.
"""

import threading
from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from limner.core.schema import LedgerRow, Profile, Recommendations
from limner.core.telemetry import Stage
from limner.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
_STAGE = (
    0.0005,
    0.001,
    0.002,
    0.004,
    0.008,
    0.016,
    0.032,
    0.064,
    0.125,
    0.25,
    0.5,
    1.0,
    4.0,
    16.0,
    64.0,
)


class Metrics:
    """One process' counts; with `folder` (PROMETHEUS_MULTIPROC_DIR) those of all processes that
    share it are shown.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        self._registry = own = CollectorRegistry()
        self._requests = Counter(
            "limner_requests",
            "Answers, by route and status.",
            ("method", "route", "status"),
            registry=own,
        )
        self._seconds = Histogram(
            "limner_request_seconds",
            "Until an answer was wholly sent.",
            ("method", "route"),
            buckets=_REQUEST,
            registry=own,
        )
        self._stages = Histogram(
            "limner_stage_seconds", "Of one stage's work.", ("stage",), buckets=_STAGE, registry=own
        )
        self._dropped = Counter(
            "limner_dropped_claims",
            "Claims that verification refused.",
            ("stage", "code"),
            registry=own,
        )
        self._fallbacks = Counter(
            "limner_fallbacks",
            "Answers that rest on less than they should.",
            ("kind",),
            registry=own,
        )
        self._reasons = Counter(
            "limner_reasons", "Reasons given, by who worded them.", ("source",), registry=own
        )
        self._portraits = Counter(
            "limner_portraits", "Portraits painted, by who worded them.", ("source",), registry=own
        )

    # ------------------------------------------------------------ requests

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    # --------------------------- what the engine tells (limner.core.telemetry.Telemetry)

    def took(self, stage: Stage, seconds: float) -> None:
        self._stages.labels(stage).observe(seconds)

    def recommended(self, answer: Recommendations) -> None:
        for dropped in answer.dropped:
            self._dropped.labels(dropped.stage, dropped.reason.partition(":")[0]).inc()
        if answer.fallback:
            self._fallbacks.labels("popular_items").inc()
        if any(one.rerank == "failed" for one in answer.recommendations):
            self._fallbacks.labels("order_without_model").inc()
        for source, count in Tally(
            one.reason.source for one in answer.recommendations if one.reason
        ).items():
            self._reasons.labels(source).inc(count)

    def painted(self, profile: Profile) -> None:
        self._portraits.labels(profile.source).inc()
        for one in profile.dropped:
            self._dropped.labels(one.stage, one.reason.partition(":")[0]).inc()

    # ------------------------------------------------------------ shown

    def show(self, ledger: "LedgerCounts") -> bytes:
        """All metrics in Prometheus' text format."""
        if self._folder is None:
            shown = generate_latest(self._registry)
        else:
            everyone = CollectorRegistry()
            MultiProcessCollector(everyone, self._folder)  # type: ignore[no-untyped-call]
            shown = generate_latest(everyone)
        models = CollectorRegistry()
        models.register(ledger)
        return shown + generate_latest(models)


class LedgerCounts(Collector):
    """Model calls, tokens and cost, counted from the ledger, so that every process of a server
    gives the same numbers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._read = 0
        self._calls: Tally[tuple[str, str, str]] = Tally()
        self._tokens: Tally[tuple[str, str, str]] = Tally()
        self._cost: dict[tuple[str, str], float] = {}
        self._time: dict[tuple[str, str], float] = {}

    def collect(self) -> Iterator[Metric]:
        with self._guard:
            for number, row in self._store.ledger_since(self._read):
                self._add(row)
                self._read = number
            yield _family(
                "limner_model_calls",
                "Questions to a model; `cached` ones were paid before.",
                ("purpose", "model", "outcome"),
                self._calls,
            )
            yield _family(
                "limner_model_tokens",
                "Tokens sent and received.",
                ("purpose", "model", "way"),
                self._tokens,
            )
            yield _family(
                "limner_model_cost_dollars", "US dollars.", ("purpose", "model"), self._cost
            )
            yield _family(
                "limner_model_seconds", "Waited for models.", ("purpose", "model"), self._time
            )

    def _add(self, row: LedgerRow) -> None:
        by = (row.purpose, row.model)
        self._calls[*by, row.outcome] += 1
        self._tokens[*by, "input"] += row.input_tokens
        self._tokens[*by, "output"] += row.output_tokens
        self._cost[by] = self._cost.get(by, 0.0) + row.cost
        self._time[by] = self._time.get(by, 0.0) + row.seconds


def _family(
    name: str,
    words: str,
    labels: tuple[str, ...],
    values: "Tally[tuple[str, str, str]] | dict[tuple[str, str], float]",
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=labels)
    for by, value in sorted(values.items()):
        family.add_metric(by, value)
    return family
