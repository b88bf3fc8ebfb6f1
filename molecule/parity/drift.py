"""The ways in which the hosts are broken, and how an audit must name each."""

from __future__ import annotations

from checks import ROOT

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

# host, what is done to it as the fleet's own user, the kind of drift, and words that its detail must hold
PLANTED = [
    ("dev-m", f"chmod u+w {SITE}/numpy; rm {SITE}/numpy/version.py", "file-missing", "numpy/version.py"),
    ("dev-m", f"rm {ROOT}/miniconda/conda-meta/frozen", "base-thawed", "frozen"),
    ("dev-m", "rm ~/.config/systemd/user/timers.target.wants/lockstep-clean.timer", "clean-schedule", ""),
    (
        "test-m",
        f"{WHEEL} chmod u+w {SITE}; {ROOT}/envs/train/bin/python -m pip install --quiet --no-index --no-deps "
        "--break-system-packages /tmp/planted-1.0-py3-none-any.whl",
        "pip-installed",
        "planted",
    ),
    ("test-m", f"echo '# mine' >> {ROOT}/bin/lockstep-run", "tools", "lockstep-run"),
    ("test-m", "crontab -r", "clean-schedule", ""),
    ("prod-m", f"printf 'channels: [defaults]\\n' > {ROOT}/miniconda/.condarc", "condarc", ".condarc"),
    ("prod-m", f"ln -sfn ../generations/serve/000000000000 {ROOT}/envs/serve", "env-link", "serve"),
    # the same size, another content: without reading every file, only the time of the change tells
    (
        "prod-m",
        f"f={SITE}/pandas/_typing.py; sed 's/a/b/' $f > /tmp/t; cat /tmp/t > $f",
        "file-altered",
        "pandas/_typing.py",
    ),
]
