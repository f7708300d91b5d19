// SPDX-License-Identifier: Apache-2.0
// onnx_cases FOLDER...: runs cases of ONNX's backend tests on the operators' C references. Prints a
// line a case that does not pass and a summary; every case runs in a process of its own.
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/onnx_case.h"

static int run_child(const char *folder) {
    static const char *const texts[] = {"PASS", "FAIL", "UNSUPPORTED"};
    whet_str text;
    whet_str_init(&text);
    alarm(60);
    onnx_case_result result = onnx_case_run(folder, &text);
    const char *name = strrchr(folder, '/');
    if (result != ONNX_CASE_PASS)
        printf("%s %s: %s\n", texts[result], name ? name + 1 : folder, whet_str_text(&text));
    fflush(stdout);
    whet_str_fini(&text);
    return (int)result;
}

int main(int argc, char **argv) {
    int counts[4] = {0};
    for (int i = 1; i < argc; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) _exit(run_child(argv[i]));
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) < 0) return 2;
        int result = WIFEXITED(status) && WEXITSTATUS(status) < 3 ? WEXITSTATUS(status) : 3;
        if (result == 3) printf("CRASH %s\n", argv[i]);
        counts[result]++;
    }
    printf("%d passed, %d failed, %d not supported, %d crashed\n", counts[0], counts[1], counts[2],
           counts[3]);
    return counts[1] || counts[3];
}
