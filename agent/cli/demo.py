"""`limner demo`: the whole product on real data in one command, as steps over the engine.

Template words come first: they need no model and appear at once. Then, unless LIMNER_LLM=none, a
model words the same portraits and reasons, and both wordings are shown.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from limner.cli.session import Session, tell
from limner.cli.text import clean, counted, duration
from limner.core.errors import FetchError, LimnerError
from limner.core.messages import Message
from limner.core.schema import IngestReport, Profile, RecommendationRequest, Recommendations
from limner.core.settings import Settings
from limner.ingest.datasets import fetch, known, list_datasets

if TYPE_CHECKING:
    from limner.engine import Engine

DATASET = "ml-100k"
FOLDER = "demo-data"
ITEMS = 5
MIN_EVENTS = 20
"""Users with fewer make dull portraits."""


def run(ctx: typer.Context, count: int, as_json: bool) -> None:
    from limner.cli import show

    with Session(ctx, as_json) as session:
        say = _Telling(session)
        chosen = ("data",) in session.globals.overrides
        settings = _with_fast_embedder(session.settings({} if chosen else {("data",): FOLDER}))
        where = f"--data {settings.data}"

        say.step(f"Getting {DATASET} and reading it")
        engine = session.engine(_with_llm(settings, "none"), create=True)
        folder = fetch(DATASET, engine.settings.folder, session.progress)
        say.aside(next(one.terms for one in list_datasets() if one.name == DATASET))
        found = known(folder)
        if found is None:
            raise FetchError("demo.foreign_folder", folder=folder, dataset=DATASET)
        report = engine.ingest(*found[1])
        say.result(show.ingest_report(report))

        say.step("Learning what goes with what")
        if engine.trainer.is_trained():
            say.aside("That was learned before, and there are no new events.")
        else:
            say.result(show.train_report(engine.train()))

        users = pick_users(engine.data.active_users(MIN_EVENTS), count)
        say.step(f"Painting the portraits of {counted(len(users), 'user')}, in template words")
        before = [one for user in users for one in _portrait(session, say, engine, user)]
        say.result(*(show.portrait(one) for one in before))

        say.step("Recommending to them, saying why")
        requests = [RecommendationRequest(user_id=user, n=ITEMS) for user in users]
        lists = [session.wait(engine.recommend(one)) for one in requests]
        say.result(*(show.recommendations(one) for one in lists))
        session.shut(engine)
        say.aside(f"All of this took {say.elapsed()}, without any model.")

        after: list[Profile] = []
        reasons: list[Recommendations] = []
        if settings.llm.choice == "none":
            say.aside(
                "LIMNER_LLM=none: no model is asked; the portraits keep their template words."
            )
        else:
            say.step("The same portraits in a model's words")
            say.aside(
                "Without OPENAI_API_KEY or OPENAI_BASE_URL this fetches the embedded "
                "model once (1.1 GB), which is slow"
                " on a small machine. Ctrl-C stops it; LIMNER_LLM=none does without."
            )
            try:
                engine = session.engine(settings)
                for new in _reworded(session, say, engine, before):
                    after.append(new)
                reasons = _new_reasons(session, say, engine, lists[0]) if lists else []
            except LimnerError as error:
                say.aside(
                    f"No model words this time: {error} What stands above is complete without them."
                )

        say.result(_what_next(where, users))
        say.aside(
            f"Done in {say.elapsed()}. Everything is in {settings.data}; removing it "
            "undoes the demo."
        )
        if as_json:
            session.give(_document(report, before, after, lists, reasons))


def _portrait(session: Session, say: "_Telling", engine: "Engine", user_id: str) -> list[Profile]:
    """A user's portrait in the engine's words: the stored one where an earlier demo painted it,
    else a new one.
    """
    stored = session.wait(engine.portraits.current(user_id))
    if stored is not None:
        return [stored]
    report = session.wait(engine.build([user_id], force=True))
    say.notes(report.notes)
    return report.built


def _reworded(
    session: Session, say: "_Telling", engine: "Engine", before: Sequence[Profile]
) -> Iterator[Profile]:
    """The portraits of the same users in the engine's words, each shown beside the old one."""
    from limner.cli import show

    for old in before:
        for new in _portrait(session, say, engine, old.user_id):
            yield new
            say.result(show.before_after(old, new))


def _new_reasons(
    session: Session, say: "_Telling", engine: "Engine", old: Recommendations
) -> list[Recommendations]:
    """The same list with reasons in the engine's words, shown beside the old ones."""
    from limner.cli import show

    ids = [one.item.item_id for one in old.recommendations]
    request = RecommendationRequest(user_id=old.user_id, items=ids)
    new = session.wait(engine.recommend(request))
    say.result(show.reasons_before_after(old, new))
    return [new]


def _document(
    report: IngestReport,
    before: Sequence[Profile],
    after: Sequence[Profile],
    lists: Sequence[Recommendations],
    reasons: Sequence[Recommendations],
) -> dict[str, object]:
    return {
        "ingest": report,
        "portraits": {"template": before, "model": after},
        "recommendations": {"template": lists, "model": reasons},
    }


def _with_llm(settings: Settings, choice: str) -> Settings:
    return settings.model_copy(update={"llm": settings.llm.model_copy(update={"choice": choice})})


def _with_fast_embedder(settings: Settings) -> Settings:
    """Portraits are what a demo waits for, not vectors; the store keeps the choice."""
    return settings.model_copy(update={"embed": settings.embed.model_copy(update={"patience": 0})})


def pick_users(active: Sequence[tuple[str, int]], count: int) -> list[str]:
    """The users at a quarter, half and three quarters of the list of the most active ones."""
    if len(active) <= count:
        return [user for user, _ in active]
    return [active[len(active) * (at + 1) // (count + 1)][0] for at in range(count)]


def _what_next(where: str, users: Sequence[str]) -> RenderableType:
    user = users[0] if users else "USER"
    lines = (
        (
            f"limner {where} profile show {user} --why",
            "the events behind every claim, and what was dropped",
        ),
        (f"limner {where} history {user}", "everything this user did"),
        (f"limner {where} recommend {user} -n 10 --json", "the same for programs"),
        (f'limner {where} chat "Who likes film noir?"', "questions in words"),
        (f"limner {where} serve", "the REST API"),
        ("limner init your-events.csv", "start with data of your own"),
    )
    # A line each, so that a command can be copied from a narrow terminal too.
    return Group(
        Text("What to try next", style="bold"),
        *(
            Text.assemble(f"  # {meaning}\n", (f"  {clean(command)}", "cyan"), style="dim")
            for command, meaning in lines
        ),
    )


class _Telling:
    """Output of the demo: numbered steps and asides on stderr, results on stdout; with --json only
    the document.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.number, self.started = session, 0, time.monotonic()

    def elapsed(self) -> str:
        return duration(time.monotonic() - self.started)

    def step(self, text: str) -> None:
        self.number += 1
        self.session.err.print(
            Text.assemble("\n", (f"{self.number}. {text}", "bold magenta"), "\n")
        )

    def aside(self, text: str) -> None:
        tell(self.session.err, text, "dim")

    def notes(self, notes: Sequence[Message]) -> None:
        for note in notes:
            self.aside(f"Note: {note.text}")

    def result(self, *drawn: RenderableType) -> None:
        if not self.session.as_json:
            for one in drawn:
                self.session.out.print(one)
