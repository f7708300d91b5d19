// SPDX-License-Identifier: Apache-2.0
// Copies of elements between strided boxes, whatever the dtype, and the contents of small shape
// tensors through operators that only copy.
#ifndef WHET_OPS_MOVE_H
#define WHET_OPS_MOVE_H

#include "ops/op.h"

#define WHET_MOVE_MAX_RANK (2 * WHET_MAX_RANK)

// For every index x below dims: dst[sum x_k to_k] = src[sum x_k from_k]. Strides in elements; zero
// and negative source strides are fine. Destinations must not overlap each other or the source.
typedef struct whet_move {
    int32_t rank;
    int64_t dims[WHET_MOVE_MAX_RANK], to[WHET_MOVE_MAX_RANK], from[WHET_MOVE_MAX_RANK];
} whet_move;

// size: bytes an element, 1, 2, 4, 8 or 16. Nothing is touched when a dim is 0.
void whet_move_run(const whet_move *m, size_t size, void *dst, const void *src);
static inline void whet_move_add(whet_move *m, int64_t dim, int64_t to, int64_t from) {
    m->dims[m->rank] = dim;
    m->to[m->rank] = to;
    m->from[m->rank++] = from;
}
// dims with their row-major strides.
void whet_strides(int32_t rank, const int64_t *dims, int64_t *strides);
// Product of dims [begin, end); the tensor exists, so this does not overflow.
static inline int64_t whet_dims_product(const int64_t *dims, int32_t begin, int32_t end) {
    int64_t n = 1;
    for (int32_t i = begin; i < end; i++) n *= dims[i];
    return n;
}
// Bytes of one element. Packed elements come to WHET_OP_MOVES operators as bytes, and to no others
// that use this.
static inline size_t whet_element_bytes(whet_dtype dtype) {
    return (size_t)whet_dtype_bits(dtype) / 8;
}
static inline void *whet_element_at(const void *data, int64_t i, size_t size) {
    return (char *)(uintptr_t)data + i * (int64_t)size;
}
// n copies of the element at `value`.
void whet_move_fill(void *dst, int64_t n, const void *value, size_t size);
// The next index below dims in row-major order; false behind the last.
bool whet_index_next(int32_t rank, const int64_t *dims, int64_t *index);

// For shape functions, called when the shapes of outputs are set: runs the operator's reference on
// the known contents of small integer inputs, expressions being moved like numbers. Bit i of `data`
// (63 for later ones): contents of input i are moved; the other present inputs must be constants.
// At least one moved input must be known; elements of the others are unknown.
void whet_infer_move(whet_infer *ctx, uint64_t data);

// Copy of input 0 to output 0, with the element counts checked: the reference of views.
whet_status whet_eval_copy(whet_eval *e);

#endif
