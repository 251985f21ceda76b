"""Reports as people see them: narrow and wide, by day and by night, of campaigns that went well and of others."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.client.numbers import shorten
from airflow_provider_ccc.endings import StoppedError
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import INSTANCE_ID

# One line for the whole module. CI requires all: without a browser it fails there.
if shutil.which("chromium") is None and os.environ.get("CCC_REQUIRE_ALL") != "1":
    pytest.skip(
        "reports are not looked at: there is no chromium (Debian: apt-get install chromium)", allow_module_level=True
    )

CANDIDATES = ["01089767654", "02160664656", "02083332222"]
#: An instance whose only number receives calls.
DEAF = {"instance_id": INSTANCE_ID, "phone_numbers": [{"number": CANDIDATES[0], "usage": "Inbound"}]}
AREAS = ("010", "021", "020", "0571", "025", "1380013", "1390571", "1862888")
CAMPAIGNS = ("normal", "failures", "nobody", "one_caller", "idle", "resumed", "merged")

#: Every text whose contrast to what is behind it is too low for WCAG 2, level AA.
PALE = """() => {
  const rgb = text => (text.match(/[0-9.]+/g) || []).map(Number);
  const linear = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(value => linear(value / 255))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = node => { for (; node; node = node.parentElement) {
    const found = rgb(getComputedStyle(node).backgroundColor); if (found.length === 3) return found; } };
  const pale = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim()) continue;
    seen += 1;
    const style = getComputedStyle(node);
    const [a, b] = [rgb(node.closest('svg') ? style.fill : style.color), behind(node)].map(light);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (!(contrast >= 4.5)) pale.push([texts.currentNode.textContent.trim(), contrast]);
  }
  return seen ? pale : ['no text'];
}"""
#: Everything that reaches beyond the window's right edge.
TOO_WIDE = """() => [...document.body.querySelectorAll('*')]
  .filter(node => node.getBoundingClientRect().right > innerWidth + 0.5)
  .map(node => node.outerHTML.slice(0, 80))"""


def numbers(count: int, start: int = 0) -> list[str]:
    return [
        area + f"{start + place:0{11 - len(area)}d}" for place in range(count) for area in [AREAS[place % len(AREAS)]]
    ]


def operator(callees: Any, output: Path, **arguments: Any) -> CccPickOutboundNumbersBatchOperator:
    arguments = {"candidate_numbers": CANDIDATES, "part_size": 50, "report": True, "max_failures": 1.0} | arguments
    return CccPickOutboundNumbersBatchOperator(task_id="pick", callees=callees, output_path=output, **arguments)


def interrupted(task: CccPickOutboundNumbersBatchOperator) -> None:
    """Run it, and stop it when it has finished some parts."""

    def stop() -> None:
        while not (task.output_path / "_state" / "part-00001.json").exists():
            time.sleep(0.02)
        task.on_kill()

    # A daemon: a campaign that fails before is reported, and must not keep the process as well.
    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    with pytest.raises(StoppedError):
        task.execute({})
    stopping.join()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the campaigns; each has a folder by its name. They are run before the browser is there: see its fixture."""
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:

        def connect(url: str) -> None:
            fields = {"conn_type": "ccc", "login": "testid", "password": "testsecret", "host": url}
            patch.setenv("AIRFLOW_CONN_CCC_DEFAULT", json.dumps(fields | {"extra": {"instance_id": INSTANCE_ID}}))

        with running(SimulatorSettings(qps=200)) as simulator:
            connect(simulator.url)
            operator([*numbers(1400), "none", "12", *numbers(20)], folder / "normal").execute({})
        with running(SimulatorSettings(instance=DEAF)) as simulator:
            connect(simulator.url)
            operator(numbers(30), folder / "nobody", candidate_numbers=CANDIDATES[:1]).execute({})
        with running(SimulatorSettings(fault_rate=0.1)) as simulator:
            connect(simulator.url)
            local = [f"1380013{place:04d}" for place in range(120)]  # all have a local caller
            operator(local, folder / "idle").execute({})
            odd = ["none", "+1 202 555 0100", "", *numbers(40), *numbers(5)]
            operator(odd, folder / "failures", count=2).execute({})
            operator(numbers(120), folder / "one_caller", candidate_numbers=CANDIDATES[:1]).execute({})
            interrupted(operator(numbers(400), folder / "resumed", max_qps=150, concurrency=8))
            operator(numbers(400), folder / "resumed").execute({})
            callees = folder / "callees.csv"
            callees.write_text("callee\n" + "\n".join([*numbers(250), "none", *numbers(9)]), encoding="utf-8")
            batches = split_callees(callees, batch_size=100)
            for batch in batches:
                operator(batch, folder / "merged", report=False).execute({})
            merge = CccMergeManifestsOperator(
                task_id="merge", output_path=folder / "merged", batches=batches, report=True
            )
            merge.execute({})
    return folder


