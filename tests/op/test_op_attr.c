// SPDX-License-Identifier: Apache-2.0
// What the attribute table drives, on an operator with one attribute of every type.
#include "support/test.h"

#include <math.h>

#include "ops/op.h"

typedef struct all_attrs {
    int64_t i, absent;
    float f;
    bool b;
    int32_t choice, dtype;
    const char *text;
    whet_ints ints;
    whet_floats floats;
    const whet_tensor *tensor;
} all_attrs;

static const char *const choices[] = {"low", "high", NULL};
static const whet_op op = {
    .name = "all",
    WHET_ATTRS(all_attrs,
               {"i", WHET_ATTR_INT, offsetof(all_attrs, i), .def = 3, .min = 1, .max = 9},
               {"absent", WHET_ATTR_INT, offsetof(all_attrs, absent),
                .def = (double)WHET_ATTR_ABSENT, .min = 0, .max = 1},
               {"f", WHET_ATTR_FLOAT, offsetof(all_attrs, f), .def = 0.5, .min = 0, .max = 1},
               {"b", WHET_ATTR_BOOL, offsetof(all_attrs, b), .def = 1},
               {"choice", WHET_ATTR_ENUM, offsetof(all_attrs, choice), .def = 1,
                .choices = choices},
               {"dtype", WHET_ATTR_DTYPE, offsetof(all_attrs, dtype), .def = WHET_DTYPE_F32},
               {"text", WHET_ATTR_STRING, offsetof(all_attrs, text), .def_text = "x"},
               {"ints", WHET_ATTR_INTS, offsetof(all_attrs, ints), .min = -2, .max = 2},
               {"floats", WHET_ATTR_FLOATS, offsetof(all_attrs, floats)},
               {"tensor", WHET_ATTR_TENSOR, offsetof(all_attrs, tensor)}),
};

static all_attrs defaults(void) {
    all_attrs a;
    whet_op_attr_defaults(&op, &a);
    return a;
}

static void defaults_are_set(void **state) {
    (void)state;
    all_attrs a = defaults();
    assert_int_equal(a.i, 3);
    assert_true(a.absent == WHET_ATTR_ABSENT);
    assert_true(a.f == 0.5f && a.b);
    assert_int_equal(a.choice, 1);
    assert_int_equal(a.dtype, WHET_DTYPE_F32);
    assert_string_equal(a.text, "x");
    assert_null(a.ints.v);
    assert_null(a.tensor);
    whet_error err;
    assert_int_equal(whet_op_attr_check(&op, &a, &err), WHET_OK);
    assert_ptr_equal(whet_op_attr_find(&op, "f"), &op.attrs[2]);
    assert_null(whet_op_attr_find(&op, "g"));
}

static void copies_are_deep(void **state) {
    (void)state;
    whet_arena arena;
    whet_arena_init(&arena);
    int64_t ints[] = {1, 2};
    float floats[] = {0.25f};
    float data[] = {1, 2, 3};
    char text[] = "hello";
    whet_tensor tensor = {WHET_DTYPE_F32, 1, {3}, data, sizeof data};
    all_attrs a = defaults();
    a.ints = (whet_ints){ints, 2};
    a.floats = (whet_floats){floats, 1};
    a.text = text;
    a.tensor = &tensor;
    all_attrs *b = whet_op_attr_copy(&op, &a, &arena);
    assert_true(whet_op_attr_equal(&op, &a, b));
    assert_true(whet_op_attr_hash(&op, &a, 1) == whet_op_attr_hash(&op, b, 1));
    ints[1] = 7;
    data[2] = 7;
    text[0] = 'j';
    assert_int_equal(b->ints.v[1], 2);
    assert_true(((const float *)b->tensor->data)[2] == 3);
    assert_string_equal(b->text, "hello");
    assert_false(whet_op_attr_equal(&op, &a, b));
    whet_arena_fini(&arena);
}

static void differences_count(void **state) {
    (void)state;
    int64_t none = 0;
    float data[] = {1, 2};
    whet_tensor row = {WHET_DTYPE_F32, 2, {1, 2}, data, sizeof data};
    whet_tensor column = {WHET_DTYPE_F32, 2, {2, 1}, data, sizeof data};
    all_attrs base = defaults(), other[6];
    for (size_t i = 0; i < COUNT(other); i++) other[i] = base;
    other[0].ints = (whet_ints){&none, 0}; // empty is not absent
    other[1].text = NULL;
    other[2].b = false;
    other[3].tensor = &row;
    other[4].tensor = &column;
    other[5].f = -0.5f;
    for (size_t i = 0; i < COUNT(other); i++) {
        assert_false(whet_op_attr_equal(&op, &base, &other[i]));
        for (size_t k = 0; k < i; k++) {
            assert_false(whet_op_attr_equal(&op, &other[k], &other[i]));
            assert_true(whet_op_attr_hash(&op, &other[k], 0) !=
                        whet_op_attr_hash(&op, &other[i], 0));
        }
    }
}

static void check_refused(const all_attrs *a, whet_status status, const char *text) {
    whet_error err;
    assert_int_equal(whet_op_attr_check(&op, a, &err), status);
    assert_non_null(strstr(err.text, text));
}

static void ranges_are_checked(void **state) {
    (void)state;
    int64_t ints[] = {0, 3};
    all_attrs a = defaults();
    a.i = 0;
    check_refused(&a, WHET_E_RANGE, "attribute i is 0");
    a = defaults();
    a.f = NAN;
    check_refused(&a, WHET_E_RANGE, "attribute f");
    a = defaults();
    a.ints = (whet_ints){ints, 2};
    check_refused(&a, WHET_E_RANGE, "attribute ints is 3");
    a = defaults();
    a.choice = 2;
    check_refused(&a, WHET_E_RANGE, "choice");
    a = defaults();
    a.dtype = 29;
    check_refused(&a, WHET_E_UNSUPPORTED, "data type 29");
}

// Rows of the table: sorted, and each complete.
static void table_is_sound(void **state) {
    (void)state;
    const whet_op_table *t = whet_ops_builtin();
    for (int32_t i = 0; i < t->n; i++) {
        const whet_op *o = t->ops[i];
        if (i) assert_true(strcmp(t->ops[i - 1]->name, o->name) < 0);
        assert_ptr_equal(whet_op_find(t, o->name), o);
        assert_true(o->infer || !o->eval); // control flow has neither
        assert_true(o->n_out > 0);
        for (int32_t k = 0; k < o->n_attrs; k++)
            assert_true(o->attrs[k].type != WHET_ATTR_ENUM || o->attrs[k].choices);
    }
    assert_null(whet_op_find(t, "no_such_operator"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_set),   cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(differences_count),  cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
