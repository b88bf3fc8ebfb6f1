"""Take over an existing environment: make a spec and a lock of it, and say of everything what became of it.

What is known of the environment (a prefix's records, an export's lines) becomes wishes for the spec and preferences for
the lock: the channel's own records of the same versions, if possible the same files, go into a lock that the ordinary
locking finds in place and changes only as far as it must. So an import obeys every rule that a lock obeys, and where
all packages are still in the channel, the lock holds exactly them.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..module_utils import plan as plans
from . import channels as chan
from . import export_reader, habits, locking, packagediff, prefix_reader, translate
from .findings import Finding, errors, warnings
from .floor import Floor
from .found import CHANGED, DECIDE, KEPT, LEFT_OUT, PART_OF_A_PLATFORM, Found, Known, Note, Wish, note_of, of_prefix
from .lockfile import SUFFIX, Lock, LockError, plan
from .lockpackage import Package
from .solver import ChannelUnreadable, Question, Solver, Unsolvable, parse_exclude_newer

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z")
_SHOWN = 12  # of packages that are listed in one line


class ImportFailed(ValueError):
    """Nothing was taken over; the text says why and what to do."""


@dataclass(frozen=True)
class Settings:
    """What to take over, and what a site declares about its locks; `python` is a series to go to (3.12), if told."""

    source: Path
    name: str
    site: locking.Settings
    force: bool = False
    python: str = ""


@dataclass
class Outcome:
    """A spec and a lock, what was there before, and what became of everything."""

    name: str
    spec_path: Path
    lock_path: Path
    spec: str
    lock: str
    old_spec: str | None
    old_lock: str | None
    notes: list[Note] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    exact: bool = False
    difference: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether one of the two files is another than before."""
        return self.spec != self.old_spec or self.lock != self.old_lock


def run(settings: Settings, write: bool) -> Outcome:
    """Make spec and lock, and `write` both unless they are there; raises ImportFailed, before anything is written."""
    found = read(settings.source)
    name = settings.name or found.name
    if settings.python and not re.fullmatch(r"3[.][0-9]{1,2}", settings.python):
        raise ImportFailed(f"python={settings.python[:20]} is not a series of Python: write e.g. python=3.12")
    if not plans.NAME.match(name):
        raise ImportFailed(
            f"{settings.source}: which environment is it to be? Give it a name with -e env=train (a-z, 0-9, '.', '_', "
            "'-')"
        )
    try:
        made = _Import(settings, found, name).make()
    except ChannelUnreadable as error:
        raise ImportFailed(str(error)) from None
    except locking.SettingsError as error:
        raise ImportFailed(str(error)) from None
    taken = [
        str(path)
        for path, old, new in ((made.spec_path, made.old_spec, made.spec), (made.lock_path, made.old_lock, made.lock))
        if old is not None and old != new
    ]
    if taken and not settings.force:
        raise ImportFailed(
            f"{' and '.join(taken)}: there is such an environment already; give another name (-e env=...), or replace "
            "it with -e force=true (look at it first: --check --diff -e force=true)"
        )
    if write:
        for path, old, new in ((made.spec_path, made.old_spec, made.spec), (made.lock_path, made.old_lock, made.lock)):
            if old != new:
                locking.write_atomically(path, new)
    return made


def read(source: Path) -> Found:
    """Read an environment, or what describes one; raises ImportFailed."""
    try:
        if source.is_dir():
            if prefix_reader.is_prefix(source):
                return of_prefix(prefix_reader.read(source))
            raise ImportFailed(f"{source}: a folder without conda-meta is no conda environment")
        return export_reader.read(source)
    except (prefix_reader.PrefixError, export_reader.ExportError) as error:
        raise ImportFailed(str(error)) from None
    except OSError as error:
        raise ImportFailed(f"{source}: {error.strerror}") from None


