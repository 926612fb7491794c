/* test_otlp_json.c -- each deviation of OTLP/JSON that senders rely on, and what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "wire/otlp.h"

enum { ARENA_BYTES = 16 * 1024 * 1024 };
#define IDS "\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"EEE19B7EC3C1B174\""

static struct arena arena;
static struct raw_batch batch;
static struct diag why;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    batch = (struct raw_batch){ 0 };
    why = DIAG_NONE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static enum err decode(enum otlp_signal signal, const char *body)
{
    return otlp_decode(&arena, signal, OTLP_JSON, str_from_c(body), NULL, &batch, &why);
}

static enum err decode_spans(const char *spans)
{
    static char body[16384];
    snprintf(body, sizeof body,
             "{\"resourceSpans\":[{\"scopeSpans\":[{\"scope\":{\"name\":\"x\"},\"spans\":[%s]}]}]}",
             spans);
    return decode(OTLP_TRACES, body);
}

/* A span with ids and these further members. */
static const struct raw_span *span_with(const char *members)
{
    char span[4096];
    snprintf(span, sizeof span, "{" IDS ",%s}", members);
    assert_int_equal(decode_spans(span), ERR_OK);
    return batch.span_count == 1 ? &batch.spans[0] : NULL;
}

static const struct value *value_with(const char *value)
{
    char members[2048];
    snprintf(members, sizeof members, "\"attributes\":[{\"key\":\"k\",\"value\":%s}]", value);
    const struct raw_span *span = span_with(members);
    return span ? &span->attrs[0].value : NULL;
}

static void empty_bodies_and_envelopes_are_empty_requests(void **state)
{
    (void)state;
    static const char *const bodies[] = { "",
                                          " \n",
                                          "{}",
                                          "{\"resourceSpans\":[]}",
                                          "{\"resourceSpans\":null}",
                                          "{\"resourceSpans\":[{}]}",
                                          "{\"resourceSpans\":[{\"scopeSpans\":[{}]}]}",
                                          "{\"unknown\":[{\"x\":[1,2,{}]}]}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_int_equal(decode(OTLP_TRACES, bodies[i]), ERR_OK);
        assert_int_equal(batch.span_count, 0);
        assert_int_equal(batch.rejected_count, 0);
    }
}

static void the_minimal_valid_body_is_one_span(void **state)
{
    (void)state;
    const struct raw_span *span =
        span_with("\"name\":\"n\",\"kind\":2,\"startTimeUnixNano\":\"1544712660000000000\","
                  "\"endTimeUnixNano\":\"1544712661000000000\"");
    assert_int_equal(span->trace_id.bytes[0], 0x5b);
    assert_int_equal(span->span_id.bytes[7], 0x74);
    assert_true(id8_is_zero(span->parent_span_id));
    assert_int_equal(span->kind, 2);
    assert_true(span->start_ns == UINT64_C(1544712660000000000));
    assert_true(str_equal_c(span->scope->name, "x"));
    assert_non_null(span->scope->resource);
}

static void snake_case_keys_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        decode(OTLP_TRACES,
               "{\"resource_spans\":[{\"scope_spans\":[{\"spans\":[{\"trace_id\":"
               "\"5b8efff798038103d269b633813fc60c\",\"span_id\":\"eee19b7ec3c1b174\","
               "\"parent_span_id\":\"eee19b7ec3c1b173\",\"start_time_unix_nano\":5,"
               "\"dropped_attributes_count\":3,\"attributes\":[{\"key\":\"k\",\"value\":"
               "{\"string_value\":\"v\"}}]}],\"schema_url\":\"u\"}]}]}"),
        ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.spans[0].parent_span_id.bytes[7], 0x73);
    assert_int_equal(batch.spans[0].start_ns, 5);
    assert_int_equal(batch.spans[0].dropped_attr_count, 3);
    assert_true(str_equal_c(batch.spans[0].attrs[0].value.text, "v"));
    assert_true(str_equal_c(batch.spans[0].scope->schema_url, "u"));
}

