"""The base installation against a small installer with Miniconda's interface, served on loopback."""

import errno
import hashlib
import http.server
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host import root as hostroot
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import inspection, install

OLD, NEW = "py312_26.5.2-1", "py312_26.5.3-1"

INSTALLER = """#!/bin/bash
set -eu
update= ; while getopts bup: o; do case $o in u) update=1 ;; p) prefix=$OPTARG ;; esac; done
[ -n "$update" ] || [ ! -e "$prefix" ] || { echo "ERROR: File or directory already exists: '$prefix'" >&2; exit 1; }
mkdir -p "$prefix/bin" "$prefix/conda-meta" "$prefix/lib/python3.12"
@BEFORE@
printf '#!/bin/sh\\necho conda @CONDA@\\n' > "$prefix/bin/conda"; chmod 755 "$prefix/bin/conda"
cp "$prefix/bin/conda" "$prefix/bin/python"
echo '{"name": "conda", "version": "@CONDA@"}' > "$prefix/conda-meta/conda-@CONDA@-0.json"
echo '{"name": "conda-index", "version": "9"}' > "$prefix/conda-meta/conda-index-9-0.json"
echo '{"name": "python", "version": "3.12.1"}' > "$prefix/conda-meta/python-3.12.1-0.json"
echo @EXPLICIT > "$prefix/conda-meta/initial-state.explicit.txt"
"""


