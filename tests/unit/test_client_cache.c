/* The cache with a real client: what is stored, served, dropped. */
#include <sys/wait.h>

#include "tests/unit/test_client_cached.h"

TestSuite(client_cache, .init = set_up_source, .fini = tear_down_cache,
          .timeout = 100);

/* --- storing and serving -------------------------------------------------- */

Test(client_cache, a_value_is_loaded_once)
{
    open_all(NULL);
    cr_assert_not(has("51"));
    cr_assert_str_eq(get("51"), "old");
    cr_assert_str_eq(get("51"), "old");
    cr_assert(has("51"));
    cr_assert_eq(source.calls, 1);
    const coherd_cache_stats all = stats();
    cr_assert_eq(all.hits, 2);
    cr_assert_eq(all.misses, 2);
    cr_assert_eq(all.loads, 1);
    cr_assert_eq(all.stored, 1);
    cr_assert_eq(all.entries, 1);
    cr_assert_gt(all.bytes, 0);
}

Test(client_cache, that_there_is_nothing_is_remembered)
{
    open_all(NULL);
    source.value = NULL;
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_eq(source.calls, 1);
    source.value = "new";
    invalidate(coherd_key("51"), NULL);
    cr_assert_str_eq(get("51"), "new");
}

Test(client_cache, that_there_is_nothing_is_not_remembered_if_so_configured)
{
    const coherd_cache_options options = {.missing_ttl_ms = -1};

    open_all(&options);
    source.value = NULL;
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_str_eq(get("51"), "COHERD_ERR_NOT_FOUND");
    cr_assert_eq(source.calls, 2);
}

Test(client_cache, a_failure_is_told_and_not_remembered)
{
    open_all(NULL);
    source.failure = 42;
    errno = 0;
    cr_assert_str_eq(get("51"), "COHERD_ERR_LOADER");
    cr_assert_eq(errno, 42);
    source.failure = 0;
    cr_assert_str_eq(get("51"), "old");
    cr_assert_eq(stats().failed, 1);
}

Test(client_cache, a_loader_says_how_long_a_value_lives)
{
    open_all(NULL);
    source.ttl_ms = 0;
    get("none");
    cr_assert_not(has("none"));
    source.ttl_ms = 1;
    get("short");
    while (has("short")) {
        sched_yield();
    }
    cr_assert_eq(stats().expired, 1);
}

Test(client_cache, no_two_entries_expire_together)
{
    unsigned different = 0;

    open_all(NULL);
    const uint64_t first = chd_cache_expiry_ms(1000000, 1);
    for (uint64_t i = 2; i < 100; i++) {
        const uint64_t at = chd_cache_expiry_ms(1000000, i);
        const uint64_t now_ms = chd_cache_now_ms();
        different += at != first;
        cr_assert_leq(at, now_ms + 1000000);
        cr_assert_geq(at, now_ms + 900000 - 1000);
    }
    cr_assert_gt(different, 90);
}

/* --- what happens --------------------------------------------------------- */

Test(client_cache, every_target_drops_what_it_covers)
{
    const struct {
        coherd_target target;
        bool dropped;
    } all[] = {
        {coherd_key("user/51"), true},  {coherd_key("user/5"), false},
        {coherd_tag("home"), true},     {coherd_tag("about"), false},
        {coherd_prefix("user/"), true}, {coherd_prefix("user/6"), false},
        {coherd_prefix(""), true},      {coherd_all(), true},
    };

    open_all(NULL);
    source.tag = "home";
    for (size_t i = 0; i < CHD_COUNT(all); i++) {
        get("user/51");
        cr_assert(has("user/51"));
        invalidate(all[i].target, NULL);
        cr_assert_eq(has("user/51"), !all[i].dropped, "%zu", i);
    }
    const coherd_cache_stats sum = stats();
    cr_assert_eq(sum.keys, 1);
    cr_assert_eq(sum.tags, 1);
    cr_assert_eq(sum.prefixes, 2);
    cr_assert_eq(sum.all, 1);
}

Test(client_cache, a_reset_drops_everything)
{
    open_all(NULL);
    get("51");
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, saw.resets == 2);
    cr_assert_not(has("51"));
    cr_assert_eq(stats().resets, 1);
}

Test(client_cache, a_reset_may_mark_stale_instead)
{
    const coherd_cache_options options = {.on_reset = COHERD_RESET_SOFT,
                                          .stale_ms = 3600000};

    open_all(&options);
    get("51");
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, saw.resets == 2);
    cr_assert(has("51"));
    source.value = "new";
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(stats().stale, 2);
}

Test(client_cache, a_soft_invalidation_is_served_until_it_is_loaded)
{
    const coherd_publish_options soft = {.soft = true};
    const coherd_cache_options options = {.stale_ms = 3600000};

    open_all(&options);
    get("51");
    invalidate(coherd_key("51"), &soft);
    source.failure = 1;
    cr_assert_str_eq(get("51"), "old", "stale is better than an error");
    source.failure = 0;
    source.value = "new";
    cr_assert_str_eq(get("51"), "new");
    cr_assert_str_eq(get("51"), "new");
    cr_assert_eq(source.calls, 3);
}

