"""Addresses of object storages: which package knows a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_ccc.client.errors import CccParameterError

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import ObjectStoragePath

#: The package that lets Airflow's ObjectStoragePath read a protocol.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "'apache-airflow-providers-amazon[s3fs]'"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}


def object_storage(address: str, parameter: str) -> ObjectStoragePath:
    """Make a path of an address, and see that its storage is known.

    :param parameter: what the address is called, for errors.
    :raises CccParameterError: it is not; the text says which package knows it.
    :raises ValueError: nothing is known of such addresses.
    """
    from airflow_provider_ccc.compat import ObjectStoragePath

    try:
        path = ObjectStoragePath(address)
        if path.protocol not in ("", "file", "local"):
            _ = path.fs
    except (ImportError, ValueError):
        protocol = address.partition("://")[0].lower()
        if protocol == "oss":
            raise CccParameterError(
                parameter,
                "Airflow has no file system for oss://; give s3:// with a connection to OSS's S3-compatible endpoint,"
                " which needs 'apache-airflow-providers-amazon[s3fs]', as the documentation's page on callees shows",
            ) from None
        if protocol in _PACKAGES:
            raise CccParameterError(
                parameter, f"{protocol}:// needs a package that is not there: pip install {_PACKAGES[protocol]}"
            ) from None
        raise
    return path
