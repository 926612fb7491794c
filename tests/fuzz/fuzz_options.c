/* fuzz_options.c -- any text as an option, a time, a duration or base64: refused, or what is
 * read is written in a form that reads the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "conf/bind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    str text;
    bool flag;
    int64_t number, duration, bytes;
    double share;
    int32_t choice;
    struct bind_strs list;
};
#define ROW(key, type, member, fallback, max, unit)                                                \
    {                                                                                              \
        "o", key, type, offsetof(struct target, member), fallback, 0, max, unit, 0, ""             \
    }
static const struct bind_row rows[] = {
    ROW("text", BIND_STR, text, "", 100, ""),
    ROW("flag", BIND_BOOL, flag, "false", 0, ""),
    ROW("number", BIND_I64, number, "1", 1000000, ""),
    ROW("share", BIND_F64, share, "0.5", 10, ""),
    ROW("duration", BIND_DURATION, duration, "1s", INT64_MAX, ""),
    ROW("bytes", BIND_BYTES, bytes, "1KiB", INT64_MAX, ""),
    ROW("choice", BIND_CHOICE, choice, "a", 0, "a|bc|d"),
    ROW("list", BIND_STRS, list, "", 0, ""),
};

static void bind_it(str argument)
{
    struct arena arena;
    struct target target;
    struct buf written, again;
    struct diag why = DIAG_NONE;
    arena_init(&arena, MIB);
    buf_init(&written, MIB);
    buf_init(&again, MIB);
    struct binding binding = { .rows = rows, .count = COUNT_OF(rows), .arena = &arena };
    enum err err = bind_init(&binding, &target, sizeof target, NULL);
    assert(!err);
    err = bind_argument(&binding, argument, &why);
    assert(err ? why.code == err && why.text[0] : true);
    for (size_t i = 0; !err && i < COUNT_OF(rows); i++) {
        bool is_quoted = rows[i].type == BIND_STR || rows[i].type == BIND_STRS;
        if (binding.origins[i] != BIND_ARGUMENT || is_quoted)
            continue;
        buf_printf(&written, "--o.%s=", rows[i].key);
        size_t name_len = written.len;
        bind_value_print(&written, &binding, &rows[i]);
        enum err second = bind_argument(&binding, buf_str(&written), NULL);
        assert(!second);
        bind_value_print(&again, &binding, &rows[i]);
        assert(str_equal(str_from(buf_str(&written), name_len), buf_str(&again)));
    }
    buf_clear(&written);
    buf_clear(&again);
    arena_clear(&arena);
}

static void read_time(str text)
{
    int64_t time_ns, again;
    struct buf out;
    if (!time_parse(text, &time_ns))
        return;
    buf_init(&out, KIB);
    time_format(&out, time_ns, 9);
    assert(time_parse(buf_str(&out), &again) ? again == time_ns : time_ns < 0);
    assert(day_start(day_from_time(time_ns)) <= time_ns || time_ns < 0);
    buf_clear(&out);
}

static void read_base64(str text)
{
    struct buf out;
    size_t len, again_len;
    char *bytes = xmalloc(base64_decoded_max(text.len)), *again;
    if (base64_decode(text, bytes, &len)) {
        assert(len <= base64_decoded_max(text.len));
        buf_init(&out, 4 * text.len + 16);
        base64_encode(&out, bytes, len);
        again = xmalloc(base64_decoded_max(out.len));
        assert(base64_decode(buf_str(&out), again, &again_len));
        assert(again_len == len && memcmp(again, bytes, len) == 0);
        xfree(again);
        buf_clear(&out);
    }
    xfree(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    int64_t ns;
    double number;
    if (duration_parse(text, &ns))
        assert(ns >= 0);
    if (str_to_f64(text, &number))
        assert(number - number == 0); /* finite */
    read_time(text);
    read_base64(text);
    bind_it(text);
    return 0;
}
