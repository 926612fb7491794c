/* test_options.c -- every option from file, environment and command line, and on both sides of
 * its bounds.
 *
 * Includes options.c for its table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "server/options.c"
#include <jansson.h>

static char config_path[64];
static char *no_environment[] = { NULL };

static int setup(void **state)
{
    (void)state;
    snprintf(config_path, sizeof config_path, "/tmp/test_options_XXXXXX");
    int fd = mkstemp(config_path);
    close(fd);
    return fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(config_path);
}

static enum err load(struct options *options, char **argv, char **environment, struct diag *why)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    *why = DIAG_NONE;
    return options_load(options, argc, argv, environment, why);
}

static void write_config(const char *text)
{
    assert_int_equal(file_replace(config_path, str_from_c(text), 0600, NULL), ERR_OK);
}

static char *config_argument(void)
{
    static char text[96];
    snprintf(text, sizeof text, "--config=%s", config_path);
    return text;
}

/* One argument; everything else as it is by default. */
static enum err load_one(const char *argument, struct options *options, struct diag *why)
{
    char text[512];
    snprintf(text, sizeof text, "%s", argument);
    char *argv[] = { text, NULL };
    return load(options, argv, no_environment, why);
}

/* shows: P19 */
static void without_any_option_it_listens_on_loopback(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    char *argv[] = { NULL };
    assert_int_equal(load(&options, argv, no_environment, &why), ERR_OK);
    assert_true(str_equal_c(options.listen_grpc, "127.0.0.1:4317"));
    assert_true(str_equal_c(options.listen_otlp, "127.0.0.1:4318"));
    assert_true(str_equal_c(options.listen_api, "127.0.0.1:4320"));
    assert_int_equal(options.auth_mode, AUTH_MODE_AUTO);
    assert_int_equal(options.settle_root_ns, 10 * NS_PER_S);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(options.binding.origins[i], BIND_DEFAULT);
    options_clear(&options);
}

static void the_command_line_wins_over_the_environment_and_that_over_the_file(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    char flag[] = "--query.threads=4", other[] = "TELLTALE_QUERY_THREADS=3", path[] = "PATH=/bin";
    char *file_only[] = { config_argument(), NULL };
    char *flag_and_file[] = { flag, config_argument(), NULL }; /* wherever the file is named */
    char *environment[] = { path, other, NULL };
    write_config("query:\n  threads: 5\n  waiting: 7\n");
    assert_int_equal(load(&options, file_only, no_environment, &why), ERR_OK);
    assert_int_equal(options.query_threads, 5);
    options_clear(&options);
    assert_int_equal(load(&options, file_only, environment, &why), ERR_OK);
    assert_int_equal(options.query_threads, 3);
    assert_int_equal(options.queries_max, 7);
    options_clear(&options);
    assert_int_equal(load(&options, flag_and_file, environment, &why), ERR_OK);
    assert_int_equal(options.query_threads, 4);
    assert_int_equal(options.queries_max, 7);
    options_clear(&options);
}

static void of_two_arguments_the_last_wins(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    char first[] = "--server.workers=3", second[] = "--server.workers=5";
    char *argv[] = { first, second, NULL };
    assert_int_equal(load(&options, argv, no_environment, &why), ERR_OK);
    assert_int_equal(options.workers, 5);
    options_clear(&options);
}

static void a_misspelt_option_is_an_error_that_names_the_nearest(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    char misspelt[] = "TELLTALE_SERVER_WORKRES=3";
    char *none[] = { NULL }, *environment[] = { misspelt, NULL };
    assert_int_equal(load_one("--server.workres=3", &options, &why), ERR_BAD_INPUT);
    assert_true(strstr(why.text, "server.workers") || strstr(why.hint, "server.workers"));
    options_clear(&options);
    assert_int_equal(load(&options, none, environment, &why), ERR_BAD_INPUT);
    assert_true(strstr(why.text, "WORKERS") || strstr(why.hint, "WORKERS") ||
                strstr(why.hint, "server.workers"));
    options_clear(&options);
    write_config("server:\n  data_dir: x\n  workres: 3\n");
    assert_int_equal(load_one(config_argument(), &options, &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, ":3:")); /* file and line */
    assert_true(strstr(why.text, "workers") || strstr(why.hint, "workers"));
    options_clear(&options);
}

static void what_is_no_option_at_all_is_an_error(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "serve",        "--", "--server.workers",  "--server=3",   "-v",
        "--=",          "",   "--server.workers=", "--.workers=3", "--config",
        "--listen.grpc"
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct options options;
        struct diag why;
        assert_int_not_equal(load_one(bad[i], &options, &why), ERR_OK);
        assert_true(strlen(why.text) > 0);
        options_clear(&options);
    }
}

static enum err load_number(const struct bind_row *row, int64_t number, int64_t *ret_value)
{
    struct options options;
    struct diag why;
    char text[128];
    snprintf(text, sizeof text, "--%s.%s=%lld%s", row->section, row->key, (long long)number,
             row->type == BIND_DURATION ? "ns" : "");
    enum err err = load_one(text, &options, &why);
    memcpy(ret_value, (const char *)&options + row->offset, sizeof *ret_value);
    options_clear(&options);
    return err;
}

