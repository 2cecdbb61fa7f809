"""The page as people meet it: in Chromium, by mouse, by keyboard, without scripts, in both schemes
and languages.
"""

import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from limner.chat import Piece, TextDelta
from limner.core.errors import StoreError
from limner.core.progress import Progress
from limner.engine import Engine
from limner.rank import Model
from limner.server import create_app
from limner.store.api_keys import create_key
from limner.words import plain_title
from tests.http.live import live
from tests.http.tasteful import copied, engine_of
from tests.web.made import ANN, HARM, REVIEW, RIGHT, TITLE, USERS, make, served

pytestmark = pytest.mark.slow

ANNS = f"/users/{ANN}"
HARMS = f"/users/{quote(HARM, safe='')}"
VIEWS = {
    "home": "/",
    "found": "/?q=nurse",
    "person": ANNS,
    "harm": HARMS,
    "history": f"{ANNS}/history",
    "versions": f"{ANNS}/versions",
    "map": "/map",
    "ask": f"/ask?user={ANN}",
    "ledger": "/ledger",
    "sign-in": "/sign-in",
    "nobody": "/users/nobody",
}
WIDE = (1280, 900)


@dataclass
class Opened:
    """A page, what it asked for, and what it complained of."""

    page: Page
    origin: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def refuse(self, dialog: Dialog) -> None:
        self.complaints.append("a dialog")
        dialog.dismiss()

    def go(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def titles(self) -> list[str]:
        """Of the recommendations, best first."""
        return self.page.locator(".list h3").all_inner_texts()

    def is_clean(self) -> None:
        assert self.complaints == []
        assert [one for one in self.requests if not one.startswith(self.origin + "/")] == []


Opener = Callable[..., Opened]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make(folder)
    return folder


@pytest.fixture(scope="module")
def standing(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that nobody changes anything in; its origin."""
    with served(made, tmp_path_factory.mktemp("standing")) as (server, _):
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def changing(made: Path, tmp_path: Path) -> Iterator[tuple[str, Engine]]:
    """A server of a test's own."""
    with served(made, tmp_path / "changing") as (server, engine):
        yield f"http://127.0.0.1:{server.port}", engine


@contextmanager
def opening(
    browser: Browser, origin: str, *, size: tuple[int, int] = WIDE, **more: object
) -> Iterator[Opened]:
    options: dict[str, object] = {"locale": "en-US", **more}
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    found = Opened(context.new_page(), origin)
    found.page.on("request", lambda one: found.requests.append(one.url))
    found.page.on("console", lambda one: found.complaints.append(one.text))
    found.page.on("pageerror", lambda one: found.complaints.append(str(one)))
    found.page.on("dialog", found.refuse)
    yield found
    context.close()


@pytest.fixture
def opened(browser: Browser, standing: str) -> Iterator[Opened]:
    with opening(browser, standing) as found:
        yield found


@pytest.fixture
def mine(browser: Browser, changing: tuple[str, Engine]) -> Iterator[Opened]:
    with opening(browser, changing[0]) as found:
        yield found


# ---------------------------------------------------------------- every view


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


GONE = "Failed to load resource: the server responded with a status of 404 (Not Found)"
"""What Chromium says of the view that is an error."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_view(
    browser: Browser, standing: str, scheme: str
) -> None:
    with opening(browser, standing, color_scheme=scheme, reduced_motion="reduce") as found:
        for name, path in VIEWS.items():
            unfold(found.go(path))
            if name == "ask":
                ask(found, "What does ann like?")
            wrong = [
                (one["id"], one["impact"], [node["html"][:150] for node in one["nodes"][:3]])
                for one in Axe().run(found.page).response["violations"]
                if one["impact"] in ("serious", "critical")
            ]
            assert wrong == [], name
        assert found.complaints == [GONE]
        assert {one.split("/")[2] for one in found.requests} == {standing.removeprefix("http://")}


@pytest.mark.parametrize("width", [1280, 768, 360])
def test_no_view_scrolls_sideways(browser: Browser, standing: str, width: int) -> None:
    with opening(browser, standing, size=(width, 740)) as found:
        for name, path in VIEWS.items():
            unfold(found.go(path))
            wide, seen = found.page.evaluate(
                "[document.documentElement.scrollWidth, window.innerWidth]"
            )
            assert wide <= seen, name
        assert found.complaints == [GONE]


def test_axe_would_see_a_fault(opened: Opened) -> None:
    opened.go("/")
    opened.page.evaluate("document.querySelector('#q').removeAttribute('id')")
    assert any(one["impact"] == "critical" for one in Axe().run(opened.page).response["violations"])


def test_every_view_is_said_in_chinese(browser: Browser, standing: str) -> None:
    with opening(browser, standing, locale="zh-CN") as found:
        for path in VIEWS.values():
            found.go(path)
            assert found.page.locator("html").get_attribute("lang") == "zh"
            assert re.search("[一-鿿]", found.page.locator("h1").inner_text())
        found.go("/")
        found.page.get_by_role("link", name="English").click()
        expect(found.page.locator("h1")).to_have_text("Who are your users?")
        found.go(ANNS)
        expect(found.page.locator("#portrait-title")).to_have_text("Portrait")


ODD_VIEWS = {
    "fresh": "/users/fresh",
    "no-such-attribute": "/?q=height+%3E+4",
    "no-condition": "/?q=age+%3E",
    "found-none": "/?q=zzz",
    "nowhere": "/nowhere",
    "too-many": f"{ANNS}?n=999",
    "two-versions": f"{ANNS}/versions?a=1&b=2",
}
QUESTIONS = (
    "这位用户喜欢什么？",
    "推荐三件物品",
    "他最近做了什么？",
    "谁喜欢喜剧？",
    "有多少用户？",
)
PRODUCT = ("limner profile build --all", "limner ingest", "Limner", "English", "API", "a-model")
"""Names that are the same in every language."""


def test_nothing_but_data_is_said_in_english_on_a_chinese_page(
    browser: Browser, changing: tuple[str, Engine]
) -> None:
    """Every view, every note and every refusal, after some of everything was done."""
    origin, engine = changing
    engine.edits.take("users", [{"user_id": "fresh", "age": 33}])
    data = _data(engine)
    with opening(browser, origin, locale="zh-CN") as found:
        page = found.go(ANNS)
        assert _latin("A claim of the portrait", data) == ["claim", "of", "the", "portrait"]
        for press in ("喜欢 .*", "不喜欢 .*", "隐藏 .*"):
            found.go(ANNS)
            page.locator(".list > li").first.get_by_role(
                "button", name=re.compile(f"^{press}")
            ).click()
            expect(page.locator("#status")).to_contain_text("已")
            assert _english(page, data) == []
        found.go(ANNS)
        claim = page.locator(".claims li").first
        claim.locator("summary").click()
        claim.get_by_role("button", name="这不对").click()
        expect(page.locator(".struck")).to_be_visible()
        page.locator("#add summary").click()
        page.get_by_role("textbox", name="内容").fill("Western")
        page.get_by_role("button", name="添加", exact=True).click()
        expect(page.locator("#status")).to_contain_text("已添加")
        assert _english(page, data) == []
        for name, path in {**VIEWS, **ODD_VIEWS}.items():
            unfold(found.go(path))
            assert _english(page, data) == [], name
        found.go(f"/ask?user={ANN}")
        for question in QUESTIONS:
            ask(found, question)
            assert _english(page, data) == [], question


def _data(engine: Engine) -> list[str]:
    """Texts that stand as the data have them, the longest first."""
    users, items = list(engine.store.users()), engine.state.catalogue.snapshot().items.values()
    found = {
        str(value)
        for user in users
        for value in [*user.attributes.values(), user.user_id, "user_id", "source"]
    }
    found |= {
        form
        for user in users
        for name in user.attributes
        for form in (name, name.replace("_", " "))
    }
    found |= {form for item in items for form in (item.title, plain_title(item.title))}
    return sorted({*found, *PRODUCT, REVIEW, "height", "zzz", "nobody"}, key=len, reverse=True)


def _english(page: Page, data: list[str]) -> list[str]:
    """Words in Latin letters that a reader sees or hears, without those of the data and of what
    they quote.
    """
    said = page.evaluate(
        """() => [document.title, document.body.innerText, ...[...document.querySelectorAll(
        '[aria-label],[title],[placeholder],svg title')].flatMap( one => [one.ariaLabel, one.title,
        one.placeholder, one.matches('svg title') ? one.textContent : ''])]
        """
    )
    return [word for text in said if isinstance(text, str) for word in _latin(text, data)]


def _latin(text: str, data: list[str]) -> list[str]:
    text = re.sub(r"\w+ >= \w+ and \w+ = \w+", " ", text)  # the language of conditions is one
    for one in data:
        text = text.replace(one, " ")
    return re.findall(r"[A-Za-z]{2,}", re.sub("“[^”]*”", " ", text))


def test_pages_forbid_what_they_do_not_need(opened: Opened) -> None:
    for path in VIEWS.values():
        answer = opened.page.request.get(opened.origin + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<[^>]+\s(?:on\w+|style)=", answer.text())


def test_the_map_of_portraits_goes_by_arrow_keys(opened: Opened) -> None:
    page = opened.go("/map")
    points = page.locator(".map a")
    assert points.count() == USERS
    assert page.locator(".map a:not([tabindex])").count() == 1
    points.first.focus()
    before = page.evaluate("document.activeElement.getAttribute('aria-label')")
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    after = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert after != before or page.evaluate("document.activeElement.tabIndex") == 0
    assert (
        page.locator('.map a[tabindex="0"]').count()
        + page.locator(".map a:not([tabindex])").count()
        == 1
    )
    page.keyboard.press("Enter")
    page.wait_for_url("**/users/**")
    opened.is_clean()


def test_the_ledger_adds_up(opened: Opened) -> None:
    page = opened.go("/ledger")
    rows = page.locator("tbody tr")
    assert rows.count() == 3
    assert rows.nth(2).inner_text().split() == [
        "All",
        "3",
        "0",
        "0",
        "3,600",
        "240",
        "0.0400",
        "0.50",
    ]


# ---------------------------------------------------------------- finding users


def test_users_are_found_as_one_types(opened: Opened) -> None:
    page = opened.go("/")
    expect(page.locator(".lead")).to_contain_text(f"{USERS} users")
    page.get_by_role("searchbox").press_sequentially("garden")
    expect(page.locator("#found h2")).to_have_text(["One user found"])
    page.get_by_role("searchbox").fill("age > 40 and occupation = gardener")
    expect(page.locator("#found h2")).to_have_text(["One user found"])
    page.get_by_role("searchbox").fill("height > 40")
    expect(page.locator("#found [role=alert]")).to_contain_text("No user has 'height'")
    page.get_by_role("searchbox").fill(ANN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{ANNS}")
    opened.is_clean()


# ---------------------------------------------------------------- one user


def claims(page: Page, value: str) -> Locator:
    """Claims of a value, whatever their events are called."""
    return page.locator(".claims li").filter(
        has=page.locator(".name", has_text=re.compile(f"^{value}$"))
    )


def test_claims_open_their_events(opened: Opened) -> None:
    page = opened.go(ANNS)
    claim = claims(page, "Comedy")
    assert not claim.locator(".events").is_visible()
    claim.locator("summary").focus()
    page.keyboard.press("Enter")
    events = claim.locator(".event")
    expect(events.first).to_be_visible()
    for one in events.all_inner_texts():
        assert re.fullmatch(r"Comedy Night .*rated\s+[45] of 5\s+2024-\d\d-\d\d", one.strip(), re.S)


def test_claims_of_reasons_light_their_events(opened: Opened) -> None:
    page = opened.go(ANNS)
    claim = page.locator(".reason .claim").first
    claim.hover()
    keys = (claim.get_attribute("data-lights") or "").split()
    lit = page.locator("[data-event].lit")
    assert lit.count() >= 2  # under the reason, and in the time line
    assert {one.get_attribute("data-event") for one in lit.all()} <= set(keys)
    assert page.locator(".list .event.lit").count() >= 1 and page.locator(".tick.lit").count() >= 1
    page.locator("h1").hover()
    expect(lit).to_have_count(0)
    claim.focus()
    assert lit.count() >= 2
    page.locator("h1").click()
    claim.click()
    page.locator("h1").hover()
    assert lit.count() >= 2  # a tap holds
    page.keyboard.press("Escape")
    expect(lit).to_have_count(0)


def test_the_time_line_and_its_table_agree(opened: Opened) -> None:
    page = opened.go(ANNS)
    columns = page.locator(".chart > g:not(.marks)").count()
    assert columns == page.locator(".time tbody tr").count() >= 3
    assert page.locator(".tick").count() == 15
    events = [int(one) for one in page.locator(".time tbody td:nth-child(2)").all_text_contents()]
    assert sum(events) == 15


def test_thumbs_change_the_list_at_once(mine: Opened, changing: tuple[str, Engine]) -> None:
    page = mine.go(ANNS)
    for press, kind in (("Like", "like"), ("Dislike", "dislike"), ("Hide", "skip")):
        before = mine.titles()
        page.locator(".list > li").first.get_by_role(
            "button", name=re.compile(f"^{press} ")
        ).click()
        expect(page.locator(".list h3").first).not_to_have_text(before[0])
        assert before[0] not in mine.titles()
        expect(page.locator("#status")).to_contain_text(before[0])
        assert page.locator(".moved").count() > 0
        last = changing[1].data.history(ANN)[-1]
        assert (last.type, bool(last.context["recommendation_id"])) == (kind, True)
    assert page.evaluate("document.activeElement !== document.body")
    mine.is_clean()


def test_a_thumb_is_pressed_until_it_is_pressed_again(
    mine: Opened, changing: tuple[str, Engine]
) -> None:
    page = mine.go(ANNS)
    before, events = mine.titles(), changing[1].data.history(ANN)
    given = page.locator(".given li")
    for press in ("Like", "Dislike", "Hide"):
        page.locator(".list > li").first.get_by_role(
            "button", name=f"{press} {before[0]}", exact=True
        ).click()
        pressed = given.get_by_role("button", name=f"{press} {before[0]}", exact=True)
        expect(pressed).to_have_attribute("aria-pressed", "true")
        expect(given.locator("[aria-pressed=true]")).to_have_count(1)
        assert before[0] not in mine.titles()
        if press == "Hide":
            pressed.press("Enter")
        else:
            pressed.click()
        expect(given).to_have_count(0)
        expect(page.locator("#status")).to_contain_text(f"Taken back: “{before[0]}”")
        assert mine.titles() == before and changing[1].data.history(ANN) == events
        assert page.evaluate("document.activeElement !== document.body")
    assert page.locator('.list [aria-pressed="true"]').count() == 0
    mine.is_clean()


def test_another_thumb_takes_the_place_of_the_first(
    mine: Opened, changing: tuple[str, Engine]
) -> None:
    page = mine.go(ANNS)
    title, events = mine.titles()[0], changing[1].data.history(ANN)
    page.locator(".list > li").first.get_by_role("button", name=f"Like {title}", exact=True).click()
    page.locator(".given").get_by_role("button", name=f"Dislike {title}", exact=True).click()
    expect(page.locator(".given [aria-pressed=true]")).to_have_accessible_name(f"Dislike {title}")
    assert [one.type for one in changing[1].data.history(ANN)[len(events) :]] == ["dislike"]
    mine.is_clean()


def test_a_thumb_is_taken_back_without_scripts(
    browser: Browser, changing: tuple[str, Engine]
) -> None:
    with opening(browser, changing[0], java_script_enabled=False) as plain:
        page = plain.go(ANNS)
        before = plain.titles()
        page.locator(".list > li").first.get_by_role(
            "button", name=f"Like {before[0]}", exact=True
        ).click()
        page.locator(".given").get_by_role("button", name=f"Like {before[0]}", exact=True).click()
        assert plain.titles() == before and page.locator(".given").count() == 0


def test_a_stated_preference_moves_the_list_and_can_be_undone(mine: Opened) -> None:
    page = mine.go(ANNS)
    before = mine.titles()
    page.locator("#add summary").click()
    page.get_by_label("What", exact=True).fill("western")
    page.get_by_role("button", name="Add", exact=True).click()
    stated = claims(page, "Western")
    expect(stated).to_contain_text("stated")
    assert mine.titles() != before
    assert sum("Western" in one for one in mine.titles()) > sum("Western" in one for one in before)
    page.locator("#status").get_by_role("button", name="Undo").click()
    expect(stated).to_have_count(0)
    expect(page.locator("#status")).to_contain_text("Taken back: Western")
    assert mine.titles() == before
    mine.is_clean()


def test_a_struck_claim_goes_with_its_reasons_and_can_be_put_back(mine: Opened) -> None:
    page = mine.go(ANNS)
    before = mine.titles()
    claim = claims(page, "Comedy")
    claim.locator("summary").click()
    claim.get_by_role("button", name="This is wrong").click()
    expect(page.locator(".struck")).to_contain_text("Comedy")
    expect(claim).to_have_count(0)
    assert mine.titles() != before
    page.locator("#status").get_by_role("button", name="Undo").click()
    expect(claim).to_have_count(1)
    expect(page.locator(".struck")).to_have_count(0)
    assert mine.titles() == before
    claim.locator("summary").click()
    claim.get_by_role("button", name="This is wrong").click()
    page.get_by_role("button", name="Put back").click()
    expect(claim).to_have_count(1)
    expect(claim).not_to_contain_text("stated")
    page.get_by_role("link", name="Versions").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    mine.is_clean()


def test_versions_say_what_changed(mine: Opened) -> None:
    page = mine.go(f"{ANNS}/versions")
    expect(page.locator(".note")).to_contain_text("one version so far")
    mine.go(ANNS)
    page.locator("#add summary").click()
    page.get_by_label("What", exact=True).fill("Western")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(claims(page, "Western")).to_be_visible()
    mine.go(f"{ANNS}/versions")
    row = page.locator("tr.is-new")
    expect(row).to_contain_text("Western")
    assert (
        page.locator("select[name=a]").input_value() == "1"
        and page.locator("select[name=b]").input_value() == "2"
    )


# ---------------------------------------------------------------- asking


def ask(found: Opened, question: str) -> None:
    asked = found.page.locator(".question").count()
    found.page.locator("#question").fill(question)
    found.page.keyboard.press("Enter")
    expect(found.page.locator(".question")).to_have_count(asked + 1)
    ended = re.compile("counted, in template words|由统计得出，模板措辞")
    expect(found.page.locator(".answer").last.locator(".source").first).to_contain_text(ended)


def test_answers_stream_with_sources_to_follow(opened: Opened) -> None:
    page = opened.go(f"/ask?user={ANN}")
    ask(opened, "What does ann like?")
    assert page.get_by_label("Question").input_value() == ""
    expect(page.locator(".answer .text").last).to_contain_text("Comedy")
    cited = page.locator(".cite").first
    cited.click()
    source = page.locator(".sources li:target")
    expect(source).to_contain_text("Comedy Night")
    source.get_by_role("link", name=ANN).click()
    page.wait_for_url(f"**{ANNS}")
    opened.is_clean()


def test_the_stream_is_one_of_events(opened: Opened) -> None:
    opened.go("/")
    answer = opened.page.request.post(
        f"{opened.origin}/ask",
        form={"question": "How many users are there?"},
        headers={"Accept": "text/event-stream"},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text().count("\n\n") >= 3 and str(USERS) in answer.text()


def test_a_conversation_goes_on(opened: Opened) -> None:
    opened.go("/ask")
    ask(opened, "What does ann like?")
    ask(opened, "And what did she do last?")
    expect(opened.page.locator(".answer .text").last).to_contain_text("ann")
    opened.is_clean()


def test_an_answer_that_breaks_off_says_so(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> AsyncIterator[Piece]:
        yield TextDelta(text="It is ")
        raise StoreError("The store is <b>gone</b>.")

    monkeypatch.setattr("limner.api.conversations.stream", broken)
    page = opened.go("/ask")
    page.get_by_label("Question").fill("What does ann like?")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_contain_text("It is")
    expect(page.locator(".answer .source")).to_have_text("The store is <b>gone</b>.")
    opened.is_clean()


# ---------------------------------------------------------------- what means harm


def test_what_came_from_data_stays_text(opened: Opened) -> None:
    for path in (
        HARMS,
        f"{HARMS}/history",
        f"{HARMS}/versions",
        "/",
        "/map",
        f"/ask?user={quote(HARM, safe='')}",
    ):
        page = opened.go(path)
        page.wait_for_load_state("networkidle")
        assert page.locator("#harm, main script, main img, i").count() == 0
        assert page.locator("a[href*='evil']").count() == 0
        assert page.title() != "harmed"
    page = opened.go(HARMS)
    expect(page.locator("h1")).to_contain_text(HARM)
    assert TITLE in page.locator("#events").inner_text()
    assert REVIEW in page.locator("#events").inner_text()
    right = page.locator("#events q").filter(has_text=RIGHT)
    assert right.get_attribute("dir") == "auto"
    assert right.evaluate("one => getComputedStyle(one).direction") == "rtl"
    opened.is_clean()


def test_a_harmful_user_can_be_helped(mine: Opened) -> None:
    """Ids with slashes, marks and quotes go through every form."""
    page = mine.go(HARMS)
    before = mine.titles()
    page.locator(".list > li").first.get_by_role("button", name=re.compile("^Like ")).click()
    expect(page.locator(".list h3").first).not_to_have_text(before[0])
    page.get_by_role("link", name="All events").click()
    expect(page.locator("h1")).to_contain_text(HARM)
    page.get_by_role("link", name="Versions").click()
    expect(page.locator("h1")).to_contain_text(HARM)
    mine.is_clean()


def test_questions_that_mean_harm_stay_text(opened: Opened) -> None:
    opened.go("/ask")
    ask(opened, "<img src=x onerror=alert(1)> [x](http://evil.example) what does ann like?")
    assert opened.page.locator("main img, main a[href*='evil']").count() == 0
    opened.is_clean()


# ---------------------------------------------------------------- without scripts, without a mouse


def test_forms_and_links_do_without_scripts(browser: Browser, changing: tuple[str, Engine]) -> None:
    with opening(browser, changing[0], java_script_enabled=False) as found:
        page = found.go("/")
        page.get_by_role("searchbox").fill("gardener")
        page.get_by_role("button", name="Find").click()
        page.locator(".people a").click()
        before = found.titles()
        page.locator(".list > li").first.get_by_role("button", name=re.compile("^Like ")).click()
        page.wait_for_url("**before=**")
        assert before[0] not in found.titles() and page.locator(".moved").count() > 0
        claims(page, "Horror").locator("summary").click()
        claims(page, "Horror").get_by_role("button", name="This is wrong").click()
        expect(page.locator(".struck")).to_be_visible()
        page.get_by_role("link", name="Ask about this user").click()
        page.get_by_label("Question").fill("What does ann like?")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator(".answer .sources li").first).to_be_visible()
        page.get_by_label("Question").fill("And dislike?")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator(".question")).to_have_count(2)


def test_a_walk_by_keyboard(opened: Opened) -> None:
    """Tab reaches everything in the order of the page, each with a name and an outline."""
    page = opened.go(ANNS)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen: list[tuple[str, float]] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        name, outline, top = page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
            return [one.ariaLabel || one.innerText || one.name || '', style.outlineStyle,
                    one.getBoundingClientRect().top + scrollY]; }"""
        )
        if page.evaluate("document.activeElement === document.body"):
            break
        assert name.strip() and outline != "none", name
        seen.append((name, top))
    names = [name for name, _ in seen]
    assert any("Comedy" in one for one in names) and any(one.startswith("Like ") for one in names)
    assert "Versions" in names and names.index("Versions") < names.index("Add a preference")


# ---------------------------------------------------------------- who may


@pytest.fixture
def guarded(made: Path, tmp_path: Path) -> Iterator[tuple[str, Engine]]:
    with served(made, tmp_path / "guarded", keys=True) as (server, engine):
        yield f"http://127.0.0.1:{server.port}", engine


def sign_in(found: Opened, secret: str) -> None:
    found.page.get_by_label("API key").fill(secret)
    found.page.get_by_role("button", name="Sign in").click()


def test_signing_in_and_out(browser: Browser, guarded: tuple[str, Engine]) -> None:
    origin, engine = guarded
    with opening(browser, origin) as found:
        page = found.go(ANNS)
        expect(page.locator("h1")).to_have_text("Sign in")
        assert ANN not in page.locator("main").inner_text()
        sign_in(found, "limner_wrong")
        expect(page.get_by_role("alert")).to_be_visible()
        found.go(ANNS)
        sign_in(found, create_key(engine.store, "write").secret)
        page.wait_for_url(f"**{ANNS}")
        [cookie] = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Strict", -1)
        before = found.titles()
        page.locator(".list > li").first.get_by_role("button", name=re.compile("^Like ")).click()
        expect(page.locator(".list h3").first).not_to_have_text(before[0])
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("h1")).to_have_text("Sign in")
        found.go("/")
        expect(page.locator("h1")).to_have_text("Sign in")