static void enumerations_are_read_as_numbers_texts_and_names(void **state)
{
    (void)state;
    assert_int_equal(span_with("\"kind\":3")->kind, 3);
    assert_int_equal(span_with("\"kind\":\"3\"")->kind, 3);
    assert_int_equal(span_with("\"kind\":\"SPAN_KIND_CLIENT\"")->kind, 3);
    assert_int_equal(span_with("\"kind\":77")->kind, 77); /* unknown numbers are kept */
    assert_int_equal(span_with("\"status\":{\"code\":\"STATUS_CODE_ERROR\"}")->status_code, 2);
    assert_null(span_with("\"kind\":\"SPAN_KIND_BOGUS\""));
    assert_non_null(strstr(batch.rejected_why, "kind is no known name"));
    assert_int_equal(batch.rejected_count, 1);
}

static void numbers_come_as_numbers_texts_rounded_and_long_objects(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {
        { "\"1544712660000000001\"", UINT64_C(1544712660000000001) },
        { "1544712660000000001", UINT64_C(1544712660000000001) },
        { "1.5447126600000000e18", UINT64_C(1544712660000000000) },
        { "\"1e3\"", 1000 },
        { "7.0", 7 },
        { "\"\"", 0 },
        { "null", 0 },
        { "{\"low\":1,\"high\":2,\"unsigned\":true}", UINT64_C(0x200000001) },
        { "{\"low\":-1,\"high\":0,\"unsigned\":false}", UINT32_MAX },
        { "{\"high\":359640123,\"low\":-1294967296,\"x\":[{}]}",
          UINT64_C(359640123) << 32 | UINT64_C(3000000000) },
        { "18446744073709551615", UINT64_MAX },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char member[200];
        snprintf(member, sizeof member, "\"startTimeUnixNano\":%s", rows[i].text);
        const struct raw_span *span = span_with(member);
        if (!span || span->start_ns != rows[i].value)
            fail_msg("%s: %s", rows[i].text, batch.rejected_why);
    }
    static const char *const bad[] = { "\"x\"",           "1.5",  "true",   "[]",          "{}",
                                       "{\"low\":\"x\"}", "1e99", "\" 1\"", "{\"high\":1}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char member[200];
        snprintf(member, sizeof member, "\"startTimeUnixNano\":%s", bad[i]);
        assert_null(span_with(member));
        assert_non_null(strstr(batch.rejected_why, "start_time_unix_nano is not a whole number"));
    }
}

static void values_of_every_kind_are_read(void **state)
{
    (void)state;
    assert_int_equal(value_with("{}")->type, VALUE_NULL);
    assert_int_equal(value_with("null")->type, VALUE_NULL);
    assert_int_equal(value_with("{\"stringValue\":\"\"}")->type, VALUE_STR);
    assert_int_equal(value_with("{\"intValue\":\"-5\"}")->i64, -5);
    assert_int_equal(value_with("{\"intValue\":-5}")->i64, -5);
    assert_true(value_with("{\"doubleValue\":\"1.5\"}")->f64 == 1.5);
    assert_true(value_with("{\"doubleValue\":2}")->f64 == 2);
    assert_true(isnan(value_with("{\"doubleValue\":\"NaN\"}")->f64));
    assert_true(isinf(value_with("{\"doubleValue\":\"-Infinity\"}")->f64));
    assert_true(value_with("{\"boolValue\":\"true\"}")->boolean);
    assert_int_equal(value_with("{\"arrayValue\":{}}")->type, VALUE_ARRAY);
    const struct value *array =
        value_with("{\"arrayValue\":{\"values\":[null,{},{\"intValue\":1}]}}");
    assert_int_equal(array->count, 3);
    assert_int_equal(array->items[0].type, VALUE_NULL);
    assert_int_equal(array->items[2].i64, 1);
    const struct value *map = value_with(
        "{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{\"boolValue\":false}}]}}");
    assert_int_equal(map->type, VALUE_MAP);
    assert_true(str_equal_c(map->attrs[0].key, "a"));
}

