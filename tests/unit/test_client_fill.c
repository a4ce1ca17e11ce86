/* Guarded fills with a real client: the order of deliveries, callbacks and
 * tickets, and what only the whole library can show. */
#include <sys/wait.h>

#include "tests/unit/test_client_seen.h"

TestSuite(client_fill, .init = set_up, .fini = tear_down, .timeout = 100);

static coherd_client *open_subscribed(void)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    coherd_subscribe(client, "t");
    PUMP(client, saw.resets == 1);
    return client;
}

static coherd_fill begin(coherd_client *client, const char *key)
{
    coherd_fill fill;

    cr_assert_eq(coherd_fill_begin(client, "t", key, strlen(key), &fill),
                 COHERD_OK);
    return fill;
}

static void invalidate(coherd_client *client, coherd_target target,
                       const coherd_publish_options *options)
{
    const uint64_t before = saw.events;

    cr_assert_eq(coherd_invalidate(client, "t", &target, 1, options, NULL),
                 COHERD_OK);
    PUMP(client, saw.events > before);
}

Test(client_fill, an_invalidation_by_anything_refuses_the_fill)
{
    coherd_client *client = open_subscribed();
    const coherd_target tag = coherd_tag("home");
    const coherd_fill_options options = {.tags = &tag, .tag_count = 1};
    const struct {
        coherd_target target;
        coherd_err err;
    } all[] = {
        {coherd_key("51"), COHERD_ERR_STALE_FILL},
        {coherd_key("52"), COHERD_OK},
        {coherd_tag("home"), COHERD_ERR_STALE_FILL},
        {coherd_tag("about"), COHERD_OK},
        {coherd_prefix("5"), COHERD_ERR_STALE_FILL},
        {coherd_prefix("52"), COHERD_OK},
        {coherd_all(), COHERD_ERR_STALE_FILL},
    };

    for (size_t i = 0; i < CHD_COUNT(all); i++) {
        const coherd_fill before = begin(client, "51");
        invalidate(client, all[i].target, NULL);
        const coherd_fill after = begin(client, "51");
        cr_assert_eq(coherd_fill_end(client, &before, &options), all[i].err,
                     "%zu", i);
        cr_assert_eq(coherd_fill_end(client, &after, &options), COHERD_OK);
    }
    coherd_close(&client);
}

Test(client_fill, an_update_refuses_and_a_message_does_not)
{
    coherd_client *client = open_subscribed();
    const coherd_entry entry = {"51", 2, "new", 3};
    coherd_fill fill = begin(client, "51");

    coherd_publish(client, "t", "hello", 5, NULL, NULL);
    PUMP(client, saw.events == 1);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_OK);
    coherd_update(client, "t", &entry, NULL, NULL);
    PUMP(client, saw.events == 2);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_STALE_FILL);
    coherd_close(&client);
}

static coherd_fill under_way;
static coherd_err during = COHERD_ERR_COUNT;

static void end_fill(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    (void)event;
    (void)arg;
    during = coherd_fill_end(client, &under_way, NULL);
}

Test(client_fill, a_fill_that_ends_during_the_callback_is_refused)
{
    fake_start(&sidecar);
    const coherd_options options = {.socket = sidecar.path,
                                    .mode = COHERD_POLLED,
                                    .on_event = end_fill,
                                    .on_reset = on_reset,
                                    .arg = &saw};
    coherd_client *client = NULL;
    cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
    coherd_subscribe(client, "t");
    PUMP(client, saw.resets == 1);
    under_way = begin(client, "51");
    const coherd_target key = coherd_key("51");
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    PUMP(client, during != COHERD_ERR_COUNT);
    cr_assert_eq(during, COHERD_ERR_STALE_FILL);
    coherd_close(&client);
}

Test(client_fill, a_fill_that_ends_before_kept_events_are_shown_is_refused)
{
    coherd_client *client = open_subscribed();
    const coherd_publish_options accepted = {.wait = COHERD_WAIT_ACCEPTED,
                                             .timeout_ms = 60000};
    const coherd_target key = coherd_key("51");
    const coherd_fill fill = begin(client, "51");

    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &accepted, NULL),
                 COHERD_OK);
    cr_assert_eq(saw.events, 0);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_STALE_FILL);
    coherd_close(&client);
}

