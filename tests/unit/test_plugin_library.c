// SPDX-License-Identifier: Apache-2.0
// test: labels=threads
// Plugin libraries: of an earlier interface, refused ones, carried ones; plugins that cannot be.
#include "support/test.h"

#include <pthread.h>
#include <unistd.h>

#include <whet/plugin.h>

#include "base/sha256.h"
#include "engine/engine_file.h"
#include "support/failing_alloc.h"
#include "support/temp_folder.h"

static whet_env *make_env(bool engine_libraries) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 1, .verbosity = WHET_LOG_ERROR,
                          .engine_libraries = engine_libraries};
    whet_env *env = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    return env;
}

static void load(whet_env *env, const char *name) {
    char path[512];
    snprintf(path, sizeof path, PLUGIN_FOLDER "/lib%s.so", name);
    if (whet_env_load_plugins(env, path)) fail_msg("%s", whet_error_text(env));
}

// An engine of tests/data/plugin.onnx; embed NULL: carries nothing.
static whet_engine *build(whet_env *env, const char *embed) {
    whet_builder *b = NULL;
    whet_config *c = NULL;
    whet_engine *e = NULL;
    whet_builder_create(env, &b);
    whet_config_create(env, &c);
    whet_config_set(c, "level", "0");
    if (embed) assert_int_equal(whet_config_set(c, "embed-plugins", embed), WHET_OK);
    if (whet_builder_load_onnx(b, "tests/data/plugin.onnx") || whet_builder_build(b, c, &e))
        fail_msg("%s", whet_error_text(b));
    whet_config_destroy(c);
    whet_builder_destroy(b);
    return e;
}

