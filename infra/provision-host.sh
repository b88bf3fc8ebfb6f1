#!/bin/bash
# All that a Lockstep host needs root for, and nothing else: the fleet's user and keys, its folder on the right disk,
# lingering for the user's timers, and one file for login shells. Everything after that runs as the ordinary user.
#
# Machines that Pulumi makes run this very file once, at their first boot (cloud-init). On machines from elsewhere, as root:
#
#   ./provision-host.sh --user ml --root /opt/lockstep --authorized-key 'ssh-ed25519 AAAA... you@example.org'
#
#   --user NAME             the ordinary user that owns the environments; made if it is not there     (ml)
#   --uid NUMBER            its number; the same everywhere matters where homes are shared            (the system's choice)
#   --root FOLDER           the fleet's folder, the same path on every host                           (/opt/lockstep)
#   --storage WHERE         root            on the disk that FOLDER is on already                     (root)
#                           data            on a disk of its own: an empty one is found and formatted
#                           instance-store  on the machine's own NVMe disks, remade at each boot
#   --device DEVICE         that disk, where it cannot be found by itself (outside AWS)
#   --authorized-key KEY    a public key that may log in as the user; may be repeated
#
#   provision-host.sh wait [SECONDS]     wait until this is done (by anybody); on failure show the log's end   (600)
#
# It may run again and again. A disk that holds anything is never formatted. The last thing it does is to write
# /var/lib/lockstep/ready; a failure leaves /var/lib/lockstep/failed. Both can be read by everyone, and so can the log.
set -Eeuo pipefail

self=/usr/local/sbin/lockstep-provision-host
state=${LOCKSTEP_PROVISION_STATE:-/var/lib/lockstep}
log=${LOCKSTEP_PROVISION_LOG:-/var/log/lockstep-provision.log}
etc=${LOCKSTEP_PROVISION_ETC:-/etc}
label=lockstep

user=ml uid='' root=/opt/lockstep storage=root device='' keys=''

say() { printf 'lockstep: %s\n' "$*"; }
die() { say "$*" >&2; printf '%s\n' "$*" >"$state/failed"; exit 1; }
broken() { [ -e "$state/failed" ] || echo "line $1: $2" >"$state/failed"; }

boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

# --- waiting for it -----------------------------------------------------------------------------------------------

ready() {
  [ -r "$state/ready" ] || return 1
  # the machine's own disks are empty after a stop: what an earlier boot made ready is not there any more
  ! grep -q '"storage": "instance-store"' "$state/ready" || grep -q "\"boot\": \"$(boot_id)\"" "$state/ready"
}

wait_for_it() {
  local until=$((SECONDS + $1))
  while :; do
    if ready; then
      cat "$state/ready"
      return 0
    fi
    [ ! -r "$state/failed" ] || break
    if [ "$SECONDS" -ge "$until" ]; then
      say "not ready after $1 s" >&2
      break
    fi
    sleep 1
  done
  [ ! -r "$state/failed" ] || say "failed: $(cat "$state/failed")" >&2
  say "the end of $log:" >&2
  tail -n 30 "$log" >&2 || say "(no log: provisioning has not started)" >&2
  return 1
}

# --- the steps ----------------------------------------------------------------------------------------------------

make_user() {
  if ! id -u "$user" >/dev/null 2>&1; then
    useradd --create-home --user-group --shell /bin/bash ${uid:+--uid "$uid"} "$user"
    say "made user $user"
  fi
  if [ -n "$uid" ] && [ "$(id -u "$user")" != "$uid" ]; then
    die "user $user has uid $(id -u "$user"), not $uid: give the right --uid, or another --user"
  fi
  group=$(id -gn "$user")
}

let_keys_in() {
  [ -n "$keys" ] || return 0
  local home file added=0
  home=$(getent passwd "$user" | cut -d: -f6)
  file=$home/.ssh/authorized_keys
  install -d -m 0700 -o "$user" -g "$group" "$home/.ssh"
  [ -e "$file" ] || install -m 0600 -o "$user" -g "$group" /dev/null "$file"
  while IFS= read -r key; do
    if ! grep -qxF -- "$key" "$file"; then
      [ -z "$(tail -c1 "$file")" ] || echo >>"$file"
      printf '%s\n' "$key" >>"$file"
      added=$((added + 1))
    fi
  done <<<"$keys"
  [ "$added" = 0 ] || say "added $added key(s) to $file"
}

