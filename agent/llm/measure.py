"""Measures embedded models and writes the results that ship: `python -m limner.llm.measure
[MODEL…]`.

Every question is asked, so that the results can be judged under any thresholds. Run it again
whenever a question, a probe prompt or an embedded model changes; a test compares the shipped probe
version with the code's.
"""

import asyncio
import sys
from pathlib import Path

from limner.core.progress import Quiet
from limner.core.schema import ProbeResult
from limner.core.settings import Settings, load_settings
from limner.llm.choose import choose_chat
from limner.llm.fetch import known_models
from limner.llm.probe import MEASURED, RESULTS, probe, shipped_probes

TARGET = Path(__file__).with_name(MEASURED)


async def measure(settings: Settings) -> ProbeResult:
    """The embedded model of the settings, asked everything."""
    chosen = choose_chat(settings, Quiet())
    assert chosen is not None
    try:
        return await probe(chosen.chat, settings.llm.probe, stop_early=False)
    finally:
        await chosen.close()


def main(names: list[str]) -> None:
    results = shipped_probes()
    for name in names or list(known_models()):
        settings = load_settings(
            overrides={("llm", "choice"): "local", ("llm", "local_model"): name}
        )
        result = asyncio.run(measure(settings))
        results[known_models()[name].sha256] = result
        skills = ", ".join(f"{score.skill} {score.right}/{score.asked}" for score in result.skills)
        sys.stderr.write(f"{result.model}: {skills}: {result.grade}, {result.seconds:.0f} s\n")
        TARGET.write_bytes(RESULTS.dump_json(results, indent=1) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
