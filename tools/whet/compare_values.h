// SPDX-License-Identifier: Apache-2.0
// Values by name: what one engine makes, kept and compared with what another one makes.
#ifndef WHET_TOOLS_COMPARE_VALUES_H
#define WHET_TOOLS_COMPARE_VALUES_H

#include "cli_file.h"

typedef struct whet_cli_seen {
    char *name;
    whet_tensor tensor; // data NULL: wanted, not seen yet
    bool compared;
    double error, scale; // largest difference, largest element of what was kept
    int64_t at;          // element of the largest difference
    const char *why;     // what else is wrong
} whet_cli_seen;

typedef struct whet_cli_values {
    whet_cli_seen *v; // in the order in which they were made
    int32_t n, cap;
    int32_t *table, table_size; // open addressing, -1 free
    bool failed;
} whet_cli_values;

whet_cli_seen *whet_cli_values_find(const whet_cli_values *all, const char *name);
void whet_cli_values_free(whet_cli_values *all);
bool whet_cli_seen_differs(const whet_cli_seen *v, double tolerance);

// Taps, with the values for `user`.
void whet_cli_values_want(void *user, const char *name, const whet_tensor *t);
void whet_cli_values_keep(void *user, const char *name, const whet_tensor *t);
// Of the wanted ones only the model's outputs.
void whet_cli_values_keep_outputs(void *user, const char *name, const whet_tensor *t);
void whet_cli_values_compare(void *user, const char *name, const whet_tensor *t);
// Runs with a tap and gives the outputs to it as well, under "output NAME". False: printed.
bool whet_cli_values_run(whet_engine *engine, const whet_cli_inputs *in, whet_tap_fn tap,
                         whet_cli_values *all);

#endif
