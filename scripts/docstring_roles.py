"""Has mkdocstrings show the docstrings, which are Sphinx's, in Markdown: ``make docs`` uses it."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`(?:~[\w.]*?(\w+)|([^`]+))`")
_LITERAL_BLOCK = re.compile(r"::$", re.MULTILINE)


class DocstringRoles(griffe.Extension):
    """Writes ``:class:`~package.module.Name``` as a plain name in code, and ``::`` before an example as a colon."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change an object's docstring."""
        if obj.docstring is not None:
            text = _ROLE.sub(lambda match: f"`{match[1] or match[2]}`", obj.docstring.value)
            obj.docstring.value = _LITERAL_BLOCK.sub(":", text)
