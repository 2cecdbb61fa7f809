"""Verbs that learn and paint: train, profile build, profile show, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.session import Json, Session
from limner.cli.text import counted
from limner.core.errors import LimnerError, SettingsError, StoreError, UsageError
from limner.core.schema import Check, Event, Item, Profile
from limner.core.settings import Settings

SHOWN = 3
"""Portraits that `profile build` shows at once; more are only counted."""


def train(
    ctx: typer.Context,
    llm_users: Annotated[
        int | None,
        typer.Option(
            "--llm-users",
            min=0,
            metavar="N",
            help="Users of the past on whom the model's order is weighed.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit the channels that find candidates, embed what items are about, and weigh the model's
    order.

    A model reorders recommendations only as far as that proved better on users of the past. One at
    an endpoint that is graded full is weighed on 40 of them by default, another (slow, on a small
    machine) where --llm-users says so.
    """
    from limner.cli import show

    with Session(ctx, as_json) as session:
        engine = session.engine()
        report = session.wait(engine.weigh(engine.train(), llm_users))
        session.give(report, show.train_report(report))
        session.notes(report.notes)
        session.hint(
            f"Next: {session.limner} recommend USER, or {session.limner} profile build --all."
        )


def build(
    ctx: typer.Context,
    users: Annotated[
        list[str] | None, typer.Argument(metavar="USER", help="Whose portraits to paint.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every user of the store.")] = False,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="Model calls at once (4).")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", min=0, metavar="USD", help="Stop cleanly when this is spent."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only estimate calls, tokens, money and hours, from a sample."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Paint anew even where nothing changed.")
    ] = False,
    reindex: Annotated[
        bool,
        typer.Option(
            "--reindex", help="First embed everything anew, with the embedding model set now."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Paint portraits: what each user likes and dislikes, every claim with its evidence.

    Safe to stop at any moment: finished portraits are kept, paid answers are cached, the same
    command goes on.
    """
    from limner.cli import show

    if bool(users) == everyone and not (reindex and not users):
        raise UsageError("portrait.name_users")
    wanted = None if everyone else users
    with Session(ctx, as_json) as session:
        engine = session.engine()
        if reindex:
            embedded = engine.trainer.reindex()
            session.hint(f"Embedded {counted(embedded, 'text')} anew.")
            if not users and not everyone:
                session.give(
                    {"embedded": embedded}, f"The index is made anew: {counted(embedded, 'text')}."
                )
                return
        if dry_run:
            estimate = session.wait(engine.portraits.estimate(wanted))
            session.give(estimate, show.estimate(estimate))
            return
        report = session.wait(
            engine.build(
                wanted,
                concurrency=concurrency or engine.settings.llm.concurrency,
                max_cost=max_cost,
                force=force,
            )
        )
        cards = [show.portrait(one) for one in report.built] if len(report.built) <= SHOWN else []
        session.give(report, *cards, show.build_report(report))
        session.notes(report.notes)
        if report.failed:
            raise typer.Exit(1)


def show_profile(
    ctx: typer.Context,
    user: Annotated[
        str, typer.Argument(metavar="USER", help="The user's id, exactly as in the data.")
    ],
    version: Annotated[
        int | None,
        typer.Option(
            "--version", min=1, metavar="N", help="An older portrait; the newest if left out."
        ),
    ] = None,
    why: Annotated[
        bool,
        typer.Option(
            "--why", help="Also the events behind each claim, and the claims that were dropped."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """A user's portrait; painted first where there is none."""
    from limner.cli import show

    with Session(ctx, as_json) as session:
        engine = session.engine()
        profile = session.wait(engine.profile(user, version))
        if not why:
            session.give(profile, show.portrait(profile))
            session.notes(profile.notes)
            return
        events = engine.data.events_by_id(cited(profile))
        document = {**profile.model_dump(), "events": list(events.values())}
        items: dict[str, Item] = {}
        if not as_json:
            items = engine.data.items_by_id(
                {event.item_id for event in events.values() if event.item_id is not None}
            )
        session.give(
            document,
            show.portrait(profile),
            show.why(profile, _by_seq(events), items, engine.data.scales()),
        )
        session.notes(profile.notes)


def _by_seq(events: dict[str, Event]) -> dict[str, Event]:
    return dict(sorted(events.items(), key=lambda pair: pair[1].seq))


def cited(profile: Profile) -> list[str]:
    """Ids of all events that a portrait cites, each once."""
    event_ids = dict.fromkeys(profile.summary_evidence)
    for evidence in [
        *(one.evidence for one in profile.preferences),
        *(one.evidence for one in profile.fields),
    ]:
        event_ids.update(dict.fromkeys(evidence))
    return list(event_ids)


def doctor(
    ctx: typer.Context,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Also examine the model's skills (minutes on an embedded model)."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the store, the index, the models and the settings, and say what to do about what is
    wrong.
    """
    from limner.cli import show

    with Session(ctx, as_json) as session:
        settings, checks = _settings(session)
        try:
            engine = session.engine(settings)
        except (StoreError, UsageError) as error:
            if isinstance(error, UsageError) and not checks:
                raise
            checks += _without_store(session, settings, error, probe)
        else:
            checks += session.wait(engine.doctor.examine(probe=probe))
        session.give({"checks": checks}, show.checks(checks))
        if any(check.state == "fail" for check in checks):
            raise typer.Exit(1)


def _settings(session: Session) -> tuple[Settings, list[Check]]:
    """The settings, or the default ones and what is wrong with those that were given."""
    try:
        return session.settings(), []
    except SettingsError as error:
        return session.default_settings(), [
            Check(name="settings", state="fail", detail=f"{error} Default settings are used here.")
        ]


def _without_store(
    session: Session, settings: Settings, error: LimnerError, probe: bool
) -> list[Check]:
    """The checks where the store cannot be opened: the others go on."""
    from tempfile import TemporaryDirectory

    from limner.diagnostics import check_channels_of

    checks = [Check(name="store", state="fail", detail=str(error))]
    folder = Path(settings.data)
    if "://" not in settings.data and folder.is_dir():
        checks.append(check_channels_of(folder))
    with TemporaryDirectory() as empty:
        other = session.engine(settings.model_copy(update={"data": f"{empty}/s"}), create=True)
        checks += session.wait(other.doctor.examine_model(probe=probe))
        session.shut(other)
    return checks
