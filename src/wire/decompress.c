/* decompress.c -- zlib and zstd behind one loop that cannot outgrow its buffer.
 *
 * Each step gives the decoder the room that is left, at most 64 KiB.  At the
 * maximum it gets one byte of our own instead: if that is filled there
 * was more to come, and the limit is passed; if not, the body just fits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/decompress.h"
#include "base/arena.h"
#include "base/check.h"
#include <zlib.h>
#include <zstd.h>

enum {
    STEP_BYTES_MAX = 64 * 1024,
    WINDOW_BITS = 15,
    WINDOW_BITS_GZIP = WINDOW_BITS + 16,
    ZSTD_HEAD_BYTES = 18, /* RFC 8878: magic and at most 14 bytes of header */
};

/* What one step of a decoder did. */
enum step { STEP_MORE, STEP_FRAME_END, STEP_CORRUPT };

struct decompress {
    enum decompress_format format;
    struct buf *out;
    size_t in_bytes; /* of the body, consumed before the current piece */
    bool is_started; /* the first byte was seen */
    bool is_between; /* a frame has ended and none has begun */
    bool has_failed;
    bool has_zlib; /* zlib is initialised */
    z_stream zlib;
    ZSTD_DCtx *zstd;
    char zstd_head[ZSTD_HEAD_BYTES]; /* the first bytes of the frame: its declared size */
    size_t zstd_head_len;
    uint64_t zstd_frame_bytes; /* what came out of the frame */
};

bool decompress_format_by_name(str name, enum decompress_format *ret_format)
{
    static const struct {
        str name;
        enum decompress_format format;
    } rows[] = {
        { STR("gzip"), DECOMPRESS_GZIP },       { STR("x-gzip"), DECOMPRESS_GZIP },
        { STR("deflate"), DECOMPRESS_DEFLATE }, { STR("zlib"), DECOMPRESS_DEFLATE },
        { STR("zstd"), DECOMPRESS_ZSTD },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_equal_nocase(rows[i].name, name)) {
            *ret_format = rows[i].format;
            return true;
        }
    return false;
}

struct decompress *decompress_new(void)
{
    return xcalloc(1, sizeof(struct decompress));
}

void decompress_free(struct decompress *decompress)
{
    if (!decompress)
        return;
    if (decompress->has_zlib)
        inflateEnd(&decompress->zlib);
    ZSTD_freeDCtx(decompress->zstd);
    xfree(decompress);
}

void decompress_begin(struct decompress *decompress, enum decompress_format format, struct buf *out)
{
    assert(decompress);
    assert(out);
    decompress->format = format;
    decompress->out = out;
    decompress->in_bytes = 0;
    decompress->is_started = false;
    decompress->is_between = false;
    decompress->has_failed = false;
}

/* The first byte of a zlib stream names method 8 and a window of at most 32 KiB;
 * raw deflate as written by encoders never begins so (a stored block has zero padding bits). */
static bool looks_like_zlib(unsigned char first)
{
    return (first & 0x0f) == 8 && first >> 4 <= 7;
}

static bool zlib_start(struct decompress *decompress, unsigned char first)
{
    int bits = decompress->format == DECOMPRESS_GZIP ? WINDOW_BITS_GZIP
               : looks_like_zlib(first)              ? WINDOW_BITS
                                                     : -WINDOW_BITS;
    if (decompress->has_zlib)
        return inflateReset2(&decompress->zlib, bits) == Z_OK;
    decompress->zlib = (z_stream){ 0 };
    decompress->has_zlib = inflateInit2(&decompress->zlib, bits) == Z_OK;
    return decompress->has_zlib;
}

/* A frame or a skippable frame; the library would also read the formats before 1.0, which
 * differ from it in their first byte and are decoded by old code. */
static bool looks_like_zstd(unsigned char first)
{
    return first == 0x28 || (first & 0xf0) == 0x50;
}

static bool zstd_start(struct decompress *decompress, unsigned char first)
{
    if (!looks_like_zstd(first))
        return false;
    if (!decompress->zstd) {
        decompress->zstd = ZSTD_createDCtx();
        if (!decompress->zstd)
            return false;
        ZSTD_DCtx_setParameter(decompress->zstd, ZSTD_d_windowLogMax,
                               DECOMPRESS_ZSTD_WINDOW_LOG_MAX);
    }
    ZSTD_DCtx_reset(decompress->zstd, ZSTD_reset_session_only);
    decompress->zstd_head_len = 0;
    decompress->zstd_frame_bytes = 0;
    return true;
}

static enum step zlib_step(z_stream *zlib, str *piece, char *room, size_t room_bytes, size_t *made)
{
    union {
        const char *from;
        Bytef *to;
    } input = { .from = piece->ptr }; /* zlib's input pointer has no const */
    zlib->next_in = input.to;
    zlib->avail_in = (uInt)MIN(piece->len, (size_t)STEP_BYTES_MAX);
    zlib->next_out = (Bytef *)room;
    zlib->avail_out = (uInt)room_bytes;
    uInt given = zlib->avail_in;
    int code = inflate(zlib, Z_NO_FLUSH);
    *piece = str_from(*piece, given - zlib->avail_in);
    *made = room_bytes - zlib->avail_out;
    if (code == Z_STREAM_END)
        return STEP_FRAME_END;
    return code == Z_OK || code == Z_BUF_ERROR ? STEP_MORE : STEP_CORRUPT;
}

/* The library compares the declared size with what came out only when it has the whole frame at
 * once; a body must not depend on the pieces it comes in. */
