#include "broker/resolver.h"

#include <ares.h>
#include <ares_nameser.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "broker/config.h"

/* One per name, two with both families, and the targets of SRV records. */
#define QUESTIONS_MAX 256

/* More name servers than this are not asked. */
#define SERVERS_MAX 16
#define DNS_PORT 53

/* c-ares opens at most one socket of each kind per server. */
#define SOCKETS_MAX 32

/* A query that is lost is repeated after 1 s and given up 2 s after that; the
 * first try's time-out is the only one that can be set. */
#define TIMEOUT_MS 1000
#define TRIES 2

/* Fits every path's MTU (DNS flag day 2020); longer answers come over TCP. */
#define UDP_BYTES 1232

/* The least an answer record takes: a pointer to its name, type, class, TTL,
 * length, and the address. */
#define AAAA_RECORD_BYTES 28
#define A_RECORD_BYTES 16

typedef struct resolver_socket {
    chd_watch watch;
    chd_resolver *resolver;
} resolver_socket;

struct chd_resolver {
    ares_channel channel;
    bool usable; /* the channel exists */
    chd_poll *poll;
    resolver_socket sockets[SOCKETS_MAX];
    chd_question *questions[QUESTIONS_MAX];
    size_t question_count;
};

static void on_socket(void *arg, uint32_t events, chd_now now)
{
    const resolver_socket *socket = arg;
    const ares_socket_t fd = socket->watch.fd;
    const bool readable = (events & ~(uint32_t)EPOLLOUT) != 0;
    const bool writable = (events & EPOLLOUT) != 0;

    (void)now;
    ares_process_fd(socket->resolver->channel, readable ? fd : ARES_SOCKET_BAD,
                    writable ? fd : ARES_SOCKET_BAD);
}

/* c-ares tells which of its sockets to watch, and for what. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable,
                            int writable)
{
    chd_resolver *resolver = arg;
    resolver_socket *socket = NULL;
    const uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) |
                            (writable ? (uint32_t)EPOLLOUT : 0);

    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        const int watched = resolver->sockets[i].watch.fd;
        if (watched == fd || (watched == -1 && socket == NULL)) {
            socket = &resolver->sockets[i];
        }
        if (watched == fd) {
            break;
        }
    }
    if (socket == NULL) {
        return; /* its query will time out */
    }
    if (socket->watch.fd == fd && events == 0) {
        chd_poll_remove(resolver->poll, &socket->watch);
    } else if (socket->watch.fd == fd) {
        chd_poll_change(resolver->poll, &socket->watch, events);
    } else if (events != 0) {
        socket->resolver = resolver;
        socket->watch = (chd_watch){
            .fd = fd, .events = events, .ready = on_socket, .arg = socket};
        if (!chd_poll_add(resolver->poll, &socket->watch)) {
            socket->watch.fd = -1;
        }
    }
}

/* Fill in one server of a list. */
static void set_server(struct ares_addr_port_node *node,
                       const chd_endpoint *server)
{
    node->udp_port = server->port;
    node->tcp_port = server->port;
    if (chd_address_is_ipv4(server->address)) {
        node->family = AF_INET;
        memcpy(&node->addr.addr4, server->address + 12, 4);
    } else {
        node->family = AF_INET6;
        memcpy(&node->addr.addr6, server->address, CHD_ADDRESS_BYTES);
    }
}

/* Use the servers of the list, if there are any.  c-ares reads such lists too,
 * but this release of it not the form [address] without a port. */
static bool set_servers(ares_channel channel, const char *list)
{
    struct ares_addr_port_node nodes[SERVERS_MAX];
    size_t count = 0;
    char item[CHD_ADDRESS_TEXT_MAX];
    chd_endpoint server;

    while (count < SERVERS_MAX && chd_list_next(&list, item, sizeof(item))) {
        if (chd_endpoint_parse(item, DNS_PORT, &server)) {
            nodes[count] = (struct ares_addr_port_node){.next = NULL};
            set_server(&nodes[count], &server);
            if (count > 0) {
                nodes[count - 1].next = &nodes[count];
            }
            count++;
        }
    }
    return count == 0 || ares_set_servers_ports(channel, nodes) == ARES_SUCCESS;
}

