/* bench_dialect.c -- what the mapping of attribute names costs a lean span, on real recordings.
 *
 * The spans of a recorded request, less the attributes that become content, are understood
 * with: no attributes at all; the attributes under names that no row knows; the same counted
 * for GET /api/v1/mapping/unmapped; the attributes as sent; as sent beside a mapping file of
 * which no row fits; under foreign names that such a file strips.  The difference of two lines
 * is what a step costs; look-ups alone are timed as well.
 *
 * usage: bench_dialect tests/fixtures/real/NAME/1-traces.pb.gz ...
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"
#include "wire/decompress.h"
#include "wire/otlp.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SPANS = 512, BATCHES = 400, FILE_ROWS = 200, LOOKUPS = 20000, LOOKUP_TURNS = 20 };

static struct arena memory, scratch;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct norm_config config_of(const struct mapping *mapping, struct unmapped *unmapped)
{
    return (struct norm_config){ .project = STR("bench"),
                                 .received_ns = INT64_C(1790000000) * NS_PER_S,
                                 .attr_value_bytes_max = 1024,
                                 .text_field_bytes_max = 1024,
                                 .mapping = mapping,
                                 .unmapped = unmapped };
}

/* ns per span, best of BATCHES. */
static double bench(const char *what, const struct raw_batch *raw, const struct mapping *mapping,
                    struct unmapped *unmapped)
{
    struct norm_config config = config_of(mapping, unmapped);
    double best = 1e9;
    for (int i = 0; i < BATCHES; i++) {
        struct batch batch;
        arena_reset(&scratch);
        double start = now_s();
        if (norm_batch(&scratch, &config, raw, &batch, NULL) != ERR_OK)
            abort();
        double each = (now_s() - start) / raw->span_count * 1e9;
        best = each < best ? each : best;
    }
    printf("  %-46s %8.1f ns/span\n", what, best);
    return best;
}

