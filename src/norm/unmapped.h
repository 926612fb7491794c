/* unmapped.h -- which attribute names no row knows, so that gaps in the mapping are found.
 *
 * Per project and name: how often, when first and last, and an example of who sent it.
 * Never a value.  Counted since the server started.  A table has one writer, its worker,
 * and any number of readers, who add up the tables of all workers when asked.
 *
 * Limits: UNMAPPED_NAMES_MAX names of a project, and UNMAPPED_ALL_MAX of all, per worker;
 * what is past them is only counted, as `other`.  A name is cut at UNMAPPED_NAME_BYTES_MAX.
 *
 * Memory:  owns copies of what it keeps, until unmapped_free: no reader may be left then.
 * Threads: unmapped_add on the worker; unmapped_total and unmapped_list on any thread.
 *          Entries never move and their texts never change; counts are relaxed atomics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    UNMAPPED_PROJECTS_MAX = 256,
    UNMAPPED_NAMES_MAX = 1024,
    UNMAPPED_ALL_MAX = 16384,
    UNMAPPED_NAME_BYTES_MAX = 128,
};

struct unmapped;
struct unmapped *unmapped_new(void);
void unmapped_free(struct unmapped *unmapped);

struct unmapped_sender {
    str project, scope, service;
    uint32_t dialects; /* bits of enum dialect */
    int64_t now_ns;
    bool newer_reads;    /* it is pinned to an older mapping, and the newest would read the name */
    struct arena *arena; /* scratch of clean() */
    str (*clean)(void *arg, struct arena *arena, str name); /* of a new name; may be NULL */
    void *clean_arg;
};
void unmapped_add(struct unmapped *unmapped, const struct unmapped_sender *sender, str name);
/* Attributes counted, of all projects. */
uint64_t unmapped_total(const struct unmapped *unmapped);

struct unmapped_item {
    str name, scope, service; /* the example is of who sent it first */
    str dialect;              /* "openinference+openllmetry"; empty: unknown */
    uint64_t count;
    uint64_t newer_count; /* of these, what the newest mapping would read */
    int64_t first_ns, last_ns;
};
struct unmapped_items {
    struct unmapped_item *items; /* most often first */
    size_t count;
    uint64_t other_count;
};
/* Of one project; names that begin with `prefix`.  Items in the arena, texts in the tables.
 * ERR_LIMIT. */
MUST_CHECK enum err unmapped_list(struct arena *arena, const struct unmapped *const *tables,
                                  size_t table_count, str project, str prefix,
                                  struct unmapped_items *ret_items);
