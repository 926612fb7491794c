/* test_langfuse.c -- events of Langfuse's batch ingestion, one by one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "base/text.h"
#include "wire/langfuse.h"

#define T0 UINT64_C(1795255200000000000) /* 2026-11-21T10:00:00Z */

static enum err decode(const char *text)
{
    return langfuse_batch_decode(&arena, str_from_c(text), NULL, &batch, &why);
}

/* One event of that type and body. */
static void decode_one(const char *type, const char *body)
{
    str text = arena_printf(&arena,
                            "{\"batch\":[{\"id\":\"e1\",\"timestamp\":\"2026-11-21T10:00:00Z\","
                            "\"type\":\"%s\",\"body\":%s}]}",
                            type, body);
    assert_int_equal(langfuse_batch_decode(&arena, text, NULL, &batch, &why), ERR_OK);
}

static bool has(const struct raw_span *span, const char *key)
{
    return attr_find(span->attrs, span->attr_count, str_from_c(key)) != NULL;
}

/* VALUE_NULL when it is not there. */
static struct value attr(const struct raw_span *span, const char *key)
{
    const struct attr *found = attr_find(span->attrs, span->attr_count, str_from_c(key));
    return found ? found->value : (struct value){ .type = VALUE_NULL };
}

static bool text_is(const struct raw_span *span, const char *key, const char *text)
{
    struct value value = attr(span, key);
    return value.type == VALUE_STR && str_equal_c(value.text, text);
}

#define HAS_ID(id, text) assert_true(id_is((id).bytes, sizeof(id).bytes, (text)))
static bool id_is(const uint8_t *bytes, size_t len, const char *text)
{
    char hex[40];
    hex_encode(bytes, len, hex);
    return strcmp(hex, text) == 0;
}

static void an_observation_is_a_part_of_a_span_and_tells_the_root_its_times(void **state)
{
    (void)state;
    decode_one(
        "generation-create",
        "{\"id\":\"o-1\",\"traceId\":\"0190a2b4-7c1e-7000-8000-0000000000ff\",\"name\":\"answer\","
        "\"startTime\":\"2026-11-21T10:00:01Z\",\"endTime\":\"2026-11-21T10:00:02Z\","
        "\"model\":\"gpt-4o\",\"input\":[{\"role\":\"user\"}],\"output\":\"yes\","
        "\"metadata\":{\"tier\":\"gold\",\"n\":3,\"deep\":{\"a\":[1]}},\"promptVersion\":3,"
        "\"somethingNew\":[true]}");
    assert_int_equal(batch.span_count, 2);
    const struct raw_span *span = &batch.spans[0], *root = &batch.spans[1];
    HAS_ID(span->trace_id, "0190a2b47c1e700080000000000000ff");
    assert_true(span->is_addition && root->is_addition);
    assert_true(str_equal_c(span->source_id, "o-1") && str_equal_c(span->name, "answer"));
    assert_int_equal(span->start_ns, T0 + 1000000000);
    assert_int_equal(span->end_ns, T0 + 2000000000);
    assert_true(text_is(span, "langfuse.observation.type", "generation"));
    assert_true(text_is(span, "langfuse.observation.model.name", "gpt-4o"));
    assert_true(text_is(span, "langfuse.observation.input", "[{\"role\":\"user\"}]"));
    assert_true(text_is(span, "langfuse.observation.output", "yes"));
    assert_true(text_is(span, "langfuse.observation.metadata.tier", "gold"));
    assert_true(text_is(span, "langfuse.observation.metadata.deep", "{\"a\":[1]}"));
    assert_int_equal(attr(span, "langfuse.observation.metadata.n").i64, 3);
    assert_int_equal(attr(span, "langfuse.observation.prompt.version").i64, 3);
    assert_true(text_is(span, "langfuse.observation.somethingNew", "[true]"));
    assert_memory_equal(&span->parent_span_id, &root->span_id, sizeof root->span_id);
    assert_int_equal(root->start_ns, span->start_ns);
    assert_int_equal(root->end_ns, span->end_ns);
    assert_true(id8_is_zero(root->parent_span_id));
    assert_true(
        str_equal_c(batch.reply, "{\"successes\":[{\"id\":\"e1\",\"status\":201}],\"errors\":[]}"));
    assert_int_equal(batch.reply_status, 207);
}

