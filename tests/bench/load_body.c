/* load_body.c -- see load_body.h.
 *
 * A span is encoded into a buffer of its own, then into the list of spans, then
 * the list behind its resource: lengths come first in protobuf.  Patches are
 * noted with the offset in the innermost buffer and moved outward with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_body.h"
#include "base/arena.h"
#include "base/check.h"

enum {
    BODY_BYTES_MAX = 64 << 20,
    PROSE_BYTES = 4 << 20,
    PROSE_DATA_EVERY = 35000, /* bytes of prose between two pieces of personal data */
    TRACE_NS = 2000000000,    /* from the start of a root to its end */
    HEX_CHARS = 24,
};

enum patch_kind {
    PATCH_TRACE_ID,
    PATCH_SPAN_ID,   /* of slot n */
    PATCH_PARENT_ID, /* the span id of slot n */
    PATCH_START,
    PATCH_END,
    PATCH_HEX,    /* n letters */
    PATCH_TOKENS, /* a varint of two bytes */
    PATCH_DIGITS, /* n digits */
    PATCH_TEXT,   /* n bytes of prose */
};

struct patch {
    size_t offset;
    enum patch_kind kind;
    uint32_t n;
};

struct prose {
    char text[PROSE_BYTES];
};

struct model {
    const char *provider, *request, *response;
};
static const struct model models[] = {
    { "openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18" },
    { "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929" },
    { "openai", "gpt-4.1", "gpt-4.1-2025-04-14" },
    { "gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash" },
};
static const char *const services[] = { "support-chat", "checkout-assistant", "doc-search",
                                        "report-writer", "mail-triage" };
static const char *const tools[] = { "lookup_order", "get_weather", "query_crm", "run_report" };

static const char *const words[] = {
    "the",      "of",       "and",      "to",         "a",         "in",        "that",
    "customer", "order",    "please",   "summary",    "contract",  "paragraph", "with",
    "invoice",  "shipping", "delayed",  "warehouse",  "because",   "is",        "was",
    "refund",   "policy",   "requires", "original",   "packaging", "within",    "thirty",
    "days",     "we",       "could",    "not",        "find",      "any",       "evidence",
    "for",      "this",     "claim",    "however",    "document",  "states",    "clearly",
    "section",  "four",     "explains", "how",        "service",   "handles",   "requests",
    "when",     "upstream", "provider", "returns",    "an",        "error",     "retry",
    "after",    "short",    "delay",    "budget",     "quarter",   "forecast",  "revenue",
    "grew",     "by",       "percent",  "compared",   "previous",  "year",      "model",
    "answer",   "should",   "cite",     "sources",    "without",   "guessing",  "assistant",
    "must",     "never",    "reveal",   "internal",   "notes",     "database",  "query",
    "index",    "latency",  "improve",  "cache",      "warm",      "node",      "cluster",
    "migrate",  "schedule", "tomorrow", "meeting",    "agenda",    "weather",   "forest",
    "river",    "mountain", "journey",  "literature", "history",   "science",   "experiment",
    "results",  "suggest",  "further",  "research",   "needed",    "between",   "groups",
    "treated",  "patients", "doctor",   "hospital",   "insurance", "covers",    "cost",
    "they",     "asked",    "whether",  "it",         "would",     "be",        "possible",
    "change",   "address",  "before",   "delivery",   "arrives",   "at",        "their",
    "office",   "building", "kitchen",  "table",      "window",    "garden",    "street",
};
static const char *const personal[] = { "jane.doe@example.com", "+49 170 1234567",
                                        "4111 1111 1111 1111", "10.20.30.40" };

uint64_t random_next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- prose, escaped for a JSON string ---- */

static void prose_word(struct buf *out, uint64_t *random, size_t *next_data)
{
    uint64_t draw = random_next(random);
    if (out->len >= *next_data) {
        *next_data += PROSE_DATA_EVERY;
        buf_add_c(out, personal[draw % COUNT_OF(personal)]);
    } else if (draw % 40 == 0) {
        buf_add_u64(out, (draw >> 8) % 3000);
    } else if (draw % 97 == 0) { /* names and codes that no dictionary has */
        for (uint64_t i = 0; i < 6; i++)
            buf_add_char(out, (char)('a' + (draw >> (8 + 5 * i)) % 26));
    } else {
        buf_add_c(out, words[(draw >> 8) % COUNT_OF(words)]);
    }
    uint64_t mark = (draw >> 50) % 64;
    buf_add_c(out, mark < 4 ? ". " : mark < 7 ? ", " : mark == 7 ? ".\\n" : " ");
}

