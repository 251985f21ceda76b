"""One reading of callees, as a campaign does it, in a process of its own: what it takes in time and memory.

``python -m benchmarks.reading KIND PLACE [EXCLUDE]`` surveys the callees and goes through all rows, and prints one line
of JSON. KIND is a file's format, or ``sql``; PLACE is the file, or the folder that keeps a query's rows. To keep them
counts as part of the survey.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import airflow_provider_ccc.campaign.campaign
import airflow_provider_ccc.hooks.ccc  # noqa: F401 - a task has both, and Airflow with them
from airflow_provider_ccc.campaign.output.kept import keep
from airflow_provider_ccc.campaign.output.storage import open_folder
from airflow_provider_ccc.campaign.source import open_source
from airflow_provider_ccc.campaign.source.exclusion import Exclusion
from airflow_provider_ccc.campaign.source.queries import Query
from airflow_provider_ccc.campaign.source.reading import Reading
from benchmarks.child import peak_rss_kib

QUERY = Query("SELECT callee, customer, city FROM callees", "warehouse")


def main(kind: str, place: str, exclude: str | None = None) -> None:
    start = time.perf_counter()
    callees: Any = place
    if kind == "sql":
        callees = keep(open_folder(place), QUERY, "callee", "fail")
    left_out = Exclusion.of(exclude, None, None, None, Reading())
    with open_source(callees, exclude=left_out) as source:
        survey_seconds = time.perf_counter() - start
        rows = sum(1 for _ in source.rows())
        found = {"rows": rows, "excluded": source.survey.excluded, "malformed": source.survey.malformed}
    seconds = time.perf_counter() - start
    print(json.dumps({"survey_seconds": survey_seconds, "seconds": seconds, "peak_rss_kib": peak_rss_kib(), **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