def test_scopes_hold_for_the_page(browser: Browser, guarded: tuple[str, Engine]) -> None:
    origin, engine = guarded
    with opening(browser, origin) as found:
        page = found.go("/")
        sign_in(found, create_key(engine.store, "read").secret)
        found.go(ANNS)
        assert page.get_by_role("button", name=re.compile("Like|wrong|Add")).count() == 0
        answer = page.request.post(
            f"{origin}{ANNS}/feedback", form={"item_id": "C1", "type": "like"}
        )
        assert answer.status == 403


def test_a_key_of_one_user_opens_their_page_alone(
    browser: Browser, guarded: tuple[str, Engine]
) -> None:
    origin, engine = guarded
    with opening(browser, origin) as found:
        page = found.go("/")
        sign_in(found, create_key(engine.store, "write", user_id=ANN).secret)
        page.wait_for_url(f"**{ANNS}")
        found.go("/")
        page.wait_for_url(f"**{ANNS}")
        for path in ("/users/u1", "/users/u1/history", "/map", "/ask?user=u1", "/ledger", "/?q=u1"):
            found.go(path)
            assert "u1" not in page.locator("main").inner_text() or page.url.endswith(ANNS)
            assert page.locator("h1").inner_text() == "Not allowed" or page.url.endswith(ANNS)
        found.go(ANNS)
        page.get_by_role("navigation").get_by_role("link", name="Ask").click()
        page.get_by_label("Question").fill("What do I like?")
        page.get_by_role("button", name="Ask").click()
        expect(page.locator(".answer .text").last).to_contain_text(f"User {ANN} likes")
        page.get_by_label("Question").fill("What does user u1 like?")
        page.get_by_role("button", name="Ask").click()
        expect(page.locator(".answer .text").last).to_contain_text("nothing of other users")


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=str
)
def test_forms_of_other_sites_change_nothing(
    browser: Browser,
    guarded: tuple[str, Engine],
    changing: tuple[str, Engine],
    headers: dict[str, str],
) -> None:
    for origin, engine, secret in (
        (*guarded, create_key(guarded[1].store, "write").secret),
        (*changing, ""),
    ):
        before = len(engine.data.history(ANN))
        with opening(browser, origin) as found:
            found.go("/")
            if secret:
                sign_in(found, secret)
            forms: dict[str, dict[str, str | float | bool]] = {
                "feedback": {"item_id": "C1", "type": "like"},
                "portrait": {"action": "state", "value": "Western"},
            }
            for path, form in forms.items():
                answer = found.page.request.post(
                    f"{origin}{ANNS}/{path}", form=form, headers=headers
                )
                assert answer.status == 403
        assert len(engine.data.history(ANN)) == before


# ---------------------------------------------------------------- before the first training


def test_a_store_that_was_only_ingested_shows_its_list_and_a_bar(
    browser: Browser, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(made, tmp_path / "untrained")
    shutil.rmtree(folder / "store" / "models")
    engine = engine_of(folder)
    train, let_go = engine.state.ranker.train, Event()

    def slow(progress: Progress, wait: float) -> Model:
        progress.start("learning from the past", 8)
        progress.advance(3)
        assert let_go.wait(120)
        progress.done()
        return train(progress, wait)

    monkeypatch.setattr(engine.state.ranker, "train", slow)
    with (
        live(create_app(engine)) as server,
        opening(browser, f"http://127.0.0.1:{server.port}") as mine,
    ):
        page = mine.go(ANNS)
        expect(page.locator(".training progress")).to_be_visible()
        expect(page.locator(".training")).to_contain_text("learning from the past")
        assert mine.titles() and page.locator(".portrait .summary").inner_text()
        let_go.set()
        expect(page.locator(".training")).to_contain_text("is trained", timeout=60_000)
        page.get_by_role("link", name="Show the new list").click()
        expect(page.locator(".training")).to_have_count(0)
        assert mine.titles()
        mine.is_clean()
