/* deliver.c - calling the application, or keeping for later what it is to be
 * told.
 *
 * Waiting calls in polled mode read from the socket, too, but callbacks run
 * only inside coherd_dispatch.  What is kept is a copy of the message; if that
 * becomes too much, everything kept is replaced by a RESET of every topic.
 */
#include <errno.h>

#include "client/lib.h"

_Static_assert((int)CHD_KIND_MESSAGE == (int)COHERD_MESSAGE &&
                   (int)CHD_KIND_UPDATE == (int)COHERD_UPDATE,
               "kinds are passed through");
_Static_assert((int)CHD_TARGET_KEY == (int)COHERD_TARGET_KEY &&
                   (int)CHD_TARGET_TAG == (int)COHERD_TARGET_TAG &&
                   (int)CHD_TARGET_PREFIX == (int)COHERD_TARGET_PREFIX &&
                   (int)CHD_TARGET_ALL == (int)COHERD_TARGET_ALL,
               "target kinds are passed through");

typedef void call_fn(coherd_client *client, const void *what);

/* Run call without the mutex. Returns false when it returned in a child. */
static bool call_out(coherd_client *client, call_fn *call, const void *what)
{
    const uint32_t generation = atomic_load(&client->generation);

    if (client->flush_ns != CHD_NEVER_NS) {
        chd_transport_flush(client); /* the call may take long */
    }
    client->in_callback = true;
    client->callback_thread = pthread_self();
    pthread_mutex_unlock(&client->mutex);
    call(client, what);
    if (chd_lib_is_child(client) ||
        atomic_load(&client->generation) != generation) {
        return false;
    }
    pthread_mutex_lock(&client->mutex);
    client->in_callback = false;
    return true;
}

/* Copy a topic, which has no NUL inside, and end it with one. */
static const char *with_nul(chd_bytes topic, char buf[CHD_TOPIC_BYTES_MAX + 1])
{
    if (topic.len > 0) {
        memcpy(buf, topic.ptr, topic.len);
    }
    buf[topic.len] = '\0';
    return buf;
}

static void show_event(coherd_client *client, uint64_t origin,
                       const chd_event *event, bool again)
{
    char topic[CHD_TOPIC_BYTES_MAX + 1];
    const coherd_event shown = {
        .kind = (coherd_kind)event->kind,
        .topic = with_nul(event->topic, topic),
        .topic_len = event->topic.len,
        .target = {(coherd_target_kind)event->target_kind, event->target.ptr,
                   event->target.len},
        .value = event->value.ptr,
        .value_len = event->value.len,
        .soft = event->flags & CHD_FLAG_SOFT,
        .origin = origin,
        .seq = event->seq,
        .hlc = event->hlc,
        .version = event->version,
        .again = again,
    };

    chd_caches_event(client, &shown);
    if (client->options.on_event != NULL) {
        client->options.on_event(client, &shown, client->options.arg);
    }
}

static void show_events(coherd_client *client, const void *what)
{
    const chd_local_events *message = what;
    chd_bytes records = message->records.encoded;
    chd_bytes record;
    chd_event event;

    while (chd_mesh_record_next(&records, &event, &record)) {
        show_event(client, message->origin, &event, false);
    }
}

static void show_filter(coherd_client *client, const chd_filter *filter,
                        uint64_t reason)
{
    char topic[CHD_TOPIC_BYTES_MAX + 1];
    coherd_reset shown = {.reason = (coherd_reset_reason)reason};

    if (filter != NULL) {
        shown.topic = with_nul(filter->topic, topic);
        shown.topic_len = filter->topic.len;
        shown.prefix = filter->match == CHD_MATCH_PREFIX;
    }
    chd_caches_reset(client, filter);
    if (client->options.on_reset != NULL) {
        client->options.on_reset(client, &shown, client->options.arg);
    }
}

static void show_reset(coherd_client *client, const void *what)
{
    const chd_local_reset *message = what;
    chd_local_list filters = message->filters;
    chd_filter filter;

    if (filters.count == 0) {
        show_filter(client, NULL, message->reason);
    }
    while (chd_local_filter_next(&filters, &filter)) {
        show_filter(client, &filter, message->reason);
    }
}

static void show_again(coherd_client *client, const void *what)
{
    const chd_repeat *repeat = what;

    if (repeat->all) {
        show_filter(client, NULL, CHD_RESET_LOST);
    } else {
        show_event(client, repeat->origin, &repeat->event, true);
    }
}

static void show_why(coherd_client *client, const void *what)
{
    const chd_why *why = what;
    const coherd_state shown = {
        .connected = why->connected,
        .reason = why->reason,
        .sys_errno = why->sys_errno,
        .text = why->text,
        .node = why->node,
        .refused = why->refused,
    };

    if (client->options.on_state != NULL) {
        client->options.on_state(client, &shown, client->options.arg);
    }
}

static void show_receipt(coherd_client *client, const void *what)
{
    const chd_waiter *waiter = what;

    waiter->on_receipt(client, &waiter->receipt, waiter->err, waiter->arg);
}