static void every_number_is_taken_at_its_bounds_and_refused_past_them(void **state)
{
    (void)state;
    size_t checked = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct bind_row *row = &rows[i];
        bool is_number =
            row->type == BIND_I64 || row->type == BIND_BYTES || row->type == BIND_DURATION;
        if (!is_number)
            continue;
        int64_t value = -1;
        assert_true(row->min < row->max); /* every limit has bounds */
        assert_int_equal(load_number(row, row->min, &value), ERR_OK);
        assert_int_equal(value, row->min);
        assert_int_equal(load_number(row, row->max, &value), ERR_OK);
        assert_int_equal(value, row->max);
        assert_int_equal(load_number(row, row->min - 1, &value), ERR_BAD_INPUT);
        assert_int_equal(load_number(row, row->max + 1, &value), ERR_BAD_INPUT);
        checked++;
    }
    assert_true(checked > 20);
}

static void every_option_is_named_once_and_explained(void **state)
{
    (void)state;
    struct buf help;
    buf_init(&help, MIB);
    options_help(&help);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(strlen(rows[i].help) > 0);
        assert_true(str_find(buf_str(&help), str_from_c(rows[i].key)) < help.len);
        for (size_t k = 0; k < i; k++) {
            assert_false(strcmp(rows[i].section, rows[k].section) == 0 &&
                         strcmp(rows[i].key, rows[k].key) == 0);
            assert_int_not_equal(rows[i].offset, rows[k].offset);
        }
    }
    buf_clear(&help);
}

/* A dummy key: 64 times the digit 1. */
#define KEY_HEX "1111111111111111111111111111111111111111111111111111111111111111"

static void a_key_is_taken_from_the_environment_and_never_shown(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    struct buf json;
    char variable[] = "TELLTALE_KEYS_MASTER_HEX=" KEY_HEX;
    char *none[] = { NULL }, *environment[] = { variable, NULL };
    assert_int_equal(load_one("--keys.master_hex=" KEY_HEX, &options, &why), ERR_BAD_INPUT);
    assert_null(strstr(why.text, "1111"));
    assert_non_null(strstr(why.hint, "TELLTALE_KEYS_MASTER_HEX"));
    options_clear(&options);
    assert_int_equal(load(&options, none, environment, &why), ERR_OK);
    assert_true(str_equal_c(options.master_hex, KEY_HEX));
    buf_init(&json, MIB);
    options_to_json(&json, &options);
    assert_true(str_find(buf_str(&json), STR_OF("1111")) == json.len);
    assert_true(str_find(buf_str(&json), STR_OF("***")) < json.len);
    buf_clear(&json);
    options_clear(&options);
}

static void what_is_in_force_is_valid_json_with_its_origin(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    struct buf json;
    buf_init(&json, MIB);
    assert_int_equal(load_one("--server.data_dir=a\"b\\c", &options, &why), ERR_OK);
    options_to_json(&json, &options);
    json_t *object = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *list = json_object_get(object, "options");
    assert_int_equal(json_array_size(list), COUNT_OF(rows));
    const json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "server.data_dir");
    assert_string_equal(json_string_value(json_object_get(first, "origin")),
                        bind_origin_name(BIND_ARGUMENT));
    json_decref(object);
    buf_clear(&json);
    options_clear(&options);
}

static void certificate_and_key_are_needed_together(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    char cert[] = "--listen.tls_cert=c.pem", key[] = "--listen.tls_key=k.pem";
    char *both[] = { cert, key, NULL };
    assert_int_equal(load_one(cert, &options, &why), ERR_BAD_INPUT);
    options_clear(&options);
    assert_int_equal(load_one(key, &options, &why), ERR_BAD_INPUT);
    options_clear(&options);
    assert_int_equal(load(&options, both, no_environment, &why), ERR_OK);
    options_clear(&options);
}

static void variables_of_the_other_commands_are_left_alone(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    char server[] = "TELLTALE_SERVER=http://127.0.0.1:1", key[] = "TELLTALE_KEY=tt_x";
    char unknown[] = "TELLTALE_KEYS=tt_x";
    char *none[] = { NULL }, *fine[] = { server, key, NULL }, *bad[] = { unknown, NULL };
    assert_int_equal(load(&options, none, fine, &why), ERR_OK);
    options_clear(&options);
    assert_int_equal(load(&options, none, bad, &why), ERR_BAD_INPUT);
    options_clear(&options);
}

static void a_file_that_is_missing_or_broken_is_an_error_with_its_place(void **state)
{
    (void)state;
    struct options options;
    struct diag why;
    assert_int_equal(load_one("--config=/nonexistent/x.yaml", &options, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, "/nonexistent/x.yaml"));
    options_clear(&options);
    static const char *const broken[] = { "server: [\n", "- a\n- b\n", "server: 5\n", "a: b: c\n",
                                          "server:\n  workers: many\n" };
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        write_config(broken[i]);
        assert_int_not_equal(load_one(config_argument(), &options, &why), ERR_OK);
        assert_non_null(strstr(why.text, config_path));
        options_clear(&options);
    }
    write_config("");
    assert_int_equal(load_one(config_argument(), &options, &why), ERR_OK);
    options_clear(&options);
}

#define TEST(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_any_option_it_listens_on_loopback),
        TEST(the_command_line_wins_over_the_environment_and_that_over_the_file),
        TEST(of_two_arguments_the_last_wins),
        TEST(a_misspelt_option_is_an_error_that_names_the_nearest),
        TEST(what_is_no_option_at_all_is_an_error),
        TEST(every_number_is_taken_at_its_bounds_and_refused_past_them),
        TEST(every_option_is_named_once_and_explained),
        TEST(a_key_is_taken_from_the_environment_and_never_shown),
        TEST(what_is_in_force_is_valid_json_with_its_origin),
        TEST(certificate_and_key_are_needed_together),
        TEST(variables_of_the_other_commands_are_left_alone),
        TEST(a_file_that_is_missing_or_broken_is_an_error_with_its_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