class _Import:
    """One import, in the order of `make`."""

    def __init__(self, settings: Settings, found: Found, name: str) -> None:
        self.settings, self.site, self.found, self.name = settings, settings.site, found, name
        self.channels = translate.channels(found, self.site.channels)
        self.platforms = [p for p in sorted(set(self.site.platforms)) if not found.platforms or p in found.platforms]
        self.limited = bool(found.platforms) and self.platforms != sorted(set(self.site.platforms))
        if not self.platforms:
            raise ImportFailed(
                f"{found.source} is for {', '.join(found.platforms)}, and lockstep_platforms has "
                f"{', '.join(self.site.platforms)}"
            )
        self.home = found.platform if found.platform in self.platforms else self.platforms[0]
        self.pip: list[str] = []
        self.variables: dict[str, str] = {}
        self.preferred: dict[str, list[Package]] = {}

    def make(self) -> Outcome:
        """Return spec and lock; raises ImportFailed."""
        try:
            self.floor = Floor.parse(self.site.floor)
            self.cutoff = parse_exclude_newer(self.site.exclude_newer)
            self.solver = Solver(self.site.repodata_alias, self.site.cache)
        except ValueError as error:
            raise ImportFailed(str(error)) from None
        self.variables = translate.variables(self.found, str(self.settings.source))
        self._foreign()
        wishes = asyncio.run(self._prepare())
        if not wishes:
            raise ImportFailed(f"{self.found.source}: nothing of it is in {', '.join(self.channels)}")
        if self.found.everything:
            platforms, self.platforms = self.platforms, [self.home]
            wishes, outcome = self._solve(wishes)
            self.platforms = platforms
            wishes, outcome = self._only_roots(wishes, outcome)
        else:
            wishes, outcome = self._with_the_rest(*self._solve(wishes))
        lock = Lock.loads(str(outcome.new_text), "the new lock")
        exact = self._compare(lock)
        return self._outcome(self._spec(wishes), self._notes(wishes), lock, outcome, exact)

    def _question(self, platform: str) -> Question:
        return Question(
            platform,
            (),
            tuple(self.channels),
            tuple(self.floor.virtual_packages(platform)),
            tuple(self.floor.constraints(platform)),
            self.cutoff,
        )

    def _foreign(self) -> None:
        """Note packages that came from channels which the site does not allow."""
        bases = {chan.base_url(c, alias) for c in self.channels for alias in (chan.PUBLISHED_ALIAS, self.solver.alias)}
        elsewhere: dict[str, int] = {}
        for known in self.found.packages.values():
            if known.url and (base := known.url.rsplit("/", 2)[0]) not in bases:
                elsewhere[base] = elsewhere.get(base, 0) + 1
        for base, count in sorted(elsewhere.items()):
            self.found.note(
                CHANGED, f"{count} packages came from {plans.redact(base)}: solved anew from {', '.join(self.channels)}"
            )

    async def _prepare(self) -> list[Wish]:
        """Return the wishes that the channel can fulfil, and look up what is to be preferred."""
        names = {}
        for platform in self.platforms:
            of_channels = await self.solver.names(self._question(platform))
            names[platform] = set().union(*of_channels.values())
        everywhere = set.union(*names.values())
        if self.found.everything:
            variants = {one.name: one for one in translate.variants(self.found)}
            have = [known.name for known in self.found.packages.values() if known.name in names[self.home]]
            if wrong := translate.never(self.found, have):
                self.found.note(LEFT_OUT, f"{_some(sorted(wrong))}: what needs CUDA brings its own libraries")
                have = [name for name in have if name not in wrong]
            asked = [variants.get(name, Wish(name)) for name in have]
            asked += [one for name, one in variants.items() if name not in have and name in names[self.home]]
            self._unknown([k for k in self.found.packages if k not in names[self.home]])
        else:
            asked = [one for one in translate.wishes(self.found) if self._is_there(one, everywhere)]
        moved, self.pip = translate.pip(self.found, set.intersection(*names.values()), asked)
        asked = self._python([*asked, *moved])
        self.names = names
        if not self.found.everything:
            asked = self._limit(asked)
        asked = [await self._having_version(one) for one in asked]
        for platform in self.platforms:
            self.preferred[platform] = await self._preferences(platform)
        self.offered = {package.name for package in self.preferred[self.home]}
        return asked

    def _unknown(self, missing: Sequence[str]) -> None:
        ordinary = [name for name in missing if not PART_OF_A_PLATFORM.match(name)]
        if ordinary:
            self.found.note(LEFT_OUT, f"not in {', '.join(self.channels)} for {self.home}: {_some(sorted(ordinary))}")

    def _is_there(self, one: Wish, everywhere: set[str]) -> bool:
        if one.name in everywhere:
            return True
        close = habits.nearest(one.name, everywhere)
        self.found.note(
            DECIDE,
            f"{one.name} is not in {', '.join(self.channels)}" + (f" (there is {close})" if close else ""),
            one.place,
        )
        return False

    def _python(self, asked: list[Wish]) -> list[Wish]:
        """Hold the series of python, which everything else depends on, where nothing else holds it."""
        known = self.found.packages.get("python")
        told = self.settings.python
        made = []
        for one in asked:
            if one.name == "python" and told:
                one = one.but("as told", version=f"{told}.*")
            elif one.name == "python" and not one.version and known:
                series = ".".join(known.version.split(".")[:2])
                one = one.but(f"it stays {series}, until you say otherwise", version=f"{series}.*")
            made.append(one)
        if (known or told) and not any(one.name == "python" for one in made):
            made.append(Wish("python", (told or ".".join(str(known and known.version).split(".")[:2])) + ".*"))
        return made

    def _limit(self, asked: list[Wish]) -> list[Wish]:
        """Limit the environment to platforms that have all that is asked for."""
        lacking = {p: [one.name for one in asked if one.name not in self.names[p]] for p in self.platforms}
        fit = [platform for platform in self.platforms if not lacking[platform]]
        if fit and fit != self.platforms:
            for platform in sorted(set(self.platforms) - set(fit)):
                self.found.note(CHANGED, f"not for {platform}: {_some(lacking[platform])} is not in the channel for it")
            self.platforms, self.limited = fit, True
            self.home = self.home if self.home in fit else fit[0]
        return asked

    async def _having_version(self, one: Wish) -> Wish:
        """Loosen a version that the channel does not have."""
        for version in ([one.version, *_looser(one.version), ""]) if one.version else ():
            candidate = replace(one, version=version)
            for platform in self.platforms:
                if not await self.solver.records(self._question(platform), [f"{one.name} {version}".strip()]):
                    break
            else:
                if candidate == one:
                    return one
                return one.but(f"{', '.join(self.channels)} does not have {one.version}", version=version)
        return one

    async def _preferences(self, platform: str) -> list[Package]:
        """Return the channel's packages that are what the environment has, or come closest: the same version."""
        question = self._question(platform)
        known = [
            k for k in self.found.packages.values() if _VERSION.match(k.version) and k.name in self.names[platform]
        ]
        exact = {k.name: k for k in known}
        python = self.found.packages.get("python")
        tag = "py" + "".join(python.version.split(".")[:2]) if python else "py"
        best: dict[str, tuple[Any, ...]] = {}
        for record in await self.solver.records(question, [f"{k.name}=={k.version}" for k in known]):
            name = record.name.normalized
            if name not in exact or str(record.version) != exact[name].version:
                continue
            was = exact[name]
            fits = (
                bool(was.sha256) and record.sha256 is not None and record.sha256.hex() == was.sha256,
                bool(was.md5) and record.md5 is not None and record.md5.hex() == was.md5,
                str(record.build) == was.build,
                _kind(str(record.build)) == _kind(was.build),
                tag in str(record.build) or "py" not in str(record.build),
                record.build_number,
                str(record.build),
            )
            if name not in best or fits > best[name][0]:
                best[name] = (fits, record)
        packages = []
        for _, record in best.values():
            try:
                packages += [p for p in self.solver.packages(question, [record]) if not p.problems()]
            except LockError:
                continue
        return packages

    def _spec(self, wishes: Iterable[Wish]) -> str:
        """Return the text of the spec: python first, then by name."""
        lines = sorted({one.spec() for one in wishes}, key=lambda line: (not re.match(r"python\b(?!-)", line), line))
        return translate.spec_text(
            self.name,
            self.channels,
            self.platforms if self.limited else (),
            self.variables,
            lines,
            self.pip,
            (f"Taken over from {self.settings.source.name}; yours to edit.",),
        )

    def _lock(self, wishes: Sequence[Wish], before: str | None) -> locking.Outcome:
        """Lock the wishes; pip's lines that cannot be had are loosened or left out, as the index wants."""
        while True:
            outcome = self._locked(wishes, before)
            wrong = [finding for finding in errors(outcome.findings) if finding.code == "pip-unsolvable"]
            if not wrong or not self._without(wrong[0], self._spec(wishes).splitlines()):
                return outcome

    def _without(self, finding: Finding, lines: Sequence[str]) -> bool:
        """Loosen or leave out the line of pip that a finding is about; say whether there was one."""
        text = lines[finding.line - 1].strip().removeprefix("- ").strip('"') if 0 < finding.line <= len(lines) else ""
        if text not in self.pip:
            return False
        place = next((line.place for line in self.found.pip if line.text == text), "pip")
        self.found.notes = [n for n in self.found.notes if not (n.place == place and n.text.startswith(f"{text}, "))]
        bare = re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?", text)
        if "not found in the package registry" not in finding.message and bare and bare[0] != text:
            self.pip[self.pip.index(text)] = bare[0]
            self.found.note(CHANGED, f"{text} from pip -> {bare[0]}: {finding.message[:200]}", place)
        else:
            self.pip.remove(text)
            self.found.note(DECIDE, f"{text} from pip: the index has no wheel of it that fits; publish one", place)
        return True

    def _locked(self, wishes: Sequence[Wish], before: str | None) -> locking.Outcome:
        """Lock with the site's ordinary locking, in a folder of its own; `before` is the lock in place."""
        with tempfile.TemporaryDirectory(prefix="lockstep-import-") as folder:
            envs = Path(folder) / "envs"
            inside = self.site.locks_dir.resolve().is_relative_to(self.site.envs_dir.resolve())
            locks = (
                envs / self.site.locks_dir.resolve().relative_to(self.site.envs_dir.resolve())
                if inside
                else Path(folder) / "locks"
            )
            (locks / self.site.tier).mkdir(parents=True)
            envs.mkdir(exist_ok=True)
            (envs / f"{self.name}.yml").write_text(self._spec(wishes), encoding="utf-8")
            if before:
                (locks / self.site.tier / f"{self.name}{SUFFIX}").write_text(before, encoding="utf-8")
            site = replace(
                self.site, envs_dir=envs, locks_dir=locks, envs=(self.name,), update=(), upgrade=False,
                platforms=tuple(self.platforms),
            )  # fmt: skip
            (outcome,) = locking.run(site, write=False)
        shown = str(self.site.envs_dir / f"{self.name}.yml")
        outcome.findings = [replace(finding, source=shown) for finding in outcome.findings]
        return outcome

    def _before(self) -> str | None:
        """Return a lock of what is preferred, for the locking to find in place."""
        packages = [package for platform in self.platforms for package in self.preferred.get(platform, [])]
        if not packages:
            return None
        # Of wheels only the version is known, and only that is preferred: which file it is the index says.
        packages += [
            Package("pip", name, platform, version, "", _unknown_file(name, version), "", "0" * 64)
            for platform in self.platforms
            for name, version in self.found.brought.items()
            if _VERSION.match(version)
        ]
        platforms = tuple(sorted({package.platform for package in packages}))
        good = [package for package in packages if not package.problems()]
        try:
            return Lock(tuple(good), platforms, tuple(self.channels)).dumps()
        except LockError:
            return None  # nothing to prefer, then

    def _solve(self, wishes: list[Wish]) -> tuple[list[Wish], locking.Outcome]:
        """Return the wishes that have a solution, versions loosened only as far as they must, and the solution."""
        kept = wishes
        lacking = self._lacking(wishes)
        if lacking and self.found.platform:  # what it was made for says more than where a site would like it, too
            lacking = self._leave_out(lacking)
        if lacking:
            loosened = self._loosened(wishes)
            kept = loosened or wishes
            if loosened is None:
                self._leave_out(lacking)
        outcome = self._lock(kept, self._before())
        if errors(outcome.findings):
            self._fail(outcome, kept)
        return kept, outcome

    def _lacking(self, wishes: Sequence[Wish]) -> set[str]:
        """Return the platforms that have no solution."""

        async def solvable(platform: str) -> bool:
            question = replace(self._question(platform), dependencies=tuple(one.spec() for one in wishes))
            try:
                await self.solver.solve(question)
            except Unsolvable:
                return False
            return True

        async def ask() -> list[bool]:
            return list(await asyncio.gather(*(solvable(platform) for platform in self.platforms)))

        return {platform for platform, good in zip(self.platforms, asyncio.run(ask()), strict=True) if not good}

    def _leave_out(self, lacking: set[str]) -> set[str]:
        """Give up platforms, but not the environment's own; return those that still lack a solution."""
        if self.home in lacking:
            return lacking
        self.platforms, self.limited = [p for p in self.platforms if p not in lacking], True
        for platform in sorted(lacking):
            self.found.note(CHANGED, f"not for {platform}: the channel has no solution for it")
        return set()

    def _loosened(self, wishes: list[Wish]) -> list[Wish] | None:
        """Return wishes with versions loosened until there is a solution, but for python's; None if there is none.

        First all are let go, then held again one by one in the order of the file, so that what stays loose has to.
        """
        for loosen in (_series, _free):
            loose = [loosen(one) for one in wishes]
            if loose != wishes and not self._lacking(loose):
                break
        else:
            return None
        for index, old in enumerate(wishes):
            for candidate in (old, _series(old)):
                if candidate == loose[index]:
                    break
                trial = [*loose[:index], candidate, *loose[index + 1 :]]
                if not self._lacking(trial):
                    loose = trial
                    break
        return [
            old if old == new else old.but(f"with {old.version} there is no solution", version=new.version)
            for old, new in zip(wishes, loose, strict=True)
        ]

    def _notes(self, wishes: Iterable[Wish]) -> list[Note]:
        """Return what became of everything, in the order of what it was read from."""
        notes = [*self.found.notes, *(note for note in map(note_of, wishes) if note)]
        return sorted(dict.fromkeys(notes), key=Note.order)

    def _fail(self, outcome: locking.Outcome, wishes: Sequence[Wish]) -> None:
        found = errors(outcome.findings)
        said = [finding.text() for finding in found]
        if any("in place of `python" in finding.remedy or "without `python" in finding.remedy for finding in found):
            said.append("another Python is for you to decide: say so with -e python=3.12")
        plain = [one for one in wishes if not PART_OF_A_PLATFORM.match(one.name)]
        raise ImportFailed(
            "\n".join(
                [
                    "nothing was written, for the environment cannot be locked as it is:",
                    *said,
                    "what became of it so far:",
                    *(f"  {note.line()}" for note in self._notes(wishes)),
                    f"the spec to start from, {self.site.envs_dir / self.name}.yml (for playbooks/lock.yml):",
                    *(f"  {line}" for line in self._spec(plain).splitlines()),
                ]
            )
        )

    def _only_roots(self, wishes: Sequence[Wish], outcome: locking.Outcome) -> tuple[list[Wish], locking.Outcome]:
        """Keep of a list of all packages what nothing else needs: the rest comes by itself."""
        lock = Lock.loads(str(outcome.new_text))
        needed_by = _needs(lock, self.home)
        by_name = {one.name: one for one in wishes}
        frameworks = {
            one.name for one in wishes if one.build.startswith("cpu")
        }  # CUDA is what the channel means anyway
        needed = set().union(*(needs - {name} for name, needs in needed_by.items())) if needed_by else set()
        asked = {name for name in by_name if name not in needed} | frameworks | ({"python"} & by_name.keys())
        asked -= {name for name in asked if PART_OF_A_PLATFORM.match(name) and self.platforms != [self.home]}
        while rest := sorted(by_name.keys() - _reached(asked, needed_by) - _toolchain(by_name, self)):
            asked.add(rest[0])
        loose = [by_name[name] if name == "python" else replace(by_name[name], version="") for name in sorted(asked)]
        kept = self._limit(loose)
        count = len(wishes) - len(kept)
        self.found.note(
            CHANGED,
            f"nobody knows what was asked for: the spec has the {len(kept)} packages that no other needs, and {count} "
            "come with them, at the versions that the lock keeps",
        )
        self.preferred[self.home] = [package for package in lock.of(self.home) if package.manager == "conda"]
        return self._solve(kept)

    def _with_the_rest(self, wishes: list[Wish], outcome: locking.Outcome) -> tuple[list[Wish], locking.Outcome]:
        """Add what the environment holds although nobody asked for it and nothing needs it (pip, most of all)."""
        if not any(known.url for known in self.found.packages.values()):
            return wishes, outcome  # lines that somebody wrote: they are all there is
        for _ in range(3):
            lock = Lock.loads(str(outcome.new_text))
            have = {package.name for package in lock.of(self.home)}
            there = {package.name for package in self.preferred.get(self.home, ())}
            missing = {name for name in there - have if all(name in self.names[p] for p in self.platforms)}
            if not missing:
                break
            depends = {p.name: set(self._depends_of(p.name)) for p in self.preferred[self.home] if p.name in missing}
            needed = set().union(*(needs - {name} for name, needs in depends.items()))
            roots = sorted(missing - needed) or sorted(missing)[:1]
            more = [Wish(name) for name in roots]
            attempt = self._lock([*wishes, *more], outcome.new_text)
            if errors(attempt.findings):
                self.found.note(LEFT_OUT, f"{_some(roots)}: nobody asked for it, and it does not fit the rest")
                break
            self.found.note(KEPT, f"{_some(roots)}: nobody asked for it by name, and it was there")
            wishes, outcome = [*wishes, *more], attempt
        return wishes, outcome

    def _depends_of(self, name: str) -> list[str]:
        return [d for p in self.preferred[self.home] if p.name == name for d, _ in p.dependencies]

    def _compare(self, lock: Lock) -> bool:
        """Note how the lock differs from the environment; say whether it holds exactly the same files."""
        if not self.found.packages or self.home not in lock.platforms:
            return False
        have = {package.name: package for package in lock.of(self.home) if package.manager == "conda"}
        known = self.found.packages
        same = [name for name, was in known.items() if name in have and _same(was, have[name])]
        builds = [n for n in sorted(known) if n in have and n not in same and known[n].version == have[n].version]
        moved = [n for n in sorted(known) if n in have and n not in same and n not in builds]
        gone = [n for n in sorted(known) if n not in have]
        new = sorted(have.keys() - known.keys())
        if not (builds or moved or gone or new):
            return True
        note = self.found.note
        if self.found.everything or any(was.url for was in known.values()):
            what = "files" if all(was.sha256 or was.md5 for was in known.values()) else "builds"
            note(KEPT, f"{len(same)} of {len(known)} packages are the very same {what} on {self.home}")
            if gone:
                note(LEFT_OUT, f"not needed any more on {self.home}: {_some(gone)}")
            if new:
                note(CHANGED, f"new on {self.home}: {_some([f'{n} {have[n].version}' for n in new])}")
            if builds:
                note(CHANGED, f"the same version in another build on {self.home}: {_some(builds)}")
            for name in moved:
                why = "must move with the others" if name in self.offered else "the channel does not have that one"
                note(CHANGED, f"{name} {known[name].version} -> {have[name].version} on {self.home}: {why}")
        return False

    def _outcome(self, spec: str, notes: list[Note], lock: Lock, outcome: locking.Outcome, exact: bool) -> Outcome:
        spec_path = self.site.envs_dir / f"{self.name}.yml"
        lock_path = self.site.locks_dir / self.site.tier / f"{self.name}{SUFFIX}"
        try:
            old_spec, old_lock = _text(spec_path), _text(lock_path)
        except (OSError, UnicodeDecodeError) as error:
            raise ImportFailed(f"{spec_path}, {lock_path}: {getattr(error, 'strerror', None) or error}") from None
        outcome.name, outcome.old_text = self.name, old_lock
        summary = locking.lines(outcome)
        if exact:
            digest = plans.short(str(plan(lock, self.name, self.home)["digest"]))
            count = sum(package.manager == "conda" for package in lock.of(self.home))
            summary.append(
                f"{self.name}: for {self.home} the lock holds exactly the {count} conda packages of the environment, "
                f"digest {digest}"
            )
        return Outcome(
            self.name, spec_path, lock_path, spec, str(outcome.new_text), old_spec, old_lock, notes, summary,
            warnings(outcome.findings), exact, packagediff.diff(_lock(old_lock), lock),
        )  # fmt: skip


