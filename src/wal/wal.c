/* wal.c -- the log's door: open, submit, release, wait.
 *
 * Submitting takes the lock twice for a few instructions: to reserve room and an
 * hour's key, and to queue what was encrypted in between without the lock.
 *
 * Hours: an hour's key may be destroyed once wal_first_hour() is past it, so hours
 * in use never go back (hour_floor), whatever the clock does, and a key handed to
 * a submitter counts as in use until its record is durable or refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "sys/clock.h"
#include "wal/wal_int.h"

static void config_defaults(struct wal_config *config)
{
    if (!config->segment_bytes_max)
        config->segment_bytes_max = 64 * MIB;
    if (!config->pending_bytes_max)
        config->pending_bytes_max = 64 * MIB;
    if (!config->bytes_max)
        config->bytes_max = 4096 * MIB;
    /* Released are whole segments only: with less than this it could stay full for good. */
    config->bytes_max = MAX(config->bytes_max, (uint64_t)4 * config->segment_bytes_max);
    if (!config->group_wait_ns)
        config->group_wait_ns = NS_PER_MS;
    if (!config->direct_bytes_min)
        config->direct_bytes_min = 64 * KIB;
    if (!config->disk_free_bytes_min)
        config->disk_free_bytes_min = 64 * MIB;
    assert(config->segment_bytes_max <= 1024 * MIB);
}

static void wal_free(struct wal *wal)
{
    pthread_mutex_destroy(&wal->lock);
    pthread_cond_destroy(&wal->work);
    pthread_cond_destroy(&wal->durable);
    pthread_cond_destroy(&wal->keep);
    xfree(wal->segments);
    xfree(wal->spares);
    char *dir;
    memcpy(&dir, &wal->config.dir, sizeof dir);
    xfree(dir);
    crypt_wipe(wal, sizeof *wal);
    xfree(wal);
}

enum err wal_open(const struct wal_config *config, struct wal **ret_wal, struct diag *reterr_why)
{
    assert(config->dir && config->files && config->log_key);
    enum err err = dir_ensure(config->dir, 0700, reterr_why);
    if (err)
        return err;
    struct wal *wal = xcalloc(1, sizeof *wal);
    wal->magic = WAL_OBJECT_MAGIC;
    wal->config = *config;
    wal->config.dir = xstrdup_str(str_from_c(config->dir));
    config_defaults(&wal->config);
    crypt_random(wal->salt, sizeof wal->salt);
    pthread_mutex_init(&wal->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wal->work, &monotonic);
    pthread_cond_init(&wal->durable, &monotonic);
    pthread_cond_init(&wal->keep, &monotonic);
    pthread_condattr_destroy(&monotonic);
    wal->last = &wal->first;
    wal->hour_floor = wal_clock_hour();
    wal->fd = -1;
    err = wal_recover(wal, reterr_why);
    if (err) {
        wal_free(wal);
        return err;
    }
    thread_start(&wal->thread, "wal", wal_writer_run, wal);
    thread_start_behind(&wal->keeper, "wal keeper", wal_keeper_run, wal);
    *ret_wal = wal;
    return ERR_OK;
}

void wal_close(struct wal *wal)
{
    if (!wal)
        return;
    CHECK(wal, WAL_OBJECT_MAGIC);
    pthread_mutex_lock(&wal->lock);
    wal->closing = true;
    pthread_cond_signal(&wal->work);
    pthread_cond_signal(&wal->keep);
    pthread_mutex_unlock(&wal->lock);
    thread_join(&wal->thread);
    thread_join(&wal->keeper);
    assert(!wal->first);
    assert(wal->status.pending_bytes == 0);
    assert(wal->fd < 0 && !wal->direct);
    wal_free(wal);
}

/* Under the lock, which is given up while the keystore works: a key for `hour` or later. */
static enum err hour_enter(struct wal *wal, int64_t hour)
{
    hour = MAX(hour, wal->hour_floor);
    if (wal->current && wal->current->hour >= hour)
        return ERR_OK;
    pthread_mutex_unlock(&wal->lock);
    struct crypt_key parent, key;
    enum err err = wal->config.log_key(wal->config.log_key_arg, hour, true, &parent);
    if (!err)
        wal_record_key(&parent, wal->salt, &key);
    crypt_wipe(&parent, sizeof parent);
    pthread_mutex_lock(&wal->lock);
    if (!err && hour >= wal->hour_floor && (!wal->current || wal->current->hour < hour)) {
        struct wal_hour_key *spare = wal->current == &wal->keys[0] ? &wal->keys[1] : &wal->keys[0];
        if (spare->in_flight == 0) { /* else a submitter sleeps since hours: keep the present key */
            *spare = (struct wal_hour_key){ .hour = hour, .key = key };
            wal->current = spare;
            wal->hour_floor = hour;
        }
    }
    crypt_wipe(&key, sizeof key);
    /* With an older key the log goes on; without any it cannot. */
    if (wal->current)
        return ERR_OK;
    return err ? err : ERR_BUSY;
}

