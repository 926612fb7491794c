/* cli_list.c -- questions for lists, and their answers as a table: what list commands share.
 *
 * A page has 1,000 rows at most.  Who asks for more gets them from as many pages, in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/cli_int.h"

enum { PATH_BYTES_MAX = 64 * 1024, OUTPUT_BYTES_MAX = 256 * 1024 * 1024 };

static const struct cli_option_info *option_of(str name)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if (str_equal_c(name, cli_option_table[i].name))
            return &cli_option_table[i];
    return NULL;
}

static void add_option(struct cli_call *call, struct buf *path, str word)
{
    size_t equal = str_find_char(word, '=');
    str parameter = str_sub(word, 0, equal);
    const struct cli_option_info *info =
        option_of(equal < word.len ? str_from(word, equal + 1) : word);
    assert(info && info->kind != CLI_KIND_FLAG);
    str name = arena_printf(&call->arena, "%.*s", STR_ARG(parameter));
    const void *at = (const char *)&call->options + info->offset;
    assert(name.ptr);
    if (info->kind == CLI_KIND_TEXT) {
        cli_query_add(path, name.ptr, *(const char *const *)at);
        return;
    }
    int64_t count = *(const int64_t *)at;
    if (str_equal_c(name, "limit"))
        count = MIN(count, (int64_t)CLI_PAGE_MAX);
    if (count)
        cli_query_add(path, name.ptr, arena_printf(&call->arena, "%lld", (long long)count).ptr);
}

const char *cli_question(struct cli_call *call, const char *path, const char *options)
{
    struct buf out;
    str rest = str_from_c(options);
    buf_init(&out, PATH_BYTES_MAX);
    buf_add_c(&out, path);
    for (str word; str_next(&rest, ' ', &word);)
        add_option(call, &out, word);
    str kept =
        buf_failed(&out) ? STR_NONE : arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&out)));
    buf_clear(&out);
    return kept.ptr;
}

/* ---- rows ---- */

static uint32_t add_rows(struct cli_table *table, const struct cli_list *list,
                         const struct value *items, uint32_t max)
{
    uint32_t count = items && items->type == VALUE_ARRAY ? MIN(items->count, max) : 0;
    for (uint32_t i = 0; i < count; i++)
        list->add_row(table, cli_item(items, i));
    return count;
}

/* Rows of the following pages, as far as --limit goes; `answer` becomes the last of them. */
static int add_pages(struct cli_call *call, const struct cli_list *list, struct cli_table *table,
                     struct value *answer, uint32_t *rows)
{
    uint32_t max = (uint32_t)MIN(call->options.limit, (int64_t)UINT32_MAX);
    int status = CLI_OK;
    str cursor = cli_member_str(answer, "next_cursor");
    while (!status && *rows < max && !str_is_none(cursor)) {
        struct buf path;
        buf_init(&path, PATH_BYTES_MAX);
        buf_add_c(&path, list->path);
        cli_query_add(&path, "cursor", arena_printf(&call->arena, "%.*s", STR_ARG(cursor)).ptr);
        str kept = arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
        buf_clear(&path);
        status = cli_ask(call, kept.ptr, answer);
        const struct value *items = cli_member(answer, "items");
        if (!status && !call->options.json)
            *rows += add_rows(table, list, items, max - *rows);
        else if (!status)
            *rows += items ? items->count : 0;
        cursor = cli_item(items, 0) ? cli_member_str(answer, "next_cursor") : STR_NONE;
    }
    return status;
}

static void reverse_rows(struct cli_table *table)
{
    size_t width = table->column_count, rows = table->cell_count / width;
    for (size_t i = 0; i < rows / 2; i++)
        for (size_t c = 0; c < width; c++) {
            struct cli_cell *a = &table->cells[i * width + c],
                            *b = &table->cells[(rows - 1 - i) * width + c], held = *a;
            *a = *b;
            *b = held;
        }
}

static void print_rows(struct cli_call *call, const struct cli_list *list,
                       const struct cli_table *table, const struct value *answer)
{
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (table->cell_count)
        cli_table_print(table, &call->screen, &out);
    else
        buf_printf(&out, "%s\n", list->none);
    if (table->cell_count && call->screen.is_tty && list->add_hint) {
        struct buf hint;
        buf_init(&hint, KIB);
        list->add_hint(call, answer, &hint);
        if (hint.len)
            buf_add_char(&out, '\n');
        cli_paint(&out, &call->screen, CLI_DIM, buf_str(&hint));
        if (hint.len)
            buf_add_char(&out, '\n');
        buf_clear(&hint);
    }
    cli_print(&out);
    buf_clear(&out);
}

int cli_list(struct cli_call *call, const struct cli_list *list)
{
    struct value answer;
    struct cli_table table;
    uint32_t rows = 0;
    if (!list->path)
        return cli_misuse(call, "the question is too long");
    int status = cli_ask(call, list->path, &answer);
    if (status)
        return status;
    const struct value *items = cli_member(&answer, "items");
    cli_table_init(&table, &call->arena, list->columns, list->column_count);
    rows =
        call->options.json ? (items ? items->count : 0) : add_rows(&table, list, items, UINT32_MAX);
    if (call->options.limit > CLI_PAGE_MAX)
        status = add_pages(call, list, &table, &answer, &rows);
    if (list->is_reversed)
        reverse_rows(&table);
    if (!status && !call->options.json)
        print_rows(call, list, &table, &answer);
    cli_table_clear(&table);
    return status;
}
