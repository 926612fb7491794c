/* log.c -- one line, one write; constant messages, typed fields.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/log.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "sys/clock.h"
#include <stdatomic.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 8192, FIELD_BYTES_MAX = 512, TAIL_BYTES = 96 };

static _Atomic int configured_level = LOG_LEVEL_INFO;
static _Atomic int configured_format = LOG_FORMAT_LOGFMT;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_configure(enum log_level level, enum log_format format)
{
    atomic_store(&configured_level, (int)level);
    atomic_store(&configured_format, (int)format);
}

/* True when this line may pass; *ret_suppressed: how many did not since the last. */
static bool site_allows(struct log_site *site, int64_t now_ns, uint32_t *ret_suppressed)
{
    int64_t second = now_ns / NS_PER_S;
    *ret_suppressed = 0;
    if (atomic_load(&site->second) != second) {
        atomic_store(&site->second, second);
        atomic_store(&site->count, 0);
        *ret_suppressed = atomic_exchange(&site->suppressed, 0);
    }
    if (atomic_fetch_add(&site->count, 1) < LOG_LINES_PER_SITE_PER_S)
        return true;
    atomic_fetch_add(&site->suppressed, 1);
    return false;
}

static void add_value(struct buf *out, const struct log_kv *kv)
{
    switch (kv->type) {
    case LOG_KV_STR:
        buf_add_json_str(out, str_sub(kv->text, 0, FIELD_BYTES_MAX));
        break;
    case LOG_KV_I64:
        buf_add_i64(out, kv->i64);
        break;
    case LOG_KV_U64:
        buf_add_u64(out, kv->u64);
        break;
    case LOG_KV_F64:
        buf_add_f64(out, kv->f64);
        break;
    case LOG_KV_SECRET:
        buf_printf(out, "\"<%zu bytes, %08x>\"", kv->text.len,
                   (unsigned)(hash_str(kv->text) & 0xffffffff));
        break;
    }
}

static void add_field(struct buf *out, bool json, const struct log_kv *kv)
{
    if (json) {
        buf_add_c(out, ",");
        buf_add_json_str(out, str_from_c(kv->key));
        buf_add_c(out, ":");
    } else {
        buf_printf(out, " %s=", kv->key);
    }
    add_value(out, kv);
}

/* The fields that fit; how many did not. A line is never lost to a field of its sender's. */
static uint64_t add_fields(struct buf *out, bool json, const struct log_kv *fields, size_t count)
{
    uint64_t left_out = 0;
    for (size_t i = 0; i < count; i++) {
        size_t before = out->len;
        add_field(out, json, &fields[i]);
        if (!buf_failed(out))
            continue;
        out->failed = false;
        out->len = before;
        left_out++;
    }
    return left_out;
}

static void add_start(struct buf *out, bool json, enum log_level level, const char *message)
{
    buf_add_c(out, json ? "{\"time\":\"" : "time=");
    time_format(out, clock_now_ns(), 3);
    buf_printf(out, json ? "\",\"level\":\"%s\",\"msg\":" : " level=%s msg=", level_names[level]);
    buf_add_json_str(out, str_from_c(message));
}

void log_line(struct log_site *site, enum log_level level, const char *message,
              const struct log_kv *fields, size_t count)
{
    assert(site && message);
    uint32_t suppressed;
    if ((int)level < atomic_load(&configured_level) ||
        !site_allows(site, clock_now_ns(), &suppressed))
        return;
    bool json = atomic_load(&configured_format) == LOG_FORMAT_JSON;
    struct buf out;
    buf_init(&out, LINE_BYTES_MAX - TAIL_BYTES);
    add_start(&out, json, level, message);
    uint64_t left_out = add_fields(&out, json, fields, count);
    out.max_bytes = LINE_BYTES_MAX;
    if (left_out)
        add_field(&out, json, &KV_U64("fields_left_out", left_out));
    if (suppressed)
        add_field(&out, json, &KV_U64("suppressed", suppressed));
    buf_add_c(&out, json ? "}\n" : "\n");
    if (!buf_failed(&out)) {
        ssize_t wrote = write(2, out.ptr, out.len);
        (void)wrote; /* nobody to tell */
    }
    buf_clear(&out);
}
