// SPDX-License-Identifier: Apache-2.0
// Runs of one engine on several threads of the caller's at the same time.
#ifndef WHET_TOOLS_BENCH_STREAMS_H
#define WHET_TOOLS_BENCH_STREAMS_H

#include "cli_file.h"

#define BENCH_STREAMS_MOST 256

typedef struct bench_streams {
    // given
    const whet_cli *cli;
    whet_engine *engine;
    const whet_cli_inputs *in;
    double warmup, seconds;
    int64_t min_runs, n; // n: streams
    // made
    whet_context **contexts; // [n]
    double *samples;         // seconds of each run, of all streams
    int64_t n_samples;
    double per_second;       // runs of all streams together
} bench_streams;

// False: the problem has been printed. To be freed in either case.
bool bench_streams_run(bench_streams *b);
void bench_streams_free(bench_streams *b);

#endif
