/* fill.c - guarded fills: the floors of proto/session/fill.h under a mutex of
 * their own, and what is applied again.
 *
 * A floor is raised before the application's callback for the event runs.
 * What a waiting call in polled mode keeps for the next dispatch raises its
 * floor when it is kept: that is sooner, which refuses more.
 */
#include <errno.h>

#include "client/lib.h"

/* Tags that are looked up at a time. */
#define TAGS_AT_ONCE 32

static uint64_t lag_max_ns(const coherd_client *client)
{
    const int64_t ms = client->options.replica_lag_max_ms;

    if (ms < 0 || (uint64_t)ms > CHD_NEVER_NS / CHD_MS) {
        return CHD_NEVER_NS;
    }
    return (ms == 0 ? CHD_REPLICA_LAG_MAX_MS : (uint64_t)ms) * CHD_MS;
}

static coherd_err make_mutex(coherd_client *client)
{
    pthread_mutexattr_t attr;

    if (pthread_mutexattr_init(&attr) != 0) {
        return COHERD_ERR_NOMEM;
    }
    /* It is held for less than it takes to sleep and wake up. */
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    const int cause = pthread_mutex_init(&client->floors_mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return cause == 0 ? COHERD_OK : COHERD_ERR_NOMEM;
}

coherd_err chd_floors_open(coherd_client *client)
{
    const chd_fills_config config = {
        .seed = chd_lib_random(),
        .lag_max_ns = lag_max_ns(client),
        .floor_count = CHD_FILL_FLOORS_MAX,
        .demand_count = CHD_FILL_DEMANDS_MAX,
        .subscription_count_max = CHD_SESSION_SUBSCRIPTIONS_MAX,
    };

    if (chd_again_new(CHD_AGAIN_COUNT_MAX, NULL, &client->again) != CHD_OK ||
        chd_fills_new(&config, NULL, &client->fills) != CHD_OK) {
        return COHERD_ERR_NOMEM;
    }
    return make_mutex(client);
}

void chd_floors_close(coherd_client *client)
{
    chd_again_destroy(&client->again);
    chd_fills_destroy(&client->fills);
}

coherd_err chd_floors_start_over(coherd_client *client)
{
    client->hearing = false;
    client->again_held = false;
    chd_fills_start_over(client->fills);
    chd_again_start_over(client->again, chd_lib_now_ns());
    return make_mutex(client);
}

/* --- what happens --------------------------------------------------------- */

static void raise_events(coherd_client *client, const chd_local_events *events)
{
    const uint64_t now_ns = chd_lib_now_ns();
    chd_bytes records = events->records.encoded;
    chd_event event;
    chd_bytes record;

    pthread_mutex_lock(&client->floors_mutex);
    if (!client->fills_begun && !events->demands) {
        chd_fills_passed(client->fills, events->hlc);
        records.len = 0;
    }
    while (chd_mesh_record_next(&records, &event, &record)) {
        chd_fills_event(client->fills, now_ns, &event);
        chd_again_add(client->again, now_ns, events->origin, &event);
    }
    pthread_mutex_unlock(&client->floors_mutex);
}

static void raise_reset(coherd_client *client, const chd_local_reset *reset)
{
    chd_local_list filters = reset->filters;
    chd_filter filter;

    pthread_mutex_lock(&client->floors_mutex);
    if (filters.count == 0) {
        chd_fills_reset(client->fills, NULL);
    }
    while (chd_local_filter_next(&filters, &filter)) {
        chd_fills_reset(client->fills, &filter);
    }
    pthread_mutex_unlock(&client->floors_mutex);
}

void chd_floors_message(coherd_client *client, const chd_local *local)
{
    if (local->type == CHD_LOCAL_EVENTS) {
        raise_events(client, &local->u.events);
    } else {
        raise_reset(client, &local->u.reset);
    }
}

void chd_floors_again(coherd_client *client, const chd_repeat *repeat)
{
    const uint64_t now_ns = chd_lib_now_ns();

    pthread_mutex_lock(&client->floors_mutex);
    if (repeat->all) {
        chd_fills_reset(client->fills, NULL);
    } else {
        chd_fills_event(client->fills, now_ns, &repeat->event);
    }
    pthread_mutex_unlock(&client->floors_mutex);
}

void chd_floors_own(coherd_client *client, const coherd_event *event)
{
    const uint64_t now_ns = chd_lib_now_ns();
    const chd_event own = {
        .kind = (chd_kind)event->kind,
        .target_kind = (chd_target_kind)event->target.kind,
        .topic = chd_bytes_of(event->topic, event->topic_len),
        .target = chd_bytes_of(event->target.data, event->target.len),
        .version = event->version,
    };

    pthread_mutex_lock(&client->floors_mutex);
    chd_fills_event(client->fills, now_ns, &own);
    pthread_mutex_unlock(&client->floors_mutex);
}

void chd_floors_reset(coherd_client *client)
{
    pthread_mutex_lock(&client->floors_mutex);
    chd_fills_reset(client->fills, NULL);
    pthread_mutex_unlock(&client->floors_mutex);
}

void chd_floors_hearing(coherd_client *client, bool hearing)
{
    pthread_mutex_lock(&client->floors_mutex);
    client->hearing = hearing;
    if (!hearing) {
        /* What happens until the next connection is not known. */
        chd_fills_reset(client->fills, NULL);
    }
    pthread_mutex_unlock(&client->floors_mutex);
}

void chd_floors_subscribed(coherd_client *client, const chd_filter *filter,
                           bool subscribed)
{
    pthread_mutex_lock(&client->floors_mutex);
    if (subscribed) {
        chd_fills_subscribed(client->fills, filter);
    } else {
        chd_fills_unsubscribed(client->fills, filter);
    }
    pthread_mutex_unlock(&client->floors_mutex);
}

uint64_t chd_floors_deadline_ns(const coherd_client *client)
{
    return client->again_held ? CHD_NEVER_NS
                              : chd_again_deadline_ns(client->again);
}

/* --- tickets -------------------------------------------------------------- */

/* What a ticket without a position says at its end. */
static coherd_err refuse(coherd_fill *fill, coherd_err err)
{
    *fill = (coherd_fill){.opaque = {0, (uint64_t)err}};
    return err;
}

/* Let a forked child take the handle over first. */
static coherd_err come_in(coherd_client *client)
{
    const int saved = errno;

    if (!chd_lib_is_child(client)) {
        return COHERD_OK;
    }
    const coherd_err err = chd_lib_enter(client);
    if (err == COHERD_OK) {
        chd_lib_leave(client, saved);
    }
    return err;
}

coherd_err chd_floors_begin(coherd_client *client, const char *topic,
                            size_t topic_len, const void *key, size_t key_len,
                            chd_fill *fill)
{
    pthread_mutex_lock(&client->floors_mutex);
    const bool hearing = client->hearing;
    client->fills_begun = true;
    const bool subscribed =
        chd_fills_begin(client->fills, chd_bytes_of(topic, topic_len),
                        chd_bytes_of(key, key_len), fill);
    pthread_mutex_unlock(&client->floors_mutex);
    if (!subscribed) {
        return COHERD_ERR_NOT_SUBSCRIBED;
    }
    return hearing ? COHERD_OK : COHERD_ERR_DISCONNECTED;
}

coherd_err coherd_fill_begin(coherd_client *client, const char *topic,
                             const void *key, size_t key_len, coherd_fill *fill)
{
    chd_fill made;

    if (fill == NULL) {
        return COHERD_ERR_INVALID;
    }
    if (client == NULL || topic == NULL || key == NULL || key_len == 0 ||
        key_len > CHD_TARGET_BYTES_MAX) {
        return refuse(fill, COHERD_ERR_INVALID);
    }
    const size_t topic_len = strnlen(topic, CHD_TOPIC_BYTES_MAX + 1);
    if (topic_len == 0 || topic_len > CHD_TOPIC_BYTES_MAX) {
        return refuse(fill, COHERD_ERR_INVALID);
    }
    coherd_err err = come_in(client);
    if (err == COHERD_OK) {
        err = chd_floors_begin(client, topic, topic_len, key, key_len, &made);
    }
    if (err != COHERD_OK) {
        return refuse(fill, err);
    }
    *fill = (coherd_fill){.opaque = {made.position, made.topic, made.key_hash},
                          .key = key,
                          .key_len = key_len};
    return COHERD_OK;
}

static bool options_are_valid(const coherd_fill_options *options)
{
    for (size_t i = 0; i < CHD_COUNT(options->reserved); i++) {
        if (options->reserved[i] != 0) {
            return false;
        }
    }
    if (options->tags == NULL && options->tag_count > 0) {
        return false;
    }
    for (size_t i = 0; i < options->tag_count; i++) {
        const coherd_target *tag = &options->tags[i];
        if (tag->kind != COHERD_TARGET_TAG || tag->data == NULL ||
            tag->len == 0 || tag->len > CHD_TARGET_BYTES_MAX) {
            return false;
        }
    }
    return true;
}

/* Ask with a few tags after the other: the key is looked up each time, but
 * few values have more than fit. */
static chd_fill_answer ask(const coherd_client *client, const chd_fill *fill,
                           const coherd_fill_options *options)
{
    const uint64_t now_ns =
        chd_fills_has_demands(client->fills) ? chd_lib_now_ns() : 0;
    chd_bytes tags[TAGS_AT_ONCE];
    chd_fill_answer answer;
    size_t from = 0;

    do {
        const size_t count =
            chd_min_size(options->tag_count - from, TAGS_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            const coherd_target *tag = &options->tags[from + i];
            tags[i] = chd_bytes_of(tag->data, tag->len);
        }
        const chd_loaded loaded = {tags, count, options->version};
        answer = chd_fills_end(client->fills, now_ns, fill, &loaded);
        from += count;
    } while (answer == CHD_FILL_ADMIT && from < options->tag_count);
    return answer;
}

coherd_err chd_floors_end(coherd_client *client, const chd_fill *fill,
                          const coherd_fill_options *options)
{
    static const coherd_err answers[] = {
        [CHD_FILL_ADMIT] = COHERD_OK,
        [CHD_FILL_STALE] = COHERD_ERR_STALE_FILL,
        [CHD_FILL_VERSION] = COHERD_ERR_OLD_VERSION,
    };

    pthread_mutex_lock(&client->floors_mutex);
    const bool hearing = client->hearing;
    const chd_fill_answer answer = ask(client, fill, options);
    pthread_mutex_unlock(&client->floors_mutex);
    return hearing ? answers[answer] : COHERD_ERR_DISCONNECTED;
}

coherd_err coherd_fill_end(coherd_client *client, const coherd_fill *fill,
                           const coherd_fill_options *options)
{
    static const coherd_fill_options defaults;

    options = options == NULL ? &defaults : options;
    if (client == NULL || fill == NULL || !options_are_valid(options)) {
        return COHERD_ERR_INVALID;
    }
    if (fill->opaque[0] == 0) {
        return fill->opaque[1] == COHERD_OK ? COHERD_ERR_INVALID
                                            : (coherd_err)fill->opaque[1];
    }
    const coherd_err err = come_in(client);
    if (err != COHERD_OK) {
        return err;
    }
    const chd_fill asked = {.position = fill->opaque[0],
                            .topic = fill->opaque[1],
                            .key_hash = fill->opaque[2],
                            .key = chd_bytes_of(fill->key, fill->key_len)};
    return chd_floors_end(client, &asked, options);
}
