"""Alibaba Cloud's OSS by its S3-compatible endpoint, with the connection that the documentation shows.

Requests go to the bucket's own host, as OSS wants it, through a proxy that is moto's S3. Nothing was tried against OSS.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import boto3
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from moto.server import ThreadedMotoServer

from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator

ROOT = Path(__file__).parents[2]
HOST = "s3.oss-cn-hangzhou.aliyuncs.com"


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("MOTO_S3_CUSTOM_ENDPOINTS", f"http://{HOST}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    # As the page has it, but for TLS, and with a proxy.
    [shown] = re.findall(r"AIRFLOW_CONN_OSS_DEFAULT='(.*)'", (ROOT / "docs" / "callees.md").read_text(encoding="utf-8"))
    connection = json.loads(shown)
    assert connection["extra"]["endpoint_url"] == f"https://{HOST}"
    connection["extra"]["endpoint_url"] = f"http://{HOST}"
    connection["extra"]["config_kwargs"]["proxies"] = {"http": url}
    monkeypatch.setenv("AIRFLOW_CONN_OSS_DEFAULT", json.dumps(connection))
    boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
    ).create_bucket(Bucket="campaigns")
    yield "s3://oss_default@campaigns"
    server.stop()


def test_a_campaign_from_and_to_oss(simulate, bucket):
    simulator = simulate()
    ObjectStoragePath(f"{bucket}/night/part-0.csv").write_bytes(b"callee\n13800138000\n")
    ObjectStoragePath(f"{bucket}/night/part-1.csv").write_bytes(b"callee\n13800138001\n13800138000\n")

    def resolve():
        return CccPickOutboundNumbersBatchOperator(
            task_id="pick",
            callees=f"{bucket}/night/",
            output_path=f"{bucket}/pairs",
            candidate_numbers=["01089767654"],
            part_size=2,
        ).execute({})

    manifest = resolve()
    assert (manifest["resolved"], manifest["skipped"]) == (2, 1)
    assert len(simulator.journal) == 2
    # A part is lost: a second try resolves its callee again, and no other.
    ObjectStoragePath(f"{bucket}/pairs/part-00000.ndjson").unlink()
    assert resolve()["resolved"] == 2
    assert len(simulator.journal) == 4
    there = ObjectStoragePath(f"{bucket}/pairs")
    owners = sorted(path.name for path in (there / "_owner").iterdir())
    assert owners == ["000002.json"]
    with pytest.raises(FileExistsError):
        there.fs.pipe_file(f"{there.path}/_owner/000002.json", b"{}", mode="create")
