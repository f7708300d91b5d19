// SPDX-License-Identifier: Apache-2.0
// One case of ONNX's backend tests: a folder with model.onnx and
// test_data_set_*/{input,output}_*.pb, imported and evaluated with the operators' C references.
#ifndef WHET_TESTS_ONNX_CASE_H
#define WHET_TESTS_ONNX_CASE_H

#include "base/error.h"
#include "base/str.h"

typedef enum onnx_case_result {
    ONNX_CASE_PASS,
    ONNX_CASE_FAIL,
    ONNX_CASE_UNSUPPORTED, // refused with WHET_E_UNSUPPORTED and nothing worse
} onnx_case_result;

// Why it did not pass is added to `text`.
onnx_case_result onnx_case_run(const char *folder, whet_str *text);

#endif
