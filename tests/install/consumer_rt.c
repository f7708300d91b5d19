// SPDX-License-Identifier: Apache-2.0
// consumer_rt ENGINE: runs the engine of relu(x + {1, -2, 3, -4}) with the installed runtime.
#include <stdio.h>
#include <whet/whet.h>

int main(int argc, char **argv) {
    whet_engine *engine = NULL;
    whet_context *context = NULL;
    float x[4] = {1, 1, 1, 1}, y[4] = {0};
    whet_tensor in = {WHET_DTYPE_F32, 2, {1, 4}, x, sizeof x};
    whet_tensor out = {WHET_DTYPE_F32, 2, {1, 4}, y, sizeof y};
    if (argc != 2) return 2;
    if (whet_engine_load(NULL, argv[1], &engine) || whet_context_create(engine, &context)) {
        fprintf(stderr, "%s\n", whet_error_text(NULL));
        return 1;
    }
    int code = 0;
    if (whet_context_run(context, &in, 1, &out, 1)) {
        fprintf(stderr, "%s\n", whet_error_text(context));
        code = 1;
    }
    printf("%g %g %g %g\n", (double)y[0], (double)y[1], (double)y[2], (double)y[3]);
    whet_context_destroy(context);
    whet_engine_destroy(engine);
    return code;
}
