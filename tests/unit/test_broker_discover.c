/* Who is listed: addresses as text, sets of them, and polls of a name server
 * that answers whatever the test wants. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/discover.h"

TestSuite(broker_discover, .timeout = 60);

#define NO_PORT 0
#define TURNS_MAX 20000

typedef struct endpoint_case {
    const char *text;
    const char *printed; /* NULL: refused */
} endpoint_case;

static const endpoint_case endpoint_cases[] = {
    {"[fd00::1]:7420", "[fd00::1]:7420"},
    {"[fd00::1]", "[fd00::1]:99"},
    {"[FD00:0:0::1]:1", "[fd00::1]:1"},
    {"[::ffff:10.0.0.1]:1", "10.0.0.1:1"},
    {"10.0.0.1", "10.0.0.1:99"},
    {"10.0.0.1:65535", "10.0.0.1:65535"},
    {"fd00::1", NULL},
    {"fd00::1:7420", NULL},
    {"[fd00::1", NULL},
    {"[fd00::1]7420", NULL},
    {"[fd00::1]:", NULL},
    {"[fd00::1]:0", NULL},
    {"[fd00::1]:65536", NULL},
    {"[fd00::1]:1x", NULL},
    {"[fd00::1]: 1", NULL},
    {"[fe80::1%lo]:1", NULL},
    {"[10.0.0.1]:1", NULL},
    {"10.0.0:1", NULL},
    {"010.0.0.1", NULL},
    {"localhost:1", NULL},
    {"", NULL},
    {":1", NULL},
    {"[]:1", NULL},
};

Test(broker_discover, endpoints_are_read_and_printed_in_one_spelling)
{
    for (size_t i = 0; i < CHD_COUNT(endpoint_cases); i++) {
        const endpoint_case *c = &endpoint_cases[i];
        chd_endpoint endpoint;
        char text[CHD_ADDRESS_TEXT_MAX] = "";

        const bool fits = chd_endpoint_parse(c->text, 99, &endpoint);
        cr_expect_eq(fits, c->printed != NULL, "\"%s\"", c->text);
        if (fits && c->printed != NULL) {
            chd_endpoint_print(&endpoint, text);
            cr_expect_str_eq(text, c->printed);
        }
    }
}

Test(broker_discover, text_of_any_length_is_refused_safely)
{
    char text[300];
    chd_endpoint endpoint;
    uint8_t address[CHD_ADDRESS_BYTES];

    for (size_t len = 0; len < sizeof(text); len++) {
        memset(text, '1', sizeof(text));
        text[len] = '\0';
        cr_expect_not(chd_endpoint_parse(text, 1, &endpoint));
        cr_expect_not(chd_address_parse(text, address));
        if (len > 0) {
            text[0] = '[';
            cr_expect_not(chd_endpoint_parse(text, 1, &endpoint));
        }
    }
}

typedef struct address_case {
    const char *text;
    bool dialable;
    bool unique_local;
} address_case;

static const address_case address_cases[] = {
    {"fd00::1", true, true},      {"fc00::1", true, true},
    {"2001:db8::1", true, false}, {"::1", true, false},
    {"::", false, false},         {"fe80::1", false, false},
    {"febf::1", false, false},    {"fec0::1", true, false},
    {"ff02::1", false, false},    {"10.0.0.1", true, false},
    {"127.0.0.1", true, false},   {"0.0.0.0", false, false},
    {"0.0.0.1", false, false},    {"169.254.0.1", false, false},
    {"224.0.0.1", false, false},  {"255.255.255.255", false, false},
};

Test(broker_discover, addresses_that_no_peer_can_have_are_known)
{
    for (size_t i = 0; i < CHD_COUNT(address_cases); i++) {
        const address_case *c = &address_cases[i];
        uint8_t address[CHD_ADDRESS_BYTES];

        cr_assert(chd_address_parse(c->text, address), "%s", c->text);
        cr_expect_eq(chd_address_is_dialable(address), c->dialable, "%s",
                     c->text);
        cr_expect_eq(chd_address_is_unique_local(address), c->unique_local,
                     "%s", c->text);
    }
}

