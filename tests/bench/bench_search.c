/* bench_search.c -- what the index of words costs, and how long a search over much content takes.
 *
 *   bench_search [MEGABYTES [FOLDER]]    default 256, a folder of its own under /tmp, removed after
 *
 * Prompts of some 3.5 KB from 200,000 words by Zipf's law, each with an id that is in no other; one
 * prompt in 4096 has a rare word.  Searches run twice, the second time warm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "search/search_int.h"
#include "sys/clock.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { VOCABULARY = 200000, DRAWN = 1 << 20, PROMPT_BYTES = 3500, RARE_EVERY = 4096, THREADS = 2 };

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static enum err key_by_id(void *arg, uint64_t key_id, struct crypt_key *ret_key)
{
    (void)arg;
    memset(ret_key, (int)key_id, sizeof *ret_key);
    return ERR_OK;
}

static enum err key_of(void *arg, uint64_t key_id, uint64_t *ret_project, struct crypt_key *ret_key)
{
    *ret_project = 1;
    return key_by_id(arg, key_id + 1, ret_key);
}

/* Words as often as Zipf's law has them: any of DRAWN is as likely as any other. */
static uint32_t *words_draw(char (*words)[12])
{
    double *sums = xcalloc(VOCABULARY, sizeof *sums), sum = 0;
    uint32_t *drawn = xcalloc(DRAWN, sizeof *drawn);
    for (uint32_t i = 0; i < VOCABULARY; i++) {
        sums[i] = sum += 1.0 / pow(i + 2.7, 1.07);
        uint32_t len =
            2 + (uint32_t)(next_random() % 4) + (i > 500 ? (uint32_t)(next_random() % 5) : 0);
        for (uint32_t c = 0; c < len; c++)
            words[i][c] = (char)('a' + next_random() % 26);
    }
    for (uint32_t i = 0; i < DRAWN; i++) {
        double at = (double)(next_random() >> 11) * 0x1p-53 * sum;
        uint32_t low = 0, high = VOCABULARY - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (sums[middle] < at)
                low = middle + 1;
            else
                high = middle;
        }
        drawn[i] = low;
    }
    xfree(sums);
    return drawn;
}

