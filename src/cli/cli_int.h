/* cli_int.h -- what the sub-commands share: arguments, screen, server, answers.
 *
 * Two rules hold everywhere: a text that came from data goes through cli_clean before it
 * reaches a terminal, and an error says what to do about it.
 *
 * Memory:  everything lives in the call's arena, until the command ends.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "model/value.h"
#include <signal.h>

enum { CLI_OK, CLI_FAILED, CLI_USAGE }; /* exit status */
enum { CLI_ARGS_MAX = 1000 };

enum cli_option {
#define OPTION(id, name, letter, kind, value, help) CLI_OPTION_##id,
#include "cli/option.def"
#undef OPTION
    CLI_OPTION_COUNT
};
_Static_assert(CLI_OPTION_COUNT <= 64, "options are bits of an uint64_t");

#define CLI_TYPE_FLAG bool
#define CLI_TYPE_TEXT const char *
#define CLI_TYPE_COUNT int64_t
/* FLAG: false, TEXT: NULL, COUNT: 0 when not given. */
struct cli_options {
#define OPTION(id, name, letter, kind, value, help) CLI_TYPE_##kind id;
#include "cli/option.def"
#undef OPTION
};

struct cli_option_info {
    const char *name;
    char letter;
    enum { CLI_KIND_FLAG, CLI_KIND_TEXT, CLI_KIND_COUNT } kind;
    size_t offset; /* in struct cli_options */
    const char *value;
    const char *help;
};
extern const struct cli_option_info cli_option_table[CLI_OPTION_COUNT];

struct cli_screen {
    bool is_tty;
    bool has_colour;
    uint32_t width; /* columns; 0: as wide as it takes (a pipe) */
};

struct cli_call {
    const struct cli_command *command;
    struct cli_options options;
    str *args;
    int arg_count;
    struct arena arena;
    struct cli_screen screen;
    struct client *client; /* made by the first request */
};

/* Parse, run, clean up. */
int cli_run(const struct cli_command *command, int (*function)(struct cli_call *call), int argc,
            char **argv);
/* The n-th word of a space-separated list; false past the end. */
bool cli_word(const char *list, size_t index, str *ret_word);

#define COMMAND(id, arguments, verbs, args_min, args_max, options, summary, examples)              \
    int cli_##id(struct cli_call *call);
#include "cli/command.def"
#undef COMMAND

/* Print text and hint to stderr; CLI_FAILED. */
int cli_fail(enum err err, const struct diag *why);
/* The same for an argument; CLI_USAGE. */
int cli_misuse(const struct cli_call *call, const char *format, ...) PRINTF(2, 3);
void cli_print(struct buf *text); /* to stdout, and empties it */
/* JSON as it is; to a terminal with every deceptive character escaped. */
void cli_print_json(const struct cli_call *call, str json);

/* ---- cli_text.c ---- */
enum cli_colour {
    CLI_PLAIN,
    CLI_BOLD,
    CLI_DIM,
    CLI_RED,
    CLI_GREEN,
    CLI_YELLOW,
    CLI_BLUE,
    CLI_CYAN
};
enum cli_lines { CLI_ONE_LINE, CLI_MANY_LINES };
/* Append with every control character, direction override and invalid byte made
 * harmless; CLI_MANY_LINES keeps line ends. */
void cli_clean(struct buf *out, str text, enum cli_lines lines);
/* Columns that a cleaned text takes. */
uint32_t cli_columns(str text);
/* A cleaned text cut to `columns`, the last of which is then an ellipsis; appends. */
void cli_add_cut(struct buf *out, str text, uint32_t columns);
void cli_add_spaces(struct buf *out, uint32_t count);
void cli_paint(struct buf *out, const struct cli_screen *screen, enum cli_colour colour, str text);
/* Borrowed from the arena; "–" for NULL and null. */
str cli_human_ms(struct arena *arena, const struct value *ms);
str cli_human_usd(struct arena *arena, const struct value *usd);
str cli_human_count(struct arena *arena, const struct value *count);
str cli_human_bytes(struct arena *arena, double bytes);
str cli_human_time(struct arena *arena, const struct value *rfc3339); /* "11-21 11:08:00" */
#define CLI_UNKNOWN STR_OF("\xE2\x80\x93")
/* Values from 0 as columns of eight heights, the largest the highest; NAN and 0: none. */
void cli_add_spark(struct buf *out, const double *values, uint32_t count);
/* A bar of block characters for a share of 0..1, in eighths. */
void cli_add_bar(struct buf *out, double share, uint32_t columns);

/* ---- cli_table.c ---- */
struct cli_column {
    const char *title;
    bool is_right;
    bool is_flexible; /* gives way first when the screen is narrow */
};
struct cli_cell {
    str text;
    enum cli_colour colour;
};
struct cli_table {
    struct arena *arena;
    const struct cli_column *columns;
    size_t column_count;
    struct cli_cell *cells;
    size_t cell_count, cell_capacity;
};
void cli_table_init(struct cli_table *table, struct arena *arena, const struct cli_column *columns,
                    size_t column_count);
