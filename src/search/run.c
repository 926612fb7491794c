/* run.c -- a search: stretches from the newest down, by several threads, in a fixed order.
 *
 * A segment at a time: its stretches, those of the index and then what no index covers, are
 * handed out from the end.  A stretch whose filter lacks a word is done at once; of another the
 * frames of the project are decrypted and read.  The run ends when there are hits enough, or the
 * time is up; what counts is what lies above the first stretch that is not done, so the place to
 * go on at is exact whatever the threads were doing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "search/search_int.h"
#include "sys/clock.h"
#include <stdlib.h>

enum {
    FRAME_ARENA_BYTES = 256 * 1024 * 1024,
    HIT_ARENA_BYTES = 256 * 1024 * 1024,
    KEYS_CACHED = 64,
};

struct key_project {
    uint64_t key_id, project; /* project 0: none can be found */
};

struct run {
    const struct search_config *config;
    const struct search_ask *ask;
    struct filter_hash probes[2 * SEARCH_WORDS_MAX];
    struct content_walk walk; /* of the segment */
    struct stretches stretches;
    bool *done; /* by stretch */
    _Atomic size_t next, hit_count;
    _Atomic uint64_t bytes_read, unreadable;
    bool is_first; /* one stretch is done however long it takes */
};

/* One thread's. */
struct seeker {
    struct run *run;
    struct thread thread;
    struct content_reader *reader;
    struct arena frames, kept; /* of one frame; of hits */
    struct buf filter, scratch;
    struct search_hit *hits;
    size_t count, capacity;
    struct key_project keys[KEYS_CACHED];
};

/* ---- one stretch ---- */

static bool may_have(struct seeker *seeker, const struct stretch *stretch)
{
    const struct run *run = seeker->run;
    if (!stretch->filter_at ||
        !index_filter(run->config, &run->stretches, stretch, &seeker->filter))
        return true;
    const unsigned char *filter = (const unsigned char *)seeker->filter.ptr;
    for (uint32_t i = 0; i < run->ask->query->probe_count; i++)
        if (!filter_has(filter, stretch->filter_len, run->probes[i]))
            return false;
    return true;
}

static uint64_t project_of(struct seeker *seeker, uint64_t key_id)
{
    const struct search_config *config = seeker->run->config;
    struct key_project *slot = &seeker->keys[key_id % KEYS_CACHED];
    struct crypt_key key;
    if (slot->key_id != key_id) {
        *slot = (struct key_project){ .key_id = key_id };
        if (config->key_of(config->key_arg, key_id, &slot->project, &key) != ERR_OK)
            slot->project = 0;
        crypt_wipe(&key, sizeof key);
    }
    return slot->project;
}

static void hit_add(struct seeker *seeker, const struct search_hit *hit)
{
    if (seeker->count == seeker->capacity) {
        seeker->capacity = MAX(seeker->capacity * 2, (size_t)64);
        seeker->hits = xrealloc(seeker->hits, seeker->capacity * sizeof *seeker->hits);
    }
    seeker->hits[seeker->count++] = *hit;
    atomic_fetch_add(&seeker->run->hit_count, 1);
}

static bool is_below(const struct search_position *position, const struct search_position *limit)
{
    if (position->segment != limit->segment)
        return position->segment < limit->segment;
    if (position->offset != limit->offset)
        return position->offset < limit->offset;
    return position->item < limit->item;
}

static bool frame_seek(struct seeker *seeker, const struct content_place *place)
{
    struct run *run = seeker->run;
    struct content_item *items;
    size_t count = 0;
    arena_reset(&seeker->frames);
    enum err err =
        content_read(seeker->reader, place->pointer, &seeker->frames, &items, &count, NULL);
    atomic_fetch_add(&run->bytes_read, place->plain_len);
    if (err) {
        atomic_fetch_add(&run->unreadable, 1);
        return err != ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        struct search_hit hit = { .position = { place->pointer.segment, place->pointer.offset,
                                                (uint32_t)i },
                                  .pointer = place->pointer,
                                  .trace_id = place->trace_id,
                                  .owner = items[i].owner,
                                  .role = items[i].role };
        if (is_below(&hit.position, &run->ask->below) &&
            search_item(run->ask->query, items[i].json, &seeker->scratch, &seeker->kept,
                        &hit.snippet))
            hit_add(seeker, &hit);
    }
    return true;
}

static bool is_time_up(const struct run *run, size_t stretch)
{
    bool must_end = run->is_first && stretch + 1 == run->stretches.count;
    return !must_end && clock_monotonic_ns() > run->ask->stop_ns;
}

