"""Pages that mprun writes: as a text that is read, and as a browser shows them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from browser import Page

READY = "document.documentElement.dataset.ready === 'yes'"
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\"'\u2028{{1}}"


class Reader(HTMLParser):
    """The page's texts by element, its ids, and whatever it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.ids += [value for key, value in attrs if key == "id" and value]
        links = [known.get(key) for key in ("src", "href", "data", "action", "poster")]
        self.fetched += [link for link in links if link and not link.startswith(("#", "data:"))]
        if tag not in ("meta", "link", "img", "rect", "path"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            assert self._inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.setdefault(self._inside[-1], []).append(data)

    @property
    def text(self) -> str:
        return "\n".join(text for tag, texts in self.texts.items() if tag not in ("script", "style") for text in texts)


def seen(browser: Page, file: Path) -> list[str]:
    """Open a page; nothing may be complained of or asked for, and every chart must be drawn. Returns their names."""
    browser.errors.clear()
    browser.requests.clear()
    browser.open(file)
    browser.wait(READY)
    assert browser.errors == []
    assert browser.requests == [file.resolve().as_uri()]
    charts: list[str] = browser.ask("Object.keys(JSON.parse(document.getElementById('charts').textContent))")
    assert browser.ask("document.documentElement.dataset.drawn").split() == charts
    drawn = """(() => [...document.querySelectorAll('.chart')].map((chart) => {
        const shapes = [...chart.querySelectorAll('.mlayer path')].map((path) => path.getBoundingClientRect());
        return [chart.id, shapes.filter((box) => box.width > 0 || box.height > 0).length];
    }))()"""
    shapes = dict(browser.ask(drawn))
    assert set(shapes) == set(charts)
    assert all(shapes.values()), f"charts without anything in them: {shapes}"
    problems = """Object.entries(JSON.parse(document.getElementById('charts').textContent))
        .filter(([, chart]) => chart.kind === 'plot')
        .flatMap(([name, { data, layout }]) => (Plotly.validate(data, layout) ?? []).map((each) => name + each.msg))
        .filter((said) => !/var\\(--/.test(said))"""
    assert browser.ask(problems) == []
    return charts


def press(browser: Page, name: str) -> None:
    browser.ask(f"document.getElementById('{name}').click()")
    browser.ask("new Promise((done) => setTimeout(done, 50))")