static void check_run(whet_engine *e) {
    static float x[] = {1, -2, 3, -4};
    static const float want[] = {3, 0, 9, 0};
    whet_context *c = NULL;
    whet_tensor in = {WHET_DTYPE_F32, 2, {1, 4}, x, sizeof x}, out = {0};
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    if (whet_context_run(c, &in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
    assert_memory_equal(out.data, want, sizeof want);
    whet_context_destroy(c);
}

static whet_status load_engine(whet_env *env, const void *data, size_t bytes, const char *text) {
    whet_engine *e = NULL;
    whet_status status = whet_engine_load_memory(env, data, bytes, &e);
    if (status == WHET_OK) check_run(e);
    else if (!strstr(whet_error_text(env), text)) fail_msg("%s", whet_error_text(env));
    whet_engine_destroy(e);
    return status;
}

static void loads_the_first_interface(void **state) {
    (void)state;
    whet_env *env = make_env(false);
    load(env, "plugin_v1");
    load(env, "plugin_v1"); // again does nothing
    whet_engine *e = build(env, NULL);
    check_run(e);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

static void refuses_libraries(void **state) {
    (void)state;
    static const struct {
        const char *name;
        whet_status status;
        const char *text;
    } cases[] = {
        {"plugin_SYMBOL", WHET_E_INVALID, "has no symbol whet_plugin_library_get"},
        {"plugin_REFUSES", WHET_E_UNSUPPORTED, "refuses this version of whet"},
        {"plugin_NEWER", WHET_E_VERSION, "built against plugin interface 1000"},
        {"plugin_SIZE", WHET_E_INVALID, "the size of its table is 8"},
        {"plugin_NAME", WHET_E_INVALID, "its name or version is NULL"},
        {"plugin_COUNT", WHET_E_INVALID, "has -5 plugins"},
        {"plugin_NULL", WHET_E_INVALID, "the plugin is NULL"},
        {"plugin_TWICE", WHET_E_INVALID, "plugin Good, version 1, domain \"\" is registered"},
        {"nothing", WHET_E_IO, "libnothing.so"},
    };
    whet_env *env = make_env(false);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[512];
        snprintf(path, sizeof path, PLUGIN_FOLDER "/lib%s.so", cases[i].name);
        whet_status status = whet_env_load_plugins(env, path);
        if (status != cases[i].status || !strstr(whet_error_text(env), cases[i].text))
            fail_msg("%s: %d %s", cases[i].name, (int)status, whet_error_text(env));
    }
    assert_null(strstr(whet_env_describe(env), "Good")); // none of a library's is registered
    assert_int_equal(whet_env_load_plugins(env, NULL), WHET_E_INVALID);
    assert_int_equal(whet_env_load_plugins(env, "tests/data/plugin.onnx"), WHET_E_IO);
    whet_env_destroy(env);
}

static void engines_name_what_they_lack(void **state) {
    (void)state;
    whet_env *env = make_env(false), *bare = make_env(true);
    load(env, "plugin_v1");
    whet_engine *e = build(env, NULL);
    size_t bytes;
    const void *data = whet_engine_data(e, &bytes);
    assert_int_equal(load_engine(env, data, bytes, ""), WHET_OK);
    assert_int_equal(load_engine(bare, data, bytes,
                                 "needs plugin Times, version 1, domain \"mydomain\", of library "
                                 "first 1.0; load that before (--plugins=libplugin_v1.so"),
                     WHET_E_UNSUPPORTED);
    whet_engine_destroy(e);
    whet_env_destroy(bare);
    whet_env_destroy(env);
}

static void engines_carry_libraries(void **state) {
    (void)state;
    static const char *const options[] = {"used", "elsewhere/a.so,libplugin_v1.so"};
    for (size_t i = 0; i < COUNT(options); i++) {
        whet_env *env = make_env(false), *closed = make_env(false), *open = make_env(true);
        load(env, "plugin_v1");
        whet_engine *e = build(env, options[i]);
        size_t bytes;
        const void *data = whet_engine_data(e, &bytes);
        assert_int_equal(load_engine(closed, data, bytes, "has not been allowed"),
                         WHET_E_UNSUPPORTED);
        assert_int_equal(load_engine(open, data, bytes, ""), WHET_OK);
        assert_int_equal(load_engine(open, data, bytes, ""), WHET_OK);
        // tuned again it carries it still
        whet_engine *tuned = NULL;
        whet_config *c = NULL;
        whet_config_create(env, &c);
        whet_config_set(c, "level", "0");
        if (whet_engine_tune(e, c, &tuned)) fail_msg("%s", whet_error_text(e));
        whet_env *fresh = make_env(true);
        data = whet_engine_data(tuned, &bytes);
        assert_int_equal(load_engine(fresh, data, bytes, ""), WHET_OK);
        whet_env_destroy(fresh);
        whet_config_destroy(c);
        whet_engine_destroy(tuned);
        whet_engine_destroy(e);
        whet_env_destroy(open);
        whet_env_destroy(closed);
        whet_env_destroy(env);
    }
}

static void finds_changed_libraries(void **state) {
    (void)state;
    whet_env *env = make_env(false), *open = make_env(true);
    load(env, "plugin_v1");
    whet_engine *e = build(env, "used");
    size_t bytes;
    const void *data = whet_engine_data(e, &bytes);
    char *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    whet_engine_file f;
    whet_error err = {0};
    assert_int_equal(whet_engine_file_open(copy, bytes, &f, &err), WHET_OK);
    size_t at = whet_engine_file_find(&f, WHET_SECTION_LIBRARY, 0)->offset;
    whet_engine_file_close(&f);
    copy[at + 100] ^= 1;
    assert_int_equal(load_engine(open, copy, bytes, "has been changed"), WHET_E_CHECKSUM);
    free(copy);
    whet_engine_destroy(e);
    whet_env_destroy(open);
    whet_env_destroy(env);
}

// ---- plugins that cannot be ----

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)n, (void)begin, (void)end;
    return WHET_OK;
}
static whet_status run_cuda(whet_plugin_node *n, void *stream) {
    (void)n, (void)stream;
    return WHET_OK;
}
static whet_status create(whet_plugin_node *n, void **state) {
    (void)n, (void)state;
    return WHET_OK;
}
static const whet_plugin_arg args[] = {{"x", 0, 'T', 0}};
static const whet_plugin_tactic tactics[] = {{.name = "only", .run = run}};
static const whet_plugin good = {
    WHET_PLUGIN_SIZES, .name = "Good", .version = "1", WHET_PLUGIN_ROWS(inputs, args),
    WHET_PLUGIN_ROWS(outputs, args), WHET_PLUGIN_ROWS(tactics, tactics)};

static void refused(whet_env *env, const whet_plugin *p, whet_status want, const char *text) {
    whet_status status = whet_env_register_plugin(env, p);
    if (status != want || !strstr(whet_error_text(env), text))
        fail_msg("%s: %d %s", text, (int)status, whet_error_text(env));
}
#define REFUSED(status, text, ...)                                                                 \
    do {                                                                                           \
        whet_plugin p = good;                                                                      \
        __VA_ARGS__;                                                                               \
        refused(env, &p, status, text);                                                            \
    } while (0)