Test(client_fill, without_a_connection_nothing_is_admitted)
{
    coherd_client *client = open_subscribed();
    coherd_fill fill = begin(client, "51");
    const coherd_fill before = fill;

    fake_kill(&sidecar);
    PUMP(client, saw.disconnected >= 1);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_DISCONNECTED);
    cr_assert_eq(coherd_fill_begin(client, "t", "51", 2, &fill),
                 COHERD_ERR_DISCONNECTED);
    fake_start(&sidecar);
    PUMP(client, saw.connected == 2);
    cr_assert_eq(coherd_fill_end(client, &before, NULL), COHERD_ERR_STALE_FILL);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_DISCONNECTED,
                 "a ticket that was refused stays refused");
    fill = begin(client, "51");
    PUMP(client, saw.resets == 2);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_STALE_FILL);
    fill = begin(client, "51");
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_OK);
    coherd_close(&client);
}

Test(client_fill, a_goodbye_ends_admission)
{
    coherd_client *client = open_subscribed();
    const coherd_fill fill = begin(client, "51");

    FAKE_SET(&sidecar, sidecar.goodbye = true);
    PUMP(client, saw.disconnected == 1);
    cr_assert_neq(coherd_fill_end(client, &fill, NULL), COHERD_OK);
    coherd_close(&client);
}

Test(client_fill, only_subscribed_topics_can_be_filled)
{
    coherd_client *client = open_subscribed();
    coherd_fill fill;

    cr_assert_eq(coherd_fill_begin(client, "u", "51", 2, &fill),
                 COHERD_ERR_NOT_SUBSCRIBED);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL),
                 COHERD_ERR_NOT_SUBSCRIBED);
    fill = begin(client, "51");
    cr_assert_eq(coherd_unsubscribe(client, "t"), COHERD_OK);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_STALE_FILL);
    coherd_close(&client);
}

Test(client_fill, a_version_is_demanded)
{
    coherd_client *client = open_subscribed();
    const coherd_publish_options publish = {.version = 100};
    coherd_fill_options options = {.version = 99};

    invalidate(client, coherd_key("51"), &publish);
    const coherd_fill fill = begin(client, "51");
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_OLD_VERSION);
    cr_assert_eq(coherd_fill_end(client, &fill, &options),
                 COHERD_ERR_OLD_VERSION);
    options.version = 100;
    cr_assert_eq(coherd_fill_end(client, &fill, &options), COHERD_OK);
    coherd_close(&client);
}

Test(client_fill, an_invalidation_is_applied_again)
{
    coherd_client *client = open_subscribed();
    const coherd_publish_options publish = {.again_after_ms = 50};

    invalidate(client, coherd_key("51"), &publish);
    const coherd_fill fill = begin(client, "51");
    PUMP(client, saw.events == 2);
    cr_assert_str_eq(saw.key, "51");
    cr_assert_str_eq(saw.topic, "t");
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_STALE_FILL);
    coherd_close(&client);
}

Test(client_fill, it_is_applied_again_without_a_sidecar)
{
    coherd_client *client = open_subscribed();
    const coherd_publish_options publish = {.again_after_ms = 50};

    invalidate(client, coherd_key("51"), &publish);
    fake_kill(&sidecar);
    PUMP(client, saw.events == 2);
    coherd_close(&client);
}

Test(client_fill, what_comes_again_while_a_call_waits_comes_in_dispatch)
{
    const coherd_publish_options again = {.again_after_ms = 20};
    coherd_client *client = open_subscribed();

    invalidate(client, coherd_key("51"), &again);
    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    const coherd_target key = coherd_key("52");
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    cr_assert_eq(coherd_flush(client, 200), COHERD_ERR_TIMEOUT);
    cr_assert_eq(saw.events, 1);
    PUMP(client, saw.events == 3);
    coherd_close(&client);
}

Test(client_fill, a_wait_that_ends_leaves_the_descriptor_armed)
{
    const coherd_publish_options again = {.again_after_ms = 20};

    FAKE_SET(&sidecar, sidecar.ping_ms = 60000);
    coherd_client *client = open_subscribed();
    invalidate(client, coherd_key("51"), &again);
    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    coherd_publish(client, "unheard", "x", 1, NULL, NULL);
    /* What is due meanwhile is not for this call to do. */
    cr_assert_eq(coherd_flush(client, 200), COHERD_ERR_TIMEOUT);
    while (saw.events < 2) {
        struct pollfd fd = {.fd = coherd_fd(client), .events = POLLIN};
        cr_assert_eq(poll(&fd, 1, 20000), 1);
        cr_assert_eq(coherd_dispatch(client), COHERD_OK);
    }
    coherd_close(&client);
}

