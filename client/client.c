/* client.c - opening, closing, subscribing. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "client/lib.h"

uint64_t chd_lib_now_ns(void)
{
    struct timespec now;

    /* Goes on while the machine is suspended: what was fresh before is not
     * fresh after. */
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * CHD_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t chd_lib_random(void)
{
    uint64_t bits = 0;

    /* Without entropy, in a container's first moments, time and process id
     * tell clients of one sidecar apart well enough. */
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) !=
        (ssize_t)sizeof(bits)) {
        bits = chd_lib_now_ns() ^ (uint64_t)getpid() << 40;
    }
    return bits == 0 ? 1 : bits;
}

static coherd_err start_thread(coherd_client *client)
{
    sigset_t all;
    sigset_t before;

    /* Signals are the application's: none may be handled in our thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int cause =
        pthread_create(&client->thread, NULL, chd_dispatch_thread, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (cause != 0) {
        errno = cause;
        return COHERD_ERR_SYSTEM;
    }
    client->thread_runs = true;
    return COHERD_OK;
}

/* --- entering and leaving ------------------------------------------------- */

coherd_err chd_lib_enter(coherd_client *client)
{
    if (chd_lib_is_child(client)) {
        const coherd_err err = chd_lib_take_over(client);
        if (err != COHERD_OK) {
            return err;
        }
    }
    pthread_mutex_lock(&client->mutex);
    if (client->options.mode == COHERD_THREADED && !client->thread_runs) {
        const coherd_err err = start_thread(client);
        if (err != COHERD_OK) {
            const int cause = errno;
            pthread_mutex_unlock(&client->mutex);
            errno = cause;
            return err;
        }
    }
    return COHERD_OK;
}

void chd_lib_leave(coherd_client *client, int saved_errno)
{
    pthread_mutex_unlock(&client->mutex);
    errno = saved_errno;
}

/* --- making the parts ----------------------------------------------------- */

coherd_err chd_lib_make_locks(coherd_client *client)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr) != 0) {
        return COHERD_ERR_NOMEM;
    }
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    const bool made = pthread_mutex_init(&client->mutex, NULL) == 0 &&
                      pthread_mutex_init(&client->caches_mutex, NULL) == 0 &&
                      pthread_cond_init(&client->changed, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return made ? COHERD_OK : COHERD_ERR_NOMEM;
}

coherd_err chd_lib_make_engine(coherd_client *client)
{
    const chd_client_config config = {
        .seed = chd_lib_random(),
        .client = chd_lib_random(),
        .pid = (uint64_t)getpid(),
        .name = chd_bytes_str(client->name),
        .version_min = CHD_PROTOCOL_MIN,
        .version_max = CHD_PROTOCOL_MAX,
        .window_bytes = client->window_bytes,
        .subscription_count_max = CHD_SESSION_SUBSCRIPTIONS_MAX,
        .bound_ms = client->options.fails_closed
                        ? client->options.staleness_bound_ms
                        : 0,
    };

    const chd_err err =
        chd_client_new(&config, NULL, chd_lib_now_ns(), &client->engine);
    if (err == CHD_OK) {
        return COHERD_OK;
    }
    return err == CHD_ELIMIT ? COHERD_ERR_INVALID : COHERD_ERR_NOMEM;
}

/* --- options -------------------------------------------------------------- */

static coherd_err set_socket(coherd_client *client, const char *path)
{
    char *to = client->address.sun_path;
    const size_t cap = sizeof(client->address.sun_path);
    const char *file = "";

    if (path == NULL) {
        path = secure_getenv("COHERD_LOCAL_SOCKET");
    }
    if (path == NULL || path[0] == '\0') {
        path = geteuid() == 0 ? NULL : secure_getenv("XDG_RUNTIME_DIR");
        file = "/coherd.sock";
    }
    if (path == NULL || path[0] == '\0') {
        path = "/run/coherd";
    }
    const size_t path_len = strlen(path);
    const size_t file_len = strlen(file);
    if (path_len + file_len >= cap) {
        return COHERD_ERR_INVALID;
    }
    client->address.sun_family = AF_UNIX;
    memcpy(to, path, path_len);
    memcpy(to + path_len, file, file_len + 1);
    return COHERD_OK;
}

static coherd_err set_name(coherd_client *client, const char *name)
{
    if (name == NULL) {
        /* Nobody chose it as a name: shorten it, and do without if it is not
         * text. */
        name = program_invocation_short_name;
        const size_t len = strnlen(name, CHD_NAME_BYTES_MAX);
        memcpy(client->name, name, len);
        if (!chd_text_is_valid(chd_bytes_str(client->name))) {
            client->name[0] = '\0';
        }
        return COHERD_OK;
    }
    const size_t len = strlen(name);
    if (len > CHD_NAME_BYTES_MAX ||
        !chd_text_is_valid(chd_bytes_of(name, len))) {
        return COHERD_ERR_INVALID;
    }
    memcpy(client->name, name, len + 1);
    return COHERD_OK;
}