static void refuses_structs(void **state) {
    (void)state;
    whet_env *env = make_env(false);
    refused(env, NULL, WHET_E_INVALID, "NULL");
    REFUSED(WHET_E_INVALID, "the size of its struct is 12", p.struct_size = 12);
    REFUSED(WHET_E_INVALID, "the size of its inputs is 4", p.arg_size = 4);
    REFUSED(WHET_E_INVALID, "the size of its tactics is", p.tactic_size = 1u << 30);
    REFUSED(WHET_E_INVALID, "name is NULL", p.name = NULL);
    REFUSED(WHET_E_INVALID, "its name must be", p.name = "");
    REFUSED(WHET_E_INVALID, "its name must be", p.name = "a b");
    REFUSED(WHET_E_INVALID, "its version must be", p.version = "\n");
    REFUSED(WHET_E_INVALID, "its domain must be", p.domain = "my domain");
    REFUSED(WHET_E_INVALID, "has -1 inputs", p.n_inputs = -1);
    REFUSED(WHET_E_INVALID, "has 65 inputs", p.n_inputs = 65);
    REFUSED(WHET_E_INVALID, "inputs is NULL", p.inputs = NULL);
    REFUSED(WHET_E_INVALID, "has 0 outputs", p.n_outputs = 0);
    REFUSED(WHET_E_INVALID, "has 1000000 attributes", p.n_attrs = 1000000);
    REFUSED(WHET_E_INVALID, "has 0 tactics", p.n_tactics = 0);
    REFUSED(WHET_E_INVALID, "has 33 tactics", p.n_tactics = 33);
    REFUSED(WHET_E_INVALID, "min_inputs is 2 of 1", p.min_inputs = 2);
    REFUSED(WHET_E_VERSION, "flags 0x8000", p.flags = 0x8000);
    REFUSED(WHET_E_INVALID, "neither inputs nor", p.n_inputs = 0);
    REFUSED(WHET_E_INVALID, "no `destroy`", p.create = create);
    whet_env_destroy(env);
}

static void refuses_rows(void **state) {
    (void)state;
    whet_env *env = make_env(false);
    static const whet_plugin_tactic no_run[] = {{.name = "a"}};
    static const whet_plugin_tactic cuda[] = {{.name = "a", .run_cuda = run_cuda}};
    static const whet_plugin_tactic same[] = {{.name = "a", .run = run}, {.name = "a", .run = run}};
    static const whet_plugin_tactic first[] = {{.name = "a", .run = run, .layouts = 2}};
    static const whet_plugin_tactic phases[] = {{.name = "a", .run = run, .phases = 9}};
    REFUSED(WHET_E_INVALID, "no run function", p.tactics = no_run);
    REFUSED(WHET_E_UNSUPPORTED, "no CUDA backend", p.tactics = cuda);
    REFUSED(WHET_E_INVALID, "two tactics a", p.tactics = same, p.n_tactics = 2);
    REFUSED(WHET_E_INVALID, "must take plain layout", p.tactics = first);
    REFUSED(WHET_E_INVALID, "9 phases", p.tactics = phases);
    REFUSED(WHET_E_INVALID, "one task in plain layout", p.flags = WHET_PLUGIN_DYNAMIC_OUT;
            static const whet_plugin_tactic two[] = {{.name = "a", .run = run, .phases = 2}};
            p.tactics = two);
    static const whet_plugin_arg no_name[] = {{NULL, 0, 0, 0}};
    static const whet_plugin_arg variadic[] = {{"a", 0, 0, WHET_PLUGIN_ARG_VARIADIC},
                                               {"b", 0, 0, 0}};
    static const whet_plugin_arg flags[] = {{"a", 0, 0, 64}};
    static const whet_plugin_arg object[] = {{"a", WHET_PLUGIN_TYPE(WHET_DTYPE_MAP), 0, 0}};
    REFUSED(WHET_E_UNSUPPORTED, "plugins take tensors", p.inputs = object);
    REFUSED(WHET_E_INVALID, "input 0 has no name", p.inputs = no_name);
    REFUSED(WHET_E_INVALID, "variadic but not the last", p.inputs = variadic, p.n_inputs = 2);
    REFUSED(WHET_E_INVALID, "flags or a variable", p.outputs = flags);
    static const whet_plugin_attr types[] = {{.name = "a", .type = 77}};
    static const whet_plugin_attr twice[] = {{.name = "a", .type = 1}, {.name = "a", .type = 1}};
    static const whet_plugin_attr choices[] = {{.name = "a", .type = WHET_PLUGIN_CHOICE}};
    static const whet_plugin_attr list[] = {{.name = "a", .type = WHET_PLUGIN_INTS, .n_def = 3}};
    REFUSED(WHET_E_INVALID, "unknown type 77", p.attrs = types, p.n_attrs = 1);
    REFUSED(WHET_E_INVALID, "two attributes a", p.attrs = twice, p.n_attrs = 2);
    REFUSED(WHET_E_INVALID, "no choices or default", p.attrs = choices, p.n_attrs = 1);
    REFUSED(WHET_E_INVALID, "a default list of 3", p.attrs = list, p.n_attrs = 1);
    REFUSED(WHET_OK, "");
    REFUSED(WHET_E_INVALID, "is registered already");
    whet_env_destroy(env);
}

