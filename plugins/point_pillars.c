// SPDX-License-Identifier: Apache-2.0
// Plugins of PointPillars (arXiv 1812.05784): points to voxels, voxels to a feature map, and boxes
// from predictions. Ranges are (x, y, z) at the low and (x, y, z) at the high end.
#include "plugin_util.h"

static whet_status list_of(whet_plugin_node *n, const char *name, int32_t wanted,
                           const float **list) {
    int32_t count;
    *list = whet_plugin_floats(n, name, &count);
    if (*list && count == wanted) return WHET_OK;
    return whet_plugin_fail(n, WHET_E_INVALID, "'%s' has %d numbers, %d are expected", name,
                            *list ? count : 0, wanted);
}

// ---- VoxelGeneratorPlugin ----
// The first `max_voxels` voxels in the order of their first points, the first
// `max_num_points_per_voxel` points of each; a point's features are its C channels, its distance
// from the mean of the voxel's points and from the middle of the voxel, (x, y, z) each; zeros where
// there is no point. Coordinates are (frame, z, y, x).

static whet_status voxel_shapes(whet_plugin_node *n) {
    const float *range, *size;
    PLUGIN_TRY(plugin_check_rank(n, 0, 3));
    PLUGIN_TRY(plugin_check_vector(n, 1, whet_plugin_in_dim(n, 0, 0)));
    PLUGIN_TRY(list_of(n, "point_cloud_range", 6, &range));
    PLUGIN_TRY(list_of(n, "voxel_size", 3, &size));
    for (int k = 0; k < 3; k++)
        if (!(size[k] > 0) || !(range[3 + k] > range[k]) ||
            (double)(range[3 + k] - range[k]) / size[k] > 1e6)
            return whet_plugin_fail(n, WHET_E_INVALID,
                                    "range and voxel_size make no grid of at most 1e6 cells");
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 0, 2),
                                   whet_plugin_int(n, "voxel_feature_num") - 6,
                                   "channels of a point (voxel_feature_num - 6)"));
    whet_plugin_dim frames = whet_plugin_in_dim(n, 0, 0);
    whet_plugin_dim voxels = whet_plugin_dim_number(n, whet_plugin_int(n, "max_voxels"));
    whet_plugin_dim features[4] = {
        frames, voxels, whet_plugin_dim_number(n, whet_plugin_int(n, "max_num_points_per_voxel")),
        whet_plugin_dim_number(n, whet_plugin_int(n, "voxel_feature_num"))};
    whet_plugin_dim places[3] = {frames, voxels, whet_plugin_dim_number(n, 4)};
    whet_plugin_set_shape(n, 0, 4, features);
    whet_plugin_set_shape(n, 1, 3, places);
    whet_plugin_set_shape(n, 2, 1, &frames);
    return WHET_OK;
}

typedef struct voxel {
    int64_t cell[3]; // x, y, z
    int32_t points;
    double sum[3];
} voxel;

// A hash table of voxel numbers + 1, twice as large as the voxels at least.
static int64_t table_size(whet_plugin_node *n) {
    int64_t size = 16;
    while (size < 2 * whet_plugin_int(n, "max_voxels")) size *= 2;
    return size;
}

static size_t voxel_scratch(whet_plugin_node *n) {
    return (size_t)whet_plugin_int(n, "max_voxels") * sizeof(voxel) +
           (size_t)table_size(n) * sizeof(int32_t);
}

typedef struct voxel_frame {
    const float *low, *size;
    voxel *voxels;
    int32_t *table;
    int64_t table_size, most, count;
} voxel_frame;

