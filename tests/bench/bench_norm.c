/* bench_norm.c -- what understanding a span costs: lean (12 attributes) and with 3.5 KB messages.
 *
 * usage: bench_norm [batches]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SPANS = 512, LEAN_ATTRS = 12 };

static struct raw_resource resource;
static struct raw_scope scope = { .resource = &resource, .name = STR("bench") };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void bench(const char *what, const struct raw_batch *raw, int batches)
{
    struct norm_config config = { .project = STR("bench"),
                                  .received_ns = INT64_C(1790000000) * NS_PER_S,
                                  .attr_value_bytes_max = 1024,
                                  .text_field_bytes_max = 1024 };
    struct arena arena;
    arena_init(&arena, 256 * MIB);
    double best = 1e9;
    for (int i = 0; i < batches; i++) {
        struct batch batch;
        arena_reset(&arena);
        double start = now_s();
        if (norm_batch(&arena, &config, raw, &batch, NULL) != ERR_OK)
            abort();
        double each = (now_s() - start) / raw->span_count;
        best = each < best ? each : best;
    }
    printf("%-28s %8.1f ns/span best of %d batches\n", what, best * 1e9, batches);
    arena_clear(&arena);
}

int main(int argc, char **argv)
{
    int batches = argc > 1 ? atoi(argv[1]) : 400;
    static struct attr place[] = {
        { STR("service.name"), { .type = VALUE_STR, .text = STR("svc") } },
        { STR("deployment.environment.name"), { .type = VALUE_STR, .text = STR("prod") } },
        { STR("telemetry.sdk.language"), { .type = VALUE_STR, .text = STR("python") } }
    };
    resource = (struct raw_resource){ .attrs = place, .attr_count = COUNT_OF(place) };
    static struct value stop[] = { { .type = VALUE_STR, .text = STR("stop") } };
    static struct attr attrs[LEAN_ATTRS + 2];
    const struct attr lean[LEAN_ATTRS] = {
        { STR("gen_ai.provider.name"), value_str(STR_OF("openai")) },
        { STR("gen_ai.operation.name"), value_str(STR_OF("chat")) },
        { STR("gen_ai.request.model"), value_str(STR_OF("gpt-4o-mini")) },
        { STR("gen_ai.response.model"), value_str(STR_OF("gpt-4o-mini-2024-07-18")) },
        { STR("gen_ai.response.id"), value_str(STR_OF("chatcmpl-9xyzabc123")) },
        { STR("gen_ai.response.finish_reasons"),
          { .type = VALUE_ARRAY, .count = 1, .items = stop } },
        { STR("gen_ai.usage.input_tokens"), value_i64(1200) },
        { STR("gen_ai.usage.output_tokens"), value_i64(150) },
        { STR("gen_ai.request.temperature"), value_f64(0.2) },
        { STR("app.tenant_id"), value_str(STR_OF("tenant_abc")) },
        { STR("app.feature"), value_str(STR_OF("support_assistant")) },
        { STR("user.id"), value_str(STR_OF("user-000123")) },
    };
    memcpy(attrs, lean, sizeof lean);
    static struct raw_span spans[SPANS];
    for (unsigned i = 0; i < SPANS; i++) {
        spans[i] = (struct raw_span){ .scope = &scope,
                                      .name = STR("chat gpt-4o-mini"),
                                      .kind = 3,
                                      .start_ns = UINT64_C(1789999990000000000),
                                      .end_ns = UINT64_C(1789999991000000000),
                                      .attrs = attrs,
                                      .attr_count = LEAN_ATTRS };
        spans[i].span_id.bytes[0] = spans[i].parent_span_id.bytes[1] = (uint8_t)(i | 1);
    }
    struct raw_batch raw = { .spans = spans, .span_count = SPANS };
    bench("lean, 12 attributes", &raw, batches);

    static char text[4096];
    int len = snprintf(text, sizeof text,
                       "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"");
    memset(text + len, 'a', 3400);
    snprintf(text + len + 3400, sizeof text - (size_t)len - 3400, "\"}]}]");
    attrs[LEAN_ATTRS] = (struct attr){ STR("gen_ai.input.messages"), value_str(str_from_c(text)) };
    attrs[LEAN_ATTRS + 1] = (struct attr){
        STR("gen_ai.output.messages"),
        value_str(STR_OF("[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":"
                         "\"It is fine.\"}],\"finish_reason\":\"stop\"}]"))
    };
    for (unsigned i = 0; i < SPANS; i++)
        spans[i].attr_count = LEAN_ATTRS + 2;
    bench("canonical messages, 3.5 KB", &raw, batches);
    return 0;
}
