"""What signing a request and decoding its answer cost together, without any network."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks.child import ACCESS_KEY_ID, ACCESS_KEY_SECRET, INSTANCE_ID
from benchmarks.report import Part, Setting, Table


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    repeats, calls = (2, 100) if setting.quick else (25, 4_000)
    rows, medians = [], {}
    for candidates in (2, 20):
        costs = sorted(_cost(candidates, calls) for _ in range(repeats))
        medians[candidates] = statistics.median(costs)
        rows.append((str(candidates), f"{costs[0]:.1f}", f"{medians[candidates]:.1f}", f"{costs[-1]:.1f}"))
    notes = [
        f"PickOutboundNumbers by `CccProtocol.prepare` and `.decode`; {repeats} repeats of {calls} calls, each for"
        " another callee, with a nonce and a timestamp of its own; the candidates stay the same."
    ]
    show(Table("Signing and decoding, us per call", ("candidates", "least", "median", "most"), rows, notes))
    return {"sign_and_decode_us": medians[2]}


def _cost(candidates: int, calls: int) -> float:
    """Sign and decode for `calls` callees.

    :returns: microseconds per call.
    """
    from airflow_provider_ccc.client.credentials import AccessKey, StaticCredentials
    from airflow_provider_ccc.client.endpoint import parse_endpoint
    from airflow_provider_ccc.client.operations_2017 import PickOutboundNumbers
    from airflow_provider_ccc.client.protocol import CccProtocol

    protocol = CccProtocol(
        parse_endpoint("https://ccc.cn-shanghai.aliyuncs.com"),
        StaticCredentials(AccessKey(ACCESS_KEY_ID, ACCESS_KEY_SECRET)),
    )
    numbers = [f"0108976{place:04}" for place in range(candidates)]
    pick = PickOutboundNumbers(instance_id=INSTANCE_ID, callee_number="13800138000", candidate_numbers=numbers, count=1)
    callees = [str(13_000_000_000 + place) for place in range(calls)]
    answers = [_answer(callee, numbers[place % candidates]) for place, callee in enumerate(callees)]
    headers = {"Content-Type": "application/json;charset=utf-8"}
    start = time.perf_counter()
    for callee, body in zip(callees, answers, strict=True):
        operation = pick.for_callee(callee)
        sent = protocol.prepare(operation)
        protocol.decode(operation, 200, headers, body, sent=sent)
    return (time.perf_counter() - start) / calls * 1e6


def _answer(callee: str, caller: str) -> bytes:
    place = {"City": "北京", "Province": "北京"}
    pair = {"Callee": {"Number": callee, **place}, "Caller": {"Number": caller, **place}}
    answer = {
        "RequestId": "9EE29FB7-0B35-4A2B-9F1C-1A0D3F1C8E01",
        "HttpStatusCode": 200,
        "Code": "OK",
        "Success": True,
        "DialNumberPairs": {"DialNumberPair": [pair]},
    }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


MICRO = Part("signing", ("sign_and_decode_us",), measure)
