// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

#define ONE "f32[1,1,1] 1"

static void recurrences(void **state) {
    (void)state;
    static const op_case cases[] = {
        // H' = X + H
        {"rnn", "activations=Relu", {"f32[3,1,1] 1 2 3", ONE, ONE},
         {"f32[3,1,1,1] 1 3 6", "f32[1,1,1] 6"}},
        {"rnn", "activations=relu direction=reverse", {"f32[3,1,1] 1 2 3", ONE, ONE},
         {"f32[3,1,1,1] 6 5 3", "f32[1,1,1] 6"}},
        {"rnn", "activations=Relu,Affine direction=bidirectional activation_beta=10",
         {"f32[2,1,1] 1 2", "f32[2,1,1] 1", "f32[2,1,1] 1"},
         {"f32[2,2,1,1] 1 23 3 12", "f32[2,1,1] 3 23"}},
        {"rnn", "activations=Relu layout=1",
         {"f32[2,2,1] 1 2 10 20", ONE, ONE, "f32[1,2] 100 200", "", "f32[2,1,1] 1000 2000"},
         {"f32[2,2,1,1] 1301 1603 2310 2630", "f32[2,1,1] 1603 2630"}},
        {"rnn", "activations=Relu direction=reverse",
         {"f32[3,2,1] 1 10 2 20 3 30", ONE, ONE, "", "i32[2] 2 0"},
         {"f32[3,1,2,1] 3 0 2 0 0 0", "f32[1,2,1] 3 0"}},
        {"rnn", "activations=Relu clip=2.5", {"f32[3,1,1] 1 2 3", ONE, ONE},
         {"f32[3,1,1,1] 1 2.5 2.5", ""}},
        {"rnn", "activations=HardSigmoid activation_alpha=0.25", {ONE, ONE, ONE},
         {"", "f32[1,1,1] 0.75"}},
        {"rnn", "", {"f32[0,1,1] 0", ONE, ONE, "", "", "f32[1,1,1] 7"},
         {"f32[0,1,1,1] 0", "f32[1,1,1] 7"}},
        // all gates 1 or 2: z = r = 2, h = X + r H
        {"gru", "activations=Affine,Relu activation_alpha=0 activation_beta=2",
         {"f32[2,1,1] 1 2", "f32[1,3,1] 1", "f32[1,3,1] 1"},
         {"f32[2,1,1,1] -1 -2", "f32[1,1,1] -2"}},
        {"gru",
         "linear_before_reset=1 activations=Affine,Affine activation_alpha=0,1 activation_beta=2,0",
         {"f32[1,1,1] 1", "f32[1,3,1] 1", "f32[1,3,1] 1", "f32[1,6] 0 0 0 0 0 10", "",
          "f32[1,1,1] 5"},
         {"", "f32[1,1,1] -21"}},
        // i = o = f = 1: C' = C + X + H, H' = C'
        {"lstm", "activations=Affine,Affine,Relu activation_alpha=0,1 activation_beta=1,0",
         {"f32[2,1,1] 1 2", "f32[1,4,1] 1", "f32[1,4,1] 1"},
         {"f32[2,1,1,1] 1 4", "f32[1,1,1] 4", "f32[1,1,1] 4"}},
        // i = X + P C = 3, o = X + P C' = 4, f = 1 - i, c = 1: C' = -2 * 1 + 3
        {"lstm", "input_forget=1 activations=Relu,Affine,Relu activation_alpha=0 activation_beta=1",
         {ONE, "f32[1,4,1] 1", "f32[1,4,1] 1", "", "", "", ONE, "f32[1,3] 2 3 4"},
         {"", "f32[1,1,1] 4", ONE}},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"rnn", "activations=Foo", {ONE, ONE, ONE}, .status = WHET_E_INVALID, .text = "\"Foo\""},
        {"rnn", "activations=Tanh direction=bidirectional", {"f32[1,1,1] 1", "f32[2,1,1] 1",
         "f32[2,1,1] 1"}, .status = WHET_E_INVALID, .text = "activation 1"},
        {"rnn", "hidden_size=2", {ONE, ONE, ONE}, .status = WHET_E_SHAPE, .text = "hidden_size"},
        {"rnn", "layout=2", {ONE, ONE, ONE}, .status = WHET_E_RANGE},
        {"rnn", "", {"f32[1,1] 1", ONE, ONE}, .status = WHET_E_SHAPE},
        {"rnn", "", {"f32[1,1,2] 1", ONE, ONE}, .status = WHET_E_SHAPE, .text = "W"},
        {"rnn", "", {ONE, ONE, "f32[2,1,1] 1"}, .status = WHET_E_SHAPE, .text = "R"},
        {"rnn", "", {ONE, ONE, ONE, "f32[1,1] 1"}, .status = WHET_E_SHAPE, .text = "B"},
        {"rnn", "", {ONE, ONE, ONE, "", "i32[2] 1"}, .status = WHET_E_SHAPE},
        {"rnn", "", {ONE, ONE, ONE, "", "i32[1] 2"}, {"f32[1,1,1,1] 0"}, WHET_E_RANGE,
         "sequence_lens[0] is 2"},
        {"rnn", "", {ONE, ONE, ONE, "", "i32[1] -1"}, {"f32[1,1,1,1] 0"}, WHET_E_RANGE},
        {"rnn", "", {ONE, ONE, ONE, "", "", "f32[1,2,1] 1"}, .status = WHET_E_SHAPE,
         .text = "initial_h"},
        {"gru", "", {ONE, ONE, ONE}, .status = WHET_E_SHAPE, .text = "3"},
        {"lstm", "", {ONE, "f32[1,4,1] 1", "f32[1,4,1] 1", "", "", "", "f32[1,1,2] 1"},
         .status = WHET_E_SHAPE, .text = "initial_c"},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recurrences),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