struct prose *prose_new(uint64_t seed)
{
    struct prose *prose = xmalloc(sizeof *prose);
    struct buf out;
    size_t next_data = PROSE_DATA_EVERY;
    buf_init(&out, BODY_BYTES_MAX);
    while (out.len < PROSE_BYTES)
        prose_word(&out, &seed, &next_data);
    memcpy(prose->text, out.ptr, PROSE_BYTES);
    buf_clear(&out);
    return prose;
}

void prose_free(struct prose *prose)
{
    xfree(prose);
}

/* ---- protobuf ---- */

static size_t varint_len(uint64_t value)
{
    size_t len = 1;
    for (; value >= 0x80; value >>= 7)
        len++;
    return len;
}

static void put_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add_char(out, (char)(value | 0x80));
    buf_add_char(out, (char)value);
}

static void put_head(struct buf *out, unsigned field, size_t len)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, len);
}

static void put_text(struct buf *out, unsigned field, const char *text)
{
    put_head(out, field, strlen(text));
    buf_add_c(out, text);
}

/* KeyValue `field` up to the bytes of its AnyValue, which are any_len long. */
static void put_key(struct buf *out, unsigned field, const char *key, size_t any_len)
{
    size_t key_len = strlen(key);
    put_head(out, field, 1 + varint_len(key_len) + key_len + 1 + varint_len(any_len) + any_len);
    put_text(out, 1, key);
    put_head(out, 2, any_len);
}

/* Up to the bytes of the text, of which the caller adds `len`. */
static void put_attr_head(struct buf *out, unsigned field, const char *key, size_t len)
{
    put_key(out, field, key, 1 + varint_len(len) + len);
    put_head(out, 1, len);
}

static void put_attr(struct buf *out, unsigned field, const char *key, const char *value)
{
    put_attr_head(out, field, key, strlen(value));
    buf_add_c(out, value);
}

static void put_attr_int(struct buf *out, unsigned field, const char *key, uint64_t value)
{
    put_key(out, field, key, 1 + varint_len(value));
    buf_add_char(out, 3 << 3);
    put_varint(out, value);
}

static void put_attr_double(struct buf *out, unsigned field, const char *key, double value)
{
    put_key(out, field, key, 1 + sizeof value);
    buf_add_char(out, 4 << 3 | 1);
    buf_add(out, &value, sizeof value);
}

/* ---- one span ---- */

enum { SPAN_ATTR = 9, RESOURCE_ATTR = 1 };

struct maker {
    struct body *body;
    struct buf span;
    size_t patch_capacity;
    uint32_t variant;
    bool content;
};

static void patch_add(struct maker *maker, enum patch_kind kind, uint32_t n)
{
    struct body *body = maker->body;
    if (body->patch_count == maker->patch_capacity) {
        maker->patch_capacity = maker->patch_capacity ? 2 * maker->patch_capacity : 256;
        body->patches = xrealloc(body->patches, maker->patch_capacity * sizeof *body->patches);
    }
    body->patches[body->patch_count++] = (struct patch){ maker->span.len, kind, n };
}

static void hole(struct maker *maker, enum patch_kind kind, uint32_t n, size_t len)
{
    patch_add(maker, kind, n);
    for (size_t i = 0; i < len; i++)
        buf_add_char(&maker->span, '0');
}

static void put_tokens(struct maker *maker, const char *key)
{
    put_key(&maker->span, SPAN_ATTR, key, 3);
    buf_add_char(&maker->span, 3 << 3);
    hole(maker, PATCH_TOKENS, 0, 2);
}

static void put_id_attr(struct maker *maker, const char *key, const char *prefix,
                        enum patch_kind kind, uint32_t len)
{
    put_attr_head(&maker->span, SPAN_ATTR, key, strlen(prefix) + len);
    buf_add_c(&maker->span, prefix);
    hole(maker, kind, len, len);
}

static void put_messages(struct maker *maker, const char *key, const char *role, uint32_t len)
{
    struct buf *out = &maker->span;
    static const char part[] = "\",\"parts\":[{\"type\":\"text\",\"content\":\"";
    static const char end[] = "\"}]}]";
    put_attr_head(out, SPAN_ATTR, key, 10 + strlen(role) + sizeof part - 1 + len + sizeof end - 1);
    buf_add_c(out, "[{\"role\":\"");
    buf_add_c(out, role);
    buf_add_c(out, part);
    hole(maker, PATCH_TEXT, len, len);
    buf_add_c(out, end);
}

