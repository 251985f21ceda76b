"""Ends a task as soon as Airflow wants it to end, however Airflow does that.

Airflow 3 ends a task by a signal, whose handler calls ``on_kill`` and then lets ``execute`` go on. A supervisor that is
killed cannot send any: its task would go on calling the service, with nobody to hear of it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_ccc import compat

log = logging.getLogger(__name__)

#: How often a task looks whether its supervisor is there, in seconds.
_LOOK = 1.0


class StoppedError(Exception):
    """Airflow ended the task. A retry picks up after the finished parts."""

    def __init__(self) -> None:
        super().__init__("Airflow ended the task; a retry picks up after its finished parts")


class EndingsMixin:
    """An operator whose ``execute``, within :meth:`ends_with_airflow`, ends when Airflow wants it to."""

    _may_be_ended = False

    @contextmanager
    def ends_with_airflow(self) -> Iterator[None]:
        """Let :meth:`raise_if_ended` raise, and end the task if its supervisor is gone."""
        self._may_be_ended = True
        try:
            with _watched_supervisor():
                yield
        finally:
            self._may_be_ended = False

    def raise_if_ended(self) -> None:
        """Raise, once, what ends ``execute``, when ``on_kill`` is called by a signal handler in the main thread.

        :raises StoppedError: unless this is Airflow 2, whose handler raises by itself.
        """
        is_handler = threading.current_thread() is threading.main_thread()
        if self._may_be_ended and is_handler and compat.AIRFLOW >= (3, 0):
            self._may_be_ended = False
            raise StoppedError


@contextmanager
def _watched_supervisor() -> Iterator[None]:
    """Send this process the signal with which Airflow ends tasks, once the process that started it is gone."""
    supervisor = os.getppid()
    if not _is_airflow(supervisor) or signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN, None):
        yield  # a script, or a test
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK):
            if os.getppid() != supervisor:
                log.error("The process that supervised this task is gone; the task ends, and a retry goes on")
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=watch, name="ccc-supervisor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_LOOK)


def _is_airflow(process: int) -> bool:
    """Say whether a process is one of Airflow's, by its command line; ``False`` where that cannot be read."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return b"airflow" in command or b"celery" in command
