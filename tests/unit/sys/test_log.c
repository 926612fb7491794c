/* test_log.c -- log lines as they reach stderr: whole, limited, and without content.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "sys/clock.h"
#include "sys/log.h"
#include <fcntl.h>

/* stderr goes to a file while lines are made; what arrived is in `said`. */
static char said[256 * 1024];
static size_t said_len;
static int real_stderr = -1;
static FILE *capture;

static void listen_begin(void)
{
    capture = tmpfile();
    assert_non_null(capture);
    fflush(stderr);
    real_stderr = dup(2);
    dup2(fileno(capture), 2);
}

static void listen_end(void)
{
    dup2(real_stderr, 2);
    close(real_stderr);
    rewind(capture);
    said_len = fread(said, 1, sizeof said - 1, capture);
    said[said_len] = '\0';
    fclose(capture);
}

static size_t line_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < said_len; i++)
        count += said[i] == '\n';
    return count;
}

static void a_line_has_time_level_message_and_typed_fields(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    listen_begin();
    log_warn("span dropped", KV_C("tenant", "ac\"me"), KV_U64("attributes", UINT64_MAX),
             KV_I64("balance", -5), KV_F64("share", 0.5), KV_ERR(ERR_BUSY));
    listen_end();
    assert_int_equal(line_count(), 1);
    assert_memory_equal(said, "time=20", 7);
    assert_non_null(strstr(said, " level=warn msg=\"span dropped\" tenant=\"ac\\\"me\" "
                                 "attributes=18446744073709551615 balance=-5 share=0.5 "
                                 "error=\"BUSY\"\n"));
}

static void json_lines_are_objects(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    listen_begin();
    log_error("x", KV_C("a\"b", "line\nbreak\xff"), KV_I64("n", 1));
    listen_end();
    assert_int_equal(line_count(), 1); /* a line break in a field does not start a line */
    assert_memory_equal(said, "{\"time\":\"20", 11);
    assert_non_null(strstr(said, "\",\"level\":\"error\",\"msg\":\"x\",\"a\\\"b\":\"line\\nbreak"
                                 "\xef\xbf\xbd\",\"n\":1}\n"));
}

static void lines_below_the_level_are_not_printed(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    listen_begin();
    log_debug("no");
    log_info("no");
    log_warn("yes");
    log_error("yes");
    listen_end();
    assert_int_equal(line_count(), 2);
    assert_null(strstr(said, "no"));
}

static void a_secret_shows_its_length_alone(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    listen_begin();
    log_info("key", KV_SECRET("value", STR_OF("correct horse")));
    listen_end();
    assert_null(strstr(said, "horse"));
    assert_non_null(strstr(said, "value=\"<13 bytes, "));
}

static void repeat(int count)
{
    for (int i = 0; i < count; i++)
        log_info("again", KV_I64("i", i));
}

static void a_call_site_is_limited_and_says_what_it_kept_back(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    int64_t into_second = clock_now_ns() % NS_PER_S;
    clock_set_offset(10 * NS_PER_S - into_second); /* a second that has just begun */
    listen_begin();
    repeat(LOG_LINES_PER_SITE_PER_S);
    listen_end();
    assert_int_equal(line_count(), LOG_LINES_PER_SITE_PER_S);
    clock_set_offset(20 * NS_PER_S - into_second);
    listen_begin();
    repeat(LOG_LINES_PER_SITE_PER_S + 3);
    listen_end();
    assert_int_equal(line_count(), LOG_LINES_PER_SITE_PER_S);
    assert_null(strstr(said, "suppressed"));
    clock_set_offset(30 * NS_PER_S - into_second);
    listen_begin();
    repeat(2);
    listen_end();
    clock_set_offset(0);
    assert_int_equal(line_count(), 2);
    assert_non_null(strstr(said, "i=0 suppressed=3\n"));
    assert_null(strstr(said, "i=1 suppressed"));
}

static void a_long_field_is_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    listen_begin();
    log_info("long", KV_STR("field", str_make(text, sizeof text)));
    listen_end();
    size_t shown = 0;
    for (size_t i = 0; i < said_len; i++)
        shown += said[i] == 'x';
    assert_int_equal(shown, 512);
}

/* Escapes make 512 bytes to 3072: nobody may silence an error by what he sends. */
static void a_line_past_its_limit_is_still_said(void **state)
{
    (void)state;
    char text[512];
    memset(text, 1, sizeof text);
    str control = str_make(text, sizeof text);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    listen_begin();
    log_error("cannot store", KV_I64("sequence", 7), KV_STR("a", control), KV_STR("b", control),
              KV_STR("c", control));
    listen_end();
    assert_int_equal(line_count(), 1);
    assert_true(said_len <= 8192);
    assert_non_null(strstr(said, "\"msg\":\"cannot store\""));
    assert_non_null(strstr(said, "\"sequence\":7"));
    assert_int_equal(said[said_len - 2], '}');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_message_and_typed_fields),
        cmocka_unit_test(json_lines_are_objects),
        cmocka_unit_test(lines_below_the_level_are_not_printed),
        cmocka_unit_test(a_secret_shows_its_length_alone),
        cmocka_unit_test(a_call_site_is_limited_and_says_what_it_kept_back),
        cmocka_unit_test(a_long_field_is_cut),
        cmocka_unit_test(a_line_past_its_limit_is_still_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