static void put_model_call(struct maker *maker, const char *operation)
{
    struct buf *out = &maker->span;
    const struct model *model = &models[maker->variant % COUNT_OF(models)];
    put_attr(out, SPAN_ATTR, "gen_ai.operation.name", operation);
    put_attr(out, SPAN_ATTR, "gen_ai.provider.name", model->provider);
    put_attr(out, SPAN_ATTR, "gen_ai.request.model", model->request);
    put_attr(out, SPAN_ATTR, "gen_ai.response.model", model->response);
    put_attr_double(out, SPAN_ATTR, "gen_ai.request.temperature", 0.2);
    put_attr_int(out, SPAN_ATTR, "gen_ai.request.max_tokens", 1024);
    put_id_attr(maker, "gen_ai.response.id", "chatcmpl-", PATCH_HEX, HEX_CHARS);
    put_tokens(maker, "gen_ai.usage.input_tokens");
    put_tokens(maker, "gen_ai.usage.output_tokens");
    put_attr(out, SPAN_ATTR, "server.address", "api.openai.example");
    put_attr_int(out, SPAN_ATTR, "server.port", 443);
}

static void put_root(struct maker *maker)
{
    struct buf *out = &maker->span;
    put_attr(out, SPAN_ATTR, "http.request.method", "POST");
    put_attr(out, SPAN_ATTR, "http.route", "/v1/conversations/{id}/answer");
    put_attr(out, SPAN_ATTR, "url.scheme", "https");
    put_attr_int(out, SPAN_ATTR, "http.response.status_code", 200);
    put_attr(out, SPAN_ATTR, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)");
    put_id_attr(maker, "user.id", "user-", PATCH_DIGITS, 4);
    put_id_attr(maker, "session.id", "sess-", PATCH_HEX, 12);
    put_attr(out, SPAN_ATTR, "app.feature", "assistant-answer");
    put_attr(out, SPAN_ATTR, "network.protocol.version", "1.1");
    put_attr(out, SPAN_ATTR, "server.address", "chat.internal.example");
    put_attr_int(out, SPAN_ATTR, "server.port", 8443);
}

static void put_retrieval(struct maker *maker)
{
    struct buf *out = &maker->span;
    put_attr(out, SPAN_ATTR, "gen_ai.operation.name", "retrieval");
    put_attr(out, SPAN_ATTR, "db.system.name", "qdrant");
    put_attr(out, SPAN_ATTR, "db.collection.name", "knowledge-base-en");
    put_attr(out, SPAN_ATTR, "db.operation.name", "search");
    put_attr_int(out, SPAN_ATTR, "db.response.returned_rows", 8);
    put_attr(out, SPAN_ATTR, "gen_ai.data_source.id", "kb-2026-10");
    put_attr(out, SPAN_ATTR, "app.index.version", "v142");
    put_attr(out, SPAN_ATTR, "server.address", "vectors.internal.example");
    put_attr_int(out, SPAN_ATTR, "server.port", 6333);
    put_attr(out, SPAN_ATTR, "network.transport", "tcp");
}

static void put_chat(struct maker *maker)
{
    put_model_call(maker, "chat");
}

static void put_tool(struct maker *maker)
{
    struct buf *out = &maker->span;
    const char *tool = tools[maker->variant % COUNT_OF(tools)];
    put_attr(out, SPAN_ATTR, "gen_ai.operation.name", "execute_tool");
    put_attr(out, SPAN_ATTR, "gen_ai.tool.name", tool);
    put_attr(out, SPAN_ATTR, "gen_ai.tool.type", "function");
    put_id_attr(maker, "gen_ai.tool.call.id", "call_", PATCH_HEX, HEX_CHARS);
    put_attr(out, SPAN_ATTR, "app.backend", "orders-service");
    put_attr(out, SPAN_ATTR, "app.cache.hit", "false");
    put_attr(out, SPAN_ATTR, "code.function.name", "support.tools.dispatch");
    put_attr(out, SPAN_ATTR, "thread.name", "worker-pool-1");
    put_attr_int(out, SPAN_ATTR, "thread.id", 140231);
}

