/* test_mapping.c -- the operator's rows: what wins, what is dropped, what is said of bad ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"
#include "norm_help.h"
#undef assert

static struct help help;
static struct mapping *mapping;

#define FIELD_IS(span, name, json) assert_string_equal(help_field(&help, span, name), json)
#define KEPT_IS(span, key, json) assert_string_equal(help_kept(&help, span, key), json)

static void use(const char *yaml)
{
    struct diag why = DIAG_NONE;
    mapping_free(mapping);
    mapping = NULL;
    if (mapping_load(STR_OF("m.yaml"), str_from_c(yaml), &mapping, &why))
        fail_msg("%s", why.text);
    help.config.mapping = mapping;
}

static int reset(void **state)
{
    (void)state;
    help_reset(&help);
    return 0;
}

static int done(void **state)
{
    (void)state;
    mapping_free(mapping);
    mapping = NULL;
    arena_clear(&help.arena);
    return 0;
}

/* ---- what comes out ---- */

static void a_private_name_becomes_a_field_of_each_kind(void **state)
{
    (void)state;
    use("acme.model: request_model\n"
        "acme.in: input_tokens\n"
        "acme.out: output_tokens\n"
        "acme.cached: usage.cache_read\n"
        "acme.chat: session_id\n"
        "acme.temp: temperature\n"
        "acme.stream: stream\n"
        "acme.ids: source_ids\n"
        "acme.wait: { field: queue_ms, as: seconds }\n"
        "acme.first: { field: ttft_ms, as: milliseconds }\n"
        "acme.vendor: provider\n"
        "acme.usd: cost.sender_usd\n"
        "acme.verdict: guard.verdict\n");
    help_text(&help, "acme.model", "m-1");
    help_attr(&help, "acme.in", value_i64(12));
    help_attr(&help, "acme.out", value_i64(3));
    help_attr(&help, "acme.cached", value_i64(2));
    help_attr(&help, "acme.chat", value_i64(77));
    help_text(&help, "acme.temp", "0.5");
    help_attr(&help, "acme.stream", value_bool(true));
    help_text(&help, "acme.ids", "a,b");
    help_attr(&help, "acme.wait", value_f64(1.5));
    help_attr(&help, "acme.first", value_i64(40));
    help_text(&help, "acme.vendor", "azure_openai");
    help_text(&help, "acme.usd", "0.25");
    help_attr(&help, "acme.verdict", value_bool(false));
    struct span *span = help_run(&help);
    FIELD_IS(span, "request_model", "\"m-1\"");
    FIELD_IS(span, "input_tokens", "12");
    FIELD_IS(span, "output_tokens", "3");
    FIELD_IS(span, "cache_read", "2");
    FIELD_IS(span, "input_fresh", "10");
    FIELD_IS(span, "session_id", "\"77\"");
    FIELD_IS(span, "temperature", "0.5");
    FIELD_IS(span, "stream", "true");
    FIELD_IS(span, "source_ids", "[\"a\",\"b\"]");
    FIELD_IS(span, "queue_ms", "1500");
    FIELD_IS(span, "ttft_ms", "40");
    FIELD_IS(span, "provider", "\"azure.ai.openai\"");
    FIELD_IS(span, "cost.sender_usd", "0.25");
    FIELD_IS(span, "guard.verdict", "\"fail\"");
    KEPT_IS(span, "acme.model", "(none)");
}

static void an_operators_row_beats_a_built_in_one_wherever_it_stands(void **state)
{
    (void)state;
    use("acme.model: request_model\n"
        "acme.env: environment\n"
        "gen_ai.system: feature\n");
    help_text(&help, "gen_ai.request.model", "theirs");
    help_text(&help, "acme.model", "ours");
    help_text(&help, "gen_ai.system", "openai");
    help_resource(&help, "acme.env", "ours");
    help_text(&help, "environment", "theirs");
    struct span *span = help_run(&help);
    FIELD_IS(span, "request_model", "\"ours\"");
    KEPT_IS(span, "gen_ai.request.model", "\"theirs\"");
    FIELD_IS(span, "environment", "\"ours\"");
    KEPT_IS(span, "environment", "\"theirs\"");
    FIELD_IS(span, "feature", "\"openai\"");
    FIELD_IS(span, "provider", "null");
    FIELD_IS(span, "dialect", "\"otel-genai\"");
}

