// SPDX-License-Identifier: Apache-2.0
// Shapes of a build and of its runs. A dimension that has one number in all profiles is fixed, as
// trtexec does; the others stay open, with a plan for each profile.
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
    free(e->profiles);
    free((void *)e->inputs.v);
    free((void *)e->carried.v);
    free((void *)e->cli.plugins.v);
    free((void *)e->cli.settings.v);
    free((void *)e->cli.profiles.v);
}

const char **whet_exec_profile_shapes(whet_exec *e) {
    int32_t n = (int32_t)e->at_profile + 1;
    if (n > e->n_profiles) {
        whet_exec_bounds *grown = realloc(e->profiles, (size_t)n * sizeof *grown);
        if (!grown) return NULL;
        memset(grown + e->n_profiles, 0, (size_t)(n - e->n_profiles) * sizeof *grown);
        e->profiles = grown;
        e->n_profiles = n;
    }
    return e->profiles[n - 1].shapes;
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

static bool ordered(const whet_cli_shape *a, const whet_cli_shape *b) {
    bool good = a->rank == b->rank;
    for (int32_t d = 0; good && d < a->rank; d++)
        good = a->dims[d] >= 0 && a->dims[d] <= b->dims[d];
    return good;
}

static void append_dims(FILE *out, const whet_cli_shape *s) {
    for (int32_t d = 0; d < s->rank; d++) {
        if (s->dims[d] < 0) fprintf(out, "%s?", d ? "x" : "");
        else fprintf(out, "%s%lld", d ? "x" : "", (long long)s->dims[d]);
    }
}

static void append(FILE *out, const char *input, const whet_cli_shape *s) {
    fprintf(out, "%s%s:", ftell(out) ? "," : "", input);
    append_dims(out, s);
}

typedef struct {
    whet_exec *e;
    FILE *build, *run;
    bool open; // some dimension differs between the shapes of a profile, or between profiles
} resolver;

// Of the three shapes, those not given are the nearest that is. False: the profile has none.
static bool bounds(const whet_exec_bounds *p, const char *input, whet_cli_range *r) {
    bool min = find(p->shapes[0], input, &r->min), opt = find(p->shapes[1], input, &r->opt);
    bool max = find(p->shapes[2], input, &r->max);
    if (!opt) r->opt = max ? r->max : r->min;
    if (!min) r->min = r->opt;
    if (!max) r->max = r->opt;
    return min || opt || max;
}

// Dimensions of an input that have one number everywhere; -1 for the others.
static void merge(const whet_cli_range *r, bool first, whet_cli_shape *fixed, bool *open) {
    if (first) *fixed = r->min;
    if (fixed->rank != r->min.rank) fixed->rank = 0;
    for (int32_t d = 0; d < fixed->rank; d++)
        if (r->min.dims[d] != r->max.dims[d] || fixed->dims[d] != r->min.dims[d])
            fixed->dims[d] = -1;
    for (int32_t d = 0; d < fixed->rank; d++) *open |= fixed->dims[d] < 0;
}

static bool resolve(resolver *r, const char *input) {
    const whet_exec *e = r->e;
    whet_cli_shape fixed = {.rank = 0}, run;
    whet_cli_range b;
    bool some = false;
    for (int32_t i = 0; i < e->n_profiles; i++) {
        if (!bounds(&e->profiles[i], input, &b)) continue;
        if (!ordered(&b.min, &b.opt) || !ordered(&b.opt, &b.max))
            return whet_cli_fail("exec: input \"%s\": its shapes are not min <= opt <= max",
                                 input), false;
        merge(&b, !some, &fixed, &r->open);
        if (!some && !find(e->run_shapes, input, &run)) append(r->run, input, &b.opt);
        some = true;
    }
    append(r->build, input, &fixed);
    return true;
}

// The first place where an input is named counts.
static bool named_before(const whet_exec *e, int32_t profile, int kind, const char *input) {
    whet_cli_shape seen;
    for (int32_t i = 0; i <= profile; i++)
        for (int k = 0; k < 3; k++) {
            if (i == profile && k == kind) return false;
            if (find(e->profiles[i].shapes[k], input, &seen)) return true;
        }
    return false;
}

static bool resolve_all(resolver *r) {
    const whet_exec *e = r->e;
    whet_cli_shape s;
    bool bad;
    for (int32_t i = 0; i < e->n_profiles; i++)
        for (int k = 0; k < 3; k++)
            for (const char *at = e->profiles[i].shapes[k]; whet_cli_next_shape(&at, &s, &bad);)
                if (!named_before(e, i, k, s.input) && !resolve(r, s.input)) return false;
    for (const char *at = e->run_shapes; whet_cli_next_shape(&at, &s, &bad);) {
        append(r->run, s.input, &s);
        if (!e->n_profiles) append(r->build, s.input, &s);
    }
    return true;
}

// The profile in the words of --profile of `whet build`.
static bool push_profile(whet_exec *e, int32_t i) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    whet_cli_shape s;
    bool bad;
    for (int k = 0; out && k < 3; k++)
        for (const char *at = e->profiles[i].shapes[k]; whet_cli_next_shape(&at, &s, &bad);) {
            whet_cli_range b;
            whet_cli_shape seen;
            bool before = false;
            for (int j = 0; j < k; j++) before |= find(e->profiles[i].shapes[j], s.input, &seen);
            if (before || !bounds(&e->profiles[i], s.input, &b)) continue;
            append(out, s.input, &b.min);
            fputs("..", out);
            append_dims(out, &b.opt);
            fputs("..", out);
            append_dims(out, &b.max);
        }
    bool good = out && !fclose(out);
    text = whet_exec_keep(e, text);
    whet_cli_list *l = &e->cli.profiles;
    const char **grown = good && text ? realloc((void *)l->v, (size_t)(l->n + 1) * sizeof *grown)
                                      : NULL;
    if (!grown) return whet_cli_fail("out of memory"), false;
    l->v = grown;
    l->v[l->n++] = text;
    return true;
}

static bool clean_specs(whet_exec *e) {
    static const char *const names[] = {"minShapes", "optShapes", "maxShapes"};
    for (int32_t i = 0; i < e->n_profiles; i++)
        for (int k = 0; k < 3; k++)
            if (!plain(e, names[k], &e->profiles[i].shapes[k])) return false;
    for (int32_t i = 0; i < e->n_profiles; i++) {
        const char **s = e->profiles[i].shapes;
        if (!s[0] && !s[1] && !s[2])
            return whet_cli_fail("exec: profile %d has no shapes", i), false;
    }
    return plain(e, "shapes", &e->run_shapes);
}

bool whet_exec_resolve_shapes(whet_exec *e) {
    if (!clean_specs(e)) return false;
    size_t build_size, run_size;
    resolver r = {e, open_memstream(&e->build_shapes, &build_size),
                  open_memstream(&e->shapes, &run_size), false};
    bool good = r.build && r.run && resolve_all(&r), memory = r.build && r.run;
    if (r.build && fclose(r.build)) memory = false;
    if (r.run && fclose(r.run)) memory = false;
    memory = (!e->build_shapes || whet_exec_keep(e, e->build_shapes)) && memory;
    memory = (!e->shapes || whet_exec_keep(e, e->shapes)) && memory;
    if (!memory) whet_cli_fail("out of memory");
    good = good && memory;
    for (int32_t i = 0; i < e->n_profiles && good && r.open; i++) good = push_profile(e, i);
    return good;
}
