// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/cpu_list.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALLOWED_BYTES (WHET_MAX_CPUS / 8)

typedef struct {
    int32_t *cpus, *n;
    uint8_t allowed[ALLOWED_BYTES], seen[ALLOWED_BYTES];
    whet_error *err;
} list;

static bool bit(const uint8_t *set, int64_t i) { return set[i / 8] >> (i % 8) & 1; }

static bool add(list *l, int64_t cpu) {
    if (cpu >= WHET_MAX_CPUS || !bit(l->allowed, cpu) || bit(l->seen, cpu)) return false;
    l->seen[cpu / 8] |= (uint8_t)(1u << (cpu % 8));
    l->cpus[(*l->n)++] = (int32_t)cpu;
    return true;
}

static bool number(const char **at, int64_t *v) {
    if (!isdigit((unsigned char)**at)) return false;
    char *end;
    *v = strtoll(*at, &end, 10);
    *at = end;
    return *v <= INT32_MAX;
}

// One range. allowed_only: processors that this process may not use are left out.
static whet_status add_ranges(list *l, const char *text, const char *end, bool allowed_only) {
    int64_t first, last;
    const char *at = text;
    if (!number(&at, &first)) goto bad;
    last = first;
    if (*at == '-' && (at++, !number(&at, &last))) goto bad;
    if (at != end || last < first) goto bad;
    for (int64_t cpu = first; cpu <= last; cpu++) {
        if (allowed_only && (cpu >= WHET_MAX_CPUS || !bit(l->allowed, cpu))) continue;
        if (!add(l, cpu))
            WHET_FAIL(l->err, WHET_E_INVALID,
                      "processor %lld is listed twice or is none that this process may use",
                      (long long)cpu);
    }
    return WHET_OK;
bad:
    WHET_FAIL(l->err, WHET_E_INVALID, "list of processors: \"%.*s\", expected 0-3,8 or node0",
              (int)(end - text), text);
}

static whet_status add_node(list *l, int64_t node) {
    char path[96], text[4096];
    snprintf(path, sizeof path, "/sys/devices/system/node/node%lld/cpulist", (long long)node);
    FILE *f = fopen(path, "re");
    bool read = f && fgets(text, sizeof text, f);
    if (f) fclose(f);
    if (!read)
        WHET_FAIL(l->err, WHET_E_INVALID, "there is no memory node %lld", (long long)node);
    text[strcspn(text, "\n")] = 0;
    for (const char *at = text; *at;) {
        const char *end = at + strcspn(at, ",");
        WHET_TRY(add_ranges(l, at, end, true));
        at = *end ? end + 1 : end;
    }
    return WHET_OK;
}

static bool read_allowed(list *l) {
    cpu_set_t *set = CPU_ALLOC(WHET_MAX_CPUS);
    size_t bytes = CPU_ALLOC_SIZE(WHET_MAX_CPUS);
    bool good = set && !sched_getaffinity(0, bytes, set);
    for (int32_t i = 0; good && i < WHET_MAX_CPUS; i++)
        if (CPU_ISSET_S((size_t)i, bytes, set)) l->allowed[i / 8] |= (uint8_t)(1u << (i % 8));
    if (set) CPU_FREE(set);
    return good;
}

whet_status whet_cpu_list_parse(const char *text, int32_t cpus[WHET_MAX_CPUS], int32_t *n,
                                whet_error *err) {
    list l = {.cpus = cpus, .n = n, .err = err};
    *n = 0;
    if (!read_allowed(&l))
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "the system does not say which processors there are");
    for (const char *at = text;;) {
        const char *end = at + strcspn(at, ","), *digits = at + 4;
        int64_t node;
        if (!strncmp(at, "node", 4) && number(&digits, &node) && digits == end)
            WHET_TRY(add_node(&l, node));
        else
            WHET_TRY(add_ranges(&l, at, end, false));
        if (!*end) break;
        at = end + 1;
    }
    if (*n == 0) WHET_FAIL(err, WHET_E_INVALID, "list of processors \"%s\": there are none", text);
    return WHET_OK;
}

bool whet_cpu_pin(int32_t cpu) {
    cpu_set_t *set = CPU_ALLOC(WHET_MAX_CPUS);
    size_t bytes = CPU_ALLOC_SIZE(WHET_MAX_CPUS);
    if (!set || cpu < 0 || cpu >= WHET_MAX_CPUS) return CPU_FREE(set), false;
    CPU_ZERO_S(bytes, set);
    CPU_SET_S((size_t)cpu, bytes, set);
    bool good = !sched_setaffinity(0, bytes, set);
    CPU_FREE(set);
    return good;
}
