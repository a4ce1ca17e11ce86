/* client_stress.c - many threads on a few clients while the sidecar is
 * restarted again and again: client_stress [RESTARTS]
 *
 * Nothing may be lost: every number that a publisher was told is in the window
 * has to reach one of the sidecars.  Run it under ThreadSanitizer.
 */
#include <stdatomic.h>

#include "client/coherd.h"

#define FAKE_CHECK(ok, text)                                                   \
    do {                                                                       \
        if (!(ok)) {                                                           \
            fprintf(stderr, "client_stress: in vain: %s\n", (text));           \
            abort();                                                           \
        }                                                                      \
    } while (0)
#include "tests/unit/test_client_sidecar.h"

#define PUBLISHERS 3
#define NUMBERS_MAX 100000u
#define CALLERS 3

static fake sidecar;
static atomic_bool stopping;
static atomic_ulong events;
static atomic_ulong resets;
static atomic_ulong states;
static uint32_t published[PUBLISHERS];

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "client_stress: %s\n", what);
        abort();
    }
}

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    (void)arg;
    atomic_fetch_add(&events, 1);
    check(strlen(event->topic) == event->topic_len, "a topic has its length");
    if (event->seq % 64 == 0) {
        check(coherd_publish(client, "from-a-callback", "x", 1, NULL, NULL) !=
                  COHERD_ERR_MODE,
              "publishing inside a callback is allowed");
    }
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *arg)
{
    (void)client;
    (void)reset;
    (void)arg;
    atomic_fetch_add(&resets, 1);
}

static void on_state(coherd_client *client, const coherd_state *state,
                     void *arg)
{
    (void)client;
    (void)arg;
    check(state->text != NULL, "a state has a text");
    atomic_fetch_add(&states, 1);
}

static coherd_client *open_client(coherd_mode mode)
{
    const coherd_options options = {
        .socket = sidecar.path,
        .mode = mode,
        .on_event = on_event,
        .on_reset = on_reset,
        .on_state = on_state,
    };
    coherd_client *client;

    check(coherd_open(&options, &client) == COHERD_OK, "a client opens");
    return client;
}

typedef struct job {
    coherd_client *client;
    unsigned index;
} job;

/* Publish numbers of one's own, in every way there is. */
static void *publish(void *arg)
{
    const job *mine = arg;
    const coherd_publish_options ways[] = {
        {.wait = COHERD_WAIT_NONE},
        {.wait = COHERD_WAIT_NONE, .timeout_ms = 1000},
        {.wait = COHERD_WAIT_ACCEPTED, .timeout_ms = 1000},
    };
    uint32_t count = 0;
    char key[16];

    while (!atomic_load(&stopping) && count < NUMBERS_MAX) {
        snprintf(key, sizeof(key), "%u", mine->index * NUMBERS_MAX + count);
        const coherd_target target = coherd_key(key);
        const coherd_err err =
            coherd_invalidate(mine->client, "numbers", &target, 1,
                              &ways[count % 16 == 0 ? 2 : count % 2], NULL);
        check(err == COHERD_OK || err == COHERD_ERR_AGAIN ||
                  err == COHERD_ERR_TIMEOUT,
              coherd_strerror(err));
        count += err != COHERD_ERR_AGAIN;
    }
    published[mine->index] = count;
    return NULL;
}

/* Call everything else. */
static void *call(void *arg)
{
    const job *mine = arg;
    char topic[32];

    for (unsigned i = 0; !atomic_load(&stopping); i++) {
        coherd_status_report *report = NULL;
        snprintf(topic, sizeof(topic), "topic-%u-%u", mine->index, i % 7);
        check(coherd_subscribe(mine->client, topic) == COHERD_OK,
              "subscribing works at any time");
        (void)coherd_is_connected(mine->client);
        (void)coherd_wait_connected(mine->client, 5);
        if (coherd_status(mine->client, 20, &report) == COHERD_OK) {
            check(report->member_count == 1, "the report is whole");
            coherd_status_free(report);
        }
        (void)coherd_flush(mine->client, 5);
        check(coherd_unsubscribe(mine->client, topic) == COHERD_OK,
              "and so does unsubscribing");
    }
    return NULL;
}

