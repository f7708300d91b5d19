// SPDX-License-Identifier: Apache-2.0
// Building cases: random numbers, ports, attributes, the operator's reference.
#include <math.h>
#include <string.h>

#include "checkkern.h"

uint64_t ck_next(ck_rng *rng) {
    uint64_t z = rng->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int64_t ck_int(ck_rng *rng, int64_t lo, int64_t hi) {
    return lo + (int64_t)(ck_next(rng) % (uint64_t)(hi - lo + 1));
}

bool ck_chance(ck_rng *rng, int32_t one_in) {
    return ck_int(rng, 1, one_in) == 1;
}

double ck_normal(ck_rng *rng) {
    double u = ((double)(ck_next(rng) >> 11) + 1) * 0x1p-53,
           v = (double)(ck_next(rng) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

int64_t ck_edge(ck_rng *rng, int64_t max) {
    static const int64_t tiles[] = {4, 8, 16, 32};
    for (int32_t tries = 0; tries < 8; tries++) {
        int64_t t = tiles[ck_int(rng, 0, 3)];
        int64_t v[] = {1, 2, t - 1, t, t + 1, 2 * t, 2 * t + 3};
        int64_t d = v[ck_int(rng, 0, 6)];
        if (d <= max) return d;
    }
    return ck_int(rng, 1, max);
}

whet_port ck_port(whet_dtype dtype, bool constant, int32_t rank, const int64_t *dims) {
    whet_port port = {.dtype = dtype, .rank = rank, .constant = constant};
    memcpy(port.dims, dims, (size_t)rank * sizeof *dims);
    return port;
}

void ck_in(ck_case *c, whet_port port) {
    c->in[c->n_in++] = port;
}

void ck_in_absent(ck_case *c) {
    c->in[c->n_in++] = (whet_port){.dtype = WHET_DTYPE_NONE};
}

void ck_in_i64(ck_case *c, int32_t n, const int64_t *v) {
    c->source[c->n_in] = CK_FIXED;
    c->fixed[c->n_in] = whet_arena_memdup(c->arena, v, (size_t)n * sizeof *v);
    ck_in(c, ck_port(WHET_DTYPE_I64, true, 1, (int64_t[]){n}));
}

static void *attr_at(ck_case *c, const char *name, whet_attr_type *type) {
    const whet_attr *a = whet_op_attr_find(c->op, name);
    if (!a) return NULL;
    *type = a->type;
    return (char *)c->attrs + a->offset;
}

bool ck_attr_int(ck_case *c, const char *name, int64_t v) {
    whet_attr_type type;
    void *at = attr_at(c, name, &type);
    if (!at) return false;
    if (type == WHET_ATTR_BOOL) *(bool *)at = v != 0;
    else if (type == WHET_ATTR_INT) *(int64_t *)at = v;
    else *(int32_t *)at = (int32_t)v;
    return true;
}

bool ck_attr_float(ck_case *c, const char *name, float v) {
    whet_attr_type type;
    void *at = attr_at(c, name, &type);
    if (at) *(float *)at = v;
    return at;
}

bool ck_attr_ints(ck_case *c, const char *name, int32_t n, const int64_t *v) {
    whet_attr_type type;
    whet_ints *at = attr_at(c, name, &type);
    if (at) *at = (whet_ints){whet_arena_memdup(c->arena, v, (size_t)n * sizeof *v), n};
    return at;
}

static void tensor_of(whet_tensor *t, const whet_port *port, bool wide, void *data) {
    *t = (whet_tensor){
        .dtype = wide ? WHET_DTYPE_F64 : port->dtype, .rank = port->rank, .data = data};
    memcpy(t->dims, port->dims, sizeof t->dims);
    t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(port->dims, port->rank));
}

static bool widens(const whet_arg *args, int32_t n, int32_t i, whet_dtype dtype) {
    const whet_arg *a = &args[i < n ? i : n - 1];
    return dtype == WHET_DTYPE_F32 && (!a->dtypes || a->dtypes & WHET_DTYPE_BIT(WHET_DTYPE_F64));
}

// Evaluates with every f32 widened to f64, so that the reference rounds nothing.
bool ck_eval(const ck_case *c, double *const *in64, void *const *in, double **out64, void **out) {
    static whet_error err;
    whet_tensor tin[CK_PORTS] = {0}, tout[CK_PORTS] = {0};
    for (int32_t i = 0; i < c->n_in; i++) {
        if (c->in[i].dtype == WHET_DTYPE_NONE) continue;
        bool wide = widens(c->op->in, c->op->n_in, i, c->in[i].dtype);
        tensor_of(&tin[i], &c->in[i], wide, wide ? (void *)in64[i] : in[i]);
    }
    for (int32_t i = 0; i < c->n_out; i++) {
        if (c->out[i].dtype == WHET_DTYPE_NONE) continue;
        bool wide = widens(c->op->out, c->op->n_out, i, c->out[i].dtype);
        int64_t n = whet_dims_count(c->out[i].dims, c->out[i].rank);
        void *data = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
        if (wide) out64[i] = data;
        else out[i] = data;
        tensor_of(&tout[i], &c->out[i], wide, data);
    }
    whet_arena scratch;
    whet_arena_init(&scratch);
    whet_eval e = {.op = c->op, .attrs = c->attrs, .node = "case", .n_in = c->n_in,
                   .n_out = c->n_out, .in = tin, .out = tout, .scratch = &scratch, .err = &err};
    whet_status status = whet_op_eval(&e);
    whet_arena_fini(&scratch);
    return status == WHET_OK;
}
