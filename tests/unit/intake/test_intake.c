/* test_intake.c -- which requests are telemetry, how a body becomes plain, and each answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "request_help.h"

#include "intake/intake.h"
#include <jansson.h>
#include <zlib.h>

static void post_is(const char *path, const char *type)
{
    head_is("POST", path);
    if (type)
        header_is("content-type", type);
}

static const char type_json[] = "application/json", type_pb[] = "application/x-protobuf";

/* ---- whose request is it ---- */

/* shows: C1 */
static void the_three_paths_are_known_under_each_prefix_that_sdks_use(void **state)
{
    (void)state;
    static const char *const prefixes[] = { "", "/otel", "/otlp", "/api/public/otel",
                                            "/opik/api/v1/private/otel" };
    static const struct {
        const char *path;
        enum otlp_signal signal;
    } paths[] = { { "/v1/traces", OTLP_TRACES },
                  { "/v1/logs", OTLP_LOGS },
                  { "/v1/metrics", OTLP_METRICS },
                  { "/v1/traces/", OTLP_TRACES } };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            char path[100];
            struct intake_route route;
            snprintf(path, sizeof path, "%s%s", prefixes[i], paths[k].path);
            post_is(path, type_pb);
            assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
            assert_ptr_equal(route.source, &source_otlp_http);
            assert_int_equal(route.signal, paths[k].signal);
            assert_int_equal(route.encoding, OTLP_PROTOBUF);
        }
}

static void other_paths_are_somebody_elses(void **state)
{
    (void)state;
    static const char *const paths[] = { "/v1/tracesx", "/v2/traces",   "/other/v1/traces",
                                         "/v1",         "/v1/traces/x", "/api/v1/traces",
                                         "/healthz" };
    struct intake_route route;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        post_is(paths[i], type_pb);
        assert_int_equal(intake_match(&request.head, &route, NULL), ERR_NOT_FOUND);
    }
    post_is("/", type_json); /* an endpoint set to the bare host */
    assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
    assert_int_equal(route.signal, OTLP_TRACES);
    head_is("GET", "/"); /* a browser looking for a page */
    assert_int_equal(intake_match(&request.head, &route, NULL), ERR_NOT_FOUND);
}

static void methods_and_types_that_do_not_fit_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum err err;
        enum otlp_encoding encoding;
    } types[] = { { "application/json", ERR_OK, OTLP_JSON },
                  { "Application/JSON; charset=utf-8", ERR_OK, OTLP_JSON },
                  { "application/x-protobuf", ERR_OK, OTLP_PROTOBUF },
                  { "application/protobuf", ERR_OK, OTLP_PROTOBUF },
                  { "text/plain", ERR_MEDIA_TYPE, OTLP_PROTOBUF },
                  { "", ERR_MEDIA_TYPE, OTLP_PROTOBUF },
                  { NULL, ERR_MEDIA_TYPE, OTLP_PROTOBUF } };
    struct intake_route route;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        post_is("/v1/traces", types[i].type);
        assert_int_equal(intake_match(&request.head, &route, NULL), types[i].err);
        assert_int_equal(route.encoding, types[i].encoding);
        assert_ptr_equal(route.source, &source_otlp_http); /* whose answer it is */
    }
    static const char *const methods[] = { "GET", "PUT", "DELETE", "HEAD" };
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        head_is(methods[i], "/v1/logs");
        assert_int_equal(intake_match(&request.head, &route, NULL), ERR_METHOD);
    }
    head_is("OPTIONS", "/v1/logs");
    assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
    assert_true(route.is_options);
}

/* shows: C1 */
static void grpc_methods_are_the_three_exports(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum err err;
    } paths[] = {
        { "/opentelemetry.proto.collector.trace.v1.TraceService/Export", ERR_OK },
        { "/opentelemetry.proto.collector.logs.v1.LogsService/Export", ERR_OK },
        { "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", ERR_OK },
        { "/opentelemetry.proto.collector.trace.v1.TraceService/Import", ERR_UNSUPPORTED },
        { "/v1/traces", ERR_UNSUPPORTED },
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct intake_route route;
        post_is(paths[i].path, "application/grpc");
        request.head.is_grpc = true;
        assert_int_equal(intake_match(&request.head, &route, NULL), paths[i].err);
        assert_ptr_equal(route.source, &source_otlp_grpc);
    }
}

/* ---- bodies ---- */

