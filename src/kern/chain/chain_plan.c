// SPDX-License-Identifier: Apache-2.0
#include "kern/chain/chain_plan.h"

#include <math.h>
#include <string.h>

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

// Quantizing takes one scale and zero point.
static bool scale_valid(const whet_problem *p, const whet_pw *f, const int16_t *src) {
    if (*f != WHET_PW_QUANTIZE && *f != WHET_PW_REQUANTIZE) return true;
    for (int32_t s = 1; s < 3; s++) {
        if (src[s] >= p->n_in) return false;
        const whet_port *q = &p->in[src[s]];
        for (int32_t d = 0; d < q->rank; d++)
            if (q->dims[d] != 1) return false;
    }
    return true;
}

static bool chain_valid(const whet_problem *p) {
    const whet_chain *c = p->chain;
    if (!c || c->n_in != p->n_in || c->n_out != p->n_out || c->n_in < 0 || c->n_ops < 1)
        return false;
    if (c->n_in > WHET_CHAIN_MAX_IN || c->n_ops > WHET_CHAIN_MAX_OPS) return false;
    if (c->n_out < 1 || c->n_out > WHET_CHAIN_MAX_OUT) return false;
    for (int32_t k = 0; k < c->n_ops; k++) {
        int32_t n = whet_pw_inputs(c->ops[k].f);
        if (n < 1 || n > 3) return false;
        for (int32_t s = 0; s < n; s++)
            if (c->ops[k].src[s] < 0 || c->ops[k].src[s] >= c->n_in + k) return false;
        if (!scale_valid(p, &c->ops[k].f, c->ops[k].src)) return false;
    }
    for (int32_t o = 0; o < c->n_out; o++)
        if (c->out[o] < 0 || c->out[o] >= c->n_in + c->n_ops) return false;
    return true;
}

static bool stored_known(whet_dtype t) {
    return t == WHET_DTYPE_F32 || t == WHET_DTYPE_BF16 || t == WHET_DTYPE_U8 || t == WHET_DTYPE_I8;
}

// Channels last are the layout of quantized values.
static bool has_bytes(const whet_problem *p) {
    for (int32_t i = 0; i < p->n_in; i++)
        if (whet_dtype_bits(p->in[i].dtype) == 8) return true;
    for (int32_t o = 0; o < p->n_out; o++)
        if (whet_dtype_bits(p->out[o].dtype) == 8) return true;
    return false;
}

static bool ports_valid(const whet_problem *p) {
    const whet_port *out = &p->out[0];
    bool blocked = out->layout != WHET_LAYOUT_PLAIN;
    if (!whet_epilogue_empty(&p->epi)) return false;
    if (out->rank < 0 || out->rank > WHET_MAX_RANK) return false;
    if (blocked && (out->rank < 3 || out->rank > 5)) return false;
    if (out->layout == WHET_LAYOUT_NHWC && !has_bytes(p)) return false;
    for (int32_t o = 0; o < p->n_out; o++) {
        const whet_port *q = &p->out[o];
        if (!stored_known(q->dtype) || q->layout != out->layout || q->rank != out->rank)
            return false;
        if (memcmp(q->dims, out->dims, (size_t)out->rank * sizeof *q->dims)) return false;
    }
    for (int32_t i = 0; i < p->n_in; i++) {
        const whet_port *q = &p->in[i];
        if (!stored_known(q->dtype) || q->rank < 0 || q->rank > out->rank) return false;
        if (q->layout != WHET_LAYOUT_PLAIN && (q->layout != out->layout || q->rank != out->rank))
            return false;
        for (int32_t d = 0; d < q->rank; d++) {
            int64_t o = out->dims[out->rank - q->rank + d];
            if (q->dims[d] != o && q->dims[d] != 1) return false;
        }
    }
    return whet_layout_bytes(out->layout, WHET_DTYPE_F32, out->rank, out->dims) != SIZE_MAX;
}

// The loop of dimension d.
static int32_t loop_of(const whet_port *out, int32_t d) {
    if (out->layout != WHET_LAYOUT_NHWC || d == 0) return d;
    return d == 1 ? out->rank - 1 : d - 1;
}

