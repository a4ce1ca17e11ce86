/* Publishing, waiting for receipts, and asking for the status. */
#include <fcntl.h>
#include <signal.h>

#include "tests/unit/test_client_seen.h"

TestSuite(client_publish, .init = set_up, .fini = tear_down, .timeout = 100);

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const coherd_publish_options accepted = {.wait = COHERD_WAIT_ACCEPTED,
                                                .timeout_ms = 60000};

Test(client_publish, a_receipt_names_the_last_event_of_the_call)
{
    const coherd_target targets[] = {coherd_key("1"), coherd_prefix(""),
                                     coherd_all()};
    const coherd_entry entry = {"k", 1, "v", 1};

    fake_start(&sidecar);
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        coherd_receipt receipt = {.origin = 0};
        const uint64_t before = sidecar.seq;
        cr_assert_eq(
            coherd_invalidate(client, "t", targets, 3, &accepted, &receipt),
            COHERD_OK);
        cr_assert_eq(receipt.seq, before + 3);
        cr_assert_eq(receipt.origin, sidecar.node);
        cr_assert_eq(coherd_update(client, "t", &entry, &accepted, &receipt),
                     COHERD_OK);
        cr_assert_eq(receipt.seq, before + 4);
        cr_assert_eq(coherd_publish(client, "t", NULL, 0, &accepted, &receipt),
                     COHERD_OK);
        cr_assert_eq(receipt.seq, before + 5);
        cr_assert_eq(coherd_publish(client, "t", "x", 1, NULL, &receipt),
                     COHERD_OK);
        cr_assert_eq(receipt.seq, 0);
        cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
        cr_assert_eq(sidecar.seq, before + 6);
        coherd_close(&client);
    }
}

Test(client_publish, an_update_brings_its_value_and_a_message_has_no_target)
{
    const coherd_entry entry = {"key", 3, "value", 5};

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_subscribe(client, "t");
    FAKE_WAIT(&saw, saw.resets == 1);
    coherd_update(client, "t", &entry, NULL, NULL);
    FAKE_WAIT(&saw, saw.events == 1);
    cr_assert_eq(saw.kind, COHERD_UPDATE);
    cr_assert_str_eq(saw.key, "key");
    cr_assert_str_eq(saw.value, "value");
    coherd_publish(client, "t", "hello", 5, NULL, NULL);
    FAKE_WAIT(&saw, saw.events == 2);
    cr_assert_eq(saw.kind, COHERD_MESSAGE);
    cr_assert_str_eq(saw.key, "");
    cr_assert_str_eq(saw.value, "hello");
    coherd_close(&client);
}

/* Nothing else wakes the background thread: the sidecar pings once a minute,
 * and gives no receipts. */
Test(client_publish, the_end_of_a_burst_arrives_without_another_call)
{
    const coherd_target target = coherd_key("1");

    sidecar.ping_ms = 60000;
    sidecar.no_receipts = true;
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    uint64_t expected = sidecar.seq;
    for (int burst = 0; burst < 50; burst++) {
        for (int i = 0; i < 100; i++, expected++) {
            cr_assert_eq(coherd_invalidate(client, "t", &target, 1, NULL, NULL),
                         COHERD_OK);
        }
        FAKE_WAIT(&sidecar, sidecar.seq == expected);
    }
    coherd_close(&client);
}

Test(client_publish, what_was_published_while_detached_arrives_in_order)
{
    char text[32];
    coherd_client *client = open_client(COHERD_THREADED);

    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "%d", i);
        const coherd_target key = coherd_key(text);
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, NULL, NULL),
                     COHERD_OK);
    }
    fake_start(&sidecar);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.key_count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert_eq(sidecar.keys[i], i);
    }
    coherd_close(&client);
}

Test(client_publish, what_had_no_receipt_is_sent_again_to_the_next_sidecar)
{
    char text[32];

    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "%d", i);
        const coherd_target key = coherd_key(text);
        coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    }
    FAKE_WAIT(&sidecar, sidecar.key_count == 100);
    fake_kill(&sidecar);
    sidecar.no_receipts = false;
    sidecar.key_count = 0;
    fake_start(&sidecar);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.key_count, 100);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_eq(sidecar.keys[i], i);
    }
    coherd_close(&client);
}

