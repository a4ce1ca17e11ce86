#include "broker/discover.h"

#include <ares.h>
#include <string.h>

#include "broker/entropy.h"
#include "broker/resolver.h"
#include "proto/base/prng.h"

/* How long a poll may take in all, whatever c-ares does. */
#define POLL_PATIENCE (4 * CHD_SECOND)

/* After so many polls without an answer over UDP, one is made over TCP. */
#define UNKNOWNS_BEFORE_TCP 2

#define PAUSE_MIN CHD_SECOND

typedef enum family {
    FAMILY_IPV6, /* in the order of the choices of discovery.family */
    FAMILY_IPV4,
    FAMILY_ANY,
} family;

/* A name, what it stood for when it last answered, and how the poll under way
 * goes. */
typedef struct listed_name {
    char name[CHD_DNS_NAME_MAX];
    chd_endpoints last;
    chd_endpoints found;
    chd_dns_outcome outcome; /* of the last poll */
    bool failed;             /* some question of this poll */
    const char *reason;
} listed_name;

struct chd_discover {
    chd_discover_options options;
    listed_name names[CHD_NAMES_MAX];
    size_t name_count;
    chd_endpoints peers;
    family family;
    uint64_t interval_ns;
    char *servers;
    chd_resolver *resolver; /* while a poll is under way */
    uint64_t give_up_ns;
    uint64_t next_ns;  /* when the next poll is due; NEVER without names */
    bool list_now;     /* nothing to poll: feed the peers */
    uint32_t failures; /* polls in a row without an address      */
    uint32_t unknowns; /* polls in a row without a usable answer */
    chd_prng prng;
};

void chd_discover_new(const chd_discover_options *options,
                      chd_discover **discover)
{
    chd_discover *made = calloc(1, sizeof(*made));

    CHD_ASSERT(made != NULL);
    CHD_ASSERT(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
    made->options = *options;
    made->next_ns = CHD_NEVER_NS;
    made->prng = chd_prng_seeded(chd_entropy_u64());
    *discover = made;
}

static void forget_names(listed_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        chd_endpoints_fini(&names[i].last);
        chd_endpoints_fini(&names[i].found);
    }
}

void chd_discover_destroy(chd_discover **discover)
{
    if (*discover == NULL) {
        return;
    }
    chd_resolver_destroy(&(*discover)->resolver);
    ares_library_cleanup();
    forget_names((*discover)->names, (*discover)->name_count);
    chd_endpoints_fini(&(*discover)->peers);
    free((*discover)->servers);
    free(*discover);
    *discover = NULL;
}

/* Give name the addresses that one of the old names of the same spelling had.
 */
static void inherit(listed_name *name, listed_name *old, size_t old_count)
{
    for (size_t i = 0; i < old_count; i++) {
        if (strcmp(old[i].name, name->name) == 0) {
            name->last = old[i].last;
            name->outcome = old[i].outcome;
            old[i].last = (chd_endpoints){0};
            return;
        }
    }
}

static void configure_names(chd_discover *discover, const char *list)
{
    listed_name *old = calloc(CHD_NAMES_MAX, sizeof(*old));
    const size_t old_count = discover->name_count;

    CHD_ASSERT(old != NULL);
    memcpy(old, discover->names, sizeof(discover->names));
    memset(discover->names, 0, sizeof(discover->names));
    discover->name_count = 0;
    while (discover->name_count < CHD_NAMES_MAX) {
        listed_name *name = &discover->names[discover->name_count];
        if (!chd_list_next(&list, name->name, sizeof(name->name))) {
            break;
        }
        inherit(name, old, old_count);
        discover->name_count++;
    }
    forget_names(old, old_count);
    free(old);
}

void chd_discover_configure(chd_discover *discover, const chd_config *config)
{
    chd_resolver_destroy(&discover->resolver);
    configure_names(discover, chd_config_text(config, CHD_SET_DISCOVERY_NAMES));
    chd_endpoints_fini(&discover->peers);
    chd_endpoints_add_text(&discover->peers,
                           chd_config_text(config, CHD_SET_DISCOVERY_PEERS),
                           discover->options.bound.port);
    free(discover->servers);
    discover->servers =
        strdup(chd_config_text(config, CHD_SET_DISCOVERY_SERVERS));
    CHD_ASSERT(discover->servers != NULL);
    discover->family =
        (family)chd_config_number(config, CHD_SET_DISCOVERY_FAMILY);
    discover->interval_ns =
        chd_config_number(config, CHD_SET_DISCOVERY_INTERVAL);
    discover->failures = 0;
    discover->unknowns = 0;
    discover->list_now = discover->name_count == 0;
    discover->next_ns = discover->name_count == 0 ? CHD_NEVER_NS : 0;
}

