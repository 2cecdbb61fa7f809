"""What a question names: users, items, values, types, times and numbers, and what its other words
mean.

The longest title wins over a number in it ("Apollo 13" is an item, not user 13), a user that is
called one ("user 13") over both. What nothing explains is kept as strange, since an answer that
passes over it would answer another question.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from limner.chat.dates import Period, find_periods
from limner.chat.measures import KINDS, Bound, ItemOrder, find_bounds, find_order, resolved
from limner.chat.values import Language
from limner.chat.vocabulary import FILLER, key_of, vocabulary
from limner.engine import Engine
from limner.state.entity_index import EntityIndex, NamedValue, singular, value_key
from limner.words.text import fold, stem, tokens_of

_HAN = re.compile(r"[\u4e00-\u9fff]")
_QUOTED = re.compile(
    r"[\"“„«《「『]([^\"”«»《》」』]{1,200})[\"”»》」』]|(?<![\w])'([^']{1,200})'(?![\w])"
)
_ID = r"[A-Za-z0-9][A-Za-z0-9_\-.:@]*"
_CALLED = re.compile(
    r"\b(?:users?|customers?|persons?|people|members?|shoppers?|viewers?|clients?|accounts?|readers?|listeners?|buyers?"
    r"|individuals?|consumers?|visitors?|subscribers?|patrons?|participants?|reviewers?|purchasers?|players?|profiles?"
    r"|raters?|watchers?|someone|somebody)"
    rf"(?:\s+(?:with\s+(?:the\s+)?)?(?:id|no\.?|nr\.?|number|named|called|#)(?![A-Za-z]))?\s*[:#]?\s*[\"'“]?(?P<id>{_ID})"
    rf"|\bID\b\s*[:#]?\s*[\"'“]?(?P<bare>{_ID})"
    rf"|(?:用户|顾客|客户|会员|买家|观众|账号|账户|消费者)(?:编号|号码|[Ii][Dd])?(?:为|是)?\s*[:：#]?\s*[\"“「]?(?P<zh>{_ID})"
    rf"|(?<![A-Za-z0-9])(?P<hao>{_ID})\s*号(?:用户|顾客|客户|会员|买家)",
    re.IGNORECASE,
)
_NEXT = re.compile(
    rf"\s*(?:,|，|、|&|/|and|or|vs\.?|versus|than|with|to|和|与|跟|或|还是|对)\s*(?:and\s+|or\s+)?[\"'“]?(?P<id>{_ID})",
    re.IGNORECASE,
)
_ITEM_CALLED = re.compile(
    rf"\b(?:item|product|movie|film|article|book|song|title)\s+(?:id\s*|no\.?\s*|number\s*)?[:#]?\s*[\"'“]?(?P<id>{_ID})"
    rf"|(?:物品|商品|产品|电影)(?:编号|[Ii][Dd])?\s*[:：#]?\s*(?P<zh>{_ID})",
    re.IGNORECASE,
)
_WHERE = re.compile(
    r"\b(?P<name>[A-Za-z_][\w ]*?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>[\w.\-]+)"
)
_WORDS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "dozen": 12,
    "twenty": 20,
    "hundred": 100,
    "一": 1,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}
_LIKELY_ID = re.compile(r"(?=.*\d)(?=.*[A-Za-z_\-])[\w\-]{4,}")
_MANY = re.compile(r"\b(?:users|people|customers|persons|viewers|members)\s*$", re.IGNORECASE)
_COUNTED_BEFORE = re.compile(
    r"(?:\b(?:top|last|first|latest|than|least|most|over|under|above|below|recommend|suggest|aged?|rated|rating|gave"
    r"|scored?|only|newest|recent|best|exactly|find|list|show)|超过|多于|少于|至少|至多|最近|推荐|前|不到)$"
)
"""After these a number is a count, an age or a rating."""
_COUNTED_AFTER = re.compile(
    r"(?:stars?|points?|times?|years?|days?|weeks?|months?|items?|films?|movies?|products?|users?|people|events?"
    r"|recommendations?|suggestions?|titles?|ratings?|purchases?|views?|others?|most|best|top|latest|newest|last|first"
    r"|highest|lowest|least|more|or more|or fewer|%"
    r"|[个部次件条岁天年月分星位名])"
    r"(?![a-z])"
)
_BETWEEN = frozenset(
    (
        "of",
        "is",
        "call",
        "named",
        "name",
        "the",
        "label",
        "a",
        "an",
        "with",
        "equal",
        *"为是叫值于等",
    )
)
"""Words that may stand between a facet's name and its value."""
_BEHIND = frozenset(("under", "as", "for", "a", "the", "in", "作", "作为", "这", "这个", "类"))
"""And between a value and the facet's name behind it."""
_FACET_WORDS = (1, 2, 3, 4)
_LEADS_NOUN = frozenset(
    (
        "about",
        "of",
        "with",
        "on",
        "in",
        "for",
        "from",
        "the",
        "a",
        "an",
        "his",
        "her",
        "their",
        "its",
        "which",
        "what",
        "many",
        "much",
        "any",
        "no",
        "more",
        "other",
        "than",
        "s",
        "by",
        "as",
    )
)
_ASKS_NOUN = frozenset(
    ("count", "last", "first", "best", "worst", "most", "favourite", "like", "dislike", "find")
)
"""Behind these words, and words of these tags, stands what a question asks about."""
_SELF = re.compile(
    r"(?<!\btell\s)(?<!\bshow\s)(?<!\bgive\s)(?<!\blet\s)(?<!\bcan\s)(?<!\bcould\s)(?<!\bmay\s)"
    r"\b(?:I(?!['’]d\b|\s+(?:want|would|wonder|need|ask)\b)|me|my|mine|myself)\b|(?<![告诉给帮让])我(?![们想要])",
    re.IGNORECASE,
)
"""The one who asks; not where they merely ask to be told."""
_DECADE = re.compile(r"\d{2,4}s")
_RANGE = re.compile(r"\s*to\b", re.IGNORECASE)
_COMPARED = re.compile(r"\b(?:compar|similar|close|near|next|like\b|same|from)", re.IGNORECASE)
"""With these "user 1 to user 5" are two users."""
_REACHED = re.compile(r"[+*×÷^=]$")
_OTHER_THAN = re.compile(r"\b(?:cheaper|dearer|pricier|older|younger|newer|longer|shorter)\s+than$")
_SIGN = (
    r"(?P<sign>at least|no less than|not less than|at most|no more than|up to|more than|"
    r"over|above|higher than"
    r"|less than|fewer than|under|below|lower than|exactly|better than|worse than)?"
)
_RATINGS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_SIGN}\s*\b(?P<n>\d+(?:\.\d+)?|one|two|three|four|five)[\s-]*(?P<unit>stars?\b|points?\b)"
        r"(?P<after>\s+(?:or|and)\s+(?:more|higher|better|above|up|less|fewer|lower|below|worse))?",
        rf"\b(?:rat|gave|give|given|scor|grad)\w*\b[^.?!]*?{_SIGN}\s*"
        r"(?<![\w.])(?<!user )(?<!customer )(?<!and )(?<!or )(?P<n>\d+(?:\.\d+)?)"
        r"(?P<after>\s+(?:or|and)\s+(?:more|higher|better|above|up|less|fewer|lower|below|worse))?"
        r"(?=\s*(?:$|[?!,;]|\.(?!\d)|(?:and|but|in|on|since|during|before|after)\b))",
        r"(?P<sign>超过|高于|大于|多于|低于|小于|不到|至少|不低于|最多|至多|不超过)?\s*"
        r"(?P<n>\d+(?:\.\d+)?|[一二三四五])\s*(?P<unit>分(?!钟|别)|星)(?P<after>以上|以下)?",
    )
)
_SIGNS = {
    "at least": ">=",
    "no less than": ">=",
    "not less than": ">=",
    "at most": "<=",
    "no more than": "<=",
    "up to": "<=",
    "more than": ">",
    "over": ">",
    "above": ">",
    "higher than": ">",
    "better than": ">",
    "less than": "<",
    "fewer than": "<",
    "under": "<",
    "below": "<",
    "lower than": "<",
    "worse than": "<",
    **{
        f"{join} {word}": ">="
        for join in ("or", "and")
        for word in ("more", "higher", "better", "above", "up")
    },
    **{
        f"{join} {word}": "<="
        for join in ("or", "and")
        for word in ("less", "fewer", "lower", "below", "worse")
    },
    "超过": ">",
    "高于": ">",
    "大于": ">",
    "多于": ">",
    "低于": "<",
    "小于": "<",
    "不到": "<",
    "至少": ">=",
    "不低于": ">=",
    "最多": "<=",
    "至多": "<=",
    "不超过": "<=",
    "以上": ">=",
    "以下": "<=",
}
_WHICH_TIME = re.compile(
    r"\b(?:in\s+)?which\s+(?:of\s+(?:the|these)\s+)?(?:two\s+)?(?:months?|years?|days?|periods?)\b|哪[个一]?(?:月|年|天|时期)",
    re.IGNORECASE,
)
"""Which of two times is asked."""
_PEOPLE = re.compile(
    r"\b(?:users?|people|persons?|customers?|who|histor(?:y|ies)|viewers?|members?)\b|用户|顾客|谁|历史",
    re.IGNORECASE,
)
_RELEASED = re.compile(
    r"\b(?:(?:that|which)\s+)?(?:(?:were|was|is|are|been)\s+)?(?:made|released|shot|produced|published|filmed|came\s+out|come\s+out)"
    r"(?=\s+(?:in|before|after|since|until|from|between|during|by|prior)\b)"
    r"|上映|发行|出版|拍摄|制作",
    re.IGNORECASE,
)
"""A time behind these is the items' own."""
_NOUN = (
    r"(?:films?|movies?|items?|products?|books?|songs?|albums?|games?|videos?|"
    r"comed(?:y|ies)|dramas?|westerns?)"
)
_OF_ITEM = re.compile(
    rf"\b{_NOUN}\s+(?=(?:from|of|in|before|until|between|prior)\b)|年(?:以前|之前)?的?(?=(?:电影|影片|片子|书|商品))",
    re.IGNORECASE,
)
"""And where what was done is younger, behind these."""
_OF_YEAR = re.compile(
    r"\bfrom\s+(?:the\s+year\s+)?(?:19|20)\d\d\b(?!\s*(?:on|to|until|till|through|and|-|–))",
    re.IGNORECASE,
)
""" "Films from 1995" are of that year; "from 1995 on" is not."""
_OF_ITEMS = frozenset({"item", "thing", "find", "count", "exist", "store", "older", "recommend"})
"""With these tags alone a time is of the items."""
_HAVING = frozenset(("view", "click", "purchase", "play"))
"""Types that say "had" where the data keep no events of them: "bought" of films that were only
rated.
"""