// Loop sizes of the output: its dimensions, those of channels last in that order, or n, channel
// blocks, spatial..., lanes.
static int32_t loops_of(const whet_port *out, int64_t *size) {
    int32_t n = out->rank;
    memcpy(size, out->dims, (size_t)n * sizeof *size);
    if (out->layout == WHET_LAYOUT_PLAIN) return n;
    if (out->layout == WHET_LAYOUT_NHWC) {
        for (int32_t d = 0; d < n; d++) size[loop_of(out, d)] = out->dims[d];
        return n;
    }
    int64_t b = whet_layout_block(out->layout);
    size[1] = (out->dims[1] + b - 1) / b;
    size[n] = b;
    return n + 1;
}

// Dimensions of q in the order of memory, from the last; out is channels last.
static void strides_last(const whet_port *out, const whet_port *q, chain_input *in) {
    int32_t lead = out->rank - q->rank;
    int64_t step = 1;
    memset(in, 0, sizeof *in);
    for (int32_t i = out->rank - 1; i >= lead; i--) {
        int32_t d = i;
        if (q->layout == WHET_LAYOUT_NHWC) d = i == out->rank - 1 ? 1 : i == 0 ? 0 : i + 1;
        int64_t dim = q->dims[d - lead];
        in->stride[loop_of(out, d)] = dim != 1 ? step : 0;
        step *= dim;
    }
}

static void strides_of(const whet_port *out, const whet_port *q, chain_input *in) {
    int32_t rank = out->rank, lead = rank - q->rank;
    int64_t b = whet_layout_block(out->layout), step = 1, lane = 0;
    memset(in, 0, sizeof *in);
    if (q->layout != WHET_LAYOUT_PLAIN) step = b;
    for (int32_t d = rank - 1; d >= lead; d--) {
        int64_t dim = q->dims[d - lead];
        bool varies = dim != 1;
        if (d == 1 && q->layout != WHET_LAYOUT_PLAIN) {
            lane = varies ? 1 : 0;
            in->stride[d] = varies ? step : 0;
            step *= (dim + b - 1) / b;
            continue;
        }
        in->stride[d] = varies ? step : 0;
        if (d == 1 && b > 1 && varies) {
            lane = step;
            in->stride[d] = step * b;
            in->ragged = dim % b != 0;
        }
        step *= dim;
    }
    if (b > 1) in->stride[rank] = lane;
}

// Whether loops d and d + 1 can be one for everyone.
static bool mergeable(const chain_plan *plan, int32_t n_in, int32_t d, bool lanes_apart) {
    if (lanes_apart && d + 2 == plan->n) return false;
    for (int32_t i = 0; i < n_in; i++) {
        const int64_t *s = plan->in[i].stride;
        if (s[d] != s[d + 1] * plan->size[d + 1]) return false;
    }
    return true;
}

static void drop_loop(chain_plan *plan, int32_t n_in, int32_t d) {
    size_t left = (size_t)(plan->n - d - 1) * sizeof(int64_t);
    memmove(plan->size + d, plan->size + d + 1, left);
    for (int32_t i = 0; i < n_in; i++)
        memmove(plan->in[i].stride + d, plan->in[i].stride + d + 1, left);
    if (plan->channel_loop > d) plan->channel_loop--;
    plan->n--;
}

static void merge_loops(chain_plan *plan, int32_t n_in) {
    bool ragged = plan->channel_loop >= 0;
    for (int32_t d = plan->n - 1; d >= 0; d--)
        if (plan->size[d] == 1 && plan->n > 1 &&
            !(ragged && (d == plan->n - 1 || d == plan->channel_loop)))
            drop_loop(plan, n_in, d);
    for (int32_t d = plan->n - 2; d >= 0; d--) {
        if (!mergeable(plan, n_in, d, ragged)) continue;
        if (ragged && (d == plan->channel_loop || d + 1 == plan->channel_loop)) continue;
        plan->size[d + 1] *= plan->size[d];
        drop_loop(plan, n_in, d);
    }
}

static void choose_tile(chain_plan *plan) {
    plan->split = plan->n - 1;
    plan->inner = 1;
    for (int32_t d = 0; d < plan->n; d++)
        if (plan->size[d] == 0) return; // no tiles
    while (plan->split > 0 && plan->inner * plan->size[plan->split] * 2 <= CHAIN_TILE)
        plan->inner *= plan->size[plan->split--];
    int64_t size = plan->size[plan->split];
    plan->chunk = CHAIN_TILE / plan->inner;
    plan->chunk = min64(plan->chunk, size);
    plan->chunks = (size + plan->chunk - 1) / plan->chunk;
    plan->tiles = plan->chunks;
    for (int32_t d = 0; d < plan->split; d++) plan->tiles *= plan->size[d];
}

