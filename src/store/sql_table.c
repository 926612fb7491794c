/* sql_table.c -- sql.def and fields.def as arrays, and numbers in messages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/sql_int.h"

static enum sql_type type_of_field(enum field field)
{
    static const enum sql_type types[] = {
        [FIELD_TYPE_ID16] = SQL_TYPE_ID16, [FIELD_TYPE_ID8] = SQL_TYPE_ID8,
        [FIELD_TYPE_STR] = SQL_TYPE_TEXT,  [FIELD_TYPE_I64] = SQL_TYPE_I64,
        [FIELD_TYPE_F64] = SQL_TYPE_F64,   [FIELD_TYPE_BOOL] = SQL_TYPE_BOOL,
        [FIELD_TYPE_TIME] = SQL_TYPE_TIME, [FIELD_TYPE_NS] = SQL_TYPE_MS,
        [FIELD_TYPE_NANO] = SQL_TYPE_USD,  [FIELD_TYPE_STRS] = SQL_TYPE_TEXTS,
        [FIELD_TYPE_JSON] = SQL_TYPE_JSON, [FIELD_TYPE_F64S] = SQL_TYPE_NUMBERS,
    };
    const struct field_info *info = &field_table[field];
    if (info->column == FIELD_COLUMN_DICT)
        return SQL_TYPE_DICT;
    if (field_is_rare(field) && info->type == FIELD_TYPE_ID8)
        return SQL_TYPE_TEXT; /* it is hex there already */
    return types[info->type];
}

static void column_add(struct sql_columns *table, const char *name, enum sql_type type,
                       enum field field, const char *sql)
{
    assert(table->count < SQL_COLUMNS_MAX);
    struct sql_column *column = &table->items[table->count++];
    size_t len = strlen(name);
    assert(len < sizeof column->name);
    *column = (struct sql_column){ .type = type, .field = field, .sql = sql };
    for (size_t i = 0; i < len; i++)
        column->name[i] = name[i];
    for (size_t i = 0; i < len; i++)
        if (column->name[i] == '.')
            column->name[i] = '_';
}

static void field_add(struct sql_columns *table, const char *name, enum field field)
{
    bool of_rare = field_is_rare(field) && table->name[0] != 't'; /* traces have columns for them */
    enum sql_type type = type_of_field(field);
    if (!of_rare && type == SQL_TYPE_TEXT && field_table[field].type == FIELD_TYPE_ID8)
        type = SQL_TYPE_ID8;
    column_add(table, name, type, field, NULL);
}

void sql_tables_init(struct sql_columns ret_tables[SQL_TABLE_COUNT])
{
    static const char *const names[] = {
#define TABLE(name, doc) #name,
#define COLUMN(table, name, type, sql, doc)
#define FIELD_COLUMN(table, name, field, doc)
#include "store/sql.def"
#undef TABLE
#undef COLUMN
#undef FIELD_COLUMN
    };
    for (int i = 0; i < SQL_TABLE_COUNT; i++) {
        ret_tables[i].name = names[i];
        ret_tables[i].count = 0;
    }
    for (enum field field = 0; field < FIELD_COUNT; field++) {
        struct sql_columns *spans = &ret_tables[SQL_TABLE_spans];
        const char *name = field_table[field].json;
        if (field == FIELD_end_time) /* start and duration, where it was not said */
            column_add(spans, name, SQL_TYPE_TIME, FIELD_COUNT,
                       "coalesce(TRY_CAST(json_extract_string(rare,'$.end_time') AS BIGINT),"
                       "TRY_CAST(start_time::HUGEINT+latency_ns AS BIGINT))");
        else
            field_add(spans, name, field);
    }
#define TABLE(name, doc)
#define COLUMN(table, name, type, sql, doc)                                                        \
    column_add(&ret_tables[SQL_TABLE_##table], #name, SQL_TYPE_##type, FIELD_COUNT, sql);
#define FIELD_COLUMN(table, name, field, doc)                                                      \
    field_add(&ret_tables[SQL_TABLE_##table], #name, FIELD_##field);
#include "store/sql.def"
#undef TABLE
#undef COLUMN
#undef FIELD_COLUMN
}

void sql_put(struct buf *out, uint64_t number, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        buf_add_char(out, (char)(number >> (8 * i)));
}

uint64_t sql_get(str *from, uint32_t bytes, bool *ret_ok)
{
    uint64_t number = 0;
    if (from->len < bytes) {
        *ret_ok = false;
        return 0;
    }
    for (uint32_t i = bytes; i > 0; i--)
        number = number << 8 | (unsigned char)from->ptr[i - 1];
    *from = str_sub(*from, bytes, from->len);
    return number;
}