static const char *span_name(const struct maker *maker, uint32_t slot)
{
    static const char *const lean[TRACE_SPANS] = { "POST /v1/conversations/{id}/answer",
                                                   "retrieval knowledge-base-en", "chat completion",
                                                   "execute_tool dispatch" };
    if (maker->content)
        return slot ? "chat completion" : "invoke_agent support";
    return lean[slot];
}

static void span_make(struct maker *maker, uint32_t slot)
{
    struct buf *out = &maker->span;
    bool is_root = slot == 0;
    buf_reset(out);
    put_head(out, 1, 16);
    hole(maker, PATCH_TRACE_ID, 0, 16);
    put_head(out, 2, 8);
    hole(maker, PATCH_SPAN_ID, slot, 8);
    if (!is_root) {
        put_head(out, 4, 8);
        hole(maker, PATCH_PARENT_ID, 0, 8);
    }
    put_text(out, 5, span_name(maker, slot));
    buf_add_char(out, 6 << 3);
    buf_add_char(out, is_root ? 2 : 3); /* server, client */
    buf_add_char(out, 7 << 3 | 1);
    hole(maker, PATCH_START, slot, 8);
    buf_add_char(out, 8 << 3 | 1);
    hole(maker, PATCH_END, slot, 8);
    if (maker->content) {
        put_model_call(maker, is_root ? "invoke_agent" : "chat");
        put_messages(maker, "gen_ai.input.messages", "user", PROMPT_BYTES);
        put_messages(maker, "gen_ai.output.messages", "assistant", ANSWER_BYTES);
    } else {
        void (*const put[TRACE_SPANS])(struct maker *) = { put_root, put_retrieval, put_chat,
                                                           put_tool };
        put[slot](maker);
    }
    put_head(out, 15, 2); /* status ok */
    buf_add_char(out, 3 << 3);
    buf_add_char(out, 1);
}

/* ---- the request ---- */

static void patches_move(struct body *body, size_t from, size_t by)
{
    for (size_t i = from; i < body->patch_count; i++)
        body->patches[i].offset += by;
}

static void resource_make(struct buf *out, uint32_t variant)
{
    put_attr(out, RESOURCE_ATTR, "service.name", services[variant % COUNT_OF(services)]);
    put_attr(out, RESOURCE_ATTR, "service.version", "2026.11.3");
    put_attr(out, RESOURCE_ATTR, "deployment.environment.name",
             variant % 8 == 7 ? "staging" : "production");
    put_attr(out, RESOURCE_ATTR, "telemetry.sdk.language", "python");
    put_attr(out, RESOURCE_ATTR, "telemetry.sdk.version", "1.38.0");
}

/* ExportTraceServiceRequest{ResourceSpans{resource, ScopeSpans{scope, spans}}} and HTTP head. */
static void request_make(struct body *body, const struct body_shape *shape, const struct buf *spans,
                         uint32_t variant)
{
    struct buf resource, scope;
    buf_init(&resource, BODY_BYTES_MAX);
    buf_init(&scope, BODY_BYTES_MAX);
    resource_make(&resource, variant);
    put_text(&scope, 1, "opentelemetry.instrumentation.openai_v2");
    put_text(&scope, 2, "2.3b0");
    size_t scope_spans = 1 + varint_len(scope.len) + scope.len + spans->len;
    size_t resource_spans =
        1 + varint_len(resource.len) + resource.len + 1 + varint_len(scope_spans) + scope_spans;
    size_t total = 1 + varint_len(resource_spans) + resource_spans;
    struct buf *out = &body->request;
    buf_printf(out,
               "POST /v1/traces HTTP/1.1\r\nhost: %s\r\ncontent-type: application/x-protobuf\r\n"
               "user-agent: telltale-load\r\ncontent-length: %zu\r\n\r\n",
               shape->host, total);
    size_t head_len = out->len;
    put_head(out, 1, resource_spans);
    put_head(out, 1, resource.len);
    buf_add(out, resource.ptr, resource.len);
    put_head(out, 2, scope_spans);
    put_head(out, 1, scope.len);
    buf_add(out, scope.ptr, scope.len);
    patches_move(body, 0, out->len);
    buf_add(out, spans->ptr, spans->len);
    assert(!buf_failed(out) && out->len == head_len + total);
    buf_clear(&resource);
    buf_clear(&scope);
}

