// SPDX-License-Identifier: Apache-2.0
// Which steps run on the CPU because another backend that is there has no kernel for them. Those
// that it could run but that are cheaper on the CPU are not meant.
#include <string.h>

#include "plan/group.h"

static bool takes(const whet_env *env, const char *backend, whet_problem *p) {
    const whet_kernel_table *t = whet_env_kernels(env);
    for (int32_t i = 0; i < t->n; i++) {
        const whet_kernel *k = t->kernels[i];
        if (!k->backend || strcmp(k->backend, backend) || strcmp(k->op, p->op)) continue;
        uint32_t layouts = k->layouts ? k->layouts : WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN);
        for (int32_t l = 0; l < WHET_LAYOUT_COUNT; l++) {
            if (!(layouts >> l & 1)) continue;
            whet_plan_set_forms(k, (whet_layout)l, WHET_STORE_OWN, p);
            if (k->accepts(p)) return true;
        }
    }
    return false;
}

whet_status whet_plan_fallbacks(const whet_plan *p, const whet_pgraph *g, const whet_env *env,
                                whet_arena *arena, const char ***lacking) {
    const char **names = WHET_NEW_ARRAY(arena, const char *, p->n_steps);
    whet_vshape *shapes = WHET_NEW_ARRAY(arena, whet_vshape, g->n_values);
    whet_problem_ports ports = {0};
    if (!names || !shapes) return WHET_E_NOMEM;
    *lacking = names;
    if (env->n_backends < 2) return WHET_OK;
    WHET_TRY(whet_plan_shapes(g, p->box, NULL, arena, shapes));
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        whet_problem problem;
        // conversions are where their values are, and control flow is always the host's
        if (s->backend != 0 || !s->n_nodes || (s->op && s->op->n_blocks)) continue;
        WHET_TRY(whet_plan_problem(p, g, s, shapes, env, 1, arena, &ports, &problem));
        bool taken = false;
        for (int32_t b = 1; b < env->n_backends && !taken; b++)
            taken = takes(env, env->backends[b]->name, &problem);
        if (!taken) names[i] = env->backends[1]->name;
    }
    return WHET_OK;
}
