/* audit.c -- writing audit lines, one durable append at a time.
 *
 *   {"seq":7,"time":"...","actor":...,...,"prev":"<64 hex>","hash":"<64 hex>"}\n
 *
 * hash is SHA-256 of the line's bytes before ,"hash": -- prev included, which makes the
 * chain.  The first line's prev is 64 zeros.  Format: docs/formats/audit.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "audit/audit_int.h"
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "base/utf8.h"
#include <fcntl.h>

enum { AUDIT_MAGIC = 0x61756474, AUDIT_FILE_MODE = 0600 };

struct audit {
    uint32_t magic;
    const struct sys_files *files;
    int fd;
    int64_t len; /* of whole, durable lines */
    bool is_poisoned;
    struct audit_head head;
    struct buf line;
};

static void add_member(struct buf *out, const char *name, str text)
{
    buf_printf(out, ",\"%s\":", name);
    if (str_is_none(text)) {
        buf_add_c(out, "null");
        return;
    }
    str kept = str_sub(text, 0, AUDIT_TEXT_BYTES_MAX);
    if (kept.len < text.len) /* not in the middle of a character */
        while (kept.len > 0 && ((uint8_t)text.ptr[kept.len] & 0xc0) == 0x80)
            kept.len--;
    buf_add_json_str(out, kept);
}

static void format_line(struct buf *out, const struct audit_event *event,
                        const struct audit_head *last, struct audit_head *ret_head)
{
    buf_reset(out);
    ret_head->sequence = last->sequence + 1;
    buf_add_c(out, "{\"seq\":");
    buf_add_u64(out, ret_head->sequence);
    buf_add_c(out, ",\"time\":\"");
    time_format(out, event->time_ns, 9);
    buf_add_char(out, '"');
    add_member(out, "actor", event->actor);
    add_member(out, "action", event->action);
    add_member(out, "project", event->project);
    add_member(out, "tenant", event->tenant);
    add_member(out, "trace_id", event->trace_id);
    add_member(out, "span_id", event->span_id);
    add_member(out, "object", event->object);
    add_member(out, "reason", event->reason);
    add_member(out, "source", event->source);
    add_member(out, "prev", str_from_c(last->hash));
    audit_hash_hex(buf_str(out), ret_head->hash);
    add_member(out, "hash", str_from_c(ret_head->hash));
    buf_add_c(out, "}\n");
}

/* Cut back to the last whole line; without that nothing may follow. */
static void cut_back(struct audit *audit)
{
    if (audit->files->ftruncate(audit->fd, audit->len) != 0)
        audit->is_poisoned = true;
}

/* Cut off a torn last line, durably. */
static enum err cut_torn(struct audit *audit, size_t torn_bytes, struct diag *reterr_why)
{
    if (torn_bytes == 0)
        return ERR_OK;
    if (audit->files->ftruncate(audit->fd, audit->len) != 0 ||
        audit->files->fdatasync(audit->fd) != 0)
        return diag_set(reterr_why, ERR_IO, "the torn end of the audit log cannot be cut off");
    return ERR_OK;
}

/* Over the lines that another process appended since ours. */
static enum err catch_up(struct audit *audit, struct diag *reterr_why)
{
    struct audit_walk walk = { .head = audit->head, .whole_bytes = audit->len };
    enum err code = audit_walk_on(audit->files, audit->fd, &walk, reterr_why);
    if (code != ERR_OK)
        return code;
    audit->len = walk.whole_bytes;
    audit->head = walk.head;
    return cut_torn(audit, walk.torn_bytes, reterr_why);
}

static enum err append_locked(struct audit *audit, const struct audit_event *event,
                              struct diag *reterr_why)
{
    struct audit_head head;
    format_line(&audit->line, event, &audit->head, &head);
    if (buf_failed(&audit->line))
        return diag_set(reterr_why, ERR_LIMIT, "the audit line is too long");
    enum err code =
        file_write_all(audit->files, audit->fd, audit->line.ptr, audit->line.len, reterr_why);
    if (code != ERR_OK) {
        cut_back(audit);
        return code;
    }
    if (audit->files->fdatasync(audit->fd) != 0) {
        /* What the kernel still holds is unknown and a second fdatasync would not tell. */
        audit->is_poisoned = true;
        return diag_set(reterr_why, ERR_IO, "the audit log cannot be made durable");
    }
    audit->len += (int64_t)audit->line.len;
    audit->head = head;
    return ERR_OK;
}

enum err audit_append(struct audit *audit, const struct audit_event *event, struct diag *reterr_why)
{
    CHECK(audit, AUDIT_MAGIC);
    assert(event && !str_is_none(event->actor) && !str_is_none(event->action));
    if (audit->is_poisoned)
        return diag_set(reterr_why, ERR_IO, "the audit log is closed after a write error");
    enum err code = fd_lock(audit->fd, reterr_why);
    if (code != ERR_OK)
        return code;
    code = catch_up(audit, reterr_why);
    if (code == ERR_OK)
        code = append_locked(audit, event, reterr_why);
    fd_unlock(audit->fd);
    return code;
}

void audit_head(const struct audit *audit, struct audit_head *ret_head)
{
    CHECK(audit, AUDIT_MAGIC);
    *ret_head = audit->head;
}

static enum err sync_folder(const char *path, struct diag *reterr_why)
{
    str whole = str_from_c(path);
    size_t slash = whole.len;
    while (slash > 0 && path[slash - 1] != '/')
        slash--;
    char *folder = slash ? xstrdup_str(str_sub(whole, 0, slash)) : xstrdup_str(STR_OF("."));
    enum err code = dir_sync(folder, reterr_why);
    xfree(folder);
    return code;
}

enum err audit_open(const char *path, const struct sys_files *files, struct audit **ret_audit,
                    size_t *ret_cut_bytes, struct diag *reterr_why)
{
    assert(path && files && ret_audit);
    struct audit_walk walk;
    int fd = files->open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, AUDIT_FILE_MODE);
    if (fd < 0)
        return diag_set(reterr_why, ERR_IO, "the audit log '%s' cannot be opened", path);
    struct audit *audit = xcalloc(1, sizeof *audit);
    *audit = (struct audit){ .magic = AUDIT_MAGIC, .files = files, .fd = fd };
    buf_init(&audit->line, AUDIT_LINE_BYTES_MAX);
    enum err code = fd_lock(fd, reterr_why); /* nobody is amid a line */
    if (code == ERR_OK)
        code = audit_walk_chain(files, fd, &walk, reterr_why);
    if (code == ERR_OK) {
        audit->len = walk.whole_bytes;
        audit->head = walk.head;
        code = cut_torn(audit, walk.torn_bytes, reterr_why);
    }
    fd_unlock(fd);
    if (code == ERR_OK)
        code = sync_folder(path, reterr_why);
    if (code != ERR_OK) {
        audit_close(audit);
        return code;
    }
    if (ret_cut_bytes)
        *ret_cut_bytes = walk.torn_bytes;
    *ret_audit = audit;
    return ERR_OK;
}

void audit_close(struct audit *audit)
{
    if (!audit)
        return;
    CHECK(audit, AUDIT_MAGIC);
    (void)audit->files->close(audit->fd);
    buf_clear(&audit->line);
    audit->magic = 0;
    xfree(audit);
}
