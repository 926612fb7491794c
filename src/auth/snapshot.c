/* snapshot.c -- the table of keys, and how it is swapped under readers without a lock.
 *
 * The danger in "load the pointer, then add a reference" is the moment between: the last
 * owner may free the snapshot just then.  So the published word holds the pointer and a
 * count of references taken from it; taking one is a single fetch-add that also tells the
 * pointer.  (Split reference counts; pointers of Linux processes on x86-64 and arm64 have
 * 48 bits unless a program asks for more, which leaves 16 for the count.)
 *
 *   word     = pointer << 16 | taken
 *   refs     = PUBLISHED (while it is in the word) + references made by ref - given back
 *   publish  : old word out, refs += taken - PUBLISHED
 *   current  : word += 1; when taken passes half its room, move it over into refs
 *
 * refs reaches 0 exactly when it is not published and everything taken was given back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "auth/auth_int.h"
#include <stdlib.h>

enum { TAKEN_BITS = 16, TAKEN_MASK = 0xffff, TAKEN_MOVE_AT = 0x4000 };
static const int64_t published_refs = INT64_C(1) << 40;

struct auth {
    uint32_t magic;
    _Atomic uint64_t word;
};
enum { AUTH_MAGIC = 0x61757468 };

static int key_cmp(const void *a, const void *b)
{
    const struct auth_key *x = a, *y = b;
    return memcmp(x->id, y->id, AUTH_ID_LEN);
}

static struct auth_snapshot *snapshot_alloc(size_t count)
{
    struct auth_snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    snapshot->magic = AUTH_SNAPSHOT_MAGIC;
    atomic_init(&snapshot->refs, 1);
    arena_init(&snapshot->arena, SIZE_MAX);
    snapshot->keys = xcalloc(MAX(count, (size_t)1), sizeof *snapshot->keys);
    return snapshot;
}

static void snapshot_free(struct auth_snapshot *snapshot)
{
    arena_clear(&snapshot->arena);
    xfree(snapshot->keys);
    snapshot->magic = 0;
    xfree(snapshot);
}

static enum err check_key(const struct auth_key *key, struct diag *reterr_why)
{
    if (strlen(key->id) != AUTH_ID_LEN)
        return diag_set(reterr_why, ERR_BAD_INPUT, "a key id is not %d hex digits", AUTH_ID_LEN);
    if (str_is_empty(key->project) || key->project.len > AUTH_NAME_BYTES_MAX ||
        key->tenant.len > AUTH_NAME_BYTES_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "key %s: project or tenant name is bad",
                        key->id);
    return ERR_OK;
}

enum err auth_snapshot_new(const struct auth_key *keys, size_t count,
                           struct auth_snapshot **ret_snapshot, struct diag *reterr_why)
{
    assert(ret_snapshot && (keys || count == 0));
    if (count > AUTH_KEYS_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "more than %d API keys", AUTH_KEYS_MAX);
    struct auth_snapshot *snapshot = snapshot_alloc(count);
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        struct auth_key *copy = &snapshot->keys[snapshot->count++];
        code = check_key(&keys[i], reterr_why);
        *copy = keys[i];
        copy->project = arena_str(&snapshot->arena, keys[i].project);
        if (!str_is_none(keys[i].tenant))
            copy->tenant = arena_str(&snapshot->arena, keys[i].tenant);
    }
    qsort(snapshot->keys, snapshot->count, sizeof snapshot->keys[0], key_cmp);
    for (size_t i = 1; i < snapshot->count && code == ERR_OK; i++)
        if (key_cmp(&snapshot->keys[i - 1], &snapshot->keys[i]) == 0)
            code = diag_set(reterr_why, ERR_CONFLICT, "key id %s twice", snapshot->keys[i].id);
    if (code != ERR_OK) {
        snapshot_free(snapshot);
        return code;
    }
    *ret_snapshot = snapshot;
    return ERR_OK;
}

struct auth_snapshot *auth_snapshot_new_open(void)
{
    struct auth_snapshot *snapshot = snapshot_alloc(0);
    snapshot->is_open = true;
    return snapshot;
}

struct auth_snapshot *auth_snapshot_ref(struct auth_snapshot *snapshot)
{
    CHECK(snapshot, AUTH_SNAPSHOT_MAGIC);
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

/* Add to the count; the one that makes it 0 frees. */
static void refs_add(struct auth_snapshot *snapshot, int64_t change)
{
    int64_t before = atomic_fetch_add_explicit(&snapshot->refs, change, memory_order_acq_rel);
    assert(before + change >= 0);
    if (before + change == 0)
        snapshot_free(snapshot);
}

void auth_snapshot_unref(struct auth_snapshot *snapshot)
{
    if (!snapshot)
        return;
    CHECK(snapshot, AUTH_SNAPSHOT_MAGIC);
    refs_add(snapshot, -1);
}

bool auth_snapshot_is_open(const struct auth_snapshot *snapshot)
{
    return snapshot->is_open;
}

size_t auth_snapshot_count(const struct auth_snapshot *snapshot)
{
    return snapshot->count;
}

static struct auth_snapshot *word_snapshot(uint64_t word)
{
    return (struct auth_snapshot *)(uintptr_t)(word >> TAKEN_BITS);
}

/* The caller's one reference becomes the publication. */
static uint64_t word_of(struct auth_snapshot *snapshot)
{
    CHECK(snapshot, AUTH_SNAPSHOT_MAGIC);
    assert((uintptr_t)snapshot >> (64 - TAKEN_BITS) == 0);
    refs_add(snapshot, published_refs - 1);
    return (uint64_t)(uintptr_t)snapshot << TAKEN_BITS;
}

static void retire(uint64_t word)
{
    refs_add(word_snapshot(word), (int64_t)(word & TAKEN_MASK) - published_refs);
}

struct auth *auth_new(struct auth_snapshot *snapshot)
{
    struct auth *auth = xcalloc(1, sizeof *auth);
    auth->magic = AUTH_MAGIC;
    atomic_init(&auth->word, word_of(snapshot));
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    CHECK(auth, AUTH_MAGIC);
    retire(atomic_load_explicit(&auth->word, memory_order_acquire));
    auth->magic = 0;
    xfree(auth);
}

void auth_publish(struct auth *auth, struct auth_snapshot *snapshot)
{
    CHECK(auth, AUTH_MAGIC);
    retire(atomic_exchange_explicit(&auth->word, word_of(snapshot), memory_order_acq_rel));
}

/* Make room in the word: what was taken from it is written down in refs instead.  The
 * caller holds a reference, so the snapshot cannot go meanwhile. */
static void move_taken(struct auth *auth, uint64_t word)
{
    struct auth_snapshot *snapshot = word_snapshot(word);
    while (word_snapshot(word) == snapshot && (word & TAKEN_MASK) >= TAKEN_MOVE_AT) {
        int64_t taken = (int64_t)(word & TAKEN_MASK);
        refs_add(snapshot, taken); /* first: the count must never be too low */
        if (atomic_compare_exchange_weak_explicit(&auth->word, &word, word - (uint64_t)taken,
                                                  memory_order_acq_rel, memory_order_acquire))
            return;
        refs_add(snapshot, -taken);
    }
}

struct auth_snapshot *auth_current(struct auth *auth)
{
    CHECK(auth, AUTH_MAGIC);
    uint64_t word = atomic_fetch_add_explicit(&auth->word, 1, memory_order_acq_rel) + 1;
    assert((word & TAKEN_MASK) != 0);
    if ((word & TAKEN_MASK) >= TAKEN_MOVE_AT)
        move_taken(auth, word);
    return word_snapshot(word);
}
