/* test_bind.c -- options from defaults, file, environment and arguments.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* before base/check.h, which redefines assert */
#include <cmocka.h>

#include "conf/bind.h"

struct options {
    str name;
    bool verbose;
    int64_t port;
    double ratio;
    int64_t timeout_ns;
    int64_t body_bytes_max;
    int32_t level;
    struct bind_strs origins;
    str token;
};
#define AT(field) offsetof(struct options, field)
static const struct bind_row rows[] = {
    { "", "name", BIND_STR, AT(name), "telltale", 1, 8, NULL, 0, "name of this server" },
    { "log", "verbose", BIND_BOOL, AT(verbose), "false", 0, 0, NULL, BIND_RELOADABLE, "say more" },
    { "log", "level", BIND_CHOICE, AT(level), "info", 0, 0, "debug|info|warn|error", 0, "what" },
    { "http", "port", BIND_I64, AT(port), "4318", 1, 65535, NULL, 0, "port" },
    { "http", "timeout", BIND_DURATION, AT(timeout_ns), "30s", 0, 0, NULL, 0, "for a body" },
    { "http", "body_bytes_max", BIND_BYTES, AT(body_bytes_max), "16MiB", 1, 1 << 30, "bytes", 0,
      "largest body" },
    { "http", "origins", BIND_STRS, AT(origins), NULL, 0, 0, NULL, 0, "allowed" },
    { "eval", "ratio", BIND_F64, AT(ratio), "0.25", 0, 1, NULL, 0, "share" },
    { "auth", "token", BIND_STR, AT(token), NULL, 0, 0, NULL, BIND_SECRET, "shared secret" },
};

struct fixture {
    struct arena arena;
    struct options options;
    struct binding binding;
    struct diag why;
};

static int setup(void **state)
{
    static struct fixture fixture;
    arena_init(&fixture.arena, MIB);
    fixture.why = DIAG_NONE;
    fixture.binding =
        (struct binding){ .rows = rows, .count = COUNT_OF(rows), .arena = &fixture.arena };
    *state = &fixture;
    return bind_init(&fixture.binding, &fixture.options, sizeof fixture.options, NULL) != ERR_OK;
}

static int teardown(void **state)
{
    arena_clear(&((struct fixture *)*state)->arena);
    return 0;
}

static enum err from_yaml(struct fixture *fixture, const char *text)
{
    struct yaml yaml;
    fixture->why = DIAG_NONE;
    enum err err =
        yaml_parse(&fixture->arena, STR_OF("c.yaml"), str_from_c(text), &yaml, &fixture->why);
    return err ? err : bind_yaml(&fixture->binding, &yaml, &fixture->why);
}

static enum bind_origin origin_of(const struct fixture *fixture, const char *section,
                                  const char *key)
{
    const struct bind_row *row = bind_find(&fixture->binding, str_from_c(section), str_from_c(key));
    assert_non_null(row);
    return fixture->binding.origins[row - rows];
}

static void defaults_are_set(void **state)
{
    const struct options *options = &((struct fixture *)*state)->options;
    assert_true(str_equal_c(options->name, "telltale"));
    assert_int_equal(options->port, 4318);
    assert_int_equal(options->timeout_ns, 30 * NS_PER_S);
    assert_int_equal(options->body_bytes_max, 16 << 20);
    assert_int_equal(options->level, 1);
    assert_true(options->ratio > 0.24 && options->ratio < 0.26);
    assert_int_equal(options->origins.count, 0);
    assert_true(str_is_none(options->token));
}

static void a_file_sets_values_and_their_origin(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(from_yaml(fixture, "name: mine\n"
                                        "log: { verbose: yes, level: warn }\n"
                                        "http:\n"
                                        "  port: 65535\n"
                                        "  timeout: 1.5m\n"
                                        "  body_bytes_max: 64KiB\n"
                                        "  origins: [ a, b ]\n"
                                        "eval: { ratio: 1 }\n"
                                        "auth:\n"),
                     ERR_OK);
    const struct options *options = &fixture->options;
    assert_true(str_equal_c(options->name, "mine"));
    assert_true(options->verbose);
    assert_int_equal(options->level, 2);
    assert_int_equal(options->port, 65535);
    assert_int_equal(options->timeout_ns, 90 * NS_PER_S);
    assert_int_equal(options->body_bytes_max, 65536);
    assert_int_equal(options->origins.count, 2);
    assert_true(str_equal_c(options->origins.items[1], "b"));
    assert_int_equal(origin_of(fixture, "http", "port"), BIND_FILE);
    assert_int_equal(origin_of(fixture, "auth", "token"), BIND_DEFAULT);
}

static void the_argument_wins_over_environment_and_file(void **state)
{
    struct fixture *fixture = *state;
    struct binding *binding = &fixture->binding;
    assert_int_equal(from_yaml(fixture, "http: { port: 1 }"), ERR_OK);
    assert_int_equal(bind_environment(binding, "TELLTALE_", "TELLTALE_HTTP_PORT=2", NULL), ERR_OK);
    assert_int_equal(fixture->options.port, 2);
    assert_int_equal(origin_of(fixture, "http", "port"), BIND_ENVIRONMENT);
    assert_int_equal(bind_argument(binding, STR_OF("--http.port=3"), NULL), ERR_OK);
    assert_int_equal(fixture->options.port, 3);
    assert_int_equal(origin_of(fixture, "http", "port"), BIND_ARGUMENT);
    assert_int_equal(bind_environment(binding, "TELLTALE_", "PATH=/bin", NULL), ERR_OK);
    assert_int_equal(bind_environment(binding, "TELLTALE_", "TELLTALE_NAME=env", NULL), ERR_OK);
    assert_true(str_equal_c(fixture->options.name, "env"));
    assert_int_equal(bind_argument(binding, STR_OF("http.origins=x, y,z"), NULL), ERR_OK);
    assert_int_equal(fixture->options.origins.count, 3);
    assert_true(str_equal_c(fixture->options.origins.items[1], "y"));
}