static void takes_longer_structs_of_zeros(void **state) {
    (void)state;
    struct {
        whet_plugin p;
        uint64_t later[4];
    } newer = {good, {0}};
    whet_env *env = make_env(false);
    newer.p.struct_size = sizeof newer;
    newer.later[2] = 1;
    refused(env, &newer.p, WHET_E_VERSION, "does not know");
    newer.later[2] = 0;
    refused(env, &newer.p, WHET_OK, "");
    whet_env_destroy(env);
}

static void survives_without_memory(void **state) {
    (void)state;
    whet_env *env = make_env(false);
    for (int64_t n = 0;; n++) {
        test_alloc_fail_from(n);
        whet_status status = whet_env_register_plugin(env, &good);
        bool failed = test_alloc_end();
        if (!failed) {
            assert_int_equal(status, WHET_OK);
            break;
        }
        assert_int_equal(status, WHET_E_NOMEM);
    }
    whet_env_destroy(env);
}

static void *register_many(void *user) {
    static const char *const names[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
    for (size_t i = 0; i < COUNT(names); i++) {
        whet_plugin p = good;
        p.name = names[i];
        assert_int_equal(whet_env_register_plugin(user, &p), WHET_OK);
    }
    return NULL;
}

// Builds and descriptions go on while the tables grow.
static void grows_while_others_read(void **state) {
    (void)state;
    whet_env *env = make_env(false);
    pthread_t thread;
    load(env, "plugin_v1");
    assert_int_equal(pthread_create(&thread, NULL, register_many, env), 0);
    for (int i = 0; i < 4; i++) {
        whet_engine *e = build(env, NULL);
        assert_non_null(strstr(whet_env_describe(env), "\"plugins\""));
        check_run(e);
        whet_engine_destroy(e);
    }
    pthread_join(thread, NULL);
    assert_non_null(strstr(whet_env_describe(env), "\"name\":\"H\""));
    whet_env_destroy(env);
}

static void loads_what_the_variable_names(void **state) {
    (void)state;
    setenv("WHET_PLUGINS", PLUGIN_FOLDER "/libplugin_v1.so:", 1);
    whet_env *env = make_env(false);
    unsetenv("WHET_PLUGINS");
    assert_non_null(strstr(whet_env_describe(env), "\"name\":\"Times\""));
    whet_env_destroy(env);
}

static void hashes(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t digest[WHET_SHA256_BYTES];
        char hex[65];
        whet_sha256(cases[i].text, strlen(cases[i].text), digest);
        for (int k = 0; k < 32; k++) snprintf(hex + 2 * k, 3, "%02x", digest[k]);
        assert_string_equal(hex, cases[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_the_first_interface),
        cmocka_unit_test(refuses_libraries),
        cmocka_unit_test(engines_name_what_they_lack),
        cmocka_unit_test(engines_carry_libraries),
        cmocka_unit_test(finds_changed_libraries),
        cmocka_unit_test(refuses_structs),
        cmocka_unit_test(refuses_rows),
        cmocka_unit_test(takes_longer_structs_of_zeros),
        cmocka_unit_test(survives_without_memory),
        cmocka_unit_test(grows_while_others_read),
        cmocka_unit_test(loads_what_the_variable_names),
        cmocka_unit_test(hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
