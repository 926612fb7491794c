/* fuzz_mapping.c -- any YAML is a mapping that understands spans, or an error that says why.
 *
 * The lines of the input also serve as the names of a span's attributes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "norm/norm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES_MAX = 16 };

static void understand(const struct mapping *mapping, str text)
{
    struct arena arena;
    arena_init(&arena, 8 * MIB);
    struct raw_resource resource = { .schema_url = STR("") };
    struct raw_scope scope = { .resource = &resource, .name = STR("acme.tracer") };
    struct attr attrs[NAMES_MAX];
    struct raw_span span = { .scope = &scope, .name = STR("work"), .attrs = attrs };
    str rest = text, line;
    while (span.attr_count < NAMES_MAX && str_next(&rest, '\n', &line)) {
        str name = str_trim(str_sub(line, 0, str_find_char(line, ':')));
        size_t star = str_find_char(name, '*');
        attrs[span.attr_count++] = (struct attr){
            star < name.len ? arena_printf(&arena, "%.*s0.role", STR_ARG(str_sub(name, 0, star)))
                            : name,
            value_str(line),
        };
    }
    struct norm_explained explained;
    struct norm_config config = { .project = STR("fuzz"),
                                  .received_ns = INT64_C(1790000000) * NS_PER_S,
                                  .attr_value_bytes_max = 64,
                                  .text_field_bytes_max = 64,
                                  .mapping = mapping,
                                  .explained = &explained };
    struct raw_batch raw = { .spans = &span, .span_count = 1 };
    struct batch batch;
    enum err err = norm_batch(&arena, &config, &raw, &batch, NULL);
    assert(err || explained.count == span.attr_count);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    struct mapping *mapping = NULL;
    struct diag why = DIAG_NONE;
    enum err err = mapping_load(STR_OF("f"), text, &mapping, &why);
    assert(err == ERR_OK || why.text[0]);
    assert((err == ERR_OK) == (mapping != NULL));
    if (mapping)
        understand(mapping, text);
    mapping_free(mapping);
    return 0;
}