static void unknown_names_suggest_the_nearest(void **state)
{
    static const struct {
        const char *yaml, *text, *hint;
    } cases[] = {
        { "http: { prot: 1 }", "c.yaml:1:9: unknown key 'prot' in section http",
          "did you mean 'port'?" },
        { "\nhtpp: { port: 1 }", "c.yaml:2:1: unknown section 'htpp'", "did you mean 'http'?" },
        { "nane: x", "c.yaml:1:1: unknown section 'nane'", "did you mean 'name'?" },
        { "zzz: 1", "c.yaml:1:1: unknown section 'zzz'", "" },
        { "http: 3", "c.yaml:1:1: 'http' must be a map of keys", "" },
        { "[a]", "c.yaml:1:1: the file must be a map of sections", "" },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(from_yaml(fixture, cases[i].yaml), ERR_BAD_INPUT);
        assert_string_equal(fixture->why.text, cases[i].text);
        assert_string_equal(fixture->why.hint, cases[i].hint);
    }
    assert_int_equal(
        bind_environment(&fixture->binding, "TELLTALE_", "TELLTALE_HTTP_PROT=1", &fixture->why),
        ERR_BAD_INPUT);
    assert_string_equal(fixture->why.text, "unknown environment variable TELLTALE_HTTP_PROT");
    assert_string_equal(fixture->why.hint, "did you mean 'TELLTALE_HTTP_PORT'?");
    assert_int_equal(bind_argument(&fixture->binding, STR_OF("--http.prot=1"), &fixture->why),
                     ERR_BAD_INPUT);
    assert_string_equal(fixture->why.text, "unknown option --http.prot");
    assert_string_equal(fixture->why.hint, "did you mean '--http.port'?");
    assert_int_equal(bind_argument(&fixture->binding, STR_OF("--http.port"), &fixture->why),
                     ERR_BAD_INPUT);
    assert_string_equal(fixture->why.text, "--http.port needs a value: --http.port=VALUE");
}

static void bad_values_say_what_is_wanted(void **state)
{
    static const struct {
        const char *yaml, *text;
    } cases[] = {
        { "http: { port: 0 }", "c.yaml:1:9: port must be a number from 1 to 65535" },
        { "http: { port: 65536 }", "c.yaml:1:9: port must be a number from 1 to 65535" },
        { "http: { port: [1] }", "c.yaml:1:9: port must be a number" },
        { "http: { timeout: soon }", "c.yaml:1:9: timeout must be a duration" },
        { "http: { body_bytes_max: 0 }",
          "c.yaml:1:9: body_bytes_max must be a size in bytes from 1 to 1073741824 bytes" },
        { "http: { body_bytes_max: 9999999TiB }",
          "c.yaml:1:9: body_bytes_max must be a size in bytes from 1 to 1073741824 bytes" },
        { "log: { verbose: maybe }", "c.yaml:1:8: verbose must be true or false" },
        { "log: { level: warm }", "c.yaml:1:8: level must be one of debug|info|warn|error" },
        { "eval: { ratio: 1.01 }", "c.yaml:1:9: ratio must be a number from 0 to 1" },
        { "eval: { ratio: nan }", "c.yaml:1:9: ratio must be a number from 0 to 1" },
        { "name: ninechars", "c.yaml:1:1: name must be text from 1 to 8" },
        { "http: { origins: [ { a: 1 } ] }", "c.yaml:1:20: origins must be a list of plain texts" },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(from_yaml(fixture, cases[i].yaml), ERR_BAD_INPUT);
        assert_string_equal(fixture->why.text, cases[i].text);
    }
    assert_int_equal(from_yaml(fixture, "log: { level: warm }"), ERR_BAD_INPUT);
    assert_string_equal(fixture->why.hint, "did you mean 'warn'?");
    assert_int_equal(from_yaml(fixture, "name: 8charact"), ERR_OK);
    assert_int_equal(bind_argument(&fixture->binding, STR_OF("--http.port=x"), &fixture->why),
                     ERR_BAD_INPUT);
    assert_string_equal(fixture->why.text, "--http.port: port must be a number from 1 to 65535");
}

static void values_print_as_yaml_and_secrets_as_stars(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(from_yaml(fixture, "auth: { token: hush }\nhttp: { origins: [a, b] }"),
                     ERR_OK);
    static const char *const expected[] = { "\"telltale\"", "false",          "info", "4318", "30s",
                                            "16777216",     "[\"a\", \"b\"]", "0.25", "***" };
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_reset(&out);
        bind_value_print(&out, &fixture->binding, &rows[i]);
        assert_true(str_equal_c(buf_str(&out), expected[i]));
    }
    buf_reset(&out);
    bind_help_print(&out, rows, COUNT_OF(rows));
    assert_true(str_find(buf_str(&out), STR_OF("  port: 4318  # port; 1 to 65535\n")) < out.len);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_set, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_sets_values_and_their_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(the_argument_wins_over_environment_and_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unknown_names_suggest_the_nearest, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_values_say_what_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(values_print_as_yaml_and_secrets_as_stars, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
