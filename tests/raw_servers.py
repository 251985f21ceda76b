"""Servers that answer with whatever bytes a test wants."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress


@contextmanager
def server(handle, tls=None):
    """Hand each connection to `handle`, in a thread of its own, once TLS is agreed on if there is any."""

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError):  # the client may have had enough
            if tls is None:
                handle(peer)
            else:
                with tls.wrap_socket(peer, server_side=True) as wrapped:
                    handle(wrapped)

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def receive(peer) -> bytes:
    """Read one whole request; b"" if the client is gone."""
    data = b""
    while not (found := re.search(rb"(?is)^(.*?content-length: (\d+))?.*?\r\n\r\n", data)) or len(
        data
    ) < found.end() + int(found[2] or 0):
        if not (chunk := peer.recv(65536)):
            return b""
        data += chunk
    return data
