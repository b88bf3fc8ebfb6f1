"""Read what a lock is made from: the spec, its smoke test, the previous lock. Failures become findings."""

from __future__ import annotations

from ..conda.locked_package import LockError
from ..conda.lockfile import Lock, smoke_test_problems
from ..core.findings import WARNING
from ..spec import environment_spec
from .draft import Draft


def read_spec(draft: Draft) -> environment_spec.Spec | None:
    """Return the spec; None if the file cannot be read or decoded."""
    try:
        text = draft.file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        utf16 = error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        message = "it is UTF-16, as PowerShell's `>` writes" if utf16 else f"it is not UTF-8 (byte {error.start + 1})"
        draft.add_finding("unreadable", message, "save it as UTF-8")
        return None
    except OSError as error:
        draft.add_finding("unreadable", str(error.strerror), "make it a readable file")
        return None
    wanted, draft.outcome.findings = environment_spec.read(
        text, draft.source, draft.outcome.name, draft.settings.channels
    )
    return wanted


def read_old_lock(draft: Draft) -> Lock | None:
    """Return the previous lock; None if there is none or it is not valid."""
    outcome = draft.outcome
    try:
        outcome.old = outcome.path.read_bytes()
        outcome.old_text = outcome.old.decode().replace("\r\n", "\n")  # as git may check it out
        return Lock.loads(outcome.old_text, str(outcome.path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, LockError) as error:
        cause = error.problem if isinstance(error, LockError) else str(error)
        draft.add_finding(
            "old-lock",
            f"the previous lock cannot be used: {cause.splitlines()[0]}",
            "it is made again, and no package of it is kept",
            WARNING,
        )
        return None


def read_smoke_test(draft: Draft) -> None:
    """Read the smoke test beside the spec, if there is one."""
    file = draft.file.with_name(f"{draft.outcome.name}.smoke.py")
    message = f"its smoke test {file.name}"
    try:
        draft.smoke_test = file.read_bytes().decode()
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        draft.add_finding("unreadable", f"{message} is not UTF-8 (byte {error.start + 1})", "save it as UTF-8")
        return
    except OSError as error:
        draft.add_finding("unreadable", f"{message}: {error.strerror}", "make it a readable file")
        return
    for problem in smoke_test_problems(draft.smoke_test):
        remedy = "limit it to what shows that the environment works, as plain Python text"
        draft.add_finding("unreadable", f"{message} {problem}", remedy)