/* Publish until the window is full; returns how many fitted. */
static int fill(coherd_client *client, coherd_err *err)
{
    static char value[1000];
    int count = 0;

    while ((*err = coherd_publish(client, "t", value, sizeof(value), NULL,
                                  NULL)) == COHERD_OK) {
        cr_assert_lt(++count, 100000);
    }
    return count;
}

Test(client_publish, a_full_window_says_so_and_holds_what_it_promised)
{
    const coherd_options options = {.socket = sidecar.path,
                                    .window_bytes = 128 * 1024};
    const coherd_publish_options patient = {.timeout_ms = 60000};
    const coherd_publish_options hasty = {.timeout_ms = 20};
    coherd_client *client;
    coherd_err err;

    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    const int count = fill(client, &err);
    cr_assert_eq(err, COHERD_ERR_AGAIN);
    cr_assert_gt(count, 120);
    cr_assert_lt(count, 132);
    const char value[1000] = {0};
    const uint64_t before = now_ms();
    cr_assert_eq(coherd_publish(client, "t", value, 1000, &hasty, NULL),
                 COHERD_ERR_AGAIN);
    cr_assert_geq(now_ms() - before, 19);
    fake_start(&sidecar);
    cr_assert_eq(coherd_publish(client, "t", value, 1000, &patient, NULL),
                 COHERD_OK);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.items, (uint64_t)count + 1);
    coherd_close(&client);
}

Test(client_publish, too_large_is_told_before_anything_is_sent)
{
    static char value[CHD_PAYLOAD_BYTES_MAX + 1];
    static coherd_target many[200000];
    char key[1024];
    coherd_client *client = open_client(COHERD_THREADED);

    cr_assert_eq(coherd_publish(client, "t", value, sizeof(value), NULL, NULL),
                 COHERD_ERR_TOO_LARGE);
    cr_assert_eq(coherd_publish(client, "t", value,
                                CHD_PAYLOAD_BYTES_DEFAULT + 1, NULL, NULL),
                 COHERD_ERR_TOO_LARGE);
    cr_assert_eq(coherd_publish(client, "t", value, CHD_PAYLOAD_BYTES_DEFAULT,
                                NULL, NULL),
                 COHERD_OK);
    memset(key, 'k', sizeof(key));
    for (size_t i = 0; i < 200000; i++) {
        many[i] = coherd_key_n(key, sizeof(key));
    }
    cr_assert_eq(coherd_invalidate(client, "t", many, 200000, NULL, NULL),
                 COHERD_ERR_TOO_LARGE);
    /* All or nothing: of a call that fits in several messages all arrive. */
    cr_assert_eq(coherd_invalidate(client, "t", many, 900, NULL, NULL),
                 COHERD_OK);
    FAKE_SET(&sidecar, sidecar.payload_max = 2 * CHD_PAYLOAD_BYTES_DEFAULT);
    fake_start(&sidecar);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.items, 901);
    cr_assert_eq(coherd_publish(client, "t", value,
                                2 * CHD_PAYLOAD_BYTES_DEFAULT, &accepted, NULL),
                 COHERD_OK);
    coherd_close(&client);
}

static void *publish_one(void *client)
{
    static char value[CHD_PAYLOAD_BYTES_DEFAULT];
    return (void *)(uintptr_t)coherd_publish(client, "t", value, sizeof(value),
                                             &accepted, NULL);
}