Test(client_cache, stale_values_are_not_served_for_ever)
{
    const coherd_publish_options soft = {.soft = true};
    const coherd_cache_options options = {.stale_ms = 1};

    open_all(&options);
    get("51");
    invalidate(coherd_key("51"), &soft);
    while (has("51")) {
        sched_yield();
    }
}

Test(client_cache, unsubscribing_empties_the_cache)
{
    open_all(NULL);
    get("51");
    cr_assert_eq(coherd_unsubscribe(client, "t"), COHERD_OK);
    cr_assert_not(has("51"));
    cr_assert_str_eq(get("51"), "old");
    cr_assert_not(has("51"));
    cr_assert_eq(stats().unheard, 1);
}

/* The event is applied here before a callback is shown it, and what comes
 * behind it is not: the longer that takes, the staler the cache knows to be. */
Test(client_cache, while_a_callback_does_not_return_a_bounded_cache_grows_stale)
{
    const coherd_cache_options options = {.max_staleness_ms = 1000};
    const coherd_target changed = coherd_key("51");

    FAKE_SET(&sidecar, sidecar.fresh = true; sidecar.ping_ms = 20);
    open_all(&options);
    while (!has("51") || !has("52")) {
        get("51");
        get("52");
    }
    pthread_mutex_lock(&saw.mutex); /* what on_event wants */
    cr_assert_eq(coherd_invalidate(client, "t", &changed, 1, NULL, NULL),
                 COHERD_OK);
    while (has("51") || has("52")) {
        sched_yield();
    }
    cr_assert_eq(saw.events, 0);
    cr_assert_gt(coherd_staleness(client), 1000);
    cr_assert_eq(stats().keys, 1);
    cr_assert_eq(stats().entries, 1);
    pthread_mutex_unlock(&saw.mutex);
    while (!has("52")) {
        sched_yield();
    }
}

/* Two tags each: hundreds of labels share their chains. */
static int load_tagged(coherd_load *into, const void *key, size_t key_len,
                       void *arg)
{
    char tag[32];

    (void)arg;
    for (int i = 0; i < 2; i++) {
        snprintf(tag, sizeof(tag), "%c%.*s", 'a' + i, (int)key_len,
                 (const char *)key);
        cr_assert_eq(coherd_load_tag(into, tag, strlen(tag)), COHERD_OK);
    }
    cr_assert_eq(coherd_load_value(into, "x", 1), COHERD_OK);
    return 0;
}

Test(client_cache, any_tag_of_an_entry_drops_it)
{
    char key[16];
    char tag[32];

    open_all(NULL);
    for (int i = 0; i < 1000; i++) {
        coherd_value *value = NULL;
        snprintf(key, sizeof(key), "%d", i);
        cr_assert_eq(coherd_cache_get_or_load(cache, key, strlen(key),
                                              load_tagged, NULL, &value),
                     COHERD_OK);
        coherd_value_release(&value);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        snprintf(tag, sizeof(tag), "%c%d", 'a' + i % 2, i);
        invalidate(coherd_tag(tag), NULL);
        cr_assert_not(has(key), "%s is served", key);
    }
}

/* --- publishing ----------------------------------------------------------- */

Test(client_cache, nothing_is_published_but_what_is_asked_for)
{
    const coherd_cache_options options = {.entries_max = 10};
    const coherd_target target = coherd_key("1");
    char key[16];

    open_all(&options);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        source.ttl_ms = i % 2;
        get(key);
        has(key);
    }
    source.value = NULL;
    get("missing");
    source.failure = 1;
    get("failing");
    cr_assert_gt(stats().evicted, 0);
    cr_assert_eq(coherd_cache_invalidate(cache, &target, 1, NULL, NULL),
                 COHERD_OK);
    FAKE_WAIT(&saw, saw.events == 1);
    FAKE_WAIT(&sidecar, sidecar.publishes == 1 && sidecar.items == 1);
}

Test(client_cache, an_own_invalidation_is_applied_before_it_is_published)
{
    const coherd_target targets[] = {coherd_key("51"), coherd_tag("x")};
    const coherd_target bad = {COHERD_TARGET_NONE, NULL, 0};

    open_all(NULL);
    get("51");
    FAKE_SET(&sidecar, sidecar.deaf = true);
    cr_assert_eq(coherd_cache_invalidate(cache, targets, 2, NULL, NULL),
                 COHERD_OK);
    cr_assert_not(has("51"));
    cr_assert_eq(coherd_cache_invalidate(cache, &bad, 1, NULL, NULL),
                 COHERD_ERR_INVALID);
    FAKE_SET(&sidecar, sidecar.deaf = false);
}

static void never_told(coherd_client *c, const coherd_receipt *receipt,
                       coherd_err err, void *arg)
{
    (void)c, (void)receipt, (void)err, (void)arg;
    cr_assert_fail("nothing was published");
}

