"""Render the schedule of `lockstep-clean`: systemd user units, or a crontab entry for users without lingering."""

from __future__ import annotations

import zlib

SERVICE, TIMER = "lockstep-clean.service", "lockstep-clean.timer"
CRON_NAME = "lockstep-clean"
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def _check(weekday: str, hour: int, minute: int, jitter_minutes: int) -> str:
    day = str(weekday).lower()[:3] if weekday != "*" else "*"
    if day != "*" and day not in DAYS:
        raise ValueError(f"conda_clean_weekday is {weekday!r}; it must be a weekday such as sun, or '*' for every day")
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= jitter_minutes <= 24 * 60):
        raise ValueError("conda_clean_hour must be 0-23, conda_clean_minute 0-59, conda_clean_jitter_minutes 0-1440")
    return day


def units(root: str, weekday: str, hour: int, minute: int, jitter_minutes: int) -> dict[str, str]:
    """Render the user units, by file name (systemd.timer(5), systemd.service(5)).

    :param jitter_minutes: each host adds a fixed delay of its own, at most this long
    :raises ValueError: if a part of the time is invalid
    """
    day = _check(weekday, hour, minute, jitter_minutes)
    calendar = f"{'' if day == '*' else day.capitalize() + ' '}*-*-* {hour:02}:{minute:02}:00"
    return {
        SERVICE: (
            "# Written by Lockstep (role conda_clean).\n[Unit]\n"
            "Description=Remove unused conda environments and packages\n\n"
            f"[Service]\nType=oneshot\nExecStart={root}/bin/lockstep-clean\n"
            "Nice=19\nIOSchedulingClass=idle\n"
        ),
        TIMER: (
            "# Written by Lockstep (role conda_clean).\n[Unit]\nDescription=Schedule of lockstep-clean\n\n"
            f"[Timer]\nOnCalendar={calendar}\nRandomizedDelaySec={jitter_minutes}min\nFixedRandomDelay=true\n"
            "Persistent=true\n\n[Install]\nWantedBy=timers.target\n"
        ),
    }


def cron(root: str, weekday: str, hour: int, minute: int, jitter_minutes: int, host: str) -> dict[str, str]:
    """Return the crontab entry as arguments of ansible.builtin.cron; the jitter is computed from the host's name.

    :raises ValueError: if a part of the time is invalid
    """
    day = _check(weekday, hour, minute, jitter_minutes)
    shift = zlib.crc32(host.encode()) % (jitter_minutes + 1)
    total = hour * 60 + minute + shift
    if day != "*" and total >= 24 * 60:  # past midnight is the next day
        day = DAYS[(DAYS.index(day) + 1) % 7]
    return {
        "name": CRON_NAME,
        "minute": str(total % 60),
        "hour": str(total // 60 % 24),
        "weekday": "*" if day == "*" else str(DAYS.index(day)),
        "job": f"{root}/bin/lockstep-clean",
    }
