/* metrics.h - everything that is counted or measured, in the text format of
 * Prometheus (version 0.0.4).
 *
 * The number of series does not depend on the number of peers or sessions.
 */
#ifndef CHD_BROKER_METRICS_H
#define CHD_BROKER_METRICS_H

#include "broker/tally.h"
#include "broker/text.h"
#include "proto/core/core.h"

#define CHD_METRICS_BYTES_MAX ((size_t)64 * 1024)
#define CHD_MEMBER_STATES 5

typedef struct chd_metrics {
    chd_stats stats;
    chd_tally tally;
    chd_node_report node;
    uint64_t members[CHD_MEMBER_STATES]; /* by chd_member_state */
    uint64_t members_counted;            /* for freshness */
    uint64_t open_fds;
    uint64_t max_fds;
    uint64_t loop_lag_ns; /* longest of the last minute or two */
} chd_metrics;

/* Ask the core for its part. */
void chd_metrics_collect(chd_metrics *metrics, const chd_core *core,
                         chd_now now);

/* Write all of it. */
void chd_metrics_write(const chd_metrics *metrics, chd_writer *writer);

#endif
