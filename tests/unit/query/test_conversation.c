/* test_conversation.c -- zones, and turns put together as conversations.
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
#include "query/conversation.h"

static const int64_t t0 = INT64_C(1795258800) * NS_PER_S;
static const int64_t minute = 60 * NS_PER_S;

static void a_zone_is_an_offset_in_quarters_of_an_hour(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t minutes;
    } good[] = { { "UTC", 0 },      { "Z", 0 },        { "+02:00", 120 }, { "-0330", -210 },
                 { " 05:45", 345 }, { "+14:00", 840 }, { "-14:45", -885 } };
    static const char *const bad[] = { "",       "utc",    "+2:00",  "+02",    "02:00",
                                       "+15:00", "+01:07", "+01:60", "+-1:00", "+01-30" };
    int64_t ns;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(conversation_zone(str_from_c(good[i].text), &ns));
        assert_int_equal(ns, good[i].minutes * minute);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (conversation_zone(str_from_c(bad[i]), &ns))
            fail_msg("'%s' is taken for a zone", bad[i]);
}

static struct trace_row turn(uint8_t id, const char *session, int64_t start_ns)
{
    struct trace_row row = { .session_id = str_from_c(session),
                             .start_ns = start_ns,
                             .end_ns = start_ns + NS_PER_S,
                             .status = STR_OF("ok"),
                             .safety_blocked = -1 };
    row.trace_id.bytes[0] = id;
    return row;
}

static void a_conversation_is_left_when_it_was_idle_so_long_and_not_a_moment_before(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    const struct trace_row rows[] = { turn(3, "b", t0 + minute), turn(1, "a", t0),
                                      turn(2, "b", t0) };
    struct conversation_found found = { .turns = rows, .turn_count = COUNT_OF(rows) };
    struct conversation_ask ask = { .by = FIELD_COUNT, .slow_ns = minute, .idle_ns = minute };
    struct conversations all;
    ask.totals.now_ns = INT64_MAX;
    for (int64_t late = -1; late <= 0; late++) {
        ask.totals.ask.scope.range =
            (struct time_range){ t0 - minute, t0 + 2 * minute + NS_PER_S + late };
        assert_int_equal(conversations_make(&arena, &ask, &found, &all, NULL), ERR_OK);
        assert_int_equal(all.count, 2);
        assert_int_equal(all.items[0].turn_count, 1);
        assert_int_equal(all.items[1].turn_count, 2);
        assert_int_equal(all.items[1].turns[1].row->trace_id.bytes[0], 3);
        assert_true(all.items[0].is_left);
        assert_int_equal(all.items[1].is_left, late == 0);
        assert_int_equal(all.items[1].after, LEFT_AFTER_NOTHING);
    }
    arena_clear(&arena);
}

static void the_first_reason_is_the_one_it_was_left_after(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    struct trace_row row = turn(1, "a", t0);
    struct store_score vote = { .score = { .has_trace_id = true,
                                           .trace_id = row.trace_id,
                                           .source = SCORE_BY_USER,
                                           .has_value = true,
                                           .value = 0 } };
    struct conversation_found found = { .turns = &row,
                                        .turn_count = 1,
                                        .refused = &row,
                                        .refused_count = 1,
                                        .cut = &row,
                                        .cut_count = 1,
                                        .votes = &vote,
                                        .vote_count = 1 };
    struct conversation_ask ask = { .by = FIELD_COUNT, .slow_ns = NS_PER_S, .idle_ns = 1 };
    struct conversations all;
    ask.totals.ask.scope.range = (struct time_range){ t0, t0 + minute };
    ask.totals.now_ns = t0 + minute;
    static const enum left_after order[] = { LEFT_AFTER_ERROR,     LEFT_AFTER_REFUSAL,
                                             LEFT_AFTER_DOWN_VOTE, LEFT_AFTER_TRUNCATION,
                                             LEFT_AFTER_SLOW,      LEFT_AFTER_NOTHING };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        row.status = i == 0 ? STR_OF("error") : STR_OF("ok");
        found.refused_count = i <= 1;
        found.vote_count = i <= 2;
        found.cut_count = i <= 3;
        ask.slow_ns = i <= 4 ? NS_PER_S : NS_PER_S + 1;
        assert_int_equal(conversations_make(&arena, &ask, &found, &all, NULL), ERR_OK);
        assert_int_equal(all.items[0].after, order[i]);
    }
    arena_clear(&arena);
}

static void without_room_it_is_said(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    const struct conversation_found found = { .turn_count = 1000 };
    const struct conversation_ask ask = { .by = FIELD_COUNT };
    struct conversations all;
    struct diag why = DIAG_NONE;
    assert_int_equal(conversations_make(&arena, &ask, &found, &all, &why), ERR_LIMIT);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_is_an_offset_in_quarters_of_an_hour),
        cmocka_unit_test(a_conversation_is_left_when_it_was_idle_so_long_and_not_a_moment_before),
        cmocka_unit_test(the_first_reason_is_the_one_it_was_left_after),
        cmocka_unit_test(without_room_it_is_said),
    };
    return cmocka_run_group_tests_name("conversation", tests, NULL, NULL);
}
