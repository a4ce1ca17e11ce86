/* control.c - messages of the control sockets: HELLO, WELCOME, REFUSE, PING,
 * PONG and BYE.  PROTOCOL 3.3 to 3.5.
 */
#include "proto/core/state.h"

/* One control message on its way through this file. */
typedef struct control {
    chd_mesh_header header;
    chd_scan scan;   /* behind the header */
    uint32_t fields; /* left to read      */
    uint64_t route;
    chd_peer *dialled; /* whose link brought it; NULL: they dialled us */
    bool refused;      /* deserves no WELCOME                          */
    bool known;        /* the sender is a member already               */
} control;

void chd_core_pack_hello(chd_core *core, chd_mesh_type type, bool known,
                         chd_pack *pack)
{
    /* That of a vector without events is 0: it is not walked for everybody who
     * joins. */
    const bool brief = known || chd_vector_digest(core->vector) == 0;
    /* Every release can read HELLO, so it names the highest version. */
    const chd_mesh_header header =
        chd_core_header(core, type, core->config.version_max);
    const chd_mesh_hello hello = {
        .version_min = core->config.version_min,
        .version_max = core->config.version_max,
        .name = core->config.name,
        .region = core->config.region,
        .release = core->config.release,
        .endpoint = core->config.endpoint,
        .head = core->sent,
        .position_count =
            brief ? 0 : chd_vector_positions(core->vector, core->positions),
    };
    chd_mesh_pack_hello(pack, &header, &hello, core->positions);
}

static void refuse(chd_core *core, const control *message,
                   chd_refuse_reason reason, const char *text, chd_out *out)
{
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_REFUSE, core->config.version_max);
    const chd_mesh_refuse body = {
        .reason = reason,
        .version_min = core->config.version_min,
        .version_max = core->config.version_max,
        .text = chd_bytes_str(text),
    };
    chd_pack pack = chd_out_pack(out, CHD_REFUSE_BYTES_MAX);

    chd_mesh_pack_refuse(&pack, &header, &body);
    chd_core_reply(message->route, &pack, out);
}

/* The same complaint about nobody in the table is told once in a while. */
static bool is_due(const chd_core *core, uint64_t *told_ns)
{
    const uint64_t now_ns = core->now.mono_ns;

    if (*told_ns != 0 && !chd_elapsed(now_ns, *told_ns, CHD_TELL_INTERVAL)) {
        return false;
    }
    *told_ns = now_ns;
    return true;
}

static void tell_refused(chd_core *core, chd_peer *peer, chd_trace_code code,
                         const chd_mesh_refuse *why, chd_out *out)
{
    const bool news = peer == NULL ? is_due(core, &core->refused_told_ns)
                                   : peer->state != CHD_MEMBER_REFUSED;

    core->stats.refused++;
    if (news) {
        chd_core_trace_text(out, code, peer, why->version_min, why->version_max,
                            why->text);
    }
    if (peer != NULL) {
        chd_core_member_refused(core, peer, out);
    }
}

static void on_foreign(chd_core *core, const control *message, size_t bytes,
                       chd_out *out)
{
    core->stats.foreign++;
    core->foreign_count++;
    if (is_due(core, &core->foreign_told_ns)) {
        chd_core_trace_text(out, CHD_TRACE_FOREIGN, message->dialled, bytes,
                            core->foreign_count, message->header.cluster);
        core->foreign_count = 0;
    }
    if (message->header.type == CHD_MESH_HELLO) {
        refuse(core, message, CHD_REFUSE_CLUSTER,
               "this node belongs to another cluster (cluster.name)", out);
    }
    if (message->dialled != NULL) {
        chd_core_member_refused(core, message->dialled, out);
    }
}

static void welcome(chd_core *core, const control *message, chd_out *out)
{
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);

    chd_core_pack_hello(core, CHD_MESH_WELCOME, message->known, &pack);
    chd_core_reply(message->route, &pack, out);
}

/* A HELLO of our own shows that some address is this node's, but only the
 * answer, on the link that we dialled, shows which. */
