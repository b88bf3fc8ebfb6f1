"""The state of one lock while it is made: settings, solver, and what is known so far."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field
from pathlib import Path

from ..conda.system_requirements import SystemRequirements
from ..core.findings import ERROR, Finding, errors
from ..solve.conda_solver import Solver
from ..spec.environment_spec import Place
from .outcome import Outcome
from .settings import Settings


@dataclass
class Draft:
    """The state of one lock. `sizes` are bytes to download by platform; `known` are the names that `update` accepts."""

    settings: Settings
    solver: Solver
    requirements: SystemRequirements
    cutoff: dt.datetime | None
    outcome: Outcome
    sizes: dict[str, int] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    smoke_test: str | None = None  # the text of the spec's smoke test

    @property
    def file(self) -> Path:
        """The path of the spec."""
        return self.settings.envs_dir / f"{self.outcome.name}.yml"

    @property
    def source(self) -> str:
        """The spec's path in messages: relative to the working directory where that is shorter."""
        path = os.path.relpath(self.file)
        return path if not path.startswith("..") else str(self.file)

    @property
    def failed(self) -> bool:
        """Whether there are findings that are errors."""
        return bool(errors(self.outcome.findings))

    def add_finding(
        self, code: str, message: str, remedy: str, severity: str = ERROR, place: Place | None = None
    ) -> None:
        """Add a finding about the spec; the same finding from several platforms is added once."""
        place = place or Place()
        finding = Finding(self.source, place.line, place.column, code, severity, message, remedy)
        if finding not in self.outcome.findings:
            self.outcome.findings.append(finding)
