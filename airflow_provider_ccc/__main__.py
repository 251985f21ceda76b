"""``python -m airflow_provider_ccc``: the provider's commands, on any version of Airflow."""

from airflow_provider_ccc.cli import main

main()
