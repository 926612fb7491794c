/* builder.c -- the thread that makes the index: behind the others, the newest segment first.
 *
 * It reads what drain wrote (encrypted, as a reader would), a stretch at a time, and appends the
 * stretch's filter to the file of its segment.  Nothing waits for it: what it has not come to is
 * searched by reading.  While drain is behind it stands still.  The file is not synced: what a
 * crash takes of it is made again, and a block that is not whole is noticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "search/search_int.h"
#include "sys/log.h"
#include <fcntl.h>
#include <stdlib.h>

enum { RECENT_WORDS = 2048 };
#define PAUSE_NS NS_PER_S
#define STRETCH_ARENA_BYTES (CONTENT_FRAME_BYTES_MAX * 3)

/* Distinct words of one project in the stretch. */
struct project {
    uint64_t id;
    struct crypt_key key;
    struct buf hashes; /* struct filter_hash each */
};

struct builder {
    struct search *search;
    struct content_reader *reader;
    struct arena arena;
    struct buf scratch, block;
    struct project projects[INDEX_PROJECTS_MAX];
    uint32_t project_count;
    uint64_t *seen; /* words of the stretch: open addressing, 0 is free */
    size_t seen_count, seen_capacity;
    uint64_t recent[RECENT_WORDS]; /* some of them, that stay in the nearest cache */
    uint64_t done;   /* segments that are whole: the newest of those below which all are */
    uint64_t key_id; /* of the last frame, and its project */
    uint32_t key_project;
    bool failed; /* to read what is there */
};

/* ---- words of a stretch ---- */

static void seen_grow(struct builder *builder)
{
    uint64_t *old = builder->seen;
    size_t old_capacity = builder->seen_capacity;
    builder->seen_capacity = MAX(old_capacity * 2, (size_t)1 << 16);
    builder->seen = xcalloc(builder->seen_capacity, sizeof *builder->seen);
    for (size_t i = 0; i < old_capacity; i++) {
        if (!old[i])
            continue;
        size_t at = (size_t)old[i] & (builder->seen_capacity - 1);
        while (builder->seen[at])
            at = (at + 1) & (builder->seen_capacity - 1);
        builder->seen[at] = old[i];
    }
    xfree(old);
}

