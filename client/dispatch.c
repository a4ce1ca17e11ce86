/* dispatch.c - the I/O role: read, handle, tick, write, arm.
 *
 * Steps that may call the application return false when the call came back in
 * a child process; then nothing may be touched any more, not even the mutex.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "client/lib.h"

/* --- telling how the connection stands ------------------------------------ */

static chd_why why_not(coherd_err reason, int sys_errno)
{
    return (chd_why){.reason = reason, .sys_errno = sys_errno};
}

/* Tell the application unless it knows already. */
static bool tell(coherd_client *client, const chd_why *why, bool keep)
{
    const chd_why *last = &client->why;

    pthread_cond_broadcast(&client->changed);
    if (!why->connected && !last->connected && last->text[0] != '\0' &&
        why->reason == last->reason && why->sys_errno == last->sys_errno) {
        return true;
    }
    client->why = *why;
    return chd_deliver_why(client, why, keep);
}

/* End the connection and tell why. */
static bool lose(coherd_client *client, const chd_why *why, bool keep)
{
    chd_transport_disconnect(client);
    chd_client_disconnected(client->engine, chd_lib_now_ns());
    chd_floors_hearing(client, false);
    client->farewell = (chd_why){0};
    return tell(client, why, keep);
}

static bool lose_at_end(coherd_client *client, int cause, bool keep)
{
    chd_why why = client->farewell;

    if (why.reason == COHERD_OK) {
        why = why_not(COHERD_ERR_DISCONNECTED, 0);
        if (cause == 0) {
            snprintf(why.text, sizeof(why.text),
                     "the sidecar closed the connection");
        } else {
            char buf[128];
            snprintf(why.text, sizeof(why.text), "the connection broke: %s",
                     strerror_r(cause, buf, sizeof(buf)));
        }
    }
    return lose(client, &why, keep);
}

static bool try_to_connect(coherd_client *client, bool keep)
{
    const int cause = chd_transport_connect(client);

    if (cause == 0) {
        chd_client_connected(client->engine, chd_lib_now_ns());
        return true;
    }
    char buf[128];
    chd_why why = why_not(COHERD_ERR_SYSTEM, cause);
    snprintf(why.text, sizeof(why.text), "cannot connect to %s: %s",
             client->address.sun_path, strerror_r(cause, buf, sizeof(buf)));
    return lose(client, &why, keep);
}

/* --- what arrived --------------------------------------------------------- */

static bool on_welcome(coherd_client *client, const chd_delivery *delivery,
                       bool keep)
{
    const chd_local_welcome *welcome = &delivery->local.u.welcome;
    chd_why why = {
        .connected = true, .node = welcome->node, .refused = delivery->refused};

    snprintf(why.text, sizeof(why.text),
             "connected to sidecar %.*s of cluster %.*s",
             (int)welcome->node_name.len, (const char *)welcome->node_name.ptr,
             (int)welcome->cluster.len, (const char *)welcome->cluster.ptr);
    if (delivery->refused > 0) {
        for (chd_waiter *w = client->receipt_waiters; w != NULL; w = w->next) {
            if (w->outcome == CHD_PENDING && !w->accepted &&
                !chd_client_is_pending(client->engine, w->request)) {
                w->outcome = CHD_REFUSED;
            }
        }
        client->room++;
    }
    chd_floors_hearing(client, true);
    return tell(client, &why, keep);
}

static void on_receipt(coherd_client *client, const chd_local_receipt *receipt)
{
    chd_confirm_receipt(client, receipt);
    client->room++;
    pthread_cond_broadcast(&client->changed);
}

static void on_report(coherd_client *client, uint64_t request,
                      chd_bytes message)
{
    for (chd_waiter *w = client->report_waiters; w != NULL; w = w->next) {
        if (w->outcome != CHD_PENDING || w->request > request) {
            continue;
        }
        w->report = malloc(message.len);
        w->outcome = w->report == NULL ? CHD_FAILED : CHD_DONE;
        if (w->report != NULL) {
            memcpy(w->report, message.ptr, message.len);
            w->report_len = message.len;
        }
    }
    pthread_cond_broadcast(&client->changed);
}

