"""What a person sees of the provider in Airflow's web UI. The tests build on each other, in this order."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from airflow_provider_ccc.compat import AIRFLOW
from airflow_provider_ccc.get_provider_info import CONNECTION
from tests.support import INSTANCE_ID, SECRET
from tests.versions import FORM_HIDES_SECRETS

# One line for the whole module. CI requires all: without a browser it fails there.
if AIRFLOW < (3, 2):
    pytest.skip("the web UI is not tested: before Airflow 3.2 it has no such form", allow_module_level=True)
if shutil.which("chromium") is None and os.environ.get("CCC_REQUIRE_ALL") != "1":
    pytest.skip(
        "the web UI is not tested: there is no chromium (Debian: apt-get install chromium)", allow_module_level=True
    )

FIELDS = CONNECTION["conn-fields"]
RUN_SECONDS = 120


def expect(located: Any) -> Any:
    from playwright.sync_api import expect

    return expect(located)


def open_form(page: Any) -> Any:
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection ID").fill("ccc_default")
    form.get_by_label("Connection Type").fill("Alibaba Cloud Call")
    page.get_by_role("option", name="Alibaba Cloud Call Center", exact=True).click()
    return form


def save(page: Any, form: Any) -> None:
    form.get_by_role("button", name="Save").click()
    form.wait_for(state="hidden")
    expect(row(page)).to_be_visible()


def row(page: Any) -> Any:
    return page.get_by_role("row").filter(has_text="ccc_default")


def press_test(page: Any) -> dict[str, Any]:
    """Press the test button, and give what the UI is answered."""
    with page.expect_response(re.compile("/connections/test$")) as answer:
        row(page).get_by_role("button", name="Test Connection").click()
    assert answer.value.status == 200, answer.value.text()
    return answer.value.json()


def test_the_connection_form(page: Any, simulator: Any, screenshot: Callable[[str], None]) -> None:
    form = open_form(page)
    for label in ("Endpoint", "AccessKey ID", "AccessKey Secret", "Port"):
        expect(form.get_by_label(label, exact=True)).to_be_visible()
    expect(form.get_by_label("AccessKey Secret", exact=True)).to_have_attribute("type", "password")
    expect(form.get_by_label("AccessKey ID", exact=True)).to_have_attribute("placeholder", "LTAI...")
    expect(form.locator("[name=schema]")).to_have_count(0)
    screenshot("connection-form")

    form.get_by_role("button", name="Extra Fields", exact=True).click()
    expect(form.locator("[name=element_region_id]")).to_be_visible()
    for name, field in FIELDS.items():
        expect(form.get_by_text(field["label"], exact=True)).to_be_visible()
        expect(form.get_by_text(field["description"], exact=True)).to_be_visible()
        if "default" in field["schema"]:
            expect(form.locator(f"[name=element_{name}]")).to_have_value(str(field["schema"]["default"]))
        if field["schema"].get("format") == "password" and FORM_HIDES_SECRETS:
            expect(form.locator(f"[name=element_{name}]")).to_have_attribute("type", "password")
    assert (FIELDS["region_id"]["schema"]["default"], FIELDS["api_version"]["schema"]["default"]) == (
        "cn-shanghai",
        "2017-07-05",
    )
    form.locator("[name=element_instance_id]").fill(INSTANCE_ID)
    form.locator("[name=element_region_id]").scroll_into_view_if_needed()
    screenshot("connection-form-extra")

    form.get_by_role("button", name="Standard Fields", exact=True).click()
    address = urlsplit(simulator.url)
    # With an empty port, the UI of Airflow 3.3.2 asks for a test at port 0, which its own server refuses.
    form.get_by_label("Endpoint", exact=True).fill(f"http://{address.hostname}")
    form.get_by_label("Port", exact=True).fill(str(address.port))
    form.get_by_label("AccessKey ID", exact=True).fill("testid")
    form.get_by_label("AccessKey Secret", exact=True).fill("wrongsecret")
    save(page, form)


def test_the_button_says_which_field_is_wrong(page: Any, screenshot: Callable[[str], None]) -> None:
    page.goto("/connections")
    answer = press_test(page)
    assert not answer["status"]
    shown = page.get_by_text("Check password (AccessKey Secret).")
    expect(shown.first).to_be_visible()
    assert "wrongsecret" not in page.content()
    screenshot("connection-test-wrong-secret")


def test_the_button_says_what_works(page: Any, simulator: Any, screenshot: Callable[[str], None]) -> None:
    page.goto("/connections")
    row(page).get_by_role("button", name="Edit Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("AccessKey Secret", exact=True).fill(SECRET)
    save(page, form)
    answer = press_test(page)
    assert answer["status"], answer
    assert f"{simulator.url} accepts the AccessKey; instance '演示呼叫中心'" in answer["message"]
    expect(page.get_by_text(answer["message"], exact=True).first).to_be_visible()
    screenshot("connection-test-works")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    (folder / "callees.csv").write_text("callee\n13800138000\n+86 21 6391 4848\n", encoding="utf-8")
    return folder


def wait_for_the_run(page: Any, run: str, *, dag: str = "ccc_campaign", ends: str = "success") -> None:
    deadline = time.monotonic() + RUN_SECONDS
    state = "unknown"
    while time.monotonic() < deadline:
        answer = page.request.get(f"/api/v2/dags/{dag}/dagRuns/{quote(run)}")
        # A busy SQLite may refuse one question; the next one will do.
        state = answer.json()["state"] if answer.ok else state
        if state in ("success", "failed"):
            break
        page.wait_for_timeout(500)
    assert state == ends


def task_page(run: str, tab: str) -> str:
    return f"/dags/ccc_campaign/runs/{quote(run)}/tasks/pick/mapped/0/{tab}"


@pytest.fixture(scope="module")
def runs() -> list[str]:
    """The campaign's run, once it was triggered."""
    return []


