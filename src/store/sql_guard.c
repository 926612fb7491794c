/* sql_guard.c -- what a statement may name: the tables of sql.def, its own WITH, few functions.
 *
 * The child has nothing to protect (sql_int.h); this says early and clearly what is not there,
 * and is a second wall.  It looks at the engine's own tree of the statement, where every relation
 * and function has its name whatever way it was written: as a call, an operator, a method, behind
 * a comment or in another case.
 *
 * Relations and functions that are read like a table are allowed by name; functions of values
 * are allowed but for those that look at the engine, the process or other statements.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/sql_int.h"

#include "wire/json.h"

enum { NAMES_MAX = 256, ARENA_BYTES = 64 << 20 };

static const char *const table_functions[] = { "generate_series", "json_each", "json_tree", "range",
                                               "unnest" };

/* Of values: exact names, then beginnings. */
static const char *const refused_functions[] = {
    "create_sort_key",
    "current_catalog",
    "current_connection_id",
    "current_database",
    "current_query",
    "current_query_id",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_transaction_id",
    "current_user",
    "error",
    "getenv",
    "getvariable",
    "in_search_path",
    "nextval",
    "currval",
    "session_user",
    "stats",
    "txid_current",
    "user",
    "vector_type",
    "version",
    "write_log",
    "sleep_ms",
};
static const char *const refused_beginnings[] = {
    "pg_",
    "has_",
    "duckdb_",
    "json_serialize_",
    "json_deserialize_",
    "json_execute_",
    "parse_duckdb_",
    "pragma_",
    "read_",
    "query",
    "finalize",
    "combine",
    "add_parquet_",
    "remap_",
    "from_substrait",
    "get_substrait",
    "obj_description",
    "col_description",
    "shobj_description",
    "inet_",
    "format_pg_",
    "__internal",
};

/* What counts of an object of the tree. */
enum key {
    KEY_TYPE,
    KEY_TABLE,
    KEY_SCHEMA,
    KEY_CATALOG,
    KEY_FUNCTION,
    KEY_FUNCTION_SCHEMA,
    KEY_FUNCTION_CATALOG,
    KEY_CTE,
    KEY_KEY,
    KEY_PLACE,
    KEY_ERROR,
    KEY_ERROR_TYPE,
    KEY_ERROR_TEXT,
    KEY_ERROR_PLACE,
    KEY_COUNT
};
static const char *const key_names[KEY_COUNT] = {
    "type",   "table_name", "schema_name",   "catalog_name", "function_name",
    "schema", "catalog",    "cte_name",      "key",          "query_location",
    "error",  "error_type", "error_message", "position",
};
struct node {
    str texts[KEY_COUNT]; /* numbers and true too */
    str at;               /* the key whose value is being read */
    str read_like_table;  /* of a TABLE_FUNCTION: the function's name */
    bool has_value;       /* an object under "value" */
};

struct guard {
    struct arena arena;
    str names[NAMES_MAX]; /* of WITH */
    uint32_t name_count;
    uint32_t statements;
    struct diag *why;
    struct node nodes[JSON_DEPTH_MAX + 1];
    enum err (*leave)(struct guard *guard, const struct node *node);
};

static bool is_same(str a, str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        char x = a.ptr[i], y = b.ptr[i];
        x = x >= 'A' && x <= 'Z' ? (char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (char)(y + 32) : y;
        if (x != y)
            return false;
    }
    return true;
}

static bool is_in(str name, const char *const *list, size_t count)
{
    bool is = false;
    for (size_t i = 0; i < count && !is; i++)
        is = is_same(name, str_from_c(list[i]));
    return is;
}

static bool begins_in(str name, const char *const *list, size_t count)
{
    bool is = false;
    for (size_t i = 0; i < count && !is; i++) {
        str begin = str_from_c(list[i]);
        is = is_same(str_sub(name, 0, begin.len), begin);
    }
    return is;
}

