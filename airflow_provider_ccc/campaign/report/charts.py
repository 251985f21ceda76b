"""Charts as SVG that stands within a page, drawn by matplotlib (the extra ``[report]``).

They have no colours of their own: the page's style sheet says what ``--series`` and the others look like, by day and by
night. The same figures always make the same bytes.
"""

from __future__ import annotations

import io
import math
import re
import statistics
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from html import escape
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.campaign.output.timeline import Span
from airflow_provider_ccc.client.errors import CccParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What matplotlib draws in a colour that stands for one of the page's.
_COLOURS = {
    "#010101": "currentColor",
    "#020202": "var(--series)",
    "#030303": "var(--rest)",
    "#040404": "var(--limit)",
    "#050505": "var(--bad)",
    "#060606": "var(--line)",
    "#070707": "var(--soft)",
}
INK, SERIES, REST, LIMIT, BAD, LINE, SOFT = _COLOURS
#: A point is a pixel then.
_DPI = 72
_FONT = 11.5
_WIDEST_LABEL = 200.0
_ROW = 24.0
#: What an SVG file needs and SVG within a page does not: namespaces, names for parts that nothing refers to, cuts at
#: the edge of a drawing that stays within it, and fonts, which are the page's.
_SURPLUS = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<defs>.*?</defs>"
    r"|<g(?: id=\"[^\"]*\")?/>| (?:xmlns(?::xlink)?|version|id|clip-path|transform)=\"[^\"]*\"|font-family: [^;\"]*; ",
    re.DOTALL,
)


def require_matplotlib() -> None:
    """Make sure that charts can be drawn.

    :raises CccParameterError: naming ``report``, and the extra that is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise CccParameterError("report", "needs matplotlib: install airflow-provider-ccc[report]") from None


def bars(name: str, rows: Sequence[tuple[str, int, int]], colours: Sequence[str] = (SERIES,)) -> str:
    """Draw a horizontal bar for each row, its first so many in another colour.

    :param name: what the chart is called, for those who do not see it.
    :param rows: label, value, and how much of the value is in the first colour; at least one.
    :param colours: the first colour, of all rows or of each.
    """
    from matplotlib.figure import Figure

    rows = [(_clipped(label), value, first) for label, value, first in rows]
    width, height = 420.0, _ROW * len(rows) + 4
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    left = max(_width(label) for label, _, _ in rows) + 10
    right = max(_width(f"{value:,}") for _, value, _ in rows) + 10
    axes = figure.add_axes((left / width, 0, (width - left - right) / width, 1))
    places = range(len(rows))
    axes.barh(places, [first for _, _, first in rows], height=0.6, color=colours)
    axes.barh(places, [value - first for _, value, first in rows], 0.6, [first for _, _, first in rows], color=REST)
    most = max(1, *(value for _, value, _ in rows))
    for place, (label, value, _) in enumerate(rows):
        at: dict[str, Any] = {"fontsize": _FONT, "va": "center", "color": INK, "parse_math": False}
        axes.text(-10 / (width - left - right) * most, place, label, ha="right", **at)
        axes.text(value + 8 / (width - left - right) * most, place, f"{value:,}", ha="left", **at)
    axes.set(xlim=(0, most), ylim=(len(rows) - 0.5 + 2 / _ROW, -0.5 - 2 / _ROW))
    axes.axis("off")
    return _svg(figure, name)


def throughput(name: str, runs: Sequence[Sequence[Span]], *, width: int) -> str:
    """Draw how many callees were finished per second, run after run, and how many were allowed.

    :param name: what the chart is called, for those who do not see it.
    :param runs: at least one, each of at least one span; the pauses between them are left out.
    :param width: in pixels.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    height = 240
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((46 / width, 36 / height, (width - 58) / width, (height - 48) / height))
    spans = [span for run in runs for span in run]
    total = sum(span.seconds for span in spans)
    top = 1.1 * max(allowed(spans) or 0.0, *(max(span.finished, span.throttled) / span.seconds for span in spans))
    begins = 0.0
    for number, run in enumerate(runs):
        edges = [begins]
        for span in run:
            edges.append(edges[-1] + span.seconds)
        finished = [span.finished / span.seconds for span in run]
        throttled = [span.throttled / span.seconds for span in run]
        axes.stairs(finished, edges, fill=True, color=SERIES, alpha=0.25)
        axes.stairs(finished, edges, baseline=None, color=SERIES, linewidth=2)
        if any(throttled):
            axes.stairs(throttled, edges, fill=True, color=BAD)
        # As long as calls were held up by other things, pacing may have thought of any speed: such is off the scale.
        limits = [span.allowed / span.seconds if span.allowed is not None else math.nan for span in run]
        limits = [limit if limit <= top else math.nan for limit in limits]
        axes.stairs(limits, edges, baseline=None, color=LIMIT, linewidth=1.5, linestyle=(0, (5, 3)))
        if number:
            axes.axvline(begins, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        begins = edges[-1]
    axes.set(xlim=(0, total), ylim=(0, top))
    axes.xaxis.set_major_locator(MultipleLocator(next(step for step in _steps() if total / step <= width / 90)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=top > 5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.0f}" if top > 5 else f"{rate:g}"))
    axes.tick_params(length=0, labelsize=_FONT, labelcolor=SOFT, pad=6)
    axes.grid(axis="y", color=LINE, linewidth=1)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    return _svg(figure, name)


def allowed(spans: Sequence[Span]) -> float | None:
    """Say how many calls per second were allowed, as a rule; ``None`` where that is not known."""
    rates = [span.allowed / span.seconds for span in spans if span.allowed is not None]
    return statistics.median(rates) if rates else None


def _steps() -> Iterator[int]:
    """Give the seconds that there may be between two marks: what people count time in."""
    yield from (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
    yield from (3600 * 2**power for power in count())


def clock(seconds: float) -> str:
    """Write a duration as ``45 s``, ``2:05`` or ``1:02:05``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width(text: str) -> float:
    """Estimate how wide a text is; matplotlib has no font for Chinese, the reader's browser does."""
    return sum(_FONT * (1.05 if unicodedata.east_asian_width(character) in "WF" else 0.6) for character in text)


def _clipped(label: str) -> str:
    """Shorten a label that would leave no room for its bar: labels come from the service."""
    if _width(label) <= _WIDEST_LABEL:
        return label
    while _width(label) > _WIDEST_LABEL - _FONT:
        label = label[:-1]
    return f"{label}…"


def _svg(figure: Figure, name: str) -> str:
    import matplotlib

    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ccc"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Chinese characters: it measures them only
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = _SURPLUS.sub("", out.getvalue())
    for drawn, meant in _COLOURS.items():
        svg = svg.replace(drawn, meant)
    # As wide as there is room, and not blown up.
    size = f'style="max-width: {figure.get_figwidth() * _DPI:g}px"'
    svg = re.sub(r'<svg width="[^"]*" height="[^"]*"', f'<svg role="img" aria-label="{escape(name)}" {size}', svg)
    return re.sub(r"> <", "><", re.sub(r"\s+", " ", svg)).strip()
