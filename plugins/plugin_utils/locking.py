"""Make the locks of a site's first tier from its specs: read, solve, judge, write; no Ansible here.

Nothing is written but whole files, by rename, and only if every environment's outcome is free of errors: a person who
changed two specs gets both locks or none. All locks of a run change as one (`handover`): a kill leaves what was, or
what the next run completes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..module_utils import plan as plans
from ..module_utils import wheels
from ..module_utils.problem import Problem
from . import channels as chan
from . import evidence, habits, handover, packagediff, pipsolver, pypi_names, relax, spec, variants
from .findings import ERROR, FUZZY_PIN, WARNING, Finding, errors
from .floor import Floor
from .lockfile import SMOKE, SUFFIX, Lock
from .lockpackage import LockError, Package
from .solver import ChannelUnreadable, Question, Solver, Unsolvable, parse_exclude_newer

_LEFTOVER_AGE = 3600  # seconds after which a temporary file of a killed run is swept


@dataclass(frozen=True)
class Settings:
    """What a site declares about its locks (the lockstep_* variables), and what this run was asked to move."""

    envs_dir: Path
    locks_dir: Path
    tier: str
    envs: tuple[str, ...] | None = None  # None: every spec there is
    channels: tuple[str, ...] = ("conda-forge",)
    repodata_alias: str = chan.PUBLISHED_ALIAS
    floor: Any = None
    platforms: tuple[str, ...] = ("linux-64",)
    exclude_newer: Any = None
    update: tuple[str, ...] = ()
    upgrade: bool = False
    cache: Path | None = None
    pip_index: str = ""  # of the pip sections' wheels; "": the one that uv is set up for


@dataclass
class Outcome:
    """What came of one environment."""

    name: str
    path: Path
    findings: list[Finding] = field(default_factory=list)
    old: bytes | None = None  # what is there, and as text if it is one
    old_text: str | None = None
    new_text: str | None = None
    old_smoke: bytes | None = None  # the smoke test beside the lock, and the one beside the spec
    new_smoke: bytes | None = None
    difference: list[str] = field(default_factory=list)
    platforms: list[dict[str, Any]] = field(default_factory=list)  # name, packages, download_bytes, variants

    @property
    def changed(self) -> bool:
        """Whether what is on disk, lock and smoke test, is not what was made."""
        return self.new_text is not None and (self.lock_changed or self.old_smoke != self.new_smoke)

    @property
    def lock_changed(self) -> bool:
        """Whether the lock on disk is not the one that was made."""
        return self.new_text is not None and self.new_text != self.old_text


class SettingsError(ValueError):
    """The site's variables are wrong; the text says which and how to put them right."""


def run(settings: Settings, write: bool) -> list[Outcome]:
    """Make all locks; `write` them if there is no error.

    Where nothing is written, findings are judged by the locks that are there: see `_insist`.

    :raises SettingsError: where a variable or a name is wrong
    :raises handover.HandoverError: where another run is at work, or a lock changed meanwhile; nothing was written then
    :raises OSError: where a file cannot be written
    """
    outcomes = asyncio.run(_make(settings))
    if not write:
        for outcome in outcomes:
            outcome.findings = _insist(outcome)
    elif not any(errors(outcome.findings) for outcome in outcomes):
        _write(settings, [outcome for outcome in outcomes if outcome.changed])
    return outcomes


def _write(settings: Settings, outcomes: Sequence[Outcome]) -> None:
    """Change all these locks as one."""
    if not outcomes:
        return
    changes = []
    for o in outcomes:
        new = (o.new_text or "").encode() if o.lock_changed else o.old
        changes.append(handover.Change(evidence.lock_path(settings.tier, o.name), o.old, new))
        changes.append(handover.Change(evidence.smoke_path(settings.tier, o.name), o.old_smoke, o.new_smoke))
    about = {"what": "lock", "tier": settings.tier, "envs": [o.name for o in outcomes]}
    settings.locks_dir.mkdir(parents=True, exist_ok=True)
    with handover.alone(settings.locks_dir):
        handover.finish(settings.locks_dir)  # of a run that was killed while this one solved
        handover.apply(settings.locks_dir, changes, about)


