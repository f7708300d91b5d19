// SPDX-License-Identifier: Apache-2.0
// How many processors this process may use. A quota of a control group binds all groups below it,
// so the path of our group is walked up to the root.
#define _GNU_SOURCE
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096

// Up to two whitespace-separated words of a small file as numbers; "max" counts as -1.
static int read_numbers(const char *path, long long out[2]) {
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    char text[128], *save = NULL;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    int n = 0;
    for (char *word = strtok_r(text, " \n", &save); word && n < 2; n++) {
        out[n] = strcmp(word, "max") ? strtoll(word, NULL, 10) : -1;
        word = strtok_r(NULL, " \n", &save);
    }
    return n;
}

static int32_t quota_of(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return 0;
    long long n = quota / period + (quota % period != 0);
    return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

// The quota of one group, 0 when it has none. `controller` is NULL for version 2.
static int32_t group_quota(const char *mount, const char *controller, const char *group) {
    char path[PATH_BYTES];
    long long v[2] = {0}, period[2] = {0};
    const char *name = controller ? "cpu.cfs_quota_us" : "cpu.max";
    const char *slash = controller ? "/" : "";
    if (!controller) controller = "";
    int n = snprintf(path, sizeof path, "%s%s%s%s/%s", mount, slash, controller, group, name);
    if (n < 0 || n >= (int)sizeof path) return 0;
    int words = read_numbers(path, v);
    if (words == 2) return quota_of(v[0], v[1]);
    if (words != 1 || !*controller) return 0;
    n = snprintf(path, sizeof path, "%s/%s%s/cpu.cfs_period_us", mount, controller, group);
    if (n < 0 || n >= (int)sizeof path || read_numbers(path, period) != 1) return 0;
    return quota_of(v[0], period[0]);
}

static int32_t tighter(int32_t a, int32_t b) { return a == 0 || (b && b < a) ? b : a; }

// The group and all above it, up to the root of the mount. `group` is changed.
static int32_t path_quota(const char *mount, const char *controller, char *group) {
    int32_t quota = 0;
    for (;;) {
        size_t n = strlen(group);
        while (n && group[n - 1] == '/') group[--n] = 0;
        quota = tighter(quota, group_quota(mount, controller, group));
        char *slash = strrchr(group, '/');
        if (!slash) return quota;
        *slash = 0;
    }
}

static bool lists_cpu(const char *controllers) {
    for (const char *p = controllers; *p;) {
        size_t n = strcspn(p, ",");
        if (n == 3 && !memcmp(p, "cpu", 3)) return true;
        p += n + (p[n] == ',');
    }
    return false;
}

int32_t whet_cpu_quota(const char *list, const char *mount) {
    FILE *file = fopen(list, "re");
    if (!file) return 0;
    int32_t quota = 0;
    char line[PATH_BYTES];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        // id:controllers:path
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        controllers++;
        *group++ = 0;
        if (!*controllers) quota = tighter(quota, path_quota(mount, NULL, group));
        else if (lists_cpu(controllers)) quota = tighter(quota, path_quota(mount, "cpu", group));
    }
    fclose(file);
    return quota;
}

static int32_t affinity_count(void) {
    // the mask must be as large as the kernel's, which may hold more than CPU_SETSIZE processors
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set) break;
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        int n = sched_getaffinity(0, bytes, set) ? 0 : CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (n > 0) return n;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int32_t)online : 1;
}

int32_t whet_cpu_count(void) {
    int32_t n = affinity_count(), quota = whet_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota && quota < n ? quota : n;
}