Test(client_publish, a_sidecar_that_takes_less_does_not_block_the_window)
{
    pthread_t thread;
    void *result;
    coherd_client *client = open_client(COHERD_THREADED);

    pthread_create(&thread, NULL, publish_one, client);
    /* The large one is in the window when the sidecar comes, or is refused
     * right away; both end in the same answer. */
    cr_assert_eq(coherd_publish(client, "t", "small", 5, NULL, NULL),
                 COHERD_OK);
    FAKE_SET(&sidecar, sidecar.payload_max = 1000);
    fake_start(&sidecar);
    pthread_join(thread, &result);
    cr_assert_eq((coherd_err)(uintptr_t)result, COHERD_ERR_TOO_LARGE);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.items, 1);
    coherd_close(&client);
}

Test(client_publish, waiting_ends_with_the_time_out)
{
    const coherd_publish_options hasty = {.wait = COHERD_WAIT_ACCEPTED,
                                          .timeout_ms = 30};
    const coherd_target key = coherd_key("1");

    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &hasty, NULL),
                     COHERD_ERR_TIMEOUT);
        if (!sidecar.runs) {
            fake_start(&sidecar);
        }
        cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
        const uint64_t before = now_ms();
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &hasty, NULL),
                     COHERD_ERR_TIMEOUT);
        cr_assert_geq(now_ms() - before, 29);
        cr_assert_eq(coherd_flush(client, 10), COHERD_ERR_TIMEOUT);
        coherd_close(&client);
    }
    cr_assert_geq(sidecar.items, 2);
}

static void *publish_many(void *arg)
{
    const coherd_target key = coherd_key("7");

    for (int i = 0; i < 500; i++) {
        if (coherd_invalidate(arg, "t", &key, 1, &accepted, NULL) !=
            COHERD_OK) {
            return arg;
        }
    }
    return NULL;
}

Test(client_publish, many_threads_wait_for_their_own_receipts)
{
    pthread_t threads[8];
    void *result;

    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        if (!sidecar.runs) {
            fake_start(&sidecar);
        }
        coherd_client *client = open_client((coherd_mode)mode);
        for (int i = 0; i < 8; i++) {
            pthread_create(&threads[i], NULL, publish_many, client);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], &result);
            cr_assert_null(result);
        }
        coherd_close(&client);
    }
    cr_assert_eq(sidecar.items, 8000);
}

Test(client_publish, a_sidecar_that_does_not_read_blocks_nobody)
{
    coherd_err err;

    FAKE_SET(&sidecar, sidecar.ping_ms = 60000);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    FAKE_SET(&sidecar, sidecar.deaf = true);
    const int count = fill(client, &err);
    cr_assert_eq(err, COHERD_ERR_AGAIN);
    FAKE_SET(&sidecar, sidecar.deaf = false);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.items, (uint64_t)count);
    coherd_close(&client);
}

Test(client_publish, writing_to_a_dead_sidecar_raises_no_signal)
{
    signal(SIGPIPE, SIG_DFL);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    fake_kill(&sidecar);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(coherd_publish(client, "t", "x", 1, NULL, NULL),
                     COHERD_OK);
    }
    fake_start(&sidecar);
    cr_assert_eq(coherd_flush(client, 60000), COHERD_OK);
    cr_assert_eq(sidecar.items, 100);
    coherd_close(&client);
}

Test(client_publish, no_descriptor_is_inherited_by_other_programs)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    char link[64];
    char target[256];
    int found = 0;
    for (int fd = 3; fd < 256; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        const ssize_t len = readlink(link, target, sizeof(target) - 1);
        if (len <= 0) {
            continue;
        }
        target[len] = '\0';
        if (strstr(target, "eventpoll") != NULL ||
            strstr(target, "timerfd") != NULL ||
            strstr(target, "eventfd") != NULL) {
            cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC, "%s", target);
            found++;
        }
    }
    cr_assert_geq(found, 3);
    coherd_close(&client);
}

Test(client_publish, errno_is_left_alone)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    errno = 77;
    coherd_subscribe(client, "t");
    coherd_publish(client, "t", "x", 1, &accepted, NULL);
    coherd_is_connected(client);
    coherd_flush(client, 1000);
    coherd_close(&client);
    cr_assert_eq(errno, 77);
}

