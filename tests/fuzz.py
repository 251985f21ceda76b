"""Throws replies at the decoder, for as long as it is told to: ``python -m tests.fuzz --minutes 60``.

They are the documented replies of tests/fixtures, changed: bytes flipped and cut, parts of JSON swapped for others or
nested deep, headers made up. pytest does not collect this; the tests that run the same target for a moment are in
tests/conformance/test_replies.py.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import random
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_ccc.client import operations_2017 as v2017
from airflow_provider_ccc.client import operations_2020 as v2020
from airflow_provider_ccc.client.credentials import AccessKey, StaticCredentials
from airflow_provider_ccc.client.endpoint import parse_endpoint
from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.protocol import CccProtocol
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture

NOW = 1704164645.0  # 2024-01-02T03:04:05Z
#: Longer than this for one reply, and a reply could hold up a worker.
SLOW = 5.0

#: One of each kind, of both versions.
OPERATIONS: list[Operation[Any]] = [
    v2017.PickOutboundNumbers(instance_id=INSTANCE_ID, callee_number=CALLEE, candidate_numbers=[CANDIDATE]),
    v2017.PickGlobalOutboundNumbers(instance_id=INSTANCE_ID, callee_number=CALLEE, skill_group_ids=["g"]),
    v2017.PickLocalNumber(instance_id=INSTANCE_ID, callee_number=CALLEE, candidate_numbers=[CANDIDATE]),
    v2017.GetInstance(instance_id=INSTANCE_ID),
    v2017.GetInstanceState(instance_id=INSTANCE_ID),
    v2017.ListPhoneNumbers(instance_id=INSTANCE_ID),
    v2017.ListInstancesOfUser(),
    v2017.GetNumberRegionInfo(instance_id=INSTANCE_ID, number=CANDIDATE),
    v2017.CheckNumberAvaliable(instance_id=INSTANCE_ID, callee=CALLEE, caller=CANDIDATE),
    v2020.PickOutboundNumbers(instance_id="ccc-test", callee_number=CALLEE, skill_group_ids=["test@ccc-test"]),
    v2020.GetInstance(instance_id="ccc-test"),
    v2020.ListPhoneNumbers(instance_id="ccc-test"),
    v2020.ListInstances(),
    v2020.GetRealtimeInstanceStates(instance_id="ccc-test"),
]

STATUSES = [200, 200, 200, 200, 201, 204, 299, 301, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 599]

_PAIR = {
    "Callee": {"Number": CALLEE, "City": "北京", "Province": "北京"},
    "Caller": {"Number": CANDIDATE, "City": "北京", "Province": "北京"},
}
_NUMBER = {"Number": CANDIDATE, "Usage": "Bidirection", "AllowOutbound": True, "City": "北京", "Province": "北京"}
_INSTANCE = {"InstanceId": "i", "Id": "i", "Status": "RUNNING", "NumberList": [_NUMBER]}
_OK = {"RequestId": "9EE29FB7-0B35", "HttpStatusCode": 200, "Code": "OK", "Success": True}

#: Answers whose documentation has no example, as the API's metadata has them.
_UNDOCUMENTED = [
    _OK | {"DialNumberPairs": {"DialNumberPair": [_PAIR, _PAIR]}},
    _OK | {"Data": _PAIR},
    _OK | {"Data": [_PAIR]},
    _OK | {"RealTimeInstanceState": {"AgentStateDistributions": {"AgentStateCount": [{"State": "Ready", "Count": 3}]}}},
    _OK | {"PhoneNumbers": {"PhoneNumber": [_NUMBER]}},
    _OK | {"Instances": {"CallCenterInstance": [_INSTANCE]}},
    _OK | {"PhoneNumber": {"Number": CANDIDATE, "City": "北京", "Province": "北京"}},
    _OK | {"CalleeAvaliable": {"Avaliable": True, "Reason": ""}, "CallerAvaliable": {"Avaliable": "false"}},
    _OK | {"Data": {"List": [_NUMBER], "TotalCount": 1, "PageNumber": 1, "PageSize": 100}},
    _OK | {"Data": {"List": [_INSTANCE], "TotalCount": 1}},
    _OK | {"Data": {"ReadyAgents": 3, "TalkingAgents": "1", "InstanceId": "ccc-test"}},
]


@dataclass(frozen=True)
class Reply:
    """A reply to decode."""

    operation: Operation[Any]
    status: int
    headers: dict[str, str]
    body: bytes

    def reproducer(self) -> str:
        """Return a line of Python that decodes it again."""
        body = repr(self.body)
        if len(body) > 400:
            packed = base64.b85encode(zlib.compress(self.body, 9)).decode("ascii")
            body = f"zlib.decompress(base64.b85decode({packed!r}))"
        place = OPERATIONS.index(self.operation)
        return f"check(Reply(OPERATIONS[{place}], {self.status}, {self.headers!r}, {body}))"


def protocol() -> CccProtocol:
    """Make a protocol whose clock stands still."""
    return CccProtocol(
        parse_endpoint(""), StaticCredentials(AccessKey("testid", "testsecret", "tok+en/==")), clock=lambda: NOW
    )


_SENT = {id(operation): protocol().prepare(operation) for operation in OPERATIONS}


def check(reply: Reply) -> CccError | None:
    """Decode a reply as the transports do, and check all that must be true of any.

    :returns: the error that it is, if it is one.
    """
    ours, sent = protocol(), _SENT[id(reply.operation)]
    before = time.perf_counter()
    error: CccError | None = None
    try:
        ours.decode(reply.operation, reply.status, reply.headers, reply.body, sent=sent)
    except CccError as raised:
        error = raised
    assert time.perf_counter() - before < SLOW, "took too long"
    if error is not None:
        text = str(error)
        assert text, "an error without a text"
        assert text.isprintable(), "an error's text that is unfit for a log"
        assert len(text) < 1000, "an error's text without a bound"
        assert error.http_status == reply.status, "an error with another status"
        assert error.retry_after is None or 0 <= error.retry_after < 1e13, "an impossible wait"
        # A request's id is the service's own, and never shortened.
        said = text.replace(f"(RequestId {error.request_id})", "")
        for hidden in (*reply.operation.phone_numbers(), "testsecret", "tok+en/=="):
            assert hidden not in said, "an error that shows what is secret or personal"
    return error


def check_remedy(reply: Reply, error: CccError) -> None:
    """Check that whatever a reply says is wrong, the next request can be made."""
    ours = protocol()
    if ours.remedy(error):
        ours.prepare(reply.operation)


# --- what is thrown ---------------------------------------------------------------------------------------------------


def corpus() -> list[bytes]:
    """Collect every body of tests/fixtures, and the answers that are not documented."""
    found: list[bytes] = [json.dumps(answer, ensure_ascii=False).encode() for answer in _UNDOCUMENTED]
    for version in fixture("responses.json").values():
        for action, answer in version.items():
            found += [answer["json_text"].encode(), answer["xml"].encode()]
            found.append(f"<{action}Response>{answer['xml']}</{action}Response>".encode())
    errors = fixture("errors.json")
    for entry in errors["real_or_documented_bodies"] + errors["constructed_bodies"]:
        found.append(entry["body_text"].encode() if "body_text" in entry else json.dumps(entry["body"]).encode())
    return found


#: What may stand in the place of any part of an answer.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 200, 500, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 0.0, -0.0, 1.5, 1e308),
    *("", " ", "OK", "ok", "true", "false", "0", "x", "\x00", "\ud800", "\u2028", "١٢٣", "²", "é中😀"),
    *("9" * 19, "9" * 25),
    *("Throttling.User", "SignatureDoesNotMatch", "InvalidTimeStamp.Expired", "InvalidSecurityToken.Expired"),
    *("Specified signature is not matched. server string to sign is:POST&%2F&x", CALLEE, CANDIDATE, "1089767654"),
    *([], {}, [[]], [{}], [None], {"": ""}, {"Number": {}}, [1, "a", None], ["x"] * 50),
]
TOKENS = [
    *(b"null", b"true", b"NaN", b"Infinity", b"-", b"1e999", b"-0", b'""', b"[]", b"{}", b'"\\ud800"', b'"\\u0000"'),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"<", b">", b"</", b"<a/>", b"&amp;", b"&#0;", b"&#xD800;", b"&x;", b"]]>"),
    *(b"<![CDATA[", b"<!--", b"<?xml version='1.0' encoding='utf-16'?>", b"<!DOCTYPE a>", b"<html>", b"9" * 400),
    *(b"9" * 5000, b'{"a":' * 50, b"[" * 200, b"<a>" * 200, b" " * 3000, b'"OK"', b'"Code":', b"<Code>OK</Code>"),
]
DATES = [
    *("Tue, 02 Jan 2024 03:04:05 GMT", "Tue, 02 Jan 2024 03:04:05 +9999", "31 Dec 9999 23:59:59 -2300", "0", "-1", ""),
    *("01 Jan 0000 00:00:00 +2359", "1 Jan 100 00:00:00 +2359", "Sun Nov  6 08:49:37 1994", "é", "\x00", " ", ","),
    *("Mon, 99 Foo 2024 99:99:99 GMT", "9" * 30, "1" * 5000, "1 Jan 2024 1:2:3 " + "9" * 20, "٣", "²", "1.5", "nan"),
]
HEADERS = ["Date", "date", "Retry-After", "RETRY-AFTER", "x-acs-retry-after", "X-Acs-Request-Id", "Content-Type", ""]


class Mutator:
    """Makes replies, always the same for the same seed."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._corpus = corpus()

    def reply(self) -> Reply:
        source = self._source
        body = source.choice(self._corpus)
        for _ in range(source.choice((0, 1, 1, 2, 3, 8))):
            body = source.choice(self._CHANGES)(self, body)
        headers = {source.choice(HEADERS): self._header() for _ in range(source.choice((0, 0, 1, 2)))}
        return Reply(source.choice(OPERATIONS), source.choice(STATUSES), headers, body[:200_000])

    def _header(self) -> str:
        text = self._source.choice(DATES)
        if text and self._source.random() < 0.5:
            at = self._source.randrange(len(text))
            text = text[:at] + self._source.choice("0123456789 :,-+TZé\x00.") + text[at + 1 :]
        return text

    def _flip(self, body: bytes) -> bytes:
        changed = bytearray(body or b"0")
        changed[self._source.randrange(len(changed))] = self._source.randrange(256)
        return bytes(changed)

    def _cut(self, body: bytes) -> bytes:
        return body[: self._source.randint(0, len(body))]

    def _remove(self, body: bytes) -> bytes:
        at = self._source.randint(0, len(body))
        return body[:at] + body[at + self._source.randint(1, 40) :]

    def _repeat(self, body: bytes) -> bytes:
        at = self._source.randint(0, len(body))
        return body[:at] + body[at : at + self._source.randint(1, 60)] * 2 + body[at:]

    def _insert(self, body: bytes) -> bytes:
        at = self._source.randint(0, len(body))
        return body[:at] + self._source.choice(TOKENS) + body[at:]

    def _splice(self, body: bytes) -> bytes:
        other = self._source.choice(self._corpus)
        return body[: self._source.randint(0, len(body))] + other[self._source.randint(0, len(other)) :]

    def _swap_a_part(self, body: bytes) -> bytes:
        """Put something else where one part of a JSON answer stands."""
        try:
            return self._with_another_part(body)
        except (ValueError, RecursionError):  # no JSON, or too deep, or now a tree that holds itself
            return self._insert(body)

    def _with_another_part(self, body: bytes) -> bytes:
        tree = json.loads(body)
        places: list[tuple[Any, Any]] = []
        _places(tree, places)
        if not places:
            return self._insert(body)
        holder, name = self._source.choice(places)
        change = self._source.randrange(6)
        if change == 0:
            holder[name] = self._source.choice(places)[0]
        elif change == 1:
            holder[name] = [holder[name]] * self._source.randint(1, 3)
        elif change == 2 and isinstance(holder, dict):
            value = holder.pop(name)
            holder[self._source.choice((name.lower(), name.upper(), name + "s", "Code", "Data", "Success"))] = value
        elif change == 3:
            marker = "deep-here"
            holder[name] = marker
            depth = self._source.choice((10, 100, 200, 300, 450, 500, 700, 900, 990, 1100, 5000))
            before, after = self._source.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"Data":[', b"]}")))
            return json.dumps(tree).encode().replace(f'"{marker}"'.encode(), before * depth + b"1" + after * depth)
        else:
            holder[name] = copy.deepcopy(self._source.choice(VALUES))
        return json.dumps(tree).encode()

    _CHANGES: tuple[Callable[[Mutator, bytes], bytes], ...] = (
        *(_flip, _cut, _remove, _repeat, _insert, _splice),
        *(_swap_a_part,) * 6,
    )


def _places(tree: Any, places: list[tuple[Any, Any]]) -> None:
    """Find every part of a tree, as what holds it and its name there."""
    if isinstance(tree, dict | list):
        for name, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            places.append((tree, name))
            _places(value, places)


# --- a long run -------------------------------------------------------------------------------------------------------


def failure_of(reply: Reply) -> str:
    """Say what is wrong with how a reply is decoded, and where; "" if nothing is."""
    try:
        if (refused := check(reply)) is not None:
            check_remedy(reply, refused)
    except Exception as error:
        return described(error)
    return ""


def described(error: Exception) -> str:
    """Name a failure, the same for the same cause."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    said = f": {error}" if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__}{said} in {frame.name}"


def smallest(reply: Reply, failure: str) -> Reply:
    """Take parts out of a reply for as long as it fails in the same way."""

    def fails(other: Reply) -> bool:
        return failure_of(other) == failure

    for name in list(reply.headers):
        fewer = Reply(reply.operation, reply.status, {k: v for k, v in reply.headers.items() if k != name}, reply.body)
        reply = fewer if fails(fewer) else reply
    step = max(1, len(reply.body) // 2)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        shrunk = False
        for at in range(0, len(reply.body), step):
            fewer = Reply(reply.operation, reply.status, reply.headers, reply.body[:at] + reply.body[at + step :])
            if len(fewer.body) < len(reply.body) and fails(fewer):
                reply, shrunk = fewer, True
                break
            if time.monotonic() > until:
                break
        if not shrunk:
            if step == 1:
                break
            step //= 2
    return reply


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Throw replies at the decoder.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=None, help="by default another one each time")
    chosen = parser.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else random.randrange(2**32)
    print(f"seed {seed}", flush=True)
    mutator = Mutator(random.Random(seed))
    until, said = time.monotonic() + chosen.minutes * 60, time.monotonic()
    executions = decoded = 0
    failures: dict[str, int] = {}
    while time.monotonic() < until:
        for _ in range(500):
            reply = mutator.reply()
            executions += 1
            try:
                refused = check(reply)
                if refused is None:
                    decoded += 1
                else:
                    check_remedy(reply, refused)
            except Exception as error:
                # Not by decoding it again: what depends on the stack's depth may not come twice.
                failure = described(error)
                failures[failure] = failures.get(failure, 0) + 1
                if failures[failure] == 1:
                    print(f"FAILURE {failure}\n  {smallest(reply, failure).reproducer()}", flush=True)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(f"{executions} executions, {decoded} answers, failures {failures}", flush=True)
    print(f"{executions} executions, {decoded} answers, failures {failures}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
