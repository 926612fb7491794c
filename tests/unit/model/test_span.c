/* test_span.c -- the field table, what is known and what is not, a span's JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "model/span.h"
#include <jansson.h>

static void every_field_has_its_own_names_and_place(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field_info *info = &field_table[i];
        assert_int_equal(field_by_name(str_from_c(info->name)), i);
        assert_true(strlen(info->doc) > 0);
        assert_int_equal(info->offset % 8 * (info->type == FIELD_TYPE_I64), 0);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(info->name, field_table[k].name);
            assert_string_not_equal(info->json, field_table[k].json);
            assert_int_not_equal(info->offset, field_table[k].offset);
        }
    }
    assert_int_equal(field_by_name(STR_OF("no such field")), FIELD_COUNT);
    assert_int_equal(field_by_name(STR_OF("usage.reasoning")), FIELD_reasoning);
    assert_int_equal(field_by_name(STR_OF("estimated_cost_usd")), FIELD_cost_nanousd);
}

/* A name that is one field's member and another's JSON path would be found for the wrong one. */
static void no_json_name_is_another_fields_member(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        assert_int_equal(field_by_name(str_from_c(field_table[i].json)), i);
}

/* A row out of place would close an object and open it a second time. */
static void rows_of_one_json_object_stand_together(void **state)
{
    (void)state;
    char closed[32][32];
    size_t closed_count = 0;
    char open[32] = "";
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const char *dot = strchr(field_table[i].json, '.');
        char prefix[32] = "";
        if (dot)
            snprintf(prefix, sizeof prefix, "%.*s", (int)(dot - field_table[i].json),
                     field_table[i].json);
        if (strcmp(prefix, open) == 0)
            continue;
        for (size_t k = 0; k < closed_count; k++)
            assert_string_not_equal(prefix[0] ? prefix : "-", closed[k]);
        if (open[0])
            memcpy(closed[closed_count++], open, sizeof open);
        memcpy(open, prefix, sizeof open);
    }
}

static void a_zeroed_span_knows_nothing(void **state)
{
    (void)state;
    static const struct span nothing;
    struct span span = nothing;
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        assert_false(span_knows(&span, (enum field)i));
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        span_mark(&span, (enum field)i);
        for (unsigned k = 0; k < FIELD_COUNT; k++)
            assert_int_equal(span_knows(&span, (enum field)k), k <= i);
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        span_forget(&span, (enum field)i);
        assert_false(span_knows(&span, (enum field)i));
    }
    assert_memory_equal(span.known, nothing.known, sizeof span.known);
}

static json_t *json_of(const struct span *span)
{
    struct buf out;
    json_error_t error;
    buf_init(&out, MIB);
    buf_add_char(&out, '{');
    span_fields_to_json(&out, span);
    buf_add_char(&out, '}');
    assert_false(buf_failed(&out));
    json_t *object = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(object);
    buf_clear(&out);
    return object;
}

static json_t *at_path(json_t *object, const char *path)
{
    const char *dot = strchr(path, '.');
    if (!dot)
        return json_object_get(object, path);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%.*s", (int)(dot - path), path);
    return json_object_get(json_object_get(object, prefix), dot + 1);
}

/* shows: A22 */
static void unknown_is_null_and_never_zero(void **state)
{
    (void)state;
    static const struct span nothing;
    json_t *object = json_of(&nothing);
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        assert_true(json_is_null(at_path(object, field_table[i].json)));
    json_decref(object);
}

/* shows: A49 A63 */
static void each_type_is_written_in_the_unit_of_the_api(void **state)
{
    (void)state;
    static const struct id16 trace_id = { { 0xab, 1 } };
    static const struct id8 span_id = { { 0xcd, 2 } };
    static const str reasons[] = { STR("stop"), STR("le\"ngth") };
    static const double scores[] = { 0.5, 1 };
    struct span span = { 0 };
    SPAN_SET(&span, trace_id, trace_id);
    SPAN_SET(&span, span_id, span_id);
    SPAN_SET(&span, name, STR_OF("chat \"x\""));
    SPAN_SET(&span, input_tokens, 0);
    SPAN_SET(&span, temperature, 0.25);
    SPAN_SET(&span, stream, false);
    SPAN_SET(&span, start_time, INT64_C(1795259280123456789));
    SPAN_SET(&span, latency_ns, 1500000);
    SPAN_SET(&span, cost_nanousd, 1234567);
    SPAN_SET(&span, finish_reason, (struct strs){ reasons, 2 });
    SPAN_SET(&span, document_scores, (struct f64s){ scores, 2 });
    SPAN_SET(&span, parameters, STR_OF("{\"seed\":1}"));
    json_t *object = json_of(&span);
    assert_string_equal(json_string_value(json_object_get(object, "trace_id")),
                        "ab010000000000000000000000000000");
    assert_string_equal(json_string_value(json_object_get(object, "span_id")), "cd02000000000000");
    assert_string_equal(json_string_value(json_object_get(object, "name")), "chat \"x\"");
    assert_true(json_is_integer(json_object_get(object, "input_tokens"))); /* a known zero is 0 */
    assert_true(json_is_false(json_object_get(object, "stream")));
    assert_string_equal(json_string_value(json_object_get(object, "start_time")),
                        "2026-11-21T11:08:00.123456789Z");
    assert_true(json_number_value(json_object_get(object, "latency_ms")) == 1.5);
    assert_true(json_number_value(json_object_get(object, "estimated_cost_usd")) == 0.001234567);
    assert_int_equal(json_array_size(json_object_get(object, "finish_reason")), 2);
    assert_int_equal(json_array_size(json_object_get(object, "document_scores")), 2);
    assert_int_equal(json_integer_value(at_path(object, "parameters.seed")), 1);
    json_decref(object);
}

static void parts_are_held_to_their_limit(void **state)
{
    (void)state;
    struct span span = { 0 };
    assert_null(span_part(&span, CONTENT_INPUT));
    for (int i = 0; i < SPAN_PARTS_MAX; i++)
        assert_true(span_add_part(&span, i ? CONTENT_OTHER : CONTENT_INPUT, STR_OF("1")));
    assert_false(span_add_part(&span, CONTENT_OUTPUT, STR_OF("2")));
    assert_int_equal(span.part_count, SPAN_PARTS_MAX);
    assert_ptr_equal(span_part(&span, CONTENT_INPUT), &span.parts[0]);
    assert_ptr_equal(span_part(&span, CONTENT_OTHER), &span.parts[1]);
    assert_null(span_part(&span, CONTENT_OUTPUT));
}

static void every_role_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < CONTENT_ROLE_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(content_role_name((enum content_role)i),
                                    content_role_name((enum content_role)k));
    assert_string_equal(content_role_name(CONTENT_INPUT), "input");
    assert_string_equal(content_role_name(CONTENT_OTHER), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_own_names_and_place),
        cmocka_unit_test(no_json_name_is_another_fields_member),
        cmocka_unit_test(rows_of_one_json_object_stand_together),
        cmocka_unit_test(a_zeroed_span_knows_nothing),
        cmocka_unit_test(unknown_is_null_and_never_zero),
        cmocka_unit_test(each_type_is_written_in_the_unit_of_the_api),
        cmocka_unit_test(parts_are_held_to_their_limit),
        cmocka_unit_test(every_role_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
