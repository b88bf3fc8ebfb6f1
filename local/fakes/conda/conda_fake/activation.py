# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH112, PTH118, PTH119, PTH208
"""What `conda activate` and `conda deactivate` do to a shell: computed here, written in the shell's own words.

The order is conda's. Deactivation: the old environment's scripts run (backwards), variables are unset, then set.
Activation: variables are set, then the new environment's scripts run. An environment's own variables come from
`etc/conda/env_vars.d/*.json` and `conda-meta/state`; what they hide is kept in
`__CONDA_SHLVL_<n>_<NAME>` and comes back.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import Failure, unknown
from .prefixes import not_found, same
from .settings import Settings, expand

UNSET = "***unset***"  # in conda-meta/state: the variable was there and is no more


@dataclass
class Change:
    """What happens to a shell, in this order."""

    path_first: str | None = None
    deactivate_scripts: list[str] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)
    local: dict[str, str] = field(default_factory=dict)
    export: dict[str, str] = field(default_factory=dict)
    activate_scripts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Shell:
    """How one family of shells writes things."""

    extension: str
    join: str
    export: str
    unset: str
    local: str
    source: str
    path_separator: str = ":"
    prompt: str = ""


POSIX = Shell(".sh", "\n", "export {}='{}'", "export {}=''", "{}='{}'", '. "{}"', prompt="PS1")
FISH = Shell(".fish", ";\n", 'set -gx {} "{}"', "set -e {} || true", 'set -g {} "{}"', 'source "{}"', '" "')
SHELLS = {"posix": POSIX, "ash": POSIX, "bash": POSIX, "dash": POSIX, "zsh": POSIX, "fish": FISH}


def shell_named(name: str) -> tuple[Shell, bool]:
    """The shell of `shell.NAME`, and whether JSON is wanted (`+json`).

    :raises Failure: a shell that the fake does not know
    """
    plain, plus, form = name.partition("+")
    if plain not in SHELLS or (plus and form != "json"):
        raise unknown(f"{name} is not a supported shell: {', '.join(sorted(SHELLS))}")
    return SHELLS[plain], form == "json"


class Activator:
    """Computes changes from the environment variables that a shell came with."""

    def __init__(self, settings: Settings, shell: Shell, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.shell = shell
        self.environ = environ
        self.level = int(environ.get("CONDA_SHLVL", "").strip() or 0)
        self.prefix = environ.get("CONDA_PREFIX")

    # what stands where

    def conda_variables(self) -> dict[str, str]:
        """Variables by which shell functions find conda; an empty value means unset."""
        exe = os.path.join(self.settings.conda_prefix, "bin", "conda")
        return {
            "CONDA_EXE": exe,
            "_CONDA_EXE": exe,
            "_CE_M": "",
            "_CE_CONDA": "",
            "CONDA_PYTHON_EXE": sys.executable,
            "_CONDA_ROOT": self.settings.conda_prefix,
        }

    def scripts(self, prefix: str, folder: str) -> list[str]:
        """Scripts of `etc/conda/<folder>` for this shell, sorted; those of deactivation backwards."""
        where = os.path.join(prefix, "etc", "conda", folder)
        if not os.path.isdir(where):
            return []
        names = sorted(os.path.join(where, name) for name in os.listdir(where) if name.endswith(self.shell.extension))
        return names[::-1] if folder == "deactivate.d" else names

    def variables(self, prefix: str) -> dict[str, str]:
        """The environment's own variables; PATH is reserved."""
        found: dict[str, str] = {}
        for path in sorted(Path(prefix, "etc", "conda", "env_vars.d").glob("*")):
            found.update(json.loads(path.read_text(encoding="utf-8")))
        state = Path(prefix, "conda-meta", "state")
        if state.exists():
            own = json.loads(state.read_text(encoding="utf-8")).get("env_vars", {})
            for name in found.keys() & own.keys():
                print(
                    "WARNING: duplicate env vars detected. Vars from the environment will overwrite those from "
                    f"packages\nvariable {name} duplicated",
                    file=sys.stderr,
                )
            found.update(own)
        if found.pop("PATH", UNSET) != UNSET:
            print(
                f"WARNING: the configured environment variable(s) for prefix '{prefix}' are reserved and will be "
                "ignored: PATH.\n",
                file=sys.stderr,
            )
        return found

    def label(self, prefix: str) -> str:
        """What CONDA_DEFAULT_ENV says: the name in a folder called envs, else the path."""
        if same(prefix, self.settings.root_prefix):
            return "base"
        parent, last = os.path.split(prefix)
        return last if os.path.basename(parent) == "envs" else prefix

    def path(self, old: str | None, new: str | None) -> str:
        """PATH with the bin folder of one environment taken out, replaced or put in front."""
        entries = self.environ.get("PATH", "/usr/bin").split(os.pathsep)
        place = 0
        if old is not None:
            gone = os.path.join(old, "bin")
            place = next((i for i, entry in enumerate(entries) if same(entry, gone)), -1)
            if place >= 0:
                del entries[place]
            place = max(place, 0)
        elif self.level == 0 and not any(entry.endswith("condabin") for entry in entries):
            entries.insert(0, os.path.join(self.settings.conda_prefix, "condabin"))
        if new is not None:
            entries.insert(place, os.path.join(new, "bin"))
        return self.shell.path_separator.join(entries)

    def modifier(self, prefix: str, label: str, action: str, stack: bool = False) -> str:
        """conda's part of the prompt (`env_prompt`); `action`: activate, deactivate or reactivate."""
        if not self.settings.get("changeps1"):
            return ""
        names: list[str] = []
        shown: list[str] = []
        for i in range(1, self.level + 1):
            at = self.prefix if i == self.level else self.environ.get(f"CONDA_PREFIX_{i}", "").rstrip()
            names.append(self.label(at or ""))
            if not self.environ.get(f"CONDA_STACKED_{i}", "").rstrip():
                shown = shown[:-1]
            shown.append(names[-1])
        if action == "deactivate":
            shown, names = shown[:-1], names[:-1]
            if not self.environ.get(f"CONDA_STACKED_{self.level}", "").rstrip() and names:
                shown.append(names[-1])
        elif action == "activate":
            shown = [*(shown if stack else shown[:-1]), label]
        try:
            return str(self.settings.get("env_prompt")).format(
                default_env=label, stacked_env=",".join(shown[::-1]), prefix=prefix, name=os.path.basename(prefix)
            )
        except (KeyError, IndexError, ValueError) as error:
            raise Failure("CondaValueError", f"env_prompt cannot be used: {error!r}") from None

    def prompt(self, modifier: str) -> dict[str, str]:
        """The new prompt, where the shell's prompt is a variable."""
        text = self.environ.get(self.shell.prompt, "") if self.shell.prompt else ""
        if not self.shell.prompt or not self.settings.get("changeps1") or "POWERLINE_COMMAND" in text:
            return {}
        present = self.environ.get("CONDA_PROMPT_MODIFIER")
        if present:
            text = text.replace(present, "")
        return {self.shell.prompt: modifier + text.replace("'", "'\"'\"'")}

    def put(self, change: Change, variables: Mapping[str, object]) -> None:
        """Sort variables into those to export and those to unset, with conda's own behind them.

        New names are made upper case, as conda does (`envvars_force_uppercase`).
        """
        meta = {name: value or None for name, value in self.conda_variables().items()}
        for name, value in {**variables, **meta}.items():
            if value is None:
                change.unset.append(name.upper())
            else:
                change.export[name.upper()] = str(value)

    # what people do

    def resolve(self, name_or_prefix: str) -> str:
        """The environment's folder.

        :raises Failure: `EnvironmentLocationNotFound`, `EnvironmentNameNotFound`
        """
        if "/" in name_or_prefix or "\\" in name_or_prefix:
            prefix = expand(name_or_prefix)
            if not os.path.isdir(os.path.join(prefix, "conda-meta")):
                raise not_found(prefix)
            return prefix
        return self.settings.locate(name_or_prefix)

    def activate(self, name_or_prefix: str, stack: bool = False) -> Change:
        """Enter an environment; entering the active one runs its scripts again."""
        prefix = self.resolve(name_or_prefix)
        if self.prefix == prefix and self.level > 0:
            return self.reactivate()
        change = Change(activate_scripts=self.scripts(prefix, "activate.d"))
        label = self.label(prefix)
        modifier = self.modifier(prefix, label, "activate", stack)
        own = {name: value for name, value in self.variables(prefix).items() if value != UNSET}
        hidden = [name for name in own if name in self.environ]
        changed = [name for name in hidden if self.environ[name] != own[name]]
        if changed:
            print("WARNING: overwriting environment variables set in the machine", file=sys.stderr)
            print(f"overwriting variable {changed}", file=sys.stderr)
        saved = {f"__CONDA_SHLVL_{self.level}_{name}": self.environ[name] for name in hidden}
        replace = self.level > 0 and not stack
        variables: dict[str, object] = {
            "PATH": self.path(self.prefix if replace else None, prefix),
            "CONDA_PREFIX": prefix,
            "CONDA_SHLVL": self.level + 1,
            "CONDA_DEFAULT_ENV": label,
            "CONDA_PROMPT_MODIFIER": modifier,
            **own,
            **saved,
        }
        if self.level > 0:
            variables[f"CONDA_PREFIX_{self.level}"] = self.prefix
            if stack:
                variables[f"CONDA_STACKED_{self.level + 1}"] = "true"
            elif self.prefix:
                change.deactivate_scripts = self.scripts(self.prefix, "deactivate.d")
        self.put(change, variables)
        change.local = self.prompt(modifier)
        return change

    def deactivate(self) -> Change:
        """Leave the active environment for the one below it, if there is one."""
        change = Change()
        if not self.prefix or self.level < 1:
            return change
        below = self.level - 1
        change.deactivate_scripts = self.scripts(self.prefix, "deactivate.d")
        modifier = ""
        if below == 0:
            change.path_first = self.path(self.prefix, None)
            gone = {"CONDA_PREFIX": None, "CONDA_DEFAULT_ENV": None, "CONDA_PROMPT_MODIFIER": None}
            self.put(change, {**gone, "CONDA_SHLVL": 0})
        else:
            prefix = self.environ.get(f"CONDA_PREFIX_{below}")
            if not prefix:
                raise Failure("CondaValueError", f"CONDA_PREFIX_{below} is not set: restart the shell")
            label = self.label(prefix)
            modifier = self.modifier(prefix, label, "deactivate")
            stacked = f"CONDA_STACKED_{self.level}"
            change.unset.append(f"CONDA_PREFIX_{below}")
            if stacked in self.environ:
                change.unset.append(stacked)
            change.path_first = self.path(self.prefix, None if stacked in self.environ else prefix)
            change.activate_scripts = self.scripts(prefix, "activate.d")
            self.put(
                change,
                {
                    "CONDA_PREFIX": prefix,
                    "CONDA_SHLVL": below,
                    "CONDA_DEFAULT_ENV": label,
                    "CONDA_PROMPT_MODIFIER": modifier,
                    **self.variables(prefix),
                },
            )
        change.local = self.prompt(modifier)
        for name in self.variables(self.prefix):
            saved = self.environ.get(f"__CONDA_SHLVL_{below}_{name}")
            if saved:
                change.export[name] = saved
            else:
                change.unset.append(name.upper())
        return change

    def reactivate(self) -> Change:
        """Run the active environment's scripts again, after it was changed."""
        change = Change()
        if not self.prefix or self.level < 1:
            return change
        label = self.environ.get("CONDA_DEFAULT_ENV", self.label(self.prefix))
        modifier = self.modifier(self.prefix, label, "reactivate")
        change.deactivate_scripts = self.scripts(self.prefix, "deactivate.d")
        change.activate_scripts = self.scripts(self.prefix, "activate.d")
        change.local = self.prompt(modifier)
        path = self.path(self.prefix, self.prefix)
        self.put(change, {"PATH": path, "CONDA_SHLVL": self.level, "CONDA_PROMPT_MODIFIER": modifier})
        return change


