// SPDX-License-Identifier: Apache-2.0
// Pointwise chains: out_o[i] = f(inputs[i]), a straight program of elementwise instructions over
// f32. Every instruction is one loop over a tile in L1; see chain_plan.h for the walk. Nothing is
// read behind an input: the last, partial grain of a tile is copied aside first. Where ports are
// stored as bf16 or are of 8 bits, inputs are widened into tiles and outputs rounded from such.
#include "kern/chain/chain_fn.h"
#include "kern/cost.h"
#include "kern/quant/vbytes.h"
#include "kern/typed.h"

typedef struct chain_run {
    const whet_call *c;
    const chain_plan *plan;
    const whet_chain *chain;
    chain_fn fn[WHET_CHAIN_MAX_OPS];
    bool joined[WHET_CHAIN_MAX_OPS]; // computed by the next instruction, which quantizes it
    float *slots, *outs, *tiles, *grains; // parts of the scratch
    const float *in[WHET_CHAIN_MAX_IN];   // of this tile
    int32_t step[WHET_CHAIN_MAX_IN];
    const void *gathered[WHET_CHAIN_MAX_IN]; // where the tile of input i was copied from
    int64_t gathered_n[WHET_CHAIN_MAX_IN];
    int32_t linear; // the one full input of a chain that is a x + b, then a clamp; else -1
    bool fixed[WHET_CHAIN_MAX_IN]; // the same in all tiles: bound once
} chain_run;

static const float *result_of(const chain_run *r, float *const *out, int32_t v) {
    int32_t s = r->plan->slot[v - r->chain->n_in];
    return s >= 0 ? r->slots + s * CHAIN_PITCH : out[~s];
}

static bool is_quantizing(whet_pw f) { return f == WHET_PW_QUANTIZE || f == WHET_PW_REQUANTIZE; }

// All instructions over n elements, n a multiple of the grain.
static void run_program(const chain_run *r, const float *const *in, float *const *out, int64_t n) {
    const whet_chain *c = r->chain;
    for (int32_t k = 0; k < c->n_ops; k++) {
        if (r->joined[k]) continue;
        const float *src[CHAIN_OPERANDS] = {0};
        int32_t step[3] = {0}, from = k && r->joined[k - 1] ? k - 1 : k;
        int32_t inputs = c->ops[from].f < 64 ? 1 : c->ops[from].f < 96 ? 2 : 3;
        for (int32_t s = 0; s < 3; s++) {
            int32_t v = c->ops[from].src[s < inputs ? s : 0];
            src[s] = v < c->n_in ? in[v] : result_of(r, out, v);
            step[s] = v < c->n_in ? r->step[v] : CHAIN_GRAIN;
        }
        if (is_quantizing(c->ops[k].f)) { // by inputs: chain_plan.c
            src[CHAIN_SCALE] = in[c->ops[k].src[1]];
            src[CHAIN_ZERO] = in[c->ops[k].src[2]];
        }
        int32_t place = r->plan->slot[k];
        float *dst = place >= 0 ? r->slots + place * CHAIN_PITCH : out[~place];
        r->fn[k](dst, src, step, c->ops[k].p, n);
    }
    for (int32_t o = c->n_out - 1; o >= 0; o--) { // output 0, which may be an input, last
        int32_t v = r->plan->copy[o];
        if (v < 0) continue;
        const float *from = v < c->n_in ? in[v] : result_of(r, out, v);
        int32_t step = v < c->n_in ? r->step[v] : CHAIN_GRAIN;
        for (int64_t i = 0; i < n; i += CHAIN_GRAIN, from += step)
            memmove(out[o] + i, from, CHAIN_GRAIN * sizeof(float));
    }
}

// n values at `from`, widened, and so many behind that grains are whole.
static void widen_tile(float *tile, const void *from, whet_dtype type, int64_t n) {
    for (int64_t j = 0; j < n; j += V_W) {
        vf v;
        if (type == WHET_DTYPE_F32) v = v_load_n((const float *)from + j, n - j);
#if X_BF16
        else if (type == WHET_DTYPE_BF16) v = v_load_bf_n((const uint16_t *)from + j, n - j);
#endif
        else v = vi_to_f(v_bytes_load((const char *)from + j, type == WHET_DTYPE_I8, n - j));
        v_store(tile + j, v);
    }
}

