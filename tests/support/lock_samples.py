"""Small valid locks for the tests of everything that reads or writes them."""

import yaml
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, Package

BASE = "https://conda.anaconda.org/conda-forge"


def package(name="zlib", version="1.3", build="h1_0", platform="linux-64", subdir=None, **other) -> Package:
    url = other.pop("url", f"{BASE}/{subdir or platform}/{name}-{version}-{build}.conda")
    values = {"md5": "cd" * 16, "sha256": "ab" * 32, "dependencies": (), "manager": "conda"} | other
    return Package(name=name, version=version, build=build, platform=platform, url=url, **values)


def lock(*packages, **other) -> Lock:
    packages = packages or (
        package("python", "3.12.1", "h1_0_cp312", dependencies=(("__glibc", ">=2.17"), ("zlib", ">=1.2,<2.0a0"))),
        package(),
        package("six", "1.17", "pyhd_0", subdir="noarch", dependencies=(("python", ""),)),
        package(platform="osx-arm64"),
    )
    values = {"platforms": tuple(sorted({p.platform for p in packages})), "sources": ("envs/train.yml",)} | other
    return Lock(tuple(packages), **values)


class WithoutAliases(yaml.SafeDumper):
    """Writes a value that occurs twice in full both times."""

    def ignore_aliases(self, data) -> bool:
        return True


def with_content_hashes(document) -> str:
    """The text of a lock's document, with the content hashes that fit it where it can be read."""
    try:
        made = Lock._from_document(document)
        document["metadata"]["content_hash"] = {p: made.content_hash(p) for p in made.platforms}
    except Exception:  # it must be refused without a content hash
        pass
    return yaml.dump(document, Dumper=WithoutAliases, sort_keys=False)