// The number of the cell's voxel, -1 when there are enough already.
static int64_t find_voxel(voxel_frame *f, const int64_t cell[3]) {
    uint64_t hash = (uint64_t)cell[0] * 73856093u ^ (uint64_t)cell[1] * 19349663u ^
                    (uint64_t)cell[2] * 83492791u;
    uint64_t mask = (uint64_t)f->table_size - 1, at = (hash ^ hash >> 17) & mask;
    for (; f->table[at]; at = (at + 1) & mask) {
        const voxel *v = &f->voxels[f->table[at] - 1];
        if (!memcmp(v->cell, cell, sizeof v->cell)) return f->table[at] - 1;
    }
    if (f->count == f->most) return -1;
    f->voxels[f->count] = (voxel){{cell[0], cell[1], cell[2]}, 0, {0}};
    f->table[at] = (int32_t)++f->count;
    return f->count - 1;
}

static bool cell_of(const voxel_frame *f, const float *high, const float *point, int64_t cell[3]) {
    for (int k = 0; k < 3; k++) {
        if (!(point[k] >= f->low[k] && point[k] < high[k])) return false;
        cell[k] = (int64_t)floor(((double)point[k] - f->low[k]) / f->size[k]);
    }
    return true;
}

// Distances from mean and middle, once the points of a voxel are known.
static void finish_voxel(const voxel_frame *f, const voxel *v, float *features, int64_t width) {
    for (int32_t i = 0; i < v->points; i++, features += width)
        for (int k = 0; k < 3; k++) {
            double middle = f->low[k] + ((double)v->cell[k] + 0.5) * f->size[k];
            features[width - 6 + k] = (float)(features[k] - v->sum[k] / v->points);
            features[width - 3 + k] = (float)(features[k] - middle);
        }
}

static whet_status voxel_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t channels = d[2], width = channels + 6, most = whet_plugin_int(n, "max_voxels");
    int64_t points = whet_plugin_int(n, "max_num_points_per_voxel");
    const float *range, *size;
    PLUGIN_TRY(list_of(n, "point_cloud_range", 6, &range));
    PLUGIN_TRY(list_of(n, "voxel_size", 3, &size));
    float *features = whet_plugin_out(n, 0);
    int32_t *places = whet_plugin_out(n, 1), *counts = whet_plugin_out(n, 2);
    for (int64_t b = begin; b < end; b++) {
        voxel *voxels = whet_plugin_scratch(n);
        voxel_frame f = {range, size, voxels, (int32_t *)(voxels + most), table_size(n), most, 0};
        const float *x = (const float *)whet_plugin_in(n, 0) + b * d[1] * channels;
        int64_t valid = ((const int32_t *)whet_plugin_in(n, 1))[b], cell[3];
        if (valid < 0 || valid > d[1])
            return whet_plugin_fail(n, WHET_E_RANGE, "frame %lld has %lld points of %lld",
                                    (long long)b, (long long)valid, (long long)d[1]);
        memset(f.table, 0, (size_t)f.table_size * sizeof *f.table);
        float *y = features ? features + b * most * points * width : NULL;
        if (y) memset(y, 0, (size_t)(most * points * width) * sizeof *y);
        for (int64_t i = 0; i < valid; i++, x += channels) {
            int64_t at = cell_of(&f, range + 3, x, cell) ? find_voxel(&f, cell) : -1;
            if (at < 0 || voxels[at].points >= points) continue;
            if (y)
                memcpy(y + (at * points + voxels[at].points) * width, x,
                       (size_t)channels * sizeof *y);
            voxels[at].points++;
            for (int k = 0; k < 3; k++) voxels[at].sum[k] += x[k];
        }
        for (int64_t i = 0; y && i < f.count; i++)
            finish_voxel(&f, &voxels[i], y + i * points * width, width);
        for (int64_t i = 0; places && i < most; i++) {
            int32_t *p = places + (b * most + i) * 4;
            p[0] = p[1] = p[2] = p[3] = 0;
            if (i >= f.count) continue;
            p[0] = (int32_t)b;
            for (int k = 0; k < 3; k++) p[3 - k] = (int32_t)voxels[i].cell[k];
        }
        if (counts) counts[b] = (int32_t)f.count;
    }
    return WHET_OK;
}

