"""What the actions that work on the controller alone have in common; of this folder the one file that knows Ansible."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from .desired.settings import data_of


class ControllerAction(ActionBase):  # type: ignore[misc]
    """An action that reads and writes here and connects to no host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def plain_arguments(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the task's arguments, checked, as plain data: Ansible's strings carry tags, which YAML writers and
        py-rattler do not know.
        """
        _, arguments = self.validate_argument_spec(argument_spec=dict(wanted))
        return dict(data_of(arguments))


@contextlib.contextmanager
def libraries(purpose: str) -> Iterator[None]:
    """Import what not every Python has; where something is missing, say what to install."""
    try:
        yield
    except ImportError as error:
        raise AnsibleActionFail(
            f"{error}: the Python that runs Ansible ({sys.executable}) lacks what {purpose} needs; install "
            "requirements/controller.txt into it"
        ) from None


def some(value: list[str] | None) -> tuple[str, ...] | None:
    """Return a list of names as a tuple, None for none given."""
    return None if value is None else tuple(value)