def complete(settings: Settings, write: bool) -> str:
    """Complete what a killed run left, before locks are read; return what that is about, nothing where there is none.

    :param write: whether to do it, or only to say it
    :raises handover.HandoverError: where another run is at work, or it cannot be completed
    :raises OSError: where a file cannot be written
    """
    if not (settings.locks_dir / handover.JOURNAL).is_file():
        return ""
    with handover.alone(settings.locks_dir):
        if write:
            about = handover.finish(settings.locks_dir)
        else:
            journal = handover.pending(settings.locks_dir)
            about = journal["about"] if journal else None
    return handover.say(about) if about else ""


def _insist(outcome: Outcome) -> list[Finding]:
    """Return the findings, with fuzzy pins as errors where no current lock says what they came to.

    A run that writes locks leaves them warnings: it makes the lock that says so.
    """
    if outcome.old_text is not None and not outcome.lock_changed:
        return outcome.findings
    return [
        replace(f, severity=ERROR, message=f"{f.message}, and no current lock says which that is")
        if f.code == FUZZY_PIN
        else f
        for f in outcome.findings
    ]


def check(settings: Settings) -> tuple[Floor, dt.datetime | None]:
    """Return the floor and the time up to which packages count; raises SettingsError for a variable that is wrong."""
    try:
        floor = Floor.parse(settings.floor)
        cutoff = parse_exclude_newer(settings.exclude_newer)
        wheels.check_index(settings.pip_index)
        addresses = [chan.published(channel) for channel in settings.channels]
    except (ValueError, Problem) as error:
        raise SettingsError(str(error)) from None
    if twice := next((item for item in addresses if addresses.count(item) > 1), None):
        raise SettingsError(f"lockstep_channels has {chan.short_name(twice)} twice: remove one")
    if unknown := sorted(set(settings.platforms) - set(plans.PLATFORMS)):
        raise SettingsError(f"lockstep_platforms: unknown {', '.join(unknown)}; there are {', '.join(plans.PLATFORMS)}")
    if not plans.NAME.match(settings.tier):
        raise SettingsError(
            f"lockstep_tiers: {settings.tier[:80]!r} cannot be a tier's name, which becomes a folder's: "
            "write a-z, 0-9, '.', '_' and '-'"
        )
    if not settings.channels or not settings.platforms:
        raise SettingsError("lockstep_channels and lockstep_platforms must each name at least one")
    return floor, cutoff


async def _make(settings: Settings) -> list[Outcome]:
    floor, cutoff = check(settings)
    solver = Solver(settings.repodata_alias, settings.cache)
    outcomes = [Outcome(name, settings.locks_dir / settings.tier / f"{name}{SUFFIX}") for name in names(settings)]
    makers = [_Environment(settings, solver, floor, cutoff, outcome) for outcome in outcomes]
    await asyncio.gather(*(maker.lock() for maker in makers))
    known = set().union(*(maker.known for maker in makers))
    for name in settings.update:
        if name not in known:
            close = habits.nearest(name, known)
            raise SettingsError(
                f"update={name}: no environment that is being locked has it"
                + (f"; did you mean {close}?" if close else "")
            )
    return outcomes


def names(settings: Settings) -> list[str]:
    """Return the environments to lock, sorted; raises SettingsError for one without a spec."""
    try:
        present = sorted(path.stem for path in settings.envs_dir.iterdir() if path.suffix == ".yml" and path.is_file())
    except OSError as error:
        raise SettingsError(f"lockstep_envs_dir {settings.envs_dir}: {error.strerror}") from None
    if settings.envs is None:
        return present
    wanted = {name.strip() for name in settings.envs}
    if "" in wanted:
        raise SettingsError("an environment without a name is asked for (env= is empty, or has a comma too many)")
    if missing := sorted(wanted - set(present)):
        hints = []
        for name in missing:
            if (settings.envs_dir / f"{name}.yaml").is_file():
                hints.append(f"rename {name}.yaml to {name}.yml")
            elif close := habits.nearest(name, present):
                hints.append(f"did you mean {close}?")
        there = f"there are {', '.join(present) or 'none'}"
        raise SettingsError(f"no spec for {', '.join(missing)} in {settings.envs_dir}; {'; '.join([*hints, there])}")
    return sorted(wanted)


