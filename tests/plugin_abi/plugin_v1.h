/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin interface as it was first: a copy that never changes, of what whet/plugin.h must keep
 * at the same places. Structs end where the first ones may end; later members are unknown here.
 */
#ifndef WHET_TESTS_PLUGIN_V1_H
#define WHET_TESTS_PLUGIN_V1_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct v1_host v1_host;
typedef struct v1_node {
    const v1_host *host;
} v1_node;

typedef struct v1_attr {
    const char *name;
    int type; /* 1 int, 2 float */
    bool required;
    double def;
} v1_attr;

typedef struct v1_arg {
    const char *name;
    uint64_t types;
    char var;
    uint32_t flags;
} v1_arg;

typedef struct v1_tactic {
    const char *name;
    uint32_t layouts;
    int32_t phases;
    void (*ports)(v1_node *n, int layout);
    bool (*accepts)(v1_node *n);
    size_t (*workspace)(v1_node *n);
    size_t (*scratch)(v1_node *n);
    int64_t (*tasks)(v1_node *n, int32_t phase);
    double (*cost)(v1_node *n);
    int (*run)(v1_node *n, int64_t begin, int64_t end);
} v1_tactic;

typedef struct v1_plugin {
    size_t struct_size;
    size_t attr_size, arg_size, tactic_size;
    const char *name, *version, *domain;
    const v1_attr *attrs;
    const v1_arg *inputs, *outputs;
    const v1_tactic *tactics;
    int32_t n_attrs, n_inputs, n_outputs, n_tactics;
} v1_plugin;

typedef struct v1_library {
    size_t struct_size;
    uint32_t interface_version;
    const char *name, *version;
    const v1_plugin *const *plugins;
    int32_t n_plugins;
} v1_library;

struct v1_host {
    size_t struct_size;
    uint32_t interface_version;
    const char *library_version;
    int (*report)(v1_node *n, int status, const char *format, va_list args);
    const char *(*node_name)(v1_node *n);
    void *(*user)(v1_node *n);
    void *(*state)(v1_node *n);
    int32_t (*counts)(v1_node *n, bool out);
    bool (*attr_given)(v1_node *n, const char *name);
    int64_t (*attr_int)(v1_node *n, const char *name);
    double (*attr_float)(v1_node *n, const char *name);
    const char *(*attr_text)(v1_node *n, const char *name);
    const int64_t *(*attr_ints)(v1_node *n, const char *name, int32_t *count);
    const float *(*attr_floats)(v1_node *n, const char *name, int32_t *count);
    const void *(*attr_tensor)(v1_node *n, const char *name);
    const void *(*attr_strings)(v1_node *n, const char *name, int32_t *count);
    int (*dtype)(v1_node *n, bool out, int32_t i);
    int32_t (*rank)(v1_node *n, bool out, int32_t i);
    const int64_t *(*dims)(v1_node *n, bool out, int32_t i);
    bool (*constant)(v1_node *n, int32_t i);
    const void *(*in_data)(v1_node *n, int32_t i);
    void *(*out_data)(v1_node *n, int32_t i);
};

#endif
