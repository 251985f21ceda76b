"""A look at callees before a campaign: what would be called, what not and why, and how long it takes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from airflow_provider_ccc.campaign.picking.progress import duration
from airflow_provider_ccc.campaign.source import open_source
from airflow_provider_ccc.campaign.source.exclusion import Exclusion
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import counted

#: Calls per second by which the time is reckoned where no quota is given.
USUAL_QPS = 100


@dataclass(frozen=True)
class Checked:
    """What a look at callees found.

    :param rows: data rows.
    :param empty: empty lines.
    :param malformed: rows that have no number that can be called.
    :param duplicates: rows whose number appears earlier.
    :param excluded: callees that are left out.
    :param qps: calls per second that the quota allows.
    :param examples: rows that are malformed, with the reason; numbers shortened.
    """

    rows: int
    empty: int
    malformed: int
    duplicates: int
    excluded: int
    qps: float
    examples: list[tuple[int, str]]

    @property
    def to_resolve(self) -> int:
        """Callees that are asked about."""
        return self.rows - self.malformed - self.duplicates - self.excluded

    @property
    def seconds(self) -> float:
        """How long that takes at the quota."""
        return self.to_resolve / self.qps

    @property
    def text(self) -> str:
        """One line for people."""
        return (
            f"{counted(self.rows, 'row')}: {self.to_resolve} to resolve, {self.malformed} malformed,"
            f" {counted(self.duplicates, 'duplicate')}, {self.excluded} excluded; {counted(self.empty, 'empty line')}."
            f" At this quota: {duration(self.seconds)} of {self.qps:g} calls per second"
        )


def check_callees(
    callees: Any, reading: Reading, *, exclude: Exclusion | None = None, qps: float | None = None, examples: int = 20
) -> Checked:
    """Read callees as a campaign would, and send no request.

    :param callees: as :func:`~airflow_provider_ccc.campaign.source.open_source` takes them; a query, too.
    :param reading: how they are read.
    :param exclude: the callees to exclude.
    :param qps: calls per second that the account's quota allows; by default :data:`USUAL_QPS`.
    :param examples: how many malformed rows to describe.
    :raises CccParameterError: as reading them for a campaign does.
    """
    qps = USUAL_QPS if qps is None else qps
    if not isinstance(qps, (int, float)) or not qps > 0:
        raise CccParameterError("qps", "must be a number above 0")
    with open_source(callees, reading, exclude=exclude) as source:
        survey = source.survey
        malformed = ((row.place, row.problem) for row in source.rows() if row.problem)
        return Checked(
            rows=survey.rows,
            empty=survey.empty,
            malformed=survey.malformed,
            duplicates=survey.duplicates,
            excluded=survey.excluded,
            qps=qps,
            examples=list(itertools.islice(malformed, min(examples, survey.malformed))),
        )
