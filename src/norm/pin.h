/* pin.h -- under which version of the mapping a project or tenant is read.
 *
 * A version is TABLES.FILE, as "2.1": the version of the built-in tables, which a row tells by its
 * `since`, and the number that the data folder gave the operator's file (0: none).  Who pinned
 * nothing is read by the newest of both.  What only a newer version understands stays an attribute.
 *
 * Memory:  pins_new copies; mappings are borrowed and must outlive the pins.  Immutable.
 * Threads: read by any.  Who publishes new ones keeps the old: a reader may still have them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "norm/mapping.h"
#include <stdatomic.h>

enum {
    PINS_MAX = 10000,
    MAPPING_VERSION_CHARS = 24, /* of a version as text, with its NUL */
};

struct mapping_version {
    uint32_t tables; /* 1 to MAPPING_TABLES */
    uint32_t file;
};
/* "2.1"; false: it is none.  Whether there is such a version is not asked. */
bool mapping_version_parse(str text, struct mapping_version *ret_version);
void mapping_version_format(struct mapping_version version, char ret_text[MAPPING_VERSION_CHARS]);

struct pin {
    str project, tenant; /* tenant STR_NONE: all of the project that have no pin of their own */
    struct mapping_version version;
    const struct mapping *mapping; /* the operator's rows of that version; NULL: none */
    int64_t set_ns;
    str text; /* the version; made by pins_new */
};

struct pins;
/* `newest`: what holds without a pin; its project and tenant are not read.  ERR_LIMIT;
 * ERR_UNSUPPORTED for tables that a newer server made. */
MUST_CHECK enum err pins_new(const struct pin *pins, size_t count, const struct pin *newest,
                             struct pins **ret_pins, struct diag *reterr_why);
void pins_free(struct pins *pins); /* NULL: nothing */

/* By project, then tenant. */
size_t pins_count(const struct pins *pins);
const struct pin *pins_at(const struct pins *pins, size_t index);
const struct pin *pins_newest(const struct pins *pins);
/* That of the tenant, else of the project, else the newest. */
const struct pin *pins_find(const struct pins *pins, str project, str tenant);
/* Some tenant of the project has a pin of its own. */
bool pins_by_tenant(const struct pins *pins, str project);

/* Where the pins in force are published. */
struct pins_place {
    _Atomic(const struct pins *) current;
};
