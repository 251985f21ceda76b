"""What the DAGs of the documentation read: their files, and their database."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import openpyxl

CALLEES = ("138 0013 8000", "+86 21 6391 4848")
#: A callee beside them where a DAG leaves people out.
LEFT_OUT = "+86 139 0013 9000"


def write_numbers(path: Path, column: str, numbers: Sequence[str] = CALLEES, sheet: str | None = None) -> None:
    """Write numbers and customers in the format that the name says."""
    rows = [{column: number, "customer_id": f"c{place}"} for place, number in enumerate(numbers, 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xlsx":
        workbook = openpyxl.Workbook()
        own = workbook.create_sheet(sheet) if sheet else workbook.active
        for values in ([column, "customer_id"], *(list(row.values()) for row in rows)):
            own.append(values)
        workbook.save(path)
        return
    if ".csv" in path.suffixes:
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, [column, "customer_id"])
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def write_database(path: Path) -> str:
    """Write a database of customers, one of whom complained.

    :returns: the connection to it.
    """
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customers (phone TEXT, customer_id TEXT)")
        customers = [(number, f"c{place}") for place, number in enumerate((*CALLEES, LEFT_OUT), 1)]
        database.executemany("INSERT INTO customers VALUES (?, ?)", customers)
        database.execute("CREATE TABLE complaints (phone TEXT)")
        database.execute("INSERT INTO complaints VALUES ('13900139000')")
        database.commit()
    return json.dumps({"conn_type": "sqlite", "host": str(path)})
