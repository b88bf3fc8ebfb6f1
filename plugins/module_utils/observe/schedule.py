"""Inspect the schedule of the clean, and its last run."""

from __future__ import annotations

import contextlib
import json
import os

from ..host.reading import LARGE, read
from ..host.redaction import redact
from .commands import run
from .host_files import see_files
from .notes import Notes, Obs


def see_clean(root: str, home: str, user: str, request: Obs, notes: Notes) -> Obs:
    """Return the schedule of the clean (user timer or crontab), and its last run."""
    result: Obs = {}
    timer = request.get("timer")
    if timer:
        units = os.path.join(home, ".config/systemd/user")
        result["enabled"] = os.path.lexists(os.path.join(units, "timers.target.wants", timer))
        result["linger"] = os.path.lexists(os.path.join("/var/lib/systemd/linger", user))
        result["units"] = see_files(home, request.get("home_files") or {})
        for unit in (timer, timer.rsplit(".", 1)[0] + ".service"):  # `systemctl --user edit` writes there
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                names = sorted(os.listdir(os.path.join(units, unit + ".d")))
                result.setdefault("changed_by", []).extend(f"{unit}.d/{name}"[:200] for name in names[:5])
        if not (result["enabled"] and result["linger"]):
            status, text, why = run(["crontab", "-l"], notes)
            if status == 0:
                result["cron"] = [redact(line)[:300] for line in text.split("\n")
                                  if "lockstep" in line and not line.startswith("#")][:5]  # fmt: skip
            elif why:
                notes.error("crontab", why)
            else:
                result["cron"] = []
    try:
        last = json.loads(read(os.path.join(root, "state", "clean.json"), LARGE))[-1]
        result["last"] = {key: last.get(key) for key in ("at", "ok", "before_bytes", "after_bytes")}
        result["last"]["removed"] = len(last.get("removed") or [])
        if not last.get("ok"):
            result["last"]["message"] = redact(str(last.get("message", "")))[:300]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, IndexError, AttributeError, TypeError, RecursionError) as error:
        notes.error("state/clean.json", error)
    return result
