// SPDX-License-Identifier: Apache-2.0
// Times of other runtimes, by Python, taken turn by turn with those of an engine.
#ifndef WHET_TOOLS_BENCH_PEERS_H
#define WHET_TOOLS_BENCH_PEERS_H

#include "cli_file.h"

#define BENCH_PEERS_MOST 8

typedef struct bench_peers {
    // given
    const whet_cli *cli;
    const char *python, *model, *names; // names: "onnxruntime,openvino"
    whet_engine *engine;
    const whet_cli_inputs *in;
    double seconds; // of each runtime
    bool bf16, json;
} bench_peers;

// Measures and prints. False: the problem has been printed.
bool bench_peers_run(const bench_peers *b);

#endif