void chd_resolver_new(const chd_resolver_options *options, chd_poll *poll,
                      chd_resolver **resolver)
{
    chd_resolver *made = calloc(1, sizeof(*made));

    CHD_ASSERT(made != NULL);
    made->poll = poll;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        made->sockets[i].watch.fd = -1;
    }
    /* NOCHECKRESP: SERVFAIL is to be told from a server that is not there. */
    struct ares_options settings = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP |
                 (options->over_tcp ? ARES_FLAG_USEVC : 0),
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .ednspsz = UDP_BYTES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = made,
    };
    made->usable =
        ares_init_options(&made->channel, &settings,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                              ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB) ==
        ARES_SUCCESS;
    if (made->usable && !set_servers(made->channel, options->servers)) {
        ares_destroy(made->channel);
        made->usable = false;
    }
    *resolver = made;
}

void chd_resolver_destroy(chd_resolver **resolver)
{
    if (*resolver == NULL) {
        return;
    }
    if ((*resolver)->usable) {
        ares_destroy((*resolver)->channel);
    }
    for (size_t i = 0; i < (*resolver)->question_count; i++) {
        chd_question *question = (*resolver)->questions[i];
        chd_endpoints_fini(&question->endpoints);
        free(question->targets);
        free(question);
    }
    free(*resolver);
    *resolver = NULL;
}

static void add_aaaa(chd_question *question, const struct ares_addr6ttl *found)
{
    chd_endpoint endpoint = {.port = question->port};

    memcpy(endpoint.address, &found->ip6addr, CHD_ADDRESS_BYTES);
    chd_endpoints_add(&question->endpoints, &endpoint);
    question->ttl = found->ttl >= 0 && (uint32_t)found->ttl < question->ttl
                        ? (uint32_t)found->ttl
                        : question->ttl;
}

static int parse_aaaa(chd_question *question, const unsigned char *reply,
                      int len)
{
    int count = len / AAAA_RECORD_BYTES + 1;
    struct ares_addr6ttl *found = calloc((size_t)count, sizeof(*found));

    CHD_ASSERT(found != NULL);
    const int status = ares_parse_aaaa_reply(reply, len, NULL, found, &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; i++) {
        add_aaaa(question, &found[i]);
    }
    free(found);
    return status;
}

static void add_a(chd_question *question, const struct ares_addrttl *found)
{
    chd_endpoint endpoint = {.address = {[10] = 0xff, [11] = 0xff},
                             .port = question->port};

    memcpy(endpoint.address + 12, &found->ipaddr, 4);
    chd_endpoints_add(&question->endpoints, &endpoint);
    question->ttl = found->ttl >= 0 && (uint32_t)found->ttl < question->ttl
                        ? (uint32_t)found->ttl
                        : question->ttl;
}

static int parse_a(chd_question *question, const unsigned char *reply, int len)
{
    int count = len / A_RECORD_BYTES + 1;
    struct ares_addrttl *found = calloc((size_t)count, sizeof(*found));

    CHD_ASSERT(found != NULL);
    const int status = ares_parse_a_reply(reply, len, NULL, found, &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; i++) {
        add_a(question, &found[i]);
    }
    free(found);
    return status;
}

static int parse_srv(chd_question *question, const unsigned char *reply,
                     int len)
{
    struct ares_srv_reply *list = NULL;
    const int status = ares_parse_srv_reply(reply, len, &list);

    if (status != ARES_SUCCESS) {
        return status;
    }
    question->targets = calloc(QUESTIONS_MAX, sizeof(*question->targets));
    CHD_ASSERT(question->targets != NULL);
    for (const struct ares_srv_reply *srv = list;
         srv != NULL && question->target_count < QUESTIONS_MAX;
         srv = srv->next) {
        chd_dns_target *target = &question->targets[question->target_count];
        const size_t host_len = strlen(srv->host);
        /* A single dot means: decidedly not available here (RFC 2782). */
        if (host_len == 0 || host_len >= CHD_DNS_NAME_MAX - 1 ||
            strcmp(srv->host, ".") == 0 || srv->port == 0) {
            continue;
        }
        memcpy(target->name, srv->host, host_len + 1);
        target->port = srv->port;
        question->target_count++;
    }
    ares_free_data(list);
    return status;
}

