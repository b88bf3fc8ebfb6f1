"""What Lockstep's plugins need of Ansible's objects.

No other file of this folder imports Ansible. Uses of what Ansible keeps private are here, each with its reason.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

from .desired import desired_state
from .desired.settings import data_of, read_settings, role_defaults
from .promote.promotion import HostOf

COLLECTION = "lockstep.fleet"
MODULES = Path(__file__).resolve().parent.parent / "modules"


@cache
def argument_spec(module: str) -> dict[str, Any]:
    """Return a module's argument spec, made from its DOCUMENTATION and the fragments that it extends."""
    documentation, *_rest = get_docstring(
        str(MODULES / f"{module}.py"), fragment_loader, collection_name=COLLECTION, plugin_type="module"
    )
    return _spec(documentation["options"])


def _spec(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return documented options as an argument spec."""
    kept = ("type", "elements", "required", "default", "choices")
    spec = {}
    for name, option in options.items():
        spec[str(name)] = data_of({key: option[key] for key in kept if key in option})
        if "suboptions" in option:
            spec[str(name)]["options"] = _spec(option["suboptions"])
    return spec


class DocumentedAction(ActionBase):  # type: ignore[misc]
    """An action whose arguments are those that the DOCUMENTATION of its module says."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the arguments, act, and add what `act` returns to Ansible's own result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        # The arguments become plain data: Ansible's strings carry tags, which YAML writers and py-rattler do not know.
        module = type(self).__module__.rpartition(".")[2]
        _unused, arguments = self.validate_argument_spec(argument_spec=argument_spec(module))
        return {**result, **self.act(dict(data_of(arguments)), task_vars or {})}

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Do the work of the action and return its result.

        :param arguments: the task's arguments, checked and with their defaults, as plain data
        :param variables: the variables of the host that the task runs for
        :raises AnsibleActionFail: if the work cannot be done, with the reason and the remedy
        """
        raise NotImplementedError


class ControllerAction(DocumentedAction):
    """An action that works on the controller and connects to no host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Act as `DocumentedAction` does; report a file that cannot be read or written as a failure."""
        try:
            return super().run(tmp, task_vars)
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}; run it again to complete it") from None


def require(purpose: str, *packages: str) -> None:
    """Import Python packages that not every Python has.

    :raises AnsibleActionFail: if one cannot be imported, with what to install
    """
    for name in packages:
        try:
            import_module(name)
        except ImportError as error:
            raise AnsibleActionFail(
                f"{error}: the Python that runs Ansible ({sys.executable}) lacks what {purpose} needs; install "
                "requirements/controller.txt into it"
            ) from None


def some(value: list[str] | None) -> tuple[str, ...] | None:
    """Return a list of names as a tuple, None for none given."""
    return None if value is None else tuple(value)


def before_workers(prepare: Callable[[], None]) -> None:
    """Call `prepare` once, just before this process forks for the first time.

    Ansible forks a process for each host and task. What is prepared before is shared by all of them. Of an action
    plugin, Ansible calls nothing before it forks.
    """
    once = cache(prepare)
    os.register_at_fork(before=once)


@cache
def defaults() -> dict[str, Any]:
    """Return the defaults of all roles, untemplated."""
    loader = DataLoader()
    return role_defaults(lambda path: loader.load_from_file(path, trusted_as_template=True))


def settings_of(action: ActionBase, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of the host that an action works for, and a text for each that cannot be templated."""

    def template(merged: Mapping[str, Any], name: str) -> Any:
        # An action has a templar of its own, which knows the task's variables; it must also know the roles' defaults.
        templar = action._templar
        if templar.available_variables is not merged:
            action._templar = templar = templar.copy_with_new_env(available_variables=merged)
        try:
            return templar.template(merged[name])
        except AnsibleError as error:
            raise ValueError(str(error)) from None

    return read_settings(variables, defaults(), template)


def run_id(action: ActionBase) -> str:
    """Return one id for all hosts of a play of one run: files of an earlier run are never taken for this one's."""
    # Ansible gives a run no public id. That of the play is the same in all of its processes and new in each run.
    return str(getattr(getattr(action._task, "play", None), "_uuid", "") or "")


def pipe(action: ActionBase, command: str, text: str) -> dict[str, Any]:
    """Run a shell command on the host with `text` as its standard input, in one remote call.

    :return: `rc`, `stdout` and `stderr`
    :raises AnsibleConnectionFailure: if the host cannot be reached
    """
    # The only way of Ansible to give a command an input without copying a file to the host first.
    answer: dict[str, Any] = action._low_level_execute_command(command, sudoable=False, in_data=text.encode())
    return answer


def reader(action: ActionBase, command: str) -> Callable[[], str]:
    """Return a function that runs a shell command on the host, while a module of the action runs there."""
    # A connection notes in itself what its current call does. A copy uses the same login and has notes of its own.
    connection = copy.copy(action._connection)

    def read() -> str:
        _status, out, _err = connection.exec_command(command, in_data=None, sudoable=False)
        return out.decode(errors="replace") if isinstance(out, bytes) else str(out)

    return read


def hosts_of(variables: Mapping[str, Any]) -> dict[str, HostOf]:
    """Return tier and environments of every host of the inventory, whatever part of it the play has.

    :raises AnsibleActionFail: if a host's variables do not say them
    """
    found = {}
    groups = variables.get("groups") or {}
    for name in groups.get("all") or []:
        own = variables["hostvars"][name]
        try:
            tier = own.get("conda_envs_tier", own.get("lockstep_tier"))
            envs = data_of(own.get("conda_envs_names", own.get("lockstep_envs")))
        except AnsibleError as error:
            raise AnsibleActionFail(f"{name}: lockstep_tier or lockstep_envs cannot be templated: {error}") from None
        if envs is not None and not isinstance(envs, list):
            raise AnsibleActionFail(f"{name}: lockstep_envs is {envs!r}, it must be a list of names")
        found[str(name)] = HostOf(str(tier or ""), tuple(str(env) for env in envs or ()))
    return found


def locks_of(settings: Mapping[str, Any]) -> Path:
    """Return the folder of the tiers' locks.

    :raises AnsibleActionFail: if the variables do not name it
    """
    folder = settings.get("conda_envs_locks_dir") or settings.get("lockstep_locks_dir")
    if not folder:
        raise AnsibleActionFail("lockstep_locks_dir is not set: the folder that holds <tier>/<env>.conda-lock.yml")
    return Path(str(folder)).expanduser()


def channels_of(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the channels whose packages locks may name.

    :raises AnsibleActionFail: if the variable is no list
    """
    try:
        channels = desired_state.allowed_channels(settings)
    except desired_state.DesiredStateError as error:
        raise AnsibleActionFail(str(error)) from None
    return tuple(channels) if channels else None
