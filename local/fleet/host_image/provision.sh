#!/bin/sh
# What needs root, once, when a machine is made (cloud-init does the same on real ones).
#   provision.sh LINGER [GPU_NAME MEMORY_MIB DRIVER CUDA COUNT]
set -eu
linger=$1
shift
install -d -o ml -g ml -m 0755 /opt/lockstep
if [ "$linger" = yes ]; then
  loginctl enable-linger ml
else                                                      # a site that grants no lingering: users cannot take it either
  loginctl disable-linger ml 2>/dev/null || true
  install -d -m 0755 /etc/polkit-1/rules.d
  echo 'polkit.addRule(function (a) { if (a.id == "org.freedesktop.login1.set-self-linger") return polkit.Result.NO; });' \
    >/etc/polkit-1/rules.d/10-no-linger.rules
fi
if [ $# -gt 0 ]; then                                     # a simulated GPU: the marker file says so
  { printf '# simulated: there is no GPU here\nLOCKSTEP_SIMULATED_GPU=1\n'
    printf "GPU_NAME='%s'\nGPU_MEMORY_MIB=%s\nGPU_DRIVER=%s\nGPU_CUDA=%s\nGPU_COUNT=%s\n" "$1 (simulated)" "$2" "$3" "$4" "$5"
  } >/etc/lockstep-simulated-gpu
  echo "$4" >/etc/lockstep-simulated-cuda
  ln -sf /usr/lib/lockstep-sim/libcuda.so.1 "/usr/lib/$(uname -m)-linux-gnu/libcuda.so.1"
  ln -sf /usr/lib/lockstep-sim/nvidia-smi /usr/bin/nvidia-smi
fi
