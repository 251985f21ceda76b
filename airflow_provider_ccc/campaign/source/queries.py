"""Callees that a database has: the rows of a query, as a stream."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from airflow_provider_ccc.campaign.source.columns import named, place_of
from airflow_provider_ccc.campaign.source.records import Record
from airflow_provider_ccc.client.errors import CccError, CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

#: Rows that are fetched at a time.
_FETCHED = 2000


class QueryError(CccError):
    """A database did not answer a query. A retry may help."""

    own_code = "QueryFailed"
    retryable = True


@dataclass(frozen=True)
class Query:
    """A query whose rows are callees.

    :param sql: one statement that gives rows.
    :param conn_id: a connection whose hook is one of common-sql's, a ``DbApiHook``.
    :raises CccParameterError: naming ``parameter`` or ``sql_conn_id``.
    """

    sql: str
    conn_id: str
    parameter: str = "callees_sql"

    def __post_init__(self) -> None:
        if not isinstance(self.sql, str) or not self.sql.strip():
            raise CccParameterError(self.parameter, "must be a query, as text")
        if not isinstance(self.conn_id, str) or not self.conn_id:
            raise CccParameterError("sql_conn_id", f"is needed for {self.parameter}: the database's connection")

    def rows(self, column: str) -> Iterator[Mapping[str, Any]]:
        """Run the query, and give its rows; through a cursor on the server, where the database has one.

        :param column: one that they must have.
        :raises QueryError: the database does not do it.
        """
        hook = self._hook()
        with self._explained(), _cursor(hook, self.sql) as (names, values):
            columns = named(names)
            place_of(column, columns, self.parameter)
            for row in values:
                yield dict(zip(columns, map(_plain, row), strict=True))

    def _hook(self) -> Any:
        from airflow_provider_ccc.compat import BaseHook

        hook = BaseHook.get_connection(self.conn_id).get_hook()  # type: ignore[no-untyped-call]
        if not hasattr(hook, "get_sqlalchemy_engine"):
            raise CccParameterError(
                "sql_conn_id", f"the hook of {self.conn_id!r}, {type(hook).__name__}, is not one of a SQL database"
            )
        return hook

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Name the query in errors of the database's library, which has some of its own, and hide numbers."""
        try:
            yield
        except (CccError, GeneratorExit):
            raise
        except Exception as error:
            # Without the statement and its parameters, which PostgreSQL shows in further lines.
            what = (str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0]
            raise QueryError(
                f"{self.parameter} failed on {self.conn_id!r}: {type(error).__name__}: {excerpt(what)}"
            ) from None


class QueryReader:
    """A query's rows as callees. Each pass runs the query again: for a look at them, not for a campaign."""

    columns: tuple[str, ...] | None = None
    empty = 0
    rows: int | None = None

    def __init__(self, query: Query, column: str) -> None:
        self._query = query
        self._column = column

    def identity(self) -> tuple[str, ...]:
        return "query", self._query.sql, self._query.conn_id

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        for row in islice(self._query.rows(self._column), start, stop):
            yield row[self._column], row, ""


@contextmanager
def _cursor(hook: Any, sql: str) -> Iterator[tuple[Iterable[str], Iterable[Any]]]:
    """Give the names of the columns and the rows."""
    engine = _engine(hook)
    if engine is not None:
        # No parameters: a percent sign in a query would be taken for one.
        options = {"stream_results": True, "max_row_buffer": _FETCHED, "no_parameters": True}
        try:
            with engine.connect().execution_options(**options) as connection:
                result = connection.exec_driver_sql(sql)
                yield result.keys(), result
        finally:
            engine.dispose()
        return
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        yield [column[0] for column in cursor.description], _fetched(cursor)


def _engine(hook: Any) -> Any:
    """Make SQLAlchemy's engine, which knows each database's own way to stream; ``None`` for a database without one."""
    try:
        exceptions = importlib.import_module("sqlalchemy.exc")
    except ImportError:
        return None
    try:
        return hook.get_sqlalchemy_engine()
    except (NotImplementedError, AttributeError, ImportError, exceptions.ArgumentError):
        return None


def _fetched(cursor: Any) -> Iterator[Any]:
    while rows := cursor.fetchmany(_FETCHED):
        yield from rows


def _plain(value: Any) -> Any:
    """Turn a value into one that stays a number, if it is one, when it is written as JSON."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    return bytes(value) if isinstance(value, memoryview) else value
