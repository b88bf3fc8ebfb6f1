"""Filters that render the texts of host files for roles. The audit compares hosts with the same texts."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.desired import clean_schedule, condarc


def _condarc(root: str, channels: list[str], channel_alias: str, users_may_add_channels: bool = False) -> str:
    return condarc.render(root, channels, channel_alias, users_may_add_channels)


def _clean_units(schedule: dict[str, Any], root: str) -> dict[str, str]:
    try:
        return clean_schedule.units(root, **schedule)
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(str(error)) from None


def _clean_cron(schedule: dict[str, Any], root: str, host: str) -> dict[str, str]:
    try:
        return clean_schedule.cron(root, **schedule, host=host)
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"condarc": _condarc, "clean_units": _clean_units, "clean_cron": _clean_cron}
