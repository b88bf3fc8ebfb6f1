"""Read descriptions of environments: an environment.yml of any age and origin, the output of `conda env export`,
`conda list --export` and `conda list --explicit`, or a recipe from an article.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ...module_utils.host import install_plan as plans
from ...module_utils.host.redaction import redact
from ..conda import channels as chan
from ..conda import match_spec
from ..core import safe_yaml
from ..core.errors import ControllerError
from .discovered import DECIDE, KEPT, LEFT_OUT, Discovered, Known, PipLine, looks_like_everything, parse_requested

_MAX_BYTES = 4 << 20
_ADDRESS = re.compile(
    r"(?P<url>\S+/(?P<subdir>[a-z0-9-]+)/(?P<stem>[^/#\s]+)[.](conda|tar[.]bz2))(#(sha256[:=])?(?P<hash>[0-9a-f]+))?\Z"
)
_REMEDY = "name an environment's folder, or a file that describes one"
_LISTED = re.compile(r"(?P<name>[A-Za-z0-9_][\w.-]*)=(?P<version>[^=\s]+)=(?P<build>[^=\s]+)\Z")


class ExportError(ControllerError):
    """A file that does not describe an environment."""


def read(path: Path) -> Discovered:
    """Read a file that describes an environment; raises ExportError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(str(path), error.strerror or str(error), "name a readable file") from None
    if len(data) > _MAX_BYTES:
        cause = f"the file has {len(data) >> 20} MiB; the limit is {_MAX_BYTES >> 20} MiB"
        raise ExportError(str(path), cause, _REMEDY)
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")  # PowerShell's `>`
    except UnicodeDecodeError:
        raise ExportError(str(path), "not text", _REMEDY) from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    written = [(number, line) for number, line in lines if line and not line.startswith("#")]
    discovered = Discovered(path.name)
    for _unused, line in lines:
        if platform := re.match(r"#\s*platform:\s*(\S+)", line):
            discovered.platform = platform[1] if platform[1] in plans.PLATFORMS else ""
    if any(line == "@EXPLICIT" for _unused, line in written):
        _explicit(discovered, path, [item for item in written if item[1] != "@EXPLICIT"])
    elif written and all(_LISTED.match(line) for _unused, line in written):
        _listed(discovered, path, written)
    else:
        _environment(discovered, path, text)
    return discovered


def _explicit(discovered: Discovered, path: Path, lines: list[tuple[int, str]]) -> None:
    """Read the lines of an `@EXPLICIT` list: urls of packages (CEP 23)."""
    discovered.everything = True
    for number, line in lines:
        place = f"{path.name}:{number}"
        match = _ADDRESS.match(line)
        parts = match["stem"].rsplit("-", 2) if match else []
        if not match or len(parts) != 3:
            cause = f"{redact(line)[:80]!r} is not the url of a package"
            raise ExportError(f"{path}:{number}", cause, "correct or remove the line")
        name, version, build = parts
        digest, subdir = match["hash"] or "", match["subdir"]
        if subdir != "noarch":
            if discovered.platform not in ("", subdir):
                cause = f"a package for {subdir} in a list for {discovered.platform}"
                raise ExportError(f"{path}:{number}", cause, "import one platform at a time")
            discovered.platform = subdir
        if name in discovered.packages:
            raise ExportError(f"{path}:{number}", f"{name} is listed twice", "remove one line")
        md5, sha256 = (digest if len(digest) == size else "" for size in (32, 64))
        discovered.packages[name] = Known(name, version, build, subdir, match["url"], md5, sha256)
        if not digest:
            discovered.note(KEPT, f"{name} has no hash: it is searched in the channel by version and build", place)


def _listed(discovered: Discovered, path: Path, lines: list[tuple[int, str]]) -> None:
    """Read the lines of `conda list --export`: name=version=build; the build of pip's packages is `pypi` or `<pip>`."""
    discovered.everything = True
    for number, line in lines:
        match = _LISTED.match(line)
        if match is None:  # the form was chosen because every line matches
            raise AssertionError(line)
        if match["build"] in ("pypi_0", "pypi", "<pip>"):
            discovered.pip.append(PipLine(f"{match['name']}=={match['version']}", f"{path.name}:{number}"))
        else:
            discovered.packages[match["name"]] = Known(match["name"], match["version"], match["build"])


