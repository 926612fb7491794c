/* test_digest.c -- what workers send along to a drain that is behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "pipeline/digest.h"

enum { SPANS = 3 };

static struct batch batch_of(struct span spans[SPANS])
{
    for (uint32_t i = 0; i < SPANS; i++) {
        spans[i] = (struct span){ .is_addition = i == 2 };
        SPAN_SET(&spans[i], trace_id, ((struct id16){ { (uint8_t)(i + 1) } }));
        if (i == 1)
            SPAN_SET(&spans[i], parent_span_id, (struct id8){ "parent" });
    }
    return (struct batch){ .project = STR_OF("shop"),
                           .received_ns = 77,
                           .body_hash = 99,
                           .spans = spans,
                           .span_count = SPANS };
}

static void send(struct digests *digests, const struct batch *batch, uint64_t sequence)
{
    struct digest *digest = digest_make(digests, batch);
    assert_non_null(digest);
    digest->sequence = sequence;
    digest->position = (struct wal_position){ 5, (uint32_t)sequence };
    digest_send(digests, digest);
}

static void a_digest_says_what_reading_the_record_would(void **state)
{
    (void)state;
    struct span spans[SPANS];
    struct batch batch = batch_of(spans);
    struct digests *digests = digests_new();
    digests_want(digests, true);
    send(digests, &batch, 8);
    const struct digest *digest = digest_next(digests, 8);
    assert_non_null(digest);
    assert_int_equal(digest->position.segment, 5);
    assert_int_equal(digest->position.offset, 8);

    struct buf bytes;
    struct arena arena;
    struct batch_header header;
    struct batch_span_ids *ids;
    buf_init(&bytes, MIB);
    arena_init(&arena, MIB);
    batch_encode(&bytes, &batch);
    assert_int_equal(batch_peek(buf_str(&bytes), &header, NULL), ERR_OK);
    assert_int_equal(batch_peek_spans(&arena, buf_str(&bytes), &ids, NULL), ERR_OK);
    assert_true(str_equal(digest->header.project, header.project));
    assert_int_equal(digest->header.received_ns, header.received_ns);
    assert_int_equal(digest->header.body_hash, header.body_hash);
    assert_int_equal(digest->header.span_count, header.span_count);
    for (uint32_t i = 0; i < SPANS; i++) {
        assert_memory_equal(&digest->ids[i].trace_id, &ids[i].trace_id, sizeof ids[i].trace_id);
        assert_int_equal(digest->ids[i].has_parent, ids[i].has_parent);
        assert_int_equal(digest->ids[i].is_open, ids[i].is_open);
    }
    arena_clear(&arena);
    buf_clear(&bytes);
    digests_free(digests);
}

static void none_is_made_when_none_is_wanted_or_something_else_must_be_shown(void **state)
{
    (void)state;
    struct span spans[SPANS];
    struct batch batch = batch_of(spans);
    struct digests *digests = digests_new();
    assert_null(digest_make(digests, &batch));
    assert_null(digest_make(NULL, &batch));
    digests_want(digests, true);
    batch.log_count = 1;
    assert_null(digest_make(digests, &batch));
    batch.log_count = 0;
    batch.metric_count = 1;
    assert_null(digest_make(digests, &batch));
    digests_free(digests);
}

static void only_the_next_record_counts_and_earlier_ones_are_dropped(void **state)
{
    (void)state;
    struct span spans[SPANS];
    struct batch batch = batch_of(spans);
    struct digests *digests = digests_new();
    digests_want(digests, true);
    assert_null(digest_next(digests, 1));
    for (uint64_t sequence = 3; sequence < 10; sequence += 2)
        send(digests, &batch, sequence);
    assert_null(digest_next(digests, 2));
    assert_int_equal(digest_next(digests, 3)->sequence, 3);
    assert_int_equal(digest_next(digests, 3)->sequence, 3);
    assert_null(digest_next(digests, 4));
    assert_int_equal(digest_next(digests, 7)->sequence, 7);
    assert_null(digest_next(digests, 8));
    assert_int_equal(digest_next(digests, 9)->sequence, 9);
    assert_null(digest_next(digests, 10));
    digests_free(digests);
}

/* With nobody taking them: memory is bounded, and there is room again once they are taken. */
static void what_waits_is_bounded(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    struct span *spans = xcalloc(MANY, sizeof *spans);
    struct batch batch = { .project = STR_OF("shop"), .spans = spans, .span_count = MANY };
    struct digests *digests = digests_new();
    digests_want(digests, true);
    uint64_t made = 0;
    for (struct digest *digest; (digest = digest_make(digests, &batch)) != NULL;) {
        digest->sequence = ++made;
        digest_send(digests, digest);
        assert_true(made < 100); /* of 180 KB each */
    }
    assert_true(made > 10);
    assert_null(digest_next(digests, made + 1));
    struct digest *digest = digest_make(digests, &batch);
    assert_non_null(digest);
    digest_drop(digests, digest);
    digest_drop(digests, NULL);
    batch.span_count = 0; /* as many as the queue takes, and more: those are dropped */
    for (uint64_t i = 0; i < 20000; i++)
        send(digests, &batch, made + 2 + i);
    digests_free(digests);
    xfree(spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_says_what_reading_the_record_would),
        cmocka_unit_test(none_is_made_when_none_is_wanted_or_something_else_must_be_shown),
        cmocka_unit_test(only_the_next_record_counts_and_earlier_ones_are_dropped),
        cmocka_unit_test(what_waits_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