static void prompt_make(struct buf *out, char (*words)[12], const uint32_t *drawn, uint64_t number)
{
    buf_reset(out);
    buf_printf(out, "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"id%llx ",
               (unsigned long long)(number * UINT64_C(0x9e3779b97f4a7c15)));
    if (number % RARE_EVERY == 7)
        buf_add_c(out, "zyzzyva ");
    while (out->len < PROMPT_BYTES) {
        buf_add_c(out, words[drawn[next_random() % DRAWN]]);
        buf_add_c(out, next_random() % 12 ? " " : ".\\n");
    }
    buf_add_c(out, "\"}]}]");
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static uint64_t fill(struct content_store *store, uint64_t bytes)
{
    char(*words)[12] = xcalloc(VOCABULARY, sizeof *words);
    uint32_t *drawn = words_draw(words);
    struct crypt_key key;
    struct buf prompt;
    struct content_pointer pointer, preview;
    uint64_t number = 0, done = 0;
    buf_init(&prompt, MIB);
    (void)!key_by_id(NULL, 1, &key);
    for (; done < bytes; number++) {
        struct id16 trace = { { 0 } };
        memcpy(&trace, &number, sizeof number);
        prompt_make(&prompt, words, drawn, number);
        struct content_item item = { { { 1 } }, CONTENT_INPUT, buf_str(&prompt) };
        enum err err = content_append(store, trace, &key, 1, &item, 1, &pointer, &preview, NULL);
        if (!err && number % 1024 == 0)
            err = content_sync(store, NULL);
        if (err)
            abort();
        done += prompt.len;
    }
    if (content_sync(store, NULL) != ERR_OK)
        abort();
    buf_clear(&prompt);
    xfree(words);
    xfree(drawn);
    return done;
}

static void search_once(struct search *search, const char *words, uint32_t hits_max)
{
    struct arena arena;
    struct search_ask ask = { .project = 1,
                              .below.segment = UINT64_MAX,
                              .stored_from_ns = INT64_MIN,
                              .hits_max = hits_max,
                              .stop_ns = INT64_MAX };
    struct search_query *query;
    struct search_answer answer;
    arena_init(&arena, 256 * MIB);
    ask.key = (struct crypt_key){ { 0 } };
    uint64_t project;
    (void)!key_of(NULL, 1, &project, &ask.key);
    if (search_parse(&arena, str_from_c(words), &query, NULL) != ERR_OK)
        abort();
    ask.query = query;
    double cpu = cpu_seconds();
    int64_t start_ns = clock_monotonic_ns();
    if (search_run(search, &ask, &arena, &answer, NULL) != ERR_OK)
        abort();
    printf("%-28s %7.3f s, %6.3f s of CPU: %zu hits, %.1f MB read, %s\n", words,
           seconds_since(start_ns), cpu_seconds() - cpu, answer.count,
           (double)answer.bytes_read / 1e6, answer.is_done ? "all" : "enough");
    arena_clear(&arena);
}

static void unlink_each(const char *name, void *arg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    unlink(path);
}

static void remove_all(const char *dir)
{
    if (dir_list(dir, unlink_each, (void *)(uintptr_t)dir, NULL) == ERR_OK)
        rmdir(dir);
}

static struct search *index_make(struct content_store *store, const char *dir, uint64_t bytes)
{
    struct search *search;
    struct search_status status;
    struct search_config config = { .content = store,
                                    .dir = dir,
                                    .files = &sys_files_real,
                                    .key_of = key_of,
                                    .threads = THREADS,
                                    .makes_index = true };
    if (search_open(&config, &search, NULL) != ERR_OK)
        abort();
    double cpu = cpu_seconds();
    int64_t start_ns = clock_monotonic_ns();
    search_start(search);
    do {
        usleep(20000); /* between two looks: the builder tells nobody when it is done */
        search_status(search, &status);
    } while (status.plain_bytes + 8 * MIB < bytes);
    double took = seconds_since(start_ns), used = cpu_seconds() - cpu;
    search_stop(search);
    printf("index: %.2f s, %.2f s of CPU: %.0f MB/s of text, %.1f us of CPU for 3.5 KB; %.2f %% of "
           "the text\n",
           took, used, (double)status.plain_bytes / 1e6 / took,
           used * 1e6 / ((double)status.plain_bytes / PROMPT_BYTES),
           100.0 * (double)status.index_bytes / (double)status.plain_bytes);
    return search;
}

int main(int argc, char **argv)
{
    uint64_t megabytes = 256;
    char made[] = "/tmp/bench-search-XXXXXX", content[256], index[256];
    if (argc > 1 && !str_to_u64(str_from_c(argv[1]), &megabytes))
        return 2;
    const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
    snprintf(content, sizeof content, "%s/content", dir);
    snprintf(index, sizeof index, "%s/search", dir);
    struct content_config config = { .dir = content,
                                     .files = &sys_files_real,
                                     .key_by_id = key_by_id };
    struct content_store *store;
    if (dir_ensure(dir, 0700, NULL) != ERR_OK || content_open(&config, &store, NULL) != ERR_OK)
        abort();
    int64_t start_ns = clock_monotonic_ns();
    uint64_t bytes = fill(store, megabytes * 1000 * 1000);
    struct content_status status;
    content_status(store, &status);
    printf("%.0f MB of text in %.1f s, %.0f MB stored\n", (double)bytes / 1e6,
           seconds_since(start_ns), (double)status.bytes_stored / 1e6);
    struct search *search = index_make(store, index, bytes);
    static const char *const asked[] = { "zyzzyva", "nothingatall", "id9e3779b97f4a7c15",
                                         "zyzzyva nothingatall" };
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(asked); i++)
            search_once(search, asked[i], 50);
    search_once(search, "zyzzyva", UINT32_MAX);
    search_close(search);
    content_close(store);
    remove_all(content);
    remove_all(index);
    rmdir(dir);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("memory at most %ld MB\n", usage.ru_maxrss / 1024);
    return 0;
}
