"""The meaning of columns: the mapping file, and the aliases that find columns without one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from limner.core.columns import ColumnMeaning, Meanings, Nouns, Role
from limner.core.errors import BadInputError
from limner.core.messages import Message, message
from limner.core.settings import yaml_complaint
from limner.ingest.column_names import more_names

ROW = "__row__"
"""Column that holds the number of a row in its table, where a field asks for it."""
TableName = Literal["events", "items", "users"]

FIELDS: dict[TableName, tuple[str, ...]] = {
    "events": ("event_id", "user_id", "item_id", "type", "rating", "value", "timestamp", "text"),
    "items": ("item_id", "title", "text", "categories", "price", "image", "audio", "group"),
    "users": ("user_id",),
}

ALIASES: dict[str, tuple[str, ...]] = {
    "event_id": ("event_id", "interaction_id", "eventid"),
    "user_id": (
        "user_id",
        "userid",
        "user",
        "uid",
        "u",
        "customer_id",
        "customerid",
        "customer",
        "reviewerid",
        "visitorid",
        "visitor_id",
        "member_id",
        "account_id",
        "client_id",
        "session_user",
        "person_id",
        "author_id",
        "username",
        "user_name",
    ),
    "item_id": (
        "item_id",
        "itemid",
        "item",
        "iid",
        "i",
        "movieid",
        "movie_id",
        "movie",
        "product_id",
        "productid",
        "product",
        "asin",
        "stockcode",
        "sku",
        "book_id",
        "isbn",
        "article_id",
        "articleid",
        "news_id",
        "track_id",
        "song_id",
        "artistid",
        "artist_id",
        "content_id",
        "business_id",
        "game_id",
        "appid",
        "anime_id",
        "parent_asin",
        "id",
    ),
    "type": (
        "type",
        "event_type",
        "eventtype",
        "event",
        "action",
        "behavior",
        "behavior_type",
        "interaction",
    ),
    "rating": ("rating", "rate", "overall", "stars", "score", "star_rating"),
    "value": (
        "value",
        "weight",
        "quantity",
        "count",
        "plays",
        "playcount",
        "event_value",
        "duration",
    ),
    "timestamp": (
        "timestamp",
        "time",
        "datetime",
        "date",
        "ts",
        "unixreviewtime",
        "event_time",
        "eventtime",
        "invoicedate",
        "created_at",
        "event_timestamp",
        "occurred_at",
        "purchase_date",
        "rated_at",
    ),
    "text": (
        "text",
        "review",
        "reviewtext",
        "review_text",
        "comment",
        "tag",
        "query",
        "body",
        "description",
    ),
    "title": (
        "title",
        "name",
        "movie_title",
        "product_name",
        "item_name",
        "track_name",
        "headline",
        "description",
    ),
    "categories": (
        "categories",
        "category",
        "genres",
        "genre",
        "class",
        "category_code",
        "main_category",
        "tags",
    ),
    "price": ("price", "unitprice", "unit_price", "list_price"),
    "image": ("image", "image_url", "imageurl", "poster"),
    "audio": ("audio", "audio_url", "preview_url"),
    "group": (
        "item_group_id",
        "item_group",
        "parent_asin",
        "parent_sku",
        "parent_id",
        "parent_product_id",
        "parent_item_id",
        "variant_of",
        "isvariantof",
        "style_id",
        "product_family",
    ),
}
_LAST_RESORT = ("description",)
"""A name that a field is only found by where no other of its names is there."""
ALIASES = {
    field: (
        *(name for name in names if name not in _LAST_RESORT),
        *(name for name in more_names(field) if name not in names),
        *(name for name in names if name in _LAST_RESORT),
    )
    for field, names in ALIASES.items()
}

TYPE_ALIASES: dict[str, str] = {
    "addtocart": "cart",
    "add_to_cart": "cart",
    "add-to-cart": "cart",
    "basket": "cart",
    "transaction": "purchase",
    "buy": "purchase",
    "order": "purchase",
    "pv": "view",
    "pageview": "view",
    "page_view": "view",
    "impression": "view",
    "detail_view": "view",
    "fav": "like",
    "favorite": "like",
    "favourite": "like",
    "thumbs_up": "like",
    "thumbs_down": "dislike",
    "listen": "play",
    "watch": "play",
    "refund": "return",
    "rate": "rating",
    "survey": "answer",
}


def aliases_of(table: TableName, target: str) -> tuple[str, ...]:
    """Column names that a field is known by in a table.

    The name "id" means the key of the table itself, so that it is an item id only in an items
    table. A `description` describes an item.
    """
    apart = {"id": "items", "description": "items"}
    return tuple(name for name in ALIASES[target] if apart.get(name, table) == table)


_BY_ENDING = ("rating", "title")
"""Fields that a name's last word speaks for, too: Book-Rating, game_title."""
_OF_ALL = re.compile(r"(?:avg|average|mean|overall|total|num|number|count|original|content|age)_")
"""Beginnings of names of ratings that are not one user's, and of titles that are not the first."""


