// SPDX-License-Identifier: Apache-2.0
// The precision "best": all arithmetic of this machine, int8 where there are scales. What it does
// not bring is told.
#include "build/builder_impl.h"
#include "build/calib.h"

static bool stores_bf16(whet_env *env) {
    const whet_kernel_table *t = whet_env_kernels(env);
    for (int32_t i = 0; i < t->n; i++)
        if ((t->kernels[i]->stores & WHET_STORE_BIT(WHET_STORE_BF16)) &&
            t->kernels[i]->cpu && whet_env_can_run(env, t->kernels[i]))
            return true;
    return false;
}

static bool states_quantization(const whet_graph *g) {
    WHET_FOR_NODES(g, n)
        if (n->op == &whet_op_quantize_linear || n->op == &whet_op_qlinear_conv ||
            n->op == &whet_op_qlinear_matmul)
            return true;
    return false;
}

void whet_build_log_best(whet_build *x, const whet_graph *g) {
    if (!whet_config_best(x->c)) return;
    if (!whet_config_int8(x->c) && !states_quantization(g))
        whet_env_log(x->env, WHET_LOG_INFO,
                     "best: int8 is not used, since no scales are given (options calibration, "
                     "calib, ranges)");
    if (!stores_bf16(x->env))
        whet_env_log(x->env, WHET_LOG_INFO,
                     "best: bf16 is not used, since no kernel of this machine multiplies it");
    whet_env_log(x->env, WHET_LOG_VERBOSE,
                 "best: tf32 is not used: this version has no kernels for it; fp16 and int4 are "
                 "used only where they are asked for");
}