/* Return a list as text, for comparing. */
static const char *as_text(const chd_endpoint *items, size_t count)
{
    static char text[4096];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char one[CHD_ADDRESS_TEXT_MAX];
        chd_endpoint_print(&items[i], one);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
                                i > 0 ? " " : "", one);
    }
    return text;
}

Test(broker_discover, a_union_is_sorted_and_has_no_repeats)
{
    chd_endpoints list = {0};
    chd_endpoints other = {0};

    chd_endpoints_unite(&list);
    cr_assert_eq(list.count, 0);
    chd_endpoints_add_text(&list,
                           "[fd00::2], [fd00::1]:8,nonsense,[fd00::1]:7,"
                           "[fe80::1], 10.0.0.1",
                           7);
    chd_endpoints_add_text(&other, "[fd00::2]:7,[fd00::3]", 7);
    chd_endpoints_add_all(&list, &other);
    chd_endpoints_unite(&list);
    cr_assert_str_eq(as_text(list.items, list.count),
                     "10.0.0.1:7 [fd00::1]:7 [fd00::1]:8 [fd00::2]:7 "
                     "[fd00::3]:7");
    chd_endpoints_fini(&list);
    chd_endpoints_fini(&other);
}

Test(broker_discover, this_node_is_not_its_own_peer)
{
    chd_endpoints list = {0};
    chd_endpoint bound = {.port = 7};

    chd_endpoints_add_text(&list, "[fd00::1]:7,[fd00::1]:8,[::1],127.0.0.1", 7);
    cr_assert(chd_address_parse("fd00::1", bound.address));
    chd_endpoints_drop_own(&list, &bound);
    cr_assert_str_eq(as_text(list.items, list.count),
                     "[fd00::1]:8 [::1]:7 127.0.0.1:7");
    /* Bound to all: every address of this host is its own. */
    cr_assert(chd_address_parse("::", bound.address));
    chd_endpoints_add_text(&list, "127.0.0.1:9", 9);
    chd_endpoints_drop_own(&list, &bound);
    cr_assert_null(strstr(as_text(list.items, list.count), "127.0.0.1:7"));
    cr_assert_not_null(strstr(as_text(list.items, list.count), "127.0.0.1:9"));
    chd_endpoints_fini(&list);
}

Test(broker_discover, a_list_is_bounded)
{
    chd_endpoints list = {0};

    for (size_t i = 0; i < CHD_ENDPOINTS_MAX + 10; i++) {
        chd_endpoint endpoint = {.address = {0xfd}, .port = 1};
        memcpy(endpoint.address + 8, &i, sizeof(i));
        chd_endpoints_add(&list, &endpoint);
    }
    cr_assert_eq(list.count, CHD_ENDPOINTS_MAX);
    chd_endpoints_fini(&list);
}

Test(broker_discover, the_next_poll_follows_the_ttl_within_bounds)
{
    const uint64_t five = 5 * CHD_SECOND;
    const uint64_t most = UINT64_MAX;

    cr_assert_eq(chd_discover_pause_ns(UINT32_MAX, 0, five, 0), 4 * CHD_SECOND);
    cr_assert_eq(chd_discover_pause_ns(300, 0, five, 0), 4 * CHD_SECOND);
    cr_assert_eq(chd_discover_pause_ns(2, 0, five, 0), 1600 * CHD_MS);
    cr_assert_eq(chd_discover_pause_ns(0, 0, five, 0), CHD_SECOND);
    cr_assert_eq(chd_discover_pause_ns(1, 0, five, 0), CHD_SECOND);
    cr_assert_eq(chd_discover_pause_ns(300, 1, five, 0), CHD_SECOND);
    cr_assert_eq(chd_discover_pause_ns(300, 3, five, 0), 3200 * CHD_MS);
    cr_assert_eq(chd_discover_pause_ns(300, 1000, five, 0), 4 * CHD_SECOND);
    for (uint64_t random = 0; random < 1000; random++) {
        const uint64_t pause =
            chd_discover_pause_ns(300, 0, five, most / 1000 * random);
        cr_assert_geq(pause, 4 * CHD_SECOND);
        cr_assert_leq(pause, 6 * CHD_SECOND);
    }
}

/* --- a name server ------------------------------------------------------- */

typedef enum manner {
    MANNER_ANSWER,
    MANNER_NXDOMAIN,
    MANNER_NODATA,
    MANNER_SERVFAIL,
    MANNER_REFUSED,
    MANNER_GARBAGE,
    MANNER_TRUNCATED,
    MANNER_SILENT,
} manner;

