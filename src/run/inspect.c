// SPDX-License-Identifier: Apache-2.0
// The engine inspector: what an engine takes, makes and does, as text or JSON.
#include <string.h>

#include <whet/refit.h>

#include "engine/verified.h"
#include "run/engine_impl.h"

// "f32", "sequence.f32"
static void type_text(whet_dtype dtype, whet_elem elem, whet_str *s) {
    whet_str_add(s, whet_dtype_text(dtype));
    for (; elem; elem = whet_elem_inner(elem))
        whet_str_printf(s, ".%s", whet_dtype_text(whet_elem_dtype(elem)));
}

static void json_io(whet_str *s, const whet_engine *e, bool input) {
    int32_t n = input ? e->graph->n_inputs : e->graph->n_outputs;
    whet_json_array(s, input ? "inputs" : "outputs");
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info;
        if (input ? whet_engine_input(e, i, &info) : whet_engine_output(e, i, &info)) continue;
        whet_json_object(s, NULL);
        whet_json_text(s, "name", info.name);
        whet_str nested;
        whet_str_init(&nested);
        type_text(info.dtype, info.elem, &nested);
        whet_json_text(s, "dtype", whet_str_text(&nested));
        whet_str_fini(&nested);
        whet_json_array(s, "shape");
        for (int32_t d = 0; d < info.rank; d++) {
            if (info.dims[d] >= 0) whet_json_int(s, NULL, info.dims[d]);
            else whet_json_text(s, NULL, info.dim_names[d] ? info.dim_names[d] : "?");
        }
        whet_json_end_array(s);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
}

static void shape_text(const whet_pgraph *g, const whet_plan *p, int32_t tensor, whet_str *s) {
    const whet_ptensor *t = &p->tensors[tensor];
    const whet_type *type = &g->values[t->value].type;
    type_text(whet_ptensor_dtype(t, type->dtype), type->elem, s);
    whet_str_add(s, "[");
    for (int32_t d = 0; d < type->rank; d++) {
        if (d) whet_str_add(s, ",");
        whet_dim_print(g->dims, type->dims[d], s);
    }
    if (type->rank < 0) whet_str_add(s, "...");
    whet_str_add(s, "]");
    if (t->layout) whet_str_printf(s, ":%s", whet_layout_text(t->layout));
}

static void json_tensors(whet_str *s, const whet_pgraph *g, const whet_plan *p, const char *key,
                         const int32_t *ids, int32_t n) {
    whet_json_array(s, key);
    for (int32_t i = 0; i < n; i++) {
        if (ids[i] < 0) continue;
        whet_str text;
        whet_str_init(&text);
        shape_text(g, p, ids[i], &text);
        whet_json_object(s, NULL);
        whet_json_text(s, "name", g->values[p->tensors[ids[i]].value].name);
        whet_json_text(s, "type", whet_str_text(&text));
        whet_json_end_object(s);
        whet_str_fini(&text);
    }
    whet_json_end_array(s);
}

static const char *kind_of(const whet_pstep *s) {
    if (s->kernel == &whet_kernel_copy) return "copy";
    return s->op ? s->op->name : s->chain ? "pointwise" : "reorder";
}

static size_t packed_bytes(const whet_plan *p, int32_t step) {
    size_t bytes = 0;
    for (int32_t i = 0; i < p->n_packed; i++)
        if (p->packed[i].step == step) bytes += p->packed[i].bytes;
    return bytes;
}

static bool alike(const whet_verified_plan *v, const whet_plan *p) {
    bool same = v->n_steps == p->n_steps && v->n_blocks == p->n_blocks;
    for (int32_t i = 0; same && i < p->n_blocks; i++) same = alike(&v->blocks[i], p->blocks[i]);
    return same;
}

// What --verify=full found of the engine's plans, in the arena; NULL: nothing is there, or the
// weights have changed since.
static const whet_verified *verified_of(whet_engine *e, whet_arena *arena) {
    bool same = atomic_load(&e->current) == &e->base;
    whet_section *s = e->machine && same
                          ? whet_engine_file_find(&e->file, WHET_SECTION_VERIFIED, e->machine)
                          : NULL;
    whet_verified *v;
    whet_error err;
    if (!s || whet_section_check(s, NULL, &err) ||
        whet_verified_decode(s->data, s->size, arena, &v, &err) || v->n_plans != e->n_plans)
        return NULL;
    for (int32_t i = 0; i < v->n_plans; i++)
        if (!alike(&v->plans[i], e->plans[i])) return NULL;
    return v;
}

