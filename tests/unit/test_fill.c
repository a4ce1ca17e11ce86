#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/base/hash.h"
#include "proto/session/fill.h"
#include "tests/support/heap.h"

#define LAG (60 * CHD_SECOND)
#define NOW (1000 * CHD_SECOND)

static chd_fills *fills;

static const chd_fills_config usual = {
    .seed = 7,
    .lag_max_ns = LAG,
    .floor_count = 1024,
    .demand_count = 1024,
    .subscription_count_max = 16,
};

static chd_filter exact(const char *topic)
{
    return (chd_filter){CHD_MATCH_EXACT, chd_bytes_str(topic)};
}

static chd_filter topics(const char *prefix)
{
    return (chd_filter){CHD_MATCH_PREFIX, chd_bytes_str(prefix)};
}

static void make(const chd_fills_config *config)
{
    const chd_filter filter = exact("t");

    cr_assert_eq(chd_fills_new(config, heap_mem(), &fills), CHD_OK);
    chd_fills_subscribed(fills, &filter);
}

static void set_up(void)
{
    make(&usual);
}

static void tear_down(void)
{
    chd_fills_destroy(&fills);
    NO_LEAKS();
}

TestSuite(fill, .init = set_up, .fini = tear_down);

static chd_fill begin(const char *key)
{
    chd_fill fill = {0};

    cr_assert(
        chd_fills_begin(fills, chd_bytes_str("t"), chd_bytes_str(key), &fill));
    return fill;
}

static chd_fill_answer end(const chd_fill *fill, uint64_t now_ns,
                           uint64_t version, const char *tag)
{
    const chd_bytes tags[] = {chd_bytes_str("other"),
                              chd_bytes_str(tag == NULL ? "" : tag)};
    const chd_loaded loaded = {tags, tag == NULL ? 1 : 2, version};

    return chd_fills_end(fills, now_ns, fill, &loaded);
}

static chd_event event_of(chd_target_kind kind, const char *target)
{
    return (chd_event){.kind = CHD_KIND_INVALIDATE,
                       .target_kind = kind,
                       .topic = chd_bytes_str("t"),
                       .target = chd_bytes_str(target)};
}

/* What covers the key "user/51" with the tag "home", and what does not. */
static const struct {
    const char *name;
    chd_kind kind;
    chd_target_kind target_kind;
    const char *topic;
    const char *target;
    bool covers;
} cases[] = {
    {"its key", CHD_KIND_INVALIDATE, CHD_TARGET_KEY, "t", "user/51", true},
    {"another key", CHD_KIND_INVALIDATE, CHD_TARGET_KEY, "t", "user/5", false},
    {"an update", CHD_KIND_UPDATE, CHD_TARGET_KEY, "t", "user/51", true},
    {"its tag", CHD_KIND_INVALIDATE, CHD_TARGET_TAG, "t", "home", true},
    {"a tag named like the key", CHD_KIND_INVALIDATE, CHD_TARGET_TAG, "t",
     "user/51", false},
    {"a key named like the tag", CHD_KIND_INVALIDATE, CHD_TARGET_KEY, "t",
     "home", false},
    {"its prefix", CHD_KIND_INVALIDATE, CHD_TARGET_PREFIX, "t", "user/", true},
    {"all of it as prefix", CHD_KIND_INVALIDATE, CHD_TARGET_PREFIX, "t",
     "user/51", true},
    {"a longer prefix", CHD_KIND_INVALIDATE, CHD_TARGET_PREFIX, "t", "user/512",
     false},
    {"another prefix", CHD_KIND_INVALIDATE, CHD_TARGET_PREFIX, "t", "users",
     false},
    {"the empty prefix", CHD_KIND_INVALIDATE, CHD_TARGET_PREFIX, "t", "", true},
    {"the topic", CHD_KIND_INVALIDATE, CHD_TARGET_ALL, "t", "", true},
    {"another topic", CHD_KIND_INVALIDATE, CHD_TARGET_ALL, "u", "", false},
    {"its key elsewhere", CHD_KIND_INVALIDATE, CHD_TARGET_KEY, "u", "user/51",
     false},
    {"a message", CHD_KIND_MESSAGE, CHD_TARGET_NONE, "t", "", false},
};

