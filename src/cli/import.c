/* import.c -- `telltale import`: files of telemetry, of ours and of others, to the server.
 *
 * A record that cannot be read is named by its file and line, and the rest goes on; the exit
 * status then is 1.  Everything goes by the doors that senders use, so that an import is redacted,
 * priced and merged as anything else is, and the same import again changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/import_int.h"
#include <stdio.h>

enum { TOLD_MAX = 20 };

void import_complain(struct import *import, uint64_t line, const char *why)
{
    import->failed++;
    if (import->told++ < TOLD_MAX) {
        struct buf out;
        buf_init(&out, 16 * KIB);
        buf_add_c(&out, "telltale import: ");
        cli_clean(&out, str_from_c(import->path), CLI_ONE_LINE);
        buf_printf(&out, ":%llu: ", (unsigned long long)line);
        cli_clean(&out, str_sub(str_from_c(why), 0, 2000), CLI_ONE_LINE);
        buf_add_char(&out, '\n');
        progress_end(&import->progress);
        fwrite(out.ptr, 1, out.len, stderr);
        buf_clear(&out);
    }
    if (import->call->options.strict)
        import->is_stopped = true;
}

/* Protobuf does not say of which signal it is. */
static enum import_lane lane_of_file(const char *path)
{
    str name = str_from_c(path);
    if (str_find(name, STR_OF("metric")) < name.len)
        return LANE_METRICS;
    return str_find(name, STR_OF("log")) < name.len ? LANE_LOGS : LANE_TRACES;
}

static void take_record(struct import *import, str record, enum record_form form)
{
    if (form == RECORD_PROTOBUF)
        import_send(import, lane_of_file(import->path), "application/x-protobuf", record);
    else
        import_record(import, record);
    import->progress.done++;
}

static enum err import_file(struct import *import, const char *path, struct diag *why)
{
    struct records *records;
    uint64_t before = import->progress.bytes;
    import->path = path;
    enum err err = records_open(path, &records, why);
    if (err)
        return err;
    while (!import->is_stopped && !cli_interrupted) {
        str record;
        enum record_form form;
        err = records_next(records, &record, &form, &import->line, why);
        if (err == ERR_BAD_INPUT)
            import_complain(import, import->line, why->text);
        else if (err)
            break;
        else
            take_record(import, record, form);
        import->progress.bytes = before + records_read(records);
        progress_show(&import->progress);
    }
    import_flush(import);
    if (err == ERR_NOT_FOUND)
        err = ERR_OK;
    if (err && err != ERR_BAD_INPUT) { /* the rest of the file is lost */
        import_complain(import, import->line, why->text);
        err = ERR_OK;
    }
    records_close(records);
    return err == ERR_BAD_INPUT ? ERR_OK : err;
}

static void say_done(const struct import *import)
{
    const struct cli_call *call = import->call;
    unsigned long long records = import->progress.done, failed = import->failed;
    if (call->options.json)
        printf("{\"files\":%d,\"records\":%llu,\"failed\":%llu,\"requests\":%llu}\n",
               call->arg_count, records, failed, (unsigned long long)import->requests);
    if (import->told > TOLD_MAX)
        fprintf(stderr, "telltale import: %llu more of these\n",
                (unsigned long long)(import->told - TOLD_MAX));
    if (!call->options.json)
        fprintf(stderr, "%llu records read, %llu failed, in %llu requests%s\n", records, failed,
                (unsigned long long)import->requests,
                cli_interrupted ? "; interrupted: the same command again goes on without doubles"
                                : "");
}

int cli_import(struct cli_call *call)
{
    struct import *import = arena_new(&call->arena, struct import, 1);
    struct diag why = DIAG_NONE;
    enum err err = ERR_OK;
    assert(import);
    import->call = call;
    progress_start(&import->progress, "imported", "records");
    for (int i = 0; i < call->arg_count; i++) {
        struct records *records; /* sizes first, so that the bar knows; and names that are wrong */
        str path = arena_printf(&call->arena, "%.*s", STR_ARG(call->args[i]));
        err = records_open(path.ptr, &records, &why);
        if (err)
            return cli_fail(err, &why);
        import->progress.total += records_size(records);
        records_close(records);
    }
    cli_catch();
    for (int i = 0; i < call->arg_count && !err && !import->is_stopped && !cli_interrupted; i++)
        err = import_file(import, arena_printf(&call->arena, "%.*s", STR_ARG(call->args[i])).ptr,
                          &why);
    progress_end(&import->progress);
    say_done(import);
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        buf_clear(&import->batches[lane].items);
        arena_clear(&import->batches[lane].arena);
    }
    if (err)
        return cli_fail(err, &why);
    return import->failed || cli_interrupted ? CLI_FAILED : CLI_OK;
}