static void decode(const char *path, struct raw_batch *raw)
{
    static struct buf packed, body;
    buf_init(&packed, 64 * MIB);
    buf_init(&body, 64 * MIB);
    FILE *file = fopen(path, "rb");
    char piece[65536];
    for (size_t len; file && (len = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_add(&packed, piece, len);
    if (!file || fclose(file) != 0)
        exit(2);
    struct decompress *decompress = decompress_new();
    struct diag why = DIAG_NONE;
    enum err err = decompress_all(decompress, DECOMPRESS_GZIP, buf_str(&packed), &body, &why);
    decompress_free(decompress);
    buf_clear(&packed);
    if (!err)
        err = otlp_decode(&memory, OTLP_TRACES, OTLP_PROTOBUF, arena_str(&memory, buf_str(&body)),
                          &otlp_limits_default, raw, &why);
    buf_clear(&body);
    if (err || raw->span_count == 0) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        exit(2);
    }
}

/* Without what becomes content, events and what is long: the lean span. */
static void make_lean(struct raw_batch *raw)
{
    struct batch batch;
    struct norm_config config = config_of(NULL, NULL);
    config.explained = arena_new(&memory, struct norm_explained, raw->span_count);
    if (!config.explained || norm_batch(&memory, &config, raw, &batch, NULL) != ERR_OK)
        abort();
    for (uint32_t i = 0; i < raw->span_count; i++) {
        struct raw_span *span = &raw->spans[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < span->attr_count; k++) {
            const struct norm_origin *origin = &config.explained[i].origins[k];
            const struct value *value = &span->attrs[k].value;
            bool is_long = value->type == VALUE_STR && value->text.len > 256;
            bool is_content = str_starts(origin->target, STR_OF("content.")) ||
                              str_starts(origin->target, STR_OF("text_")); /* JSON objects */
            if (!is_content && !is_long)
                span->attrs[kept++] = span->attrs[k];
        }
        span->attr_count = kept;
        span->event_count = 0;
    }
}

/* `head` before each name; NULL: no attributes. */
static struct raw_batch variant(const struct raw_batch *raw, const char *head)
{
    struct raw_batch copy = { .is_utf8 = true, .span_count = SPANS };
    copy.spans = arena_new(&memory, struct raw_span, SPANS);
    for (uint32_t i = 0; i < SPANS; i++) {
        copy.spans[i] = raw->spans[i % raw->span_count];
        struct raw_span *span = &copy.spans[i];
        const struct attr *from = span->attrs;
        span->attr_count = head ? span->attr_count : 0;
        span->attrs = arena_new(&memory, struct attr, span->attr_count + 1);
        for (uint32_t k = 0; k < span->attr_count; k++) {
            span->attrs[k] = from[k];
            span->attrs[k].key =
                arena_printf(&memory, "%s%.*s", head ? head : "", STR_ARG(from[k].key));
        }
    }
    return copy;
}

static struct mapping *mapping_of(const char *first_line)
{
    struct buf yaml;
    struct mapping *mapping;
    struct diag why = DIAG_NONE;
    buf_init(&yaml, MIB);
    buf_add_c(&yaml, first_line);
    for (int i = 0; i < FILE_ROWS; i++)
        buf_printf(&yaml, "acme.attribute.%d: tenant_id\n", i);
    if (mapping_load(STR_OF("bench"), buf_str(&yaml), &mapping, &why)) {
        fprintf(stderr, "%s\n", why.text);
        exit(2);
    }
    buf_clear(&yaml);
    return mapping;
}

static void bench_lookup(const char *what, const struct raw_batch *raw)
{
    size_t found = 0, asked = 0;
    double best = 1e9;
    for (int turn = 0; turn < LOOKUP_TURNS; turn++) {
        double start = now_s();
        for (found = asked = 0; asked < LOOKUPS;)
            for (uint32_t i = 0; i < raw->span_count; i++)
                for (uint32_t k = 0; k < raw->spans[i].attr_count; k++, asked++)
                    found += dialect_find(raw->spans[i].attrs[k].key) != NULL;
        double each = (now_s() - start) / (double)asked * 1e9;
        best = MIN(best, each);
    }
    printf("  %-46s %8.1f ns/attribute, %zu %% found\n", what, best, found * 100 / asked);
}

static void bench_file(const char *path)
{
    struct raw_batch raw;
    decode(path, &raw);
    make_lean(&raw);
    struct raw_batch none = variant(&raw, NULL), foreign = variant(&raw, "zz."),
                     sent = variant(&raw, "");
    size_t attrs = 0;
    for (uint32_t i = 0; i < SPANS; i++)
        attrs += sent.spans[i].attr_count;
    if (attrs == 0)
        return;
    printf("%s: %u spans, %.1f lean attributes each, %zu built-in rows\n", path, raw.span_count,
           (double)attrs / SPANS, dialect_row_count());
    struct mapping *unfit = mapping_of(""), *strip = mapping_of("zz.*: strip\n");
    struct unmapped *unmapped = unmapped_new();
    bench_lookup("look-up alone, names as sent", &sent);
    bench_lookup("look-up alone, foreign names", &foreign);
    double bare = bench("no attributes", &none, NULL, NULL);
    double kept = bench("foreign names, kept as attributes", &foreign, NULL, NULL);
    double counted = bench("foreign names, kept and counted as unmapped", &foreign, NULL, unmapped);
    double mapped = bench("as sent, mapped", &sent, NULL, NULL);
    double beside = bench("as sent, beside a file of 200 rows", &sent, unfit, NULL);
    bench("foreign names, stripped by a file", &foreign, strip, NULL);
    printf("  attributes cost %.1f, of that the mapping %.1f; a file %.1f, counting %.1f ns/span\n",
           mapped - bare, mapped - kept, beside - mapped, counted - kept);
    unmapped_free(unmapped);
    mapping_free(unfit);
    mapping_free(strip);
}

int main(int argc, char **argv)
{
    arena_init(&memory, 1024 * MIB);
    arena_init(&scratch, 256 * MIB);
    for (int i = 1; i < argc; i++)
        bench_file(argv[i]);
    arena_clear(&memory);
    arena_clear(&scratch);
    return argc > 1 ? 0 : 2;
}
