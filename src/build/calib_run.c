// SPDX-License-Identifier: Apache-2.0
// The model in float on the samples, each step by itself, and what its values reach there.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"
#include "build/calib.h"
#include "build/export.h"

typedef struct {
    const char *name;
    int32_t id;
} name_row;

typedef struct {
    whet_calib *c;
    name_row *rows; // by name
    int32_t n_rows;
    bool histograms;
} observer;

static int by_name(const void *a, const void *b) {
    return strcmp(((const name_row *)a)->name, ((const name_row *)b)->name);
}

// Channels lie along the second dimension of what a convolution takes, along the last of others.
static void add_channels(whet_calib_op *op, const whet_tensor *t, int64_t count) {
    const float *x = t->data;
    int64_t channels = op->in_channels, inner = 1;
    if (op->node->op == &whet_op_conv)
        for (int32_t i = 2; i < t->rank; i++) inner *= t->dims[i];
    if (inner == 0 || channels == 0 || count % (channels * inner)) return;
    for (int64_t at = 0, c = 0; at < count; at += inner, c = c + 1 == channels ? 0 : c + 1) {
        float top = op->top[c], sum = 0;
        for (int64_t i = at; i < at + inner; i++) {
            sum += x[i];
            top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
        }
        op->top[c] = top;
        op->sum[c] += (double)sum;
    }
    op->n += count / channels;
}

static void observe(observer *o, int32_t id, const whet_tensor *t) {
    whet_calib *c = o->c;
    if (t->dtype != WHET_DTYPE_F32) return;
    int64_t count = whet_dims_count(t->dims, t->rank);
    if (c->watched && c->watched[id]) c->watch(c->watch_user, id, t);
    int32_t seen = c->taps[id] - 1;
    if (seen >= 0 && o->histograms) whet_calib_stats_add(&c->seen[seen].stats, t->data, count);
    for (int32_t i = c->op_taps[id]; i; i = c->next_op[i - 1])
        add_channels(&c->ops[i - 1], t, count);
}

static void tap(void *user, const char *name, const whet_tensor *t) {
    observer *o = user;
    name_row key = {name, 0};
    const name_row *row =
        bsearch(&key, o->rows, (size_t)o->n_rows, sizeof key, by_name);
    if (row) observe(o, row->id, t);
}

static whet_status list_names(observer *o, whet_error *err) {
    whet_calib *c = o->c;
    o->rows = WHET_NEW_ARRAY(c->arena, name_row, c->n_taps + 1);
    if (!o->rows) return WHET_NOMEM(err);
    for (int32_t i = 0; i < c->n_taps; i++)
        if (c->taps[i] || c->op_taps[i] || (c->watched && c->watched[i]))
            o->rows[o->n_rows++] = (name_row){c->g->root->values[i]->name, i};
    qsort(o->rows, (size_t)o->n_rows, sizeof *o->rows, by_name);
    return WHET_OK;
}

static whet_status make_room(whet_calib *c, bool histograms, whet_error *err) {
    for (int32_t i = 0; i < c->n_seen && histograms; i++)
        if (!whet_calib_stats_init(&c->seen[i].stats, c->arena)) return WHET_NOMEM(err);
    for (int32_t i = 0; i < c->n_ops; i++) {
        whet_calib_op *op = &c->ops[i];
        op->n = 0;
        if (!op->x) continue;
        memset(op->sum, 0, sizeof *op->sum * (size_t)op->in_channels);
        memset(op->top, 0, sizeof *op->top * (size_t)op->in_channels);
    }
    return WHET_OK;
}

static whet_status run_all(observer *o, whet_context *context, whet_calib_data *d,
                           whet_arena *scratch, whet_error *err) {
    whet_calib *c = o->c;
    int32_t n_in = c->g->n_inputs, n_out = c->g->n_outputs;
    whet_tensor *outputs = WHET_NEW_ARRAY(scratch, whet_tensor, n_out + 1);
    if (!outputs) return WHET_NOMEM(err);
    for (;;) {
        const whet_tensor *inputs;
        int64_t total;
        WHET_TRY(whet_calib_data_next(d, &inputs, err));
        if (!inputs) break;
        memset(outputs, 0, sizeof *outputs * (size_t)n_out);
        whet_status status = whet_context_run(context, inputs, n_in, outputs, n_out);
        if (status != WHET_OK)
            WHET_FAIL(err, status, "calibration: %s", whet_error_text(context));
        for (int32_t i = 0; i < n_in; i++) observe(o, c->g->inputs[i]->id, &inputs[i]);
        if (c->accuracy && o->histograms)
            WHET_TRY(whet_accuracy_add(c->accuracy, d, inputs, n_in, err));
        int64_t done = whet_calib_data_done(d, &total);
        if (!whet_build_report(c->x, done, total > done ? total : done))
            WHET_FAIL(err, WHET_E_CANCELLED, "the build was cancelled");
    }
    int64_t total;
    if (!whet_calib_data_done(d, &total))
        WHET_FAIL(err, WHET_E_INVALID, "calibration: there is not one whole batch of samples");
    return WHET_OK;
}

static whet_status check_seen(const whet_calib *c, whet_error *err) {
    for (int32_t i = 0; i < c->n_seen; i++)
        if (c->seen[i].stats.bad)
            WHET_FAIL(err, WHET_E_RANGE,
                      "calibration: %lld elements of \"%s\" are infinite or no numbers",
                      (long long)c->seen[i].stats.bad, c->seen[i].v->name);
    return WHET_OK;
}

whet_status whet_calib_run(whet_calib *c, whet_calib_data *d, bool histograms, whet_error *err) {
    whet_env *env = c->x->env;
    whet_plan_options po = {.threads = c->x->threads, .no_fusion = true, .plain_only = true};
    observer o = {.c = c, .histograms = histograms};
    whet_pgraph *graph = NULL;
    whet_plan *plan = NULL;
    whet_engine *engine = NULL;
    whet_context *context = NULL;
    whet_arena scratch;
    whet_arena_init(&scratch);
    whet_status status;
    WHET_TRY_GOTO(make_room(c, histograms, err));
    WHET_TRY_GOTO(list_names(&o, err));
    WHET_TRY_GOTO(whet_export_graph(c->g, &graph, err));
    WHET_TRY_GOTO(whet_pgraph_attach(graph, false, err));
    WHET_TRY_GOTO(whet_plan_make(graph, env, &po, &plan, err));
    WHET_TRY_GOTO(whet_plan_pack(plan, graph, env, NULL, 0, err));
    WHET_TRY_GOTO(whet_engine_wrap(env, graph, plan, &engine, err));
    status = whet_context_create(engine, &context);
    if (status != WHET_OK) {
        whet_error_set(err, status, "%s", whet_error_text(engine));
        goto fail;
    }
    whet_context_set_threads(context, c->x->threads);
    whet_context_set_tap(context, tap, &o);
    WHET_TRY_GOTO(run_all(&o, context, d, &scratch, err));
    if (histograms) status = check_seen(c, err);
fail:
    whet_context_destroy(context);
    whet_engine_destroy(engine);
    whet_plan_destroy(plan);
    whet_pgraph_destroy(graph);
    whet_arena_fini(&scratch);
    return status;
}
