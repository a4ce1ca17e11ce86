/* staleness.c - how old what the application knows may be.
 *
 * The I/O role publishes the engine's horizon; readers subtract it from the
 * clock.  Nothing has to arrive for staleness to grow, so a reader needs no
 * lock, and a client whose thread is stuck cannot look fresh.
 */
#include <errno.h>

#include "client/lib.h"

void chd_staleness_publish(coherd_client *client)
{
    const uint64_t horizon_ns = chd_client_horizon_ns(client->engine);

    /* A child's new engine knows nothing yet, but what the child copied from
     * its parent's memory is as fresh as it was there. */
    if (horizon_ns >
        atomic_load_explicit(&client->horizon_ns, memory_order_relaxed)) {
        atomic_store_explicit(&client->horizon_ns, horizon_ns,
                              memory_order_release);
    }
}

static uint64_t bound_ns(const coherd_client *client)
{
    const uint64_t ms = client->options.staleness_bound_ms;
    return ms > UINT64_MAX / CHD_MS ? UINT64_MAX : ms * CHD_MS;
}

static bool is_exceeded(const coherd_client *client)
{
    const uint64_t horizon_ns = atomic_load(&client->horizon_ns);

    return horizon_ns == 0 ||
           chd_since(chd_lib_now_ns(), horizon_ns) > bound_ns(client);
}

bool chd_staleness_turn(coherd_client *client, bool keep)
{
    chd_staleness_publish(client);
    if (client->options.staleness_bound_ms == 0) {
        return true;
    }
    const bool within = !is_exceeded(client);
    const bool news = within != client->staleness_within;
    client->staleness_kept = news && keep;
    if (!news || keep) {
        return true;
    }
    client->staleness_within = within;
    return chd_deliver_staleness(client, !within);
}

uint64_t chd_staleness_deadline_ns(const coherd_client *client)
{
    if (!client->staleness_within || client->staleness_kept) {
        return CHD_NEVER_NS;
    }
    return chd_after(atomic_load(&client->horizon_ns),
                     chd_after(bound_ns(client), 1));
}

uint64_t coherd_staleness(coherd_client *client)
{
    if (client == NULL) {
        return COHERD_STALENESS_UNKNOWN;
    }
    if (chd_lib_is_child(client)) {
        const int saved = errno;
        if (chd_lib_enter(client) == COHERD_OK) {
            chd_lib_leave(client, saved);
        }
        errno = saved;
    }
    /* First the horizon, then the clock: in between it only grows older. */
    const uint64_t horizon_ns =
        atomic_load_explicit(&client->horizon_ns, memory_order_acquire);
    if (horizon_ns == 0) {
        return COHERD_STALENESS_UNKNOWN;
    }
    const uint64_t age_ns = chd_since(chd_lib_now_ns(), horizon_ns);
    return age_ns / CHD_MS + (age_ns % CHD_MS != 0);
}
