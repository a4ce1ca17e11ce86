/* wait.c - calls that wait, for a receipt, a report, room or a connection.
 *
 * In threaded mode the background thread does the I/O and they sleep on the
 * condition.  In polled mode they do it themselves, one at a time, and keep
 * what is for the application; a dispatch that comes along goes first.
 */
#include <poll.h>
#include <time.h>

#include "client/lib.h"

bool chd_wait_is_callback(const coherd_client *client)
{
    return client->in_callback &&
           pthread_equal(client->callback_thread, pthread_self());
}

uint64_t chd_wait_deadline_ns(int timeout_ms)
{
    return timeout_ms < 0
               ? CHD_NEVER_NS
               : chd_after(chd_lib_now_ns(), (uint64_t)timeout_ms * CHD_MS);
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / CHD_SECOND),
                             .tv_nsec = (long)(ns % CHD_SECOND)};
}

/* Conditions do not know the clock that we go by; who waits looks again at our
 * own when this one wakes him. */
static struct timespec monotonic_of(uint64_t deadline_ns)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return timespec_of(
        chd_after((uint64_t)now.tv_sec * CHD_SECOND + (uint64_t)now.tv_nsec,
                  chd_since(deadline_ns, chd_lib_now_ns())));
}

static void sleep_on_condition(coherd_client *client, uint64_t deadline_ns)
{
    if (deadline_ns == CHD_NEVER_NS) {
        pthread_cond_wait(&client->changed, &client->mutex);
    } else {
        const struct timespec until = monotonic_of(deadline_ns);
        pthread_cond_timedwait(&client->changed, &client->mutex, &until);
    }
}

static void sleep_on_descriptor(coherd_client *client, uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = atomic_load(&client->epoll_fd), .events = POLLIN};
    const struct timespec left =
        timespec_of(chd_since(deadline_ns, chd_lib_now_ns()));

    client->io_busy = true;
    pthread_mutex_unlock(&client->mutex);
    (void)ppoll(&fd, 1, deadline_ns == CHD_NEVER_NS ? NULL : &left, NULL);
    pthread_mutex_lock(&client->mutex);
    client->io_busy = false;
    pthread_cond_broadcast(&client->changed);
}

/* Do I/O for a while; the mutex is held before and after. */
static void wait_some(coherd_client *client, uint64_t deadline_ns,
                      chd_done_fn *done, const void *arg)
{
    if (client->options.mode == COHERD_THREADED || client->io_busy ||
        client->io_claims > 0) {
        sleep_on_condition(client, deadline_ns);
        return;
    }
    /* In keep mode no callback runs, so this cannot return in a child. */
    (void)chd_dispatch_turn(client, true);
    if (!done(client, arg) && !client->closing) {
        sleep_on_descriptor(client, deadline_ns);
    }
}

coherd_err chd_wait_until(coherd_client *client, uint64_t deadline_ns,
                          chd_done_fn *done, const void *arg)
{
    coherd_err err = COHERD_OK;

    client->waiting_calls++;
    while (!done(client, arg)) {
        if (client->closing) {
            err = COHERD_ERR_CLOSED;
            break;
        }
        if (chd_lib_now_ns() >= deadline_ns) {
            err = COHERD_ERR_TIMEOUT;
            break;
        }
        wait_some(client, deadline_ns, done, arg);
    }
    client->waiting_calls--;
    if (client->again_held) {
        client->again_held = false;
        chd_transport_arm(client);
    }
    if (client->closing) {
        pthread_cond_broadcast(&client->changed);
    } else if (chd_deliver_has_kept(client) || client->staleness_kept) {
        chd_transport_raise(client);
    }
    return err;
}

bool chd_wait_dispatching(coherd_client *client, uint64_t deadline_ns,
                          const chd_waiter *waiter, coherd_err *err)
{
    *err = COHERD_OK;
    client->waiting_calls++;
    while (*err == COHERD_OK && waiter->outcome == CHD_PENDING) {
        if (client->closing) {
            *err = COHERD_ERR_CLOSED;
        } else if (chd_lib_now_ns() >= deadline_ns) {
            *err = COHERD_ERR_TIMEOUT;
        } else if (client->dispatching || client->io_claims > 0 ||
                   (client->io_busy && !chd_deliver_has_kept(client))) {
            sleep_on_condition(client, deadline_ns);
        } else if (!chd_dispatch_once(client, err)) {
            return false;
        } else if (*err == COHERD_OK && !client->io_busy && !client->closing &&
                   waiter->outcome == CHD_PENDING) {
            sleep_on_descriptor(client, deadline_ns);
        }
    }
    client->waiting_calls--;
    if (client->closing) {
        pthread_cond_broadcast(&client->changed);
    }
    return true;
}

void chd_waiter_add(chd_waiter **list, chd_waiter *waiter)
{
    waiter->next = *list;
    *list = waiter;
}

void chd_waiter_remove(chd_waiter **list, chd_waiter *waiter)
{
    while (*list != waiter) {
        list = &(*list)->next;
    }
    *list = waiter->next;
}

bool chd_waiter_is_done(coherd_client *client, const void *waiter)
{
    (void)client;
    return ((const chd_waiter *)waiter)->outcome != CHD_PENDING;
}