def _unknown_file(name: str, version: str) -> str:
    return f"https://unknown.invalid/{name.replace('-', '_')}-{version}-py3-none-any.whl"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _lock(text: str | None) -> Lock | None:
    try:
        return Lock.loads(text) if text else None
    except LockError:
        return None


def _kind(build: str) -> str:
    return "cuda" if re.search(r"cuda|_cu\d", build) else "cpu" if "cpu" in build else ""


def _same(was: Known, now: Package) -> bool:
    if was.sha256:
        return was.sha256 == now.sha256
    if was.md5:
        return was.md5 == now.md5
    return bool(was.build) and (was.version, was.build) == (now.version, now.build)


def _looser(version: str) -> list[str]:
    """Return ever looser forms of a pinned version: 1.26.4 is 1.26.*, then 1.*."""
    found = re.fullmatch(r"(?:==)?([0-9][^*|,<>=!~]*?)([.][*])?", version)
    if not found:
        return []
    parts = found[1].split(".")
    forms = [".".join(parts[:count]) + ".*" for count in (2, 1) if count < len(parts) or (count == 2 and not found[2])]
    return [form for form in dict.fromkeys(forms) if form != version]


def _series(one: Wish) -> Wish:
    """Loosen a version of three parts or more, or an exact one, to its series."""
    looser = [form for form in _looser(one.version) if form.count(".") == 2]
    return replace(one, version=looser[0] if looser else one.version)


def _free(one: Wish) -> Wish:
    return one if one.name == "python" else replace(one, version="")


def _needs(lock: Lock, platform: str) -> dict[str, set[str]]:
    """Return for each package of a platform which of the others it needs."""
    packages = [package for package in lock.of(platform) if package.manager == "conda"]
    names = {package.name for package in packages}
    return {package.name: {d for d, _ in package.dependencies if d in names} for package in packages}


def _reached(start: Iterable[str], needs: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += needs.get(name, ())
    return seen


def _toolchain(names: Iterable[str], of: _Import) -> set[str]:
    """Return what is part of a platform and so not asked for where there are several."""
    return {name for name in names if PART_OF_A_PLATFORM.match(name)} if of.platforms != [of.home] else set()


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
