#include <criterion/criterion.h>

#include <stdio.h>

#include "proto/base/limits.h"
#include "proto/base/prng.h"
#include "proto/session/route.h"
#include "tests/support/heap.h"

#define SESSIONS 8

static chd_route *new_route(void)
{
    chd_route *route;
    const chd_err err = chd_route_new(1, SESSIONS, heap_mem(), &route);

    cr_assert_eq(err, CHD_OK);
    return route;
}

static chd_filter exact(const char *topic)
{
    return (chd_filter){CHD_MATCH_EXACT, chd_bytes_str(topic)};
}

static chd_filter prefix(const char *topic)
{
    return (chd_filter){CHD_MATCH_PREFIX, chd_bytes_str(topic)};
}

static void add(chd_route *route, uint32_t session, chd_filter filter)
{
    const chd_err err = chd_route_add(route, session, &filter);
    cr_assert_eq(err, CHD_OK);
}

static void drop(chd_route *route, uint32_t session, chd_filter filter)
{
    chd_route_remove(route, session, &filter);
}

static bool wants(const chd_route *route, uint32_t session, const char *topic)
{
    const chd_bytes name = chd_bytes_str(topic);
    return chd_route_wants(route, session, chd_route_hash(route, name), name);
}

Test(route, survives_being_out_of_memory)
{
    chd_route *route;
    chd_err err = CHD_ENOMEM;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_route_new(1, SESSIONS, heap_mem(), &route);
        cr_assert(err == CHD_OK || (route == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_route_destroy(&route);
    chd_route_destroy(&route);
    NO_LEAKS();
}

Test(route, exact_means_this_topic_and_this_session)
{
    chd_route *route = new_route();

    add(route, 3, exact("users"));
    cr_assert(wants(route, 3, "users"));
    cr_assert_not(wants(route, 3, "users/1"));
    cr_assert_not(wants(route, 3, "user"));
    cr_assert_not(wants(route, 2, "users"));
    chd_route_destroy(&route);
    NO_LEAKS();
}

Test(route, prefix_means_every_topic_that_begins_so)
{
    chd_route *route = new_route();

    add(route, 0, prefix("users/"));
    add(route, 1, prefix(""));
    cr_assert(wants(route, 0, "users/"));
    cr_assert(wants(route, 0, "users/1"));
    cr_assert_not(wants(route, 0, "users"));
    cr_assert(wants(route, 1, "x"));
    drop(route, 0, exact("users/"));
    cr_assert(wants(route, 0, "users/1"), "another kind of subscription");
    drop(route, 0, prefix("users/"));
    cr_assert_not(wants(route, 0, "users/1"));
    chd_route_destroy(&route);
    NO_LEAKS();
}

Test(route, subscribing_again_changes_nothing)
{
    chd_route *route = new_route();

    add(route, 0, exact("a"));
    add(route, 0, exact("a"));
    cr_assert_eq(chd_route_session_count(route, 0), 1);
    cr_assert_eq(chd_route_count(route), 1);
    drop(route, 0, exact("a"));
    drop(route, 0, exact("a"));
    cr_assert_eq(chd_route_count(route), 0);
    chd_route_destroy(&route);
    NO_LEAKS();
}

Test(route, clearing_a_session_leaves_the_others)
{
    chd_route *route = new_route();

    for (uint32_t session = 0; session < 3; session++) {
        add(route, session, exact("a"));
        add(route, session, prefix("b"));
    }
    chd_route_clear(route, 1);
    chd_route_clear(route, 1);
    cr_assert_eq(chd_route_session_count(route, 1), 0);
    cr_assert_not(wants(route, 1, "a"));
    cr_assert_not(wants(route, 1, "bb"));
    cr_assert(wants(route, 0, "a") && wants(route, 2, "bb"));
    cr_assert_eq(chd_route_count(route), 4);
    chd_route_destroy(&route);
    NO_LEAKS();
}

static void add_numbered(chd_route *route, uint32_t session, uint32_t count)
{
    char topic[16];

    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(topic, sizeof(topic), "t%u", i);
        add(route, session, exact(topic));
    }
}

Test(route, is_full_at_its_limits_and_not_before)
{
    chd_route *route = new_route();
    const chd_filter more = exact("more");

    for (uint32_t session = 0; session < 4; session++) {
        add_numbered(route, session, CHD_SESSION_SUBSCRIPTIONS_MAX);
        cr_assert_eq(chd_route_add(route, session, &more), CHD_EFULL);
    }
    cr_assert_eq(chd_route_count(route), CHD_SUBSCRIPTIONS_MAX);
    cr_assert_eq(chd_route_add(route, 5, &more), CHD_EFULL);
    add(route, 0, exact("t7"));
    drop(route, 0, exact("t7"));
    cr_assert_eq(chd_route_add(route, 5, &more), CHD_OK);
    cr_assert(wants(route, 5, "more"));
    cr_assert_not(wants(route, 0, "t7"));
    cr_assert(wants(route, 0, "t8"));
    chd_route_destroy(&route);
    NO_LEAKS();
}

Test(route, topics_of_every_length_are_kept)
{
    chd_route *route = new_route();
    char topic[CHD_TOPIC_BYTES_MAX + 1] = "";

    for (size_t len = 1; len <= CHD_TOPIC_BYTES_MAX; len++) {
        topic[len - 1] = 'x';
        add(route, 0, exact(topic));
        add(route, 1, prefix(topic));
    }
    for (size_t len = CHD_TOPIC_BYTES_MAX; len > 0; len--) {
        cr_assert(wants(route, 0, topic) && wants(route, 1, topic));
        drop(route, 1, prefix(topic));
        topic[len - 1] = '\0';
    }
    cr_assert_eq(chd_route_session_count(route, 1), 0);
    chd_route_destroy(&route);
    NO_LEAKS();
}

#define POOL 60

/* What the table should answer, the slow way. */
typedef struct model {
    bool has[SESSIONS][POOL];
    char topics[POOL][8];
    chd_filter filters[POOL];
} model;

static bool model_wants(const model *m, uint32_t session, chd_bytes topic)
{
    for (size_t i = 0; i < POOL; i++) {
        if (m->has[session][i] && chd_filter_matches(&m->filters[i], topic)) {
            return true;
        }
    }
    return false;
}

static void change(chd_route *route, model *m, chd_prng *prng)
{
    const uint32_t session = (uint32_t)chd_prng_below(prng, SESSIONS);
    const size_t i = (size_t)chd_prng_below(prng, POOL);

    if (chd_prng_below(prng, 50) == 0) {
        chd_route_clear(route, session);
        memset(m->has[session], 0, sizeof(m->has[session]));
    } else if (chd_prng_below(prng, 2) == 0) {
        add(route, session, m->filters[i]);
        m->has[session][i] = true;
    } else {
        chd_route_remove(route, session, &m->filters[i]);
        m->has[session][i] = false;
    }
}

/* Write the bits of n behind its highest as letters: 1 is "", 5 is "ab". */
static void write_bits(char *text, unsigned n)
{
    unsigned bit = 1;

    while (2 * bit <= n) {
        bit *= 2;
    }
    while (bit > 1) {
        bit /= 2;
        *text++ = (n & bit) != 0 ? 'b' : 'a';
    }
    *text = '\0';
}

Test(route, answers_like_a_list_would)
{
    static model m;
    chd_prng prng = chd_prng_seeded(9);
    chd_route *route = new_route();

    for (size_t i = 0; i < POOL; i++) {
        const unsigned n = (unsigned)(i % (POOL / 2));
        write_bits(m.topics[i], n + 1);
        m.filters[i] =
            (chd_filter){i < POOL / 2 ? CHD_MATCH_PREFIX : CHD_MATCH_EXACT,
                         chd_bytes_str(m.topics[i])};
    }
    for (size_t round = 0; round < 20000; round++) {
        change(route, &m, &prng);
        const uint32_t session = (uint32_t)chd_prng_below(&prng, SESSIONS);
        const chd_bytes topic =
            chd_bytes_str(m.topics[chd_prng_below(&prng, POOL)]);
        if (topic.len > 0) {
            cr_assert_eq(chd_route_wants(route, session,
                                         chd_route_hash(route, topic), topic),
                         model_wants(&m, session, topic));
        }
    }
    chd_route_destroy(&route);
    NO_LEAKS();
}
