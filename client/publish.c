/* publish.c - from the caller's targets into the window, and onto the socket
 * in the same call. */
#include <errno.h>

#include "client/lib.h"

/* What one call publishes: one item, or one for each target. */
typedef struct publish_job {
    chd_event item;
    const coherd_publish_options *options;
    const coherd_target *targets; /* NULL: item is complete */
    size_t count;
} publish_job;

static chd_event item_of(const publish_job *job, size_t i)
{
    chd_event item = job->item;

    if (job->targets != NULL) {
        item.target_kind = (chd_target_kind)job->targets[i].kind;
        item.target = chd_bytes_of(job->targets[i].data, job->targets[i].len);
    }
    return item;
}

static bool span_is_valid(chd_bytes span)
{
    return span.ptr != NULL || span.len == 0;
}

static coherd_err check(const publish_job *job)
{
    const coherd_publish_options *options = job->options;

    for (size_t i = 0; i < CHD_COUNT(options->reserved); i++) {
        if (options->reserved[i] != 0) {
            return COHERD_ERR_INVALID;
        }
    }
    if (options->again_after_ms < 0 ||
        options->again_after_ms > CHD_AGAIN_MS_MAX ||
        (options->again_after_ms > 0 &&
         job->item.kind != CHD_KIND_INVALIDATE) ||
        (options->version > 0 && job->item.kind == CHD_KIND_MESSAGE)) {
        return COHERD_ERR_INVALID;
    }
    if ((unsigned)options->wait > COHERD_WAIT_APPLIED ||
        (options->wait == COHERD_WAIT_NONE && options->on_receipt != NULL)) {
        return COHERD_ERR_INVALID;
    }
    if (job->item.value.len > CHD_PAYLOAD_BYTES_MAX) {
        return COHERD_ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < job->count; i++) {
        const chd_event item = item_of(job, i);
        if (!span_is_valid(item.target) || !span_is_valid(item.value) ||
            chd_event_check(&item, CHD_PAYLOAD_BYTES_MAX) != CHD_OK) {
            return COHERD_ERR_INVALID;
        }
    }
    return COHERD_OK;
}

/* Less than an item has around its texts, so that what is refused because of
 * it really cannot fit. */
#define ITEM_OVERHEAD_MIN 6

static bool can_ever_fit(const coherd_client *client, const publish_job *job)
{
    size_t bytes = 0;

    for (size_t i = 0; i < job->count && bytes <= client->window_bytes; i++) {
        const chd_event item = item_of(job, i);
        bytes += ITEM_OVERHEAD_MIN + item.topic.len + item.target.len +
                 item.value.len;
    }
    return bytes <= client->window_bytes;
}

/* Put all of it into the window, or nothing. */
static coherd_err put(coherd_client *client, const publish_job *job,
                      coherd_wait wait)
{
    chd_err err = CHD_OK;

    if (job->item.value.len > chd_client_payload_max(client->engine) ||
        !can_ever_fit(client, job)) {
        return COHERD_ERR_TOO_LARGE;
    }
    chd_client_publish_open(client->engine, wait == COHERD_WAIT_NONE
                                                ? CHD_WAIT_NONE
                                                : CHD_WAIT_ACCEPTED);
    for (size_t i = 0; i < job->count && err == CHD_OK; i++) {
        const chd_event item = item_of(job, i);
        err = chd_client_publish_add(client->engine, &item);
    }
    if (err != CHD_OK) {
        chd_client_publish_abort(client->engine);
        return err == CHD_ENOSPACE ? COHERD_ERR_AGAIN : COHERD_ERR_TOO_LARGE;
    }
    client->last_request = chd_client_publish_commit(client->engine);
    return COHERD_OK;
}

static bool has_new_room(coherd_client *client, const void *arg)
{
    return client->room != *(const uint64_t *)arg;
}

static int timeout_of(const publish_job *job)
{
    const int timeout_ms = job->options->timeout_ms;

    return timeout_ms == 0 && job->options->wait != COHERD_WAIT_NONE
               ? CHD_RECEIPT_TIMEOUT_MS
               : timeout_ms;
}