static chain_kind kind_of(const chain_plan *plan, const chain_input *in, bool plain) {
    bool full = true, zero = true;
    int64_t natural = 1;
    for (int32_t d = plan->n - 1; d >= plan->split; d--) {
        if (in->stride[d] != natural) full = false;
        if (in->stride[d] != 0) zero = false;
        natural *= plan->size[d];
    }
    if (in->ragged && plain) full = false;
    if (full) return CHAIN_FULL;
    if (zero) return CHAIN_REPEAT;
    bool lanes = CHAIN_GRAIN % plan->size[plan->n - 1] == 0;
    for (int32_t d = plan->split; d < plan->n - 1; d++)
        if (in->stride[d] != 0) lanes = false;
    return lanes && plan->n - 1 > plan->split ? CHAIN_REPEAT : CHAIN_GATHER;
}

// Gives every result a place. One that is an output goes there directly when no later instruction
// reads an input, which may be the same memory.
static void place_results(const whet_chain *c, chain_plan *plan) {
    int32_t last[WHET_CHAIN_MAX_OPS], last_input = -1, owner[WHET_CHAIN_MAX_OPS];
    for (int32_t k = 0; k < c->n_ops; k++) last[k] = k;
    for (int32_t k = 0; k < c->n_ops; k++)
        for (int32_t s = 0; s < whet_pw_inputs(c->ops[k].f); s++) {
            int32_t v = c->ops[k].src[s];
            if (v < c->n_in) last_input = k;
            else last[v - c->n_in] = k;
        }
    for (int32_t o = 0; o < c->n_out; o++) {
        plan->copy[o] = c->out[o];
        if (c->out[o] < c->n_in) last_input = c->n_ops;
    }
    for (int32_t o = 0; o < c->n_out; o++)
        if (c->out[o] >= c->n_in) last[c->out[o] - c->n_in] = c->n_ops;
    plan->slots = 0;
    for (int32_t s = 0; s < WHET_CHAIN_MAX_OPS; s++) owner[s] = -1;
    for (int32_t k = 0; k < c->n_ops; k++) {
        int32_t slot = 0, direct = -1;
        for (int32_t o = 0; o < c->n_out && k >= last_input; o++)
            if (c->out[o] == c->n_in + k && direct < 0) direct = o;
        if (direct >= 0) {
            plan->slot[k] = ~direct;
            plan->copy[direct] = -1;
            continue;
        }
        while (owner[slot] >= 0 && last[owner[slot]] > k) slot++;
        // a source that dies here may give its place: elements are read before they are written
        owner[slot] = k;
        plan->slot[k] = slot;
        if (slot + 1 > plan->slots) plan->slots = slot + 1;
    }
}

double whet_chain_largest(const float *x, int64_t n) {
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) { // magnitudes are in the order of their bits, NaN last
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7FFFFFFFu;
        most = bits > most ? bits : most;
    }
    float value;
    memcpy(&value, &most, sizeof value);
    return most < 0x7F800000u ? (double)value : INFINITY;
}

bool whet_chain_stored(const whet_problem *p) {
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].dtype == WHET_DTYPE_BF16) return true;
    for (int32_t o = 0; o < p->n_out; o++)
        if (p->out[o].dtype == WHET_DTYPE_BF16) return true;
    return false;
}

bool whet_chain_plan_make(const whet_problem *p, chain_plan *plan) {
    memset(plan, 0, sizeof *plan);
    if (!chain_valid(p) || !ports_valid(p)) return false;
    const whet_port *out = &p->out[0];
    plan->n = loops_of(out, plan->size);
    plan->channel_loop = -1;
    plan->channels = out->rank > 1 ? out->dims[1] : 1;
    for (int32_t i = 0; i < p->n_in; i++) {
        if (out->layout == WHET_LAYOUT_NHWC) strides_last(out, &p->in[i], &plan->in[i]);
        else strides_of(out, &p->in[i], &plan->in[i]);
        if (plan->in[i].ragged) plan->channel_loop = 1;
    }
    if (plan->n == 0) plan->size[plan->n++] = 1;
    merge_loops(plan, p->n_in);
    choose_tile(plan);
    for (int32_t i = 0; i < p->n_in; i++)
        plan->in[i].kind = kind_of(plan, &plan->in[i], p->in[i].layout == WHET_LAYOUT_PLAIN);
    place_results(p->chain, plan);
    return true;
}