static bool is_table(const struct guard *guard, str name)
{
    static const char *const tables[] = {
#define TABLE(name, doc) #name,
#define COLUMN(table, name, type, sql, doc)
#define FIELD_COLUMN(table, name, field, doc)
#include "store/sql.def"
#undef TABLE
#undef COLUMN
#undef FIELD_COLUMN
    };
    bool is = is_in(name, tables, COUNT_OF(tables));
    for (uint32_t i = 0; i < guard->name_count && !is; i++)
        is = is_same(name, guard->names[i]);
    return is;
}

/* -- names that WITH makes -- */

static enum err names_collect(struct guard *guard, const struct node *node)
{
    str name = node->texts[KEY_CTE];
    if (str_is_none(name) && node->has_value)
        name = node->texts[KEY_KEY];
    if (!str_is_empty(name) && guard->name_count < NAMES_MAX)
        guard->names[guard->name_count++] = name;
    return ERR_OK;
}

/* -- what is named -- */

static enum err refuse_at(const struct guard *guard, const struct node *node, const char *what,
                          str name, const char *hint)
{
    uint64_t place;
    name = str_sub(name, 0, 80);
    if (str_to_u64(node->texts[KEY_PLACE], &place) && place <= INT64_MAX)
        diag_set_at(guard->why, ERR_BAD_INPUT, (size_t)place, "%s \"%.*s\"", what, STR_ARG(name));
    else
        diag_set(guard->why, ERR_BAD_INPUT, "%s \"%.*s\"", what, STR_ARG(name));
    return diag_hint(guard->why, "%s", hint);
}

static enum err relation_check(const struct guard *guard, const struct node *node)
{
    str schema = node->texts[KEY_SCHEMA], name = node->texts[KEY_TABLE];
    if (str_is_empty(schema))
        schema = node->texts[KEY_CATALOG];
    if (!str_is_empty(schema))
        return refuse_at(guard, node, "there is no schema", schema,
                         "name a table alone: spans, traces, scores, logs or metrics");
    if (str_is_empty(name) || is_table(guard, name))
        return ERR_OK;
    return refuse_at(guard, node, "there is no table", name,
                     "there are spans, traces, scores, logs and metrics; see docs/sql.md");
}

static enum err function_check(const struct guard *guard, const struct node *node)
{
    str name = node->texts[KEY_FUNCTION];
    str schema = node->texts[KEY_FUNCTION_SCHEMA], catalog = node->texts[KEY_FUNCTION_CATALOG];
    bool is_refused = is_in(name, refused_functions, COUNT_OF(refused_functions)) ||
                      begins_in(name, refused_beginnings, COUNT_OF(refused_beginnings));
    bool has_place = (!str_is_empty(schema) && !str_equal_c(schema, "main")) ||
                     (!str_is_empty(catalog) && !str_equal_c(catalog, "system"));
    if (!is_refused && !has_place)
        return ERR_OK;
    return refuse_at(guard, node, "not to be called here:", name,
                     "functions that look at the engine or the machine are not for statements");
}

static enum err node_check(struct guard *guard, const struct node *node)
{
    enum err err = ERR_OK;
    if (!str_is_none(node->texts[KEY_FUNCTION]))
        err = function_check(guard, node);
    if (!err && !str_is_none(node->texts[KEY_TABLE]))
        err = relation_check(guard, node);
    bool is_read = str_equal_c(node->texts[KEY_TYPE], "TABLE_FUNCTION");
    if (!err && is_read &&
        !is_in(node->read_like_table, table_functions, COUNT_OF(table_functions)))
        err = refuse_at(guard, node, "not to be read from here:", node->read_like_table,
                        "there are range, generate_series, unnest, json_each and json_tree");
    return err;
}

/* -- the tree -- */

static void key_take(struct node *node, str value)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (str_equal_c(node->at, key_names[i]))
            node->texts[i] = value;
}

