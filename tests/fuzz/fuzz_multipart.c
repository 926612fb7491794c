/* fuzz_multipart.c -- multipart bodies: parts lie in the body, in order, and reading ends.
 *
 * The first line of the input is the Content-Type.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(str body, str piece)
{
    assert(piece.len == 0 ||
           (piece.ptr >= body.ptr && piece.ptr + piece.len <= body.ptr + body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str body = str_make((const char *)data, size), type, boundary;
    struct multipart multipart;
    struct multipart_part part;
    struct diag why = DIAG_NONE;
    if (!str_next(&body, '\n', &type) || str_is_none(body) ||
        multipart_boundary(type, &boundary, &why) != ERR_OK)
        return 0;
    assert(boundary.len > 0 && boundary.len <= MULTIPART_BOUNDARY_MAX);
    multipart_init(&multipart, body, boundary);
    const char *last = body.ptr;
    enum err err;
    size_t count = 0;
    while ((err = multipart_next(&multipart, &part, &why)) == ERR_OK) {
        inside(body, part.name);
        inside(body, part.filename);
        inside(body, part.type);
        inside(body, part.bytes);
        assert(part.bytes.len == 0 || part.bytes.ptr > last);
        if (part.bytes.len)
            last = part.bytes.ptr;
        assert(++count <= size);
    }
    assert(err == ERR_NOT_FOUND || err == ERR_BAD_INPUT);
    assert(multipart_next(&multipart, &part, &why) == err);
    return 0;
}