def test_the_campaign_runs_green(page: Any, campaign: Path, runs: list[str], screenshot: Callable[[str], None]) -> None:
    page.goto("/dags/ccc_campaign")
    page.get_by_test_id("trigger-dag-button").click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_callees_csv]").fill(str(campaign / "callees.csv"))
    form.locator("[name=element_dial_list_csv]").fill(str(campaign / "dial_list.csv"))
    with page.expect_response(
        lambda answer: answer.url.endswith("/dagRuns") and answer.request.method == "POST"
    ) as answer:
        form.get_by_role("button", name="Trigger", exact=True).click()
    assert answer.value.ok, answer.value.text()
    run = answer.value.json()["dag_run_id"]
    wait_for_the_run(page, run)
    page.goto(f"/dags/ccc_campaign/runs/{quote(run)}")
    # The run's own, once or twice, and one of each task instance: the two callees' and four others.
    expect(page.get_by_test_id("state-badge").filter(has_text="Success").nth(6)).to_be_visible()
    screenshot("campaign-grid")
    dial_list = (campaign / "dial_list.csv").read_text(encoding="utf-8")
    assert len(dial_list.splitlines()) == 3
    runs.append(run)


def test_the_pairs_on_the_xcom_tab(page: Any, runs: list[str], screenshot: Callable[[str], None]) -> None:
    page.goto(task_page(runs[0], "xcom"))
    expect(page.get_by_text("return_value", exact=True)).to_be_visible()
    expand_values(page)
    expect(page.get_by_text("13800138000").first).to_be_visible()
    shown = page.locator("body").inner_text()
    assert "callee" in shown
    assert "caller" in shown
    screenshot("xcom-pairs")


def expand_values(page: Any) -> None:
    """Airflow folds long values."""
    button = page.get_by_role("button", name=re.compile("expand all", re.IGNORECASE))
    if button.count():
        button.first.click()


def test_rendered_templates_show_no_number(page: Any, runs: list[str], screenshot: Callable[[str], None]) -> None:
    page.goto(task_page(runs[0], "rendered_templates"))
    expect(page.get_by_text("callee_number", exact=True)).to_be_visible()
    expect(page.get_by_text("***").first).to_be_visible()
    shown = page.content()
    found = page.request.get(f"/api/v2/dags/ccc_campaign/dagRuns/{quote(runs[0])}/taskInstances/pick/0").json()
    for number in ("13800138000", "63914848"):
        assert number not in shown
        assert number not in json.dumps(found)
    screenshot("rendered-templates")


def link(page: Any, name: str) -> Any:
    return page.get_by_role("link", name=name, exact=True)


def test_the_link_to_the_console(page: Any, runs: list[str]) -> None:
    page.goto(f"/dags/ccc_campaign/runs/{quote(runs[0])}/tasks/instance_ready/details")
    expect(link(page, "CCC console")).to_have_attribute("href", "https://ccc.aliyun.com/workbench/ccc-demo")
    expect(link(page, "Error center")).to_have_count(0)


def test_the_link_to_the_report(page: Any, campaign: Path) -> None:
    """Of a campaign that several tasks shared."""
    conf = {
        "callees": str(campaign / "callees.csv"),
        "output_path": str(campaign / "shared"),
        "output_url": "https://files.example.com/shared",
        "batch_size": 1,
    }
    triggered = page.request.post("/api/v2/dags/ccc_big_campaign/dagRuns", data={"logical_date": None, "conf": conf})
    assert triggered.ok, triggered.text()
    run = triggered.json()["dag_run_id"]
    wait_for_the_run(page, run, dag="ccc_big_campaign")
    page.goto(f"/dags/ccc_big_campaign/runs/{quote(run)}/tasks/merge/details")
    folder = run.replace(":", "-")
    expect(link(page, "Campaign report")).to_have_attribute(
        "href", f"https://files.example.com/shared/{folder}/report.html"
    )
    assert "in 2 batches" in (campaign / "shared" / folder / "report.html").read_text(encoding="utf-8")


def test_the_link_to_the_error_center(page: Any) -> None:
    """Of a run that asks for an instance which is not there."""
    extra = {"extra": json.dumps({"instance_id": "nowhere"})}
    changed = page.request.patch(
        "/api/v2/connections/ccc_default?update_mask=extra",
        data={"connection_id": "ccc_default", "conn_type": "ccc", **extra},
    )
    assert changed.ok, changed.text()
    triggered = page.request.post("/api/v2/dags/ccc_pick_one/dagRuns", data={"logical_date": None})
    assert triggered.ok, triggered.text()
    run = triggered.json()["dag_run_id"]
    wait_for_the_run(page, run, dag="ccc_pick_one", ends="failed")
    page.goto(f"/dags/ccc_pick_one/runs/{quote(run)}/tasks/pick/details")
    expect(link(page, "Error center")).to_have_attribute(
        "href", "https://error-center.aliyun.com/status/search?Keyword=NotExist.Instance&source=PopGw"
    )
    expect(link(page, "CCC console")).to_have_count(0)
