"""Where callees come from: a list, a file, or a range of a file's rows."""

from airflow_provider_ccc.campaign.source.paths import is_path, names_a_file
from airflow_provider_ccc.campaign.source.rows import Row, Source, Survey, open_source, split_callees

__all__ = ["Row", "Source", "Survey", "is_path", "names_a_file", "open_source", "split_callees"]
