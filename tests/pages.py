"""The pages that users read, and the snippets in them: README in both languages, and whatever is in docs/."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md"))]

#: A fence, indented where it stands in a tab; and in the line above it, perhaps, why it cannot be run.
_FENCE = re.compile(
    r"(?:^ *<!-- not run: (?P<why>.*?) -->\n)?^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Snippet:
    """A block of code in a page.

    :param line: where it begins.
    :param not_run: why it cannot be run; ``None`` for one that is.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(*languages: str) -> list[Snippet]:
    """Find the snippets in these languages that are to be run; without a language, all that there are."""
    found = [
        Snippet(
            page=str(page.relative_to(ROOT)),
            line=text.count("\n", 0, match.start("indent")) + 1,
            language=match["language"].strip(),
            text=textwrap.dedent(match["text"]),
            not_run=match["why"],
        )
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for match in _FENCE.finditer(text)
    ]
    return [each for each in found if not languages or (each.language in languages and each.not_run is None)]


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a page in docs/: rows of cells, the head first."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines() if "|---" not in line]
        for block in blocks
    ]