static bool zstd_size_is_true(const struct decompress *decompress)
{
    unsigned long long declared =
        ZSTD_getFrameContentSize(decompress->zstd_head, decompress->zstd_head_len);
    return declared == ZSTD_CONTENTSIZE_UNKNOWN || declared == decompress->zstd_frame_bytes;
}

/* A frame that it has whole, and room for, the library decodes in one go, and then takes blocks
 * that are larger than all the content, which it refuses of a frame in pieces.  So the first
 * byte of a frame for which there is room goes in by itself. */
static bool zstd_would_go_whole(const struct decompress *decompress, str piece)
{
    return decompress->zstd_head_len == 0 &&
           ZSTD_getFrameContentSize(piece.ptr, piece.len) <= STEP_BYTES_MAX;
}

static enum step zstd_step(struct decompress *decompress, str *piece, char *room, size_t room_bytes,
                           size_t *made)
{
    bool is_first_byte = zstd_would_go_whole(decompress, *piece);
    ZSTD_inBuffer in = { .src = piece->ptr, .size = is_first_byte ? 1 : piece->len };
    ZSTD_outBuffer out = { .dst = room, .size = room_bytes };
    size_t left = ZSTD_decompressStream(decompress->zstd, &out, &in);
    size_t head = MIN(in.pos, ZSTD_HEAD_BYTES - decompress->zstd_head_len);
    memcpy(decompress->zstd_head + decompress->zstd_head_len, piece->ptr, head);
    decompress->zstd_head_len += head;
    decompress->zstd_frame_bytes += out.pos;
    *piece = str_from(*piece, in.pos);
    *made = out.pos;
    if (ZSTD_isError(left) || (left == 0 && !zstd_size_is_true(decompress)))
        return STEP_CORRUPT;
    return left == 0 ? STEP_FRAME_END : STEP_MORE;
}

static enum err fail(struct decompress *decompress, enum err code, const str *rest,
                     const str *piece, struct diag *reterr_why)
{
    decompress->has_failed = true;
    if (code == ERR_LIMIT)
        return diag_set(reterr_why, ERR_LIMIT, "the decompressed body is larger than %zu bytes",
                        decompress->out->max_bytes);
    size_t offset = decompress->in_bytes + (piece->len - rest->len);
    return diag_set_at(reterr_why, code, offset, "the compressed body is damaged near byte %zu",
                       offset);
}

/* One call of the decoder.  A frame that has just ended leaves the next to begin with
 * whatever byte follows. */
static enum step step(struct decompress *decompress, str *rest, char *room, size_t room_bytes,
                      size_t *made)
{
    *made = 0;
    if (!decompress->is_started || decompress->is_between) {
        bool is_zstd = decompress->format == DECOMPRESS_ZSTD;
        /* Trailing bytes after a zlib stream are not another body. */
        if (decompress->is_between && decompress->format == DECOMPRESS_DEFLATE)
            return STEP_CORRUPT;
        unsigned char first = (unsigned char)rest->ptr[0];
        bool ok = is_zstd ? zstd_start(decompress, first) : zlib_start(decompress, first);
        if (!ok)
            return STEP_CORRUPT;
        decompress->is_started = true;
        decompress->is_between = false;
    }
    return decompress->format == DECOMPRESS_ZSTD
               ? zstd_step(decompress, rest, room, room_bytes, made)
               : zlib_step(&decompress->zlib, rest, room, room_bytes, made);
}

enum err decompress_feed(struct decompress *decompress, str piece, struct diag *reterr_why)
{
    assert(decompress && decompress->out);
    struct buf *out = decompress->out;
    str rest = piece;
    bool is_full = true; /* the last step filled its room: there may be more inside */
    if (decompress->has_failed)
        return fail(decompress, ERR_BAD_INPUT, &rest, &piece, reterr_why);
    while (rest.len > 0 || (is_full && decompress->is_started && !decompress->is_between)) {
        char spare = 0;
        size_t room_bytes = MIN(out->max_bytes - out->len, (size_t)STEP_BYTES_MAX), made;
        char *room = room_bytes ? buf_reserve(out, room_bytes) : &spare;
        if (!room)
            return fail(decompress, ERR_LIMIT, &rest, &piece, reterr_why);
        size_t before = rest.len;
        enum step what = step(decompress, &rest, room, room_bytes ? room_bytes : 1, &made);
        if (room_bytes == 0 && made > 0)
            return fail(decompress, ERR_LIMIT, &rest, &piece, reterr_why);
        out->len += made;
        if (what == STEP_CORRUPT)
            return fail(decompress, ERR_BAD_INPUT, &rest, &piece, reterr_why);
        decompress->is_between = what == STEP_FRAME_END;
        is_full = made > 0 && made == room_bytes;
        if (made == 0 && rest.len == before && what == STEP_MORE)
            break; /* no progress: it needs the next piece */
    }
    if (rest.len > 0)
        return fail(decompress, ERR_BAD_INPUT, &rest, &piece, reterr_why);
    decompress->in_bytes += piece.len;
    return ERR_OK;
}

enum err decompress_end(struct decompress *decompress, struct diag *reterr_why)
{
    assert(decompress && decompress->out);
    if (decompress->is_between && !decompress->has_failed)
        return ERR_OK;
    return diag_set_at(reterr_why, ERR_BAD_INPUT, decompress->in_bytes,
                       "the compressed body ends too early, after %zu bytes", decompress->in_bytes);
}

enum err decompress_all(struct decompress *decompress, enum decompress_format format, str body,
                        struct buf *out, struct diag *reterr_why)
{
    decompress_begin(decompress, format, out);
    enum err code = decompress_feed(decompress, body, reterr_why);
    return code ? code : decompress_end(decompress, reterr_why);
}