static coherd_err set_options(coherd_client *client,
                              const coherd_options *options)
{
    for (size_t i = 0; i < CHD_COUNT(options->reserved); i++) {
        if (options->reserved[i] != 0) {
            return COHERD_ERR_INVALID;
        }
    }
    if ((options->mode != COHERD_THREADED && options->mode != COHERD_POLLED) ||
        (options->on_event != NULL && options->on_reset == NULL) ||
        ((options->on_staleness != NULL || options->fails_closed) &&
         options->staleness_bound_ms == 0)) {
        return COHERD_ERR_INVALID;
    }
    client->options = *options;
    client->window_bytes = options->window_bytes == 0 ? CHD_PUBLISH_WINDOW_BYTES
                                                      : options->window_bytes;
    const coherd_err err = set_socket(client, options->socket);
    return err == COHERD_OK ? set_name(client, options->name) : err;
}

/* --- opening and closing -------------------------------------------------- */

/* Free everything; nobody else uses the client any more. */
static void dispose(coherd_client *client)
{
    chd_lib_abandon_descriptors(client);
    chd_client_destroy(&client->engine);
    chd_confirm_clear(client);
    chd_floors_close(client);
    if (client->topics != NULL) {
        chd_topics_clear(client);
    }
    if (client->owner != NULL) {
        chd_lib_owner_fini(client);
    }
    free((void *)client->topics);
    free(client->in);
    free(client->kept);
    free(client);
}

static coherd_err make_buffers(coherd_client *client)
{
    client->in = calloc(1, CHD_IN_BYTES);
    client->topics =
        calloc(CHD_SESSION_SUBSCRIPTIONS_MAX, sizeof(client->topics[0]));
    if (client->options.mode == COHERD_POLLED) {
        client->kept = calloc(1, CHD_KEPT_BYTES);
        if (client->kept == NULL) {
            return COHERD_ERR_NOMEM;
        }
    }
    return client->in == NULL || client->topics == NULL ? COHERD_ERR_NOMEM
                                                        : COHERD_OK;
}

static coherd_err open_client(coherd_client *client,
                              const coherd_options *options)
{
    coherd_err err = set_options(client, options);

    if (err == COHERD_OK) {
        err = make_buffers(client);
    }
    if (err == COHERD_OK) {
        err = chd_lib_make_locks(client);
    }
    if (err == COHERD_OK) {
        err = chd_lib_make_engine(client);
    }
    if (err == COHERD_OK) {
        err = chd_floors_open(client);
    }
    if (err == COHERD_OK) {
        err = chd_transport_open(client);
    }
    if (err == COHERD_OK) {
        chd_lib_owner_init(client);
        chd_transport_arm(client);
        if (client->options.mode == COHERD_THREADED) {
            /* The thread must not call the application before this is done. */
            pthread_mutex_lock(&client->mutex);
            err = start_thread(client);
            pthread_mutex_unlock(&client->mutex);
        }
    }
    return err;
}

coherd_err coherd_open(const coherd_options *options, coherd_client **client)
{
    static const coherd_options defaults;
    const int saved = errno;

    if (client == NULL) {
        return COHERD_ERR_INVALID;
    }
    coherd_client *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        errno = saved;
        return COHERD_ERR_NOMEM;
    }
    atomic_store(&made->socket_fd, -1);
    atomic_store(&made->epoll_fd, -1);
    atomic_store(&made->timer_fd, -1);
    atomic_store(&made->event_fd, -1);
    const coherd_err err =
        open_client(made, options == NULL ? &defaults : options);
    const int cause = errno;
    if (err == COHERD_OK) {
        *client = made;
    } else {
        dispose(made);
    }
    errno = err == COHERD_ERR_SYSTEM ? cause : saved;
    return err;
}

/* Let everybody else leave: the thread, and calls that wait. */
static void evacuate(coherd_client *client)
{
    if (client->thread_runs) {
        pthread_mutex_unlock(&client->mutex);
        pthread_join(client->thread, NULL);
        pthread_mutex_lock(&client->mutex);
    }
    while (client->waiting_calls > 0) {
        pthread_cond_wait(&client->changed, &client->mutex);
    }
}

