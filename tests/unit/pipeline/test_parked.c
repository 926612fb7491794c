/* test_parked.c -- scores that name their trace by the beginning of its id.
 *
 * The store is a list of ids and the scores that were committed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include "base/text.h"
#include "pipeline/parked.h"
#include "wire/native.h"
#include <cmocka.h>
#include <stdio.h>

enum { STORED_MAX = PARKED_MAX + 100 };

struct store {
    struct trace_row rows[8];
    size_t row_count;
    struct score scores[STORED_MAX];
    size_t score_count, lookups;
    bool fails;
};
static struct store store;
static struct held held;
static struct parked parked;

static bool row_is(const struct trace_row *row, const struct store_list *list)
{
    char hex[33];
    str want = list->filter->value.text;
    hex_encode(&row->trace_id, sizeof row->trace_id, hex);
    if (str_ends(want, STR_OF("*")))
        want.len--;
    return str_equal(row->project, list->scope.project) && str_starts(str_make(hex, 32), want);
}

static enum err fake_traces(struct store *from, const struct store_list *list, struct arena *arena,
                            struct trace_row **ret_rows, size_t *ret_count, struct diag *why)
{
    (void)why;
    struct trace_row *rows = arena_new(arena, struct trace_row, list->limit);
    size_t count = 0;
    from->lookups += list->filter->op == FILTER_EQ;
    for (size_t i = 0; i < from->row_count && count < list->limit; i++)
        if (row_is(&from->rows[i], list))
            rows[count++] = from->rows[i];
    *ret_rows = rows;
    *ret_count = count;
    return from->fails ? ERR_IO : ERR_OK;
}

static enum err fake_scores(struct store *from, const struct store_scores *ask, struct arena *arena,
                            struct store_score **ret_scores, size_t *ret_count, struct diag *why)
{
    (void)why;
    *ret_scores = arena_new(arena, struct store_score, 1);
    *ret_count = 0;
    for (size_t i = from->score_count; i-- > 0 && *ret_count == 0;) {
        if (memcmp(&from->scores[i].score_id, &ask->score_id, sizeof ask->score_id) != 0)
            continue;
        (*ret_scores)->score = from->scores[i];
        struct buf json;
        buf_init(&json, KIB);
        attrs_to_json(&json, from->scores[i].attrs, from->scores[i].attr_count);
        (*ret_scores)->attrs_json = arena_str(arena, buf_str(&json));
        buf_clear(&json);
        *ret_count = 1;
    }
    return ERR_OK;
}

static const struct store_ops ops = { .traces = fake_traces, .scores = fake_scores };

static struct trace_row row_of(const char *project, const char *hex)
{
    struct trace_row row = { .project = str_from_c(project) };
    assert_true(hex_decode(str_from_c(hex), &row.trace_id, sizeof row.trace_id));
    return row;
}

/* One commit of what is held; its scores are stored. */
static void commit(const struct trace_row *rows, size_t count)
{
    static char texts[STORED_MAX][2][40];
    static struct attr attrs[STORED_MAX][2];
    struct parked_place place = { .ops = &ops, .store = &store, .rows = rows, .row_count = count };
    parked_join(&parked, &held, &place);
    const struct score *scores = held.scores.items;
    for (size_t i = 0; i < held.scores.count; i++) {
        size_t at = store.score_count++;
        assert_true(at < STORED_MAX);
        store.scores[at] = scores[i];
        store.scores[at].attrs = attrs[at];
        for (uint32_t k = 0; k < scores[i].attr_count; k++) {
            str text = scores[i].attrs[k].value.text;
            memcpy(texts[at][k], text.ptr, text.len);
            attrs[at][k] =
                (struct attr){ str_equal_c(scores[i].attrs[k].key, "parked") ? STR_OF("parked")
                                                                             : STR_OF("trace_id"),
                               value_str(str_make(texts[at][k], text.len)) };
        }
    }
    held_reset(&held);
}

static void give(uint32_t number, const char *text)
{
    static struct attr given[STORED_MAX];
    struct attr *attr = &given[number];
    *attr =
        (struct attr){ STR_OF("trace_id"), value_str(arena_str(&held.arena, str_from_c(text))) };
    struct score score = { .has_trace_id = true,
                           .trace_id = native_trace_id(str_from_c(text)),
                           .name = STR("n"),
                           .tenant_id = STR_NONE,
                           .attrs = attr,
                           .attr_count = 1 };
    memcpy(&score.score_id, &number, sizeof number);
    held_add_score(&held, STR_OF("p"), &score);
}

static const struct score *stored(uint32_t number)
{
    for (size_t i = store.score_count; i-- > 0;)
        if (memcmp(&store.scores[i].score_id, &number, sizeof number) == 0)
            return &store.scores[i];
    fail_msg("score %u is not stored", number);
    return NULL;
}

static void is_parked(uint32_t number, const char *word)
{
    const struct score *score = stored(number);
    const struct attr *attr =
        score ? attr_find(score->attrs, score->attr_count, STR_OF("parked")) : NULL;
    assert_int_equal(attr != NULL, word != NULL);
    if (word)
        assert_true(str_equal_c(attr->value.text, word));
}

static void is_joined(uint32_t number, const struct trace_row *row)
{
    const struct score *score = stored(number);
    assert_true(score && memcmp(&score->trace_id, &row->trace_id, sizeof row->trace_id) == 0);
    is_parked(number, NULL);
}

