"""The discovered environment: what an import knows of an existing environment, or of a description of one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ...module_utils.host import install_plan as plans
from ...module_utils.host.redaction import redact
from ..conda import match_spec, pypi_mapping
from .read_prefix import Prefix

KEPT, CHANGED, LEFT_OUT, DECIDE = "kept", "changed", "left out", "decide"
"""What became of a line or package: taken over; changed; dropped; dropped, and a person must decide."""

SAME = "the same in Lockstep's notation"

PART_OF_A_PLATFORM = re.compile(
    r"(_libgcc_mutex|_openmp_mutex|_sysroot_.*|libgcc(-ng)?|libgomp|libstdcxx(-ng)?|ld_impl_.*|kernel-headers_.*|sysroot_.*"
    r"|libcxx|vc|vc14_runtime|vs20\d\d_runtime|ucrt|pywin32|pywinpty|winpty|m2w64-.*|msys2-.*|wincertstore|appnope"
    r"|python_abi|_x86_64-microarch-level|_python_abi3_support)\Z"
)
"""Packages that a compiler or a platform brings: no spec requests them, and each platform has its own."""

_EVERYDAY = frozenset({
    "_libgcc_mutex", "_openmp_mutex", "bzip2", "ca-certificates", "ld_impl_linux-64", "ld_impl_linux-aarch64", "libffi",
    "libgcc", "libgcc-ng", "libsqlite", "libstdcxx", "libstdcxx-ng", "libuuid", "libzlib", "ncurses", "openssl",
    "readline", "sqlite", "tk", "xz", "zlib", "zstd",
})  # fmt: skip
"""Packages that every environment with python holds and that people rarely write into a spec."""


@dataclass(frozen=True)
class Note:
    """What became of one line or package. `place` is `file:line`, or "" for the environment as a whole."""

    place: str
    what: str
    text: str

    def order(self) -> tuple[str, int, str]:
        """Return the sort key of a note: file, line, text."""
        file, _unused, line = self.place.partition(":")
        return file or "~", int(line) if line.isdigit() else 0, self.text

    def line(self) -> str:
        """Return the note as one line of a report."""
        return f"{self.place + ': ' if self.place else ''}{self.what}: {self.text}"


@dataclass(frozen=True)
class Requested:
    """A requested conda package: `version` and `build` as in a match spec, `text` as written, and the reasons (`why`)
    for each change.
    """

    name: str
    version: str = ""
    build: str = ""
    place: str = ""
    text: str = ""
    why: tuple[str, ...] = ()

    def change(self, why: str, **changes: str) -> Requested:
        """Return a changed copy that records the reason."""
        return replace(self, why=(*self.why, why), **changes)

    def spec(self) -> str:
        """Return the unambiguous match spec for a line of the spec."""
        if self.build and re.fullmatch(r"(==)?[^=<>!~|,*]*", self.version):
            return f"{self.name}={self.version.lstrip('=') or '*'}={self.build}"
        if self.build:
            return f"{self.name} {self.version} {self.build}"
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True)
class Known:
    """A package of the environment; values other than the version are "" if unknown."""

    name: str
    version: str
    build: str = ""
    subdir: str = ""
    url: str = ""
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class PipLine:
    """A pip requirement as written; `requested` is false for what pip installed as a dependency."""

    text: str
    place: str = ""
    requested: bool = True


@dataclass
class Discovered:
    """An environment: what people requested, what it holds, and notes on what was left out so far.

    `everything` is true if it is unknown what people requested; then `packages` is all that is known.
    """

    source: str
    name: str = ""
    platform: str = ""
    requested: list[Requested] = field(default_factory=list)
    packages: dict[str, Known] = field(default_factory=dict)
    pip: list[PipLine] = field(default_factory=list)
    brought: dict[str, str] = field(default_factory=dict)  # what pip's packages brought: normalised name to version
    variables: dict[str, tuple[str, str]] = field(default_factory=dict)  # name to value and place
    channels: list[tuple[str, str]] = field(default_factory=list)  # as written, and place
    platforms: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    everything: bool = False

    def note(self, what: str, text: str, place: str = "") -> None:
        """Record what became of a line or package."""
        self.notes.append(Note(place, what, redact(text)))


def parse_requested(text: str, place: str) -> Requested:
    """Parse a match spec; an exact build is dropped, a build pattern is kept. Raises match_spec.SpecError."""
    match = match_spec.parse(text)
    if match.is_url:
        raise match_spec.SpecError("a file, not a package of a channel")
    build = match.build or ""
    version = "" if match.version in (None, "*") else str(match.version)
    return Requested(match.name, version, build if re.search(r"[*^$]", build) else "", place, text)


def describe(one: Requested) -> Note | None:
    """Return the note on a requested package; None if no person wrote it and it is unchanged."""
    if not one.text and not one.why:
        return None
    if not one.why:
        return Note(one.place, KEPT, f"`{one.spec()}`")
    why = "; ".join([reason for reason in one.why if reason != SAME] or [SAME])
    was = f"`{one.text}` -> " if one.text else ""
    return Note(one.place, CHANGED, f"{was}`{one.spec()}`: {why}")


def looks_like_everything(requested: list[Requested], pinned: int, built: int) -> bool:
    """Return whether a list of packages is all that an environment holds, rather than what a person requested.

    :param pinned: how many of them name one version
    :param built: how many of them name one build, which people rarely do
    """
    common = {item.name for item in requested} & _EVERYDAY
    everyday = len(common) >= 4 and pinned >= 0.9 * len(requested)
    return everyday or (bool(common) and len(requested) >= 5 and built >= 0.9 * len(requested))


def from_prefix(prefix: Prefix) -> Discovered:
    """Return the discovered environment for a prefix on this machine."""
    name = prefix.path.name.lower()
    discovered = Discovered(
        f"the environment {prefix.path}",
        name if plans.NAME.match(name) else "",
        prefix.platform,
        packages={
            p.name: Known(p.name, p.version, p.build, p.subdir, p.url, p.md5, p.sha256)
            for p in prefix.packages.values()
        },
        variables={key: (value, "conda-meta/state") for key, value in prefix.variables.items()},
    )
    for problem in prefix.problems:
        discovered.note(DECIDE, problem)
    exact = [text for text in prefix.requested.values() if re.search(r"==?[^=]+==?[^=*\]]+\]?\Z", text)]
    if not prefix.requested or len(exact) > 0.5 * len(prefix.packages):
        discovered.everything = True
    else:
        for text in prefix.requested.values():
            try:
                discovered.requested.append(parse_requested(text, "conda-meta/history"))
            except match_spec.SpecError as error:
                discovered.note(LEFT_OUT, f"`{text[:80]}`: {error}", "conda-meta/history")
    marked = any(one.requested for one in prefix.pip)
    needed = {name for one in prefix.pip for name in one.requires}
    for one in prefix.pip:
        if one.origin:
            discovered.note(
                DECIDE, f"{one.name} {one.version} came from {one.origin}: publish a wheel and add it", "pip"
            )
        else:
            brought = marked and not one.requested and pypi_mapping.normal(one.name) in needed
            discovered.pip.append(PipLine(f"{one.name}=={one.version}", "pip", not brought))
    return discovered