static void on_error(coherd_client *client, const chd_local_error_msg *error)
{
    coherd_err reason = COHERD_ERR_PROTOCOL;

    if (error->code == CHD_LOCAL_ERR_VERSION) {
        reason = COHERD_ERR_VERSION;
    } else if (error->code == CHD_LOCAL_ERR_LIMIT) {
        reason = COHERD_ERR_LIMIT;
    } else if (error->code == CHD_LOCAL_ERR_STUCK ||
               error->code == CHD_LOCAL_ERR_STATE) {
        reason = COHERD_ERR_DISCONNECTED;
    }
    client->farewell = why_not(reason, 0);
    snprintf(client->farewell.text, sizeof(client->farewell.text),
             "the sidecar refused: %.*s", (int)error->text.len,
             (const char *)error->text.ptr);
}

static void on_unreadable(coherd_client *client, chd_err err)
{
    client->farewell = why_not(
        err == CHD_EVERSION ? COHERD_ERR_VERSION : COHERD_ERR_PROTOCOL, 0);
    snprintf(client->farewell.text, sizeof(client->farewell.text),
             "the sidecar sent something unexpected: %s", chd_err_text(err));
}

typedef enum next_step { GO_ON, LOSE, CHILD } next_step;

static next_step handle(coherd_client *client, chd_bytes message, bool keep)
{
    chd_delivery delivery;
    bool here = true;
    const chd_err err = chd_client_receive(client->engine, chd_lib_now_ns(),
                                           message, &delivery);

    if (err != CHD_OK) {
        on_unreadable(client, err);
        return LOSE;
    }
    switch (delivery.kind) {
    case CHD_DELIVERY_NONE:
        break;
    case CHD_DELIVERY_WELCOME:
        here = on_welcome(client, &delivery, keep);
        break;
    case CHD_DELIVERY_EVENTS:
    case CHD_DELIVERY_RESET:
        here = chd_deliver_message(client, &delivery.local, message,
                                   &delivery.mark, keep);
        break;
    case CHD_DELIVERY_RECEIPT:
        on_receipt(client, &delivery.local.u.receipt);
        break;
    case CHD_DELIVERY_CONFIRMED:
        chd_confirm_answer(client, &delivery.local.u.confirmed);
        break;
    case CHD_DELIVERY_AWAITED:
        chd_confirm_awaited(client, delivery.local.u.request);
        break;
    case CHD_DELIVERY_REPLICATED:
        chd_confirm_replicated(client);
        client->room++;
        pthread_cond_broadcast(&client->changed);
        break;
    case CHD_DELIVERY_REPORT:
        on_report(client, delivery.local.u.report.request, message);
        break;
    case CHD_DELIVERY_ERROR:
        on_error(client, &delivery.local.u.error);
        return LOSE;
    case CHD_DELIVERY_GOODBYE:
        chd_floors_hearing(client, false);
        client->farewell = why_not(COHERD_ERR_DISCONNECTED, 0);
        snprintf(client->farewell.text, sizeof(client->farewell.text),
                 "the sidecar is shutting down");
        break;
    }
    return here ? GO_ON : CHILD;
}

/* Handle every whole message in the buffer. */
static next_step handle_all(coherd_client *client, bool keep)
{
    while (!client->closing) {
        chd_bytes stream = chd_bytes_of(client->in + client->in_begin,
                                        client->in_end - client->in_begin);
        chd_bytes message;
        const chd_err err = chd_frame_next(&stream, &message);
        if (err != CHD_OK) {
            on_unreadable(client, err);
            return LOSE;
        }
        if (message.len == 0) {
            break;
        }
        client->in_begin = client->in_end - stream.len;
        const next_step next = handle(client, message, keep);
        if (next != GO_ON) {
            return next;
        }
        chd_staleness_publish(client);
    }
    if (client->in_begin == client->in_end) {
        client->in_begin = client->in_end = 0;
    }
    return GO_ON;
}