static void a_trace_is_the_root_with_what_is_said_of_the_whole(void **state)
{
    (void)state;
    decode_one("trace-create", "{\"id\":\"t\",\"name\":\"chat\",\"userId\":\"u\",\"sessionId\":"
                               "\"s\",\"tags\":[\"a\",\"b\"],"
                               "\"release\":\"r\",\"version\":\"v\",\"public\":false,\"input\":{"
                               "\"q\":1},\"output\":null}");
    assert_int_equal(batch.span_count, 1);
    const struct raw_span *root = &batch.spans[0];
    struct id8 id = native_root_id(STR_OF("t"));
    assert_memory_equal(&root->span_id, &id, sizeof id);
    assert_int_equal(root->start_ns, T0); /* of the envelope */
    assert_int_equal(root->end_ns, 0);
    assert_true(text_is(root, "langfuse.user.id", "u") &&
                text_is(root, "langfuse.session.id", "s"));
    assert_true(text_is(root, "langfuse.release", "r") && text_is(root, "langfuse.version", "v"));
    assert_true(text_is(root, "langfuse.trace.input", "{\"q\":1}"));
    assert_false(has(root, "langfuse.trace.output"));
    assert_int_equal(attr(root, "langfuse.trace.tags").count, 2);
    assert_int_equal(attr(root, "langfuse.trace.public").type, VALUE_BOOL);
}

/* These are stored: another id would part a trace from its root. */
static void the_id_of_a_root_never_changes_and_is_no_observations(void **state)
{
    (void)state;
    HAS_ID(native_root_id(STR_OF("t")), "34321ef8c4f29ded");
    struct id8 root = native_root_id(STR_OF("t")), observation = native_span_id(STR_OF("t"));
    assert_memory_not_equal(&root, &observation, sizeof root);
}

static void an_update_says_only_what_it_says(void **state)
{
    (void)state;
    decode_one("span-update", "{\"id\":\"o\",\"traceId\":\"t\",\"endTime\":\"2026-11-21T10:00:05."
                              "5Z\",\"level\":\"ERROR\"}");
    const struct raw_span *span = &batch.spans[0];
    assert_int_equal(span->start_ns, 0);
    assert_int_equal(span->end_ns, T0 + 5500000000);
    assert_true(id8_is_zero(span->parent_span_id));
    assert_int_equal(span->name.len, 0);
    assert_int_equal(batch.spans[1].end_ns, span->end_ns);
}

static void an_event_takes_no_time_and_begins_when_its_envelope_says_if_it_does_not(void **state)
{
    (void)state;
    decode_one("event-create", "{\"id\":\"o\",\"traceId\":\"t\",\"name\":\"e\","
                               "\"parentObservationId\":\"00f067aa0ba902b7\"}");
    assert_int_equal(batch.spans[0].start_ns, T0);
    assert_int_equal(batch.spans[0].end_ns, T0);
    HAS_ID(batch.spans[0].parent_span_id, "00f067aa0ba902b7");
}

