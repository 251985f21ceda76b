"""A campaign's ``report.html``: what came of it, for people, on one page that needs nothing else and no network.

It is made of the manifest and the timeline alone, so the same campaign always has the same report. Callees' numbers are
in neither; callers' are shortened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_ccc.campaign.output.layout import REPORT
from airflow_provider_ccc.campaign.output.output import replace_manifest
from airflow_provider_ccc.campaign.output.storage import Folder
from airflow_provider_ccc.campaign.output.timeline import Timeline
from airflow_provider_ccc.campaign.report import charts
from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.errors import CccError, CccParameterError
from airflow_provider_ccc.client.privacy import hide_numbers, shorten

log = logging.getLogger(__name__)

#: So many rows a table has at most; what is beyond them is one row more.
_MOST_ROWS = 20
#: China has 34 provinces.
_MOST_PROVINCES = 40
_MOST_SPANS = 60
_WIDE, _NARROW = 1120, 380
#: The busiest caller is worth a word if it was used so many times as often as an even share would be.
_UNEVEN = 1.5
#: Shares of fewer pairs are chance.
_FEW = 100

_ADVICE = {
    "InvalidArgument": "The number is malformed: correct it where the callees come from.",
    "NoPairs": "The service picked no number: check that the candidates or skill groups may call out.",
    "UnexpectedAnswer": "The answer cannot be right: ask Alibaba Cloud's support with the request ids.",
}


def check_report(report: object) -> None:
    """Check what a task was told of its report, before it does anything.

    :raises CccParameterError: it is no flag; or matplotlib is missing, whose extra is named.
    """
    if not isinstance(report, bool):
        raise CccParameterError("report", f"must be True or False, not {report!r}")
    if report:
        charts.require_matplotlib()


def add_report(folder: Folder, manifest: Mapping[str, Any], timeline: Timeline) -> dict[str, Any]:
    """Write the report of a campaign that is complete, whole or not at all. A campaign does not fail for its report.

    :param manifest: the campaign's.
    :param timeline: that of all its parts.
    :returns: the manifest, which names the report if there is one.
    """
    try:
        folder.write(REPORT, render(manifest, timeline).encode("utf-8"))
    except CccError:
        raise  # another try has the folder
    except Exception as error:
        log.warning(
            "The campaign is complete, but its report cannot be made: %s: %s",
            type(error).__name__,
            hide_numbers(str(error)),
        )
        return dict(manifest)
    named = {**manifest, "report": REPORT}
    if named != manifest:
        replace_manifest(folder, named)
    return named


def render(manifest: Mapping[str, Any], timeline: Timeline) -> str:
    """Make the page.

    :param manifest: the campaign's.
    :param timeline: that of all its parts.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=_count, share=_share, rate=_rate, moment=_moment, duration=_duration)
    template = environment.from_string(Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8"))
    callers, provinces = _callers(manifest), _provinces(manifest)
    return template.render(
        m=manifest,
        source=hide_numbers(str(manifest["source"])),
        notes=list(_notes(manifest)),
        outcome=_outcome(manifest),
        failures=_failures(manifest),
        callers=callers,
        provinces=provinces,
        speed=_speed(timeline),
    )


def _outcome(manifest: Mapping[str, Any]) -> Any:
    outcomes = {"resolved": charts.SERIES, "failed": charts.BAD, "skipped": charts.REST}
    rows = [(name, manifest[name], manifest[name]) for name in outcomes]
    return _chart(charts.bars("Callees by what became of them", rows, list(outcomes.values())))


def _failures(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"code": hide_numbers(code), "count": count, "advice": _advice(code) if code in manifest["codes"] else ""}
        for code, count in _top(manifest["codes"], _MOST_ROWS, "other codes")
    ]


def _advice(code: str) -> str:
    """Say what a code that one callee failed with means for whoever runs the campaign."""
    if code in _ADVICE:
        return _ADVICE[code]
    kind = errors.classify(code, 400)
    if issubclass(kind, (errors.CccTransientError, errors.CccThrottledError, errors.CccStaleSignatureError)):
        return (
            "The service failed for the moment, again and again: resolve these later, in a campaign with this one's"
            " manifest as callees and only='failed'."
        )
    return "The service refused the request: the message in the failures' files says what of it."


