/* bench_redact.c -- what redaction costs: start, lean spans, prompts.
 *
 * Prompts are pseudo-random prose and code with a
 * personal datum in one of ten; lean spans have ten short attributes, three of
 * them new in each span.  Prints the median of the rounds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "redact/redact.h"
#include "sys/clock.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    LEAN_SPANS = 20000,
    BATCH_SPANS = 100,
    PROMPTS = 2000,
    PROMPT_BYTES = 3500,
    ROUNDS = 7,
    ATTRS = 10,
    ARENA_BYTES = 1 << 30,
};

static const char *const words[] = {
    "the",
    "answer",
    "is",
    "a",
    "customer",
    "asked",
    "why",
    "our",
    "service",
    "returns",
    "an",
    "error",
    "when",
    "it",
    "calls",
    "model",
    "for",
    "each",
    "document.",
    "Please",
    "write",
    "def",
    "handler(self):",
    "return",
    "value",
    "and",
    "explain",
    "in",
    "detail",
    "how",
    "to",
    "improve",
    "token",
    "usage,",
    "latency",
    "of",
    "this",
    "\\n",
    "retrieval",
    "42",
    "context",
    "with",
    "2024",
    "chunks:",
    "if",
    "(x",
    "==",
    "None):",
    "section",
    "summary",
    "results",
    "because",
    "price",
    "3.5",
    "percent",
};
static const char *const data[] = { " mail jane.doe@example.com ", " call +49 170 1234567 ",
                                    " from 10.20.30.40 " };

static uint64_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static int double_compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static str prompt_make(struct arena *arena, uint64_t *state, bool with_data)
{
    struct buf out;
    buf_init(&out, PROMPT_BYTES * 2);
    buf_add_c(&out, "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"");
    while (out.len < PROMPT_BYTES) {
        buf_add_c(&out, words[random_next(state) % COUNT_OF(words)]);
        buf_add_char(&out, ' ');
    }
    if (with_data)
        buf_add_c(&out, data[random_next(state) % COUNT_OF(data)]);
    buf_add_c(&out, "\"}]}]");
    str json = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    assert(json.ptr);
    return json;
}

static void lean_make(struct arena *arena, struct span *span, unsigned number)
{
    static const char *const keys[ATTRS] = {
        "host.name",     "os.type",      "process.pid.text", "thread.name", "http.route",
        "deployment.id", "k8s.pod.name", "app.request",      "app.shard",   "telemetry.sdk.language"
    };
    SPAN_SET(span, name, STR_OF("chat gpt-4o-mini"));
    SPAN_SET(span, service, STR_OF("checkout-assistant"));
    SPAN_SET(span, environment, STR_OF("production"));
    SPAN_SET(span, provider, STR_OF("openai"));
    SPAN_SET(span, request_model, STR_OF("gpt-4o-mini-2024-07-18"));
    SPAN_SET(span, scope_name, STR_OF("opentelemetry.instrumentation.openai"));
    SPAN_SET(span, response_id,
             arena_printf(arena, "chatcmpl-%08xAbCdEfGhIj", number * 2654435761U));
    span->attrs = arena_new(arena, struct attr, ATTRS);
    assert(span->attrs);
    span->attr_count = ATTRS;
    for (unsigned i = 0; i < ATTRS; i++) {
        str value =
            i < 8 ? arena_printf(arena, "value-%u", i) : arena_printf(arena, "id-%u-%u", i, number);
        span->attrs[i] = (struct attr){ str_from_c(keys[i]), value_str(value) };
    }
}

struct bench {
    struct redactor *redactor;
    struct redact_scratch *scratch;
    struct arena arena;
};

/* Seconds for one pass over copies of the spans, in batches as requests bring them. */
static double pass(struct bench *bench, const struct span *spans, uint32_t count)
{
    static struct span mine[BATCH_SPANS];
    struct arena copies;
    int64_t spent_ns = 0;
    arena_init(&copies, ARENA_BYTES);
    for (uint32_t at = 0; at + BATCH_SPANS <= count; at += BATCH_SPANS) {
        memcpy(mine, spans + at, sizeof mine);
        struct batch batch = { .spans = mine, .span_count = BATCH_SPANS };
        int64_t start = clock_monotonic_ns();
        enum err code = redact_batch(bench->redactor, bench->scratch, &redact_policy_default,
                                     &copies, &batch, NULL);
        spent_ns += clock_monotonic_ns() - start;
        assert(code == ERR_OK);
        arena_reset(&copies);
    }
    arena_clear(&copies);
    return (double)spent_ns / 1e9;
}

static double median(struct bench *bench, const struct span *spans, uint32_t count)
{
    double rounds[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++)
        rounds[i] = pass(bench, spans, count);
    qsort(rounds, ROUNDS, sizeof rounds[0], double_compare);
    return rounds[ROUNDS / 2];
}

static void prompts_run(struct bench *bench, unsigned one_in)
{
    uint64_t state = 7;
    size_t bytes = 0;
    struct span *spans = arena_new(&bench->arena, struct span, PROMPTS);
    assert(spans);
    for (unsigned i = 0; i < PROMPTS; i++) {
        str json = prompt_make(&bench->arena, &state, one_in && i % one_in == 0);
        bytes += json.len;
        bool added = span_add_part(&spans[i], CONTENT_INPUT, json);
        assert(added);
    }
    double seconds = median(bench, spans, PROMPTS);
    printf("prompts, data in 1 of %u: %.0f MB/s, %.2f us each\n", one_in,
           (double)bytes / seconds / 1e6, seconds * 1e6 / PROMPTS);
}

int main(void)
{
    struct bench bench = { .redactor = NULL };
    struct diag why = DIAG_NONE;
    arena_init(&bench.arena, ARENA_BYTES);
    int64_t start = clock_monotonic_ns();
    if (redactor_new(NULL, &bench.redactor, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    printf("start: %.1f ms\n", (double)(clock_monotonic_ns() - start) / 1e6);
    bench.scratch = redact_scratch_new(bench.redactor);
    struct span *spans = arena_new(&bench.arena, struct span, LEAN_SPANS);
    assert(spans);
    for (unsigned i = 0; i < LEAN_SPANS; i++)
        lean_make(&bench.arena, &spans[i], i);
    double seconds = median(&bench, spans, LEAN_SPANS);
    printf("lean spans: %.3f us each\n", seconds * 1e6 / LEAN_SPANS);
    prompts_run(&bench, 0);
    prompts_run(&bench, 10);
    prompts_run(&bench, 1);
    redact_scratch_free(bench.scratch);
    redactor_free(bench.redactor);
    arena_clear(&bench.arena);
    return 0;
}
