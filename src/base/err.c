/* err.c -- the error table and the diagnosis that goes with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/err.h"
#include "base/check.h"
#include <stdio.h>

#undef diag_set /* what the analyser is told of them; here they are made */
#undef diag_set_at

struct row {
    const char *name;
    const char *text;
    int http;
    int grpc;
    bool retryable;
};

static const struct row rows[ERR_COUNT] = {
#define ERR(name, http, grpc, retryable, text) { #name, text, http, grpc, retryable },
#include "base/err.def"
#undef ERR
};

static const struct row *row_of(enum err code)
{
    assert(code >= 0 && code < ERR_COUNT);
    return &rows[code];
}

const char *err_name(enum err code)
{
    return row_of(code)->name;
}

const char *err_text(enum err code)
{
    return row_of(code)->text;
}

int err_http_status(enum err code)
{
    return row_of(code)->http;
}

int err_grpc_code(enum err code)
{
    return row_of(code)->grpc;
}

bool err_is_retryable(enum err code)
{
    return row_of(code)->retryable;
}

PRINTF(4, 0)
static enum err diag_fill(struct diag *why, enum err code, size_t offset, const char *format,
                          va_list args)
{
    assert(code != ERR_OK);
    if (!why)
        return code;
    why->code = code;
    why->offset = offset;
    why->hint[0] = '\0';
    vsnprintf(why->text, sizeof why->text, format, args);
    return code;
}

enum err diag_set(struct diag *reterr_why, enum err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    diag_fill(reterr_why, code, SIZE_MAX, format, args);
    va_end(args);
    return code;
}

enum err diag_set_at(struct diag *reterr_why, enum err code, size_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    diag_fill(reterr_why, code, offset, format, args);
    va_end(args);
    return code;
}

enum err diag_hint(struct diag *reterr_why, const char *format, ...)
{
    if (!reterr_why)
        return ERR_INTERNAL;
    va_list args;
    va_start(args, format);
    vsnprintf(reterr_why->hint, sizeof reterr_why->hint, format, args);
    va_end(args);
    return reterr_why->code;
}