static int64_t frames(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_in_dims(n, 0)[0];
}

extern const whet_plugin plugin_voxel_generator;
const whet_plugin plugin_voxel_generator = {
    WHET_PLUGIN_SIZES,
    .name = "VoxelGeneratorPlugin",
    .version = "1",
    PLUGIN_ATTRS({.name = "max_num_points_per_voxel", .type = WHET_PLUGIN_INT, .required = true,
                  .min = 1, .max = 1 << 20},
                 {.name = "max_voxels", .type = WHET_PLUGIN_INT, .required = true, .min = 1,
                  .max = 1 << 24},
                 {.name = "point_cloud_range", .type = WHET_PLUGIN_FLOATS, .required = true},
                 {.name = "voxel_feature_num", .type = WHET_PLUGIN_INT, .required = true, .min = 9,
                  .max = 1 << 16},
                 {.name = "voxel_size", .type = WHET_PLUGIN_FLOATS, .required = true}),
    PLUGIN_INPUTS({"points", WHET_PLUGIN_F32, 'T', 0}, {"num_points", PLUGIN_I32, 0, 0}),
    PLUGIN_OUTPUTS({"voxels", 0, 'T', 0}, {"voxel_coords", PLUGIN_I32, 0, 0},
                   {"num_pillar", PLUGIN_I32, 0, 0}),
    PLUGIN_TACTICS({.name = "frames", .tasks = frames, .scratch = voxel_scratch,
                    .run = voxel_run}),
    .shapes = voxel_shapes,
};

// ---- PillarScatterPlugin: the features of pillar p at (y, x) of its coordinates, zeros elsewhere

static whet_status scatter_shapes(whet_plugin_node *n) {
    int32_t count;
    const int64_t *shape = whet_plugin_ints(n, "dense_shape", &count);
    if (!shape || count != 2)
        return whet_plugin_fail(n, WHET_E_INVALID, "'dense_shape' must be height and width");
    PLUGIN_TRY(plugin_check_rank(n, 0, 3));
    PLUGIN_TRY(plugin_check_rank(n, 1, 3));
    for (int32_t k = 0; k < 2; k++)
        PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, 1, k), whet_plugin_in_dim(n, 0, k),
                                     "frames and pillars"));
    PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, 1, 2), 4, "coordinates"));
    PLUGIN_TRY(plugin_check_vector(n, 2, whet_plugin_in_dim(n, 0, 0)));
    whet_plugin_dim dims[4] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 0, 2),
                               whet_plugin_dim_number(n, shape[0]),
                               whet_plugin_dim_number(n, shape[1])};
    whet_plugin_set_shape(n, 0, 4, dims);
    return WHET_OK;
}

static whet_status scatter_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0), *to = whet_plugin_out_dims(n, 0);
    int64_t pillars = d[1], channels = d[2], plane = to[2] * to[3];
    for (int64_t b = begin; b < end; b++) {
        const float *x = (const float *)whet_plugin_in(n, 0) + b * pillars * channels;
        const int32_t *place = (const int32_t *)whet_plugin_in(n, 1) + b * pillars * 4;
        float *y = (float *)whet_plugin_out(n, 0) + b * channels * plane;
        int64_t valid = ((const int32_t *)whet_plugin_in(n, 2))[b];
        if (valid < 0 || valid > pillars)
            return whet_plugin_fail(n, WHET_E_RANGE, "frame %lld has %lld pillars of %lld",
                                    (long long)b, (long long)valid, (long long)pillars);
        if (channels * plane > 0) memset(y, 0, (size_t)(channels * plane) * sizeof *y);
        for (int64_t p = 0; p < valid; p++, place += 4) {
            if (place[2] < 0 || place[2] >= to[2] || place[3] < 0 || place[3] >= to[3])
                return whet_plugin_fail(n, WHET_E_RANGE,
                                        "pillar %lld lies at (%d, %d) of %lld x %lld", (long long)p,
                                        place[2], place[3], (long long)to[2], (long long)to[3]);
            for (int64_t c = 0; c < channels; c++)
                y[c * plane + place[2] * to[3] + place[3]] = x[p * channels + c];
        }
    }
    return WHET_OK;
}

