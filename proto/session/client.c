/* client.c - a connection's life, as the application's end sees it:
 *
 *   DETACHED --connected--> GREETING --WELCOME--> ATTACHED --GOODBYE--> LEAVING
 *
 * and from each of the last three back to DETACHED.  HELLO goes out first;
 * nothing else does before WELCOME (PROTOCOL 4.1).
 *
 * Two sources feed the socket: control messages, which are written into a
 * small buffer only when it is empty, and the publisher window, which is its
 * own buffer.  They take turns at the ends of messages.
 */
#include "proto/session/client.h"

#include "proto/base/prng.h"
#include "proto/session/client_asks.h"
#include "proto/session/client_outbox.h"
#include "proto/session/client_subs.h"
#include "proto/wire/frame.h"

/* Subscriptions told at once: with twice as many topics the control buffer
 * still has room for the small messages. */
#define TELL_MAX 64
#define CONTROL_BYTES (2 * TELL_MAX * (CHD_TOPIC_BYTES_MAX + 8) + 4096)

/* So many PINGs take longer than the sidecar, which then asks again. */
#define PROMPT_PINGS 4

/* What a sidecar may ask for as ping interval is kept in reason. */
#define PING_INTERVAL_MIN_MS 10
#define PING_INTERVAL_MAX_MS 60000

typedef enum client_state {
    DETACHED,
    GREETING,
    ATTACHED,
    LEAVING,
} client_state;

struct chd_client {
    const chd_mem *mem;
    chd_client_config config; /* its name points into the array below */
    uint8_t name[CHD_NAME_BYTES_MAX];
    chd_prng prng;
    chd_subs subs;
    chd_outbox outbox;
    chd_asks asks;
    uint8_t *control; /* CONTROL_BYTES */
    size_t control_at;
    size_t control_len;

    client_state state;
    uint64_t connection; /* counts connections */
    uint64_t retry_ns;   /* DETACHED: when to connect */
    uint32_t failures;   /* since the last WELCOME */
    bool refused;        /* the next delay is a long one */
    uint64_t node;       /* of the last WELCOME */
    uint64_t next;       /* how far its stream came, in its log; 0: unknown */

    /* of this connection */
    uint64_t peer_window;
    uint64_t features;
    uint64_t ping_interval;
    uint64_t ping_due_ns;
    uint64_t unanswered_ns; /* when the oldest unanswered PING was due */
    uint64_t c0;
    chd_mark received;
    chd_fresh fresh; /* of what was applied                          */
    chd_mark applied;
    uint64_t applied_said; /* bytes, in the last APPLIED                   */
    uint32_t prompt; /* PINGs until APPLIED may be put off again           */
    chd_mark before; /* not applied yet, of an earlier connection; 0: none */
    bool unsure;     /* APPLIED is due once that is applied              */
    bool hello_due;
    bool ping_due;
    bool bye_due;
    bool bye_said;
    bool resume_asked;
    bool resuming; /* RESUME has to be said */

    size_t payload_max;
    uint64_t status_asked; /* last request number given out */
    uint64_t status_told;  /* last one sent on this connection */
    uint64_t status_known; /* last one answered */
};

static bool config_is_valid(const chd_client_config *config)
{
    return config->client != 0 && config->name.len <= CHD_NAME_BYTES_MAX &&
           chd_text_is_valid(config->name) && config->version_min > 0 &&
           config->version_min <= config->version_max;
}

chd_err chd_client_new(const chd_client_config *config, const chd_mem *mem,
                       uint64_t now_ns, chd_client **client)
{
    *client = NULL;
    if (!config_is_valid(config)) {
        return CHD_ELIMIT;
    }

    chd_client *made = chd_zalloc(mem, 1, sizeof(*made));
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->config = *config;
    if (config->name.len > 0) {
        memcpy(made->name, config->name.ptr, config->name.len);
    }
    made->config.name = chd_bytes_of(made->name, config->name.len);
    made->prng = chd_prng_seeded(config->seed);
    made->state = DETACHED;
    made->retry_ns = now_ns;
    made->payload_max = CHD_PAYLOAD_BYTES_DEFAULT;

    chd_err err =
        chd_subs_init(&made->subs, mem, config->subscription_count_max,
                      chd_prng_next(&made->prng));
    if (err == CHD_OK) {
        err = chd_outbox_init(&made->outbox, mem, config->window_bytes);
    }
    if (err == CHD_OK) {
        made->control = chd_zalloc(mem, 1, CONTROL_BYTES);
        err = made->control == NULL ? CHD_ENOMEM : CHD_OK;
    }
    if (err != CHD_OK) {
        chd_client_destroy(&made);
        return err;
    }
    *client = made;
    return CHD_OK;
}

