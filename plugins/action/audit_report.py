"""Action plugin: write the reports of one audit, and fail unless all hosts are in sync."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

from ..plugin_utils.ansible_support import ControllerAction, run_id, settings_of
from ..plugin_utils.audit.cross_host import compare_hosts
from ..plugin_utils.audit.hosts import load
from ..plugin_utils.audit.render import failure_message, headline, render_html, render_terminal
from ..plugin_utils.audit.report import Run, build
from ..plugin_utils.conda import lockfile
from ..plugin_utils.core import atomic_write
from ..plugin_utils.desired import desired_state
from ..plugin_utils.desired.settings import data_of, done_with, reports_dir, run_file
from ..plugin_utils.lock_store import provenance


class ActionModule(ControllerAction):
    """Report an audit, on the controller."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Report all hosts of the play, also those that did not answer."""
        names = [str(host) for host in variables.get("ansible_play_hosts_all") or []]
        settings, _unused = settings_of(self, variables)  # each host reports its own errors
        reports = reports_dir(settings)
        run = run_id(self)
        hosts = load(reports, names, run, lambda folder, host: run_file(folder, run, host), arguments["depth"])
        done_with(reports, run, time.time())
        for host in hosts:
            host.tier = host.tier or self._tier(variables, host.name)
        compare_hosts(hosts)
        fleet = dict.fromkeys([*(arguments["fleet"] or []), *names], "")
        fleet.update({host.name: host.tier for host in hosts})
        for name in fleet.keys() - set(names):
            fleet[name] = self._tier(variables, name)
        tiers = data_of(self._value(variables, "lockstep_tiers")) or []
        tiers = [str(tier) for tier in tiers] if isinstance(tiers, list) else []
        envs = {name for host in hosts for name in host.declared}
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        try:
            locks = self._locks(settings, tiers, envs, reports)
        except (desired_state.DesiredStateError, OSError):
            locks = {}  # each host reports this itself; the comparison of tiers is only information
        folder = settings.get("conda_envs_locks_dir") or settings.get("lockstep_locks_dir")
        back = provenance.rollbacks(Path(str(folder)), tiers, envs) if folder else []
        report = build(hosts, Run(run, now, arguments["depth"], tiers, fleet, locks, back))
        dest = Path(arguments["dest"]) if arguments["dest"] else reports
        texts = {
            "report.html": render_html(report),
            "report.json": json.dumps(report, indent=1, allow_nan=False) + "\n",
        }
        try:
            for name, text in texts.items():  # report.json last: a program that finds it also finds its page
                atomic_write.write_private(dest / name, text)
        except OSError as error:
            return {
                "failed": True,
                "msg": f"the report cannot be written to {dest}: {error.strerror}; correct dest, or make it writable",
            }
        self._display.display("\n" + render_terminal(report) + f"\n\nreport: {dest / 'report.html'}\n")
        return {
            "changed": False,
            "proven": report["proven"],
            "counts": report["counts"],
            "hosts": report["hosts"],
            "html": str(dest / "report.html"),
            "json": str(dest / "report.json"),
            "msg": headline(report) if report["proven"] else failure_message(report),
            **({} if report["proven"] else {"failed": True}),
        }

    def _value(self, variables: Mapping[str, Any], name: str) -> Any:
        """Return a templated variable of the host that the task runs for; None if it cannot be templated."""
        with contextlib.suppress(AnsibleError):
            return self._templar.template(variables[name]) if name in variables else None
        return None

    def _tier(self, variables: Mapping[str, Any], host: str) -> str:
        """Return a host's tier; "" if it cannot be read."""
        try:
            return str(variables["hostvars"][host].get("lockstep_tier") or "")
        except (AnsibleError, KeyError, AttributeError):
            return ""

    def _locks(self, settings: Mapping[str, Any], tiers: list[str], envs: set[str], cache: Path) -> dict[Any, Any]:
        """Return what each tier's lock of the audited environments declares, by (tier, environment) and platform."""
        folder = settings.get("conda_envs_locks_dir") or settings.get("lockstep_locks_dir")
        channels = desired_state.allowed_channels(settings)
        found = {}
        for tier in tiers if folder else []:
            for name in sorted(envs):
                env = desired_state.read_env(Path(str(folder), tier, name + lockfile.SUFFIX), name, channels, cache)
                if env.platforms:
                    found[tier, name] = env.platforms
        return found
