/* test_power.c -- power lost at any call, over files that are used again and again.
 *
 * A small disk between the log and the real one: it knows what was synced.  After a
 * random number of calls it fails for good, as if the process were gone; then of what
 * was not synced a random part stays, by sectors, and of the folder's changes the first
 * few.  The log is opened again, also on that failing disk, and compared with a model:
 *
 *   acknowledged             there, once, unchanged, in order
 *   refused or never answered there or not; from the first whole start on, that is settled
 *   anything else            never: nothing old comes back as new
 *
 * TEST_SEED repeats a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"
#include <sys/stat.h>

enum {
    ROUNDS = 1500,
    SECTOR = 512,
    FILES_MAX = 64,
    CHANGES_MAX = 256,
    RECORDS_MAX = 60000,
    GROUP_MAX = 5,
    TEXT_MAX = 5000,
};

/* ---- the disk ---- */

struct kept { /* what of a file is on disk for sure, when its cache differs */
    ino_t inode;
    char *bytes;
    size_t len;
};

struct change { /* of the folder, not synced */
    enum { CHANGE_NEW, CHANGE_RENAME, CHANGE_UNLINK } kind;
    char from[128], to[128];
};

static struct disk {
    pthread_mutex_t lock;
    char dir[64], attic[64]; /* the attic keeps what was unlinked and may come back */
    struct kept kept[FILES_MAX];
    int kept_count;
    struct change changes[CHANGES_MAX];
    int change_count, attic_count;
    int calls_left; /* -1: no end */
    uint64_t random;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t next_random(void)
{
    disk.random ^= disk.random << 13;
    disk.random ^= disk.random >> 7;
    disk.random ^= disk.random << 17;
    return disk.random;
}

/* Counts a call; false: the power is gone. */
static bool has_power(void)
{
    if (disk.calls_left == 0) {
        errno = EIO;
        return false;
    }
    disk.calls_left -= disk.calls_left > 0;
    return true;
}

static char *content_of(int fd, size_t *ret_len)
{
    struct stat info;
    assert(fstat(fd, &info) == 0);
    char *bytes = xcalloc(1, (size_t)info.st_size + 1);
    assert(pread(fd, bytes, (size_t)info.st_size, 0) == info.st_size);
    *ret_len = (size_t)info.st_size;
    return bytes;
}

/* Before the first change since the last sync. */
static void keep(int fd)
{
    struct stat info;
    assert(fstat(fd, &info) == 0);
    for (int i = 0; i < disk.kept_count; i++) {
        if (disk.kept[i].inode == info.st_ino)
            return;
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* may be open for writing only */
    int readable = open(path, O_RDONLY);
    assert(readable >= 0 && disk.kept_count < FILES_MAX);
    struct kept *kept = &disk.kept[disk.kept_count++];
    kept->inode = info.st_ino;
    kept->bytes = content_of(readable, &kept->len);
    close(readable);
}

static void forget(ino_t inode)
{
    for (int i = 0; i < disk.kept_count; i++) {
        if (disk.kept[i].inode != inode)
            continue;
        xfree(disk.kept[i].bytes);
        disk.kept[i] = disk.kept[--disk.kept_count];
        return;
    }
}

static struct change *change_add(int kind, const char *from, const char *to)
{
    assert(disk.change_count < CHANGES_MAX);
    struct change *change = &disk.changes[disk.change_count++];
    change->kind = kind;
    snprintf(change->from, sizeof change->from, "%s", from);
    snprintf(change->to, sizeof change->to, "%s", to);
    return change;
}

static int disk_open(const char *path, int flags, int mode)
{
    pthread_mutex_lock(&disk.lock);
    bool is_new = (flags & O_CREAT) && !file_exists(path);
    int fd = -1;
    if (!(flags & O_CREAT) || has_power()) {
        fd = sys_files_real.open(path, flags, mode);
        if (fd >= 0 && is_new)
            change_add(CHANGE_NEW, path, path);
    }
    pthread_mutex_unlock(&disk.lock);
    return fd;
}

static int64_t disk_pwritev(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    pthread_mutex_lock(&disk.lock);
    int64_t wrote = -1;
    bool was_on = disk.calls_left != 0;
    if (was_on) { /* the last call's bytes may reach the disk, its answer nobody */
        keep(fd);
        wrote = sys_files_real.pwritev(fd, pieces, count, offset);
    }
    if (!has_power())
        wrote = -1;
    pthread_mutex_unlock(&disk.lock);
    return wrote;
}

static int disk_fdatasync(int fd)
{
    pthread_mutex_lock(&disk.lock);
    struct stat info;
    assert(fstat(fd, &info) == 0);
    int result = -1;
    if (has_power()) {
        forget(info.st_ino);
        result = 0;
    }
    pthread_mutex_unlock(&disk.lock);
    return result;
}

static int disk_ftruncate(int fd, int64_t len)
{
    pthread_mutex_lock(&disk.lock);
    int result = -1;
    if (has_power()) {
        keep(fd);
        result = sys_files_real.ftruncate(fd, len);
    }
    pthread_mutex_unlock(&disk.lock);
    return result;
}

static int disk_unlink(const char *path)
{
    pthread_mutex_lock(&disk.lock);
    int result = -1;
    if (has_power()) {
        char attic[128];
        snprintf(attic, sizeof attic, "%s/%d", disk.attic, disk.attic_count++);
        result = rename(path, attic);
        if (result == 0)
            change_add(CHANGE_UNLINK, path, attic);
    }
    pthread_mutex_unlock(&disk.lock);
    return result;
}

static int disk_rename(const char *from, const char *to)
{
    pthread_mutex_lock(&disk.lock);
    int result = -1;
    assert(!file_exists(to));
    if (has_power()) {
        result = rename(from, to);
        if (result == 0)
            change_add(CHANGE_RENAME, from, to);
    }
    pthread_mutex_unlock(&disk.lock);
    return result;
}

static void attic_empty(void)
{
    assert(dir_list(disk.attic, fixture_unlink, disk.attic, NULL) == ERR_OK);
    disk.attic_count = 0;
}

static enum err disk_sync_dir(const char *path, struct diag *reterr_why)
{
    (void)path, (void)reterr_why;
    pthread_mutex_lock(&disk.lock);
    enum err err = ERR_IO;
    if (has_power()) {
        disk.change_count = 0;
        attic_empty();
        err = ERR_OK;
    }
    pthread_mutex_unlock(&disk.lock);
    return err;
}

static int disk_close(int fd)
{
    return close(fd);
}

/* Some sectors as they were synced, some as they were written. */
static void tear(const char *path, const struct kept *kept)
{
    int fd = open(path, O_RDWR);
    assert(fd >= 0);
    size_t len;
    char *now = content_of(fd, &len);
    size_t size = next_random() % 2 ? len : kept->len;
    uint64_t mode = next_random() % 4; /* 0: nothing arrived, 1: all, else by chance */
    char *image = xcalloc(1, MAX(len, kept->len) + 1);
    for (size_t at = 0; at < size; at += SECTOR) {
        bool take_now = mode == 1 || (mode > 1 && next_random() % 2);
        const char *from = take_now ? now : kept->bytes;
        size_t have = take_now ? len : kept->len;
        if (at < have)
            memcpy(image + at, from + at, MIN(MIN((size_t)SECTOR, have - at), size - at));
    }
    assert(ftruncate(fd, 0) == 0 && pwrite(fd, image, size, 0) == (ssize_t)size);
    close(fd);
    xfree(image);
    xfree(now);
}

static void tear_each(const char *name, void *arg)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    struct stat info;
    assert(stat(path, &info) == 0);
    for (int i = 0; i < disk.kept_count; i++) {
        if (disk.kept[i].inode == info.st_ino)
            tear(path, &disk.kept[i]);
    }
    forget(info.st_ino);
}

static void change_undo(const struct change *change)
{
    if (change->kind == CHANGE_NEW)
        assert(unlink(change->from) == 0);
    else
        assert(rename(change->to, change->from) == 0);
}

static void lose_power(void)
{
    int stays = disk.change_count ? (int)(next_random() % (uint64_t)(disk.change_count + 1)) : 0;
    while (disk.change_count > stays)
        change_undo(&disk.changes[--disk.change_count]);
    disk.change_count = 0;
    attic_empty();
    assert(dir_list(disk.dir, tear_each, disk.dir, NULL) == ERR_OK);
    while (disk.kept_count)
        forget(disk.kept[0].inode);
}

static const struct sys_files disk_files = {
    .open = disk_open,
    .pwritev = disk_pwritev,
    .pread = NULL, /* set from the real one */
    .fdatasync = disk_fdatasync,
    .ftruncate = disk_ftruncate,
    .close = disk_close,
    .unlink = disk_unlink,
    .rename = disk_rename,
    .sync_dir = disk_sync_dir,
};

/* ---- the model: what each sequence may hold ---- */

struct fact {
    uint64_t text;   /* what it holds, 0: nothing known */
    bool is_certain; /* acknowledged, or seen by a whole start */
    bool is_seen;
};
static struct fact facts[RECORDS_MAX];
static uint64_t texts, released;

static size_t text_make(uint64_t text, char *ret_bytes)
{
    size_t len = 8 + (size_t)(text * 2654435761u % (TEXT_MAX - 8));
    len = text % 3 ? len / 20 + 8 : len;
    memset(ret_bytes, (int)(text % 251), len);
    memcpy(ret_bytes, &text, sizeof text);
    return len;
}

static void check_text(uint64_t sequence, str bytes)
{
    char wanted[TEXT_MAX + 8];
    assert_in_range(sequence, 1, RECORDS_MAX - 1);
    assert_int_not_equal(facts[sequence].text, 0); /* nobody ever sent this, or it was gone */
    assert_int_equal(bytes.len, text_make(facts[sequence].text, wanted));
    assert_memory_equal(bytes.ptr, wanted, bytes.len);
}

/* A whole start: what is there now stays, what is not never comes. */
static void check_open(struct wal *wal)
{
    struct wal_reader *reader = wal_reader_new(wal, released);
    for (uint64_t i = 0; i < RECORDS_MAX; i++)
        facts[i].is_seen = false;
    uint64_t before = released;
    for (;;) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        enum err err = wal_read(reader, &bytes, &sequence, &position, NULL);
        if (err == ERR_NOT_FOUND)
            break;
        assert_int_equal(err, ERR_OK);
        assert_true(sequence > before);
        before = sequence;
        check_text(sequence, bytes);
        facts[sequence].is_seen = facts[sequence].is_certain = true;
    }
    wal_reader_free(reader);
    for (uint64_t i = released + 1; i < RECORDS_MAX; i++) {
        if (facts[i].is_certain)
            assert_true(facts[i].is_seen);
        else
            facts[i].text = 0;
    }
    struct wal_status status;
    wal_status(wal, &status);
    assert_int_equal(status.damaged_places, 0);
    assert_true(status.durable_sequence >= released);
}

