"""Findings: what is wrong with something that a person wrote, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True, order=True)
class Finding:
    """One finding; lines and columns count from 1, 0 stands for the whole file. The codes are in
    docs/lock-findings.md.
    """

    source: str
    line: int
    column: int
    code: str
    severity: str
    message: str
    remedy: str

    def text(self) -> str:
        """Return it as `file:line:column: severity code: cause; remedy`, which editors and CI can jump to."""
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{place}: {self.severity} {self.code}: {self.message}; {self.remedy}"


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that forbid to go on."""
    return [finding for finding in findings if finding.severity == ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that do not."""
    return [finding for finding in findings if finding.severity == WARNING]
