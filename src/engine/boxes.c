// SPDX-License-Identifier: Apache-2.0
#include "engine/boxes.h"

#include <math.h>
#include <string.h>

const whet_range *whet_box_find(const whet_box *b, int32_t input, bool contents) {
    for (int32_t i = 0; i < b->n; i++)
        if (b->v[i].input == input && b->v[i].contents == contents) return &b->v[i];
    return NULL;
}

static double outside(int64_t v, int64_t min, int64_t max) {
    if (v >= min && v <= max) return 0;
    double bound = (double)(v < min ? min : max);
    // a step of one out of a large bound is far less than out of a small one, but never nothing
    return fabs(log2((fabs((double)v) + 1) / (fabs(bound) + 1))) + 1e-6;
}

double whet_box_distance(const whet_box *b, const whet_tensor *inputs) {
    double sum = 0;
    for (int32_t i = 0; i < b->n; i++) {
        const whet_range *r = &b->v[i];
        const whet_tensor *t = &inputs[r->input];
        if (!r->contents) {
            for (int32_t d = 0; d < r->n; d++) sum += outside(t->dims[d], r->min[d], r->max[d]);
        } else if (t->data) {
            for (int32_t k = 0; k < r->n; k++)
                sum += outside(whet_load_i64(t->data, t->dtype, k), r->min[k], r->max[k]);
        }
    }
    return sum;
}

int64_t whet_box_dim(void *user, const char *name) {
    const whet_box_names *u = user;
    for (int32_t i = 0; i < u->b->n; i++) {
        const whet_range *r = &u->b->v[i];
        const whet_type *t = &u->g->values[u->g->inputs[r->input]].type;
        for (int32_t d = 0; d < r->n && !r->contents; d++) {
            if (whet_dim_is_const(t->dims[d])) continue;
            const char *n = whet_dim_name(u->g->dims, t->dims[d]);
            if (n && !strcmp(n, name)) return r->opt[d];
        }
    }
    return -1;
}

// ---- as bytes ----

void whet_boxes_encode(const whet_boxes *p, whet_writer *w) {
    whet_write_u32(w, (uint32_t)p->n);
    for (int32_t i = 0; i < p->n; i++) {
        whet_write_u32(w, (uint32_t)p->v[i].n);
        for (int32_t k = 0; k < p->v[i].n; k++) {
            const whet_range *r = &p->v[i].v[k];
            whet_write_u32(w, (uint32_t)r->input);
            whet_write_u8(w, r->contents);
            whet_write_u32(w, (uint32_t)r->n);
            for (int32_t d = 0; d < r->n; d++) {
                whet_write_i64(w, r->min[d]);
                whet_write_i64(w, r->opt[d]);
                whet_write_i64(w, r->max[d]);
            }
        }
    }
}

static whet_status malformed(whet_error *err, const char *what) {
    WHET_FAIL(err, WHET_E_PARSE, "engine file: profiles: %s", what);
}

static whet_status check_range(const whet_pgraph *g, const whet_range *r, int32_t at,
                               whet_error *err) {
    const whet_pvalue *v = &g->values[g->inputs[r->input]];
    if (r->contents) {
        bool fixed = whet_dtype_is_int(v->type.dtype) && v->type.rank >= 0;
        for (int32_t d = 0; d < v->type.rank; d++) fixed &= whet_dim_is_const(v->type.dims[d]);
        if (at < g->n_inputs || !fixed ||
            whet_dims_count(v->type.dims, v->type.rank) != (int64_t)r->n)
            return malformed(err, "contents of an input that cannot have them");
    } else if (r->input != at || r->n != v->type.rank) {
        return malformed(err, "another rank than the input's");
    }
    for (int32_t d = 0; d < r->n; d++) {
        if (r->min[d] > r->opt[d] || r->opt[d] > r->max[d] || (!r->contents && r->min[d] < 0))
            return malformed(err, "not min <= opt <= max");
        bool fixed = !r->contents && whet_dim_is_const(v->type.dims[d]);
        if (fixed && (v->type.dims[d] < r->min[d] || v->type.dims[d] > r->max[d]))
            return malformed(err, "a fixed dimension outside its bounds");
    }
    return WHET_OK;
}

static whet_status read_range(whet_reader *r, whet_pgraph *g, whet_range *range, int32_t at,
                              whet_error *err) {
    range->input = (int32_t)whet_read_u32(r);
    uint8_t contents = whet_read_u8(r);
    range->contents = contents != 0;
    range->n = (int32_t)whet_read_count(r, 24, WHET_VALUE_LIMIT);
    if (r->failed || range->input < 0 || range->input >= g->n_inputs || contents > 1)
        return malformed(err, "truncated");
    range->min = WHET_NEW_ARRAY(&g->arena, int64_t, range->n);
    range->opt = WHET_NEW_ARRAY(&g->arena, int64_t, range->n);
    range->max = WHET_NEW_ARRAY(&g->arena, int64_t, range->n);
    if (!range->min || !range->opt || !range->max) return WHET_NOMEM(err);
    for (int32_t d = 0; d < range->n; d++) {
        range->min[d] = whet_read_i64(r);
        range->opt[d] = whet_read_i64(r);
        range->max[d] = whet_read_i64(r);
    }
    return check_range(g, range, at, err);
}

whet_status whet_boxes_decode(const void *data, size_t size, whet_pgraph *g, whet_boxes *p,
                              whet_error *err) {
    whet_reader r;
    whet_reader_init(&r, data, size);
    *p = (whet_boxes){.n = (int32_t)whet_read_count(&r, 4, WHET_MAX_PROFILES)};
    p->v = WHET_NEW_ARRAY(&g->arena, whet_box, p->n);
    if (!p->v) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n; i++) {
        whet_box *b = &p->v[i];
        b->n = (int32_t)whet_read_count(&r, 9, 1u << 16);
        if (r.failed || b->n < g->n_inputs) return malformed(err, "an input is missing");
        b->v = WHET_NEW_ARRAY(&g->arena, whet_range, b->n);
        if (!b->v) return WHET_NOMEM(err);
        for (int32_t k = 0; k < b->n; k++) WHET_TRY(read_range(&r, g, &b->v[k], k, err));
    }
    if (r.failed || whet_reader_left(&r)) return malformed(err, "wrong length");
    return WHET_OK;
}
