/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INT8 by calibration: samples from a function, and the quantized model itself. Files of samples,
 * caches and methods are options of whet_config_set(). docs/quantization.md; in libwhet only.
 */
#ifndef WHET_CALIBRATION_H
#define WHET_CALIBRATION_H

#include <whet/whet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gives the next batch of samples for calibration: a tensor an input, in the order of `names`, with
 * dtype, rank, dims, data and bytes set; the data must stay until the next call. Returns 1 with a
 * batch, 0 when there are no more, -1 to cancel the build. With the option "smooth", with int8 and
 * int4 together, and with int4 of large models it is called again after it gave 0, and gives them
 * all once more. */
typedef int32_t (*whet_calibration_fn)(void *user, const char *const *names, whet_tensor *inputs,
                                       int32_t n_inputs);
/* Samples by a function instead of the option "calibration"; NULL: none. A build that may use int8
 * runs the model on them and quantizes it. docs/quantization.md */
WHET_API whet_status whet_config_set_calibration(whet_config *config, whet_calibration_fn next,
                                                 void *user);

/* The range of a value of the model by its name, beside or instead of samples and a cache, which it
 * overrides: numbers from low to high are kept, others are clipped. A range that lies evenly around
 * zero is one of TensorRT's (setDynamicRange). May be called for any number of values. A build that
 * may use int8 fails with WHET_E_NOT_FOUND where the model has no such value. WHET_E_INVALID: low >
 * high, or a number that is not finite. */
WHET_API whet_status whet_config_set_range(whet_config *config, const char *value, double low,
                                           double high);

/* A figure of merit of an engine's outputs on all samples, larger is better, for the option
 * "accuracy". reference, outputs: [n_batches] batches of [n_outputs] tensors each, in the order of
 * `names`, as FP32 and as the engine computes them; batches are those of the samples, in their
 * order. It is asked for FP32 itself too (both the same). NaN cancels the build. */
typedef double (*whet_metric_fn)(void *user, const char *const *names,
                                 const whet_tensor *const *reference,
                                 const whet_tensor *const *outputs, int32_t n_batches,
                                 int32_t n_outputs);
/* The option "accuracy" then speaks of that figure: "0.5%" (of the figure in FP32 may be lost),
 * "drop:0.002" (so much of it) or "least:0.76". NULL: none. */
WHET_API whet_status whet_config_set_metric(whet_config *config, whet_metric_fn metric,
                                            void *user);

/* Quantizes the builder's network as a build with int8 does: from now on it states its quantization
 * (quantize_linear, dequantize_linear, weights of i8), builds take it, and whet_network_save_onnx()
 * writes a model that other runtimes load. Handles of its values and nodes become invalid. Of the
 * config the samples or cache and the options of calibration count; with int4 and not int8 among
 * its precisions only weights of matrix products are rounded, to 4 bits. Errors as of
 * whet_builder_build; after one the network is as it was. */
WHET_API whet_status whet_builder_quantize(whet_builder *builder, whet_config *config);

#ifdef __cplusplus
}
#endif

#endif
