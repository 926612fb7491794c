/* test_grpc_frame.c -- exactly one message, whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/grpc_frame.h"

static void a_frame_gives_its_flag_and_message(void **state)
{
    (void)state;
    struct grpc_frame frame;
    assert_int_equal(grpc_frame_parse(STR_OF("\0\0\0\0\0"), &frame, NULL), ERR_OK);
    assert_false(frame.is_compressed);
    assert_int_equal(frame.message.len, 0);
    assert_int_equal(grpc_frame_parse(STR_OF("\1\0\0\0\3abc"), &frame, NULL), ERR_OK);
    assert_true(frame.is_compressed);
    assert_true(str_equal_c(frame.message, "abc"));
}

static void anything_but_one_whole_message_is_bad_input(void **state)
{
    (void)state;
    struct grpc_frame frame;
    struct diag why = DIAG_NONE;
    const str bad[] = { STR(""),
                        STR("\0\0\0\0"),
                        STR("\0\0\0\0\3ab"),
                        STR("\0\0\0\0\1ab"),
                        STR("\2\0\0\0\1a"),
                        STR("\0\xff\xff\xff\xff"),
                        STR("\0\0\0\0\1a\0\0\0\0\0") };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(grpc_frame_parse(bad[i], &frame, &why), ERR_BAD_INPUT);
    assert_int_equal(why.offset, 6);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    char message[300] = { 'x' };
    grpc_frame_write(&out, str_make(message, sizeof message));
    struct grpc_frame frame;
    assert_int_equal(grpc_frame_parse(buf_str(&out), &frame, NULL), ERR_OK);
    assert_int_equal(frame.message.len, sizeof message);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_gives_its_flag_and_message),
        cmocka_unit_test(anything_but_one_whole_message_is_bad_input),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests_name("grpc_frame", tests, NULL, NULL);
}
