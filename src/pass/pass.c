// SPDX-License-Identifier: Apache-2.0
// Runs the passes in list order, again and again until a whole round changes nothing: one rewrite
// often makes room for another that stands before it.
#include <string.h>

#include "pass/pass.h"

static const whet_pass *const passes[] = {
#define PASS(name) &whet_pass_##name,
#include "pass/passes.def"
#undef PASS
};

// A round that still changes something after so many is no reason to fail: every state is right.
#define MAX_ROUNDS 12
#define MAX_PASSES 64
_Static_assert(sizeof passes / sizeof passes[0] <= MAX_PASSES, "one bit a pass");

const whet_pass *const *whet_passes(int32_t *n) {
    *n = WHET_COUNT(passes);
    return passes;
}

static int32_t find_pass(const char *name, size_t n) {
    for (int32_t i = 0; i < WHET_COUNT(passes); i++)
        if (strlen(passes[i]->name) == n && !memcmp(passes[i]->name, name, n)) return i;
    return -1;
}

static whet_status unknown(const char *name, size_t n, whet_error *err) {
    WHET_FAIL(err, WHET_E_NOT_FOUND, "no pass is named \"%.*s\"", (int)(n < 100 ? n : 100), name);
}

// The bits of the passes in a comma-separated list.
static whet_status parse_list(const char *list, uint64_t *set, whet_error *err) {
    *set = 0;
    while (list && *list) {
        size_t n = strcspn(list, ",");
        int32_t i = n ? find_pass(list, n) : -1;
        if (n && i < 0) return unknown(list, n, err);
        if (n) *set |= UINT64_C(1) << i;
        list += n + (list[n] == ',');
    }
    return WHET_OK;
}

static whet_status dump(const whet_graph *g, const whet_pass *pass, const whet_pass_options *o,
                        whet_error *err) {
    whet_str text;
    whet_str_init(&text);
    whet_graph_print(g, &text, 16);
    bool failed = text.failed;
    if (!failed) o->dump(o->dump_user, pass->name, whet_str_text(&text));
    whet_str_fini(&text);
    return failed ? WHET_NOMEM(err) : WHET_OK;
}

typedef struct {
    whet_graph *graph;
    const whet_pass_options *options;
    uint64_t disabled, dumped;
    whet_pass_stats *stats;
    whet_error *err;
} runner;

static whet_status run_pass(runner *r, int32_t i, int32_t round, int32_t *total) {
    const whet_pass *pass = passes[i];
    int32_t changed = 0;
    whet_status status = pass->run(r->graph, &changed, r->err);
    if (status != WHET_OK) return whet_error_prefix(r->err, status, "pass %s", pass->name);
    if (r->stats) r->stats[i].changed += changed;
    *total += changed;
    if (r->dumped >> i & 1 && (changed || round == 0) && r->options->dump)
        WHET_TRY(dump(r->graph, pass, r->options, r->err));
    if (!r->options->verify || !(changed || round == 0)) return WHET_OK;
    status = whet_graph_verify(r->graph, r->err);
    return status == WHET_OK ? status
                             : whet_error_prefix(r->err, status, "after pass %s", pass->name);
}

static whet_status run_round(runner *r, int32_t round, int32_t *changed) {
    *changed = 0;
    for (int32_t i = 0; i < WHET_COUNT(passes); i++)
        if (!(r->disabled >> i & 1) && passes[i]->level <= r->options->level)
            WHET_TRY(run_pass(r, i, round, changed));
    return WHET_OK;
}

whet_status whet_passes_run(whet_graph *g, const whet_pass_options *options, whet_pass_stats *stats,
                            whet_error *err) {
    whet_error own = {0}; // passes read the status in it
    if (!err) err = &own;
    whet_error_clear(err);
    runner r = {.graph = g, .options = options, .stats = stats, .err = err};
    if (options->disable && !strcmp(options->disable, "all")) r.disabled = UINT64_MAX;
    else WHET_TRY(parse_list(options->disable, &r.disabled, err));
    if (options->dump_after && !strcmp(options->dump_after, "all")) r.dumped = UINT64_MAX;
    else WHET_TRY(parse_list(options->dump_after, &r.dumped, err));
    for (int32_t i = 0; stats && i < WHET_COUNT(passes); i++)
        stats[i] = (whet_pass_stats){.name = passes[i]->name};
    int32_t changed = 1;
    for (int32_t round = 0; changed && round < MAX_ROUNDS; round++)
        WHET_TRY(run_round(&r, round, &changed));
    return WHET_OK;
}
