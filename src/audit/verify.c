/* verify.c -- does the chain hold, and if not, where does it break.
 *
 * Lines are checked as bytes, by their fixed beginning and end: a JSON parser would accept
 * rewritten spellings of the same value, which are changes too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "audit/audit_int.h"
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include <fcntl.h>

enum { READ_BYTES = 65536, SEQUENCE_TEXT_MAX = 48 };

/* Ends of every line: ,"prev":"<hex>","hash":"<hex>"} */
static const str prev_key = STR(",\"prev\":\"");
static const str hash_key = STR("\",\"hash\":\"");
static const str line_end = STR("\"}");

void audit_hash_hex(str bytes, char ret_hex[AUDIT_HASH_LEN + 1])
{
    uint8_t hash[CRYPT_SHA256_BYTES];
    crypt_sha256(bytes.ptr, bytes.len, hash);
    hex_encode(hash, sizeof hash, ret_hex);
}

static void head_init(struct audit_head *head)
{
    head->sequence = 0;
    memset(head->hash, '0', AUDIT_HASH_LEN);
    head->hash[AUDIT_HASH_LEN] = '\0';
}

static enum err broken(const struct audit_walk *walk, struct diag *reterr_why, const char *what)
{
    return diag_set_at(
        reterr_why, ERR_CORRUPT, (size_t)walk->whole_bytes, "audit log line %llu (byte %lld): %s",
        (unsigned long long)walk->head.sequence + 1, (long long)walk->whole_bytes, what);
}

/* One line without its line end; moves walk past it. */
static enum err check_line(struct audit_walk *walk, str line, struct diag *reterr_why)
{
    const size_t tail_len =
        prev_key.len + AUDIT_HASH_LEN + hash_key.len + AUDIT_HASH_LEN + line_end.len;
    char hash[AUDIT_HASH_LEN + 1];
    struct buf expected;
    buf_init(&expected, SEQUENCE_TEXT_MAX);
    buf_printf(&expected, "{\"seq\":%llu,", (unsigned long long)walk->head.sequence + 1);
    bool has_sequence = str_starts(line, buf_str(&expected));
    buf_clear(&expected);
    if (!has_sequence)
        return broken(walk, reterr_why, "the sequence number is not the next one");
    if (line.len < tail_len || !str_ends(line, line_end))
        return broken(walk, reterr_why, "the line is not complete");
    str tail = str_from(line, line.len - tail_len);
    str prev = str_sub(tail, prev_key.len, AUDIT_HASH_LEN);
    str between = str_sub(tail, prev_key.len + AUDIT_HASH_LEN, hash_key.len);
    str own = str_sub(tail, prev_key.len + AUDIT_HASH_LEN + hash_key.len, AUDIT_HASH_LEN);
    if (!str_starts(tail, prev_key) || !str_equal(between, hash_key))
        return broken(walk, reterr_why, "the line is not complete");
    if (!str_equal_c(prev, walk->head.hash))
        return broken(walk, reterr_why, "it does not follow the line before");
    /* everything before ,"hash": -- the first byte of hash_key closes prev's quotes */
    audit_hash_hex(str_sub(line, 0, line.len - tail_len + prev_key.len + AUDIT_HASH_LEN + 1), hash);
    if (!str_equal_c(own, hash))
        return broken(walk, reterr_why, "its content was changed");
    walk->head.sequence++;
    memcpy(walk->head.hash, hash, sizeof hash);
    walk->whole_bytes += (int64_t)line.len + 1;
    return ERR_OK;
}

/* Check the whole lines of `held`; what is left stays for the next piece. */
static enum err check_lines(struct audit_walk *walk, struct buf *held, struct diag *reterr_why)
{
    str rest = buf_str(held);
    for (size_t end; (end = str_find_char(rest, '\n')) < rest.len;) {
        enum err code = check_line(walk, str_sub(rest, 0, end), reterr_why);
        if (code != ERR_OK)
            return code;
        rest = str_from(rest, end + 1);
    }
    if (rest.len > AUDIT_LINE_BYTES_MAX)
        return broken(walk, reterr_why, "the line is too long");
    memmove(held->ptr, rest.ptr, rest.len);
    held->len = rest.len;
    return ERR_OK;
}

enum err audit_walk_on(const struct sys_files *files, int fd, struct audit_walk *walk,
                       struct diag *reterr_why)
{
    struct buf held;
    int64_t offset = walk->whole_bytes;
    enum err code = ERR_OK;
    buf_init(&held, AUDIT_LINE_BYTES_MAX + READ_BYTES + 1);
    while (code == ERR_OK) {
        char *room = buf_reserve(&held, READ_BYTES);
        assert(room);
        int64_t got = files->pread(fd, room, READ_BYTES, offset);
        if (got < 0)
            code = diag_set(reterr_why, ERR_IO, "the audit log cannot be read");
        if (got <= 0)
            break;
        held.len += (size_t)got;
        offset += got;
        code = check_lines(walk, &held, reterr_why);
    }
    walk->torn_bytes = held.len;
    buf_clear(&held);
    return code;
}

enum err audit_walk_chain(const struct sys_files *files, int fd, struct audit_walk *ret_walk,
                          struct diag *reterr_why)
{
    struct audit_walk walk = { .whole_bytes = 0 };
    head_init(&walk.head);
    enum err code = audit_walk_on(files, fd, &walk, reterr_why);
    if (code == ERR_OK)
        *ret_walk = walk;
    return code;
}

enum err audit_verify(const char *path, const struct sys_files *files, struct audit_head *ret_head,
                      struct diag *reterr_why)
{
    assert(path && files && ret_head);
    struct audit_walk walk;
    int fd = files->open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return diag_set(reterr_why, ERR_NOT_FOUND, "the audit log '%s' cannot be opened", path);
    enum err code = audit_walk_chain(files, fd, &walk, reterr_why);
    (void)files->close(fd);
    if (code != ERR_OK)
        return code;
    if (walk.torn_bytes > 0)
        return broken(&walk, reterr_why, "the line is not complete");
    *ret_head = walk.head;
    return ERR_OK;
}
