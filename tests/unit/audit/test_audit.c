/* test_audit.c -- the audit log: durable before it answers, and every change is noticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "audit/audit.h"
#include "base/arena.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char path[96];
};

/* Counters of the faulty file table, per process: tests run one after the other. */
static int writes_left, syncs_left, syncs_done;
static bool truncate_fails;

static int64_t faulty_write(int fd, const void *bytes, size_t len)
{
    if (writes_left-- > 0)
        return sys_files_real.write(fd, bytes, len);
    if (writes_left == -1) /* a torn half, then no space */
        return sys_files_real.write(fd, bytes, len / 2);
    errno = ENOSPC;
    return -1;
}

static int faulty_sync(int fd)
{
    syncs_done++;
    if (syncs_left-- > 0)
        return sys_files_real.fdatasync(fd);
    errno = EIO;
    return -1;
}

static int faulty_truncate(int fd, int64_t len)
{
    return truncate_fails ? -1 : sys_files_real.ftruncate(fd, len);
}

static struct sys_files faulty_files(int writes, int syncs)
{
    struct sys_files files = sys_files_real;
    files.write = faulty_write;
    files.fdatasync = faulty_sync;
    files.ftruncate = faulty_truncate;
    writes_left = writes;
    syncs_left = syncs;
    syncs_done = 0;
    truncate_fails = false;
    return files;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/test_audit_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/audit.log", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    rmdir(f->dir);
    xfree(f);
    return 0;
}

static struct audit_event some_event(int number)
{
    return (struct audit_event){
        .time_ns = INT64_C(1795258800000000000) + number,
        .actor = STR("0123456789abcdef"),
        .action = STR("payload.read"),
        .project = STR("shop"),
        .trace_id = STR("4f7a0000000000000000000000000001"),
        .span_id = STR("00000000000000a1"),
        .object = STR("input,output"),
        .reason = STR("ticket \"42\"\n"),
        .source = STR("127.0.0.1"),
    };
}

static struct audit *open_log(struct fixture *f, const struct sys_files *files)
{
    struct audit *audit = NULL;
    struct diag why = DIAG_NONE;
    enum err code = audit_open(f->path, files, &audit, NULL, &why);
    if (code != ERR_OK)
        fail_msg("%s: %s", err_name(code), why.text);
    return audit;
}

static void append(struct audit *audit, int count)
{
    for (int i = 0; i < count; i++) {
        struct audit_event event = some_event(i);
        assert_int_equal(audit_append(audit, &event, NULL), ERR_OK);
    }
}

static void read_log(struct fixture *f, struct buf *out)
{
    buf_init(out, MIB);
    assert_int_equal(file_read(f->path, out, NULL), ERR_OK);
}

static enum err verify(struct fixture *f, struct audit_head *ret_head, struct diag *reterr_why)
{
    return audit_verify(f->path, &sys_files_real, ret_head, reterr_why);
}

/* shows: P7 */
static void a_read_leaves_one_line_with_every_part(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct audit *audit = open_log(f, &sys_files_real);
    append(audit, 1);
    audit_close(audit);
    read_log(f, &text);
    static const char start[] =
        "{\"seq\":1,\"time\":\"2026-11-21T11:00:00.000000000Z\",\"actor\":\"0123456789abcdef\","
        "\"action\":\"payload.read\",\"project\":\"shop\",\"tenant\":null,"
        "\"trace_id\":\"4f7a0000000000000000000000000001\",\"span_id\":\"00000000000000a1\","
        "\"object\":\"input,output\",\"reason\":\"ticket \\\"42\\\"\\n\",\"source\":\"127.0.0.1\","
        "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"hash\":\"";
    assert_true(str_starts(buf_str(&text), str_from_c(start)));
    assert_int_equal(str_find_char(buf_str(&text), '\n'), text.len - 1);
    buf_clear(&text);
}

static void the_chain_goes_on_after_reopening(void **state)
{
    struct fixture *f = *state;
    struct audit_head head, verified;
    struct audit *audit = open_log(f, &sys_files_real);
    audit_head(audit, &head);
    assert_int_equal(head.sequence, 0);
    append(audit, 3);
    audit_close(audit);
    audit = open_log(f, &sys_files_real);
    append(audit, 400); /* more than one piece of the reader */
    audit_head(audit, &head);
    audit_close(audit);
    assert_int_equal(verify(f, &verified, NULL), ERR_OK);
    assert_int_equal(verified.sequence, 403);
    assert_string_equal(verified.hash, head.hash);
}

