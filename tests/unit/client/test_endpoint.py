from __future__ import annotations

import pytest

from airflow_provider_ccc.client.endpoint import parse_endpoint
from airflow_provider_ccc.client.errors import CccParameterError


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({"host": None}, "https://ccc.cn-shanghai.aliyuncs.com"),
        ({"host": " "}, "https://ccc.cn-shanghai.aliyuncs.com"),
        ({"host": "", "region_id": "cn-hangzhou"}, "https://ccc.cn-hangzhou.aliyuncs.com"),
        ({"host": "ccc.aliyuncs.com"}, "https://ccc.aliyuncs.com"),
        ({"host": "https://ccc.aliyuncs.com/"}, "https://ccc.aliyuncs.com"),
        ({"host": "http://127.0.0.1:8790"}, "http://127.0.0.1:8790"),
        ({"host": "127.0.0.1:8790"}, "https://127.0.0.1:8790"),
        ({"host": "127.0.0.1", "port": 8790}, "https://127.0.0.1:8790"),
        ({"host": "127.0.0.1", "port": 8790, "scheme": "http"}, "http://127.0.0.1:8790"),
        ({"host": "http://127.0.0.1:8790", "port": 8790}, "http://127.0.0.1:8790"),
        ({"host": "https://h", "scheme": "http"}, "https://h"),
        ({"host": "http://[::1]:8790"}, "http://[::1]:8790"),
    ],
)
def test_url(arguments, url):
    assert parse_endpoint(**arguments).url == url


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"host": "https://h/path"}, "host"),
        ({"host": "h/path"}, "host"),
        ({"host": "h?x=1"}, "host"),
        ({"host": "https://h#x"}, "host"),
        ({"host": "ftp://h"}, "host"),
        ({"host": "https://"}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "a..b"}, "host"),
        ({"host": "-a"}, "host"),
        ({"host": "a" * 64 + ".com"}, "host"),
        ({"host": "a." * 130}, "host"),
        ({"host": "", "region_id": "a" * 64}, "region_id"),
        ({"host": "h:99999"}, "host"),
        ({"host": "h:x"}, "host"),
        ({"host": "https://[::1"}, "host"),
        ({"host": "https://user:pass@h"}, "host"),
        ({"host": "h:0"}, "port"),
        ({"host": "h", "port": 0}, "port"),
        ({"host": "h", "port": 65536}, "port"),
        ({"host": "h:1", "port": 2}, "port"),
        ({"host": "h", "scheme": "ftp"}, "schema"),
        ({"host": "", "region_id": "cn shanghai"}, "region_id"),
        ({"host": "", "region_id": "evil.example.com/"}, "region_id"),
    ],
)
def test_refuses(arguments, parameter):
    with pytest.raises(CccParameterError) as caught:
        parse_endpoint(**arguments)
    assert caught.value.parameter == parameter
    assert "pass" not in caught.value.what.replace("password", "")


@pytest.mark.parametrize(
    ("host", "readable"),
    [
        ("http://example.com", True),
        ("http://10.0.0.1", True),
        ("http://127.0.0.1", False),
        ("http://127.8.9.1", False),
        ("http://[::1]", False),
        ("http://localhost", False),
        ("https://example.com", False),
    ],
)
def test_is_readable_on_the_way(host, readable):
    assert parse_endpoint(host).is_readable_on_the_way is readable
