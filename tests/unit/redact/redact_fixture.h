/* redact_fixture.h -- one redactor for all tests of a program, and short calls.
 *
 * Memory:  everything lives until fixture_close().
 * Threads: one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "redact/redact_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct redactor *redactor;
    struct redact_scratch *scratch;
    struct arena arena;
    struct redact_policy policy;
};

enum { FIXTURE_ARENA_BYTES = 256 << 20 };

static UNUSED int fixture_open(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof *fixture);
    struct crypt_key key = { { 1, 2, 3 } };
    arena_init(&fixture->arena, FIXTURE_ARENA_BYTES);
    fixture->policy = redact_policy_default;
    if (redactor_new(&key, &fixture->redactor, NULL) != ERR_OK)
        return -1;
    fixture->scratch = redact_scratch_new(fixture->redactor);
    *state = fixture;
    return 0;
}

static UNUSED int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    redact_scratch_free(fixture->scratch);
    redactor_free(fixture->redactor);
    arena_clear(&fixture->arena);
    xfree(fixture);
    return 0;
}

/* The text after redaction, NUL-terminated; replacements name their kind. */
static UNUSED const char *named(struct fixture *fixture, const char *text)
{
    str safe;
    struct redact_policy policy = fixture->policy;
    policy.name_kind = true;
    assert_int_equal(redact_text(fixture->redactor, fixture->scratch, &policy, &fixture->arena,
                                 str_from_c(text), &safe, NULL),
                     ERR_OK);
    str copy = arena_printf(&fixture->arena, "%.*s", STR_ARG(safe));
    assert_non_null(copy.ptr);
    return copy.ptr;
}

static UNUSED const char *plain(struct fixture *fixture, const char *text)
{
    str safe;
    assert_int_equal(redact_text(fixture->redactor, fixture->scratch, &fixture->policy,
                                 &fixture->arena, str_from_c(text), &safe, NULL),
                     ERR_OK);
    str copy = arena_printf(&fixture->arena, "%.*s", STR_ARG(safe));
    assert_non_null(copy.ptr);
    return copy.ptr;
}