static void of_the_operators_rows_the_span_then_the_first_line_wins(void **state)
{
    (void)state;
    use("acme.a: tenant_id\nacme.b: tenant_id\n");
    help_text(&help, "acme.b", "second");
    help_text(&help, "acme.a", "first");
    help_resource(&help, "acme.a", "of the resource");
    FIELD_IS(help_run(&help), "tenant_id", "\"first\"");
    help_reset(&help);
    help.config.mapping = mapping;
    help_text(&help, "acme.b", "of the span");
    help_resource(&help, "acme.a", "of the resource");
    FIELD_IS(help_run(&help), "tenant_id", "\"of the span\"");
}

static void keep_leaves_the_attribute_too_and_an_unreadable_value_stays(void **state)
{
    (void)state;
    use("acme.t: { field: tenant_id, keep: true }\nacme.n: max_tokens\n");
    help_text(&help, "acme.t", "x");
    help_text(&help, "acme.n", "many");
    struct span *span = help_run(&help);
    FIELD_IS(span, "tenant_id", "\"x\"");
    KEPT_IS(span, "acme.t", "\"x\"");
    FIELD_IS(span, "max_tokens", "null");
    KEPT_IS(span, "acme.n", "\"many\"");
}

static void ignore_drops_an_attribute_and_counts_it(void **state)
{
    (void)state;
    use("acme.noise: ignore\nacme.debug.*: ignore\nacme.host: ignore\n");
    help_text(&help, "acme.noise", "x");
    help_text(&help, "acme.debug.a", "x");
    help_text(&help, "acme.debug.", "the bare prefix is no name of it");
    help_text(&help, "acme.noisy", "x");
    help_resource(&help, "acme.host", "x");
    struct span *span = help_run(&help);
    assert_int_equal(span->attr_count, 2);
    KEPT_IS(span, "acme.noisy", "\"x\"");
    assert_int_equal(span->dropped_attr_count, 3);
    assert_false(help_flagged(span, "attributes_dropped"));
}

