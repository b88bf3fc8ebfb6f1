"""playbooks/import.yml as people run it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.import_site import ImportSite
from tests.support.paths import CHECKOUT


def test_playbook_imports_checks_and_refuses_to_replace(tmp_path):
    site = ImportSite(tmp_path)
    source = site.folder / "environment.yml"
    source.write_text("channels: [defaults]\ndependencies: [python=3.12, numpy]\n")

    def play(*arguments):
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "playbooks/import.yml"]
        for key, value in (("envs_dir", "envs"), ("locks_dir", "envs/locks"), ("repodata_alias", "channels")):
            command += ["-e", f"lockstep_{key}={site.folder}/{value}"]
        environment = os.environ | {"ANSIBLE_NOCOLOR": "1", "LOCKSTEP_CACHE": str(site.folder / "cache")}
        done = subprocess.run(
            [*command, *arguments],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    code, output = play()
    assert code == 2 and "-e from=PATH" in output
    code, output = play("-e", f"from={source}", "-e", "lockstep_platforms=linux-65")
    assert code == 2 and "lockstep_platforms: unknown platform linux-65; use linux-64, " in output
    there = ("-e", f"from={source}", "-e", "env=train")
    code, output = play(*there, "--check", "--diff")
    assert code == 0 and "+  - python 3.12.*" in output and "linux-64: new, 3 packages" in output
    assert "environment.yml:1: left out: channel defaults" in output and not (site.folder / "envs/train.yml").exists()
    code, output = play(*there)
    assert code == 0 and "changed=1" in output and (site.folder / "envs/train.yml").exists()
    assert "changed=0" in play(*there)[1]
    source.write_text("dependencies: [python=3.12]\n")
    code, output = play(*there)
    assert code == 2 and "-e force=true" in output and "Traceback" not in output
    assert play(*there, "-e", "force=true")[0] == 0
