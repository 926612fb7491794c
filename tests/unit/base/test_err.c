/* test_err.c -- the error table, the diagnosis, and what a failed assertion does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/check.h"
#include "base/err.h"
#include <signal.h>
#include <sys/wait.h>

static void every_error_has_a_name_a_text_and_codes_of_its_protocols(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        enum err code = (enum err)i;
        assert_true(strlen(err_name(code)) > 0);
        assert_true(strlen(err_text(code)) > 0);
        assert_in_range(err_grpc_code(code), 0, 16);
        assert_in_range(err_http_status(code), 200, 599);
        assert_true((code == ERR_OK) == (err_http_status(code) < 400));
        assert_true((code == ERR_OK) == (err_grpc_code(code) == 0));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(err_name(code), err_name((enum err)k));
    }
}

/* The statuses for which OTLP tells a sender to try again are those we call retryable:
 * over HTTP 429, 502, 503 and 504.
 * shows: C10 */
static void what_we_call_retryable_is_what_senders_retry(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        int status = err_http_status((enum err)i);
        bool otlp_retries = status == 429 || status == 502 || status == 503 || status == 504;
        assert_int_equal(err_is_retryable((enum err)i), otlp_retries);
    }
}

static void a_diagnosis_is_cut_at_its_size_and_ends_with_nul(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    char text[DIAG_TEXT_MAX + 50];
    memset(text, 'x', sizeof text);
    text[DIAG_TEXT_MAX - 1] = '\0';
    assert_int_equal(diag_set(&why, ERR_LIMIT, "%s", text), ERR_LIMIT);
    assert_int_equal(strlen(why.text), DIAG_TEXT_MAX - 1);
    text[DIAG_TEXT_MAX - 1] = 'x';
    text[sizeof text - 1] = '\0';
    assert_int_equal(diag_set(&why, ERR_LIMIT, "%s", text), ERR_LIMIT);
    assert_int_equal(strlen(why.text), DIAG_TEXT_MAX - 1);
    (void)diag_hint(&why, "%s", text);
    assert_int_equal(strlen(why.hint), DIAG_HINT_MAX - 1);
}

static void offset_and_hint_are_of_the_latest_diagnosis(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    assert_int_equal(why.offset, SIZE_MAX);
    assert_int_equal(diag_set_at(&why, ERR_BAD_INPUT, 17, "at %d", 17), ERR_BAD_INPUT);
    assert_int_equal(why.offset, 17);
    assert_int_equal(why.code, ERR_BAD_INPUT);
    assert_int_equal(diag_hint(&why, "do %s", "this"), ERR_BAD_INPUT);
    assert_string_equal(why.hint, "do this");
    assert_int_equal(diag_set(&why, ERR_IO, "other"), ERR_IO);
    assert_int_equal(why.offset, SIZE_MAX);
    assert_string_equal(why.hint, "");
    assert_string_equal(why.text, "other");
}

static void nobody_needs_to_want_a_diagnosis(void **state)
{
    (void)state;
    assert_int_equal(diag_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
    assert_int_equal(diag_set_at(NULL, ERR_BUSY, 3, "x"), ERR_BUSY);
    assert_int_not_equal(diag_hint(NULL, "x"), ERR_OK);
}

static void a_failed_assertion_names_its_place_and_aborts(void **state)
{
    (void)state;
    int channel[2], status = 0;
    char said[4096] = "";
    assert_int_equal(pipe(channel), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(channel[1], 2);
        check_failed("one == two", "place.c", 42);
    }
    close(channel[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(channel[0], said + len, sizeof said - 1 - len)) > 0;)
        len += (size_t)got;
    close(channel[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "one == two at place.c:42"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_a_text_and_codes_of_its_protocols),
        cmocka_unit_test(what_we_call_retryable_is_what_senders_retry),
        cmocka_unit_test(a_diagnosis_is_cut_at_its_size_and_ends_with_nul),
        cmocka_unit_test(offset_and_hint_are_of_the_latest_diagnosis),
        cmocka_unit_test(nobody_needs_to_want_a_diagnosis),
        cmocka_unit_test(a_failed_assertion_names_its_place_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