static void a_row_of_a_scope_counts_there_only_and_beats_the_general_one(void **state)
{
    (void)state;
    use("acme.x: user_id\n"
        "mappings:\n"
        "  - { attribute: acme.x, field: tenant_id, scope: acme.tracer }\n"
        "  - { attribute: acme.x, field: feature, scope: \"lib.*\" }\n");
    static const struct {
        const char *scope, *field;
    } cases[] = { { "acme.tracer", "tenant_id" },
                  { "acme.tracer2", "user_id" },
                  { "lib.one", "feature" },
                  { "", "user_id" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        help_reset(&help);
        help.config.mapping = mapping;
        help.scope.name = str_from_c(cases[i].scope);
        help_text(&help, "acme.x", "v");
        FIELD_IS(help_run(&help), cases[i].field, "\"v\"");
    }
}

static void a_row_of_a_dialect_counts_in_spans_of_it_only(void **state)
{
    (void)state;
    use("acme.x: { field: tenant_id, dialect: openinference }\n");
    for (int turn = 0; turn < 2; turn++) {
        help_reset(&help);
        help.config.mapping = mapping;
        help_text(&help, "acme.x", "v");
        help_text(&help, turn ? "openinference.span.kind" : "traceloop.span.kind", "tool");
        FIELD_IS(help_run(&help), "tenant_id", turn ? "\"v\"" : "null");
    }
}

static void strip_looks_the_rest_of_the_name_up(void **state)
{
    (void)state;
    use("acme.*: strip\nour_tenant: tenant_id\nacme.secret: ignore\n");
    help_text(&help, "acme.gen_ai.request.model", "m");
    help_text(&help, "acme.our_tenant", "t");
    help_text(&help, "acme.other", "o");
    help_text(&help, "acme.secret", "s");
    help_text(&help, "langfuse.trace.metadata.our_tenant", "beaten");
    struct span *span = help_run(&help);
    FIELD_IS(span, "request_model", "\"m\"");
    FIELD_IS(span, "tenant_id", "\"t\"");
    KEPT_IS(span, "acme.other", "\"o\"");
    KEPT_IS(span, "acme.secret", "(none)");
    KEPT_IS(span, "langfuse.trace.metadata.our_tenant", "\"beaten\"");
}

static void the_longer_prefix_is_asked_first(void **state)
{
    (void)state;
    use("acme.*: ignore\nacme.in.*: strip\nacme.in.keep: feature\n");
    help_text(&help, "acme.x", "x");
    help_text(&help, "acme.in.tenant_id", "t");
    help_text(&help, "acme.in.keep", "k");
    struct span *span = help_run(&help);
    FIELD_IS(span, "tenant_id", "\"t\"");
    FIELD_IS(span, "feature", "\"k\"");
    assert_int_equal(span->attr_count, 0);
}

static void private_prompts_are_content_and_leave_no_attribute(void **state)
{
    (void)state;
    use("acme.ask.*: content.input\nacme.say: content.output\nacme.blob.*: content.other\n");
    help_text(&help, "acme.ask.0.role", "user");
    help_text(&help, "acme.ask.0.content", "hello");
    help_text(&help, "acme.ask.count", "no number behind the prefix");
    help_text(&help, "acme.say", "good day");
    help_text(&help, "acme.blob.x", "text");
    struct span *span = help_run(&help);
    assert_string_equal(
        help_part(&help, span, CONTENT_INPUT),
        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hello\"}]}]");
    assert_non_null(strstr(help_part(&help, span, CONTENT_OUTPUT), "good day"));
    assert_string_equal(help_part(&help, span, CONTENT_OTHER), "{\"acme.blob.x\":\"text\"}");
    assert_int_equal(span->attr_count, 1);
}

static void the_step_can_come_from_a_private_attribute(void **state)
{
    (void)state;
    use("acme.kind: step\n");
    static const char *const words[][2] = { { "search", "\"search\"" },
                                            { "LLM", "\"model\"" },
                                            { "nonsense", "\"tool\"" } };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        help_reset(&help);
        help.config.mapping = mapping;
        help_text(&help, "gen_ai.operation.name", "execute_tool");
        help_text(&help, "acme.kind", words[i][0]);
        FIELD_IS(help_run(&help), "step", words[i][1]);
    }
}

static void members_of_a_metadata_object_are_looked_up_too(void **state)
{
    (void)state;
    use("our_tenant: tenant_id\n");
    help_text(&help, "metadata", "{\"our_tenant\":\"t\"}");
    FIELD_IS(help_run(&help), "tenant_id", "\"t\"");
}

/* ---- what is said of each attribute ---- */

static void each_attribute_can_be_explained(void **state)
{
    (void)state;
    use("acme.model: request_model\nacme.noise: ignore\nacme.n: max_tokens\n");
    help_text(&help, "acme.model", "m");
    help_text(&help, "gen_ai.request.model", "theirs");
    help_text(&help, "acme.noise", "x");
    help_text(&help, "acme.n", "many");
    help_text(&help, "acme.gap", "x");
    help_text(&help, "input.value", "hello");
    help_resource(&help, "service.name", "shop");
    struct norm_explained explained[1];
    help.config.explained = explained;
    help_run(&help);
    static const struct {
        const char *attribute, *target;
        enum norm_fate fate;
        uint32_t line;
    } expected[] = { { "acme.model", "request_model", NORM_FATE_USED, 1 },
                     { "gen_ai.request.model", "request_model", NORM_FATE_BEATEN, 0 },
                     { "acme.noise", "", NORM_FATE_IGNORED, 2 },
                     { "acme.n", "max_tokens", NORM_FATE_UNREADABLE, 3 },
                     { "acme.gap", "", NORM_FATE_UNMAPPED, 0 },
                     { "input.value", "content.input", NORM_FATE_USED, 0 },
                     { "service.name", "service", NORM_FATE_USED, 0 } };
    assert_int_equal(explained[0].count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct norm_origin *origin = &explained[0].origins[i];
        assert_true(str_equal_c(origin->attribute, expected[i].attribute));
        assert_true(str_equal_c(origin->target, expected[i].target));
        assert_int_equal(origin->fate, expected[i].fate);
        assert_int_equal(origin->line, expected[i].line);
    }
}

