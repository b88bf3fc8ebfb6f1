"""What a host should hold against what it holds: the one notion of "in sync".

site.yml leaves alone a host for which `compare` names nothing of severity `drift` or `unknown`; the audit reports the
same list. Pure functions: no Ansible, no files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

SCHEMA = 1
SHOWN = 5  # single files named for each sort of problem in one environment

DRIFT, UNKNOWN, NOTE = "drift", "unknown", "note"
"""Severities: proven to differ; could not be looked at, so not proven to agree; worth knowing, and no difference."""


class Kind(Enum):
    """What can differ. The order is the order of a report: the cause before what follows from it."""

    UNREACHABLE = "unreachable"
    NOT_OBSERVED = "not-observed"
    SETTINGS = "settings"
    UNREADABLE = "unreadable"
    ROOT_MISSING = "root-missing"
    ROOT_FILESYSTEM = "root-filesystem"
    FOLDER_MODE = "folder-mode"
    FLOOR = "floor"
    NOT_LOCKED = "not-locked"
    ENV_MISSING = "env-missing"
    ENV_LINK = "env-link"
    ENV_DIGEST = "env-digest"
    ENV_UNFINISHED = "env-unfinished"
    ENV_IDENTITY = "env-identity"
    CONTENT = "content"
    MANIFEST = "manifest"
    CLOBBERED = "clobbered"
    PIP_INSTALLED = "pip-installed"
    RECORD = "record"
    FILE_MISSING = "file-missing"
    FILE_ALTERED = "file-altered"
    FILE_EXTRA = "file-extra"
    FILE_ODD = "file-odd"
    FILE_MODE = "file-mode"
    FILE_OWNER = "file-owner"
    LEASE = "lease"
    BASE_MISSING = "base-missing"
    BASE_VERSION = "base-version"
    BASE_THAWED = "base-thawed"
    BASE_PACKAGES = "base-packages"
    CONDARC = "condarc"
    CONDARC_STRAY = "condarc-stray"
    ENGINE = "engine"
    TOOLS = "tools"
    CLEAN_SCHEDULE = "clean-schedule"
    CLEAN_FAILED = "clean-failed"
    TOUCHED = "touched"
    UNDECLARED = "undeclared"
    LEFTOVERS = "leftovers"


@dataclass(frozen=True)
class About:
    """What a kind means in one sentence, how it is mended, and which role does that ("" where a person has to)."""

    sentence: str
    remedy: str
    role: str = ""


SITE = "Run site.yml."
REPAIR = "Run site.yml: it exchanges the generation for a verified one, also while jobs use it."

ABOUT: dict[Kind, About] = {
    Kind.UNREACHABLE: About(
        "The host did not answer.",
        "Bring it back, or declare why it is away and until when (lockstep_maintenance: {reason, until}).",
    ),
    Kind.NOT_OBSERVED: About(
        "There is no observation of the host from this run.", "Do what the line says, then audit again."
    ),
    Kind.SETTINGS: About(
        "The variables do not say what the host should hold, or not in a form that can be read.",
        "Correct the variable that the line names.",
    ),
    Kind.UNREADABLE: About(
        "Something could not be looked at, so nobody can say that it is in order.",
        "Make it readable for the user of the play (the line says what refused), then audit again.",
    ),
    Kind.ROOT_MISSING: About("The fleet's folder is not there: nothing is installed.", SITE, "miniconda"),
    Kind.ROOT_FILESYSTEM: About(
        "The fleet's folder is on a network or read-only file system.", "Move lockstep_root to a local disk."
    ),
    Kind.FOLDER_MODE: About(
        "A folder of ours can be written by others, or belongs to somebody else.",
        "Correct its owner and mode (0755), then ask who changed it.",
    ),
    Kind.FLOOR: About(
        "The machine offers less than the floor that its environments were locked for.",
        "Update the driver or the system, or lower lockstep_floor and lock again.",
    ),
    Kind.NOT_LOCKED: About(
        "An environment is declared for this host, and its tier has no lock for it or for this platform.",
        "Lock it (playbooks/lock.yml) or promote it (playbooks/promote.yml), or take it out of lockstep_envs.",
    ),
    Kind.ENV_MISSING: About("A declared environment is not there.", SITE, "conda_envs"),
    Kind.ENV_LINK: About(
        "The link that publishes an environment is dangling, foreign, or no link at all.", SITE, "conda_envs"
    ),
    Kind.ENV_DIGEST: About(
        "The environment that is live is not the one that the tier's lock declares.", SITE, "conda_envs"
    ),
    Kind.ENV_UNFINISHED: About(
        "What is live has no valid mark: it was never finished, or its mark was altered.", REPAIR, "conda_envs"
    ),
    Kind.ENV_IDENTITY: About(
        "The packages that the records name are not the ones that the digest stands for.", REPAIR, "conda_envs"
    ),
    Kind.CONTENT: About(
        "Hosts of the same digest hold other contents: an archive was altered before it was installed here.",
        "Find out how that archive came to the host; then remove the generation and the package's folder in pkgs "
        "there, and run site.yml, which fetches and verifies it again.",
    ),
    Kind.MANIFEST: About("The list of an environment's files was altered or lost.", REPAIR, "conda_envs"),
    Kind.CLOBBERED: About("pip has overwritten a package that conda installed.", REPAIR, "conda_envs"),
    Kind.PIP_INSTALLED: About("A Python package is there that the lock does not hold.", REPAIR, "conda_envs"),
    Kind.RECORD: About("A package's record in conda-meta was added, altered or removed.", REPAIR, "conda_envs"),
    Kind.FILE_MISSING: About("A file of an environment is missing.", REPAIR, "conda_envs"),
    Kind.FILE_ALTERED: About("A file of an environment has other contents.", REPAIR, "conda_envs"),
    Kind.FILE_EXTRA: About("A file is in an environment that nothing put there.", REPAIR, "conda_envs"),
    Kind.FILE_ODD: About("A pipe, socket or device is in an environment.", REPAIR, "conda_envs"),
    Kind.FILE_MODE: About(
        "Others may write to a file or folder of an environment, or may not read it, or it is not frozen.",
        REPAIR,
        "conda_envs",
    ),
    Kind.FILE_OWNER: About("A file of an environment belongs to somebody else.", REPAIR, "conda_envs"),
    Kind.LEASE: About(
        "The lease file of a generation is missing, so that users cannot protect it from the clean.", SITE, "conda_envs"
    ),
    Kind.BASE_MISSING: About("Miniconda is missing or unfinished.", SITE, "miniconda"),
    Kind.BASE_VERSION: About("Miniconda is not the declared version, or nobody's mark is on it.", SITE, "miniconda"),
    Kind.BASE_THAWED: About("The base is not frozen against changes by conda and pip.", SITE, "miniconda"),
    Kind.BASE_PACKAGES: About(
        "The base holds more, less or other packages than its installer brought.",
        "Move the base away and run site.yml; environments do not depend on it.",
    ),
    Kind.CONDARC: About("The base's .condarc is missing or not the declared one.", SITE, "condarc"),
    Kind.CONDARC_STRAY: About(
        "Another configuration of conda is there; one that conda reads before ours can loosen it.",
        "Remove the file, or move what it says into the declaration.",
    ),
    Kind.ENGINE: About("The engine that builds environments is missing or another one.", SITE, "conda_envs"),
    Kind.TOOLS: About("One of our own programs on the host is missing or altered.", SITE, "conda_envs"),
    Kind.CLEAN_SCHEDULE: About("The scheduled clean is not set up as declared.", SITE, "conda_clean"),
    Kind.CLEAN_FAILED: About(
        "The last scheduled clean failed.", "Run bin/lockstep-clean on the host and read what it says."
    ),
    Kind.TOUCHED: About(
        "Files have other times than when they were installed, and the right contents (a copy or an image does this).",
        "Nothing has to be done; audits of this host take longer.",
    ),
    Kind.UNDECLARED: About(
        "An environment is there that is not declared for this host.",
        "Declare it in lockstep_envs, or remove its link and let the clean collect it.",
    ),
    Kind.LEFTOVERS: About(
        "Unfinished work of a killed build lies beside an environment.", "The next build or clean removes it."
    ),
}


@dataclass(frozen=True)
class Drift:
    """One difference between what is declared and what was observed.

    `subject` is an environment's name, `base`, `condarc`, `engine`, `clean` or `host`; `detail` is one line for people.
    """

    kind: Kind
    subject: str
    detail: str
    declared: str = ""
    observed: str = ""
    severity: str = DRIFT

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}"

    @property
    def role(self) -> str:
        """The role that mends it; "" where a person has to."""
        return ABOUT[self.kind].role

    def to_json(self) -> dict[str, str]:
        """Plain data for a report."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Drift:
        """Read what `to_json` wrote; raises ValueError, KeyError or TypeError for anything else."""
        return cls(**{**data, "kind": Kind(data["kind"])})  # type: ignore[arg-type]


