"""Render the base's `.condarc`, which alone decides which channels conda may use on a host.

No later file and no `CONDA_*` variable overrides a key with `#!final` (conda documentation, "Settings", precedence).
`allowlist_channels` refuses `-c other` and `other::package`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

HEADER = """\
# Written by Lockstep (role condarc). Changes made here are drift: an audit names them and the next run undoes them.
"""


def _sequence(key: str, values: Sequence[str], final: bool) -> str:
    head = f"{key}:{' #!final' if final else ''}\n"
    return (
        head + "".join(f"  - {json.dumps(value)}\n" for value in values)
        if values
        else f"{key}: []{' #!final' if final else ''}\n"
    )


def render(root: str, channels: Sequence[str], channel_alias: str, users_may_add_channels: bool = False) -> str:
    """Render the text of `<root>/miniconda/.condarc`.

    :param root: absolute path of the fleet's folder
    :param channels: the allowed channels, highest priority first (`["conda-forge"]`)
    :param channel_alias: the URL that channel names are appended to
    :param users_may_add_channels: allow other channels in users' own environments; shared environments stay as locked
    :returns: YAML, ending in a newline
    """
    strict = not users_may_add_channels
    final = " #!final" if strict else ""
    text = HEADER + _sequence("channels", channels, strict)
    if strict:
        text += _sequence("allowlist_channels", channels, True)
    text += f"default_channels: []{final}\n"
    text += f"override_channels_enabled: {'false' if strict else 'true'}{final}\n"
    text += f"channel_priority: strict{final}\n"
    text += f"channel_alias: {json.dumps(channel_alias)}{final}\n"
    if strict:  # otherwise a later file could map an allowed channel's name to another server
        text += "custom_channels: {} #!final\ncustom_multichannels: {} #!final\n"
    # `conda clean` takes packages that are only soft-linked for unused
    text += "allow_softlinks: false #!final\nalways_softlink: false #!final\n"
    text += "auto_activate: false\n"
    text += "notify_outdated_conda: false\n"
    # The shared cache comes first, so that its packages are used; users who cannot write there fill their own.
    text += _sequence("pkgs_dirs", [f"{root}/pkgs", "~/.conda/pkgs"], False)
    text += _sequence("envs_dirs", [f"{root}/envs", "~/.conda/envs"], False)
    return text