static bool stretch_seek(struct seeker *seeker, size_t index)
{
    struct run *run = seeker->run;
    const struct stretch *stretch = &run->stretches.items[index];
    struct content_walk walk = run->walk;
    struct content_place place;
    if (!may_have(seeker, stretch))
        return true;
    walk.at = stretch->from;
    while (walk.at < stretch->to && content_walk_next(seeker->reader, &walk, &place)) {
        if (is_time_up(run, index))
            return false;
        struct search_position start = { place.pointer.segment, place.pointer.offset, 0 };
        if (is_below(&start, &run->ask->below) &&
            project_of(seeker, place.key_id) == run->ask->project)
            (void)frame_seek(seeker, &place);
    }
    if (walk.is_away)
        atomic_fetch_add(&run->unreadable, 1);
    return true;
}

static void seeker_run(void *arg)
{
    struct seeker *seeker = arg;
    struct run *run = seeker->run;
    for (;;) {
        size_t taken = atomic_fetch_add(&run->next, 1);
        if (taken >= run->stretches.count ||
            (taken > 0 && atomic_load(&run->hit_count) >= run->ask->hits_max))
            return;
        size_t index = run->stretches.count - 1 - taken;
        if (is_time_up(run, index))
            return;
        run->done[index] = stretch_seek(seeker, index);
    }
}

/* ---- one segment ---- */

/* What no index covers, cut where frames end. */
static void add_uncovered(struct run *run, struct content_reader *reader)
{
    struct content_walk walk = run->walk;
    struct content_place place;
    struct stretch stretch = { .from = run->stretches.end };
    uint64_t plain = 0;
    walk.at = stretch.from;
    while (content_walk_next(reader, &walk, &place)) {
        plain += place.plain_len;
        stretch.to = walk.at;
        if (plain < INDEX_PLAIN_BYTES)
            continue;
        stretches_add(&run->stretches, &stretch);
        stretch = (struct stretch){ .from = walk.at };
        plain = 0;
    }
    if (plain)
        stretches_add(&run->stretches, &stretch);
    if (walk.is_away)
        atomic_fetch_add(&run->unreadable, 1);
}

/* Above where the ask begins there is nothing to do. */
static void cut_above(struct run *run)
{
    const struct search_position *below = &run->ask->below;
    struct stretches *stretches = &run->stretches;
    while (run->walk.segment == below->segment && stretches->count > 0 &&
           (stretches->items[stretches->count - 1].from > below->offset ||
            (stretches->items[stretches->count - 1].from == below->offset && !below->item)))
        stretches->count--;
}

static void segment_seek(struct run *run, struct seeker *seekers)
{
    index_read(run->config, &run->walk, &run->stretches);
    add_uncovered(run, seekers[0].reader);
    cut_above(run);
    run->done = xcalloc(run->stretches.count + 1, sizeof *run->done);
    atomic_store(&run->next, 0);
    uint32_t threads = (uint32_t)MIN((size_t)run->config->threads, run->stretches.count);
    for (uint32_t i = 1; i < threads; i++)
        thread_start_behind(&seekers[i].thread, "search", seeker_run, &seekers[i]);
    if (threads)
        seeker_run(&seekers[0]);
    for (uint32_t i = 1; i < threads; i++)
        thread_join(&seekers[i].thread);
}

/* Everything from *ret_at on is done; true: the whole segment. */
static bool segment_done(const struct run *run, uint64_t *ret_at)
{
    size_t i = run->stretches.count;
    while (i > 0 && run->done[i - 1])
        i--;
    *ret_at = i > 0 ? run->stretches.items[i - 1].to : 0;
    return i == 0;
}

/* ---- the run ---- */

static void seekers_init(struct run *run, struct seeker *seekers)
{
    for (uint32_t i = 0; i < run->config->threads; i++) {
        seekers[i].run = run;
        seekers[i].reader = content_reader_new(run->config->content);
        arena_init(&seekers[i].frames, FRAME_ARENA_BYTES);
        arena_init(&seekers[i].kept, HIT_ARENA_BYTES);
        buf_init(&seekers[i].filter, FILTER_BYTES_MAX);
        buf_init(&seekers[i].scratch, CONTENT_FRAME_BYTES_MAX);
    }
}

static void seekers_clear(const struct run *run, struct seeker *seekers)
{
    for (uint32_t i = 0; i < run->config->threads; i++) {
        content_reader_free(seekers[i].reader);
        arena_clear(&seekers[i].frames);
        arena_clear(&seekers[i].kept);
        buf_clear(&seekers[i].filter);
        buf_clear(&seekers[i].scratch);
        xfree(seekers[i].hits);
    }
}

