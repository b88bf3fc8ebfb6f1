"""Compare the scheduled clean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....module_utils.host.redaction import redact
from ...core.text import some
from ...desired.model import DesiredState
from .drift import NOTE, UNKNOWN, Drift, section
from .kinds import Kind


def clean_drift(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Compare the schedule, a timer or a line of the crontab, and report a last run that failed."""
    if desired.clean is None:
        return
    found, drifts = section(seen, "clean")
    yield from drifts
    if not found:
        return
    want = desired.clean
    wrong = []
    if found.get("units"):
        for path, state in found["units"].items():
            what = (
                f"has {state}"
                if str(state).startswith("mode ")
                else "is missing"
                if state == "missing"
                else "is altered"
            )
            wrong.append(f"{path.rsplit('/', 1)[-1]} {what}")
    if not found.get("enabled"):
        wrong.append("the timer is not enabled")
    if not found.get("linger"):
        wrong.append("the user does not linger, so that timers stop with the last login")
    entry = redact(want.cron)[:300].split()  # as the observer sends it
    cron = [line for line in found.get("cron") or [] if line.split() == entry]
    by_timer, by_cron = not wrong and want.scheduler != "cron", bool(cron) and want.scheduler != "timer"
    if not by_timer and not by_cron:
        asked = not (found.get("enabled") and found.get("linger"))
        if asked and "cron" not in found and want.scheduler != "timer":
            line = f"no timer ({'; '.join(wrong)}), and the crontab could not be read"
            yield Drift(Kind.CLEAN_SCHEDULE, "clean", line,
                        severity=UNKNOWN)  # fmt: skip
        elif found.get("cron"):
            yield Drift(Kind.CLEAN_SCHEDULE, "clean", "the crontab's line is another one", want.cron, found["cron"][0])
        else:
            nothing = len(wrong) > 2
            why = "it is not scheduled, neither by a timer nor by cron" if nothing else "; ".join(wrong)
            yield Drift(Kind.CLEAN_SCHEDULE, "clean", why, want.cron if want.scheduler == "cron" else want.timer)
    if by_timer and found.get("changed_by"):
        line = f"beside the units, {some(found['changed_by'])} may override them; they are not compared"
        yield Drift(Kind.CLEAN_SCHEDULE, "clean", line, severity=NOTE)
    last = found.get("last") or {}
    if last and not last.get("ok"):
        yield Drift(Kind.CLEAN_FAILED, "clean", f"the last run failed: {last.get('message', '')}", severity=NOTE)
