// SPDX-License-Identifier: Apache-2.0
// Outputs whose size only data tells: allocators, small buffers, sizes without running.
#include "support/failing_alloc.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <whet/whet.h>

// x f32[n] -> places i64[k, 1] of its non-zero elements, half f32[n] sigmoid, table f32[a, b]: x in
// the shape that `target` i64[2] says, best f32[m] of its largest.
typedef struct {
    whet_engine *engine;
    whet_context *context;
} fixture;

static whet_value *add(whet_network *net, const char *op, whet_value **in, int32_t n,
                       int32_t out_n) {
    whet_value *out[2] = {NULL, NULL};
    if (whet_network_add(net, op, op, in, n, NULL, 0, out, out_n))
        fail_msg("%s", whet_error_text(net));
    return out[0];
}

static whet_value *input(whet_network *net, const char *name, whet_dtype dtype, int64_t n,
                         const char *dim) {
    whet_value *v = NULL;
    if (whet_network_input(net, name, dtype, 1, &n, &dim, &v))
        fail_msg("%s", whet_error_text(net));
    return v;
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    whet_builder *b = NULL;
    whet_config *c = NULL;
    whet_network *net = NULL;
    if (!f || whet_builder_create(NULL, &b) || whet_builder_network(b, &net) ||
        whet_config_create(NULL, &c) || whet_config_set(c, "level", "0"))
        return -1;
    whet_value *x = input(net, "x", WHET_DTYPE_F32, -1, "n");
    whet_value *target = input(net, "target", WHET_DTYPE_I64, 2, NULL);
    whet_value *most = input(net, "most", WHET_DTYPE_I64, 1, NULL);
    whet_value *found = add(net, "non_zero", &x, 1, 1);
    whet_value *outputs[] = {add(net, "transpose", &found, 1, 1), add(net, "sigmoid", &x, 1, 1),
                             add(net, "reshape", (whet_value *[]){x, target}, 2, 1),
                             add(net, "top_k", (whet_value *[]){x, most}, 2, 2)};
    static const char *const names[] = {"places", "half", "table", "best"};
    for (int i = 0; i < 4; i++)
        if (whet_network_mark_output(net, outputs[i], names[i]))
            fail_msg("%s", whet_error_text(net));
    if (whet_builder_build(b, c, &f->engine)) fail_msg("%s", whet_error_text(b));
    whet_builder_destroy(b);
    whet_config_destroy(c);
    if (whet_context_create(f->engine, &f->context)) return -1;
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    whet_context_destroy(f->context);
    whet_engine_destroy(f->engine);
    free(f);
    return 0;
}

static float xs[64];
static int64_t target_of[2], most_of;

static void feed(whet_tensor in[3], int64_t n, int64_t zeros, int64_t rows) {
    for (int64_t i = 0; i < n; i++) xs[i] = i < zeros ? 0 : (float)(i + 1);
    target_of[0] = rows;
    target_of[1] = n / rows;
    most_of = 2;
    in[0] = (whet_tensor){WHET_DTYPE_F32, 1, {n}, xs, (size_t)n * 4};
    in[1] = (whet_tensor){WHET_DTYPE_I64, 1, {2}, target_of, 16};
    in[2] = (whet_tensor){WHET_DTYPE_I64, 1, {1}, &most_of, 8};
}

// ---- allocators ----

typedef struct {
    void *memory;
    size_t bytes;
    int asked, told;
    int64_t dims[2];
    bool refuse;
} giver;

static void *give(void *user, int32_t output, void *memory, size_t bytes, size_t alignment) {
    giver *g = user;
    assert_true(output == 0 || output == 1);
    assert_null(memory);
    g->asked++;
    if (g->refuse) return NULL;
    free(g->memory);
    g->bytes = bytes;
    assert_int_equal(posix_memalign(&g->memory, alignment, bytes ? bytes : 1), 0);
    return g->memory;
}

static void tell(void *user, int32_t output, int32_t rank, const int64_t *dims) {
    giver *g = user;
    g->told++;
    assert_int_equal(rank, output == 0 ? 2 : 1);
    memcpy(g->dims, dims, (size_t)rank * sizeof *dims);
}

