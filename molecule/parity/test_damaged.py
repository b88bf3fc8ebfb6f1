"""The audit of hosts that were damaged in many ways while processes of the damaged environment run."""

from __future__ import annotations

import pytest

from tests.support.fleet_hosts import ROOT, Fleet

SITE = f"{ROOT}/envs/train/lib/python3.12/site-packages"

WHEEL = """python3 - <<'END'
import zipfile
with zipfile.ZipFile("/tmp/planted-1.0-py3-none-any.whl", "w") as wheel:
    info = "planted-1.0.dist-info/"
    wheel.writestr("planted.py", "x = 1\\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: planted\\nVersion: 1.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", f"planted.py,,\\n{info}METADATA,,\\n{info}WHEEL,,\\n{info}RECORD,,\\n")
END
"""

# host, command that damages it (as user ml), kind of drift, and a part of the drift's subject or detail
DAMAGE = [
    ("dev-m", f"chmod u+w {SITE}/numpy; rm {SITE}/numpy/version.py", "file-missing", "numpy/version.py"),
    ("dev-m", f"rm {ROOT}/miniconda/conda-meta/frozen", "base-not-frozen", "frozen"),
    ("dev-m", "rm ~/.config/systemd/user/timers.target.wants/lockstep-clean.timer", "clean-schedule", ""),
    (
        "test-m",
        f"{WHEEL} chmod u+w {SITE}; {ROOT}/envs/train/bin/python -m pip install --quiet --no-index --no-deps "
        "--break-system-packages /tmp/planted-1.0-py3-none-any.whl",
        "pip-installed",
        "planted",
    ),
    ("test-m", f"echo '# mine' >> {ROOT}/bin/lockstep-run", "host-files", "lockstep-run"),
    ("test-m", "crontab -r", "clean-schedule", ""),
    ("prod-m", f"printf 'channels: [defaults]\\n' > {ROOT}/miniconda/.condarc", "condarc", ".condarc"),
    ("prod-m", f"ln -sfn ../generations/serve/000000000000 {ROOT}/envs/serve", "env-link", "serve"),
    # same size, other content: at depth stats only the change time shows it
    (
        "prod-m",
        f"f={SITE}/pandas/_typing.py; sed 's/a/b/' $f > /tmp/t; cat /tmp/t > $f",
        "file-altered",
        "pandas/_typing.py",
    ),
]

LATE_IMPORTS = """import numpy, os, pandas, sys, time
open("/tmp/late-started", "w").close()
while not os.path.exists("/tmp/late-go"):
    time.sleep(0.1)
import wave, numpy.fft, subprocess
child = subprocess.check_output([sys.executable, "-c", "import sys; print(sys.prefix)"], text=True)
print("late imports and a child, all from", child.strip(), numpy.fft.__file__)
"""


@pytest.fixture(scope="module", autouse=True)
def damaged(fleet: Fleet) -> None:
    """Start a process of `train` on each host, then damage the hosts; test_repaired.py inspects the processes later."""
    for host in fleet.hosts:
        fleet.run(host, f"rm -f /tmp/late-*; cat > /tmp/late.py <<'END'\n{LATE_IMPORTS}END")
        job = f"{ROOT}/bin/lockstep-run train python /tmp/late.py"
        fleet.run(host, f"setsid {job} > /tmp/late-told 2>&1 < /dev/null &")
        fleet.run(
            host,
            "for i in $(seq 600); do [ -e /tmp/late-started ] && exit 0; sleep 0.2; done; cat /tmp/late-told; exit 1",
        )
    for host, command, _, _ in DAMAGE:
        fleet.run(host, command)


def test_audit_names_every_damaged_host_and_difference(fleet: Fleet) -> None:
    report = fleet.audit(rc=2)
    assert not report["proven"] and report["counts"]["drift"] == len(fleet.hosts)
    results = {result["host"]: result for result in report["results"]}
    missed = [
        (host, kind, words)
        for host, _, kind, words in DAMAGE
        if not any(d["kind"] == kind and words in f"{d['subject']} {d['detail']}" for d in results[host]["drift"])
    ]
    shown = {host: [(d["kind"], d["detail"]) for d in result["drift"]] for host, result in results.items()}
    assert not missed, f"{missed} not among {shown}"


def test_unreachable_host_is_unknown(fleet: Fleet) -> None:
    fleet.fault("cut", "test-m")
    try:
        report = fleet.audit(rc=2)
    finally:
        fleet.fault("restore", "test-m")
    verdicts = {result["host"]: result["verdict"] for result in report["results"]}
    assert verdicts == {"dev-m": "drift", "test-m": "unknown", "prod-m": "drift"}


def test_check_mode_shows_the_repair_and_changes_nothing(fleet: Fleet) -> None:
    shown = fleet.play("site.yml", "--check", "--diff", "--limit", "prod")
    assert "-channels: [defaults]" in shown
    assert "defaults" in fleet.run("prod-m", f"cat {ROOT}/miniconda/.condarc")
