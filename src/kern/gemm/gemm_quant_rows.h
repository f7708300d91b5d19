// SPDX-License-Identifier: Apache-2.0
// Part of the templates of quant_matmul: rows of x in the type of the tiles.
#ifndef WHET_KERN_GEMM_QUANT_ROWS_H
#define WHET_KERN_GEMM_QUANT_ROWS_H

#include <string.h>

#include "kern/qform.h"
#include "ops/quant_fused.h"

#define TILES V_CAT(whet_qtiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))

// `rows` rows of k numbers, `pitch` apart in dst, zeros behind k.
static void copy_rows(x_t *dst, const uint8_t *src, int64_t rows, int64_t k, int64_t pitch,
                      bool is_signed, int32_t zero) {
    for (int64_t r = 0; r < rows; r++, dst += pitch, src += k) {
        q_convert(dst, src, k, is_signed, zero);
        for (int64_t i = k; i < pitch; i++) dst[i] = 0;
    }
}

static inline bool dims_ok(const whet_port *p) {
    if (p->rank < 2 || p->rank > WHET_MAX_RANK || p->layout != WHET_LAYOUT_PLAIN) return false;
    for (int32_t i = 0; i < p->rank; i++)
        if (p->dims[i] < 1 || p->dims[i] > INT32_MAX) return false;
    return whet_dims_count(p->dims, p->rank) > 0;
}

static void plain_ports(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out) {
    for (int32_t i = 0; i < p->n_in; i++) in[i] = l;
    out[0] = l;
}

#endif
