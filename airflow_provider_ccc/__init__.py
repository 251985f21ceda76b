"""Apache Airflow provider for Alibaba Cloud Call Center (CCC)."""

__version__ = "0.1.0"
