// SPDX-License-Identifier: Apache-2.0
#include "build/profile.h"

#include <stdlib.h>
#include <string.h>

whet_status whet_profile_create(whet_env *env, whet_profile **profile) {
    (void)env;
    if (!profile) return WHET_E_INVALID;
    whet_profile *p = calloc(1, sizeof *p);
    if (!p) return WHET_E_NOMEM;
    p->handle.magic = WHET_HANDLE_MAGIC;
    whet_arena_init(&p->arena);
    *profile = p;
    return WHET_OK;
}

void whet_profile_destroy(whet_profile *p) {
    if (!p) return;
    whet_arena_fini(&p->arena);
    free(p);
}

static bool copy_numbers(whet_arena *arena, whet_profile_entry *e, const int64_t *min,
                         const int64_t *opt, const int64_t *max) {
    e->min = WHET_NEW_ARRAY(arena, int64_t, e->n);
    e->opt = WHET_NEW_ARRAY(arena, int64_t, e->n);
    e->max = WHET_NEW_ARRAY(arena, int64_t, e->n);
    if (!e->min || !e->opt || !e->max) return false;
    for (int32_t i = 0; i < e->n; i++) {
        e->min[i] = min[i];
        e->opt[i] = opt[i];
        e->max[i] = max[i];
    }
    return true;
}

static whet_status set(whet_profile *p, const char *input, bool contents, int32_t n,
                       const int64_t *min, const int64_t *opt, const int64_t *max) {
    whet_error *err = &p->handle.error;
    whet_error_clear(err);
    int32_t most = contents ? WHET_VALUE_LIMIT : WHET_MAX_RANK;
    if (!input || n < 0 || n > most || (n && (!min || !opt || !max)))
        WHET_FAIL(err, WHET_E_INVALID, "profile: input \"%s\": %d numbers, expected 0 to %d",
                  input ? input : "", n, most);
    for (int32_t i = 0; i < n; i++)
        if (min[i] > opt[i] || opt[i] > max[i] || (!contents && min[i] < 0))
            WHET_FAIL(err, WHET_E_INVALID,
                      "profile: input \"%s\": number %d is not min <= opt <= max: %lld, %lld, %lld",
                      input, i, (long long)min[i], (long long)opt[i], (long long)max[i]);
    whet_profile_entry e = {.input = whet_arena_strdup(&p->arena, input), .contents = contents,
                            .n = n};
    if (!e.input || !copy_numbers(&p->arena, &e, min, opt, max)) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n; i++)
        if (p->v[i].contents == contents && !strcmp(p->v[i].input, input)) {
            p->v[i] = e;
            return WHET_OK;
        }
    if (!WHET_ARENA_PUSH(&p->arena, p->v, p->n, p->cap, e)) return WHET_NOMEM(err);
    return WHET_OK;
}

whet_status whet_profile_set_shape(whet_profile *p, const char *input, int32_t rank,
                                   const int64_t *min, const int64_t *opt, const int64_t *max) {
    return p ? set(p, input, false, rank, min, opt, max) : WHET_E_INVALID;
}

whet_status whet_profile_set_values(whet_profile *p, const char *input, int32_t count,
                                    const int64_t *min, const int64_t *opt, const int64_t *max) {
    return p ? set(p, input, true, count, min, opt, max) : WHET_E_INVALID;
}

whet_profile *whet_profile_copy(const whet_profile *p, whet_arena *arena) {
    whet_profile *copy = WHET_NEW(arena, whet_profile);
    if (!copy) return NULL;
    for (int32_t i = 0; i < p->n; i++) {
        whet_profile_entry e = p->v[i];
        e.input = whet_arena_strdup(arena, e.input);
        if (!e.input || !copy_numbers(arena, &e, p->v[i].min, p->v[i].opt, p->v[i].max) ||
            !WHET_ARENA_PUSH(arena, copy->v, copy->n, copy->cap, e))
            return NULL;
    }
    return copy;
}

// ---- for a graph ----

typedef struct {
    const whet_pgraph *g;
    const whet_profile *p;
    int32_t number; // of the profile
    whet_box *box;
    whet_arena *arena;
    whet_error *err;
} resolver;