// Constants and what has no channels stay plain; they are small or gathered.
void whet_chain_ports(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out) {
    int32_t rank = p->out[0].rank;
    bool blocked = rank >= 3 && rank <= 5;
    for (int32_t i = 0; i < p->n_in; i++) {
        const whet_port *q = &p->in[i];
        bool channels = q->rank == rank && blocked && !q->constant &&
                        (q->dims[1] != 1 || p->out[0].dims[1] == 1);
        in[i] = channels ? l : WHET_LAYOUT_PLAIN;
    }
    for (int32_t o = 0; o < p->n_out; o++) out[o] = blocked ? l : WHET_LAYOUT_PLAIN;
}

bool whet_chain_inplace(const whet_problem *p, int32_t i) {
    const whet_port *q = &p->in[i], *out = &p->out[0];
    return q->dtype == out->dtype && q->layout == out->layout && q->rank == out->rank &&
           !memcmp(q->dims, out->dims, (size_t)out->rank * sizeof *q->dims);
}

// Offset of input i at a loop position; lanes beyond the channels read the last channel.
static int64_t offset_at(const chain_plan *plan, const chain_input *in, const int64_t *at) {
    int64_t offset = 0, lanes = plan->size[plan->n - 1];
    for (int32_t d = 0; d < plan->n; d++) offset += at[d] * in->stride[d];
    if (in->ragged) {
        int64_t over = at[plan->channel_loop] * lanes + at[plan->n - 1] - (plan->channels - 1);
        if (over > 0) offset -= over * in->stride[plan->n - 1];
    }
    return offset;
}

static float element(const void *in, whet_dtype type, int64_t i) {
    switch (type) {
    case WHET_DTYPE_F32: return ((const float *)in)[i];
    case WHET_DTYPE_BF16: return whet_bf16_to_f32(((const uint16_t *)in)[i]);
    case WHET_DTYPE_U8: return (float)((const uint8_t *)in)[i];
    default: return (float)((const int8_t *)in)[i];
    }
}

void whet_chain_gather(const chain_plan *plan, int32_t i, const void *in, whet_dtype type,
                       const int64_t *at, int64_t n, float *out) {
    const chain_input *input = &plan->in[i];
    int64_t pos[CHAIN_LOOPS], width = plan->size[plan->n - 1];
    memcpy(pos, at, sizeof pos);
    for (int64_t e = 0; e < n;) {
        int64_t run = min64(width - pos[plan->n - 1], n - e), step = input->stride[plan->n - 1];
        if (input->ragged) {
            for (int64_t j = 0; j < run; j++, pos[plan->n - 1]++)
                out[e + j] = element(in, type, offset_at(plan, input, pos));
        } else {
            int64_t from = offset_at(plan, input, pos);
            for (int64_t j = 0; j < run; j++) out[e + j] = element(in, type, from + j * step);
            pos[plan->n - 1] += run;
        }
        e += run;
        for (int32_t d = plan->n - 1; d > 0 && pos[d] == plan->size[d]; d--) {
            pos[d] = 0;
            pos[d - 1]++;
        }
    }
}

// slots, then for each input a tile and a grain
size_t whet_chain_scratch(const whet_problem *p, const int32_t *params) {
    chain_plan plan;
    (void)params;
    if (!whet_chain_plan_make(p, &plan)) return 0;
    size_t slots = (size_t)plan.slots + (size_t)p->n_in + (size_t)p->n_out;
    return (slots * CHAIN_PITCH + (size_t)p->n_in * CHAIN_GRAIN) * sizeof(float);
}

int64_t whet_chain_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    chain_plan plan;
    (void)params;
    (void)phase;
    return whet_chain_plan_make(p, &plan) ? plan.tiles : 0;
}

void whet_chain_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    whet_chain_plan_make(p, state);
}