static void the_old_usage_becomes_the_new_one_unless_its_unit_is_another(void **state)
{
    (void)state;
    decode_one("generation-create",
               "{\"id\":\"o\",\"traceId\":\"t\",\"usage\":{\"input\":1,\"output\":2,\"unit\":"
               "\"TOKENS\",\"inputCost\":0.25,\"totalCost\":1}}");
    assert_true(has(&batch.spans[0], "langfuse.observation.usage_details"));
    assert_true(text_is(&batch.spans[0], "langfuse.observation.cost_details",
                        "{\"input\":0.25,\"total\":1}"));
    decode_one("generation-create",
               "{\"id\":\"o\",\"traceId\":\"t\",\"usage\":{\"input\":1,\"unit\":\"CHARACTERS\"}}");
    assert_false(has(&batch.spans[0], "langfuse.observation.usage_details"));
    assert_true(text_is(&batch.spans[0], "langfuse.observation.usage",
                        "{\"input\":1,\"unit\":\"CHARACTERS\"}"));
    decode_one("generation-create",
               "{\"id\":\"o\",\"traceId\":\"t\",\"usage\":{\"input\":1,\"totalCost\":3},"
               "\"usageDetails\":{\"input\":2},\"costDetails\":{\"total\":4}}");
    assert_true(text_is(&batch.spans[0], "langfuse.observation.usage_details", "{\"input\":2}"));
    assert_true(text_is(&batch.spans[0], "langfuse.observation.cost_details", "{\"total\":4}"));
}

static void the_roots_of_a_batch_are_one_per_trace_with_the_widest_times(void **state)
{
    (void)state;
    assert_int_equal(
        decode("{\"batch\":["
               "{\"id\":\"1\",\"type\":\"span-create\",\"body\":{\"id\":\"a\",\"traceId\":\"x\","
               "\"startTime\":\"2026-11-21T10:00:02Z\",\"endTime\":\"2026-11-21T10:00:03Z\"}},"
               "{\"id\":\"2\",\"type\":\"span-create\",\"body\":{\"id\":\"b\",\"traceId\":\"y\","
               "\"startTime\":\"2026-11-21T10:00:00Z\"}},"
               "{\"id\":\"3\",\"type\":\"span-create\",\"body\":{\"id\":\"c\",\"traceId\":\"x\","
               "\"startTime\":\"2026-11-21T10:00:01Z\",\"endTime\":\"2026-11-21T10:00:02Z\"}}"
               "],\"metadata\":{\"sdk_version\":\"9.9\"}}"),
        ERR_OK);
    assert_int_equal(batch.span_count, 5);
    assert_true(str_equal_c(batch.spans[0].scope->version, "9.9"));
    for (uint32_t i = 3; i < 5; i++) {
        bool is_x = str_equal_c(batch.spans[i].source_id, "x");
        assert_int_equal(batch.spans[i].start_ns, is_x ? T0 + 1000000000 : T0);
        assert_int_equal(batch.spans[i].end_ns, is_x ? T0 + 3000000000 : 0);
    }
}

static void a_score_is_a_number_a_truth_or_a_label_of_its_target(void **state)
{
    (void)state;
    decode_one("score-create",
               "{\"id\":\"s\",\"traceId\":\"t\",\"observationId\":\"o\",\"name\":\"n\",\"value\":1,"
               "\"dataType\":\"BOOLEAN\",\"configId\":\"c\",\"metadata\":{\"k\":1}}");
    assert_int_equal(batch.score_count, 1);
    const struct score *score = &batch.scores[0].score;
    struct id16 trace_id = native_trace_id(STR_OF("t"));
    struct id8 span_id = native_span_id(STR_OF("o"));
    assert_memory_equal(&score->trace_id, &trace_id, sizeof trace_id);
    assert_memory_equal(&score->span_id, &span_id, sizeof span_id);
    assert_true(score->has_trace_id && score->has_span_id && score->has_value);
    assert_int_equal(score->type, SCORE_BOOL);
    assert_int_equal(score->attr_count, 2);
    assert_int_equal(score->time_ns, T0);
    assert_true(str_equal_c(batch.scores[0].sender_id, "s"));
    decode_one(
        "score-create",
        "{\"sessionId\":\"se\",\"name\":\"n\",\"value\":\"good\",\"dataType\":\"CATEGORICAL\"}");
    assert_int_equal(batch.scores[0].score.type, SCORE_LABEL);
    assert_true(str_equal_c(batch.scores[0].score.label, "good"));
    assert_true(str_equal_c(batch.scores[0].sender_id, "e1"));
}

