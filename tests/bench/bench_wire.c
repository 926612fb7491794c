/* bench_wire.c -- how fast requests are decoded on one core: spans/s and MB/s.
 *
 * A lean span as an LLM SDK sends it: ids, name, times, eight attributes, about 500 bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/json.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"
#include <stdio.h>
#include <time.h>

enum { SPANS = 512, ARENA_BYTES = 64 * 1024 * 1024, SECONDS = 2 };

static const struct {
    const char *key;
    const char *text; /* NULL: a number */
} attrs[] = {
    { "gen_ai.operation.name", "chat" },
    { "gen_ai.request.model", "gpt-4o-2024-11-20" },
    { "gen_ai.response.id", "chatcmpl-0123456789abcdef0123456789" },
    { "gen_ai.response.model", "gpt-4o-2024-11-20" },
    { "gen_ai.usage.input_tokens", NULL },
    { "gen_ai.usage.output_tokens", NULL },
    { "llm.prompt_template.template",
      "Answer {question} from {context}; cite sources. Be brief, be exact." },
    { "session.id", "01234567-89ab-cdef-0123-456789abcdef" },
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fixed64(struct buf *out, uint32_t number, uint64_t value)
{
    pb_write_tag(out, number, PB_FIXED64);
    buf_add(out, &value, 8);
}

static void message(struct buf *out, uint32_t number, struct buf *inner)
{
    pb_write_bytes(out, number, buf_str(inner));
    buf_clear(inner);
}

static void span_pb(struct buf *out, unsigned index)
{
    char ids[25] = "0123456789abcdef01234567";
    ids[0] = (char)('a' + index % 26);
    pb_write_bytes(out, 1, str_make(ids, 16));
    pb_write_bytes(out, 2, str_make(ids + 16, 8));
    pb_write_bytes(out, 4, str_make(ids + 12, 8));
    pb_write_bytes(out, 5, STR_OF("chat gpt-4o"));
    pb_write_uint(out, 6, 3);
    fixed64(out, 7, UINT64_C(1763700000000000000) + index);
    fixed64(out, 8, UINT64_C(1763700001000000000) + index);
    for (size_t i = 0; i < COUNT_OF(attrs); i++) {
        struct buf attr, value;
        buf_init(&attr, KIB);
        buf_init(&value, KIB);
        if (attrs[i].text)
            pb_write_bytes(&value, 1, str_from_c(attrs[i].text));
        else
            pb_write_uint(&value, 3, 1000 + index);
        pb_write_bytes(&attr, 1, str_from_c(attrs[i].key));
        message(&attr, 2, &value);
        message(out, 9, &attr);
    }
    pb_write_bytes(out, 15, STR_OF("\x18\x01"));
}

static void request_pb(struct buf *out)
{
    struct buf resource, scope;
    buf_init(&resource, MIB);
    buf_init(&scope, MIB);
    for (unsigned i = 0; i < SPANS; i++) {
        struct buf span;
        buf_init(&span, KIB * 4);
        span_pb(&span, i);
        message(&scope, 2, &span);
    }
    message(&resource, 2, &scope);
    message(out, 1, &resource);
}

static void request_json(struct buf *out)
{
    buf_add_c(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[]},\"scopeSpans\":[{"
                   "\"scope\":{\"name\":\"bench\"},\"spans\":[");
    for (unsigned i = 0; i < SPANS; i++) {
        buf_add_c(out, i ? "," : "");
        buf_printf(out,
                   "{\"traceId\":\"5b8efff798038103d269b633813f%04x\",\"spanId\":"
                   "\"eee19b7ec3c1b174\",\"parentSpanId\":\"eee19b7ec3c1b173\",\"name\":"
                   "\"chat gpt-4o\",\"kind\":3,\"startTimeUnixNano\":\"1763700000000000000\","
                   "\"endTimeUnixNano\":\"1763700001000000000\",\"attributes\":[",
                   i);
        for (size_t k = 0; k < COUNT_OF(attrs); k++) {
            buf_printf(out, "%s{\"key\":\"%s\",\"value\":{", k ? "," : "", attrs[k].key);
            if (attrs[k].text)
                buf_printf(out, "\"stringValue\":\"%s\"}}", attrs[k].text);
            else
                buf_printf(out, "\"intValue\":\"%u\"}}", 1000 + i);
        }
        buf_add_c(out, "],\"status\":{\"code\":1}}");
    }
    buf_add_c(out, "]}]}]}");
}

static int decode_bench(const char *name, enum otlp_encoding encoding, str body)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    double start = now(), spent;
    size_t spans = 0, rounds = 0;
    do {
        struct raw_batch batch;
        arena_reset(&arena);
        if (otlp_decode(&arena, OTLP_TRACES, encoding, body, NULL, &batch, NULL) ||
            batch.span_count != SPANS)
            return 1;
        spans += batch.span_count;
        rounds++;
        spent = now() - start;
    } while (spent < SECONDS);
    printf("%-14s %10.0f spans/s  %7.0f MB/s  %zu B/span  arena %zu B/span\n", name,
           (double)spans / spent, (double)(rounds * body.len) / spent / 1e6, body.len / SPANS,
           arena.used_bytes / SPANS);
    arena_clear(&arena);
    return 0;
}

static int skip_bench(str body)
{
    double start = now(), spent;
    size_t rounds = 0;
    do {
        struct json json;
        json_init(&json, NULL, body, JSON_DEPTH_MAX);
        if (!json_skip(&json, json_next(&json)))
            return 1;
        rounds++;
        spent = now() - start;
    } while (spent < SECONDS);
    printf("%-14s %27.0f MB/s\n", "json skip", (double)(rounds * body.len) / spent / 1e6);
    return 0;
}

int main(void)
{
    struct buf pb, json;
    buf_init(&pb, 4 * MIB);
    buf_init(&json, 4 * MIB);
    request_pb(&pb);
    request_json(&json);
    int failed = buf_failed(&pb) || buf_failed(&json) ||
                 decode_bench("otlp protobuf", OTLP_PROTOBUF, buf_str(&pb)) ||
                 decode_bench("otlp json", OTLP_JSON, buf_str(&json)) || skip_bench(buf_str(&json));
    buf_clear(&pb);
    buf_clear(&json);
    return failed;
}