static int parse_reply(chd_question *question, const unsigned char *reply,
                       int len)
{
    switch (question->record) {
    case CHD_RECORD_AAAA:
        return parse_aaaa(question, reply, len);
    case CHD_RECORD_A:
        return parse_a(question, reply, len);
    case CHD_RECORD_SRV:
        break;
    }
    return parse_srv(question, reply, len);
}

/* Copy what came, nothing else: c-ares may be anywhere in its own work. */
static void on_reply(void *arg, int status, int timeouts, unsigned char *reply,
                     int len)
{
    chd_question *question = arg;

    (void)timeouts;
    question->answered = true;
    if (status == ARES_SUCCESS) {
        status = parse_reply(question, reply, len);
    }
    const bool found =
        question->endpoints.count > 0 || question->target_count > 0;
    if (status == ARES_SUCCESS && found) {
        question->outcome = CHD_DNS_ANSWER;
    } else if (status == ARES_SUCCESS || status == ARES_ENODATA ||
               status == ARES_ENOTFOUND) {
        question->outcome = CHD_DNS_EMPTY;
    } else {
        question->outcome = CHD_DNS_UNKNOWN;
    }
    if (status == ARES_SUCCESS) {
        question->reason = "no address that can be dialled";
    } else if (status == ARES_ECANCELLED || status == ARES_ETIMEOUT) {
        question->reason = "no answer in time";
    } else {
        question->reason = ares_strerror(status);
    }
}

void chd_resolver_ask(chd_resolver *resolver, const char *name,
                      chd_record record, uint16_t port, size_t owner)
{
    static const int types[] = {
        [CHD_RECORD_AAAA] = ns_t_aaaa,
        [CHD_RECORD_A] = ns_t_a,
        [CHD_RECORD_SRV] = ns_t_srv,
    };
    const size_t len = strlen(name);

    if (resolver->question_count == QUESTIONS_MAX) {
        return;
    }
    chd_question *question = calloc(1, sizeof(*question));
    CHD_ASSERT(question != NULL);
    resolver->questions[resolver->question_count++] = question;
    (void)snprintf(question->name, sizeof(question->name), "%s%s", name,
                   len > 0 && name[len - 1] == '.' ? "" : ".");
    question->record = record;
    question->port = port;
    question->owner = owner;
    question->ttl = UINT32_MAX;
    if (resolver->usable) {
        ares_query(resolver->channel, question->name, ns_c_in, types[record],
                   on_reply, question);
    } else {
        on_reply(question, ARES_ENOTINITIALIZED, 0, NULL, 0);
    }
}

void chd_resolver_tick(chd_resolver *resolver, chd_now now)
{
    if (resolver->usable &&
        chd_resolver_deadline_ns(resolver, now) <= now.mono_ns) {
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
}

uint64_t chd_resolver_deadline_ns(const chd_resolver *resolver, chd_now now)
{
    struct timeval left;

    if (!resolver->usable ||
        ares_timeout(resolver->channel, NULL, &left) == NULL) {
        return CHD_NEVER_NS;
    }
    return chd_after(now.mono_ns, (uint64_t)left.tv_sec * CHD_SECOND +
                                      (uint64_t)left.tv_usec * 1000);
}

void chd_resolver_give_up(chd_resolver *resolver)
{
    if (resolver->usable) {
        ares_cancel(resolver->channel);
    }
}

chd_question *chd_resolver_question(chd_resolver *resolver, size_t index)
{
    return index < resolver->question_count ? resolver->questions[index] : NULL;
}
