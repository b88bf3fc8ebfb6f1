"""Action plugin: declare a tier's previous lock again, on the controller."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import ansible.constants as C
from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, channels_of, hosts_of, locks_of, settings_of
from ..plugin_utils.conda.channels import PUBLISHED_ALIAS
from ..plugin_utils.conda.lockfile import LockError
from ..plugin_utils.core.text import plain
from ..plugin_utils.lock_store import provenance, transaction
from ..plugin_utils.promote import rollback


class ActionModule(ControllerAction):
    """Read and write the tier's locks and provenance; connect to no host."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Find the lock to go back to, or declare it."""
        if variables.get("ansible_limit"):
            raise AnsibleActionFail(
                "a rollback changes the lock of a whole tier, so it cannot be limited to some hosts: leave --limit out"
            )
        settings, _unused = settings_of(self, variables)
        alias = settings.get("condarc_channel_alias") or PUBLISHED_ALIAS
        asked = rollback.Settings(
            locks_dir=locks_of(settings),
            tiers=tuple(arguments["tiers"]),
            tier=arguments["tier"],
            env=arguments["env"],
            hosts=hosts_of(variables),
            channels=channels_of(settings),
            channel_alias=str(alias),
            reason=plain(arguments["reason"], 300),
            to=tuple(arguments["to"]),
        )
        try:
            inspected = rollback.inspect(asked)
            if arguments["state"] == "query":
                answer = {
                    "source": inspected.source,
                    "hosts": inspected.hosts,
                    "why": inspected.why,
                    "declared": inspected.digests,
                }
                return {"changed": False, **answer}
            return self._declare(asked, inspected, arguments["records"])
        except (rollback.RollbackError, transaction.TransactionError, LockError) as error:
            raise AnsibleActionFail(f"rollback refused, nothing was changed: {error}") from None

    def _declare(
        self, asked: rollback.Settings, inspected: rollback.Inspection, records: dict[str, Any]
    ) -> dict[str, Any]:
        """Declare the lock; in check mode write it to a temporary folder, where the tasks that follow read it.

        :raises RollbackError: if there is no previous lock
        """
        warnings = list(inspected.warnings)
        target, rebuilt = inspected.target, inspected.source == "hosts"
        if rebuilt:
            target, lost = rollback.rebuild(asked, inspected, records)
            warnings += lost
        if target is None:
            raise rollback.RollbackError(f"{asked.tier} has no lock of {asked.env}, and none to go back to")
        write = not self._task.check_mode
        made = rollback.declare(asked, inspected, target, rebuilt, datetime.datetime.now(datetime.UTC), write)
        folder = asked.locks_dir
        if not write:
            folder = Path(C.DEFAULT_LOCAL_TMP) / "lockstep-rollback"  # Ansible removes it at the end of the run
            place = folder / provenance.lock_path(asked.tier, asked.env)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(made.data)
        now = ", ".join(f"{digest[:12]} ({platform})" for platform, digest in made.digests.items())
        was = ", ".join(dict.fromkeys(digest[:12] for digest in made.left.values())) or "nothing"
        what = "made again from the hosts' own records" if inspected.source == "hosts" else "kept beside the lock"
        if made.changed:
            verb = "goes back" if made.returns else "is rolled back"
            message = f"{asked.tier}'s {asked.env} {verb} to {now}, {what}; it was {was}"
        else:
            message = f"{asked.tier}'s {asked.env} is {now}: {inspected.why}"
        lines = [f"{asked.tier}/{asked.env}", *(f"  {line}" for line in made.difference), ""]
        return {
            "changed": made.changed,
            "msg": message,
            "source": inspected.source,
            "hosts": inspected.hosts,
            "locks_dir": str(folder),
            "digests": made.digests,
            "returns": made.returns,
            **({"warnings": warnings} if warnings else {}),
            **({"diff": {"prepared": "\n".join(lines)}} if made.changed else {}),
        }
