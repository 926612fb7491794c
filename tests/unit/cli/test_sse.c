/* test_sse.c -- server-sent events, however the network cuts them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.h"
#include "cli/sse.h"

static struct buf said;
static int stop_after;

static bool on_event(void *arg, str name, str data)
{
    (void)arg;
    buf_printf(&said, "<%.*s|%.*s>", STR_ARG(name), STR_ARG(data));
    return --stop_after != 0;
}

static bool feed(str text, size_t piece)
{
    struct sse sse;
    bool goes_on = true;
    buf_init(&said, MIB);
    sse_init(&sse, on_event, NULL);
    for (; text.len && goes_on; text = str_from(text, piece))
        goes_on = sse_feed(&sse, str_sub(text, 0, piece));
    sse_clear(&sse);
    return goes_on;
}

static const char stream[] = ": live\n\nevent: span\ndata: {\"a\":1}\n\ndata: x\r\ndata:y\r\n\r\n"
                             "event: lost\n\nid: 7\nretry\ndata:  two\n\ndata: unfinished";

static void events_are_the_same_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof stream; piece++) {
        stop_after = 0;
        assert_true(feed(STR_OF("") /* nothing */, piece));
        assert_int_equal(said.len, 0);
        buf_clear(&said);
        assert_true(feed(str_from_c(stream), piece));
        assert_true(str_equal_c(buf_str(&said), "<span|{\"a\":1}><|x\ny><| two>"));
        buf_clear(&said);
    }
}

static void an_event_may_say_stop(void **state)
{
    (void)state;
    stop_after = 2;
    assert_false(feed(str_from_c(stream), SIZE_MAX));
    assert_true(str_equal_c(buf_str(&said), "<span|{\"a\":1}><|x\ny>"));
    buf_clear(&said);
}

static void a_line_is_taken_to_the_limit_and_one_past_it_ends_the_stream(void **state)
{
    (void)state;
    struct sse sse;
    char *line = xmalloc(SSE_EVENT_BYTES_MAX + 1);
    memset(line, ':', SSE_EVENT_BYTES_MAX + 1); /* a comment: no data is kept */
    stop_after = 0;
    buf_init(&said, MIB);
    sse_init(&sse, on_event, NULL);
    assert_true(sse_feed(&sse, str_make(line, SSE_EVENT_BYTES_MAX)));
    assert_true(sse_feed(&sse, STR_OF("\n")));
    assert_false(sse_feed(&sse, str_make(line, SSE_EVENT_BYTES_MAX + 1)));
    sse_reset(&sse); /* a new connection starts clean */
    assert_true(sse_feed(&sse, STR_OF("data: x\n\n")));
    assert_true(str_equal_c(buf_str(&said), "<|x>"));
    sse_clear(&sse);
    buf_clear(&said);
    xfree(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_the_same_in_pieces_of_any_size),
        cmocka_unit_test(an_event_may_say_stop),
        cmocka_unit_test(a_line_is_taken_to_the_limit_and_one_past_it_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
