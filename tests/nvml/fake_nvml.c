/* A libnvidia-ml.so.1 without a GPU: the calls that steplog.capture asks, answered as a text file says.

   The file that FAKE_NVML names is read at each call, so that a running test can change it. Its lines:

     devices N                           how many GPUs there are (none without this line)
     error FUNCTION CODE [GPU]           what a function returns; * for every function about a device
     hang FUNCTION                       the function does not return as long as this line is there
     mig GPU INSTANCES                   the GPU is divided into so many instances
     process KIND GPU INSTANCE PID BYTES KIND is Compute, Graphics or MPSCompute; INSTANCE -1 without
                                         MIG; BYTES -1 when the driver does not tell

   Each call is added to the file that FAKE_NVML_CALLS names, as FUNCTION and GPU (-1: no device).
   With -DOLD_DRIVER it has the functions of a driver of 2020 (450). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { GPUS = 8, INSTANCES = 7, WHOLE = -1, POLL_MICROS = 5000 };

#define MIB (1ULL << 20)
#define TOTAL_BYTES (16384 * MIB)
#define INSTANCE_BYTES (4096 * MIB)
#define RESERVED_BYTES (256 * MIB)

typedef struct { int gpu, instance; } Device;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;

static Device wholes[GPUS], parts[GPUS][INSTANCES];

/* Calls `take` with each line of the file until it gives something else than 0. */
static int each_line(int (*take)(const char *line, void *state), void *state) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[256];
    int taken = 0;
    while (file && !taken && fgets(line, sizeof line, file)) taken = take(line, state);
    if (file) fclose(file);
    return taken;
}

typedef struct { const char *function; int gpu, value; } Asked;

static int take_error(const char *line, void *state) {
    Asked *asked = state;
    char function[128];
    int code, gpu = asked->gpu;
    if (sscanf(line, "error %127s %d %d", function, &code, &gpu) < 2 || gpu != asked->gpu) return 0;
    int all = !strcmp(function, "*") && asked->gpu >= 0;
    return all || !strcmp(function, asked->function) ? code : 0;
}

static int take_hang(const char *line, void *state) {
    char function[128];
    return sscanf(line, "hang %127s", function) == 1 && !strcmp(function, ((Asked *)state)->function);
}

static int take_devices(const char *line, void *state) {
    return sscanf(line, "devices %d", (int *)state) == 1;
}

static int take_mig(const char *line, void *state) {
    Asked *asked = state;
    int gpu;
    return sscanf(line, "mig %d %d", &gpu, &asked->value) == 2 && gpu == asked->gpu;
}

static int device_count(void) {
    int count = 0;
    each_line(take_devices, &count);
    return count;
}

/* How many instances a GPU has; -1 when it is not divided. */
static int instance_count(int gpu) {
    Asked asked = {NULL, gpu, 0};
    return each_line(take_mig, &asked) ? asked.value : -1;
}

/* Notes a call; gives the error that it is to return. */
static int enter(const char *function, const Device *device) {
    Asked asked = {function, device ? device->gpu : -1, 0};
    const char *path = getenv("FAKE_NVML_CALLS");
    FILE *calls = path ? fopen(path, "a") : NULL;
    if (calls) {
        fprintf(calls, "%s %d\n", function, asked.gpu);
        fclose(calls);
    }
    while (each_line(take_hang, &asked)) usleep(POLL_MICROS);
    return each_line(take_error, &asked);
}

#define ENTER(device)                               \
    do {                                            \
        int error_ = enter(__func__, device);       \
        if (error_) return error_;                  \
    } while (0)

/* A function that gives one number of a device. */
#define NUMBER(function, type, number)              \
    int function(Device *device, type *value) {     \
        ENTER(device);                              \
        *value = (number);                          \
        return 0;                                   \
    }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    ENTER(NULL);
    return 0;
}

int nvmlShutdown(void) {
    ENTER(NULL);
    return 0;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    ENTER(NULL);
    *version = 12040;
    return 0;
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    ENTER(NULL);
    snprintf(version, length, "550.54.15");
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER(NULL);
    *count = (unsigned)device_count();
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
    if (index >= (unsigned)device_count() || index >= GPUS) return INVALID_ARGUMENT;
    wholes[index] = (Device){(int)index, WHOLE};
    ENTER(&wholes[index]);
    *device = &wholes[index];
    return 0;
}

static int instance_of(int gpu, unsigned index, Device **instance) {
    if ((int)index >= instance_count(gpu) || index >= INSTANCES) return NOT_FOUND;
    parts[gpu][index] = (Device){gpu, (int)index};
    *instance = &parts[gpu][index];
    return 0;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **instance) {
    ENTER(device);
    return instance_of(device->gpu, index, instance);
}

/* As drivers do: a handle of an instance from its UUID alone, of a GPU not by a prefix. */
int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device) {
    int gpu;
    unsigned instance;
    ENTER(NULL);
    if (sscanf(uuid, "MIG-%d-%u", &gpu, &instance) != 2 || gpu >= device_count()) return NOT_FOUND;
    return instance_of(gpu, instance, device);
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *instance, Device **device) {
    ENTER(instance);
    wholes[instance->gpu] = (Device){instance->gpu, WHOLE};
    *device = &wholes[instance->gpu];
    return 0;
}

int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
    ENTER(device);
    *current = *pending = instance_count(device->gpu) >= 0;
    return 0;
}

NUMBER(nvmlDeviceGetMaxMigDeviceCount, unsigned, INSTANCES)
NUMBER(nvmlDeviceGetIndex, unsigned, (unsigned)(device->instance == WHOLE ? device->gpu : device->instance))