@dataclass(frozen=True)
class MentionedItem:
    """An item that a question names."""

    ids: tuple[str, ...]
    """Several where several have that title."""
    text: str
    """As the question says it."""
    quoted: bool


@dataclass(frozen=True)
class Thing:
    """An item or a value that a question names, and where."""

    at: int
    """Its first token."""
    item: MentionedItem | None = None
    value: tuple[NamedValue, ...] = ()
    """What the value may be of."""


@dataclass(frozen=True)
class Word:
    """A word of the vocabulary, and where it stands."""

    at: int
    tag: str
    text: str


@dataclass
class QuestionReading:
    """What was understood of one question."""

    text: str
    language: Language
    users: list[str] = field(default_factory=list)
    nobody: list[str] = field(default_factory=list)
    """Called users, and none that the store knows."""
    items: list[MentionedItem] = field(default_factory=list)
    unknown_items: list[str] = field(default_factory=list)
    """In quotes, and neither a title nor a value."""
    values: list[list[NamedValue]] = field(default_factory=list)
    """For each value that is named, what it may be of."""
    facets: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    """Users' attributes that are named."""
    groups: list[NamedValue] = field(default_factory=list)
    """Values of users' attributes."""
    types: list[str] = field(default_factory=list)
    """Event types that are named and stored."""
    absent_types: list[str] = field(default_factory=list)
    """Types that are named and not stored."""
    period: Period | None = None
    period_text: str = ""
    other_period: Period | None = None
    """A second one that is asked about by itself: "in January or in February 1998"."""
    ranges: list[str] = field(default_factory=list)
    """Ends of ranges of users, which no tool takes: "to 5"."""
    numbers: list[int] = field(default_factory=list)
    """But those of times, conditions and ratings."""
    rating: str = ""
    """Which ratings are asked about, as tools take it: "= 5", "< 3"."""
    bounds: list[Bound] = field(default_factory=list)
    """Which items are asked about, by a number that they have: "cheaper than 20"."""
    order_by: ItemOrder | None = None
    """The order in which items are asked for: "the cheapest"."""
    conditions: list[str] = field(default_factory=list)
    """On attributes, as `limner.core.filters` reads them."""
    tags: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    """Words that nothing explains."""
    personal: list[str] = field(default_factory=list)
    """Words that ask what no store of events holds of a person."""
    loose: list[str] = field(default_factory=list)
    """Of the strange words those that do not stand where what is asked about stands."""
    bare_user: bool = False
    """Whether a number was read as a user without being called one."""
    order: list[str] = field(default_factory=list)
    """Tags, in the order of the question."""
    things: list[Thing] = field(default_factory=list)
    """The items and values again, each with its place."""
    words: list[Word] = field(default_factory=list)
    """The tags again, each with its place, and those that only join."""

    def has(self, *tags: str) -> bool:
        """Whether the question has any of these tags."""
        return not self.tags.isdisjoint(tags)

    def text_of(self, *tags: str) -> str:
        """The first words that have one of these tags."""
        return next((one.text for one in self.words if one.tag in tags), "")

    @property
    def names_nothing(self) -> bool:
        return not (
            self.users or self.items or self.values or self.facets or self.groups or self.types
        )