static int64_t bytes_of(whet_dtype type) { return whet_dtype_bits(type) / 8; }

static void bind_input(chain_run *r, int32_t i, const int64_t *at, int64_t n) {
    const chain_input *input = &r->plan->in[i];
    whet_dtype type = r->c->p->in[i].dtype;
    const void *data = r->c->in[i], *from;
    int64_t offset = 0;
    for (int32_t d = 0; d < r->plan->n; d++) offset += at[d] * input->stride[d];
    from = (const char *)data + offset * bytes_of(type);
    r->step[i] = input->kind == CHAIN_REPEAT ? 0 : CHAIN_GRAIN;
    r->in[i] = r->tiles + i * CHAIN_PITCH;
    if (input->kind == CHAIN_FULL) {
        if (type == WHET_DTYPE_F32 && !X_BF16) r->in[i] = from;
        else widen_tile(r->tiles + i * CHAIN_PITCH, from, type, n);
        return;
    }
    int64_t want = input->kind == CHAIN_REPEAT ? CHAIN_GRAIN : n;
    if (r->gathered[i] == from && r->gathered_n[i] >= want) return;
    int64_t period = input->kind == CHAIN_REPEAT ? r->plan->size[r->plan->n - 1] : want;
    float *tile = r->tiles + i * CHAIN_PITCH;
    if (period > want || r->plan->split == r->plan->n - 1) period = want;
    if (input->kind == CHAIN_REPEAT && r->plan->split == r->plan->n - 1) {
        whet_chain_gather(r->plan, i, data, type, at, 1, tile);
        for (int32_t j = 1; j < CHAIN_GRAIN; j++) tile[j] = tile[0];
    } else if (input->kind == CHAIN_REPEAT) {
        whet_chain_gather(r->plan, i, data, type, at, period, tile);
        for (int64_t j = period; j < CHAIN_GRAIN; j++) tile[j] = tile[j - period];
    } else {
        whet_chain_gather(r->plan, i, data, type, at, n, tile);
        for (int64_t j = n; j % CHAIN_GRAIN; j++) tile[j] = tile[n - 1];
    }
    r->gathered[i] = from;
    r->gathered_n[i] = want;
}

// n results of output o, from a tile to element `at`.
static void store_tile(const chain_run *r, int32_t o, int64_t at, int64_t n) {
    const float *from = r->outs + o * CHAIN_PITCH;
    whet_dtype type = r->c->p->out[o].dtype;
    char *to = (char *)r->c->out[o] + at * bytes_of(type);
    for (int64_t j = 0; j < n; j += V_W) {
        vf v = v_load(from + j);
        if (type == WHET_DTYPE_F32) v_store_n((float *)(void *)to + j, v, n - j);
#if X_BF16
        else if (type == WHET_DTYPE_BF16) v_store_bf_n((uint16_t *)(void *)to + j, v, n - j);
#endif
        else v_bytes_store(to + j, v_to_i(chain_clip(v, v_set1(-128), v_set1(255))), n - j);
    }
}

#if !X_BF16
// Elements [whole, n) of a tile, whole being the last multiple of the grain.
static void run_tail(chain_run *r, float *const *out, int64_t whole, int64_t n) {
    const float *in[WHET_CHAIN_MAX_IN];
    float *to[WHET_CHAIN_MAX_OUT];
    size_t bytes = (size_t)(n - whole) * sizeof(float);
    for (int32_t i = 0; i < r->chain->n_in; i++) {
        in[i] = r->in[i] + (r->step[i] ? whole : 0);
        if (r->plan->in[i].kind != CHAIN_FULL) continue;
        float *grain = r->grains + i * CHAIN_GRAIN;
        for (int32_t j = 0; j < CHAIN_GRAIN; j++) grain[j] = in[i][j < n - whole ? j : 0];
        in[i] = grain;
    }
    for (int32_t o = 0; o < r->chain->n_out; o++) to[o] = r->outs + o * CHAIN_PITCH;
    run_program(r, in, to, CHAIN_GRAIN);
    for (int32_t o = 0; o < r->chain->n_out; o++)
        if (r->c->p->out[o].dtype == WHET_DTYPE_F32) memcpy(out[o] + whole, to[o], bytes);
}