static str gzip_of(size_t plain_len)
{
    char *plain = arena_alloc(&request.arena, plain_len), *packed;
    memset(plain, 'a', plain_len);
    size_t room = compressBound((uLong)plain_len) + 64;
    packed = arena_alloc(&request.arena, room);
    z_stream stream = { .next_in = (Bytef *)plain, .avail_in = (uInt)plain_len };
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    str bytes = str_make(packed, stream.total_out);
    deflateEnd(&stream);
    return bytes;
}

static enum err unpack(const struct source_ops *source, str body, size_t plain_max, size_t *ret_len)
{
    struct buf out;
    struct decompress *decompress = decompress_new();
    str plain = STR_NONE;
    buf_init(&out, plain_max);
    enum err err = source->unpack(&request.head, decompress, body, &out, &plain, NULL);
    *ret_len = plain.len;
    buf_clear(&out);
    decompress_free(decompress);
    return err;
}

static void a_body_is_unpacked_to_the_limit_and_one_byte_past_it_is_too_large(void **state)
{
    (void)state;
    size_t len = 0;
    str packed = gzip_of(10000);
    post_is("/v1/traces", type_pb);
    header_is("content-encoding", " GZIP ");
    assert_int_equal(unpack(&source_otlp_http, packed, 10000, &len), ERR_OK);
    assert_int_equal(len, 10000);
    assert_int_equal(unpack(&source_otlp_http, packed, 9999, &len), ERR_TOO_LARGE);
    assert_int_equal(unpack(&source_otlp_http, STR_OF("not gzip"), 10000, &len), ERR_BAD_INPUT);
    assert_int_equal(unpack(&source_otlp_http, str_sub(packed, 0, packed.len - 9), 10000, &len),
                     ERR_BAD_INPUT);
    assert_int_equal(unpack(&source_otlp_http, STR_OF(""), 10000, &len), ERR_OK);
    assert_int_equal(len, 0);
}

static void encodings_nobody_knows_are_refused_and_none_is_fine(void **state)
{
    (void)state;
    size_t len = 0;
    post_is("/v1/traces", type_pb);
    assert_int_equal(unpack(&source_otlp_http, STR_OF("abc"), 10, &len), ERR_OK);
    assert_int_equal(len, 3);
    header_is("content-encoding", "identity");
    assert_int_equal(unpack(&source_otlp_http, STR_OF("abc"), 10, &len), ERR_OK);
    assert_int_equal(len, 3);
    post_is("/v1/traces", type_pb);
    header_is("content-encoding", "br");
    assert_int_equal(unpack(&source_otlp_http, STR_OF("abc"), 10, &len), ERR_BAD_INPUT);
}

static str framed(str message, bool is_compressed)
{
    char *frame = arena_alloc(&request.arena, message.len + 5);
    frame[0] = (char)is_compressed;
    for (int i = 0; i < 4; i++)
        frame[1 + i] = (char)(message.len >> (24 - 8 * i));
    memcpy(frame + 5, message.ptr, message.len);
    return str_make(frame, message.len + 5);
}

static void grpc_messages_are_unpacked_as_their_frame_says(void **state)
{
    (void)state;
    size_t len = 0;
    str packed = gzip_of(10000);
    post_is("/x", "application/grpc");
    assert_int_equal(unpack(&source_otlp_grpc, framed(STR_OF("abc"), false), 10, &len), ERR_OK);
    assert_int_equal(len, 3);
    enum err err = unpack(&source_otlp_grpc, framed(packed, true), 10000, &len);
    assert_int_equal(err, ERR_BAD_INPUT); /* compressed, but by what? */
    header_is("grpc-encoding", "gzip");
    assert_int_equal(unpack(&source_otlp_grpc, framed(packed, true), 10000, &len), ERR_OK);
    assert_int_equal(len, 10000);
    assert_int_equal(unpack(&source_otlp_grpc, framed(packed, true), 9999, &len), ERR_TOO_LARGE);
    assert_int_equal(unpack(&source_otlp_grpc, STR_OF("\0\0\0"), 10, &len), ERR_BAD_INPUT);
    post_is("/x", "application/grpc");
    header_is("grpc-encoding", "snappy");
    assert_int_equal(unpack(&source_otlp_grpc, framed(packed, true), 10000, &len), ERR_UNSUPPORTED);
}

/* ---- answers ---- */