int nvmlDeviceGetName(Device *device, char *name, unsigned length) {
    ENTER(device);
    snprintf(name, length, device->instance == WHOLE ? "Fake GPU %d" : "Fake GPU %d MIG 1g.4gb", device->gpu);
    return 0;
}

int nvmlDeviceGetUUID(Device *device, char *uuid, unsigned length) {
    ENTER(device);
    if (device->instance == WHOLE) snprintf(uuid, length, "GPU-fa4e%d000-0000-4000-8000-000000000000", device->gpu);
    else snprintf(uuid, length, "MIG-%d-%d", device->gpu, device->instance);
    return 0;
}

NUMBER(nvmlDeviceGetNumGpuCores, unsigned, 6912)
NUMBER(nvmlDeviceGetArchitecture, unsigned, device->gpu ? 9 : 7) /* Hopper, Ampere */

int nvmlDeviceGetUtilizationRates(Device *device, Utilization *rates) {
    ENTER(device);
    *rates = (Utilization){50 + (unsigned)device->gpu, 20 + (unsigned)device->gpu};
    return 0;
}

static unsigned long long total_bytes(const Device *device) {
    return device->instance == WHOLE ? TOTAL_BYTES : INSTANCE_BYTES;
}

static unsigned long long used_bytes(const Device *device) {
    return 1024 * MIB * (unsigned)(1 + (device->instance == WHOLE ? device->gpu : device->instance));
}

/* What the driver keeps counts as used here, and not in the second version. */
int nvmlDeviceGetMemoryInfo(Device *device, Memory *memory) {
    ENTER(device);
    unsigned long long total = total_bytes(device), used = used_bytes(device) + RESERVED_BYTES;
    *memory = (Memory){total, total - used, used};
    return 0;
}

int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *celsius) {
    ENTER(device);
    if (sensor != 0) return INVALID_ARGUMENT;
    *celsius = 40 + (unsigned)device->gpu;
    return 0;
}

NUMBER(nvmlDeviceGetPowerUsage, unsigned, 100500 + 1000 * (unsigned)device->gpu) /* mW */
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned, 400000)                        /* mW */
NUMBER(nvmlDeviceGetFanSpeed, unsigned, 30 + (unsigned)device->gpu)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, 123456ULL + (unsigned)device->gpu) /* mJ */
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, 4)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, unsigned, 16)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, 4ULL << device->gpu)

int nvmlDeviceGetClockInfo(Device *device, int clock, unsigned *mhz) {
    static const unsigned clocks[] = {1200, 1300, 1500}; /* graphics, SM, memory */
    ENTER(device);
    if (clock < 0 || clock > 2) return INVALID_ARGUMENT;
    *mhz = clocks[clock] + (unsigned)device->gpu;
    return 0;
}

int nvmlDeviceGetEncoderUtilization(Device *device, unsigned *percent, unsigned *period_micros) {
    ENTER(device);
    *percent = 5 + (unsigned)device->gpu;
    *period_micros = 167000;
    return 0;
}

/* Errors of the device's memory since the driver was loaded; other places and times count differently. */
int nvmlDeviceGetMemoryErrorCounter(Device *device, int kind, int lifetime, int place, unsigned long long *count) {
    ENTER(device);
    *count = lifetime || place != 2 ? 999 : (kind ? 0ULL : 7ULL) + (unsigned)device->gpu;
    return 0;
}

typedef struct { const char *kind; const Device *device; unsigned count, room; Process *out; } Listing;

static int take_process(const char *line, void *state) {
    Listing *list = state;
    char kind[16];
    int gpu, instance;
    unsigned pid;
    long long used;
    if (sscanf(line, "process %15s %d %d %u %lld", kind, &gpu, &instance, &pid, &used) != 5) return 0;
    if (strcmp(kind, list->kind) || gpu != list->device->gpu) return 0;
    if (list->device->instance != WHOLE && list->device->instance != instance) return 0;
    if (list->count < list->room)
        list->out[list->count] = (Process){pid, (unsigned long long)used, (unsigned)instance, (unsigned)instance};
    list->count++;
    return 0;
}

static int processes(const char *kind, const Device *device, unsigned *count, Process *out) {
    Listing list = {kind, device, 0, out ? *count : 0, out};
    each_line(take_process, &list);
    *count = list.count;
    return list.count > list.room ? INSUFFICIENT_SIZE : 0;
}

#define PROCESSES(kind, version)                                                                                  \
    int nvmlDeviceGet##kind##RunningProcesses##version(Device *device, unsigned *count, Process *out) {           \
        ENTER(device);                                                                                            \
        return processes(#kind, device, count, out);                                                              \
    }

PROCESSES(Compute, _v2)
PROCESSES(Graphics, _v2)
PROCESSES(MPSCompute, _v2)

#ifndef OLD_DRIVER
PROCESSES(Compute, _v3)
PROCESSES(Graphics, _v3)
PROCESSES(MPSCompute, _v3)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, 4ULL << device->gpu)

int nvmlDeviceGetMemoryInfo_v2(Device *device, MemoryV2 *memory) {
    ENTER(device);
    if (memory->version != (sizeof *memory | 2 << 24)) return 25;
    unsigned long long total = total_bytes(device), used = used_bytes(device);
    *memory = (MemoryV2){memory->version, total, RESERVED_BYTES, total - used - RESERVED_BYTES, used};
    return 0;
}
#endif
