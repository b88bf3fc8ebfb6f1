"""Parse the lines of a spec's `pip:` list, and refuse those that cannot be locked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..conda import pypi_mapping

_LINE = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?P<extras>\[[^\]]*\])?\s*(?P<rest>.*)\Z")
_VERSIONS = re.compile(r"\(?\s*((===|==|!=|~=|<=|>=|<|>)\s*[A-Za-z0-9_.*+!-]+\s*,?\s*)*\)?\s*(;.*)?\Z")


@dataclass(frozen=True)
class Requirement:
    """One pip requirement: its normalised name (PEP 503), and the line as written."""

    name: str
    text: str


def parse(text: str) -> tuple[Requirement | None, tuple[str, str] | None]:
    """Return the requirement (None if no name could be read) and (cause, remedy) (None if the line can be locked)."""
    line = re.sub(r"\s+#.*", "", text).strip()
    if line.startswith(("-e", "--editable")):
        return None, ("is editable: it points at a folder of one machine", "build a wheel and publish it")
    if line.startswith(("-r", "-c", "--requirement", "--constraint")):
        return None, ("reads another file", "list the requirements here")
    if line.startswith("-"):
        return None, ("is an option of pip, not a requirement", "remove it; the site configures the package index")
    if re.match(r"(git|hg|svn|bzr)\+|[a-z]+://", line) or re.search(r"\s@\s", line):
        return None, ("is a url, whose content can change", "name a published version: `name==1.2.3`")
    if line.startswith((".", "~")) or "/" in line.split(";")[0] or line.endswith((".whl", ".tar.gz", ".zip")):
        return None, ("is a file or a folder of one machine", "name a published version: `name==1.2.3`")
    match = _LINE.match(line)
    if not match:
        return None, ("is not a requirement", "write `name==1.2.3`")
    requirement = Requirement(pypi_mapping.normal(match["name"]), line)
    if not _VERSIONS.match(match["rest"]):
        if re.match(r"=[^=]", match["rest"]):
            return requirement, ("uses conda's `=`", "write pip's `==`")
        return requirement, ("is not a requirement", "write `name==1.2.3`")
    return requirement, None