/* Put it into the window as soon as there is room; the clock is only asked when
 * there is none, unless the deadline is known. */
static coherd_err put_in_time(coherd_client *client, const publish_job *job,
                              uint64_t deadline_ns)
{
    for (;;) {
        const uint64_t room = client->room;
        coherd_err err = put(client, job, job->options->wait);
        if (err != COHERD_ERR_AGAIN || timeout_of(job) == 0) {
            return err;
        }
        if (deadline_ns == 0) {
            deadline_ns = chd_wait_deadline_ns(timeout_of(job));
        }
        err = chd_wait_until(client, deadline_ns, has_new_room, &room);
        if (err != COHERD_OK) {
            return err == COHERD_ERR_TIMEOUT ? COHERD_ERR_AGAIN : err;
        }
    }
}

/* Take the caller's wishes into a waiter, which then stands for the call. */
static void begin_wait(chd_waiter *waiter, const publish_job *job)
{
    const coherd_publish_options *options = job->options;

    waiter->wait = options->wait;
    waiter->applies = options->wait == COHERD_WAIT_APPLIED;
    waiter->on_receipt = options->on_receipt;
    waiter->arg = options->on_receipt_arg;
    waiter->deadline_ns = chd_wait_deadline_ns(timeout_of(job));
}

/* Publish, and let on_receipt be called. */
static coherd_err publish_later(coherd_client *client, const publish_job *job)
{
    chd_waiter *waiter = chd_confirm_later(client);

    if (waiter == NULL) {
        return COHERD_ERR_LIMIT;
    }
    begin_wait(waiter, job);
    const coherd_err err = put(client, job, job->options->wait);
    if (err != COHERD_OK) {
        chd_confirm_never(client, waiter);
        return err;
    }
    waiter->request = client->last_request;
    chd_waiter_add(&client->receipt_waiters, waiter);
    chd_transport_flush(client);
    chd_transport_arm(client);
    return COHERD_OK;
}

static coherd_err publish_unwaited(coherd_client *client,
                                   const publish_job *job)
{
    if (job->options->timeout_ms != 0 && chd_wait_is_callback(client)) {
        return COHERD_ERR_MODE;
    }
    const coherd_err err = put_in_time(client, job, 0);
    chd_transport_flush_published(client);
    return err;
}

/* Returns false when this is a child now. */
static bool publish_waited(coherd_client *client, const publish_job *job,
                           coherd_receipt *receipt, coherd_err *err)
{
    chd_waiter waiter = {.outcome = CHD_PENDING};
    bool here = true;

    begin_wait(&waiter, job);
    *err = put_in_time(client, job, waiter.deadline_ns);
    if (*err != COHERD_OK) {
        chd_transport_flush_published(client);
    } else {
        waiter.request = client->last_request;
        here = chd_confirm_wait(client, &waiter, err);
    }
    if (receipt != NULL &&
        (*err == COHERD_OK || *err == COHERD_ERR_TIMEOUT || waiter.accepted)) {
        *receipt = waiter.receipt;
    }
    return here;
}

/* Returns false when this is a child now. */
static bool publish_locked(coherd_client *client, const publish_job *job,
                           coherd_receipt *receipt, coherd_err *err)
{
    if (job->options->on_receipt != NULL) {
        *err = publish_later(client, job);
    } else if (job->options->wait == COHERD_WAIT_NONE) {
        *err = publish_unwaited(client, job);
    } else if (chd_wait_is_callback(client)) {
        *err = COHERD_ERR_MODE;
    } else {
        return publish_waited(client, job, receipt, err);
    }
    if (receipt != NULL && *err == COHERD_OK) {
        *receipt = (coherd_receipt){0};
    }
    return true;
}

static coherd_err publish(coherd_client *client, const publish_job *job,
                          coherd_receipt *receipt)
{
    const int saved = errno;
    coherd_err err = check(job);

    if (err == COHERD_OK) {
        err = chd_lib_enter(client);
    }
    if (err != COHERD_OK) {
        return err;
    }
    if (publish_locked(client, job, receipt, &err)) {
        chd_lib_leave(client, saved);
    }
    return err;
}

