/* bench_wal.c -- how fast the log acknowledges: MB/s and latency by batch size and number of
 * senders.
 *
 * Usage: bench_wal [FOLDER [SECONDS]].  Each sender keeps `window` records on their way; with a
 * window of 1 the latency is that of a lone request, with a large one it is throughput.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "sys/clock.h"
#include "sys/thread.h"
#include "wal/wal.h"
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW_MAX = 64, SENDERS_MAX = 2, SAMPLES_MAX = 1 << 20 };

struct sender;
struct slot {
    struct wal_entry entry;
    struct sender *sender;
    int64_t submitted_ns;
};
struct sender {
    struct thread thread;
    struct wal *wal;
    size_t bytes;
    int window;
    int64_t until_ns, pause_ns;
    sem_t room;
    _Atomic uint64_t free_slots; /* bit per slot */
    struct slot slots[WINDOW_MAX];
    int64_t *samples; /* written by the log's thread */
    size_t sample_count;
    uint64_t failed;
};

static enum err fixed_key(void *arg, int64_t hour, bool create, struct crypt_key *ret_key)
{
    (void)arg, (void)hour, (void)create;
    memset(ret_key, 7, sizeof *ret_key);
    return ERR_OK;
}

static void slot_done(struct wal_entry *entry)
{
    struct slot *slot = entry->arg;
    struct sender *sender = slot->sender;
    if (entry->result)
        sender->failed++;
    else if (sender->sample_count < SAMPLES_MAX)
        sender->samples[sender->sample_count++] = clock_monotonic_ns() - slot->submitted_ns;
    uint64_t bit = UINT64_C(1) << (slot - sender->slots);
    atomic_fetch_or(&sender->free_slots, bit);
    sem_post(&sender->room);
}

static void sender_run(void *arg)
{
    struct sender *sender = arg;
    struct crypt_gcm *gcm = crypt_gcm_new();
    while (clock_monotonic_ns() < sender->until_ns) {
        sem_wait(&sender->room);
        uint64_t free_slots = atomic_load(&sender->free_slots);
        int index = __builtin_ctzll(free_slots);
        atomic_fetch_and(&sender->free_slots, ~(UINT64_C(1) << index));
        struct slot *slot = &sender->slots[index];
        slot->entry.len = sender->bytes;
        slot->entry.done = slot_done;
        slot->entry.arg = slot;
        slot->submitted_ns = clock_monotonic_ns();
        if (wal_submit(sender->wal, gcm, &slot->entry) != ERR_OK) {
            atomic_fetch_or(&sender->free_slots, UINT64_C(1) << index);
            sem_post(&sender->room);
            clock_sleep_ns(100 * NS_PER_US);
        } else if (sender->pause_ns) {
            clock_sleep_ns(sender->pause_ns);
        }
    }
    for (int i = 0; i < sender->window; i++)
        sem_wait(&sender->room);
    crypt_gcm_free(gcm);
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

struct load {
    const char *dir;
    size_t bytes;
    int senders, window;
    int64_t pause_ns;
    double seconds;
};

static void sender_init(struct sender *sender, struct wal *wal, const struct load *load)
{
    sender->wal = wal;
    sender->bytes = load->bytes;
    sender->window = load->window;
    sender->pause_ns = load->pause_ns;
    sender->until_ns = clock_monotonic_ns() + (int64_t)(load->seconds * 1e9);
    sender->samples = xmalloc(SAMPLES_MAX * sizeof *sender->samples);
    sem_init(&sender->room, 0, (unsigned)load->window);
    uint64_t all = load->window == 64 ? UINT64_MAX : (UINT64_C(1) << load->window) - 1;
    atomic_store(&sender->free_slots, all);
    for (int i = 0; i < load->window; i++) {
        struct slot *slot = &sender->slots[i];
        slot->sender = sender;
        slot->entry.capacity = load->bytes + CRYPT_TAG_BYTES;
        slot->entry.bytes = xcalloc(1, slot->entry.capacity);
    }
}

static void load_print(const struct load *load, struct sender *senders, double elapsed,
                       const struct wal_status *status)
{
    size_t count = 0;
    int64_t *all = xmalloc(SENDERS_MAX * SAMPLES_MAX * sizeof *all);
    for (int i = 0; i < load->senders; i++) {
        memcpy(all + count, senders[i].samples, senders[i].sample_count * sizeof *all);
        count += senders[i].sample_count;
    }
    qsort(all, count, sizeof *all, by_value);
    printf("%8zu %7d %6d %8lld %9.1f %9.0f %8.0f %9.0f %9.0f %8.0f\n", load->bytes, load->senders,
           load->window, (long long)(load->pause_ns / 1000),
           (double)count * (double)load->bytes / elapsed / 1e6, (double)count / elapsed,
           (double)status->syncs / elapsed, count ? (double)all[count / 2] / 1e3 : 0.0,
           count ? (double)all[count - 1 - count / 100] / 1e3 : 0.0,
           count ? (double)all[count - 1] / 1e3 : 0.0);
    xfree(all);
}

static void unlink_each(const char *name, void *arg)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    unlink(path);
}

static void load_run(const struct load *load)
{
    struct wal_config config = { .dir = load->dir, .files = &sys_files_real, .log_key = fixed_key };
    struct wal *wal;
    struct diag why;
    if (wal_open(&config, &wal, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    struct sender *senders = xcalloc(SENDERS_MAX, sizeof *senders);
    int64_t begin = clock_monotonic_ns();
    for (int i = 0; i < load->senders; i++) {
        sender_init(&senders[i], wal, load);
        thread_start(&senders[i].thread, "sender", sender_run, &senders[i]);
    }
    struct wal_status status;
    while (clock_monotonic_ns() < senders[0].until_ns) { /* a consumer that keeps up */
        clock_sleep_ns(20 * NS_PER_MS);
        wal_status(wal, &status);
        wal_release(wal, status.durable_sequence);
    }
    for (int i = 0; i < load->senders; i++)
        thread_join(&senders[i].thread);
    double elapsed = (double)(clock_monotonic_ns() - begin) / 1e9;
    wal_status(wal, &status);
    load_print(load, senders, elapsed, &status);
    for (int i = 0; i < load->senders; i++) {
        for (int k = 0; k < load->window; k++)
            xfree(senders[i].slots[k].entry.bytes);
        xfree(senders[i].samples);
    }
    xfree(senders);
    wal_close(wal);
    (void)!dir_list(load->dir, unlink_each, (void *)(uintptr_t)load->dir, NULL);
}

int main(int argc, char **argv)
{
    char made[] = "/tmp/bench-wal-XXXXXX";
    const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    double seconds = 2;
    if (argc > 2 && !str_to_f64(str_from_c(argv[2]), &seconds))
        return 2;
    const struct load loads[] = {
        { dir, 4096, 1, 1, 0, seconds },           { dir, 65536, 1, 1, 0, seconds },
        { dir, 4096, 2, 16, 0, seconds },          { dir, 65536, 2, 1, NS_PER_MS, seconds },
        { dir, 262144, 2, 4, NS_PER_MS, seconds }, { dir, 65536, 2, 16, 0, seconds },
        { dir, 262144, 2, 16, 0, seconds },        { dir, 1048576, 2, 8, 0, seconds },
    };
    printf("   bytes senders window pause_us      MB/s   records/s  syncs/s   p50_us    p99_us   "
           "max_us\n");
    for (size_t i = 0; i < COUNT_OF(loads); i++)
        load_run(&loads[i]);
    if (argc < 2)
        rmdir(made);
    return 0;
}
