// SPDX-License-Identifier: Apache-2.0
// Split: the parts of the input along `axis`, as long as `output_lengths` says; without that
// attribute equal ones, one for each output.
#include "plugin_util.h"

static int32_t axis_of(whet_plugin_node *n) {
    int32_t rank = whet_plugin_in_rank(n, 0);
    return (int32_t)((whet_plugin_int(n, "axis") + rank) % rank);
}

static whet_status shapes(whet_plugin_node *n) {
    int32_t rank = whet_plugin_in_rank(n, 0), parts = whet_plugin_out_n(n), count;
    int64_t axis = whet_plugin_int(n, "axis"), sum = 0, size;
    const int64_t *lengths = whet_plugin_ints(n, "output_lengths", &count);
    if (rank < 1 || axis < -rank || axis >= rank)
        return whet_plugin_fail(n, WHET_E_RANGE, "axis %lld of %d dimensions", (long long)axis,
                                rank);
    if (lengths && count != parts)
        return whet_plugin_fail(n, WHET_E_INVALID, "%d lengths for %d outputs", count, parts);
    whet_plugin_dim dims[WHET_MAX_RANK], whole = whet_plugin_in_dim(n, 0, axis_of(n));
    for (int32_t k = 0; k < rank; k++) dims[k] = whet_plugin_in_dim(n, 0, k);
    for (int32_t i = 0; lengths && i < count; i++) {
        if (lengths[i] < 0 || lengths[i] > INT64_MAX - sum)
            return whet_plugin_fail(n, WHET_E_RANGE, "length %d is %lld", i, (long long)lengths[i]);
        sum += lengths[i];
    }
    if (lengths) PLUGIN_TRY(plugin_check_number(n, whole, sum, "sum of the lengths"));
    else if (whet_plugin_dim_value(n, whole, &size) && size % parts)
        return whet_plugin_fail(n, WHET_E_SHAPE, "%lld does not make %d equal parts",
                                (long long)size, parts);
    for (int32_t i = 0; i < parts; i++) {
        dims[axis_of(n)] =
            lengths ? whet_plugin_dim_number(n, lengths[i])
                    : whet_plugin_dim_div(n, whole, whet_plugin_dim_number(n, parts));
        whet_plugin_set_shape(n, i, rank, dims);
    }
    return WHET_OK;
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    int32_t axis = axis_of(n), rank = whet_plugin_in_rank(n, 0), count;
    const int64_t *d = whet_plugin_in_dims(n, 0);
    const int64_t *lengths = whet_plugin_ints(n, "output_lengths", &count);
    int64_t outer = 1, inner = 1, done = 0;
    for (int32_t k = 0; k < axis; k++) outer *= d[k];
    for (int32_t k = axis + 1; k < rank; k++) inner *= d[k];
    for (int32_t i = 0; i < whet_plugin_out_n(n); i++) {
        int64_t length = (lengths ? lengths[i] : d[axis] / whet_plugin_out_n(n)) * inner;
        const float *x = (const float *)whet_plugin_in(n, 0) + done;
        float *y = whet_plugin_out(n, i);
        for (int64_t k = 0; y && k < outer; k++)
            memcpy(y + k * length, x + k * d[axis] * inner, (size_t)length * sizeof *y);
        done += length;
    }
    return WHET_OK;
}

extern const whet_plugin plugin_split;
const whet_plugin plugin_split = {
    WHET_PLUGIN_SIZES,
    .name = "Split",
    .version = "1",
    PLUGIN_ATTRS({.name = "axis", .type = WHET_PLUGIN_INT},
                 {.name = "output_lengths", .type = WHET_PLUGIN_INTS},
                 {.name = "noutputs", .type = WHET_PLUGIN_INT}),
    PLUGIN_INPUTS({"x", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"y", 0, 'T', WHET_PLUGIN_ARG_VARIADIC}),
    PLUGIN_TACTICS({.name = "plain", .run = run}),
    .shapes = shapes,
};
