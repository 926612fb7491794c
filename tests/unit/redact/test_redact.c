/* test_redact.c -- texts, JSON, whole spans, previews, the rules compiled at build.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "redact_fixture.h"
#include "sys/file.h"
#include "wire/json.h"
#include <stdio.h>

/* An OpenAI-like key from pieces: "sk" and `len` characters. */
static const char *key_make(struct fixture *fixture, unsigned len)
{
    char body[64];
    assert_true(len < sizeof body);
    for (unsigned i = 0; i < len; i++)
        body[i] = "Q7w_e-R2"[i % 8];
    return arena_printf(&fixture->arena, "%s-%.*s", "sk", (int)len, body).ptr;
}

static const char *joined(struct fixture *fixture, const char *before, const char *key,
                          const char *after)
{
    return arena_printf(&fixture->arena, "%s%s%s", before, key, after).ptr;
}

/* shows: P1 */
static void the_three_patterns_of_p1_are_exact(void **state)
{
    struct fixture *fixture = *state;
    const char *at = joined(fixture, "a ", key_make(fixture, 20), " b");
    const char *below = joined(fixture, "a ", key_make(fixture, 19), " b");
    assert_string_equal(plain(fixture, at), "a [REDACTED] b");
    assert_string_equal(plain(fixture, below), below);
    const char *aws = joined(fixture,
                             "x"
                             "AKIA",
                             "ABCDEFGH01234567", "z");
    const char *short_aws = joined(fixture, "AKIA", "ABCDEFGH0123456", "z");
    assert_string_equal(plain(fixture, aws), "x[REDACTED]z");
    assert_string_equal(plain(fixture, short_aws), short_aws);
    assert_string_equal(plain(fixture, "the PassWord : 'open sesame' x"),
                        "the [REDACTED] sesame' x");
    assert_string_equal(plain(fixture, "api_key=abc;d e"), "[REDACTED] e");
    assert_string_equal(plain(fixture, "client_secret = \"s\""), "client_[REDACTED]\"");
    assert_string_equal(plain(fixture, "password: \n x"), "[REDACTED]");
    assert_string_equal(plain(fixture, "password: "), "password: ");
    assert_string_equal(plain(fixture, "password ''x"), "password ''x");
}

/* shows: P1 */
static void a_private_key_goes_as_a_block(void **state)
{
    struct fixture *fixture = *state;
    str text = arena_printf(&fixture->arena,
                            "a\n-----%s RSA PRIVATE KEY-----\nMIIE\nabcd\n-----%s "
                            "RSA PRIVATE KEY-----\nb",
                            "BEGIN", "END");
    assert_string_equal(plain(fixture, text.ptr), "a\n[REDACTED]\nb");
    str open = arena_printf(&fixture->arena, "a -----%s PRIVATE KEY-----\nMIIEabcd", "BEGIN");
    assert_string_equal(plain(fixture, open.ptr), "a [REDACTED]");
    str public = arena_printf(&fixture->arena, "-----%s PUBLIC KEY-----", "BEGIN");
    assert_string_equal(plain(fixture, public.ptr), public.ptr);
}

/* shows: P2 */
static void replacement_follows_the_policy(void **state)
{
    struct fixture *fixture = *state;
    const char *text = "mail jane@example.com";
    assert_string_equal(plain(fixture, text), "mail [REDACTED]");
    assert_string_equal(named(fixture, text), "mail [REDACTED:email]");
    fixture->policy.pii = REDACT_HASH;
    const char *first = plain(fixture, text);
    assert_string_equal(plain(fixture, text), first);
    assert_string_equal(plain(fixture, first), first);
    assert_int_equal(strlen(first), strlen("mail [email:0123456789ab]"));
    assert_memory_equal(first, "mail [email:", 12);
    fixture->policy.pii = REDACT_KEEP;
    assert_string_equal(plain(fixture, text), text);
    fixture->policy.secrets = REDACT_KEEP; /* refused */
    assert_string_equal(plain(fixture, "secret=x"), "[REDACTED]");
    fixture->policy = redact_policy_default;
}

