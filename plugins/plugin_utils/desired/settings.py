"""Read the variables that decide what a host should hold, with the roles' defaults; name the files of reports.

This module does not import Ansible: action plugins pass the functions that load and template.
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
"""The root of the collection or the checkout."""


def role_defaults(load: Callable[[str], Any]) -> dict[str, Any]:
    """Return the defaults of all roles, untemplated.

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
    """Return the defined variables of `desired_state.SETTINGS`, templated, and an error for each that cannot be.

    :param template: templates one of the given variables; raises ValueError if it cannot
    """
    merged, found, wrong = {**defaults, **variables}, {}, []
    for name in SETTINGS:
        if name in merged:
            try:
                found[name] = data_of(template(merged, name))
            except ValueError as error:
                wrong.append(f"{name} cannot be templated: {' '.join(str(error).split())}")
    return found, wrong


def data_of(value: Any) -> Any:
    """Return a value as plain data, without Ansible's tags and lazy containers."""
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
    """Return the folder of reports: `lockstep_reports_dir`, otherwise one below the checkout or the current folder."""
    if settings.get("lockstep_reports_dir"):
        return Path(str(settings["lockstep_reports_dir"])).expanduser()
    return (HERE if (HERE / "site.yml").is_file() else Path.cwd()) / ".lockstep" / "reports"


def observation_file(reports: Path, host: str) -> Path:
    """Return the file of a host's latest observation."""
    return reports / "observations" / (quote(host, safe="") + ".json")


def run_folder(reports: Path, run: str) -> Path:
    """Return the folder of the observations for one run's report: another run may inspect the same hosts meanwhile."""
    return reports / "running" / quote(run, safe="")


def run_file(reports: Path, run: str, host: str) -> Path:
    """Return the file of a host's observation for the report of a run, otherwise that of its latest observation."""
    waiting = run_folder(reports, run) / observation_file(reports, host).name
    return waiting if run and waiting.exists() else observation_file(reports, host)


def done_with(reports: Path, run: str, now: float) -> None:
    """Remove the folder of a run whose report is written, and those that killed runs left more than a day ago."""
    for folder in (reports / "running").glob("*"):
        with contextlib.suppress(OSError):
            if folder.name == run_folder(reports, run).name or now - folder.stat().st_mtime > DAY:
                shutil.rmtree(folder)
