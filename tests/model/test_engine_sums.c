// SPDX-License-Identifier: Apache-2.0
// Damage in an engine file is found at load where it would be read, and only there: constants that
// the plan reads in place have checksums of their own.
#include "support/test.h"

#include "engine/engine_file.h"
#include "env/env.h"

static whet_env *env;

static uint8_t *build(const char *plan, size_t *size) {
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_engine *e = NULL;
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_ERROR};
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "level", "0"), WHET_OK);
    assert_int_equal(whet_config_set(config, "verify", "off"), WHET_OK);
    assert_int_equal(whet_config_set(config, "plan", plan), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, "tests/data/glyphs/glyph_resnet18.onnx"), WHET_OK);
    assert_int_equal(whet_builder_build(b, config, &e), WHET_OK);
    const void *data = whet_engine_data(e, size);
    uint8_t *copy = NULL;
    assert_int_equal(posix_memalign((void **)&copy, 64, *size), 0);
    memcpy(copy, data, *size);
    whet_engine_destroy(e);
    whet_config_destroy(config);
    whet_builder_destroy(b);
    return copy;
}

static whet_status load(const uint8_t *data, size_t size) {
    whet_engine *e = NULL;
    whet_status status = whet_engine_load_memory(env, data, size, &e);
    whet_engine_destroy(e);
    return status;
}

static whet_status load_damaged(uint8_t *data, size_t size, size_t at) {
    data[at] ^= 4;
    whet_status status = load(data, size);
    data[at] ^= 4;
    return status;
}

// Damages each section and constant: how many constants were found to be, and how many not.
static void damage(const char *plan, int32_t *found, int32_t *not_read) {
    size_t size;
    uint8_t *data = build(plan, &size);
    whet_engine_file file;
    whet_error err;
    assert_int_equal(whet_engine_file_open(data, size, &file, &err), WHET_OK);
    for (int32_t i = 0; i < file.n_sections; i++)
        if (file.sections[i].size && file.sections[i].kind != WHET_SECTION_SOURCES)
            assert_int_equal(load_damaged(data, size, file.sections[i].offset), WHET_E_CHECKSUM);
    whet_section *index = whet_engine_file_find(&file, WHET_SECTION_INDEX, 0);
    whet_section *sources = whet_engine_file_find(&file, WHET_SECTION_SOURCES, 0);
    assert_non_null(whet_engine_file_find(&file, WHET_SECTION_SUMS, 0));
    whet_reader r;
    whet_reader_init(&r, index->data, index->size);
    *found = *not_read = 0;
    for (uint32_t n = whet_read_u32(&r); n; n--) {
        whet_read_u32(&r);
        whet_status status =
            load_damaged(data, size, sources->offset + (size_t)whet_read_u64(&r));
        *found += status == WHET_E_CHECKSUM;
        *not_read += status == WHET_OK;
    }
    assert_false(r.failed);
    whet_engine_file_close(&file);
    free(data);
    whet_env_destroy(env);
}

// The references read large constants in place, kernels read them packed.
static void damage_is_found_where_it_is_read(void **state) {
    (void)state;
    int32_t found, not_read;
    damage("reference", &found, &not_read);
    assert_true(found > 0);
    damage("tuned", &found, &not_read);
    assert_true(not_read > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(damage_is_found_where_it_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
