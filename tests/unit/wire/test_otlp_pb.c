/* test_otlp_pb.c -- limits on both sides, odd but legal encodings, and the answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "wire/otlp.h"
#include "wire/protobuf.h"

enum { ARENA_BYTES = 32 * 1024 * 1024 };

static struct arena arena;
static struct raw_batch batch;
static struct diag why;
static struct buf body, span;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    batch = (struct raw_batch){ 0 };
    why = DIAG_NONE;
    buf_init(&body, 8 * MIB);
    buf_init(&span, 8 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    buf_clear(&body);
    buf_clear(&span);
    return 0;
}

/* A message around what `inner` holds. */
static void wrap(struct buf *out, uint32_t number, const struct buf *inner)
{
    pb_write_bytes(out, number, buf_str(inner));
}

static void ids_add(void)
{
    pb_write_bytes(&span, 1, STR_OF("0123456789abcdef"));
    pb_write_bytes(&span, 2, STR_OF("01234567"));
}

/* `copies` of the span under construction as a request. */
static enum err decode_spans(uint32_t copies, const struct otlp_limits *limits)
{
    struct buf scope, resource;
    buf_init(&scope, 8 * MIB);
    buf_init(&resource, 8 * MIB);
    pb_write_bytes(&scope, 1, STR_OF("\x0a\x01x")); /* scope {name: "x"} */
    for (uint32_t i = 0; i < copies; i++)
        wrap(&scope, 2, &span);
    wrap(&resource, 2, &scope);
    buf_reset(&body);
    wrap(&body, 1, &resource);
    assert_false(buf_failed(&body));
    buf_clear(&scope);
    buf_clear(&resource);
    return otlp_decode(&arena, OTLP_TRACES, OTLP_PROTOBUF, buf_str(&body), limits, &batch, &why);
}

static void an_empty_body_is_an_empty_request(void **state)
{
    (void)state;
    for (int signal = OTLP_TRACES; signal <= OTLP_METRICS; signal++) {
        assert_int_equal(otlp_decode(&arena, (enum otlp_signal)signal, OTLP_PROTOBUF, STR_NONE,
                                     NULL, &batch, NULL),
                         ERR_OK);
        assert_int_equal(batch.span_count + batch.log_count + batch.metric_count, 0);
    }
}

static void items_attributes_events_and_links_stop_at_their_limits(void **state)
{
    (void)state;
    const struct otlp_limits limits = {
        .items_max = 3, .attrs_max = 4, .events_max = 5, .links_max = 6, .depth_max = 8
    };
    for (uint32_t extra = 0; extra < 3; extra++) {
        buf_reset(&span);
        ids_add();
        for (uint32_t i = 0; i < limits.attrs_max + extra; i++)
            pb_write_bytes(&span, 9, STR_OF("\x0a\x01k\x12\x02\x18\x01"));
        for (uint32_t i = 0; i < limits.events_max + extra; i++)
            pb_write_bytes(&span, 11,
                           STR_OF("\x12\x01"
                                  "e"));
        for (uint32_t i = 0; i < limits.links_max + extra; i++)
            pb_write_bytes(&span, 13,
                           STR_OF("\x0a\x10"
                                  "0123456789abcdef\x12\x08"
                                  "01234567"));
        pb_write_uint(&span, 10, 100); /* what the sender had dropped */
        assert_int_equal(decode_spans(1, &limits), ERR_OK);
        assert_int_equal(batch.spans[0].attr_count, 4);
        assert_int_equal(batch.spans[0].event_count, 5);
        assert_int_equal(batch.spans[0].link_count, 6);
        assert_int_equal(batch.spans[0].dropped_attr_count, 100 + extra);
        assert_int_equal(batch.spans[0].dropped_event_count, extra);
        assert_int_equal(batch.spans[0].dropped_link_count, extra);
    }
    assert_int_equal(decode_spans(3, &limits), ERR_OK);
    assert_int_equal(batch.span_count, 3);
    assert_int_equal(decode_spans(4, &limits), ERR_LIMIT);
    assert_non_null(strstr(why.text, "more than 3 spans"));
}