def _callers(manifest: Mapping[str, Any]) -> dict[str, Any]:
    counts: dict[str, int] = manifest["callers"]
    rows = [(shorten(number), count) for number, count in _top(counts, _MOST_ROWS, "")]
    rest = len(counts) - _MOST_ROWS
    if rest > 0:
        rows[-1] = (f"{rest} others", rows[-1][1])
    used, known = sum(map(bool, counts.values())), len(counts)
    chart = charts.bars("Pairs by caller", [(label, count, count) for label, count in rows]) if used else ""
    even = manifest["pairs"] / max(1, known)
    return {"rows": rows, "used": used, "known": known, "chart": _chart(chart), "even": even}


def _provinces(manifest: Mapping[str, Any]) -> dict[str, Any]:
    counts, own = manifest["provinces"], manifest["own_province"]
    rows = [
        (province or "not known", count, own.get(province, 0))
        for province, count in _top(counts, _MOST_PROVINCES, "others")
    ]
    if len(counts) > _MOST_PROVINCES:
        name, count, _ = rows.pop()
        rows.append((name, count, manifest["same_province"] - sum(local for _, _, local in rows)))
    return {"rows": rows, "chart": _chart(charts.bars("Pairs by the callee's province", rows)) if rows else ""}


def _speed(timeline: Timeline) -> dict[str, Any] | None:
    """Tell how fast it went; ``None`` if the service was asked about nobody."""
    runs = timeline.runs(_MOST_SPANS)
    if not runs:
        return None
    spans = [span for run in runs for span in run]
    seconds = sum(span.seconds for span in spans)
    name = "Callees finished per second, over time"
    return {
        "spans": spans,
        "seconds": seconds,
        "mean": sum(timeline.finished.values()) / seconds,
        "peak": max(span.finished / span.seconds for span in spans),
        "pauses": len(runs) - 1,
        "allowed": charts.allowed(spans),
        "throttled": sum(timeline.throttled.values()),
        "wide": _chart(charts.throughput(name, runs, width=_WIDE)),
        "narrow": _chart(charts.throughput(name, runs, width=_NARROW)),
    }


def _notes(manifest: Mapping[str, Any]) -> Iterable[str]:
    """Say what is worth doing something about, if anything is."""
    failed, pairs, callers = manifest["failed"], manifest["pairs"], manifest["callers"]
    if failed:
        code, count = _ranked(manifest["codes"])[0]
        what = "All" if count == failed else f"{_count(count)} of {_count(failed)}"
        yield f"{what} failures have the code {hide_numbers(code)}. {_advice(code)}"
    if callers and pairs >= _FEW:
        number, count = _ranked(callers)[0]
        if count * len(callers) > _UNEVEN * pairs:
            yield (
                f"The caller {shorten(number)} was used {_share(count, pairs)} of the time, where an even share is"
                f" {_share(1, len(callers))}: phones that see one number often may take it for spam. More numbers of"
                " the provinces that it serves would share its load."
            )
    idle = list(callers.values()).count(0)
    if idle and pairs >= _FEW:
        yield (
            f"{_count(idle)} of {_count(len(callers))} candidates {'was' if idle == 1 else 'were'} never chosen: the"
            " service looks for one of the callee's city first, then of its province."
        )
    foreign = {name: count - manifest["own_province"].get(name, 0) for name, count in manifest["provinces"].items()}
    foreign.pop("", None)
    if foreign and pairs >= _FEW:
        name, count = _ranked(foreign)[0]
        if count * 20 > pairs:
            total = manifest["provinces"][name]
            what = f"All {_count(total)}" if count == total else f"{_count(count)} of {_count(total)}"
            yield f"{what} pairs with callees in {name} have a caller from elsewhere: a number there would be local."


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _top(counts: Mapping[str, int], most: int, others: str) -> Sequence[tuple[str, int]]:
    """Rank counts, with the sum of those that come too late as the last of them."""
    ranked = _ranked(counts)
    if len(ranked) <= most:
        return ranked
    return [*ranked[:most], (others, sum(count for _, count in ranked[most:]))]


def _chart(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn by charts.py, which escapes what it is given


def _count(number: int) -> str:
    return f"{number:,}"


def _share(part: float, whole: float) -> str:
    """Write a share; what is not quite all, or not quite nothing, is not rounded to it."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.05:
        return "< 0.1 %"
    return "> 99.9 %" if 99.95 <= share < 100 else f"{share:.1f} %"


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def _moment(moment: str | float) -> str:
    """Write a time, in ISO 8601 or seconds since 1970, for people; in UTC."""
    time = datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(moment, UTC)
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
