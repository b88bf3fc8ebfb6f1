"""What a shell, a test or the Automation API sets to run the engine on this machine alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def settings(engine: Path, state: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for an engine whose state stays in a folder of this machine.

    :param engine: the folder of the programs, from `ensure`
    :param state: where stacks and Pulumi's own files are kept; made here
    """
    (state / "stacks").mkdir(parents=True, exist_ok=True)
    (state / "home").mkdir(exist_ok=True)
    direct = [part for part in environ.get("no_proxy", environ.get("NO_PROXY", "")).split(",") if part]
    direct += [part for part in ("127.0.0.1", "localhost") if part not in direct]
    return {
        "PATH": f"{engine}{os.pathsep}{environ.get('PATH', os.defpath)}",
        "PULUMI_BACKEND_URL": f"file://{state / 'stacks'}",
        "PULUMI_HOME": str(state / "home"),
        # The local stack holds no secret; the file backend wants a passphrase all the same, and takes an empty one.
        "PULUMI_CONFIG_PASSPHRASE": environ.get("PULUMI_CONFIG_PASSPHRASE", ""),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        # engine, program and plugins talk to each other on this machine: no proxy is asked for that
        "no_proxy": ",".join(direct),
        "NO_PROXY": ",".join(direct),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }
