/* test_reply.c -- what only the bodies of request and answer say: id, model, reasoning, tools.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm_help.h"
#undef assert

#define ANSWER                                                                                     \
    "{\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],"                  \
    "\"usage\":{\"completion_tokens_details\":{\"reasoning_tokens\":4}}}"

static struct help help;

static int reset(void **state)
{
    (void)state;
    help_reset(&help);
    return 0;
}

/* A model call of OpenInference's with that answer. */
static struct span *answer(const char *asked, const char *body)
{
    help_reset(&help);
    help_text(&help, "openinference.span.kind", "LLM");
    help_text(&help, "llm.model_name", asked);
    help_text(&help, "output.value", body);
    help_attr(&help, "llm.token_count.completion", value_i64(20));
    return help_run(&help);
}

/* shows: A20 A21 */
static void id_model_and_reasoning_of_the_provider_are_found_in_its_answer(void **state)
{
    (void)state;
    struct span *span = answer("gpt-4o-mini", ANSWER);
    assert_string_equal(help_field(&help, span, "response_id"), "\"chatcmpl-1\"");
    assert_string_equal(help_field(&help, span, "request_model"), "\"gpt-4o-mini\"");
    assert_string_equal(help_field(&help, span, "generator_model"), "\"gpt-4o-mini-2024-07-18\"");
    assert_string_equal(help_field(&help, span, "reasoning"), "4");
    span =
        answer("openai/gpt-4o-mini", "{\"raw\" : {\"id\" : \"resp_2\"}, \"info\" : {\"model_name\""
                                     " : \"gpt-4o-mini-2024-07-18\"}}");
    assert_string_equal(help_field(&help, span, "response_id"), "\"resp_2\"");
    assert_string_equal(help_field(&help, span, "generator_model"), "\"gpt-4o-mini-2024-07-18\"");
}

static void what_somebody_wrote_is_not_taken_for_the_providers(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"content\":\"{\\\"id\\\":\\\"chatcmpl-9\\\",\\\"model\\\":\\\"gpt-4o-mini-x\\\"}\"}",
        "{\"id\":\"run-7\",\"model\":\"T-Ford\"}",
        "{\"id\":[\"langchain\"],\"model\":{\"gpt-4o-mini-1\":1}}",
        "{\"id\":5,\"model\":null,\"reasoning_tokens\":null}",
        "{\"id\"",
        "{\"id\":",
        "{\"id\":\"chatcmpl-",
        "{\"model\":\"gpt-4o-minister\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct span *span = answer("gpt-4o-mini", bodies[i]);
        assert_string_equal(help_field(&help, span, "response_id"), "null");
        assert_string_equal(help_field(&help, span, "generator_model"), "\"gpt-4o-mini\"");
        assert_string_equal(help_field(&help, span, "reasoning"), "null");
    }
}

static void what_an_attribute_says_wins_over_the_body(void **state)
{
    (void)state;
    help_text(&help, "openinference.span.kind", "LLM");
    help_text(&help, "llm.model_name", "gpt-4o-mini");
    help_text(&help, "gen_ai.response.id", "r-1");
    help_text(&help, "gen_ai.response.model", "other");
    help_attr(&help, "llm.token_count.completion_details.reasoning", value_i64(9));
    help_text(&help, "output.value", ANSWER);
    struct span *span = help_run(&help);
    assert_string_equal(help_field(&help, span, "response_id"), "\"r-1\"");
    assert_string_equal(help_field(&help, span, "generator_model"), "\"other\"");
    assert_string_equal(help_field(&help, span, "reasoning"), "9");
}

static void tools_of_a_whole_request_are_tools(void **state)
{
    (void)state;
    static const char tool[] = "{\"type\":\"function\",\"function\":{\"name\":\"look\"}}";
    char request[512];
    snprintf(request, sizeof request,
             "{\"tools\":[%s],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", tool);
    help_text(&help, "langfuse.observation.type", "generation");
    help_text(&help, "langfuse.observation.input", request);
    struct span *span = help_run(&help);
    char want[512];
    snprintf(want, sizeof want, "[%s]", tool);
    assert_string_equal(help_part(&help, span, CONTENT_TOOLS), want);
    assert_string_equal(help_part(&help, span, CONTENT_INPUT),
                        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}]");
}

/* shows: A31 A41 */
static void a_call_and_a_result_beside_the_parts_are_parts(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.operation.name", "chat");
    help_text(
        &help, "gen_ai.input.messages",
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"\"}],"
        "\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"parts\":[{\"type\":\"text\",\"content\":\"found\"}],"
        "\"tool_call_id\":\"c1\"}]");
    assert_string_equal(
        help_part(&help, help_run(&help), CONTENT_INPUT),
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"c1\","
        "\"name\":\"look\",\"arguments\":{}}]},{\"role\":\"tool\",\"parts\":["
        "{\"type\":\"tool_call_response\",\"id\":\"c1\",\"response\":\"found\"}]}]");
}

/* shows: A19 A20 */
static void what_kind_of_call_and_which_model_are_known_by_other_names(void **state)
{
    (void)state;
    help_text(&help, "openinference.span.kind", "EMBEDDING");
    help_text(&help, "embedding.model_name", "e5-small");
    assert_string_equal(help_field(&help, help_run(&help), "request_model"), "\"e5-small\"");
    help_reset(&help);
    help_text(&help, "haystack.component.type", "OpenAIChatGenerator");
    assert_string_equal(help_field(&help, help_run(&help), "operation"), "\"chat\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(id_model_and_reasoning_of_the_provider_are_found_in_its_answer,
                               reset),
        cmocka_unit_test_setup(what_somebody_wrote_is_not_taken_for_the_providers, reset),
        cmocka_unit_test_setup(what_an_attribute_says_wins_over_the_body, reset),
        cmocka_unit_test_setup(tools_of_a_whole_request_are_tools, reset),
        cmocka_unit_test_setup(a_call_and_a_result_beside_the_parts_are_parts, reset),
        cmocka_unit_test_setup(what_kind_of_call_and_which_model_are_known_by_other_names, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
