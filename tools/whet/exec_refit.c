// SPDX-License-Identifier: Apache-2.0
// --dumpRefit and --timeRefit.
#include <stdlib.h>
#include <string.h>

#include <whet/refit.h>

#include "exec.h"

static void list(whet_refitter *r) {
    for (int32_t i = 0; i < whet_refitter_count(r); i++) {
        whet_weight_info info = {.name = ""};
        whet_refitter_weight(r, i, &info);
        char type[512];
        whet_cli_print_type(type, sizeof type, info.dtype, info.rank, info.dims, NULL);
        if (info.refittable) whet_exec_info("Refittable weights: %s %s", info.name, type);
    }
}

// Gives a copy of what the engine has.
static bool give(whet_refitter *r, int32_t i, void **copy) {
    whet_weight_info info = {.name = ""};
    whet_tensor t;
    whet_refitter_weight(r, i, &info);
    if (!info.refittable || whet_refitter_get(r, info.name, &t) != WHET_OK) return true;
    *copy = malloc(t.bytes + 1);
    if (!*copy) return whet_cli_fail("out of memory"), false;
    if (t.bytes) memcpy(*copy, t.data, t.bytes);
    t.data = *copy;
    whet_status status = whet_refitter_set(r, info.name, &t);
    if (status != WHET_OK) whet_cli_fail_status(status, r);
    return status == WHET_OK;
}

static bool time_refit(whet_refitter *r) {
    int32_t n = whet_refitter_count(r);
    void **copies = calloc((size_t)n + 1, sizeof *copies);
    bool good = copies != NULL;
    if (!good) whet_cli_fail("out of memory");
    for (int32_t i = 0; i < n && good; i++) good = give(r, i, &copies[i]);
    double begin = whet_exec_now();
    whet_status status = good ? whet_refitter_run(r) : WHET_OK;
    if (status != WHET_OK) whet_cli_fail_status(status, r);
    else if (good) whet_exec_info("Engine refitted in %g ms.", (whet_exec_now() - begin) * 1e3);
    for (int32_t i = 0; copies && i < n; i++) free(copies[i]);
    free(copies);
    return good && status == WHET_OK;
}

bool whet_exec_refit(const whet_exec *e, whet_engine *engine) {
    whet_refitter *r = NULL;
    whet_status status = whet_refitter_create(engine, &r);
    if (status != WHET_OK) return whet_cli_fail_status(status, engine), false;
    if (e->dump_refit) list(r);
    bool good = !e->time_refit || time_refit(r);
    whet_refitter_destroy(r);
    return good;
}