coherd_err coherd_close(coherd_client **handle)
{
    const int saved = errno;

    if (handle == NULL || *handle == NULL) {
        return COHERD_OK;
    }
    coherd_client *client = *handle;
    if (!chd_lib_is_child(client)) {
        pthread_mutex_lock(&client->mutex);
        if (chd_wait_is_callback(client) || chd_caches_any(client)) {
            pthread_mutex_unlock(&client->mutex);
            return COHERD_ERR_MODE;
        }
        client->closing = true;
        pthread_cond_broadcast(&client->changed);
        chd_transport_raise(client);
        evacuate(client);
        chd_client_bye(client->engine);
        chd_transport_flush(client);
        chd_transport_disconnect(client);
        pthread_mutex_unlock(&client->mutex);
        pthread_cond_destroy(&client->changed);
        pthread_mutex_destroy(&client->mutex);
        pthread_mutex_destroy(&client->floors_mutex);
        pthread_mutex_destroy(&client->caches_mutex);
    } else if (client->caches != NULL) {
        return COHERD_ERR_MODE;
    } else {
        /* Waiters on the stacks of the parent's threads, and a list of topics
         * that may be in the middle of a change: not ours to free. */
        client->receipt_waiters = NULL;
        atomic_store(&client->topic_count, 0);
    }
    dispose(client);
    *handle = NULL;
    errno = saved;
    return COHERD_OK;
}

/* --- the connection ------------------------------------------------------- */

bool coherd_is_connected(coherd_client *client)
{
    const int saved = errno;

    if (client == NULL || chd_lib_enter(client) != COHERD_OK) {
        errno = saved;
        return false;
    }
    const bool attached = chd_client_is_attached(client->engine);
    chd_lib_leave(client, saved);
    return attached;
}

static bool is_attached(coherd_client *client, const void *arg)
{
    (void)arg;
    return chd_client_is_attached(client->engine);
}

coherd_err coherd_wait_connected(coherd_client *client, int timeout_ms)
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
        err = chd_wait_until(client, chd_wait_deadline_ns(timeout_ms),
                             is_attached, NULL);
    }
    if (err == COHERD_ERR_TIMEOUT &&
        (client->why.reason == COHERD_ERR_VERSION ||
         client->why.reason == COHERD_ERR_LIMIT)) {
        err = client->why.reason;
    }
    chd_lib_leave(client, saved);
    return err;
}

/* --- subscribing ---------------------------------------------------------- */

static coherd_err add(coherd_client *client, const chd_filter *filter)
{
    const uint32_t before = chd_client_subscription_count(client->engine);

    if (chd_client_subscribe(client->engine, filter) != CHD_OK) {
        return COHERD_ERR_LIMIT;
    }
    if (chd_client_subscription_count(client->engine) == before) {
        return COHERD_OK;
    }
    const coherd_err err = chd_topics_add(client, filter);
    if (err != COHERD_OK) {
        (void)chd_client_unsubscribe(client->engine, filter);
        return err;
    }
    chd_floors_subscribed(client, filter, true);
    return COHERD_OK;
}

static coherd_err take_off(coherd_client *client, const chd_filter *filter)
{
    if (!chd_client_unsubscribe(client->engine, filter)) {
        return COHERD_ERR_NOT_SUBSCRIBED;
    }
    chd_topics_remove(client, filter);
    chd_floors_subscribed(client, filter, false);
    chd_caches_reset(client, filter);
    return COHERD_OK;
}

static coherd_err change(coherd_client *client, chd_match match,
                         const char *topic,
                         coherd_err (*act)(coherd_client *, const chd_filter *))
{
    const int saved = errno;

    if (client == NULL || topic == NULL) {
        return COHERD_ERR_INVALID;
    }
    const chd_filter filter = {match, chd_bytes_str(topic)};
    if (chd_filter_check(&filter) != CHD_OK) {
        return COHERD_ERR_INVALID;
    }
    coherd_err err = chd_lib_enter(client);
    if (err != COHERD_OK) {
        return err;
    }
    err = act(client, &filter);
    chd_transport_flush(client);
    chd_lib_leave(client, saved);
    return err;
}

coherd_err coherd_subscribe(coherd_client *client, const char *topic)
{
    return change(client, CHD_MATCH_EXACT, topic, add);
}

coherd_err coherd_subscribe_prefix(coherd_client *client, const char *prefix)
{
    return change(client, CHD_MATCH_PREFIX, prefix, add);
}

coherd_err coherd_unsubscribe(coherd_client *client, const char *topic)
{
    return change(client, CHD_MATCH_EXACT, topic, take_off);
}

coherd_err coherd_unsubscribe_prefix(coherd_client *client, const char *prefix)
{
    return change(client, CHD_MATCH_PREFIX, prefix, take_off);
}