static str part(struct fixture *fixture, const char *json)
{
    str safe;
    assert_int_equal(
        part_redact(fixture->scratch, &fixture->policy, &fixture->arena, str_from_c(json), &safe),
        ERR_OK);
    assert_true(json_check(safe));
    return safe;
}

static void assert_part(struct fixture *fixture, const char *json, const char *expected)
{
    str safe = part(fixture, json);
    str copy = arena_printf(&fixture->arena, "%.*s", STR_ARG(safe));
    assert_string_equal(copy.ptr, expected);
}

/* shows: P1 P2 */
static void json_stays_json_and_only_leaves_change(void **state)
{
    struct fixture *fixture = *state;
    assert_part(fixture, "[1, {\"a\" : \"x@example.com\"} ]", "[1, {\"a\" : \"[REDACTED]\"} ]");
    assert_part(fixture, "{\"x@example.com\": 1}", "{\"[REDACTED]\": 1}");
    assert_part(fixture, "{\"password\" : \"abc\",\"n\":\"password\"}",
                "{\"password\" : \"[REDACTED]\",\"n\":\"password\"}");
    assert_part(fixture, "{\"api_key\":[\"abc\",\"def\"]}",
                "{\"api_key\":[\"[REDACTED]\",\"[REDACTED]\"]}");
    assert_part(fixture, "{\"password\":{\"type\":\"string\"}}",
                "{\"password\":{\"type\":\"string\"}}");
    assert_part(fixture, "{\"card\":4111111111111111}", "{\"card\":\"[REDACTED]\"}");
    assert_part(fixture, "{\"ssn\":536904399}", "{\"ssn\":\"[REDACTED]\"}");
    assert_part(fixture, "\"plain\"", "\"plain\"");
    assert_part(fixture, "{}", "{}");
}

/* shows: P1 */
static void a_secret_written_with_escapes_is_found(void **state)
{
    struct fixture *fixture = *state;
    assert_part(fixture, "\"a\\n\\u0070assword=\\u0041bc \\\"q\\\"\"",
                "\"a\\n[REDACTED] \\\"q\\\"\"");
    assert_part(fixture, "{\"a\":{\"b\":[\"x\\u0040example.com\"]}}",
                "{\"a\":{\"b\":[\"[REDACTED]\"]}}");
    assert_part(fixture, "{\"arguments\":\"{\\\"password\\\":\\\"hunter2\\\"}\"}",
                "{\"arguments\":\"{\\\"password\\\":\\\"[REDACTED]\\\"}\"}");
}

static str preview_of(struct fixture *fixture, const char *input, const char *output)
{
    struct span span = { .part_count = 0 };
    struct batch batch = { .spans = &span, .span_count = 1 };
    assert_true(span_add_part(&span, CONTENT_INPUT, str_from_c(input)));
    if (output)
        assert_true(span_add_part(&span, CONTENT_OUTPUT, str_from_c(output)));
    assert_int_equal(redact_batch(fixture->redactor, fixture->scratch, &fixture->policy,
                                  &fixture->arena, &batch, NULL),
                     ERR_OK);
    const struct content_part *preview = span_part(&span, CONTENT_PREVIEW);
    assert_non_null(preview);
    assert_true(json_check(preview->json));
    return arena_printf(&fixture->arena, "%.*s", STR_ARG(preview->json));
}

static const char *repeated(struct fixture *fixture, char c, size_t count, const char *after)
{
    char *text = arena_alloc(&fixture->arena, count + 1);
    assert_non_null(text);
    memset(text, c, count);
    text[count] = '\0';
    return arena_printf(&fixture->arena,
                        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\","
                        "\"content\":\"%s%s\"}]}]",
                        text, after)
        .ptr;
}

/* shows: A37 P3 */
static void a_preview_is_cut_past_500_characters(void **state)
{
    struct fixture *fixture = *state;
    str at = preview_of(fixture, repeated(fixture, '.', 500, ""), NULL);
    str past = preview_of(fixture, repeated(fixture, '.', 501, ""), NULL);
    assert_null(strstr(at.ptr, "TRUNCATED"));
    assert_int_equal(at.len, strlen("{\"input\":\"\",\"output\":null}") + 500);
    assert_non_null(strstr(past.ptr, "....[TRUNCATED]\""));
    assert_int_equal(past.len, at.len + strlen("...[TRUNCATED]"));
}

/* shows: A37 P3 */
static void a_secret_at_the_edge_of_a_preview_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    const char *key = joined(fixture, " ", key_make(fixture, 40), "");
    for (size_t before = 455; before <= 500; before++) {
        str preview = preview_of(fixture, repeated(fixture, '.', before, key), NULL);
        assert_null(strstr(preview.ptr, "sk-"));
        assert_null(strstr(preview.ptr, "Q7w"));
    }
}

/* shows: A37 */
static void a_preview_shows_the_last_question_and_the_answer(void **state)
{
    struct fixture *fixture = *state;
    str preview = preview_of(
        fixture,
        "[{\"role\":\"user\",\"content\":\"first\"},{\"role\":\"assistant\",\"content\":\"so\"},"
        "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"sec\\u00f6nd\"}]},"
        "{\"role\":\"tool\",\"content\":\"x\"}]",
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"yes\"}]}]");
    assert_string_equal(preview.ptr, "{\"input\":\"sec\xc3\xb6nd\",\"output\":\"yes\"}");
    preview = preview_of(fixture, "\"just text\"", "{\"text\":\"odd\",\"n\":1}");
    assert_string_equal(preview.ptr, "{\"input\":\"just text\",\"output\":\"odd\"}");
    preview = preview_of(
        fixture,
        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"see\"},{\"type\":\"blob\","
        "\"mime_type\":\"image/png\",\"content\":\"AAAA\"}]}]",
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"c\",\"name\":"
        "\"look\","
        "\"arguments\":{\"content\":\"x\"}}]}]");
    assert_string_equal(preview.ptr, "{\"input\":\"see\\n[image/png]\",\"output\":\"→ look\"}");
    preview = preview_of(fixture, "[]", "7");
    assert_string_equal(preview.ptr, "{\"input\":null,\"output\":null}");
}

static struct batch *span_with_everything(struct fixture *fixture, const char *secret)
{
    struct arena *arena = &fixture->arena;
    str text = str_from_c(secret);
    struct span *span = arena_new(arena, struct span, 1);
    struct attr *attrs = arena_new(arena, struct attr, 4);
    struct attr *inner = arena_new(arena, struct attr, 1);
    struct value *items = arena_new(arena, struct value, 2);
    struct span_link *link = arena_new(arena, struct span_link, 1);
    struct log_record *log = arena_new(arena, struct log_record, 1);
    struct metric_point *metric = arena_new(arena, struct metric_point, 1);
    struct batch *batch = arena_new(arena, struct batch, 1);
    str *ids = arena_new(arena, str, 2);
    assert_non_null(ids);
    items[0] = value_str(STR_OF("ok"));
    items[1] = value_str(text);
    inner[0] = (struct attr){ STR_OF("deep"), value_str(text) };
    attrs[0] = (struct attr){ text, value_i64(1) };
    attrs[1] = (struct attr){ STR_OF("list"), { .type = VALUE_ARRAY, .count = 2, .items = items } };
    attrs[2] = (struct attr){ STR_OF("map"), { .type = VALUE_MAP, .count = 1, .attrs = inner } };
    attrs[3] = (struct attr){ STR_OF("bytes"), { .type = VALUE_BYTES, .text = text } };
    ids[0] = STR_OF("doc-1");
    ids[1] = text;
    SPAN_SET(span, name, text);
    SPAN_SET(span, status_message, text);
    SPAN_SET(span, request_model, text);
    SPAN_SET(span, source_ids, (struct strs){ ids, 2 });
    SPAN_SET(span, parameters, arena_printf(arena, "{\"stop\":\"%s\"}", secret));
    span->attrs = attrs;
    span->attr_count = 4;
    SPAN_SET(span, events,
             arena_printf(arena, "[{\"name\":\"%s\",\"attributes\":{\"deep\":\"%s\"}}]", secret,
                          secret));
    *link = (struct span_link){ .attrs = arena_new(arena, struct attr, 1), .attr_count = 1 };
    link->attrs[0] = (struct attr){ STR_OF("why"), value_str(text) };
    span->links = link;
    span->link_count = 1;
    for (int role = 0; role < CONTENT_ROLE_COUNT; role++)
        if (role != CONTENT_PREVIEW)
            assert_true(span_add_part(span, (enum content_role)role,
                                      arena_printf(arena, "[{\"content\":\"%s\"}]", secret)));
    log->body_json = arena_printf(arena, "\"%s\"", secret);
    log->attrs = arena_new(arena, struct attr, 1);
    log->attrs[0] = (struct attr){ STR_OF("exception.message"), value_str(text) };
    log->attr_count = 1;
    metric->attrs = arena_new(arena, struct attr, 1);
    metric->attrs[0] = (struct attr){ STR_OF("x"), value_str(text) };
    metric->attr_count = 1;
    *batch = (struct batch){ .spans = span,
                             .span_count = 1,
                             .logs = log,
                             .log_count = 1,
                             .metrics = metric,
                             .metric_count = 1 };
    return batch;
}

/* shows: P1 P22 */
static void no_field_of_a_batch_keeps_a_secret(void **state)
{
    struct fixture *fixture = *state;
    struct buf encoded;
    buf_init(&encoded, 1 << 20);
    const char *secret = key_make(fixture, 33);
    struct batch *batch = span_with_everything(fixture, secret);
    batch_encode(&encoded, batch);
    assert_true(str_find(buf_str(&encoded), str_from_c(secret)) < encoded.len);
    assert_int_equal(redact_batch(fixture->redactor, fixture->scratch, &fixture->policy,
                                  &fixture->arena, batch, NULL),
                     ERR_OK);
    buf_reset(&encoded);
    batch_encode(&encoded, batch);
    assert_int_equal(str_find(buf_str(&encoded), str_from_c(secret)), encoded.len);
    assert_true(str_equal_c(batch->spans->attrs[0].key, "[REDACTED]"));
    assert_true(SPAN_KNOWS(batch->spans, redactions));
    assert_true(json_check(batch->spans->redactions));
    assert_true(str_starts(batch->spans->redactions, STR_OF("{\"openai_key\":")));
    buf_clear(&encoded);
}

static void a_value_is_judged_by_the_name_of_its_attribute(void **state)
{
    struct fixture *fixture = *state;
    struct attr attrs[] = {
        { STR("app.db.password"), value_str(STR_OF("abc")) },
        { STR("http.request.header.authorization"), value_str(STR_OF("Token x")) },
        { STR("customer.ssn"), value_str(STR_OF("536904399")) },
        { STR("order.number"), value_str(STR_OF("536904399")) },
        { STR("card"), value_i64(INT64_C(4111111111111111)) },
        { STR("gen_ai.usage.output_tokens"), value_str(STR_OF("120")) },
    };
    struct span span = { .attrs = attrs, .attr_count = COUNT_OF(attrs) };
    struct batch batch = { .spans = &span, .span_count = 1 };
    for (unsigned round = 0; round < 2; round++)
        assert_int_equal(redact_batch(fixture->redactor, fixture->scratch, &fixture->policy,
                                      &fixture->arena, &batch, NULL),
                         ERR_OK);
    for (size_t i = 0; i < 3; i++)
        assert_true(str_equal_c(attrs[i].value.text, "[REDACTED]"));
    assert_true(str_equal_c(attrs[3].value.text, "536904399"));
    assert_int_equal(attrs[4].value.type, VALUE_STR);
    assert_true(str_equal_c(attrs[5].value.text, "120"));
}

/* shows: A9 P13 T6 */
static void identity_follows_its_own_policy(void **state)
{
    struct fixture *fixture = *state;
    static const enum redact_action actions[] = { REDACT_KEEP, REDACT_HASH, REDACT_MASK };
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        struct span spans[2] = { { .attr_count = 0 } };
        SPAN_SET(&spans[0], user_id, STR_OF("user-7"));
        SPAN_SET(&spans[1], user_id, STR_OF("jane@example.com"));
        struct batch batch = { .spans = spans, .span_count = 2 };
        fixture->policy.identity = actions[i];
        assert_int_equal(redact_batch(fixture->redactor, fixture->scratch, &fixture->policy,
                                      &fixture->arena, &batch, NULL),
                         ERR_OK);
        if (actions[i] == REDACT_MASK) {
            assert_false(SPAN_KNOWS(&spans[0], user_id));
            continue;
        }
        bool is_raw = str_equal_c(spans[0].user_id, "user-7");
        assert_true(is_raw == (actions[i] == REDACT_KEEP));
        assert_true(str_starts(spans[1].user_id, STR_OF("[user_id:")));
    }
    fixture->policy = redact_policy_default;
}

/* Texts of pieces that are dangerous together. */
static str soup_make(struct arena *arena, uint64_t *state)
{
    static const char *const pieces[] = {
        "secret",      "password",    "api_key",
        ":",           "=",           "'",
        "\"",          " ",           "\n",
        "sk-",         "AKIA",        "ABCDEFGH",
        "01234567",    "jane",        "@",
        "example.com", "[REDACTED]",  "[email:0123456789ab]",
        "4111",        "1111",        "-",
        "+49 170",     "://",         "user:",
        "ssn",         "536904399",   "536-90-4399",
        "DE89",        "token",       "Bearer ",
        "eyJ",         ".",           "0x",
        "phone",       "212",         "555",
        "0123",        "[",           "]",
        "{\"",         "\":",         "\xc3\xa9",
        "\\",          "10.20.30.40",
    };
    struct buf out;
    buf_init(&out, 4096);
    unsigned count = 1 + (unsigned)(*state >> 40) % 20;
    for (unsigned i = 0; i < count; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        buf_add_c(&out, pieces[(*state >> 33) % COUNT_OF(pieces)]);
    }
    str text = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* shows: P1 P2 */
static void redaction_is_idempotent_and_json_stays_valid(void **state)
{
    struct fixture *fixture = *state;
    uint64_t seed = 20261121;
    for (unsigned round = 0; round < 20000; round++) {
        struct redact_policy policy = redact_policy_default;
        policy.name_kind = round % 3 == 1;
        policy.secrets = policy.pii = round % 3 == 2 ? REDACT_HASH : REDACT_MASK;
        str text = soup_make(&fixture->arena, &seed);
        str once;
        str twice;
        uint32_t count = 0;
        assert_int_equal(redact_text(fixture->redactor, fixture->scratch, &policy, &fixture->arena,
                                     text, &once, NULL),
                         ERR_OK);
        assert_int_equal(redact_text(fixture->redactor, fixture->scratch, &policy, &fixture->arena,
                                     once, &twice, &count),
                         ERR_OK);
        if (!str_equal(once, twice))
            fail_msg("not idempotent: %.*s -> %.*s -> %.*s", STR_ARG(text), STR_ARG(once),
                     STR_ARG(twice));
        struct buf json;
        buf_init(&json, 65536);
        buf_add_c(&json, "{\"k\":[");
        buf_add_json_str(&json, text);
        buf_add_c(&json, ",1]}");
        str safe;
        assert_int_equal(
            part_redact(fixture->scratch, &policy, &fixture->arena, buf_str(&json), &safe), ERR_OK);
        assert_true(json_check(safe));
        buf_clear(&json);
        if (round % 500 == 0)
            arena_reset(&fixture->arena);
    }
}

/* shows: P1 */
static void no_planted_secret_survives(void **state)
{
    struct fixture *fixture = *state;
    uint64_t seed = 77;
    for (unsigned round = 0; round < 5000; round++) {
        const char *key = key_make(fixture, 24);
        str before = soup_make(&fixture->arena, &seed);
        str after = soup_make(&fixture->arena, &seed);
        str text =
            arena_printf(&fixture->arena, "%.*s %s %.*s", STR_ARG(before), key, STR_ARG(after));
        str safe;
        assert_int_equal(redact_text(fixture->redactor, fixture->scratch, &fixture->policy,
                                     &fixture->arena, text, &safe, NULL),
                         ERR_OK);
        assert_int_equal(str_find(safe, str_from_c(key + 4)), safe.len);
        if (round % 500 == 0)
            arena_reset(&fixture->arena);
    }
}

static bool prepared_was_used(str prepared)
{
    struct redactor redactor = { .shapes = xcalloc(rule_count, sizeof(struct shape)),
                                 .head_widths = xcalloc(rule_count, sizeof(uint32_t)) };
    assert_int_equal(rules_load(&redactor, prepared, NULL), ERR_OK);
    assert_non_null(redactor.literals);
    assert_non_null(redactor.patterns);
    hs_free_database(redactor.literals);
    hs_free_database(redactor.patterns);
    xfree(redactor.shapes);
    xfree(redactor.head_widths);
    return redactor.is_prepared;
}

static void rules_are_compiled_at_build_and_again_when_they_do_not_fit(void **state)
{
    struct fixture *fixture = *state;
    assert_true(fixture->redactor->is_prepared);
    struct buf copy;
    buf_init(&copy, 64 << 20);
    buf_add(&copy, rules_prepared, rules_prepared_bytes);
    assert_true(prepared_was_used(buf_str(&copy)));
    static const size_t places[] = { 0, 9, 17, 30, 5000 };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        copy.ptr[places[i]] ^= 1;
        assert_false(prepared_was_used(buf_str(&copy)));
        copy.ptr[places[i]] ^= 1;
    }
    assert_false(prepared_was_used(str_sub(buf_str(&copy), 0, 100)));
    assert_false(prepared_was_used(STR_NONE));
    buf_reset(&copy);
    assert_int_equal(rules_prepare(fixture->redactor, &copy), ERR_OK);
    assert_int_equal(copy.len, rules_prepared_bytes);
    assert_memory_equal(copy.ptr, rules_prepared, rules_prepared_bytes);
    buf_clear(&copy);
}

static uint64_t crowd_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

enum { CROWD_SPANS = 24, CROWD_ATTRS = 6 };

/* A value that comes again at the same address, one that comes again elsewhere, or a new one;
 * rarely one that must go: as text, as a number, or in a list behind a harmless one. */
static struct value crowd_value(struct fixture *fixture, uint64_t *seed, bool may_be_personal)
{
    static const char *const common[] = { "gpt-4o-mini", "https", "prod", "kb-2026-10" };
    static const char at_one_place[] = "checkout-assistant";
    uint64_t draw = crowd_random(seed);
    if (may_be_personal && draw % 512 == 0)
        return value_str(arena_printf(&fixture->arena, "u%u@example.com", (unsigned)(draw >> 40)));
    if (may_be_personal && draw % 512 == 1)
        return value_i64(INT64_C(4111111111111111));
    struct value *items = arena_new(&fixture->arena, struct value, 2);
    items[0] = value_i64(INT64_C(2718281828459046)); /* no card: its check digit is wrong */
    items[1] = value_i64(INT64_C(4111111111111111));
    if (may_be_personal && draw % 512 == 2)
        return (struct value){ .type = VALUE_ARRAY, .count = 2, .items = items };
    if (draw % 4 == 0)
        return value_str(str_from_c(at_one_place));
    if (draw % 4 == 1)
        return value_str(arena_str(&fixture->arena, str_from_c(common[(draw >> 8) % 4])));
    if (draw % 4 == 2)
        return value_i64((int64_t)(draw >> 44));
    return value_str(arena_printf(&fixture->arena, "chatcmpl-%x", (unsigned)(draw >> 32)));
}

static struct batch crowd_make(struct fixture *fixture, uint64_t seed)
{
    static const char *const keys[] = { "gen_ai.request.model", "url.scheme", "app.note", "n" };
    struct batch batch = { .span_count = CROWD_SPANS };
    batch.spans = arena_new(&fixture->arena, struct span, CROWD_SPANS);
    bool may_be_personal = crowd_random(&seed) % 2;
    for (uint32_t i = 0; i < CROWD_SPANS; i++) {
        struct span *span = &batch.spans[i];
        span->attr_count = CROWD_ATTRS;
        span->attrs = arena_new(&fixture->arena, struct attr, CROWD_ATTRS);
        for (uint32_t j = 0; j < CROWD_ATTRS; j++)
            span->attrs[j] = (struct attr){ str_from_c(keys[crowd_random(&seed) % 4]),
                                            crowd_value(fixture, &seed, may_be_personal) };
        SPAN_SET(span, service, STR_OF("shop"));
        struct value id = crowd_value(fixture, &seed, may_be_personal);
        if (id.type == VALUE_STR)
            SPAN_SET(span, user_id, id.text);
    }
    return batch;
}

static str crowd_text(struct fixture *fixture, const struct span *span)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    span_fields_to_json(&out, span);
    attrs_to_json(&out, span->attrs, span->attr_count);
    str text = arena_str(&fixture->arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* shows: P1 P2 */
static void a_batch_asked_at_once_becomes_what_each_of_its_spans_alone_becomes(void **state)
{
    struct fixture *fixture = *state;
    struct redact_scratch *forgetful = redact_scratch_new(fixture->redactor);
    static const enum redact_action actions[] = { REDACT_KEEP, REDACT_MASK, REDACT_HASH };
    uint32_t redacted_count = 0;
    for (uint64_t round = 0; round < 180; round++) { /* what one policy keeps, the next must not */
        bool keeps = actions[round % 3] == REDACT_KEEP;
        struct batch whole = crowd_make(fixture, round / 3);
        struct batch parts = crowd_make(fixture, round / 3);
        fixture->policy.pii = actions[round % 3];
        assert_int_equal(redact_batch(fixture->redactor, fixture->scratch, &fixture->policy,
                                      &fixture->arena, &whole, NULL),
                         ERR_OK);
        for (uint32_t i = 0; i < CROWD_SPANS; i++) {
            struct batch one = { .spans = &parts.spans[i], .span_count = 1 };
            memset(forgetful->clean, 0, sizeof forgetful->clean);
            assert_int_equal(redact_batch(fixture->redactor, forgetful, &fixture->policy,
                                          &fixture->arena, &one, NULL),
                             ERR_OK);
            str expected = crowd_text(fixture, &parts.spans[i]);
            str got = crowd_text(fixture, &whole.spans[i]);
            assert_int_equal(got.len, expected.len);
            assert_memory_equal(got.ptr, expected.ptr, got.len);
            assert_true(keeps || str_find(got, STR_OF("@example.com")) == got.len);
            assert_true(keeps || str_find(got, STR_OF("4111111111111111")) == got.len);
            redacted_count += SPAN_KNOWS(&whole.spans[i], redactions);
        }
        arena_reset(&fixture->arena);
    }
    assert_true(redacted_count > 20);
    fixture->policy = redact_policy_default;
    redact_scratch_free(forgetful);
}

/* The id of a model's answer may look like anything, but for a secret. */
static void an_id_found_clean_is_not_taken_for_a_clean_attribute_of_that_name(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned round = 0; round < 3; round++) {
        struct span spans[2] = { { .part_count = 0 }, { .part_count = 0 } };
        struct attr attr = { STR("response_id"), value_str(STR_OF("jane@example.com")) };
        SPAN_SET(&spans[0], response_id, STR_OF("jane@example.com"));
        SPAN_SET(&spans[1], response_id, str_from_c(key_make(fixture, 24)));
        spans[0].attrs = &attr;
        spans[0].attr_count = round % 2; /* alone, then together, then alone */
        struct batch batch = { .spans = spans, .span_count = round == 1 ? 2 : 1 };
        assert_int_equal(redact_batch(fixture->redactor, fixture->scratch, &fixture->policy,
                                      &fixture->arena, &batch, NULL),
                         ERR_OK);
        assert_true(str_equal_c(spans[0].response_id, "jane@example.com"));
        if (round == 1) {
            assert_true(str_equal_c(attr.value.text, "[REDACTED]"));
            assert_true(str_equal_c(spans[1].response_id, "[REDACTED]"));
        }
    }
}

