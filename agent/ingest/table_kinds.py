"""Which table holds events, items and users: told by the keys that tables share, their shape, and
what their columns are called.
"""

from collections.abc import Sequence
from dataclasses import replace

from limner.ingest.field_guesses import (
    ITEM,
    USER,
    columns_by_alias,
    fields_by_content,
    fields_by_name,
    guess_of,
)
from limner.ingest.mapping import ALIASES, FIELDS, TableName, alias_key, aliases_of
from limner.ingest.table_look import (
    JOINED_SHARE,
    FieldGuess,
    ProposedTables,
    TableLook,
    best_key,
    link_score,
)

_KNOWN_USERS = 0.5
"""Share of the events' users that a table of users must know."""


def arranged(looks: Sequence[TableLook]) -> ProposedTables:
    """The events table, then the items and users that it names; the other tables are left over."""
    looks = [_understood(look) for look in looks]
    looks = [look if look.table == "events" else _as_events(look, looks) for look in looks]
    used: dict[TableName, TableLook] = {}
    of_events = [look for look in looks if look.table == "events"]
    events = max(of_events, key=lambda look: _worth(look, looks), default=None)
    if events is not None:
        used["events"] = events
    of_items = [look for look in looks if look.table == "items"]
    if of_items:
        used["items"] = max(of_items, key=lambda look: _describes(look, events))
    people = _people(looks, used)
    if people is not None:
        used["users"] = people
    files = [look.file for look in used.values()]
    order = [look.file for look in looks]
    used = dict(sorted(used.items(), key=lambda pair: order.index(pair[1].file)))
    return _keyed(ProposedTables(used, [look for look in looks if look.file not in files]))


def _understood(look: TableLook) -> TableLook:
    """Which kind of table it is, and which column is which field, as far as it alone tells."""
    if look.headless:
        by_content = fields_by_content(look)
        kind: TableName = "items" if "title" in by_content else "events"
        return replace(look, table=kind, fields=by_content)
    table = _kind(look)
    return replace(look, table=table, fields=fields_by_name(table, look))


def _kind(look: TableLook) -> TableName:
    """Items have no user, users one row each, events a user and what was done."""
    names = columns_by_alias(look)
    user = _user_column(names)
    if not user:
        return "items"
    has = {target for target, aliases in ALIASES.items() if not names.keys().isdisjoint(aliases)}
    done = has & {"item_id", "rating", "type", "value"}
    if not done and len(names) > 2 and look.profile.is_unique(user):
        return "users"
    acts = done or "timestamp" in has
    about = any(ITEM.search(name) for name, column in names.items() if column != user)
    return "events" if acts or about or look.profile[user].repeats else "users"


def _user_column(names: dict[str, str]) -> str:
    """The column of user ids, by its aliases, else by a name that sounds like one; "" for none."""
    aliased = [names[alias] for alias in ALIASES["user_id"] if alias in names]
    sounding = [column for name, column in names.items() if USER.search(name)]
    return next(iter(aliased + sounding), "")


# ---------------------------------------------------------------- by the keys they share


def _links(look: TableLook, looks: Sequence[TableLook]) -> dict[str, tuple[float, str]]:
    """For each column that repeats and holds keys of another table: (score, the table's file)."""
    links: dict[str, tuple[float, str]] = {}
    for column in look.columns:
        profile = look.profile[column]
        if not profile.is_key or look.profile.is_unique(column) or profile.type == "time":
            continue
        scores = [
            (link_score(look, column, other, key), other.file)
            for other in looks
            if other is not look
            for key in other.columns
            if other.profile[key].is_key and other.profile.is_unique(key)
        ]
        best = max(scores, default=(0.0, ""))
        if best[0] > 0:
            links[column] = best
    return links


def _as_events(look: TableLook, looks: Sequence[TableLook]) -> TableLook:
    """A table without a column that sounds like a user's is one of events where it repeats keys of
    another table beside a key that repeats too, and says when or how much.
    """
    if look.headless:
        return look
    links = _links(look, looks)
    fields = fields_by_name("events", look)
    if not links or not fields.keys() & {"timestamp", "rating"}:
        return look
    titled = {other.file for other in looks if "title" in other.fields and other is not look}
    item = max(links, key=lambda column: (links[column][1] in titled, links[column][0]))
    taken = {one.column for target, one in fields.items() if target not in ("user_id", "item_id")}
    named = fields.get("user_id")
    if named is None or named.column == item or look.profile.is_unique(named.column):
        user = _repeated_key(look, {*taken, item}, links)
        if not user:
            return look
        why = "the key that repeats beside the items', please check; "
        fields["user_id"] = guess_of("user_id", look.profile[user], why)
    fields["item_id"] = guess_of("item_id", look.profile[item])
    return replace(look, table="events", fields=_in_order("events", fields))