Test(client_fill, a_thread_applies_it_again)
{
    const coherd_publish_options again = {.again_after_ms = 20};
    const coherd_target key = coherd_key("51");

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_subscribe(client, "t");
    FAKE_WAIT(&saw, saw.resets == 1);
    coherd_invalidate(client, "t", &key, 1, &again, NULL);
    FAKE_WAIT(&saw, saw.events == 2);
    coherd_close(&client);
}

Test(client_fill, a_child_admits_nothing_of_its_parent)
{
    coherd_client *client = open_subscribed();
    const coherd_fill fill = begin(client, "51");
    const pid_t child = fork();

    if (child == 0) {
        coherd_fill other;
        if (coherd_fill_begin(client, "t", "51", 2, &other) !=
                COHERD_ERR_DISCONNECTED ||
            coherd_fill_end(client, &fill, NULL) != COHERD_ERR_DISCONNECTED) {
            _exit(1);
        }
        while (saw.resets < 2) {
            struct pollfd fd = {.fd = coherd_fd(client), .events = POLLIN};
            if (poll(&fd, 1, 60000) != 1) {
                _exit(2);
            }
            coherd_dispatch(client);
        }
        if (coherd_fill_end(client, &fill, NULL) != COHERD_ERR_STALE_FILL ||
            coherd_fill_begin(client, "t", "51", 2, &other) != COHERD_OK ||
            coherd_fill_end(client, &other, NULL) != COHERD_OK) {
            _exit(3);
        }
        _exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_OK);
    coherd_close(&client);
}

Test(client_fill, arguments_are_checked)
{
    coherd_client *client = open_subscribed();
    const coherd_fill none = {0};
    const coherd_target key = coherd_key("1");
    const coherd_target empty = coherd_tag("");
    const coherd_fill good = begin(client, "51");
    char long_key[COHERD_TARGET_BYTES_MAX + 1] = {0};
    coherd_fill fill;

    cr_assert_eq(coherd_fill_begin(client, "t", "", 0, &fill),
                 COHERD_ERR_INVALID);
    cr_assert_eq(
        coherd_fill_begin(client, "t", long_key, sizeof(long_key), &fill),
        COHERD_ERR_INVALID);
    cr_assert_eq(coherd_fill_begin(client, "", "k", 1, &fill),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_fill_begin(client, "t", "k", 1, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_fill_end(client, &fill, NULL), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_fill_end(client, &none, NULL), COHERD_ERR_INVALID);
    const coherd_fill_options bad[] = {
        {.tags = &key, .tag_count = 1},
        {.tags = &empty, .tag_count = 1},
        {.tag_count = 1},
        {.reserved = {1}},
    };
    for (size_t i = 0; i < CHD_COUNT(bad); i++) {
        cr_assert_eq(coherd_fill_end(client, &good, &bad[i]),
                     COHERD_ERR_INVALID, "%zu", i);
    }
    const coherd_publish_options worse[] = {
        {.again_after_ms = -1},
        {.again_after_ms = 3600001},
    };
    for (size_t i = 0; i < CHD_COUNT(worse); i++) {
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &worse[i], NULL),
                     COHERD_ERR_INVALID);
    }
    const coherd_publish_options demand = {.version = 1};
    const coherd_publish_options again = {.again_after_ms = 1};
    const coherd_entry entry = {"51", 2, "v", 1};
    cr_assert_eq(coherd_publish(client, "t", "x", 1, &demand, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_update(client, "t", &entry, &again, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_update(client, "t", &entry, &demand, NULL), COHERD_OK);
    coherd_close(&client);
}

Test(client_fill, more_tags_than_are_asked_at_a_time)
{
    coherd_client *client = open_subscribed();
    coherd_target tags[100];
    char names[100][8];

    for (size_t i = 0; i < CHD_COUNT(tags); i++) {
        snprintf(names[i], sizeof(names[i]), "tag%zu", i);
        tags[i] = coherd_tag(names[i]);
    }
    const coherd_fill_options options = {.tags = tags, .tag_count = 100};
    const coherd_fill fill = begin(client, "51");
    cr_assert_eq(coherd_fill_end(client, &fill, &options), COHERD_OK);
    invalidate(client, coherd_tag("tag99"), NULL);
    cr_assert_eq(coherd_fill_end(client, &fill, &options),
                 COHERD_ERR_STALE_FILL);
    coherd_close(&client);
}
