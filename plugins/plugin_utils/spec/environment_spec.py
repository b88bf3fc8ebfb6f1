"""Read specs: `envs/<name>.yml`, an environment.yml (CEP 24), with the line and column of each entry.

`read` returns the spec and all findings at once, so that a person fixes a file in one go. Findings that need a
channel's metadata (a package that does not exist, for example) are made by the solver.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ...module_utils.host import install_plan as plans
from ...module_utils.host.redaction import redact
from ..conda import channels as chan
from ..conda import match_spec, pypi_mapping
from ..core import safe_yaml
from ..core.findings import ERROR, FUZZY_PIN, WARNING, Finding, errors
from . import lint_rules, pip_section, selectors

KEYS = ("name", "channels", "dependencies", "variables", "platforms")

_GLUED = re.compile(r"\s*-[A-Za-z]")
_LONGEST = 1000  # characters of one entry; a match spec of 200,000 parts keeps its parser busy for a minute
_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_SECRET = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|APIKEY|API_KEY|ACCESS_KEY|CREDENTIALS?)(_|$)", re.IGNORECASE)
_DANGEROUS = re.compile(
    r"(PATH|HOME|PYTHONPATH|PYTHONHOME|LD_PRELOAD|LD_LIBRARY_PATH|SHELL|IFS|CONDA_.*|_CE_.*|LOCKSTEP_.*)\Z"
)


@dataclass(frozen=True)
class Place:
    """A line and a column of a file, both counted from 1; 0 stands for the whole file."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Dependency:
    """One requested conda package."""

    match: match_spec.Match
    place: Place


@dataclass
class Spec:
    """A spec as read; usable only if its findings hold no error."""

    name: str
    source: str
    channels: list[str] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)
    pip: list[pip_section.Requirement] = field(default_factory=list)
    pip_places: dict[str, Place] = field(default_factory=dict)  # by normalised name
    variables: dict[str, str] = field(default_factory=dict)
    platforms: list[str] | None = None
    platforms_place: Place = field(default_factory=Place)

    @property
    def for_cpu(self) -> set[str]:
        """Names of the packages of which the spec explicitly requests a CPU build."""
        matches = [dependency.match for dependency in self.dependencies]
        return {match.name for match in matches if "cpu" in (match.build or "") or match.name.endswith("-cpu")}


def read(text: str, source: str, name: str, allowed: Sequence[str]) -> tuple[Spec, list[Finding]]:
    """Read a spec; return it and its findings, sorted by place. Never raises for anything in `text`.

    :param source: the file's path, as findings name it
    :param name: the environment, from the file's name
    :param allowed: the site's channels (lockstep_channels), the first having priority
    """
    reader = _Reader(Spec(name, source), allowed)
    try:
        reader.document(safe_yaml.compose(text))
        reader.selectors(text)
    except safe_yaml.YamlError as error:
        remedy = "correct the syntax"
        if glued := next((n for n, line in enumerate(text.splitlines(), 1) if _GLUED.match(line)), None):
            remedy = f"write a space after the `-` in line {glued}"
        elif error.line and "\t" in _before(text, error):
            remedy = f"replace the tab in line {error.line} with spaces"
        reader.add(Place(error.line, error.column), "not-yaml", error.message, remedy)
    if not plans.NAME.match(name):
        reader.add(
            Place(),
            "environment-name",
            f"{name[:80]!r} is not a valid environment name",
            "rename the file: use only a-z, 0-9, '.', '_' and '-'",
        )
    return reader.spec, sorted(set(reader.findings))