void chd_client_destroy(chd_client **client)
{
    chd_client *gone = *client;

    if (gone == NULL) {
        return;
    }
    const chd_mem *mem = gone->mem;
    chd_subs_fini(&gone->subs, mem);
    chd_outbox_fini(&gone->outbox, mem);
    chd_free(mem, gone->control);
    chd_free(mem, gone);
    *client = NULL;
}

/* --- the connection ------------------------------------------------------- */

static uint64_t lease(const chd_client *client)
{
    return chd_max_u64(CHD_LEASE_PINGS * client->ping_interval,
                       CHD_LEASE_MIN_NS);
}

chd_client_todo chd_client_tick(chd_client *client, uint64_t now_ns)
{
    if (client->state == DETACHED) {
        return now_ns >= client->retry_ns ? CHD_CLIENT_CONNECT
                                          : CHD_CLIENT_WAIT;
    }
    if (client->unanswered_ns != CHD_NEVER_NS &&
        chd_elapsed(now_ns, client->unanswered_ns, lease(client))) {
        return CHD_CLIENT_DROP;
    }
    if (now_ns >= client->ping_due_ns) {
        client->ping_due_ns = chd_after(now_ns, client->ping_interval / 2);
        client->ping_due = true;
        client->c0 = now_ns;
        if (client->unanswered_ns == CHD_NEVER_NS) {
            client->unanswered_ns = now_ns;
        }
    }
    return CHD_CLIENT_WAIT;
}

uint64_t chd_client_deadline_ns(const chd_client *client)
{
    if (client->state == DETACHED) {
        return client->retry_ns;
    }
    return chd_min_u64(client->ping_due_ns,
                       chd_after(client->unanswered_ns, lease(client)));
}

void chd_client_connected(chd_client *client, uint64_t now_ns)
{
    CHD_ASSERT(client->state == DETACHED);
    client->state = GREETING;
    client->connection++;
    client->control_at = client->control_len = 0;
    client->ping_interval = 0;
    client->ping_due_ns = CHD_NEVER_NS;
    client->unanswered_ns = now_ns; /* HELLO has to be answered as well */
    if (client->applied.bytes < client->received.bytes) {
        client->before = client->received;
    }
    client->received = (chd_mark){.connection = client->connection};
    client->applied = client->received;
    client->applied_said = 0;
    client->prompt = 0;
    chd_fresh_break(&client->fresh);
    client->hello_due = true;
    client->ping_due = client->bye_due = false;
    client->bye_said = false;
    client->resume_asked = client->resuming = client->unsure = false;
    client->status_told = client->status_known;
    client->features = 0;
    chd_asks_rewind(&client->asks);
    chd_outbox_rewind(&client->outbox);
    chd_subs_forget_told(&client->subs);
}

static uint64_t reconnect_delay(chd_client *client)
{
    if (client->refused) {
        client->refused = false;
        return CHD_RECONNECT_MAX_NS / 2 +
               chd_prng_below(&client->prng, CHD_RECONNECT_MAX_NS / 2);
    }

    const uint64_t cap = chd_min_u64(CHD_RECONNECT_MIN_NS << client->failures,
                                     CHD_RECONNECT_MAX_NS);
    if (cap < CHD_RECONNECT_MAX_NS) {
        client->failures++;
    }
    return chd_prng_below(&client->prng, cap);
}

void chd_client_disconnected(chd_client *client, uint64_t now_ns)
{
    client->state = DETACHED;
    client->retry_ns = chd_after(now_ns, reconnect_delay(client));
    chd_outbox_rewind(&client->outbox);
    chd_subs_forget_told(&client->subs);
}

/* --- receiving ------------------------------------------------------------ */

/* Nothing was missed, or everything begins anew. */
static void resume_or_not(chd_client *client, const chd_local_welcome *welcome)
{
    client->resuming = client->unsure = welcome->resumed;
    client->node = welcome->node;
    if (!welcome->resumed) {
        client->next = 0;
        chd_subs_drop_held(&client->subs);
    }
}

