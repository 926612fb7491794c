/* bind.h -- a table of options becomes a filled struct, or an error that helps.
 *
 * One row per option: where it stands (section, key), its type, its place in
 * the caller's struct, default, bounds, unit and help.  The same table reads the
 * YAML file, TELLTALE_SECTION_KEY of the environment and --section.key=VALUE of
 * the command line, so that every option exists in all three, and it remembers
 * from which of them a value came.  An unknown name is an error that suggests
 * the nearest one.
 *
 * Memory:  texts and lists are copied into the binding's arena; rows are const.
 * Threads: one thread fills; the filled struct is plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/yaml.h"

enum bind_type {
    BIND_STR,      /* str; min and max are its length, when max > 0 */
    BIND_BOOL,     /* bool: true false yes no on off 1 0 */
    BIND_I64,      /* int64_t */
    BIND_F64,      /* double; min and max as whole numbers */
    BIND_DURATION, /* int64_t ns: 250ms 8s 2h 7d */
    BIND_BYTES,    /* int64_t: 65536, 64KiB, 10MB, 1GiB */
    BIND_CHOICE,   /* int32_t: index into `unit`, which lists a|b|c */
    BIND_STRS,     /* struct bind_strs: a list, or comma-separated text */
};
enum bind_flags {
    BIND_SECRET = 1 << 0,     /* printed as *** */
    BIND_RELOADABLE = 1 << 1, /* may change without a restart */
};
enum bind_origin { BIND_DEFAULT, BIND_FILE, BIND_ENVIRONMENT, BIND_ARGUMENT };

struct bind_strs {
    const str *items;
    size_t count;
};

struct bind_row {
    const char *section; /* "" : at the top */
    const char *key;
    enum bind_type type;
    size_t offset;            /* in the target */
    const char *default_text; /* as it would be written; NULL: stays zeroed */
    int64_t min;              /* bounds are checked when min < max */
    int64_t max;
    const char *unit; /* for help; of BIND_CHOICE the choices */
    unsigned flags;
    const char *help;
};

struct binding {
    const struct bind_row *rows;
    size_t count;
    void *target;              /* zeroed by bind_init */
    enum bind_origin *origins; /* [count], in the arena */
    struct arena *arena;
};

/* Zero the target and set every default.  A bad default is our bug and asserts;
 * ERR_LIMIT when the arena is spent. */
MUST_CHECK enum err bind_init(struct binding *binding, void *target, size_t target_bytes,
                              struct diag *reterr_why);
/* From a parsed file.  Sections are maps; unknown sections and keys are errors. */
MUST_CHECK enum err bind_yaml(struct binding *binding, const struct yaml *yaml,
                              struct diag *reterr_why);
/* Keys of one map without sections against rows of `section` (rule files). */
MUST_CHECK enum err bind_map(struct binding *binding, const struct yaml *yaml,
                             const struct yaml_node *map, const char *section,
                             struct diag *reterr_why);
/* One environment entry "NAME=value" whose name starts with `prefix`
 * ("TELLTALE_"); others are ignored. */
MUST_CHECK enum err bind_environment(struct binding *binding, const char *prefix, const char *entry,
                                     struct diag *reterr_why);
/* "section.key=value" or "--section.key=value". */
MUST_CHECK enum err bind_argument(struct binding *binding, str argument, struct diag *reterr_why);

/* Row of "section.key" (or "key" at the top); NULL when there is none. */
const struct bind_row *bind_find(const struct binding *binding, str section, str key);
/* The value as it would be written in YAML; secrets that are set print ***. */
void bind_value_print(struct buf *out, const struct binding *binding, const struct bind_row *row);
const char *bind_origin_name(enum bind_origin origin); /* "default", "file", ... */
const char *bind_type_name(enum bind_type type);       /* "text", "duration", ... */
/* One line per option with default, bounds and help, grouped by section. */
void bind_help_print(struct buf *out, const struct bind_row *rows, size_t count);
