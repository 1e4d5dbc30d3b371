"""The frame of a page that needs nothing but itself: styles, scripts and data are in it, nothing is fetched.

    page.css, page.js, timeline.js (of this package) --+
    script of the plotting library --------------------+--> one HTML file
    sections, and charts as data ----------------------+

A Content-Security-Policy in the page forbids it every request. Colours stand in charts as `var(--name)`; page.js puts
those of the theme there, so that dark and light can be switched. The library is some megabytes: it is text until the
page is to be seen, and run then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_POLICY: Final = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page; `body` is HTML."""

    name: str
    title: str
    body: str


def page(title: str, lead: str, sections: Sequence[Section], charts: Mapping[str, Any], library: str) -> str:
    """A page as HTML.

    Args:
        title: Of the page, as text.
        lead: What stands above all sections, as HTML.
        sections: The parts; each has a place in the navigation.
        charts: By the name of its `figure`: `kind` (`plot` or `timeline`) and what page.js draws of it.
        library: The script that draws; `</script` in it may stand in texts and comments only.
    """
    library = library.replace("</script", r"<\/script")
    links = "".join(f'<a href="#{each.name}">{escape(each.title)}</a>' for each in sections)
    bodies = "\n".join(
        f'<section id="{each.name}"><h2>{escape(each.title)}</h2>\n{each.body}\n</section>' for each in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mprun">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{_asset("page.css")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<button type="button" id="theme" aria-pressed="false" hidden>Dark</button>
</header>
<nav aria-label="Parts of this page">{links}</nav>
<main>
{lead}
<noscript><p class="note">The charts need JavaScript; the tables have all figures.</p></noscript>
{bodies}
</main>
<script type="application/json" id="charts">{_embedded(charts)}</script>
<script type="text/plain" id="library">{library}</script>
<script>
{_asset("timeline.js")}
{_asset("page.js")}</script>
</body>
</html>
"""


def figure(name: str, label: str, caption: str, table: str, controls: str = "") -> str:
    """A place for a chart, with what it shows in words and as a table.

    Args:
        name: Of the chart.
        label: What it is, in a few words.
        caption: What is to be seen, as text.
        table: The same figures as HTML.
        controls: Buttons for it, as HTML.
    """
    return (
        f'<figure>{controls}<div class="chart" id="{name}" role="img" aria-label="{escape(label)}; the table below has '
        f'its figures"></div><figcaption>{escape(caption)}</figcaption></figure>\n'
        f"<details><summary>The same as a table</summary>{table}</details>"
    )


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element, whatever texts are in it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode(errors="backslashreplace").decode()


def _asset(name: str) -> str:
    return (files(__package__ or "") / "assets" / name).read_text(encoding="utf-8")