class _Environment:
    """The making of one lock."""

    def __init__(self, settings: Settings, solver: Solver, floor: Floor, cutoff: Any, outcome: Outcome) -> None:
        self.settings, self.solver, self.floor, self.cutoff, self.outcome = settings, solver, floor, cutoff, outcome
        path = settings.envs_dir / f"{outcome.name}.yml"
        self.file = path
        self.source = os.path.relpath(path) if not os.path.relpath(path).startswith("..") else str(path)
        self.sizes: dict[str, int] = {}
        self.known: set[str] = set()  # package names that `update` may mean
        self.pip_failures: dict[tuple[str, str], list[str]] = {}  # cause and remedy to platforms
        self.unsolved: dict[tuple[tuple[str, ...], int | None], list[Question]] = {}  # by hints and the dependency

    def find(
        self, code: str, message: str, remedy: str, severity: str = ERROR, place: spec.Place | None = None
    ) -> None:
        place = place or spec.Place()
        finding = Finding(self.source, place.line, place.column, code, severity, message, remedy)
        if finding not in self.outcome.findings:  # platforms may have the same to say
            self.outcome.findings.append(finding)

    async def lock(self) -> None:
        try:
            text = self.file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            utf16 = error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
            message = (
                "it is UTF-16, as PowerShell's `>` writes" if utf16 else f"it is not UTF-8 (byte {error.start + 1})"
            )
            self.find("unreadable", message, "save it as UTF-8")
            return
        except OSError as error:
            self.find("unreadable", str(error.strerror), "make it a readable file")
            return
        wanted, self.outcome.findings = spec.read(text, self.source, self.outcome.name, self.settings.channels)
        old = self._old()
        self._smoke()
        self.known = {d.match.name for d in wanted.dependencies} | {r.name for r in wanted.pip}
        self.known |= {p.name for p in (old.packages if old else ())}
        platforms = self._platforms(wanted)
        if not errors(self.outcome.findings):
            await self._unknown(wanted, platforms)
        if errors(self.outcome.findings):
            return
        made = await asyncio.gather(*(self._platform(wanted, platform, old) for platform in platforms))
        self._report_unsolved(wanted, [platform for platform, found in zip(platforms, made, strict=True) if found])
        if errors(self.outcome.findings):
            return
        packages = [package for found in made for package in found]
        if wanted.pip:
            self._advise(wanted, packages)
            wheels = await asyncio.gather(*(self._wheels(wanted, platform, packages, old) for platform in platforms))
            self._tell_pip_failures(wanted)
            if errors(self.outcome.findings):
                return
            packages += [package for found in wheels for package in found]
        new = Lock(
            tuple(packages),
            tuple(platforms),
            tuple(wanted.channels),
            (self._relative(),),
            self._custom(wanted, platforms),
        )
        try:
            self.outcome.new_text = new.dumps()
            if self.outcome.lock_changed:  # what is written can be read
                Lock.loads(self.outcome.new_text, str(self.outcome.path), self.settings.channels)
        except LockError as error:
            self.outcome.new_text = None
            self.find("unusable-lock", str(error), "this is the channel's fault, or Lockstep's: please report it")
            return
        self.outcome.difference = packagediff.diff(old, new) if self.outcome.lock_changed else []
        if self.outcome.old_smoke != self.outcome.new_smoke:
            self.outcome.difference.append(packagediff.smoke(self.outcome.old_smoke, self.outcome.new_smoke))
        self.outcome.platforms = [self._summary(new, platform) for platform in platforms]

    def _old(self) -> Lock | None:
        """Return the lock that is there, if it is sound."""
        try:
            self.outcome.old = self.outcome.path.read_bytes()
            self.outcome.old_text = self.outcome.old.decode().replace("\r\n", "\n")  # as git may check it out
            return Lock.loads(self.outcome.old_text, str(self.outcome.path))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, LockError) as error:
            self.find(
                "old-lock",
                f"the lock that is there cannot be used: {str(error).splitlines()[0].split('; make it again')[0]}",
                "it is made anew, and nothing is kept of it",
                WARNING,
            )
            return None

    def _smoke(self) -> None:
        """Read the smoke test that was written with this spec, and the one that goes with the lock that is there."""
        file = self.file.with_name(self.outcome.name + SMOKE)
        try:
            self.outcome.new_smoke = file.read_bytes() if file.exists() else None
            (self.outcome.new_smoke or b"").decode()
            self.outcome.old_smoke = evidence.read(
                self.settings.locks_dir, evidence.smoke_path(self.settings.tier, self.outcome.name)
            )
        except UnicodeDecodeError as error:
            message = f"its smoke test {file.name} is not UTF-8 (byte {error.start + 1})"
            self.find("unreadable", message, "save it as UTF-8")
        except OSError as error:
            self.find("unreadable", f"its smoke test {error.filename}: {error.strerror}", "make it a readable file")

    def _platforms(self, wanted: spec.Spec) -> list[str]:
        if wanted.platforms is None:
            return sorted(set(self.settings.platforms))
        found = sorted(set(self.settings.platforms) & set(wanted.platforms))
        if not found:
            self.find(
                "no-platform",
                f"it is for {', '.join(wanted.platforms) or 'no platform'} only, and lockstep_platforms has "
                f"{', '.join(self.settings.platforms)}",
                "add a platform to either; without `platforms:` it is for all of lockstep_platforms",
                place=wanted.platforms_place,
            )
        return found

    async def _unknown(self, wanted: spec.Spec, platforms: list[str]) -> None:
        """Name the packages that no channel has, for all platforms at once."""
        questions = [self._question(wanted, platform) for platform in platforms]
        try:
            known = await asyncio.gather(*(self.solver.names(question) for question in questions))
        except ChannelUnreadable as error:
            self.find("channel", str(error), "nothing was changed")
            return
        offers = {platform: set().union(*found.values()) for platform, found in zip(platforms, known, strict=True)}
        channels = ", ".join(wanted.channels)
        for name, place in ((d.match.name, d.place) for d in wanted.dependencies):
            lacking = [platform for platform in platforms if name not in offers[platform]]
            if not lacking or name.startswith("__"):
                continue
            having = [platform for platform in platforms if platform not in lacking]
            message = f"{name} does not exist in {channels} for {', '.join(lacking)}"
            if having:
                message += f", only for {', '.join(having)}"
                remedy = f"leave it out, or make the environment for those alone: `platforms: [{', '.join(having)}]`"
            elif same := pypi_names.conda_name(name, set().union(*offers.values())):
                remedy = f"there it is {same}"
            elif close := habits.nearest(name, set().union(*offers.values())):
                remedy = f"did you mean {close}?"
            else:
                remedy = "look for its name there; what no channel has can be built and put into one of your own"
            self.find("unknown-package", message, remedy, place=place)

    def _report_unsolved(self, wanted: spec.Spec, solved: list[str]) -> None:
        """Report what has no solution, once for the platforms that have the same reasons."""
        elsewhere = f"solvable for {', '.join(solved)}: `platforms: [{', '.join(solved)}]`, if those will do"
        for (hints, about), questions in self.unsolved.items():
            questions.sort(key=lambda question: question.platform)
            assumed = relax.assumed(questions)
            self.find(
                "unsolvable",
                f"no solution for {', '.join(question.platform for question in questions)}"
                + (f", assuming {assumed}" if assumed else ""),
                "found by trying:" + "".join(f"\n    {hint}" for hint in (*hints, *([elsewhere] if solved else []))),
                place=wanted.dependencies[about].place if about is not None else None,
            )

    def _question(self, wanted: spec.Spec, platform: str) -> Question:
        one_channel = len(wanted.channels) == 1
        return Question(
            platform,
            tuple(
                d.match.for_channel(
                    None
                    if one_channel
                    else chan.base_url(d.match.channel or "", self.solver.alias)
                    if d.match.channel
                    else None
                )
                for d in wanted.dependencies
            ),
            tuple(wanted.channels),
            tuple(self.floor.virtual_packages(platform)),
            tuple(self.floor.constraints(platform)),
            self.cutoff,
        )

    async def _platform(self, wanted: spec.Spec, platform: str, old: Lock | None) -> list[Package]:
        """Return the packages for one platform; whatever goes wrong is a finding."""
        question = self._question(wanted, platform)
        try:
            locked = await self._locked(question, old, wanted)
            records = await self._newest(question, await self.solver.solve(question, locked), locked)
            if self.floor.cuda_on(platform):
                await self._refuse_silent_cpu(question, records, wanted)
            self.sizes[platform] = sum(record.size or 0 for record in records)
            return self.solver.packages(question, records)
        except Unsolvable as error:
            hints, about = await self._hints(question, str(error))
            self.unsolved.setdefault((tuple(hints), about), []).append(question)
        except (ChannelUnreadable, LockError) as error:
            self.find("channel", str(error), "nothing was changed")
        return []

    async def _wheels(
        self, wanted: spec.Spec, platform: str, packages: Sequence[Package], old: Lock | None
    ) -> tuple[Package, ...]:
        """Return what the pip section adds on one platform; whatever goes wrong is a finding."""
        conda = tuple(package for package in packages if package.platform == platform)
        moving = {pypi_names.normal(name) for name in self.settings.update}
        kept = () if old is None or self.settings.upgrade else old.of(platform)
        try:
            answer = await pipsolver.solve(
                pipsolver.PipQuestion(
                    platform,
                    tuple(requirement.text for requirement in wanted.pip),
                    conda,
                    tuple(p for p in kept if p.manager == "pip" and p.name not in moving),
                    self.floor.glibc,
                    self.floor.osx,
                    self.cutoff,
                    self.settings.pip_index,
                )
            )
        except pipsolver.PipUnsolvable as error:
            self.pip_failures.setdefault((error.cause, error.remedy), []).append(platform)
            return ()
        except LockError as error:
            self.find("pip-unsolvable", str(error), "this is the index's fault: name another version")
            return ()
        self.sizes[platform] += answer.size
        return answer.packages

    def _tell_pip_failures(self, wanted: spec.Spec) -> None:
        """Tell of what uv found, at the line that it names; once for platforms with the same reason."""
        for (cause, remedy), platforms in self.pip_failures.items():
            place = min(wanted.pip_places.values(), key=lambda place: place.line)
            for name, where in wanted.pip_places.items():
                if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", cause):
                    place = where
                    break
            self.find("pip-unsolvable", f"for {', '.join(sorted(platforms))}: {cause}", remedy, place=place)

    def _advise(self, wanted: spec.Spec, conda: Sequence[Package]) -> None:
        """Name the pip lines that conda's packages make needless."""
        brought = {
            name: package
            for package in conda
            if pypi_names.is_python(package)
            for name in pypi_names.pypi_names(package.name)
        }
        for requirement in wanted.pip:
            if package := brought.get(requirement.name):
                self.find(
                    "pip-from-channel",
                    f"{requirement.name} comes with the channel's packages ({package.name} {package.version} for "
                    f"{package.platform}), so pip adds nothing",
                    "move the line to the conda packages, or remove it",
                    WARNING,
                    wanted.pip_places[requirement.name],
                )

    async def _hints(self, question: Question, failure: str) -> tuple[list[str], int | None]:
        """Return what would help, with channels by their names (addresses may hold a password), and which of the
        dependencies that is about.
        """
        about = None
        try:
            hints, about = await relax.explain(self.solver, question, failure)
        except ChannelUnreadable as error:
            hints = [f"not known how to mend: {error}"]
        for channel, source in zip(question.channels, self.solver.sources(question), strict=True):
            hints = [hint.replace(source, channel) for hint in hints]
        return [plans.redact(hint) for hint in hints], about

    async def _locked(self, question: Question, old: Lock | None, wanted: spec.Spec) -> list[Any]:
        """Return the records that should stay if they can: those of the old lock, but for what is to be updated."""
        if old is None or self.settings.upgrade or question.platform not in old.platforms:
            return []
        kept = [p for p in old.of(question.platform) if p.manager == "conda" and p.name not in self.settings.update]
        named = {d.match.name: chan.short_name(d.match.channel) for d in wanted.dependencies if d.match.channel}
        records, gone = await self.solver.still_there(question, kept, named)
        if gone:
            shown = ", ".join(f"{p.name} {p.version} {p.build}" for p in gone[:5])
            more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
            self.find(
                "withdrawn",
                f"no longer in the channel for {question.platform}, or with other contents: {shown}{more}",
                "they are solved anew; hosts that have them keep them until the lock is promoted",
                WARNING,
            )
        return records

    async def _newest(self, question: Question, records: list[Any], locked: Sequence[Any]) -> list[Any]:
        """Return records in which what is to be updated is as new as a new lock would have it.

        The solver keeps locked packages where it can, and with them an old python that all of them are built for.
        """
        if not locked or not self.settings.update:
            return records
        have = {record.name.normalized: (record.version, record.build_number) for record in records}
        wanted = [
            f"{record.name.normalized} =={record.version} {record.build}"
            for record in await self.solver.solve(question)
            if record.name.normalized in self.settings.update
            and have.get(record.name.normalized, (record.version, record.build_number))
            < (record.version, record.build_number)
        ]
        if not wanted:
            return records
        return await self.solver.solve(replace(question, constraints=(*question.constraints, *wanted)), locked)

    async def _refuse_silent_cpu(self, question: Question, records: Sequence[Any], wanted: spec.Spec) -> None:
        suspects = [r for r in records if r.subdir != "noarch" and not variants.is_cuda(str(r.build), r.depends)]
        available = await self.solver.records(question, [r.name.normalized for r in suspects], [question.platform])
        names = [
            name
            for name in variants.silently_cpu(suspects, available)
            if name in habits.GPU_FRAMEWORKS or await self._cuda_by_default(question, name)
        ]
        meant = variants.meant_for_cpu(records, wanted.for_cpu, names)
        names = [name for name in names if name not in meant]
        places = {d.match.name: d.place for d in wanted.dependencies}
        for name in [n for n in names if n in places] or names:  # what they bring follows them
            hints, about = await relax.towards_cuda(self.solver, question, name)
            place = places.get(name) if about is None else wanted.dependencies[about].place
            build = next(str(r.build) for r in suspects if r.name.normalized == name)
            self.find(
                "cpu-build",
                f"{name} would be a CPU build ({build}) on {question.platform}, although the floor has CUDA "
                f"{self.floor.cuda} and the channel has CUDA builds of it",
                "found by trying:"
                + "".join(f"\n    {hint}" for hint in hints)
                + f"\n    if the CPU is meant, say so: `{name}=*=cpu*`",
                place=place,
            )

    async def _cuda_by_default(self, question: Question, name: str) -> bool:
        """Say whether a host with the newest driver would be given a CUDA build of the package alone.

        If not (libarrow, say), the CPU build is what the channel means everybody to have. GPU frameworks are not asked
        about: of those the newest version may have no CUDA build yet, which take longer to make.
        """
        virtual = tuple(item for item in question.virtual_packages if item[0] != "__cuda")
        best = replace(
            question,
            dependencies=(name,),
            constraints=(),
            exclude_newer=None,
            virtual_packages=(*virtual, ("__cuda", "99.0", "0")),
        )
        try:
            records = await self.solver.solve(best)
        except Unsolvable:
            return True  # so that it is looked at
        return any(r.name.normalized == name and variants.is_cuda(str(r.build), r.depends) for r in records)

    def _relative(self) -> str:
        """Return the spec's path as seen from the lock, the same in every checkout and tier; its name alone if they lie
        apart.
        """
        if self.settings.locks_dir.resolve().is_relative_to(self.settings.envs_dir.resolve()):
            return Path(os.path.relpath(self.file, self.outcome.path.parent)).as_posix()
        return self.file.name

    def _custom(self, wanted: spec.Spec, platforms: list[str]) -> dict[str, str]:
        found: dict[str, Any] = {
            "floor": self.floor.recorded(platforms),
            "download_bytes": {platform: self.sizes[platform] for platform in platforms},
        }
        if wanted.variables:
            found["variables"] = wanted.variables
        if self.cutoff:
            found["exclude_newer"] = f"{self.cutoff:%Y-%m-%dT%H:%M:%SZ}"
        return {key: json.dumps(value, sort_keys=True, separators=(",", ":")) for key, value in found.items()}

    def _summary(self, lock: Lock, platform: str) -> dict[str, Any]:
        packages = lock.of(platform)
        return {
            "platform": platform,
            "packages": len(packages),
            "download_bytes": self.sizes[platform],
            "variants": variants.of_environment(packages),
        }


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file by rename, so that a killed run leaves the old one; sweeps what killed runs left long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    for leftover in path.parent.glob(f"{prefix}*.new"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE:
                leftover.unlink()
    handle, temporary = tempfile.mkstemp(prefix=prefix, suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def lines(outcome: Outcome, written: bool = True) -> list[str]:
    """Return what to print of an outcome, one line for each platform."""
    state = "as it was" if not outcome.changed else "changed" if written else "would change"
    found = []
    for item in outcome.platforms:
        kinds = ", ".join(f"{name} {value}" for name, value in sorted(item["variants"].items()))
        found.append(
            f"{outcome.name:<12} {item['platform']:<14} {item['packages']:>4} packages "
            f"{_size(item['download_bytes']):>8}  {kinds or '-'}  ({state})"
        )
    return found


def _size(count: int) -> str:
    return (
        f"{count / 1e9:.2f} GB"
        if count >= 1e9
        else f"{count / 1e6:.1f} MB"
        if count >= 1e6
        else f"{count / 1e3:.0f} kB"
    )
