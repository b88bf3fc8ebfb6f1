"""What an existing environment, or a description of one, was found to be: the form that an import starts from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ...module_utils.host import install_plan as plans
from ...module_utils.host.redaction import redact
from ..conda import match_spec, pypi_mapping
from .read_prefix import Prefix

KEPT, CHANGED, LEFT_OUT, DECIDE = "kept", "changed", "left out", "decide"
"""What became of something: as it was; as something else; dropped; dropped, and a person must see to it."""

SAME = "the same, said plainly"

PART_OF_A_PLATFORM = re.compile(
    r"(_libgcc_mutex|_openmp_mutex|_sysroot_.*|libgcc(-ng)?|libgomp|libstdcxx(-ng)?|ld_impl_.*|kernel-headers_.*|sysroot_.*"
    r"|libcxx|vc|vc14_runtime|vs20\d\d_runtime|ucrt|pywin32|pywinpty|winpty|m2w64-.*|msys2-.*|wincertstore|appnope"
    r"|python_abi|_x86_64-microarch-level|_python_abi3_support)\Z"
)
"""Packages that a compiler or a platform brings; nobody asks for them, and each platform has its own."""

_EVERYDAY = frozenset({
    "_libgcc_mutex", "_openmp_mutex", "bzip2", "ca-certificates", "ld_impl_linux-64", "ld_impl_linux-aarch64", "libffi",
    "libgcc", "libgcc-ng", "libsqlite", "libstdcxx", "libstdcxx-ng", "libuuid", "libzlib", "ncurses", "openssl",
    "readline", "sqlite", "tk", "xz", "zlib", "zstd",
})  # fmt: skip
"""What every environment with python holds and hardly anybody writes down."""


@dataclass(frozen=True)
class Note:
    """What became of one line or package; `place` is `file:line`, or empty for the whole."""

    place: str
    what: str
    text: str

    def order(self) -> tuple[str, int, str]:
        """Return what notes are sorted by: file, line, text."""
        file, _unused, line = self.place.partition(":")
        return file or "~", int(line) if line.isdigit() else 0, self.text

    def line(self) -> str:
        """Return it as one line of a report."""
        return f"{self.place + ': ' if self.place else ''}{self.what}: {self.text}"


@dataclass(frozen=True)
class Wish:
    """A conda package that is asked for: `version` and `build` as a match spec has them, `text` as written, and `why`
    it is no longer that.
    """

    name: str
    version: str = ""
    build: str = ""
    place: str = ""
    text: str = ""
    why: tuple[str, ...] = ()

    def but(self, why: str, **changes: str) -> Wish:
        """Return the wish with something changed, for a reason."""
        return replace(self, why=(*self.why, why), **changes)

    def spec(self) -> str:
        """Return the line for a spec, which means the same to everybody."""
        if self.build and re.fullmatch(r"(==)?[^=<>!~|,*]*", self.version):
            return f"{self.name}={self.version.lstrip('=') or '*'}={self.build}"
        if self.build:
            return f"{self.name} {self.version} {self.build}"
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True)
class Known:
    """A package that the environment holds: its version, and as much else as is known."""

    name: str
    version: str
    build: str = ""
    subdir: str = ""
    url: str = ""
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class PipLine:
    """A requirement for pip, as written; `requested` is false for what pip brought by itself."""

    text: str
    place: str = ""
    requested: bool = True


@dataclass
class Found:
    """An environment: what is asked for, what it holds, and what was already left out.

    `everything` says that nobody knows what was asked for: `packages` is then all that is known of it.
    """

    source: str
    name: str = ""
    platform: str = ""
    wishes: list[Wish] = field(default_factory=list)
    packages: dict[str, Known] = field(default_factory=dict)
    pip: list[PipLine] = field(default_factory=list)
    brought: dict[str, str] = field(default_factory=dict)  # what pip's packages brought: normalised name to version
    variables: dict[str, tuple[str, str]] = field(default_factory=dict)  # name to value and place
    channels: list[tuple[str, str]] = field(default_factory=list)  # as written, and place
    platforms: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    everything: bool = False

    def note(self, what: str, text: str, place: str = "") -> None:
        """Remember what became of something."""
        self.notes.append(Note(place, what, redact(text)))


def wish(text: str, place: str) -> Wish:
    """Read a match spec as a wish; raises matchspec.SpecError. An exact build is dropped, a pattern is kept."""
    match = match_spec.parse(text)
    if match.is_url:
        raise match_spec.SpecError("a file, not a package of a channel")
    build = match.build or ""
    version = "" if match.version in (None, "*") else str(match.version)
    return Wish(match.name, version, build if re.search(r"[*^$]", build) else "", place, text)


def note_of(one: Wish) -> Note | None:
    """Return what became of a wish, if somebody wrote it."""
    if not one.text and not one.why:
        return None
    if not one.why:
        return Note(one.place, KEPT, f"`{one.spec()}`")
    why = "; ".join([reason for reason in one.why if reason != SAME] or [SAME])
    was = f"`{one.text}` -> " if one.text else ""
    return Note(one.place, CHANGED, f"{was}`{one.spec()}`: {why}")


def looks_like_everything(wishes: list[Wish], pinned: int, built: int) -> bool:
    """Say whether a list of packages is all that an environment holds, rather than what a person asked for.

    :param pinned: how many of them name one version
    :param built: how many of them name one build, which people hardly ever do
    """
    common = {item.name for item in wishes} & _EVERYDAY
    everyday = len(common) >= 4 and pinned >= 0.9 * len(wishes)
    return everyday or (bool(common) and len(wishes) >= 5 and built >= 0.9 * len(wishes))


def of_prefix(prefix: Prefix) -> Found:
    """Return what an environment on this machine is, by its own records."""
    name = prefix.path.name.lower()
    found = Found(
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
        found.note(DECIDE, problem)
    exact = [text for text in prefix.asked.values() if re.search(r"==?[^=]+==?[^=*\]]+\]?\Z", text)]
    if not prefix.asked or len(exact) > 0.5 * len(prefix.packages):
        found.everything = True
    else:
        for text in prefix.asked.values():
            try:
                found.wishes.append(wish(text, "conda-meta/history"))
            except match_spec.SpecError as error:
                found.note(LEFT_OUT, f"`{text[:80]}`: {error}", "conda-meta/history")
    marked = any(one.requested for one in prefix.pip)
    needed = {name for one in prefix.pip for name in one.requires}
    for one in prefix.pip:
        if one.origin:
            found.note(DECIDE, f"{one.name} {one.version} came from {one.origin}: publish a wheel, and add it", "pip")
        else:
            brought = marked and not one.requested and pypi_mapping.normal(one.name) in needed
            found.pip.append(PipLine(f"{one.name}=={one.version}", "pip", not brought))
    return found
