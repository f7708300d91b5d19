// SPDX-License-Identifier: Apache-2.0
// Shapes of a build and of its runs. This version has no profiles: an input whose three shapes are
// one is fixed, any other stays open, and the engine is then right at every size.
#include <stdlib.h>
#include <string.h>

#include "exec.h"

char *whet_exec_keep(whet_exec *e, char *text) {
    char **grown = realloc(e->owned, (size_t)(e->n_owned + 1) * sizeof *grown);
    if (grown) e->owned = grown;
    if (!grown || !text) {
        free(text);
        return NULL;
    }
    return e->owned[e->n_owned++] = text;
}

void whet_exec_free(whet_exec *e) {
    for (int32_t i = 0; i < e->n_owned; i++) free(e->owned[i]);
    free(e->owned);
    free((void *)e->inputs.v);
    free((void *)e->cli.settings.v);
}

// The spec without quotes and with nothing for "scalar", as whet_cli_next_shape reads it.
static bool plain(whet_exec *e, const char *flag, const char **spec) {
    if (!*spec) return true;
    char *text = whet_exec_keep(e, calloc(strlen(*spec) + 1, 1)), *to = text;
    if (!text) return whet_cli_fail("out of memory"), false;
    for (const char *p = *spec; *p;) {
        bool end = !strncmp(p, ":scalar", 7) && (!p[7] || p[7] == ',');
        if (*p == '*')
            return whet_cli_fail("exec: flag --%s: \"%s\": names with * are not supported; name "
                                 "each input", flag, *spec), false;
        if (*p != '\'') *to++ = *p;
        p += end ? 7 : 1;
    }
    *spec = text;
    whet_cli_shape s;
    bool bad;
    while (whet_cli_next_shape(spec, &s, &bad)) continue;
    if (bad)
        return whet_cli_fail("exec: flag --%s: \"%s\" is no shape, expected INPUT:2x3x4", flag,
                             *spec), false;
    *spec = text;
    return true;
}

static bool find(const char *spec, const char *input, whet_cli_shape *shape) {
    bool bad;
    while (whet_cli_next_shape(&spec, shape, &bad))
        if (!strcmp(shape->input, input)) return true;
    return false;
}

static bool same(const whet_cli_shape *a, const whet_cli_shape *b) {
    return a->rank == b->rank && !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]);
}

static bool ordered(const whet_cli_shape *a, const whet_cli_shape *b) {
    bool good = a->rank == b->rank;
    for (int32_t d = 0; good && d < a->rank; d++) good = a->dims[d] <= b->dims[d];
    return good;
}

static void append(FILE *out, const whet_cli_shape *s) {
    fprintf(out, "%s%s:", ftell(out) ? "," : "", s->input);
    for (int32_t d = 0; d < s->rank; d++)
        fprintf(out, "%s%lld", d ? "x" : "", (long long)s->dims[d]);
}

typedef struct {
    whet_exec *e;
    FILE *build, *run;
} resolver;

// One input of the profile. Of the three, those not given are the nearest that is.
static bool resolve(resolver *r, const char *input) {
    const whet_exec *e = r->e;
    whet_cli_shape min, opt, max, run;
    bool has_min = find(e->min_shapes, input, &min), has_opt = find(e->opt_shapes, input, &opt);
    bool has_max = find(e->max_shapes, input, &max);
    if (!has_opt) opt = has_max ? max : min;
    if (!has_min) min = opt;
    if (!has_max) max = opt;
    if (!ordered(&min, &opt) || !ordered(&opt, &max))
        return whet_cli_fail("exec: input \"%s\": its shapes are not min <= opt <= max", input),
               false;
    if (same(&min, &max))
        append(r->build, &opt);
    else
        whet_exec_warn("input \"%s\": min and max shapes differ: it stays dynamic, tuned as 1 "
                       "and right at any size", input);
    if (!find(e->run_shapes, input, &run)) append(r->run, &opt);
    return true;
}

static bool resolve_all(resolver *r) {
    const whet_exec *e = r->e;
    const char *specs[] = {e->opt_shapes, e->min_shapes, e->max_shapes};
    whet_cli_shape s, seen;
    bool bad, profile = specs[0] || specs[1] || specs[2];
    for (int k = 0; k < 3; k++)
        for (const char *at = specs[k]; whet_cli_next_shape(&at, &s, &bad);) {
            bool before = false;
            for (int j = 0; j < k; j++) before |= find(specs[j], s.input, &seen);
            if (!before && !resolve(r, s.input)) return false;
        }
    for (const char *at = e->run_shapes; whet_cli_next_shape(&at, &s, &bad);) {
        append(r->run, &s);
        if (!profile) append(r->build, &s);
    }
    return true;
}

bool whet_exec_resolve_shapes(whet_exec *e) {
    if (!plain(e, "minShapes", &e->min_shapes) || !plain(e, "optShapes", &e->opt_shapes) ||
        !plain(e, "maxShapes", &e->max_shapes) || !plain(e, "shapes", &e->run_shapes))
        return false;
    size_t build_size, run_size;
    resolver r = {e, open_memstream(&e->build_shapes, &build_size),
                  open_memstream(&e->shapes, &run_size)};
    bool good = r.build && r.run && resolve_all(&r), memory = r.build && r.run;
    if (r.build && fclose(r.build)) memory = false;
    if (r.run && fclose(r.run)) memory = false;
    memory = (!e->build_shapes || whet_exec_keep(e, e->build_shapes)) && memory;
    memory = (!e->shapes || whet_exec_keep(e, e->shapes)) && memory;
    if (!memory) whet_cli_fail("out of memory");
    return good && memory;
}