// n results of each output of 8 bits, which lie in `outs`.
static void store_bytes(const chain_run *r, int64_t at, int64_t n) {
    for (int32_t o = 0; o < r->chain->n_out; o++)
        if (r->c->p->out[o].dtype != WHET_DTYPE_F32) store_tile(r, o, at, n);
}
#endif

#if X_BF16
static bool is_clamp(whet_pw f) { return f == WHET_PW_RELU || f == WHET_PW_CLIP; }

// The input that is multiplied and added to by what repeats, and clamped at the end; -1: another
// chain. Such a chain, a batch normalization, needs no tiles.
static int32_t linear_input(const whet_chain *c, const chain_plan *plan) {
    int32_t full = -1, last = c->n_in + c->n_ops - 1;
    for (int32_t i = 0; i < c->n_in; i++) {
        if (plan->in[i].kind == CHAIN_REPEAT) continue;
        if (plan->in[i].kind != CHAIN_FULL || full >= 0) return -1;
        full = i;
    }
    if (full < 0 || c->n_out != 1 || c->out[0] != last) return -1;
    for (int32_t k = 0; k < c->n_ops; k++) {
        int32_t before = k ? c->n_in + k - 1 : full, a = c->ops[k].src[0], b = c->ops[k].src[1];
        if (k == c->n_ops - 1 && k && is_clamp(c->ops[k].f) && a == before) continue;
        if (c->ops[k].f != WHET_PW_MUL && c->ops[k].f != WHET_PW_ADD) return -1;
        if ((a == before) == (b == before)) return -1;
        if ((a == before ? b : a) >= c->n_in || (a == before ? b : a) == full) return -1;
    }
    return full;
}

// n elements from `at` on in the output, `from` in the input: vector `part` of each grain.
V_FN void run_linear_part(const chain_run *r, int64_t from, int64_t at, int64_t n, int64_t part) {
    const whet_chain *c = r->chain;
    vf a = v_set1(1), b = v_zero(), lo = v_set1(-INFINITY), hi = v_set1(INFINITY);
    for (int32_t k = 0; k < c->n_ops; k++) {
        int32_t before = k ? c->n_in + k - 1 : r->linear, s = c->ops[k].src[0];
        if (is_clamp(c->ops[k].f)) {
            bool relu = c->ops[k].f == WHET_PW_RELU;
            lo = v_set1(relu ? 0 : c->ops[k].p[0]), hi = relu ? hi : v_set1(c->ops[k].p[1]);
            continue;
        }
        vf v = v_load(r->in[s == before ? c->ops[k].src[1] : s] + part);
        if (c->ops[k].f == WHET_PW_MUL) a *= v, b *= v;
        else b += v;
    }
    const uint16_t *x = (const uint16_t *)r->c->in[r->linear] + from;
    uint16_t *y = (uint16_t *)r->c->out[0] + at;
    for (int64_t j = part; j < n; j += CHAIN_GRAIN)
        v_store_bf_n(y + j, v_min(hi, v_max(lo, v_fma(v_load_bf_n(x + j, n - j), a, b))), n - j);
}

static void run_linear(const chain_run *r, int64_t from, int64_t at, int64_t n) {
    for (int64_t part = 0; part < CHAIN_GRAIN; part += V_W) run_linear_part(r, from, at, n, part);
}
#endif