static const char *input_name(const resolver *r, int32_t i) {
    return r->g->values[r->g->inputs[i]].name;
}

static int32_t find_input(const resolver *r, const char *name) {
    for (int32_t i = 0; i < r->g->n_inputs; i++)
        if (!strcmp(input_name(r, i), name)) return i;
    return -1;
}

// Elements of an integer input of fixed shape, -1: it is no such input.
static int64_t shape_tensor_count(const resolver *r, int32_t i) {
    const whet_type *t = &r->g->values[r->g->inputs[i]].type;
    if (!whet_dtype_is_int(t->dtype)) return -1;
    for (int32_t d = 0; d < t->rank; d++)
        if (!whet_dim_is_const(t->dims[d])) return -1;
    return whet_dims_count(t->dims, t->rank);
}

static bool is_its_shape(const whet_type *t, const whet_profile_entry *e) {
    if (t->rank != e->n) return false;
    for (int32_t d = 0; d < t->rank; d++)
        if (whet_dim_is_const(t->dims[d]) &&
            (t->dims[d] < e->min[d] || t->dims[d] > e->max[d]))
            return false;
    return true;
}

static bool push_range(resolver *r, int32_t input, const whet_profile_entry *e) {
    whet_profile_entry own = {.n = e->n};
    if (!copy_numbers(r->arena, &own, e->min, e->opt, e->max)) return false;
    r->box->v[r->box->n++] = (whet_range){input, true, own.n, own.min, own.opt, own.max};
    return true;
}

static whet_status take_contents(resolver *r, int32_t i, const whet_profile_entry *e) {
    if (shape_tensor_count(r, i) != e->n)
        WHET_FAIL(r->err, WHET_E_SHAPE,
                  "profile %d: input \"%s\": %d values given, it is no integer tensor of so many",
                  r->number, e->input, e->n);
    return push_range(r, i, e) ? WHET_OK : WHET_NOMEM(r->err);
}

static whet_status take_shape(resolver *r, int32_t i, const whet_profile_entry *e) {
    const whet_type *t = &r->g->values[r->g->inputs[i]].type;
    whet_range *to = &r->box->v[i];
    if (t->rank != e->n)
        WHET_FAIL(r->err, WHET_E_SHAPE, "profile %d: input \"%s\" has %d dimensions, %d given",
                  r->number, e->input, t->rank, e->n);
    for (int32_t d = 0; d < t->rank; d++) {
        to->min[d] = e->min[d];
        to->opt[d] = e->opt[d];
        to->max[d] = e->max[d];
        if (!whet_dim_is_const(t->dims[d])) continue;
        if (t->dims[d] < e->min[d] || t->dims[d] > e->max[d])
            WHET_FAIL(r->err, WHET_E_SHAPE,
                      "profile %d: input \"%s\": dimension %d is %lld in the model, outside %lld "
                      "to %lld", r->number, e->input, d, (long long)t->dims[d],
                      (long long)e->min[d], (long long)e->max[d]);
        to->min[d] = to->opt[d] = to->max[d] = t->dims[d];
    }
    return WHET_OK;
}

static whet_status take_entries(resolver *r, bool *given) {
    for (int32_t k = 0; k < r->p->n; k++) {
        const whet_profile_entry *e = &r->p->v[k];
        int32_t i = find_input(r, e->input);
        if (i < 0)
            WHET_FAIL(r->err, WHET_E_INVALID, "profile %d: the model has no input \"%s\"",
                      r->number, e->input);
        const whet_type *t = &r->g->values[r->g->inputs[i]].type;
        bool contents = e->contents ||
                        (!is_its_shape(t, e) && shape_tensor_count(r, i) == (int64_t)e->n);
        if (contents) {
            if (whet_box_find(r->box, i, true))
                WHET_FAIL(r->err, WHET_E_INVALID, "profile %d: input \"%s\": values given twice",
                          r->number, e->input);
            WHET_TRY(take_contents(r, i, e));
        } else {
            WHET_TRY(take_shape(r, i, e));
            given[i] = true;
        }
    }
    return WHET_OK;
}