class Site:
    """A folder with a publisher's installers, served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = type(
            "Handler",
            (http.server.SimpleHTTPRequestHandler,),
            {
                "log_message": lambda *_: None,
                "__init__": lambda self, *a: http.server.SimpleHTTPRequestHandler.__init__(
                    self, *a, directory=str(folder)
                ),
            },
        )
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def publish(self, version: str, before: str = "") -> tuple[str, str]:
        name = f"Miniconda3-{version}-Linux-{os.uname().machine}.sh"
        conda = version.split("_")[1].split("-")[0]
        text = INSTALLER.replace("@CONDA@", conda).replace("@BEFORE@", before)
        (self.folder / name).write_text(text)
        return f"{self.url}/{name}", hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    made = Site(tmp_path / "site")
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "fleet").mkdir()
    return tmp_path / "fleet"


def converge(root: Path, version: str, url: str, sha256: str) -> list[str]:
    prefix = str(root / "miniconda")
    action = install.decide(install.inspect(str(root), prefix), prefix, version)
    return install.apply(action, str(root), prefix, version, url, sha256) if action else []


def test_installs_once_and_freezes(site: Site, root: Path) -> None:
    url, sha256 = site.publish(NEW)
    assert converge(root, NEW, url, sha256) == [f"installed {NEW}"]
    assert json.loads((root / "miniconda/.lockstep-base.json").read_text()) == {
        "version": NEW,
        "installer_sha256": sha256,
        "adopted": False,
    }
    assert (root / "miniconda/conda-meta/frozen").exists()
    assert (root / "miniconda/lib/python3.12/EXTERNALLY-MANAGED").exists()
    assert converge(root, NEW, url, sha256) == []
    assert not list((root / "state").glob("installer*")), "the download is removed"


def test_a_wrong_sha256_is_never_run(site: Site, root: Path) -> None:
    url, _ = site.publish(NEW)
    with pytest.raises(Problem, match="is not the file that was pinned"):
        converge(root, NEW, url, "0" * 64)
    assert not (root / "miniconda").exists() and not list((root / "state").glob("installer*"))


def test_a_missing_installer_names_address_and_remedy(site: Site, root: Path) -> None:
    with pytest.raises(Problem, match=r"cannot be downloaded.*404.*miniconda_version"):
        converge(root, NEW, f"{site.url}/none.sh", "0" * 64)


@pytest.mark.parametrize(
    ("error", "says"),
    [(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "check the host's network"),
     (ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]"), "check the host's network"),
     (OSError(errno.EHOSTUNREACH, "No route to host"), "check the host's network"),
     (OSError(errno.ENOSPC, "No space left on device"), "make room")],
)  # fmt: skip
def test_what_breaks_off_is_told_from_a_full_disk(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, says: str
) -> None:
    class Answer(io.BytesIO):
        headers: ClassVar[dict[str, str]] = {}

        def read(self, *_: object) -> bytes:
            raise error

    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda *_, **__: Answer())
    with pytest.raises(Problem, match=says):
        install.fetch("https://repo.example/x.sh", "0" * 64, str(root / "x"), tries=1)


def test_credentials_stay_out_of_messages(root: Path) -> None:
    with pytest.raises(Problem) as caught:
        install.fetch("http://user:secret@127.0.0.1:9/t/token/x.sh", "0" * 64, str(root / "x"), tries=1)
    assert "secret" not in str(caught.value) and "token/x" not in str(caught.value)


def test_a_failing_installer_leaves_nothing_behind(site: Site, root: Path) -> None:
    url, sha256 = site.publish(NEW, before="echo no room >&2; exit 3")
    with pytest.raises(Problem, match=r"ended with 3.*no room.*nothing of it is left"):
        converge(root, NEW, url, sha256)
    assert not (root / "miniconda").exists() and not Path(inspection.intent(str(root))).exists()
    url, sha256 = site.publish(NEW)
    assert converge(root, NEW, url, sha256) == [f"installed {NEW}"]


def test_what_somebody_installed_by_hand_after_a_failure_is_theirs(site: Site, root: Path) -> None:
    with pytest.raises(Problem, match="ended with 3"):
        converge(root, NEW, *site.publish(NEW, before="exit 3"))
    foreign(root, site, NEW)
    (root / "miniconda/thesis.tex").write_text("all my work")
    assert converge(root, NEW, *site.publish(NEW)) == [f"adopted the installation that was there ({NEW})"]
    assert (root / "miniconda/thesis.tex").read_text() == "all my work"


def killed(root: Path, url: str, sha256: str, what: str = "install") -> None:
    """A run that is killed by its own installer."""
    code = (
        "import sys\n"
        "from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import install as miniconda\n"
        "miniconda.apply(*sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, what, str(root), str(root / "miniconda"), NEW, url, sha256],
        env={**os.environ, "PYTHONPATH": "collections"},
        capture_output=True,
    )
    assert done.returncode == -9


def test_a_killed_run_heals(site: Site, root: Path) -> None:
    killed(root, *site.publish(NEW, before="kill -9 $PPID; exit 1"))
    assert inspection.inspect(str(root), str(root / "miniconda")).state == "unfinished"
    url, sha256 = site.publish(NEW)
    assert converge(root, NEW, url, sha256) == [f"removed what a killed run had left, installed {NEW}"]
    assert converge(root, NEW, url, sha256) == []


def test_a_killed_runs_installer_is_waited_for(site: Site, root: Path) -> None:
    killed(root, *site.publish(NEW, before='kill -9 $PPID; sleep 1; echo late > "$prefix/late"; exit 1'))
    converge(root, NEW, *site.publish(NEW))
    assert not (root / "miniconda/late").exists() and (root / "miniconda/bin/conda").exists()


def test_a_killed_run_elsewhere_is_no_licence_to_remove(site: Site, root: Path) -> None:
    killed(root, *site.publish(NEW, before="kill -9 $PPID; exit 1"))
    other = root / "other"
    subprocess.run(["bash", site.folder / site.publish(OLD)[0].rsplit("/", 1)[1], "-b", "-p", other], check=True)
    assert inspection.inspect(str(root), str(other)).state == "foreign"


@pytest.mark.parametrize("end", ["kill -9 $PPID; exit 1", "exit 3"])
def test_an_update_that_does_not_end_well_is_tried_again_and_removes_nothing(site: Site, root: Path, end: str) -> None:
    foreign(root, site, OLD)
    (root / "miniconda/envs").mkdir()
    (root / "miniconda/envs/mine").write_text("an environment of somebody's own")
    converge(root, OLD, *site.publish(OLD))
    if end.startswith("kill"):
        killed(root, *site.publish(NEW, before=end), what="update")
    else:
        with pytest.raises(Problem, match=r"ended with 3.*half-updated"):
            converge(root, NEW, *site.publish(NEW, before=end))
    assert inspection.inspect(str(root), str(root / "miniconda")).state == "half-updated"
    assert converge(root, NEW, *site.publish(NEW)) == [f"updated {OLD} to {NEW}"]
    assert (root / "miniconda/envs/mine").exists()
    assert json.loads((root / "miniconda/.lockstep-base.json").read_text())["adopted"] is True
    assert converge(root, NEW, *site.publish(NEW)) == []


@pytest.mark.parametrize("part", ["bin", "lib", "conda-meta"])
def test_a_base_that_lost_a_part_is_said(site: Site, root: Path, part: str) -> None:
    got = site.publish(NEW)
    converge(root, NEW, *got)
    (root / "miniconda" / part).rename(root / part)
    with pytest.raises(Problem, match=rf"is damaged.*{part}.* is missing.*move it away"):
        converge(root, NEW, *got)


def test_others_can_read_what_a_strict_umask_installs(site: Site, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        converge(tmp_path / "new", NEW, *site.publish(NEW))
    finally:
        os.umask(old)
    closed = [p for p in (tmp_path / "new", *(tmp_path / "new").rglob("*")) if p.stat().st_mode & 0o044 != 0o044]
    assert [p.name for p in closed] == ["miniconda.lock"]


@pytest.mark.parametrize("url", ["repo.example/x.sh", "http://h:port/x.sh", "http://[::1/x.sh", "http://h/a b.sh"])
def test_an_address_that_is_none_is_said(root: Path, url: str) -> None:
    with pytest.raises(Problem, match=r"is no address.*miniconda_base_url"):
        install.fetch(url, "0" * 64, str(root / "x"))


@pytest.mark.parametrize(
    "said", [b"\x15\x03\x01\x00", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc", b""]
)
def test_a_server_that_talks_otherwise_is_said(root: Path, said: bytes) -> None:
    def serve() -> None:
        client, _ = server.accept()
        client.recv(65536)
        client.sendall(said)
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(Problem, match="cannot be downloaded"):
            install.fetch(f"http://127.0.0.1:{server.getsockname()[1]}/x.sh", "0" * 64, str(root / "x"), tries=1)
    assert not list(root.iterdir())


def test_updates_in_place_but_never_back(site: Site, root: Path) -> None:
    converge(root, OLD, *site.publish(OLD))
    new = site.publish(NEW)
    assert converge(root, NEW, *new) == [f"updated {OLD} to {NEW}"]
    assert not inspection.unfrozen(str(root / "miniconda"))
    with pytest.raises(Problem, match="newer than the declared"):
        converge(root, OLD, *site.publish(OLD))


def foreign(root: Path, site: Site, version: str) -> None:
    """An installation as somebody else would have made it."""
    url, _ = site.publish(version)
    script = site.folder / url.rsplit("/", 1)[1]
    subprocess.run(["bash", script, "-b", "-p", root / "miniconda"], check=True)


def test_adopts_what_is_the_declared_version(site: Site, root: Path) -> None:
    foreign(root, site, NEW)
    assert converge(root, NEW, *site.publish(NEW)) == [f"adopted the installation that was there ({NEW})"]
    assert json.loads((root / "miniconda/.lockstep-base.json").read_text())["adopted"] is True


def test_refuses_another_version_and_leaves_it_as_it_was(site: Site, root: Path) -> None:
    foreign(root, site, OLD)
    before = sorted(p.name for p in (root / "miniconda").rglob("*"))
    with pytest.raises(Problem, match=r"cannot be adopted.*py312_26\.5\.2.*move it away"):
        converge(root, NEW, *site.publish(NEW))
    assert sorted(p.name for p in (root / "miniconda").rglob("*")) == before


def test_refuses_what_is_no_conda(site: Site, root: Path) -> None:
    (root / "miniconda").mkdir()
    (root / "miniconda/thesis.tex").write_text("all my work")
    with pytest.raises(Problem, match="in the way"):
        converge(root, NEW, *site.publish(NEW))
    assert (root / "miniconda/thesis.tex").read_text() == "all my work"


def test_frozen_marks_are_put_back(site: Site, root: Path) -> None:
    got = site.publish(NEW)
    converge(root, NEW, *got)
    (root / "miniconda/conda-meta/frozen").unlink()
    assert converge(root, NEW, *got) == ["froze the base again"]


def test_no_room_is_said_before_anything_is_fetched(site: Site, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "ROOM", 1 << 60)
    with pytest.raises(Problem, match=r"GB free.*Remedy: make room"):
        converge(root, NEW, *site.publish(NEW))
    assert not (root / "miniconda").exists()


@pytest.mark.parametrize("path", ["relative/path", "/", "/opt/lock step", "/opt/a:b", "/opt/../x", "/" + "x" * 90])
def test_roots_that_would_break_prefixes_are_refused(path: str) -> None:
    with pytest.raises(Problem, match="lockstep_root"):
        hostroot.check_root(path)


def test_root_is_refused() -> None:
    with pytest.raises(Problem, match="does not run as root"):
        hostroot.refuse_root(uid=0)
    hostroot.refuse_root(uid=1001)


def test_a_read_only_disk_is_named_as_such(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(root)
    monkeypatch.setattr(os, "statvfs", lambda _: type("Disk", (), {"f_flag": real.f_flag | os.ST_RDONLY}))
    with pytest.raises(Problem, match=r"mounted read-only.*dmesg"):
        hostroot.need_root_folder(str(root))
