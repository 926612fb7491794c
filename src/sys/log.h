/* log.h -- structured log lines to stderr; content cannot be logged.
 *
 * log_warn("span dropped", KV_STR("tenant", t), KV_U64("attributes", n));
 * A constant message and typed fields.  There is no field type for prompt or
 * answer text; KV_SECRET prints a length and a short hash.  Each call site is
 * rate-limited; the next line that passes says how many were suppressed.
 *
 * Memory:  none kept.
 * Threads: any; one write(2) per line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_kv_type { LOG_KV_STR, LOG_KV_I64, LOG_KV_U64, LOG_KV_F64, LOG_KV_SECRET };
struct log_kv {
    const char *key;
    enum log_kv_type type;
    str text;
    int64_t i64;
    uint64_t u64;
    double f64;
};
#define KV_STR(k, s) ((struct log_kv){ .key = (k), .type = LOG_KV_STR, .text = (s) })
#define KV_C(k, s) KV_STR(k, str_from_c(s))
#define KV_I64(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_I64, .i64 = (v) })
#define KV_U64(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_U64, .u64 = (v) })
#define KV_F64(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_F64, .f64 = (v) })
#define KV_SECRET(k, s) ((struct log_kv){ .key = (k), .type = LOG_KV_SECRET, .text = (s) })
#define KV_ERR(e) KV_C("error", err_name(e))
#define KV_WHY(diag) KV_C("why", (diag)->text)

/* One per call site, static: when the current second began, lines in it. */
struct log_site {
    _Atomic int64_t second;
    _Atomic uint32_t count;
    _Atomic uint32_t suppressed;
};
enum { LOG_LINES_PER_SITE_PER_S = 20 };

void log_configure(enum log_level level, enum log_format format);
void log_line(struct log_site *site, enum log_level level, const char *message,
              const struct log_kv *fields, size_t count);

#define LOG_AT(level, message, ...)                                                                \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        const struct log_kv log_fields[] = { { 0 }, ##__VA_ARGS__ };                               \
        log_line(&log_site_here, (level), (message), log_fields + 1, COUNT_OF(log_fields) - 1);    \
    } while (0)
#define log_debug(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
