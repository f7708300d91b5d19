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

// Values to be seen become outputs of the graph: messages that follow each other are one in
// protobuf, so that they are simply added behind the model.
static const char script[] =
    "import os, sys\n"
    "try:\n"
    "    import numpy as np\n"
    "    import onnxruntime as ort\n"
    "except ImportError as e:\n"
    "    sys.exit(f'{sys.executable}: {e}; --python names another one')\n"
    "model, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]\n"
    "def message(field, body):\n"
    "    size, head = len(body), bytes([field << 3 | 2])\n"
    "    while size > 127:\n"
    "        head, size = head + bytes([size & 127 | 128]), size >> 7\n"
    "    return head + bytes([size]) + body\n"
    "options = ort.SessionOptions()\n"
    "options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL\n"
    "options.log_severity_level = 3\n"
    "probes = []\n"
    "if os.path.exists(f'{folder}/probes'):\n"
    "    probes = open(f'{folder}/probes', encoding='utf-8').read().split('\\n')\n"
    "try:\n"
    "    source = model\n"
    "    if probes:\n"
    "        extra = b''.join(message(12, message(1, p.encode())) for p in probes)\n"
    "        source = open(model, 'rb').read() + message(7, extra)\n"
    "        options.add_session_config_entry(\n"
    "            'session.model_external_initializers_file_folder_path',\n"
    "            os.path.dirname(os.path.abspath(model)))\n"
    "    s = ort.InferenceSession(source, options, providers=['CPUExecutionProvider'])\n"
    "    feed = {n: np.load(f'{folder}/in{i}.npy') for i, n in enumerate(names)}\n"
    "    for i, v in enumerate(s.run(probes or None, feed)):\n"
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

static bool take_file(const char *folder, int32_t i, const char *name, whet_tap_fn take,
                      void *user) {
    char path[512];
    whet_tensor t;
    size_t size;
    snprintf(path, sizeof path, "%s/out%d.npy", folder, i);
    void *bytes = whet_cli_read_file(path, &size);
    bool good = bytes && whet_cli_parse_npy(path, bytes, size, &t);
    if (good) take(user, name, &t);
    free(bytes);
    return good;
}

static bool take_outputs(const whet_engine *engine, const char *folder, whet_tap_fn take,
                         void *user) {
    char name[600];
    for (int32_t i = 0; i < whet_engine_output_count(engine); i++) {
        whet_io_info info;
        if (whet_engine_output(engine, i, &info)) return false;
        snprintf(name, sizeof name, "output %s", info.name);
        if (!take_file(folder, i, name, take, user)) return false;
    }
    return true;
}

static bool write_probes(const char *folder, const char *const *probes, int32_t n) {
    char path[512], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return whet_cli_fail("out of memory"), false;
    for (int32_t i = 0; i < n; i++) fprintf(out, "%s%s", i ? "\n" : "", probes[i]);
    bool good = !fclose(out);
    snprintf(path, sizeof path, "%s/probes", folder);
    const void *piece = text;
    good = good && whet_cli_write_file(path, &piece, &size, 1);
    free(text);
    return good;
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
    snprintf(path, sizeof path, "%s/probes", folder);
    unlink(path);
    rmdir(folder);
}

bool whet_cli_run_ort(const char *python, const char *model, const whet_engine *engine,
                      const whet_cli_inputs *in, const char *const *probes, int32_t n_probes,
                      whet_tap_fn take, void *user) {
    const char *base = getenv("TMPDIR");
    char folder[400], path[512];
    int32_t n_out = n_probes ? n_probes : whet_engine_output_count(engine);
    snprintf(folder, sizeof folder, "%s/whet-compare-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder))
        return whet_cli_fail("%s: cannot make a folder: %s", folder, strerror(errno)), false;
    bool good = !n_probes || write_probes(folder, probes, n_probes);
    for (int32_t i = 0; i < in->n && good; i++) {
        snprintf(path, sizeof path, "%s/in%d.npy", folder, i);
        good = whet_cli_write_npy(path, &in->v[i]);
    }
    good = good && run_python(python, model, folder, engine);
    if (!n_probes) good = good && take_outputs(engine, folder, take, user);
    for (int32_t i = 0; i < n_probes && good; i++)
        good = take_file(folder, i, probes[i], take, user);
    remove_folder(folder, in->n, n_out);
    return good;
}