static chd_err on_welcome(chd_client *client, uint64_t now_ns,
                          chd_delivery *delivery)
{
    const chd_local_welcome *welcome = &delivery->local.u.welcome;

    if (client->state != GREETING ||
        (welcome->resumed &&
         (!client->resume_asked || welcome->node != client->node))) {
        return CHD_ESTATE;
    }
    if (welcome->version < client->config.version_min ||
        welcome->version > client->config.version_max) {
        return CHD_EVERSION;
    }
    const uint64_t interval_ms = chd_min_u64(
        chd_max_u64(welcome->ping_interval_ms, PING_INTERVAL_MIN_MS),
        PING_INTERVAL_MAX_MS);

    client->state = ATTACHED;
    client->failures = 0;
    client->peer_window = welcome->window_bytes;
    client->features = welcome->features;
    client->payload_max =
        (size_t)chd_min_u64(welcome->payload_max, CHD_PAYLOAD_BYTES_MAX);
    client->ping_interval = interval_ms * CHD_MS;
    client->ping_due_ns = now_ns; /* how fresh the session is, at once */
    resume_or_not(client, welcome);
    chd_outbox_keep(&client->outbox,
                    (welcome->features & CHD_FEATURE_REPLICATED) != 0);
    delivery->kind = CHD_DELIVERY_WELCOME;
    delivery->refused =
        chd_outbox_drop_larger(&client->outbox, client->payload_max);
    return CHD_OK;
}

/* PROTOCOL 4.5: the stream's positions leave nothing out. */
static chd_err on_stream(chd_client *client, uint64_t position, uint64_t count,
                         size_t bytes, chd_delivery *delivery)
{
    if (position != client->received.position + 1) {
        return CHD_EORDER;
    }
    client->received.position += count;
    client->received.bytes += bytes;
    delivery->mark = client->received;
    return CHD_OK;
}

static void note_next(chd_client *client, uint64_t next)
{
    if (next != 0) {
        client->next = next;
    }
}

static chd_err on_events(chd_client *client, size_t bytes,
                         chd_delivery *delivery)
{
    const chd_local_events *events = &delivery->local.u.events;
    const chd_err err = on_stream(client, events->position,
                                  events->records.count, bytes, delivery);

    if (err == CHD_OK) {
        delivery->kind = CHD_DELIVERY_EVENTS;
        note_next(client, events->next);
    }
    return err;
}

static chd_err on_reset(chd_client *client, size_t bytes,
                        chd_delivery *delivery)
{
    const chd_local_reset *reset = &delivery->local.u.reset;
    const chd_err err = on_stream(client, reset->position, 1, bytes, delivery);

    if (err == CHD_OK) {
        delivery->kind = CHD_DELIVERY_RESET;
        note_next(client, reset->next);
        if (reset->reason == CHD_RESET_SUBSCRIBED) {
            chd_subs_confirm(&client->subs);
        }
    }
    return err;
}

static chd_err on_pong(chd_client *client, const chd_delivery *delivery)
{
    /* It travels behind what it tells of, so all of that has to be here. */
    if (delivery->local.u.ping.position > client->received.position) {
        return CHD_EORDER;
    }
    note_next(client, delivery->local.u.ping.next);
    return CHD_OK;
}

/* Everything that was sent before it is part of the promise. */
static chd_err on_fresh(chd_client *client, const chd_delivery *delivery)
{
    const uint64_t c0 = delivery->local.u.fresh.c0;
    const chd_promise promise = {
        .seq = client->received.position,
        .at_ns = chd_since(c0, delivery->local.u.fresh.age_ns),
    };

    if (c0 > client->c0) {
        return CHD_ERANGE; /* we never said so */
    }
    if (client->before.connection == 0) {
        chd_fresh_promise(&client->fresh, &promise, client->applied.position);
    }
    return CHD_OK;
}