def columns_named(table: TableName, target: str, names: dict[str, str]) -> Iterator[str]:
    """The columns whose names speak for a field, the best first. `names`: columns by alias key."""
    yield from (names[alias] for alias in aliases_of(table, target) if alias in names)
    if target in _BY_ENDING:
        ending = f"_{target}"
        ended = [name for name in names if name.endswith(ending) and not _OF_ALL.match(name)]
        yield from (names[name] for name in ended)


class StrictMapping(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnRule(StrictMapping):
    """The source of a field's value: exactly one of column, columns, constant and flags."""

    column: str = ""
    columns: list[str] = []
    """Several columns, joined by a space."""
    format: str = ""
    """Template for joining several columns, such as "{} ({})". Used where all of them are filled.
    """
    constant: str | float | None = None
    separator: str = ""
    """The cell is a list, split at this."""
    flags: list[str] = []
    """0/1 columns; the value is the list of names of those that are 1."""
    nothing: list[str] = []
    """Cells of this column to read as missing, such as -1 for "seen, not rated"."""
    row: bool = False
    """The number of the row in its table, for a table without ids."""
    role: Role | None = None
    """What the column is; found by what it holds where it is not given. See `Role`."""
    label: str = ""
    """What people call it; for categories the facet's name."""

    @property
    def sources(self) -> list[str]:
        """The columns that it reads."""
        return [name for name in (self.column, *self.columns, *self.flags) if name]

    @model_validator(mode="after")
    def _format_fits(self) -> "ColumnRule":
        if self.format and re.findall(r"{[^}]*}?|}", self.format) != ["{}"] * len(self.columns):
            raise ValueError("format needs one {} for each of columns")
        return self

    facet: str = ""
    """For categories: what they are called (genre, department); the column's own name where
    empty.
    """


class Pivot(StrictMapping):
    """How a table of one attribute a row becomes a table of one row an item (or user)."""

    name: str
    """The column of the attributes' names."""
    value: str
    """The column of their values."""
    key: str = ""
    """The column of the ids; empty: the one that is called so, else the first other column."""


class FileFormat(StrictMapping):
    """How to read a table's file, where the file itself does not show it."""

    separator: str = ""
    columns: list[str] = []
    """Names, for a file without a header."""
    encoding: str = ""
    quoting: bool = True
    pivot: Pivot | None = None
    """For a table of one attribute a row; of items or users."""


class Join(StrictMapping):
    """A side table with many rows an item or a user; becomes a list attribute."""

    file: str
    key: str
    """The side table's column that holds the item's or user's id (for `through`: the looked-up
    value).
    """
    column: str
    into: str = ""
    """categories, or the attribute's name; empty: the column's."""
    of: Literal["items", "users"] = "items"
    """What the side table is about."""
    through: "Join | None" = None
    """A further table in which `column`'s value is looked up: key, column; `into` unused."""
    limit: int = Field(default=10, ge=1)
    read: FileFormat = FileFormat()


Spec = str | ColumnRule | list[str]


class Mapping(StrictMapping):
    """A mapping file. Columns that are not named become attributes (items, users) or context
    (events).
    """

    source: str = ""
    events: dict[str, Spec] = {}
    items: dict[str, Spec] = {}
    users: dict[str, Spec] = {}
    ignore: list[str] = []
    """Columns to leave out."""
    scale: tuple[float, float] | None = None
    """Lowest and highest rating; ratings outside are rejected."""
    types: dict[str, str] = {}
    """The data's event types to ours."""
    returns: str = Field(default="", pattern=r"^$|^[^=]+=.+$")
    """`COLUMN=PREFIX`: rows where the column begins so are returns. Negative quantities are returns
    anyway.
    """
    nothing: list[str] | dict[str, list[str]] = []
    """Cells to read as missing in the whole data ("unknown", "-"), besides the usual words (NaN,
    NULL, …). By column: all words that count in it, in place of the usual ones.
    """
    allow_unknown_items: bool = False
    """Also store events if none of them is about an item of the items table."""
    times: str = ""
    """Format of the times in strptime notation ("%d.%m.%Y %H:%M"), or `excel` or `excel-1904` for
    day numbers of spreadsheets. Empty: epoch numbers, ISO and other common forms are recognised.
    """
    read: dict[TableName, FileFormat] = {}
    joins: list[Join] = []
    nouns: Nouns = Nouns()
    """What things of the catalogue are called: `{item: film, items: films}`."""

    def ignores(self, column: str) -> bool:
        """True for a column to leave out, and for what is nested in one (`details` leaves out
        `details.weight`).
        """
        name = plain_name(column)
        return any(
            name == one or column == one or name.startswith(f"{one}.") for one in self.ignore
        )

    def table(self, name: TableName) -> dict[str, Spec]:
        return {"events": self.events, "items": self.items, "users": self.users}[name]


def load_mapping(path: str | Path) -> Mapping:
    """Read a mapping file. Raises BadInputError, one sentence that names the key."""
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError("mapping.unreadable", file=path, error=error.strerror) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInputError("mapping.bad_yaml", file=path, error=yaml_complaint(error)) from error
    return parse_mapping(tree, str(path))


_FORMS = ("ColumnRule", "ColumnRule]", "str", "list[str]")


def parse_mapping(tree: object, name: str) -> Mapping:
    if tree is not None and not isinstance(tree, dict):
        raise BadInputError("mapping.empty", file=name)
    try:
        mapping = Mapping.model_validate(tree or {})
    except ValidationError as error:
        # A field may be a name, a list or a table of keys: what is wrong with the form that was
        # meant says most.
        first = min(error.errors(), key=lambda one: one["type"] in ("string_type", "list_type"))
        where = ".".join(str(part) for part in first["loc"] if not str(part).endswith(_FORMS))
        why = first["msg"].removeprefix("Value error, ")
        raise BadInputError("mapping.wrong", file=name, where=where, why=why) from error
    return mapping


@dataclass(frozen=True)
class Layout:
    """A table's columns, resolved."""

    fields: dict[str, ColumnRule]
    """Canonical field to where it comes from."""
    rest: list[str] = field(default_factory=list)
    """Columns that become attributes or context, by their own (clean) name."""


_TYPED = re.compile(r"^(.+):(token|token_seq|float|float_seq)$")


def plain_name(column: str) -> str:
    """A column's name without RecBole's type suffix."""
    match = _TYPED.match(column)
    return match[1] if match else column


def resolve(table: TableName, columns: Sequence[str], mapping: Mapping, name: str) -> Layout:
    """Find each canonical field among a table's columns, by the mapping first, then by the aliases
    in their order.

    Raises BadInputError where the mapping names a column that the table does not have, or where no
    user column (for items: no item column) is found.
    """
    rules = {target: as_rule(spec) for target, spec in mapping.table(table).items()}
    named = {
        target: rule
        for target, rule in rules.items()
        if rule.role != "ignore" and not _is_absent(target, table, rule, columns)
    }
    _require_columns(table, named, mapping, columns, name)
    named = {target: _numbered(rule) for target, rule in named.items()}
    taken = {column for rule in rules.values() for column in rule.sources}
    free = [c for c in columns if c not in taken and not mapping.ignores(c)]
    aliased = _aliased(table, free, rules)
    fields = {**named, **aliased}
    key = "item_id" if table == "items" else "user_id"
    if key not in fields:
        raise _no_key(key, columns, name)
    used = {rule.column for rule in aliased.values()}
    return Layout(fields, [c for c in free if c not in used and not nameless(c)])


def _numbered(rule: ColumnRule) -> ColumnRule:
    """A rule that asks for the row's number as one for the column that holds it."""
    return rule.model_copy(update={"column": ROW}) if rule.row else rule


def _is_absent(target: str, table: TableName, rule: ColumnRule, columns: Sequence[str]) -> bool:
    """Whether a column of no field of its own, of which only a role is said, is not in this file:
    JSON lines have such columns here and there.
    """
    return bool(rule.role and target not in FIELDS[table] and rule.column not in columns)


PLAY_COUNTS = frozenset(
    {"plays", "playcount", "play_count", "listens", "listen_count", "streams", "scrobbles"}
)
"""Columns of amounts that are how often something was played."""


def counts_plays(layout: Layout) -> bool:
    """Whether the amounts of a table of events are play counts."""
    rule = layout.fields.get("value")
    return rule is not None and (rule.column or "").strip().lower() in PLAY_COUNTS


def meanings_of(mapping: Mapping, plays: bool = False) -> Meanings:
    """What a mapping says of columns, by the name of the attribute that each becomes."""
    return Meanings(
        items=_said("items", mapping.items),
        users=_said("users", mapping.users),
        events=_said("events", mapping.events),
        nouns=mapping.nouns,
        plays=plays,
    )


_JUST_CATEGORIES = frozenset(
    [
        "category",
        "categories",
        "category_code",
        "class",
        "main_category",
        "类目",
        "商品类目",
        "商品类别",
        "品类",
        "类别",
        "分类",
        "類別",
        "カテゴリ",
        "カテゴリー",
        "카테고리",
        "분류",
    ]
) | {""}
"""Names of columns of categories that do not tell what these are, as genre does."""


def category_name(rule: ColumnRule | None) -> str:
    """What categories are called: genres -> genre; "" where they are just called categories."""
    if rule is None:
        return ""
    name = rule.facet or rule.label or plain_name(rule.column).lower().rsplit(".", 1)[-1]
    if name in _JUST_CATEGORIES:
        return ""
    return name.removesuffix("s") if name in ("genres", "tags") else name


def _said(table: TableName, specs: dict[str, Spec]) -> dict[str, ColumnMeaning]:
    said: dict[str, ColumnMeaning] = {}
    for target, rule in ((target, as_rule(spec)) for target, spec in specs.items()):
        if (rule.role or rule.label) and rule.role != "ignore":
            said[target] = ColumnMeaning(role=rule.role, label=rule.label)
            if table == "items" and target == "categories" and (name := category_name(rule)):
                said[name] = said[target]
    return said


def as_rule(spec: Spec) -> ColumnRule:
    """A field of a mapping file in its long form."""
    if isinstance(spec, str):
        return ColumnRule(column=spec)
    return ColumnRule(columns=spec) if isinstance(spec, list) else spec


def _require_columns(
    table: TableName,
    named: dict[str, ColumnRule],
    mapping: Mapping,
    columns: Sequence[str],
    name: str,
) -> None:
    """Raises BadInputError for the first column that the mapping names and the table lacks."""
    for target, rule in named.items():
        missing = [column for column in rule.sources if column not in columns]
        if missing:
            raise BadInputError(
                "mapping.no_column",
                table=table,
                field=target,
                column=missing[0],
                file=name,
                columns=_listed(columns),
            )
    marked = mapping.returns.split("=", 1)[0]
    if table == "events" and marked and marked not in columns:
        raise BadInputError(
            "mapping.no_returns_column", column=marked, file=name, columns=_listed(columns)
        )


def _aliased(
    table: TableName, free: Sequence[str], named: dict[str, ColumnRule]
) -> dict[str, ColumnRule]:
    """Fields that the mapping does not name, by their aliases among the columns that are free."""
    by_name: dict[str, str] = {}
    for column in free:
        by_name.setdefault(alias_key(column), column)
    rules: dict[str, ColumnRule] = {}
    for target in FIELDS[table]:
        # A table with ratings has no other value.
        if target in named or (target == "value" and {"rating"} & {*named, *rules}):
            continue
        found = next(columns_named(table, target, by_name), None)
        if found is not None:
            # No column is two fields.
            by_name.pop(alias_key(found))
            is_list = target == "categories" and found.endswith("_seq")
            rules[target] = ColumnRule(column=found, separator=" " if is_list else "")
    return rules


def _no_key(key: str, columns: Sequence[str], name: str) -> BadInputError:
    """Why a table without its key cannot be used, and what to do."""
    if not columns:
        return BadInputError("mapping.no_named_columns", file=name, key=key)
    hint = (
        message("mapping.hint_separator")
        if len(columns) == 1
        else message("mapping.hint_write", file=name)
    )
    if key == "item_id" and len(columns) > 1:
        hint = message("mapping.hint_rows", hint=hint)
    if looks_headless(columns):
        hint = message("mapping.hint_headless", hint=hint)
    return BadInputError(
        "mapping.no_id_column",
        kind=key.replace("_id", ""),
        file=name,
        columns=_listed(columns),
        hint=hint,
    )


def nameless(column: str) -> bool:
    """True for the column of row numbers that a spreadsheet or a saved frame brings without a
    name.
    """
    return re.fullmatch(r"(Unnamed: \d+)?(\.\d+)?", column.strip()) is not None


def alias_key(column: str) -> str:
    """A column's name as the aliases spell it: "Customer ID" -> customer_id."""
    return re.sub(r"[\s\-]+", "_", plain_name(column).strip().lower())


def looks_headless(columns: Sequence[str]) -> bool:
    """True if a header is rather a row of data: a third of its cells and more are numbers."""
    numbers = sum(bool(re.fullmatch(r"-?\d+(\.\d+)*", column.strip())) for column in columns)
    return numbers >= max(1, len(columns) // 3)


def _listed(columns: Sequence[str]) -> Message:
    if not columns:
        return message("mapping.columns_none")
    if len(columns) == 1:
        return message("mapping.columns_one", column=columns[0][:80])
    shown = ", ".join(f"'{one[:40]}'" for one in columns[:12])
    if len(columns) > 12:
        return message("mapping.columns_more", names=shown, more=len(columns) - 12)
    return message("mapping.columns_many", names=shown)
