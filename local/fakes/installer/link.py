"""Runs on the host, with the packaged Python, out of the unpacked payload: link the base, write its records."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

prefix = Path(sys.argv[1])
pkgs = prefix / "pkgs"
here = pkgs / ".installer"
listed = json.loads((here / "packages.json").read_text())
rattler_dir = next(p["dir"] for p in listed if p["name"] == "py-rattler")
sys.path.insert(0, str(next((pkgs / rattler_dir / "lib").glob("python3.*")) / "site-packages"))
import rattler  # noqa: E402


async def link() -> None:
    """Link what is listed, leaving what is there and right."""
    records = []
    for p in listed:
        record = rattler.PackageRecord.from_index_json(
            pkgs / p["dir"] / "info/index.json", p["size"], p["sha256"], p["md5"]
        )
        records.append(rattler.RepoDataRecord(record, p["url"].rsplit("/", 1)[1], p["url"], p["channel"]))
    present = rattler.PrefixRecord.from_path
    installed = [present(f) for f in sorted((prefix / "conda-meta").glob("*.json"))]
    await rattler.install(
        records, target_prefix=prefix, cache_dir=pkgs, installed_packages=installed, show_progress=False
    )


asyncio.run(link())
meta = prefix / "conda-meta"
lines = []
for record in sorted(meta.glob("*.json")):
    record.chmod(0o644)
    data = json.loads(record.read_text())
    lines.append(f"{data['url']}#{data['md5']}")
explicit = [
    "# This file may be used to create an environment using:",
    "# $ conda create --name <env> --file <this file>",
]
explicit += ["# platform: linux-64", "@EXPLICIT", *lines]
(meta / "initial-state.explicit.txt").write_text("\n".join(explicit) + "\n")
if not (prefix / ".condarc").exists():  # as Miniconda comes: with channels that are not conda-forge
    (prefix / ".condarc").write_text("channels:\n  - defaults\n")
with (meta / "history").open("a") as history:
    history.write(time.strftime("==> %Y-%m-%d %H:%M:%S <==\n", time.gmtime()) + "# cmd: constructor\n")
    history.writelines(f"+{p['channel'].rstrip('/')}/{p['subdir']}::{p['dir']}\n" for p in listed)
for script in (prefix / "bin").iterdir():  # py-rattler leaves entry points 0775
    if not script.is_symlink() and script.stat().st_mode & 0o022:
        script.chmod(0o755)
(prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # py-rattler's
if os.geteuid():
    (prefix / ".nonadmin").touch()
(pkgs / "urls").write_text("".join(p["url"] + "\n" for p in listed))
(pkgs / "urls.txt").write_text("".join(p["url"] + "\n" for p in listed))
sys.stdout.flush()
os._exit(0)  # py-rattler may crash at interpreter exit after success
