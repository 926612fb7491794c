/* cli_text.c -- texts for a terminal: harmless, measured, human.
 *
 * A span's name is written by whoever sends spans.  An escape sequence in it must not move
 * the cursor, set the title or hide a line: controls become their visible pictures
 * (U+2400..), C1 controls, direction overrides and invalid bytes become U+FFFD.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/utf8.h"
#include "cli/cli_int.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <wchar.h>

enum { TAB_COLUMNS = 4 };
static const str replacement = STR("\xEF\xBF\xBD");
static const str ellipsis = STR("\xE2\x80\xA6");

/* The code point at the start of text and its length; false: not valid there. */
static bool next_char(str text, uint32_t *ret_char, size_t *ret_len)
{
    unsigned char lead = (unsigned char)text.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (len > text.len || utf8_valid_prefix(str_sub(text, 0, len)) != len)
        return false;
    uint32_t code = len == 1 ? lead : lead & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text.ptr[i] & 0x3Fu);
    *ret_char = code;
    *ret_len = len;
    return true;
}

/* What a terminal or a reader could be fooled by: C1 controls, direction marks and
 * overrides, line separators, byte order mark, tags. */
static bool is_deceptive(uint32_t c)
{
    return (c >= 0x80 && c <= 0x9F) || c == 0x061C || c == 0x200B || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

void cli_print_json(const struct cli_call *call, str json)
{
    struct buf out;
    if (!call->screen.is_tty) {
        fwrite(json.ptr, 1, json.len, stdout);
        return;
    }
    buf_init(&out, 2 * (size_t)CLI_BODY_BYTES_MAX);
    for (size_t i = 0; i < json.len;) {
        uint32_t c = ' ';
        size_t len = 1;
        if (!next_char(str_from(json, i), &c, &len)) /* no JSON */
            buf_add_str(&out, replacement);
        else if (c != 0x7F && !is_deceptive(c))
            buf_add(&out, json.ptr + i, len);
        else if (c > 0xFFFF)
            buf_printf(&out, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                       0xDC00 + ((c - 0x10000) & 0x3FF));
        else
            buf_printf(&out, "\\u%04x", c);
        i += len;
    }
    cli_print(&out);
    buf_clear(&out);
}

static void add_control(struct buf *out, uint32_t c, enum cli_lines lines)
{
    if (c == '\t')
        cli_add_spaces(out, lines == CLI_MANY_LINES ? TAB_COLUMNS : 1);
    else if (c == '\n' && lines == CLI_MANY_LINES)
        buf_add_char(out, '\n');
    else if (c == '\n')
        buf_add_char(out, ' ');
    else if (c != '\r') {
        char picture[4];
        size_t len = utf8_encode(c == 0x7F ? 0x2421 : 0x2400 + c, picture);
        buf_add(out, picture, len);
    }
}

void cli_clean(struct buf *out, str text, enum cli_lines lines)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t len;
        if (!next_char(str_from(text, i), &c, &len)) {
            buf_add_str(out, replacement);
            i++;
            continue;
        }
        if (c < 0x20 || c == 0x7F)
            add_control(out, c, lines);
        else if (is_deceptive(c))
            buf_add_str(out, replacement);
        else
            buf_add(out, text.ptr + i, len);
        i += len;
    }
}

/* Columns of one character; what the C library does not know takes one. */
static uint32_t char_columns(uint32_t c)
{
    int columns = c < 0x80 ? 1 : wcwidth((wchar_t)c);
    return columns < 0 ? 1 : (uint32_t)columns;
}

uint32_t cli_columns(str text)
{
    uint32_t columns = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t c = ' ';
        size_t len = 1;
        if (!next_char(str_from(text, i), &c, &len))
            len = 1;
        columns += char_columns(c);
        i += len;
    }
    return columns;
}

void cli_add_cut(struct buf *out, str text, uint32_t columns)
{
    if (cli_columns(text) <= columns) {
        buf_add_str(out, text);
        return;
    }
    uint32_t used = 0;
    size_t i = 0;
    while (i < text.len) {
        uint32_t c = ' ';
        size_t len = 1;
        if (!next_char(str_from(text, i), &c, &len))
            len = 1;
        if (used + char_columns(c) + 1 > columns)
            break;
        used += char_columns(c);
        i += len;
    }
    buf_add(out, text.ptr, i);
    if (columns)
        buf_add_str(out, ellipsis);
    cli_add_spaces(out, columns > used + 1 ? columns - used - 1 : 0);
}

void cli_add_spaces(struct buf *out, uint32_t count)
{
    while (count--)
        buf_add_char(out, ' ');
}

