"""Run the main job: the campaign DAG, on a real Airflow, against the simulator. ``make demo`` calls it.

Everything is made below one folder; everything that is started is ended, whatever happens.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.client.numbers import normalise

ROOT = Path(__file__).resolve().parent.parent
INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
MAX_CALLEES = 1024  # Airflow's [core] max_map_length

_TASK = re.compile(r"\[DAG TEST\] (starting|end task) task_id=(\S+) map_index=(-?\d+)")
_ERROR = re.compile(r"^(?:airflow|airflow_provider_ccc)\.[\w.]*(?:Exception|Error|Timeout): (.+)$")


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """What went wrong, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callees", type=Path, default=ROOT / "example_dags" / "data" / "callees.csv")
    parser.add_argument("--candidates", default="", help="the numbers to choose from, with commas between them")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="made anew; holds the log and the result")
    arguments = parser.parse_args()
    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    try:
        callees = read_callees(arguments.callees)
        candidates = read_candidates(arguments.candidates)
        folder = make_anew(arguments.folder.resolve())
        with simulator(candidates, folder) as url:
            airflow = Airflow(url, folder)
            errors = run_campaign(airflow, arguments.callees.resolve(), len(callees))
        return report(callees, errors, airflow)
    except (DemoError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def stop(number: int, _: object) -> NoReturn:
    """End, and let nothing interrupt that: a second Ctrl-C would leave Airflow running."""
    for other in STOP_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    print("\nstopping", file=sys.stderr, flush=True)
    sys.exit(128 + number)


# --- input ----------------------------------------------------------------------------------------------------------


def read_callees(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "callee" not in (reader.fieldnames or []):
                found = ", ".join(reader.fieldnames or []) or "nothing"
                raise DemoError(f"CALLEES={path} has no column named callee in its first line, only {found}")
            callees = [row["callee"] or "" for row in reader]  # as the DAG reads them
    except UnicodeDecodeError:
        with path.open("rb") as file:
            is_excel = file.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
        what = "is an Excel file" if is_excel else "is not in UTF-8"
        raise DemoError(f'CALLEES={path} {what}; save it as "CSV UTF-8" and try again') from None
    except (OSError, csv.Error) as error:
        raise DemoError(f"CALLEES={path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if not 0 < len(callees) <= MAX_CALLEES:
        raise DemoError(f"CALLEES={path} has {len(callees)} callees; one mapped task each allows 1 to {MAX_CALLEES}")
    return callees


def read_candidates(text: str) -> list[str]:
    try:
        return [normalise(number, "CANDIDATES") for number in text.split(",")] if text else []
    except CccError as error:
        raise DemoError(str(error)) from None


def make_anew(folder: Path) -> Path:
    """Make a folder; one that is there already is only removed if an earlier demo made it."""
    if folder.exists():
        if not (folder / "airflow.log").is_file():
            raise DemoError(f"{folder} is there and is no demo's; name another by --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / "airflow.log").touch()
    return folder


# --- simulator ------------------------------------------------------------------------------------------------------


@contextmanager
def simulator(candidates: list[str], folder: Path) -> Iterator[str]:
    """Run the simulator on a free port; its own instance has its own numbers, unless candidates are given."""
    command = [sys.executable, "-m", "airflow_provider_ccc.simulator", "--port", "0"]
    if candidates:
        instance = {
            "instance_id": INSTANCE_ID,
            "name": "demo",
            "status": "Running",
            "phone_numbers": [{"number": number, "usage": "Bidirection"} for number in dict.fromkeys(candidates)],
        }
        (folder / "instance.json").write_text(json.dumps({"instances": [instance]}), encoding="utf-8")
        command += ["--instance", str(folder / "instance.json")]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)) as process:
        assert process.stdout is not None  # noqa: S101
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(timeout=30) else ""
        if not line.startswith("listening on "):
            raise DemoError("the simulator did not start; see its message above")
        url = line.removeprefix("listening on ").strip()
        print(f"simulator: {url}")
        yield url


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process, and whatever it started, when the block is left."""
    try:
        yield process
    finally:
        for number, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 10)):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        process.wait()


# --- Airflow --------------------------------------------------------------------------------------------------------


class Airflow:
    """An Airflow of the demo's own.

    :param url: where its connection ``ccc_default`` points.
    :param folder: where its database, its log and the campaign's result are.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.dial_list = folder / "dial_list.csv"
        self.log = folder / "airflow.log"
        connection = {
            "conn_type": "ccc",
            "login": "testid",
            "password": "testsecret",
            "host": url,
            "extra": {"instance_id": INSTANCE_ID},
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.environment = kept | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW_CONN_CCC_DEFAULT": json.dumps(connection),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def run(self, *arguments: str) -> Iterator[str]:
        """Run an airflow command and yield what it prints, which also goes to the log."""
        command = [sys.executable, "-m", "airflow", *arguments]
        last_error = ""
        process = subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with ended(process), self.log.open("a", encoding="utf-8") as log:
            assert process.stdout is not None  # noqa: S101
            for line in process.stdout:
                log.write(line)
                if match := _ERROR.match(line):
                    last_error = match[1]
                yield line
            if process.wait() != 0:
                raise DemoError(f"airflow {' '.join(arguments[:2])} failed: {last_error or f'see {self.log}'}")


def run_campaign(airflow: Airflow, callees: Path, total: int) -> dict[int, str]:
    """Run the DAG and show its progress.

    :returns: why callees were not resolved, by their place.
    """
    print("Airflow: preparing its database", flush=True)
    for _ in airflow.run("db", "migrate"):
        pass
    print("Airflow: running the DAG ccc_campaign", flush=True)
    conf = json.dumps({"callees_csv": str(callees), "dial_list_csv": str(airflow.dial_list)})
    errors: dict[int, str] = {}
    place, done, shown = -1, 0, time.monotonic()
    for line in airflow.run("dags", "test", "ccc_campaign", "--conf", conf):
        if match := _TASK.search(line):
            event, task, index = match[1], match[2], int(match[3])
            place = index if event == "starting" else place
            if event == "end task" and task != "pick":
                print(f"  {task}: done", flush=True)
            elif event == "end task":
                done += 1
                if done == total or time.monotonic() - shown > 1:
                    shown = time.monotonic()
                    print(f"  pick: {done} of {total}", flush=True)
        elif match := _ERROR.match(line):
            errors[place] = match[1]
    return errors


# --- output ---------------------------------------------------------------------------------------------------------


def report(callees: list[str], errors: dict[int, str], airflow: Airflow) -> int:
    if not airflow.dial_list.is_file():
        raise DemoError(f"the campaign ended without a dial list: {errors.get(-1, f'see {airflow.log}')}")
    with airflow.dial_list.open(encoding="utf-8", newline="") as file:
        pairs = {row["callee"]: row for row in csv.DictReader(file)}
    rows = [["callee", "city", "caller", "city"]]
    resolved = []
    failed = 0
    for place, callee in enumerate(callees):
        try:
            pair = pairs.get(normalise(callee, "callee"))
        except CccError:
            pair = None
        if pair is None:
            failed += 1
            shown = " ".join(callee.split()) or "(empty)"
            rows.append([shown, "", f"callee {place + 1} failed: {errors.get(place, 'see the log')}", ""])
        else:
            resolved.append(pair)
            rows.append([pair["callee"], pair["callee_city"], pair["caller"], pair["caller_city"]])
    print_table(rows)
    same_city = sum(1 for pair in resolved if pair["callee_city"] and pair["callee_city"] == pair["caller_city"])
    same_province = sum(
        1 for pair in resolved if pair["callee_province"] and pair["callee_province"] == pair["caller_province"]
    )
    print(f"resolved {len(resolved)}, failed {failed}, same city {same_city}, same province {same_province}")
    if failed:
        print(f"error: {failed} of {len(callees)} callees were not resolved, see the table", file=sys.stderr)
    return 1 if failed else 0


def print_table(rows: list[list[str]]) -> None:
    """Print columns; Chinese characters are two columns wide."""
    # A failure's reason stands where the caller would, and may run over the columns behind it.
    widths = [max(width(row[column]) for row in rows if column != 2 or row[3]) for column in range(4)]
    print()
    for row in rows:
        cells = (cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    print()


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


if __name__ == "__main__":
    sys.exit(main())