WHEEL = "(pip)"
"""Stands for the build of what comes from pip."""


@dataclass(frozen=True)
class Locked:
    """What a tier's lock holds for one platform. `packages` are `(name, version, build)`, conda's first."""

    digest: str
    packages: tuple[tuple[str, str, str], ...] = ()
    floor: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeclaredEnv:
    """An environment that a host should hold: its lock's path, what that holds by platform, or why there is none."""

    lock: str
    platforms: Mapping[str, Locked] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Clean:
    """The schedule: units by path below the home, the crontab's line, and which of the two (auto, timer, cron)."""

    units: Mapping[str, str]
    timer: str
    cron: str
    scheduler: str = "auto"


@dataclass(frozen=True)
class Declared:
    """What one host should hold. None: not declared, and so not compared."""

    root: str
    tier: str
    envs: Mapping[str, DeclaredEnv]
    base_prefix: str = ""
    base_version: str | None = None
    frozen: Mapping[str, str] = field(default_factory=dict)
    condarc: str | None = None
    condarc_sha256: str | None = None
    engine: str | None = None
    engine_wheels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    clean: Clean | None = None
    floor: Mapping[str, str] = field(default_factory=dict)


def compare(declared: Declared, observation: Any) -> list[Drift]:
    """Name everything in which an observation is not what is declared.

    :param observation: what module_utils/observer printed, as data; it comes from a host: nothing in it is trusted
    :returns: in the order of `Kind`; empty, or nothing but notes: the host is in sync
    """
    if not isinstance(observation, Mapping) or observation.get("schema") != SCHEMA:
        line = "the host gave no observation of the schema that this version reads"
        return [Drift(Kind.NOT_OBSERVED, "host", line, severity=UNKNOWN)]
    try:
        found = list(_compare(declared, observation))
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        found = [_unknown("host", f"the observation is malformed ({type(error).__name__}: {error})")]
    order = {kind: index for index, kind in enumerate(Kind)}
    rank = {DRIFT: 0, UNKNOWN: 1, NOTE: 2}
    tidy = [
        Drift(d.kind, plain(d.subject), plain(d.detail), plain(d.declared), plain(d.observed), d.severity)
        for d in found
    ]
    return sorted(dict.fromkeys(tidy), key=lambda d: (rank[d.severity], order[d.kind]))


