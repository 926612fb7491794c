/* ahead.c -- a thread that reads on in the log for a reader that does.
 *
 * Traces settle nearly in the order of the log.  While drain turns one record into rows, the
 * next ones are read, checked and decrypted here: it waits for no disk, and half of what it did
 * itself is done beside it.  Nothing runs until somebody reads on, and what was read stops
 * at AHEAD_RECORDS or AHEAD_BYTES.
 *
 *   slots[0 .. count)   read, in the order of the log; a taken one leaves the row
 *   next                what the thread reads now or then; segment 0: nothing
 *
 * A record that is asked for out of turn is read by who asks; one beyond all slots says where
 * to go on from.  SKIPPED_MAX records that nobody took wait for their turn to come.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "wal/wal_int.h"

enum { AHEAD_RECORDS = 64, SKIPPED_MAX = 32 };
#define AHEAD_BYTES (8 * MIB)      /* one record more than this waits at most */
#define AHEAD_KEEP_BYTES (1 * MIB) /* larger memory is given back */

struct slot {
    struct wal_position position;
    struct buf plain;
};

struct wal_ahead {
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    struct thread thread;
    struct wal_reader *reader; /* the thread's own, as is this: */
    struct buf reading;
    /* Under the lock: */
    bool closing, is_reading;
    uint64_t turn; /* raised when `next` was set anew: what is being read then is dropped */
    struct wal_position next;
    struct slot slots[AHEAD_RECORDS];
    size_t count, bytes;
};

static int order(struct wal_position a, struct wal_position b)
{
    if (a.segment != b.segment)
        return a.segment < b.segment ? -1 : 1;
    return a.offset < b.offset ? -1 : a.offset > b.offset;
}

/* Under the lock: slots[index] leaves the row; its memory waits at the end. */
static void slot_drop(struct wal_ahead *ahead, size_t index)
{
    struct slot slot = ahead->slots[index];
    ahead->bytes -= slot.plain.len;
    buf_reset(&slot.plain);
    if (slot.plain.capacity > AHEAD_KEEP_BYTES)
        buf_clear(&slot.plain);
    ahead->count--;
    memmove(ahead->slots + index, ahead->slots + index + 1, (ahead->count - index) * sizeof slot);
    ahead->slots[ahead->count] = slot;
}

static bool has_work(const struct wal_ahead *ahead)
{
    return ahead->next.segment && ahead->count < AHEAD_RECORDS && ahead->bytes < AHEAD_BYTES;
}

/* Under the lock, given up while the disk is read: one record more. */
static void read_one(struct wal_ahead *ahead)
{
    struct wal_position position = ahead->next;
    uint64_t turn = ahead->turn;
    ahead->is_reading = true;
    pthread_mutex_unlock(&ahead->lock);
    struct wal_position following = { 0 };
    buf_reset(&ahead->reading);
    enum err err = wal_read_at(ahead->reader, position, &ahead->reading, NULL);
    if (!err)
        following = wal_reader_following(ahead->reader);
    pthread_mutex_lock(&ahead->lock);
    ahead->is_reading = false;
    if (turn == ahead->turn)
        ahead->next = following; /* none after an error: who wants it reads it, and hears of it */
    if (turn == ahead->turn && !err) {
        struct slot *slot = &ahead->slots[ahead->count++]; /* a free one, with memory */
        struct buf memory = slot->plain;
        *slot = (struct slot){ position, ahead->reading };
        ahead->reading = memory;
        ahead->bytes += slot->plain.len;
    }
    pthread_cond_signal(&ahead->ready);
}

static void ahead_run(void *arg)
{
    struct wal_ahead *ahead = arg;
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->closing) {
        if (has_work(ahead))
            read_one(ahead);
        else
            pthread_cond_wait(&ahead->work, &ahead->lock);
    }
    pthread_mutex_unlock(&ahead->lock);
}

static struct wal_ahead *ahead_new(struct wal *wal)
{
    struct wal_ahead *ahead = xcalloc(1, sizeof *ahead);
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->work, NULL);
    pthread_cond_init(&ahead->ready, NULL);
    ahead->reader = wal_reader_new(wal, 0);
    buf_init(&ahead->reading, WAL_RECORD_BYTES_MAX + 1);
    for (size_t i = 0; i < AHEAD_RECORDS; i++)
        buf_init(&ahead->slots[i].plain, WAL_RECORD_BYTES_MAX + 1);
    thread_start(&ahead->thread, "wal ahead", ahead_run, ahead);
    return ahead;
}

void wal_ahead_free(struct wal_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->closing = true;
    pthread_cond_signal(&ahead->work);
    pthread_mutex_unlock(&ahead->lock);
    thread_join(&ahead->thread);
    buf_clear(&ahead->reading);
    for (size_t i = 0; i < AHEAD_RECORDS; i++)
        buf_clear(&ahead->slots[i].plain);
    wal_reader_free(ahead->reader);
    pthread_mutex_destroy(&ahead->lock);
    pthread_cond_destroy(&ahead->work);
    pthread_cond_destroy(&ahead->ready);
    xfree(ahead);
}

/* Under the lock: the record, if it is there or on its way. */
static bool slot_take(struct wal_ahead *ahead, struct wal_position position, struct buf *out)
{
    for (;;) {
        for (size_t i = 0; i < ahead->count; i++) {
            if (order(ahead->slots[i].position, position) != 0)
                continue;
            struct buf plain = ahead->slots[i].plain;
            ahead->bytes -= plain.len;
            ahead->slots[i].plain = *out;
            buf_reset(&ahead->slots[i].plain);
            *out = plain;
            slot_drop(ahead, i);
            for (; i > SKIPPED_MAX; i--)
                slot_drop(ahead, 0);
            return true;
        }
        if (!ahead->is_reading || order(ahead->next, position) != 0)
            return false;
        pthread_cond_wait(&ahead->ready, &ahead->lock);
    }
}

/* Under the lock: `position` was read by who asked, `following` comes after it. */
static void go_on_from(struct wal_ahead *ahead, struct wal_position position,
                       struct wal_position following)
{
    if (ahead->next.segment && order(position, ahead->next) < 0)
        return; /* one of those behind */
    while (ahead->count)
        slot_drop(ahead, 0);
    ahead->turn++;
    ahead->next = following;
}

enum err wal_read_on(struct wal_reader *reader, struct wal_position position, struct buf *out,
                     struct diag *reterr_why)
{
    struct wal_ahead **at = wal_reader_ahead(reader), *ahead = *at;
    if (!ahead)
        *at = ahead = ahead_new(wal_reader_wal(reader));
    pthread_mutex_lock(&ahead->lock);
    bool is_there = slot_take(ahead, position, out);
    if (is_there)
        pthread_cond_signal(&ahead->work);
    pthread_mutex_unlock(&ahead->lock);
    if (is_there)
        return ERR_OK;
    buf_reset(out);
    enum err err = wal_read_at(reader, position, out, reterr_why);
    if (err)
        return err;
    struct wal_position following = wal_reader_following(reader);
    pthread_mutex_lock(&ahead->lock);
    go_on_from(ahead, position, following);
    pthread_cond_signal(&ahead->work);
    pthread_mutex_unlock(&ahead->lock);
    return ERR_OK;
}
