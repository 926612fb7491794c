/* export_int.h -- the parts of `telltale export`: where it goes, and how far it is.
 *
 * A file grows under the name NAME.part and gets its own name when it is whole.  Beside it
 * NAME.part.at says how far it is, for --resume: four lines, the question, the cursor of the next
 * page, the length of NAME.part, the number of rows.
 *
 * Memory:  struct export_out is caller's storage; its buffer is freed by export_out_close.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "cli/cli_int.h"

struct export_place {
    str question, cursor; /* the cursor is empty at the beginning */
    int64_t length, rows;
};

struct export_out {
    struct cli_call *call;
    const char *path, *part, *at; /* path NULL: standard output */
    int fd;
    int64_t length;
    struct buf held;
};
/* Resuming, *ret_place is what NAME.part.at says and the file is cut to that length: ERR_NOT_FOUND
 * when there is nothing to resume, ERR_BAD_INPUT when it cannot be. */
MUST_CHECK enum err export_out_open(struct export_out *out, struct cli_call *call,
                                    struct export_place *ret_place, struct diag *reterr_why);
/* Write what `held` has. */
MUST_CHECK enum err export_out_flush(struct export_out *out, struct diag *reterr_why);
/* Note a place that is written. */
MUST_CHECK enum err export_out_note(struct export_out *out, const struct export_place *place,
                                    struct diag *reterr_why);
/* The whole is there: on disk, under its name.  `made` is another file to take it from, or NULL. */
MUST_CHECK enum err export_out_finish(struct export_out *out, const char *made,
                                      struct diag *reterr_why);
void export_out_close(struct export_out *out);
