/* map_pin.c -- `telltale map versions|pins|pin`: which version of the mapping somebody is read by.
 *
 * They work on the data folder, beside a server or without one.  A change is written to the audit
 * log before it is made; a running server looks every two seconds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "base/text.h"
#include "cli/cli_int.h"
#include "cli/map_int.h"
#include "meta/meta.h"
#include "norm/pin.h"
#include "sys/clock.h"
#include <stdio.h>

static const struct cli_column file_columns[] = {
    { "VERSION", false, false },
    { "FILE", false, true },
    { "SINCE", false, false },
};
static const struct cli_column pin_columns[] = {
    { "PROJECT", false, true },
    { "TENANT", false, true },
    { "VERSION", false, false },
    { "SINCE", false, false },
};

static enum err begin(struct cli_call *call, struct meta **ret_meta, struct diag *why)
{
    enum err err = cli_data_check(call, why);
    return err ? err : cli_meta_open(call, ret_meta, why);
}

static int end(struct meta *meta, enum err err, const struct diag *why)
{
    if (meta)
        meta_close(meta);
    return err ? cli_fail(err, why) : CLI_OK;
}

static str version_text(struct arena *arena, uint32_t tables, uint32_t file)
{
    return arena_printf(arena, "%u.%u", tables, file);
}

static str time_text(struct arena *arena, int64_t ns)
{
    struct buf text;
    buf_init(&text, KIB);
    time_format(&text, ns, 0);
    str copy = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void add_member(struct buf *out, const char *name, str text)
{
    buf_printf(out, "\"%s\":", name);
    if (str_is_none(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

/* ---- versions ---- */

static void versions_show(struct cli_call *call, const struct meta_mapping_file *files,
                          size_t count, struct buf *out)
{
    struct cli_table table;
    struct arena *arena = &call->arena;
    if (call->options.json)
        buf_printf(out, "{\"tables\":%d,\"items\":[", MAPPING_TABLES);
    cli_table_init(&table, arena, file_columns, COUNT_OF(file_columns));
    for (size_t i = 0; i < count; i++) {
        str version = version_text(arena, MAPPING_TABLES, files[i].number);
        str since = time_text(arena, files[i].first_ns);
        if (call->options.json) {
            buf_printf(out, "%s\"number\":%u,", i ? ",{" : "{", files[i].number);
            add_member(out, "file", files[i].name);
            buf_add_char(out, ',');
            add_member(out, "first_time", since);
            buf_add_char(out, '}');
        }
        cli_table_add(&table, version, CLI_BOLD);
        cli_table_add(&table, files[i].name, CLI_PLAIN);
        cli_table_add(&table, since, CLI_DIM);
    }
    if (call->options.json) {
        buf_add_c(out, "]}\n");
    } else {
        buf_printf(out,
                   "built-in tables: 1 to %d (`telltale map list` tells since when a row holds)\n",
                   MAPPING_TABLES);
        if (count)
            cli_table_print(&table, &call->screen, out);
        else
            buf_printf(out, "no mapping file was ever used here: %d.0 is all there is\n",
                       MAPPING_TABLES);
    }
    cli_table_clear(&table);
}

int map_versions(struct cli_call *call)
{
    struct meta *meta = NULL;
    struct meta_mapping_file *files = NULL;
    size_t count = 0;
    struct diag why = DIAG_NONE;
    enum err err = begin(call, &meta, &why);
    if (!err)
        err = meta_mapping_list(meta, &call->arena, &files, &count, &why);
    if (!err) {
        struct buf out;
        buf_init(&out, 16 * MIB);
        versions_show(call, files, count, &out);
        cli_print(&out);
        buf_clear(&out);
    }
    return end(meta, err, &why);
}

/* ---- pins ---- */

static void pins_show(struct cli_call *call, const struct meta_pin *pins, size_t count,
                      struct buf *out)
{
    struct cli_table table;
    struct arena *arena = &call->arena;
    buf_add_c(out, call->options.json ? "{\"items\":[" : "");
    cli_table_init(&table, arena, pin_columns, COUNT_OF(pin_columns));
    for (size_t i = 0; i < count; i++) {
        str version = version_text(arena, pins[i].tables, pins[i].file);
        str since = time_text(arena, pins[i].set_ns);
        if (call->options.json) {
            buf_add_c(out, i ? ",{" : "{");
            add_member(out, "project", pins[i].project);
            buf_add_char(out, ',');
            add_member(out, "tenant", pins[i].tenant);
            buf_add_char(out, ',');
            add_member(out, "version", version);
            buf_add_char(out, ',');
            add_member(out, "set", since);
            buf_add_char(out, '}');
        }
        cli_table_add(&table, pins[i].project, CLI_PLAIN);
        cli_table_add(&table, pins[i].tenant, CLI_PLAIN);
        cli_table_add(&table, version, CLI_BOLD);
        cli_table_add(&table, since, CLI_DIM);
    }
    if (call->options.json)
        buf_add_c(out, "]}\n");
    else if (count)
        cli_table_print(&table, &call->screen, out);
    else
        buf_add_c(out, "nobody is pinned: all are read by the newest mapping\n");
    cli_table_clear(&table);
}

