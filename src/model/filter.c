/* filter.c -- what is to be known of a filter's tree without a store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/filter.h"

bool field_is_counted(enum field field)
{
    if (field >= FIELD_COUNT)
        return false;
    enum field_type type = field_table[field].type;
    if (type == FIELD_TYPE_NANO)
        return true;
    bool is_total =
        field == FIELD_input_tokens || field == FIELD_output_tokens || field == FIELD_total_tokens;
    return is_total || (type == FIELD_TYPE_I64 &&
                        str_starts(str_from_c(field_table[field].json), STR_OF("usage.")));
}

enum field field_of_score(str name)
{
    static const enum field fields[] = { FIELD_faithfulness, FIELD_answer_relevance,
                                         FIELD_context_recall };
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (str_equal_c(name, field_table[fields[i]].json))
            return fields[i];
    return FIELD_COUNT;
}

const struct filter *filter_beyond_span(const struct filter *filter, bool sent_scores)
{
    if (!filter)
        return NULL;
    if (filter->op > FILTER_NOT) {
        bool is_score = !str_is_none(filter->score) &&
                        !(sent_scores && field_of_score(filter->score) != FIELD_COUNT);
        return filter->op >= FILTER_ANY || filter->fold != FOLD_NONE || is_score ? filter : NULL;
    }
    const struct filter *found = filter_beyond_span(filter->left, sent_scores);
    if (found || filter->op == FILTER_NOT)
        return found;
    return filter_beyond_span(filter->right, sent_scores);
}