static void a_spent_arena_is_an_error_not_a_crash(void **state)
{
    struct fixture *fixture = *state;
    struct arena small;
    arena_init(&small, 64);
    struct attr attr = { STR("password"), value_str(STR_OF("x")) };
    struct span span = { .attrs = &attr, .attr_count = 1 };
    struct batch batch = { .spans = &span, .span_count = 1 };
    str input =
        STR_OF("[{\"content\":\"mail jane@example.com, this is a longer text than sixty-four "
               "bytes can hold\"}]");
    assert_true(span_add_part(&span, CONTENT_INPUT, input));
    assert_int_equal(
        redact_batch(fixture->redactor, fixture->scratch, &fixture->policy, &small, &batch, NULL),
        ERR_LIMIT);
    arena_clear(&small);
}

/* A text of nothing but triggers takes linear time: this would take minutes otherwise. */
static void a_hostile_text_stays_linear(void **state)
{
    struct fixture *fixture = *state;
    static const char *const hostile[] = { "secret=",     "sk-",
                                           "eyJ",         "-----BEGIN PRIVATE KEY",
                                           "://a:",       "1 ",
                                           "password\":", "1.",
                                           "a@",          "1:" };
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        struct buf text;
        buf_init(&text, 1 << 21);
        while (text.len < 300000)
            buf_add_c(&text, hostile[i]);
        str safe;
        assert_int_equal(redact_text(fixture->redactor, fixture->scratch, &fixture->policy,
                                     &fixture->arena, buf_str(&text), &safe, NULL),
                         ERR_OK);
        buf_clear(&text);
        arena_reset(&fixture->arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_patterns_of_p1_are_exact),
        cmocka_unit_test(a_private_key_goes_as_a_block),
        cmocka_unit_test(replacement_follows_the_policy),
        cmocka_unit_test(json_stays_json_and_only_leaves_change),
        cmocka_unit_test(a_secret_written_with_escapes_is_found),
        cmocka_unit_test(a_preview_is_cut_past_500_characters),
        cmocka_unit_test(a_secret_at_the_edge_of_a_preview_leaves_nothing),
        cmocka_unit_test(a_preview_shows_the_last_question_and_the_answer),
        cmocka_unit_test(no_field_of_a_batch_keeps_a_secret),
        cmocka_unit_test(a_value_is_judged_by_the_name_of_its_attribute),
        cmocka_unit_test(identity_follows_its_own_policy),
        cmocka_unit_test(redaction_is_idempotent_and_json_stays_valid),
        cmocka_unit_test(no_planted_secret_survives),
        cmocka_unit_test(rules_are_compiled_at_build_and_again_when_they_do_not_fit),
        cmocka_unit_test(a_batch_asked_at_once_becomes_what_each_of_its_spans_alone_becomes),
        cmocka_unit_test(an_id_found_clean_is_not_taken_for_a_clean_attribute_of_that_name),
        cmocka_unit_test(a_spent_arena_is_an_error_not_a_crash),
        cmocka_unit_test(a_hostile_text_stays_linear),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
