#!/bin/sh
# What the project needs on this machine: Debian packages where they are missing, and a virtual environment with the
# pinned, hash-locked Python packages. Says what it does; does nothing where nothing is missing.
#   setup.sh [controller]      controller: only what an operator needs (no packages of the system, no tests' tools)
set -eu
cd "$(dirname "$0")/.."
what=${1:-everything}
venv=.venv
cache=${LOCKSTEP_CACHE:-$HOME/.cache/lockstep}
stamps=.lockstep/stamps
log=.lockstep/log/setup.log
mkdir -p "$stamps" .lockstep/log

fail() {
  printf 'error: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
  exit 1
}

# ---- packages of the system: a line is PACKAGE and what shows that it is there (a command or a file)
missing() {
  while read -r package sign; do
    case $package in '#'* | '') continue ;; esac
    case $sign in
      /*) [ -e "$sign" ] || echo "$package" ;;
      *) command -v "$sign" >/dev/null 2>&1 || echo "$package" ;;
    esac
  done <<'EOT'
# container hosts
podman podman
runc runc
mmdebstrap mmdebstrap
netavark /usr/lib/podman/netavark
iptables iptables
iproute2 ip
openssh-client ssh
debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg
# the channel: a relocatable python, a simulated driver library
gcc cc
libc6-dev /usr/include/stdio.h
binutils strip
# tests: shells that activate, scripts that are linted
zsh zsh
fish fish
shellcheck shellcheck
EOT
}

system_packages() {
  wanted=$(missing | tr '\n' ' ')
  [ -n "$wanted" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    fail "missing on this machine: $wanted" "this is no Debian: install what these Debian packages hold, then run it again"
  fi
  if [ "$(id -u)" != 0 ]; then
    fail "missing Debian packages: $wanted" "run: sudo apt-get install --no-install-recommends $wanted"
  fi
  echo "setup: installing Debian packages: $wanted"
  export DEBIAN_FRONTEND=noninteractive
  # update also fails for a repository of others that is broken; whether our packages can be had, install says
  # shellcheck disable=SC2086  # one word is one package
  if ! { apt-get update -qq || true; apt-get install -y -qq --no-install-recommends $wanted; } >"$log" 2>&1 </dev/null; then
    tail -n 5 "$log" >&2
    fail "apt-get failed; all it said is in $log"
  fi
  left=$(missing | tr '\n' ' ')
  [ -z "$left" ] || fail "apt-get installed, yet these are still missing: $left" "see $log"
}

# ---- Python
find_python() {
  for name in ${LOCKSTEP_CONTROLLER_PYTHON:-} python3.11 python3.12 python3.13 python3 /usr/bin/python3; do
    if "$name" -I -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
      echo "$name"
      return 0
    fi
  done
  return 1
}

python_packages() {
  list=requirements/$1.txt
  stamp=$stamps/venv-$(cat "$list" local/setup.sh | sha256sum | cut -c1-16)
  if [ -e "$stamp" ] && "$venv/bin/python" -I -c '' 2>/dev/null; then return 0; fi
  if ! python=$(find_python); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      echo "setup: installing Debian packages: python3 python3-venv"
      { apt-get update -qq || true; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv; } \
        >"$log" 2>&1 </dev/null || fail "apt-get failed; all it said is in $log"
    fi
    python=$(find_python) || fail "no Python 3.11 to 3.13 with venv on this machine" "install one (Debian: python3 python3-venv)"
  fi
  total=$(grep -c '^[A-Za-z0-9._-]*==' "$list")
  echo "setup: $venv with $total pinned Python packages ($("$python" -V)), about a minute the first time"
  if ! "$venv/bin/python" -I -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "no virtual environment could be made in $venv"
  fi
  rm -f "$stamps"/venv-*
  started=$(date +%s)
  # every package's hash is checked against the list; the cache is ours, so that nothing is left elsewhere
  if ! PIP_CACHE_DIR=$cache/pip "$venv/bin/python" -I -m pip install --disable-pip-version-check --no-input --progress-bar off \
    --require-hashes --only-binary :all: --requirement "$list" >"$log" 2>&1 </dev/null; then
    grep -E '^(ERROR|WARNING: Retrying)' "$log" | tail -n 5 >&2
    fail "pip could not install $list; all it said is in $log" "check the network and the free space, then run it again"
  fi
  : >"$stamp"
  echo "setup: Python packages ready after $(($(date +%s) - started)) s"
}

# conda-lock, as a folder in the cache: a test asks its reader what our locks say. Not in .venv, for it wants older packages.
other_reader() {
  list=requirements/conda-lock.txt
  key=$({ cat "$list" && "$venv/bin/python" -c 'import sys; print(sys.version_info[:2])'; } | sha256sum | cut -c1-16)
  [ ! -e "$cache/conda-lock/$key" ] || return 0
  echo "setup: conda-lock's reader, for a test"
  rm -rf "$cache/conda-lock"
  mkdir -p "$cache/conda-lock"
  if ! PIP_CACHE_DIR=$cache/pip "$venv/bin/python" -I -m pip install --disable-pip-version-check --no-input --progress-bar off \
    --require-hashes --only-binary :all: --target "$cache/conda-lock/new" --requirement "$list" >"$log" 2>&1 </dev/null; then
    fail "pip could not install $list; all it said is in $log" "check the network and the free space, then run it again"
  fi
  mv "$cache/conda-lock/new" "$cache/conda-lock/$key"
}

if [ "$what" = controller ]; then
  python_packages controller
else
  system_packages
  python_packages dev
  other_reader
fi