static void on_self(chd_core *core, const control *message, chd_out *out)
{
    chd_peer *peer = message->dialled;

    if (peer == NULL) {
        if (message->header.type == CHD_MESH_HELLO) {
            welcome(core, message, out);
        }
    } else if (!peer->self) {
        chd_core_trace(out, CHD_TRACE_PEER_SELF, peer, peer->listed, 0);
        chd_core_member_self(core, peer, out);
    }
}

static void say_hello(chd_core *core, const chd_peer *peer, chd_out *out)
{
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);

    chd_core_pack_hello(core, CHD_MESH_HELLO, false, &pack);
    chd_core_send(core, peer, &pack, out);
}

static void tell_conflict(chd_core *core, const control *message,
                          const chd_endpoint *endpoint, bool listed,
                          chd_out *out)
{
    const uint64_t sender = message->header.sender;
    const chd_trace trace = {
        .code = CHD_TRACE_PEER_CONFLICT,
        .node = sender,
        .endpoint = *endpoint,
        .a = chd_peers_node(&core->peers, sender) != NULL,
        .b = listed,
    };

    if (is_due(core, &core->conflict_told_ns)) {
        chd_out_trace(out, &trace);
    }
}

/* Somebody says that he is at the address where another node answers.  Most
 * likely that one was restarted; then our own link to the address shows it
 * within a round trip.  Else two nodes are configured with one address, and
 * must not push each other out for ever. */
static void examine_claim(chd_core *core, const control *message,
                          chd_peer *peer, chd_out *out)
{
    if (peer->dialled) {
        say_hello(core, peer, out);
    }
    peer->doubted_ns = core->now.mono_ns;
    if (core->claimant != message->header.sender) {
        core->claimant = message->header.sender;
        core->claimed_ns = core->now.mono_ns;
    } else if (chd_elapsed(core->now.mono_ns, core->claimed_ns,
                           core->config.join_timeout)) {
        tell_conflict(core, message, &peer->endpoint, peer->listed, out);
    }
}

/* The peer at the address that a HELLO claims for its sender, or NULL. */
static chd_peer *find_claimed(chd_core *core, control *message,
                              const chd_endpoint *endpoint, chd_out *out)
{
    if (chd_endpoint_equal(endpoint, &core->config.endpoint)) {
        message->refused = true;
        tell_conflict(core, message, endpoint, false, out);
        return NULL;
    }
    chd_peer *peer = chd_peers_at(&core->peers, endpoint);
    if (peer != NULL && peer->node != 0 &&
        peer->node != message->header.sender && chd_core_member_answers(peer)) {
        examine_claim(core, message, peer, out);
        /* Whatever the address is, its node accepts events already. */
        chd_core_alive(core, message->header.sender, core->now.mono_ns);
        return NULL;
    }
    if (peer == NULL) {
        peer = chd_peers_add(&core->peers, endpoint, core->now.mono_ns);
    }
    if (peer == NULL) {
        message->refused = true;
        if (is_due(core, &core->full_told_ns)) {
            chd_core_trace(out, CHD_TRACE_PEERS_FULL, NULL,
                           core->peers.count_max, core->peers.count);
        }
        refuse(core, message, CHD_REFUSE_FULL, "too many peers (limits.peers)",
               out);
    }
    return peer;
}

/* The peer that a HELLO or WELCOME is about, or NULL.  A link that we dialled
 * proves the address; who dialled us says where to be found, and is dialled
 * back at once: it is enough that one side sees the other in DNS. */
static chd_peer *introduce(chd_core *core, control *message,
                           const chd_endpoint *endpoint, chd_out *out)
{
    const uint64_t sender = message->header.sender;
    const chd_origin *origin = chd_vector_find(core->vector, sender);

    if (origin != NULL && origin->left) {
        /* Goodbye is final; this was said before it, and took longer. */
        message->refused = true;
        return NULL;
    }
    if (message->dialled != NULL) {
        return message->dialled;
    }
    if (message->header.type == CHD_MESH_WELCOME) {
        return NULL; /* the answer of a link that is hung up by now */
    }
    chd_peer *peer = chd_peers_node(&core->peers, sender);
    if (peer != NULL && chd_core_member_answers(peer)) {
        return peer;
    }
    return find_claimed(core, message, endpoint, out);
}

