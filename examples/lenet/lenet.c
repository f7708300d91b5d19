// SPDX-License-Identifier: Apache-2.0
// LeNet-5 made by hand in C from trained weights: reads the digits of digits.npz.
//
//     cc lenet.c -lwhet -o lenet && ./lenet [FOLDER of lenet.npz and digits.npz]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whet/whet.h>

enum { PIXELS = 28 * 28, DIGITS = 10 };

static whet_network *net;
static whet_weights *weights;

static void check(whet_status status, const void *handle) {
    if (status == WHET_OK) return;
    fprintf(stderr, "%s\n", whet_error_text(handle));
    exit(1);
}

// The weights of that name as f32; they stay in the file's memory.
static whet_value *weight(const char *layer, const char *part) {
    char name[64];
    whet_tensor t;
    whet_value *v;
    snprintf(name, sizeof name, "%s.%s", layer, part);
    check(whet_weights_find(weights, name, WHET_DTYPE_F32, &t), weights);
    check(whet_network_constant(net, name, &t, false, &v), net);
    return v;
}

static whet_value *add(const char *op, const char *name, whet_value *a, whet_value *b,
                       whet_value *c, const whet_attribute *attributes, int n_attributes) {
    whet_value *in[] = {a, b, c}, *out;
    check(whet_network_add(net, op, name, in, c ? 3 : b ? 2 : 1, attributes, n_attributes, &out, 1),
          net);
    return out;
}

static whet_value *conv_layer(const char *name, whet_value *x) {
    const whet_attribute pool[] = {{"kernel_shape", .text = "[2, 2]"},
                                   {"strides", .text = "[2, 2]"}};
    x = add("conv", name, x, weight(name, "weight"), weight(name, "bias"), NULL, 0);
    x = add("relu", NULL, x, NULL, NULL, NULL, 0);
    return add("average_pool", NULL, x, NULL, NULL, pool, 2);
}

static whet_value *full_layer(const char *name, whet_value *x) {
    const whet_attribute swap[] = {{"transB", .text = "true"}};
    return add("gemm", name, x, weight(name, "weight"), weight(name, "bias"), swap, 1);
}

static void make_network(void) {
    const int64_t dims[] = {-1, 1, 28, 28};
    const char *const names[] = {"batch", NULL, NULL, NULL};
    whet_value *x;
    check(whet_network_input(net, "image", WHET_DTYPE_F32, 4, dims, names, &x), net);
    x = conv_layer("conv2", conv_layer("conv1", x));
    x = add("flatten", NULL, x, NULL, NULL, NULL, 0);
    x = add("relu", NULL, full_layer("fc1", x), NULL, NULL, NULL, 0);
    x = add("relu", NULL, full_layer("fc2", x), NULL, NULL, NULL, 0);
    x = add("softmax", "odds", full_layer("fc3", x), NULL, NULL, NULL, 0);
    check(whet_network_mark_output(net, x, NULL), net);
}

static int largest(const float *v) {
    int best = 0;
    for (int i = 1; i < DIGITS; i++)
        if (v[i] > v[best]) best = i;
    return best;
}

// How many of the digits are read right.
static int64_t classify(whet_engine *engine, const whet_tensor *images, const whet_tensor *labels) {
    whet_context *context;
    whet_tensor in = *images, odds = {0};
    int64_t right = 0, n = images->dims[0];
    check(whet_context_create(engine, &context), engine);
    float *ink = malloc((size_t)n * PIXELS * sizeof *ink);
    if (!ink) exit(1);
    for (int64_t i = 0; i < n * PIXELS; i++) ink[i] = ((const uint8_t *)images->data)[i] / 255.0f;
    in = (whet_tensor){WHET_DTYPE_F32, 4, {n, 1, 28, 28}, ink, (size_t)n * PIXELS * sizeof *ink};
    check(whet_context_run(context, &in, 1, &odds, 1), context); // odds: memory of the context
    for (int64_t i = 0; i < n; i++)
        right += largest((const float *)odds.data + i * DIGITS) ==
                 ((const uint8_t *)labels->data)[i];
    free(ink);
    whet_context_destroy(context);
    return right;
}

static whet_weights *open_file(const char *folder, const char *name) {
    char path[1024];
    whet_weights *w;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check(whet_weights_open(NULL, path, &w), NULL);
    return w;
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : ".";
    whet_builder *builder;
    whet_config *config;
    whet_engine *engine;
    whet_tensor images, labels;
    weights = open_file(folder, "lenet.npz");
    whet_weights *digits = open_file(folder, "digits.npz");
    check(whet_builder_create(NULL, &builder), NULL);
    check(whet_builder_network(builder, &net), builder);
    make_network();
    check(whet_config_create(NULL, &config), NULL);
    check(whet_config_set(config, "level", "1"), config);
    check(whet_builder_build(builder, config, &engine), builder);
    check(whet_weights_find(digits, "images", WHET_DTYPE_U8, &images), digits);
    check(whet_weights_find(digits, "labels", WHET_DTYPE_U8, &labels), digits);
    int64_t right = classify(engine, &images, &labels);
    printf("%lld of %lld digits right\n", (long long)right, (long long)images.dims[0]);
    whet_engine_destroy(engine);
    whet_config_destroy(config);
    whet_builder_destroy(builder);
    whet_weights_close(weights);
    whet_weights_close(digits);
    return right * 10 > images.dims[0] * 9 ? 0 : 1;
}
