// SPDX-License-Identifier: Apache-2.0
// string_normalizer: leaves out stop words, then changes the case. Case follows Unicode's simple
// mappings whatever the locale says, so that results are the same everywhere.
#include <locale.h>
#include <string.h>
#include <wctype.h>

#include "base/object.h"
#include "base/texts.h"
#include "ops/op.h"

enum { LOWER, UPPER, NONE };
static const char *const choices[] = {"LOWER", "UPPER", "NONE", NULL};

typedef struct normalizer_attrs {
    int32_t action;
    bool is_case_sensitive;
    const char *locale;
    whet_strings stopwords;
} normalizer_attrs;

static whet_status infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    if (x->rank != 1 && x->rank != 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the input has %d dimensions, 1 or 2 are possible",
                  x->rank);
    if (x->rank == 2) WHET_TRY(whet_infer_same(ctx, x->dims[0], 1, "the first dimension"));
    whet_infer_unknown(ctx, 0, x->rank);
    if (x->rank == 2) ctx->out[0].dims[0] = 1;
    return WHET_OK;
}

typedef struct changer {
    whet_eval *e;
    locale_t locale; // of Unicode; 0: not here
    whet_arena *arena;
} changer;

static whet_status changed_code(const changer *c, int32_t code, int32_t action, int32_t *out) {
    bool small = code >= 'a' && code <= 'z', capital = code >= 'A' && code <= 'Z';
    if (code < 0x80) {
        *out = action == LOWER && capital ? code + 32 : action == UPPER && small ? code - 32 : code;
        return WHET_OK;
    }
    if (!c->locale)
        WHET_FAIL(c->e->err, WHET_E_UNSUPPORTED,
                  "this system lacks the locale C.UTF-8, which tells the case of letters");
    wint_t w = (wint_t)code;
    *out = (int32_t)(action == LOWER ? towlower_l(w, c->locale) : towupper_l(w, c->locale));
    return WHET_OK;
}

// A code point's other case may take more bytes, at most 4.
static whet_status change(const changer *c, whet_text t, int32_t action, whet_text *out) {
    char *to = t.size <= SIZE_MAX / 8 ? whet_arena_alloc_raw(c->arena, t.size * 4) : NULL;
    if (!to) return whet_arena_failure(c->arena, c->e->err);
    *out = (whet_text){to, 0};
    for (size_t at = 0; at < t.size;) {
        int32_t code = whet_text_next(t, &at);
        if (code < 0) WHET_FAIL(c->e->err, WHET_E_INVALID, "a text is no UTF-8");
        WHET_TRY(changed_code(c, code, action, &code));
        out->size += whet_text_put(to + out->size, code);
    }
    return WHET_OK;
}

// The stop words in the case in which they are compared.
static whet_status stop_words(const changer *c, const normalizer_attrs *a, whet_text **words) {
    *words = WHET_NEW_ARRAY(c->arena, whet_text, a->stopwords.n);
    if (!*words) return WHET_NOMEM(c->e->err);
    for (int32_t i = 0; i < a->stopwords.n; i++) {
        (*words)[i] = a->stopwords.v[i];
        if (!a->is_case_sensitive) WHET_TRY(change(c, a->stopwords.v[i], LOWER, &(*words)[i]));
    }
    return WHET_OK;
}

static whet_status is_stop_word(const changer *c, const normalizer_attrs *a,
                                const whet_text *words, whet_text t, bool *is) {
    *is = false;
    if (!a->stopwords.n) return WHET_OK;
    if (!a->is_case_sensitive) WHET_TRY(change(c, t, LOWER, &t));
    for (int32_t i = 0; i < a->stopwords.n && !*is; i++) *is = whet_text_equal(words[i], t);
    return WHET_OK;
}

static whet_status normalize(const changer *c, const normalizer_attrs *a) {
    whet_eval *e = c->e;
    const whet_text *x = e->in[0].data;
    int64_t n = whet_tensor_count(&e->in[0]), kept = 0;
    int64_t *keep = whet_eval_scratch_i64(e, n);
    whet_text *words;
    if (!keep) return WHET_E_NOMEM;
    WHET_TRY(stop_words(c, a, &words));
    for (int64_t i = 0; i < n; i++) {
        bool is;
        WHET_TRY(is_stop_word(c, a, words, x[i], &is));
        if (!is) keep[kept++] = i;
    }
    int32_t rank = e->in[0].rank;
    int64_t dims[] = {1, 1};
    dims[rank - 1] = kept ? kept : 1; // when nothing is left: one empty text
    WHET_TRY(whet_eval_output(e, 0, rank, dims));
    whet_text *y = e->out[0].data;
    if (!kept) y[0] = (whet_text){"", 0};
    changer lasting = *c;
    lasting.arena = e->objects;
    for (int64_t i = 0; i < kept; i++) {
        y[i] = x[keep[i]];
        if (a->action != NONE) WHET_TRY(change(&lasting, x[keep[i]], a->action, &y[i]));
    }
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    changer c = {e, newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), e->scratch};
    whet_status status = normalize(&c, e->attrs);
    if (c.locale) freelocale(c.locale);
    return status;
}

#define AT(field) offsetof(normalizer_attrs, field)
const whet_op whet_op_string_normalizer = {
    .name = "string_normalizer",
    WHET_IN({"X", WHET_DTYPES_STRING}), WHET_OUT({"Y", WHET_DTYPES_STRING}),
    WHET_ATTRS(normalizer_attrs,
               {"case_change_action", WHET_ATTR_ENUM, AT(action), .def = NONE, .choices = choices},
               {"is_case_sensitive", WHET_ATTR_BOOL, AT(is_case_sensitive)},
               {"locale", WHET_ATTR_STRING, AT(locale), .def_text = ""},
               {"stopwords", WHET_ATTR_STRINGS, AT(stopwords)}),
    WHET_ONNX({"", "StringNormalizer", 10, 0, NULL}), .flags = WHET_OP_DYNAMIC_OUT,
    .infer = infer, .eval = eval,
};
