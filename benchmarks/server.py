"""A service that answers PickOutboundNumbers as fast as Python can, in a process of its own.

It checks nothing: what is measured against it is the client. ``GET /stats`` tells what answering has cost so far.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import ipaddress
import json
import ssl
import time
from pathlib import Path
from typing import cast

import uvloop

_HEAD = (
    b"HTTP/1.1 %s\r\nContent-Type: application/json;charset=utf-8\r\n"
    b"Date: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n"
)
_PICKED = (
    '{"RequestId":"9EE29FB7-0B35-4A2B-9F1C-%012X","HttpStatusCode":200,"Code":"OK","Success":true,'
    '"DialNumberPairs":{"DialNumberPair":[{"Callee":{"Number":"%b","City":"北京","Province":"北京"},'
    '"Caller":{"Number":"%b","City":"北京","Province":"北京"}}]}}'
).encode()
_REFUSED = b'{"RequestId":"0","HttpStatusCode":400,"Code":"InvalidParameter","Message":"%b is missing"}'


class Costs:
    """What the server has done so far."""

    def __init__(self) -> None:
        self.requests = 0
        self.delayed = 0.0  # seconds, all requests together

    def as_json(self) -> bytes:
        return json.dumps(
            {"requests": self.requests, "delayed": self.delayed, "cpu_seconds": time.process_time()}
        ).encode()


class Connection(asyncio.Protocol):
    """One client's connection; requests on it are answered one after the other.

    :param latency: seconds before an answer is written.
    :param costs: where requests are counted.
    """

    def __init__(self, latency: float, costs: Costs) -> None:
        self._latency = latency
        self._costs = costs
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:end]
            whole = end + 4 + _content_length(head)
            if len(received) < whole:
                break
            self._answer(head, received[end + 4 : whole])
            received = received[whole:]
        self._received = received

    def _answer(self, head: bytes, form: bytes) -> None:
        target = head[: head.find(b"\r\n")]
        if target.startswith(b"GET /stats"):
            body = self._costs.as_json()
            self._transport.write(_HEAD % (b"200 OK", len(body)) + body)
            return
        self._costs.requests += 1
        # Some clients put their parameters into the form, others into the query.
        callee = _value(form, b"CalleeNumber=") or _value(target, b"CalleeNumber=")
        caller = _value(form, b"CandidateNumber.1=") or _value(target, b"CandidateNumber.1=")
        if callee and caller:
            status, body = b"200 OK", _PICKED % (self._costs.requests, callee, caller)
        else:
            status, body = b"400 Bad Request", _REFUSED % (b"CandidateNumber" if callee else b"CalleeNumber")
        answer = _HEAD % (status, len(body)) + body
        if self._latency:
            self._loop.call_later(self._latency, self._write, answer, time.perf_counter())
        else:
            self._transport.write(answer)

    def _write(self, answer: bytes, received_at: float) -> None:
        self._costs.delayed += time.perf_counter() - received_at
        self._transport.write(answer)


def _content_length(head: bytes) -> int:
    place = head.lower().find(b"\r\ncontent-length:")
    return int(head[place + 17 :].partition(b"\r\n")[0]) if place >= 0 else 0


def _value(parameters: bytes, name: bytes) -> bytes:
    """Read a number from a query or a form; a number is never percent-encoded."""
    start = parameters.find(name)
    if start < 0:
        return b""
    end = start = start + len(name)
    while end < len(parameters) and parameters[end] in b"0123456789":
        end += 1
    return parameters[start:end]


def _self_signed(folder: Path) -> ssl.SSLContext:
    """Make a certificate for 127.0.0.1: ``certificate.pem`` in `folder`, for clients to trust."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(encoded)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


async def serve(latency: float, tls: ssl.SSLContext | None) -> None:
    """Serve on a free port until the process is ended; the first line printed is the port."""
    costs = Costs()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency, costs), "127.0.0.1", 0, ssl=tls, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="serve TLS; its certificate is put there")
    arguments = parser.parse_args()
    tls = _self_signed(arguments.tls) if arguments.tls else None
    uvloop.run(serve(arguments.latency_ms / 1000, tls))


if __name__ == "__main__":
    main()