static void answer_with(const char *path, const char *type, const struct intake_answer *answer)
{
    struct intake_route route;
    post_is(path, type);
    (void)!intake_match(&request.head, &route, NULL);
    route.source->answer(&request, &route, answer);
}

static void success_and_partial_success_are_otlps(void **state)
{
    (void)state;
    struct intake_answer fine = { .err = ERR_OK };
    answer_with("/v1/traces", type_json, &fine);
    assert_int_equal(request.response.status, 200);
    assert_true(str_equal_c(request.response.body, "{}"));
    answer_with("/v1/traces", type_pb, &fine);
    assert_int_equal(request.response.body.len, 0);
    assert_true(str_equal_c(request.response.content_type, type_pb));
    struct intake_answer partial = { .rejected_count = 2, .rejected_why = STR("span 3: \"x\"") };
    answer_with("/v1/logs", type_json, &partial);
    assert_int_equal(request.response.status, 200);
    json_t *body = json_loadb(request.response.body.ptr, request.response.body.len, 0, NULL);
    json_t *partially = json_object_get(body, "partialSuccess");
    assert_string_equal(json_string_value(json_object_get(partially, "rejectedLogRecords")), "2");
    assert_string_equal(json_string_value(json_object_get(partially, "errorMessage")),
                        "span 3: \"x\"");
    json_decref(body);
}

/* Senders decide by exactly this whether to send again.
 * shows: C10 */
static void retry_after_is_said_with_retryable_errors_alone(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *seconds;
    } waits[] = { { 1, "1" }, { 1000, "1" }, { 1001, "2" }, { 30000, "30" } };
    for (int i = 1; i < ERR_COUNT; i++) {
        struct intake_answer answer = { .err = (enum err)i, .retry_after_ms = 1000 };
        answer_with("/v1/traces", type_pb, &answer);
        assert_int_equal(request.response.status, err_http_status(answer.err));
        assert_int_equal(str_is_none(said("retry-after")), !err_is_retryable(answer.err));
    }
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        struct intake_answer answer = { .err = ERR_BUSY, .retry_after_ms = waits[i].ms };
        answer_with("/v1/traces", type_json, &answer);
        assert_int_equal(request.response.status, 429);
        assert_true(str_equal_c(said("retry-after"), waits[i].seconds));
    }
}

static void over_grpc_the_status_travels_with_retry_info_when_it_is_worth_it(void **state)
{
    (void)state;
    static const struct intake_route route = { .source = &source_otlp_grpc,
                                               .encoding = OTLP_PROTOBUF };
    for (int i = 1; i < ERR_COUNT; i++) {
        struct intake_answer answer = { .err = (enum err)i, .retry_after_ms = 1000 };
        post_is("/x", "application/grpc");
        source_otlp_grpc.answer(&request, &route, &answer);
        assert_int_equal(request.response.grpc_status, err_grpc_code(answer.err));
        str details = request.response.grpc_details;
        bool has_retry = str_find(details, STR_OF("google.rpc.RetryInfo")) < details.len;
        assert_int_equal(has_retry, err_is_retryable(answer.err));
        assert_true(request.response.grpc_message.len > 0);
    }
}

static void an_error_names_fault_place_and_remedy(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    diag_set_at(&why, ERR_BAD_INPUT, 17, "a brace is missing");
    (void)diag_hint(&why, "close it");
    struct intake_answer answer = { .err = ERR_BAD_INPUT, .why = &why };
    answer_with("/v1/traces", type_json, &answer);
    assert_int_equal(request.response.status, 400);
    str body = request.response.body;
    assert_true(str_find(body, STR_OF("a brace is missing (at byte 17); close it")) < body.len);
    struct intake_answer method = { .err = ERR_METHOD };
    answer_with("/v1/traces", type_json, &method);
    assert_true(str_equal_c(said("allow"), "POST, OPTIONS"));
    struct intake_answer stranger = { .err = ERR_UNAUTHENTICATED };
    answer_with("/v1/traces", type_json, &stranger);
    assert_true(str_equal_c(said("www-authenticate"), "Bearer"));
}

