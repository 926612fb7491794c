/* pins_in_force.c -- which version of the mapping each project and tenant is read by.
 *
 * The file that the server is started with gets a number and is kept, so that who is pinned to it
 * is read by it still when the file has changed.  `telltale map pin` changes pins beside a running
 * server; the main thread looks every two seconds and publishes them anew when they differ.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "norm/pin.h"
#include "server/node.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

static void file_add(struct node_mapping *to, uint32_t number, struct mapping *mapping)
{
    to->files = xrealloc(to->files, (to->file_count + 1) * sizeof *to->files);
    to->files[to->file_count++] = (struct node_mapping_file){ number, mapping };
}

/* NULL: it was not read yet. */
static const struct mapping *file_find(const struct node_mapping *from, uint32_t number)
{
    for (size_t i = 0; i < from->file_count; i++)
        if (from->files[i].number == number)
            return from->files[i].mapping;
    return NULL;
}

static enum err read_option(struct node *node, struct diag *why)
{
    struct options *options = &node->options;
    if (options->mapping_file.len == 0)
        return ERR_OK;
    struct buf text;
    struct mapping *mapping = NULL;
    buf_init(&text, META_MAPPING_BYTES_MAX);
    enum err err = file_read(options_c(options, options->mapping_file), &text, why);
    if (!err)
        err = mapping_load(options->mapping_file, buf_str(&text), &mapping, why);
    if (!err)
        err = meta_mapping_put(node->meta, options->mapping_file, buf_str(&text), clock_now_ns(),
                               &node->mapping.newest_file, why);
    buf_clear(&text);
    if (err) {
        mapping_free(mapping);
        return err;
    }
    file_add(&node->mapping, node->mapping.newest_file, mapping);
    log_info("a mapping of attributes was read", KV_U64("rows", mapping_row_count(mapping)),
             KV_U64("number", node->mapping.newest_file));
    return ERR_OK;
}

static enum err read_kept(struct node *node, uint32_t number, struct diag *why)
{
    struct arena arena;
    struct meta_mapping_file file;
    struct mapping *mapping = NULL;
    if (number == 0 || file_find(&node->mapping, number))
        return ERR_OK;
    arena_init(&arena, (size_t)2 * META_MAPPING_BYTES_MAX);
    enum err err = meta_mapping_get(node->meta, number, &arena, &file, why);
    if (!err)
        err = mapping_load(file.name, file.text, &mapping, why);
    arena_clear(&arena);
    if (!err)
        file_add(&node->mapping, number, mapping);
    return err;
}

static uint64_t pin_hash(uint64_t hash, const struct meta_pin *pin)
{
    hash = hash_bytes_seeded(pin->project.ptr, pin->project.len, hash);
    hash = hash_bytes_seeded(pin->tenant.ptr, pin->tenant.len, hash);
    uint64_t numbers[] = { pin->tables, pin->file, (uint64_t)pin->set_ns };
    return hash_bytes_seeded(numbers, sizeof numbers, hash);
}

static enum err publish(struct node *node, const struct meta_pin *rows, size_t count,
                        struct arena *arena, struct diag *why)
{
    struct node_mapping *mapping = &node->mapping;
    struct pin *from = arena_new(arena, struct pin, count);
    if (!from)
        return diag_set(why, ERR_LIMIT, "no room for the pins of mappings");
    for (size_t i = 0; i < count; i++) {
        enum err err = read_kept(node, rows[i].file, why);
        if (err)
            return err;
        from[i] = (struct pin){ .project = rows[i].project,
                                .tenant = rows[i].tenant,
                                .version = { rows[i].tables, rows[i].file },
                                .mapping = file_find(mapping, rows[i].file),
                                .set_ns = rows[i].set_ns };
    }
    struct pin newest = { .version = { MAPPING_TABLES, mapping->newest_file },
                          .mapping = file_find(mapping, mapping->newest_file),
                          .project = STR_OF(""),
                          .tenant = STR_NONE };
    struct pins *pins;
    enum err err = pins_new(from, count, &newest, &pins, why);
    if (err)
        return err;
    mapping->published =
        xrealloc(mapping->published, (mapping->published_count + 1) * sizeof *mapping->published);
    mapping->published[mapping->published_count++] = pins;
    atomic_store_explicit(&mapping->place.current, pins, memory_order_release);
    return ERR_OK;
}

/* *ret_count: pins in force, when they are others than before. */
static enum err look(struct node *node, bool *ret_changed, size_t *ret_count, struct diag *why)
{
    struct arena arena;
    struct meta_pin *rows = NULL;
    uint64_t hash = 1;
    arena_init(&arena, 64 * MIB);
    enum err err = meta_pins(node->meta, &arena, &rows, ret_count, why);
    for (size_t i = 0; !err && i < *ret_count; i++)
        hash = pin_hash(hash, &rows[i]);
    *ret_changed = !err && hash != node->mapping.hash;
    if (*ret_changed)
        err = publish(node, rows, *ret_count, &arena, why);
    if (!err)
        node->mapping.hash = hash;
    arena_clear(&arena);
    return err;
}

enum err node_open_mapping(struct node *node, struct diag *reterr_why)
{
    bool changed;
    size_t count;
    enum err err = read_option(node, reterr_why);
    return err ? err : look(node, &changed, &count, reterr_why);
}

void node_refresh_mapping(struct node *node)
{
    bool changed;
    size_t count;
    struct diag why = DIAG_NONE;
    enum err err = look(node, &changed, &count, &why);
    if (err)
        log_error("cannot read the pins of mappings; those known stay in force", KV_ERR(err),
                  KV_WHY(&why));
    else if (changed)
        log_info("pins of mappings changed", KV_U64("in_force", count));
}

void node_close_mapping(struct node *node)
{
    struct node_mapping *mapping = &node->mapping;
    for (size_t i = 0; i < mapping->published_count; i++)
        pins_free(mapping->published[i]);
    for (size_t i = 0; i < mapping->file_count; i++)
        mapping_free(mapping->files[i].mapping);
    xfree(mapping->published);
    xfree(mapping->files);
}
