"""Every documented request, answer and error of tests/fixtures, in every form that it is documented in.

What is added to a fixture is tested with the rest. What single answers mean is in tests/unit/client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client import operations_2017 as v2017
from airflow_provider_ccc.client import operations_2020 as v2020
from airflow_provider_ccc.client.answers import Tree
from airflow_provider_ccc.client.operation import Operation
from tests.fuzz import OPERATIONS, protocol
from tests.support import fixture

MODULES = {"2017-07-05": v2017, "2020-07-01": v2020}
ANSWERS = [
    pytest.param(version, action, answer, id=f"{action} of {version}")
    for version, actions in fixture("responses.json").items()
    for action, answer in actions.items()
]
DOCUMENTED_ERRORS = [
    pytest.param(error, id=error["code"])
    for actions in fixture("responses.json").values()
    for answer in actions.values()
    for error in answer["errors"]
]
ERRORS = fixture("errors.json")
ERROR_BODIES = ERRORS["real_or_documented_bodies"] + ERRORS["constructed_bodies"]


class AsItCame(Operation[Tree]):
    """Gives the answer's tree, whatever the operation."""

    def __init__(self, action: str) -> None:
        self.action = action  # type: ignore[misc]

    def parameters(self) -> dict[str, str]:
        return {}

    def read(self, tree: Tree, request_id: str) -> Tree:
        return tree


def forms(action: str, answer: dict[str, Any]) -> Iterator[str]:
    """Write an answer as it is documented, and the XML also as it really comes."""
    yield answer["json_text"]
    yield json.dumps(answer["json"])
    yield answer["xml"]
    if not answer["xml"].startswith(f"<{action}Response>"):
        rooted = f"<{action}Response>\n{answer['xml']}\n</{action}Response>"
        yield rooted
        yield f"<?xml version='1.0' encoding='UTF-8'?>\n{rooted}"


def documented_request(answer: dict[str, Any]) -> dict[str, str]:
    text = answer["request_example"].replace("http(s)", "https").replace("\n", "").replace("[Endpoint]", "endpoint")
    parameters = dict(parse_qsl(urlsplit(text).query, strict_parsing=False))
    return {name: value for name, value in parameters.items() if name != "Action"}


def operation_of(version: str, action: str, sent: dict[str, str]) -> Operation[Any] | None:
    """Make the operation of a documented request; ``None`` where there is none."""
    kind = getattr(MODULES[version], action, None)
    if kind is None:
        return None
    repeated = {name.partition(".")[0] for name in sent if name.partition(".")[2].isdecimal()}
    fields: dict[str, Any] = {
        {"CandidateNumber": "candidate_numbers", "SkillGroupId": "skill_group_ids"}[name]: [
            value for each, value in sent.items() if each.startswith(f"{name}.")
        ]
        for name in repeated
    }
    for name, field in (("CalleeNumber", "callee_number"), ("CalledNumber", "callee_number"), ("Number", "number")):
        if name in sent:
            fields[field] = sent[name]
    for name, field in (("InstanceId", "instance_id"), ("Callee", "callee"), ("Caller", "caller")):
        if name in sent:
            fields[field] = sent[name]
    for name, field in (("Count", "count"), ("PageNumber", "page_number"), ("PageSize", "page_size")):
        if name in sent:
            fields[field] = int(sent[name])
    for name, field in (("IsVirtual", "is_virtual"), ("OutboundOnly", "outbound_only")):
        if name in sent:
            fields[field] = sent[name] == "true"
    if "SkillGroupIdList" in sent:
        fields["skill_group_ids"] = json.loads(sent["SkillGroupIdList"])
    return kind(**fields)


def texts(value: Any) -> Iterator[str]:
    """Find every text in an answer."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def as_xml_has_it(value: Any) -> Any:
    """Write a JSON answer as the same in XML reads: all text, a list of one as that one, an empty one as ""."""
    if isinstance(value, dict):
        return {name: as_xml_has_it(inner) for name, inner in value.items()} or ""
    if isinstance(value, list):
        inner = [as_xml_has_it(each) for each in value]
        return inner if len(inner) > 1 else inner[0] if inner else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def without_empty_lists(value: Any) -> Any:
    """Take out what an element without children leaves open: whose list it was that is empty."""
    if isinstance(value, dict):
        kept = {name: without_empty_lists(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in ("", {}, [])}
    return [without_empty_lists(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("version", "action", "answer"), ANSWERS)
def test_a_documented_request_is_what_is_sent(version: str, action: str, answer: dict[str, Any]) -> None:
    documented = documented_request(answer)
    assert documented.get("InstanceId")
    operation = operation_of(version, action, documented)
    if operation is None:  # then it is here for its answer, and must not be one that the client calls
        assert action not in {each.action for each in OPERATIONS if each.version == version}
    else:
        assert (operation.action, operation.version) == (action, version)
        assert operation.parameters().items() <= documented.items()


@pytest.mark.parametrize(("version", "action", "answer"), ANSWERS)
def test_a_documented_answer_reads_the_same_in_every_form(version: str, action: str, answer: dict[str, Any]) -> None:
    expected = without_empty_lists(as_xml_has_it(answer["json"]))
    for form in forms(action, answer):
        tree = protocol().decode(AsItCame(action), 200, {}, form.encode())
        assert without_empty_lists(as_xml_has_it(tree)) == expected

    operation = operation_of(version, action, documented_request(answer)) or AsItCame(action)
    read = [protocol().decode(operation, 200, {}, form.encode()) for form in forms(action, answer)]
    if not isinstance(operation, AsItCame):
        assert all(each == read[0] for each in read)
    found = [text for text in texts(msgspec.to_builtins(read[0])) if text]
    assert found
    if not isinstance(operation, AsItCame):
        for text in found:  # nothing is made up, but for a number's lost zero
            assert text in answer["json_text"] or text.lstrip("0") in answer["json_text"]


@pytest.mark.parametrize("error", DOCUMENTED_ERRORS)
def test_a_documented_error_of_an_operation_is_known(error: dict[str, str]) -> None:
    kind = errors.classify(error["code"], int(error["http"]))
    # Whatever the status, as a known code counts more.
    assert kind is errors.classify(error["code"], 500)
    assert not kind.retryable


@pytest.mark.parametrize("entry", ERROR_BODIES, ids=lambda entry: entry["source"][:60])
def test_an_error_is_the_same_whatever_was_asked(entry: dict[str, Any]) -> None:
    body = entry["body_text"] if "body_text" in entry else json.dumps(entry["body"])
    raised: list[errors.CccError] = []
    for operation in OPERATIONS:
        with pytest.raises(errors.CccError) as caught:
            protocol().decode(operation, entry["http"], entry.get("headers", {}), body.encode())
        raised.append(caught.value)
    assert len({(type(error), error.code, error.http_status, error.request_id) for error in raised}) == 1
    assert raised[0].http_status == entry["http"]
    if isinstance(entry.get("body"), dict):
        code, request_id = entry["body"]["Code"], entry["body"]["RequestId"]
        assert (raised[0].code, raised[0].request_id) == (code, request_id)
        asks = "x-acs-retry-after" in entry.get("headers", {})
        assert type(raised[0]) is errors.classify(code, entry["http"], asks_to_wait=asks)
