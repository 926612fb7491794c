/* test_decompress.c -- bounded decompression: round trips, bombs, damage, members in a row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/arena.h"
#include "wire/decompress.h"

enum { ROOM = 4 << 20 };
enum form { FORM_GZIP, FORM_ZLIB, FORM_RAW, FORM_ZSTD, FORM_COUNT };

static const enum decompress_format formats[] = { DECOMPRESS_GZIP, DECOMPRESS_DEFLATE,
                                                  DECOMPRESS_DEFLATE, DECOMPRESS_ZSTD };

static size_t pack(enum form form, const char *plain, size_t len, char *out)
{
    if (form == FORM_ZSTD)
        return ZSTD_compress(out, ROOM, plain, len, 3);
    z_stream zlib = { 0 };
    int bits = form == FORM_GZIP ? 31 : form == FORM_ZLIB ? 15 : -15;
    assert_int_equal(deflateInit2(&zlib, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)plain;
    zlib.avail_in = (uInt)len;
    zlib.next_out = (Bytef *)out;
    zlib.avail_out = ROOM;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    size_t made = zlib.total_out;
    deflateEnd(&zlib);
    return made;
}

struct fixture {
    char *plain;
    char *packed;
    struct decompress *decompress;
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof *fixture);
    fixture->plain = xcalloc(1, ROOM);
    fixture->packed = xmalloc(ROOM);
    fixture->decompress = decompress_new();
    buf_init(&fixture->out, ROOM);
    uint32_t seed = 1;
    for (size_t i = 0; i < ROOM; i++) {
        seed = seed * 1103515245 + 12345;
        fixture->plain[i] = (char)('a' + (seed >> 16) % 17);
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    xfree(fixture->plain);
    xfree(fixture->packed);
    decompress_free(fixture->decompress);
    buf_clear(&fixture->out);
    xfree(fixture);
    return 0;
}

static void every_format_gives_back_what_was_packed_with_one_context(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = { 0, 1, 100, 65536, 65537, 1 << 20 };
    for (int round = 0; round < 2; round++)
        for (enum form form = 0; form < FORM_COUNT; form++)
            for (size_t i = 0; i < COUNT_OF(sizes); i++) {
                size_t len = pack(form, f->plain, sizes[i], f->packed);
                buf_reset(&f->out);
                assert_int_equal(decompress_all(f->decompress, formats[form],
                                                str_make(f->packed, len), &f->out, NULL),
                                 ERR_OK);
                assert_int_equal(f->out.len, sizes[i]);
                if (sizes[i])
                    assert_memory_equal(f->out.ptr, f->plain, sizes[i]);
            }
}

static void a_body_in_single_bytes_is_the_same_body(void **state)
{
    struct fixture *f = *state;
    for (enum form form = 0; form < FORM_COUNT; form++) {
        size_t len = pack(form, f->plain, 5000, f->packed);
        buf_reset(&f->out);
        decompress_begin(f->decompress, formats[form], &f->out);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(decompress_feed(f->decompress, str_make(f->packed + i, 1), NULL),
                             ERR_OK);
        assert_int_equal(decompress_end(f->decompress, NULL), ERR_OK);
        assert_int_equal(f->out.len, 5000);
        assert_memory_equal(f->out.ptr, f->plain, 5000);
    }
}

static void the_limit_is_met_at_and_refused_one_past_it(void **state)
{
    struct fixture *f = *state;
    for (enum form form = 0; form < FORM_COUNT; form++)
        for (size_t limit = 65535; limit <= 65537; limit++)
            for (size_t size = limit - 1; size <= limit + 1; size++) {
                size_t len = pack(form, f->plain, size, f->packed);
                struct buf out;
                struct diag why = DIAG_NONE;
                buf_init(&out, limit);
                enum err code = decompress_all(f->decompress, formats[form],
                                               str_make(f->packed, len), &out, &why);
                assert_int_equal(code, size <= limit ? ERR_OK : ERR_LIMIT);
                if (size > limit)
                    assert_non_null(strstr(why.text, "larger than"));
                buf_clear(&out);
            }
}

static void a_bomb_is_refused_without_growing_past_the_limit(void **state)
{
    struct fixture *f = *state;
    memset(f->plain, 0, ROOM);
    for (enum form form = 0; form < FORM_COUNT; form++) {
        size_t len = pack(form, f->plain, ROOM, f->packed);
        assert_true(ROOM / len > 900);
        struct buf out;
        buf_init(&out, 100 * KIB);
        assert_int_equal(
            decompress_all(f->decompress, formats[form], str_make(f->packed, len), &out, NULL),
            ERR_LIMIT);
        assert_true(out.len <= 100 * KIB);
        assert_true(out.capacity <= 100 * KIB); /* a buf never grows past its maximum */
        buf_clear(&out);
    }
}