def in_sync(drifts: Sequence[Drift]) -> bool:
    """Whether a comparison proves that the host agrees: notes do not count, what could not be seen does."""
    return all(drift.severity == NOTE for drift in drifts)


def plain(text: str, limit: int = 600) -> str:
    """Text fit for a terminal and a page: no control characters, no lone surrogates, bounded."""
    text = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", "\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _unknown(subject: str, detail: str) -> Drift:
    return Drift(Kind.UNREADABLE, subject, detail, severity=UNKNOWN)


def _compare(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    for error in seen["errors"]:
        what, gpu = str(error["what"]), str(error["what"]) in ("cuda", "nvidia-smi")
        severity = NOTE if gpu and "cuda" not in declared.floor else UNKNOWN
        subject = what[4:] if what.startswith("env ") else "host"
        about = "" if what.startswith("env ") else f"{what}: "
        yield Drift(Kind.UNREADABLE, subject, f"{about}{error['why']}", severity=severity)
    host = seen.get("host")
    if not isinstance(host, Mapping):
        yield _unknown("host", "the machine could not be looked at")
        host = {}
    platform = str(host.get("platform", ""))
    yield from _floor(declared, host, platform)
    if seen.get("absent"):
        yield Drift(Kind.ROOT_MISSING, "host", f"{declared.root} does not exist; nothing is installed", declared.root)
        for name in declared.envs:
            yield from _lock_of(name, declared, platform)[1]
            yield Drift(Kind.ENV_MISSING, name, "not installed")
        return
    if declared.root != seen["root"]:
        yield _unknown("host", f"it was {seen['root']} that was looked at, not {declared.root}")
    yield from _root(seen)
    yield from _base(declared, seen)
    yield from _condarc(declared, seen)
    yield from _engine(declared, seen, platform)
    yield from _clean(declared, seen)
    yield from _envs(declared, seen, platform)


def _section(seen: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], list[Drift]]:
    found = seen.get(key)
    if isinstance(found, Mapping):
        return found, []
    return {}, [_unknown("host", f"{key} could not be looked at")]