#define RECORDS_MAX 8

typedef struct world {
    chd_poll poll;
    chd_logger logger;
    chd_tally tally;
    chd_config config;
    chd_problems problems;
    chd_discover *discover;
    chd_watch server;
    char server_text[32];
    manner manner;
    size_t queries;
    size_t lose;                   /* this many queries first */
    const char *aaaa[RECORDS_MAX]; /* addresses, ended by NULL */
    const char *srv;               /* target of an SRV record  */
    uint32_t ttl;
    size_t listed; /* how often */
    chd_dns_outcome outcome;
    uint64_t dns_count;
    char endpoints[512];
} world;

static size_t put_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return 2;
}

/* Append the fixed part of a record of the name that was asked for. */
static size_t put_record(uint8_t *at, unsigned type, uint32_t ttl, size_t len)
{
    size_t used = put_u16(at, 0xc00c);

    used += put_u16(at + used, type);
    used += put_u16(at + used, 1);
    used += put_u16(at + used, ttl >> 16);
    used += put_u16(at + used, ttl & 0xffff);
    return used + put_u16(at + used, (unsigned)len);
}

static size_t put_aaaa(const world *w, uint8_t *at, unsigned *count)
{
    size_t used = 0;

    for (size_t i = 0; w->aaaa[i] != NULL; i++) {
        used += put_record(at + used, 28, w->ttl, CHD_ADDRESS_BYTES);
        cr_assert(chd_address_parse(w->aaaa[i], at + used));
        used += CHD_ADDRESS_BYTES;
        (*count)++;
    }
    return used;
}

static size_t put_srv(const world *w, uint8_t *at, unsigned *count)
{
    const size_t len = strlen(w->srv);
    size_t used = put_record(at, 33, w->ttl, 6 + len + 2);

    used += put_u16(at + used, 1);
    used += put_u16(at + used, 1);
    used += put_u16(at + used, 4321);
    at[used] = (uint8_t)len; /* one label */
    memcpy(at + used + 1, w->srv, len);
    at[used + 1 + len] = 0;
    *count = 1;
    return used + len + 2;
}

/* Turn a query into an answer in place; returns its length. */
static size_t make_answer(const world *w, uint8_t *packet, size_t len)
{
    size_t question = 12;
    unsigned count = 0;

    while (packet[question] != 0) {
        question += 1u + packet[question];
    }
    const unsigned type =
        (unsigned)packet[question + 1] << 8 | packet[question + 2];
    question += 5;
    cr_assert_leq(question, len);
    packet[2] = 0x81;
    packet[3] = 0x80;
    put_u16(packet + 10, 0); /* the EDNS record is not repeated */
    switch (w->manner) {
    case MANNER_NXDOMAIN:
        packet[3] |= 3;
        break;
    case MANNER_SERVFAIL:
        packet[3] |= 2;
        break;
    case MANNER_REFUSED:
        packet[3] |= 5;
        break;
    case MANNER_GARBAGE:
        put_u16(packet + 6, 9);
        memset(packet + question, 0xee, 40);
        return question + 40;
    case MANNER_TRUNCATED:
        packet[2] |= 2; /* and nobody listens on TCP */
        break;
    case MANNER_ANSWER:
        len = type == 33 ? put_srv(w, packet + question, &count)
                         : put_aaaa(w, packet + question, &count);
        put_u16(packet + 6, count);
        return question + len;
    case MANNER_NODATA:
    case MANNER_SILENT:
        break;
    }
    return question;
}

static void on_query(void *arg, uint32_t events, chd_now now)
{
    world *w = arg;
    uint8_t packet[2048];
    struct sockaddr_in6 from;
    socklen_t from_len = sizeof(from);

    (void)events;
    (void)now;
    const ssize_t got = recvfrom(w->server.fd, packet, 512, 0,
                                 (struct sockaddr *)&from, &from_len);
    cr_assert_gt(got, 12);
    w->queries++;
    if (w->manner == MANNER_SILENT || w->queries <= w->lose) {
        return;
    }
    const size_t len = make_answer(w, packet, (size_t)got);
    (void)sendto(w->server.fd, packet, len, 0, (struct sockaddr *)&from,
                 from_len);
}

