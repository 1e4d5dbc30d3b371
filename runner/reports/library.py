"""The plotting library whose script goes into a page: plotly, of the extra `report`."""

from __future__ import annotations

from runner.errors import UsageError


def script() -> str:
    """The library's script, whole.

    Raises:
        UsageError: It is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UsageError("report needs plotly, which draws the charts: pip install 'mprun[report]'") from None
    text: str = get_plotlyjs()
    return text
