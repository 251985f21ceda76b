"""From an operation to a signed request, and from every shape of reply to an answer or an error."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.client import errors, signing
from airflow_provider_ccc.client.credentials import AccessKey, StaticCredentials
from airflow_provider_ccc.client.endpoint import parse_endpoint
from airflow_provider_ccc.client.operations_2017 import (
    GetInstance,
    ListInstancesOfUser,
    ListPhoneNumbers,
    Operation,
    PickGlobalOutboundNumbers,
    PickOutboundNumbers,
)
from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES, CccProtocol
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture

NOW = 1704164645.0  # 2024-01-02T03:04:05Z
RESPONSES = fixture("responses.json")["2017-07-05"]
ERRORS = fixture("errors.json")
PICK = PickOutboundNumbers(instance_id=INSTANCE_ID, callee_number=CALLEE, candidate_numbers=[CANDIDATE])


def protocol(token: str | None = None) -> CccProtocol:
    return CccProtocol(
        parse_endpoint(""),
        StaticCredentials(AccessKey("testid", "testsecret", token)),
        clock=lambda: NOW,
        nonce=lambda: "0123456789abcdef0123456789abcdef",
    )


def decode(body: object, status: int = 200, operation: Operation = PICK, **headers: str):
    if isinstance(body, dict | list):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    return protocol().decode(operation, status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


# --- prepare --------------------------------------------------------------------------------------------------------


def test_request_carries_the_vectors_signature():
    sent = protocol().prepare(PICK)
    form = dict(parse_qsl(sent.body.decode(), keep_blank_values=True))
    assert form["Signature"] == "9QW91lNJoOKmar3PntHjQw8y9ks="
    assert sent.method == "POST"
    assert sent.url == "https://ccc.cn-shanghai.aliyuncs.com/?Action=PickOutboundNumbers&Version=2017-07-05"
    assert form.keys() == {
        *("AccessKeyId", "CalleeNumber", "CandidateNumber.1", "Count", "Format", "InstanceId", "Signature"),
        *("SignatureMethod", "SignatureNonce", "SignatureVersion", "Timestamp"),
    }


def test_what_is_signed_is_what_is_sent():
    token = "tok+en/=="
    sent = protocol(token).prepare(PICK)
    parameters = {
        name: values[0]
        for part in (urlsplit(sent.url).query, sent.body.decode())
        for name, values in parse_qs(part, keep_blank_values=True, strict_parsing=True).items()
    }
    signature = parameters.pop("Signature")
    assert parameters["SecurityToken"] == token
    assert signature == signing.signature_v1(signing.string_to_sign("POST", parameters), "testsecret")


def test_what_is_reused_from_call_to_call_is_never_stale():
    class Changing:
        key = AccessKey("testid", "testsecret")

        def get(self) -> AccessKey:
            return self.key

    now = [NOW]
    credentials = Changing()
    reusing = CccProtocol(parse_endpoint(""), credentials, clock=lambda: now[0], nonce=lambda: "n")
    other = PickOutboundNumbers(instance_id="i", callee_number=CALLEE, candidate_numbers=[CANDIDATE], count=2)
    group = PickGlobalOutboundNumbers(instance_id="i", callee_number=CALLEE, skill_group_ids=["a b"])
    for operation in (PICK, PICK.for_callee("13800138000"), other, group, PICK, GetInstance(instance_id="a")):
        for change in ("nothing", "the second", "the key"):
            if change == "the second":
                now[0] += 1
            elif change == "the key":
                credentials.key = AccessKey("another", "secret", "token")
            afresh = CccProtocol(parse_endpoint(""), credentials, clock=lambda: now[0], nonce=lambda: "n")
            sent, expected = reusing.prepare(operation), afresh.prepare(operation)
            assert sent == expected
            assert dict(parse_qsl(sent.body.decode())).items() >= operation.parameters().items()
        credentials.key = AccessKey("testid", "testsecret")


def test_nothing_secret_or_personal_is_in_the_url_or_shown():
    sent = protocol("sts-token").prepare(PICK)
    for text in (sent.url, str(sent.headers), repr(sent)):
        for hidden in (CALLEE, CANDIDATE, "testsecret", "sts-token", "testid", "Signature"):
            assert hidden not in text


def test_every_attempt_has_its_own_nonce():
    anew = CccProtocol(parse_endpoint(""), StaticCredentials(AccessKey("testid", "testsecret")))
    nonces = {dict(parse_qsl(anew.prepare(PICK).body.decode()))["SignatureNonce"] for _ in range(1000)}
    assert len(nonces) == 1000


# --- documented answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json_text", "xml"])
def test_the_seeds_example_as_printed(form):
    picked = decode(RESPONSES["PickOutboundNumbers"][form])
    assert picked.request_id == "DE803553-8AA9-4B9D-9E4E-A82BC69EDCEE"
    assert [pair.as_dict() for pair in picked.pairs] == [
        {
            "callee": {"number": "165787876896", "city": "北京", "province": "北京"},
            "caller": {"number": "01089767654", "city": "北京", "province": "北京"},
        }
    ]


@pytest.mark.parametrize("form", ["json_text", "xml"])
@pytest.mark.parametrize("rooted", [False, True])
def test_get_instance_as_printed(form, rooted):
    text = RESPONSES["GetInstance"][form]
    if rooted and form == "xml":
        text = f"<?xml version='1.0' encoding='UTF-8'?>\n<GetInstanceResponse>{text}</GetInstanceResponse>"
    instance = decode(text, operation=GetInstance(instance_id="x"))
    assert instance.instance_id == "ef1e71e9-ae9d-487c-96ad-9181d85cf802"
    assert (instance.name, instance.status, instance.domain_name) == ("测试11111", "Creating", "111")
    assert instance.request_id == "2778FA12-EDD6-42AA-9B15-AF855072E5E5"
    (number,) = instance.phone_numbers
    assert (number.number, number.usage, number.allow_outbound) == ("02500000000", "Bidirection", True)


@pytest.mark.parametrize("form", ["json_text", "xml"])
def test_list_phone_numbers_in_the_documented_shape(form):
    # The answer of AddBulkPhoneNumbers is documented and has the list that ListPhoneNumbers has.
    text = RESPONSES["AddBulkPhoneNumbers"][form].replace("AddBulkPhoneNumbersResponse", "ListPhoneNumbersResponse")
    listed = decode(text, operation=ListPhoneNumbers(instance_id="x"))
    assert [number.number for number in listed] == ["02160664656", "01086394552"]
    assert all(number.allow_outbound for number in listed)


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ({"Usage": "Inbound", "AllowOutbound": "true"}, True),
        ({"Usage": "Outbound", "AllowOutbound": False}, False),
        ({"Usage": "Bidirection"}, True),
        ({"Usage": "Outbound", "AllowOutbound": ""}, True),
        ({"Usage": "Inbound"}, False),
        ({}, False),
    ],
)
def test_whether_a_number_may_call_out(number, allowed):
    body = {"Code": "OK", "PhoneNumbers": {"PhoneNumber": number | {"Number": "1"}}}
    assert decode(body, operation=ListPhoneNumbers(instance_id="x"))[0].allow_outbound is allowed


def test_list_instances_of_user():
    body = {"Code": "OK", "Instances": {"CallCenterInstance": [{"InstanceId": "a"}, {"InstanceId": "b"}]}}
    assert [found.instance_id for found in decode(body, operation=ListInstancesOfUser())] == ["a", "b"]


# --- quirks of answers ----------------------------------------------------------------------------------------------


def pair(caller: object = CANDIDATE, callee: object = CALLEE) -> dict:
    return {"Callee": {"Number": callee, "City": "北京"}, "Caller": {"Number": caller, "Province": "北京"}}


def answer(pairs: object, **envelope: object) -> dict:
    return {"RequestId": "R-1", "Code": "OK", "Success": True, "DialNumberPairs": pairs} | envelope


@pytest.mark.parametrize(
    ("pairs", "count"),
    [
        ({"DialNumberPair": pair()}, 1),
        ({"DialNumberPair": [pair()]}, 1),
        ({"DialNumberPair": [pair(), pair()]}, 2),
        ({"DialNumberPair": []}, 0),
        ({"DialNumberPair": None}, 0),
        ({"DialNumberPair": ""}, 0),
        ({"DialNumberPair": {}}, 0),
        ([pair()], 1),
        ([pair(), pair()], 2),
        (pair(), 1),
        ({}, 0),
        ("", 0),
        (None, 0),
        ([], 0),
    ],
)
def test_shapes_of_a_list(pairs, count):
    assert len(decode(answer(pairs)).pairs) == count


def test_an_absent_list():
    assert decode({"Code": "OK", "Success": True}).pairs == ()


@pytest.mark.parametrize("xml", ["<DialNumberPairs/>", "<DialNumberPairs>\n  </DialNumberPairs>", ""])
def test_empty_lists_in_xml(xml):
    body = f"<PickOutboundNumbersResponse><Code>OK</Code>{xml}</PickOutboundNumbersResponse>"
    assert decode(body).pairs == ()


@pytest.mark.parametrize("success", ["true", "True", True, 1, "1"])
def test_success_in_every_spelling(success):
    assert decode(answer({"DialNumberPair": pair()}, Success=success, HttpStatusCode="200")).pairs


def test_success_without_code_is_enough():
    body = answer({"DialNumberPair": pair()})
    del body["Code"]
    assert decode(body).pairs


@pytest.mark.parametrize("caller", [CANDIDATE, CANDIDATE.lstrip("0"), int(CANDIDATE), "00" + CANDIDATE])
def test_lost_zeros_come_back(caller):
    assert decode(answer({"DialNumberPair": pair(caller)})).pairs[0].caller.number == CANDIDATE


def test_of_two_candidates_that_match_neither_is_guessed():
    both = PickOutboundNumbers(
        instance_id="i", callee_number=CALLEE, candidate_numbers=["01089767654", "001089767654", "02160664656"]
    )
    body = answer({"DialNumberPair": [pair(1089767654), pair(2160664656)]})
    assert [read.caller.number for read in decode(body, operation=both).pairs] == ["1089767654", "02160664656"]


def test_a_callees_lost_zero_comes_back_and_another_callee_stays():
    landline = PickOutboundNumbers(instance_id="i", callee_number="01065529988", candidate_numbers=[CANDIDATE])
    body = answer({"DialNumberPair": [pair(callee=1065529988), pair(callee="8601065529988")]})
    assert [read.callee.number for read in decode(body, operation=landline).pairs] == ["01065529988", "8601065529988"]


def test_global_pick_keeps_callers_as_they_came():
    operation = PickGlobalOutboundNumbers(instance_id="i", callee_number=CALLEE, skill_group_ids=["g"])
    body = answer({"DialNumberPair": pair(2160664656)})
    assert decode(body, operation=operation).pairs[0].caller.number == "2160664656"


def test_a_caller_that_is_no_candidate_is_an_error_that_says_so():
    with pytest.raises(errors.CccUnexpectedAnswerError, match=r"216\*\*\*\*4656 is none of the candidate") as caught:
        decode(answer({"DialNumberPair": pair("2160664656")}))
    assert (caught.value.http_status, caught.value.request_id) == (200, "R-1")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "body",
    [
        answer({"DialNumberPair": "x"}),
        answer({"DialNumberPair": ["x"]}),
        answer({"DialNumberPair": [[]]}),
        answer({"DialNumberPair": 7}),
        answer("x"),
        answer({"Other": [pair()]}),
        answer({"DialNumberPair": {"Callee": {}, "Caller": {}}}),
        answer({"DialNumberPair": pair(caller=None)}),
        answer({"DialNumberPair": pair(caller=True)}),
        answer({"DialNumberPair": pair(caller=1.5)}),
        answer({"DialNumberPair": pair(caller={"x": 1})}),
        {},
        {"RequestId": "R-1"},
        {"DialNumberPairs": {"DialNumberPair": pair()}},
        [],
        "[1]",
        '"text"',
        "7",
        "null",
        "<GetInstanceResponse><Code>OK</Code></GetInstanceResponse>",
        "<a><Code>OK</Code></a>",
        "<PickOutboundNumbersResponse>text</PickOutboundNumbersResponse>",
    ],
    ids=lambda body: json.dumps(body, ensure_ascii=False)[:60],
)
def test_what_cannot_be_right_is_refused_for_good(body):
    with pytest.raises(errors.CccUnexpectedAnswerError) as caught:
        decode(body)
    assert caught.value.http_status == 200
    assert caught.value.code == "UnexpectedAnswer"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<PickOutboundNumbersResponse><Code>&b;</Code></PickOutboundNumbersResponse>"
)
OUTSIDE = (
    '<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<PickOutboundNumbersResponse><Code>&x;</Code></PickOutboundNumbersResponse>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html><body>Sign in to continue</body></html>",
        b"<!DOCTYPE html><p>hello",
        b"plain text",
        b"\xff\xfe\x00",
        b"<a>\xff</a>",
        b"[" * 100_000,
        b"<a>" * 100_000,
        b"<",
        BOMB.encode(),
        OUTSIDE.encode(),
        json.dumps(RESPONSES["PickOutboundNumbers"]["json"]).encode()[:-20],
        RESPONSES["PickOutboundNumbers"]["xml"].encode()[:-20],
        b'{"Code": "OK", "x": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_answer_at_all_may_be_tried_again(body):
    with pytest.raises(errors.CccUnreadableAnswerError) as caught:
        decode(body)
    assert caught.value.retryable
    assert (caught.value.code, caught.value.http_status) == ("UnreadableAnswer", 200)


def test_a_body_that_is_too_large_is_not_parsed():
    with pytest.raises(errors.CccUnexpectedAnswerError, match="larger than"):
        decode(b" " * (MAX_ANSWER_BYTES + 1))


def test_a_byte_order_mark_is_no_obstacle():
    for form in ("json_text", "xml"):
        assert decode(b"\xef\xbb\xbf" + RESPONSES["PickOutboundNumbers"][form].encode()).pairs


# --- errors ---------------------------------------------------------------------------------------------------------


def error_of(body: object, status: int, **headers: str) -> errors.CccError:
    with pytest.raises(errors.CccError) as caught:
        decode(body, status, **headers)
    return caught.value


@pytest.mark.parametrize("entry", ERRORS["real_or_documented_bodies"] + ERRORS["constructed_bodies"])
def test_documented_error_bodies(entry):
    body = entry.get("body") or entry["body_text"]
    error = error_of(body, entry["http"], **entry.get("headers", {}))
    assert error.http_status == entry["http"]
    if isinstance(body, dict):
        assert (error.code, error.request_id) == (body["Code"], body["RequestId"])
        lower = {name.lower(): value for name, value in body.items()}
        assert error_of(lower, entry["http"]).request_id == body["RequestId"]
        xml = "<Error>" + "".join(f"<{k}>{v.replace('&', '&amp;')}</{k}>" for k, v in body.items()) + "</Error>"
        assert str(error_of(xml, entry["http"])) == str(error)
    elif "html" in body:
        assert (type(error), error.code) == (errors.CccTransientError, "HTTP 502")
    else:
        assert error.code in body
        assert error.request_id in body
        assert error.request_id


def test_an_error_inside_http_200():
    error = error_of({"RequestId": "R", "Success": False, "Code": "NotExist.Instance", "Message": "m"}, 200)
    assert type(error) is errors.CccNotFoundError
    error = error_of({"RequestId": "R", "Success": "false", "Code": "OK", "HttpStatusCode": 500}, 200)
    assert (type(error), error.http_status, error.code) == (errors.CccTransientError, 200, "HTTP 500")
    error = error_of({"RequestId": "R", "Success": True, "Code": "New.Code", "HttpStatusCode": "403"}, 200)
    assert type(error) is errors.CccPermissionError
    error = error_of({"Code": "New.Code"}, 200)
    assert type(error) is errors.CccError
    assert not error.retryable


@pytest.mark.parametrize("body", ["", "<html></html>", "[]", "{}", "nonsense", '{"Code": {"x": 1}}', '{"Code": null}'])
def test_an_error_without_a_code_goes_by_its_status(body):
    assert type(error_of(body, 503)) is errors.CccTransientError
    assert type(error_of(body, 429)) is errors.CccThrottledError
    assert type(error_of(body, 403)) is errors.CccPermissionError


def test_a_redirect_is_not_followed():
    error = error_of("", 302, Location="https://elsewhere.example.com")
    assert not error.retryable
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_acs_retry_after": "1500"}, 1.5),
        ({"X_Acs_Retry_After": "20"}, 0.02),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": format_datetime(datetime.fromtimestamp(NOW + 9, UTC), usegmt=True)}, 9.0),
        ({"Retry_After": format_datetime(datetime.fromtimestamp(NOW - 9, UTC), usegmt=True)}, 0.0),
        ({"x_acs_retry_after": "1500", "Retry_After": "7"}, 1.5),
        ({"Retry_After": "soon"}, None),
        ({"x_acs_retry_after": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers, seconds):
    error = error_of({"Code": "Throttling.User", "Message": "m"}, 400, **headers)
    assert type(error) is errors.CccThrottledError
    assert error.retry_after == seconds


def test_whatever_says_when_to_come_back_is_throttled():
    assert type(error_of({"Code": "ServiceBusy"}, 400, x_acs_retry_after="10")) is errors.CccThrottledError


@pytest.mark.parametrize("seconds", [-1200, 1200])
def test_a_clock_that_is_off(seconds):
    theirs = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=seconds)
    ours = protocol()
    with pytest.raises(errors.CccClockError) as caught:
        ours.decode(PICK, 400, {"Date": format_datetime(theirs, usegmt=True)}, b'{"Code": "InvalidTimeStamp.Expired"}')
    assert f"1200 s {'ahead of' if seconds > 0 else 'behind'} the service's" in str(caught.value)
    assert ours.remedy(caught.value)
    assert ours.clock_offset == -seconds
    form = dict(parse_qsl(ours.prepare(PICK).body.decode()))
    assert form["Timestamp"] == theirs.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    "date",
    ["", "nonsense", "Mon, 99 Foo 2024 00:00:00 GMT", "31 Dec 9999 23:59:59 -2300", "Thu, 01 Jan 1970 00:00:00 GMT"],
)
def test_a_clock_that_cannot_be_corrected(date):
    ours = protocol()
    with pytest.raises(errors.CccClockError) as caught:
        ours.decode(PICK, 400, {"Date": date}, b'{"Code": "IllegalTimestamp"}')
    assert not ours.remedy(caught.value)
    assert ours.clock_offset == 0


def test_another_threads_signer_signs_nothing_of_ours():
    """Between the look at a signer and its use another thread may have put its own there."""
    ours = protocol()
    other = dataclasses.replace(PICK, candidate_numbers=["02160664656"])

    class Meddling(PickOutboundNumbers):
        def shape(self):
            ours.prepare(other)  # as another thread would, while this one asks whether the signer serves
            return super().shape()

    mine = Meddling(instance_id=INSTANCE_ID, callee_number=CALLEE, candidate_numbers=[CANDIDATE])
    for _ in range(3):
        form = dict(parse_qsl(ours.prepare(mine).body.decode()))
        assert form["CandidateNumber.1"] == CANDIDATE


def test_a_number_that_stands_in_a_code_is_not_shown():
    error = error_of({"Code": f"{CANDIDATE}-"}, 400)
    assert CANDIDATE not in str(error)
    assert error.code == "010****7654-"


def test_a_wrong_secret_is_told_from_a_changed_request():
    ours = protocol()
    sent = ours.prepare(PICK)
    prefix = "Specified signature is not matched with our calculation. server string to sign is:"

    def refusal(text: str) -> str:
        body = json.dumps({"Code": "SignatureDoesNotMatch", "Message": prefix + text}).encode()
        with pytest.raises(errors.CccCredentialsError) as caught:
            ours.decode(PICK, 400, {}, body, sent=sent)
        assert CALLEE not in str(caught.value)
        assert "testid" not in str(caught.value)
        return str(caught.value)

    assert "the AccessKey Secret (password) does not belong" in refusal(sent.string_to_sign)
    assert "changes requests" in refusal(sent.string_to_sign + "x")


def test_messages_are_fit_for_logs():
    ours = protocol("sts/token+1")
    sent = ours.prepare(PICK)
    echo = (
        f"bad\n{CALLEE}\x1b[31m x{CANDIDATE}y, own 02160664656, testsecret sts/token+1 sts%2Ftoken%2B1 "
        f"{sent.secrets[0]} {signing.percent_encode(sent.secrets[0])} CandidateNumber.1%3D1089767654 "
        "sts%2ftoken%2b1 sts%252Ftoken%252B1 " + "long " * 1000
    )
    body = json.dumps({"Code": "InvalidCalleeNumber", "Message": echo}).encode()
    with pytest.raises(errors.CccRequestError) as caught:
        ours.decode(PICK, 400, {}, body, sent=sent)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    assert "165****6896" in message
    assert "021****4656" in message
    for hidden in (CALLEE, CANDIDATE[1:], "2160664656", "testsecret", "sts/token", "sts%2", *sent.secrets):
        assert hidden not in message


# --- whatever comes -------------------------------------------------------------------------------------------------

KNOWN_KEYS = [
    *("Code", "code", "Success", "Message", "RequestId", "HttpStatusCode", "DialNumberPairs", "DialNumberPair"),
    *("Callee", "Caller", "Number", "City", "Instance", "Status", "PhoneNumbers", "PhoneNumber"),
]

anything = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(str.encode),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Code",
                        "code",
                        "Success",
                        "Message",
                        "RequestId",
                        "HttpStatusCode",
                        "DialNumberPairs",
                        "DialNumberPair",
                        "Callee",
                        "Caller",
                        "Number",
                        "City",
                        "Instance",
                        "Status",
                        "PhoneNumbers",
                        "PhoneNumber",
                    ]
                )
                | st.text(max_size=5),
                inner,
                max_size=6,
            )
        ),
        max_leaves=30,
    ).map(lambda tree: json.dumps(tree).encode()),
)


@given(
    body=anything,
    status=st.sampled_from([200, 204, 302, 400, 403, 404, 429, 500, 503]),
    headers=st.dictionaries(
        st.sampled_from(["Date", "Retry-After", "x-acs-retry-after", "x-acs-request-id"]), st.text(max_size=30)
    ),
    operation=st.sampled_from(
        [PICK, GetInstance(instance_id="i"), ListPhoneNumbers(instance_id="i"), ListInstancesOfUser()]
    ),
)
def test_no_reply_raises_anything_but_a_ccc_error(body, status, headers, operation):
    error = None
    try:
        protocol().decode(operation, status, headers, body)
    except errors.CccError as raised:
        error = raised
    assert error is None or (error.http_status == status and str(error).isprintable())


# --- the usual answer's short way ------------------------------------------------------------------------------------

NUMBER = st.fixed_dictionaries(
    {"Number": st.sampled_from([CALLEE, CANDIDATE, CANDIDATE.lstrip("0"), 1089767654, "", None])},
    optional={"City": st.sampled_from(["北京", "", None, 1]), "Province": st.sampled_from(["北京", {}])},
)
USUAL = st.fixed_dictionaries(
    {"RequestId": st.sampled_from(["9EE29FB7-0B35", "a b", "", 7]), "Code": st.sampled_from(["OK", "ok", "Failed"])},
    optional={
        "Success": st.sampled_from([True, False, "true"]),
        "HttpStatusCode": st.just(200),
        "DialNumberPairs": st.one_of(
            st.fixed_dictionaries(
                {"DialNumberPair": st.lists(st.fixed_dictionaries({"Callee": NUMBER, "Caller": NUMBER}), max_size=3)}
            ),
            st.sampled_from([None, "", []]),
        ),
    },
)


@pytest.mark.parametrize(
    "operation",
    [PICK, PickGlobalOutboundNumbers(instance_id=INSTANCE_ID, callee_number=CALLEE, skill_group_ids=["g"])],
)
def test_the_short_way_gives_what_the_long_way_gives(operation):
    taken = []

    @given(USUAL)
    def both_ways(answer):
        body = json.dumps(answer).encode()
        usual = operation.read_usual(body)
        if usual is not None:
            taken.append(usual)
            tree = json.loads(body)
            assert usual == operation.read(tree, tree["RequestId"])
            assert (answer["Code"], answer["Success"]) == ("OK", True)

    both_ways()
    body = json.dumps(RESPONSES["PickOutboundNumbers"]["json"]).encode()
    pair = {"Callee": {"Number": CALLEE, "City": "北京", "Province": "北京"}}
    pair["Caller"] = pair["Callee"] | {"Number": CANDIDATE}
    usual = {"RequestId": "R", "Code": "OK", "Success": True, "DialNumberPairs": {"DialNumberPair": [pair]}}
    assert operation.read_usual(json.dumps(usual).encode()) == decode(usual, operation=operation)
    assert operation.read_usual(body[:-1]) is None
    assert operation.read_usual(b"\xff") is None