static void test_allocators_give_what_is_needed(void **state) {
    fixture *f = *state;
    giver a = {0}, b = {0};
    whet_output_allocator first = {sizeof first, &a, give, tell};
    whet_output_allocator second = {sizeof second, &b, give};
    assert_int_equal(whet_context_set_output_allocator(f->context, 0, &first), WHET_OK);
    assert_int_equal(whet_context_set_output_allocator(f->context, 1, &second), WHET_OK);
    assert_int_equal(whet_context_set_output_allocator(f->context, 4, &first), WHET_E_RANGE);
    for (int64_t zeros = 0; zeros <= 20; zeros += 5) {
        whet_tensor in[3], out[4] = {0};
        feed(in, 20, zeros, 4);
        a.asked = b.asked = a.told = 0;
        if (whet_context_run(f->context, in, 3, out, 4))
            fail_msg("%s", whet_error_text(f->context));
        assert_true(a.asked == 1 && b.asked == 1 && a.told == 1);
        assert_true(a.bytes == (size_t)(20 - zeros) * 8 && b.bytes == 80);
        assert_true(a.dims[0] == 20 - zeros && a.dims[1] == 1);
        assert_true(out[0].bytes == a.bytes && out[1].data == b.memory && out[1].bytes == 80);
        if (zeros < 20) assert_ptr_equal(out[0].data, a.memory);
        for (int64_t i = 0; i < 20 - zeros; i++)
            assert_int_equal(((int64_t *)out[0].data)[i], zeros + i);
    }
    whet_tensor in[3], out[4] = {0};
    feed(in, 20, 3, 4);
    a.refuse = true;
    assert_int_equal(whet_context_run(f->context, in, 3, out, 4), WHET_E_NOMEM);
    assert_non_null(strstr(whet_error_text(f->context), "\"places\""));
    a.refuse = false;
    first.reallocate = NULL;
    assert_int_equal(whet_context_set_output_allocator(f->context, 0, &first), WHET_E_INVALID);
    assert_int_equal(whet_context_set_output_allocator(f->context, 1, NULL), WHET_OK);
    memset(out, 0, sizeof out);
    assert_int_equal(whet_context_run(f->context, in, 3, out, 4), WHET_OK);
    free(a.memory);
    free(b.memory);
}

// ---- the caller's memory ----

static void test_small_buffers_learn_all_sizes(void **state) {
    fixture *f = *state;
    char small[8], enough[400];
    whet_tensor in[3], out[4] = {0};
    feed(in, 24, 7, 3);
    out[0] = (whet_tensor){.data = small, .bytes = sizeof small};
    out[1] = (whet_tensor){.data = enough, .bytes = sizeof enough};
    assert_int_equal(whet_context_run(f->context, in, 3, out, 4), WHET_E_BUFFER);
    assert_non_null(strstr(whet_error_text(f->context), "\"places\" needs 136 bytes, 8 given"));
    assert_true(out[0].dims[0] == 17 && out[0].bytes == 136 && out[0].data == small);
    assert_true(out[1].bytes == 96 && out[2].bytes == 96 && out[2].dims[1] == 8);
    assert_true(out[3].bytes == 8);
    out[0].data = enough + 96;
    out[1].data = enough;
    assert_int_equal(whet_context_run(f->context, in, 3, out, 4), WHET_OK);
    assert_int_equal(((int64_t *)(void *)(enough + 96))[16], 23);
}

static void test_repeated_runs_allocate_nothing(void **state) {
    fixture *f = *state;
    whet_tensor in[3], out[4];
    for (int round = 0; round < 3; round++)
        for (int64_t zeros = 0; zeros < 3; zeros++) {
            feed(in, 24, zeros, 2 + zeros);
            if (24 % (2 + zeros)) continue;
            memset(out, 0, sizeof out);
            test_alloc_count();
            assert_int_equal(whet_context_run(f->context, in, 3, out, 4), WHET_OK);
            int64_t made = test_alloc_counted();
            test_alloc_end();
            if (round) assert_int_equal(made, 0);
        }
}

// ---- sizes without running ----

static void test_infer_says_what_it_can(void **state) {
    fixture *f = *state;
    whet_tensor in[3], out[4];
    size_t bytes;
    feed(in, 30, 4, 5);
    in[0].data = NULL;
    assert_int_equal(whet_context_infer(f->context, in, 3, out, 4), WHET_OK);
    assert_true(out[0].rank == 2 && out[0].dims[0] == -1 && out[0].dims[1] == 1 && !out[0].bytes);
    assert_true(out[1].dims[0] == 30 && out[1].bytes == 120);
    assert_true(out[2].dims[0] == 5 && out[2].dims[1] == 6 && out[3].dims[0] == 2);
    assert_null(whet_context_lacking(f->context, 0));
    assert_int_equal(whet_context_max_output_bytes(f->context, in, 3, 0, &bytes), WHET_OK);
    assert_int_equal(bytes, 240);
    assert_int_equal(whet_context_max_output_bytes(f->context, in, 3, 2, &bytes), WHET_OK);
    assert_int_equal(bytes, 120);
    in[1].data = NULL;
    in[2].data = NULL;
    assert_int_equal(whet_context_infer(f->context, in, 3, out, 4), WHET_OK);
    assert_true(out[1].dims[0] == 30 && out[2].rank == 2 && out[2].dims[0] == -1);
    assert_string_equal(whet_context_lacking(f->context, 0), "target");
    assert_string_equal(whet_context_lacking(f->context, 1), "most");
    assert_null(whet_context_lacking(f->context, 2));
    assert_int_equal(whet_context_max_output_bytes(f->context, in, 3, 2, &bytes), WHET_E_NOT_FOUND);
    assert_int_equal(whet_context_max_output_bytes(f->context, in, 3, 3, &bytes), WHET_OK);
    assert_int_equal(bytes, 120); // K is at most the dimension
    assert_int_equal(whet_context_max_output_bytes(f->context, in, 3, 4, &bytes), WHET_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_allocators_give_what_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_buffers_learn_all_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_runs_allocate_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_infer_says_what_it_can, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