/* shows: P8 */
static void any_changed_byte_is_found_at_its_line(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct audit_head head;
    struct audit *audit = open_log(f, &sys_files_real);
    append(audit, 3);
    audit_close(audit);
    read_log(f, &text);
    size_t line_len = text.len / 3;
    for (size_t at = 0; at < text.len; at += 7) {
        struct diag why = DIAG_NONE;
        char place[40];
        text.ptr[at] ^= 1;
        assert_int_equal(file_replace(f->path, buf_str(&text), 0600, NULL), ERR_OK);
        text.ptr[at] ^= 1;
        assert_int_equal(verify(f, &head, &why), ERR_CORRUPT);
        snprintf(place, sizeof place, "line %zu ", at / line_len + 1);
        if (!strstr(why.text, place))
            fail_msg("byte %zu: %s", at, why.text);
        struct audit *none = NULL;
        assert_int_equal(audit_open(f->path, &sys_files_real, &none, NULL, NULL), ERR_CORRUPT);
    }
    buf_clear(&text);
}

static void removed_inserted_and_swapped_lines_are_found(void **state)
{
    struct fixture *f = *state;
    struct buf text, changed;
    struct audit_head head;
    struct audit *audit = open_log(f, &sys_files_real);
    append(audit, 3);
    audit_close(audit);
    read_log(f, &text);
    size_t n = text.len / 3;
    static const int orders[][3] = { { 0, 2, -1 }, { 0, 2, 1 }, { 0, 0, 1 }, { 1, 2, -1 } };
    buf_init(&changed, MIB);
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        buf_reset(&changed);
        for (int j = 0; j < 3; j++)
            if (orders[i][j] >= 0)
                buf_add(&changed, text.ptr + n * (size_t)orders[i][j], n);
        assert_int_equal(file_replace(f->path, buf_str(&changed), 0600, NULL), ERR_OK);
        assert_int_equal(verify(f, &head, NULL), ERR_CORRUPT);
    }
    /* cut at the end: a valid chain, but another head than the one kept elsewhere */
    assert_int_equal(file_replace(f->path, (str){ text.ptr, 2 * n }, 0600, NULL), ERR_OK);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, 2);
    buf_clear(&changed);
    buf_clear(&text);
}

static void a_torn_end_is_cut_at_open_and_reported(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct audit_head head;
    struct audit *audit = open_log(f, &sys_files_real);
    append(audit, 2);
    audit_close(audit);
    read_log(f, &text);
    assert_int_equal(file_replace(f->path, (str){ text.ptr, text.len - 10 }, 0600, NULL), ERR_OK);
    assert_int_equal(verify(f, &head, NULL), ERR_CORRUPT);
    size_t cut = 0;
    assert_int_equal(audit_open(f->path, &sys_files_real, &audit, &cut, NULL), ERR_OK);
    assert_int_equal(cut, text.len / 2 - 10);
    append(audit, 1);
    audit_close(audit);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, 2);
    buf_clear(&text);
}

/* shows: P7 */
static void an_append_is_synced_before_it_returns(void **state)
{
    struct fixture *f = *state;
    struct sys_files files = faulty_files(100, 100);
    struct audit *audit = open_log(f, &files);
    int before = syncs_done;
    append(audit, 2);
    assert_int_equal(syncs_done - before, 2);
    audit_close(audit);
}

/* shows: P7 */
static void a_full_disk_refuses_the_read_and_leaves_a_whole_chain(void **state)
{
    struct fixture *f = *state;
    struct sys_files files = faulty_files(1, 100);
    struct audit_event event = some_event(1);
    struct audit_head head;
    struct diag why = DIAG_NONE;
    struct audit *audit = open_log(f, &files);
    append(audit, 1);
    assert_int_equal(audit_append(audit, &event, &why), ERR_DISK_FULL);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, 1);
    writes_left = 100; /* space again */
    append(audit, 1);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, 2);
    audit_close(audit);
}

static void after_a_failed_sync_nothing_is_appended_until_reopened(void **state)
{
    struct fixture *f = *state;
    struct sys_files files = faulty_files(100, 1);
    struct audit_event event = some_event(1);
    struct audit *audit = open_log(f, &files);
    append(audit, 1);
    assert_int_equal(audit_append(audit, &event, NULL), ERR_IO);
    syncs_left = 100;
    assert_int_equal(audit_append(audit, &event, NULL), ERR_IO);
    audit_close(audit);
    audit = open_log(f, &files);
    append(audit, 1);
    audit_close(audit);
}

