// SPDX-License-Identifier: Apache-2.0
// Packing: constant inputs into the forms that the chosen kernels read.
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

#define ALIGN 64

static bool borrowed(const whet_packed *k, const whet_pgraph *g) {
    return k->step < 0 && g->values[k->value].kind == WHET_PVALUE_SOURCE;
}

static whet_status check_held(const whet_plan *p, const whet_pgraph *g, whet_error *err) {
    for (int32_t i = 0; i < p->n_tensors; i++) {
        const whet_pvalue *v = &g->values[p->tensors[i].value];
        if (whet_pvalue_is_const(v) && !v->data)
            WHET_FAIL(err, WHET_E_UNSUPPORTED,
                      "the engine holds no weights of \"%s\", so it cannot be planned anew",
                      v->name);
    }
    return WHET_OK;
}

static whet_status pack_one(whet_plan *p, const whet_pgraph *g, whet_env *env, whet_packed *k,
                            const whet_vshape *shapes, whet_arena *arena, whet_error *err) {
    const whet_pvalue *v = &g->values[k->value];
    whet_tensor src = whet_pvalue_tensor(v);
    if (k->step < 0) {
        memcpy((void *)k->data, src.data, k->bytes);
        return WHET_OK;
    }
    const whet_pstep *s = &p->steps[k->step];
    whet_problem_ports ports = {0};
    whet_problem pr;
    if (whet_plan_problem(p, g, s, shapes, env, 1, arena, &ports, &pr)) return WHET_NOMEM(err);
    whet_status status = s->kernel->pack(&pr, s->params, k->input, &src, (void *)k->data);
    if (status == WHET_OK) return status;
    return whet_error_set(err, status, "%s: packing \"%s\" for %s failed", s->name, v->name,
                          s->kernel->name);
}

whet_status whet_plan_pack(whet_plan *p, const whet_pgraph *g, whet_env *env, whet_error *err) {
    size_t total = 0;
    WHET_TRY(check_held(p, g, err));
    for (int32_t i = 0; i < p->n_packed; i++) {
        if (borrowed(&p->packed[i], g)) continue;
        p->packed[i].offset = total;
        size_t bytes = (p->packed[i].bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        if (bytes < p->packed[i].bytes || __builtin_add_overflow(total, bytes, &total))
            WHET_FAIL(err, WHET_E_LIMIT, "packed weights are too large");
    }
    if (posix_memalign(&p->owned, ALIGN, total ? total : ALIGN)) {
        p->owned = NULL;
        return WHET_NOMEM(err);
    }
    whet_arena arena;
    whet_arena_init(&arena);
    whet_vshape *shapes = WHET_NEW_ARRAY(&arena, whet_vshape, g->n_values);
    whet_status status = shapes ? WHET_OK : WHET_NOMEM(err);
    if (shapes) whet_plan_shapes(g, whet_plan_dim, p, 1, shapes);
    for (int32_t i = 0; i < p->n_packed && status == WHET_OK; i++) {
        whet_packed *k = &p->packed[i];
        if (borrowed(k, g)) {
            k->data = g->values[k->value].data;
            continue;
        }
        size_t padded = (k->bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        k->data = (char *)p->owned + k->offset;
        memset((char *)k->data + k->bytes, 0, padded - k->bytes); // files are the same every time
        status = pack_one(p, g, env, k, shapes, &arena, err);
    }
    whet_arena_fini(&arena);
    return status;
}