static int reset(void **state)
{
    (void)state;
    memset(&store, 0, sizeof store);
    held_init(&held);
    return 0;
}

static int done(void **state)
{
    (void)state;
    held_clear(&held);
    parked_clear(&parked);
    return 0;
}

#define ID "4f7a0000000000000000000000000001"

/* shows: A94 */
static void a_unique_beginning_of_4_to_31_digits_joins(void **state)
{
    (void)state;
    store.rows[0] = row_of("p", ID);
    store.row_count = 1;
    char longest[32];
    snprintf(longest, sizeof longest, "%.31s", ID);
    give(1, "4F7A");
    give(2, longest);
    give(3, "4f7");  /* too short: a text like any other */
    give(4, "4f7x"); /* likewise */
    commit(NULL, 0);
    is_joined(1, &store.rows[0]);
    is_joined(2, &store.rows[0]);
    is_parked(3, NULL);
    is_parked(4, NULL);
    assert_int_equal(parked.joined, 2);
    assert_int_equal(parked.unknown + parked.ambiguous, 0);
}

/* shows: A94 */
static void of_two_traces_none_is_taken_and_another_projects_does_not_count(void **state)
{
    (void)state;
    store.rows[0] = row_of("p", ID);
    store.rows[1] = row_of("other", "4f7a0000000000000000000000000002");
    store.row_count = 2;
    give(1, "4f7a0000");
    commit(NULL, 0);
    is_joined(1, &store.rows[0]);
    store.rows[2] = row_of("p", "4f7a0000000000000000000000000003");
    store.row_count = 3;
    give(2, "4f7a0000");
    commit(NULL, 0);
    is_parked(2, "ambiguous");
    assert_int_equal(parked.ambiguous, 1);
}

/* shows: A94 */
static void an_unknown_one_joins_after_the_commit_of_its_trace(void **state)
{
    (void)state;
    give(1, "4f7a0000");
    commit(NULL, 0);
    is_parked(1, "unknown");
    store.rows[0] = row_of("p", ID);
    store.row_count = 1;
    commit(store.rows, 1);
    assert_int_equal(parked.due_count, 1);
    commit(NULL, 0);
    is_joined(1, &store.rows[0]);
    assert_int_equal(parked.unknown, 0);
    assert_int_equal(parked.count, 0);
    size_t lookups = store.lookups;
    commit(NULL, 0);
    assert_int_equal(store.lookups, lookups);
}

static void a_text_that_a_trace_has_itself_is_no_beginning(void **state)
{
    (void)state;
    store.rows[0] = row_of("p", ID);
    store.rows[1] =
        (struct trace_row){ .project = STR("p"), .trace_id = native_trace_id(STR_OF("4f7a0000")) };
    store.row_count = 2;
    give(1, "4f7a0000");
    commit(NULL, 0);
    is_joined(1, &store.rows[1]);
    assert_int_equal(parked.joined, 1);
}

static void a_commit_looks_up_so_many_and_the_next_ones_the_rest(void **state)
{
    (void)state;
    store.rows[0] = row_of("p", ID);
    store.row_count = 1;
    for (uint32_t i = 1; i <= PARKED_LOOKUPS_MAX + 1; i++)
        give(i, "4f7a0000");
    commit(NULL, 0);
    assert_int_equal(store.lookups, PARKED_LOOKUPS_MAX);
    is_joined(PARKED_LOOKUPS_MAX, &store.rows[0]);
    assert_int_equal(parked.due_count, 1);
    commit(NULL, 0);
    is_joined(PARKED_LOOKUPS_MAX + 1, &store.rows[0]);
    assert_int_equal(parked.due_count, 0);
}

static void a_store_that_fails_is_asked_again(void **state)
{
    (void)state;
    store.rows[0] = row_of("p", ID);
    store.row_count = 1;
    store.fails = true;
    give(1, "4f7a0000");
    commit(NULL, 0);
    store.fails = false;
    commit(NULL, 0);
    is_joined(1, &store.rows[0]);
}

static void past_the_limit_the_oldest_is_not_tried_again(void **state)
{
    (void)state;
    char text[16];
    for (uint32_t i = 1; i <= PARKED_MAX + 1; i++) {
        snprintf(text, sizeof text, "%08x", i);
        give(i, text);
        if (i % PARKED_LOOKUPS_MAX == 0 || i > PARKED_MAX)
            commit(NULL, 0);
        if (i == PARKED_MAX)
            commit(NULL, 0);
    }
    assert_int_equal(parked.count, PARKED_MAX);
    assert_int_equal(parked.unknown, PARKED_MAX + 1);
    store.rows[0] = row_of("p", "00000001000000000000000000000000");
    store.rows[1] = row_of("p", "00000002000000000000000000000000");
    store.row_count = 2;
    commit(store.rows, 2);
    commit(NULL, 0);
    is_parked(1, "unknown");
    is_joined(2, &store.rows[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, done)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_unique_beginning_of_4_to_31_digits_joins),
        TEST(of_two_traces_none_is_taken_and_another_projects_does_not_count),
        TEST(an_unknown_one_joins_after_the_commit_of_its_trace),
        TEST(a_text_that_a_trace_has_itself_is_no_beginning),
        TEST(a_commit_looks_up_so_many_and_the_next_ones_the_rest),
        TEST(a_store_that_fails_is_asked_again),
        TEST(past_the_limit_the_oldest_is_not_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