Test(client_publish, the_status_has_what_the_sidecar_said)
{
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        coherd_status_report *report = NULL;
        if (!sidecar.runs) {
            cr_assert_eq(coherd_status(client, 20, &report),
                         COHERD_ERR_DISCONNECTED);
            fake_start(&sidecar);
        }
        cr_assert_eq(coherd_status(client, 60000, &report), COHERD_OK);
        cr_assert_str_eq(report->node.name, "fake");
        cr_assert_str_eq(report->node.cluster, "test");
        cr_assert_str_eq(report->node.address, "::1");
        cr_assert_eq(report->node.port, 7420);
        cr_assert_eq(report->node.state, COHERD_NODE_READY);
        cr_assert_eq(report->node.uptime_ms, 61000);
        cr_assert_eq(report->member_count, 1);
        cr_assert_str_eq(report->members[0].name, "other");
        cr_assert_str_eq(report->members[0].region, "");
        cr_assert_str_eq(report->members[0].address, "10.0.0.9");
        cr_assert_eq(report->members[0].rtt_us, 812);
        cr_assert(report->members[0].listed);
        coherd_status_free(report);
        FAKE_SET(&sidecar, sidecar.no_reports = true);
        cr_assert_eq(coherd_status(client, 20, &report), COHERD_ERR_TIMEOUT);
        FAKE_SET(&sidecar, sidecar.no_reports = false);
        cr_assert_eq(coherd_status(client, 60000, &report), COHERD_OK);
        coherd_status_free(report);
        coherd_close(&client);
    }
    coherd_status_free(NULL);
}

/* --- a callback that takes long holds up nothing that was published ------- */

static void publish_burst(coherd_client *client)
{
    const coherd_target key = coherd_key("1");

    for (size_t i = 0; i < 100; i++) {
        coherd_invalidate(client, "burst", &key, 1, NULL, NULL);
    }
}

typedef struct patience {
    bool publishes;
    uint64_t items; /* return when so many were written, or in a minute */
    bool in_vain;
} patience;

static void wait_for_items(coherd_client *client, const coherd_event *event,
                           void *arg)
{
    patience *self = arg;
    struct timespec until;
    int err = 0;

    if (self->publishes) {
        publish_burst(client);
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&sidecar.mutex);
    while (sidecar.items < self->items && err == 0) {
        err = pthread_cond_timedwait(&sidecar.changed, &sidecar.mutex, &until);
    }
    self->in_vain = err != 0;
    pthread_mutex_unlock(&sidecar.mutex);
    on_event(client, event, &saw);
}

static void ignore_reset(coherd_client *client, const coherd_reset *reset,
                         void *arg)
{
    (void)client;
    (void)reset;
    (void)arg;
}

static coherd_client *open_patient(patience *self)
{
    const coherd_options options = {
        .socket = sidecar.path,
        .on_event = wait_for_items,
        .on_reset = ignore_reset,
        .arg = self,
    };
    coherd_client *client = NULL;

    fake_start(&sidecar);
    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    cr_assert_eq(coherd_subscribe(client, "t"), COHERD_OK);
    FAKE_WAIT(&sidecar, sidecar.subscribed == 1);
    return client;
}

Test(client_publish, what_a_callback_publishes_does_not_wait_for_its_end)
{
    patience self = {.publishes = true, .items = 101};
    coherd_client *client = open_patient(&self);

    coherd_publish(client, "t", NULL, 0, NULL, NULL);
    FAKE_WAIT(&saw, saw.events == 1);
    cr_assert_not(self.in_vain);
    coherd_close(&client);
}

Test(client_publish, the_end_of_a_burst_does_not_wait_for_a_callback)
{
    patience self = {.items = 0};
    coherd_client *client = open_patient(&self);

    for (uint64_t i = 1; i <= 100; i++) {
        self.items = i * 101; /* no callback runs now */
        coherd_publish(client, "t", NULL, 0, NULL, NULL);
        publish_burst(client);
        FAKE_WAIT(&saw, saw.events == i);
        cr_assert_not(self.in_vain);
    }
    coherd_close(&client);
}
