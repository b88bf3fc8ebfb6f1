"""One lock as it comes about: under which settings, and what is known so far."""

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
    """The making of one lock. `sizes` are bytes to download by platform; `known` the package names that `update` may
    mean.
    """

    settings: Settings
    solver: Solver
    system_requirements: SystemRequirements
    cutoff: dt.datetime | None
    outcome: Outcome
    sizes: dict[str, int] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    smoke_test: str | None = None  # the text of the spec's smoke test

    @property
    def file(self) -> Path:
        """The spec."""
        return self.settings.envs_dir / f"{self.outcome.name}.yml"

    @property
    def source(self) -> str:
        """The spec's path as people are shown it."""
        path = os.path.relpath(self.file)
        return path if not path.startswith("..") else str(self.file)

    @property
    def failed(self) -> bool:
        """Whether there are errors."""
        return bool(errors(self.outcome.findings))

    def find(self, code: str, message: str, remedy: str, severity: str = ERROR, place: Place | None = None) -> None:
        """Note something about the spec, at its place there; platforms may have the same to say, which counts once."""
        place = place or Place()
        finding = Finding(self.source, place.line, place.column, code, severity, message, remedy)
        if finding not in self.outcome.findings:
            self.outcome.findings.append(finding)