static void check_item(const struct wal_scan_item *item, void *arg)
{
    uint64_t *before = arg;
    assert_true(item->crc_ok && item->decrypted);
    assert_true(item->sequence > *before);
    *before = item->sequence;
    check_text(item->sequence, item->bytes);
}

/* A group of some records; false: the disk is gone. */
static bool put_some(struct wal *wal)
{
    struct item *items[GROUP_MAX];
    uint64_t numbers[GROUP_MAX];
    int count = 1 + (int)(next_random() % GROUP_MAX);
    struct crypt_gcm *gcm = crypt_gcm_new();
    bool is_fine = true;
    for (int i = 0; i < count; i++) {
        char bytes[TEXT_MAX + 8];
        numbers[i] = ++texts;
        items[i] = item_new(bytes, text_make(texts, bytes));
        assert_int_equal(wal_submit(wal, gcm, &items[i]->entry), ERR_OK);
    }
    for (int i = 0; i < count; i++) {
        item_wait(items[i]);
        uint64_t sequence = items[i]->entry.sequence;
        bool is_acknowledged = items[i]->entry.result == ERR_OK;
        is_fine = is_fine && is_acknowledged;
        assert_true(sequence < RECORDS_MAX && (is_acknowledged ? sequence > 0 : true));
        if (sequence) {
            assert_int_equal(facts[sequence].text, 0);
            facts[sequence].text = numbers[i];
            facts[sequence].is_certain = is_acknowledged;
        }
        item_free(items[i]);
    }
    crypt_gcm_free(gcm);
    return is_fine;
}

