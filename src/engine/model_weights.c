// SPDX-License-Identifier: Apache-2.0
#include "engine/model_weights.h"

#include <string.h>

#include "base/dtype.h"

#define MAX_WEIGHTS (UINT32_C(1) << 20)
#define LEAST_BYTES 12 // of a record
#define STRIPPED 1u

void whet_model_weights_encode(const whet_model_weights *w, whet_writer *out) {
    whet_write_u32(out, w->stripped ? STRIPPED : 0);
    whet_write_u64(out, w->packed_bytes);
    whet_write_u32(out, (uint32_t)w->n);
    for (int32_t i = 0; i < w->n; i++) {
        const whet_model_weight *m = &w->v[i];
        whet_write_text(out, m->name);
        whet_write_u8(out, m->state);
        whet_write_u8(out, m->rows);
        whet_write_u8(out, (uint8_t)m->dtype);
        whet_write_u8(out, (uint8_t)m->rank);
        for (int32_t d = 0; d < m->rank; d++) whet_write_i64(out, m->dims[d]);
        whet_write_u32(out, m->sum);
    }
}

static whet_status malformed(const whet_reader *r, whet_error *err) {
    WHET_FAIL(err, WHET_E_PARSE, "engine file: malformed list of weights at byte %zu", r->at);
}

static whet_status read_weight(whet_reader *r, whet_arena *arena, whet_model_weight *m,
                               whet_error *err) {
    size_t n;
    const char *name = whet_read_text(r, &n);
    if (!name || !n || memchr(name, 0, n)) return malformed(r, err);
    m->name = whet_arena_strndup(arena, name, n);
    if (!m->name) return WHET_NOMEM(err);
    m->state = whet_read_u8(r);
    m->rows = whet_read_u8(r);
    m->dtype = (whet_dtype)whet_read_u8(r);
    m->rank = whet_read_u8(r);
    if (r->failed || m->state > WHET_WEIGHT_ROUNDED || m->rows > WHET_ROWS_IN ||
        m->rank > WHET_MAX_RANK || !whet_dtype_known((int32_t)m->dtype))
        return malformed(r, err);
    for (int32_t d = 0; d < m->rank; d++) m->dims[d] = whet_read_i64(r);
    m->sum = whet_read_u32(r);
    int64_t count = whet_dims_count(m->dims, m->rank);
    if (r->failed || count < 0 || whet_tensor_bytes(m->dtype, count) == SIZE_MAX)
        return malformed(r, err);
    return WHET_OK;
}

whet_status whet_model_weights_decode(const void *data, size_t size, whet_arena *arena,
                                      whet_model_weights *w, whet_error *err) {
    whet_reader r;
    whet_reader_init(&r, data, size);
    uint32_t flags = whet_read_u32(&r);
    *w = (whet_model_weights){.stripped = flags & STRIPPED};
    w->packed_bytes = whet_read_u64(&r);
    uint32_t n = whet_read_count(&r, LEAST_BYTES, MAX_WEIGHTS);
    if (flags > STRIPPED || (!w->stripped && w->packed_bytes)) return malformed(&r, err);
    w->v = WHET_NEW_ARRAY(arena, whet_model_weight, n);
    if (!w->v) return WHET_NOMEM(err);
    for (w->n = 0; w->n < (int32_t)n; w->n++) {
        WHET_TRY(read_weight(&r, arena, &w->v[w->n], err));
        if (w->n && strcmp(w->v[w->n - 1].name, w->v[w->n].name) >= 0) return malformed(&r, err);
    }
    return r.failed || whet_reader_left(&r) ? malformed(&r, err) : WHET_OK;
}

whet_model_weight *whet_model_weights_find(const whet_model_weights *w, const char *name) {
    int32_t lo = 0, hi = w->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(w->v[mid].name, name);
        if (!c) return &w->v[mid];
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}