static void on_input(void *arg, const chd_input *input)
{
    world *w = arg;

    cr_assert_eq(input->kind, CHD_IN_LISTED);
    w->listed++;
    w->outcome = input->u.listed.outcome;
    w->dns_count = input->u.listed.dns_count;
    (void)snprintf(
        w->endpoints, sizeof(w->endpoints), "%s",
        as_text(input->u.listed.endpoints, input->u.listed.endpoint_count));
}

static void set(world *w, chd_setting_id id, const char *text)
{
    chd_config_set(&w->config, id, text, CHD_SOURCE_FLAG, "", &w->problems);
    cr_assert_eq(w->problems.count, 0);
}

static void open_server(world *w)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(address);

    w->server = (chd_watch){
        .fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        .events = EPOLLIN,
        .ready = on_query,
        .arg = w,
    };
    cr_assert_eq(bind(w->server.fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(w->server.fd, (struct sockaddr *)&address, &len),
                 0);
    cr_assert(chd_poll_add(&w->poll, &w->server));
    (void)snprintf(w->server_text, sizeof(w->server_text), "[::1]:%u",
                   (unsigned)ntohs(address.sin6_port));
}

static void prepare(world *w)
{
    *w = (world){.ttl = 60, .logger = {.level = CHD_LEVEL_ERROR}};
    w->logger.tally = &w->tally;
    w->logger.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    cr_assert(chd_poll_init(&w->poll));
    open_server(w);
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        chd_config_set(&w->config, (chd_setting_id)i,
                       chd_setting_of((chd_setting_id)i)->standard,
                       CHD_SOURCE_DEFAULT, "", &w->problems);
    }
    set(w, CHD_SET_DISCOVERY_SERVERS, w->server_text);
    chd_discover_options options = {
        .bound = {.port = 7420},
        .poll = &w->poll,
        .feed = {on_input, w},
        .logger = &w->logger,
        .tally = &w->tally,
    };
    cr_assert(chd_address_parse("fd00::1", options.bound.address));
    chd_discover_new(&options, &w->discover);
}

static void finish(world *w)
{
    chd_discover_destroy(&w->discover);
    (void)close(w->server.fd);
    (void)close(w->logger.fd);
    chd_config_fini(&w->config);
    chd_poll_fini(&w->poll);
}

/* Configure again, and turn until the list is fed once more. */
static void poll_once(world *w)
{
    const size_t before = w->listed;

    chd_discover_configure(w->discover, &w->config);
    for (size_t turns = 0; w->listed == before; turns++) {
        cr_assert_lt(turns, TURNS_MAX, "no poll has ended");
        const chd_now now = chd_clock_read();
        chd_poll_wait(&w->poll, 1);
        chd_poll_dispatch(&w->poll, now);
        chd_discover_tick(w->discover, now);
    }
}

#define AAAA(w, ...)                                                           \
    memcpy((w)->aaaa, ((const char *[RECORDS_MAX]){__VA_ARGS__}),              \
           sizeof((w)->aaaa))

Test(broker_discover, without_names_the_static_peers_are_listed_at_once)
{
    world w;

    prepare(&w);
    set(&w, CHD_SET_DISCOVERY_PEERS, "[fd00::2], [fd00::1], [fd00::2]:7420");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_NONE);
    cr_assert_str_eq(w.endpoints, "[fd00::2]:7420");
    cr_assert_eq(w.dns_count, 0);
    cr_assert_eq(w.queries, 0);
    cr_assert_eq(chd_discover_deadline_ns(w.discover, chd_clock_read()),
                 CHD_NEVER_NS);
    finish(&w);
}

Test(broker_discover, an_answer_and_the_static_peers_are_listed_together)
{
    world w;

    prepare(&w);
    AAAA(&w, "fd00::3", "fd00::1", "fe80::1", "fd00::2");
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    set(&w, CHD_SET_DISCOVERY_PEERS, "[fd00::9]:1,[fd00::2]");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_ANSWER);
    cr_assert_str_eq(w.endpoints, "[fd00::2]:7420 [fd00::3]:7420 [fd00::9]:1");
    /* With its own, which is not listed, and without the link-local one. */
    cr_assert_eq(w.dns_count, 3);
    cr_assert_eq(w.queries, 1);
    cr_assert_eq(w.tally.dns_polls, 1);
    finish(&w);
}