def _repeated_key(look: TableLook, taken: set[str], links: dict[str, tuple[float, str]]) -> str:
    """The column of keys that repeat, and that is nothing else: one of another table's keys first,
    then the one with most different keys. "" where there is none.
    """
    keys = [
        column
        for column in look.columns
        if column not in taken
        and look.profile[column].is_key
        and look.profile[column].distinct > 1
        and look.profile[column].repeats
    ]
    return max(keys, key=lambda c: (c in links, len(look.profile.ids(c))), default="")


def _worth(look: TableLook, looks: Sequence[TableLook]) -> tuple[int, float, int]:
    """How well a table tells who did what: other tables that its keys are of, the share of known
    items, its rows.
    """
    tables = {file for _, file in _links(look, looks).values()}
    items = [other for other in looks if other.table == "items" and other is not look]
    known = max((best_key(look, other)[0] for other in items), default=0.0)
    return len(tables), known, len(look.profile)


def _describes(look: TableLook, events: TableLook | None) -> tuple[bool, bool, float]:
    """How well a table tells what events are about: their items are its keys, and it has titles."""
    score = 0.0 if events is None else best_key(events, look)[0]
    return score > 0, "title" in look.fields, score


def _people(looks: Sequence[TableLook], used: dict[TableName, TableLook]) -> TableLook | None:
    """The table of users: one whose keys the events' users are, else the first that is named so."""
    events = used.get("events")
    rest = [look for look in looks if all(look is not one for one in used.values())]
    user = events.fields.get("user_id") if events is not None else None
    if events is not None and user is not None:
        scores = [
            (link_score(events, user.column, look, key, _KNOWN_USERS), at, key)
            for at, look in enumerate(rest)
            for key in look.columns
            if look.profile[key].is_key and look.profile.is_unique(key)
        ]
        score, at, key = max(scores, default=(0.0, 0, ""))
        if score > 0:
            fields = fields_by_name("users", rest[at])
            share = events.profile[user.column].overlap(rest[at].profile.ids(key))
            why = f"{share:.0%} of '{user.column}' of {events.name} are among them; "
            fields["user_id"] = guess_of("user_id", rest[at].profile[key], why)
            return replace(rest[at], table="users", fields=fields)
    return next((look for look in rest if look.table == "users"), None)


# ---------------------------------------------------------------- keys by overlap


def _keyed(tables: ProposedTables) -> ProposedTables:
    """Ids of events and items as the columns whose values they share."""
    events, items = tables.used.get("events"), tables.used.get("items")
    if events is None or items is None or "item_id" not in items.fields:
        return tables
    _, column, key = best_key(events, items)
    share = events.profile[column].overlap(items.profile.ids(key)) if column else 0.0
    used = dict(tables.used)
    if share >= JOINED_SHARE:
        why = f"{share:.0%} of its values are among '{key}' of {items.name}; "
        used["events"] = _with_item_id(events, guess_of("item_id", events.profile[column], why))
        if key != items.fields["item_id"].column:
            why = f"holds the items of {events.name}; "
            used["items"] = _with_item_id(items, guess_of("item_id", items.profile[key], why))
    elif "item_id" in events.fields:
        chosen = events.fields["item_id"]
        why = f"CHECK: none of its values is an item of {items.name}; {chosen.why}"
        if not events.profile[chosen.column].overlap(
            items.profile.ids(items.fields["item_id"].column)
        ):
            used["events"] = _with_item_id(events, replace(chosen, why=why))
    return replace(tables, used=used)


def _with_item_id(look: TableLook, item_id: FieldGuess) -> TableLook:
    fields = {t: one for t, one in look.fields.items() if one.column != item_id.column}
    fields["item_id"] = item_id
    return replace(look, fields=_in_order(look.table, fields))


def catalogue_inside(used: dict[TableName, TableLook], events: TableLook) -> bool:
    """Whether an events table also describes its items. If so, the file is used as the items table,
    too.
    """
    names = {alias_key(column): column for column in reversed(events.free())}
    key = events.fields.get("item_id")
    described = any(
        alias in names
        for target in ("title", "categories")
        for alias in aliases_of("items", target)
    )
    if key is None or not described or events.headless:
        return False
    fields = fields_by_name("items", events, names)
    item_id = FieldGuess(key.column, key.why)
    used["items"] = replace(events, table="items", fields={**fields, "item_id": item_id})
    return True


def _in_order(table: TableName, fields: dict[str, FieldGuess]) -> dict[str, FieldGuess]:
    return {target: fields[target] for target in FIELDS[table] if target in fields}
