// SPDX-License-Identifier: Apache-2.0
// boxes [batch, n, 4], scores [batch, classes, n] to selected [count, 3] (batch, class, box): in
// each class the best boxes that do not overlap a better one by more than the threshold.
#include "ops/op.h"
#include "ops/sort.h"

typedef struct nms_attrs {
    int64_t center_point_box;
} nms_attrs;

typedef struct box {
    double low[2], high[2], area;
} box;

typedef struct triple {
    int64_t v[3];
} triple;

static whet_status infer(whet_infer *ctx) {
    WHET_TRY(whet_infer_rank(ctx, 0, 3));
    WHET_TRY(whet_infer_rank(ctx, 1, 3));
    WHET_TRY(whet_infer_same(ctx, ctx->in[0]->dims[0], ctx->in[1]->dims[0], "batches"));
    WHET_TRY(whet_infer_same(ctx, ctx->in[0]->dims[1], ctx->in[1]->dims[2], "boxes and scores"));
    WHET_TRY(whet_infer_same(ctx, ctx->in[0]->dims[2], 4, "numbers of a box"));
    whet_infer_unknown(ctx, 0, 2);
    ctx->out[0].dims[1] = 3;
    return WHET_OK;
}

// Every box of every class, or as many as the limit on each class says.
static whet_status bound(whet_infer *ctx) {
    const int64_t *most;
    int64_t n;
    WHET_TRY(infer(ctx));
    whet_dim each = ctx->in[0]->dims[1];
    bool limited = whet_infer_has(ctx, 2) && whet_infer_ints(ctx, 2, &most, &n) && n == 1;
    if (limited) each = whet_dim_min(ctx->dims, each, most[0] > 0 ? most[0] : 0);
    const whet_dim *scores = ctx->in[1]->dims;
    ctx->out[0].dims[0] =
        whet_dim_mul(ctx->dims, each, whet_dim_mul(ctx->dims, scores[0], scores[1]));
    return WHET_OK;
}

static box box_of(const float *v, bool center) {
    box b;
    for (int32_t k = 0; k < 2; k++) {
        // [y1, x1, y2, x2], or [x, y, width, height]
        double a = (double)v[k], c = (double)v[k + 2];
        double low = center ? a - c / 2 : a, high = center ? a + c / 2 : c;
        b.low[k] = low < high ? low : high;
        b.high[k] = low < high ? high : low;
    }
    b.area = (b.high[0] - b.low[0]) * (b.high[1] - b.low[1]);
    return b;
}

static bool overlap(const box *a, const box *b, double threshold) {
    double both = 1;
    for (int32_t k = 0; k < 2; k++) {
        double low = a->low[k] > b->low[k] ? a->low[k] : b->low[k];
        double high = a->high[k] < b->high[k] ? a->high[k] : b->high[k];
        if (!(high > low)) return false;
        both *= high - low;
    }
    double either = a->area + b->area - both;
    return either > 0 && both / either > threshold;
}

static bool better(const void *user, int64_t a, int64_t b) {
    const float *score = user;
    return score[a] > score[b];
}

static whet_status scalar(whet_eval *e, int32_t i, double absent, double *v) {
    *v = absent;
    if (!whet_eval_has(e, i)) return WHET_OK;
    if (whet_tensor_count(&e->in[i]) != 1)
        WHET_FAIL(e->err, WHET_E_SHAPE, "input %d must have one element", i);
    *v = whet_load_f64(e->in[i].data, e->in[i].dtype, 0);
    return WHET_OK;
}

typedef struct nms {
    int64_t n, most;
    double iou;
    bool scored;
    double least;            // scores must be above, when scored
    box *boxes;              // of the batch entry
    int64_t *index, *spare;  // [n]
    triple *found;
    int32_t n_found, cap_found;
} nms;

