"""Tables of a page, for those who cannot see the charts and those who want the figures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int = 1) -> str:
    """A table whose first `texts` columns are texts and whose others are figures; all text is escaped."""
    lines = [_row(row, texts) for row in rows]
    if not lines:
        return f"<p>{escape(title)}: none.</p>"
    heads = "".join(f'<th scope="col"{_class(place, texts)}>{escape(name)}</th>' for place, name in enumerate(columns))
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table><caption>{escape(title)}'
        f"</caption><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _row(row: Sequence[object], texts: int) -> str:
    cells = [f'<th scope="row">{escape(str(row[0]))}</th>']
    cells += [f"<td{_class(place, texts)}>{escape(str(cell))}</td>" for place, cell in enumerate(row[1:], 1)]
    return f"<tr>{''.join(cells)}</tr>"


def _class(place: int, texts: int) -> str:
    return ' class="n"' if place >= texts else ""


def facts(pairs: Mapping[str, object]) -> str:
    """A list of names and what they stand for."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in pairs.items())
    return f'<dl class="facts">{rows}</dl>'


def folded(title: str, content: str) -> str:
    """Something that is there when asked for."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def text(content: str) -> str:
    """A text as it stands, such as a config."""
    return f'<pre tabindex="0">{escape(content)}</pre>'
