# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH100, PTH111, PTH112, PTH113, PTH118, PTH123
"""conda's configuration: where it is searched, how the places are merged, what each key means.

Semantics are those of conda 26.5 (`conda config --show`): lists of all places are merged, later places first; for a
plain value the last place wins; a value marked `#!final` ends the merging, environment variables and options included.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import condarc
from .condarc import Node
from .errors import Failure

SEARCH_PATH = (
    "/etc/conda/.condarc",
    "/etc/conda/condarc",
    "/etc/conda/condarc.d/",
    "/var/lib/conda/.condarc",
    "/var/lib/conda/condarc",
    "/var/lib/conda/condarc.d/",
    "$CONDA_ROOT/.condarc",
    "$CONDA_ROOT/condarc",
    "$CONDA_ROOT/condarc.d/",
    "$XDG_CONFIG_HOME/conda/.condarc",
    "$XDG_CONFIG_HOME/conda/condarc",
    "$XDG_CONFIG_HOME/conda/condarc.d/",
    "~/.config/conda/.condarc",
    "~/.config/conda/condarc",
    "~/.config/conda/condarc.d/",
    "~/.conda/.condarc",
    "~/.conda/condarc",
    "~/.conda/condarc.d/",
    "~/.condarc",
    "$CONDA_PREFIX/.condarc",
    "$CONDA_PREFIX/condarc",
    "$CONDA_PREFIX/condarc.d/",
    "$CONDARC",
)
ENVIRONMENT = "envvars"
COMMAND_LINE = "cmd_line"
TRUE = ("true", "yes", "on", "y")
FALSE = ("false", "off", "n", "no", "non", "none", "")


@dataclass(frozen=True)
class Key:
    """One key of the configuration."""

    default: Any
    kind: str = "bool"  # bool, int, float, str, list or map; `?` behind it: may be null
    aliases: tuple[str, ...] = ()
    expand: bool = False
    delimiter: str = ","
    choices: tuple[str, ...] = ()


KEYS: dict[str, Key] = {
    "add_pip_as_python_dependency": Key(True),
    "aggressive_update_packages": Key(("ca-certificates", "certifi", "openssl"), "list"),
    "allow_softlinks": Key(False),
    "allowlist_channels": Key((), "list", ("whitelist_channels",), expand=True),
    "always_copy": Key(False, aliases=("copy",)),
    "always_softlink": Key(False, aliases=("softlink",)),
    "always_yes": Key(None, "bool?", ("yes",)),
    "auto_activate": Key(True, aliases=("auto_activate_base",)),
    "auto_stack": Key(0, "int"),
    "auto_update_conda": Key(True, aliases=("self_update",)),
    "changeps1": Key(True),
    "channel_alias": Key("https://conda.anaconda.org", "str", expand=True),
    "channel_priority": Key("flexible", "str", choices=("strict", "flexible", "disabled")),
    "channels": Key((), "list", ("channel",), expand=True),
    "create_default_packages": Key((), "list"),
    "custom_channels": Key({"pkgs/pro": "https://repo.anaconda.com"}, "map", expand=True),
    "custom_multichannels": Key({}, "map", expand=True),
    "default_activation_env": Key("base", "str"),
    "default_channels": Key(
        ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"), "list", expand=True
    ),
    "denylist_channels": Key((), "list", expand=True),
    "disallowed_packages": Key((), "list", ("disallow",), delimiter="&"),
    "download_only": Key(False),
    "dry_run": Key(False),
    "env_prompt": Key("({default_env}) ", "str"),
    "envs_dirs": Key((), "list", ("envs_path",), expand=True, delimiter=os.pathsep),
    "json": Key(False),
    "notify_outdated_conda": Key(True),
    "offline": Key(False),
    "override_channels_enabled": Key(True),
    "pinned_packages": Key((), "list", delimiter="&"),
    "pkgs_dirs": Key((), "list", expand=True),
    "protect_frozen_envs": Key(True),
    "quiet": Key(False),
    "register_envs": Key(True),
    "remote_connect_timeout_secs": Key(9.15, "float"),
    "remote_max_retries": Key(3, "int"),
    "remote_read_timeout_secs": Key(60.0, "float"),
    "root_prefix": Key("", "str", ("root_dir",)),
    "show_channel_urls": Key(None, "bool?"),
    "solver": Key("rattler", "str", ("experimental_solver",)),
    "ssl_verify": Key(True, "bool|str", ("verify_ssl",), expand=True),
    "subdir": Key("", "str"),
    "use_local": Key(False),
}
NAMES = {alias: name for name, key in KEYS.items() for alias in (name, *key.aliases)}


def expand(path: str) -> str:
    """Make a path absolute, as conda does: `~`, `$VARIABLE`, then the working folder."""
    return os.path.abspath(os.path.expanduser(os.path.expandvars(path)))


def _as_bool(text: str) -> bool | None:
    word = text.strip().lower().replace(".", "", 1)
    if word.isnumeric():
        return bool(float(word))
    return True if word in TRUE else False if word in FALSE else None


def typed(name: str, value: Any, source: str) -> Any:
    """Give one value (of a list: one item) the type of its key.

    :raises Failure: `CustomValidationError`, as conda calls it
    """
    key = KEYS[name]
    kind = key.kind.rstrip("?")
    optional = key.kind.endswith("?")

    def wrong(why: str) -> Failure:
        message = f"Parameter {name} = {value!r} declared in {source} is invalid.\n{why}"
        return Failure("CustomValidationError", message)

    if value is None and optional:
        return None
    if kind in ("bool", "bool|str"):
        if isinstance(value, (bool, int, float)):
            return bool(value)
        found = _as_bool(str(value))
        if found is None and kind == "bool":
            raise wrong(f"The value {value!r} cannot be boolified.")
        return value if found is None else found
    if kind in ("int", "float"):
        try:
            return int(value) if kind == "int" else float(value)
        except (TypeError, ValueError):
            raise wrong(f"Cannot convert {value} to a number.") from None
    if name == "channel_priority":  # conda takes a boolean too: true is flexible, false disabled
        word = str(value).lower() if isinstance(value, bool) else str(value)
        switch = _as_bool(word) if word not in key.choices and word else None
        value = word if switch is None else "flexible" if switch else "disabled"
    if name == "channel_alias" and value and "://" not in str(value):
        raise wrong(f"channel_alias value '{value}' must have scheme/protocol.")
    if key.choices and value not in key.choices:
        choices = ", ".join(f"'{choice}'" for choice in key.choices)
        raise wrong(f"'{value}' is not a valid value.\nValid choices for {name}: {choices}")
    return value if isinstance(value, (list, dict)) else str(value)


def _wrong_type(name: str, node: Node, source: str) -> Failure:
    found = type(node.plain()).__name__
    wanted = {"list": "tuple", "map": "frozendict"}.get(KEYS[name].kind, KEYS[name].kind)
    message = f"Parameter {name} = {node.plain()!r} declared in {source} has type {found}.\nValid types:\n  - {wanted}"
    return Failure("InvalidTypeError", message)


def check(name: str, node: Node, source: str) -> Any:
    """The typed value of one key in one place; None where conda ignores it.

    :raises Failure: the value has the wrong type
    """
    kind = KEYS[name].kind.rstrip("?")
    if kind == "list":
        if node.value is None:
            return None
        if not isinstance(node.value, list):
            raise _wrong_type(name, node, source)
        return [typed(name, item.plain(), source) for item in node.value]
    if kind == "map":
        if node.value is None:
            return None
        if not isinstance(node.value, dict):
            raise _wrong_type(name, node, source)
        return node.plain()
    if isinstance(node.value, (list, dict)):
        raise _wrong_type(name, node, source)
    return typed(name, node.value, source)


def _environment(environ: Mapping[str, str]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for variable, text in environ.items():
        alias = variable.removeprefix("CONDA_").lower()
        if not variable.startswith("CONDA_") or alias not in NAMES:
            continue
        key = KEYS[NAMES[alias]]
        final = "#!final" if "!important" in text else ""
        if key.kind == "list":
            parts = [part.strip() for part in text.split(key.delimiter)]
            found[alias] = Node([Node(part) for part in parts if part], final)
        else:
            found[alias] = Node(text.split("!important")[0].strip(), final)
    return found


def _files(search: Iterable[str], environ: Mapping[str, str]) -> Iterable[Path]:
    def variable(match: re.Match[str]) -> str:
        return environ.get(match[1] or match[2], match[0])

    for entry in search:
        name = re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", variable, entry)
        path = Path(name).expanduser()
        if path.is_file() and (path.name in (".condarc", "condarc") or path.suffix in (".yml", ".yaml")):
            yield path
        elif path.is_dir():
            yield from (p for p in sorted(path.iterdir()) if p.is_file() and p.suffix in (".yml", ".yaml"))


def merge_lists(matches: Sequence[tuple[list[Any], list[str | None], bool]]) -> list[Any]:
    """Merge the lists of all places (value, flag of each item, final): later places first, duplicates dropped.

    Items marked `#!top` come first and those marked `#!bottom` last, those of earlier places outermost.
    """
    used: list[tuple[list[Any], list[str | None]]] = []
    for values, flags, final in matches:
        used.append((values, flags))
        if final:
            break
    top = [v for values, flags in used for v, flag in zip(values, flags, strict=True) if flag == "top"]
    bottom = [v for values, flags in reversed(used) for v, flag in zip(values, flags, strict=True) if flag == "bottom"]
    everything = list(dict.fromkeys([*top, *(v for values, _ in reversed(used) for v in values)]))
    return list(reversed(dict.fromkeys([*reversed(bottom), *reversed(everything)])))


class Settings:
    """The configuration as one command sees it.

    :param options: what the command line says, by key (`channel`, `json`, `dry_run`, ...)
    :param prefix: the environment that the command is about: its own `.condarc` counts
    """

    def __init__(self, options: Mapping[str, Any] | None = None, prefix: str | None = None) -> None:
        self.conda_prefix = os.path.abspath(sys.prefix)
        environ = {"CONDA_ROOT": sys.prefix, **os.environ}
        options = {k: v for k, v in (options or {}).items() if v not in (None, False, [], ())}
        self.sources: dict[str, dict[str, Node]] = {}
        self._command_line = {
            k: Node([Node(i) for i in v] if isinstance(v, (list, tuple)) else v)
            for k, v in options.items()
            if k in NAMES
        }
        self._prefix = prefix
        self._read(environ, os.environ.get("CONDA_PREFIX") or "")
        environ["CONDA_PREFIX"] = prefix or self.default_prefix
        self._read(environ, environ["CONDA_PREFIX"])

    def _read(self, environ: Mapping[str, str], prefix: str) -> None:
        environ = {**environ, **({"CONDA_PREFIX": prefix} if prefix else {})}
        self.sources = {}
        for path in dict.fromkeys(_files(SEARCH_PATH, environ)):
            try:
                self.sources[str(path)] = condarc.load(path)
            except (condarc.Unreadable, UnicodeDecodeError) as error:
                raise Failure("ConfigurationLoadError", f"Unable to load configuration file.\n  {error}") from None
            except OSError as error:
                raise Failure("CondaError", f"cannot read {path}: {error.strerror}") from None
        self.sources[ENVIRONMENT] = _environment(environ)
        self.sources[COMMAND_LINE] = self._command_line

    def get(self, name: str) -> Any:
        """The merged value of a key.

        :raises Failure: a place gives it a wrong type
        """
        key = KEYS[name]
        matches: list[tuple[Any, Node]] = []
        for source, nodes in self.sources.items():
            given = [alias for alias in (name, *key.aliases) if alias in nodes]
            if len(given) > 1:
                listed = "".join(f"\n  - {alias}" for alias in given)
                message = f"Multiple aliased keys in file {source}:{listed}\nMust declare only one. Prefer '{name}'"
                raise Failure("MultipleKeysError", message)
            for alias in given:
                value = check(name, nodes[alias], source)
                if value is not None or key.kind.endswith("?"):
                    matches.append((value, nodes[alias]))
        value = self._merged(key, matches) if matches else key.default
        return self._expanded(value) if key.expand else value

    @staticmethod
    def _merged(key: Key, matches: list[tuple[Any, Node]]) -> Any:
        if key.kind == "list":
            return merge_lists(
                [
                    (value, [item.flag for item in node.value], node.flag == "final")
                    for value, node in matches
                    if isinstance(node.value, list)
                ]
            )
        if key.kind == "map":
            merged: dict[str, Any] = {}
            final: dict[str, Any] = {}
            for value, node in matches:
                merged.update(value)
                if isinstance(node.value, dict):
                    final = {**{k: value[k] for k, item in node.value.items() if item.flag == "final"}, **final}
                if node.flag == "final":
                    break
            return {**merged, **final}
        return next((value for value, node in matches if node.flag == "final"), matches[-1][0])

    @staticmethod
    def _expanded(value: Any) -> Any:
        if isinstance(value, str):
            return os.path.expandvars(value)
        if isinstance(value, (list, tuple)):
            return [Settings._expanded(item) for item in value]
        if isinstance(value, dict):
            return {k: Settings._expanded(v) for k, v in value.items()}
        return value

    def collected(self) -> dict[str, dict[str, Any]]:
        """What each place says, by the key's name there: `conda config --show-sources`.

        :raises Failure: a value has the wrong type
        """
        found: dict[str, dict[str, Any]] = {}
        for source, nodes in self.sources.items():
            values = {alias: check(NAMES[alias], node, source) for alias, node in nodes.items() if alias in NAMES}
            if values:
                found[source] = values
        return found

    def validate(self) -> None:
        """Look at every key, so that a wrong one stops the command before it does anything.

        :raises Failure: a value has the wrong type
        """
        for name in KEYS:
            self.get(name)

    # what conda derives from the keys

    @property
    def root_prefix(self) -> str:
        """The base environment."""
        named = self.get("root_prefix")
        return os.path.abspath(os.path.expanduser(named)) if named else self.conda_prefix

    @property
    def root_writable(self) -> bool:
        """Whether this user may change the base: judged by its history file, as conda does."""
        return writable_file(os.path.join(self.root_prefix, "conda-meta", "history")) is True

    @property
    def envs_dirs(self) -> list[str]:
        """Folders of named environments, first wins."""
        own = os.path.join("~", ".conda", "envs")
        base = os.path.join(self.root_prefix, "envs")
        fixed = [base, own] if self.root_writable else [own, base]
        return list(dict.fromkeys(expand(path) for path in (*self.get("envs_dirs"), *fixed)))

    @property
    def pkgs_dirs(self) -> list[str]:
        """Package caches, first wins."""
        named = self.get("pkgs_dirs") or [
            os.path.join(self.root_prefix, "pkgs"),
            os.path.join("~", ".conda", "pkgs"),
        ]
        return list(dict.fromkeys(expand(path) for path in named))

    @property
    def active_prefix(self) -> str | None:
        """The activated environment."""
        return os.environ.get("CONDA_PREFIX")

    @property
    def default_prefix(self) -> str:
        """What a command without -n and -p is about."""
        if self.active_prefix:
            return self.active_prefix
        name = os.environ.get("CONDA_DEFAULT_ENV")
        if name in (None, "base"):
            return self.root_prefix
        if os.sep in str(name):
            return os.path.abspath(str(name))
        for folder in self.envs_dirs:
            if os.path.isdir(os.path.join(folder, str(name))):
                return os.path.join(folder, str(name))
        return os.path.join(self.envs_dirs[0], str(name))

    @property
    def subdir(self) -> str:
        """The platform, e.g. `linux-64`."""
        machine = os.uname().machine
        system = "osx" if sys.platform == "darwin" else "linux"
        native = "64" if machine in ("x86_64", "amd64") else machine
        return str(self.get("subdir") or f"{system}-{native}")

    @property
    def config_files(self) -> list[str]:
        """Files that say something conda knows."""
        return [source for source in self.collected() if source not in (ENVIRONMENT, COMMAND_LINE)]

    def locate(self, name: str) -> str:
        """The folder of a named environment.

        :raises Failure: `EnvironmentNameNotFound`
        """
        if name == "base":
            return self.root_prefix
        for folder in self.envs_dirs:
            if os.path.isdir(os.path.join(folder, name)):
                return os.path.abspath(os.path.join(folder, name))
        raise Failure(
            "EnvironmentNameNotFound",
            f"Could not find conda environment: {name}\n"
            "You can list all discoverable environments with `conda info --envs`.\n",
            environment_name=name,
        )


def writable_file(path: str) -> bool | None:
    """Whether a file can be appended to; None: it is not there."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "a+", encoding="utf-8"):
            return True
    except OSError:
        return False
