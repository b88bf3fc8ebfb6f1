/* A simulated libcuda.so.1 for hosts without a GPU: only what a look for the driver's CUDA version calls.
   The version is the line "12.8" in /etc/lockstep-simulated-cuda; no such file means no driver. */
#include <stdio.h>
#define NOT_INITIALIZED 3
#define NO_DEVICE 100

static int version(void) {
    int major = 0, minor = 0;
    FILE *file = fopen("/etc/lockstep-simulated-cuda", "r");
    if (!file) return 0;
    if (fscanf(file, "%d.%d", &major, &minor) != 2) major = minor = 0;
    fclose(file);
    return major * 1000 + minor * 10;
}

int cuInit(unsigned flags) { return flags || !version() ? NO_DEVICE : 0; }
int cuDriverGetVersion(int *out) { *out = version(); return *out ? 0 : NOT_INITIALIZED; }
int cuDeviceGetCount(int *out) { *out = version() ? 1 : 0; return 0; }