static void word_note(struct builder *builder, uint32_t project, uint64_t hash)
{
    uint64_t key = (hash ^ (uint64_t)project * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    size_t mask = builder->seen_capacity - 1, at = (size_t)key & mask;
    uint64_t *recent = &builder->recent[(key >> 40) % RECENT_WORDS];
    if (*recent == key)
        return;
    *recent = key;
    while (builder->seen[at]) {
        if (builder->seen[at] == key)
            return;
        at = (at + 1) & mask;
    }
    builder->seen[at] = key;
    if (++builder->seen_count * 2 > builder->seen_capacity)
        seen_grow(builder);
    struct filter_hash block = { hash, 0 };
    buf_add(&builder->projects[project].hashes, &block, sizeof block);
}

static void text_note(struct builder *builder, uint32_t project, str text)
{
    struct words words;
    struct word word, before = { .is_single = false };
    words_init(&words, text);
    while (words_next(&words, &word)) {
        word_note(builder, project, word.hash);
        if (word.is_single && before.is_single)
            word_note(builder, project, word_pair(before.hash, word.hash));
        before = word;
    }
}

/* The frame's project, made when it is new; false: its key is gone, or there is no room. */
static bool project_of(struct builder *builder, uint64_t key_id, uint32_t *ret_index)
{
    const struct search_config *config = &builder->search->config;
    struct crypt_key key;
    uint64_t id;
    if (builder->project_count && key_id == builder->key_id) {
        *ret_index = builder->key_project;
        return true;
    }
    if (config->key_of(config->key_arg, key_id, &id, &key) != ERR_OK)
        return false;
    uint32_t at = 0;
    while (at < builder->project_count && builder->projects[at].id != id)
        at++;
    assert(at < INDEX_PROJECTS_MAX);
    if (at == builder->project_count) {
        struct project *project = &builder->projects[builder->project_count++];
        project->id = id;
        project->key = key;
        buf_reset(&project->hashes);
    }
    crypt_wipe(&key, sizeof key);
    builder->key_id = key_id;
    builder->key_project = *ret_index = at;
    return true;
}

/* A frame that cannot be read has no words: a search cannot read it either. */
static void frame_note(struct builder *builder, const struct content_place *place)
{
    struct content_item *items;
    size_t count = 0;
    uint32_t project;
    str text;
    struct texts texts;
    arena_reset(&builder->arena);
    if (!project_of(builder, place->key_id, &project))
        return;
    enum err err =
        content_read(builder->reader, place->pointer, &builder->arena, &items, &count, NULL);
    builder->failed |= err && err != ERR_NOT_FOUND && err != ERR_CORRUPT;
    if (err)
        return;
    for (size_t i = 0; i < count; i++) {
        texts_init(&texts, items[i].json, &builder->scratch);
        while (texts_next(&texts, &text))
            text_note(builder, project, text);
    }
}

/* ---- blocks ---- */

static void stretch_reset(struct builder *builder)
{
    for (uint32_t i = 0; i < builder->project_count; i++) {
        crypt_wipe(&builder->projects[i].key, sizeof builder->projects[i].key);
        buf_clear(&builder->projects[i].hashes);
    }
    builder->project_count = 0;
    if (builder->seen_capacity > (size_t)1 << 20) { /* a huge frame is no reason to keep it */
        xfree(builder->seen);
        builder->seen = NULL;
        builder->seen_capacity = 0;
    }
    if (builder->seen_capacity)
        memset(builder->seen, 0, builder->seen_capacity * sizeof *builder->seen);
    else
        seen_grow(builder);
    builder->seen_count = 0;
    memset(builder->recent, 0, sizeof builder->recent);
}

/* Header and filter of the stretch, into builder->block. */
static void block_make(struct builder *builder, uint64_t from, uint64_t to, uint64_t plain_bytes)
{
    size_t len = filter_bytes(builder->seen_count);
    buf_reset(&builder->block);
    char *at = buf_reserve(&builder->block, INDEX_BLOCK_BYTES + len);
    assert(at);
    unsigned char *filter = (unsigned char *)at + INDEX_BLOCK_BYTES;
    memset(filter, 0, len);
    for (uint32_t i = 0; i < builder->project_count; i++) {
        struct project *project = &builder->projects[i];
        struct filter_hash *hashes = (struct filter_hash *)(void *)project->hashes.ptr;
        size_t count = project->hashes.len / sizeof *hashes;
        struct crypt_blocks *blocks = crypt_blocks_new(&project->key);
        filter_hashes(blocks, hashes, count);
        crypt_blocks_free(blocks);
        for (size_t h = 0; h < count; h++)
            filter_add(filter, len, hashes[h]);
    }
    struct index_block block = { .from = (uint32_t)from,
                                 .to = (uint32_t)to,
                                 .filter_len = (uint32_t)len,
                                 .filter_crc = hash_crc32c(0, filter, len),
                                 .words = (uint32_t)builder->seen_count,
                                 .plain_bytes = plain_bytes };
    index_block_close(&block);
    memcpy(at, &block, sizeof block);
    builder->block.len = INDEX_BLOCK_BYTES + len;
}

/* The index behind what is good of it: cut there, or made anew. */
static int index_open(const struct search *search, const struct content_walk *walk,
                      const struct stretches *stretches, uint64_t *ret_end)
{
    const struct sys_files *files = search->config.files;
    char path[INDEX_PATH_MAX];
    struct index_header header;
    index_path(search->dir, walk->segment, path);
    int fd = files->open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return -1;
    *ret_end = stretches->file_end;
    bool ok = files->ftruncate(fd, (int64_t)stretches->file_end) == 0;
    if (ok && stretches->file_end == 0) {
        index_header_make(walk, &header);
        struct iovec piece = { &header, sizeof header };
        ok = file_write_at(files, fd, &piece, 1, 0, NULL) == ERR_OK;
        *ret_end = sizeof header;
    }
    if (ok)
        return fd;
    files->close(fd);
    return -1;
}

/* One stretch from walk->at on.  False: there is no whole one yet. */
static bool stretch_read(struct builder *builder, struct content_walk *walk,
                         uint64_t *ret_plain_bytes)
{
    struct content_place place;
    uint64_t plain = 0;
    stretch_reset(builder);
    builder->failed = false;
    while (plain < INDEX_PLAIN_BYTES && builder->project_count < INDEX_PROJECTS_MAX &&
           !builder->failed && !queue_is_closed(builder->search->stop)) {
        struct content_walk before = *walk;
        if (!content_walk_next(builder->reader, walk, &place)) {
            builder->failed |= walk->is_away;
            *ret_plain_bytes = plain;
            return walk->is_sealed && plain > 0 && !builder->failed;
        }
        if (plain && plain + place.plain_len > INDEX_PLAIN_BYTES * 2) {
            *walk = before; /* a large one begins a stretch of its own */
            break;
        }
        plain += place.plain_len;
        frame_note(builder, &place);
    }
    *ret_plain_bytes = plain;
    return plain > 0 && !builder->failed && !queue_is_closed(builder->search->stop);
}

static bool may_go_on(const struct builder *builder)
{
    return !queue_is_closed(builder->search->stop) &&
           !content_is_hurried(builder->search->config.content);
}

/* Is as much written behind walk->at as makes a stretch?  Else it is not read over and over. */
static bool has_stretch(struct builder *builder, struct content_walk walk)
{
    struct content_place place;
    uint64_t plain = 0;
    while (plain < INDEX_PLAIN_BYTES && content_walk_next(builder->reader, &walk, &place))
        plain += place.plain_len;
    return plain >= INDEX_PLAIN_BYTES || (walk.is_sealed && plain > 0);
}

/* Append blocks while there are stretches.  True: the segment is sealed, and its index whole. */
static bool segment_index(struct builder *builder, uint64_t segment)
{
    struct search *search = builder->search;
    struct content_walk walk;
    struct stretches stretches;
    uint64_t end = 0;
    if (content_walk_begin(builder->reader, segment, 0, &walk, NULL) != ERR_OK)
        return false;
    index_read(&search->config, &walk, &stretches);
    walk.at = MAX(stretches.end, walk.at);
    bool has_more = has_stretch(builder, walk);
    int fd = has_more ? index_open(search, &walk, &stretches, &end) : -1;
    index_leave(&search->config, &stretches);
    bool is_good = !has_more || fd >= 0;
    while (fd >= 0 && is_good && has_more && may_go_on(builder)) {
        uint64_t from = walk.at, plain;
        if (!stretch_read(builder, &walk, &plain))
            break;
        block_make(builder, from, walk.at, plain);
        struct iovec piece = { builder->block.ptr, builder->block.len };
        is_good = file_write_at(search->config.files, fd, &piece, 1, (int64_t)end, NULL) == ERR_OK;
        end += builder->block.len;
        atomic_fetch_add(&search->plain_bytes, plain);
        atomic_fetch_add(&search->index_bytes, builder->block.len);
        has_more = has_stretch(builder, walk);
    }
    if (fd >= 0)
        search->config.files->close(fd);
    atomic_fetch_add(&search->waiting_bytes, walk.end - MIN(walk.at, walk.end));
    return is_good && !has_more && walk.is_sealed;
}

/* ---- rounds ---- */

struct leftovers {
    struct search *search;
    const uint64_t *numbers;
    size_t count;
};

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* The index of a segment that has expired. */
static void leftover_each(const char *name, void *arg)
{
    struct leftovers *left = arg;
    str text = str_from_c(name);
    uint64_t number;
    if (!str_ends(text, STR_OF(".idx")) || !str_to_u64(str_sub(text, 0, text.len - 4), &number) ||
        bsearch(&number, left->numbers, left->count, sizeof number, by_number))
        return;
    char path[INDEX_PATH_MAX];
    index_path(left->search->dir, number, path);
    (void)left->search->config.files->unlink(path);
}

static void round_run(struct builder *builder)
{
    struct search *search = builder->search;
    uint64_t *numbers = NULL;
    size_t count = 0;
    if (content_segments(search->config.content, &numbers, &count, NULL) != ERR_OK)
        return;
    struct leftovers left = { search, numbers, count };
    enum err err = dir_list(search->dir, leftover_each, &left, NULL);
    (void)err; /* what expired is gone: its words only take room until the next round */
    atomic_store(&search->waiting_bytes, 0);
    bool all_whole = true;
    size_t i = count;
    for (; i > 0 && numbers[i - 1] > builder->done && may_go_on(builder); i--)
        all_whole &= segment_index(builder, numbers[i - 1]) || i == count;
    bool has_seen_all = i == 0 || numbers[i - 1] <= builder->done;
    if (all_whole && has_seen_all && count > 1)
        builder->done = numbers[count - 2];
    xfree(numbers);
}

void builder_run(void *arg)
{
    struct builder *builder = xcalloc(1, sizeof *builder);
    void *message;
    builder->search = arg;
    builder->reader = content_reader_new(builder->search->config.content);
    arena_init(&builder->arena, STRETCH_ARENA_BYTES);
    buf_init(&builder->scratch, CONTENT_FRAME_BYTES_MAX);
    buf_init(&builder->block, INDEX_BLOCK_BYTES + FILTER_BYTES_MAX);
    for (uint32_t i = 0; i < INDEX_PROJECTS_MAX; i++)
        buf_init(&builder->projects[i].hashes, SIZE_MAX / 2);
    while (!queue_is_closed(builder->search->stop)) {
        if (may_go_on(builder))
            round_run(builder);
        (void)queue_wait(builder->search->stop, &message, 1, PAUSE_NS);
    }
    stretch_reset(builder);
    xfree(builder->seen);
    buf_clear(&builder->scratch);
    buf_clear(&builder->block);
    arena_clear(&builder->arena);
    content_reader_free(builder->reader);
    xfree(builder);
}
