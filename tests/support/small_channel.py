"""A channel of a few made-up packages in a folder, for everything that locks without a network."""

import hashlib
import json
from pathlib import Path

DAY = 86_400_000  # milliseconds, as channels' timestamps have them
START = 1_704_067_200_000  # day 0 is the first of January 2024


class SmallChannel:
    """Collects records and writes `<folder>/<name>/<subdir>/repodata.json`."""

    def __init__(self, folder: Path, name: str = "conda-forge"):
        self.folder, self.name, self.records = folder, name, {}

    def add(self, name, version="1.0", build="0", depends=(), subdir="linux-64", number=0, day=1, **other):
        file_name = f"{name}-{version}-{build}.conda"
        self.records[subdir, file_name] = {
            "name": name, "version": version, "build": build, "build_number": number, "depends": list(depends),
            "subdir": subdir, "size": 1000, "timestamp": START + day * DAY,
            "md5": hashlib.md5(file_name.encode()).hexdigest(),
            "sha256": hashlib.sha256(f"{subdir}/{file_name}".encode()).hexdigest(),
        } | other | ({"noarch": "python"} if subdir == "noarch" else {})  # fmt: skip
        return self.write()

    def remove(self, name, version):
        self.records = {key: r for key, r in self.records.items() if (r["name"], r["version"]) != (name, version)}
        return self.write()

    def write(self):
        for subdir in {"noarch", *(key[0] for key in self.records)}:
            path = self.folder / self.name / subdir / "repodata.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            found = {file: r for (of, file), r in self.records.items() if of == subdir}
            path.write_text(json.dumps({"info": {"subdir": subdir}, "packages": {}, "packages.conda": found,
                                        "removed": [], "repodata_version": 1}))  # fmt: skip
        return self


def usual(folder: Path, name: str = "conda-forge") -> SmallChannel:
    """python, numpy in two versions, a GPU framework with CPU and CUDA builds, and a package that is CPU by default."""
    channel = SmallChannel(folder, name)
    for subdir in ("linux-64", "osx-arm64"):
        channel.add("python", "3.12.1", "h1_0_cpython", subdir=subdir)
        channel.add("python", "3.13.1", "h1_0_cp313", subdir=subdir)
        channel.add("libblas", "3.9", "1_openblas", subdir=subdir)
        channel.add("numpy", "1.26", "py312_0", ["python 3.12.*", "libblas"], subdir=subdir)
        channel.add("numpy", "2.0", "py312_0", ["python 3.12.*", "libblas"], subdir=subdir, day=50)
        channel.add("torch-like", "2.0", "cpu_0", ["python"], subdir=subdir)
    channel.add("six", "1.17", "pyhd_0", ["python"], subdir="noarch")
    channel.add("cuda-version", "12.6", "h1", subdir="noarch")
    channel.add("cuda-version", "12.8", "h1", subdir="noarch")
    channel.add("cuda-version", "12.9", "h1", subdir="noarch")
    channel.add("torch-like", "1.9", "cuda126_0", ["python", "cuda-version >=12.6,<13", "__cuda"], number=5)
    channel.add("torch-like", "2.0", "cuda129_0", ["python", "cuda-version >=12.9,<13", "__cuda"], number=5)
    channel.add("arrow-like", "1.0", "h1_1_cpu", number=1)
    channel.add("arrow-like", "1.0", "h1_0_cuda", ["cuda-version >=12.6,<13", "__cuda"])
    channel.add("new-glibc", "1.0", "0", ["__glibc >=2.35"])
    channel.add("fast", "1.0", "0", ["__archspec 1 x86_64_v3"])
    return channel