def written(change: Change, shell: Shell) -> str:
    """A change in the shell's own words, for `eval`."""
    lines = [] if change.path_first is None else [shell.export.format("PATH", change.path_first)]
    lines += [shell.source.format(script) for script in change.deactivate_scripts]
    lines += [shell.unset.format(name) for name in change.unset]
    lines += [shell.local.format(name, value) for name, value in change.local.items()]
    lines += [shell.export.format(name, value) for name, value in change.export.items()]
    lines += [shell.source.format(script) for script in change.activate_scripts]
    return shell.join.join([*lines, ""])


def as_json(change: Change, shell: Shell) -> str:
    """A change as JSON, for tools (`shell.posix+json`)."""
    export: dict[str, object] = dict(change.export)
    if "CONDA_SHLVL" in export:
        export["CONDA_SHLVL"] = int(change.export["CONDA_SHLVL"])
    path = change.path_first if change.path_first is not None else change.export.get("PATH")
    export.pop("PATH", None)
    return json.dumps(
        {
            "path": {} if path is None else {"PATH": path.split(shell.path_separator)},
            "vars": {"export": export, "unset": change.unset, "set": change.local},
            "scripts": {"activate": change.activate_scripts, "deactivate": change.deactivate_scripts},
        },
        indent=2,
    )


