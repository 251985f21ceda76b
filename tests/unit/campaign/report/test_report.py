"""The report's page and charts; whole campaigns' reports are looked at in tests/system/test_report.py."""

from __future__ import annotations

import re
import sys
import warnings
from html import unescape
from typing import Any

import pytest

from airflow_provider_ccc.campaign.output.timeline import Timeline
from airflow_provider_ccc.campaign.report import charts
from airflow_provider_ccc.campaign.report.charts import bars, clock, throughput
from airflow_provider_ccc.campaign.report.report import check_report, render
from airflow_provider_ccc.client.errors import CccParameterError

START = 1_700_000_000.0
CALLERS = {"01089767654": 600, "02160664656": 150, "4001234567": 50}


def manifest(**changes: Any) -> dict[str, Any]:
    """Give a manifest of 1,000 callees of whom 800 are resolved."""
    return {
        "source": "callees.csv",
        "output_format": "ndjson",
        "callees": 1000,
        "resolved": 800,
        "failed": 150,
        "skipped": 50,
        "pairs": 800,
        "same_city": 200,
        "same_province": 240,
        "calls": 1000,
        "throttled": 100,
        "retried": 0,
        "callers": CALLERS,
        "codes": {"NoPairs": 100, "InvalidArgument": 50},
        "provinces": {"北京": 300, "江苏": 480, "": 20},
        "own_province": {"北京": 240},
        "parts": ["part-00000.ndjson"],
        "empty_lines": 0,
        "started": "2026-11-25T04:00:00+00:00",
        "finished": "2026-11-25T04:10:00+00:00",
    } | changes


def timeline(seconds: int = 10) -> Timeline:
    made = Timeline()
    for moment in range(seconds):
        for place in range(90):
            made.finish(START + moment + place / 90)
        made.throttle(START + moment)
        made.allow(START + moment, 100)
    return made


def text(page: str) -> str:
    """What is read of a page."""
    body = page[page.index("<body>") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", "", body, flags=re.DOTALL)))


def test_what_a_campaign_manager_asks_for():
    shown = text(render(manifest(), timeline()))
    for what in (
        "Resolved 80.0 % 800 callees",
        "Failed 15.0 % 150 callees",
        "Same city 25.0 % 200 of 800 pairs",
        "Same province 30.0 % 240 of 800 pairs",
        "NoPairs The service picked no number: check that the candidates or skill groups may call out. 100",
        "010****7654 600 75.0 % 2.25 ×",
        "江苏 480 60.0 % 0.0 %",
        "北京 300 37.5 % 80.0 %",
        "not known 20 2.5 % 0.0 %",
        "Throughput against the quota",
        "1,000 calls; 100 of them (10.0 %) were refused for the quota",
        "% of the 100/s that max_qps and the quota allowed",
    ):
        assert what in shown


def test_it_says_what_is_worth_doing():
    shown = text(render(manifest(), timeline()))
    assert "100 of 150 failures have the code NoPairs. The service picked no number" in shown
    assert "The caller 010****7654 was used 75.0 % of the time, where an even share is 33.3 %" in shown
    assert "All 480 pairs with callees in 江苏 have a caller from elsewhere" in shown
    even = manifest(
        failed=0, codes={}, callers={"01089767654": 401, "02160664656": 399}, own_province={"北京": 299, "江苏": 470}
    )
    assert "<aside" not in render(even, timeline())


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("InvalidArgument", "malformed"),
        ("UnexpectedAnswer", "cannot be right"),
        ("InternalService.CTI", "failed for the moment"),
        ("InvalidParameter", "refused the request"),
        ("Whatever.Else", "refused the request"),
    ],
)
def test_every_code_comes_with_advice(code, says):
    shown = text(render(manifest(codes={code: 150}), timeline()))
    assert f"All failures have the code {code}." in shown
    assert shown.count(says) == 2


def test_what_pacing_wrongly_thought_of_is_off_the_scale():
    guessed = timeline(60)
    drawn = render(manifest(), guessed).count("stroke-dasharray: 7.5,4.5")
    for moment in range(3, 10):
        guessed.allow(START + moment, 5000)
    page = render(manifest(), guessed)
    assert page.count("stroke-dasharray: 7.5,4.5") == drawn
    assert "of the 100/s that" in text(page)
    assert not re.search(r">[0-9],?000</text>", page)


def test_a_campaign_without_a_quota_claims_none():
    free = timeline()
    free.allowed.clear()
    shown = text(render(manifest(), free))
    assert "against the quota" not in shown
    assert "allowed" not in shown


def test_a_campaign_in_which_nobody_was_asked():
    nobody = manifest(
        resolved=0, failed=950, pairs=0, same_city=0, same_province=0, calls=0, throttled=0, callers={}, provinces={}
    )
    shown = text(render(nobody | {"own_province": {}, "codes": {"InvalidArgument": 950}}, Timeline()))
    for what in (
        "There are no pairs.",
        "No caller was used.",
        "The service was asked about nobody.",
        "Same city – 0 of 0",
    ):
        assert what in shown


def test_many_callers_are_summed_up():
    callers = {f"0108976{number:04d}": 10 for number in range(80)}
    shown = text(render(manifest(callers=callers), timeline()))
    assert "80 callers were used; an even share is 10 pairs each" in shown
    assert "60 others 600 75.0 %" in shown
    assert shown.count("1.00 ×") == 20