static void release_some(struct wal *wal)
{
    struct wal_status status;
    wal_status(wal, &status);
    uint64_t behind = next_random() % 12;
    if (status.durable_sequence > released + behind)
        released = status.durable_sequence - behind;
    wal_release(wal, MIN(released, status.durable_sequence));
}

static void seed_set(void)
{
    const char *given = getenv("TEST_SEED");
    if (!given || !str_to_u64(str_from_c(given), &disk.random))
        crypt_random(&disk.random, sizeof disk.random);
    disk.random |= 1;
    print_message("# TEST_SEED=%llu\n", (unsigned long long)disk.random);
}

static uint64_t padded, spares;
static void count_kinds(const char *name, void *arg)
{
    char path[128];
    struct wal_segment_header header;
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && read(fd, &header, sizeof header) == (ssize_t)sizeof header)
        padded += str_starts(str_from_c(name), STR_OF("wal-")) && header.flags;
    spares += str_starts(str_from_c(name), STR_OF("spare-"));
    close(fd);
}

/* shows: X5 */
static void power_lost_at_any_call_loses_nothing_and_brings_nothing_back(void **state)
{
    (void)state;
    seed_set();
    struct fixture fixture;
    fixture_init(&fixture);
    struct sys_files files = disk_files;
    files.pread = sys_files_real.pread;
    fixture.config.files = &files;
    fixture.config.segment_bytes_max = 16384;
    fixture.config.bytes_max = 40 * 16384;
    snprintf(disk.dir, sizeof disk.dir, "%s", fixture.dir);
    snprintf(disk.attic, sizeof disk.attic, "/tmp/wal-attic-XXXXXX");
    assert_non_null(mkdtemp(disk.attic));
    int whole = 0;
    for (int round = 0; round < ROUNDS && texts < RECORDS_MAX - 5000; round++) {
        fixture.config.after_sequence = released;
        fixture.config.direct_bytes_min = next_random() % 2 ? 1 : 4096;
        disk.calls_left = (int)(next_random() % (next_random() % 4 ? 80 : 8));
        struct wal *wal;
        if (wal_open(&fixture.config, &wal, NULL) == ERR_OK) {
            whole++;
            check_open(wal);
            while (put_some(wal)) {
                if (next_random() % 4 == 0)
                    release_some(wal);
            }
            wal_close(wal);
        }
        lose_power();
        disk.calls_left = -1;
        if (round % 8 == 0) { /* a start that goes well: then the offline scan agrees */
            assert_int_equal(wal_open(&fixture.config, &wal, NULL), ERR_OK);
            check_open(wal);
            wal_close(wal);
            uint64_t before = 0;
            assert_int_equal(wal_scan(&fixture.config, check_item, &before, NULL), ERR_OK);
            assert_int_equal(dir_list(disk.dir, count_kinds, disk.dir, NULL), ERR_OK);
        }
    }
    assert_true(whole > ROUNDS / 2);
    assert_true(padded > 10);
    assert_true(spares > 10);
    attic_empty();
    rmdir(disk.attic);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_lost_at_any_call_loses_nothing_and_brings_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