/* Refuse a node of another version.  What it claims to be its address may be
 * another's. */
static void refuse_version(chd_core *core, const control *message,
                           const chd_mesh_hello *hello, chd_out *out)
{
    chd_peer *peer = message->dialled;
    const chd_mesh_refuse why = {
        .version_min = hello->version_min,
        .version_max = hello->version_max,
        .text = hello->name,
    };

    if (message->header.type == CHD_MESH_HELLO) {
        refuse(core, message, CHD_REFUSE_VERSION, "no common protocol version",
               out);
        if (peer == NULL) {
            peer = chd_peers_at(&core->peers, &hello->endpoint);
        }
    }
    if (peer != NULL && peer != message->dialled && peer->node != 0 &&
        peer->node != message->header.sender) {
        peer = NULL;
    }
    tell_refused(core, peer, CHD_TRACE_PEER_REFUSED, &why, out);
}

static chd_err on_hello(chd_core *core, control *message, chd_out *out)
{
    chd_mesh_hello hello;
    const chd_err err =
        chd_mesh_scan_hello(&message->scan, message->fields, &hello);

    if (err != CHD_OK) {
        return err;
    }
    if (hello.endpoint.port == 0 || hello.endpoint.port == UINT16_MAX) {
        return CHD_ERANGE; /* control is the next port */
    }
    if (core->state == CHD_NODE_DRAINING) {
        return CHD_OK;
    }
    if (hello.version_min > core->config.version_max ||
        hello.version_max < core->config.version_min) {
        refuse_version(core, message, &hello, out);
        return CHD_OK;
    }
    message->known =
        chd_peers_node(&core->peers, message->header.sender) != NULL;
    chd_peer *peer = introduce(core, message, &hello.endpoint, out);
    if (peer != NULL) {
        chd_core_member_hello(core, peer, &message->header, &hello, out);
    }
    if (peer != NULL && message->header.type == CHD_MESH_HELLO) {
        peer->route = message->route;
    }
    if (message->header.type == CHD_MESH_HELLO && !message->refused) {
        welcome(core, message, out);
    }
    return CHD_OK;
}

static chd_err on_refuse(chd_core *core, control *message, chd_out *out)
{
    chd_mesh_refuse why;
    const chd_err err =
        chd_mesh_scan_refuse(&message->scan, message->fields, &why);

    if (err == CHD_OK && message->dialled != NULL) {
        tell_refused(core, message->dialled, CHD_TRACE_PEER_REFUSES, &why, out);
    }
    return err;
}

/* What PING and PONG have in common: where the other side stands. */
static chd_peer *note_position(chd_core *core, const control *message,
                               const chd_mesh_ping *ping, chd_out *out)
{
    chd_peer *peer = chd_peers_node(&core->peers, message->header.sender);

    if (peer == NULL) {
        return NULL;
    }
    chd_core_member_heard(core, peer, false, out);
    chd_core_acknowledged(core, peer, ping->received, out);
    peer->hears_us = ping->heard;
    chd_core_refuses(core, peer->node, ping->refuses_ms);
    if (ping->heard) {
        peer->hears_us_ns = core->now.mono_ns;
    }
    return peer;
}

/* Questions on a link that is being set up wait in it, and would all be
 * answered at once; so repairs wait until something came back. */
static void note_up(chd_core *core, chd_peer *peer)
{
    if (peer == NULL) {
        return;
    }
    peer->up_ns = core->now.mono_ns;
    if (!peer->up) {
        peer->up = true;
        chd_core_repairs_hurry(core);
    }
}

/* It may have waited in a link for whoever has this address next, and what it
 * tells of another's events must not be taken for ours. */
