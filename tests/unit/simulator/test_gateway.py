from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
import requests

from airflow_provider_ccc.simulator import gateway
from airflow_provider_ccc.simulator.gateway import WINDOW, _Nonces, _Quota
from airflow_provider_ccc.simulator.server import SimulatorSettings, running

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"


def timestamp(offset: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


REFUSALS = [
    ({"Action": None}, 400, "MissingAction"),
    ({"Version": None}, 400, "MissingVersion"),
    ({"Version": "2016-01-01"}, 400, "InvalidVersion"),
    ({"Action": "HangUpEverybody"}, 404, "InvalidAction.NotFound"),
    ({"AccessKeyId": None}, 400, "MissingAccessKeyId"),
    ({"AccessKeyId": "someone"}, 404, "InvalidAccessKeyId.NotFound"),
    ({"SignatureMethod": "HMAC-SHA256"}, 400, "InvalidSignatureMethod"),
    ({"SignatureMethod": None}, 400, "InvalidSignatureMethod"),
    ({"SignatureVersion": "2.0"}, 400, "InvalidSignatureVersion"),
    ({"SignatureNonce": None}, 400, "MissingSignatureNonce"),
    ({"Timestamp": None}, 400, "MissingTimestamp"),
    ({"Timestamp": "2024-01-02 03:04:05"}, 400, "InvalidTimeStamp.Format"),
    ({"Timestamp": "2024-13-02T03:04:05Z"}, 400, "InvalidTimeStamp.Format"),
    ({"Timestamp": "2024-01-02T03:04:05Z"}, 400, "InvalidTimeStamp.Expired"),
    ({"SecurityToken": "token"}, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
    ({"InstanceId": None}, 400, "MissingInstanceId"),
    ({"InstanceId": ""}, 400, "MissingInstanceId"),
    ({"CalleeNumber": None}, 400, "MissingCalleeNumber"),
    ({"CandidateNumber.1": None}, 400, "MissingCandidateNumber"),
    ({"CandidateNumber.1": ""}, 400, "MissingCandidateNumber"),
    ({"CandidateNumber.1": None, "CandidateNumber.x": "1"}, 400, "MissingCandidateNumber"),
    ({"Count": None}, 400, "MissingCount"),
    *(({"Count": count}, 400, "InvalidCount") for count in ("0", "-1", "1.5", "many", "٣", "9" * 5000)),
    ({"InstanceId": "x"}, 404, "NotExist.Instance"),
    ({"Action": "PickGlobalOutboundNumbers"}, 400, "MissingSkillGroupId"),
    ({"Action": "PickGlobalOutboundNumbers", "SkillGroupId.1": "x"}, 404, "NotExists.SkillGroupId"),
    (
        {"Action": "PickGlobalOutboundNumbers", "SkillGroupId.1": "x", "IsVirtual": "perhaps"},
        400,
        "InvalidIsVirtual",
    ),
    ({"Action": "ListPhoneNumbers"}, 400, "MissingOutboundOnly"),
    ({"Action": "ListPhoneNumbers", "OutboundOnly": "1"}, 400, "InvalidOutboundOnly"),
    ({"Action": "GetInstance", "InstanceId": None}, 400, "MissingInstanceId"),
]


@pytest.mark.parametrize("kind", ["json", "XML"])
@pytest.mark.parametrize(("own", "status", "code"), REFUSALS)
def test_refusal(ask, own, status, code, kind):
    answer = ask({**own, "Format": kind})
    assert answer.status_code == status
    if kind == "XML":
        assert answer.headers["Content-Type"] == "text/xml;charset=utf-8"
        root = ET.fromstring(answer.content)  # noqa: S314 - our own
        assert root.tag == "Error"
        body = {element.tag: element.text for element in root}
    else:
        assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
        body = answer.json()
    assert body["Code"] == code
    assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert body["HostId"] == "ccc.cn-shanghai.aliyuncs.com"
    assert body["RequestId"] == body["RequestId"].upper()
    assert code in body["Recommend"]


def test_texts_that_clients_look_at(ask):
    def message(**own):
        return ask(own).json()["Message"]

    assert message(Action="X") == "Specified api is not found, please check your url and method."
    assert message(InstanceId="x") == "Call center instance 'x' does not exist"
    assert message(Timestamp="2001-01-01T00:00:00Z") == "Specified time stamp or date value is expired."
    assert message(**{"CandidateNumber.1": None}) == "CandidateNumber is mandatory for this action."


@pytest.mark.parametrize("kind", [None, ""])
def test_format_is_xml_by_default(ask, kind):
    assert ask({"Format": kind}).text.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<PickOutboundNumbersResponse>'
    )


def test_unknown_format(ask):
    answer = ask({"Format": "YAML"})
    assert answer.status_code == 400
    assert "<Code>InvalidParameter.Format</Code>" in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_unsupported_method(simulator, sign, method):
    answer = requests.request(method, simulator.url, params=sign(method=method), timeout=10)
    assert (answer.status_code, answer.json()["Code"]) == (400, "UnsupportedHTTPMethod")


def test_missing_signature(simulator, sign):
    parameters = sign()
    del parameters["Signature"]
    answer = requests.post(simulator.url, data=parameters, timeout=10)
    assert (answer.status_code, answer.json()["Code"]) == (400, "MissingSignature")


def in_query(url, parameters):
    return requests.get(url, params=parameters, timeout=10)


def in_query_by_post(url, parameters):
    return requests.post(url, params=parameters, timeout=10)


def in_body(url, parameters):
    return requests.post(url, data=parameters, timeout=10)


def common_in_query(url, parameters):
    own = {name: value for name, value in parameters.items() if name.startswith(("Ca", "Co", "In"))}
    assert own
    common = {name: value for name, value in parameters.items() if name not in own}
    return requests.post(url, params=common, data=own, timeout=10)


@pytest.mark.parametrize("send", [in_query, in_query_by_post, in_body, common_in_query])
def test_every_placement(simulator, sign, send):
    own = {"CandidateNumber.1": "+86 10*~/é中", "CandidateNumber.2": "a&b=c%", "SignatureType": "", "Count": "2"}
    parameters = sign(own, method="GET" if send is in_query else "POST")
    answer = send(simulator.url, parameters)
    assert answer.status_code == 200, answer.text
    pairs = answer.json()["DialNumberPairs"]["DialNumberPair"]
    assert {pair["Caller"]["Number"] for pair in pairs} == {"+86 10*~/é中", "a&b=c%"}


def test_body_that_is_no_form_does_not_count(simulator, sign):
    parameters = sign()
    headers = {"Content-Type": "application/octet-stream"}
    body = requests.Request("POST", simulator.url, data=parameters).prepare().body
    answer = requests.post(simulator.url, data=body, headers=headers, timeout=10)
    assert "<Code>MissingAction</Code>" in answer.text


@pytest.mark.parametrize("signed_as", [{"secret": "wrong"}, {"method": "GET"}])
def test_wrong_signature(simulator, sign, signed_as):
    parameters = sign({"CalleeNumber": "+86 10*~"}, **signed_as)
    answer = requests.post(simulator.url, data=parameters, timeout=10)
    assert (answer.status_code, answer.json()["Code"]) == (400, "SignatureDoesNotMatch")
    start = "Specified signature is not matched with our calculation. server string to sign is:"
    text = answer.json()["Message"]
    assert text.startswith(f"{start}POST&%2F&AccessKeyId%3Dtestid%26Action%3DPickOutboundNumbers%26")
    assert "CalleeNumber%3D%252B86%252010%252A~%26" in text
    assert "Signature%3D" not in text


@pytest.mark.parametrize(
    "change", [{"CalleeNumber": "1"}, {"Extra": ""}, {"Signature": "é"}, {"CandidateNumber.1": "\ud7ff\0"}]
)
def test_changed_after_signing(simulator, sign, change):
    answer = requests.post(simulator.url, data={**sign(), **change}, timeout=10)
    assert (answer.status_code, answer.json()["Code"]) == (400, "SignatureDoesNotMatch")


def test_nonce_cannot_be_used_twice(simulator, sign):
    parameters = sign()
    codes = [requests.post(simulator.url, data=parameters, timeout=10).json()["Code"] for _ in range(2)]
    assert codes == ["OK", "SignatureNonceUsed"]


def test_nonce_is_not_used_up_by_a_refused_request(simulator, sign):
    nonce = "nonce-of-a-refused-request"
    wrong = requests.post(simulator.url, data=sign({"SignatureNonce": nonce}, secret="no"), timeout=10)
    right = requests.post(simulator.url, data=sign({"SignatureNonce": nonce}), timeout=10)
    assert (wrong.json()["Code"], right.json()["Code"]) == ("SignatureDoesNotMatch", "OK")


def test_nonces_are_remembered_for_15_to_30_minutes():
    for start in (0.0, 1.0, WINDOW / 2, WINDOW - 0.5):
        nonces = _Nonces()
        assert nonces.add("n", start)
        assert not nonces.add("n", start + WINDOW)
        assert nonces.add("n", start + 2 * WINDOW)


def test_clock_skew(ask):
    now = [time.time()]
    with running(SimulatorSettings(clock=lambda: now[0])) as shifted:
        assert ask(url=shifted.url).json()["Code"] == "OK"
        now[0] += WINDOW + 60
        late = ask(url=shifted.url)
        assert late.json()["Code"] == "InvalidTimeStamp.Expired"
        # The refusal's Date tells the server's clock, so that a client can correct its own.
        assert parsedate_to_datetime(late.headers["Date"]).timestamp() == int(now[0])
        assert ask({"Timestamp": timestamp(WINDOW)}, url=shifted.url).json()["Code"] == "OK"
        now[0] -= 2 * (WINDOW + 60)
        assert ask(url=shifted.url).json()["Code"] == "InvalidTimeStamp.Expired"


@pytest.mark.parametrize("offset", [-WINDOW + 60, WINDOW - 60])
def test_time_within_the_window(ask, offset):
    assert ask({"Timestamp": timestamp(offset)}).status_code == 200


def test_security_token(ask):
    with running(SimulatorSettings(security_token="tok+en/==")) as sts:
        assert ask({"SecurityToken": "tok+en/=="}, url=sts.url).json()["Code"] == "OK"
        assert ask({}, url=sts.url).json()["Code"] == "MissingSecurityToken"
        mismatch = ask({"SecurityToken": "old"}, url=sts.url)
        assert mismatch.status_code == 400
        assert mismatch.json()["Code"] == "InvalidSecurityToken.MismatchWithAccessKey"


def test_quota(ask):
    with running(SimulatorSettings(qps=3)) as limited:
        answers = [ask(url=limited.url) for _ in range(5)]
        codes = Counter(answer.json()["Code"] for answer in answers)
        # 5 requests in a row take less than a second, or, on a very slow machine, more of them pass.
        assert codes["OK"] >= 3
        assert [answer.json()["Code"] for answer in answers[:3]] == ["OK"] * 3
        for answer in answers:
            if answer.json()["Code"] != "OK":
                assert answer.status_code == 400
                assert answer.json()["Code"] == "Throttling.User"
                assert answer.json()["Message"] == "Request was denied due to user flow control."
        time.sleep(1.05)
        assert ask(url=limited.url).json()["Code"] == "OK"


def test_quota_slides(monkeypatch):
    now = [100.0]
    # In this module only: event loops of other simulators go by the same function.
    monkeypatch.setattr(gateway, "time", SimpleNamespace(monotonic=lambda: now[0]))
    quota = _Quota(2)
    taken = []
    for moment in (100.0, 100.6, 100.9, 101.0, 101.5, 101.6):
        now[0] = moment
        taken.append(quota.take())
    # The third is one too many; at 101.0 the first is a second old; at 101.6 the second is.
    assert taken == [True, True, False, True, False, True]


def test_throttled_request_has_used_its_nonce(sign):
    with running(SimulatorSettings(qps=1)) as limited:
        requests.post(limited.url, data=sign(), timeout=10)
        for _ in range(20):
            parameters = sign()
            code = requests.post(limited.url, data=parameters, timeout=10).json()["Code"]
            if code == "Throttling.User":
                break
        assert code == "Throttling.User"
        again = requests.post(limited.url, data=parameters, timeout=10)
        assert again.json()["Code"] == "SignatureNonceUsed"
