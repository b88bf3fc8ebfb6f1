"""The few variables that decide what a host should hold, over the roles' defaults; and where reports go.

No Ansible here: the action plugins hand in how to load and to template.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .desired_state import ROLES, SETTINGS

DAY = 86400
HERE = Path(__file__).resolve().parent.parent.parent.parent
"""The collection, which is the checkout too."""


def role_defaults(load: Callable[[str], Any]) -> dict[str, Any]:
    """The defaults of all roles, untemplated.

    :param load: reads a YAML file
    """
    merged: dict[str, Any] = {}
    for role in ROLES:
        path = HERE / "roles" / role / "defaults" / "main.yml"
        if path.is_file():
            merged.update(load(str(path)) or {})
    return merged


def read_settings(
    variables: Mapping[str, Any], defaults: Mapping[str, Any], template: Callable[[Mapping[str, Any], str], Any]
) -> tuple[dict[str, Any], list[str]]:
    """The variables of `declare.SETTINGS`, templated, and which of them cannot be; undefined ones are left out.

    :param template: templates one variable among the given ones, raises ValueError where it cannot
    """
    merged, found, wrong = {**defaults, **variables}, {}, []
    for name in SETTINGS:
        if name in merged:
            try:
                found[name] = data_of(template(merged, name))
            except ValueError as error:
                wrong.append(f"{name} cannot be worked out: {' '.join(str(error).split())}")
    return found, wrong


def data_of(value: Any) -> Any:
    """Plain data without Ansible's tags and lazy containers."""
    if isinstance(value, Mapping):
        return {str(key): data_of(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [data_of(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime.date):
        return value.isoformat()
    return "".join(str(value))


def reports_dir(settings: Mapping[str, Any]) -> Path:
    """Where reports go on the controller: `lockstep_reports_dir`, else below the checkout or the current folder."""
    if settings.get("lockstep_reports_dir"):
        return Path(str(settings["lockstep_reports_dir"])).expanduser()
    return (HERE if (HERE / "site.yml").is_file() else Path.cwd()) / ".lockstep" / "reports"


def observation_file(reports: Path, host: str) -> Path:
    """Where the observation of a host is kept."""
    return reports / "observations" / (quote(host, safe="") + ".json")


def run_folder(reports: Path, run: str) -> Path:
    """Where the observations of one run wait for its report: another run may inspect the same hosts meanwhile."""
    return reports / "running" / quote(run, safe="")


def run_file(reports: Path, run: str, host: str) -> Path:
    """Where the observation of a host waits for the report of a run; where it is kept, if none waits."""
    waiting = run_folder(reports, run) / observation_file(reports, host).name
    return waiting if run and waiting.exists() else observation_file(reports, host)


def done_with(reports: Path, run: str, now: float) -> None:
    """Remove what waited for the report of a run, and what runs that were killed left a day ago."""
    for folder in (reports / "running").glob("*"):
        with contextlib.suppress(OSError):
            if folder.name == run_folder(reports, run).name or now - folder.stat().st_mtime > DAY:
                shutil.rmtree(folder)
