"""How callees are read: the settings that go with a source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from airflow_provider_ccc.campaign.source.files import check_format
from airflow_provider_ccc.campaign.source.records import MISSING
from airflow_provider_ccc.client import numbers
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt, shorten


@dataclass(frozen=True)
class Reading:
    """How callees are read. :data:`PARAMETERS` says what operators call each of these.

    :param column: the column or field that holds the number.
    :param format: one of :data:`~airflow_provider_ccc.campaign.source.files.FORMATS`, where the name does not say.
    :param encoding: of files of text; a byte order mark says more.
    :param delimiter: between the columns of CSV; by default a comma, or a tab in .tsv and .txt.
    :param sheet: of a workbook; by default the first.
    :param only: "failed" takes the callees that failed in an earlier campaign.
    :param only_possible_numbers: whether a number that China does not have is a failure.
    :raises CccParameterError: naming the operator's parameter.
    """

    column: str = "callee"
    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    sheet: str | None = None
    only: str | None = None
    only_possible_numbers: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise CccParameterError("callee_column", "must be the name of a column, as text")
        check_format(self.format)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise CccParameterError("callees_delimiter", "must be one character, such as ';'")
        if self.only not in (None, "failed"):
            raise CccParameterError("only", f"must be 'failed', or not be given, not {self.only!r}")
        if self.only_possible_numbers:
            numbers.load_rules()

    @cached_property
    def _shown(self) -> str:
        return excerpt(self.column)

    def number(self, value: object) -> tuple[str, str]:
        """Return the number and what is wrong with it, one of them ""."""
        try:
            number = numbers.normalise(value, self._shown)
        except CccParameterError as error:
            if value is None:
                return self.number("")
            return "", f"the row has no {self._shown!r}" if value is MISSING else error.message
        if self.only_possible_numbers and not numbers.is_possible(number):
            return "", f"{self._shown}: {shorten(number)!r} is not a number that China has"
        return number, ""


#: What operators call each setting.
PARAMETERS = {
    "column": "callee_column",
    "format": "callees_format",
    "encoding": "callees_encoding",
    "delimiter": "callees_delimiter",
    "sheet": "callees_sheet",
    "only": "only",
    "only_possible_numbers": "only_possible_numbers",
}
