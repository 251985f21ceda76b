"""The hook's transport, against requests-mock. What it does over real HTTP is in tests/system."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qs

import certifi
import pytest
import requests
import requests_mock
from urllib3.exceptions import LocationParseError, MaxRetryError, NameResolutionError

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.operations_2017 import Operation
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.get_provider_info import CONNECTION
from airflow_provider_ccc.hooks.ccc import CccHook
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture

URL = "https://ccc.cn-shanghai.aliyuncs.com/"
PICKED = fixture("responses.json")["2017-07-05"]["PickOutboundNumbers"]["json"]
INSTANCE = fixture("responses.json")["2017-07-05"]["GetInstance"]["json"]
NO_RETRY = RetryPolicy(attempts=1)


@pytest.fixture
def service(connection):
    with requests_mock.Mocker() as mocker:
        yield mocker


def form(request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.text, keep_blank_values=True).items()}


def test_pick_outbound_numbers(service):
    service.post(URL, json=PICKED)
    picked = CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE], count=2, instance_id="other")
    assert picked.request_id == "DE803553-8AA9-4B9D-9E4E-A82BC69EDCEE"
    assert (picked.pairs[0].callee.number, picked.pairs[0].caller.number) == (CALLEE, CANDIDATE)
    (request,) = service.request_history
    assert request.qs == {"action": ["pickoutboundnumbers"], "version": ["2017-07-05"]}
    sent = form(request)
    assert (sent["InstanceId"], sent["Count"], sent["CandidateNumber.1"]) == ("other", "2", CANDIDATE)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert int(request.headers["Content-Length"]) == len(request.text)
    assert (request.timeout, request.verify) == ((5.0, 30.0), True)


def test_pick_global_outbound_numbers(service):
    service.post(URL, json=PICKED)
    CccHook(instance_id="hooks").pick_global_outbound_numbers(CALLEE, ["g"], is_virtual=True)
    sent = form(service.last_request)
    assert (sent["InstanceId"], sent["SkillGroupId.1"], sent["IsVirtual"]) == ("hooks", "g", "true")


def test_get_instance_and_list_phone_numbers(service):
    service.post(URL, json=INSTANCE)
    assert CccHook().get_instance().status == "Creating"
    assert form(service.last_request)["InstanceId"] == INSTANCE_ID
    service.post(URL, json={"Code": "OK", "PhoneNumbers": {"PhoneNumber": [{"Number": 1089767654}]}})
    assert [number.number for number in CccHook().list_phone_numbers(outbound_only=False)] == ["1089767654"]
    assert form(service.last_request)["OutboundOnly"] == "false"


def test_an_operation_of_the_users_own(service):
    class ListUsers(Operation[str]):
        action = "ListUsers"

        def parameters(self):
            return {"InstanceId": "i"}

        def read(self, tree, request_id):
            return f"{tree['Users']} {request_id}"

    service.post(URL, json={"Code": "OK", "Users": "u", "RequestId": "R"})
    assert CccHook().call(ListUsers()) == "u R"
    assert service.last_request.qs["action"] == ["listusers"]


def test_nothing_is_sent_where_parameters_are_wrong(service, connection):
    connection(extra={})
    for arguments in ((CALLEE, CANDIDATE), (CALLEE, []), ("", [CANDIDATE]), (CALLEE, [CANDIDATE])):
        with pytest.raises(errors.CccParameterError):
            CccHook().pick_outbound_numbers(*arguments)
    assert service.call_count == 0


def test_one_session_and_one_lookup_for_one_hook(service, monkeypatch):
    lookups = []
    original = CccHook.get_connection
    monkeypatch.setattr(CccHook, "get_connection", lambda *args: lookups.append(args) or original(args[-1]))
    service.post(URL, json=PICKED)
    hook = CccHook()
    session = hook.get_conn()
    for _ in range(3):
        hook.pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert hook.get_conn() is session
    assert len(lookups) == 1


def test_nothing_of_the_extra_becomes_a_header(service, connection):
    connection(extra={"instance_id": INSTANCE_ID, "security_token": "sts", "x-secret": "v", "timeout": 3})
    service.post(URL, json=PICKED)
    CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE])
    headers = service.last_request.headers
    assert headers.keys() <= {
        *("User-Agent", "Accept-Encoding", "Accept", "Connection", "Content-Type", "Content-Length", "Cookie"),
    }
    assert "Authorization" not in headers
    assert service.last_request.timeout == (3.0, 3.0)
    assert form(service.last_request)["SecurityToken"] == "sts"


def test_proxies_certificates_and_adapters_stay_usable(service, connection):
    ca = certifi.where()
    connection(extra={"instance_id": "i", "proxy": "http://p:1", "verify": ca, "cert": ca})
    service.post(URL, json=PICKED)
    CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE])
    request = service.last_request
    assert request.proxies["https"] == "http://p:1"
    assert (request.verify, request.cert) == (ca, ca)
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=3)
    assert CccHook(adapter=adapter).get_conn().get_adapter(URL) is adapter
    assert CccHook(tcp_keep_alive_idle=7).get_conn().get_adapter(URL).socket_options


@pytest.mark.parametrize(
    ("host", "verify", "warnings"),
    [
        ("http://10.1.2.3", True, 1),
        ("http://127.0.0.1:1", True, 0),
        ("https://10.1.2.3", True, 0),
        ("", True, 0),
        ("", False, 1),
    ],
)
def test_warnings(connection, host, verify, warnings, logs):
    connection(host=host, extra={"verify": verify})
    assert CccHook().settings.endpoint
    assert len([level for level, _ in logs.records if level == "warning"]) == warnings


def test_names_that_mean_nothing_are_logged(connection, logs):
    connection(extra={"instanceid": "i", "role": "r", "region_id": "cn-shanghai"})
    assert CccHook().settings.unknown == ("instanceid", "role")
    assert "instanceid, role" in logs.text


# --- failures -------------------------------------------------------------------------------------------------------


def resolution_error() -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/?x", NameResolutionError("h", None, OSError(-2, "x"))))


@pytest.mark.parametrize(
    ("raised", "kind", "code", "says"),
    [
        (requests.ConnectTimeout("secret"), errors.CccConnectionError, "Timeout", "could not connect in time"),
        (requests.ReadTimeout("secret"), errors.CccConnectionError, "Timeout", "no answer in time"),
        (requests.exceptions.ProxyError("secret"), errors.CccConnectionError, "ConnectionFailed", "proxy"),
        (resolution_error(), errors.CccConnectionError, "ConnectionFailed", "name could not be resolved"),
        (
            requests.ConnectionError(ConnectionResetError(104, "Connection reset by peer")),
            errors.CccConnectionError,
            "ConnectionFailed",
            "Connection reset by peer",
        ),
        (requests.exceptions.ChunkedEncodingError("secret"), errors.CccConnectionError, "ConnectionFailed", "no whole"),
        (
            requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "certificate verify failed: secret")),
            errors.CccCertificateError,
            "CertificateNotTrusted",
            "check host and verify",
        ),
        (requests.exceptions.InvalidURL("secret"), errors.CccParameterError, "InvalidArgument", "host or proxy"),
        (requests.exceptions.InvalidSchema("secret"), errors.CccParameterError, "InvalidArgument", "host or proxy"),
        (LocationParseError("secret"), errors.CccParameterError, "InvalidArgument", "host or proxy"),
        (
            OSError("Could not find a suitable TLS CA certificate bundle"),
            errors.CccParameterError,
            "InvalidArgument",
            "",
        ),
    ],
)
def test_what_fails_below_http(service, raised, kind, code, says):
    service.post(URL, exc=raised)
    with pytest.raises(errors.CccError, match=says or None) as caught:
        CccHook(retry=NO_RETRY).pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None  # its text would have addresses in it
    assert "secret" not in str(caught.value)


def test_each_attempt_is_signed_anew(service, monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    service.post(URL, [{"status_code": 503}, {"exc": requests.ReadTimeout}, {"text": "<html>"}, {"json": PICKED}])
    assert CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE]).pairs
    sent = [form(request) for request in service.request_history]
    assert len({one["SignatureNonce"] for one in sent}) == 4
    assert len({one["Signature"] for one in sent}) == 4


def test_refused_credentials_make_one_request(service):
    service.post(URL, status_code=404, json={"Code": "InvalidAccessKeyId.NotFound", "Message": "m", "RequestId": "R"})
    with pytest.raises(errors.CccCredentialsError):
        CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert service.call_count == 1


def test_a_redirect_is_not_followed(service):
    service.post(URL, status_code=307, headers={"Location": "https://elsewhere.example.com/"})
    with pytest.raises(errors.CccError, match="redirects are not followed"):
        CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert service.call_count == 1


# --- the connection form --------------------------------------------------------------------------------------------


def test_test_connection_with_an_instance(service):
    service.post(URL, json=INSTANCE)
    works, message = CccHook().test_connection()
    assert works
    assert message == (
        "https://ccc.cn-shanghai.aliyuncs.com accepts the AccessKey; instance '测试11111' has status 'Creating'."
    )
    assert service.call_count == 1


def test_test_connection_leaves_the_hook_as_it_was(service):
    service.post(URL, json=INSTANCE)
    hook = CccHook(retry=RetryPolicy(attempts=7))
    hook.test_connection()
    assert service.last_request.timeout == (3.0, 8.0)
    hook.get_instance()
    assert service.last_request.timeout == (5.0, 30.0)
    assert hook.retry.attempts == 7


def test_check_health_refuses_before_any_request(service):
    for wrong in ({"candidate_numbers": CANDIDATE}, {"candidate_numbers": []}, {"min_outbound_numbers": -1}):
        with pytest.raises(errors.CccParameterError):
            CccHook().check_health(**wrong)
    assert service.call_count == 0


def test_test_connection_without_an_instance(service, connection):
    connection(extra={})
    service.post(URL, json={"Code": "OK", "Instances": {"CallCenterInstance": [{"InstanceId": "a"}]}})
    works, message = CccHook().test_connection()
    assert works
    assert "can see 1 instance(s)" in message
    assert "has no instance_id" in message
    assert service.last_request.qs["action"] == ["listinstancesofuser"]


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("SignatureDoesNotMatch", 400, "password (AccessKey Secret)"),
        ("InvalidAccessKeyId.NotFound", 404, "login (AccessKey ID)"),
        ("InvalidSecurityToken.Expired", 400, "security_token"),
        ("MissingSecurityToken", 400, "security_token"),
        ("NotExist.Instance", 404, "instance_id"),
        ("AbnormalService.Ceased", 403, "instance_id"),
        ("Forbidden.RAM", 403, "RAM policy"),
        ("InvalidTimeStamp.Expired", 400, "clock"),
        ("Throttling.User", 400, "too many requests"),
        ("InvalidProduct.NotFound", 404, "host"),
        ("", 502, "HTTP 502"),
    ],
)
def test_test_connection_says_which_field_is_wrong(service, code, status, says, monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    service.post(URL, status_code=status, json={"Code": code, "Message": "m", "RequestId": "R"})
    works, message = CccHook().test_connection()
    assert not works
    assert says in message
    assert service.call_count <= 2


def test_test_connection_of_a_wrong_connection(service, connection):
    connection(password="")
    assert CccHook().test_connection() == (
        False,
        "InvalidArgument: connection 'ccc_default', password (AccessKey Secret): is empty",
    )
    connection()
    service.post(URL, exc=requests.ConnectTimeout)
    works, message = CccHook().test_connection()
    assert not works
    assert "Check host (Endpoint), port and region_id, and proxy if there is one." in message


def test_ui_field_behaviour_for_airflow_2_is_the_provider_informations():
    behaviour = CccHook.get_ui_field_behaviour()
    declared = CONNECTION["ui-field-behaviour"]
    assert behaviour == {
        "hidden_fields": declared["hidden-fields"],
        "relabeling": declared["relabeling"],
        "placeholders": declared["placeholders"],
    }
