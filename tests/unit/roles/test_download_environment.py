"""The environment of role tasks that download."""

from __future__ import annotations

import yaml

from tests.support.paths import CHECKOUT


def test_download_tasks_set_lockstep_environment() -> None:
    """Proxies and certificate authorities of `lockstep_environment` reach each task that downloads on a host."""
    roles = CHECKOUT / "roles"
    downloads = ("lockstep.fleet.miniconda", "lockstep.fleet.conda_env")
    found = []
    for path in sorted(roles.glob("*/tasks/*.yml")):
        for task in yaml.safe_load(path.read_text()) or []:
            if any(module in task for module in downloads):
                found.append(path.name)
                assert task["environment"] == f"{{{{ {path.parts[-3]}_environment }}}}", path
    assert found == ["activate.yml", "stage.yml", "main.yml"]
    for role in ("miniconda", "conda_envs"):
        defaults = yaml.safe_load((roles / role / "defaults/main.yml").read_text())
        assert defaults[f"{role}_environment"] == "{{ lockstep_environment | default({}) }}"