static void run_tile(chain_run *r, int64_t tile) {
    const chain_plan *plan = r->plan;
    int64_t at[CHAIN_LOOPS] = {0}, rest = tile / plan->chunks, base = 0;
    at[plan->split] = tile % plan->chunks * plan->chunk;
    for (int32_t d = plan->split - 1; d >= 0; d--) {
        at[d] = rest % plan->size[d];
        rest /= plan->size[d];
    }
    for (int32_t d = 0; d <= plan->split; d++) base = base * plan->size[d] + at[d];
    int64_t steps = plan->size[plan->split] - at[plan->split];
    int64_t n = (steps < plan->chunk ? steps : plan->chunk) * plan->inner;
    float *out[WHET_CHAIN_MAX_OUT];
    for (int32_t i = 0; i < r->chain->n_in; i++)
        if (i != r->linear && !r->fixed[i]) bind_input(r, i, at, n);
#if X_BF16
    if (r->linear >= 0) {
        int64_t from = 0;
        for (int32_t d = 0; d < plan->n; d++) from += at[d] * plan->in[r->linear].stride[d];
        run_linear(r, from, base * plan->inner, n);
        return;
    }
    for (int32_t o = 0; o < r->chain->n_out; o++) out[o] = r->outs + o * CHAIN_PITCH;
    run_program(r, r->in, out, (n + CHAIN_GRAIN - 1) / CHAIN_GRAIN * CHAIN_GRAIN);
    for (int32_t o = 0; o < r->chain->n_out; o++) store_tile(r, o, base * plan->inner, n);
#else
    int64_t whole = n / CHAIN_GRAIN * CHAIN_GRAIN;
    for (int32_t o = 0; o < r->chain->n_out; o++)
        out[o] = r->c->p->out[o].dtype == WHET_DTYPE_F32
                     ? (float *)r->c->out[o] + base * plan->inner
                     : r->outs + o * CHAIN_PITCH;
    if (whole) run_program(r, r->in, out, whole);
    store_bytes(r, base * plan->inner, whole);
    if (whole == n) return;
    run_tail(r, out, whole, n);
    store_bytes(r, base * plan->inner + whole, n - whole);
#endif
}

// Whether no value of the program can be infinite or NaN: bytes and constants, and functions that
// say how large their results are. Needs what constants hold.
static bool is_tame(const chain_run *r) {
    const whet_chain *c = r->chain;
    double most[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS];
    for (int32_t i = 0; i < c->n_in; i++) {
        const whet_port *q = &r->c->p->in[i];
        if (whet_dtype_bits(q->dtype) == 8) most[i] = 255;
        else if (q->dtype != WHET_DTYPE_F32 || !q->constant) return false;
        else most[i] = whet_chain_largest(r->c->in[i], whet_dims_count(q->dims, q->rank));
    }
    for (int32_t k = 0; k < c->n_ops; k++) {
        const int16_t *s = c->ops[k].src;
        double x = most[s[0]], y = most[s[1]], *to = &most[c->n_in + k];
        switch (c->ops[k].f) {
        case WHET_PW_IDENTITY:
        case WHET_PW_RELU: *to = x; break;
        case WHET_PW_ADD: *to = x + y; break;
        case WHET_PW_MUL: *to = x * y; break;
        case WHET_PW_DEQUANTIZE: *to = (x + most[s[2]]) * y; break;
        case WHET_PW_QUANTIZE:
        case WHET_PW_REQUANTIZE:
            if (!(y > 1e-30)) return false; // the scale, whose reciprocal is wanted
            *to = 512 * (c->ops[k].f == WHET_PW_QUANTIZE ? 1 : y);
            break;
        default: return false;
        }
        if (!(*to < 1e30)) return false;
    }
    return true;
}

// Instructions that quantize take the one before into their loop.
static void join(chain_run *r) {
    const whet_chain *c = r->chain;
    int32_t uses[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS] = {0};
    if (!is_tame(r)) return;
    for (int32_t k = 0; k < c->n_ops; k++)
        for (int32_t s = 0; s < whet_pw_inputs(c->ops[k].f); s++) uses[c->ops[k].src[s]]++;
    for (int32_t o = 0; o < c->n_out; o++) uses[c->out[o]]++;
    for (int32_t k = 0; k < c->n_ops; k++) {
        int32_t before = c->n_in + k - 1;
        if (!is_quantizing(c->ops[k].f)) continue;
        bool behind = k && c->ops[k].src[0] == before && uses[before] == 1;
        chain_fn fn = behind ? chain_fn_tame(c->ops[k].f, c->ops[k - 1].f) : NULL;
        if (fn) r->joined[k - 1] = true;
        r->fn[k] = fn ? fn : chain_fn_tame(c->ops[k].f, WHET_PW_IDENTITY);
    }
}