# Disks of a kind that hold nothing: no partition, no file system, no RAID or LVM signature, not mounted.
empty_disks() {
  local name
  if [ -n "$device" ]; then
    [ -b "$device" ] || die "$device is no block device"
    [ -n "$(blkid -p -o value -s TYPE -s PTTYPE "$device" || true)" ] || echo "$device"
    return 0
  fi
  lsblk -dnpo NAME,TYPE,MODEL | while read -r name type model; do
    if [ "$type" != disk ] || [ "${model% }" != "$1" ]; then continue; fi
    [ "$(lsblk -nro NAME "$name" | wc -l)" = 1 ] || continue
    [ -z "$(blkid -p -o value -s TYPE -s PTTYPE "$name" || true)" ] || continue
    echo "$name"
  done
}

wait_for_disks() {
  local tries=60 found=''
  while found=$(empty_disks "$1"); [ -z "$found" ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 1
  done
  echo "$found"
}

format() { # one inode for 8 KiB, since environments are many small files; nothing reserved for root, who never writes here
  mkfs.ext4 -q -L "$label" -i 8192 -m 0 "$1"
  say "formatted $1"
}

# Let only root write to the mount point, so that a missing disk does not fill the root disk.
guard_mount_point() {
  [ -d "$root" ] || mkdir -p "$root"
  [ -z "$(ls -A "$root")" ] || die "$root holds files, but a disk is to be mounted there: move them away, or use --storage root"
  chown root:root "$root"
  chmod 0555 "$root"
}

mount_data_disk() {
  ! mountpoint -q "$root" || return 0
  guard_mount_point
  local disk
  disk=$(blkid -L "$label" || true)
  if [ -z "$disk" ]; then
    disk=$(wait_for_disks "Amazon Elastic Block Store")
    case $(wc -w <<<"$disk") in
      0) die "no empty disk is attached for $root: attach one, or name it with --device (a disk that holds anything is not touched)" ;;
      1) format "$disk" ;;
      *) die "several empty disks are attached ($(tr '\n' ' ' <<<"$disk")): name the one for $root with --device" ;;
    esac
  fi
  grep -q "^LABEL=$label " "$etc/fstab" ||
    echo "LABEL=$label $root ext4 defaults,noatime,nofail,x-systemd.device-timeout=30s 0 2" >>"$etc/fstab"
  mount "$root"
  say "mounted $disk at $root"
}

mount_instance_store() {
  ! mountpoint -q "$root" || return 0
  guard_mount_point
  local disk disks
  # AWS's Deep Learning AMIs join these disks themselves: then a folder there serves
  if systemctl cat dlami-nvme.service >/dev/null 2>&1; then
    systemctl start dlami-nvme.service || true
    if mountpoint -q /opt/dlami/nvme; then
      mkdir -p /opt/dlami/nvme/lockstep
      mount --bind /opt/dlami/nvme/lockstep "$root"
      say "mounted /opt/dlami/nvme/lockstep at $root"
      return 0
    fi
  fi
  disk=$(blkid -L "$label" || true)
  if [ -z "$disk" ]; then
    mapfile -t disks < <(wait_for_disks "Amazon EC2 NVMe Instance Storage")
    [ -n "${disks[0]:-}" ] || die "this machine has no empty NVMe disk of its own: choose another type, or --storage data"
    disk=${disks[0]}
    if [ "${#disks[@]}" -gt 1 ]; then
      command -v mdadm >/dev/null || die "${#disks[@]} disks are to be joined, which needs mdadm: use an AMI that has it"
      disk=/dev/md/$label
      mdadm --create "$disk" --name="$label" --level=0 --raid-devices="${#disks[@]}" --run "${disks[@]}"
    fi
    format "$disk"
  fi
  mount -o noatime "$disk" "$root"
  say "mounted $disk at $root"
}

# The disks are new after each stop, and cloud-init does not run again: systemd runs this file at every boot instead.
run_at_boot() {
  cat >"$etc/systemd/system/lockstep-provision-host.service.new" <<UNIT
[Unit]
Description=The disk of $root
Wants=dlami-nvme.service
After=local-fs.target dlami-nvme.service
Before=user.slice systemd-user-sessions.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$self --user $user --root $root --storage instance-store

[Install]
WantedBy=multi-user.target
UNIT
  mv "$etc/systemd/system/lockstep-provision-host.service.new" "$etc/systemd/system/lockstep-provision-host.service"
  systemctl daemon-reload
  systemctl enable --quiet lockstep-provision-host.service
}