# --- the machine ------------------------------------------------------------------------------------------------------

FLOORS = {
    "cuda": "NVIDIA driver's CUDA",
    "glibc": "glibc",
    "linux": "kernel",
    "osx": "macOS",
    "archspec": "microarchitecture",
}
LEVELS = ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4")


def version_key(version: str) -> tuple[int, ...]:
    """`12.8` as numbers, without what follows them; `(0,)` for no version."""
    match = re.match(r"\d+(\.\d+)*", str(version))
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)


def _meets(key: str, offered: str, least: str) -> bool:
    if key == "archspec":
        return offered == least or (
            offered in LEVELS and least in LEVELS and LEVELS.index(offered) >= LEVELS.index(least)
        )
    have, want = version_key(offered), version_key(least)
    width = max(len(have), len(want))
    return have + (0,) * (width - len(have)) >= want + (0,) * (width - len(want))


def _floor(declared: Declared, host: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """`archspec/<platform>` names a level for that platform alone; other keys go with an operating system."""
    gpu = host.get("gpu") or {}
    offered = {"cuda": gpu.get("cuda"), "linux": host.get("kernel")}
    needs: dict[tuple[str, str], list[str]] = {(key, least): [] for key, least in declared.floor.items()}
    for name, env in declared.envs.items():
        for key, least in env.platforms[platform].floor.items() if platform in env.platforms else ():
            needs.setdefault((key, least), []).append(name)
    for (key, least), envs in needs.items():
        base, _, only = key.partition("/")
        applies = only == platform if only else (base == "osx") == platform.startswith("osx")
        value = offered.get(base, host.get(base))
        if not applies or (value is not None and _meets(base, str(value), least)):
            continue
        simulated = " (simulated)" if base == "cuda" and gpu.get("simulated") else ""
        for_whom = f"the lock of {', '.join(envs)} promises" if envs else "the floor is"
        label = FLOORS.get(base, base)
        what = f"{label} is {value}{simulated}" if value else f"no {label} was found"
        yield Drift(Kind.FLOOR, "host", f"{what}, and {for_whom} {least}", least, str(value or ""))


def _root(seen: Mapping[str, Any]) -> Iterator[Drift]:
    disk, drifts = _section(seen, "disk")
    yield from drifts
    if str(disk.get("type", "")).startswith("nfs"):
        yield Drift(
            Kind.ROOT_FILESYSTEM, "host", f"{seen['root']} is on {disk['type']}", "a local disk", str(disk["type"])
        )
    if disk.get("readonly"):
        yield Drift(Kind.ROOT_FILESYSTEM, "host", f"{seen['root']} is on a file system mounted read-only")
    folders, drifts = _section(seen, "folders")
    yield from drifts
    for name, why in folders.items():
        yield Drift(Kind.FOLDER_MODE, "host", f"{seen['root']}/{name}: {why}", observed=str(why))


# --- the base ---------------------------------------------------------------------------------------------------------


def _some(items: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(str(item) for item in items[:limit]) + more


def _pip(items: Sequence[Mapping[str, str]]) -> list[str]:
    return [f"{i.get('name')} {i.get('version')}" + (f" ({i['from']})" if i.get("from") else "") for i in items]


def _base(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    if declared.base_version is None:
        return
    base, drifts = _section(seen, "base")
    yield from drifts
    if not base:
        return
    if base["state"] != "present":
        yield Drift(
            Kind.BASE_MISSING, "base", f"{declared.base_prefix} is {base['state']}", "present", str(base["state"])
        )
        return
    if base["version"] != declared.base_version:
        what = f"is {base['version']}" if base["version"] else "has no mark of Lockstep"
        line = f"{what}, and {declared.base_version} is declared"
        yield Drift(Kind.BASE_VERSION, "base", line, declared.base_version, str(base["version"]))
    for path, state in base.get("frozen", {}).items():
        wanted = declared.frozen.get(path.rsplit("/", 1)[-1])
        if wanted and state != wanted:
            what = "is missing" if state == "missing" else "is not ours"
            yield Drift(
                Kind.BASE_THAWED, "base", f"{path} {what}: conda or pip can change the base", wanted, str(state)
            )
    severity = NOTE if base.get("adopted") else DRIFT
    extra, missing = base.get("extra", []), base.get("missing", [])
    if extra or missing:
        words = [f"{word} {_some(items)}" for word, items in (("extra:", extra), ("gone:", missing)) if items]
        yield Drift(
            Kind.BASE_PACKAGES, "base", "packages are not the installer's; " + "; ".join(words), severity=severity
        )
    if base.get("pip"):
        yield Drift(Kind.BASE_PACKAGES, "base", f"pip installed {_some(_pip(base['pip']))}", severity=severity)


def _condarc(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    if declared.condarc_sha256 is None:
        return
    found, drifts = _section(seen, "condarc")
    yield from drifts
    path = f"{declared.base_prefix}/.condarc"
    if found.get("missing") and (seen.get("base") or {}).get("state") == "missing":
        pass  # said already, by the base
    elif found.get("missing"):
        yield Drift(Kind.CONDARC, "condarc", f"{path} is missing", declared.condarc_sha256)
    elif "sha256" in found and found["sha256"] != declared.condarc_sha256:
        lines = difflib.ndiff((declared.condarc or "").splitlines(), str(found.get("text", "")).splitlines())
        changes = [f"{'added' if line[0] == '+' else 'gone'} `{line[2:].strip()}`" for line in lines if line[0] in "+-"]
        yield Drift(Kind.CONDARC, "condarc", f"{path} differs: {_some(changes, 4) or 'only in white space or secrets'}",
                    declared.condarc_sha256, str(found["sha256"]))  # fmt: skip
    if found.get("mode"):
        yield Drift(Kind.CONDARC, "condarc", f"{path} has mode {found['mode']}", "0644", str(found["mode"]))
    for stray in seen.get("strays") or []:
        keys = f" sets {_some(stray.get('keys') or [])}" if stray.get("keys") else ""
        after = stray.get("order") == "after"
        when = "after ours, which settles what matters" if after else "ahead of ours, or beside it"
        yield Drift(Kind.CONDARC_STRAY, "condarc", f"{stray['path']}{keys}; conda reads it {when}",
                    severity=NOTE if after else DRIFT)  # fmt: skip


def _engine(declared: Declared, seen: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    if declared.engine is not None:
        engine, drifts = _section(seen, "engine")
        yield from drifts
        wanted, name = declared.engine_wheels.get(platform), f"rattler-{declared.engine}"
        versions = engine.get("versions", {})
        if engine and not versions.get(name):
            others = f"; there is {_some(sorted(versions))}" if versions else ""
            yield Drift(Kind.ENGINE, "engine", f"{name} is missing or unfinished{others}", name)
        elif engine and wanted and versions[name] != wanted:
            yield Drift(
                Kind.ENGINE, "engine", f"{name} was not made from the pinned wheel", wanted, str(versions[name])
            )
    if declared.files:
        files, drifts = _section(seen, "files")
        yield from drifts
        folders: dict[str, list[str]] = {}
        for path in files:
            folders.setdefault("/".join(path.split("/")[:2]) if path.startswith("engine/") else path, []).append(path)
        for folder, paths in folders.items():
            if len(paths) > SHOWN:
                have = _some([name for name in (seen.get("engine") or {}).get("tools") or [] if name not in folder])
                line = f"{folder}: {len(paths)} files are missing or altered" + (
                    f"; the host has {have}" if have else ""
                )
                yield Drift(Kind.TOOLS, "engine", line)
                continue
            for path in paths:
                state = str(files[path])
                what = state if state == "missing" or " " in state else "altered"
                line = f"{path} is {what}" if what in ("missing", "altered") else f"{path}: {what}"
                yield Drift(Kind.TOOLS, "engine", line, declared.files.get(path, ("", 0))[0], state)


def _clean(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    if declared.clean is None:
        return
    found, drifts = _section(seen, "clean")
    yield from drifts
    if not found:
        return
    want = declared.clean
    wrong = []
    if found.get("units"):
        wrong += [f"{path.rsplit('/', 1)[-1]} is {'missing' if state == 'missing' else 'altered'}"
                  for path, state in found["units"].items()]  # fmt: skip
    if not found.get("enabled"):
        wrong.append("the timer is not enabled")
    if not found.get("linger"):
        wrong.append("the user does not linger, so that timers stop with the last login")
    cron = [line for line in found.get("cron") or [] if line.split() == want.cron.split()]
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
    last = found.get("last") or {}
    if last and not last.get("ok"):
        yield Drift(Kind.CLEAN_FAILED, "clean", f"the last run failed: {last.get('message', '')}", severity=NOTE)


# --- environments -----------------------------------------------------------------------------------------------------

FILE_KINDS = {
    "missing": Kind.FILE_MISSING, "altered": Kind.FILE_ALTERED, "extra": Kind.FILE_EXTRA, "odd": Kind.FILE_ODD,
    "mode": Kind.FILE_MODE, "owner": Kind.FILE_OWNER, "unreadable": Kind.UNREADABLE,
}  # fmt: skip
WORDS = {"missing": "is missing", "altered": "is altered", "extra": "does not belong", "odd": "does not belong",
         "mode": "has a wrong mode", "owner": "has another owner", "unreadable": "cannot be read"}  # fmt: skip


def _lock_of(name: str, declared: Declared, platform: str) -> tuple[Locked | None, list[Drift]]:
    env = declared.envs[name]
    if env.error:
        return None, [Drift(Kind.NOT_LOCKED, name, env.error)]
    if platform not in env.platforms:
        held = _some(sorted(env.platforms)) or "nothing"
        return None, [
            Drift(Kind.NOT_LOCKED, name, f"{env.lock} is locked for {held}, and this host is {platform or '?'}")
        ]
    return env.platforms[platform], []


def _envs(declared: Declared, seen: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    envs, drifts = _section(seen, "envs")
    yield from drifts
    for name in declared.envs:
        locked, drifts = _lock_of(name, declared, platform)
        yield from drifts
        env = envs.get(name)
        if env is None:
            yield _unknown(name, "it was not looked at")
        elif "error" in env:
            yield _unknown(name, str(env["error"]))
        else:
            yield from _env(name, locked, env, declared)
    for name in seen.get("undeclared") or {}:
        yield Drift(Kind.UNDECLARED, name, "stands on the host, and is not declared for it", severity=NOTE)


def _env(name: str, locked: Locked | None, env: Mapping[str, Any], declared: Declared) -> Iterator[Drift]:
    built = locked is not None and locked.digest[:12] in (env.get("others") or [])
    ready = "; the declared generation is built and waits for its activation" if built else ""
    link, target = str(env["link"]), env.get("target")
    want = locked.digest if locked else ""
    if link == "missing":
        yield Drift(Kind.ENV_MISSING, name, f"not installed{ready}", want)
    elif link == "dangling":
        yield Drift(Kind.ENV_LINK, name, f"its link points to {target}, which is gone", want, str(target))
    elif link == "foreign":
        yield Drift(
            Kind.ENV_LINK, name, f"its link points to {target}, which is no generation of it", want, str(target)
        )
    elif link != "ok":
        yield Drift(Kind.ENV_LINK, name, f"envs/{name} is a {target}, not a link", want, str(target))
    elif "unfinished" in env:
        yield Drift(Kind.ENV_UNFINISHED, name, f"{env['generation']} is live, and {env['unfinished']}", want)
    else:
        yield from _generation(name, locked, env, declared.tier, ready)
    if env.get("leftovers"):
        yield Drift(Kind.LEFTOVERS, name, f"unfinished beside it: {_some(env['leftovers'])}", severity=NOTE)


def _generation(name: str, locked: Locked | None, env: Mapping[str, Any], tier: str, ready: str) -> Iterator[Drift]:
    digest = str(env["digest"])
    if locked is not None and digest != locked.digest:
        conda = [item for item in locked.packages if item[2] != WHEEL]  # a host's records know of no wheels
        changes = package_changes(conda, [split_name(item) for item in env.get("names") or []])
        why = f": {_some(changes, 4)}" if changes else " (the same conda packages; wheels, variables or layout differ)"
        yield Drift(Kind.ENV_DIGEST, name, f"holds {digest[:12]}, and {tier or 'the lock'} declares "
                    f"{locked.digest[:12]}{why}{ready}", locked.digest, digest)  # fmt: skip
    if "mislabelled" in env:
        yield Drift(Kind.ENV_UNFINISHED, name, str(env["mislabelled"]))
    for line in env.get("identity") or []:
        yield Drift(Kind.ENV_IDENTITY, name, str(line))
    if env.get("manifest") != "ok":
        yield Drift(Kind.MANIFEST, name, f"its list of files cannot be trusted: {env.get('manifest')}")
    if "lease" in env:
        yield Drift(Kind.LEASE, name, f"its lease: {env['lease']}")
    for line in env.get("clobbered") or []:
        yield Drift(Kind.CLOBBERED, name, str(line))
    for line in _pip(env.get("pip") or []):
        yield Drift(Kind.PIP_INSTALLED, name, f"pip: {line} is not in the lock", observed=line)
    if "problems" in env:
        yield from _problems(name, env["problems"])
    if env.get("touched"):
        yield Drift(
            Kind.TOUCHED, name, f"{env['touched']} files have other times and the right contents", severity=NOTE
        )


def _problems(name: str, problems: Mapping[str, Any]) -> Iterator[Drift]:
    named: dict[str, int] = {}
    for item in problems["shown"]:
        what, path = str(item["what"]), str(item["path"])
        if named.get(what, 0) >= SHOWN:
            continue
        named[what] = named.get(what, 0) + 1
        kind = FILE_KINDS[what]
        if re.match(r"conda-meta/[^/]+\.json\Z", path) and what in ("missing", "altered", "extra"):
            kind = Kind.RECORD
        of = f" (of {item['package']})" if item.get("package") and kind is not Kind.RECORD else ""
        why = f": {item['why']}" if item.get("why") else ""
        yield Drift(kind, name, f"{path} {WORDS[what]}{of}{why}", observed=what,
                    severity=UNKNOWN if what == "unreadable" else DRIFT)  # fmt: skip
    for what, count in problems["by"].items():
        if count > named.get(what, 0):
            more = count - named.get(what, 0)
            line = f"and {more} more file{'s' if more > 1 else ''}, of which each {WORDS[what]}"
            yield Drift(FILE_KINDS[what], name, line,
                        observed=what, severity=UNKNOWN if what == "unreadable" else DRIFT)  # fmt: skip


def split_name(item: str) -> tuple[str, str, str]:
    """Split a record's name, `name-version-build`; missing parts are empty."""
    parts = str(item).rsplit("-", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (str(item), "", "")


def package_changes(declared: Sequence[tuple[str, str, str]], observed: Sequence[tuple[str, str, str]]) -> list[str]:
    """Say in a few words each in which packages two sets differ, the observed one as seen from the declared one."""
    want = {name: (version, build) for name, version, build in declared}
    have = {name: (version, build) for name, version, build in observed}
    lines = []
    for name in sorted(want.keys() | have.keys()):
        if name not in have:
            lines.append(f"{name} {want[name][0]} is missing")
        elif name not in want:
            lines.append(f"{name} {have[name][0]} is extra")
        elif want[name] != have[name]:
            same = want[name][0] == have[name][0]
            lines.append(f"{name} {' '.join(have[name]) if same else have[name][0]} instead of "
                         f"{want[name][1] if same else want[name][0]}")  # fmt: skip
    return lines
