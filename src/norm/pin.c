/* pin.c -- see pin.h; and which pin a span is read by.
 *
 * The tenant of a span is known before it is read only where its key is bound to one.  Else, and
 * only in a project that has pins of tenants, its attributes are looked through for a tenant's
 * name, as the project's own version reads them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/pin.h"
#include "norm/norm_int.h"
#include <stdio.h>
#include <stdlib.h>

struct pins {
    struct arena arena;
    struct pin newest;
    struct pin *pins;
    size_t count;
};

/* ---- versions ---- */

bool mapping_version_parse(str text, struct mapping_version *ret_version)
{
    uint64_t tables, file;
    size_t dot = str_find_char(text, '.');
    if (dot == text.len || !str_to_u64(str_sub(text, 0, dot), &tables) ||
        !str_to_u64(str_from(text, dot + 1), &file) || tables < 1 || tables > UINT16_MAX ||
        file > INT32_MAX)
        return false;
    *ret_version = (struct mapping_version){ (uint32_t)tables, (uint32_t)file };
    return true;
}

void mapping_version_format(struct mapping_version version, char ret_text[MAPPING_VERSION_CHARS])
{
    snprintf(ret_text, MAPPING_VERSION_CHARS, "%u.%u", version.tables, version.file);
}

/* ---- the table ---- */

static int pin_cmp(const void *a, const void *b)
{
    const struct pin *left = a, *right = b;
    int order = str_cmp(left->project, right->project);
    return order ? order : str_cmp(left->tenant, right->tenant);
}

static bool pin_copy(struct pins *pins, const struct pin *from, struct pin *to)
{
    char text[MAPPING_VERSION_CHARS];
    mapping_version_format(from->version, text);
    *to = *from;
    to->project = arena_str(&pins->arena, from->project);
    to->tenant = str_is_none(from->tenant) ? STR_NONE : arena_str(&pins->arena, from->tenant);
    to->text = arena_str(&pins->arena, str_from_c(text));
    return from->version.tables >= 1 && from->version.tables <= MAPPING_TABLES;
}

enum err pins_new(const struct pin *from, size_t count, const struct pin *newest,
                  struct pins **ret_pins, struct diag *reterr_why)
{
    assert(newest && ret_pins && (from || count == 0));
    if (count > PINS_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "more than %d pins of a mapping", PINS_MAX);
    struct pins *pins = xcalloc(1, sizeof *pins);
    arena_init(&pins->arena, SIZE_MAX);
    pins->pins = xcalloc(MAX(count, (size_t)1), sizeof *pins->pins);
    pins->count = count;
    bool is_good = pin_copy(pins, newest, &pins->newest);
    assert(is_good);
    for (size_t i = 0; i < count && is_good; i++)
        is_good = pin_copy(pins, &from[i], &pins->pins[i]);
    if (!is_good) {
        pins_free(pins);
        diag_set(reterr_why, ERR_UNSUPPORTED,
                 "a mapping is pinned to a version of the built-in tables past %d", MAPPING_TABLES);
        diag_hint(reterr_why, "a newer server pinned it; `telltale map pins` shows which");
        return ERR_UNSUPPORTED;
    }
    qsort(pins->pins, count, sizeof *pins->pins, pin_cmp);
    *ret_pins = pins;
    return ERR_OK;
}

void pins_free(struct pins *pins)
{
    if (!pins)
        return;
    arena_clear(&pins->arena);
    xfree(pins->pins);
    xfree(pins);
}

size_t pins_count(const struct pins *pins)
{
    return pins->count;
}

const struct pin *pins_at(const struct pins *pins, size_t index)
{
    assert(index < pins->count);
    return &pins->pins[index];
}

const struct pin *pins_newest(const struct pins *pins)
{
    return &pins->newest;
}

static const struct pin *find(const struct pins *pins, str project, str tenant)
{
    struct pin key = { .project = project, .tenant = tenant };
    return bsearch(&key, pins->pins, pins->count, sizeof *pins->pins, pin_cmp);
}

