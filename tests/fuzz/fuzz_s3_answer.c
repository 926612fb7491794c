/* fuzz_s3_answer.c -- any bytes as an object store's refusal, as a file of credentials, and as a
 * .sent file: read safely, and nothing taken for good that is not whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "content/keeper_int.h"
#include "content/objects_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    str code = s3_error_code(text);
    assert(str_is_none(code) || (code.len > 0 && code.len <= 64));
    struct s3_credentials credentials;
    if (s3_credentials_parse(text, &credentials, NULL) == ERR_OK)
        assert(credentials.key_id[0] && credentials.secret[0]);
    struct content_sent sent;
    if (size >= sizeof sent) {
        char name[OBJECT_NAME_MAX];
        memcpy(&sent, data, sizeof sent);
        if (content_sent_ok(&sent))
            content_index_name(&sent.header, name);
    }
    return 0;
}