make_folder() {
  [ ! -L "$root" ] || die "$root is a symbolic link; paths stand inside environments, so it must be a folder"
  install -d -m 0755 -o "$user" -g "$group" "$root"
}

let_timers_run() {
  [ ! -e "/var/lib/systemd/linger/$user" ] || return 0
  loginctl enable-linger "$user" || die "loginctl enable-linger $user failed: without it the user's timers stop at logout"
  say "user $user lingers"
}

put() { # FILE: standard input becomes its content, if it is not that already
  local text
  text=$(cat)
  [ ! -r "$1" ] || [ "$(cat "$1")" != "$text" ] || return 0
  printf '%s\n' "$text" >"$1.new"
  chmod 0644 "$1.new"
  mv "$1.new" "$1"
  say "wrote $1"
}

serve_shells() {
  local hook=$root/miniconda/etc rc
  put "$etc/profile.d/lockstep.sh" <<SHELL
# From lockstep-provision-host: conda and lockstep-run, for every user of this host.
if [ -r "$hook/profile.d/conda.sh" ]; then . "$hook/profile.d/conda.sh"; fi
case ":\$PATH:" in *":$root/bin:"*) ;; *) PATH="\$PATH:$root/bin" ;; esac
SHELL
  if [ -d "$etc/fish" ]; then
    mkdir -p "$etc/fish/conf.d"
    put "$etc/fish/conf.d/lockstep.fish" <<FISH
# From lockstep-provision-host: conda and lockstep-run, for every user of this host.
test -r $hook/fish/conf.d/conda.fish; and source $hook/fish/conf.d/conda.fish
contains $root/bin \$PATH; or set -gx PATH \$PATH $root/bin
FISH
  fi
  for rc in "$etc/zsh/zshrc" "$etc/zshrc"; do # zsh does not read profile.d
    [ -e "$rc" ] || continue
    grep -q 'profile.d/lockstep.sh' "$rc" || echo "[ ! -r $etc/profile.d/lockstep.sh ] || . $etc/profile.d/lockstep.sh" >>"$rc"
  done
}

prove() {
  su -s /bin/sh -c "test -w '$root' && test -x '$root'" "$user" || die "user $user cannot write to $root after all"
}

# --- putting it together ------------------------------------------------------------------------------------------

while [ $# -gt 0 ]; do
  case $1 in
    wait) wait_for_it "${2:-600}"; exit ;;
    --user) user=$2; shift 2 ;;
    --uid) uid=$2; shift 2 ;;
    --root) root=$2; shift 2 ;;
    --storage) storage=$2; shift 2 ;;
    --device) device=$2; shift 2 ;;
    --authorized-key) keys=${keys:+$keys$'\n'}$2; shift 2 ;;
    --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; exit ;;
    *) echo "unknown argument $1; see $0 --help" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "this is the one step that needs root: run it as root" >&2; exit 2; }
case $root in /*) ;; *) echo "--root must be an absolute path" >&2; exit 2 ;; esac
[ "$user" != root ] || { echo "--user must be an ordinary user: nothing of Lockstep runs as root" >&2; exit 2; }

mkdir -p "$state"
rm -f "$state/ready" "$state/failed"
touch "$log"
chmod 0644 "$log"
exec > >(tee -a "$log") 2>&1
teeing=$!
trap 'exec >&- 2>&-; wait "$teeing" || true' EXIT # the log is whole when this returns
trap 'broken "$LINENO" "$BASH_COMMAND ended with $?"' ERR

say "$(date -u +%Y-%m-%dT%H:%M:%SZ) provisioning for $user at $root on $storage"
[ "$(readlink -f "$0")" = "$self" ] || install -m 0755 "$0" "$self"
make_user
let_keys_in
case $storage in
  root) ;;
  data) mount_data_disk ;;
  instance-store) mount_instance_store; run_at_boot ;;
  *) die "--storage must be root, data or instance-store, not $storage" ;;
esac
make_folder
let_timers_run
serve_shells
prove
printf '{"schema": 1, "user": "%s", "root": "%s", "storage": "%s", "boot": "%s", "at": "%s"}\n' \
  "$user" "$root" "$storage" "$(boot_id)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$state/ready.new"
chmod 0644 "$state/ready.new"
mv "$state/ready.new" "$state/ready"
say "ready"