static publish_job job_of(chd_kind kind, const char *topic,
                          const coherd_publish_options *options)
{
    static const coherd_publish_options defaults;
    publish_job job = {
        .item = {.kind = kind, .topic = chd_bytes_str(topic)},
        .options = options == NULL ? &defaults : options,
        .count = 1,
    };

    job.item.version = job.options->version;
    job.item.again_ms =
        (uint64_t)(job.options->again_after_ms > 0 ? job.options->again_after_ms
                                                   : 0);
    return job;
}

static publish_job invalidation(const char *topic, const coherd_target *targets,
                                size_t count,
                                const coherd_publish_options *options)
{
    publish_job job = job_of(CHD_KIND_INVALIDATE, topic, options);

    job.item.flags = job.options->soft ? CHD_FLAG_SOFT : 0;
    job.targets = targets;
    job.count = count;
    return job;
}

static publish_job update(const char *topic, const coherd_entry *entry,
                          const coherd_publish_options *options)
{
    publish_job job = job_of(CHD_KIND_UPDATE, topic, options);

    job.item.target_kind = CHD_TARGET_KEY;
    job.item.target = chd_bytes_of(entry->key, entry->key_len);
    job.item.value = chd_bytes_of(entry->value, entry->value_len);
    return job;
}

coherd_err chd_publish_check_invalidate(const char *topic,
                                        const coherd_target *targets,
                                        size_t count,
                                        const coherd_publish_options *options)
{
    if (topic == NULL || targets == NULL || count == 0) {
        return COHERD_ERR_INVALID;
    }
    const publish_job job = invalidation(topic, targets, count, options);
    return check(&job);
}

coherd_err chd_publish_check_update(const char *topic,
                                    const coherd_entry *entry,
                                    const coherd_publish_options *options)
{
    if (topic == NULL || entry == NULL) {
        return COHERD_ERR_INVALID;
    }
    const publish_job job = update(topic, entry, options);
    return check(&job);
}

coherd_err coherd_invalidate(coherd_client *client, const char *topic,
                             const coherd_target *targets, size_t count,
                             const coherd_publish_options *options,
                             coherd_receipt *receipt)
{
    if (client == NULL || topic == NULL || targets == NULL || count == 0) {
        return COHERD_ERR_INVALID;
    }
    const publish_job job = invalidation(topic, targets, count, options);
    return publish(client, &job, receipt);
}

coherd_err coherd_update(coherd_client *client, const char *topic,
                         const coherd_entry *entry,
                         const coherd_publish_options *options,
                         coherd_receipt *receipt)
{
    if (client == NULL || topic == NULL || entry == NULL) {
        return COHERD_ERR_INVALID;
    }
    const publish_job job = update(topic, entry, options);
    return publish(client, &job, receipt);
}

coherd_err coherd_publish(coherd_client *client, const char *topic,
                          const void *value, size_t value_len,
                          const coherd_publish_options *options,
                          coherd_receipt *receipt)
{
    if (client == NULL || topic == NULL) {
        return COHERD_ERR_INVALID;
    }
    publish_job job = job_of(CHD_KIND_MESSAGE, topic, options);
    job.item.value = chd_bytes_of(value, value_len);
    return publish(client, &job, receipt);
}

static bool is_flushed(coherd_client *client, const void *arg)
{
    return chd_client_oldest_pending(client->engine) > *(const uint64_t *)arg;
}

coherd_err coherd_flush(coherd_client *client, int timeout_ms)
{
    const int saved = errno;
    coherd_err err;

    if (client == NULL) {
        return COHERD_ERR_INVALID;
    }
    err = chd_lib_enter(client);
    if (err != COHERD_OK) {
        return err;
    }
    if (chd_wait_is_callback(client)) {
        err = COHERD_ERR_MODE;
    } else {
        const uint64_t last = client->last_request;
        chd_transport_flush(client);
        err = chd_wait_until(client, chd_wait_deadline_ns(timeout_ms),
                             is_flushed, &last);
    }
    chd_lib_leave(client, saved);
    return err;
}
