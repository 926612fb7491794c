/* test_fixture.c -- one OTLP request per dialect, decoded and understood.
 *
 * A fixture is JSON: request (OTLP), expect {field: its JSON}, parts {role: its JSON}.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm_help.h"
#include "wire/json.h"
#include "wire/otlp.h"
#include <dirent.h>

static struct help help;
static char file_text[256 * 1024];

static str file_read(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(file_text, 1, sizeof file_text, file);
    fclose(file);
    assert_true(len < sizeof file_text);
    return str_make(file_text, len);
}

static enum content_role role_of(str name)
{
    for (unsigned i = 0; i < CONTENT_ROLE_COUNT; i++)
        if (str_equal_c(name, content_role_name((enum content_role)i)))
            return (enum content_role)i;
    fail_msg("no role %.*s", STR_ARG(name));
    return CONTENT_OTHER;
}

/* Member `name` of the fixture: raw text, and as a tree. */
static str member_raw(str text, const char *name, struct value *ret_tree)
{
    struct json json;
    json_init(&json, &help.arena, text, 64);
    assert_int_equal(json_next(&json), JSON_OBJECT);
    while (json_next(&json) == JSON_KEY) {
        bool found = str_equal_c(json.text, name);
        str raw;
        assert_true(json_raw(&json, json_next(&json), &raw));
        if (!found)
            continue;
        json_init(&json, &help.arena, raw, 64);
        assert_true(json_value(&json, json_next(&json), ret_tree));
        return raw;
    }
    fail_msg("fixture has no %s", name);
    return STR_NONE;
}

static void check_fixture(const char *name, str text)
{
    struct value request, expect, parts;
    str raw_request = member_raw(text, "request", &request);
    (void)member_raw(text, "expect", &expect);
    (void)member_raw(text, "parts", &parts);
    struct raw_batch raw;
    struct diag why = DIAG_NONE;
    if (otlp_decode(&help.arena, OTLP_TRACES, OTLP_JSON, raw_request, &otlp_limits_default, &raw,
                    &why) != ERR_OK)
        fail_msg("%s: %s", name, why.text);
    assert_int_equal(norm_batch(&help.arena, &help.config, &raw, &help.batch, &why), ERR_OK);
    assert_int_equal(help.batch.span_count, 1);
    const struct span *span = &help.batch.spans[0];
    for (uint32_t i = 0; i < expect.count; i++) {
        char field[64];
        snprintf(field, sizeof field, "%.*s", STR_ARG(expect.attrs[i].key));
        const char *json = help_field(&help, span, field);
        if (!str_equal_c(expect.attrs[i].value.text, json))
            fail_msg("%s: %s is %s, not %.*s", name, field, json,
                     STR_ARG(expect.attrs[i].value.text));
    }
    for (uint32_t i = 0; i < parts.count; i++) {
        const char *json = help_part(&help, span, role_of(parts.attrs[i].key));
        if (!str_equal_c(parts.attrs[i].value.text, json))
            fail_msg("%s: part %.*s is %s", name, STR_ARG(parts.attrs[i].key), json);
    }
}

/* shows: A31 A38 A59 A60 A62 R2 */
static void each_dialect_gives_the_expected_span(void **state)
{
    const char *folder = *state;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!str_ends(str_from_c(entry->d_name), STR_OF(".json")))
            continue;
        help_reset(&help);
        check_fixture(entry->d_name, file_read(folder, entry->d_name));
        count++;
    }
    closedir(dir);
    assert_true(count >= 10);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FIXTURE_FOLDER\n", argv[0]);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(each_dialect_gives_the_expected_span, argv[1]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
