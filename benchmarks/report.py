"""Tables and key figures: how they look, and where they are kept."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: The keys of results.json, in their order.
KEYS = (
    "transport",
    "batch_vs_bare_aiohttp",
    "tls_batch_vs_bare_aiohttp",
    "batch_vs_sdk_best",
    "batch_vs_httphook",
    "sign_and_decode_us",
    "latency20_fraction",
    "rss_1m_over_10k",
    "rss_1m_over_10k_parquet",
    "rss_1m_over_10k_xlsx",
    "rss_1m_over_10k_postgresql",
    "exclude_rss",
    "exclude_time",
    "quota_goodput",
    "quota_throttled",
    "quota_two_together",
    "quota_two_larger_share",
    "cpu_200k_over_10k",
    "airflow_cpu_200k_over_10k",
    "scheduler_cpu_mapped_over_batches",
)

_SECTION = re.compile(r"<!-- (\w+) -->\n(.*?)(?=<!-- \w+ -->\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """A table with a title, and what must be known to read it.

    :param columns: none, if there are only notes.
    :param rows: of texts; a column is aligned to the right if all of it is numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        """Write it as Markdown that can be read as it is."""
        paragraphs = [f"### {self.title}", *([self._grid()] if self.columns else [])]
        paragraphs += [textwrap.fill(note, 120, subsequent_indent="  " * note.startswith("- ")) for note in self.notes]
        return "\n\n".join(paragraphs) + "\n"

    def _grid(self) -> str:
        lines = [list(self.columns), *map(list, self.rows)]
        widths = [max(_width(line[place]) for line in lines) for place in range(len(self.columns))]
        right = [all(_is_number(row[place]) for row in self.rows) for place in range(len(self.columns))]
        rule = ["-" * (width - 1) + (":" if to_right else "-") for width, to_right in zip(widths, right, strict=True)]
        written = [self._line(line, widths, right) for line in lines]
        written.insert(1, "| " + " | ".join(rule) + " |")
        return "\n".join(written)

    @staticmethod
    def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
        padded = []
        for cell, width, to_right in zip(cells, widths, right, strict=True):
            gap = " " * (width - _width(cell))
            padded.append(gap + cell if to_right else cell + gap)
        return "| " + " | ".join(padded) + " |"


@dataclass(frozen=True)
class Part:
    """One part of the benchmark.

    :param name: for ``--only``, and the heading of its section.
    :param keys: of results.json that are this part's to set.
    :param measure: takes how it shall be measured, and a function that gets each table as soon as it is there; returns
        the keys that it could measure.
    """

    name: str
    keys: Sequence[str]
    measure: Callable[[Setting, Callable[[Table], None]], Mapping[str, float | str]]


@dataclass(frozen=True)
class Setting:
    """How the parts measure.

    :param quick: so little that the figures say nothing, to see whether everything works.
    :param sdk: the Python of the official SDKs' environment, or None.
    :param why_no_sdk: why there is none.
    """

    quick: bool
    sdk: str | None
    why_no_sdk: str = ""


@dataclass
class Report:
    """RESULTS.md and results.json of a folder; what is not measured anew stays in them.

    :param folder: where they are.
    :param facts: what the figures depend on.
    """

    folder: Path
    facts: Sequence[tuple[str, str]]
    introduction: str
    _tables: dict[str, list[Table]] = field(default_factory=dict)

    def add(self, part: str, table: Table) -> None:
        print(f"\n{table}", flush=True)
        self._tables.setdefault(part, []).append(table)

    def write(self, parts: Sequence[Part], measured: Mapping[str, float | str], ran: Sequence[str]) -> None:
        """Put what the parts `ran` have measured in the place of what they measured before.

        :param parts: all there are, in their order.
        :param measured: the keys.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        results, text = self.folder / "results.json", self.folder / "RESULTS.md"
        before = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
        theirs = {key for part in parts if part.name in ran for key in part.keys}
        kept = {key: value for key, value in before.items() if key not in theirs} | dict(measured)
        ordered = {key: _rounded(kept[key]) for key in KEYS if key in kept}
        results.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
        sections = dict(_SECTION.findall(text.read_text(encoding="utf-8"))) if text.is_file() else {}
        versions = "\n".join(f"- {name}: {value}" for name, value in self.facts)
        for name in ran:
            tables = "\n".join(map(str, self._tables.get(name, [])))
            sections[name] = f"## {name.replace('_', ' ').capitalize()}\n\n{tables}\n"
        rows = [(key, value if isinstance(value, str) else f"{value:g}") for key, value in ordered.items()]
        keys = Table("results.json", ("key", "value"), rows)
        sections |= {"head": f"{self.introduction}\n\n{versions}\n\n", "keys": f"{keys}\n"}
        order = ["head", "keys", *(part.name for part in parts)]
        whole = "".join(f"<!-- {name} -->\n{sections[name]}" for name in order if name in sections)
        text.write_text(whole.rstrip() + "\n", encoding="utf-8")


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _is_number(text: str) -> bool:
    return not text or text[0].isdigit()


def _rounded(value: float | str) -> float | str:
    return value if isinstance(value, str) else round(value, 4)
