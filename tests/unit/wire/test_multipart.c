/* test_multipart.c -- parts of multipart bodies, and bodies that are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "wire/multipart.h"
#include <stdio.h>

static struct multipart multipart;
static struct multipart_part part;

static void begin(const char *body)
{
    multipart_init(&multipart, str_from_c(body), STR_OF("B"));
}

static enum err next(void)
{
    return multipart_next(&multipart, &part, NULL);
}

static enum err boundary_of(const char *type, str *ret_boundary)
{
    return multipart_boundary(str_from_c(type), ret_boundary, NULL);
}

static void parts_come_in_order_with_name_type_and_bytes(void **state)
{
    (void)state;
    begin("--B\r\nContent-Disposition: form-data; name=\"post.1\"\r\nContent-Type: "
          "application/json\r\n"
          "Content-Length: 2\r\n\r\n{}\r\n--B\r\ncontent-disposition: form-data; filename=f; "
          "name=\"a;b\"\r\n\r\n\r\n--B--\r\n");
    assert_int_equal(next(), ERR_OK);
    assert_true(str_equal_c(part.name, "post.1"));
    assert_true(str_equal_c(part.type, "application/json"));
    assert_true(str_equal_c(part.bytes, "{}"));
    assert_true(str_is_none(part.filename));
    assert_int_equal(next(), ERR_OK);
    assert_true(str_equal_c(part.name, "a;b"));
    assert_true(str_equal_c(part.filename, "f"));
    assert_true(str_is_none(part.type));
    assert_int_equal(part.bytes.len, 0);
    assert_int_equal(next(), ERR_NOT_FOUND);
    assert_int_equal(next(), ERR_NOT_FOUND);
}

static void a_boundary_counts_only_alone_on_its_line(void **state)
{
    (void)state;
    begin("words before\r\n--B \t\r\n\r\nx --B\r\n--Bx\r\n--B y\r\n--B\r\n\r\n\r\n--B--");
    assert_int_equal(next(), ERR_OK);
    assert_true(str_equal_c(part.bytes, "x --B\r\n--Bx\r\n--B y"));
    assert_int_equal(next(), ERR_OK);
    assert_int_equal(part.bytes.len, 0);
    assert_int_equal(next(), ERR_NOT_FOUND);
}

static void a_body_without_parts_is_fine(void **state)
{
    (void)state;
    begin("--B--\r\n");
    assert_int_equal(next(), ERR_NOT_FOUND);
}

static void a_body_cut_anywhere_is_an_error(void **state)
{
    (void)state;
    static const char whole[] = "--B\r\nContent-Type: t\r\n\r\nbytes\r\n--B--";
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        multipart_init(&multipart, str_make(whole, len), STR_OF("B"));
        enum err err;
        while ((err = next()) == ERR_OK)
            continue;
        assert_int_equal(err, ERR_BAD_INPUT);
        assert_int_equal(next(), ERR_BAD_INPUT);
    }
}

static void the_head_of_a_part_has_a_limit(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        static char body[MULTIPART_HEAD_BYTES_MAX + 64];
        size_t filling = MULTIPART_HEAD_BYTES_MAX - 4 - 3 + (size_t)over;
        int len = snprintf(body, sizeof body, "--B\r\na: %0*d\r\n\r\nx\r\n--B--", (int)filling, 0);
        multipart_init(&multipart, str_make(body, (size_t)len), STR_OF("B"));
        assert_int_equal(next(), over ? ERR_BAD_INPUT : ERR_OK);
    }
}

static void the_boundary_is_read_from_the_content_type(void **state)
{
    (void)state;
    str boundary;
    assert_int_equal(boundary_of("multipart/form-data; boundary=xyz", &boundary), ERR_OK);
    assert_true(str_equal_c(boundary, "xyz"));
    assert_int_equal(
        boundary_of("multipart/form-data; charset=a; BOUNDARY=\"x y\" ; z=1", &boundary), ERR_OK);
    assert_true(str_equal_c(boundary, "x y"));
    static const char *const bad[] = { "multipart/form-data", "multipart/form-data; boundary=",
                                       "multipart/form-data; boundary=\"a\nb\"", "", "; ; =" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(boundary_of(bad[i], &boundary), ERR_BAD_INPUT);
    char type[128];
    for (int len = MULTIPART_BOUNDARY_MAX; len <= MULTIPART_BOUNDARY_MAX + 1; len++) {
        snprintf(type, sizeof type, "multipart/form-data; boundary=%0*d", len, 0);
        assert_int_equal(boundary_of(type, &boundary),
                         len > MULTIPART_BOUNDARY_MAX ? ERR_BAD_INPUT : ERR_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_in_order_with_name_type_and_bytes),
        cmocka_unit_test(a_boundary_counts_only_alone_on_its_line),
        cmocka_unit_test(a_body_without_parts_is_fine),
        cmocka_unit_test(a_body_cut_anywhere_is_an_error),
        cmocka_unit_test(the_head_of_a_part_has_a_limit),
        cmocka_unit_test(the_boundary_is_read_from_the_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
