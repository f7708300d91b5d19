// SPDX-License-Identifier: Apache-2.0
// Operators of libwhet_ops.so, opened as a model opens it.
#include "support/test.h"

#include "env/env.h"
#include "op/op_run.h"
#include "op/op_text.h"

static whet_env *make_env(void) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 1};
    whet_env *env = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    return env;
}

// NULL: what it needs was not there when the library was built.
static const whet_op *rare(whet_env *env, const char *name) {
    whet_error err;
    const whet_op *op = whet_op_get(whet_env_ops(env), name, &err);
    if (op) return op;
    if (!strstr(err.text, "was built without")) fail_msg("%s", err.text);
    print_message("%s\n", err.text);
    return NULL;
}

static whet_tensor bytes(const void *data, size_t size) {
    return (whet_tensor){WHET_DTYPE_U8, 1, {(int64_t)size}, (void *)(uintptr_t)data, size};
}

static void images_are_decoded(void **state) {
    (void)state;
    whet_env *env = make_env();
    const whet_op *op = rare(env, "image_decoder");
    assert_non_null(op);
    static const char pnm[] = "P6 2 1 255\n\1\2\3\4\5\6";
    op_run r;
    op_run_init(&r);
    whet_tensor in = bytes(pnm, sizeof pnm - 1);
    if (op_run_case(&r, op, "", &in, 1, 1, 0)) fail_msg("%s", r.error.text);
    assert_int_equal(r.out[0].dims[1], 2);
    assert_memory_equal(r.out[0].data, "\1\2\3\4\5\6", 6);
    op_run_fini(&r);
    // each way to be cut short, or to say too much
    for (size_t n = 0; n < sizeof pnm - 1; n++) {
        op_run_init(&r);
        in = bytes(pnm, n);
        op_run_case(&r, op, "", &in, 1, 1, 0);
        op_run_fini(&r);
    }
    static const char *const heads[] = {"\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
                                        "II*\0\xff\xff\xff\x7f", "RIFF\4\0\0\0WEBPVP8 ",
                                        "BM\xff\xff\xff\x7f", "\xff\x4f\xff\x51"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char broken[64] = {0};
        memcpy(broken, heads[i], strlen(heads[i]));
        op_run_init(&r);
        in = bytes(broken, sizeof broken);
        op_run_case(&r, op, "", &in, 1, 1, 0);
        op_run_fini(&r);
    }
    whet_env_destroy(env);
}

static void patterns_match(void **state) {
    (void)state;
    whet_env *env = make_env();
    const whet_op *op = rare(env, "regex_full_match");
    op_run r;
    op_run_init(&r);
    if (op) {
        whet_tensor in = op_text_tensor(&r.arena, "string[4] a ab abc b");
        if (op_run_case(&r, op, "pattern=ab?", &in, 1, 1, 0)) fail_msg("%s", r.error.text);
        assert_memory_equal(r.out[0].data, "\1\1\0\0", 4);
        op_run bad;
        op_run_init(&bad);
        assert_int_equal(op_run_case(&bad, op, "pattern=(", &in, 1, 1, 0), WHET_E_MODEL);
        op_run_fini(&bad);
    }
    op_run_fini(&r);
    whet_env_destroy(env);
}

static void check_tokens(const whet_op *op, const char *attrs, const char *expected) {
    op_run r;
    op_run_init(&r);
    whet_tensor in = op_text_tensor(&r.arena, "string[3] ab,b b,,abc \xc3\xa9"),
                want = op_text_tensor(&r.arena, expected);
    if (op_run_case(&r, op, attrs, &in, 1, 1, 0)) fail_msg("%s: %s", attrs, r.error.text);
    const whet_text *got = r.out[0].data, *text = want.data;
    assert_int_equal(r.out[0].dims[1], want.dims[1]);
    for (int64_t i = 0; i < whet_tensor_count(&want); i++) {
        assert_int_equal(got[i].size, text[i].size);
        assert_memory_equal(got[i].data, text[i].data, text[i].size);
    }
    op_run_fini(&r);
}

static void texts_become_tokens(void **state) {
    (void)state;
    whet_env *env = make_env();
    const whet_op *op = rare(env, "tokenizer");
    if (op) {
#define REST " mincharnum=1 pad_value=#"
        check_tokens(op, "mark=0 tokenexp=a|ab|b" REST, "string[3,2] ab b b ab # #");
        check_tokens(op, "mark=1 tokenexp=a" REST, "string[3,3] \2 a \3 \2 a \3 \2 \3 #");
        check_tokens(op, "mark=0 tokenexp=a*" REST, "string[3,1] a a #");
        check_tokens(op, "mark=0 tokenexp=." REST,
                     "string[3,6] a b , b # # b , , a b c \xc3\xa9 # # # # #");
        check_tokens(op, "mark=0 tokenexp=q" REST, "string[3,0]");
    }
    whet_env_destroy(env);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(images_are_decoded),
                                       cmocka_unit_test(patterns_match),
                                       cmocka_unit_test(texts_become_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
