/* export_out.c -- the file that an export fills; see export_int.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/export_int.h"
#include "sys/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { HELD_BYTES_MAX = 1024 * 1024 * 1024, PLACE_BYTES_MAX = 256 * 1024, FILE_MODE = 0600 };

static enum err place_read(struct export_out *out, struct export_place *ret_place, struct diag *why)
{
    struct buf text;
    str rest, length, rows;
    buf_init(&text, PLACE_BYTES_MAX);
    enum err err = file_read(out->at, &text, why);
    if (err == ERR_NOT_FOUND)
        diag_set(why, err, "there is no interrupted export of %.180s to resume", out->path);
    rest = err ? STR_NONE : arena_str(&out->call->arena, buf_str(&text));
    buf_clear(&text);
    if (err)
        return err;
    bool is_whole = str_next(&rest, '\n', &ret_place->question) &&
                    str_next(&rest, '\n', &ret_place->cursor) && str_next(&rest, '\n', &length) &&
                    str_next(&rest, '\n', &rows) && str_to_i64(length, &ret_place->length) &&
                    str_to_i64(rows, &ret_place->rows) && ret_place->length >= 0;
    if (!is_whole || file_size(out->part) < ret_place->length)
        return diag_set(why, ERR_BAD_INPUT,
                        "%.180s does not fit its notes: start anew without "
                        "--resume",
                        out->part);
    return ERR_OK;
}

enum err export_out_open(struct export_out *out, struct cli_call *call,
                         struct export_place *ret_place, struct diag *reterr_why)
{
    const char *path = call->options.output;
    *out = (struct export_out){ .call = call, .fd = STDOUT_FILENO };
    *ret_place = (struct export_place){ .question = STR_OF(""), .cursor = STR_OF("") };
    buf_init(&out->held, HELD_BYTES_MAX);
    if (!path || strcmp(path, "-") == 0)
        return ERR_OK;
    out->path = path;
    out->part = arena_printf(&call->arena, "%s.part", path).ptr;
    out->at = arena_printf(&call->arena, "%s.part.at", path).ptr;
    bool resumes = call->options.resume;
    enum err err = resumes ? place_read(out, ret_place, reterr_why) : ERR_OK;
    if (err)
        return err;
    out->fd =
        sys_files_real.open(out->part, O_WRONLY | O_CREAT | (resumes ? 0 : O_TRUNC), FILE_MODE);
    if (out->fd < 0 || sys_files_real.ftruncate(out->fd, ret_place->length) ||
        lseek(out->fd, ret_place->length, SEEK_SET) < 0)
        return diag_set(reterr_why, ERR_IO, "cannot write %.180s", out->part);
    out->length = ret_place->length;
    return ERR_OK;
}

enum err export_out_flush(struct export_out *out, struct diag *reterr_why)
{
    if (buf_failed(&out->held))
        return diag_set(reterr_why, ERR_LIMIT, "one page of the export is too large");
    str bytes = buf_str(&out->held);
    enum err err = file_write_all(&sys_files_real, out->fd, bytes.ptr, bytes.len, reterr_why);
    if (!err)
        out->length += (int64_t)bytes.len;
    buf_reset(&out->held);
    return err;
}

enum err export_out_note(struct export_out *out, const struct export_place *place,
                         struct diag *reterr_why)
{
    struct buf text;
    if (!out->path)
        return ERR_OK;
    buf_init(&text, PLACE_BYTES_MAX);
    buf_printf(&text, "%.*s\n%.*s\n%lld\n%lld\n", STR_ARG(place->question), STR_ARG(place->cursor),
               (long long)place->length, (long long)place->rows);
    enum err err = file_replace(out->at, buf_str(&text), FILE_MODE, reterr_why);
    buf_clear(&text);
    return err;
}

enum err export_out_finish(struct export_out *out, const char *made, struct diag *reterr_why)
{
    enum err err = export_out_flush(out, reterr_why);
    if (err || !out->path)
        return err;
    if (sys_files_real.fdatasync(out->fd) ||
        sys_files_real.rename(made ? made : out->part, out->path))
        return diag_set(reterr_why, ERR_IO, "cannot make %.180s", out->path);
    if (made)
        sys_files_real.unlink(out->part);
    if (file_exists(out->at))
        sys_files_real.unlink(out->at);
    return ERR_OK;
}

void export_out_close(struct export_out *out)
{
    if (out->path && out->fd >= 0)
        sys_files_real.close(out->fd);
    buf_clear(&out->held);
}