static void a_browser_is_answered_for_its_own_origin(void **state)
{
    (void)state;
    struct intake_route route;
    struct intake_answer fine = { .err = ERR_OK };
    head_is("OPTIONS", "/v1/traces");
    header_is("origin", "https://app.example");
    header_is("access-control-request-headers", "x-mine");
    assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
    route.source->answer(&request, &route, &fine);
    assert_int_equal(request.response.status, 204);
    assert_true(str_equal_c(said("access-control-allow-origin"), "https://app.example"));
    assert_true(str_equal_c(said("access-control-allow-headers"), "x-mine"));
    assert_true(str_equal_c(said("access-control-max-age"), "7200"));
    assert_true(str_equal_c(said("vary"), "Origin"));
    answer_with("/v1/traces", type_json, &fine); /* no origin: nothing is said */
    assert_true(str_is_none(said("access-control-allow-origin")));
}

static void vendors_own_paths_are_known_by_method_and_path(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *type, *source;
        enum err err;
        bool is_open, is_query;
    } rows[] = {
        { "POST", "/api/public/ingestion", "application/json", "langfuse", ERR_OK, false, false },
        { "POST", "/api/public/scores", NULL, "langfuse", ERR_OK, false, false },
        { "POST", "/api/public/media", NULL, "langfuse", ERR_OK, false, false },
        { "PATCH", "/api/public/media/m1", NULL, "langfuse", ERR_OK, false, false },
        { "GET", "/api/public/health", NULL, "langfuse", ERR_OK, true, false },
        { "GET", "/api/public/projects", NULL, "langfuse", ERR_OK, false, true },
        { "GET", "/api/public/ingestion", NULL, "langfuse", ERR_METHOD, false, false },
        { "POST", "/api/public/ingestion", "text/csv", "langfuse", ERR_MEDIA_TYPE, false, false },
        { "POST", "/api/public/ingestion/", NULL, NULL, ERR_NOT_FOUND, false, false },
        { "GET", "/api/public/traces", NULL, NULL, ERR_NOT_FOUND, false, false },
        { "POST", "/api/v1/private/traces", NULL, "opik", ERR_OK, false, false },
        { "POST", "/opik/api/v1/private/spans/batch", NULL, "opik", ERR_OK, false, false },
        { "PATCH", "/v1/private/spans/s1", NULL, "opik", ERR_OK, false, false },
        { "PATCH", "/v1/private/spans/s1/more", NULL, NULL, ERR_NOT_FOUND, false, false },
        { "PATCH", "/v1/private/spans/", NULL, NULL, ERR_NOT_FOUND, false, false },
        { "PATCH", "/v1/private/spans/batch", NULL, "opik", ERR_METHOD, false, false },
        { "PUT", "/v1/private/traces/t1/feedback-scores", NULL, "opik", ERR_OK, false, false },
        { "PUT", "/v1/private/traces/threads/feedback-scores", NULL, "opik", ERR_OK, false, false },
        { "PUT", "/v1/private/spans/feedback-scores", "text/csv", "opik", ERR_MEDIA_TYPE, false,
          false },
        { "GET", "/api/is-alive/ping", NULL, "opik", ERR_OK, true, false },
        { "GET", "/v1/private/toggles", NULL, "opik", ERR_OK, false, true },
        { "GET", "/other/v1/private/toggles", NULL, NULL, ERR_NOT_FOUND, false, false },
        { "POST", "/v1/private/datasets", NULL, NULL, ERR_NOT_FOUND, false, false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct intake_route route = { 0 };
        head_is(rows[i].method, rows[i].path);
        if (rows[i].type)
            header_is("content-type", rows[i].type);
        assert_int_equal(intake_match(&request.head, &route, NULL), rows[i].err);
        if (!rows[i].source)
            continue;
        assert_string_equal(route.source->name, rows[i].source);
        assert_int_equal(route.is_open, rows[i].is_open);
        assert_int_equal(route.is_query, rows[i].is_query);
    }
}

static void a_prepared_answer_is_given_as_it_is_and_an_error_in_the_vendors_words(void **state)
{
    (void)state;
    struct intake_answer prepared = { .reply_status = 207, .reply = STR("{\"successes\":[]}") };
    answer_with("/api/public/ingestion", type_json, &prepared);
    assert_int_equal(request.response.status, 207);
    assert_true(str_equal_c(request.response.body, "{\"successes\":[]}"));
    struct intake_answer empty = { .reply_status = 204 };
    answer_with("/api/v1/private/spans/batch", type_json, &empty);
    assert_int_equal(request.response.status, 204);
    assert_int_equal(request.response.body.len, 0);
    assert_true(str_is_none(request.response.content_type));
    struct intake_answer busy = { .err = ERR_BUSY, .retry_after_ms = 1000 };
    answer_with("/api/public/ingestion", type_json, &busy);
    assert_int_equal(request.response.status, 429);
    assert_true(str_starts(request.response.body, STR_OF("{\"message\":\"")));
    answer_with("/api/v1/private/spans/batch", type_json, &busy);
    assert_true(str_starts(request.response.body, STR_OF("{\"code\":429,\"message\":\"")));
}

