// SPDX-License-Identifier: Apache-2.0
// regex_full_match: whether a pattern of RE2's syntax matches each text whole.
#include "ops/op.h"
#include "rare/regex_re2.h"

typedef struct regex_attrs {
    const char *pattern;
} regex_attrs;

static whet_status make(const void *attrs, whet_regex **regex, whet_error *err) {
    const char *pattern = ((const regex_attrs *)attrs)->pattern;
    char why[256];
    *regex = whet_regex_create(pattern ? pattern : "", why, sizeof why);
    if (*regex) return WHET_OK;
    if (!*why) return WHET_NOMEM(err);
    WHET_FAIL(err, WHET_E_MODEL, "\"%s\" is no regular expression of RE2: %s", pattern, why);
}

static whet_status infer(whet_infer *ctx) {
    whet_regex *regex;
    if (ctx->dims) { // at build
        WHET_TRY(make(ctx->attrs, &regex, ctx->err));
        whet_regex_destroy(regex);
    }
    return whet_infer_same_as_input(ctx);
}

static whet_status eval(whet_eval *e) {
    const whet_text *x = e->in[0].data;
    bool *y = e->out[0].data;
    int64_t n = whet_tensor_count(&e->in[0]);
    whet_regex *regex;
    WHET_TRY(make(e->attrs, &regex, e->err));
    for (int64_t i = 0; i < n; i++) y[i] = whet_regex_full_match(regex, x[i].data, x[i].size);
    whet_regex_destroy(regex);
    return WHET_OK;
}

extern const whet_op whet_op_regex_full_match;
const whet_op whet_op_regex_full_match = {
    .name = "regex_full_match",
    WHET_IN({"X", WHET_DTYPES_STRING}), WHET_OUT({"Y", WHET_DTYPES_BOOL}),
    WHET_ATTRS(regex_attrs, {"pattern", WHET_ATTR_STRING, offsetof(regex_attrs, pattern),
                             .def_text = ""}),
    WHET_ONNX({"", "RegexFullMatch", 20, 0, "regex_full_match"}), .infer = infer, .eval = eval,
};
