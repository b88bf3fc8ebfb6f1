"""The machine: platform, processor, GPU, disk, user."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys

from ..host.reading import LARGE, read_text
from .commands import run
from .notes import Notes, Obs

SIMULATED = "/etc/lockstep-simulated-gpu"
# What conda calls x86-64 microarchitecture levels (archspec; the psABI's supplement), by /proc/cpuinfo's flag names.
LEVELS = (
    ("x86_64_v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    ("x86_64_v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86_64_v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
PLATFORMS = {
    ("Linux", "x86_64"): "linux-64", ("Linux", "aarch64"): "linux-aarch64", ("Linux", "ppc64le"): "linux-ppc64le",
    ("Darwin", "arm64"): "osx-arm64", ("Darwin", "x86_64"): "osx-64",
}  # fmt: skip
_CUDA = """
import ctypes
for name in ("libcuda.so.1", "libcuda.so", "/usr/lib64/nvidia/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"):
    try:
        library = ctypes.CDLL(name)
        break
    except OSError:
        pass
else:
    raise SystemExit("none")
value = ctypes.c_int()
if library.cuDriverGetVersion(ctypes.byref(value)):
    raise SystemExit("error")
print(value.value)
"""


def microarch(machine: str, cpuinfo: str) -> str:
    """Return the microarchitecture by conda's name (`x86_64_v3`), from the text of /proc/cpuinfo."""
    if machine != "x86_64":
        return machine
    match = re.search(r"(?m)^flags\s*:\s*(.*)$", cpuinfo)
    flags, level = set(match.group(1).split() if match else []), "x86_64"
    for name, needed in LEVELS:
        if not set(needed.split()) <= flags:
            break
        level = name
    return level


def see_gpu(request: Obs, notes: Notes, proc: str = "/proc") -> Obs:
    """Return the driver and the CUDA version that it offers; access a GPU only if the request asks for it."""
    result: Obs = {}
    text = read_text(os.path.join(proc, "driver/nvidia/version"))
    match = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text or "")
    if match:
        result["driver"] = match.group(1)
    with contextlib.suppress(OSError):
        cards = os.path.join(proc, "driver/nvidia/gpus")
        infos = [read_text(os.path.join(cards, name, "information")) or "" for name in sorted(os.listdir(cards))[:64]]
        models = [m.group(1).strip()[:80] for m in (re.search(r"(?m)^Model:\s*(.+)$", info) for info in infos) if m]
        if models:
            result["models"] = models
    status, out, why = run([sys.executable or "python3", "-I", "-S", "-B", "-c", _CUDA], notes)
    if status == 0 and out.strip().isdigit():
        version = int(out)
        result["cuda"] = f"{version // 1000}.{version % 1000 // 10}"
    elif why:
        notes.error("cuda", why)
    if request.get("gpu"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        status, out, why = run(query, notes)
        if status == 0:
            lines = [line.split(", ") for line in out.strip().split("\n")]
            result["models"] = [line[0][:80] for line in lines]
            if len(lines[0]) > 1:
                result.setdefault("driver", lines[0][1][:40])
        elif why:
            notes.error("nvidia-smi", why)
    if os.path.exists(SIMULATED):
        result["simulated"] = True
    return result


def see_host(request: Obs, notes: Notes) -> Obs:
    """Return what the machine offers, by the names of conda's virtual packages where they exist."""
    name = os.uname()
    glibc = None
    with contextlib.suppress(ValueError, OSError, AttributeError):
        glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").replace("glibc", "").strip() or None
    release = read_text("/etc/os-release") or ""
    pretty = re.search(r"(?m)^PRETTY_NAME=\"?([^\"\n]*)", release)
    macos = re.search(
        r"ProductVersion</key>\s*<string>([0-9.]+)", read_text("/System/Library/CoreServices/SystemVersion.plist") or ""
    )
    return {
        "osx": macos.group(1) if macos else None,
        "platform": PLATFORMS.get((name.sysname, name.machine), f"{name.sysname.lower()}-{name.machine}"),
        "os": pretty.group(1) if pretty else name.sysname,
        "kernel": re.split(r"[^0-9.]", name.release)[0].rstrip("."),
        "glibc": glibc,
        "archspec": microarch(name.machine, read_text("/proc/cpuinfo", LARGE) or ""),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "gpu": see_gpu(request, notes),
    }


def see_disk(root: str) -> Obs:
    """Return type, size, free space and mode of the file system of the root."""
    real, best, sort = os.path.realpath(root), "", "?"
    for line in (read_text("/proc/self/mountinfo", LARGE) or "").split("\n"):
        fields = line.split(" ")
        if " - " in line and len(fields) > 6:
            place = re.sub(r"\\(\d{3})", lambda m: chr(int(m.group(1), 8)), fields[4])
            inside = real == place or real.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, sort = place, fields[fields.index("-") + 1]
    disk = os.statvfs(root)
    return {
        "type": sort,
        "bytes": disk.f_blocks * disk.f_frsize,
        "free": disk.f_bavail * disk.f_frsize,
        "inodes_free": disk.f_favail if disk.f_files else None,
        "readonly": bool(disk.f_flag & os.ST_RDONLY),
    }


def see_machine(root: str) -> str:
    """Return a hash that is unique to this boot of the machine and this folder: hosts with the same hash are one."""
    boot = read_text("/proc/sys/kernel/random/boot_id")
    status = os.stat(root)
    text = f"{boot} {status.st_dev} {status.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:32] if boot else ""


def user_name() -> str:
    """Return the name of the user that the play connects as."""
    with contextlib.suppress(Exception):
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())