static struct node *node_enter(struct guard *guard, const struct json *json)
{
    struct node *node = &guard->nodes[json->depth];
    *node = (struct node){ .at = STR_NONE, .read_like_table = STR_NONE };
    for (int i = 0; i < KEY_COUNT; i++)
        node->texts[i] = STR_NONE;
    return node;
}

/* An object has ended: `parent` is the one around it, or NULL. */
static enum err node_leave(struct guard *guard, struct node *parent, const struct node *node)
{
    if (parent && str_equal_c(parent->at, "value"))
        parent->has_value = true;
    if (parent && str_equal_c(parent->at, "function"))
        parent->read_like_table = node->texts[KEY_FUNCTION];
    return guard->leave(guard, node);
}

/* A value that is no object, or the key before one. */
static void text_take(struct node *node, enum json_token token, str text)
{
    if (!node)
        return;
    if (token == JSON_KEY)
        node->at = text;
    else if (token == JSON_STRING || token == JSON_NUMBER)
        key_take(node, text);
    else if (token == JSON_TRUE)
        key_take(node, STR_OF("true"));
}

/* Objects by `leave` as they end, inner ones first. */
static enum err tree_walk(struct guard *guard, struct json *json, str tree)
{
    struct node *around[JSON_DEPTH_MAX + 1] = { NULL };
    uint32_t count = 0;
    enum json_token token;
    enum err err = ERR_OK;
    json_init(json, &guard->arena, tree, JSON_DEPTH_MAX);
    guard->statements = 0;
    while ((token = json_next(json)) != JSON_END && !err) {
        struct node *node = count ? around[count - 1] : NULL;
        if (token == JSON_ERROR)
            return diag_set(guard->why, ERR_LIMIT, "the statement is nested too deeply");
        if (token == JSON_OBJECT) {
            guard->statements += count == 1 && str_equal_c(node->at, "statements");
            around[count++] = node_enter(guard, json);
        } else if (token == JSON_OBJECT_END) {
            count--;
            err = node_leave(guard, count ? around[count - 1] : NULL, node);
        } else {
            text_take(node, token, json->text);
        }
    }
    return err;
}

/* {"error":true,...} of the parser, for people. */
static enum err parse_error(const struct node *root, struct diag *why)
{
    uint64_t place;
    str message = str_sub(root->texts[KEY_ERROR_TEXT], 0, DIAG_TEXT_MAX - 1);
    if (str_equal_c(root->texts[KEY_ERROR_TYPE], "not implemented")) {
        diag_set(why, ERR_BAD_INPUT, "only a SELECT can be asked here");
        return diag_hint(why, "SELECT, WITH ... SELECT, FROM, VALUES, DESCRIBE and SUMMARIZE read; "
                              "nothing can be changed");
    }
    if (str_to_u64(root->texts[KEY_ERROR_PLACE], &place))
        return diag_set_at(why, ERR_BAD_INPUT, (size_t)place, "%.*s", STR_ARG(message));
    return diag_set(why, ERR_BAD_INPUT, "%.*s", STR_ARG(message));
}

static enum err tree_check(struct guard *guard, struct json *json, str tree)
{
    guard->leave = names_collect;
    enum err err = tree_walk(guard, json, tree);
    if (err)
        return err;
    const struct node *root = &guard->nodes[1];
    if (!str_is_none(root->texts[KEY_ERROR]))
        return parse_error(root, guard->why);
    if (guard->statements != 1) {
        diag_set(guard->why, ERR_BAD_INPUT, "one statement, please");
        return diag_hint(guard->why, "ask each in a request of its own");
    }
    guard->leave = node_check;
    return tree_walk(guard, json, tree);
}

enum err sql_guard_check(str tree, struct diag *reterr_why)
{
    struct guard *guard = xcalloc(1, sizeof *guard);
    struct json *json = xcalloc(1, sizeof *json);
    guard->why = reterr_why;
    arena_init(&guard->arena, ARENA_BYTES);
    enum err err = tree_check(guard, json, tree);
    arena_clear(&guard->arena);
    xfree(json);
    xfree(guard);
    return err;
}
