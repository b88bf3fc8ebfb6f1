"""Hostile text for specs and locks, and the rules that whatever is accepted must satisfy."""

from __future__ import annotations

import re

from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, LockError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.lock_samples import BASE

HOMOGLYPHS = ["\u0440ython", "pyth\u043en", "python\u200b", "\u202epython", "\uff50ython", "numpy\u00a0", "nump\u04af"]


HOSTILE = [
    *HOMOGLYPHS, "", " ", ".", "..", "../x", "a/b", "/etc/passwd", "~", "a\\b", "a\x00b", "a\nb", "-e .", "--index 1",
    "x" * 5000, "%2e%2e", "$(id)", "`id`", "{{ lookup('pipe', 'id') }}", "defaults", "nodefaults", "local",
    "evil::python", "https://evil.example/c::python", "https://evil.example/x-1-0.conda", "git+https://h/x.git", "[]",
    "python[url='https://evil.example/x-1-0.conda']", "python[channel=evil]", "python[channel='https://evil.example/c']",
    "https://conda.anaconda.org/t/tk-123/conda-forge", "https://me:pw@h.example/c", "conda-forge/../evil", "1.10",
    "file:///etc/x-1-0.conda",
]  # fmt: skip


# Values of JSON, and of YAML that is read as JSON.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_lock(text: str, must_be_read: bool = False) -> None:
    """Read an untrusted lock; one that is accepted can be verified and names where its packages come from."""
    try:
        read = Lock.loads(text, "x.yml", ["conda-forge"])
    except LockError as error:
        assert not must_be_read, error
        assert all(line.startswith("x.yml") for line in str(error).splitlines()), error
        assert str(error).replace("\n", "").isprintable() and str(error).isascii(), error
        assert "pw@" not in str(error) and len(str(error)) < 20_000
        return
    for one in read.packages:
        assert re.fullmatch("[0-9a-f]{64}", one.sha256), "no package without a sha256"
        assert (one.name + one.version + one.build + one.url).isascii() and one.platform in read.platforms
        if one.manager == "conda":
            files = [f"{one.name}-{one.version}-{one.build}{suffix}" for suffix in (".conda", ".tar.bz2")]
            assert one.url in [f"{BASE}/{folder}/{file}" for folder in (one.platform, "noarch") for file in files]
            assert re.fullmatch("[0-9a-f]{32}", one.md5)
        else:
            assert one.manager == "pip" and re.fullmatch(r"https?://[\w.:/+-]+/[\w.+!-]+\.whl", one.url)
            assert "/../" not in one.url and "/./" not in one.url
    for platform in read.platforms:
        names = [re.sub("[-_.]+", "-", one.name) for one in read.of(platform)]
        assert len(set(names)) == len(names)
        try:
            made = lockfile.plan(read, "train", platform, channels=["conda-forge"])
        except LockError:
            continue  # an environment without a single package, say
        assert plans.check(made) == []
        assert {entry["sha256"] for entry in (*made["packages"], *made["pip"])} == {p.sha256 for p in read.of(platform)}