int map_pins(struct cli_call *call)
{
    struct meta *meta = NULL;
    struct meta_pin *pins = NULL;
    size_t count = 0;
    struct diag why = DIAG_NONE;
    enum err err = begin(call, &meta, &why);
    if (!err)
        err = meta_pins(meta, &call->arena, &pins, &count, &why);
    if (!err) {
        struct buf out;
        buf_init(&out, 16 * MIB);
        pins_show(call, pins, count, &out);
        cli_print(&out);
        buf_clear(&out);
    }
    return end(meta, err, &why);
}

/* ---- pin ---- */

static enum err project_check(struct cli_call *call, struct meta *meta, str project,
                              struct diag *why)
{
    struct meta_project *projects;
    size_t count;
    enum err err = meta_projects(meta, &call->arena, &projects, &count, why);
    bool is_known = str_equal_c(project, "default"); /* there without a key, too */
    for (size_t i = 0; !err && i < count; i++)
        is_known = is_known || str_equal(projects[i].name, project);
    if (err || is_known)
        return err;
    diag_set(why, ERR_NOT_FOUND, "there is no project '%.*s'", STR_ARG(str_sub(project, 0, 60)));
    diag_hint(why, "`telltale key list` shows those that have keys");
    return ERR_NOT_FOUND;
}

static enum err version_of(struct cli_call *call, struct meta *meta, str text,
                           struct mapping_version *ret_version, struct diag *why)
{
    if (!mapping_version_parse(text, ret_version) || ret_version->tables > MAPPING_TABLES) {
        diag_set(why, ERR_BAD_INPUT, "\"%.*s\" is no version of the mapping",
                 STR_ARG(str_sub(text, 0, 40)));
        diag_hint(why,
                  "it is TABLES.FILE: tables 1 to %d, and the number of a file or 0; "
                  "`telltale map versions` shows them",
                  MAPPING_TABLES);
        return ERR_BAD_INPUT;
    }
    if (ret_version->file == 0)
        return ERR_OK;
    struct meta_mapping_file file;
    enum err err = meta_mapping_get(meta, ret_version->file, &call->arena, &file, why);
    if (err)
        diag_hint(why, "`telltale map versions` shows those that are kept");
    return err;
}

static enum err record(struct cli_call *call, const struct meta_pin *pin, str object,
                       struct diag *why)
{
    struct audit *audit;
    struct audit_event event = { .time_ns = clock_now_ns(),
                                 .actor = STR("cli"),
                                 .action = STR("mapping.pin"),
                                 .project = pin->project,
                                 .tenant = pin->tenant,
                                 .object = object,
                                 .reason = str_from_c(call->options.reason) };
    const char *path = cli_path(call, cli_data_dir(call), "audit.log");
    enum err err = audit_open(path, &sys_files_real, &audit, NULL, why);
    if (err)
        return err;
    err = audit_append(audit, &event, why);
    audit_close(audit);
    return err;
}

static enum err change(struct cli_call *call, struct meta *meta, struct meta_pin *pin,
                       struct diag *why)
{
    str text = call->args[1];
    bool is_latest = str_equal_c(text, "latest");
    struct mapping_version version = { 0 };
    enum err err = project_check(call, meta, pin->project, why);
    if (!err && !is_latest)
        err = version_of(call, meta, text, &version, why);
    if (err)
        return err;
    pin->tables = version.tables;
    pin->file = version.file;
    err = record(call, pin,
                 is_latest ? text : version_text(&call->arena, version.tables, version.file), why);
    if (err)
        return err;
    return is_latest ? meta_pin_clear(meta, pin->project, pin->tenant, why)
                     : meta_pin_set(meta, pin, why);
}

int map_pin(struct cli_call *call)
{
    if (call->arg_count != 2)
        return cli_misuse(call, "pin needs a VERSION as 2.1, or latest");
    struct meta *meta = NULL;
    struct diag why = DIAG_NONE;
    const char *project = call->options.project ? call->options.project : "default";
    struct meta_pin pin = { .project = str_from_c(project),
                            .tenant = str_from_c(call->options.tenant),
                            .set_ns = clock_now_ns() };
    enum err err = begin(call, &meta, &why);
    if (!err && !str_is_none(pin.tenant) && str_is_empty(pin.tenant))
        err = diag_set(&why, ERR_BAD_INPUT, "--tenant= needs a name");
    if (!err)
        err = change(call, meta, &pin, &why);
    if (!err) {
        bool is_pinned = pin.tables > 0;
        str version = version_text(&call->arena, pin.tables, pin.file);
        printf("project %s%s%.*s is read by %s%.*s; %s\n", project,
               str_is_none(pin.tenant) ? "" : ", tenant ", STR_ARG(pin.tenant),
               is_pinned ? "mapping " : "the newest mapping", is_pinned ? (int)version.len : 0,
               version.ptr,
               cli_lock_held(call) == 1 ? "the running server does so within two seconds"
                                        : "a server does so from its next start on");
    }
    return end(meta, err, &why);
}