void cli_table_clear(struct cli_table *table);
/* The next cell, row by row; the text is cleaned and copied. */
void cli_table_add(struct cli_table *table, str text, enum cli_colour colour);
void cli_table_print(const struct cli_table *table, const struct cli_screen *screen,
                     struct buf *out);

/* ---- cli_json.c ---- */
MUST_CHECK enum err cli_json_parse(struct arena *arena, str text, struct value *ret_value,
                                   struct diag *reterr_why);
/* Member of an object; NULL when it is not one, has none, or has null. */
const struct value *cli_member(const struct value *object, const char *key);
str cli_member_str(const struct value *object, const char *key); /* STR_NONE: no text */
bool cli_member_f64(const struct value *object, const char *key, double *ret);
/* Of an array; NULL past the end. */
const struct value *cli_item(const struct value *array, uint32_t index);

/* ---- cli_http.c ---- */
enum { CLI_BODY_BYTES_MAX = 512 * 1024 * 1024 };
const char *cli_server(const struct cli_call *call); /* URL without a slash at its end */
void cli_add_encoded(struct buf *path, str text);    /* percent-encoded */
/* name=value, percent-encoded, with ? or & before it; nothing when value is NULL. */
void cli_query_add(struct buf *path, const char *name, const char *value);
struct cli_get {
    const char *path;         /* with its query */
    str body;                 /* not empty: POST it as text/plain, or JSON */
    bool is_json;             /* the body */
    const char *content_type; /* of the body, where it is neither; or NULL */
    const char *reason;
    int64_t timeout_ns; /* 0: 30 s; -1: none */
    bool (*piece)(void *arg, str bytes);
    bool (*is_stopped)(void *arg);
    void *arg;
    int64_t *ret_retry_after_ns; /* the answer's Retry-After, 0: none; may be NULL */
};
/* ERR_OK whatever the status. */
MUST_CHECK enum err cli_http_get(struct cli_call *call, const struct cli_get *get, int *ret_status,
                                 struct buf *ret_body, struct diag *reterr_why);
/* The diagnosis of an answer that is not 200. */
enum err cli_http_problem(struct cli_call *call, int status, str body, struct diag *reterr_why);
/* Get, check the status and parse; with --json print it, too.
 * The exit status: errors are printed. */
int cli_ask(struct cli_call *call, const char *path, struct value *ret_value);

/* ---- traces.c ---- */
enum { CLI_TRACE_COLUMNS = 9 };
extern const struct cli_column cli_trace_columns[CLI_TRACE_COLUMNS];
void cli_trace_add_row(struct cli_table *table, const struct value *trace);

/* ---- cli_signal.c ---- */
/* Set by Ctrl-C and SIGTERM once cli_catch was called: long commands end in order.  The one
 * variable outside a context: a signal handler can reach nothing else. */
extern volatile sig_atomic_t cli_interrupted;
void cli_catch(void);

/* ---- cli_list.c ---- */
enum { CLI_PAGE_MAX = 1000 }; /* rows of one answer, as the API has it */
/* path?... with those options of the call that are given: "q from to trace_id=trace", where
 * the parameter's name is another.  In the call's arena; NULL: too long. */
const char *cli_question(struct cli_call *call, const char *path, const char *options);
struct cli_list {
    const char *path; /* of cli_question */
    const struct cli_column *columns;
    size_t column_count;
    bool is_reversed; /* the API's last row stands first */
    void (*add_row)(struct cli_table *table, const struct value *item);
    const char *none; /* said when there are no rows */
    /* What to do next, for a terminal; `answer` is the last page.  May be NULL. */
    void (*add_hint)(const struct cli_call *call, const struct value *answer, struct buf *out);
};
/* Ask and print: a table, or with --json each page as it came.  The exit status. */
int cli_list(struct cli_call *call, const struct cli_list *list);

/* ---- cli_paths.c ---- */
const char *cli_data_dir(struct cli_call *call);
const char *cli_keys_dir(struct cli_call *call);
const char *cli_path(struct cli_call *call, const char *dir, const char *name);
struct keystore;
/* Read-only, so that it works beside a server. */
MUST_CHECK enum err cli_keystore_open(struct cli_call *call, struct keystore **ret_keystore,
                                      struct diag *reterr_why);
/* ERR_NOT_FOUND with what to do when there is no data folder. */
MUST_CHECK enum err cli_data_check(struct cli_call *call, struct diag *reterr_why);
struct meta;
/* Never makes one: ERR_NOT_FOUND. */
MUST_CHECK enum err cli_meta_open(struct cli_call *call, struct meta **ret_meta,
                                  struct diag *reterr_why);
/* Whether a server holds the data folder; -1 unknown (no lock file, no right). */
int cli_lock_held(struct cli_call *call);
