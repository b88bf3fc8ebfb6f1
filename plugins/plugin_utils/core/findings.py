"""Define findings: what is wrong with a spec or a lock, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"

FUZZY_PIN = "fuzzy-pin"
"""The one code whose severity depends on whether a current lock exists."""

CODES = frozenset({
    # of a spec
    "bad-dependency", "bad-pip-line", "bad-variable", "bad-variables", "channel-not-allowed", "conda-and-pip",
    "cudatoolkit", "defaults", "duplicate-channel", "duplicate-package", "environment-name",
    "exact-python", "fuzzy-pin",
    "name-differs", "no-dependencies", "nodefaults", "not-a-list", "not-a-spec", "not-a-string", "not-yaml",
    "package-url", "prefix", "risky-variable", "secret-variable", "selector", "unknown-key",
    "unknown-platform", "unknown-section", "unreadable", "wrong-name",
    # of a lock in the making
    "channel", "cpu-build", "no-platform", "old-lock", "pip-from-channel", "pip-unsolvable", "unknown-package",
    "unsolvable", "unusable-lock", "withdrawn",
})  # fmt: skip
"""All codes; docs/reference/lint-findings.md has a row for each."""


@dataclass(frozen=True, order=True)
class Finding:
    """One finding. Lines and columns count from 1; 0 means the whole file.

    :raises KeyError: if `code` is not one of CODES
    """

    source: str
    line: int
    column: int
    code: str
    severity: str
    message: str
    remedy: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(self.code)

    def text(self) -> str:
        """Return `file:line:column: severity code: message; remedy`: editors and CI can jump to it."""
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{place}: {self.severity} {self.code}: {self.message}; {self.remedy}"


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop the run."""
    return [finding for finding in findings if finding.severity == ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that do not stop the run."""
    return [finding for finding in findings if finding.severity == WARNING]
