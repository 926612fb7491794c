/* test_services.c -- calls between services, from the spans of one trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "query/services.h"
#include <stdio.h>

static struct store_span span_of(uint8_t id, uint8_t parent, const char *service)
{
    struct store_span row = { .log_segment = 0 };
    struct id8 own = { { id } }, above = { { parent } };
    SPAN_SET(&row.span, span_id, own);
    if (parent)
        SPAN_SET(&row.span, parent_span_id, above);
    if (service)
        SPAN_SET(&row.span, service, str_from_c(service));
    return row;
}

static void a_parent_that_never_came_and_a_span_without_a_service_call_nobody(void **state)
{
    (void)state;
    struct arena arena;
    struct services services;
    arena_init(&arena, 4 * MIB);
    const struct store_span spans[] = { span_of(1, 9, "a"), span_of(2, 1, NULL), span_of(3, 2, "b"),
                                        span_of(4, 1, "a") };
    assert_int_equal(services_init(&services, &arena, NULL), ERR_OK);
    assert_int_equal(services_of_spans(&services, spans, COUNT_OF(spans), NULL), ERR_OK);
    assert_int_equal(services.node_count, 2);
    assert_int_equal(services.edge_count, 0);
    arena_clear(&arena);
}

static void forty_services_are_shown_and_one_more_is_said_to_be_left_out(void **state)
{
    (void)state;
    static struct store_span spans[SERVICES_MAX + 1];
    static char names[SERVICES_MAX + 1][8];
    for (size_t i = 0; i <= SERVICES_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "s%zu", i);
        spans[i] = span_of((uint8_t)(i + 1), (uint8_t)i, names[i]);
    }
    for (size_t count = SERVICES_MAX; count <= SERVICES_MAX + 1; count++) {
        struct arena arena;
        struct services services;
        arena_init(&arena, 4 * MIB);
        assert_int_equal(services_init(&services, &arena, NULL), ERR_OK);
        assert_int_equal(services_of_spans(&services, spans, count, NULL), ERR_OK);
        assert_int_equal(services.node_count, SERVICES_MAX);
        assert_int_equal(services.truncated, count > SERVICES_MAX);
        arena_clear(&arena);
    }
}

static void a_peer_with_the_name_of_a_service_is_that_service(void **state)
{
    (void)state;
    struct arena arena;
    struct services services;
    arena_init(&arena, 4 * MIB);
    struct store_span spans[] = { span_of(1, 0, "a"), span_of(2, 1, "b") };
    SPAN_SET(&spans[0].span, peer_service, STR_OF("b"));
    assert_int_equal(services_init(&services, &arena, NULL), ERR_OK);
    assert_int_equal(services_of_spans(&services, spans, COUNT_OF(spans), NULL), ERR_OK);
    assert_int_equal(services.edge_count, 1);
    assert_int_equal(services.edges[0].calls, 1);
    assert_false(services.edges[0].is_peer);
    arena_clear(&arena);
}

static void without_room_it_is_said(void **state)
{
    (void)state;
    struct arena arena;
    struct services services;
    struct diag why = DIAG_NONE;
    arena_init(&arena, 64);
    assert_int_equal(services_init(&services, &arena, &why), ERR_LIMIT);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_that_never_came_and_a_span_without_a_service_call_nobody),
        cmocka_unit_test(forty_services_are_shown_and_one_more_is_said_to_be_left_out),
        cmocka_unit_test(a_peer_with_the_name_of_a_service_is_that_service),
        cmocka_unit_test(without_room_it_is_said),
    };
    return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