// The bounds that another input's dimension of the same name has.
static bool borrow_dim(resolver *r, const bool *given, int32_t input, int32_t d) {
    whet_dim dim = r->g->values[r->g->inputs[input]].type.dims[d];
    whet_range *to = &r->box->v[input];
    for (int32_t i = 0; i < r->g->n_inputs; i++) {
        const whet_type *t = &r->g->values[r->g->inputs[i]].type;
        for (int32_t k = 0; k < t->rank && given[i]; k++) {
            if (t->dims[k] != dim) continue;
            to->min[d] = r->box->v[i].min[k];
            to->opt[d] = r->box->v[i].opt[k];
            to->max[d] = r->box->v[i].max[k];
            return true;
        }
    }
    return false;
}

static whet_status complete(resolver *r, const bool *given) {
    for (int32_t i = 0; i < r->g->n_inputs; i++) {
        const whet_type *t = &r->g->values[r->g->inputs[i]].type;
        for (int32_t d = 0; d < t->rank && !given[i]; d++) {
            whet_range *to = &r->box->v[i];
            if (whet_dim_is_const(t->dims[d]))
                to->min[d] = to->opt[d] = to->max[d] = t->dims[d];
            else if (!borrow_dim(r, given, i, d))
                WHET_FAIL(r->err, WHET_E_INVALID,
                          "profile %d: input \"%s\": dimension %d is open and no shape is given",
                          r->number, input_name(r, i), d);
        }
    }
    return WHET_OK;
}

// One name has one number, so its bounds are the same wherever it stands.
static whet_status check_names(resolver *r) {
    for (int32_t i = 0; i < r->g->n_inputs; i++) {
        const whet_type *t = &r->g->values[r->g->inputs[i]].type;
        for (int32_t d = 0; d < t->rank; d++) {
            if (whet_dim_is_const(t->dims[d])) continue;
            for (int32_t k = 0; k <= i; k++) {
                const whet_type *u = &r->g->values[r->g->inputs[k]].type;
                const whet_range *a = &r->box->v[i], *b = &r->box->v[k];
                for (int32_t e = 0; e < u->rank; e++)
                    if (u->dims[e] == t->dims[d] &&
                        (a->min[d] != b->min[e] || a->opt[d] != b->opt[e] ||
                         a->max[d] != b->max[e]))
                        WHET_FAIL(r->err, WHET_E_SHAPE,
                                  "profile %d: dimension %d of input \"%s\" and dimension %d of "
                                  "input \"%s\" are the same and have different bounds",
                                  r->number, e, input_name(r, k), d, input_name(r, i));
            }
        }
    }
    return WHET_OK;
}

static whet_status resolve(resolver *r) {
    const whet_pgraph *g = r->g;
    bool *given = WHET_NEW_ARRAY(r->arena, bool, g->n_inputs);
    r->box->v = WHET_NEW_ARRAY(r->arena, whet_range, g->n_inputs + r->p->n);
    if (!given || !r->box->v) return WHET_NOMEM(r->err);
    for (int32_t i = 0; i < g->n_inputs; i++) {
        int32_t rank = g->values[g->inputs[i]].type.rank;
        int64_t *v = WHET_NEW_ARRAY(r->arena, int64_t, 3 * rank);
        if (!v) return WHET_NOMEM(r->err);
        r->box->v[i] = (whet_range){i, false, rank, v, v + rank, v + 2 * rank};
    }
    r->box->n = g->n_inputs;
    WHET_TRY(take_entries(r, given));
    WHET_TRY(complete(r, given));
    return check_names(r);
}

whet_status whet_profiles_resolve(const whet_profile *const *profiles, int32_t n,
                                  const whet_pgraph *g, whet_arena *arena, whet_boxes *out,
                                  whet_error *err) {
    *out = (whet_boxes){WHET_NEW_ARRAY(arena, whet_box, n), n};
    if (!out->v) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        resolver r = {g, profiles[i], i, &out->v[i], arena, err};
        WHET_TRY(resolve(&r));
    }
    return WHET_OK;
}
