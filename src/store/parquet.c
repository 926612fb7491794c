/* parquet.c -- lines of JSON through the engine into Parquet; see parquet.h.
 *
 * The statement is made of fields.def.  Every path is taken out of a line in one look, since a look
 * parses the line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/parquet.h"
#include "base/buf.h"
#include "model/span.h"
#include <duckdb.h>
#include <stdio.h>

enum { STATEMENT_BYTES_MAX = 256 * 1024 };
/* The engine takes twice the longest line for each of its threads. */
enum { MEMORY_MIB = 512, LINE_SHARE = 8, LINE_BYTES_LEAST = 1024 * 1024 };

static const char *const others[] = { "attributes", "links", "content" };

static void add_quoted(struct buf *out, const char *text)
{
    buf_add_char(out, '\'');
    for (; *text; text++) {
        buf_add_c(out, *text == '\'' ? "'" : "");
        buf_add_char(out, *text);
    }
    buf_add_char(out, '\'');
}

static const char *type_of(enum field_type type)
{
    switch (type) {
    case FIELD_TYPE_I64:
        return "BIGINT";
    case FIELD_TYPE_F64:
    case FIELD_TYPE_NS:
        return "DOUBLE";
    case FIELD_TYPE_BOOL:
        return "BOOLEAN";
    case FIELD_TYPE_TIME:
        return "TIMESTAMP_NS";
    case FIELD_TYPE_NANO:
        return "DECIMAL(18,9)";
    case FIELD_TYPE_STRS:
        return "VARCHAR[]";
    case FIELD_TYPE_F64S:
        return "DOUBLE[]";
    case FIELD_TYPE_ID16:
    case FIELD_TYPE_ID8:
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        break;
    }
    return "VARCHAR";
}

/* '$."usage"."input_fresh"' */
static void add_path(struct buf *out, const char *path)
{
    buf_add_c(out, "'$.\"");
    for (; *path; path++) {
        if (*path == '.')
            buf_add_c(out, "\".\"");
        else
            buf_add_char(out, *path);
    }
    buf_add_c(out, "\"'");
}

static void statement_make(struct buf *out, const struct parquet_job *job)
{
    size_t other_count = COUNT_OF(others) - !job->with_content;
    unsigned place = 0;
    buf_add_c(out, "COPY (SELECT ");
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const char *type = type_of(field_table[i].type);
        bool is_list =
            field_table[i].type == FIELD_TYPE_STRS || field_table[i].type == FIELD_TYPE_F64S;
        buf_printf(out,
                   is_list ? "%stry_cast(try_cast(v[%u] AS JSON) AS %s) AS \"%s\""
                           : "%stry_cast(v[%u] AS %s) AS \"%s\"",
                   i ? "," : "", ++place, type, field_table[i].json);
    }
    for (size_t i = 0; i < other_count; i++)
        buf_printf(out, ",v[%u] AS \"%s\"", ++place, others[i]);
    buf_add_c(out, " FROM (SELECT json_extract_string(json,[");
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        buf_add_c(out, i ? "," : "");
        add_path(out, field_table[i].json);
    }
    for (size_t i = 0; i < other_count; i++) {
        buf_add_char(out, ',');
        add_path(out, others[i]);
    }
    buf_add_c(out, "]) AS v FROM read_ndjson_objects(");
    add_quoted(out, job->lines_path);
    buf_printf(out, ",maximum_object_size=%zu))) TO ",
               MAX(job->line_bytes_max + 1, (size_t)LINE_BYTES_LEAST));
    add_quoted(out, job->path);
    buf_add_c(out, " (FORMAT parquet, COMPRESSION zstd)");
}

static enum err run(duckdb_connection connection, const char *statement, struct diag *reterr_why)
{
    duckdb_result result;
    enum err err = ERR_OK;
    if (duckdb_query(connection, statement, &result) != DuckDBSuccess) {
        const char *text = duckdb_result_error(&result);
        err = diag_set(reterr_why, ERR_IO, "Parquet cannot be written: %.180s", text ? text : "");
    }
    duckdb_destroy_result(&result);
    return err;
}

static enum err engine_open(const struct parquet_job *job, duckdb_database *ret_database,
                            struct diag *reterr_why)
{
    char memory[32];
    snprintf(memory, sizeof memory, "%zuMB",
             MEMORY_MIB + job->line_bytes_max / (size_t)MIB * LINE_SHARE);
    const char *const settings[][2] = {
        { "threads", "2" },
        { "memory_limit", memory },
        { "preserve_insertion_order", "true" },
        { "autoinstall_known_extensions", "false" },
        { "autoload_known_extensions", "false" },
        { "temp_directory", "" },
    };
    duckdb_config config;
    char *text = NULL;
    bool is_set = duckdb_create_config(&config) == DuckDBSuccess;
    for (size_t i = 0; i < COUNT_OF(settings) && is_set; i++)
        is_set = duckdb_set_config(config, settings[i][0], settings[i][1]) == DuckDBSuccess;
    enum err err = ERR_OK;
    if (!is_set || duckdb_open_ext(NULL, ret_database, config, &text) != DuckDBSuccess)
        err = diag_set(reterr_why, ERR_IO, "the engine does not start: %.180s",
                       text ? text : "a setting is unknown");
    duckdb_free(text);
    duckdb_destroy_config(&config);
    return err;
}

enum err parquet_from_lines(const struct parquet_job *job, struct diag *reterr_why)
{
    duckdb_database database = NULL;
    duckdb_connection connection = NULL;
    struct buf statement;
    buf_init(&statement, STATEMENT_BYTES_MAX);
    statement_make(&statement, job);
    buf_add_char(&statement, '\0');
    enum err err = buf_failed(&statement)
                       ? diag_set(reterr_why, ERR_LIMIT, "the name of the file is too long")
                       : engine_open(job, &database, reterr_why);
    if (!err && duckdb_connect(database, &connection) != DuckDBSuccess)
        err = diag_set(reterr_why, ERR_IO, "the engine does not answer");
    if (!err)
        err = run(connection, statement.ptr, reterr_why);
    duckdb_disconnect(&connection);
    duckdb_close(&database);
    buf_clear(&statement);
    return err;
}
