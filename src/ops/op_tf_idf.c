// SPDX-License-Identifier: Apache-2.0
// tf_idf_vectorizer: counts n-grams of tokens, also with gaps between them. Tokens become numbers
// by a table of those in the pool, n-grams of numbers are found in a second table.
#include <string.h>

#include "base/hash.h"
#include "base/texts.h"
#include "ops/op.h"

enum { TF, IDF, TFIDF };
static const char *const modes[] = {"TF", "IDF", "TFIDF", NULL};

typedef struct tf_idf_attrs {
    int64_t max_gram_length, max_skip_count, min_gram_length;
    int32_t mode;
    whet_ints ngram_counts, ngram_indexes, pool_int64s;
    whet_strings pool_strings;
    whet_floats weights;
} tf_idf_attrs;

// ---- the shape ----

// Where the n-grams of length n begin and end in the pool.
static int64_t pool_size(const tf_idf_attrs *a) {
    return a->pool_strings.v ? a->pool_strings.n : a->pool_int64s.n;
}
static int64_t grams_begin(const tf_idf_attrs *a, int64_t n) { return a->ngram_counts.v[n - 1]; }
static int64_t grams_end(const tf_idf_attrs *a, int64_t n) {
    return n < a->ngram_counts.n ? a->ngram_counts.v[n] : pool_size(a);
}

static whet_status check_pool(whet_infer *ctx, const tf_idf_attrs *a) {
    int64_t grams = 0;
    if (a->min_gram_length > a->max_gram_length)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "min_gram_length is above max_gram_length");
    if (!a->pool_strings.v == !a->pool_int64s.v)
        WHET_FAIL(ctx->err, WHET_E_INVALID, "it needs either pool_strings or pool_int64s");
    if (!a->pool_strings.v == (ctx->in[0]->dtype == WHET_DTYPE_STRING))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "tokens and pool are not of the same type");
    for (int64_t n = 1; n <= a->ngram_counts.n; n++) {
        int64_t begin = grams_begin(a, n), end = grams_end(a, n);
        if (begin < 0 || end < begin || end > pool_size(a) || (end - begin) % n)
            WHET_FAIL(ctx->err, WHET_E_RANGE, "ngram_counts does not divide the pool at %lld",
                      (long long)n);
        grams += (end - begin) / n;
    }
    if (grams != a->ngram_indexes.n || (a->weights.v && a->weights.n != grams))
        WHET_FAIL(ctx->err, WHET_E_RANGE,
                  "the pool has %lld n-grams, but %d indexes and %d weights", (long long)grams,
                  a->ngram_indexes.n, a->weights.n);
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const tf_idf_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    int64_t columns = 0;
    WHET_TRY(check_pool(ctx, a));
    if (x->rank != 1 && x->rank != 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the input has %d dimensions, 1 or 2 are possible",
                  x->rank);
    for (int32_t i = 0; i < a->ngram_indexes.n; i++)
        if (a->ngram_indexes.v[i] >= columns) columns = a->ngram_indexes.v[i] + 1;
    whet_infer_shape(ctx, 0, x->rank, (whet_dim[]){x->rank == 2 ? x->dims[0] : columns, columns});
    return WHET_OK;
}

// ---- tables ----

typedef struct table { // open addressing; slots hold a number + 1
    int64_t *slots;
    uint64_t mask;
} table;

static bool table_init(whet_eval *e, table *t, int64_t n) {
    t->mask = 15;
    while ((int64_t)t->mask < 2 * n) t->mask = t->mask * 2 + 1;
    t->slots = whet_eval_scratch_i64(e, (int64_t)t->mask + 1);
    return t->slots;
}

typedef struct vectorizer {
    whet_eval *e;
    const tf_idf_attrs *a;
    table tokens, grams;
    int64_t *pool;   // numbers of the pool's tokens
    int64_t *length; // of each n-gram
    int64_t *begin;  // of each n-gram in the pool
    int64_t n_grams;
    int64_t *row;    // numbers of a row's tokens, 0: not in the pool
    float *out;
} vectorizer;

static bool same_token(const vectorizer *v, int64_t at, const whet_tensor *t, int64_t i) {
    if (t->dtype == WHET_DTYPE_STRING)
        return whet_text_equal(v->a->pool_strings.v[at], ((const whet_text *)t->data)[i]);
    return v->a->pool_int64s.v[at] == whet_load_i64(t->data, t->dtype, i);
}

static uint64_t token_hash(const whet_tensor *t, int64_t i) {
    if (t->dtype == WHET_DTYPE_STRING) return whet_text_hash(((const whet_text *)t->data)[i], 0);
    return whet_hash64_mix((uint64_t)whet_load_i64(t->data, t->dtype, i), 1);
}

// The number of token i of t: 1 + the place in the pool where it was first; 0 when it is not there
// and `add` is negative, else add + 1.
static int64_t token_number(vectorizer *v, const whet_tensor *t, int64_t i, int64_t add) {
    uint64_t at = token_hash(t, i) & v->tokens.mask;
    for (; v->tokens.slots[at]; at = (at + 1) & v->tokens.mask)
        if (same_token(v, v->tokens.slots[at] - 1, t, i)) return v->tokens.slots[at];
    return add < 0 ? 0 : (v->tokens.slots[at] = add + 1);
}

static uint64_t gram_hash(const int64_t *numbers, int64_t n, int64_t step) {
    uint64_t h = (uint64_t)n;
    for (int64_t i = 0; i < n; i++) h = whet_hash64_mix(h, (uint64_t)numbers[i * step]);
    return h;
}