static whet_status select_class(whet_eval *e, nms *s, int64_t batch, int64_t class,
                                const float *score) {
    int64_t candidates = 0;
    int32_t first = s->n_found;
    for (int64_t i = 0; i < s->n; i++)
        if (!s->scored || (double)score[i] > s->least) s->index[candidates++] = i;
    whet_sort_indices(s->index, candidates, s->spare, better, score);
    for (int64_t i = 0; i < candidates && s->n_found - first < s->most; i++) {
        const box *b = &s->boxes[s->index[i]];
        bool keep = true;
        for (int32_t k = first; keep && k < s->n_found; k++)
            keep = !overlap(&s->boxes[s->found[k].v[2]], b, s->iou);
        triple t = {{batch, class, s->index[i]}};
        if (keep && !WHET_ARENA_PUSH(e->scratch, s->found, s->n_found, s->cap_found, t))
            return WHET_NOMEM(e->err);
    }
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    const nms_attrs *a = e->attrs;
    const whet_tensor *boxes = &e->in[0], *scores = &e->in[1];
    int64_t n = boxes->dims[1], classes = scores->dims[1];
    double most;
    nms s = {.n = n, .scored = whet_eval_has(e, 4)};
    if (boxes->dims[2] != 4 || scores->dims[2] != n || scores->dims[0] != boxes->dims[0])
        WHET_FAIL(e->err, WHET_E_SHAPE, "boxes and scores do not fit each other");
    WHET_TRY(scalar(e, 2, 0, &most));
    WHET_TRY(scalar(e, 3, 0, &s.iou));
    WHET_TRY(scalar(e, 4, 0, &s.least));
    if (!(s.iou >= 0 && s.iou <= 1))
        WHET_FAIL(e->err, WHET_E_RANGE, "iou_threshold %g is outside [0, 1]", s.iou);
    s.most = most < 0 ? 0 : most > (double)n ? n : (int64_t)most;
    s.boxes = WHET_NEW_ARRAY(e->scratch, box, n);
    s.index = WHET_NEW_ARRAY(e->scratch, int64_t, n);
    s.spare = WHET_NEW_ARRAY(e->scratch, int64_t, n);
    if (!s.boxes || !s.index || !s.spare) return WHET_NOMEM(e->err);
    for (int64_t b = 0; b < boxes->dims[0]; b++) {
        const float *v = (const float *)boxes->data + b * n * 4;
        for (int64_t i = 0; i < n; i++) s.boxes[i] = box_of(v + 4 * i, a->center_point_box != 0);
        const float *score = (const float *)scores->data + b * classes * n;
        for (int64_t c = 0; c < classes; c++, score += n)
            WHET_TRY(select_class(e, &s, b, c, score));
    }
    WHET_TRY(whet_eval_output(e, 0, 2, (const int64_t[]){s.n_found, 3}));
    int64_t *y = e->out[0].data;
    for (int32_t i = 0; i < s.n_found; i++)
        for (int32_t k = 0; k < 3; k++) y[3 * i + k] = s.found[i].v[k];
    return WHET_OK;
}

#define F32 WHET_DTYPE_BIT(WHET_DTYPE_F32)
#define I64 WHET_DTYPE_BIT(WHET_DTYPE_I64)
static const whet_arg in[] = {
    {"boxes", F32, 0}, {"scores", F32, 0},
    {"max_output_boxes_per_class", I64, 0, WHET_ARG_OPTIONAL},
    {"iou_threshold", F32, 0, WHET_ARG_OPTIONAL}, {"score_threshold", F32, 0, WHET_ARG_OPTIONAL}};
static const whet_arg out[] = {{"selected_indices", I64, 0}};
static const whet_attr attrs[] = {
    {"center_point_box", WHET_ATTR_INT, offsetof(nms_attrs, center_point_box), .min = 0, .max = 1}};
static const whet_onnx_row onnx[] = {{"", "NonMaxSuppression", 10, 0, NULL}};
const whet_op whet_op_non_max_suppression = {
    .name = "non_max_suppression", .in = in, .n_in = 5, .out = out, .n_out = 1, .attrs = attrs,
    .n_attrs = 1, .attrs_size = sizeof(nms_attrs), .onnx = onnx, .n_onnx = 1,
    .flags = WHET_OP_DYNAMIC_OUT, .infer = infer, .bound = bound, .eval = eval};