static void a_project_named_in_a_header_is_said_by_each_resource_that_does_not_say_one(void **state)
{
    (void)state;
    static const str key = STR("openinference.project.name");
    struct attr own = { STR("openinference.project.name"), value_str(STR_OF("own")) };
    const struct raw_resource bare = { .attrs = NULL }, said = { .attrs = &own, .attr_count = 1 };
    const struct raw_scope scopes[] = { { .resource = &bare, .name = STR_OF("s") },
                                        { .resource = &said } };
    struct raw_span spans[] = { { .scope = &scopes[0] },
                                { .scope = &scopes[0] },
                                { .scope = &scopes[1] } };
    struct raw_batch batch = { .spans = spans, .span_count = COUNT_OF(spans) };
    post_is("/v1/traces", type_pb);
    assert_int_equal(intake_add_context(&request.arena, &request.head, &batch, NULL), ERR_OK);
    assert_ptr_equal(spans[0].scope, &scopes[0]); /* nothing is said: nothing is copied */
    header_is("x-project-name", "shop");
    assert_int_equal(intake_add_context(&request.arena, &request.head, &batch, NULL), ERR_OK);
    assert_ptr_equal(spans[0].scope, spans[1].scope);
    static const char *const expected[] = { "shop", "shop", "own" };
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        const struct raw_resource *resource = spans[i].scope->resource;
        const struct attr *attr = attr_find(resource->attrs, resource->attr_count, key);
        assert_true(attr && str_equal_c(attr->value.text, expected[i]));
        assert_int_equal(resource->attr_count, 1);
    }
    assert_true(str_equal_c(spans[0].scope->name, "s"));
}

static void paths_of_phoenix_are_its_own_and_questions_have_no_body(void **state)
{
    (void)state;
    struct intake_route route;
    static const char *const posts[] = { "/v1/span_annotations", "/v1/session_notes",
                                         "/v1/projects", "/v1/projects/my shop/spans" };
    for (size_t i = 0; i < COUNT_OF(posts); i++) {
        post_is(posts[i], type_json);
        assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
        assert_ptr_equal(route.source, &source_phoenix);
        assert_false(route.is_query || route.is_open);
    }
    head_is("GET", "/arize_phoenix_version");
    assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
    assert_true(route.is_open);
    head_is("GET", "/v1/projects/shop");
    assert_int_equal(intake_match(&request.head, &route, NULL), ERR_OK);
    assert_true(route.is_query && !route.is_open);
    static const char *const others[] = { "/v1/projects/", "/v1/projects/a/b", "/v1/projectsx",
                                          "/v1/span_annotations/x", "/v1/projects/a/spans/otlpv1" };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        head_is("GET", others[i]);
        assert_int_equal(intake_match(&request.head, &route, NULL), ERR_NOT_FOUND);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, request_setup, request_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_three_paths_are_known_under_each_prefix_that_sdks_use),
        TEST(other_paths_are_somebody_elses),
        TEST(methods_and_types_that_do_not_fit_are_refused_by_name),
        TEST(grpc_methods_are_the_three_exports),
        TEST(a_body_is_unpacked_to_the_limit_and_one_byte_past_it_is_too_large),
        TEST(encodings_nobody_knows_are_refused_and_none_is_fine),
        TEST(grpc_messages_are_unpacked_as_their_frame_says),
        TEST(success_and_partial_success_are_otlps),
        TEST(retry_after_is_said_with_retryable_errors_alone),
        TEST(over_grpc_the_status_travels_with_retry_info_when_it_is_worth_it),
        TEST(an_error_names_fault_place_and_remedy),
        TEST(a_browser_is_answered_for_its_own_origin),
        TEST(vendors_own_paths_are_known_by_method_and_path),
        TEST(a_prepared_answer_is_given_as_it_is_and_an_error_in_the_vendors_words),
        TEST(a_project_named_in_a_header_is_said_by_each_resource_that_does_not_say_one),
        TEST(paths_of_phoenix_are_its_own_and_questions_have_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