const struct pin *pins_find(const struct pins *pins, str project, str tenant)
{
    if (pins->count == 0)
        return &pins->newest;
    const struct pin *pin = str_is_empty(tenant) ? NULL : find(pins, project, tenant);
    if (!pin)
        pin = find(pins, project, STR_NONE);
    return pin ? pin : &pins->newest;
}

bool pins_by_tenant(const struct pins *pins, str project)
{
    for (size_t i = 0; i < pins->count; i++)
        if (str_equal(pins->pins[i].project, project) && !str_is_none(pins->pins[i].tenant))
            return true;
    return false;
}

/* ---- the pin of a span ---- */

static void pin_use(struct norm *norm, const struct pin *pin)
{
    norm->pin = pin;
    norm->mapping = pin->mapping;
    norm->tables = pin->version.tables;
}

void norm_pin_begin(struct norm *norm)
{
    const struct norm_config *config = norm->config;
    norm->pin_default = (struct pin){ .version = { MAPPING_TABLES, 0 },
                                      .mapping = config->mapping,
                                      .project = STR_NONE,
                                      .tenant = STR_NONE,
                                      .text = STR_NONE };
    norm->pin_base = &norm->pin_default;
    if (config->pins) {
        norm->pin_base = pins_find(config->pins, config->project, config->tenant);
        norm->by_tenant =
            str_is_empty(config->tenant) && pins_by_tenant(config->pins, config->project);
    }
    pin_use(norm, norm->pin_base);
}

/* The attribute that will be the tenant, if any of these is worth more than *score. */
static void tenant_find(struct norm *norm, const struct attr *attrs, uint32_t count,
                        enum level level, uint16_t *score, str *tenant)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct mapped_row *mapped =
            norm->mapping ? mapping_find_exact(norm, attrs[i].key) : NULL;
        const struct row *row = mapped ? &mapped->row : norm_row(norm, attrs[i].key);
        if (!row || row->target != TARGET_tenant_id || (mapped && mapped->action != MAP_FIELD) ||
            attrs[i].value.type != VALUE_STR || attrs[i].value.text.len == 0)
            continue;
        uint16_t worth = row_score(row, mapped, level);
        if (worth > *score) {
            *score = worth;
            *tenant = attrs[i].value.text;
        }
    }
}

static const struct pin *pin_of(struct norm *norm, const struct raw_scope *scope,
                                const struct attr *attrs, uint32_t count)
{
    uint16_t score = 0;
    str tenant = STR_NONE;
    pin_use(norm, norm->pin_base);
    norm->scope_name = scope->name;
    norm->span_dialects = 0;
    tenant_find(norm, attrs, count, LEVEL_SPAN, &score, &tenant);
    tenant_find(norm, scope->attrs, scope->attr_count, LEVEL_RESOURCE, &score, &tenant);
    tenant_find(norm, scope->resource->attrs, scope->resource->attr_count, LEVEL_RESOURCE, &score,
                &tenant);
    return pins_find(norm->config->pins, norm->config->project, tenant);
}

void norm_place_for(struct norm *norm, const struct raw_scope *scope, const struct attr *attrs,
                    uint32_t count)
{
    const struct pin *pin = norm->by_tenant ? pin_of(norm, scope, attrs, count) : norm->pin_base;
    pin_use(norm, pin);
    if (norm->place.scope != scope || norm->place.pin != pin)
        norm_place(norm, scope);
}

bool norm_newer_reads(const struct norm *norm, str name)
{
    const struct pin *newest = pins_newest(norm->config->pins);
    enum family family, before;
    enum dialect dialect;
    str rest;
    if (dialect_find(name) && !norm_row(norm, name))
        return true;
    if (newest->mapping && newest->mapping != norm->mapping && mapping_names(newest->mapping, name))
        return true;
    if (!dialect_prefix(name, MAPPING_TABLES, &family, &dialect, &rest))
        return false;
    if (!dialect_prefix(name, norm->tables, &before, &dialect, &rest) || before != family)
        return family != FAMILY_RETRY || dialect_find(rest);
    return family == FAMILY_RETRY && dialect_find(rest) && !norm_row(norm, rest);
}