@pytest.fixture(scope="module")
def look(reports: Path, browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a campaign's report; whatever it asks for beside itself, or complains of, fails the test."""
    contexts = []

    def open_report(name: str, scheme: str = "light", width: int = 1400, *, unfolded: bool = True) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        url = (reports / name / "report.html").as_uri()
        page.goto(url)
        if unfolded:
            page.locator("summary").evaluate_all("found => found.forEach(each => each.click())")
        page.wait_for_load_state("networkidle")
        assert asked == [url]
        assert said == []
        return page

    yield open_report
    for context in contexts:
        context.close()


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    files = sorted(folder.rglob(f"{kind}-*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def table(page: Any, name: str) -> list[list[Any]]:
    """A table's rows: the first cell's text, and the exact numbers behind the others."""
    return page.evaluate(
        """name => [...document.querySelectorAll(`#${name} tbody tr`)].map(row =>
             [row.cells[0].textContent, ...[...row.querySelectorAll('data')].map(data => Number(data.value))])""",
        name,
    )


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_it_fits_and_can_be_read(look: Callable[..., Any], name: str, scheme: str, width: int) -> None:
    page = look(name, scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(PALE) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    shown = page.evaluate("[...document.querySelectorAll('figure svg')].filter(svg => svg.checkVisibility()).length")
    # One of the two of throughput, where it took long enough.
    assert shown == (1 if name == "nobody" else 3) + page.locator(".wide").count()


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_its_figures_are_those_of_the_files(reports: Path, look: Callable[..., Any], name: str) -> None:
    page, folder = look(name), reports / name
    pairs, failures, skipped = (lines(folder, kind) for kind in ("part", "failures", "skipped"))
    figures = {
        each["id"]: each["value"]
        for each in page.eval_on_selector_all(
            ".figures data", "found => found.map(data => ({id: data.id, value: Number(data.value)}))"
        )
    }
    resolved = len({pair["row"] for pair in pairs})
    assert figures == {
        "callees": resolved + len(failures) + len(skipped),
        "resolved": resolved,
        "failed": len(failures),
        **{
            f"same_{place}": sum(pair["callee"][place] == pair["caller"][place] != "" for pair in pairs)
            for place in ("city", "province")
        },
    }
    assert dict(table(page, "codes")) == Counter(failure["code"] for failure in failures)
    provinces = Counter(pair["callee"]["province"] or "not known" for pair in pairs)
    own = Counter(
        pair["callee"]["province"] for pair in pairs if pair["callee"]["province"] == pair["caller"]["province"] != ""
    )
    assert {row[0]: tuple(row[1:]) for row in table(page, "provinces")} == {
        province: (count, own[province]) for province, count in provinces.items()
    }
    never_chosen = [shorten(number) for number in CANDIDATES[1:]] if name == "idle" else []
    callers = {**dict.fromkeys(never_chosen, 0), **Counter(shorten(pair["caller"]["number"]) for pair in pairs)}
    assert dict(table(page, "callers")) == callers
    if never_chosen:
        assert "2 of 3 candidates were never chosen" in page.locator("aside").inner_text()
    asked = resolved + sum(failure["code"] != "InvalidArgument" for failure in failures)
    assert sum(row[1] for row in table(page, "timeline")) == asked


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_it_holds_no_full_number(reports: Path, name: str) -> None:
    page = (reports / name / "report.html").read_text(encoding="utf-8")
    callees = {pair["callee"]["number"] for pair in lines(reports / name, "part")}
    assert name == "nobody" or callees
    assert not [number for number in (*callees, *CANDIDATES, *numbers(30)) if number in page]


def test_it_tells_of_a_quota_where_there_is_one(look: Callable[..., Any], keep: Callable[..., None]) -> None:
    page = look("normal", width=1100, unfolded=False)
    assert "that max_qps and the quota allowed" in page.locator("#speed + p").inner_text()
    assert page.locator("#speed").inner_text() == "Throughput against the quota"
    assert page.locator(".wide svg").is_visible()
    keep(page, "report", full_page=True)
    assert look("one_caller").locator("#speed").inner_text() == "Throughput"