static void json_verified_step(whet_str *s, const whet_verified_step *v) {
    whet_json_object(s, "verified");
    whet_json_text(s, "state", whet_verified_state_text(v->state));
    if (v->state == WHET_VERIFIED_AGREES || v->state == WHET_VERIFIED_DIFFERS) {
        whet_json_text(s, "rule", whet_verified_rule_text(v->rule));
        whet_json_double(s, "c", v->c);
        whet_json_double(s, "k", v->k);
        whet_json_double(s, "unit", v->unit);
        whet_json_double(s, "error", v->error);
        whet_json_double(s, "rms", v->rms);
        whet_json_double(s, "largest", v->largest);
    }
    whet_json_end_object(s);
}

static void json_blocks(whet_str *s, const whet_engine *e, const whet_pgraph *g,
                        const whet_plan *p, const whet_pnode *n, const whet_verified_plan *v);

// lacking: the backend that the step falls back from, or NULL. v: of the plan, or NULL.
static void json_step(whet_str *s, const whet_engine *e, const whet_pgraph *g,
                      const whet_plan *plan, int32_t i, const char *lacking,
                      const whet_verified_plan *v) {
    const whet_pstep *p = &plan->steps[i];
    whet_json_object(s, NULL);
    whet_json_text(s, "name", p->name);
    whet_json_text(s, "op", kind_of(p));
    whet_json_text(s, "kernel", p->kernel->name);
    whet_json_array(s, "nodes");
    for (int32_t k = 0; k < p->n_nodes; k++)
        whet_json_text(s, NULL, g->nodes[p->nodes[k]].origin);
    whet_json_end_array(s);
    json_tensors(s, g, plan, "inputs", p->in, p->n_in);
    json_tensors(s, g, plan, "outputs", p->out, p->n_out);
    if (p->epi.act1) whet_json_text(s, "activation", whet_pw_text(p->epi.act1));
    if (p->epi.binary) whet_json_text(s, "binary", whet_pw_text(p->epi.binary));
    if (p->epi.act2) whet_json_text(s, "activation2", whet_pw_text(p->epi.act2));
    whet_json_text(s, "backend",
                   p->backend < 0 ? "host" : e->env->backends[p->backend]->name);
    if (lacking) whet_json_text(s, "fallback_from", lacking);
    whet_json_int(s, "packed_bytes", (int64_t)packed_bytes(plan, i));
    whet_json_double(s, "expected_ms", p->cost * 1e3);
    if (v) json_verified_step(s, &v->steps[i]);
    if (p->op && p->op->n_blocks) json_blocks(s, e, g, plan, &g->nodes[p->nodes[0]], v);
    whet_json_end_object(s);
}

static void json_layers(whet_str *s, const whet_engine *e, const whet_pgraph *g,
                        const whet_plan *p, const whet_verified_plan *v) {
    const char **lacking = NULL;
    whet_arena arena;
    whet_arena_init(&arena);
    if (whet_plan_fallbacks(p, g, e->env, &arena, &lacking)) lacking = NULL;
    whet_json_array(s, "layers");
    for (int32_t i = 0; i < p->n_steps; i++)
        json_step(s, e, g, p, i, lacking ? lacking[i] : NULL, v);
    whet_json_end_array(s);
    whet_arena_fini(&arena);
}

