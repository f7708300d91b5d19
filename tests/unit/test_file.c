// SPDX-License-Identifier: Apache-2.0
#include "support/failing_alloc.h"
#include "support/temp_folder.h"
#include "support/test.h"

#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static temp_folder t;

static int set_up(void **state) {
    (void)state;
    temp_create(&t);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    temp_remove(&t);
    return 0;
}

static void assert_holds(const char *path, const char *want) {
    size_t size;
    char *text = temp_read(path, &size);
    assert_non_null(text);
    assert_string_equal(text, want);
    assert_int_equal(size, strlen(want));
    free(text);
}

static void write_text(const char *path, const char *text) {
    whet_error e = {0};
    whet_piece piece = {text, strlen(text)};
    if (whet_file_write(path, &piece, 1, &e)) fail_msg("%s", e.text);
}

static void writes_gathered_pieces(void **state) {
    (void)state;
    const char *path = temp_path(&t, "a");
    whet_error e = {0};
    const whet_piece pieces[] = {{"one ", 4}, {NULL, 0}, {"two ", 4}, {"", 0}, {"three", 5}};
    assert_int_equal(whet_file_write(path, pieces, COUNT(pieces), &e), WHET_OK);
    assert_holds(path, "one two three");
    assert_int_equal(whet_file_write(path, NULL, 0, &e), WHET_OK);
    assert_holds(path, "");
    assert_int_equal(temp_count(&t), 1);
}

static void writes_many_pieces(void **state) {
    (void)state;
    enum { N = 1000 };
    const char *path = temp_path(&t, "a");
    static whet_piece pieces[N];
    static char data[N * (N - 1) / 2];
    size_t at = 0;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31);
    for (size_t i = 0; i < N; at += i++) pieces[i] = (whet_piece){data + at, i};
    assert_int_equal(whet_file_write(path, pieces, N, NULL), WHET_OK);
    whet_map map;
    assert_int_equal(whet_map_open(&map, path, NULL), WHET_OK);
    assert_int_equal(map.size, sizeof data);
    assert_memory_equal(map.data, data, sizeof data);
    whet_map_close(&map);
    assert_null(map.data);
}

static void replaces_and_keeps_the_mode(void **state) {
    (void)state;
    const char *path = temp_path(&t, "a");
    write_text(path, "old");
    assert_int_equal(chmod(path, 0640), 0);
    whet_map map;
    assert_int_equal(whet_map_open(&map, path, NULL), WHET_OK);
    write_text(path, "newer");
    assert_memory_equal(map.data, "old", 3); // those who have the former file keep it
    whet_map_close(&map);
    assert_holds(path, "newer");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_link_stays_a_link(void **state) {
    (void)state;
    char link[300];
    snprintf(link, sizeof link, "%s/link", t.path);
    const char *path = temp_path(&t, "a");
    write_text(path, "old");
    assert_int_equal(symlink("a", link), 0);
    write_text(link, "through");
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_holds(path, "through");
}

static void a_device_is_not_replaced(void **state) {
    (void)state;
    write_text("/dev/null", "text");
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void works_without_a_folder_in_the_name(void **state) {
    (void)state;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(t.path), 0);
    write_text("plain", "text");
    assert_holds("plain", "text");
    assert_int_equal(fchdir(here), 0);
    close(here);
}

static void failures_name_path_and_reason(void **state) {
    (void)state;
    whet_error e = {0};
    whet_map map;
    whet_piece piece = {"x", 1};
    assert_int_equal(whet_map_open(&map, temp_path(&t, "none"), &e), WHET_E_IO);
    assert_non_null(strstr(e.text, "/none: "));
    assert_non_null(strstr(e.text, "No such file"));
    assert_int_equal(whet_map_open(&map, t.path, &e), WHET_E_IO);
    assert_non_null(strstr(e.text, "not a regular file"));
    assert_int_equal(whet_map_open(&map, "/dev/null", &e), WHET_E_IO);
    assert_int_equal(whet_file_write(temp_path(&t, "no/file"), &piece, 1, &e), WHET_E_IO);
    assert_non_null(strstr(e.text, "/no/file: "));
    assert_int_equal(whet_file_write(t.path, &piece, 1, &e), WHET_E_IO);
    assert_non_null(strstr(e.text, "is a folder"));
    assert_int_equal(whet_file_write("", &piece, 1, &e), WHET_E_IO);
    assert_int_equal(temp_count(&t), 0);
}

static void an_empty_file_maps_to_nothing(void **state) {
    (void)state;
    whet_map map = {"x", 1};
    write_text(temp_path(&t, "empty"), "");
    assert_int_equal(whet_map_open(&map, temp_path(&t, "empty"), NULL), WHET_OK);
    assert_null(map.data);
    assert_int_equal(map.size, 0);
    whet_map_close(&map);
}

// The limit on file sizes stands for a full disk: write() takes a part, then fails.
static void a_full_disk_leaves_the_former_file(void **state) {
    (void)state;
    char big[100000];
    memset(big, 'b', sizeof big);
    whet_piece pieces[] = {{"head", 4}, {big, sizeof big}, {big, sizeof big}};
    write_text(temp_path(&t, "a"), "former");
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit < 3; limit++) {
        whet_error e = {0};
        tight.rlim_cur = limit * 70001;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        whet_status status = whet_file_write(temp_path(&t, "a"), pieces, 3, &e);
        whet_status fresh = whet_file_write(temp_path(&t, "b"), pieces, 3, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(status, WHET_E_IO);
        assert_int_equal(fresh, WHET_E_IO);
        assert_non_null(strstr(e.text, "cannot write"));
        assert_int_equal(temp_count(&t), 1);
        assert_holds(temp_path(&t, "a"), "former");
    }
    signal(SIGXFSZ, handler);
    // a device that is always full
    whet_error e = {0};
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(whet_file_write("/dev/full", pieces, 3, &e), WHET_E_IO);
        assert_non_null(strstr(e.text, "No space left"));
    }
}

static void lack_of_memory_leaves_the_former_file(void **state) {
    (void)state;
    whet_piece piece = {"newer", 5};
    write_text(temp_path(&t, "a"), "former");
    for (int64_t n = 0; n < 2; n++) {
        test_alloc_fail_at(n);
        whet_status status = whet_file_write(temp_path(&t, "a"), &piece, 1, NULL);
        bool hit = test_alloc_end();
        assert_int_equal(hit, status != WHET_OK);
        assert_int_equal(temp_count(&t), 1);
        assert_holds(temp_path(&t, "a"), hit ? "former" : "newer");
        write_text(temp_path(&t, "a"), "former");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(writes_gathered_pieces),
        TEST(writes_many_pieces),
        TEST(replaces_and_keeps_the_mode),
        TEST(a_link_stays_a_link),
        TEST(a_device_is_not_replaced),
        TEST(works_without_a_folder_in_the_name),
        TEST(failures_name_path_and_reason),
        TEST(an_empty_file_maps_to_nothing),
        TEST(a_full_disk_leaves_the_former_file),
        TEST(lack_of_memory_leaves_the_former_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