static bool read_and_handle(coherd_client *client, bool keep)
{
    for (int i = 0; i < CHD_READS_MAX && !client->closing; i++) {
        const chd_read got = chd_transport_read(client);
        const int cause = errno;
        const next_step next = handle_all(client, keep);
        if (next == CHILD) {
            return false;
        }
        if (next == LOSE || got == CHD_READ_END) {
            return lose_at_end(client, cause, keep);
        }
        if (got == CHD_READ_ALL) {
            break;
        }
    }
    return true;
}

bool chd_dispatch_turn(coherd_client *client, bool keep)
{
    bool here = true;

    client->again_held = keep;
    chd_transport_lower(client);
    if (atomic_load(&client->socket_fd) >= 0) {
        here = read_and_handle(client, keep);
    }
    if (!here || client->closing) {
        return here;
    }
    switch (chd_client_tick(client->engine, chd_lib_now_ns())) {
    case CHD_CLIENT_WAIT:
        break;
    case CHD_CLIENT_CONNECT:
        here = try_to_connect(client, keep);
        break;
    case CHD_CLIENT_DROP: {
        chd_why why = why_not(COHERD_ERR_TIMEOUT, 0);
        snprintf(why.text, sizeof(why.text), "the sidecar does not answer");
        here = lose(client, &why, keep);
        break;
    }
    }
    if (!here || (!keep && !chd_deliver_again(client)) ||
        !chd_staleness_turn(client, keep) || !chd_confirm_turn(client, keep)) {
        return false;
    }
    chd_transport_flush(client);
    chd_transport_arm(client);
    return true;
}

/* --- who has the I/O role ------------------------------------------------- */

void *chd_dispatch_thread(void *arg)
{
    coherd_client *client = arg;
    struct epoll_event event;

    pthread_mutex_lock(&client->mutex);
    while (!client->closing) {
        if (!chd_dispatch_turn(client, false)) {
            return NULL;
        }
        if (client->closing) {
            break;
        }
        const int fd = atomic_load(&client->epoll_fd);
        pthread_mutex_unlock(&client->mutex);
        (void)epoll_wait(fd, &event, 1, -1);
        pthread_mutex_lock(&client->mutex);
    }
    pthread_mutex_unlock(&client->mutex);
    return NULL;
}

/* Take the I/O role from a waiting call; false when the client is closing. */
static bool claim(coherd_client *client)
{
    client->io_claims++;
    while (client->io_busy && !client->closing) {
        chd_transport_raise(client);
        pthread_cond_wait(&client->changed, &client->mutex);
    }
    client->io_claims--;
    return !client->closing;
}

bool chd_dispatch_once(coherd_client *client, coherd_err *err)
{
    if (chd_wait_is_callback(client)) {
        *err = COHERD_ERR_MODE;
        return true;
    }
    if (client->dispatching) {
        return true; /* another thread is at it */
    }
    client->waiting_calls++;
    if (claim(client)) {
        client->io_busy = client->dispatching = true;
        if (!chd_deliver_kept(client) || !chd_dispatch_turn(client, false)) {
            return false;
        }
        client->io_busy = client->dispatching = false;
    } else {
        *err = COHERD_ERR_CLOSED;
    }
    client->waiting_calls--;
    pthread_cond_broadcast(&client->changed);
    return true;
}

coherd_err coherd_dispatch(coherd_client *client)
{
    const int saved = errno;
    coherd_err err;

    if (client == NULL) {
        return COHERD_ERR_INVALID;
    }
    if (client->options.mode != COHERD_POLLED) {
        return COHERD_ERR_MODE;
    }
    err = chd_lib_enter(client);
    if (err != COHERD_OK) {
        return err;
    }
    if (chd_dispatch_once(client, &err)) {
        chd_lib_leave(client, saved);
    }
    return err;
}

int coherd_fd(coherd_client *client)
{
    const int saved = errno;

    if (client == NULL || client->options.mode != COHERD_POLLED ||
        chd_lib_enter(client) != COHERD_OK) {
        return -1;
    }
    const int fd = atomic_load(&client->epoll_fd);
    chd_lib_leave(client, saved);
    return fd;
}