void body_make(struct body *body, const struct body_shape *shape, uint32_t variant)
{
    *body = (struct body){ .span_count = shape->spans };
    buf_init(&body->request, BODY_BYTES_MAX);
    struct maker maker = { .body = body, .variant = variant, .content = shape->content };
    struct buf spans;
    buf_init(&spans, BODY_BYTES_MAX);
    buf_init(&maker.span, BODY_BYTES_MAX);
    for (uint32_t i = 0; i < shape->spans; i++) {
        size_t first = body->patch_count;
        maker.variant = variant + i / TRACE_SPANS;
        span_make(&maker, i % TRACE_SPANS);
        put_head(&spans, 2, maker.span.len);
        patches_move(body, first, spans.len);
        buf_add(&spans, maker.span.ptr, maker.span.len);
    }
    request_make(body, shape, &spans, variant);
    buf_clear(&spans);
    buf_clear(&maker.span);
}

void body_clear(struct body *body)
{
    buf_clear(&body->request);
    xfree(body->patches);
}

/* ---- a new send ---- */

/* What the spans of the trace at hand have in common. */
struct trace {
    uint64_t id[2];
    uint64_t span_ids[TRACE_SPANS];
    int64_t start_ns;
};

static void trace_begin(struct trace *trace, uint64_t *random, int64_t now_ns)
{
    trace->id[0] = random_next(random);
    trace->id[1] = random_next(random);
    for (size_t i = 0; i < TRACE_SPANS; i++)
        trace->span_ids[i] = random_next(random) | 1;
    trace->start_ns = now_ns - TRACE_NS;
}

static void fill_letters(char *at, uint32_t count, uint32_t base, uint64_t *random)
{
    static const char letters[] = "0123456789abcdef";
    uint64_t bits = 0;
    for (uint32_t i = 0; i < count; i++, bits >>= 4) {
        if (i % 12 == 0)
            bits = random_next(random);
        at[i] = letters[(bits & 15) % base];
    }
}

static void fill_text(char *at, uint32_t len, const struct prose *prose, uint64_t *random)
{
    memcpy(at, prose->text + random_next(random) % (PROSE_BYTES - len), len);
    if (at[len - 1] == '\\') /* an escape cut in two */
        at[len - 1] = ' ';
}

/* Slot 0 lasts the whole trace, the others a part of it. */
static int64_t slot_time(const struct trace *trace, uint32_t slot, bool end, uint64_t *random)
{
    int64_t part = TRACE_NS / TRACE_SPANS;
    int64_t from = slot ? trace->start_ns + slot * part : trace->start_ns;
    if (!end)
        return from;
    return slot ? from + part / 2 + (int64_t)(random_next(random) % (uint64_t)(part / 2))
                : trace->start_ns + TRACE_NS;
}

static void patch_apply(const struct patch *patch, char *at, const struct trace *trace,
                        const struct prose *prose, uint64_t *random)
{
    int64_t time_ns;
    uint64_t tokens;
    switch (patch->kind) {
    case PATCH_TRACE_ID:
        memcpy(at, trace->id, sizeof trace->id);
        break;
    case PATCH_SPAN_ID:
    case PATCH_PARENT_ID:
        memcpy(at, &trace->span_ids[patch->n], sizeof trace->span_ids[0]);
        break;
    case PATCH_START:
    case PATCH_END:
        time_ns = slot_time(trace, patch->n, patch->kind == PATCH_END, random);
        memcpy(at, &time_ns, sizeof time_ns);
        break;
    case PATCH_HEX:
        fill_letters(at, patch->n, 16, random);
        break;
    case PATCH_DIGITS:
        fill_letters(at, patch->n, 10, random);
        break;
    case PATCH_TOKENS:
        tokens = 128 + random_next(random) % 4000;
        at[0] = (char)(tokens | 0x80);
        at[1] = (char)(tokens >> 7);
        break;
    case PATCH_TEXT:
        fill_text(at, patch->n, prose, random);
        break;
    }
}

void body_renew(struct body *body, const struct prose *prose, uint64_t *random, int64_t now_ns)
{
    struct trace trace = { 0 };
    for (size_t i = 0; i < body->patch_count; i++) {
        const struct patch *patch = &body->patches[i];
        bool new_trace = patch->kind == PATCH_TRACE_ID && i + 1 < body->patch_count &&
                         patch[1].kind == PATCH_SPAN_ID && patch[1].n == 0;
        if (new_trace)
            trace_begin(&trace, random, now_ns);
        patch_apply(patch, body->request.ptr + patch->offset, &trace, prose, random);
    }
}