/* Room for the entry and a key; from here the writer's group ends it. */
static enum err submit_reserve(struct wal *wal, const struct wal_entry *entry,
                               struct wal_hour_key *ret_key)
{
    size_t size = wal_record_size(entry->len);
    pthread_mutex_lock(&wal->lock);
    assert(!wal->closing);
    enum err err = hour_enter(wal, wal_clock_hour());
    if (!err && wal->status.disk_full)
        err = ERR_DISK_FULL;
    if (!err && wal->status.pending_bytes &&
        wal->status.pending_bytes + size > wal->config.pending_bytes_max)
        err = ERR_BUSY;
    if (!err && wal->segment_bytes + wal->status.pending_bytes + size > wal->config.bytes_max)
        err = ERR_BUSY;
    if (!err) {
        wal->status.pending_bytes += size;
        wal->current->in_flight++;
        *ret_key = *wal->current;
    }
    pthread_mutex_unlock(&wal->lock);
    return err;
}

enum err wal_submit(struct wal *wal, struct crypt_gcm *gcm, struct wal_entry *entry)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    assert(entry->done && (entry->bytes || entry->len == 0));
    if (entry->len > WAL_RECORD_BYTES_MAX)
        return ERR_TOO_LARGE;
    struct wal_hour_key key = { 0 };
    enum err err = submit_reserve(wal, entry, &key);
    if (err)
        return err;
    uint64_t nonce = atomic_fetch_add_explicit(&wal->next_nonce, 1, memory_order_relaxed);
    wal_record_seal(gcm, &key.key, key.hour, nonce, entry);
    crypt_wipe(&key, sizeof key);
    entry->next = NULL;
    size_t size = wal_record_size(entry->len);

    pthread_mutex_lock(&wal->lock);
    bool was_empty = wal->first == NULL;
    bool was_enough = wal->queued_bytes >= WAL_GROUP_BYTES_ENOUGH;
    *wal->last = entry;
    wal->last = &entry->next;
    wal->queued_bytes += size;
    if (was_empty || (!was_enough && wal->queued_bytes >= WAL_GROUP_BYTES_ENOUGH))
        pthread_cond_signal(&wal->work);
    pthread_mutex_unlock(&wal->lock);
    return ERR_OK;
}

void wal_pace(struct wal *wal, int64_t longer_ns)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    atomic_store_explicit(&wal->pace_ns, longer_ns, memory_order_relaxed);
}

unsigned wal_fill_percent(struct wal *wal)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    pthread_mutex_lock(&wal->lock);
    uint64_t bytes = wal->segment_bytes + wal->status.pending_bytes;
    pthread_mutex_unlock(&wal->lock);
    return (unsigned)MIN(bytes * 100 / wal->config.bytes_max, (uint64_t)UINT32_MAX);
}

uint64_t wal_bytes_through(struct wal *wal, uint64_t sequence)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    uint64_t bytes = 0;
    pthread_mutex_lock(&wal->lock);
    for (size_t i = 0; i + 1 < wal->segment_count && wal->segments[i].last_sequence <= sequence;
         i++)
        bytes += wal->segments[i].end;
    pthread_mutex_unlock(&wal->lock);
    return bytes;
}

bool wal_wait(struct wal *wal, uint64_t sequence, int64_t timeout_ns)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    int64_t deadline = clock_monotonic_ns() + timeout_ns;
    struct timespec until = { .tv_sec = deadline / NS_PER_S, .tv_nsec = deadline % NS_PER_S };
    int failed = 0;
    pthread_mutex_lock(&wal->lock);
    while (wal->status.durable_sequence <= sequence && !failed)
        failed = pthread_cond_timedwait(&wal->durable, &wal->lock, &until);
    bool there = wal->status.durable_sequence > sequence;
    pthread_mutex_unlock(&wal->lock);
    return there;
}

void wal_release(struct wal *wal, uint64_t through_sequence)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    struct wal_retired retired = { 0 };
    pthread_mutex_lock(&wal->lock);
    assert(through_sequence <= wal->status.durable_sequence);
    bool is_news = through_sequence > wal->released;
    wal->released = MAX(wal->released, through_sequence);
    wal_segments_take_released(wal, &retired);
    if (is_news && wal->released == wal->status.durable_sequence)
        pthread_cond_signal(&wal->work); /* it may have a segment of a past hour to leave */
    pthread_mutex_unlock(&wal->lock);
    wal_segments_retire(wal, &retired);
}

int64_t wal_first_hour(struct wal *wal)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    pthread_mutex_lock(&wal->lock);
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(wal->keys); i++) {
        if (wal->keys[i].in_flight)
            first = MIN(first, wal->keys[i].hour);
    }
    bool is_idle = first == INT64_MAX;
    for (size_t i = 0; i < wal->segment_count; i++)
        first = MIN(first, wal->segments[i].first_hour);
    int64_t hour = wal_clock_hour();
    if (is_idle && hour > wal->hour_floor) { /* the next record takes a new key */
        wal->hour_floor = hour;
        wal->current = NULL;
        crypt_wipe(wal->keys, sizeof wal->keys);
    }
    first = MIN(first, wal->hour_floor);
    pthread_mutex_unlock(&wal->lock);
    return first;
}

void wal_status(struct wal *wal, struct wal_status *ret_status)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    pthread_mutex_lock(&wal->lock);
    *ret_status = wal->status;
    ret_status->last_sequence = wal->status.durable_sequence;
    ret_status->segments = wal->segment_count;
    ret_status->first_sequence = wal->status.durable_sequence + 1;
    ret_status->bytes = wal->segment_bytes;
    for (size_t i = wal->segment_count; i > 0; i--) {
        if (wal->segments[i - 1].records)
            ret_status->first_sequence = wal->segments[i - 1].first_sequence;
    }
    pthread_mutex_unlock(&wal->lock);
}