def hook_file(settings: Settings, shell: Shell) -> Path:
    """The shell functions as the package installed them."""
    where = "etc/fish/conf.d/conda.fish" if shell is FISH else "etc/profile.d/conda.sh"
    return Path(settings.conda_prefix, where)


def run(name: str, arguments: list[str]) -> str:
    """`conda shell.NAME COMMAND ...`: the text that the shell shall evaluate.

    :raises Failure: wrong arguments, an environment that is not there
    """
    shell, wants_json = shell_named(name)
    command, rest = (arguments or [""])[0], [a for a in arguments[1:] if a]
    if command not in ("activate", "deactivate", "reactivate", "hook"):
        raise Failure("ArgumentError", f"'activate', 'deactivate', 'hook' or 'reactivate' must be given: {command}", 2)
    if {"-h", "--help"} & set(rest):
        raise Failure("Help", f"usage: conda {command} [--stack | --no-stack] [name or prefix]", code=0)
    settings = Settings()
    activator = Activator(settings, shell, os.environ)
    stack_options = [a for a in rest if a in ("--stack", "--no-stack")]
    rest = [a for a in rest if a not in stack_options]
    strange = [a for a in rest if a.startswith("-")]
    if strange or (rest and command != "activate") or len(rest) > 1 or len(set(stack_options)) > 1:
        raise Failure("ArgumentError", f"{command} does not accept these arguments: {' '.join(arguments[1:])}", 2)
    if command == "hook":
        text = hook_file(settings, shell).read_text(encoding="utf-8")
        if settings.get("auto_activate"):
            text += f"\nconda activate '{settings.get('default_activation_env') or 'base'}'\n"
        return text
    if command == "activate":
        automatic = settings.get("auto_stack")
        stack = bool(automatic and int(os.environ.get("CONDA_SHLVL") or -1) <= automatic)
        stack = stack_options == ["--stack"] if stack_options else stack
        change = activator.activate(rest[0] if rest else settings.get("default_activation_env") or "base", stack)
    else:
        change = activator.deactivate() if command == "deactivate" else activator.reactivate()
    return as_json(change, shell) if wants_json else written(change, shell)