static void bytes_are_read_in_both_alphabets_padded_or_not(void **state)
{
    (void)state;
    static const char *const texts[] = { "-_-_AA", "+/+/AA", "+/+/AA==", "-_-_AA==" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"bytesValue\":\"%s\"}", texts[i]);
        const struct value *value = value_with(text);
        assert_int_equal(value->type, VALUE_BYTES);
        assert_int_equal(value->text.len, 4);
        assert_memory_equal(value->text.ptr, "\xfb\xff\xbf\x00", 4);
    }
    assert_null(value_with("{\"bytesValue\":\"!!\"}"));
}

static void an_index_into_no_string_table_is_null(void **state)
{
    (void)state;
    assert_int_equal(value_with("{\"stringValueStrindex\":4}")->type, VALUE_NULL);
    assert_int_equal(value_with("{\"string_value_strindex\":4}")->type, VALUE_NULL);
}

static void ids_are_read_as_hex_and_base64(void **state)
{
    (void)state;
    static const char *const ids[][2] = {
        { "5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174" },
        { "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174" },
        { "W47/95gDgQPSabYzgT/GDA==", "7uGbfsPBsXQ=" },
        { "W47_95gDgQPSabYzgT_GDA", "7uGbfsPBsXQ" },
    };
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char span[300];
        snprintf(span, sizeof span, "{\"traceId\":\"%s\",\"spanId\":\"%s\",\"parentSpanId\":\"\"}",
                 ids[i][0], ids[i][1]);
        assert_int_equal(decode_spans(span), ERR_OK);
        assert_int_equal(batch.span_count, 1);
        assert_memory_equal(batch.spans[0].trace_id.bytes, "\x5b\x8e\xff\xf7\x98\x03\x81\x03", 8);
        assert_memory_equal(batch.spans[0].span_id.bytes, "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74", 8);
    }
}

static void one_bad_span_is_rejected_alone_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *span;
        const char *reason;
    } rows[] = {
        { "{\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"eee19b7ec3c1b174\"}",
          "span 2 of scope \"x\": trace_id is missing or all zero" },
        { "{\"traceId\":\"5b8efff798038103d269b633813fc60c\"}",
          "span 2 of scope \"x\": span_id is missing or all zero" },
        { "{\"traceId\":\"5b8e\"}", "span 2 of scope \"x\": trace_id is not 32 hex digits" },
        { "{" IDS ",\"parentSpanId\":\"zz\"}",
          "span 2 of scope \"x\": parent_span_id is not 16 hex digits" },
        { "{" IDS ",\"name\":5}", "span 2 of scope \"x\": name is not a text" },
        { "{" IDS ",\"attributes\":{\"a\":[{}]}}",
          "span 2 of scope \"x\": attributes is not an array" },
        { "{" IDS ",\"attributes\":[[[{\"a\":1}]]],\"kind\":1}",
          "span 2 of scope \"x\": attributes holds something that is not an object" },
        { "{" IDS ",\"flags\":4294967296}", "span 2 of scope \"x\": flags does not fit 32 bits" },
        { "{" IDS ",\"attributes\":[{\"key\":\"k\",\"value\":{\"boolValue\":\"maybe\"}}]}",
          "span 2 of scope \"x\": bool_value is not true or false" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char spans[2000];
        snprintf(spans, sizeof spans, "{" IDS ",\"name\":\"a\"},%s,{" IDS ",\"name\":\"b\"}",
                 rows[i].span);
        assert_int_equal(decode_spans(spans), ERR_OK);
        assert_int_equal(batch.span_count, 2);
        assert_int_equal(batch.rejected_count, 1);
        assert_string_equal(batch.rejected_why, rows[i].reason);
        assert_true(str_equal_c(batch.spans[1].name, "b"));
        assert_int_equal(batch.spans[1].attr_count, 0); /* nothing is left of the bad one */
    }
}