static int last_stored_first(const void *a, const void *b)
{
    const struct search_hit *left = a, *right = b;
    if (is_below(&left->position, &right->position))
        return 1;
    return is_below(&right->position, &left->position) ? -1 : 0;
}

/* Hits at or above the place where the next run goes on, in their order. */
static enum err hits_collect(const struct run *run, const struct seeker *seekers,
                             struct arena *arena, struct search_answer *answer)
{
    size_t all = atomic_load(&run->hit_count);
    answer->hits = arena_new(arena, struct search_hit, all + 1);
    answer->count = 0;
    if (!answer->hits)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < run->config->threads; i++)
        for (size_t h = 0; h < seekers[i].count; h++) {
            struct search_hit hit = seekers[i].hits[h];
            if (!answer->is_done && is_below(&hit.position, &answer->below))
                continue;
            hit.snippet.text = arena_str(arena, hit.snippet.text);
            if (str_is_none(hit.snippet.text))
                return ERR_LIMIT;
            answer->hits[answer->count++] = hit;
        }
    if (answer->count)
        qsort(answer->hits, answer->count, sizeof *answer->hits, last_stored_first);
    return ERR_OK;
}

static void probes_make(struct run *run)
{
    const struct search_query *query = run->ask->query;
    struct crypt_blocks *blocks = crypt_blocks_new(&run->ask->key);
    for (uint32_t i = 0; i < query->probe_count; i++)
        run->probes[i] = (struct filter_hash){ query->probes[i], 0 };
    filter_hashes(blocks, run->probes, query->probe_count);
    crypt_blocks_free(blocks);
}

/* Segments from the newest down, until something ends it. */
static void segments_seek(struct run *run, struct seeker *seekers, const uint64_t *numbers,
                          size_t count, struct search_answer *answer)
{
    const struct search_ask *ask = run->ask;
    bool is_over = false;
    answer->stored_from_ns = INT64_MAX;
    for (size_t i = count; i > 0 && !is_over; i--) {
        uint64_t at = 0;
        if (numbers[i - 1] > ask->below.segment ||
            content_walk_begin(seekers[0].reader, numbers[i - 1], 0, &run->walk, NULL) != ERR_OK)
            continue;
        if (run->walk.is_sealed && run->walk.sealed_ns < ask->stored_from_ns)
            return; /* and so were all before it */
        segment_seek(run, seekers);
        bool is_whole = segment_done(run, &at);
        run->is_first &= run->stretches.count == 0;
        index_leave(run->config, &run->stretches);
        xfree(run->done);
        answer->below = (struct search_position){ numbers[i - 1], (uint32_t)at, 0 };
        if (is_whole)
            answer->stored_from_ns = run->walk.created_ns;
        bool has_enough = atomic_load(&run->hit_count) >= ask->hits_max;
        bool is_late = !run->is_first && clock_monotonic_ns() > ask->stop_ns;
        is_over = !is_whole || ((has_enough || is_late) && i > 1);
        answer->is_done = !is_over;
        answer->was_stopped = is_over && !has_enough;
    }
}

static uint64_t bytes_below(const struct search_config *config, struct content_reader *reader,
                            const uint64_t *numbers, size_t count,
                            const struct search_position *below)
{
    uint64_t sum = 0;
    struct content_walk walk;
    (void)config;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] > below->segment ||
            content_walk_begin(reader, numbers[i], 0, &walk, NULL) != ERR_OK)
            continue;
        sum += numbers[i] == below->segment ? MIN((uint64_t)below->offset, walk.end) : walk.end;
    }
    return sum;
}

enum err search_run(struct search *search, const struct search_ask *ask, struct arena *arena,
                    struct search_answer *ret_answer, struct diag *reterr_why)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    enum err err = content_segments(search->config.content, &numbers, &count, reterr_why);
    if (err)
        return err;
    struct run run = { .config = &search->config, .ask = ask, .is_first = true };
    struct seeker *seekers = xcalloc(search->config.threads, sizeof *seekers);
    *ret_answer = (struct search_answer){ .is_done = true };
    probes_make(&run);
    seekers_init(&run, seekers);
    segments_seek(&run, seekers, numbers, count, ret_answer);
    err = hits_collect(&run, seekers, arena, ret_answer);
    if (err)
        (void)diag_set(reterr_why, err, "the hits need too much memory");
    ret_answer->bytes_read = atomic_load(&run.bytes_read);
    ret_answer->unreadable = atomic_load(&run.unreadable);
    if (!ret_answer->is_done)
        ret_answer->bytes_left =
            bytes_below(&search->config, seekers[0].reader, numbers, count, &ret_answer->below);
    seekers_clear(&run, seekers);
    xfree(seekers);
    xfree(numbers);
    return err;
}
