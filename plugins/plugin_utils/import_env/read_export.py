"""Read descriptions of environments that people have lying about: an environment.yml of whatever age and origin, the
output of `conda env export`, `conda list --export` and `conda list --explicit`, or an article's recipe.
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
from .discovered import DECIDE, LEFT_OUT, Found, Known, PipLine, looks_like_everything, wish

_MAX_BYTES = 4 << 20
_ADDRESS = re.compile(
    r"(?P<url>\S+/(?P<subdir>[a-z0-9-]+)/(?P<stem>[^/#\s]+)[.](conda|tar[.]bz2))(#(sha256[:=])?(?P<hash>[0-9a-f]+))?\Z"
)
_LISTED = re.compile(r"(?P<name>[A-Za-z0-9_][\w.-]*)=(?P<version>[^=\s]+)=(?P<build>[^=\s]+)\Z")


class ExportError(ValueError):
    """A file that describes no environment; the text says why and what to do."""


def read(path: Path) -> Found:
    """Read a description; raises ExportError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise ExportError(f"{path}: {len(data) >> 20} MiB; no description of an environment is that long")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")  # PowerShell's `>`
    except UnicodeDecodeError:
        raise ExportError(f"{path}: not text; name an environment's folder, or a file that describes one") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    written = [(number, line) for number, line in lines if line and not line.startswith("#")]
    found = Found(path.name)
    for _unused, line in lines:
        if platform := re.match(r"#\s*platform:\s*(\S+)", line):
            found.platform = platform[1] if platform[1] in plans.PLATFORMS else ""
    if any(line == "@EXPLICIT" for _unused, line in written):
        _explicit(found, path, [item for item in written if item[1] != "@EXPLICIT"])
    elif written and all(_LISTED.match(line) for _unused, line in written):
        _listed(found, path, written)
    else:
        _environment(found, path, text)
    return found


def _explicit(found: Found, path: Path, lines: list[tuple[int, str]]) -> None:
    """`@EXPLICIT`: addresses of packages (CEP 23)."""
    found.everything = True
    for number, line in lines:
        place = f"{path.name}:{number}"
        match = _ADDRESS.match(line)
        parts = match["stem"].rsplit("-", 2) if match else []
        if not match or len(parts) != 3:
            raise ExportError(f"{path}:{number}: {redact(line)[:80]!r} is not the address of a package")
        name, version, build = parts
        digest, subdir = match["hash"] or "", match["subdir"]
        if subdir != "noarch":
            if found.platform not in ("", subdir):
                raise ExportError(f"{path}:{number}: a package for {subdir} among others for {found.platform}")
            found.platform = subdir
        if name in found.packages:
            raise ExportError(f"{path}:{number}: {name} is there twice")
        md5, sha256 = (digest if len(digest) == size else "" for size in (32, 64))
        found.packages[name] = Known(name, version, build, subdir, match["url"], md5, sha256)
        if not digest:
            found.note("kept", f"{name} has no hash: it is looked up in the channel", place)


def _listed(found: Found, path: Path, lines: list[tuple[int, str]]) -> None:
    """`conda list --export`: name=version=build; pip's packages have `pypi` (or `<pip>`) for a build."""
    found.everything = True
    for number, line in lines:
        match = _LISTED.match(line)
        if match is None:  # the form was chosen because every line matches
            raise AssertionError(line)
        if match["build"] in ("pypi_0", "pypi", "<pip>"):
            found.pip.append(PipLine(f"{match['name']}=={match['version']}", f"{path.name}:{number}"))
        else:
            found.packages[match["name"]] = Known(match["name"], match["version"], match["build"])


