"""Any text as a lock: an error or a lock that can be verified, and within seconds."""

from __future__ import annotations

import copy
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile import HOSTILE, check_lock, quick
from tests.support.lock_samples import BASE, lock, package, with_content_hashes

WHEEL = package("einops", "0.8.1", "", manager="pip", md5="", dependencies=(),
                url="https://files.example/packages/py3/e/einops-0.8.1-py3-none-any.whl")  # fmt: skip


SAMPLE = yaml.safe_load(
    lock(
        package("python", "3.12.1", "h1_0_cp312", dependencies=(("__glibc", ">=2.17"), ("zlib", ">=1.2,<2.0a0"))),
        package(),
        package("six", "1.17", "pyhd_0", subdir="noarch", dependencies=(("python", ""),)),
        package(platform="osx-arm64"),
        WHEEL,
        custom={"variables": '{"A": "1"}', "system_requirements": '{"cuda": "12.8"}'},
    ).dumps()
)


URLS = [
    "https://evil.example/conda-forge/linux-64/{file}", f"{BASE}/linux-64/../../evil/linux-64/{{file}}", "{file}",
    f"{BASE}//linux-64/{{file}}", f"{BASE}/linux-64//{{file}}", f"{BASE}/linux-64/%2e%2e/{{file}}", "file:///{file}",
    f"{BASE}.evil.example/linux-64/{{file}}", f"{BASE}@evil.example/linux-64/{{file}}", f"{BASE}/linux-64/{{file}}?x",
    f"{BASE}/linux-64/{{file}}#x", f"{BASE}/win-64/{{file}}", f"{BASE}/noarch/{{file}}",
    f"{BASE}/label/x/linux-64/{{file}}",
    "https://conda.anaconda.org/conda\u2010forge/linux-64/{file}",
    "HTTPS://conda.anaconda.org/conda-forge/linux-64/{file}",
    "https://me:pw@conda.anaconda.org/conda-forge/linux-64/{file}",
    "https://conda.anaconda.org/t/tk/conda-forge/linux-64/{file}",
    f"{BASE}/linux-64/{{file}}\n", f" {BASE}/linux-64/{{file}}", f"{BASE}/linux-64\\{{file}}", "https://files.example/{file}.exe",
]  # fmt: skip


HASHES = [
    "",
    "0",
    "ab" * 31,
    "AB" * 32,
    "ab" * 32 + " ",
    "ab" * 33,
    "g" * 64,
    "\u0430b" * 32,
    "sha256:" + "ab" * 32,
    None,
    0,
    [],
]


def test_unaltered_sample_is_accepted():
    check_lock(with_content_hashes(copy.deepcopy(SAMPLE)), must_be_read=True)


@quick
@given(st.data())
def test_lock_with_hostile_values(data):
    document = copy.deepcopy(SAMPLE)
    for _ in range(data.draw(st.integers(1, 2))):
        entry = data.draw(st.sampled_from(document["package"]))
        field = data.draw(
            st.sampled_from(["url", "sha256", "md5", "name", "version", "build", "platform", "manager", "dep"])
        )
        hostile = data.draw(st.sampled_from(HOSTILE))
        if field == "url":
            entry["url"] = data.draw(st.sampled_from(URLS)).format(file=str(entry["url"]).rsplit("/", 1)[-1])
        elif field in ("sha256", "md5"):
            entry["hash"][field] = data.draw(st.sampled_from(HASHES))
        elif field == "dep":
            entry["dependencies"] = {hostile: data.draw(st.sampled_from(HOSTILE))}
        elif field in ("name", "version", "build") and data.draw(st.booleans()):  # a url that goes with it
            old = str(entry.get(field, ""))
            entry["url"] = entry["url"].replace(old, hostile) if old else entry["url"]
            entry[field] = hostile
        else:
            entry[field] = data.draw(
                st.sampled_from([hostile, "pip", "conda", "osx-arm64", "win-64", "noarch", 1.10, None])
            )
    check_lock(with_content_hashes(document))


@quick
@given(st.data())
def test_lock_with_conflicting_entries(data):
    document = copy.deepcopy(SAMPLE)
    for _ in range(data.draw(st.integers(1, 3))):
        again = copy.deepcopy(data.draw(st.sampled_from(document["package"])))
        field = data.draw(st.sampled_from(["version", "build", "platform", "name", "manager", "sha256", "nothing"]))
        if field == "sha256":
            again["hash"]["sha256"] = "cd" * 32
        elif field != "nothing":
            new = {"version": "9.9", "build": "h9_9", "platform": "osx-arm64", "name": "Six", "manager": "pip"}[field]
            again["url"] = str(again["url"]).replace(str(again.get(field, "")) or "\x00", new)
            again[field] = new
        document["package"].append(again)
    check_lock(with_content_hashes(document))


LARGE = [
    "version: 1\nmetadata:\n" + "".join(f"  k{i}: {{}}\n" for i in range(50_000)),
    "version: 1\nmetadata: {}\npackage:\n" + "- {}\n" * 100_000,
    "version: 1\nmetadata: {}\npackage:\n" + "".join(f"{' ' * i}- \n" for i in range(1000)),
    "version: 1\nmetadata: {custom_metadata: {a: '" + "[" * 1_000_000 + "'}}\npackage: []\n",
]


@pytest.mark.parametrize("text", LARGE, ids=lambda text: repr(text[-16:]))
def test_lock_that_is_deep_or_huge_is_read_in_seconds(text):
    started = time.process_time()
    check_lock(text)
    assert time.process_time() - started < 5
