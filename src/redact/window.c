/* window.c -- which parts of a text stage two must see.
 *
 * Personal data by form (cards, phones, IBANs, addresses of machines) needs
 * digits, or hexadecimal digits around colons.  A cheap count per block of 64
 * bytes finds where these are; prompts are mostly prose and code without them.
 *
 * Every expression of a PATTERN row has at least DIGITS_MIN digits within
 * 64 bytes, or three dots between digits, or two colons (four hyphens) beside
 * hexadecimal digits, or a run of 26 letters and digits with a digit in it;
 * so the sum over two neighbouring blocks decides.  test_window.c compares
 * the result with a scan of everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "redact/redact_int.h"

enum {
    BLOCK = 64,
    WINDOW_BEFORE = 2 * BLOCK, /* the find, and what stands before it */
    WINDOW_AFTER = 2 * BLOCK,
    DIGITS_MIN = 6,
    DOTS_MIN = 3,
    COLONS_MIN = 2,
    HYPHENS_MIN = 4,
    WORD = 8,
};

struct counts {
    unsigned digits, dots, colons, hyphens;
};

static inline bool byte_is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

static inline uint8_t hex_mask(uint8_t c)
{
    uint8_t digit = (uint8_t)(c - '0') < 10;
    uint8_t letter = (uint8_t)((c | 0x20) - 'a') < 6;
    return digit | letter;
}

/* Written without branches so that the compiler makes vectors of it. */
static unsigned digits_count(const uint8_t *block, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + ((uint8_t)(block[i] - '0') < 10));
    return sum;
}

static unsigned full_block_digits(const uint8_t *block)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum = (uint8_t)(sum + ((uint8_t)(block[i] - '0') < 10));
    return sum;
}

/* Colons and hyphens of the block, wherever they stand. */
static unsigned full_block_marks(const uint8_t *block)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum = (uint8_t)(sum + ((block[i] == ':') | (block[i] == '-')));
    return sum;
}

/* Dots between digits, colons and hyphens beside hexadecimal digits. */
static void marks_count(str text, size_t from, size_t to, struct counts *counts)
{
    const uint8_t *bytes = (const uint8_t *)text.ptr;
    for (size_t i = MAX(from, (size_t)1); i < to && i + 1 < text.len; i++) {
        uint8_t c = bytes[i];
        if (c != '.' && c != ':' && c != '-')
            continue;
        uint8_t before = bytes[i - 1];
        uint8_t after = bytes[i + 1];
        if (c == '.')
            counts->dots += byte_is_digit(before) && byte_is_digit(after);
        else if (c == ':')
            counts->colons +=
                (hex_mask(before) || before == ':') && (hex_mask(after) || after == ':');
        else
            counts->hyphens += hex_mask(before) && hex_mask(after);
    }
}

/* Two neighbouring aligned words without a byte below '0' or above 0x7f: any
 * run of 26 letters and digits has them. */
static bool block_has_long_run(str text, size_t from, size_t to)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    unsigned in_row = 0;
    size_t at = from >= 2 * WORD ? from - 2 * WORD : 0;
    size_t end = MIN(text.len, to + 2 * WORD);
    for (; at + WORD <= end; at += WORD) {
        uint64_t word;
        memcpy(&word, text.ptr + at, sizeof word);
        bool has_other = ((word - ones * '0') & ~word & highs) || (word & highs);
        in_row = has_other ? 0 : in_row + 1;
        if (in_row == 2)
            return true;
    }
    return false;
}

static bool block_is_flagged(str text, size_t at, struct counts *before)
{
    const uint8_t *block = (const uint8_t *)text.ptr + at;
    size_t len = MIN((size_t)BLOCK, text.len - at);
    struct counts now = { .digits =
                              len == BLOCK ? full_block_digits(block) : digits_count(block, len) };
    bool may_have_marks = now.digits > 0 || len < BLOCK || full_block_marks(block) >= 1;
    if (may_have_marks)
        marks_count(text, at, at + len, &now);
    bool flagged =
        now.digits + before->digits >= DIGITS_MIN || now.dots + before->dots >= DOTS_MIN ||
        now.colons + before->colons >= COLONS_MIN || now.hyphens + before->hyphens >= HYPHENS_MIN ||
        (now.digits > 0 && block_has_long_run(text, at, at + len));
    *before = now;
    return flagged;
}

bool window_next(str text, size_t *at, size_t *ret_start, size_t *ret_end)
{
    struct counts before = { 0, 0, 0, 0 };
    size_t block = *at;
    if (block >= BLOCK)
        block_is_flagged(text, block - BLOCK, &before);
    while (block < text.len && !block_is_flagged(text, block, &before))
        block += BLOCK;
    if (block >= text.len)
        return false;
    size_t start = block > WINDOW_BEFORE ? block - WINDOW_BEFORE : 0;
    size_t end = block + BLOCK + WINDOW_AFTER;
    for (block += BLOCK; block < text.len && block < end; block += BLOCK)
        if (block_is_flagged(text, block, &before))
            end = block + BLOCK + WINDOW_AFTER;
    *at = block;
    *ret_start = start;
    *ret_end = MIN(end, text.len);
    return true;
}