static chd_event case_event(size_t i)
{
    return (chd_event){.kind = cases[i].kind,
                       .target_kind = cases[i].target_kind,
                       .topic = chd_bytes_str(cases[i].topic),
                       .target = chd_bytes_str(cases[i].target)};
}

Test(fill, what_covers_the_value_between_begin_and_end_refuses_it)
{
    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_event event = case_event(i);
        const chd_fill before = begin("user/51");
        chd_fills_event(fills, NOW, &event);
        cr_assert_eq(end(&before, NOW, 0, "home"),
                     cases[i].covers ? CHD_FILL_STALE : CHD_FILL_ADMIT, "%s",
                     cases[i].name);
        const chd_fill after = begin("user/51");
        cr_assert_eq(end(&after, NOW, 0, "home"), CHD_FILL_ADMIT,
                     "began after: %s", cases[i].name);
        cr_assert_eq(end(&before, NOW, 0, "home"),
                     cases[i].covers ? CHD_FILL_STALE : CHD_FILL_ADMIT,
                     "asked again: %s", cases[i].name);
    }
}

Test(fill, soft_invalidations_count_like_others)
{
    chd_event event = event_of(CHD_TARGET_KEY, "51");
    const chd_fill fill = begin("51");

    event.flags = CHD_FLAG_SOFT;
    chd_fills_event(fills, NOW, &event);
    cr_assert_eq(end(&fill, NOW, 0, NULL), CHD_FILL_STALE);
}

Test(fill, resets_refuse_what_they_cover)
{
    const chd_filter mine = exact("t");
    const chd_filter other = exact("u");
    const chd_filter begins_so = topics("u");
    const struct {
        const chd_filter *filter;
        chd_fill_answer answer;
    } resets[] = {
        {&mine, CHD_FILL_STALE},
        {&other, CHD_FILL_ADMIT},
        {NULL, CHD_FILL_STALE},
        {&begins_so, CHD_FILL_STALE}, /* without need: prefixes are rare */
    };

    for (size_t i = 0; i < CHD_COUNT(resets); i++) {
        const chd_fill fill = begin("51");
        chd_fills_reset(fills, resets[i].filter);
        cr_assert_eq(end(&fill, NOW, 0, NULL), resets[i].answer, "%zu", i);
        const chd_fill after = begin("51");
        cr_assert_eq(end(&after, NOW, 0, NULL), CHD_FILL_ADMIT, "%zu", i);
    }
}

/* --- subscriptions -------------------------------------------------------- */

static bool can_begin(const char *topic)
{
    chd_fill fill;
    return chd_fills_begin(fills, chd_bytes_str(topic), chd_bytes_str("k"),
                           &fill);
}

Test(fill, only_what_is_subscribed_can_be_filled)
{
    const chd_filter shops = topics("shop/");
    const chd_filter every = topics("");
    const chd_filter mine = exact("t");

    cr_assert(can_begin("t"));
    cr_assert_not(can_begin("tt"));
    cr_assert_not(can_begin("shop/1"));
    chd_fills_subscribed(fills, &shops);
    chd_fills_subscribed(fills, &shops);
    cr_assert(can_begin("shop/1"));
    cr_assert(can_begin("shop/"));
    cr_assert_not(can_begin("shop"));
    chd_fills_unsubscribed(fills, &shops);
    cr_assert_not(can_begin("shop/1"));
    chd_fills_unsubscribed(fills, &shops);
    chd_fills_subscribed(fills, &every);
    cr_assert(can_begin("anything"));
    chd_fills_unsubscribed(fills, &every);
    chd_fills_unsubscribed(fills, &mine);
    cr_assert_not(can_begin("t"));
}

Test(fill, ending_a_subscription_refuses_fills_under_way)
{
    const chd_filter mine = exact("t");
    const chd_fill fill = begin("51");

    chd_fills_unsubscribed(fills, &mine);
    chd_fills_subscribed(fills, &mine);
    cr_assert_eq(end(&fill, NOW, 0, NULL), CHD_FILL_STALE);
}