static void a_broken_envelope_fails_the_request_with_its_offset(void **state)
{
    (void)state;
    assert_int_equal(decode(OTLP_TRACES, "{\"resourceSpans\":5}"), ERR_BAD_INPUT);
    assert_int_equal(decode(OTLP_TRACES, "[]"), ERR_BAD_INPUT);
    assert_int_equal(decode(OTLP_TRACES, "{} x"), ERR_BAD_INPUT);
    assert_int_equal(why.offset, 3);
    assert_int_equal(decode_spans("{" IDS ",\"name\":\"a\\q\"}"), ERR_BAD_INPUT);
    assert_int_equal(decode_spans("{" IDS ",\"name\":tru}"), ERR_BAD_INPUT);
    assert_int_equal(decode_spans("{\"traceId\":\"zz\",\"name\":tru}"), ERR_BAD_INPUT);
}

static void links_that_point_nowhere_are_dropped_and_counted(void **state)
{
    (void)state;
    const struct raw_span *span =
        span_with("\"links\":[{\"traceId\":\"\"},{" IDS "},{\"traceId\":\"5b\",\"spanId\":{}},"
                  "{\"traceId\":\"00000000000000000000000000000000\",\"spanId\":"
                  "\"eee19b7ec3c1b174\"}],\"droppedLinksCount\":4");
    assert_int_equal(span->link_count, 1);
    assert_int_equal(span->dropped_link_count, 7);
}

static void invalid_utf8_is_repaired_in_keys_texts_and_names(void **state)
{
    (void)state;
    const struct raw_span *span = span_with("\"name\":\"a\xff\",\"attributes\":[{\"key\":\"k\xc3\","
                                            "\"value\":{\"stringValue\":\"\xe2\x82\"}}]");
    assert_true(str_equal_c(span->name, "a\xef\xbf\xbd"));
    assert_true(str_equal_c(span->attrs[0].key, "k\xef\xbf\xbd"));
    assert_true(str_equal_c(span->attrs[0].value.text, "\xef\xbf\xbd"));
}

static void nesting_is_read_at_its_limit_and_rejected_past_it(void **state)
{
    (void)state;
    for (int depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++)
        for (int is_map = 0; is_map < 2; is_map++) {
            struct buf body;
            buf_init(&body, 64 * KIB);
            buf_add_c(&body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" IDS
                             ",\"attributes\":[{\"key\":\"k\",\"value\":");
            for (int i = 1; i < depth; i++)
                buf_add_c(&body, is_map ? "{\"kvlistValue\":{\"values\":[{\"key\":\"\",\"value\":"
                                        : "{\"arrayValue\":{\"values\":[");
            buf_add_c(&body, "{\"intValue\":1}");
            for (int i = 1; i < depth; i++)
                buf_add_c(&body, is_map ? "}]}}" : "]}}");
            buf_add_c(&body, "}]},{" IDS "}]}]}]}");
            assert_int_equal(
                otlp_decode(&arena, OTLP_TRACES, OTLP_JSON, buf_str(&body), NULL, &batch, NULL),
                ERR_OK);
            bool fits = depth == VALUE_DEPTH_MAX;
            assert_int_equal(batch.rejected_count, fits ? 0 : 1);
            assert_int_equal(batch.span_count, fits ? 2 : 1);
            buf_clear(&body);
        }
}

