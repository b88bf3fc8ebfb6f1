"""A folder of tiers' locks, an inventory and the report of an audit, made by hand, for promotions and rollbacks."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import SMOKE_TEST, Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote import promotion
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import promote, refusal_message

from tests.support.lock_samples import lock, package

NOW = datetime.datetime(2026, 5, 4, 12, tzinfo=datetime.UTC)
P = "linux-64"


def text(version: str = "1.3", platforms: tuple[str, ...] = (P,)) -> str:
    """A lock of one package, told apart by its version."""
    sha = f"{int(version.replace('.', '')):02x}" * 32
    packages = [package(version=version, platform=platform, sha256=sha[:64]) for platform in platforms]
    return lock(*packages, custom={"system_requirements": '{"glibc":"2.28"}'}).dumps()


def digest(data: str, platform: str = P, env: str = "train") -> str:
    return provenance.digests(Lock.loads(data, "x"), env)[platform]


class Site:
    """Three tiers; dev holds `new`, test and prod hold `old`, and an audit of all of them that found parity."""

    def __init__(self, folder: Path, hosts: dict[str, promotion.HostOf] | None = None) -> None:
        self.locks, self.report = folder / "locks", folder / "report.json"
        self.new, self.old = text("1.4"), text("1.3")
        self.hosts = hosts or {
            "dev-1": promotion.HostOf("dev", ("train", "serve")),
            "dev-2": promotion.HostOf("dev", ("train",)),
            "test-1": promotion.HostOf("test", ("train", "serve")),
            "prod-1": promotion.HostOf("prod", ("train",)),
        }
        for tier in ("dev", "test", "prod"):
            for env in ("train", "serve"):
                self.put(tier, env, self.new if tier == "dev" else self.old)
        self.write(self.audit())

    def put(self, tier: str, env: str, data: str) -> None:
        path = self.locks / provenance.lock_path(tier, env)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)

    def test(self, tier: str, data: str | None, env: str = "train") -> None:
        """Put a smoke test into a tier's lock, or take it away."""
        lock_ = Lock.loads(self.has(tier, env) or "")
        custom = {key: value for key, value in lock_.custom.items() if key != SMOKE_TEST}
        self.put(tier, env, replace(lock_, custom=custom | ({} if data is None else {SMOKE_TEST: data})).dumps())

    def has_test(self, tier: str, env: str = "train", previous: bool = False) -> str | None:
        return Lock.loads(self.has(tier, env, previous) or "").custom.get(SMOKE_TEST)

    def has(self, tier: str, env: str = "train", previous: bool = False) -> str | None:
        data = provenance.read(self.locks, provenance.lock_path(tier, env, previous))
        return None if data is None else data.decode()

    def provenance_of(self, tier: str, env: str = "train", previous: bool = False) -> dict[str, Any] | None:
        lock_, known = (
            provenance.read(self.locks, place(tier, env, previous)) for place in (provenance.lock_path, provenance.path)
        )
        return provenance.loads(known, lock_)

    def audit(self, **changes: Any) -> dict[str, Any]:
        """A report as playbooks/audit.yml writes it, as far as it matters here."""
        results = []
        for name, host in self.hosts.items():
            envs = {}
            for env in host.envs:
                held = digest(self.has(host.tier, env) or self.new, env=env)
                envs[env] = {"verdict": "parity", "declared": held, "digest": held, "content": "c" * 64}
            results.append(
                {"host": name, "tier": host.tier, "platform": P, "at": NOW.isoformat(), "verdict": "parity",
                 "maintenance": None, "envs": envs, "around": "parity", "drift": [], "notes": [], "facts": {}}
            )  # fmt: skip
        report = {
            "schema": 1, "run": "run-1", "at": (NOW - datetime.timedelta(hours=1)).isoformat(), "depth": "stats",
            "hosts": {"audited": len(results), "total": len(results), "limited": False}, "proven": True,
            "results": results,
        }  # fmt: skip
        return report | changes

    def write(self, report: Any) -> None:
        self.report.write_text(report if isinstance(report, str) else json.dumps(report))

    def settings(self, former: str = "dev", latter: str = "test", **other: Any) -> promotion.Settings:
        values: dict[str, Any] = {
            "locks_dir": self.locks, "tiers": ("dev", "test", "prod"), "former": former, "latter": latter,
            "report": self.report, "hosts": self.hosts, "channels": ("conda-forge",),
        }  # fmt: skip
        return promotion.Settings(**values | other)

    def files(self) -> dict[str, bytes]:
        """Everything below the folder of locks."""
        return {str(p.relative_to(self.locks)): p.read_bytes() for p in sorted(self.locks.rglob("*")) if p.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def result(report: dict[str, Any], host: str) -> Any:
    return next(item for item in report["results"] if item["host"] == host)


def told(site: Site, **settings: Any) -> str:
    """Promote, which must be refused and change nothing; what a person reads."""
    before = site.files()
    made = promote(site.settings(**settings), NOW, write=True)
    assert made.refusals and site.files() == before
    for refusal in made.refusals:
        assert refusal.subject and refusal.why and len(refusal.remedy) > 10, refusal
    return refusal_message(made.refusals, "promotion")
