// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: operators that make maps or take them apart.
#include "onnx/ml.h"

// The keys of one of two attributes as a constant.
static whet_value *keys_of(whet_import_node *n, const char *ints, const char *strings) {
    whet_tensor t;
    if (!whet_ml_texts(n, strings, &t) && !whet_ml_int64s(n, ints, &t)) {
        whet_import_fail(n, WHET_E_MODEL, "one of %s and %s is required", ints, strings);
        return NULL;
    }
    whet_import_ignore(n, ints);
    return whet_import_helper(n, &t);
}

void whet_import_zip_map(whet_import_node *n) {
    whet_value *keys = keys_of(n, "classlabels_int64s", "classlabels_strings");
    whet_import_result(n, 0, whet_import_emit(n, "zip_map", NULL,
                                              WHET_VALUES(whet_import_in(n, 0), keys)));
}

void whet_import_dict_vectorizer(whet_import_node *n) {
    whet_value *words = keys_of(n, "int64_vocabulary", "string_vocabulary");
    whet_import_result(n, 0, whet_import_emit(n, "dict_vectorizer", NULL,
                                              WHET_VALUES(whet_import_in(n, 0), words)));
}

void whet_import_cast_map(whet_import_node *n) {
    static const char *const types[] = {"TO_FLOAT", "TO_STRING", "TO_INT64", NULL};
    static const char *const forms[] = {"DENSE", "SPARSE", NULL};
    static const whet_dtype dtypes[] = {WHET_DTYPE_F32, WHET_DTYPE_STRING, WHET_DTYPE_I64};
    int32_t type = whet_ml_choice(n, "cast_to", "TO_FLOAT", types);
    int32_t form = whet_ml_choice(n, "map_form", "DENSE", forms);
    double most = (double)whet_import_int(n, "max_map", 1);
    whet_import_result(
        n, 0, whet_import_emit(n, "cast_map",
                               WHET_SETS({"dtype", .number = dtypes[type]},
                                         {"sparse", .number = form}, {"max_map", .number = most}),
                               WHET_VALUES(whet_import_in(n, 0))));
}
