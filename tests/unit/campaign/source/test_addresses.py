"""What is said of an address whose storage this Airflow does not know."""

from __future__ import annotations

import pytest

from airflow_provider_ccc.campaign.output.storage import open_folder
from airflow_provider_ccc.campaign.source import addresses, open_source
from airflow_provider_ccc.client.errors import CccParameterError


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("oss://bucket/callees.csv", "no file system for oss://; give s3://"),
        ("gs://bucket/callees.csv", "pip install apache-airflow-providers-google"),
        ("abfs://bucket/callees.csv", "pip install apache-airflow-providers-microsoft-azure"),
        ("hdfs://bucket/callees.csv", "cannot be (read|used): "),
    ],
)
def test_an_address_without_its_package_says_which_one(address, says):
    with pytest.raises(CccParameterError, match=says) as caught, open_source(address):
        pass
    assert caught.value.parameter == "callees"
    with pytest.raises(CccParameterError, match=says) as caught:
        open_folder(address)
    assert caught.value.parameter == "output_path"


def test_amazons_package(monkeypatch):
    class Path:
        protocol = "s3"

        def __init__(self, address):
            pass

        @property
        def fs(self):
            raise ImportError("s3fs")

    monkeypatch.setattr("airflow_provider_ccc.compat.ObjectStoragePath", Path)
    with pytest.raises(CccParameterError, match=r"pip install 'apache-airflow-providers-amazon\[s3fs\]'"):
        addresses.object_storage("s3://bucket/x.csv", "callees")