static void a_member_that_is_said_twice_is_read_as_it_was_said_last(void **state)
{
    (void)state;
    decode_one("score-create", "{\"traceId\":\"t\",\"name\":\"n\",\"value\":1,\"metadata\":{\"k\":"
                               "1},\"metadata\":[1,2,3],\"a\":1,\"a\":2}");
    const struct score *score = &batch.scores[0].score;
    assert_int_equal(score->attr_count, 3);
    assert_int_equal(score->attrs[2].value.type, VALUE_ARRAY);
    decode_one("score-create", "{\"traceId\":\"t\",\"name\":\"n\",\"value\":1,\"metadata\":[1],"
                               "\"metadata\":{\"k\":1,\"l\":2}}");
    assert_int_equal(batch.scores[0].score.attr_count, 2);
}

static void events_and_attributes_are_taken_to_the_limit_and_not_past_it(void **state)
{
    (void)state;
    limits = (struct otlp_limits){ .items_max = 2, .attrs_max = 2 };
    str two = STR_OF(
        "{\"batch\":[{\"id\":\"1\",\"type\":\"sdk-log\"},{\"id\":\"2\",\"type\":\"sdk-log\"}]}");
    assert_int_equal(langfuse_batch_decode(&arena, two, &limits, &batch, &why), ERR_OK);
    str three = STR_OF("{\"batch\":[5,5,5]}");
    assert_int_equal(langfuse_batch_decode(&arena, three, &limits, &batch, &why), ERR_LIMIT);
    str many = STR_OF("{\"batch\":[{\"id\":\"1\",\"type\":\"observation-create\",\"body\":{\"id\":"
                      "\"o\",\"a\":1,\"b\":2,\"c\":3}}]}");
    assert_int_equal(langfuse_batch_decode(&arena, many, &limits, &batch, &why), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 2);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
    str scores = STR_OF("[{\"traceId\":\"t\",\"name\":\"n\",\"value\":1},5,5]");
    assert_int_equal(langfuse_score_decode(&arena, scores, &limits, &batch, &why), ERR_LIMIT);
}

static void a_spent_budget_is_told(void **state)
{
    (void)state;
    struct arena small;
    arena_init(&small, 64 * KIB);
    struct buf text;
    buf_init(&text, 4 * MIB);
    buf_add_c(&text, "{\"batch\":[");
    for (int i = 0; i < 2000; i++)
        buf_printf(
            &text,
            "%s{\"id\":\"%d\",\"type\":\"span-create\",\"body\":{\"id\":\"o\",\"name\":\"n\"}}",
            i ? "," : "", i);
    buf_add_c(&text, "]}");
    assert_int_equal(langfuse_batch_decode(&small, buf_str(&text), NULL, &batch, &why), ERR_LIMIT);
    buf_clear(&text);
    arena_clear(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_observation_is_a_part_of_a_span_and_tells_the_root_its_times),
        TEST(a_trace_is_the_root_with_what_is_said_of_the_whole),
        TEST(the_id_of_a_root_never_changes_and_is_no_observations),
        TEST(an_update_says_only_what_it_says),
        TEST(an_event_takes_no_time_and_begins_when_its_envelope_says_if_it_does_not),
        TEST(the_old_usage_becomes_the_new_one_unless_its_unit_is_another),
        TEST(the_roots_of_a_batch_are_one_per_trace_with_the_widest_times),
        TEST(a_score_is_a_number_a_truth_or_a_label_of_its_target),
        TEST(a_member_that_is_said_twice_is_read_as_it_was_said_last),
        TEST(events_and_attributes_are_taken_to_the_limit_and_not_past_it),
        TEST(a_spent_budget_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
