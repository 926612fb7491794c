/* multipart.h -- multipart/form-data (RFC 7578) that is in memory whole: one part after the other.
 *
 * Nothing is copied: a part's name, type and bytes are slices of the body.  A boundary counts only
 * at the start of a line, so bytes of a file may hold it elsewhere.  A body that ends before its
 * closing boundary is damaged: what came of it is not a whole message.
 *
 * Memory:  borrows body and boundary.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { MULTIPART_BOUNDARY_MAX = 70, MULTIPART_HEAD_BYTES_MAX = 8192 };

struct multipart {
    str body;
    size_t at;                             /* behind the boundary of the part to come */
    char mark[MULTIPART_BOUNDARY_MAX + 4]; /* CR LF - - boundary */
    size_t mark_len;
    bool is_begun, is_over;
};
struct multipart_part {
    str name;     /* of the field; STR_NONE: not said */
    str filename; /* likewise */
    str type;     /* Content-Type as written; STR_NONE: not said */
    str bytes;
};

/* The boundary that a Content-Type says.  ERR_BAD_INPUT: none, or one that RFC 2046 forbids. */
MUST_CHECK enum err multipart_boundary(str content_type, str *ret_boundary,
                                       struct diag *reterr_why);
/* `boundary` as multipart_boundary() gives it. */
void multipart_init(struct multipart *multipart, str body, str boundary);
/* The next part; ERR_NOT_FOUND: there was the closing boundary; ERR_BAD_INPUT with the offset. */
MUST_CHECK enum err multipart_next(struct multipart *multipart, struct multipart_part *ret_part,
                                   struct diag *reterr_why);
