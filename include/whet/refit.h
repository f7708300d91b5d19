/* SPDX-License-Identifier: Apache-2.0
 *
 * New weights for an engine that is there, by the names that they have in the model, without
 * building again and at the same speed. docs/refit.md
 *
 *     whet_refitter *r;
 *     whet_refitter_create(engine, &r);
 *     whet_refitter_load(r, "finetuned.onnx");
 *     if (whet_refitter_run(r)) puts(whet_error_text(r));
 *     whet_refitter_destroy(r);
 *
 * What the build derived from the weights (folded batch normalization, packed and transformed
 * forms) is derived again. Tactics stay as they are, so the engine is the one that a build from the
 * new weights with the same tactics makes, bit for bit.
 *
 * Threads: a refitter is for one thread at a time; several refitters of an engine run one after the
 * other. Contexts may run meanwhile: a run that has begun ends with the old weights, and every run
 * that begins after whet_refitter_run() has returned takes the new ones.
 */
#ifndef WHET_REFIT_H
#define WHET_REFIT_H

#include <whet/whet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whet_refitter whet_refitter;

/* The engine must outlive it. WHET_E_UNSUPPORTED: the engine was written before engines listed
 * their weights; the text is on the engine. WHET_E_NOMEM. */
WHET_API whet_status whet_refitter_create(whet_engine *engine, whet_refitter **refitter);
/* Gives back the memory that is kept for the next refit; the engine keeps its weights. */
WHET_API void whet_refitter_destroy(whet_refitter *refitter);

/* ---- what can be changed ------------------------------------------------------------------ */

typedef struct whet_weight_info {
    const char *name;            /* as in the model; owned by the engine */
    whet_dtype dtype;
    int32_t rank;
    int64_t dims[WHET_MAX_RANK];
    bool refittable;             /* false: the engine was made for its contents (a shape, ...) */
    bool given;                  /* contents wait for whet_refitter_run() */
} whet_weight_info;

/* The constants of the model that it uses, sorted by name. */
WHET_API int32_t whet_refitter_count(const whet_refitter *refitter);
/* WHET_E_RANGE: no such index. */
WHET_API whet_status whet_refitter_weight(const whet_refitter *refitter, int32_t index,
                                          whet_weight_info *info);
/* The contents that the engine has now; they stay until the next run of a refitter.
 * WHET_E_NOT_FOUND: there is no such weight, or the engine holds it in packed forms only;
 * WHET_E_CHECKSUM. */
WHET_API whet_status whet_refitter_get(whet_refitter *refitter, const char *name,
                                       whet_tensor *tensor);

/* ---- giving weights ----------------------------------------------------------------------- */

/* Contents for a weight: dtype and shape must be those of the model. The data is borrowed until
 * whet_refitter_run() or _clear() returns. What is given twice counts as given last.
 * WHET_E_NOT_FOUND, WHET_E_DTYPE, WHET_E_SHAPE, WHET_E_BUFFER (bytes set, and not those of the
 * shape); WHET_E_UNSUPPORTED: it is not refittable, and the contents are others than the engine was
 * made for. */
WHET_API whet_status whet_refitter_set(whet_refitter *refitter, const char *name,
                                       const whet_tensor *tensor);
/* All weights of a model (.onnx) or of a file (.npz, .safetensors) that are among the engine's;
 * those of whet_refitter_weight() alone count, others are passed over. Floating-point numbers are
 * widened where that loses nothing (bf16 and f16 to f32). The file stays open until
 * whet_refitter_run() or _clear(). WHET_E_NOT_FOUND: none of them is the engine's; errors of
 * whet_refitter_set, of whet_builder_load_onnx and of whet_weights_open. In libwhet only. */
WHET_API whet_status whet_refitter_load(whet_refitter *refitter, const char *path);
/* Names that must be given too before whet_refitter_run() can do its work, one by one; NULL behind
 * the last. There are some for engines without source weights: stripped ones, and those built with
 * portable=none where a packed form is made of several weights. */
WHET_API const char *whet_refitter_missing(whet_refitter *refitter, int32_t index);
/* Forgets what was given. */
WHET_API void whet_refitter_clear(whet_refitter *refitter);

/* Gives the engine the weights that were given, with all threads of the environment; those that
 * were not given stay as they are. Nothing is changed after an error. WHET_E_NOT_FOUND (see
 * whet_refitter_missing), WHET_E_UNSUPPORTED, WHET_E_NOMEM. */
WHET_API whet_status whet_refitter_run(whet_refitter *refitter);

/* ---- adapters (LoRA) ---------------------------------------------------------------------- */

/* Adds adapter `adapter` to weight `name`: W + scale alpha/r B A, computed in double and rounded
 * once, where A is [r, in] and B [out, r], of any floating-point types; alpha 0 stands for r. W, of
 * two dimensions, may lie as [out, in] or [in, out]. Contents of A and B are copied. The scale is
 * that of whet_refitter_set_adapter(), 1 at first; several adapters add up. What counts as W is
 * what the engine has when the first adapter is added to it, or what is given for it later. Takes
 * effect with whet_refitter_run(). WHET_E_NOT_FOUND, WHET_E_DTYPE, WHET_E_SHAPE,
 * WHET_E_UNSUPPORTED, WHET_E_NOMEM. */
WHET_API whet_status whet_refitter_add_lora(whet_refitter *refitter, const char *adapter,
                                            const char *name, const whet_tensor *a,
                                            const whet_tensor *b, double alpha);
/* All pairs of a .safetensors or .npz file, each for the weight of its name: `NAME.lora_A` and
 * `NAME.lora_B`, in PEFT's spelling too (`base_model.model.NAME.lora_A.weight`, for the weight
 * NAME or NAME.weight); `NAME.alpha` where it is there, else `alpha` (0: r). WHET_E_NOT_FOUND: a
 * pair is incomplete or for a weight that the engine does not have. In libwhet only. */
WHET_API whet_status whet_refitter_load_lora(whet_refitter *refitter, const char *adapter,
                                             const char *path, double alpha);
/* The scale of an adapter; 0 takes it away, and with all adapters of a weight at 0 it gets exactly
 * the contents that it had. Takes effect with whet_refitter_run(). WHET_E_NOT_FOUND, WHET_E_RANGE:
 * the scale is not finite. */
WHET_API whet_status whet_refitter_set_adapter(whet_refitter *refitter, const char *adapter,
                                               double scale);

/* ---- engines without weights -------------------------------------------------------------- */

/* Writes the engine without the weights that a refit gives it. WHET_E_UNSUPPORTED as of
 * whet_refitter_create; WHET_E_IO, WHET_E_NOMEM. */
WHET_API whet_status whet_engine_save_stripped(whet_engine *engine, const char *path);
/* As whet_engine_load, but also takes an engine without weights: it can be looked at and have a
 * refitter, which must give it all of them before it can have contexts. */
WHET_API whet_status whet_engine_load_stripped(whet_env *env, const char *path,
                                               whet_engine **engine);
WHET_API bool whet_engine_is_stripped(const whet_engine *engine);
/* Loads an engine, stripped or not, and gives it the weights of a model or a file
 * (whet_refitter_load). The error text is on the environment. In libwhet only. */
WHET_API whet_status whet_engine_load_refit(whet_env *env, const char *path, const char *weights,
                                            whet_engine **engine);

#ifdef __cplusplus
}
#endif

#endif
