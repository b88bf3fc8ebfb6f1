"""After a converge: one digest for each environment and platform, from dev to prod, and an audit that proves it."""

from __future__ import annotations

from checks import ROOT, Fleet

HOSTS = ("dev-m", "test-m", "prod-m")


def test_one_digest_for_each_environment_and_platform(fleet: Fleet) -> None:
    report = fleet.audit(rc=0)
    assert report["proven"] and report["counts"]["parity"] == len(HOSTS)
    for env in ("serve", "tools", "train"):
        found = {d for tier in report["tiers"] for p in tier["envs"][env].values() for d in p["digests"]}
        assert len(found) == 1, f"{env}: {found}"
        links = {fleet.run(host, f"readlink {ROOT}/envs/{env}") for host in HOSTS}
        assert len(links) == 1 and next(iter(found))[:12] in next(iter(links))


def test_every_file_has_the_hash_that_was_locked(fleet: Fleet) -> None:
    report = fleet.audit("-e", "depth=hashes", rc=0)
    assert report["proven"] and report["depth"] == "hashes"


def test_a_second_converge_touches_nothing(fleet: Fleet) -> None:
    told = fleet.play("site.yml")
    assert "changed=0" in told and "changed=1" not in told and "Install the rattler runtime" not in told
