"""The report of a training run."""

import math

from limner.core.messages import Message, message
from limner.core.schema import ChannelReport, TrainReport
from limner.rank.fusion import UNCALIBRATED, Fusion
from limner.rank.model import Model


def train_report(model: Model, embedder: str, embedded: int) -> TrainReport:
    """Each candidate generator's quality alone and in the fusion, and the fusion's calibration."""
    manifest, fusion = model.manifest, model.fusion
    calibration = fusion.calibration if fusion else UNCALIBRATED
    return TrainReport(
        version=manifest.version,
        events=manifest.events,
        users=manifest.users,
        items=len(model.item_ids),
        channels=_channel_reports(model),
        embedder=embedder,
        embedded=embedded,
        lessons=fusion.queries if fusion else 0,
        unanswered=fusion.asked - fusion.queries if fusion else 0,
        fusion_ndcg=fusion.worth.get("fusion") if fusion else None,
        calibration_error=_known(calibration.ece),
        probability_mean=_known(calibration.mean),
        probability_share=_known(calibration.share),
        activity_error=round(model.activity.ece, 4) if fusion and model.activity else None,
        ratings=model.ratings.report if model.ratings else None,
        seconds=manifest.seconds,
        notes=_notes(fusion),
    )


def _channel_reports(model: Model) -> list[ChannelReport]:
    worth = model.fusion.worth if model.fusion else {}
    adds = model.fusion.adds if model.fusion else {}
    return [
        ChannelReport(
            name=channel.name,
            holds=channel.holds(),
            ndcg=worth.get(channel.name),
            adds=adds.get(channel.name),
        )
        for channel in model.channels.candidate_generators
    ]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.3g}")


def _notes(fusion: Fusion | None) -> list[Message]:
    if fusion is None:
        return [message("training.fixed_weights")]
    if fusion.method == "logistic":
        return [message("training.logistic")]
    return []
