"""Users, items and events: in, by page, and out."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from limner.api.access import seen_by
from limner.api.models import Listing, Rows
from limner.api.pages import Cursor, Limit, after_of, cursor_of
from limner.api.pool import Pool
from limner.api.routes.common import EventId, UserId, told, usual
from limner.api.strict_route import StrictRoute
from limner.core.schema import Audience, Event, Item, RowsReport, User
from limner.engine import Engine
from limner.recommend.edits import EventPatch, Export, Table
from limner.recommend.erasure import Erased
from limner.store import StorePages

_EXAMPLES: dict[Table, dict[str, object]] = {
    "users": {"rows": [{"user_id": "u1", "attributes": {"age": 34, "city": "Lyon"}}]},
    "items": {
        "rows": [
            {
                "item_id": "i1",
                "title": "Green Tea",
                "categories": ["Tea"],
                "price": 4.5,
                "attributes": {"from": "Uji"},
            }
        ]
    },
    "events": {
        "rows": [
            {
                "user_id": "u1",
                "item_id": "i1",
                "type": "purchase",
                "timestamp": "2026-03-01T10:30:00Z",
            }
        ],
        "source": "shop",
    },
}
_DOES: dict[Table, str] = {
    "users": "Store users; each takes the place of one with the same `user_id`.",
    "items": (
        "Store items; each takes the place of one with the same `item_id`. To "
        "change some of one, PATCH it."
    ),
    "events": (
        "Store events. One whose `event_id` is stored already is merged; without "
        "an id, one is made."
    ),
}


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["data"], route_class=StrictRoute)
    pages = StorePages(engine.store)

    def add_upsert(table: Table) -> None:
        async def upsert(rows: Rows) -> Response:
            return told(await pool.call(engine.edits.take, table, rows.rows, rows.source))

        routes.add_api_route(
            f"/{table}",
            upsert,
            methods=["POST"],
            response_model=RowsReport,
            responses=usual(body=True),
            name=f"upsert_{table}",
            summary=f"Store {table}",
            description=_DOES[table],
            openapi_extra={
                "requestBody": {"content": {"application/json": {"example": _EXAMPLES[table]}}}
            },
        )

    for table in _DOES:
        add_upsert(table)

    @routes.get(
        "/users", response_model=Listing[User] | Audience, responses=usual(404), summary="Users"
    )
    async def list_users(
        request: Request,
        cursor: Cursor = "",
        limit: Limit = 100,
        for_item: Annotated[
            str | None,
            Query(
                max_length=255, description="Those likeliest for this item, best first; no pages."
            ),
        ] = None,
        like: Annotated[
            str | None,
            Query(
                max_length=500,
                description="Those whose portraits are likest to these words; no pages.",
            ),
        ] = None,
        where: Annotated[
            str | None,
            Query(
                max_length=2000,
                description="Those whose attributes fit a condition.",
                examples=["age < 30"],
            ),
        ] = None,
    ) -> Response:
        """All users in pages; or, with `for_item`, `like` or `where`, the best `limit` users as an
        audience: what they are ordered by, and among how many they were looked for.
        """
        if for_item is not None or like is not None or where is not None:
            find = partial(
                seen_by(request, engine).users, for_item=for_item, like=like, where=where or ""
            )
            return told(await pool.call(find, limit))
        page = await pool.call(pages.users, after_of("users", cursor), limit)
        rows = [*map(seen_by(request, engine).data.shown, page.rows)]
        return told(Listing[User](rows=rows, next=cursor_of("users", page.next)))

    @routes.get("/items", response_model=Listing[Item], responses=usual(), summary="Items")
    async def list_items(cursor: Cursor = "", limit: Limit = 100) -> Response:
        """All items in pages, hidden ones too."""
        page = await pool.call(pages.items, after_of("items", cursor), limit)
        return told(Listing[Item](rows=list(page.rows), next=cursor_of("items", page.next)))

    @routes.get("/events", response_model=Listing[Event], responses=usual(), summary="Events")
    async def list_events(
        cursor: Cursor = "",
        limit: Limit = 100,
        user_id: Annotated[
            str | None, Query(max_length=255, description="Of this user alone.")
        ] = None,
        item_id: Annotated[
            str | None, Query(max_length=255, description="On this item alone.")
        ] = None,
    ) -> Response:
        """Events in pages, in the order in which they came."""
        page = await pool.call(pages.events, after_of("events", cursor), limit, user_id, item_id)
        return told(Listing[Event](rows=list(page.rows), next=cursor_of("events", page.next)))

    @routes.get("/users/{user_id}", response_model=User, responses=usual(404), summary="A user")
    async def get_user(request: Request, user_id: UserId) -> Response:
        """A user with their attributes; those that are sensitive for the scope admin alone."""
        return told(await pool.call(seen_by(request, engine).data.user, user_id))

    @routes.delete(
        "/users/{user_id}", response_model=Erased, responses=usual(), summary="Erase a user"
    )
    async def erase_user(user_id: UserId) -> Response:
        """Erase a user: their events, portraits, vectors, lists, feedback, wording, conversations
        and keys. `residue` says what a look through the whole store found afterwards. One who is
        unknown or was erased before is looked for all the same.
        """
        return told(await pool.call(engine.erase, user_id))

    @routes.get(
        "/users/{user_id}/export",
        response_model=Export,
        responses=usual(404),
        summary="Export a user",
    )
    async def export_user(user_id: UserId) -> Response:
        """All that is stored of a user, in one document."""
        headers = {"Content-Disposition": 'attachment; filename="user.json"'}
        return told(await pool.call(engine.edits.export, user_id), headers=headers)

    _add_single_events(routes, engine, pool)
    return routes


def _add_single_events(routes: APIRouter, engine: Engine, pool: Pool) -> None:
    @routes.delete(
        "/events/{event_id}", response_model=Event, responses=usual(404), summary="Erase an event"
    )
    async def erase_event(event_id: EventId) -> Response:
        """Erase an event, and give it as it was. Portraits that count it go, the newest is counted
        anew, and so are counts over everyone; lists, reasons and stored answers that may name it
        go.
        """
        return told(await pool.call(engine.erase_event, event_id))

    @routes.patch(
        "/events/{event_id}",
        response_model=Event,
        responses=usual(404, body=True),
        summary="Correct an event",
    )
    async def correct_event(event_id: EventId, patch: EventPatch) -> Response:
        """Change type, value, time or text of an event. What rests on it is counted anew, as where
        it is erased.
        """
        return told(await pool.call(engine.correct_event, event_id, patch))
