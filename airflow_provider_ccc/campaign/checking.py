"""A look at callees before a campaign: what would be called, what not and why, and how long it takes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from airflow_provider_ccc.campaign.picking.progress import duration
from airflow_provider_ccc.campaign.source import open_source
from airflow_provider_ccc.campaign.source.exclusion import Exclusion
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import counted


@dataclass(frozen=True)
class Checked:
    """What a look at callees found.

    :param rows: data rows.
    :param empty: empty lines.
    :param malformed: rows that have no number that can be called.
    :param duplicates: rows whose number stands further up.
    :param excluded: callees that are left out.
    :param to_resolve: callees that are asked about.
    :param seconds: how long that takes at the quota.
    :param examples: rows that are malformed, with the reason; numbers shortened.
    """

    rows: int
    empty: int
    malformed: int
    duplicates: int
    excluded: int
    to_resolve: int
    seconds: float
    examples: list[tuple[int, str]]

    @property
    def text(self) -> str:
        """One line for people."""
        return (
            f"{counted(self.rows, 'row')}: {self.to_resolve} to resolve, {self.malformed} malformed,"
            f" {counted(self.duplicates, 'duplicate')}, {self.excluded} excluded; {counted(self.empty, 'empty line')}."
            f" At this quota: {duration(self.seconds)}"
        )


def check_callees(
    callees: Any, *, exclude: Exclusion | None = None, qps: float, examples: int = 20, **settings: Any
) -> Checked:
    """Read callees as a campaign would, and send no request.

    :param callees: as :func:`~airflow_provider_ccc.campaign.source.open_source` takes them, with its other settings.
    :param qps: calls per second that the account's quota allows.
    :param examples: how many malformed rows to describe.
    :raises CccParameterError: as reading them for a campaign does.
    """
    if not qps > 0:
        raise CccParameterError("qps", "must be more than 0")
    with open_source(callees, exclude=exclude, **settings) as source:
        survey = source.survey
        to_resolve = survey.rows - survey.malformed - survey.duplicates - survey.excluded
        malformed = ((row.place, row.problem) for row in source.rows() if row.problem)
        return Checked(
            rows=survey.rows,
            empty=survey.empty,
            malformed=survey.malformed,
            duplicates=survey.duplicates,
            excluded=survey.excluded,
            to_resolve=to_resolve,
            seconds=to_resolve / qps,
            examples=list(itertools.islice(malformed, min(examples, survey.malformed))),
        )
