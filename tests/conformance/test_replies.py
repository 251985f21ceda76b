"""No reply makes the decoder raise anything but a CccError, whatever was asked.

tests/fuzz.py runs the same for as long as one likes.
"""

from __future__ import annotations

import inspect
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_ccc.client import operations_2017 as v2017
from airflow_provider_ccc.client import operations_2020 as v2020
from airflow_provider_ccc.client.operation import InstanceOperation, Operation, PickOperation
from tests.fuzz import DATES, HEADERS, OPERATIONS, STATUSES, VALUES, Mutator, Reply, check, check_remedy, corpus

KEYS = [
    *("Code", "code", "Success", "Message", "RequestId", "HttpStatusCode", "Data", "List", "TotalCount", "NumberList"),
    *("DialNumberPairs", "DialNumberPair", "Callee", "Caller", "Number", "City", "Province", "Usage", "Active"),
    *("Instance", "Instances", "CallCenterInstance", "PhoneNumbers", "PhoneNumber", "AllowOutbound", "Status", "Id"),
    *("RealTimeInstanceState", "AgentStateDistributions", "AgentStateCount", "State", "Count", "ReadyAgents"),
    *("CalleeAvaliable", "CallerAvaliable", "Avaliable", "Reason"),
]
#: A part of an answer: of any type, wherever it is.
parts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=30,
)
answers = st.dictionaries(st.sampled_from(KEYS), parts, max_size=8).map(lambda answer: {"Code": "OK"} | answer)


def xml(value: Any, name: str = "a") -> str:
    if isinstance(value, dict):
        return f"<{name}>{''.join(xml(inner, key) for key, inner in value.items())}</{name}>"
    if isinstance(value, list):
        return "".join(xml(inner, name) for inner in value)
    return f"<{name}>{value}</{name}>"


bodies = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(str.encode),
    parts.map(lambda part: json.dumps(part).encode()),
    answers.map(lambda answer: json.dumps(answer).encode()),
    answers.map(lambda answer: xml(answer).encode("utf-8", "surrogatepass")),
    st.sampled_from(corpus()),
    st.sampled_from(corpus()).flatmap(lambda body: st.integers(0, len(body)).map(lambda end: body[:end])),
)
headers = st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(DATES) | st.text(max_size=30), max_size=4)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.action} of {each.version}")
def test_no_reply_raises_anything_but_a_ccc_error(operation: Operation[Any]) -> None:
    @settings(max_examples=150, derandomize=True)
    @given(bodies, st.sampled_from(STATUSES) | st.integers(100, 999), headers)
    def whatever(body: bytes, status: int, headers: dict[str, str]) -> None:
        # These assert all that must be true of any reply and of the next request, and let any other error through.
        reply = Reply(operation, status, headers, body)
        if error := check(reply):
            check_remedy(reply, error)

    whatever()


def test_no_changed_answer_raises_anything_but_a_ccc_error() -> None:
    mutator = Mutator(random.Random(20200701))
    outcomes = {check(mutator.reply()) is None for _ in range(5000)}
    assert outcomes == {True, False}  # some are still answers


@pytest.mark.parametrize("depth", [10, 100, 5_000, 100_000])
@pytest.mark.parametrize("bracket", [(b"[", b"]"), (b'{"Data":', b"}")], ids=["lists", "objects"])
def test_no_depth_raises_anything_but_a_ccc_error(depth: int, bracket: tuple[bytes, bytes]) -> None:
    for operation in OPERATIONS:
        for key in (b"Data", b"Success", b"Code", b"RequestId", b"DialNumberPairs"):
            nested = bracket[0] * depth + b"1" + bracket[1] * depth
            error = check(Reply(operation, 200, {}, b'{"Code": "OK", "' + key + b'": ' + nested + b"}"))
            # Between, it is the interpreter's to say: Python 3.13 reads ten times as deep as 3.11.
            assert error is not None or depth < 100_000
        assert check(Reply(operation, 200, {}, b"<a>" * depth + b"</a>" * depth)) is not None


def test_every_operation_is_among_those_that_are_tried() -> None:
    kinds = {
        kind
        for module in (v2017, v2020)
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, Operation)
        and kind not in (Operation, InstanceOperation, PickOperation)
    }
    assert kinds == {type(operation) for operation in OPERATIONS}