/* ---- the file ---- */

static void a_bad_row_is_named_with_line_and_what_was_probably_meant(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *text, *hint;
    } cases[] = {
        { "a.b: user_id\na.c: request_mdoel\n", "m.yaml:2:1: unknown field 'request_mdoel'",
          "did you mean 'request_model'?" },
        { "a.b: project\n", "m.yaml:1:1: 'project' is set by the server and cannot be mapped", "" },
        { "a.b: estimated_cost_usd\n",
          "m.yaml:1:1: 'estimated_cost_usd' is set by the server and cannot be mapped", "" },
        { "a.b: queue_ms\n", "m.yaml:1:1: queue_ms needs as: seconds or milliseconds", "" },
        { "a*: ignore\n", "m.yaml:1:1: '*' stands at the end of a name, after 2 characters or more",
          "" },
        { "a.*.b: ignore\n",
          "m.yaml:1:1: '*' stands at the end of a name, after 2 characters or more", "" },
        { "a.*: user_id\n", "m.yaml:1:1: a name with '*' cannot become one field",
          "it can be ignore, strip, content.input, content.output, content.tools, "
          "content.documents or content.other" },
        { "a.b: strip\n", "m.yaml:1:1: strip is for a name that ends in '*'", "" },
        { "a.b:\n  field: temperature\n  as: numbr\n", "m.yaml:3:3: unknown reading 'numbr'",
          "did you mean 'number'?" },
        { "a.b: { field: temperature, as: text }\n",
          "m.yaml:1:28: temperature is read as one of: number", "" },
        { "a.b: { field: user_id, ass: text }\n", "m.yaml:1:24: unknown key 'ass'",
          "did you mean 'as'?" },
        { "a.b: { field: user_id, dialect: openinferense }\n",
          "m.yaml:1:24: unknown dialect 'openinferense'", "did you mean 'openinference'?" },
        { "a.b: { field: user_id, keep: yes }\n", "m.yaml:1:24: keep must be true or false", "" },
        { "a.b: { as: text }\n", "m.yaml:1:1: a row needs field:", "" },
        { "mappings:\n  - { field: user_id }\n",
          "m.yaml:2:5: a row of a list needs attribute:", "" },
        { "mappings:\n  - { attribute: a, field: user_id }\n  - { attribute: a, field: release }\n",
          "m.yaml:3:5: 'a' has a row already: line 2", "" },
        { "a.b: [user_id]\n", "m.yaml:1:1: a row is a field's name or a map of keys", "" },
        { "a.b:\n", "m.yaml:1:1: field must be a name", "" },
        { "just text\n", "m.yaml:1:1: the file must be a map of attributes", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mapping *bad = NULL;
        struct diag why = DIAG_NONE;
        assert_int_equal(mapping_load(STR_OF("m.yaml"), str_from_c(cases[i].yaml), &bad, &why),
                         ERR_BAD_INPUT);
        assert_null(bad);
        assert_string_equal(why.text, cases[i].text);
        assert_string_equal(why.hint, cases[i].hint);
    }
}

