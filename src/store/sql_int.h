/* sql_int.h -- users' SQL: its parts and what they share (docs/decisions/0045).
 *
 *   sql.def         tables and columns that a statement sees
 *   sql_table.c     the same as arrays
 *   sql_ask.c       ours: starts the child, hands it rows, takes its answer, ends it in time
 *   sql_scan.c      ours: rows of one table, of one project and tenant, as the child asks
 *   sql_child.c     the child: an engine of its own, whose only tables are those rows
 *   sql_guard.c     the child: what a statement may name
 *   sql_render.c    the child: the answer as JSON, JSON lines or CSV
 *
 * The child has no row of anybody else, no file, no secret and no way to get one; so what a
 * statement can do to the engine there does not matter.  Everything it says is bytes to us.
 *
 * Messages (sys/child.h), numbers little-endian:
 *   to the child   ASK    rows_max u64, bytes_max u64, memory u64, cpu_s u64, format u8, statement
 *                  CHUNK  of the table last asked for: rows u32, then each column (see below);
 *                         no rows: it has ended
 *                  FAIL   the table cannot be read: the statement is over
 *   from it        SCAN   scan u8, table u8, count u8, columns u8[]: makes a scan (anew)
 *                  NEXT   scan u8: to be answered with a CHUNK
 *                  BYTES  a piece of the answer
 *                  DONE   rows u64, truncated u8
 *                  ERROR  err u16, offset u64 (all ones: unknown), text, 0, hint
 *   a column       known u8 per row, then: a text u32 per row and their bytes; others 8 bytes each
 *
 * Memory:  see each file.
 * Threads: a question is one thread's; the child has one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store_int.h"

#include <duckdb.h>

enum {
    SQL_SCANS_MAX = 8,       /* tables that one statement reads at a time */
    SQL_COLUMNS_MAX = 160,   /* of one table */
    SQL_CHUNK_ROWS = 2048,   /* the engine's vector size */
    SQL_ANSWER_COLUMNS = 256 /* of an answer */
};
#define SQL_MESSAGE_BYTES_MAX (64 * MIB)
#define SQL_CHILD_ROLE "sql-child"

enum sql_message {
    SQL_ASK = 1,
    SQL_CHUNK,
    SQL_FAIL,
    SQL_SCAN,
    SQL_NEXT,
    SQL_BYTES,
    SQL_DONE,
    SQL_ERROR,
};

enum sql_type {                   /* what the store has          what a statement sees */
                SQL_TYPE_TEXT,    /* VARCHAR                     VARCHAR */
                SQL_TYPE_JSON,    /* VARCHAR                     JSON */
                SQL_TYPE_TEXTS,   /* a JSON array                VARCHAR[] */
                SQL_TYPE_NUMBERS, /* a JSON array                DOUBLE[] */
                SQL_TYPE_DICT,    /* number in the dictionary    VARCHAR */
                SQL_TYPE_ID16,    /* two UBIGINT                 VARCHAR, hex */
                SQL_TYPE_ID8,     /* UBIGINT                     VARCHAR, hex */
                SQL_TYPE_I64,     /* BIGINT                      BIGINT */
                SQL_TYPE_F64,     /* DOUBLE                      DOUBLE */
                SQL_TYPE_BOOL,    /* BOOLEAN                     BOOLEAN */
                SQL_TYPE_TIME,    /* BIGINT, ns                  TIMESTAMP, in UTC */
                SQL_TYPE_MS,      /* BIGINT, ns                  DOUBLE, ms */
                SQL_TYPE_USD,     /* BIGINT, nano-dollars        DECIMAL(20,9), exact */
};
static inline bool sql_type_is_text(enum sql_type type)
{
    return type <= SQL_TYPE_ID8;
}

enum sql_table {
#define TABLE(name, doc) SQL_TABLE_##name,
#define COLUMN(table, name, type, sql, doc)
#define FIELD_COLUMN(table, name, field, doc)
#include "store/sql.def"
#undef TABLE
#undef COLUMN
#undef FIELD_COLUMN
    SQL_TABLE_COUNT
};
struct sql_column {
    char name[40];
    enum sql_type type;
    enum field field; /* FIELD_COUNT: `sql` */
    const char *sql;
};
struct sql_columns {
    const char *name;
    struct sql_column items[SQL_COLUMNS_MAX];
    uint32_t count;
};

/* -- sql_table.c -- */
void sql_tables_init(struct sql_columns ret_tables[SQL_TABLE_COUNT]);

/* -- numbers in messages: little-endian, as our machines are -- */
void sql_put(struct buf *out, uint64_t number, uint32_t bytes);
/* 0 when there are not so many bytes left, and *ret_ok becomes false. */
uint64_t sql_get(str *from, uint32_t bytes, bool *ret_ok);

/* -- sql_scan.c -- */
struct sql_scan;
struct sql_scan *sql_scan_new(struct store *store, const struct store_scope *scope);
void sql_scan_free(struct sql_scan *scan); /* NULL: nothing */
/* Begin again, with these columns of that table.  ERR_BAD_INPUT: there are no such ones. */
MUST_CHECK enum err sql_scan_begin(struct sql_scan *scan, const struct sql_columns *tables,
                                   str columns, enum sql_table table, struct diag *reterr_why);
/* The next rows as a CHUNK; when there are no more, one without rows. */
MUST_CHECK enum err sql_scan_next(struct sql_scan *scan, struct buf *chunk,
                                  struct diag *reterr_why);

/* -- sql_guard.c -- */
/* `tree` is the statement as the engine's parser has it, in JSON.  ERR_BAD_INPUT, with what is
 * allowed instead, when it names a relation, a schema or a function that is not for users;
 * ERR_LIMIT when it is nested deeper than JSON_DEPTH_MAX. */
MUST_CHECK enum err sql_guard_check(str tree, struct diag *reterr_why);

/* -- sql_render.c -- */
/* How the value of a column is written: as the engine's text of it, quoted or not. */
enum sql_cell { SQL_CELL_TEXT, SQL_CELL_NUMBER, SQL_CELL_BOOL, SQL_CELL_JSON, SQL_CELL_TIME };
struct sql_answer {
    enum store_sql_format format;
    uint32_t column_count;
    enum sql_cell cells[SQL_ANSWER_COLUMNS];
    str names[SQL_ANSWER_COLUMNS], types[SQL_ANSWER_COLUMNS];
    uint64_t row_count, rows_max, bytes_max, bytes;
    bool truncated;
};
enum sql_cell sql_cell_of(str type);
void sql_render_head(struct sql_answer *answer, struct buf *out);
/* All columns of the chunk are VARCHAR.  What does not fit any more is left out: truncated. */
void sql_render_chunk(struct sql_answer *answer, duckdb_data_chunk chunk, struct buf *out);
void sql_render_tail(const struct sql_answer *answer, struct buf *out);
