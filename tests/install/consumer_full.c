// SPDX-License-Identifier: Apache-2.0
// consumer_full MODEL ENGINE: builds an engine with the installed library.
#include <stdio.h>
#include <whet/whet.h>

int main(int argc, char **argv) {
    whet_builder *builder = NULL;
    whet_engine *engine = NULL;
    if (argc != 3 || whet_builder_create(NULL, &builder)) return 2;
    int code = 0;
    if (whet_builder_load_onnx(builder, argv[1]) || whet_builder_build(builder, NULL, &engine)) {
        fprintf(stderr, "%s\n", whet_error_text(builder));
        code = 1;
    } else if (whet_engine_save(engine, argv[2])) {
        fprintf(stderr, "%s\n", whet_error_text(engine));
        code = 1;
    }
    whet_engine_destroy(engine);
    whet_builder_destroy(builder);
    return code;
}
