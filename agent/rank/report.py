"""What training says of itself."""

import math

from limner.core.schema import ChannelReport, TrainReport
from limner.rank.fusion import NOTHING_TOLD, Fusion
from limner.rank.model import Model


def train_report(model: Model, embedder: str, embedded: int) -> TrainReport:
    """Channels with what each is worth alone, and what their fusion makes of them."""
    held, fusion = model.manifest, model.fusion
    worth = fusion.worth if fusion else {}
    adds = fusion.adds if fusion else {}
    told = fusion.calibration if fusion else NOTHING_TOLD
    return TrainReport(
        version=held.version,
        events=held.events,
        users=held.users,
        items=len(model.item_ids),
        channels=[
            ChannelReport(
                name=one.name, holds=one.holds(), ndcg=worth.get(one.name), adds=adds.get(one.name)
            )
            for one in model.channels.voices
        ],
        embedder=embedder,
        embedded=embedded,
        lessons=fusion.queries if fusion else 0,
        unanswered=fusion.asked - fusion.queries if fusion else 0,
        fusion_ndcg=worth.get("fusion"),
        calibration_error=_known(told.ece),
        probability_mean=_known(told.mean),
        probability_share=_known(told.share),
        activity_error=round(model.activity.ece, 4) if fusion and model.activity else None,
        ratings=model.ratings.report if model.ratings else None,
        seconds=held.seconds,
        notes=_notes(fusion),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.3g}")


def _notes(fusion: Fusion | None) -> list[str]:
    if fusion is None:
        return ["There was too little past to learn from; fixed weights order the channels."]
    if fusion.method == "logistic":
        return [
            (
                "LightGBM could not be loaded (it needs the system's libgomp); logistic "
                "regression joins the channels."
            )
        ]
    return []