static bool same_gram(const vectorizer *v, int64_t gram, const int64_t *numbers, int64_t n,
                      int64_t step) {
    if (v->length[gram] != n) return false;
    for (int64_t i = 0; i < n; i++)
        if (v->pool[v->begin[gram] + i] != numbers[i * step]) return false;
    return true;
}

static void add_gram(vectorizer *v, int64_t begin, int64_t n) {
    int64_t gram = v->n_grams++;
    v->begin[gram] = begin;
    v->length[gram] = n;
    uint64_t at = gram_hash(&v->pool[begin], n, 1) & v->grams.mask;
    while (v->grams.slots[at]) at = (at + 1) & v->grams.mask;
    v->grams.slots[at] = gram + 1;
}

static bool make_tables(vectorizer *v) {
    const tf_idf_attrs *a = v->a;
    int64_t n = pool_size(a), dims[] = {n};
    bool texts = a->pool_strings.v;
    whet_tensor pool = {.dtype = texts ? WHET_DTYPE_STRING : WHET_DTYPE_I64, .rank = 1,
                        .data = texts ? (void *)a->pool_strings.v : (void *)a->pool_int64s.v};
    pool.dims[0] = dims[0];
    v->pool = whet_eval_scratch_i64(v->e, n);
    v->length = whet_eval_scratch_i64(v->e, a->ngram_indexes.n);
    v->begin = whet_eval_scratch_i64(v->e, a->ngram_indexes.n);
    if (!v->pool || !v->length || !v->begin || !table_init(v->e, &v->tokens, n) ||
        !table_init(v->e, &v->grams, a->ngram_indexes.n))
        return false;
    for (int64_t i = 0; i < n; i++) v->pool[i] = token_number(v, &pool, i, i);
    for (int64_t k = 1; k <= a->ngram_counts.n; k++)
        for (int64_t i = grams_begin(a, k); i < grams_end(a, k); i += k) add_gram(v, i, k);
    return true;
}

// ---- counting ----

static void count_gram(vectorizer *v, const int64_t *numbers, int64_t n, int64_t step) {
    const tf_idf_attrs *a = v->a;
    for (int64_t i = 0; i < n; i++)
        if (!numbers[i * step]) return;
    uint64_t at = gram_hash(numbers, n, step) & v->grams.mask;
    for (; v->grams.slots[at]; at = (at + 1) & v->grams.mask) {
        int64_t gram = v->grams.slots[at] - 1;
        if (!same_gram(v, gram, numbers, n, step)) continue;
        float weight = a->mode != TF && a->weights.v ? a->weights.v[gram] : 1;
        float *y = &v->out[a->ngram_indexes.v[gram]];
        *y = a->mode == IDF ? weight : *y + weight;
    }
}

static void count_row(vectorizer *v, int64_t first, int64_t columns) {
    const tf_idf_attrs *a = v->a;
    for (int64_t i = 0; i < columns; i++)
        v->row[i] = token_number(v, &v->e->in[0], first + i, -1);
    for (int64_t n = a->min_gram_length; n <= a->max_gram_length && n <= a->ngram_counts.n; n++) {
        if (n > columns) break;
        // single tokens have no gaps
        for (int64_t step = 1; step <= (n == 1 ? 1 : a->max_skip_count + 1); step++) {
            int64_t span = (n - 1) * step + 1;
            if (span > columns) break;
            for (int64_t i = 0; i + span <= columns; i++) count_gram(v, &v->row[i], n, step);
        }
    }
}

static whet_status eval(whet_eval *e) {
    vectorizer v = {.e = e, .a = e->attrs, .out = e->out[0].data};
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t rows = x->rank == 2 ? x->dims[0] : 1, columns = x->dims[x->rank - 1];
    int64_t width = y->dims[y->rank - 1];
    v.row = whet_eval_scratch_i64(e, columns);
    if (!v.row || !make_tables(&v)) return WHET_E_NOMEM;
    if (y->bytes) memset(y->data, 0, y->bytes);
    for (int64_t i = 0; i < rows && width; i++, v.out += width) count_row(&v, i * columns, columns);
    return WHET_OK;
}

#define AT(field) offsetof(tf_idf_attrs, field)
#define MANY .min = 0, .max = INT32_MAX
const whet_op whet_op_tf_idf_vectorizer = {
    .name = "tf_idf_vectorizer",
    WHET_IN({"X", WHET_DTYPES_STRING | WHET_DTYPE_BIT(WHET_DTYPE_I32) |
                      WHET_DTYPE_BIT(WHET_DTYPE_I64)}),
    WHET_OUT({"Y", WHET_DTYPE_BIT(WHET_DTYPE_F32)}),
    WHET_ATTRS(tf_idf_attrs,
               {"max_gram_length", WHET_ATTR_INT, AT(max_gram_length), .required = true, .min = 1,
                .max = INT32_MAX},
               {"max_skip_count", WHET_ATTR_INT, AT(max_skip_count), .required = true, MANY},
               {"min_gram_length", WHET_ATTR_INT, AT(min_gram_length), .required = true, .min = 1,
                .max = INT32_MAX},
               {"mode", WHET_ATTR_ENUM, AT(mode), .required = true, .choices = modes},
               {"ngram_counts", WHET_ATTR_INTS, AT(ngram_counts), .required = true, MANY},
               {"ngram_indexes", WHET_ATTR_INTS, AT(ngram_indexes), .required = true, MANY},
               {"pool_int64s", WHET_ATTR_INTS, AT(pool_int64s)},
               {"pool_strings", WHET_ATTR_STRINGS, AT(pool_strings)},
               {"weights", WHET_ATTR_FLOATS, AT(weights)}),
    WHET_ONNX({"", "TfIdfVectorizer", 9, 0, NULL}), .infer = infer, .eval = eval,
};