static void bind_fixed(chain_run *r) {
    static const int64_t start[CHAIN_LOOPS];
    const chain_plan *plan = r->plan;
    for (int32_t i = 0; i < r->chain->n_in; i++) {
        const chain_input *input = &plan->in[i];
        r->fixed[i] = input->kind != CHAIN_FULL && !input->ragged && plan->tiles > 0;
        for (int32_t d = 0; d <= plan->split; d++) r->fixed[i] &= input->stride[d] == 0;
        if (r->fixed[i]) bind_input(r, i, start, plan->chunk * plan->inner);
    }
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    chain_run r = {.c = c, .plan = c->state, .chain = c->p->chain, .linear = -1};
    (void)phase;
#if X_BF16
    r.linear = linear_input(r.chain, r.plan);
    if (r.linear >= 0 && (c->p->in[r.linear].dtype != WHET_DTYPE_BF16 ||
                          c->p->out[0].dtype != WHET_DTYPE_BF16))
        r.linear = -1;
#endif
    for (int32_t k = 0; k < r.chain->n_ops; k++) r.fn[k] = chain_fn_of(r.chain->ops[k].f);
    join(&r);
    r.slots = c->scratch;
    r.outs = r.slots + r.plan->slots * CHAIN_PITCH;
    r.tiles = r.outs + r.chain->n_out * CHAIN_PITCH;
    r.grains = r.tiles + r.chain->n_in * CHAIN_PITCH;
    bind_fixed(&r);
    for (int64_t tile = begin; tile < end; tile++) run_tile(&r, tile);
    return WHET_OK;
}

static bool accepts(const whet_problem *p) {
    chain_plan plan;
    if (strcmp(p->op, "chain") || !whet_chain_plan_make(p, &plan)) return false;
    if (whet_chain_stored(p) != X_BF16) return false;
    for (int32_t k = 0; k < p->chain->n_ops; k++)
        if (!chain_fn_of(p->chain->ops[k].f)) return false;
    return true;
}

static double cost(const whet_problem *p, const int32_t *params) {
    double cycles = 0;
    (void)params;
    for (int32_t k = 0; k < p->chain->n_ops; k++) {
        whet_pw f = p->chain->ops[k].f;
        bool light = f <= WHET_PW_LEAKY_RELU || f == WHET_PW_ABS || f == WHET_PW_NEG ||
                     (f >= WHET_PW_ADD && f != WHET_PW_POW && f != WHET_PW_MOD);
        cycles += (light ? 2.0 : 20.0) / V_PICK(16, 8, 2);
    }
    return whet_cost_stream(p, cycles);
}

const whet_kernel V_CAT(whet_kernel_chain_, X_ISA) = {
    .name = "chain_" X_NAME,
#if X_BF16
    .stores = X_STORES | WHET_STORE_BIT(WHET_STORE_BF16_IN) | WHET_STORE_BIT(WHET_STORE_BF16_OUT),
#endif
    .op = "chain",
    .revision = 2,
    .cpu = V_CPU,
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN) | WHET_LAYOUT_BIT(WHET_LAYOUT_C8) |
               WHET_LAYOUT_BIT(WHET_LAYOUT_C16) | WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC),
    .ports = whet_chain_ports,
    .accepts = accepts,
    .cost = cost,
    .scratch = whet_chain_scratch,
    .state_bytes = sizeof(chain_plan),
    .prepare = whet_chain_prepare,
    .tasks = whet_chain_tasks,
    .run = run,
    .inplace = whet_chain_inplace,
    .tolerance = 4,
};
