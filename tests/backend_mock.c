// SPDX-License-Identifier: Apache-2.0
// The mock backend. Its memory is mapped without access; the thread that executes commands opens
// it for
// the time of one command, so a host access that was not planned as a copy faults.
#include "backend_mock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "plan/plan.h"

#define MAX_BLOCKS 4096

typedef struct {
    void *data;
    size_t bytes;
} block;

// device memory, shared by all streams as on a device
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static block blocks[MAX_BLOCKS];
static int32_t n_blocks;
static _Atomic(int64_t) steps_run;

int64_t test_mock_steps(void) { return atomic_load(&steps_run); }

static void *mock_alloc(size_t bytes) {
    bytes = (bytes + 4095) & ~(size_t)4095;
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    pthread_mutex_lock(&memory_lock);
    bool room = n_blocks < MAX_BLOCKS;
    if (room) blocks[n_blocks++] = (block){p, bytes};
    pthread_mutex_unlock(&memory_lock);
    if (room) return p;
    munmap(p, bytes);
    return NULL;
}

static void mock_free(void *memory) {
    pthread_mutex_lock(&memory_lock);
    for (int32_t i = 0; i < n_blocks; i++)
        if (blocks[i].data == memory) {
            munmap(memory, blocks[i].bytes);
            blocks[i] = blocks[--n_blocks];
            break;
        }
    pthread_mutex_unlock(&memory_lock);
}

static void protect(int access) {
    for (int32_t i = 0; i < n_blocks; i++) mprotect(blocks[i].data, blocks[i].bytes, access);
}

// ---- streams: a queue of commands and the thread that runs them ----

typedef struct command {
    struct command *next;
    whet_step *steps; // or a copy:
    int32_t n_steps;
    void *to;
    const void *from;
    void *staging;    // of copy_in: the host may change its memory when the call returns
    size_t bytes;
} command;

typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    command *first, *last;
    bool busy, stop;
    whet_error error; // first failure
    whet_arena arena;
} stream;

static void execute(stream *s, const command *c) {
    pthread_mutex_lock(&memory_lock);
    protect(PROT_READ | PROT_WRITE);
    if (!c->steps) memcpy(c->to, c->staging ? c->staging : c->from, c->bytes);
    for (int32_t i = 0; i < c->n_steps; i++) {
        whet_step *step = &c->steps[i];
        whet_call call = step->call;
        call.arena = &s->arena;
        call.err = &s->error;
        if (s->error.status == WHET_OK) step->kernel->run(&call, 0, 0, 1);
        atomic_fetch_add(&steps_run, 1);
    }
    protect(PROT_NONE);
    pthread_mutex_unlock(&memory_lock);
}

static void *stream_main(void *user) {
    stream *s = user;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->first && !s->stop) pthread_cond_wait(&s->changed, &s->lock);
        if (!s->first) break;
        command *c = s->first;
        s->first = c->next;
        s->busy = true;
        pthread_mutex_unlock(&s->lock);
        execute(s, c);
        free(c->staging);
        free(c->steps);
        free(c);
        pthread_mutex_lock(&s->lock);
        s->busy = false;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static whet_status mock_stream_create(void **out, whet_error *err) {
    stream *s = calloc(1, sizeof *s);
    if (!s) return WHET_NOMEM(err);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    whet_arena_init(&s->arena);
    if (pthread_create(&s->thread, NULL, stream_main, s)) {
        free(s);
        WHET_FAIL(err, WHET_E_BACKEND, "mock: no thread");
    }
    *out = s;
    return WHET_OK;
}

static void mock_stream_destroy(void *user) {
    stream *s = user;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    whet_arena_fini(&s->arena);
    free(s);
}

static whet_status push(stream *s, command c, whet_error *err) {
    command *copy = malloc(sizeof *copy);
    if (!copy) return WHET_NOMEM(err);
    *copy = c;
    pthread_mutex_lock(&s->lock);
    if (s->first) s->last->next = copy;
    else s->first = copy;
    s->last = copy;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return WHET_OK;
}

static whet_status mock_copy_in(void *user, void *device, const void *host, size_t bytes,
                                whet_error *err) {
    command c = {.to = device, .bytes = bytes, .staging = malloc(bytes ? bytes : 1)};
    if (!c.staging) return WHET_NOMEM(err);
    memcpy(c.staging, host, bytes);
    return push(user, c, err);
}

static whet_status mock_copy_out(void *user, void *host, const void *device, size_t bytes,
                                 whet_error *err) {
    return push(user, (command){.to = host, .from = device, .bytes = bytes}, err);
}

static whet_status mock_sync(void *user, whet_error *err) {
    stream *s = user;
    pthread_mutex_lock(&s->lock);
    while (s->first || s->busy) pthread_cond_wait(&s->changed, &s->lock);
    whet_status status = s->error.status;
    if (status && err) *err = s->error;
    pthread_mutex_unlock(&s->lock);
    return status;
}

static whet_status mock_run_segment(whet_segment_run *run, whet_error *err) {
    command c = {.n_steps = run->n_steps};
    c.steps = malloc((size_t)(run->n_steps + 1) * sizeof *c.steps);
    if (!c.steps) return WHET_NOMEM(err);
    memcpy(c.steps, run->steps, (size_t)run->n_steps * sizeof *c.steps);
    return push(run->stream, c, err);
}

const whet_backend test_mock_backend = {
    .name = "mock",
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN),
    .alloc = mock_alloc,
    .free = mock_free,
    .copy_in = mock_copy_in,
    .copy_out = mock_copy_out,
    .stream_create = mock_stream_create,
    .stream_destroy = mock_stream_destroy,
    .sync = mock_sync,
    .run_segment = mock_run_segment,
};

// ---- kernels: the references, in the mock's memory ----

static bool accepts(const whet_problem *p) {
    if (p->threads < 1 || p->epi.other.layout) return false;
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].dtype && (p->in[i].dtype != WHET_DTYPE_F32 || p->in[i].layout)) return false;
    for (int32_t i = 0; i < p->n_out; i++)
        if (p->out[i].dtype != WHET_DTYPE_F32 || p->out[i].layout) return false;
    return true;
}

// Below zero, so that a plan takes what the mock can do, whatever the copies cost.
static double cost(const whet_problem *p, const int32_t *params) {
    (void)p, (void)params;
    return -1;
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    return whet_kernel_reference.run(c, phase, begin, end);
}

#define MOCK(suffix, operator)                                                                     \
    static const whet_kernel mock_##suffix = {.name = "mock_" #suffix, .op = operator,             \
                                              .backend = "mock", .accepts = accepts,               \
                                              .cost = cost, .run = run}
MOCK(conv, "conv");
MOCK(matmul, "matmul");
MOCK(chain, "chain");
MOCK(max_pool, "max_pool");
MOCK(softmax, "softmax");

const whet_kernel *const test_mock_kernels[5] = {&mock_conv, &mock_matmul, &mock_chain,
                                                 &mock_max_pool, &mock_softmax};
