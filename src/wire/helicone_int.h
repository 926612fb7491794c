/* helicone_int.h -- what the files of Helicone's codec share.
 *
 * Memory:  as helicone.h.
 * Threads: as helicone.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/helicone.h"
#include "wire/tree.h"

/* A streamed answer, as it was logged: lines of JSON, with or without "data:" in front.  An answer
 * of the form that the same provider gives without streaming; false: the text is none of these, or
 * memory ran out (*ret_spent). */
MUST_CHECK bool helicone_stream(struct arena *arena, str text, struct value *ret, bool *ret_spent);
