/* prepare.c -- compiles the redaction rules when the server is built.
 *
 * usage: redact_prepare OUTPUT.c
 * Writes rules_prepared of redact_int.h.  Runs in the build only; what it writes
 * is read with the byte order it was written in, by the library it was built with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"
#include "sys/file.h"
#include <stdio.h>

enum { SOURCE_BYTES_MAX = 64 << 20, FILE_MODE = 0644, NUMBERS_PER_LINE = 5 };

/* redactor.c asks for them; the rules are not there yet. */
const uint64_t rules_prepared[] = { 0 };
const size_t rules_prepared_bytes = 0;

static void source_write(struct buf *out, str prepared)
{
    buf_add_c(out, "#include \"redact/redact_int.h\"\nconst uint64_t rules_prepared[] = {");
    for (size_t at = 0; at < prepared.len; at += sizeof(uint64_t)) {
        uint64_t number = 0;
        memcpy(&number, prepared.ptr + at, MIN(sizeof number, prepared.len - at));
        bool starts_line = at / sizeof number % NUMBERS_PER_LINE == 0;
        buf_printf(out, "%sUINT64_C(0x%llx),", starts_line ? "\n" : "", (unsigned long long)number);
    }
    buf_printf(out, "\n};\nconst size_t rules_prepared_bytes = %zu;\n", prepared.len);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    struct diag why = DIAG_NONE;
    struct redactor *redactor = NULL;
    struct buf prepared;
    struct buf source;
    buf_init(&prepared, SOURCE_BYTES_MAX);
    buf_init(&source, SOURCE_BYTES_MAX);
    enum err code = redactor_new(NULL, &redactor, &why);
    if (!code)
        code = rules_prepare(redactor, &prepared);
    if (!code)
        source_write(&source, buf_str(&prepared));
    if (!code)
        code = file_replace(argv[1], buf_str(&source), FILE_MODE, &why);
    if (code)
        fprintf(stderr, "redact_prepare: %s: %s\n", err_text(code), why.text);
    redactor_free(redactor);
    buf_clear(&prepared);
    buf_clear(&source);
    return code ? 1 : 0;
}