/* What only a welcomed connection may receive. */
static chd_err on_attached(chd_client *client, size_t bytes,
                           chd_delivery *delivery)
{
    const chd_local *local = &delivery->local;

    if (client->state != ATTACHED && client->state != LEAVING) {
        return CHD_ESTATE;
    }
    switch ((chd_local_type)local->type) {
    case CHD_LOCAL_EVENTS:
        return on_events(client, bytes, delivery);
    case CHD_LOCAL_RESET:
        return on_reset(client, bytes, delivery);
    case CHD_LOCAL_RECEIPT:
        delivery->kind = CHD_DELIVERY_RECEIPT;
        return chd_outbox_receipt(&client->outbox, local->u.receipt.request);
    case CHD_LOCAL_REPLICATED:
        delivery->kind = CHD_DELIVERY_REPLICATED;
        return chd_outbox_replicated(&client->outbox, local->u.request);
    case CHD_LOCAL_REPORT:
        if (local->u.report.request > client->status_told) {
            return CHD_ERANGE;
        }
        client->status_known =
            chd_max_u64(client->status_known, local->u.report.request);
        delivery->kind = CHD_DELIVERY_REPORT;
        return CHD_OK;
    case CHD_LOCAL_CONFIRMED:
        /* The answer to WHO may cross another. */
        if (chd_asks_end(&client->asks, local->u.confirmed.request)) {
            delivery->kind = CHD_DELIVERY_CONFIRMED;
        }
        return CHD_OK;
    case CHD_LOCAL_AWAITED:
        if (chd_asks_end(&client->asks, local->u.request)) {
            delivery->kind = CHD_DELIVERY_AWAITED;
        }
        return CHD_OK;
    case CHD_LOCAL_PROMPT:
        client->prompt = PROMPT_PINGS;
        return CHD_OK;
    case CHD_LOCAL_PONG:
        return on_pong(client, delivery);
    case CHD_LOCAL_FRESH:
        return on_fresh(client, delivery);
    case CHD_LOCAL_GOODBYE:
        client->state = LEAVING;
        delivery->kind = CHD_DELIVERY_GOODBYE;
        return CHD_OK;
    case CHD_LOCAL_HELLO:
    case CHD_LOCAL_SUBSCRIBE:
    case CHD_LOCAL_UNSUBSCRIBE:
    case CHD_LOCAL_PUBLISH:
    case CHD_LOCAL_APPLIED:
    case CHD_LOCAL_PING:
    case CHD_LOCAL_STATUS:
    case CHD_LOCAL_BYE:
    case CHD_LOCAL_RESUME:
    case CHD_LOCAL_CONFIRM:
    case CHD_LOCAL_WHO:
    case CHD_LOCAL_AWAIT:
    case CHD_LOCAL_WELCOME:
    case CHD_LOCAL_ERROR:
        break;
    }
    return CHD_ESTATE;
}

static chd_err receive(chd_client *client, uint64_t now_ns, chd_bytes message,
                       chd_delivery *delivery)
{
    const chd_err err = chd_local_scan(message, &delivery->local);

    if (err != CHD_OK) {
        return err;
    }
    if (delivery->local.type > CHD_LOCAL_TYPE_LAST) {
        return CHD_OK; /* of a newer release: PROTOCOL 4.2 */
    }
    if (delivery->local.type == CHD_LOCAL_WELCOME) {
        return on_welcome(client, now_ns, delivery);
    }
    if (delivery->local.type == CHD_LOCAL_ERROR) {
        /* A sidecar that is leaving, or gave up on a slow reader, will be
         * back at once; the other reasons stay for a while. */
        client->refused = delivery->local.u.error.code != CHD_LOCAL_ERR_STATE &&
                          delivery->local.u.error.code != CHD_LOCAL_ERR_STUCK;
        delivery->kind = CHD_DELIVERY_ERROR;
        return CHD_OK;
    }
    return on_attached(client, message.len, delivery);
}

chd_err chd_client_receive(chd_client *client, uint64_t now_ns,
                           chd_bytes message, chd_delivery *delivery)
{
    *delivery = (chd_delivery){.kind = CHD_DELIVERY_NONE};
    if (client->state == DETACHED) {
        return CHD_ESTATE;
    }

    const chd_err err = receive(client, now_ns, message, delivery);
    if (err != CHD_OK) {
        *delivery = (chd_delivery){.kind = CHD_DELIVERY_NONE};
        client->refused = true;
        return err;
    }
    /* Whatever it is, the other side is alive.  Only WELCOME answers HELLO. */
    if (client->state != GREETING) {
        client->unanswered_ns = CHD_NEVER_NS;
    }
    return CHD_OK;
}

/* --- sending -------------------------------------------------------------- */

/* Start a control message behind those already in the buffer. */
static chd_pack control_open(chd_client *client)
{
    const size_t at = client->control_len + CHD_FRAME_PREFIX_BYTES;
    chd_pack pack;

    CHD_ASSERT(at < CONTROL_BYTES);
    chd_pack_init(&pack, client->control + at, CONTROL_BYTES - at);
    return pack;
}

static void control_close(chd_client *client, const chd_pack *pack)
{
    CHD_ASSERT(!pack->overflow);
    chd_frame_put_length(client->control + client->control_len, pack->len);
    client->control_len += CHD_FRAME_PREFIX_BYTES + pack->len;
}