static void logs_take_their_time_and_event_name_from_where_they_are(void **state)
{
    (void)state;
    assert_int_equal(
        decode(OTLP_LOGS,
               "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
               "{\"observedTimeUnixNano\":\"7\",\"eventName\":\"a\",\"severityNumber\":"
               "\"SEVERITY_NUMBER_WARN\"},"
               "{\"timeUnixNano\":\"5\",\"observedTimeUnixNano\":\"7\",\"attributes\":[{\"key\":"
               "\"event.name\",\"value\":{\"stringValue\":\"b\"}}]},"
               "{\"body\":{\"kvlistValue\":{\"values\":[{\"key\":\"event.name\",\"value\":"
               "{\"stringValue\":\"c\"}}]}}},"
               "{\"traceId\":\"12\"},"
               "{\"body\":{\"stringValue\":\"t\"},\"traceId\":\"\"}]}]}]}"),
        ERR_OK);
    assert_int_equal(batch.log_count, 4);
    assert_int_equal(batch.logs[0].time_ns, 7);
    assert_int_equal(batch.logs[0].severity, 13);
    assert_true(str_equal_c(batch.logs[0].event_name, "a"));
    assert_int_equal(batch.logs[1].time_ns, 5);
    assert_true(str_equal_c(batch.logs[1].event_name, "b"));
    assert_true(str_equal_c(batch.logs[2].event_name, "c"));
    assert_true(str_is_empty(batch.logs[3].event_name));
    assert_int_equal(batch.rejected_count, 1);
    assert_string_equal(batch.rejected_why,
                        "record 4 of scope \"\": trace_id is not 32 hex digits");
}

static void stale_points_have_no_value_and_uneven_buckets_are_rejected(void **state)
{
    (void)state;
    assert_int_equal(
        decode(OTLP_METRICS,
               "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":["
               "{\"sum\":{\"dataPoints\":[{\"asInt\":\"3\"},{\"asDouble\":4,\"flags\":1},{}],"
               "\"aggregationTemporality\":\"AGGREGATION_TEMPORALITY_DELTA\",\"isMonotonic\":true},"
               "\"name\":\"late\",\"unit\":\"s\"},"
               "{\"name\":\"h\",\"histogram\":{\"dataPoints\":[{\"count\":2,\"sum\":1.5,"
               "\"bucketCounts\":[\"1\",1],\"explicitBounds\":[0.5]},{\"bucketCounts\":[1],"
               "\"explicitBounds\":[1]},{\"count\":\"9\"}]}}]}]}]}"),
        ERR_OK);
    assert_int_equal(batch.metric_count, 5);
    assert_int_equal(batch.rejected_count, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(str_equal_c(batch.metrics[i].name, "late"));
        assert_true(str_equal_c(batch.metrics[i].unit, "s"));
        assert_int_equal(batch.metrics[i].type, 1);
        assert_int_equal(batch.metrics[i].temporality, 1);
        assert_true(batch.metrics[i].is_monotonic);
        assert_int_equal(batch.metrics[i].has_value, i == 0);
    }
    assert_true(batch.metrics[0].value == 3);
    assert_true(str_equal_c(batch.metrics[3].buckets_json, "{\"bounds\":[0.5],\"counts\":[1,1]}"));
    assert_int_equal(batch.metrics[4].count, 9);
    assert_non_null(strstr(batch.rejected_why, "point 5 of scope"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(empty_bodies_and_envelopes_are_empty_requests),
        TEST(the_minimal_valid_body_is_one_span),
        TEST(snake_case_keys_are_read),
        TEST(enumerations_are_read_as_numbers_texts_and_names),
        TEST(numbers_come_as_numbers_texts_rounded_and_long_objects),
        TEST(values_of_every_kind_are_read),
        TEST(bytes_are_read_in_both_alphabets_padded_or_not),
        TEST(an_index_into_no_string_table_is_null),
        TEST(ids_are_read_as_hex_and_base64),
        TEST(one_bad_span_is_rejected_alone_with_its_place),
        TEST(a_broken_envelope_fails_the_request_with_its_offset),
        TEST(links_that_point_nowhere_are_dropped_and_counted),
        TEST(invalid_utf8_is_repaired_in_keys_texts_and_names),
        TEST(nesting_is_read_at_its_limit_and_rejected_past_it),
        TEST(logs_take_their_time_and_event_name_from_where_they_are),
        TEST(stale_points_have_no_value_and_uneven_buckets_are_rejected),
    };
    return cmocka_run_group_tests_name("otlp_json", tests, NULL, NULL);
}