static void a_body_cut_anywhere_is_bad_input(void **state)
{
    struct fixture *f = *state;
    for (enum form form = 0; form < FORM_COUNT; form++) {
        size_t len = pack(form, f->plain, 700, f->packed);
        for (size_t cut = 0; cut < len; cut++) {
            char *exact = xmalloc(cut);
            memcpy(exact, f->packed, cut);
            buf_reset(&f->out);
            assert_int_equal(
                decompress_all(f->decompress, formats[form], str_make(exact, cut), &f->out, NULL),
                ERR_BAD_INPUT);
            xfree(exact);
        }
    }
}

static void a_flipped_bit_is_noticed_or_harmless(void **state)
{
    struct fixture *f = *state;
    for (enum form form = 0; form < FORM_COUNT; form++) {
        size_t len = pack(form, f->plain, 700, f->packed);
        int noticed = 0;
        for (size_t bit = 0; bit < len * 8; bit++) {
            f->packed[bit / 8] = (char)(f->packed[bit / 8] ^ 1 << bit % 8);
            buf_reset(&f->out);
            enum err code = decompress_all(f->decompress, formats[form], str_make(f->packed, len),
                                           &f->out, NULL);
            assert_true(code == ERR_OK || code == ERR_BAD_INPUT || code == ERR_LIMIT);
            noticed += code != ERR_OK;
            f->packed[bit / 8] = (char)(f->packed[bit / 8] ^ 1 << bit % 8);
        }
        if (form == FORM_GZIP || form == FORM_ZLIB)
            assert_true(noticed > (int)len * 7); /* they carry a checksum */
    }
}

static void members_and_frames_in_a_row_are_one_body(void **state)
{
    struct fixture *f = *state;
    for (enum form form = 0; form < FORM_COUNT; form++) {
        size_t len = pack(form, f->plain, 1000, f->packed);
        len += pack(form, f->plain + 1000, 500, f->packed + len);
        buf_reset(&f->out);
        enum err code =
            decompress_all(f->decompress, formats[form], str_make(f->packed, len), &f->out, NULL);
        if (formats[form] == DECOMPRESS_DEFLATE) { /* has no members */
            assert_int_equal(code, ERR_BAD_INPUT);
            continue;
        }
        assert_int_equal(code, ERR_OK);
        assert_int_equal(f->out.len, 1500);
        assert_memory_equal(f->out.ptr, f->plain, 1500);
        len = pack(form, f->plain, 1000, f->packed);
        memcpy(f->packed + len, "garbage", 7);
        buf_reset(&f->out);
        assert_int_equal(decompress_all(f->decompress, formats[form], str_make(f->packed, len + 7),
                                        &f->out, NULL),
                         ERR_BAD_INPUT);
    }
}

static void after_a_failure_the_context_works_again(void **state)
{
    struct fixture *f = *state;
    for (enum form form = 0; form < FORM_COUNT; form++) {
        buf_reset(&f->out);
        assert_int_equal(
            decompress_all(f->decompress, formats[form], STR_OF("\x78not packed"), &f->out, NULL),
            ERR_BAD_INPUT);
        assert_int_equal(decompress_feed(f->decompress, STR_OF("x"), NULL), ERR_BAD_INPUT);
        size_t len = pack(form, f->plain, 1000, f->packed);
        buf_reset(&f->out);
        assert_int_equal(
            decompress_all(f->decompress, formats[form], str_make(f->packed, len), &f->out, NULL),
            ERR_OK);
    }
}

static void a_zstd_window_larger_than_allowed_is_refused(void **state)
{
    struct fixture *f = *state;
    for (int log = DECOMPRESS_ZSTD_WINDOW_LOG_MAX; log <= DECOMPRESS_ZSTD_WINDOW_LOG_MAX + 1;
         log++) {
        ZSTD_CCtx *zstd = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, log);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
        ZSTD_inBuffer in = { f->plain, 1000, 0 };
        ZSTD_outBuffer out = { f->packed, ROOM, 0 };
        ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush); /* size unknown: window stays */
        assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
        ZSTD_freeCCtx(zstd);
        buf_reset(&f->out);
        assert_int_equal(decompress_all(f->decompress, DECOMPRESS_ZSTD,
                                        str_make(f->packed, out.pos), &f->out, NULL),
                         log == DECOMPRESS_ZSTD_WINDOW_LOG_MAX ? ERR_OK : ERR_BAD_INPUT);
    }
}