def read(engine: Engine, question: str, only: str | None = None) -> QuestionReading:
    """Read a question against what the store knows.

    only: the user who asks and may ask about nobody else. They are who "I" is, and the one user
    whom the store knows, so that no reading tells whether there is another.
    """
    return _QuestionReader(engine, question, only).read()


class _QuestionReader:
    def __init__(self, engine: Engine, question: str, only: str | None) -> None:
        self.engine, self.only = engine, only
        self.names: EntityIndex = engine.data.names()
        self.text = question
        self.tokens = tokens_of(question)
        self.taken = [token.kind == "mark" for token in self.tokens]
        self.keys = [stem(token.folded, "en") for token in self.tokens]
        self.names_keys = [singular(token.folded) for token in self.tokens]
        self._period_at = -1
        self.found = QuestionReading(
            question, "zh" if _HAN.search(_QUOTED.sub(" ", question)) else "en"
        )

    def read(self) -> QuestionReading:
        self._conditions()
        self._quoted()
        self._called_users()
        self._titles()
        self._bounds()
        self._period()
        self._rating()
        self._called_items()
        self._bare_users()
        self._first_person()
        self._order()
        self._values()
        self._vocabulary()
        if self.found.has(
            "words_like"
        ):  # "users like horror": a verb, where no words to be like follow
            self._tag(frozenset({"person", "like"}), 0, 1)
        self._any_type()
        self._released()
        self._numbers()
        self.found.strange = [
            token.text for token, taken in zip(self.tokens, self.taken, strict=True) if not taken
        ]
        self.found.loose = [
            self.tokens[at].text for at in range(len(self.tokens)) if self._is_loose(at)
        ]
        return self.found

    # ------------------------------------------------------------ places in the text

    def _span(self, start: int, end: int) -> range:
        """Tokens between two places of the text."""
        inside = [
            at for at, token in enumerate(self.tokens) if token.start < end and token.end > start
        ]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def _take(self, places: Iterable[int]) -> None:
        for at in places:
            self.taken[at] = True

    def _is_free(self, places: Sequence[int]) -> bool:
        return bool(places) and not any(
            self.taken[at] and self.tokens[at].kind != "mark" for at in places
        )

    def _is_loose(self, at: int) -> bool:
        """Whether a strange word is no noun that is asked about: none behind "which", "last", "of",
        "the".
        """
        token = self.tokens[at]
        if self.taken[at]:
            return False
        if token.kind == "cjk":
            return True
        if not token.text.islower() or at == 0:
            return False
        before = vocabulary().get((self.keys[at - 1],)) or frozenset()
        return self.keys[at - 1] not in _LEADS_NOUN and before.isdisjoint(_ASKS_NOUN)

    # ------------------------------------------------------------ users and items by id

    def _called_users(self) -> None:
        spans: list[tuple[str, int, int, bool]] = []
        for match in _CALLED.finditer(self.text):
            name = next(one for one in ("id", "bare", "zh", "hao") if match[one])
            spans.append((*_word(match, name), True))
            place = match.end(name)
            if not any(map(str.isdigit, match[name])) and not self._known_users([match[name]]):
                continue  # "users older than 50": the word is no user, and none follows it
            while more := _NEXT.match(self.text, place):
                if self._is_range(more):
                    break
                spans.append((*_word(more, "id"), False))
                place = more.end("id")
        known = self._known_users({text for text, *_ in spans})
        for text, start, end, called in spans:
            places = self._span(start, end)
            if not self._is_free(places):
                continue
            if text in known:
                self._add_user(text, places)
            elif called and self._is_nobody(text, start):
                self.found.nobody.append(text)
                self._take(places)

    def _is_range(self, more: re.Match[str]) -> bool:
        """Whether "users 1 to 5" is meant as all between."""
        if not _RANGE.match(more[0]) or not more["id"].isdigit() or _COMPARED.search(self.text):
            return False
        self.found.ranges.append(more[0].strip())
        self._take(self._span(more.start("id"), more.end("id")))
        return True

    def _known_users(self, words: Collection[str]) -> Collection[str]:
        return (
            self.engine.data.known_users(words) if self.only is None else {self.only} & set(words)
        )

    def _first_person(self) -> None:
        """Who "I" is, where that is known."""
        if self.only is None:
            return
        for match in _SELF.finditer(self.text):
            places = self._span(*match.span())
            if self._is_free(places):
                self._add_user(self.only, places)

    def _is_nobody(self, text: str, start: int) -> bool:
        """Whether what is called a user and is none was meant as one: "user 99999", and not "users
        25 years old".
        """
        if not any(map(str.isdigit, text)) or _DECADE.fullmatch(text) or self._is_title(start):
            return False
        return not (text.isdigit() and _MANY.search(self.text[:start]))

    def _is_title(self, start: int) -> bool:
        """Whether a title of several words begins at a place of the text."""
        at = next((i for i, token in enumerate(self.tokens) if token.start == start), None)
        keys = [token.folded for token in self.tokens]
        found = None if at is None else self.names.titles.longest(keys, at)
        return found is not None and found[0] > 1

    def _add_user(self, user_id: str, places: Sequence[int]) -> None:
        if user_id not in self.found.users:
            self.found.users.append(user_id)
        self._take(places)

    def _called_items(self) -> None:
        items = self.engine.data.catalogue().items
        for match in _ITEM_CALLED.finditer(self.text):
            name = "id" if match["id"] else "zh"
            text = match[name].rstrip(".:")
            places = self._span(match.start(name), match.start(name) + len(text))
            if self._is_free(places) and text in items and any(map(str.isdigit, text)):
                self._add_item(MentionedItem((text,), text, False), places)

    def _bare_users(self) -> None:
        """Words that are users' ids; numbers only where they are not counts, years or ratings."""
        words = [(match[0].rstrip(".:"), match.start()) for match in re.finditer(_ID, self.text)]
        known = self._known_users({word for word, _ in words})
        items = self.engine.data.catalogue().items
        for word, start in words:
            places = self._span(start, start + len(word))
            if not self._is_free(places) or _DECADE.fullmatch(word):
                continue
            if word in known and (
                not word.isdigit() or self._may_be_user(start, start + len(word))
            ):
                if word.isalpha() and self._is_word(places):
                    continue
                self.found.bare_user |= word.isdigit()
                self._add_user(word, places)
            elif word in items and not word.isdigit() and any(map(str.isdigit, word)):
                self._add_item(MentionedItem((word,), word, False), places)
            elif (
                _LIKELY_ID.fullmatch(word)
                and not word.isalpha()
                and not self._is_value_at(places[0])
            ):
                self.found.nobody.append(word)
                self._take(places)

    def _is_word(self, places: Sequence[int]) -> bool:
        return vocabulary().get(tuple(self.keys[at] for at in places)) is not None

    def _is_value_at(self, at: int) -> bool:
        return self.names.values.longest(self.names_keys, at) is not None

    def _may_be_user(self, start: int, end: int) -> bool:
        before, after = self.text[:start].rstrip().lower(), self.text[end:].lstrip().lower()
        if _REACHED.search(before) or _REACHED.match(after[:1]):  # "2+2"
            return False
        if before.endswith("than") and self.found.users:  # "does 5 have more than 7"
            return not _OTHER_THAN.search(before)
        return not (_COUNTED_BEFORE.search(before) or _COUNTED_AFTER.match(after))

    # ------------------------------------------------------------ titles and quotes

    def _quoted(self) -> None:
        for match in _QUOTED.finditer(self.text):
            text = (match[1] or match[2] or "").strip(" ,.;:")
            places = self._span(*match.span())
            if not text or not self._is_free(places):
                continue
            self._take(places)
            ids = self.names.exactly(text)
            named = self.names.values.get(value_key(text))
            of_facet = bool(places) and self._near_facet(places[0], places[-1] + 1)
            if ids and not (named and of_facet):
                self._add_item(MentionedItem(tuple(ids), text, True), places)
            elif named:
                self._add_value(named, text, places)
            elif kind := next((one for one in self.names.types if fold(one) == fold(text)), ""):
                self.found.types.append(kind)
            elif self._known_users([text]):
                self.found.users.append(text)
            elif text in self.engine.data.catalogue().items:
                self._add_item(MentionedItem((text,), text, True), places)
            else:
                self.found.unknown_items.append(text)

    def _add_item(self, item: MentionedItem, places: Sequence[int]) -> None:
        self.found.items.append(item)
        self.found.things.append(Thing(places[0], item=item))
        self._take(places)

    def _add_value(self, named: Sequence[NamedValue], text: str, places: Sequence[int]) -> None:
        value = _spelled(named, text)
        self.found.values.append(value)
        self.found.things.append(Thing(places[0], value=tuple(value)))
        self._take(places)

    def _titles(self) -> None:
        words = [at for at, token in enumerate(self.tokens) if token.kind != "mark"]
        folded = [self.tokens[at].folded for at in words]
        self._titles_among(words, folded)
        self._titles_among(words, [one.removesuffix("'s") for one in folded])  # "Fargo's rating"

    def _titles_among(self, words: Sequence[int], keys: Sequence[str]) -> None:
        """Note the longest titles from the left on. keys: of the tokens at `words`, as titles are
        compared.
        """
        place = 0
        while place < len(keys):
            length, ids = 1, None
            if not self.taken[words[place]]:
                for size, found in self.names.titles.lengths(keys, place):
                    if self._is_free(words[place : place + size]) and self._reads_as_title(
                        words[place : place + size]
                    ):
                        length, ids = size, found
                        break
            if ids is not None:
                places = range(words[place], words[place + length - 1] + 1)
                text = self.text[
                    self.tokens[places[0]].start : self.tokens[places[-1]].end
                ].removesuffix("'s")
                exact = self.names.exactly(text)
                self._add_item(MentionedItem(tuple(exact or ids), text, False), places)
            place += length

    def _reads_as_title(self, places: Sequence[int]) -> bool:
        """Whether words without quotes are meant as a title, and not as what they say."""
        tokens = [self.tokens[at] for at in places]
        known = vocabulary()
        plain = [known.longest([self.keys[at]], 0) is not None for at in places]
        value = self.names.values.get(tuple(self.names_keys[at] for at in places)) is not None
        if all(token.kind == "number" for token in tokens):
            return False
        if len(tokens) == 1:
            token = tokens[0]
            named = self._before(places[0]) in (
                "film",
                "movie",
                "item",
                "product",
                "titl",
                "book",
                "song",
                "call",
            )
            if token.kind == "cjk" or (plain[0] and not named):
                return False
            meant = named or (token.capital and places[0] > 0) or self._after_verb(places[0])
            return not value and len(token.text) > 3 and meant
        if value and self.names_keys[places[0] - 1 : places[0]] in [
            [key[-1]] for key in self.names.facets
        ]:
            return False
        if all(token.kind == "cjk" for token in tokens):
            return len(tokens) > 3 or not all(plain)
        if all(plain) or value:
            # Words of every day are a title only where they are written as one.
            return (
                all(token.capital or len(token.text) <= 3 for token in tokens)
                and tokens[-1].capital
            )
        return True

    def _after_verb(self, at: int) -> bool:
        """Whether a word is what somebody had, liked or rated."""
        before = vocabulary().get((self._before(at),)) or frozenset()
        return any(
            one in ("had", "like", "dislike", "rate") or one.startswith("type.") for one in before
        )

    def _before(self, at: int) -> str:
        return self.keys[at - 1] if at else ""

    # ------------------------------------------------------------ numbers of items

    def _measures(self) -> dict[str, str]:
        """What items have in numbers, but what a question calls by words that mean another thing:
        "the highest rating" is what users gave, whether items have an attribute of that name or
        not.
        """
        known, meant = vocabulary(), {name for names in KINDS.values() for name in names}
        return {
            name: one
            for name, one in self.names.measures.items()
            if name in meant or known.get(key_of(name)) is None
        }

    def _bounds(self) -> None:
        """ "Longer than 90", "cheaper than 20": not where people or their histories are longer."""
        bounds, spans = find_bounds(self._free(), self._measures())
        if any(one.kind == "length" for one in bounds) and _PEOPLE.search(self.text):
            return
        self.found.bounds = bounds
        for span in spans:
            self._take(self._span(*span))

    def _order(self) -> None:
        """An order such as "the cheapest"; of people, "oldest" and "longest" are none."""
        found = find_order(self._free(), self._measures())
        if found is None or (
            found[0].kind in ("length", "year") and (self.found.users or _PEOPLE.search(self.text))
        ):
            return
        self.found.order_by = found[0]
        self._take(self._span(*found[1]))

    def _released(self) -> None:
        """A time that is of the items and not of what was done: "films before 1990", "comedies
        released in 1995".
        """
        r, period = self.found, self.found.period
        if period is None or period.relative or r.other_period:
            return
        years = [f"{one.year}" for one in (period.since, period.until) if one]
        whole = all((one.month, one.day) == (1, 1) for one in [period.since] if one) and all(
            (one.month, one.day) == (12, 31) for one in [period.until] if one
        )
        if {one.text.lower() for one in r.words if one.tag == "compare"} == {"between"}:
            r.tags.discard("compare")
        released = _RELEASED.search(self.text)
        if released and r.has("event", "rate", *(one for one in r.tags if one.startswith("type."))):
            released = None  # "ratings that were made in 1998"
        released = released or self._before_events(period)
        of_items = self._is_of_items()
        plain = not r.users and bool(r.has("item") or r.values) and r.tags <= _OF_ITEMS
        if not whole or not (
            released or of_items or plain or (r.has("recommend") and not r.has("had"))
        ):
            return
        name = resolved("year", self._measures())
        if not name and not (released or of_items):
            return
        of_year = _OF_YEAR.search(self.text) is not None and len(years) == 1
        if of_year or (len(years) == 2 and years[0] == years[1]):
            r.bounds.append(Bound("year", name, "=", years[0], r.period_text))
        else:
            if period.since:
                r.bounds.append(Bound("year", name, ">=", f"{period.since.year}", r.period_text))
            if period.until:
                r.bounds.append(Bound("year", name, "<=", f"{period.until.year}", r.period_text))
        r.period, r.period_text = None, ""
        if released:
            self._take(self._span(*released.span()))

    def _is_of_items(self) -> bool:
        """ "Comedies from 1995": whether "of" or "from" joins a time to a value or a word for
        items.
        """
        at = next((at for at, one in enumerate(self.tokens) if one.start == self._period_at), 0) - 1
        while at > 0 and self.keys[at] in ("the", "year"):
            at -= 1
        if at < 1 or self.keys[at] not in ("of", "from"):
            return False
        before = vocabulary().get((self.keys[at - 1],)) or frozenset()
        valued = any(
            one.value and one.at <= at - 1 < one.at + 4 and self.taken[at - 1]
            for one in self.found.things
        )
        return "item" in before or (valued and FILLER not in before)

    def _before_events(self, period: Period) -> re.Match[str] | None:
        """ "Films before 1950", where nothing is known of what was done so long ago."""
        events = self.engine.data.period()
        if events is None or period.until is None or period.until >= events[0].date():
            return None
        return _OF_ITEM.search(self.text)

    def _free(self) -> str:
        """The text, blank where something was read already."""
        return "".join(
            " "
            if self._at(place) is not None and self.taken[self._at(place) or 0] and mark.isalnum()
            else mark
            for place, mark in enumerate(self.text)
        )

    # ------------------------------------------------------------ times

    def _period(self) -> None:
        found = find_periods(self._free(), newest_day(self.engine))
        if found is None:
            return
        (self.found.period, *others), spans = found
        self.found.other_period = others[0] if others else None
        if others and (which := _WHICH_TIME.search(self.text)):
            self._take(self._span(*which.span()))
        self.found.period_text = self.text[spans[0][0] : spans[-1][1]]
        self._period_at = spans[0][0]
        for start, end in spans:
            self._take(self._span(start, end))

    def _rating(self) -> None:
        """ "5 stars", "rated Fargo below 3", "评分超过4": which ratings are asked about."""
        for form in _RATINGS:
            for match in form.finditer(self.text):
                given = match.groupdict()
                places = self._span(match.start("n"), match.end())
                value = float(_WORDS.get(given["n"].lower(), 0) or given["n"])
                bare = given.get("unit") is None
                if self._is_free(places) and not (
                    bare and not self._is_rated(match.start("n"), value)
                ):
                    said = next((given[one] for one in ("sign", "after") if given.get(one)), "")
                    self.found.rating = f"{_SIGNS.get(said.lower().strip(), '=')} {value:g}"
                    start = match.start("sign") if given.get("sign") else match.start("n")
                    self._take(self._span(start, match.end()))
                    return

    def _is_rated(self, start: int, value: float) -> bool:
        """Whether a number without a unit is a rating: it stands behind a title, and on the
        scale.
        """
        title = any(
            one.item is not None and self.tokens[one.at].start < start for one in self.found.things
        )
        census = self.engine.data.census()
        return (
            title
            and bool(census.rated.any())
            and value <= float(census.x.value[census.rated].max())
        )

    def _at(self, place: int) -> int | None:
        return next(
            (at for at, token in enumerate(self.tokens) if token.start <= place < token.end), None
        )

    def _conditions(self) -> None:
        """`age < 30`, of users' attributes alone."""
        for match in _WHERE.finditer(self.text):
            words = match["name"].split()
            for size in range(1, len(words) + 1):
                name = self.names.attributes.get(fold(" ".join(words[-size:])).replace("_", " "))
                if name is not None:
                    self.found.conditions.append(f"{name} {match['sign']} {match['value']}")
                    start = match.start() + match["name"].rfind(words[-size])
                    self._take(self._span(start, match.end()))
                    break

    # ------------------------------------------------------------ values and words

    def _values(self) -> None:
        at = 0
        while at < len(self.tokens):
            if self.taken[at]:
                at += 1
                continue
            at += self._value_at(at) or self._group_at(at) or self._facet_at(at) or 1

    def _value_at(self, at: int) -> int:
        """How many tokens from a place on name a value; it is noted."""
        cue = vocabulary().longest(self.keys, at)
        for length, named in self._without_marks(at):
            end = at + length
            if not self._near_facet(at, end):
                if (cue is not None and cue[0] >= length) or (
                    self._is_theme(named) and not self._is_asked(at, end)
                ):
                    continue
                if length == 1 and self.tokens[at].kind in ("cjk", "number"):
                    continue
            elif (
                cue is not None
                and cue[0] >= length
                and self.found.language == "en"
                and not self._near_facet(at, at)
            ):
                # "the top theme": of words of every day only those behind the facet's name are
                # values
                continue
            self._add_value(
                named, self.text[self.tokens[at].start : self.tokens[end - 1].end], range(at, end)
            )
            return length
        return 0

    def _is_theme(self, named: Sequence[NamedValue]) -> bool:
        return all(one.facet in self.names.themes for one in named)

    def _is_asked(self, start: int, end: int) -> bool:
        """Whether a word of titles is meant as one: "heart items", "likes hearts"."""
        known = vocabulary()
        behind = known.longest(self.keys, end) if end < len(self.keys) else None
        before = known.longest(self.keys, start - 1) if start else None
        return ("item" in behind[1] if behind else False) or (
            not before[1].isdisjoint(("like", "dislike", "recommend")) if before else False
        )

    def _without_marks(self, at: int) -> list[tuple[int, list[NamedValue]]]:
        """Values that begin at a token, longest first, as (tokens with their marks, named); marks
        count for nothing.
        """
        words = [
            one
            for one in range(at, min(at + 24, len(self.tokens)))
            if self.tokens[one].kind != "mark"
        ]
        if not words or words[0] != at:
            return []
        keys = [self.names_keys[one] for one in words]
        found = self.names.values.lengths(keys, 0)
        return [
            (words[length - 1] - at + 1, named)
            for length, named in found
            if not any(self.taken[one] for one in words[:length])
        ]

    def _near_facet(self, start: int, end: int) -> bool:
        """Whether a facet's name stands right before a place, or right behind one; small words and
        marks aside.
        """
        at = start - 1
        while at >= 0 and (self.keys[at] in _BETWEEN or self.tokens[at].kind == "mark"):
            at -= 1
        before = (
            [self.names_keys[max(0, at - size + 1) : at + 1] for size in _FACET_WORDS]
            if at >= 0
            else []
        )
        behind = []
        if end > start:
            while end < len(self.tokens) and (
                self.keys[end] in _BEHIND or self.tokens[end].kind == "mark"
            ):
                end += 1
            behind = [self.names_keys[end : end + size] for size in _FACET_WORDS]
        return any(tuple(one) in self.names.facets for one in [*before, *behind])

    def _group_at(self, at: int) -> int:
        # What users are is of other users too: it is not told to one of them, by no answer that
        # differs.
        match = self.names.groups.longest(self.names_keys, at) if self.only is None else None
        if match is None or vocabulary().longest(self.keys, at) is not None:
            return 0
        length, named = match
        if len(named.value) < 3 and not self._near_attribute(at, named.facet):
            return 0
        self.found.groups.append(named)
        self._take(range(at, at + length))
        return length

    def _near_attribute(self, at: int, name: str) -> bool:
        return any(stem(fold(name), "en") == key for key in self.keys[max(0, at - 3) : at])

    def _facet_at(self, at: int) -> int:
        for size in (4, 3, 2, 1):
            key = tuple(self.names_keys[at : at + size])
            if len(key) < size or any(self.taken[at : at + size]):
                continue
            if key in self.names.facets:
                self.found.facets.append(self.names.facets[key])
                self._take(range(at, at + size))
                return size
            words = " ".join(
                self.tokens[one].folded.removesuffix("'s") for one in range(at, at + size)
            )
            for form in (words, words.removesuffix("s")):
                if form in self.names.attributes:
                    self.found.attributes.append(self.names.attributes[form])
                    self._take(range(at, at + size))
                    return size
        return 0

    def _vocabulary(self) -> None:
        known = vocabulary()
        at = 0
        while at < len(self.tokens):
            if self.taken[at]:
                at += 1
                continue
            free = [
                one for one in known.lengths(self.keys, at) if not any(self.taken[at : at + one[0]])
            ]
            length, tags = free[0] if free else self._type_at(at)
            if length:
                if "personal" in tags:
                    self.found.personal.append(
                        self.text[self.tokens[at].start : self.tokens[at + length - 1].end]
                    )
                self._tag(tags, at, length)
                self._take(range(at, at + length))
                at += length
            else:
                at += 1

    def _any_type(self) -> None:
        """ "Had or bought" is had, whatever kind of event it was."""
        said = [one.tag for one in sorted(self.found.words, key=lambda one: one.at)]
        verbs = [tag for tag in said if tag in ("had", "join.or") or tag.startswith("type.")]
        for first, joined, last in zip(verbs, verbs[1:], verbs[2:], strict=False):
            kinds = {first, last} - {"had"}
            if joined == "join.or" and len(kinds) == 1 and "had" in (first, last):
                kind = kinds.pop()
                self.found.tags.discard(kind)
                self.found.words = [one for one in self.found.words if one.tag != kind]
                self.found.types = [one for one in self.found.types if f"type.{one}" != kind]

    def _type_at(self, at: int) -> tuple[int, frozenset[str]]:
        """A type of the store's own, as one word."""
        for kind in self.names.types:
            if self.keys[at] == stem(fold(kind), "en"):
                return 1, frozenset([f"type.{kind}"])
        return 0, frozenset()

    def _tag(self, tags: frozenset[str], at: int, length: int) -> None:
        text = self.text[self.tokens[at].start : self.tokens[at + length - 1].end]
        for tag in sorted(tags - {FILLER}):
            self.found.words.append(Word(at, tag, text))
            if tag.startswith("join."):
                continue
            if tag.startswith("type."):
                kind = tag.removeprefix("type.")
                if kind in self.names.types:
                    self.found.types.append(kind)
                else:
                    self.found.absent_types.append(kind)
                    self.found.tags.update({"had"} if kind in _HAVING else ())
            self.found.tags.add(tag)
            self.found.order.append(tag)

    def _numbers(self) -> None:
        for at, token in enumerate(self.tokens):
            if token.kind == "number" and not self.taken[at]:
                self.found.numbers.append(int(float(token.text.replace(",", ""))))
                self.taken[at] = True
            elif not self.taken[at] and token.folded in _WORDS:
                self.found.numbers.append(_WORDS[token.folded])
                self.taken[at] = True


def _word(match: re.Match[str], name: str) -> tuple[str, int, int]:
    """A word of a match without the marks behind it, and its place."""
    text = match[name].rstrip(".:")
    return text, match.start(name), match.start(name) + len(text)


def _spelled(named: Sequence[NamedValue], text: str) -> list[NamedValue]:
    """What a value may be of, those that are spelled as the question does first."""
    plain = fold(text)
    return sorted(named, key=lambda one: fold(one.value) != plain)


def words_of(text: str) -> list[str]:
    """What may be a user id in a text, in order: words without the marks around them."""
    words = [word.rstrip(".:") for word in re.findall(r"[^\s,;?!\"'()“”，。？！]+", text)]
    return list(
        dict.fromkeys([*words, *(match[0].rstrip(".:") for match in re.finditer(_ID, text))])
    )


def newest_day(engine: Engine) -> date | None:
    span = engine.data.period()
    return span[1].date() if span else None