static bool is_for_another(chd_core *core, const chd_mesh_ping *ping)
{
    const bool is = ping->to != 0 && ping->to != core->config.node;

    core->stats.misdirected += is;
    return is;
}

/* libzmq's queues cost memory for each direction in which a link is used, and
 * each write wakes two threads at the other end.  So the answer travels with
 * our own PING, on our link, if there is one to who asked; but only if it was
 * seen to work of late, for a link may take everything and deliver nothing. */
static void answer_ping(chd_core *core, const control *message, chd_peer *peer,
                        const chd_pack *pong, chd_out *out)
{
    if (peer == NULL || !peer->dialled || !peer->up ||
        chd_elapsed(core->now.mono_ns, peer->up_ns,
                    CHD_SILENT_PINGS * core->config.ping_interval) ||
        peer->route != message->route) {
        chd_core_reply(message->route, pong, out);
        return;
    }
    chd_core_send(core, peer, pong, out);
    chd_core_ping_back(core, peer, out);
}

static chd_err on_ping(chd_core *core, control *message, chd_out *out)
{
    chd_mesh_ping ping;
    const chd_err err =
        chd_mesh_scan_ping(&message->scan, message->fields, &ping);

    if (err != CHD_OK) {
        return err;
    }
    /* The answer shows the pinger who is here now. */
    chd_peer *peer = is_for_another(core, &ping)
                         ? NULL
                         : note_position(core, message, &ping, out);
    const chd_origin *origin =
        chd_vector_find(core->vector, message->header.sender);
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_PONG, message->header.version);
    const chd_mesh_ping pong = {
        .t0 = ping.t0,
        .received = origin == NULL ? 0 : origin->received,
        .heard = peer != NULL && peer->state == CHD_MEMBER_LIVE,
        .digest = chd_vector_digest(core->vector),
        .members = core->horizon.digest,
        .head = core->sent,
        .accepted = core->head,
        .refuses_ms = chd_core_refuses_ms(core),
        .to = message->header.sender,
    };
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);
    chd_mesh_pack_ping(&pack, &header, &pong);
    answer_ping(core, message, peer, &pack, out);
    return CHD_OK;
}

static chd_err on_pong(chd_core *core, control *message, chd_out *out)
{
    chd_mesh_ping pong;
    const chd_err err =
        chd_mesh_scan_pong(&message->scan, message->fields, &pong);

    if (err != CHD_OK) {
        return err;
    }
    if (is_for_another(core, &pong)) {
        return CHD_OK;
    }
    core->stats.pongs_received++;
    chd_peer *peer = note_position(core, message, &pong, out);
    if (peer != NULL) {
        /* t0 is our own clock, but what comes back is only as honest as the
         * peer: a time that never was counts as no time at all. */
        peer->rtt_ns = chd_since(core->now.mono_ns, pong.t0);
        if (pong.t0 == peer->pinged_ns) {
            note_up(core, peer); /* our PING came through, if not this */
        }
        peer->head = chd_max_u64(peer->head, pong.head);
        if (pong.received <= core->sent) {
            peer->answered = chd_max_u64(peer->answered, pong.received);
        }
        const chd_claim claim = {
            .origin = peer->node,
            .seq = pong.head,
            .holder = peer->node,
        };
        chd_core_follow(core, &claim, out);
        (void)chd_core_claim(core, &claim);
        const chd_promise promise = {pong.accepted, pong.t0};
        chd_core_promised(core, peer->node, &promise);
        chd_core_compare(core, peer, &pong, out);
    }
    return CHD_OK;
}

static chd_err on_ack(chd_core *core, control *message, chd_out *out)
{
    chd_position ack;
    const chd_err err =
        chd_mesh_scan_ack(&message->scan, message->fields, &ack);
    chd_peer *peer = chd_peers_node(&core->peers, message->header.sender);

    /* It may have been meant for the node that was at this address before. */
    if (err == CHD_OK && peer != NULL && ack.origin == core->config.node) {
        chd_core_acknowledged(core, peer, ack.seq, out);
        peer->answered = chd_max_u64(peer->answered, ack.seq);
    }
    return err;
}

