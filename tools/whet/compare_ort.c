// SPDX-License-Identifier: Apache-2.0
// Another runtime's outputs for the same inputs: Python's onnxruntime, through files in a folder.
#include "compare_ort.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char script[] =
    "import sys\n"
    "try:\n"
    "    import numpy as np\n"
    "    import onnxruntime as ort\n"
    "except ImportError as e:\n"
    "    sys.exit(f'{sys.executable}: {e}; --python names another one')\n"
    "model, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]\n"
    "options = ort.SessionOptions()\n"
    "options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL\n"
    "options.log_severity_level = 3\n"
    "try:\n"
    "    s = ort.InferenceSession(model, options, providers=['CPUExecutionProvider'])\n"
    "    feed = {n: np.load(f'{folder}/in{i}.npy') for i, n in enumerate(names)}\n"
    "    for i, v in enumerate(s.run(None, feed)):\n"
    "        np.save(f'{folder}/out{i}.npy', np.asarray(v, order='C'))\n"
    "except Exception as e:\n"
    "    sys.exit(f'onnxruntime: {e}')\n";

static bool run_python(const char *python, const char *model, const char *folder,
                       const whet_engine *engine) {
    int32_t n = whet_engine_input_count(engine);
    const char **argv = calloc((size_t)n + 6, sizeof *argv);
    if (!argv) return whet_cli_fail("out of memory"), false;
    const char *head[] = {python, "-c", script, model, folder};
    memcpy((void *)argv, head, sizeof head);
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info;
        argv[5 + i] = whet_engine_input(engine, i, &info) ? "" : info.name;
    }
    pid_t pid;
    int status = 0, code = posix_spawnp(&pid, python, NULL, NULL, (char *const *)argv, environ);
    free((void *)argv);
    if (code) return whet_cli_fail("%s: cannot start it: %s", python, strerror(code)), false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return whet_cli_fail("%s: %s", python, strerror(errno)), false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return whet_cli_fail("%s could not run %s with onnxruntime", python, model), false;
}

static bool take_outputs(const whet_engine *engine, const char *folder, whet_tap_fn take,
                         void *user) {
    char path[512], name[600];
    for (int32_t i = 0; i < whet_engine_output_count(engine); i++) {
        whet_io_info info;
        whet_tensor t;
        size_t size;
        if (whet_engine_output(engine, i, &info)) return false;
        snprintf(path, sizeof path, "%s/out%d.npy", folder, i);
        void *bytes = whet_cli_read_file(path, &size);
        if (!bytes) return false;
        bool good = whet_cli_parse_npy(path, bytes, size, &t);
        snprintf(name, sizeof name, "output %s", info.name);
        if (good) take(user, name, &t);
        free(bytes);
        if (!good) return false;
    }
    return true;
}

static void remove_folder(const char *folder, int32_t n_in, int32_t n_out) {
    char path[512];
    for (int32_t i = 0; i < n_in; i++) {
        snprintf(path, sizeof path, "%s/in%d.npy", folder, i);
        unlink(path);
    }
    for (int32_t i = 0; i < n_out; i++) {
        snprintf(path, sizeof path, "%s/out%d.npy", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

bool whet_cli_run_ort(const char *python, const char *model, const whet_engine *engine,
                      const whet_cli_inputs *in, whet_tap_fn take, void *user) {
    const char *base = getenv("TMPDIR");
    char folder[400], path[512];
    snprintf(folder, sizeof folder, "%s/whet-compare-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder))
        return whet_cli_fail("%s: cannot make a folder: %s", folder, strerror(errno)), false;
    bool good = true;
    for (int32_t i = 0; i < in->n && good; i++) {
        snprintf(path, sizeof path, "%s/in%d.npy", folder, i);
        good = whet_cli_write_npy(path, &in->v[i]);
    }
    good = good && run_python(python, model, folder, engine) &&
           take_outputs(engine, folder, take, user);
    remove_folder(folder, in->n, whet_engine_output_count(engine));
    return good;
}
