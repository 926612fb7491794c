/* test_protobuf.c -- the wire format: four types, varint limits, runs, packed lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/protobuf.h"

static void the_four_wire_types_are_read(void **state)
{
    (void)state;
    struct pb pb = pb_make(STR_OF("\x08\x96\x01"
                                  "\x11\x01\x02\x03\x04\x05\x06\x07\x08"
                                  "\x1a\x03"
                                  "abc"
                                  "\x25\x01\x02\x03\x04"));
    struct pb_field field;
    assert_true(pb_next(&pb, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.scalar, 150);
    assert_true(pb_next(&pb, &field));
    assert_int_equal(field.scalar, UINT64_C(0x0807060504030201));
    assert_true(pb_next(&pb, &field));
    assert_true(str_equal_c(field.bytes, "abc"));
    assert_true(pb_next(&pb, &field));
    assert_int_equal(field.number, 4);
    assert_int_equal(field.scalar, 0x04030201);
    assert_false(pb_next(&pb, &field));
    assert_null(pb.error);
}

static void refused(str bytes)
{
    struct pb pb = pb_make(bytes);
    struct pb_field field;
    while (pb_next(&pb, &field))
        ;
    assert_non_null(pb.error);
}

static void groups_and_what_does_not_exist_are_refused(void **state)
{
    (void)state;
    refused(STR_OF("\x0b\x0c")); /* group and its end */
    refused(STR_OF("\x0c"));
    refused(STR_OF("\x0e")); /* wire types 6 and 7 */
    refused(STR_OF("\x0f"));
    refused(STR_OF("\x02\x00"));                 /* field number 0 */
    refused(STR_OF("\x80\x80\x80\x80\x10\x00")); /* field number 2^29 */
    refused(STR_OF("\x0a\x02x"));                /* longer than what is there */
    refused(STR_OF("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    refused(STR_OF("\x09\x01\x02\x03\x04\x05\x06\x07"));
    refused(STR_OF("\x0d\x01\x02\x03"));
    refused(STR_OF("\x08"));
    refused(STR_OF("\x08\x80"));
}

static void a_varint_has_at_most_ten_bytes_and_64_bits(void **state)
{
    (void)state;
    struct pb pb = pb_make(STR_OF("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    struct pb_field field;
    assert_true(pb_next(&pb, &field));
    assert_true(field.scalar == UINT64_MAX);
    refused(STR_OF("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
    refused(STR_OF("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));
    pb = pb_make(STR_OF("\xf8\xff\xff\xff\x0f\x07")); /* the largest field number */
    assert_true(pb_next(&pb, &field));
    assert_int_equal(field.number, PB_NUMBER_MAX);
    assert_int_equal(field.scalar, 7);
}

static void zigzag_is_undone(void **state)
{
    (void)state;
    assert_int_equal(pb_zigzag(0), 0);
    assert_int_equal(pb_zigzag(1), -1);
    assert_int_equal(pb_zigzag(2), 1);
    assert_true(pb_zigzag(UINT64_MAX) == INT64_MIN);
    assert_true(pb_zigzag(UINT64_MAX - 1) == INT64_MAX);
}

static void a_run_counts_neighbours_of_one_number_only(void **state)
{
    (void)state;
    struct pb pb = pb_make(STR_OF("\x0a\x01x\x0a\x00\x12\x00\x0a\x00"));
    assert_int_equal(pb_run(&pb, 1), 2);
    assert_int_equal(pb_run(&pb, 2), 0);
    pb = pb_make(STR_OF("\x0a\x00\x0a\x05x"));
    assert_int_equal(pb_run(&pb, 1), 1);
}

static void packed_lists_end_between_numbers(void **state)
{
    (void)state;
    uint64_t bits;
    struct pb pb = pb_make(STR_OF("\x01\x96\x01"));
    assert_true(pb_packed_next(&pb, PB_VARINT, &bits));
    assert_true(pb_packed_next(&pb, PB_VARINT, &bits));
    assert_int_equal(bits, 150);
    assert_false(pb_packed_next(&pb, PB_VARINT, &bits));
    assert_null(pb.error);
    pb = pb_make(STR_OF("123456789"));
    assert_true(pb_packed_next(&pb, PB_FIXED64, &bits));
    assert_false(pb_packed_next(&pb, PB_FIXED64, &bits));
    assert_non_null(pb.error);
    pb = pb_make(STR_OF("12345"));
    assert_true(pb_packed_next(&pb, PB_FIXED32, &bits));
    assert_false(pb_packed_next(&pb, PB_FIXED32, &bits));
    assert_non_null(pb.error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_four_wire_types_are_read),
        cmocka_unit_test(groups_and_what_does_not_exist_are_refused),
        cmocka_unit_test(a_varint_has_at_most_ten_bytes_and_64_bits),
        cmocka_unit_test(zigzag_is_undone),
        cmocka_unit_test(a_run_counts_neighbours_of_one_number_only),
        cmocka_unit_test(packed_lists_end_between_numbers),
    };
    return cmocka_run_group_tests_name("protobuf", tests, NULL, NULL);
}
