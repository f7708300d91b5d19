// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "base/object.h"
#include "base/texts.h"

static float numbers[] = {1, 2, 3, 4};

static whet_tensor row(int64_t n) {
    return (whet_tensor){WHET_DTYPE_F32, 1, {n}, numbers, (size_t)n * sizeof numbers[0]};
}

static void chains(void **state) {
    (void)state;
    whet_elem e, f32 = WHET_DTYPE_F32, optional = WHET_DTYPE_OPTIONAL;
    assert_true(whet_elem_make(WHET_DTYPE_OPTIONAL, f32, &e));
    assert_int_equal(e, WHET_DTYPE_OPTIONAL | WHET_DTYPE_F32 << 8);
    assert_true(whet_elem_valid(WHET_DTYPE_SEQUENCE, e));
    assert_false(whet_elem_valid(WHET_DTYPE_F32, e));
    assert_true(whet_elem_merge(e, optional, &e));
    assert_int_equal(e, WHET_DTYPE_OPTIONAL | WHET_DTYPE_F32 << 8);
    assert_true(whet_elem_merge(0, f32, &e));
    assert_int_equal(e, f32);
    assert_false(whet_elem_merge(f32, optional, &e));
    assert_false(whet_elem_make(WHET_DTYPE_SEQUENCE, 1u << 24, &e));
    whet_elem map = WHET_DTYPE_STRING | WHET_DTYPE_F32 << 8;
    assert_true(whet_elem_valid(WHET_DTYPE_MAP, map));
    assert_true(whet_elem_valid(WHET_DTYPE_SEQUENCE, WHET_DTYPE_MAP | map << 8));
    assert_false(whet_elem_valid(WHET_DTYPE_MAP, WHET_DTYPE_F32 | WHET_DTYPE_F32 << 8));
    assert_false(whet_elem_valid(WHET_DTYPE_MAP, WHET_DTYPE_I64 | WHET_DTYPE_MAP << 8));
}

static void sequences_share_and_stay(void **state) {
    (void)state;
    whet_arena arena;
    whet_arena_init(&arena);
    const whet_object *s, *longer, *other, *shorter;
    whet_tensor items[] = {row(1), row(2)}, third = row(3), fourth = row(4);
    assert_int_equal(whet_object_make(&arena, WHET_DTYPE_SEQUENCE, 0, items, 2, &s, NULL), 0);
    assert_int_equal(s->elem, WHET_DTYPE_F32);
    assert_int_equal(whet_object_insert(&arena, s, 2, &third, &longer, NULL), 0);
    const whet_object *from = longer;
    assert_int_equal(whet_object_insert(&arena, from, 3, &fourth, &longer, NULL), 0);
    assert_ptr_equal(from->items, longer->items); // grown in place
    assert_int_equal(whet_object_insert(&arena, from, 3, &third, &other, NULL), 0);
    assert_ptr_not_equal(from->items, other->items); // the place was taken
    assert_int_equal(longer->items[3].dims[0], 4);
    assert_int_equal(other->items[3].dims[0], 3);
    assert_int_equal(whet_object_insert(&arena, longer, 0, &fourth, &other, NULL), 0);
    assert_int_equal(other->n, 5);
    assert_int_equal(other->items[0].dims[0], 4);
    assert_int_equal(other->items[1].dims[0], 1);
    assert_int_equal(whet_object_erase(&arena, other, 1, &shorter, NULL), 0);
    assert_int_equal(shorter->n, 4);
    assert_int_equal(shorter->items[1].dims[0], 2);
    assert_int_equal(s->n, 2);
    assert_int_equal(from->n, 3);
    numbers[0] = 9; // items are copies
    assert_true(((const float *)s->items[0].data)[0] == 1);
    numbers[0] = 1;
    whet_text text = whet_text_of("a");
    whet_tensor word = {WHET_DTYPE_STRING, 0, {0}, &text, sizeof text};
    whet_error err;
    assert_int_equal(whet_object_insert(&arena, s, 0, &word, &other, &err), WHET_E_DTYPE);
    assert_non_null(strstr(err.text, "string where the others are f32"));
    whet_arena_fini(&arena);
}

