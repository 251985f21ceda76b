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
        "api_version": {
            "label": "API version",
            "description": "2017-07-05 for a 1.x instance, whose id is a UUID; 2020-07-01 for a 2.x one.",
            "schema": {
                "type": ["string", "null"],
                "enum": ["2017-07-05", "2020-07-01"],
                "default": "2017-07-05",
            },
        },
        "signature": {
            "label": "Signature",
            "description": "v1 (HMAC-SHA1) or v3 (ACS3-HMAC-SHA256); empty for the API version's own.",
            "schema": {"type": ["string", "null"], "enum": ["", "v1", "v3"]},
        },
        "credentials": {
            "label": "Credentials",
            "description": "Where the AccessKey comes from; all but access_key and sts need the extra [credentials].",
            "schema": {
                "type": ["string", "null"],
                "enum": [
                    "access_key",
                    "sts",
                    "ram_role_arn",
                    "oidc_role_arn",
                    "ecs_ram_role",
                    "credentials_uri",
                    "default",
                ],
                "default": "access_key",
            },
        },
        "security_token": {
            "label": "STS token",
            "description": "Only for a temporary AccessKey of the Security Token Service.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "role_arn": {
            "label": "Role ARN",
            "description": "The RAM role to assume, for ram_role_arn and oidc_role_arn.",
            "schema": {"type": ["string", "null"]},
        },
        "role_session_name": {
            "label": "Role session name",
            "description": "What the role's use is called in audit logs.",
            "schema": {"type": ["string", "null"], "default": "airflow-provider-ccc"},
        },
        "role_session_expiration": {
            "label": "Role session expiration (seconds)",
            "description": "How long a role's credentials are good before they are fetched anew.",
            "schema": {"type": ["integer", "null"], "default": 3600, "minimum": 900, "maximum": 43200},
        },
        "policy": {
            "label": "Role policy",
            "description": "JSON that narrows what the role's credentials may do.",
            "schema": {"type": ["string", "null"]},
        },
        "external_id": {
            "label": "External ID",
            "description": "For ram_role_arn, if the role's trust policy asks for one.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "sts_endpoint": {
            "label": "STS endpoint",
            "description": "The host of the Security Token Service; empty for sts.aliyuncs.com.",
            "schema": {"type": ["string", "null"]},
        },
        "oidc_provider_arn": {
            "label": "OIDC provider ARN",
            "description": "For oidc_role_arn (RRSA).",
            "schema": {"type": ["string", "null"]},
        },
        "oidc_token_file_path": {
            "label": "OIDC token file",
            "description": "For oidc_role_arn (RRSA): the file on the worker that holds the token.",
            "schema": {"type": ["string", "null"]},
        },
        "role_name": {
            "label": "ECS role name",
            "description": "For ecs_ram_role; empty for the one role of the ECS instance.",
            "schema": {"type": ["string", "null"]},
        },
        "credentials_uri": {
            "label": "Credentials URI",
            "description": "For credentials_uri: an address that answers with temporary credentials.",
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
            "description": "Empty or true, false, or the path of a file with the certificates to trust.",
            "schema": {"type": ["string", "boolean", "null"]},
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
        "triggers": [{"integration-name": name, "python-modules": ["airflow_provider_ccc.triggers.ccc"]}],
        "extra-links": [
            "airflow_provider_ccc.links.ccc.CccConsoleLink",
            "airflow_provider_ccc.links.ccc.CccErrorCenterLink",
            "airflow_provider_ccc.links.ccc.CccReportLink",
        ],
        "cli": ["airflow_provider_ccc.cli.get_ccc_cli_commands"],
        "task-decorators": [{"class-name": "airflow_provider_ccc.decorators.ccc.ccc_pick_task", "name": "ccc_pick"}],
        "connection-types": [CONNECTION],
    }