static void a_spent_arena_is_a_limit(void **state)
{
    (void)state;
    ids_add();
    for (int i = 0; i < 100; i++)
        pb_write_bytes(&span, 9, STR_OF(""));
    struct arena small;
    for (size_t budget = 0; budget < 6000; budget += 16) {
        arena_init(&small, budget);
        enum err code = ERR_OK;
        if (budget == 0)
            assert_int_equal(decode_spans(1, NULL), ERR_OK); /* makes the body */
        code = otlp_decode(&small, OTLP_TRACES, OTLP_PROTOBUF, buf_str(&body), NULL, &batch, &why);
        assert_true(code == ERR_LIMIT || (code == ERR_OK && budget > 4000));
        arena_clear(&small);
    }
}

static void a_split_message_is_merged_and_a_repeated_scalar_takes_the_last(void **state)
{
    (void)state;
    ids_add();
    pb_write_bytes(&span, 5, STR_OF("first"));
    pb_write_bytes(&span, 5, STR_OF("last"));
    pb_write_bytes(&span, 15, STR_OF("\x12\x03msg"));
    pb_write_bytes(&span, 15, STR_OF("\x18\x02"));
    /* one attribute whose value comes in two pieces: an array of two */
    pb_write_bytes(&span, 9,
                   STR_OF("\x12\x06\x2a\x04\x0a\x02\x18\x01\x0a\x01k"
                          "\x12\x06\x2a\x04\x0a\x02\x18\x02"));
    /* a oneof: the last member wins */
    pb_write_bytes(&span, 9,
                   STR_OF("\x12\x05\x0a\x01"
                          "a\x18\x07"));
    assert_int_equal(decode_spans(1, NULL), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    const struct raw_span *read = &batch.spans[0];
    assert_true(str_equal_c(read->name, "last"));
    assert_true(str_equal_c(read->status_message, "msg"));
    assert_int_equal(read->status_code, 2);
    assert_true(str_equal_c(read->attrs[0].key, "k"));
    assert_int_equal(read->attrs[0].value.type, VALUE_ARRAY);
    assert_int_equal(read->attrs[0].value.count, 2);
    assert_int_equal(read->attrs[0].value.items[1].i64, 2);
    assert_int_equal(read->attrs[1].value.type, VALUE_I64);
    assert_int_equal(read->attrs[1].value.i64, 7);
}

static void attributes_between_other_fields_are_all_kept(void **state)
{
    (void)state;
    ids_add();
    for (int i = 0; i < 100; i++) {
        pb_write_bytes(&span, 9, STR_OF("\x0a\x01k"));
        pb_write_bytes(&span, 11, STR_OF(""));
    }
    assert_int_equal(decode_spans(2, NULL), ERR_OK);
    assert_int_equal(batch.spans[1].attr_count, 100);
    assert_int_equal(batch.spans[1].event_count, 100);
    for (int i = 0; i < 100; i++)
        assert_true(str_equal_c(batch.spans[1].attrs[i].key, "k"));
}

static void unknown_fields_old_codes_and_string_indexes_are_passed_over(void **state)
{
    (void)state;
    ids_add();
    pb_write_uint(&span, 100, 5);
    pb_write_bytes(&span, 5000, STR_OF("\xff\xff"));
    pb_write_uint(&span, 5, 1);                                   /* name with another wire type */
    pb_write_bytes(&span, 15, STR_OF("\x08\x02"));                /* status field 1 */
    pb_write_bytes(&span, 9, STR_OF("\x18\x05\x12\x02\x40\x03")); /* both string indexes */
    assert_int_equal(decode_spans(1, NULL), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_true(str_is_empty(batch.spans[0].name));
    assert_int_equal(batch.spans[0].status_code, 0);
    assert_int_equal(batch.spans[0].attrs[0].value.type, VALUE_NULL);
    assert_int_equal(batch.spans[0].attrs[0].key.len, 0);
    assert_non_null(batch.spans[0].attrs[0].key.ptr);
}

static void bad_spans_are_rejected_alone(void **state)
{
    (void)state;
    static const struct {
        str fields;
        const char *reason;
    } rows[] = {
        { STR("\x0a\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "trace_id is missing or all zero" },
        { STR("\x0a\x05"
              "12345"),
          "trace_id has 5 bytes, not 16" },
        { STR("\x12\x08\0\0\0\0\0\0\0\0"), "span_id is missing or all zero" },
        { STR("\x22\x01x"), "parent_span_id has 1 bytes, not 8" },
        { STR("\x4a\x05\x0a"), "a length beyond the end of its message" },
        { STR("\x4a\x02\x0a\x05"), "a length beyond the end of its message" },
        { STR("\x0b"), "a group or an unknown wire type" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf scope, resource;
        buf_init(&scope, MIB);
        buf_init(&resource, MIB);
        buf_reset(&span);
        ids_add();
        wrap(&scope, 2, &span);
        buf_add_str(&span, rows[i].fields);
        wrap(&scope, 2, &span);
        buf_reset(&span);
        ids_add();
        wrap(&scope, 2, &span);
        pb_write_bytes(&scope, 1, STR_OF("\x0a\x01x")); /* its name comes last */
        wrap(&resource, 2, &scope);
        buf_reset(&body);
        wrap(&body, 1, &resource);
        assert_int_equal(
            otlp_decode(&arena, OTLP_TRACES, OTLP_PROTOBUF, buf_str(&body), NULL, &batch, &why),
            ERR_OK);
        assert_int_equal(batch.span_count, 2);
        assert_int_equal(batch.rejected_count, 1);
        assert_true(str_starts(str_from_c(batch.rejected_why), STR_OF("span 2 of scope \"x\": ")));
        assert_non_null(strstr(batch.rejected_why, rows[i].reason));
        buf_clear(&scope);
        buf_clear(&resource);
    }
}

static void values_nest_to_their_limit(void **state)
{
    (void)state;
    for (uint32_t depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++) {
        struct buf value, outer;
        buf_init(&value, MIB);
        buf_init(&outer, MIB);
        pb_write_uint(&value, 3, 1);
        for (uint32_t i = 1; i < depth; i++) { /* AnyValue{array_value{values: it}} */
            wrap(&outer, 1, &value);
            buf_reset(&value);
            wrap(&value, 5, &outer);
            buf_reset(&outer);
        }
        wrap(&outer, 2, &value);
        buf_reset(&span);
        ids_add();
        wrap(&span, 9, &outer);
        assert_int_equal(decode_spans(1, NULL), ERR_OK);
        assert_int_equal(batch.rejected_count, depth > VALUE_DEPTH_MAX);
        buf_clear(&value);
        buf_clear(&outer);
    }
}

static void unpacked_and_packed_buckets_are_the_same(void **state)
{
    (void)state;
    static const str lists[] = {
        /* bucket_counts 1, 2 packed and not; explicit_bounds 0.5 packed and not */
        STR("\x32\x10\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\x3a\x08\0\0\0\0\0\0\xe0\x3f"),
        STR("\x31\1\0\0\0\0\0\0\0\x31\2\0\0\0\0\0\0\0\x39\0\0\0\0\0\0\xe0\x3f"),
    };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct buf parts[5];
        for (size_t k = 0; k < COUNT_OF(parts); k++)
            buf_init(&parts[k], MIB);
        pb_write_bytes(&parts[0], 1, lists[i]); /* histogram.data_points */
        wrap(&parts[1], 9, &parts[0]);
        wrap(&parts[2], 2, &parts[1]);
        wrap(&parts[3], 2, &parts[2]);
        wrap(&parts[4], 1, &parts[3]);
        assert_int_equal(otlp_decode(&arena, OTLP_METRICS, OTLP_PROTOBUF, buf_str(&parts[4]), NULL,
                                     &batch, NULL),
                         ERR_OK);
        assert_int_equal(batch.metric_count, 1);
        assert_true(
            str_equal_c(batch.metrics[0].buckets_json, "{\"bounds\":[0.5],\"counts\":[1,2]}"));
        for (size_t k = 0; k < COUNT_OF(parts); k++)
            buf_clear(&parts[k]);
    }
}

static void answer_is(enum otlp_encoding encoding, uint32_t rejected, const char *message,
                      str expected)
{
    buf_reset(&body);
    otlp_write_response(&body, OTLP_LOGS, encoding, rejected, str_from_c(message));
    assert_true(str_equal(buf_str(&body), expected));
}

static void answers_are_empty_partial_or_a_warning(void **state)
{
    (void)state;
    answer_is(OTLP_PROTOBUF, 0, NULL, STR_OF(""));
    answer_is(OTLP_JSON, 0, NULL, STR_OF("{}"));
    answer_is(OTLP_PROTOBUF, 300, "no", STR_OF("\x0a\x07\x08\xac\x02\x12\x02no"));
    answer_is(OTLP_JSON, 300, "n\"o",
              STR_OF("{\"partialSuccess\":{\"rejectedLogRecords\":\"300\",\"errorMessage\":"
                     "\"n\\\"o\"}}"));
    answer_is(OTLP_PROTOBUF, 0, "w", STR_OF("\x0a\x03\x12\x01w"));
    answer_is(OTLP_JSON, 0, "w", STR_OF("{\"partialSuccess\":{\"errorMessage\":\"w\"}}"));
}

static void a_status_tells_when_to_come_back(void **state)
{
    (void)state;
    otlp_write_status(&body, OTLP_JSON, 14, STR_OF("later"), 1500);
    assert_true(str_equal_c(buf_str(&body),
                            "{\"code\":14,\"message\":\"later\",\"details\":[{\"@type\":"
                            "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":"
                            "\"1.500s\"}]}"));
    buf_reset(&body);
    otlp_write_status(&body, OTLP_PROTOBUF, 3, STR_OF("bad"), 0);
    assert_true(str_equal(buf_str(&body), STR_OF("\x08\x03\x12\x03"
                                                 "bad")));
    buf_reset(&body);
    otlp_write_status(&body, OTLP_PROTOBUF, 14, STR_OF(""), 1500);
    struct pb pb = pb_make(buf_str(&body));
    struct pb_field field;
    assert_true(pb_next(&pb, &field) && field.scalar == 14);
    assert_true(pb_next(&pb, &field) && field.number == 3);
    pb = pb_make(field.bytes); /* Any */
    assert_true(pb_next(&pb, &field));
    assert_true(str_equal_c(field.bytes, "type.googleapis.com/google.rpc.RetryInfo"));
    assert_true(pb_next(&pb, &field) && field.number == 2);
    pb = pb_make(field.bytes); /* RetryInfo */
    assert_true(pb_next(&pb, &field) && field.number == 1);
    pb = pb_make(field.bytes); /* Duration */
    assert_true(pb_next(&pb, &field) && field.number == 1 && field.scalar == 1);
    assert_true(pb_next(&pb, &field) && field.number == 2 && field.scalar == 500000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_body_is_an_empty_request),
        TEST(items_attributes_events_and_links_stop_at_their_limits),
        TEST(a_spent_arena_is_a_limit),
        TEST(a_split_message_is_merged_and_a_repeated_scalar_takes_the_last),
        TEST(attributes_between_other_fields_are_all_kept),
        TEST(unknown_fields_old_codes_and_string_indexes_are_passed_over),
        TEST(bad_spans_are_rejected_alone),
        TEST(values_nest_to_their_limit),
        TEST(unpacked_and_packed_buckets_are_the_same),
        TEST(answers_are_empty_partial_or_a_warning),
        TEST(a_status_tells_when_to_come_back),
    };
    return cmocka_run_group_tests_name("otlp_pb", tests, NULL, NULL);
}
