/* test_otlp_oracle.c -- every field of random requests as protobuf-c reads it; JSON likewise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"

enum { ROUNDS = 300, ARENA_BYTES = 256 * 1024 * 1024, TEXT_BYTES = 64 * 1024 * 1024 };

struct bench {
    struct arena arena;
    struct buf theirs, ours, body;
};

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof *bench);
    arena_init(&bench->arena, ARENA_BYTES);
    buf_init(&bench->theirs, TEXT_BYTES);
    buf_init(&bench->ours, TEXT_BYTES);
    buf_init(&bench->body, TEXT_BYTES);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    arena_clear(&bench->arena);
    buf_clear(&bench->theirs);
    buf_clear(&bench->ours);
    buf_clear(&bench->body);
    xfree(bench);
    return 0;
}

static void pack(const ProtobufCMessage *message, struct buf *out)
{
    buf_reset(out);
    size_t len = protobuf_c_message_get_packed_size(message);
    char *to = buf_reserve(out, len);
    assert_true(to || len == 0);
    if (len)
        out->len = protobuf_c_message_pack(message, (uint8_t *)to);
}

static void ours_is_theirs(struct bench *bench, enum otlp_signal signal,
                           enum otlp_encoding encoding, uint64_t seed)
{
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    enum err code =
        otlp_decode(&bench->arena, signal, encoding, buf_str(&bench->body), NULL, &batch, &why);
    if (code)
        fail_msg("seed %llu: %s at %zu", (unsigned long long)seed, why.text, why.offset);
    buf_reset(&bench->ours);
    raw_dump(&batch, &bench->ours);
    assert_false(buf_failed(&bench->ours));
    if (str_equal(buf_str(&bench->ours), buf_str(&bench->theirs)))
        return;
    size_t at = 0;
    while (at < bench->ours.len && at < bench->theirs.len &&
           bench->ours.ptr[at] == bench->theirs.ptr[at])
        at++;
    str a = str_sub(buf_str(&bench->ours), at > 60 ? at - 60 : 0, 160);
    str b = str_sub(buf_str(&bench->theirs), at > 60 ? at - 60 : 0, 160);
    fail_msg("seed %llu signal %d encoding %d\nours:   %.*s\ntheirs: %.*s",
             (unsigned long long)seed, (int)signal, (int)encoding, STR_ARG(a), STR_ARG(b));
}

static void random_requests_are_read(struct bench *bench, enum otlp_signal signal)
{
    size_t items = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        arena_reset(&bench->arena);
        struct oracle oracle = { .arena = &bench->arena, .seed = seed * 7919 };
        ProtobufCMessage *message = oracle_random(&oracle, signal);
        buf_reset(&bench->theirs);
        oracle_dump(&oracle, signal, message, &bench->theirs);
        items += bench->theirs.len;

        pack(message, &bench->body);
        ours_is_theirs(bench, signal, OTLP_PROTOBUF, seed);
        for (int lenient = 0; lenient < 2; lenient++) {
            oracle.is_lenient = lenient;
            buf_reset(&bench->body);
            oracle_to_json(&oracle, message, &bench->body);
            ours_is_theirs(bench, signal, OTLP_JSON, seed);
        }
    }
    assert_true(items > (size_t)ROUNDS * 1000); /* it was not all empty */
}

/* shows: C1 */
static void random_traces_are_read_as_protobuf_c_reads_them_in_both_encodings(void **state)
{
    random_requests_are_read(*state, OTLP_TRACES);
}

/* shows: C1 */
static void random_logs_are_read_as_protobuf_c_reads_them_in_both_encodings(void **state)
{
    random_requests_are_read(*state, OTLP_LOGS);
}

/* shows: C1 */
static void random_metrics_are_read_as_protobuf_c_reads_them_in_both_encodings(void **state)
{
    random_requests_are_read(*state, OTLP_METRICS);
}

/* shows: C1 */
static void the_published_examples_are_the_same_in_json_and_protobuf(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *name;
        enum otlp_signal signal;
    } rows[] = { { "trace", OTLP_TRACES },
                 { "logs", OTLP_LOGS },
                 { "events", OTLP_LOGS },
                 { "metrics", OTLP_METRICS } };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/otlp/examples/%s.json", TEST_FIXTURES, rows[i].name);
        struct oracle oracle = { .arena = &bench->arena };
        ProtobufCMessage *message = oracle_from_json(&oracle, rows[i].signal, path);
        buf_reset(&bench->theirs);
        oracle_dump(&oracle, rows[i].signal, message, &bench->theirs);
        assert_true(bench->theirs.len > 200);
        pack(message, &bench->body);
        ours_is_theirs(bench, rows[i].signal, OTLP_PROTOBUF, i);

        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        buf_reset(&bench->body);
        char *to = buf_reserve(&bench->body, 1 << 20);
        bench->body.len = fread(to, 1, 1 << 20, file);
        fclose(file);
        ours_is_theirs(bench, rows[i].signal, OTLP_JSON, i);
    }
}

/* No prefix and no flipped bit may crash or read outside; a cut request is never whole. */
static void damaged_requests_do_no_harm(void **state)
{
    struct bench *bench = *state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (int signal = OTLP_TRACES; signal <= OTLP_METRICS; signal++)
        for (int encoding = OTLP_PROTOBUF; encoding <= OTLP_JSON; encoding++) {
            arena_reset(&bench->arena);
            struct oracle oracle = { .arena = &bench->arena, .seed = 41 };
            ProtobufCMessage *message;
            do {
                message = oracle_random(&oracle, (enum otlp_signal)signal);
                pack(message, &bench->body);
            } while (bench->body.len < 600 || bench->body.len > 4000);
            if (encoding == OTLP_JSON) {
                buf_reset(&bench->body);
                oracle_to_json(&oracle, message, &bench->body);
            }
            struct raw_batch batch;
            str body = buf_str(&bench->body);
            for (size_t cut = 0; cut < body.len; cut++) {
                char *exact = xmalloc(cut);
                memcpy(exact, body.ptr, cut);
                arena_reset(&arena);
                enum err code =
                    otlp_decode(&arena, (enum otlp_signal)signal, (enum otlp_encoding)encoding,
                                str_make(exact, cut), NULL, &batch, NULL);
                assert_true(code == ERR_OK || code == ERR_BAD_INPUT);
                if (encoding == OTLP_JSON && cut > 0)
                    assert_int_equal(code, ERR_BAD_INPUT);
                xfree(exact);
            }
            for (size_t bit = 0; bit < body.len * 8; bit++) {
                bench->body.ptr[bit / 8] = (char)(bench->body.ptr[bit / 8] ^ 1 << bit % 8);
                arena_reset(&arena);
                enum err code = otlp_decode(&arena, (enum otlp_signal)signal,
                                            (enum otlp_encoding)encoding, body, NULL, &batch, NULL);
                assert_true(code == ERR_OK || code == ERR_BAD_INPUT || code == ERR_LIMIT);
                bench->body.ptr[bit / 8] = (char)(bench->body.ptr[bit / 8] ^ 1 << bit % 8);
            }
        }
    arena_clear(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_traces_are_read_as_protobuf_c_reads_them_in_both_encodings),
        TEST(random_logs_are_read_as_protobuf_c_reads_them_in_both_encodings),
        TEST(random_metrics_are_read_as_protobuf_c_reads_them_in_both_encodings),
        TEST(the_published_examples_are_the_same_in_json_and_protobuf),
        TEST(damaged_requests_do_no_harm),
    };
    return cmocka_run_group_tests_name("otlp_oracle", tests, NULL, NULL);
}
