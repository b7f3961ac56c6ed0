"""The HTML pages in a browser, from files: nothing fails, nothing is fetched, no name runs, keys work everything."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from mibench.leaderboard.site.names import slug

from .conftest import HOSTILE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, BROWSERS)), None)
PAGES = {
    "index": "index.html",
    "task": f"tasks/{slug('gaussian(d=1, mi=1)')}.html",
    "estimator": f"estimators/{slug('ksg')}.html",
    **{f"hostile task {k}": f"tasks/{slug(name)}.html" for k, name in enumerate(HOSTILE["tasks"][2:])},
    **{f"hostile estimator {k}": f"estimators/{slug(name)}.html" for k, name in enumerate(HOSTILE["estimators"])},
}
KINDS = ("index", "task", "estimator")

pytestmark = pytest.mark.skipif(
    not (PROGRAM or "MIBENCH_PROGRAMS" in os.environ), reason="no Chromium is installed"
)  # all programs are there where MIBENCH_PROGRAMS says so


@pytest.fixture(scope="module")
def browser():
    assert PROGRAM, f"none of {', '.join(BROWSERS)} is installed"
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=PROGRAM, args=sandbox)
        yield opened
        opened.close()


class Visit:
    """A page that is open, with all that went wrong in it and all that it asked the network for."""

    def __init__(self, page):
        self.page = page
        self.wrong = []
        self.fetched = []
        page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        page.route(lambda url: not url.startswith(("file:", "data:", "blob:")), self._refuse)

    def _refuse(self, route):
        self.fetched.append(route.request.url)
        route.abort()

    def go(self, file):
        self.page.goto(file.as_uri())
        self.page.wait_for_load_state("load")
        return self.page

    def see_all(self):
        """Wait until every plot is drawn, also those that are not in view, which a picture of the whole page shows."""
        for canvas in self.page.locator(".canvas:visible").all():
            canvas.locator(".main-svg").first.wait_for(timeout=10_000)


@pytest.fixture
def visit(browser):
    contexts = []

    def open_page(width=1280, height=900, scheme="light", **more):
        contexts.append(
            browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, **more)
        )
        return Visit(contexts[-1].new_page())

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_its_file_without_an_error_or_a_request_and_no_name_runs(site, visit, name):
    opened = visit()
    page = opened.go(site / PAGES[name])
    opened.see_all()
    marks = page.locator(".canvas .point:visible, .canvas .legendtoggle:visible").all()
    assert marks
    for mark in marks[:4]:
        mark.hover(force=True)
    assert page.evaluate("window.hit") is None
    assert opened.wrong == []
    assert opened.fetched == []
    assert page.locator("img[src=x], main b:has-text('bold'), .canvas a").count() == 0
    assert page.locator(".table .dt-container").count() == page.locator(".table").count() > 0


def test_plots_show_hostile_names_as_text(site, visit):
    opened = visit()
    page = opened.go(site / PAGES["task"])
    opened.see_all()
    texts = page.locator(".canvas .legendtext").evaluate_all("all => all.map(each => each.textContent)")
    for name in HOSTILE["estimators"][:3]:
        assert any(text.startswith(name[:20]) for text in texts), texts


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_table_is_sorted_by_a_click_or_a_key(site, visit, how):
    opened = visit()
    page = opened.go(site / PAGES["task"])
    table = ".table:has(caption:has-text('Errors of every')) table"
    headers = page.locator(f"{table} thead th").all_inner_texts()
    place = next(k for k, text in enumerate(headers, 1) if text.strip() == "RMSE")
    header = page.locator(f"{table} thead th:nth-child({place})")
    for direction in ("ascending", "descending"):
        if how == "click":
            header.click()
        else:
            header.locator("[role=button]").focus()
            page.keyboard.press(how)
        expect(header).to_have_attribute("aria-sort", direction)
        orders = page.locator(f"{table} tbody tr > :nth-child({place})").evaluate_all(
            "cells => cells.map(cell => Number(cell.dataset.order))"
        )
        assert len(orders) > 5
        assert orders == sorted(orders, reverse=direction == "descending")
    assert opened.wrong == []


def test_the_heat_map_is_sorted_with_what_failed_behind_all_numbers(site, visit):
    opened = visit()
    page = opened.go(site / PAGES["index"])
    header = page.locator("table.heat:visible thead th", has_text="<script>")
    place = 1 + header.evaluate("th => [...th.parentNode.children].indexOf(th)")
    header.locator("[role=button]").focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    shown = page.locator(f"table.heat:visible tbody tr > :nth-child({place})").all_inner_texts()
    assert shown[-1] == "failed"
    numbers = [float(text) for text in shown[:-1] if text != "no floor"]
    assert len(numbers) > 2
    assert numbers == sorted(numbers)


def test_rows_are_filtered_as_one_types(site, visit):
    opened = visit()
    page = opened.go(site / PAGES["index"])
    block = page.locator(".table:has(caption:has-text('Tasks, and who'))")
    total = block.locator("tbody tr").count()
    block.get_by_label("Filter rows").fill("gaussian(d=1")
    expect(block.locator("tbody tr")).to_have_count(2)
    expect(block.get_by_role("status")).to_have_text(f"2 of {total} rows")
    block.get_by_label("Filter rows").fill("<script>")
    assert page.evaluate("window.hit") is None
    assert opened.wrong == []


def test_one_sample_size_is_shown_and_another_can_be_chosen_by_key_or_by_a_link(site, visit):
    opened = visit()
    page = opened.go(site / PAGES["index"])
    assert page.locator("section.setting:visible").get_attribute("id") == "n1000-seed0"
    page.locator("#chooser input:checked").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("section.setting:visible").get_attribute("id") == "n100-seed0"
    opened.see_all()
    page.goto((site / "index.html").as_uri() + "#n1000-seed0")
    assert page.locator("section.setting:visible").get_attribute("id") == "n1000-seed0"
    assert opened.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*KINDS, "hostile task 1", "hostile estimator 3"])
def test_a_phone_shows_the_whole_width(site, visit, name, scheme):
    opened = visit(390, 844, scheme, is_mobile=True, has_touch=True)
    page = opened.go(site / PAGES[name])
    opened.see_all()
    width, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width <= room == 390
    assert opened.wrong == []


def luminance(page, element, what):
    return page.locator(element).first.evaluate(
        f"e => getComputedStyle(e).{what}.match(/[\\d.]+/g).slice(0, 3).reduce((sum, each) => sum + Number(each), 0)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_and_plots_follow_the_system_and_the_button_which_is_remembered(site, visit, scheme):
    opened = visit(scheme=scheme)
    page = opened.go(site / PAGES["index"])
    opened.see_all()
    button = page.locator("#theme")

    def dark():
        inks = [luminance(page, ".canvas:visible .xtick text", "fill"), luminance(page, "body", "color")]
        paper = luminance(page, "body", "backgroundColor")
        assert all(ink > paper for ink in inks) or all(ink < paper for ink in inks)
        return inks[1] > paper

    assert dark() == (scheme == "dark")
    for name in ("light", "dark"):
        button.click()
        assert button.inner_text() == f"Theme: {name}"
        page.wait_for_timeout(300)
        assert dark() == (name == "dark")
    page.goto((site / PAGES["task"]).as_uri())
    assert page.locator("#theme").inner_text() == "Theme: dark"
    assert opened.wrong == []


def test_without_scripts_every_table_is_there_to_read(site, visit):
    opened = visit(java_script_enabled=False)
    page = opened.go(site / PAGES["index"])
    assert page.locator("section.setting:visible").count() == 2
    assert page.locator("table.heat").first.is_visible()
    assert page.get_by_label("Filter rows").first.is_hidden()
    assert page.locator("#theme").is_hidden()


def test_the_first_tab_leads_past_the_head_and_focus_can_be_seen(site, visit):
    opened = visit()
    page = opened.go(site / PAGES["estimator"])
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the content"
    assert skip.bounding_box()["y"] >= 0
    assert skip.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "content"


def test_downloads_are_plain_links_to_files(site, visit):
    opened = visit()
    page = opened.go(site / PAGES["task"])
    for link in page.locator("a[download]").all():
        assert (Path(site / PAGES["task"]).parent / link.get_attribute("href")).is_file()
    assert page.locator("a[download]").count() >= 2
