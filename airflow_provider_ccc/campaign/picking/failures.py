"""How many callees may fail, and what is said if more do."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_ccc.campaign.output.formats import encode_lines
from airflow_provider_ccc.campaign.output.layout import MALFORMED
from airflow_provider_ccc.campaign.output.parts import FailedRow
from airflow_provider_ccc.campaign.output.storage import Folder
from airflow_provider_ccc.campaign.source import Row, Source
from airflow_provider_ccc.client.errors import CccError, CccParameterError

#: So many failures are described in an error.
_EXAMPLES = 3
#: So many malformed rows are written out before a campaign that has too many of them is refused.
_MOST_MALFORMED = 100_000


class TooManyFailuresError(CccError):
    """More callees failed than ``max_failures`` allows. What failed then fails again; no retry can help."""

    own_code = "TooManyFailures"


@dataclass(frozen=True)
class MaxFailures:
    """How many callees of a campaign may fail.

    :param most: how many.
    :param said: ``max_failures`` as it was given, and what it comes to.
    """

    most: int
    said: str

    @classmethod
    def of(cls, given: Any, callees: int) -> MaxFailures:
        """Read ``max_failures``: a number of callees, or a fraction of them.

        :param callees: how many the whole campaign has.
        :raises CccParameterError: it is neither.
        """
        if isinstance(given, float) and 0 <= given <= 1:
            most = math.floor(Decimal(str(given)) * callees)  # 0.29 * 100 is less than 29 as a float
        elif isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            most = given
        else:
            raise CccParameterError(
                "max_failures", f"must be an integer of at least 0, or a fraction from 0.0 to 1.0, not {given!r}"
            )
        of = f" of the campaign's {callees}" if isinstance(given, float) else ""
        return cls(most, f"max_failures={given!r} allows {most}{of}")


class Failures:
    """Counts the failures of one try, and those of earlier tries in complete parts.

    :param allowed: how many there may be.
    :param callees: how many rows the source has.
    :param before: how many there were in complete parts, by code.
    :param folder: where the parts go.
    """

    def __init__(self, allowed: MaxFailures, callees: int, before: Counter[str], folder: Folder) -> None:
        self._allowed = allowed
        self._callees = callees
        self._codes = before
        self._folder = folder
        self._examples: list[str] = []

    def refuse_malformed(self, source: Source) -> None:
        """Refuse a source that has too many malformed rows, and write these to a file.

        :raises TooManyFailuresError: before any request.
        """
        malformed = source.survey.malformed
        if malformed <= self._allowed.most:
            return
        rows = list(itertools.islice(_malformed(source), _MOST_MALFORMED))
        self._folder.write(MALFORMED, encode_lines(rows))
        which = "All of them" if malformed <= len(rows) else f"The first {len(rows)} of them"
        raise TooManyFailuresError(
            f"{malformed} of {self._callees} callees are malformed, and {self._allowed.said}:"
            f" {_listed([_described(row) for row in rows[:_EXAMPLES]], malformed)}"
            f" {which} are in {self._folder.description}/{MALFORMED}. No request was sent."
        )

    def add(self, row: FailedRow) -> None:
        """Count a callee that failed.

        :raises TooManyFailuresError: it is one too many.
        """
        self._codes[row.code] += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append(_described(row))
        failed = self._codes.total()
        if failed <= self._allowed.most:
            return
        codes = ", ".join(f"{code} {count}" for code, count in self._codes.most_common())
        raise TooManyFailuresError(
            f"{failed} of {self._callees} callees failed, and {self._allowed.said}. By code: {codes}."
            f" In this try: {_listed(self._examples, len(self._examples))} To go on after the parts that are complete,"
            " set a higher max_failures and clear the task."
        )


def failed_row(row: Row) -> FailedRow:
    """Make a failure of a row that cannot be asked about."""
    return FailedRow(row.place, CccParameterError.own_code, row.problem, "", row.fields)


def _malformed(source: Source) -> Iterator[FailedRow]:
    return (failed_row(row) for row in source.rows() if row.problem)


def _described(row: FailedRow) -> str:
    return f"row {row.row}: {row.message}"


def _listed(examples: list[str], total: int) -> str:
    more = f"; and {total - len(examples)} more" if total > len(examples) else ""
    return f"{'; '.join(examples)}{more}."


def check_total(failed: int, callees: int, allowed: Sequence[int | None]) -> None:
    """Compare the failures of all batches with what each of them was allowed, which is the whole campaign's.

    :param allowed: as the batches' manifests have it. Where they differ, a batch was cleared with another
        ``max_failures``, and the highest counts.
    :raises TooManyFailuresError: there are too many.
    """
    known = [most for most in allowed if most is not None]
    if known and failed > max(known):
        raise TooManyFailuresError(
            f"{failed} of the campaign's {callees} callees failed, and max_failures allows {max(known)}. To merge them"
            " all the same, set a higher max_failures, and clear a batch's task and this one."
        )
