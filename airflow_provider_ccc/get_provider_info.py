"""What Airflow reads when it discovers providers. Imports nothing, because Airflow reads it at every start.

:data:`CONNECTION` is the one definition of the connection form: Airflow 3.2 and newer read it from here, older ones
through ``CccHook.get_ui_field_behaviour``. The schema: ``provider.yaml.schema.json`` in Airflow's core package.
"""

from __future__ import annotations

from typing import Any

CONNECTION: dict[str, Any] = {
    "connection-type": "ccc",
    "hook-class-name": "airflow_provider_ccc.hooks.ccc.CccHook",
    "hook-name": "Alibaba Cloud Call Center",
    "ui-field-behaviour": {
        "hidden-fields": ["schema"],
        "relabeling": {
            "login": "AccessKey ID",
            "password": "AccessKey Secret",
            "host": "Endpoint",
        },
        "placeholders": {
            "login": "LTAI...",
            "host": "empty for the region's own, such as ccc.cn-shanghai.aliyuncs.com",
            "port": "empty for 443",
            "extra": '{"region_id": "cn-shanghai", "instance_id": "..."}',
        },
    },
    "conn-fields": {
        "region_id": {
            "label": "Region",
            "description": "The region whose endpoint is called where Endpoint is empty.",
            "schema": {"type": ["string", "null"], "default": "cn-shanghai"},
        },
        "instance_id": {
            "label": "Instance ID",
            "description": "The call centre instance that is used where a task names none.",
            "schema": {"type": ["string", "null"]},
        },
        "security_token": {
            "label": "STS token",
            "description": "Only for a temporary AccessKey of the Security Token Service.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "timeout": {
            "label": "Timeout (seconds)",
            "description": "How long to wait for an answer. Connecting is given at most 5 seconds of it.",
            "schema": {"type": ["number", "null"], "default": 30, "minimum": 0.1},
        },
        "proxy": {
            "label": "Proxy",
            "description": "An HTTP proxy, such as http://proxy.example.com:3128.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "verify": {
            "label": "TLS verification",
            "description": "true, false, or the path of a file with the certificates to trust.",
            "schema": {"type": ["string", "boolean", "null"], "default": "true"},
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow."""
    name = CONNECTION["hook-name"]
    return {
        "package-name": "airflow-provider-ccc",
        "name": name,
        "description": "Resolves outbound numbers with Alibaba Cloud Call Center (CCC), `docs "
        "<https://www.alibabacloud.com/help/en/ccc>`__.",
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://www.alibabacloud.com/help/en/ccc",
                "tags": ["alibaba"],
            }
        ],
        "hooks": [{"integration-name": name, "python-modules": ["airflow_provider_ccc.hooks.ccc"]}],
        "operators": [{"integration-name": name, "python-modules": ["airflow_provider_ccc.operators.ccc"]}],
        "sensors": [{"integration-name": name, "python-modules": ["airflow_provider_ccc.sensors.ccc"]}],
        "connection-types": [CONNECTION],
    }