static void say_hello(chd_client *client)
{
    chd_local_hello hello = {
        .version_min = client->config.version_min,
        .version_max = client->config.version_max,
        .client = client->config.client,
        .name = client->config.name,
        .pid = client->config.pid,
        .bound_ms = client->config.bound_ms,
    };
    chd_pack pack = control_open(client);

    if (client->next != 0 && chd_subs_has_held(&client->subs)) {
        hello.node = client->node;
        hello.next = client->next;
        client->resume_asked = true;
    }
    chd_local_pack_hello(&pack, &hello);
    control_close(client, &pack);
    client->hello_due = false;
}

static void say_resume(chd_client *client)
{
    chd_filter held[TELL_MAX];
    const uint32_t count = chd_subs_tell_held(&client->subs, TELL_MAX, held);
    chd_pack pack = control_open(client);

    client->resuming = chd_subs_has_held(&client->subs);
    chd_local_pack_resume(&pack, held, count, client->resuming);
    control_close(client, &pack);
}

static void say_subscriptions(chd_client *client)
{
    chd_filter less[TELL_MAX];
    chd_filter more[TELL_MAX];
    uint32_t less_count;
    uint32_t more_count;

    if (client->resuming) {
        say_resume(client);
        return;
    }
    if (!chd_subs_has_untold(&client->subs)) {
        return;
    }
    chd_subs_tell(&client->subs, TELL_MAX, less, &less_count, more,
                  &more_count);
    if (less_count > 0) {
        chd_pack pack = control_open(client);
        chd_local_pack_filters(&pack, CHD_LOCAL_UNSUBSCRIBE, less, less_count);
        control_close(client, &pack);
    }
    if (more_count > 0) {
        chd_pack pack = control_open(client);
        chd_local_pack_filters(&pack, CHD_LOCAL_SUBSCRIBE, more, more_count);
        control_close(client, &pack);
    }
}

/* The sidecar needs to know soon, or there is something to say anyway. */
static bool must_say_applied(const chd_client *client)
{
    const uint64_t unsaid = client->applied.bytes - client->applied_said;

    return unsaid >= CHD_SESSION_REPORT_BYTES ||
           (unsaid > 0 && (client->prompt > 0 || client->ping_due ||
                           (client->features & CHD_FEATURE_PROMPTS) == 0));
}

static void say_small_things(chd_client *client)
{
    /* Whoever resumes also says when nothing is left of what came before. */
    if (must_say_applied(client) ||
        (client->unsure && client->before.connection == 0)) {
        chd_pack pack = control_open(client);
        chd_local_pack_applied(&pack, client->applied.position,
                               client->applied.bytes);
        control_close(client, &pack);
        client->applied_said = client->applied.bytes;
        client->unsure = false;
    }
    /* The answer's FRESH covers what is subscribed when it is sent: all, so
     * that none is fresh which has its RESET still to come. */
    if (client->ping_due && !chd_subs_has_untold(&client->subs)) {
        chd_pack pack = control_open(client);
        chd_local_pack_ping(&pack, client->c0);
        control_close(client, &pack);
        client->ping_due = false;
        client->prompt -= client->prompt > 0;
    }
    if (client->status_told < client->status_asked) {
        chd_pack pack = control_open(client);
        client->status_told = client->status_asked;
        chd_local_pack_status(&pack, client->status_told);
        control_close(client, &pack);
    }
}

/* Behind the subscriptions: what is awaited may concern them. */
static void say_asks(chd_client *client)
{
    if (!chd_client_can_ask(client) || client->resuming ||
        chd_subs_has_untold(&client->subs)) {
        return;
    }
    for (uint32_t i = 0; i < CHD_ASKS_TELL_MAX; i++) {
        chd_pack pack = control_open(client);
        if (!chd_asks_pack(&client->asks, &pack)) {
            return;
        }
        control_close(client, &pack);
    }
}

static chd_bytes publishes(const chd_client *client)
{
    return client->state == ATTACHED && !client->bye_said
               ? chd_outbox_output(&client->outbox, client->peer_window)
               : chd_outbox_rest(&client->outbox);
}

