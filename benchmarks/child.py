"""A peer's side of the benchmark: a process that makes calls when it is told to, and says what they cost.

Needs the standard library only, as the official SDKs' environment has nothing of Airflow's. The parent writes one JSON
line for each run, ``{"first": 13000000000, "count": 30000}``, and reads one JSON line, a :class:`Cost`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
CANDIDATES = ["01089767654", "02160664656"]
ACCESS_KEY_ID, ACCESS_KEY_SECRET = "testid", "testsecret"


@dataclass(frozen=True)
class Target:
    """What a peer calls, and how.

    :param url: of the server.
    :param ca: a file with the certificate to trust, for https.
    :param concurrency: calls in flight at once, where a peer has any.
    """

    url: str
    ca: str | None
    concurrency: int


@dataclass(frozen=True)
class Cost:
    """What a run cost.

    :param resolved: how many callees were answered with a caller.
    :param cpu_seconds: user and system, all threads.
    :param peak_rss_kib: of the process since it started.
    :param details: what the peer wants to tell besides.
    """

    resolved: int
    seconds: float
    cpu_seconds: float
    peak_rss_kib: int
    details: dict[str, object]


#: Resolves the callees that a peer was prepared for, and tells how many it resolved, and what else it has to say.
Run = Callable[[], tuple[int, dict[str, object]]]
#: Takes callees, all mobile numbers, and gets ready what is not to be measured.
Prepare = Callable[[range], Run]


def resolves(run: Callable[[], int]) -> Run:
    """Make a run of a function that has nothing to tell but how many it resolved."""
    return lambda: (run(), {})


def main(peers: dict[str, Callable[[Target], Prepare]]) -> None:
    """Be the peer that the command line names until the parent closes our input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=peers)
    parser.add_argument("--url", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--concurrency", type=int, default=64)
    arguments = parser.parse_args()
    # Airflow logs to standard output, as a task's process does; the parent must only see what is meant for it.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    assert_real_urllib3()
    prepare = peers[arguments.peer](Target(arguments.url, arguments.ca, arguments.concurrency))
    print("ready", file=answers)
    for line in sys.stdin:
        order = json.loads(line)
        callees = range(order["first"], order["first"] + order["count"])
        print(json.dumps(asdict(measure(prepare(callees)))), file=answers)


def measure(run: Run) -> Cost:
    cpu, start = time.process_time(), time.perf_counter()
    resolved, details = run()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Cost(resolved, seconds, cpu, peak_rss_kib(), details)


def peak_rss_kib() -> int:
    """Return the most memory that this process has had since it began.

    Linux's ``getrusage`` counts what the parent had when it began us, too: a parent that has written a large file would
    be measured instead of us.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def assert_real_urllib3() -> None:
    """Refuse an environment where something else goes by urllib3's name.

    urllib3-future, which niquests brings along, overwrites urllib3's files: requests and the SDKs would be measured
    with another HTTP library than they have.
    """
    imported = importlib.import_module("urllib3").__version__
    names = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    impostors = names & {"urllib3-future", "niquests"}
    if impostors or imported != importlib.metadata.version("urllib3"):
        raise RuntimeError(f"urllib3 is not the real one here: {', '.join(impostors) or imported}")
