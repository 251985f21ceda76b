"""All operations of CCC, by API version and name."""

from __future__ import annotations

from airflow_provider_ccc.simulator import operations_2017, operations_2020
from airflow_provider_ccc.simulator.operation import Operation

__all__ = ["OPERATIONS", "Operation"]

OPERATIONS: dict[str, dict[str, Operation]] = {
    version: {operation.name: operation for operation in operations}
    for version, operations in (
        ("2017-07-05", operations_2017.OPERATIONS),
        ("2020-07-01", operations_2020.OPERATIONS),
    )
}
