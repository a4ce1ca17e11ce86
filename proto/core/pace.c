#include "proto/core/pace.h"

chd_err chd_pace_init(chd_pace *pace, const chd_mem *mem)
{
    *pace = (chd_pace){.mem = mem};
    pace->flights = chd_zalloc(mem, CHD_PACE_MESSAGES_MAX, sizeof(chd_flight));
    return pace->flights == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_pace_fini(chd_pace *pace)
{
    chd_free(pace->mem, pace->flights);
    *pace = (chd_pace){.mem = NULL};
}

static chd_flight *flight(const chd_pace *pace, uint64_t count)
{
    return &pace->flights[count % CHD_PACE_MESSAGES_MAX];
}

void chd_pace_sent(chd_pace *pace, uint64_t last, size_t bytes)
{
    if (pace->next - pace->first == CHD_PACE_MESSAGES_MAX) {
        /* Sent against the pace: the oldest one counts no more. */
        chd_pace_landed(pace, flight(pace, pace->first)->last);
    }
    pace->sent_bytes += bytes;
    *flight(pace, pace->next) = (chd_flight){last, pace->sent_bytes};
    pace->next++;
}

void chd_pace_landed(chd_pace *pace, uint64_t seq)
{
    while (pace->first < pace->next && flight(pace, pace->first)->last <= seq) {
        pace->landed_bytes = flight(pace, pace->first)->bytes;
        pace->first++;
    }
}

uint64_t chd_pace_bytes(const chd_pace *pace)
{
    return pace->sent_bytes - pace->landed_bytes;
}

bool chd_pace_is_open(const chd_pace *pace)
{
    return pace->next - pace->first < CHD_PACE_MESSAGES_MAX &&
           chd_pace_bytes(pace) < CHD_PACE_BYTES_MAX;
}