Test(client_cache, what_is_refused_drops_nothing)
{
    const coherd_target target = coherd_key("51");
    const coherd_entry entry = {
        .key = "51", .key_len = 2, .value = "new", .value_len = 3};
    const coherd_publish_options wrong[] = {
        {.reserved = {0, 1}},        {.again_after_ms = -1},
        {.again_after_ms = 3600001}, {.wait = (coherd_wait)4},
        {.on_receipt = never_told},
    };

    open_all(NULL);
    get("51");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_eq(
            coherd_cache_invalidate(cache, &target, 1, &wrong[i], NULL),
            COHERD_ERR_INVALID, "%zu", i);
        cr_assert_eq(
            coherd_invalidate(client, "t", &target, 1, &wrong[i], NULL),
            COHERD_ERR_INVALID, "%zu", i);
        cr_assert_eq(coherd_cache_update(cache, &entry, &wrong[i], NULL),
                     COHERD_ERR_INVALID, "%zu", i);
        cr_assert(has("51"), "%zu", i);
    }
    const coherd_publish_options again = {.again_after_ms = 1000};
    cr_assert_eq(coherd_cache_update(cache, &entry, &again, NULL),
                 COHERD_ERR_INVALID, "updates are not applied again");
    cr_assert(has("51"));
}

static void invalidate_here(void)
{
    const coherd_target target = coherd_key("51");
    cr_assert_eq(coherd_cache_invalidate(cache, &target, 1, NULL, NULL),
                 COHERD_OK);
}

Test(client_cache, an_own_invalidation_refuses_fills_under_way)
{
    open_all(NULL);
    FAKE_SET(&sidecar, sidecar.deaf = true);
    source.meanwhile = invalidate_here;
    get("51");
    cr_assert_not(has("51"));
    cr_assert_eq(stats().refused, 1);
    FAKE_SET(&sidecar, sidecar.deaf = false);
}

/* --- opening and closing -------------------------------------------------- */

Test(client_cache, a_client_is_not_closed_under_its_cache)
{
    open_all(NULL);
    cr_assert_eq(coherd_close(&client), COHERD_ERR_MODE);
    get("51");
    cr_assert(has("51"));
}

Test(client_cache, values_outlive_their_cache)
{
    coherd_value *value;

    open_all(NULL);
    cr_assert_eq(coherd_cache_get_or_load(cache, "51", 2, load, NULL, &value),
                 COHERD_OK);
    coherd_cache_close(&cache);
    cr_assert_null(cache);
    cr_assert_arr_eq(value->data, "old", 3);
    coherd_value_release(&value);
}

Test(client_cache, two_caches_of_one_topic_hear_the_same)
{
    coherd_cache *other = NULL;
    coherd_value *value;

    open_all(NULL);
    cr_assert_eq(coherd_cache_open(client, "t", NULL, &other), COHERD_OK);
    get("51");
    cr_assert_eq(coherd_cache_get_or_load(other, "51", 2, load, NULL, &value),
                 COHERD_OK);
    coherd_value_release(&value);
    invalidate(coherd_key("51"), NULL);
    cr_assert_not(has("51"));
    cr_assert_eq(coherd_cache_get(other, "51", 2, &value),
                 COHERD_ERR_NOT_CACHED);
    coherd_cache_close(&other);
}

Test(client_cache, a_child_has_an_empty_cache_of_its_own)
{
    open_all(NULL);
    get("51");
    const pid_t child = fork();
    if (child == 0) {
        coherd_value *value = NULL;
        if (coherd_cache_get(cache, "51", 2, &value) != COHERD_ERR_NOT_CACHED) {
            _exit(1);
        }
        if (coherd_wait_connected(client, 60000) != COHERD_OK) {
            _exit(2);
        }
        while (coherd_cache_get(cache, "51", 2, &value) != COHERD_OK) {
            if (coherd_cache_get_or_load(cache, "51", 2, load, NULL, &value) !=
                COHERD_OK) {
                _exit(3);
            }
            coherd_value_release(&value);
        }
        coherd_value_release(&value);
        coherd_cache_close(&cache);
        _exit(coherd_close(&client) == COHERD_OK ? 0 : 4);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    cr_assert(has("51"));
}

Test(client_cache, arguments_are_checked)
{
    coherd_cache *other = NULL;
    coherd_value *value;
    const coherd_cache_options bad[] = {
        {.reserved = {1}},
        {.on_reset = (coherd_on_reset)7},
        {.max_staleness_ms = -1},
    };

    open_all(NULL);
    for (size_t i = 0; i < CHD_COUNT(bad); i++) {
        cr_assert_eq(coherd_cache_open(client, "t", &bad[i], &other),
                     COHERD_ERR_INVALID);
    }
    cr_assert_eq(coherd_cache_open(client, "", NULL, &other),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_cache_get(cache, "", 0, &value), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_cache_get_or_load(cache, "k", 1, NULL, NULL, &value),
                 COHERD_ERR_INVALID);
    coherd_cache_close(&other);
    coherd_cache_close(NULL);
}