static void limits_are_named(void **state) {
    (void)state;
    whet_arena arena;
    whet_arena_init(&arena);
    arena.limit = 4096;
    whet_tensor item = row(4);
    const whet_object *s;
    whet_error err;
    assert_int_equal(whet_object_make(&arena, WHET_DTYPE_SEQUENCE, 0, NULL, 0, &s, &err), 0);
    whet_status status = WHET_OK;
    for (int i = 0; i < 1000 && status == WHET_OK; i++)
        status = whet_object_insert(&arena, s, s->n, &item, &s, &err);
    assert_int_equal(status, WHET_E_LIMIT);
    assert_non_null(strstr(err.text, "4096 bytes"));
    whet_arena_reset(&arena);
    assert_int_equal(whet_object_make(&arena, WHET_DTYPE_SEQUENCE, 0, NULL, 0, &s, &err), 0);
    whet_arena_fini(&arena);
}

static void callers_are_checked(void **state) {
    (void)state;
    whet_object *o, *outer;
    whet_tensor items[] = {row(1), row(2)}, got;
    assert_int_equal(whet_object_create(WHET_DTYPE_F32, items, 2, &o), WHET_E_INVALID);
    assert_int_equal(whet_object_create(WHET_DTYPE_OPTIONAL, items, 2, &o), WHET_E_INVALID);
    items[1].bytes = 4;
    assert_int_equal(whet_object_create(WHET_DTYPE_SEQUENCE, items, 2, &o), WHET_E_BUFFER);
    items[1] = row(2);
    items[1].dtype = WHET_DTYPE_I32;
    assert_int_equal(whet_object_create(WHET_DTYPE_SEQUENCE, items, 2, &o), WHET_E_DTYPE);
    items[1] = row(2);
    assert_int_equal(whet_object_create(WHET_DTYPE_SEQUENCE, items, 2, &o), 0);
    assert_int_equal(whet_object_count(o), 2);
    assert_int_equal(whet_object_elem(o), WHET_DTYPE_F32);
    assert_int_equal(whet_object_item(o, 2, &got), WHET_E_RANGE);
    assert_int_equal(whet_object_item(o, 1, &got), 0);
    assert_int_equal(got.dims[0], 2);
    whet_tensor nested = {WHET_DTYPE_SEQUENCE, 0, {0}, &o, sizeof o};
    assert_int_equal(whet_object_create(WHET_DTYPE_OPTIONAL, &nested, 1, &outer), 0);
    assert_int_equal(whet_object_elem(outer), WHET_DTYPE_SEQUENCE | WHET_DTYPE_F32 << 8);
    assert_int_equal(whet_object_check(outer, WHET_DTYPE_OPTIONAL,
                                       WHET_DTYPE_SEQUENCE | WHET_DTYPE_I64 << 8, NULL),
                     WHET_E_DTYPE);
    whet_object_destroy(outer);
    whet_object_destroy(o);
    o = NULL;
    assert_int_equal(whet_object_create(WHET_DTYPE_OPTIONAL, &nested, 1, &outer), WHET_E_INVALID);
    int64_t keys[] = {3, 5};
    whet_tensor map[] = {{WHET_DTYPE_I64, 1, {2}, keys, sizeof keys}, row(3)};
    assert_int_equal(whet_object_create(WHET_DTYPE_MAP, map, 2, &o), WHET_E_SHAPE);
    map[1] = row(2);
    assert_int_equal(whet_object_create(WHET_DTYPE_MAP, map, 2, &o), 0);
    assert_int_equal(whet_object_elem(o), WHET_DTYPE_I64 | WHET_DTYPE_F32 << 8);
    whet_object_destroy(o);
    whet_object_destroy(NULL);
}

static void utf8(void **state) {
    (void)state;
    static const char good[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const int32_t codes[] = {'a', 0xe9, 0x20ac, 0x1f600};
    whet_text t = whet_text_of(good);
    size_t at = 0;
    char again[16];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(codes); i++) {
        assert_int_equal(whet_text_next(t, &at), codes[i]);
        n += whet_text_put(again + n, codes[i]);
    }
    assert_int_equal(at, t.size);
    assert_int_equal(n, t.size);
    assert_memory_equal(again, good, n);
    static const char *const bad[] = {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xff"};
    for (size_t i = 0; i < COUNT(bad); i++) assert_false(whet_text_is_utf8(whet_text_of(bad[i])));
    assert_true(whet_text_compare(whet_text_of("ab"), whet_text_of("b")) < 0);
    assert_true(whet_text_compare(whet_text_of("ab"), whet_text_of("a")) > 0);
    assert_true(whet_text_equal((whet_text){NULL, 0}, whet_text_of("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains),          cmocka_unit_test(sequences_share_and_stay),
        cmocka_unit_test(limits_are_named), cmocka_unit_test(callers_are_checked),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