/* Drive a client without a thread. */
static void *dispatch(void *arg)
{
    const job *mine = arg;

    while (!atomic_load(&stopping)) {
        struct pollfd fd = {.fd = coherd_fd(mine->client), .events = POLLIN};
        (void)poll(&fd, 1, 20);
        check(coherd_dispatch(mine->client) == COHERD_OK, "dispatch works");
    }
    return NULL;
}

/* Open and close. */
static void *come_and_go(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !atomic_load(&stopping); i++) {
        coherd_client *client =
            open_client(i % 2 == 0 ? COHERD_THREADED : COHERD_POLLED);
        (void)coherd_subscribe(client, "numbers");
        (void)coherd_wait_connected(client, (int)(i % 10));
        (void)coherd_publish(client, "bye", "x", 1, NULL, NULL);
        check(coherd_close(&client) == COHERD_OK, "a client closes");
    }
    return NULL;
}

static void check_that_nothing_is_lost(void)
{
    bool *seen = calloc(PUBLISHERS * (size_t)NUMBERS_MAX, sizeof(*seen));

    check(sidecar.key_count < FAKE_KEYS_MAX, "the sidecar could note all");
    for (size_t i = 0; i < sidecar.key_count; i++) {
        if (sidecar.keys[i] < PUBLISHERS * NUMBERS_MAX) {
            seen[sidecar.keys[i]] = true;
        }
    }
    for (unsigned p = 0; p < PUBLISHERS; p++) {
        for (uint32_t i = 0; i < published[p]; i++) {
            check(seen[p * NUMBERS_MAX + i], "a number was lost");
        }
    }
    free(seen);
}

int main(int argc, char **argv)
{
    const unsigned restarts =
        argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 40;
    pthread_t threads[PUBLISHERS + 2 * CALLERS + 2];
    job jobs[PUBLISHERS + 2 * CALLERS];
    size_t count = 0;

    fake_init(&sidecar);
    fake_start(&sidecar);
    coherd_client *threaded = open_client(COHERD_THREADED);
    coherd_client *polled = open_client(COHERD_POLLED);
    coherd_subscribe_prefix(threaded, "num");
    coherd_subscribe(polled, "numbers");
    for (unsigned i = 0; i < PUBLISHERS; i++, count++) {
        jobs[count] = (job){i % 2 == 0 ? threaded : polled, i};
        pthread_create(&threads[count], NULL, publish, &jobs[count]);
    }
    for (unsigned i = 0; i < 2 * CALLERS; i++, count++) {
        jobs[count] = (job){i % 2 == 0 ? threaded : polled, i};
        pthread_create(&threads[count], NULL, call, &jobs[count]);
    }
    job dispatcher = {polled, 0};
    pthread_create(&threads[count++], NULL, dispatch, &dispatcher);
    pthread_create(&threads[count++], NULL, come_and_go, NULL);

    uint64_t from = 0;
    for (unsigned i = 0; i < restarts; i++) {
        FAKE_WAIT(&sidecar, sidecar.publishes >= from + 200);
        fake_kill(&sidecar);
        from = sidecar.publishes;
        fake_start(&sidecar);
    }
    atomic_store(&stopping, true);
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    check(coherd_flush(threaded, 60000) == COHERD_OK, "all is accepted");
    check(coherd_flush(polled, 60000) == COHERD_OK, "all is accepted");
    coherd_close(&threaded);
    coherd_close(&polled);
    fake_kill(&sidecar);
    check_that_nothing_is_lost();
    printf("client_stress: %u restarts, %u published, %lu events, %lu resets, "
           "%lu changes of state\n",
           restarts, published[0] + published[1] + published[2],
           atomic_load(&events), atomic_load(&resets), atomic_load(&states));
    fake_fini(&sidecar);
    return 0;
}