uint64_t chd_discover_pause_ns(uint32_t ttl, uint32_t failures,
                               uint64_t interval_ns, uint64_t random)
{
    uint64_t pause = interval_ns;

    if (failures > 0) {
        /* Nothing says when to ask again: 1 s, 2 s, 4 s, up to the interval. */
        pause = PAUSE_MIN << chd_min_u64(failures - 1, 16);
    } else if (ttl != UINT32_MAX) {
        pause = ttl * CHD_SECOND;
    }
    pause = chd_min_u64(pause, interval_ns);
    /* Four to six fifths, so that nodes started together spread out. */
    pause = pause / 5 * 4 + random % (pause / 5 * 2 + 1);
    return chd_max_u64(pause, PAUSE_MIN);
}

/* Feed the union of all names and peers. */
static void feed_listed(chd_discover *discover, chd_dns_outcome outcome)
{
    chd_endpoints all = {0};

    for (size_t i = 0; i < discover->name_count; i++) {
        chd_endpoints_add_all(&all, &discover->names[i].last);
    }
    chd_endpoints_unite(&all);
    chd_input input = {.kind = CHD_IN_LISTED};
    input.u.listed.outcome = outcome;
    /* What the names answer, this node's own address included: the number can
     * be compared with what other tools say of the same names. */
    input.u.listed.dns_count = all.count;

    chd_endpoints_add_all(&all, &discover->peers);
    chd_endpoints_unite(&all);
    chd_endpoints_drop_own(&all, &discover->options.bound);
    input.u.listed.endpoints = all.items;
    input.u.listed.endpoint_count = all.count;
    chd_feed_input(&discover->options.feed, &input);
    chd_endpoints_fini(&all);
}

static void ask_addresses(chd_discover *discover, const char *name,
                          uint16_t port, size_t owner)
{
    if (discover->family != FAMILY_IPV4) {
        chd_resolver_ask(discover->resolver, name, CHD_RECORD_AAAA, port,
                         owner);
    }
    if (discover->family != FAMILY_IPV6) {
        chd_resolver_ask(discover->resolver, name, CHD_RECORD_A, port, owner);
    }
}

static void begin_poll(chd_discover *discover, chd_now now)
{
    const chd_resolver_options options = {
        .servers = discover->servers,
        .over_tcp = discover->unknowns % (UNKNOWNS_BEFORE_TCP + 1) ==
                    UNKNOWNS_BEFORE_TCP,
    };

    discover->give_up_ns = chd_after(now.mono_ns, POLL_PATIENCE);
    chd_resolver_new(&options, discover->options.poll, &discover->resolver);
    for (size_t i = 0; i < discover->name_count; i++) {
        const char *name = discover->names[i].name;
        if (name[0] == '_') {
            chd_resolver_ask(discover->resolver, name, CHD_RECORD_SRV, 0, i);
        } else {
            ask_addresses(discover, name, discover->options.bound.port, i);
        }
    }
}

/* Ask for the addresses of what SRV records named.  Returns whether every
 * question is answered, these included. */
static bool follow_up(chd_discover *discover)
{
    bool complete = true;
    chd_question *question = NULL;

    for (size_t i = 0;
         (question = chd_resolver_question(discover->resolver, i)) != NULL;
         i++) {
        complete = complete && question->answered;
        if (!question->answered || question->followed_up) {
            continue;
        }
        question->followed_up = true;
        for (size_t t = 0; t < question->target_count; t++) {
            ask_addresses(discover, question->targets[t].name,
                          question->targets[t].port, question->owner);
        }
    }
    return complete;
}

/* Gather what the questions brought for each name. */
static uint32_t gather(chd_discover *discover)
{
    uint32_t ttl = UINT32_MAX;
    const chd_question *question = NULL;

    for (size_t i = 0; i < discover->name_count; i++) {
        discover->names[i].failed = false;
        discover->names[i].reason = "no address";
    }
    for (size_t i = 0;
         (question = chd_resolver_question(discover->resolver, i)) != NULL;
         i++) {
        listed_name *name = &discover->names[question->owner];
        chd_endpoints_add_all(&name->found, &question->endpoints);
        if (question->outcome == CHD_DNS_UNKNOWN) {
            name->failed = true;
        }
        if (question->outcome != CHD_DNS_ANSWER) {
            name->reason = question->reason;
        }
        ttl = question->ttl < ttl ? question->ttl : ttl;
    }
    return ttl;
}