Test(fill, subscriptions_come_and_go_up_to_their_number)
{
    char topic[16];

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 15; i++) {
            snprintf(topic, sizeof(topic), "%d-%d", round, i);
            const chd_filter filter = i % 3 == 0 ? topics(topic) : exact(topic);
            chd_fills_subscribed(fills, &filter);
        }
        for (int i = 14; i >= 0; i--) {
            snprintf(topic, sizeof(topic), "%d-%d", round, (i * 7) % 15);
            cr_assert(can_begin(topic), "%s", topic);
            const chd_filter filter =
                (i * 7) % 15 % 3 == 0 ? topics(topic) : exact(topic);
            chd_fills_unsubscribed(fills, &filter);
            cr_assert_not(can_begin(topic) && topic[3] == '\0', "%s", topic);
        }
        cr_assert(can_begin("t"));
    }
}

/* --- versions ------------------------------------------------------------- */

static const struct {
    chd_target_kind kind;
    const char *target;
} covering[] = {
    {CHD_TARGET_KEY, "user/51"},  {CHD_TARGET_TAG, "home"},
    {CHD_TARGET_PREFIX, "user/"}, {CHD_TARGET_PREFIX, ""},
    {CHD_TARGET_ALL, ""},
};

Test(fill, a_version_is_demanded_until_its_time_is_over)
{
    uint64_t now_ns = NOW;

    cr_assert_not(chd_fills_has_demands(fills));
    for (size_t i = 0; i < CHD_COUNT(covering); i++, now_ns += 2 * LAG) {
        chd_event event = event_of(covering[i].kind, covering[i].target);
        event.version = 100;
        chd_fills_event(fills, now_ns, &event);
        cr_assert(chd_fills_has_demands(fills));
        const chd_fill fill = begin("user/51");
        const chd_fill other = begin("other");
        const uint64_t last_ns = now_ns + LAG - 1;
        cr_assert_eq(end(&fill, now_ns, 0, "home"), CHD_FILL_VERSION, "%zu", i);
        cr_assert_eq(end(&fill, last_ns, 99, "home"), CHD_FILL_VERSION);
        cr_assert_eq(end(&fill, now_ns, 100, "home"), CHD_FILL_ADMIT);
        cr_assert_eq(end(&fill, last_ns, 101, "home"), CHD_FILL_ADMIT);
        cr_assert_eq(end(&fill, last_ns + 1, 0, "home"), CHD_FILL_ADMIT);
        cr_assert_eq(end(&other, now_ns, 0, "x"),
                     covering[i].target[0] == '\0' ? CHD_FILL_VERSION
                                                   : CHD_FILL_ADMIT,
                     "%zu", i);
    }
}

Test(fill, a_version_that_is_new_enough_does_not_save_a_fill_that_began_before)
{
    chd_event event = event_of(CHD_TARGET_KEY, "51");
    const chd_fill fill = begin("51");

    event.version = 100;
    chd_fills_event(fills, NOW, &event);
    cr_assert_eq(end(&fill, NOW, 100, NULL), CHD_FILL_STALE);
}

Test(fill, the_newest_version_is_demanded)
{
    chd_event event = event_of(CHD_TARGET_KEY, "51");
    const uint64_t versions[] = {100, 200, 150, 0};

    for (size_t i = 0; i < CHD_COUNT(versions); i++) {
        event.version = versions[i];
        chd_fills_event(fills, NOW + i, &event);
    }
    const chd_fill fill = begin("51");
    cr_assert_eq(end(&fill, NOW + 9, 199, NULL), CHD_FILL_VERSION);
    cr_assert_eq(end(&fill, NOW + 9, 200, NULL), CHD_FILL_ADMIT);
}

Test(fill, a_version_can_be_demanded_for_ever)
{
    chd_fills_config config = usual;
    chd_event event = event_of(CHD_TARGET_KEY, "51");

    config.lag_max_ns = CHD_NEVER_NS;
    chd_fills_destroy(&fills);
    make(&config);
    event.version = 2;
    chd_fills_event(fills, NOW, &event);
    const chd_fill fill = begin("51");
    cr_assert_eq(end(&fill, CHD_NEVER_NS - 1, 1, NULL), CHD_FILL_VERSION);
    cr_assert_eq(end(&fill, CHD_NEVER_NS - 1, 2, NULL), CHD_FILL_ADMIT);
}

