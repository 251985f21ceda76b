"""Callees to exclude: a list, a file or a query of numbers that must not be called."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from airflow_provider_ccc.campaign.source.opening import open_callees
from airflow_provider_ccc.campaign.source.queries import Query
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import MISSING, NoCalleesError, Reader
from airflow_provider_ccc.client import numbers
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import counted, excerpt

log = logging.getLogger(__name__)

#: Stands for the place of a number that is left out, where others have the index of their row.
EXCLUDED = -1
_EXAMPLES = 3


class Exclusion:
    """Numbers that must not be called; they are compared in the form in which they would be dialled.

    :param given: what can be read as callees are: a list, a path, or a :class:`Query`.
    :param reading: how it is read.
    """

    def __init__(self, given: Any, reading: Reading) -> None:
        self._given = given
        self._reading = reading
        #: Rows that are no number, known once all were read: nobody is left out for them.
        self.malformed = 0

    @classmethod
    def of(
        cls, given: Any, sql: str | None, conn_id: str | None, column: str | None, callees: Reading
    ) -> Exclusion | None:
        """Take the parameters of an operator; ``None`` where nobody is to be left out.

        :param callees: how the callees are read; encoding and delimiter are the same, and so is the column by default.
        :raises CccParameterError: naming ``exclude`` or another of them.
        """
        if given is not None and sql is not None:
            raise CccParameterError("exclude", "and exclude_sql are both given; give one of them")
        reading = replace(
            callees, column=column or callees.column, format=None, sheet=None, only=None, only_possible_numbers=False
        )
        if sql is not None:
            return cls(Query(sql, conn_id or "", "exclude_sql"), reading)
        return None if given is None else cls(given, reading)

    def numbers(self) -> Iterator[str]:
        """Read the numbers.

        :raises CccParameterError: naming ``exclude``.
        """
        examples = []
        self.malformed = 0
        for place, value in enumerate(self._values(), 1):
            if value is None or value == "":
                continue
            number, problem = self._reading.number(value)
            # One too many left out is better than one called: a landline may have lost its zero in Excel.
            landline = numbers.as_landline(number or _digits(value))
            if number:
                yield number
            if landline:
                yield landline
            if number or landline:
                continue
            self.malformed += 1
            if self.malformed <= _EXAMPLES:
                examples.append(f"row {place}: {problem}")
        if self.malformed:
            log.warning(
                "exclude: %s without a phone number, for which nobody is left out: %s",
                counted(self.malformed, "row"),
                "; ".join(examples),
            )

    def _values(self) -> Iterator[object]:
        column = self._reading.column
        try:
            with self._opened() as (reader, name):
                found = False
                for value, _, problem in reader.records():
                    found = found or value is not MISSING
                    yield problem or ("" if value is MISSING else value)
                if not found and reader.rows:
                    raise CccParameterError("exclude_column", f"no row of {name} has {excerpt(column)!r}")
        except NoCalleesError:
            return  # nobody is to be left out today
        except CccParameterError as error:
            if isinstance(self._given, Query):
                raise
            raise _named(error) from None

    @contextmanager
    def _opened(self) -> Iterator[tuple[Reader, str]]:
        """Open it with the callees' delimiter, or with the one that its name says, whichever it has."""
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(open_callees(self._given, self._reading))
            except CccParameterError as error:
                if error.parameter != "callees_delimiter" or self._reading.delimiter is None:
                    raise
                opened = stack.enter_context(open_callees(self._given, replace(self._reading, delimiter=None)))
            yield opened


def _digits(value: object) -> str:
    """Return the digits of a number that is not text."""
    try:
        return str(int(value)) if isinstance(value, (int, float, Decimal)) else ""
    except (ValueError, OverflowError):
        return ""


def _named(error: CccParameterError) -> CccParameterError:
    """Name the parameter that the error is about: reading is the same for callees and those left out."""
    ours = {"callee_column": "exclude_column", "callees": "exclude"}
    return CccParameterError(ours.get(error.parameter, error.parameter), error.what)
