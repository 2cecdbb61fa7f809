"""The report as a reader sees it: in Chromium, in both colour schemes, on a desktop and on a
phone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Dialog, Page

from limner.core.messages import plain
from limner.evals.portraits import project
from limner.evals.records import SystemResult
from limner.evals.report import report
from limner.evals.runs import load_run
from tests.unit.eval_runs import HOSTILE, evaluation, made_up, write_run

pytestmark = pytest.mark.slow

PHONE, DESKTOP = (390, 844), (1200, 900)
LONG = "a-system-with-a-name-that-has-no-place-to-break:its.module.and.ItsClassNameThatGoesOn"

CONTRAST = """(selector) => {
  const linear = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const weights = [0.2126, 0.7152, 0.0722];
  const light = rgb => rgb.slice(0, 3).map(linear).reduce((sum, c, i) => sum + c * weights[i], 0);
  const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const paper = element => {
    for (let one = element; one; one = one.parentElement) {
      const rgb = numbers(getComputedStyle(one).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return light(rgb);
    }
  };
  return [...document.querySelectorAll(selector)].filter(one => one.textContent.trim()).map(one => {
    const style = getComputedStyle(one);
    const pair = [light(numbers(one instanceof SVGElement ? style.fill : style.color)), paper(one)];
    return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), one.textContent.trim().slice(0,
    40)];
  }).sort((a, b) => a[0] - b[0])[0];
}"""
"""The least contrast of any text (WCAG 2), and the text."""


@dataclass
class Opened:
    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def refuse(self, dialog: Dialog) -> None:
        self.complaints.append("a dialog")
        dialog.dismiss()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it: two data sets, hostile and long names, portraits."""
    folder = tmp_path_factory.mktemp("report")
    first = made_up(
        {"random": 0.01, "popular": 0.03, HOSTILE: 0.05, LONG: 0.07, "als": 0.1, "limner": 0.12}
    )
    second = made_up({"ease": 0.12, "limner": 0.05})
    skipped = SystemResult(name="llm-only", state="skipped", why=plain("No model is at hand"))
    runs = [
        load_run(write_run(folder / "a", evaluation(first, ours="limner", more=[skipped]), first)),
        load_run(
            write_run(
                folder / "b",
                evaluation(second, dataset="online-retail", candidates="sampled 100"),
                second,
            )
        ),
    ]
    vectors = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)
    portraits = project(
        [f"u{at}" for at in range(60)], vectors, {f"u{at}": 3 * at for at in range(60)}
    )
    report(runs, folder / "report.html", portraits)
    return folder / "report.html"


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def opened(
    browser: Browser, file: Path, scheme: str, request: pytest.FixtureRequest
) -> Iterator[Opened]:
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    found = Opened(context.new_page())
    found.page.on("request", lambda one: found.requests.append(one.url))
    found.page.on("console", lambda one: found.complaints.append(one.text))
    found.page.on("pageerror", lambda one: found.complaints.append(str(one)))
    found.page.on("dialog", found.refuse)
    found.page.goto(file.as_uri())
    yield found
    context.close()


def test_it_asks_for_nothing_and_complains_of_nothing(opened: Opened, file: Path) -> None:
    opened.page.wait_for_load_state("networkidle")
    assert opened.requests == [file.as_uri()]
    assert opened.complaints == []


def test_the_page_never_scrolls_sideways(opened: Opened) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    wide, seen = opened.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= seen
    opened.page.evaluate("window.scrollTo(500, 0)")
    assert opened.page.evaluate("window.scrollX") == 0


def test_every_text_can_be_read(opened: Opened) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for selector in (
        "h1, h2, h3, h4, p, td, th, small, caption, summary, dt, dd, .interval, .value",
        "figure svg text",
    ):
        least, text = opened.page.evaluate(CONTRAST, selector)
        assert least >= 4.5, f"{text!r} in {selector}"


def test_the_scheme_is_the_readers(opened: Opened, scheme: str) -> None:
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(map(int, paper[4:-1].split(","))) < 3 * 128
    assert dark == (scheme == "dark")


def test_tables_that_are_too_wide_scroll_by_key(opened: Opened) -> None:
    """Within themselves, and the system's name stays in sight."""
    region = opened.page.locator(".scroll").first
    region.focus()
    assert opened.page.evaluate("document.activeElement.className") == "scroll"
    region.evaluate("one => one.scrollLeft = 200")
    name = region.locator("tbody th").first.bounding_box()
    frame = region.bounding_box()
    assert name is not None and frame is not None
    assert abs(name["x"] - frame["x"]) < 2


def test_plots_are_drawn_as_wide_as_there_is_room(opened: Opened) -> None:
    plots = opened.page.locator("figure svg")
    assert plots.count() == 2 * 3 + 2
    seen = opened.page.evaluate("window.innerWidth")
    for at in range(plots.count()):
        box = plots.nth(at).bounding_box()
        assert box is not None and min(320, seen - 60) <= box["width"] <= seen
        assert box["height"] > 200


CROSSED = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
  const box = one => one.getBoundingClientRect();
  const ticks = [...svg.querySelectorAll('[id*="tick"] text')].map(box);
  const names = [...svg.querySelectorAll('text')]
    .filter(one => !one.closest('[id*="axis"],[id*="legend"]'));
  return names.filter(one => ticks.some(tick => {
    const own = box(one);
    return own.left < tick.right && tick.left < own.right && own.top < tick.bottom && tick.top <
    own.bottom;
  })).map(one => one.textContent);
})"""
"""Names of points that stand upon numbers of an axis."""


def test_names_do_not_run_into_the_axes(browser: Browser, tmp_path: Path) -> None:
    """Of many systems, some of which find next to nothing and are as quick as each other."""
    reached = {
        "random": (0.0005, 0.02),
        "popular": (0.012, 0.021),
        "recent": (0.013, 0.5),
        "item-knn": (0.05, 0.3),
        "als": (0.045, 0.1),
        "ease": (0.055, 0.12),
        "next-item": (0.06, 0.11),
        "bm25": (0.0012, 0.03),
        "content": (0.001, 0.025),
        "limner": (0.09, 20.0),
    }
    values = made_up({name: mean for name, (mean, _) in reached.items()})
    found = evaluation(values, ours="limner")

    def told(one: SystemResult) -> SystemResult:
        mean, seconds = reached[one.name]
        ndcg = one.metrics["ndcg@10"].model_copy(
            update={"mean": mean, "ci95": (0.7 * mean, 1.3 * mean)}
        )
        return one.model_copy(
            update={"metrics": {**one.metrics, "ndcg@10": ndcg}, "rank_seconds": seconds}
        )

    systems = [told(one) for one in found.systems]
    run = load_run(write_run(tmp_path / "a", found.model_copy(update={"systems": systems}), values))
    report([run], tmp_path / "report.html")
    page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("figure svg").count() == 3
    assert page.evaluate(CROSSED) == []


def test_it_can_fail(browser: Browser, tmp_path: Path) -> None:
    """What these tests watch for would be seen."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<body style="background:white"><p style="color:#ccc;width:3000px">pale</p><img src="http://127.0.0.1:9/x.png">'
        "<script>console.error('x')</script>",
        encoding="utf-8",
    )
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: said.append(one.text))
    page.goto(bad.as_uri())
    assert len(asked) == 2 and said
    assert page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert page.evaluate(CONTRAST, "p")[0] < 4.5
