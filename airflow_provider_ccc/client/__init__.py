"""Speaks CCC's API. Imports nothing of Airflow; one module a job, see each one's first lines."""
