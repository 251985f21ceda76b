"""Exchanges of requests for replies with one host, by libcurl on the event loop.

libcurl opens connections and keeps them, speaks TLS and HTTP, and goes through proxies. Its multi interface names the
sockets and the moment that it waits for, and the event loop watches those:
https://curl.se/libcurl/c/libcurl-multi.html.
"""

from __future__ import annotations

import asyncio
import math
import select
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pycurl

from airflow_provider_ccc.client.errors import CccConnectionError, CccError
from airflow_provider_ccc.client.signers import SignedRequest
from airflow_provider_ccc.hooks.route import Route
from airflow_provider_ccc.hooks.transfer import Reply, Transfer

#: How long closing may take, in seconds: libcurl waits there for names that are still being resolved.
_LAST_MOMENT = 1.0
#: So many are kept: by default libcurl closes idle ones whenever few calls are under way.
_MOST_CONNECTIONS = 1024


class _Connection:
    """A connection that libcurl opened.

    :param number: its socket's.
    """

    def __init__(self, number: int) -> None:
        self._used = False
        self._poll = select.poll()
        self._poll.register(number, select.POLLIN)

    def is_quiet(self) -> bool:
        """Say, before each request, whether nothing came since the last; of TLS something may before the first."""
        before, self._used = self._used, True
        return not (before and self._poll.poll(0))


class Exchange:
    """Sends requests to one host, each over a connection that no other uses meanwhile.

    Belongs to the event loop that it is made on; :meth:`close` closes its connections.

    :param route: the way to the host.
    :param connect_timeout: seconds for a connection to be opened, TLS and a proxy's tunnel included.
    :param timeout: seconds for an exchange, opening a connection included.
    """

    def __init__(self, route: Route, *, connect_timeout: float, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._route = route
        self._timeouts = (connect_timeout, timeout)
        self._idle: list[Transfer] = []
        self._busy: dict[pycurl.Curl, Transfer] = {}
        self._watched: dict[int, int] = {}
        self._connections: dict[tuple[str, int] | None, _Connection] = {}  # by their address on this side
        self._addresses: dict[int, tuple[str, int]] = {}  # by the socket's number
        self._wake_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        self._closed = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, _MOST_CONNECTIONS)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._wake_in)

    async def close(self) -> None:
        """Close all connections; exchanges that are under way fail."""
        for transfer in tuple(self._busy.values()):
            self._end(transfer, CccConnectionError("the hook was closed before an answer came"))
        self._closed = True
        self._wake_at = math.inf
        self._set_timer()
        for number in tuple(self._watched):
            self._watch(pycurl.POLL_REMOVE, number)
        for transfer in self._idle:
            transfer.curl.close()
        # In a thread of its own: if a name server does not answer, libcurl waits for it here.
        closing = asyncio.wrap_future(in_thread(self._multi.close, "ccc-close"))
        await asyncio.wait([closing], timeout=_LAST_MOMENT)

    async def send(self, request: SignedRequest) -> Reply:
        """Make one exchange. It is made once at most: neither is a redirect followed, nor a request sent again.

        :raises CccConnectionError: no whole reply came.
        :raises CccCertificateError: the server's certificate is not trusted.
        :raises CccParameterError: a field of the connection is wrong.
        """
        transfer = self._idle.pop() if self._idle else self._new_transfer()
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        transfer.begin(request, waiter)
        self._busy[transfer.curl] = transfer
        self._multi.add_handle(transfer.curl)
        try:
            return await waiter
        finally:
            if transfer.waiter is waiter:  # which was cancelled; or another has the transfer by now
                self._end(transfer, None)

    def _new_transfer(self) -> Transfer:
        transfer = Transfer(self._route, *self._timeouts)
        transfer.curl.setopt(pycurl.PREREQFUNCTION, self._may_send)
        return transfer

    def _end(self, transfer: Transfer, outcome: Reply | CccError | None) -> None:
        """Take a transfer from libcurl, which closes its connection if it is not over."""
        del self._busy[transfer.curl]
        self._multi.remove_handle(transfer.curl)
        waiter = transfer.finish()
        self._idle.append(transfer)
        if waiter.done():
            return
        if isinstance(outcome, CccError):
            waiter.set_exception(outcome)
        elif outcome is not None:
            waiter.set_result(outcome)

    # --- what libcurl calls: it must raise nothing, for it would be printed and forgotten ---------------------------

    def _watch(self, wanted: int, number: int, *_: object) -> None:
        """Watch a socket for what libcurl wants to know of it."""
        if wanted == pycurl.POLL_REMOVE or self._closed:
            wanted = 0
        watched = self._watched.pop(number, 0)
        if wanted:
            self._watched[number] = wanted
        changed = wanted ^ watched
        if changed & pycurl.POLL_IN:
            if wanted & pycurl.POLL_IN:
                self._loop.add_reader(number, self._act, number, pycurl.CSELECT_IN)
            else:
                self._loop.remove_reader(number)
        if changed & pycurl.POLL_OUT:
            if wanted & pycurl.POLL_OUT:  # as a new one is: to a kept one libcurl writes at once
                self._note_connection(number)
                self._loop.add_writer(number, self._act, number, pycurl.CSELECT_OUT)
            else:
                self._loop.remove_writer(number)

    def _note_connection(self, number: int) -> None:
        """Note which socket a connection's address belongs to."""
        borrowed = socket.socket(fileno=number)
        try:
            address = borrowed.getsockname()[:2]
        except OSError:  # it is broken already
            return
        finally:
            borrowed.detach()
        self._connections.pop(self._addresses.get(number), None)
        self._addresses[number] = address
        self._connections[address] = _Connection(number)

    def _may_send(self, _: str, local_address: str, __: int, local_port: int) -> int:
        """Refuse a kept connection that something came over meanwhile, be it its end: that must answer no request.

        libcurl itself looks at most once a second.
        """
        connection = self._connections.get((local_address, local_port))
        usable = connection is None or connection.is_quiet()
        return pycurl.PREREQFUNC_OK if usable else pycurl.PREREQFUNC_ABORT

    def _wake_in(self, milliseconds: int) -> None:
        """Let libcurl go on after a while; below 0: not at all. Not from here: what libcurl calls may not call it."""
        if milliseconds == 0:
            if not self._is_due:
                self._is_due = True
                self._loop.call_soon(self._wake)
            return
        # Each exchange sets it, and most are over long before: so one timer serves many.
        self._wake_at = math.inf if milliseconds < 0 else self._loop.time() + milliseconds / 1000
        if self._timer is None or self._timer.when() > self._wake_at:
            self._set_timer()

    # --- what the event loop calls ----------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._wake_at == math.inf else self._loop.call_at(self._wake_at, self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._loop.time() < self._wake_at:
            self._set_timer()
        else:
            self._wake()

    def _wake(self) -> None:
        self._is_due = False
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, number: int, event: int) -> None:
        """Let libcurl go on, and hand out what is over."""
        if self._closed:
            return
        self._multi.socket_action(number, event)
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for curl in done:
                transfer = self._busy[curl]
                self._end(transfer, transfer.reply())
            for curl, code, text in failed:
                transfer = self._busy[curl]
                if code == pycurl.E_ABORTED_BY_CALLBACK:  # nothing was sent: another connection takes it
                    self._multi.remove_handle(curl)
                    self._multi.add_handle(curl)
                else:
                    self._end(transfer, transfer.reply() if transfer.is_too_long else transfer.error(code, text))


def in_thread(call: Callable[[], object], name: str) -> Future[None]:
    """Call something that blocks, in a thread that nobody waits for: the loop's own would be joined when it closes."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done