def _environment(found: Found, path: Path, text: str) -> None:
    """environment.yml (CEP 24), and what people take for one."""
    try:
        root = safe_yaml.compose(text)
    except safe_yaml.YamlError as error:
        raise ExportError(error.at(str(path))) from None
    if not isinstance(root, yaml.MappingNode):
        raise ExportError(
            f"{path}: neither an environment.yml, nor an @EXPLICIT list, nor the output of `conda list --export`"
        )
    keys = {key.value: value for key, value in root.value}
    if {"metadata", "package"} <= keys.keys():
        raise ExportError(f"{path} is a lock: put it into the folder of locks, and its spec into that of specs")
    if not isinstance(keys.get("dependencies"), yaml.SequenceNode):
        raise ExportError(f"{path}: there is no list of dependencies, so it describes no environment")
    for key, node in root.value:
        _key(found, path, key, node)
    builds: dict[str, str] = {}
    pinned = 0
    for item in keys["dependencies"].value:
        if isinstance(item, yaml.MappingNode):
            _sections(found, path, item)
        elif isinstance(item, yaml.ScalarNode) and item.value.strip():
            pinned += _dependency(found, path, item, builds)
        else:
            found.note(LEFT_OUT, "a line without a package", _place(path, item))
    if looks_like_everything(found.wishes, pinned, len(builds)):
        found.everything = True
    _known(found, builds)


def _key(found: Found, path: Path, key: Any, node: Any) -> None:
    """One key of the file, the dependencies apart."""
    place = _place(path, key)
    match key.value, node:
        case "dependencies" | "category", _:
            pass
        case "name", yaml.ScalarNode(value=name):
            found.name = name if plans.NAME.match(name) and name not in ("base", "root") else ""
            if not found.name:
                found.note(LEFT_OUT, f"the name {name[:40]!r} is not one for a shared environment", place)
        case "prefix", _:
            found.note(LEFT_OUT, "`prefix:` is where one machine had it", place)
        case "platforms", yaml.SequenceNode(value=items):
            found.platforms = [str(item.value) for item in items]
        case "channels", yaml.SequenceNode(value=items):
            for item in items:
                _channel(found, str(item.value), _place(path, item))
        case "variables", yaml.MappingNode(value=pairs):
            for name, value in pairs:
                if isinstance(value, yaml.ScalarNode):
                    found.variables[name.value] = (value.value, _place(path, name))
        case _:
            found.note(LEFT_OUT, f"`{key.value[:40]}:` is no key of a spec", place)


def _known(found: Found, builds: dict[str, str]) -> None:
    """Note which versions were there: they can be kept, whoever asked for them."""
    for one in found.wishes:
        exact = re.fullmatch(r"(==)?([^*|,<>=!~]+?)([.][*])?", one.version)
        if exact and (found.everything or exact[1] or exact[2].count(".") > 1):
            found.packages[one.name] = Known(one.name, exact[2], builds.get(one.name, ""))


def _channel(found: Found, text: str, place: str) -> None:
    """Note channels that say something; which ones are allowed is the site's affair."""
    if text == "nodefaults":
        found.note(LEFT_OUT, f"`{text}`: {chan.RESERVED[text]}", place)
    else:
        found.channels.append((text, place))


def _dependency(found: Found, path: Path, node: Any, builds: dict[str, str]) -> bool:
    """Add one line; say whether it names one version."""
    text, place = node.value.strip(), _place(path, node)
    try:
        one = wish(text, place)
        match = match_spec.parse(text)
    except match_spec.SpecError as error:
        found.note(DECIDE, f"`{text[:80]}` is not understood: {error}", place)
        return False
    if any(one.name == other.name for other in found.wishes):
        found.note(LEFT_OUT, f"{one.name} is there twice: the first line counts", place)
        return False
    if match.channel is not None:
        one = one.but(f"from the site's channels, not from {match.channel[:60]}")
    if match.build:
        builds[one.name] = match.build
    found.wishes.append(one)
    return bool(re.fullmatch(r"(==)?[^*|,<>=!~]+([.][*])?", one.version))


def _sections(found: Found, path: Path, node: Any) -> None:
    for key, value in node.value:
        if key.value != "pip" or not isinstance(value, yaml.SequenceNode):
            found.note(LEFT_OUT, f"`{key.value[:40]}:` is no section that a spec has", _place(path, key))
            continue
        for item in value.value:
            if isinstance(item, yaml.ScalarNode) and item.value.strip():
                found.pip.append(PipLine(item.value.strip(), _place(path, item)))


def _place(path: Path, node: Any) -> str:
    return f"{path.name}:{node.start_mark.line + 1}"
