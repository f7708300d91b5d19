// SPDX-License-Identifier: Apache-2.0
// Nodes that nothing else knows become plugins: of that name, and of the version and namespace that
// the attributes plugin_version and plugin_namespace give.
#include <stdlib.h>
#include <string.h>

#include "onnx/importer.h"

// The text of a string attribute in the arena; NULL when the node has none.
static const char *text_of(whet_import_node *n, const char *name) {
    const whet_onnx_attr *a = whet_import_attr(n, name);
    if (!a || a->type != WHET_ONNX_STRING) return NULL;
    const char *text = whet_arena_strndup(n->imp->arena, (const char *)a->s.data, a->s.size);
    if (!text) whet_import_nomem(n->imp);
    return text;
}

// How well a domain fits; 0: not at all.
static int domain_fit(const whet_op_extern *x, const char *domain, const char *name_space) {
    if (name_space) return strcmp(x->domain, name_space) ? 0 : 3;
    if (!strcmp(x->domain, domain)) return 3;
    return *x->domain ? 1 : 2; // a plugin without a domain is for all
}

// "1" is what a model means that gives no version; else the newest is.
static bool version_better(const char *a, const char *b) {
    if (!strcmp(b, "1")) return false;
    if (!strcmp(a, "1")) return true;
    long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);
    return x != y ? x > y : strcmp(a, b) > 0;
}

const whet_op *whet_import_plugin_find(whet_import_node *n) {
    const whet_op_table *ops = n->imp->options->ops;
    const whet_op *best = NULL;
    int best_fit = 0;
    const char *version = NULL, *name_space = NULL;
    bool asked = false, several = false;
    for (int32_t i = 0; i < ops->n; i++) {
        const whet_op_extern *x = ops->ops[i]->ext;
        if (!x || strcmp(x->type, n->onnx->op_type)) continue;
        if (!asked) {
            version = text_of(n, "plugin_version");
            name_space = text_of(n, "plugin_namespace");
            asked = true;
        }
        int fit = domain_fit(x, n->onnx->domain, name_space);
        if (!fit || (version && strcmp(version, x->version))) continue;
        if (best && fit == best_fit && strcmp(best->ext->domain, x->domain)) several = true;
        if (best && fit == best_fit && !version_better(x->version, best->ext->version)) continue;
        if (best && fit < best_fit) continue;
        if (fit > best_fit) several = false;
        best = ops->ops[i];
        best_fit = fit;
    }
    return several ? NULL : best; // of two other domains neither is meant
}

void whet_import_plugin(whet_import_node *n, const whet_op *op) {
    n->op = op;
    whet_import_ignore(n, "plugin_version");
    whet_import_ignore(n, "plugin_namespace");
    whet_import_ignore(n, "tensorrt_plugin_shape_input_indices"); // our shape functions say it
    whet_import_own(n, NULL, n->in, n->n_in);
}