class _Reader:
    """Walk the YAML nodes of one document; collect the spec and the findings."""

    def __init__(self, spec: Spec, allowed: Sequence[str]) -> None:
        self.spec, self.allowed = spec, list(allowed)
        self.permitted = {chan.published(channel) for channel in allowed}
        self.findings: list[Finding] = []

    def add(self, place: Place, code: str, message: str, remedy: str, severity: str = ERROR) -> None:
        self.findings.append(Finding(self.spec.source, place.line, place.column, code, severity, message, remedy))

    def document(self, root: Any) -> None:
        if not isinstance(root, yaml.MappingNode):
            self.add(
                _place(root) if root is not None else Place(1, 1),
                "not-a-spec",
                "the file is empty, or not a mapping",
                f"write a mapping with the keys {', '.join(KEYS)}",
            )
            return
        handlers = {
            "name": self.name,
            "channels": self.channels,
            "dependencies": self.dependencies,
            "variables": self.variables,
            "platforms": self.platforms,
            "prefix": self.prefix,
            "category": self.label,
        }
        seen = set()
        for key, value in root.value:
            seen.add(key.value)
            if key.value in handlers:
                handlers[key.value](value if key.value != "prefix" else key)
            else:
                close = lint_rules.nearest(key.value, KEYS)
                self.add(
                    _place(key),
                    "unknown-key",
                    f"unknown key {key.value[:60]!r}",
                    f"did you mean {close}?" if close else f"remove it; the keys of a spec are {', '.join(KEYS)}",
                )
        if "dependencies" not in seen:
            self.add(
                _place(root),
                "no-dependencies",
                "`dependencies` is missing",
                "add `dependencies:` with a list of packages",
            )
        if not self.spec.channels:
            self.spec.channels = [chan.short_name(channel) for channel in self.allowed]

    def selectors(self, text: str) -> None:
        for line, column, selector in selectors.comments(text):
            self._selector(Place(line, column), selector)

    def _selector(self, place: Place, selector: str) -> None:
        self.add(
            place,
            "selector",
            f"`{selector[:60]}` is a selector; Lockstep ignores it and would lock the line for every platform",
            "limit the whole environment with `platforms:`, or write one environment for each kind of host",
        )

    def label(self, node: Any) -> None:
        """Accept `category` (CEP 24) and ignore it: other tools join files by it; here each file is one environment."""

    def prefix(self, key: Any) -> None:
        self.add(
            _place(key),
            "prefix",
            "`prefix:` names the environment's folder on one machine",
            "remove the line: hosts install environments under lockstep_root",
        )

    def name(self, node: Any) -> None:
        value = self._text(node, "name")
        if value is not None and value != self.spec.name:
            self.add(
                _place(node),
                "name-differs",
                f"the file is named after {self.spec.name!r}, but `name` is {value[:80]!r}",
                "rename the file, or correct `name`",
            )

    def channels(self, node: Any) -> None:
        for item in self._items(node, "channels"):
            value = self._text(item, "a channel")
            if value is None:
                continue
            if value in ("nodefaults", "defaults"):
                self.add(
                    _place(item),
                    value,
                    f"`{value}` is not an allowed channel: {chan.RESERVED[value]}",
                    f"remove the line; the channels are {', '.join(self.allowed)}",
                )
            elif self._permitted(value, _place(item)):
                if chan.published(value) in {chan.published(known) for known in self.spec.channels}:
                    self.add(
                        _place(item), "duplicate-channel", f"channel {value[:80]} is listed twice", "remove one entry"
                    )
                else:
                    self.spec.channels.append(chan.short_name(value))

    def _permitted(self, channel: str, place: Place) -> bool:
        try:
            if chan.published(channel) in self.permitted:
                return True
            message = f"channel {redact(channel)[:80]} is not allowed"
        except chan.ChannelError as error:
            message = str(error)
        self.add(
            place,
            "channel-not-allowed",
            message,
            f"use {', '.join(self.allowed)} (lockstep_channels); "
            f"{lint_rules.instead_of_channel(channel, self.allowed)}",
        )
        return False

    def platforms(self, node: Any) -> None:
        platforms: list[str] = []
        for item in self._items(node, "platforms"):
            value = self._text(item, "a platform")
            if value is not None and value not in plans.PLATFORMS:
                self.add(
                    _place(item),
                    "unknown-platform",
                    f"platform {value[:60]!r} is not supported",
                    f"use {', '.join(plans.PLATFORMS[:-1])} or {plans.PLATFORMS[-1]}",
                )
            elif value is not None and value not in platforms:
                platforms.append(value)
        self.spec.platforms, self.spec.platforms_place = platforms, _place(node)

    def variables(self, node: Any) -> None:
        if not isinstance(node, yaml.MappingNode):
            self.add(_place(node), "bad-variables", "variables is not a mapping", 'write `NAME: "value"` lines')
            return
        for key, value in node.value:
            self._variable(key, value)

    def _variable(self, key: Any, node: Any) -> None:
        name, place = key.value, _place(key)
        plain = isinstance(node, yaml.ScalarNode) and (
            node.tag.endswith(":str") or (node.tag.endswith(":int") and _INTEGER.match(node.value))
        )
        if not plans.VARIABLE.match(name):
            self.add(place, "bad-variable", f"{name[:60]!r} is not a valid variable name", "use A-Z, 0-9 and _")
        elif not plain:
            self.add(_place(node), "bad-variable", f"the value of {name} is not a string", "put it in quotes")
        elif plans.CONTROL.search(node.value):
            self.add(_place(node), "bad-variable", f"the value of {name} has several lines", "write one line")
        elif _SECRET.search(name):
            self.add(
                place,
                "secret-variable",
                f"{name} looks like a secret, and every user can read a lock",
                "pass it to the job, not through the environment",
            )
        else:
            if _DANGEROUS.match(name):
                self.add(
                    place,
                    "risky-variable",
                    f"{name} controls how programs are found or started",
                    "leave it to activation unless you are sure",
                    WARNING,
                )
            self.spec.variables[name] = node.value

    def dependencies(self, node: Any) -> None:
        seen: dict[str, Place] = {}
        for item in self._items(node, "dependencies"):
            if isinstance(item, yaml.MappingNode):
                self._section(item)
                continue
            value = self._text(item, "a dependency")
            if value is not None and (match := self._dependency(value, _place(item))):
                if match.name in seen:
                    self.add(
                        _place(item),
                        "duplicate-package",
                        f"{match.name} is requested twice, first in line {seen[match.name].line}",
                        "merge the two lines, or remove one",
                    )
                    continue
                seen[match.name] = _place(item)
                self.spec.dependencies.append(Dependency(match, _place(item)))
        if not self.spec.dependencies and not errors(self.findings):
            self.add(_place(node), "no-dependencies", "no conda package is requested", "add at least one package")
        self._pip_against_conda(seen)
        versions = {dependency.match.name: dependency.match.version for dependency in self.spec.dependencies}
        for code, severity, name, message, remedy in lint_rules.check(versions):
            self.add(seen[name], code, message, remedy, severity)

    def _dependency(self, text: str, place: Place) -> match_spec.Match | None:
        try:
            match = match_spec.parse(text)
        except match_spec.SpecError as error:
            self.add(
                place,
                "bad-dependency",
                f"{text[:80]!r} is not a valid match spec: {error}",
                "write `name`, `name >=1.2,<2`, `name ==1.2.3` or `name 1.2.*`",
            )
            return None
        if match.is_url:
            self.add(
                place,
                "package-url",
                f"{redact(text)[:80]!r} is a file, not a package of a channel",
                "request the package by name; publish your own packages in an allowed channel",
            )
            return None
        if match.channel is not None and not self._permitted(match.channel, place):
            return None
        if match.fuzzy:
            series = ".".join(match.fuzzy.split(".")[:2])
            self.add(
                place,
                FUZZY_PIN,
                f"{text[:80]!r} accepts every {match.fuzzy}.*",
                f"write `{match.name} {series}.*`, or `{match.name} =={match.fuzzy}` for exactly that version",
                WARNING,
            )
        if first := lint_rules.exact_python(match.name, match.version):
            self.add(
                place,
                "exact-python",
                f"{text[:80]!r} means exactly {first}, without the fixes of its series",
                f"write `python {first.removesuffix('.0')}.*`, or `python =={first}` for exactly that version",
                WARNING,
            )
        return match

    def _section(self, node: Any) -> None:
        for key, value in node.value:
            if selectors.is_key(key.value):
                self._selector(_place(key), key.value)
                continue
            if key.value != "pip":
                self.add(
                    _place(key),
                    "unknown-section",
                    f"{key.value[:60]!r} is not a section of dependencies",
                    "write each package on a line of its own; only `pip:` has a list",
                )
                continue
            for item in self._items(value, "pip"):
                text = self._text(item, "a pip requirement")
                if text is None:
                    continue
                requirement, problem = pip_section.parse(text)
                if problem:
                    self.add(_place(item), "bad-pip-line", f"{redact(text)[:80]!r} {problem[0]}", problem[1])
                if requirement:
                    self._requirement(requirement, _place(item))

    def _requirement(self, requirement: pip_section.Requirement, place: Place) -> None:
        if any(known.name == requirement.name for known in self.spec.pip):
            self.add(place, "duplicate-package", f"{requirement.name} is requested twice under pip", "remove one line")
        else:
            self.spec.pip.append(requirement)
        self.spec.pip_places.setdefault(requirement.name, place)

    def _pip_against_conda(self, seen: dict[str, Place]) -> None:
        conda = {known: name for name in seen for known in pypi_mapping.pypi_names(name)}
        for requirement in self.spec.pip:
            if requirement.name in conda:
                name = conda[requirement.name]
                self.add(
                    self.spec.pip_places[requirement.name],
                    "conda-and-pip",
                    f"{requirement.name} is requested from pip, and as "
                    f"{name} from the channel in line {seen[name].line}: pip would overwrite conda's files",
                    "remove one of the two, preferably the pip line",
                )

    def _items(self, node: Any, what: str) -> list[Any]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
            self.add(
                _place(node), "not-a-list", "the key has no value", "write one `- item` per line, or remove the key"
            )
        else:
            self.add(_place(node), "not-a-list", f"{what} is not a list", "write one `- item` per line")
        return []

    def _text(self, node: Any, what: str) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str") and node.value.strip():
            if len(node.value) <= _LONGEST:
                return str(node.value).strip()
            message = f"{what} has {len(node.value)} characters"
            self.add(_place(node), "not-a-string", message, f"shorten it; the limit is {_LONGEST} characters")
        else:
            remedy = "write plain text, in quotes if it looks like a number"
            self.add(_place(node), "not-a-string", f"{what} is not a string", remedy)
        return None


def _before(text: str, error: safe_yaml.YamlError) -> str:
    """Return the line up to and including the place of an error."""
    lines = text.splitlines()
    return lines[error.line - 1][: error.column] if error.line <= len(lines) else ""


def _place(node: Any) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
