/* err.h -- one enum for every failure, one table for what it means outside.
 *
 * A function that can fail returns enum err (ERR_OK is 0) and is MUST_CHECK;
 * its results go through ret_x parameters, written only on success, and the
 * human detail through an optional last `struct diag *reterr_why`.
 * Whoever returns an error does not log it.
 *
 * Memory:  struct diag is caller's storage, no allocation.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include <stdarg.h>

enum err {
#define ERR(name, http, grpc, retryable, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

enum { DIAG_TEXT_MAX = 256, DIAG_HINT_MAX = 160 };

/* What went wrong, for a human.  Never holds content, keys or secrets. */
struct diag {
    enum err code;
    size_t offset;            /* byte in the input where it was noticed; SIZE_MAX = unknown */
    char text[DIAG_TEXT_MAX]; /* NUL-terminated */
    char hint[DIAG_HINT_MAX]; /* what to do about it; "" when there is nothing to say */
};

#define DIAG_NONE ((struct diag){ .offset = SIZE_MAX })

const char *err_name(enum err code); /* "BAD_INPUT" */
const char *err_text(enum err code); /* "malformed input" */
int err_http_status(enum err code);  /* 400 */
int err_grpc_code(enum err code);    /* 3 */
bool err_is_retryable(enum err code);

/* Set *reterr_why (may be NULL) and return `code`, so that a failing function
 * is one line: return diag_set(reterr_why, ERR_LIMIT, "...", ...). */
enum err diag_set(struct diag *reterr_why, enum err code, const char *format, ...) PRINTF(3, 4);
enum err diag_set_at(struct diag *reterr_why, enum err code, size_t offset, const char *format, ...)
    PRINTF(4, 5);
/* Add what to do about it; returns the code already set. */
enum err diag_hint(struct diag *reterr_why, const char *format, ...) PRINTF(2, 3);

#ifdef __clang_analyzer__
/* For the static analyser, which cannot look into err.c: what was set comes back, never 0. */
#define diag_set(why, code, ...) (diag_set((why), (code), __VA_ARGS__), (code))
#define diag_set_at(why, code, ...) (diag_set_at((why), (code), __VA_ARGS__), (code))
#endif