static void json_blocks(whet_str *s, const whet_engine *e, const whet_pgraph *g,
                        const whet_plan *p, const whet_pnode *n, const whet_verified_plan *v) {
    whet_json_array(s, "blocks");
    for (int32_t i = 0; i < n->n_blocks; i++) {
        whet_json_object(s, NULL);
        whet_json_text(s, "name", n->op->blocks[i]);
        int32_t k = n->first_block + i;
        json_layers(s, e, g->blocks[k], p->blocks[k], v ? &v->blocks[k] : NULL);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
}

static void json_numbers(whet_str *s, const char *key, const int64_t *v, int32_t n) {
    whet_json_array(s, key);
    for (int32_t i = 0; i < n; i++) whet_json_int(s, NULL, v[i]);
    whet_json_end_array(s);
}

// The layers of the first profile are those of the engine.
static void json_profiles(whet_str *s, const whet_engine *e, const whet_verified *v) {
    whet_json_array(s, "profiles");
    for (int32_t i = 0; i < e->profiles.n; i++) {
        const whet_box *b = &e->profiles.v[i];
        whet_json_object(s, NULL);
        whet_json_array(s, "inputs");
        for (int32_t k = 0; k < b->n; k++) {
            const whet_range *r = &b->v[k];
            whet_json_object(s, NULL);
            whet_json_text(s, "name", e->graph->values[e->graph->inputs[r->input]].name);
            whet_json_bool(s, "values", r->contents);
            json_numbers(s, "min", r->min, r->n);
            json_numbers(s, "opt", r->opt, r->n);
            json_numbers(s, "max", r->max, r->n);
            whet_json_end_object(s);
        }
        whet_json_end_array(s);
        whet_json_double(s, "expected_ms", e->plans[i]->cost * 1e3);
        if (i) json_layers(s, e, e->graph, e->plans[i], v ? &v->plans[i] : NULL);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
}

// What several steps share counts once.
static size_t all_packed(const whet_plan *p) {
    size_t bytes = 0;
    for (int32_t i = 0; i < p->n_packed; i++) {
        bool seen = false;
        for (int32_t k = 0; k < i && !seen; k++) seen = p->packed[k].data == p->packed[i].data;
        if (!seen) bytes += p->packed[i].bytes;
    }
    return bytes;
}

static void inspect_json(whet_str *s, const whet_engine *e, const whet_verified *v) {
    bool stripped = whet_engine_is_stripped(e);
    whet_json_object(s, NULL);
    whet_json_text(s, "name", e->graph->name);
    whet_json_text(s, "library", e->file.library);
    whet_json_bool(s, "tuned_for_this_machine", e->exact);
    whet_json_text(s, "note", e->note);
    json_io(s, e, true);
    json_io(s, e, false);
    whet_json_int(s, "model_nodes", e->graph->imported_nodes);
    whet_json_bool(s, "stripped", stripped);
    whet_json_int(s, "file_bytes", (int64_t)e->file.size);
    if (v) {
        whet_json_object(s, "verified");
        whet_json_int(s, "samples", v->samples);
        whet_json_text(s, "data", v->calibration ? "calibration" : "random");
        whet_json_end_object(s);
    }
    if (!stripped) {
        whet_json_int(s, "steps", e->plan->n_steps);
        whet_json_int(s, "fused_nodes", e->plan->n_fused);
        whet_json_int(s, "segments", e->plan->n_segments);
        whet_json_int(s, "packed_bytes", (int64_t)all_packed(e->plan));
        json_layers(s, e, e->graph, e->plan, v ? &v->plans[0] : NULL);
        json_profiles(s, e, v);
    }
    whet_json_array(s, "sections");
    for (int32_t i = 0; i < e->file.n_sections; i++) {
        static const char *const names[] = {"?",    "graph",  "index",    "sources",     "machine",
                                            "plan", "packed", "profiles", "profile plan",
                                            "plugins", "library", "sums",
                                            "verified", "weights"};
        uint32_t kind = e->file.sections[i].kind;
        whet_json_object(s, NULL);
        whet_json_text(s, "kind", names[kind <= WHET_SECTION_WEIGHTS ? kind : 0]);
        whet_json_int(s, "machine", e->file.sections[i].id);
        whet_json_int(s, "offset", (int64_t)e->file.sections[i].offset);
        whet_json_int(s, "bytes", (int64_t)e->file.sections[i].size);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
    whet_json_end_object(s);
}

static void text_io(whet_str *s, const whet_engine *e, bool input) {
    int32_t n = input ? e->graph->n_inputs : e->graph->n_outputs;
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info;
        if (input ? whet_engine_input(e, i, &info) : whet_engine_output(e, i, &info)) continue;
        whet_str_printf(s, "%s %s: ", input ? "input " : "output", info.name);
        type_text(info.dtype, info.elem, s);
        whet_str_add(s, "[");
        if (info.rank < 0) whet_str_add(s, "...");
        for (int32_t d = 0; d < info.rank; d++) {
            if (d) whet_str_add(s, ",");
            if (info.dims[d] >= 0) whet_str_printf(s, "%lld", (long long)info.dims[d]);
            else whet_str_add(s, info.dim_names[d] ? info.dim_names[d] : "?");
        }
        whet_str_add(s, "]\n");
    }
}

static void text_numbers(whet_str *s, const int64_t *v, int32_t n) {
    for (int32_t i = 0; i < n; i++) whet_str_printf(s, "%s%lld", i ? "x" : "", (long long)v[i]);
    if (!n) whet_str_add(s, "scalar");
}

static void text_profile(whet_str *s, const whet_engine *e, int32_t i) {
    const whet_box *b = &e->profiles.v[i];
    whet_str_printf(s, "profile %d:", i);
    for (int32_t k = 0; k < b->n; k++) {
        const whet_range *r = &b->v[k];
        whet_str_printf(s, "%s %s%s ", k ? "," : "",
                        e->graph->values[e->graph->inputs[r->input]].name,
                        r->contents ? " values" : "");
        text_numbers(s, r->min, r->n);
        whet_str_add(s, "..");
        text_numbers(s, r->opt, r->n);
        whet_str_add(s, "..");
        text_numbers(s, r->max, r->n);
    }
    whet_str_add(s, "\n");
}

// Steps of a block stand behind the one that runs it, further in.
static void text_steps(whet_str *s, const whet_engine *e, const whet_pgraph *g,
                       const whet_plan *plan, const whet_verified_plan *v) {
    const char **lacking = NULL;
    whet_arena arena;
    whet_arena_init(&arena);
    if (whet_plan_fallbacks(plan, g, e->env, &arena, &lacking)) lacking = NULL;
    for (int32_t i = 0; i < plan->n_steps; i++) {
        const whet_pstep *p = &plan->steps[i];
        whet_str_printf(s, "%*s%4d  %-14s %-28s ", g->depth * 4, "", i, kind_of(p),
                        p->kernel->name);
        if (p->n_out && p->out[0] >= 0) shape_text(g, plan, p->out[0], s);
        whet_str_printf(s, "  %s", p->name);
        if (lacking && lacking[i])
            whet_str_printf(s, "  (on the CPU: %s has no kernel for it)", lacking[i]);
        if (v && v->steps[i].state == WHET_VERIFIED_DIFFERS)
            whet_str_add(s, "  (differs from its reference)");
        whet_str_add(s, "\n");
        if (!p->op || !p->op->n_blocks) continue;
        const whet_pnode *n = &g->nodes[p->nodes[0]];
        for (int32_t k = n->first_block; k < n->first_block + n->n_blocks; k++)
            text_steps(s, e, g->blocks[k], plan->blocks[k], v ? &v->blocks[k] : NULL);
    }
    whet_arena_fini(&arena);
}

static void count_states(const whet_verified_plan *v, int32_t *n) {
    for (int32_t i = 0; i < v->n_steps; i++)
        if (v->steps[i].state < WHET_VERIFIED_STATES) n[v->steps[i].state]++;
    for (int32_t i = 0; i < v->n_blocks; i++) count_states(&v->blocks[i], n);
}

static void text_verified(whet_str *s, const whet_verified *v) {
    int32_t n[WHET_VERIFIED_STATES] = {0};
    for (int32_t i = 0; i < v->n_plans; i++) count_states(&v->plans[i], n);
    whet_str_printf(s, "verified on %d %s: %d steps agree with their references", v->samples,
                    v->calibration ? "samples of the calibration" : "random samples",
                    n[WHET_VERIFIED_AGREES]);
    if (n[WHET_VERIFIED_DIFFERS]) whet_str_printf(s, ", %d differ", n[WHET_VERIFIED_DIFFERS]);
    int32_t unknown = n[WHET_VERIFIED_NEVER_RAN] + n[WHET_VERIFIED_UNKNOWN];
    if (unknown) whet_str_printf(s, ", %d were not checked", unknown);
    whet_str_add(s, "\n");
}

static void inspect_text(whet_str *s, const whet_engine *e, const whet_verified *v) {
    text_io(s, e, true);
    text_io(s, e, false);
    if (whet_engine_is_stripped(e)) {
        whet_str_printf(s, "%d nodes in the model\n%zu bytes, stripped of its weights\n",
                        e->graph->imported_nodes, e->file.size);
        return;
    }
    whet_str_printf(s, "%d nodes in the model, %d steps, %d nodes fused into other steps\n",
                    e->graph->imported_nodes, e->plan->n_steps, e->plan->n_fused);
    whet_str_printf(s, "%zu bytes, %s\n", e->file.size,
                    e->note[0] ? e->note : "tuned for this machine");
    if (v) text_verified(s, v);
    for (int32_t i = 0; i < e->n_plans; i++) {
        if (e->profiles.n) text_profile(s, e, i);
        text_steps(s, e, e->graph, e->plans[i], v ? &v->plans[i] : NULL);
    }
}

const char *whet_engine_inspect(whet_engine *engine, bool json) {
    if (!engine) return "";
    whet_str_clear(&engine->text);
    whet_arena arena;
    whet_arena_init(&arena);
    const whet_verified *v = verified_of(engine, &arena);
    if (json) inspect_json(&engine->text, engine, v);
    else inspect_text(&engine->text, engine, v);
    whet_arena_fini(&arena);
    return whet_str_text(&engine->text);
}