static void fill_control(chd_client *client)
{
    client->control_at = client->control_len = 0;
    if (client->hello_due) {
        say_hello(client);
    }
    if (client->state != ATTACHED && client->state != LEAVING) {
        return;
    }
    if (client->bye_said) {
        return;
    }
    say_subscriptions(client);
    say_small_things(client);
    say_asks(client);
    if (client->bye_due && !client->resuming &&
        !chd_subs_has_untold(&client->subs) && publishes(client).len == 0) {
        chd_pack pack = control_open(client);
        chd_local_pack_bare(&pack, CHD_LOCAL_BYE);
        control_close(client, &pack);
        client->bye_said = true;
    }
}

static chd_bytes control(const chd_client *client)
{
    return chd_bytes_of(client->control + client->control_at,
                        client->control_len - client->control_at);
}

chd_bytes chd_client_output(chd_client *client)
{
    if (client->state == DETACHED) {
        return (chd_bytes){NULL, 0};
    }
    if (control(client).len == 0) {
        fill_control(client);
    }

    const chd_bytes rest = chd_outbox_rest(&client->outbox);
    if (control(client).len > 0) {
        return rest.len > 0 ? rest : control(client);
    }
    return publishes(client);
}

void chd_client_written(chd_client *client, size_t len)
{
    const bool in_message = chd_outbox_rest(&client->outbox).len > 0;

    if (!in_message && control(client).len > 0) {
        CHD_ASSERT(len <= control(client).len);
        client->control_at += len;
        return;
    }
    chd_outbox_written(&client->outbox, len);
}

/* --- the application ------------------------------------------------------ */

void chd_client_applied(chd_client *client, const chd_mark *mark)
{
    if (mark->connection > client->before.connection ||
        (mark->connection == client->before.connection &&
         mark->bytes >= client->before.bytes)) {
        client->before = (chd_mark){.connection = 0};
    }
    if (client->state == DETACHED || mark->connection != client->connection ||
        mark->bytes <= client->applied.bytes) {
        return;
    }
    CHD_ASSERT(mark->bytes <= client->received.bytes);
    client->applied = *mark;
    chd_fresh_reach(&client->fresh, mark->position);
}

uint64_t chd_client_horizon_ns(const chd_client *client)
{
    return client->fresh.at_ns;
}

chd_err chd_client_subscribe(chd_client *client, const chd_filter *filter)
{
    const chd_err err = chd_filter_check(filter);
    return err != CHD_OK ? err : chd_subs_add(&client->subs, filter);
}

bool chd_client_unsubscribe(chd_client *client, const chd_filter *filter)
{
    return chd_filter_check(filter) == CHD_OK &&
           chd_subs_remove(&client->subs, filter);
}

uint32_t chd_client_subscription_count(const chd_client *client)
{
    return client->subs.count;
}

void chd_client_publish_open(chd_client *client, chd_wait wait)
{
    chd_outbox_open(&client->outbox, wait);
}

chd_err chd_client_publish_add(chd_client *client, const chd_event *item)
{
    return chd_outbox_add(&client->outbox, item);
}

uint64_t chd_client_publish_commit(chd_client *client)
{
    return chd_outbox_commit(&client->outbox);
}

void chd_client_publish_abort(chd_client *client)
{
    chd_outbox_abort(&client->outbox);
}

bool chd_client_is_pending(const chd_client *client, uint64_t request)
{
    return chd_outbox_holds(&client->outbox, request);
}

uint64_t chd_client_oldest_pending(const chd_client *client)
{
    return chd_outbox_oldest(&client->outbox);
}

size_t chd_client_pending_bytes(const chd_client *client)
{
    return chd_outbox_bytes(&client->outbox);
}

size_t chd_client_unsent_bytes(const chd_client *client)
{
    return client->outbox.end - client->outbox.sent;
}

uint64_t chd_client_ask_status(chd_client *client)
{
    return ++client->status_asked;
}

uint64_t chd_client_ask(chd_client *client, chd_local_type type,
                        uint64_t origin, uint64_t seq)
{
    return chd_asks_add(&client->asks, type, origin, seq);
}

void chd_client_ask_who(chd_client *client, uint64_t request)
{
    chd_asks_who(&client->asks, request);
}

void chd_client_ask_end(chd_client *client, uint64_t request)
{
    chd_asks_drop(&client->asks, request);
}

bool chd_client_can_ask(const chd_client *client)
{
    return (client->features & CHD_FEATURE_CONFIRMED) != 0;
}

void chd_client_bye(chd_client *client)
{
    client->bye_due = true;
}

bool chd_client_is_attached(const chd_client *client)
{
    return client->state == ATTACHED || client->state == LEAVING;
}

size_t chd_client_payload_max(const chd_client *client)
{
    return client->payload_max;
}