def test_candidates_that_were_never_chosen():
    shown = text(render(manifest(callers=CALLERS | {"051267654321": 0, "057187654303": 0}), timeline()))
    assert "3 of 5 candidates were used; an even share is 160 pairs each, 20.0 %" in shown
    assert "was used 75.0 % of the time, where an even share is 20.0 %" in shown
    assert "2 of 5 candidates were never chosen: the service looks for one of" in shown
    assert "051****4321 0 0.0 % 0.00 ×" in shown
    nobody = manifest(pairs=0, callers=dict.fromkeys(CALLERS, 0), provinces={}, own_province={})
    assert "No caller was used." in text(render(nobody, timeline()))


def test_more_provinces_and_codes_than_there_can_be_are_summed_up():
    provinces = {f"p{number:03d}": 10 for number in range(100)}
    own = dict.fromkeys(provinces, 4)
    codes = {f"Code.{number:03d}": 5 for number in range(30)}
    shown = text(
        render(manifest(pairs=1000, provinces=provinces, own_province=own, same_province=400, codes=codes), timeline())
    )
    assert "p039 10 1.0 % 40.0 % others 600 60.0 % 40.0 %" in shown
    assert "other codes 50" in shown


def test_it_holds_no_full_number_and_no_markup_of_others():
    hostile = manifest(
        source="callees of 13800138000.csv",
        codes={"<script>alert(1)</script>": 100, "No.13800138000": 50},
        provinces={"<b>&": 700, "$\\frac$": 100},  # what matplotlib takes for mathematics
        own_province={},
    )
    page = render(hostile, timeline())
    for number in ("13800138000", *CALLERS):
        assert number not in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


@pytest.mark.parametrize(
    "source",
    ["list_13800138000.csv", "13800138000a.csv.gz", "of-8613800138000.csv", "138-0013-8000.csv", "138 0013 8000.csv"],
)
def test_a_number_in_a_files_name_is_shortened_wherever_it_stands(source):
    page = render(manifest(source=source), timeline())
    assert "13800138000" not in page
    assert source not in page


@pytest.mark.parametrize(
    "source", ["callees_20261125.csv", "callees-2026-11-25.csv", "20261125.csv", "c.csv, rows 1,000,001 to 1,010,000"]
)
def test_a_date_in_a_files_name_stays(source):
    assert f"<strong>{source}</strong>" in render(manifest(source=source), timeline())


@pytest.mark.parametrize(
    ("failed", "shares"),
    [
        (0, ("100.0 %", "0.0 %")),
        (1, ("> 99.9 %", "< 0.1 %")),
        (49, ("99.9 %", "0.1 %")),
        (49_999, ("< 0.1 %", "> 99.9 %")),
        (50_000, ("0.0 %", "100.0 %")),
    ],
)
def test_a_share_that_is_not_quite_all_or_nothing_is_not_rounded_to_it(failed, shares):
    page = render(
        manifest(callees=50_000, resolved=50_000 - failed, failed=failed, skipped=0, codes={"NoPairs": failed}),
        timeline(),
    )
    shown = [re.search(rf'id="{name}" value="\d+">([^<]+)</data>', page)[1] for name in ("resolved", "failed")]
    assert tuple(unescape(share) for share in shown) == shares


def test_it_names_no_address_and_runs_nothing():
    page = render(manifest(batches=3), timeline())
    assert not re.search(r"https?:|//|<script|\bsrc=|url\(|@import|\bon[a-z]+=", page)
    assert re.findall(r'href="([^"]*)"', page) == ["data:,"]
    assert not re.findall(r'id="([^"]+)"(?=.*id="\1")', page, flags=re.DOTALL)  # each id once


def test_the_same_figures_make_the_same_page():
    assert render(manifest(), timeline()) == render(manifest(), timeline())


def test_a_long_campaign_has_a_small_page():
    assert len(render(manifest(), timeline(20_000)).encode()) < 100_000


def test_charts_draw_each_row_in_the_pages_colours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = bars("Pairs <&>", [("江苏", 1234, 0), ("北京", 500, 300)])
    assert re.findall(r"<text [^>]*>([^<]*)</text>", svg) == ["江苏", "1,234", "北京", "500"]
    assert svg.count("var(--series)") == svg.count("var(--rest)") == 2
    assert not re.search(r"#[0-9a-f]{6}|xmlns", svg)
    assert 'aria-label="Pairs &lt;&amp;&gt;"' in svg


def test_a_chart_marks_pauses_and_time_in_units_that_people_count_in():
    made = timeline(600)
    for moment in range(5000, 5030):
        made.finish(START + moment)
    svg = throughput("Speed", made.runs(60), width=1000)
    assert svg.count("stroke-dasharray: 1,2") == 1
    marks = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    assert marks[:11] == ["0 s", *(f"{minute}:00" for minute in range(1, 11))]
    assert [clock(seconds) for seconds in (0, 59, 125, 3725)] == ["0 s", "59 s", "2:05", "1:02:05"]


def test_without_matplotlib_the_extra_is_named_before_anything(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(CccParameterError, match=r"report: needs matplotlib: install airflow-provider-ccc\[report\]"):
        check_report(True)
    check_report(False)


def test_whether_there_is_a_report_is_a_flag():
    with pytest.raises(CccParameterError, match="report: must be True or False, not 'yes'"):
        check_report("yes")


@pytest.mark.parametrize("label", ["x" * 500, "省" * 100])
def test_a_long_label_leaves_room_for_its_bar(label):

    drawn = charts.bars("Pairs", [(label, 3, 1), ("short", 2, 2)])
    assert label not in drawn
    assert f"{label[:10]}" in drawn
    assert "short" in drawn
