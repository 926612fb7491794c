/* events.c -- lists of events: deploys for the lines of charts, outcomes, feedback, evaluations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"

API_HANDLER(api_list_events)
{
    struct store_scores ask;
    enum err err =
        query_plan_events(job->query, job->query_count, clock_now_ns(), &ask, reterr_why);
    return err ? err : api_answer_scores(job, &ask, query_event_json, reterr_why);
}