def _environment(discovered: Discovered, path: Path, text: str) -> None:
    """Read an environment.yml (CEP 24), or a file in a similar form."""
    try:
        root = safe_yaml.compose(text)
    except safe_yaml.YamlError as error:
        raise ExportError(error.at(str(path))) from None
    if not isinstance(root, yaml.MappingNode):
        cause = "neither an environment.yml, nor an @EXPLICIT list, nor the output of `conda list --export`"
        raise ExportError(str(path), cause, _REMEDY)
    keys = {key.value: value for key, value in root.value}
    if {"metadata", "package"} <= keys.keys():
        remedy = "copy it to the tier's folder in lockstep_locks_dir, and its spec to lockstep_envs_dir"
        raise ExportError(str(path), "the file is a lock, which needs no import", remedy)
    if not isinstance(keys.get("dependencies"), yaml.SequenceNode):
        raise ExportError(str(path), "there is no list of dependencies", _REMEDY)
    for key, node in root.value:
        _key(discovered, path, key, node)
    builds: dict[str, str] = {}
    pinned = 0
    for item in keys["dependencies"].value:
        if isinstance(item, yaml.MappingNode):
            _sections(discovered, path, item)
        elif isinstance(item, yaml.ScalarNode) and item.value.strip():
            pinned += _dependency(discovered, path, item, builds)
        else:
            discovered.note(LEFT_OUT, "a line without a package", _place(path, item))
    if looks_like_everything(discovered.requested, pinned, len(builds)):
        discovered.everything = True
    _known(discovered, builds)


def _key(discovered: Discovered, path: Path, key: Any, node: Any) -> None:
    """Read one key of the file other than `dependencies`."""
    place = _place(path, key)
    match key.value, node:
        case "dependencies" | "category", _:
            pass
        case "name", yaml.ScalarNode(value=name):
            discovered.name = name if plans.NAME.match(name) and name not in ("base", "root") else ""
            if not discovered.name:
                discovered.note(LEFT_OUT, f"{name[:40]!r} is not a valid name for a shared environment", place)
        case "prefix", _:
            discovered.note(LEFT_OUT, "`prefix:` names the environment's folder on one machine", place)
        case "platforms", yaml.SequenceNode(value=items):
            discovered.platforms = [str(item.value) for item in items]
        case "channels", yaml.SequenceNode(value=items):
            for item in items:
                _channel(discovered, str(item.value), _place(path, item))
        case "variables", yaml.MappingNode(value=pairs):
            for name, value in pairs:
                if isinstance(value, yaml.ScalarNode):
                    discovered.variables[name.value] = (value.value, _place(path, name))
        case _:
            discovered.note(LEFT_OUT, f"`{key.value[:40]}:` is not a key of a spec", place)


def _known(discovered: Discovered, builds: dict[str, str]) -> None:
    """Record the versions that the lines name, so that the lock can keep them."""
    for one in discovered.requested:
        exact = re.fullmatch(r"(==)?([^*|,<>=!~]+?)([.][*])?", one.version)
        if exact and (discovered.everything or exact[1] or exact[2].count(".") > 1):
            discovered.packages[one.name] = Known(one.name, exact[2], builds.get(one.name, ""))


def _channel(discovered: Discovered, text: str, place: str) -> None:
    """Record a channel, allowed or not; note `nodefaults`, which is not a channel."""
    if text == "nodefaults":
        discovered.note(LEFT_OUT, f"`{text}`: {chan.RESERVED[text]}", place)
    else:
        discovered.channels.append((text, place))


def _dependency(discovered: Discovered, path: Path, node: Any, builds: dict[str, str]) -> bool:
    """Add one line; return whether it names exactly one version.

    :param builds: gets the build that the line names, by package
    """
    text, place = node.value.strip(), _place(path, node)
    try:
        one = parse_requested(text, place)
        match = match_spec.parse(text)
    except match_spec.SpecError as error:
        discovered.note(DECIDE, f"`{text[:80]}` is not a valid match spec: {error}", place)
        return False
    if any(one.name == other.name for other in discovered.requested):
        discovered.note(LEFT_OUT, f"{one.name} is listed twice: the first line counts", place)
        return False
    if match.channel is not None:
        one = one.change(f"from the site's channels, not from {match.channel[:60]}")
    if match.build:
        builds[one.name] = match.build
    discovered.requested.append(one)
    return bool(re.fullmatch(r"(==)?[^*|,<>=!~]+([.][*])?", one.version))


def _sections(discovered: Discovered, path: Path, node: Any) -> None:
    for key, value in node.value:
        if key.value != "pip" or not isinstance(value, yaml.SequenceNode):
            discovered.note(LEFT_OUT, f"`{key.value[:40]}:` is not a section of a spec", _place(path, key))
            continue
        for item in value.value:
            if isinstance(item, yaml.ScalarNode) and item.value.strip():
                discovered.pip.append(PipLine(item.value.strip(), _place(path, item)))


def _place(path: Path, node: Any) -> str:
    return f"{path.name}:{node.start_mark.line + 1}"