extern const whet_plugin plugin_pillar_scatter;
const whet_plugin plugin_pillar_scatter = {
    WHET_PLUGIN_SIZES,
    .name = "PillarScatterPlugin",
    .version = "1",
    PLUGIN_ATTRS({.name = "dense_shape", .type = WHET_PLUGIN_INTS, .required = true, .min = 1,
                  .max = 1 << 24}),
    PLUGIN_INPUTS({"voxels", WHET_PLUGIN_F32, 'T', 0}, {"voxel_coords", PLUGIN_I32, 0, 0},
                  {"num_pillar", PLUGIN_I32, 0, 0}),
    PLUGIN_OUTPUTS({"dense_feature_map", 0, 'T', 0}),
    PLUGIN_TACTICS({.name = "frames", .tasks = plugin_rows, .run = scatter_run}),
    .shapes = scatter_shapes,
};

// ---- DecodeBbox3DPlugin ----
// `anchors` holds (dx, dy, dz, rotation) of each of A anchors, two for each class of
// `anchor_bottom_height`, centred on a grid that spans the range. A box whose best class has a
// sigmoid of at least score_thresh becomes (x, y, z, dx, dy, dz, rotation, class, score): offsets
// times the anchor's diagonal or height, sizes by exp, rotations added up, brought into one period
// of 2 pi / num_dir_bins from dir_offset on and moved to the direction's bin. They stand one behind
// the other, zeros follow.

static whet_status decode_shapes(whet_plugin_node *n) {
    int32_t count, classes;
    const float *range;
    whet_plugin_floats(n, "anchors", &count);
    whet_plugin_floats(n, "anchor_bottom_height", &classes);
    int64_t anchors = count / 4, bins = whet_plugin_int(n, "num_dir_bins");
    int64_t fields[3] = {anchors * classes, anchors * 7, anchors * bins};
    if (count < 8 || count != 8 * (int64_t)classes)
        return whet_plugin_fail(n, WHET_E_INVALID,
                                "%d numbers of anchors for %d classes, 8 a class are expected",
                                count, classes);
    PLUGIN_TRY(list_of(n, "point_cloud_range", 6, &range));
    for (int32_t i = 0; i < 3; i++) {
        PLUGIN_TRY(plugin_check_rank(n, i, 4));
        for (int32_t k = 0; k < 3; k++)
            PLUGIN_TRY(plugin_check_same(n, whet_plugin_in_dim(n, i, k),
                                         whet_plugin_in_dim(n, 0, k), "positions"));
        PLUGIN_TRY(plugin_check_number(n, whet_plugin_in_dim(n, i, 3), fields[i],
                                       "predictions of a position"));
    }
    whet_plugin_dim dims[3] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_dim_number(n, anchors),
                               whet_plugin_dim_number(n, 9)};
    for (int32_t k = 1; k < 3; k++)
        dims[1] = whet_plugin_dim_mul(n, dims[1], whet_plugin_in_dim(n, 0, k));
    whet_plugin_set_shape(n, 0, 3, dims);
    whet_plugin_set_shape(n, 1, 1, dims);
    return WHET_OK;
}

static double between(double low, double high, int64_t i, int64_t count) {
    return count > 1 ? low + (double)i * (high - low) / (double)(count - 1) : low;
}