static void tell_name(const chd_discover *discover, const listed_name *name,
                      chd_dns_outcome outcome)
{
    static const char *const words[] = {
        [CHD_DNS_ANSWER] = "answer",
        [CHD_DNS_EMPTY] = "empty",
        [CHD_DNS_UNKNOWN] = "unknown",
    };
    chd_line line;
    chd_level level = CHD_LEVEL_DEBUG;

    if (outcome != name->outcome && outcome != CHD_DNS_ANSWER) {
        level = CHD_LEVEL_WARN;
    }
    chd_line_begin(&line, discover->options.logger, level, "dns_name");
    chd_line_text(&line, "name", name->name);
    chd_line_text(&line, "outcome", words[outcome]);
    if (outcome != CHD_DNS_ANSWER) {
        chd_line_text(&line, "reason", name->reason);
    }
    chd_line_number(&line, "addresses", name->found.count);
    chd_line_number(&line, "kept", name->last.count);
    chd_line_end(&line);
}

/* Decide what a name stands for now. */
static chd_dns_outcome settle_name(const chd_discover *discover,
                                   listed_name *name)
{
    chd_dns_outcome outcome =
        name->found.count > 0 ? CHD_DNS_ANSWER : CHD_DNS_EMPTY;

    if (name->failed) {
        outcome = CHD_DNS_UNKNOWN;
        /* Part of an answer only adds. */
        chd_endpoints_add_all(&name->last, &name->found);
        chd_endpoints_unite(&name->last);
    }
    tell_name(discover, name, outcome);
    if (outcome == CHD_DNS_ANSWER) {
        chd_endpoints_fini(&name->last);
        name->last = name->found;
        name->found = (chd_endpoints){0};
        chd_endpoints_unite(&name->last);
    }
    chd_endpoints_fini(&name->found);
    name->outcome = outcome;
    return outcome;
}

static void end_poll(chd_discover *discover, chd_now now)
{
    const uint32_t ttl = gather(discover);
    chd_tally *tally = discover->options.tally;
    bool any_answer = false;
    bool any_unknown = false;

    chd_resolver_destroy(&discover->resolver);
    for (size_t i = 0; i < discover->name_count; i++) {
        const chd_dns_outcome outcome =
            settle_name(discover, &discover->names[i]);
        any_answer = any_answer || outcome == CHD_DNS_ANSWER;
        any_unknown = any_unknown || outcome == CHD_DNS_UNKNOWN;
    }
    chd_dns_outcome outcome = any_answer ? CHD_DNS_ANSWER : CHD_DNS_EMPTY;
    if (any_unknown) {
        outcome = CHD_DNS_UNKNOWN;
    }
    tally->dns_polls++;
    tally->dns_failures += outcome == CHD_DNS_UNKNOWN;
    tally->dns_empty += outcome == CHD_DNS_EMPTY;
    discover->failures = outcome == CHD_DNS_ANSWER ? 0 : discover->failures + 1;
    discover->unknowns =
        outcome == CHD_DNS_UNKNOWN ? discover->unknowns + 1 : 0;
    discover->next_ns = chd_after(
        now.mono_ns,
        chd_discover_pause_ns(ttl, discover->failures, discover->interval_ns,
                              chd_prng_next(&discover->prng)));
    feed_listed(discover, outcome);
}

void chd_discover_tick(chd_discover *discover, chd_now now)
{
    if (discover->list_now) {
        discover->list_now = false;
        feed_listed(discover, CHD_DNS_NONE);
    }
    if (discover->resolver == NULL) {
        if (!chd_elapsed(now.mono_ns, discover->next_ns, 0)) {
            return;
        }
        begin_poll(discover, now);
    }
    chd_resolver_tick(discover->resolver, now);
    bool complete = follow_up(discover);
    if (!complete && chd_elapsed(now.mono_ns, discover->give_up_ns, 0)) {
        chd_resolver_give_up(discover->resolver);
        complete = true;
    }
    if (complete) {
        end_poll(discover, now);
    }
}

uint64_t chd_discover_deadline_ns(const chd_discover *discover, chd_now now)
{
    if (discover->list_now) {
        return 0;
    }
    if (discover->resolver == NULL) {
        return discover->next_ns;
    }
    return chd_min_u64(discover->give_up_ns,
                       chd_resolver_deadline_ns(discover->resolver, now));
}