Test(broker_discover, servers_may_be_given_with_and_without_ports)
{
    char servers[64];
    world w;

    prepare(&w);
    AAAA(&w, "fd00::2");
    (void)snprintf(servers, sizeof(servers), "%s, [::1], 127.0.0.1",
                   w.server_text);
    set(&w, CHD_SET_DISCOVERY_SERVERS, servers);
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_ANSWER);
    finish(&w);
}

Test(broker_discover, a_bad_or_empty_answer_keeps_the_last_good_one)
{
    const struct {
        manner manner;
        chd_dns_outcome outcome;
    } cases[] = {
        {MANNER_SERVFAIL, CHD_DNS_UNKNOWN}, {MANNER_REFUSED, CHD_DNS_UNKNOWN},
        {MANNER_GARBAGE, CHD_DNS_UNKNOWN},  {MANNER_TRUNCATED, CHD_DNS_UNKNOWN},
        {MANNER_NXDOMAIN, CHD_DNS_EMPTY},   {MANNER_NODATA, CHD_DNS_EMPTY},
    };
    world w;

    prepare(&w);
    AAAA(&w, "fd00::2", "fd00::3");
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    poll_once(&w);
    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        w.manner = cases[i].manner;
        poll_once(&w);
        cr_expect_eq(w.outcome, cases[i].outcome, "case %zu: %d", i,
                     (int)w.outcome);
        cr_expect_str_eq(w.endpoints, "[fd00::2]:7420 [fd00::3]:7420");
        cr_expect_eq(w.dns_count, 2);
    }
    w.manner = MANNER_ANSWER;
    AAAA(&w, "fd00::4");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_ANSWER);
    cr_assert_str_eq(w.endpoints, "[fd00::4]:7420");
    finish(&w);
}

Test(broker_discover, a_query_that_is_lost_is_repeated)
{
    world w;

    prepare(&w);
    AAAA(&w, "fd00::2");
    w.lose = 1;
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_ANSWER);
    cr_assert_eq(w.queries, 2);
    finish(&w);
}

Test(broker_discover, a_server_that_is_silent_is_given_up)
{
    world w;

    prepare(&w);
    w.manner = MANNER_SILENT;
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    const uint64_t before = chd_clock_read().mono_ns;
    poll_once(&w);
    cr_assert_lt(chd_clock_read().mono_ns - before, 5 * CHD_SECOND);
    cr_assert_eq(w.outcome, CHD_DNS_UNKNOWN);
    cr_assert_eq(w.tally.dns_failures, 1);
    cr_assert_str_eq(w.endpoints, "");
    finish(&w);
}

Test(broker_discover, an_srv_record_brings_its_own_port)
{
    world w;

    prepare(&w);
    AAAA(&w, "fd00::2");
    w.srv = "target";
    set(&w, CHD_SET_DISCOVERY_NAMES, "_coherd._tcp.app.test");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_ANSWER);
    cr_assert_str_eq(w.endpoints, "[fd00::2]:4321");
    cr_assert_eq(w.queries, 2);
    finish(&w);
}

Test(broker_discover, both_families_are_asked_for_when_wanted)
{
    world w;

    prepare(&w);
    AAAA(&w, "fd00::2");
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    set(&w, CHD_SET_DISCOVERY_FAMILY, "any");
    poll_once(&w);
    cr_assert_eq(w.queries, 2);
    cr_assert_str_eq(w.endpoints, "[fd00::2]:7420");
    finish(&w);
}

Test(broker_discover, a_name_that_goes_takes_its_addresses_along)
{
    world w;

    prepare(&w);
    AAAA(&w, "fd00::2");
    set(&w, CHD_SET_DISCOVERY_NAMES, "app.test");
    poll_once(&w);
    w.manner = MANNER_SERVFAIL;
    set(&w, CHD_SET_DISCOVERY_NAMES, "other.test");
    poll_once(&w);
    cr_assert_str_eq(w.endpoints, "");
    set(&w, CHD_SET_DISCOVERY_NAMES, "");
    poll_once(&w);
    cr_assert_eq(w.outcome, CHD_DNS_NONE);
    finish(&w);
}