/* --- what overflows ------------------------------------------------------- */

static void invalidate_others(int count, uint64_t version)
{
    char key[16];

    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        chd_event event = event_of(CHD_TARGET_KEY, key);
        event.version = version;
        chd_fills_event(fills, NOW, &event);
    }
}

Test(fill, a_floor_that_left_its_table_still_refuses)
{
    const chd_event event = event_of(CHD_TARGET_KEY, "51");
    const chd_fill before = begin("51");

    chd_fills_event(fills, NOW, &event);
    const chd_fill after = begin("51");
    invalidate_others(100000, 0);
    cr_assert_eq(end(&before, NOW, 0, NULL), CHD_FILL_STALE);
    cr_assert_eq(end(&after, NOW, 0, NULL), CHD_FILL_STALE,
                 "more happened than can be remembered exactly");
    const chd_fill last = begin("51");
    cr_assert_eq(end(&last, NOW, 0, NULL), CHD_FILL_ADMIT);
}

Test(fill, few_invalidations_of_others_refuse_nothing)
{
    int refused = 0;
    const chd_fill fill = begin("51");

    invalidate_others(200, 0);
    refused += end(&fill, NOW, 0, NULL) != CHD_FILL_ADMIT;
    cr_assert_eq(refused, 0);
}

Test(fill, a_demand_that_left_its_table_is_still_made)
{
    chd_event event = event_of(CHD_TARGET_KEY, "51");

    event.version = 50;
    chd_fills_event(fills, NOW, &event);
    invalidate_others(100000, 70);
    const chd_fill fill = begin("51");
    cr_assert_eq(end(&fill, NOW, 49, NULL), CHD_FILL_VERSION);
    cr_assert_eq(end(&fill, NOW, 69, NULL), CHD_FILL_VERSION);
    cr_assert_eq(end(&fill, NOW, 70, NULL), CHD_FILL_ADMIT);
    cr_assert_eq(end(&fill, NOW + LAG, 0, NULL), CHD_FILL_ADMIT);
}

Test(fill, more_lengths_of_prefixes_than_are_told_apart_refuse_more)
{
    char prefix[64];
    char key[64];

    memset(key, 'x', sizeof(key) - 1);
    key[63] = '\0';
    for (size_t len = 1; len < 60; len++) {
        const chd_fill before = begin(key);
        memset(prefix, 'x', len);
        prefix[len] = '\0';
        chd_event event = event_of(CHD_TARGET_PREFIX, prefix);
        event.version = len;
        chd_fills_event(fills, NOW, &event);
        cr_assert_eq(end(&before, NOW, 99, NULL), CHD_FILL_STALE);
        const chd_fill after = begin(key);
        cr_assert_eq(end(&after, NOW, len, NULL), CHD_FILL_ADMIT, "%zu", len);
        cr_assert_eq(end(&after, NOW, len - 1, NULL), CHD_FILL_VERSION);
    }
    /* The first length was forgotten long ago, and with it what for. */
    const chd_fill other = begin("yyy");
    cr_assert_eq(end(&other, NOW, 42, NULL), CHD_FILL_VERSION);
    cr_assert_eq(end(&other, NOW, 43, NULL), CHD_FILL_ADMIT);
    cr_assert_eq(end(&other, NOW + LAG, 0, NULL), CHD_FILL_ADMIT);
}

Test(fill, a_length_that_was_forgotten_still_refuses)
{
    const chd_event event = event_of(CHD_TARGET_PREFIX, "y");
    const chd_fill before = begin("yes");
    char prefix[64] = {0};

    chd_fills_event(fills, NOW, &event);
    for (size_t len = 2; len < 60; len++) {
        memset(prefix, 'x', len);
        const chd_event other = event_of(CHD_TARGET_PREFIX, prefix);
        chd_fills_event(fills, NOW, &other);
    }
    cr_assert_eq(end(&before, NOW, 0, NULL), CHD_FILL_STALE);
    const chd_fill after = begin("yes");
    cr_assert_eq(end(&after, NOW, 0, NULL), CHD_FILL_ADMIT);
}