bool chd_deliver_receipt(coherd_client *client, const chd_waiter *waiter)
{
    return call_out(client, show_receipt, waiter);
}

static void show_staleness(coherd_client *client, const void *what)
{
    const bool *exceeded = what;

    if (client->options.on_staleness != NULL) {
        client->options.on_staleness(client, *exceeded, client->options.arg);
    }
}

/* --- keeping -------------------------------------------------------------- */

typedef struct kept_head {
    size_t len;
    bool is_why;
    chd_mark mark;
} kept_head;

static size_t kept_size(size_t len)
{
    const size_t unit = _Alignof(max_align_t);
    return (sizeof(kept_head) + len + unit - 1) / unit * unit;
}

static void keep(coherd_client *client, const kept_head *head,
                 const void *bytes)
{
    if (!head->is_why) {
        client->kept_mark = head->mark;
    }
    if (client->kept_end + kept_size(head->len) > CHD_KEPT_BYTES) {
        client->kept_begin = client->kept_end = 0;
        client->kept_lost = true;
        client->kept_lost_mark = client->kept_mark;
        if (!head->is_why) {
            return;
        }
    }
    uint8_t *at = client->kept + client->kept_end;
    memcpy(at, head, sizeof(*head));
    memcpy(at + sizeof(*head), bytes, head->len);
    client->kept_end += kept_size(head->len);
}

bool chd_deliver_has_events(const coherd_client *client)
{
    return client->kept_lost || client->kept_begin < client->kept_end;
}

bool chd_deliver_has_kept(const coherd_client *client)
{
    return client->receipts_due || chd_deliver_has_events(client);
}

/* --- delivering ----------------------------------------------------------- */

static bool show_message(coherd_client *client, const chd_local *local,
                         const chd_mark *mark)
{
    const bool is_events = local->type == CHD_LOCAL_EVENTS;
    const void *what = is_events ? (const void *)&local->u.events
                                 : (const void *)&local->u.reset;

    if (!call_out(client, is_events ? show_events : show_reset, what)) {
        return false;
    }
    chd_client_applied(client->engine, mark);
    return true;
}

bool chd_deliver_message(coherd_client *client, const chd_local *local,
                         chd_bytes message, const chd_mark *mark, bool keep_it)
{
    chd_floors_message(client, local);
    if (keep_it) {
        const kept_head head = {.len = message.len, .mark = *mark};
        keep(client, &head, message.ptr);
        return true;
    }
    return show_message(client, local, mark);
}

bool chd_deliver_why(coherd_client *client, const chd_why *why, bool keep_it)
{
    if (keep_it) {
        const kept_head head = {.len = sizeof(*why), .is_why = true};
        keep(client, &head, why);
        return true;
    }
    /* A copy, because others may write the client's while the call runs. */
    const chd_why copy = *why;
    return call_out(client, show_why, &copy);
}

bool chd_deliver_staleness(coherd_client *client, bool exceeded)
{
    return call_out(client, show_staleness, &exceeded);
}

static bool show_kept(coherd_client *client, const kept_head *head,
                      const uint8_t *bytes)
{
    chd_local local;

    if (head->is_why) {
        chd_why why;
        memcpy(&why, bytes, sizeof(why));
        return call_out(client, show_why, &why);
    }
    /* It could be read when it arrived. */
    if (chd_local_scan(chd_bytes_of(bytes, head->len), &local) != CHD_OK) {
        return true;
    }
    return show_message(client, &local, &head->mark);
}

bool chd_deliver_kept(coherd_client *client)
{
    if (client->kept_lost) {
        const chd_local all = {.type = CHD_LOCAL_RESET,
                               .u.reset = {.reason = CHD_RESET_SLOW}};
        const chd_mark mark = client->kept_lost_mark;
        client->kept_lost = false;
        chd_floors_reset(client);
        if (!show_message(client, &all, &mark)) {
            return false;
        }
    }
    while (client->kept_begin < client->kept_end) {
        const uint8_t *at = client->kept + client->kept_begin;
        kept_head head;
        memcpy(&head, at, sizeof(head));
        if (!show_kept(client, &head, at + sizeof(head))) {
            return false;
        }
        client->kept_begin += kept_size(head.len);
        if (client->closing) {
            return true;
        }
    }
    client->kept_begin = client->kept_end = 0;
    chd_confirm_caught_up(client);
    return true;
}

/* One turn calls so many times at most. */
#define AGAIN_MAX 256

bool chd_deliver_again(coherd_client *client)
{
    const uint64_t now_ns = chd_lib_now_ns();
    chd_repeat repeat;

    for (int i = 0; i < AGAIN_MAX && !client->closing &&
                    chd_again_next(client->again, now_ns, &repeat);
         i++) {
        chd_floors_again(client, &repeat);
        if (!call_out(client, show_again, &repeat)) {
            return false;
        }
    }
    return true;
}
