"""Links on a task in Airflow's UI: to the instance's console page, a failed call's code, and a campaign's report.

What they lead to is noted by the task while it runs; a task that noted nothing has no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_ccc import compat
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.compat import BaseOperatorLink, XCom
from airflow_provider_ccc.tasks import CONSOLE_URL, ERROR_CODE, REPORT_URL

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import BaseOperator


class CccConsoleLink(BaseOperatorLink):
    """The instance's page in the CCC console.

    The sensor knows it from the instance itself; an operator knows it with API version 2020-07-01 only, where the page
    follows from the instance's id.
    """

    name = "CCC console"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address, "" where it is not known."""
        return _noted(operator, ti_key, CONSOLE_URL)


class CccErrorCenterLink(BaseOperatorLink):
    """What Alibaba Cloud's error center says about the code that a failed call was answered with."""

    name = "Error center"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address, "" where no call failed."""
        code = _noted(operator, ti_key, ERROR_CODE)
        return f"https://error-center.aliyun.com/status/search?Keyword={quote(code)}&source=PopGw" if code else ""


class CccReportLink(BaseOperatorLink):
    """A campaign's report, where the task was told by ``output_url`` where its output is served."""

    name = "Campaign report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address, "" where there is no report, or nobody serves it."""
        return _noted(operator, ti_key, REPORT_URL)


def console_url(described: str) -> str:
    """Make a link of what GetInstance says; 1.x leaves the scheme out. Anything but a web address is no link."""
    url = described if "://" in described else f"https://{described}"
    parts = urlsplit(url)
    return url if described and parts.scheme in ("http", "https") and parts.hostname else ""


def console_url_of(hook: Any, instance_id: str | None) -> str:
    """Give the page of a 2.x instance, which follows from its id as GetInstance's documentation shows it.

    :param hook: of either kind.
    :param instance_id: the task's own.
    :returns: "" for a 1.x instance, whose page only the instance itself can tell.
    """
    settings = vars(hook).get("settings")  # a link is no reason to look a connection up
    if settings is None or settings.api_version != "2020-07-01":
        return ""
    known = instance_id or settings.instance_id
    return f"https://ccc-v2.aliyun.com/#/workbench/{quote(known)}" if isinstance(known, str) and known else ""


def report_url(report: bool, output_url: object, below: str = "") -> str:
    """Give the address of a campaign's report.

    :param report: whether there will be one.
    :param output_url: where the output path is served, if it is. It is seen in Airflow's UI.
    :param below: the sub-folder that the report is in.
    :returns: "" where there is no report, or nobody serves it.
    :raises CccParameterError: ``output_url`` is not an address that can be shown.
    """
    # Imported here, because DAG files are parsed often.
    from airflow_provider_ccc.campaign.output.layout import REPORT

    if output_url is None or output_url == "":
        return ""
    try:
        parts = urlsplit(output_url) if isinstance(output_url, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise CccParameterError("output_url", "must be an address that begins with http:// or https://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise CccParameterError("output_url", "must have no user, password, query or fragment, for it is shown")
    return "/".join(filter(None, (parts.geturl().rstrip("/"), below, REPORT))) if report else ""


def _noted(operator: BaseOperator, ti_key: Any, key: str) -> str:
    # Airflow 3 logs an error for each XCom that is asked for and not there.
    value = getattr(operator, key, "") if compat.TASKS_MAKE_LINKS else XCom.get_value(key=key, ti_key=ti_key)
    return value if isinstance(value, str) else ""