static void a_torn_write_that_cannot_be_cut_closes_the_log(void **state)
{
    struct fixture *f = *state;
    struct sys_files files = faulty_files(1, 100);
    struct audit_event event = some_event(1);
    struct audit *audit = open_log(f, &files);
    append(audit, 1);
    truncate_fails = true;
    assert_int_equal(audit_append(audit, &event, NULL), ERR_DISK_FULL);
    writes_left = 100;
    assert_int_equal(audit_append(audit, &event, NULL), ERR_IO);
    audit_close(audit);
}

static void long_texts_are_cut_at_a_character(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct audit_head head;
    char reason[2 * AUDIT_TEXT_BYTES_MAX];
    for (size_t i = 0; i < sizeof reason; i += 2)
        memcpy(reason + i, "\xc3\xa9", 2);
    struct audit_event event = some_event(1);
    event.reason = (str){ reason + 1, sizeof reason - 1 }; /* starts inside a character */
    struct audit *audit = open_log(f, &sys_files_real);
    assert_int_equal(audit_append(audit, &event, NULL), ERR_OK);
    event.reason = (str){ reason, AUDIT_TEXT_BYTES_MAX };
    assert_int_equal(audit_append(audit, &event, NULL), ERR_OK);
    audit_close(audit);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    read_log(f, &text);
    assert_true(utf8_is_valid(buf_str(&text)));
    buf_clear(&text);
}

static void a_missing_file_is_not_verified(void **state)
{
    struct fixture *f = *state;
    struct audit_head head;
    assert_int_equal(verify(f, &head, NULL), ERR_NOT_FOUND);
}

/* shows: P8 */
static void two_openings_append_in_turn_to_one_chain(void **state)
{
    struct fixture *f = *state;
    struct audit *server = open_log(f, &sys_files_real), *beside = open_log(f, &sys_files_real);
    struct audit_head head;
    for (int i = 0; i < 3; i++) {
        append(server, 2);
        append(beside, 1);
    }
    audit_close(beside);
    append(server, 1);
    audit_head(server, &head);
    assert_int_equal(head.sequence, 10);
    audit_close(server);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, 10);
}

/* shows: P8 */
static void processes_that_append_at_once_keep_the_chain(void **state)
{
    enum { PROCESSES = 4, LINES = 25 };
    struct fixture *f = *state;
    struct audit_head head;
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct audit_event event = some_event(i);
            struct audit *audit = NULL;
            bool failed = audit_open(f->path, &sys_files_real, &audit, NULL, NULL) != ERR_OK;
            for (int line = 0; line < LINES && !failed; line++)
                failed = audit_append(audit, &event, NULL) != ERR_OK;
            _exit(failed);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, PROCESSES * LINES);
}

/* A process that died amid a line: its line was never answered. */
static void a_torn_line_of_another_is_cut_before_the_next(void **state)
{
    struct fixture *f = *state;
    struct audit *audit = open_log(f, &sys_files_real);
    struct audit_head head;
    append(audit, 1);
    FILE *other = fopen(f->path, "a");
    assert_non_null(other);
    fputs("{\"seq\":2,\"time\":", other);
    fclose(other);
    append(audit, 1);
    audit_close(audit);
    assert_int_equal(verify(f, &head, NULL), ERR_OK);
    assert_int_equal(head.sequence, 2);
}

/* shows: P8 */
static void a_line_changed_meanwhile_refuses_the_next(void **state)
{
    struct fixture *f = *state;
    struct audit *audit = open_log(f, &sys_files_real);
    struct audit_event event = some_event(1);
    append(audit, 1);
    FILE *other = fopen(f->path, "a");
    assert_non_null(other);
    fputs("{\"seq\":2,\"forged\":true}\n", other);
    fclose(other);
    assert_int_equal(audit_append(audit, &event, NULL), ERR_CORRUPT);
    audit_close(audit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_read_leaves_one_line_with_every_part),
        TEST(the_chain_goes_on_after_reopening),
        TEST(any_changed_byte_is_found_at_its_line),
        TEST(removed_inserted_and_swapped_lines_are_found),
        TEST(a_torn_end_is_cut_at_open_and_reported),
        TEST(an_append_is_synced_before_it_returns),
        TEST(a_full_disk_refuses_the_read_and_leaves_a_whole_chain),
        TEST(after_a_failed_sync_nothing_is_appended_until_reopened),
        TEST(a_torn_write_that_cannot_be_cut_closes_the_log),
        TEST(long_texts_are_cut_at_a_character),
        TEST(a_missing_file_is_not_verified),
        TEST(two_openings_append_in_turn_to_one_chain),
        TEST(processes_that_append_at_once_keep_the_chain),
        TEST(a_torn_line_of_another_is_cut_before_the_next),
        TEST(a_line_changed_meanwhile_refuses_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