void cli_paint(struct buf *out, const struct cli_screen *screen, enum cli_colour colour, str text)
{
    static const char *const codes[] = {
        [CLI_PLAIN] = "",   [CLI_BOLD] = "1",    [CLI_DIM] = "2",   [CLI_RED] = "31",
        [CLI_GREEN] = "32", [CLI_YELLOW] = "33", [CLI_BLUE] = "34", [CLI_CYAN] = "36"
    };
    bool painted = screen->has_colour && colour != CLI_PLAIN && text.len;
    if (painted)
        buf_printf(out, "\033[%sm", codes[colour]);
    buf_add_str(out, text);
    if (painted)
        buf_add_c(out, "\033[0m");
}

void cli_add_bar(struct buf *out, double share, uint32_t columns)
{
    share = isfinite(share) ? MIN(MAX(share, 0.0), 1.0) : 0;
    uint32_t eighths = (uint32_t)lround(share * columns * 8);
    if (share > 0 && eighths == 0)
        eighths = 1;
    for (uint32_t i = 0; i < eighths / 8; i++)
        buf_add_c(out, "\xE2\x96\x88");
    if (eighths % 8) { /* U+2589 is seven eighths, U+258F one */
        char block[4];
        size_t len = utf8_encode(0x2590 - eighths % 8, block);
        buf_add(out, block, len);
    }
    cli_add_spaces(out, columns - (eighths + 7) / 8);
}

void cli_add_spark(struct buf *out, const double *values, uint32_t count)
{
    double largest = 0;
    for (uint32_t i = 0; i < count; i++)
        largest = isfinite(values[i]) ? MAX(largest, values[i]) : largest;
    for (uint32_t i = 0; i < count; i++) {
        char block[4];
        if (!isfinite(values[i]) || values[i] <= 0) {
            buf_add_char(out, ' ');
            continue;
        }
        long height = MAX(lround(values[i] / largest * 8), 1L); /* U+2581 is one eighth */
        size_t len = utf8_encode(0x2580 + (uint32_t)MIN(height, 8L), block);
        buf_add(out, block, len);
    }
}

/* ---- numbers ---- */

static bool number_of(const struct value *value, double *ret)
{
    return value && value_as_f64(value, ret) && isfinite(*ret);
}

str cli_human_ms(struct arena *arena, const struct value *ms)
{
    double v;
    if (!number_of(ms, &v))
        return CLI_UNKNOWN;
    if (v < 0)
        return arena_printf(arena, "%.0f ms", v);
    if (v < 0.9995)
        return arena_printf(arena, "%.0f \xC2\xB5s", v * 1000);
    if (v < 9.95)
        return arena_printf(arena, "%.1f ms", v);
    if (v < 999.5)
        return arena_printf(arena, "%.0f ms", v);
    if (v < 59950)
        return arena_printf(arena, "%.1f s", v / 1000);
    int64_t s = llround(MIN(v / 1000, 9e15));
    if (s < 3600)
        return arena_printf(arena, "%" PRId64 " m %02" PRId64 " s", s / 60, s % 60);
    if (s < 86400)
        return arena_printf(arena, "%" PRId64 " h %02" PRId64 " m", s / 3600, s % 3600 / 60);
    return arena_printf(arena, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
}

str cli_human_usd(struct arena *arena, const struct value *usd)
{
    double v;
    if (!number_of(usd, &v))
        return CLI_UNKNOWN;
    if (v < 0) /* a credit: the same without its sign */
        return arena_printf(arena, "-$%.6f", -v);
    if (v == 0)
        return STR_OF("$0");
    if (v < 0.0000005)
        return STR_OF("<$0.000001");
    return arena_printf(arena, "$%.*f", v < 0.9999995 ? 6 : v < 99.99995 ? 4 : 2, v);
}

str cli_human_count(struct arena *arena, const struct value *count)
{
    double v;
    if (!number_of(count, &v))
        return CLI_UNKNOWN;
    if (fabs(v) < 999.5)
        return arena_printf(arena, "%.0f", v);
    if (fabs(v) < 999950)
        return arena_printf(arena, "%.1fk", v / 1e3);
    if (fabs(v) < 999950000)
        return arena_printf(arena, "%.1fM", v / 1e6);
    return arena_printf(arena, "%.1fG", v / 1e9);
}

str cli_human_bytes(struct arena *arena, double bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    size_t unit = 0;
    while (bytes >= 1023.95 && unit + 1 < COUNT_OF(units)) {
        bytes /= 1024;
        unit++;
    }
    return arena_printf(arena, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
}

str cli_human_time(struct arena *arena, const struct value *rfc3339)
{
    enum { DAY = 5, CLOCK = 11, END = 19 };
    if (!rfc3339 || rfc3339->type != VALUE_STR || rfc3339->text.len < END)
        return CLI_UNKNOWN;
    str text = rfc3339->text;
    return arena_printf(arena, "%.*s %.*s", STR_ARG(str_sub(text, DAY, 5)),
                        STR_ARG(str_sub(text, CLOCK, END - CLOCK)));
}