static chd_err on_bye(chd_core *core, control *message)
{
    uint64_t head;
    const chd_err err =
        chd_mesh_scan_head(&message->scan, message->fields, &head);
    chd_peer *peer = chd_peers_node(&core->peers, message->header.sender);

    if (err == CHD_OK) {
        chd_vector_leave(core->vector, message->header.sender);
        chd_core_left(core, message->header.sender, head);
    }
    if (err == CHD_OK && peer != NULL && !peer->leaving) {
        peer->leaving = true;
        peer->left_ns = core->now.mono_ns;
        peer->head = chd_max_u64(peer->head, head);
        core->peers_changed = true;
    }
    return err;
}

/* Another node answers on a link than the one we knew there: its process was
 * replaced.  Say HELLO to whoever it is now. */
static void greet_replacement(chd_core *core, const control *message,
                              chd_out *out)
{
    const chd_peer *peer = message->dialled;
    const uint64_t type = message->header.type;

    if (peer != NULL && type == CHD_MESH_PONG &&
        peer->node != message->header.sender && !peer->alias) {
        say_hello(core, peer, out);
    }
}

static chd_err dispatch(chd_core *core, control *message, chd_out *out)
{
    switch (message->header.type) {
    case CHD_MESH_HELLO:
    case CHD_MESH_WELCOME:
        return on_hello(core, message, out);
    case CHD_MESH_PING:
        return on_ping(core, message, out);
    case CHD_MESH_PONG:
        return on_pong(core, message, out);
    case CHD_MESH_BYE:
        return on_bye(core, message);
    case CHD_MESH_ACK:
        return on_ack(core, message, out);
    case CHD_MESH_WANT:
        return chd_core_on_want(core, &message->header, message->route,
                                &message->scan, message->fields, out);
    case CHD_MESH_APPLIED:
        return chd_core_on_applied(core, &message->header, &message->scan,
                                   message->fields);
    case CHD_MESH_FETCH:
        return chd_core_on_fetch(core, &message->header, message->route,
                                 &message->scan, message->fields, out);
    case CHD_MESH_REPAIR:
        return chd_core_on_repair(core, &message->header, &message->scan,
                                  message->fields, out);
    case CHD_MESH_LOST:
        return chd_core_on_lost(core, &message->header, &message->scan,
                                message->fields, out);
    case CHD_MESH_VECTOR:
        return chd_core_on_vector(core, &message->header, message->route,
                                  &message->scan, message->fields, out);
    default:
        core->stats.unknown++;
        return CHD_OK;
    }
}

void chd_core_on_control(chd_core *core, const chd_input *input, chd_out *out)
{
    const chd_bytes bytes = input->u.message.bytes;
    const uint32_t index = input->u.message.peer;
    control message = {.route = input->u.message.route};
    chd_err err;

    if (index != CHD_PEER_NONE) {
        CHD_ASSERT(index < core->peers.high);
        /* A message may still arrive on a link that was just hung up. */
        message.dialled =
            core->peers.all[index].dialled ? &core->peers.all[index] : NULL;
        note_up(core, message.dialled);
    }
    chd_scan_init(&message.scan, bytes);
    err = chd_mesh_scan_header(&message.scan, &message.header, &message.fields);
    if (err != CHD_OK) {
        chd_core_malformed(core, 0, err, bytes.len, out);
        return;
    }
    if (message.header.sender == core->config.node) {
        on_self(core, &message, out);
        return;
    }
    if (message.header.type == CHD_MESH_REFUSE) {
        err = on_refuse(core, &message, out);
    } else if (!chd_bytes_equal(message.header.cluster, core->config.cluster)) {
        on_foreign(core, &message, bytes.len, out);
        return;
    } else {
        greet_replacement(core, &message, out);
        err = dispatch(core, &message, out);
    }
    if (err != CHD_OK) {
        chd_core_malformed(core, message.header.sender, err, bytes.len, out);
    }
}