/* Against a plain list of all that happened: whatever the list refuses is
 * refused. */
Test(fill, nothing_stale_is_ever_admitted)
{
    enum { STEPS = 20000, KEYS = 40 };
    static uint64_t floors[KEYS];
    static chd_fill open[KEYS];
    static uint64_t began[KEYS];
    chd_fills_config config = usual;
    uint64_t random = 1;
    uint64_t step = 0;
    unsigned admitted = 0;
    char key[16];

    config.floor_count = 8;
    chd_fills_destroy(&fills);
    make(&config);
    for (step = 1; step < STEPS; step++) {
        random = chd_mix64(random + step);
        const size_t i = random % KEYS;
        static char names[KEYS][16];
        snprintf(names[i], sizeof(names[i]), "key-%zu", i);
        switch (random >> 32 & 3) {
        case 0:
            open[i] = begin(names[i]);
            began[i] = step;
            break;
        case 1: {
            const chd_event event = event_of(CHD_TARGET_KEY, names[i]);
            chd_fills_event(fills, NOW, &event);
            floors[i] = step;
            break;
        }
        default:
            if (began[i] == 0) {
                break;
            }
            const chd_fill_answer answer = end(&open[i], NOW, 0, NULL);
            cr_assert(floors[i] < began[i] || answer == CHD_FILL_STALE);
            admitted += answer == CHD_FILL_ADMIT;
        }
    }
    snprintf(key, sizeof(key), "%u", admitted);
    cr_assert_gt(admitted, 100, "%s", key);
}

/* --- making --------------------------------------------------------------- */

Test(fill, a_child_begins_anew)
{
    const chd_filter mine = exact("t");
    chd_event event = event_of(CHD_TARGET_KEY, "51");
    const chd_fill fill = begin("52");

    event.version = 5;
    chd_fills_event(fills, NOW, &event);
    chd_fills_start_over(fills);
    cr_assert_not(can_begin("t"));
    chd_fills_subscribed(fills, &mine);
    cr_assert_eq(end(&fill, NOW, 0, NULL), CHD_FILL_STALE);
    const chd_fill after = begin("51");
    cr_assert_eq(end(&after, NOW, 4, NULL), CHD_FILL_VERSION);
    cr_assert_eq(end(&after, NOW, 5, NULL), CHD_FILL_ADMIT);
}

Test(fill, it_survives_being_out_of_memory)
{
    chd_fills *other = NULL;
    chd_err err = CHD_ENOMEM;
    const size_t before = heap_balance();

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_fills_new(&usual, heap_mem(), &other);
        cr_assert(err == CHD_OK || heap_balance() == before);
    }
    heap_fail_nth(0);
    cr_assert_eq(err, CHD_OK);
    chd_fills_destroy(&other);
    chd_fills_destroy(&other);
}

Test(fill, limits_are_checked)
{
    const struct {
        uint32_t floors;
        uint32_t demands;
        uint32_t subscriptions;
    } bad[] = {
        {4, 8, 1},
        {8, 4, 1},
        {8, 8, 0},
        {24, 8, 1},
        {8, 24, 1},
        {2 * CHD_FILL_FLOORS_MAX, 8, 1},
        {8, 2 * CHD_FILL_DEMANDS_MAX, 1},
        {8, 8, CHD_SESSION_SUBSCRIPTIONS_MAX + 1},
    };
    chd_fills *other;

    for (size_t i = 0; i < CHD_COUNT(bad); i++) {
        const chd_fills_config config = {.floor_count = bad[i].floors,
                                         .demand_count = bad[i].demands,
                                         .subscription_count_max =
                                             bad[i].subscriptions};
        cr_assert_eq(chd_fills_new(&config, heap_mem(), &other), CHD_ELIMIT,
                     "%zu", i);
        cr_assert_null(other);
    }
}