static int64_t largest(const float *x, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static void decode_box(whet_plugin_node *n, const float *anchor, double bottom, const float *t,
                       double x, double y, int64_t direction, float *out) {
    double diagonal = sqrt((double)anchor[0] * anchor[0] + (double)anchor[1] * anchor[1]);
    double period = 2 * 3.14159265358979324 / (double)whet_plugin_int(n, "num_dir_bins");
    double offset = whet_plugin_float(n, "dir_offset"), turn = (double)t[6] + anchor[3] - offset;
    turn -= floor(turn / period + whet_plugin_float(n, "dir_limit_offset")) * period;
    out[0] = (float)(t[0] * diagonal + x);
    out[1] = (float)(t[1] * diagonal + y);
    out[2] = (float)((double)t[2] * anchor[2] + anchor[2] / 2.0 + bottom);
    for (int k = 3; k < 6; k++) out[k] = (float)(exp(t[k]) * anchor[k - 3]);
    out[6] = (float)(turn + offset + period * (double)direction);
}

static whet_status decode_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int32_t count, classes;
    const float *anchors = whet_plugin_floats(n, "anchors", &count), *range;
    const float *bottoms = whet_plugin_floats(n, "anchor_bottom_height", &classes);
    int64_t bins = whet_plugin_int(n, "num_dir_bins"), kinds = count / 4;
    PLUGIN_TRY(list_of(n, "point_cloud_range", 6, &range));
    double least = whet_plugin_float(n, "score_thresh");
    float *boxes = whet_plugin_out(n, 0);
    int32_t *found = whet_plugin_out(n, 1);
    for (int64_t b = begin; b < end; b++) {
        int64_t all = d[1] * d[2] * kinds, used = 0;
        float *out = boxes ? boxes + b * all * 9 : NULL;
        if (out && all) memset(out, 0, (size_t)all * 9 * sizeof *out);
        for (int64_t i = 0; i < all; i++) {
            int64_t at = b * all + i, kind = i % kinds, column = i / kinds % d[2];
            const float *scores = (const float *)whet_plugin_in(n, 0) + at * classes;
            int64_t best = largest(scores, classes);
            double score = 1 / (1 + exp(-(double)scores[best]));
            if (!(score >= least)) continue;
            if (out) {
                float *box = out + used * 9;
                decode_box(n, anchors + kind * 4, bottoms[kind / 2],
                           (const float *)whet_plugin_in(n, 1) + at * 7,
                           between(range[0], range[3], column, d[2]),
                           between(range[1], range[4], i / kinds / d[2], d[1]),
                           largest((const float *)whet_plugin_in(n, 2) + at * bins, bins), box);
                box[7] = (float)best, box[8] = (float)score;
            }
            used++;
        }
        if (found) found[b] = (int32_t)used;
    }
    return WHET_OK;
}

extern const whet_plugin plugin_decode_bbox_3d;
const whet_plugin plugin_decode_bbox_3d = {
    WHET_PLUGIN_SIZES,
    .name = "DecodeBbox3DPlugin",
    .version = "1",
    PLUGIN_ATTRS({.name = "anchors", .type = WHET_PLUGIN_FLOATS, .required = true},
                 {.name = "anchor_bottom_height", .type = WHET_PLUGIN_FLOATS, .required = true},
                 {.name = "dir_limit_offset", .type = WHET_PLUGIN_FLOAT},
                 {.name = "dir_offset", .type = WHET_PLUGIN_FLOAT},
                 {.name = "num_dir_bins", .type = WHET_PLUGIN_INT, .def = 2, .min = 1,
                  .max = 1 << 16},
                 {.name = "point_cloud_range", .type = WHET_PLUGIN_FLOATS, .required = true},
                 {.name = "score_thresh", .type = WHET_PLUGIN_FLOAT, .required = true}),
    PLUGIN_INPUTS({"cls_preds", WHET_PLUGIN_F32, 'T', 0}, {"box_preds", WHET_PLUGIN_F32, 'T', 0},
                  {"dir_cls_preds", WHET_PLUGIN_F32, 'T', 0}),
    PLUGIN_OUTPUTS({"output_boxes", 0, 'T', 0}, {"num_boxes", PLUGIN_I32, 0, 0}),
    PLUGIN_TACTICS({.name = "frames", .tasks = frames, .run = decode_run}),
    .shapes = decode_shapes,
};