static void a_file_has_at_most_1024_rows(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml, MIB);
    for (int i = 0; i < 1024; i++)
        buf_printf(&yaml, "a.%d: user_id\n", i);
    struct mapping *full = NULL;
    struct diag why = DIAG_NONE;
    assert_int_equal(mapping_load(STR_OF("m"), buf_str(&yaml), &full, &why), ERR_OK);
    assert_int_equal(mapping_row_count(full), 1024);
    help.config.mapping = full;
    help_text(&help, "a.1023", "last");
    FIELD_IS(help_run(&help), "user_id", "\"last\"");
    mapping_free(full);
    full = NULL;
    buf_add_c(&yaml, "a.one_more: user_id\n");
    assert_int_equal(mapping_load(STR_OF("m"), buf_str(&yaml), &full, &why), ERR_LIMIT);
    assert_null(full);
    buf_clear(&yaml);
}

static void every_field_that_is_not_the_servers_can_be_mapped(void **state)
{
    (void)state;
    unsigned mapped = 0;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        char yaml[200];
        bool is_duration = field_table[i].type == FIELD_TYPE_NS;
        snprintf(yaml, sizeof yaml, "acme.x: { field: %s%s }", field_table[i].json,
                 is_duration ? ", as: seconds" : "");
        struct mapping *one = NULL;
        struct diag why = DIAG_NONE;
        enum err err = mapping_load(STR_OF("m"), str_from_c(yaml), &one, &why);
        if (err) {
            assert_non_null(strstr(why.text, "is set by the server"));
            continue;
        }
        mapped++;
        help_reset(&help);
        help.config.mapping = one;
        help_text(&help, "acme.x", "1");
        struct span *span = help_run(&help);
        if (!span_knows(span, (enum field)i))
            fail_msg("%s was mapped and is not known", field_table[i].json);
        mapping_free(one);
    }
    assert_true(mapped > 60);
}

static void the_built_in_rows_can_be_listed(void **state)
{
    (void)state;
    struct mapping_row_info row;
    size_t count = 0;
    bool has_model = false, has_prefix = false;
    for (; mapping_built_in(count, &row); count++) {
        assert_true(row.attribute.len > 0 && row.field.len > 0);
        has_model =
            has_model || (str_equal_c(row.attribute, "llm.token_count.prompt") &&
                          str_equal_c(row.field, "input_tokens") && str_equal_c(row.as, "count") &&
                          str_equal_c(row.dialect, "openinference"));
        has_prefix = has_prefix || (str_equal_c(row.attribute, "llm.input_messages.*") &&
                                    str_equal_c(row.field, "content.input"));
    }
    assert_true(count > dialect_row_count());
    assert_true(has_model && has_prefix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_private_name_becomes_a_field_of_each_kind, reset),
        cmocka_unit_test_setup(an_operators_row_beats_a_built_in_one_wherever_it_stands, reset),
        cmocka_unit_test_setup(of_the_operators_rows_the_span_then_the_first_line_wins, reset),
        cmocka_unit_test_setup(keep_leaves_the_attribute_too_and_an_unreadable_value_stays, reset),
        cmocka_unit_test_setup(ignore_drops_an_attribute_and_counts_it, reset),
        cmocka_unit_test_setup(a_row_of_a_scope_counts_there_only_and_beats_the_general_one, reset),
        cmocka_unit_test_setup(a_row_of_a_dialect_counts_in_spans_of_it_only, reset),
        cmocka_unit_test_setup(strip_looks_the_rest_of_the_name_up, reset),
        cmocka_unit_test_setup(the_longer_prefix_is_asked_first, reset),
        cmocka_unit_test_setup(private_prompts_are_content_and_leave_no_attribute, reset),
        cmocka_unit_test_setup(the_step_can_come_from_a_private_attribute, reset),
        cmocka_unit_test_setup(members_of_a_metadata_object_are_looked_up_too, reset),
        cmocka_unit_test_setup(each_attribute_can_be_explained, reset),
        cmocka_unit_test_setup(a_bad_row_is_named_with_line_and_what_was_probably_meant, reset),
        cmocka_unit_test_setup(a_file_has_at_most_1024_rows, reset),
        cmocka_unit_test_setup(every_field_that_is_not_the_servers_can_be_mapped, reset),
        cmocka_unit_test_setup(the_built_in_rows_can_be_listed, reset),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