/* The library reads them, but not the same in pieces as in one. */
static void zstd_of_the_time_before_1_0_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char magics[] = { 0x1e, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27 };
    char body[] = "\x26\xb5\x2f\xfd\x04\xcb\x48\x02";
    for (size_t i = 0; i < COUNT_OF(magics); i++) {
        body[0] = (char)magics[i];
        struct diag why = DIAG_NONE;
        assert_int_equal(decompress_all(fixture->decompress, DECOMPRESS_ZSTD,
                                        str_make(body, sizeof body - 1), &fixture->out, &why),
                         ERR_BAD_INPUT);
        assert_int_equal(fixture->out.len, 0);
    }
}

/* A frame that declares one byte more, or fewer, than it holds; whole and byte by byte. */
static void a_zstd_frame_whose_declared_size_is_wrong_is_refused(void **state)
{
    struct fixture *f = *state;
    for (int wrong = -1; wrong <= 1; wrong++) {
        size_t len = ZSTD_compress(f->packed, ROOM, f->plain, 200, 1);
        assert_int_equal(f->packed[4] & 0xe0, 0x20); /* one byte of size follows */
        f->packed[5] = (char)(f->packed[5] + wrong);
        str body = str_make(f->packed, len);
        buf_reset(&f->out);
        assert_int_equal(decompress_all(f->decompress, DECOMPRESS_ZSTD, body, &f->out, NULL),
                         wrong ? ERR_BAD_INPUT : ERR_OK);
        buf_reset(&f->out);
        decompress_begin(f->decompress, DECOMPRESS_ZSTD, &f->out);
        enum err err = ERR_OK;
        for (size_t at = 0; !err && at < len; at++)
            err = decompress_feed(f->decompress, str_sub(body, at, 1), NULL);
        assert_int_equal(err ? err : decompress_end(f->decompress, NULL),
                         wrong ? ERR_BAD_INPUT : ERR_OK);
    }
}

/* An empty frame with a block of one byte: what is in it does not depend on how it is cut. */
static void a_zstd_block_larger_than_its_frame_is_refused_whole_and_in_pieces(void **state)
{
    struct fixture *f = *state;
    static const char frame[] = "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\0\3\0\0\0";
    for (size_t piece = 1; piece <= sizeof frame; piece++) {
        decompress_begin(f->decompress, DECOMPRESS_ZSTD, &f->out);
        enum err err = ERR_OK;
        str body = str_make(frame, sizeof frame - 1);
        for (size_t at = 0; !err && at < body.len; at += piece)
            err = decompress_feed(f->decompress, str_sub(body, at, piece), NULL);
        assert_int_equal(err, ERR_BAD_INPUT);
    }
}

static void names_of_encodings_are_known_in_any_case(void **state)
{
    (void)state;
    enum decompress_format format;
    assert_true(decompress_format_by_name(STR_OF("GZip"), &format));
    assert_int_equal(format, DECOMPRESS_GZIP);
    assert_true(decompress_format_by_name(STR_OF("zlib"), &format));
    assert_int_equal(format, DECOMPRESS_DEFLATE);
    assert_true(decompress_format_by_name(STR_OF("zstd"), &format));
    assert_int_equal(format, DECOMPRESS_ZSTD);
    assert_false(decompress_format_by_name(STR_OF("identity"), &format));
    assert_false(decompress_format_by_name(STR_OF("br"), &format));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_format_gives_back_what_was_packed_with_one_context),
        TEST(a_body_in_single_bytes_is_the_same_body),
        TEST(the_limit_is_met_at_and_refused_one_past_it),
        TEST(a_bomb_is_refused_without_growing_past_the_limit),
        TEST(a_body_cut_anywhere_is_bad_input),
        TEST(a_flipped_bit_is_noticed_or_harmless),
        TEST(members_and_frames_in_a_row_are_one_body),
        TEST(after_a_failure_the_context_works_again),
        TEST(a_zstd_window_larger_than_allowed_is_refused),
        TEST(zstd_of_the_time_before_1_0_is_refused),
        TEST(a_zstd_frame_whose_declared_size_is_wrong_is_refused),
        TEST(a_zstd_block_larger_than_its_frame_is_refused_whole_and_in_pieces),
        cmocka_unit_test(names_of_encodings_are_known_in_any_case),
    };
    return cmocka_run_group_tests_name("decompress", tests, NULL, NULL);
}
