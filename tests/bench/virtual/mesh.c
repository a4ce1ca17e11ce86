#include "tests/bench/virtual/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/hash.h"

/* One-way delays until a connection is up: TCP, greeting, security, and a
 * subscription's way. */
#define HANDSHAKE_DELAYS 5

/* How long a broken connection waits before it is made again. */
#define RETRY_MS 1000u

/* To ask for the processor's time costs as much as a step. */
#define TIMED_MAX 50u

#define PORT 7420
#define TOPIC "scale-0123456789"
#define KEYS 256u

/* Routes: the link's owner and its number there, and whether the message came
 * to the owner. */
#define ROUTE_OWNED (UINT64_C(1) << 63)

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * CHD_SECOND + (uint64_t)now.tv_nsec;
}

/* What asking for the time adds to what is measured. */
static uint64_t clock_cost(void)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < 1000; i++) {
        const uint64_t begun = cpu_ns();
        least = chd_min_u64(least, cpu_ns() - begun);
    }
    return least;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "scale: %s\n", what);
        exit(1);
    }
}

static void *zeroed(size_t count, size_t bytes)
{
    void *made = calloc(count, bytes);

    must(made != NULL, "out of memory");
    return made;
}

chd_now scale_now(const scale_mesh *mesh)
{
    return (chd_now){.mono_ns = CHD_SECOND + mesh->now_ms * CHD_MS,
                     .wall_ms = UINT64_C(1700000000000) + mesh->now_ms};
}

/* --- memory --------------------------------------------------------------- */

static void *count_zalloc(void *arg, size_t count, size_t bytes)
{
    scale_mesh *mesh = arg;

    mesh->mem_bytes += count * bytes;
    return calloc(count, bytes);
}

static void count_free(void *arg, void *ptr)
{
    (void)arg;
    free(ptr);
}

/* --- the network ---------------------------------------------------------- */

static uint32_t *up_of(const scale_mesh *mesh, uint32_t target, uint32_t owner)
{
    return &mesh->up[(size_t)target * mesh->count + owner];
}

static bool is_parted(const scale_mesh *mesh, uint32_t a, uint32_t b)
{
    const uint32_t half = mesh->count / 2;

    return mesh->cut && (a < half) != (b < half);
}

/* The same for both messages of a link, so that they stay in order. */
static uint32_t delay_of(const scale_mesh *mesh, uint32_t from, uint32_t to)
{
    const uint64_t pair = (uint64_t)from << 32 | to;
    const uint32_t ms = 1 + (uint32_t)(chd_mix64(pair ^ mesh->seed) & 3);

    return (ms + mesh->tick_ms - 1) / mesh->tick_ms;
}

static scale_blob *blob_new(chd_bytes bytes)
{
    scale_blob *blob = malloc(sizeof(*blob) + bytes.len);

    must(blob != NULL, "out of memory");
    blob->refs = 1;
    blob->len = (uint32_t)bytes.len;
    memcpy(blob->bytes, bytes.ptr, bytes.len);
    return blob;
}

static void blob_unref(scale_blob *blob)
{
    if (--blob->refs == 0) {
        free(blob);
    }
}

static void put(scale_mesh *mesh, uint32_t to, uint64_t tick,
                const scale_arrival *arrival)
{
    CHD_ASSERT(tick > mesh->tick && tick - mesh->tick < SCALE_SLOTS);
    scale_lane *lane = &mesh->nodes[to].lanes[tick % SCALE_SLOTS];

    if (lane->count == lane->cap) {
        lane->cap = lane->cap == 0 ? 8 : 2 * lane->cap;
        lane->all = realloc(lane->all, lane->cap * sizeof(scale_arrival));
        must(lane->all != NULL, "out of memory");
    }
    lane->all[lane->count++] = *arrival;
    arrival->blob->refs++;
}

static void count_message(scale_mesh *mesh, const scale_blob *blob)
{
    const uint8_t type = blob->bytes[2]; /* behind the array and the version */

    CHD_ASSERT(type < SCALE_TYPES);
    mesh->counts.messages[type]++;
    mesh->counts.bytes[type] += blob->len;
}

/* A link's state, by who owns it. */
static bool is_open(const scale_mesh *mesh, uint32_t owner, uint32_t target)
{
    const uint32_t up = *up_of(mesh, target, owner);

    return up != SCALE_NEVER && up < mesh->tick + SCALE_SLOTS / 2 &&
           mesh->nodes[target].core != NULL && !is_parted(mesh, owner, target);
}

static void send_control(scale_mesh *mesh, uint32_t owner, uint32_t peer,
                         bool to_owner, chd_bytes bytes)
{
    const uint32_t place = mesh->nodes[owner].targets[peer];

    if (place == 0 || !is_open(mesh, owner, place - 1)) {
        mesh->counts.unsent++;
        return;
    }
    const uint32_t target = place - 1;
    const uint32_t from = to_owner ? target : owner;
    const uint32_t to = to_owner ? owner : target;
    const uint64_t route = (uint64_t)owner << 32 | peer;
    const scale_arrival arrival = {
        .blob = blob_new(bytes),
        .route = to_owner ? route | ROUTE_OWNED : route,
        .peer = to_owner ? peer : CHD_PEER_NONE,
        .control = true,
    };
    const uint64_t sent = chd_max_u64(mesh->tick, *up_of(mesh, target, owner));

    count_message(mesh, arrival.blob);
    put(mesh, to, sent + delay_of(mesh, from, to), &arrival);
    blob_unref(arrival.blob);
}

static void broadcast(scale_mesh *mesh, uint32_t from, chd_bytes bytes)
{
    const uint32_t *up = up_of(mesh, from, 0);
    const scale_arrival arrival = {.blob = blob_new(bytes)};

    for (uint32_t to = 0; to < mesh->count; to++) {
        if (up[to] <= mesh->tick && !is_parted(mesh, from, to)) {
            count_message(mesh, arrival.blob);
            put(mesh, to, mesh->tick + delay_of(mesh, from, to), &arrival);
        }
    }
    blob_unref(arrival.blob);
}

static uint32_t node_at(const chd_endpoint *endpoint)
{
    return (uint32_t)endpoint->address[14] << 8 | endpoint->address[15];
}

static void dial(scale_mesh *mesh, scale_node *node, const chd_action *action)
{
    const uint32_t target = node_at(&action->endpoint);

    node->targets[action->peer] = (uint16_t)(target + 1);
    *up_of(mesh, target, node->number) =
        (uint32_t)mesh->tick +
        HANDSHAKE_DELAYS * delay_of(mesh, node->number, target);
}

static void hang_up(scale_mesh *mesh, scale_node *node, uint32_t peer)
{
    const uint32_t place = node->targets[peer];

    if (place != 0) {
        *up_of(mesh, place - 1, node->number) = SCALE_NEVER;
        node->targets[peer] = 0;
    }
}

void scale_cut(scale_mesh *mesh)
{
    mesh->cut = true;
}

void scale_heal(scale_mesh *mesh)
{
    for (uint32_t a = 0; a < mesh->count; a++) {
        for (uint32_t b = 0; b < mesh->count; b++) {
            uint32_t *up = up_of(mesh, a, b);
            if (is_parted(mesh, a, b) && *up != SCALE_NEVER) {
                const uint64_t at = chd_mix64(((uint64_t)a << 32 | b) + 1);
                *up = (uint32_t)(mesh->tick + at % (RETRY_MS / mesh->tick_ms));
            }
        }
    }
    mesh->cut = false;
}

/* --- nodes ---------------------------------------------------------------- */

static void to_session(scale_mesh *mesh, scale_node *node, chd_bytes bytes)
{
    chd_local local;

    if (bytes.ptr[1] != CHD_LOCAL_EVENTS && bytes.ptr[1] != CHD_LOCAL_RESET) {
        return;
    }
    must(chd_local_scan(bytes, &local) == CHD_OK,
         "a session was told nonsense");
    node->stream_bytes += bytes.len;
    if (local.type == CHD_LOCAL_RESET) {
        node->stream_position = local.u.reset.position;
        mesh->counts.resets++;
    } else {
        node->stream_position =
            local.u.events.position + local.u.events.records.count - 1;
    }
}

static void carry_out(scale_mesh *mesh, scale_node *node,
                      const chd_action *action)
{
    const uint64_t route = action->route & ~ROUTE_OWNED;

    switch (action->kind) {
    case CHD_ACT_BROADCAST:
        broadcast(mesh, node->number, action->bytes);
        break;
    case CHD_ACT_DIAL:
        dial(mesh, node, action);
        break;
    case CHD_ACT_HANG_UP:
        hang_up(mesh, node, action->peer);
        break;
    case CHD_ACT_SEND:
        send_control(mesh, node->number, action->peer, false, action->bytes);
        break;
    case CHD_ACT_REPLY:
        send_control(mesh, (uint32_t)(route >> 32), (uint32_t)route,
                     (action->route & ROUTE_OWNED) == 0, action->bytes);
        break;
    case CHD_ACT_SESSION_SEND:
        to_session(mesh, node, action->bytes);
        break;
    case CHD_ACT_SESSION_CLOSE:
        must(false, "a session was closed");
        break;
    case CHD_ACT_TRACE:
    case CHD_ACT_STOPPED:
        break;
    }
}

static void feed(scale_mesh *mesh, scale_node *node, const chd_input *input)
{
    const bool timed = node->number % mesh->timed_every == 0;
    const uint64_t begun = timed ? cpu_ns() : 0;

    chd_core_step(node->core, scale_now(mesh), input, mesh->out);
    mesh->counts.steps[input->kind]++;
    if (timed) {
        mesh->counts.step_ns[input->kind] +=
            chd_since(cpu_ns(), begun + mesh->clock_ns);
    }
    for (size_t i = 0; i < mesh->out->count; i++) {
        carry_out(mesh, node, &mesh->out->actions[i]);
    }
    chd_out_clear(mesh->out);
}

/* The turn ends when the tick does. */
static void say(scale_mesh *mesh, scale_node *node, chd_bytes message)
{
    const chd_input input = {.kind = CHD_IN_SESSION_MESSAGE,
                             .u.session = {.session = 0, .bytes = message}};

    feed(mesh, node, &input);
    node->due_ns = 0;
}

static void node_pass(scale_mesh *mesh, scale_node *node)
{
    scale_lane *lane = &node->lanes[mesh->tick % SCALE_SLOTS];
    const uint32_t count = lane->count;

    for (uint32_t i = 0; i < count; i++) {
        const scale_arrival *arrival = &lane->all[i];
        const chd_input input = {
            .kind = arrival->control ? CHD_IN_CONTROL : CHD_IN_BROADCAST,
            .u.message = {.bytes = chd_bytes_of(arrival->blob->bytes,
                                                arrival->blob->len),
                          .route = arrival->route,
                          .peer = arrival->peer},
        };
        feed(mesh, node, &input);
        blob_unref(arrival->blob);
    }
    lane->count = 0;
    if (count > 0 || node->due_ns <= scale_now(mesh).mono_ns) {
        const chd_input end = {.kind = CHD_IN_TURN_END};
        feed(mesh, node, &end);
        node->due_ns = chd_core_deadline_ns(node->core);
    }
}

void scale_pass(scale_mesh *mesh)
{
    mesh->tick++;
    mesh->now_ms += mesh->tick_ms;
    for (uint32_t i = 0; i < mesh->started; i++) {
        node_pass(mesh, &mesh->nodes[i]);
    }
}

static chd_err make_core(scale_mesh *mesh, uint32_t number, uint32_t peers,
                         chd_core **core)
{
    char name[16];
    chd_core_config config;

    (void)snprintf(name, sizeof(name), "node-%u", number);
    chd_core_config_init(&config);
    config.seed = chd_mix64(mesh->seed + number);
    config.node = mesh->nodes[number].id;
    config.cluster = chd_bytes_str("scale");
    config.name = chd_bytes_str(name);
    config.endpoint = mesh->endpoints[number];
    config.log_bytes = CHD_LOG_BYTES_MIN;
    config.peer_count_max = peers;
    config.session_count_max = 1;
    config.discovers = true;
    return chd_core_new(&config, &mesh->mem, scale_now(mesh), core);
}

uint64_t scale_core_bytes(scale_mesh *mesh, uint32_t peers)
{
    const uint64_t before = mesh->mem_bytes;
    chd_core *core;

    must(make_core(mesh, 0, peers, &core) == CHD_OK, "no core");
    const uint64_t bytes = mesh->mem_bytes - before;
    chd_core_destroy(&core);
    mesh->mem_bytes = before;
    return bytes;
}

void scale_list(scale_mesh *mesh, scale_node *node)
{
    const chd_input listed = {
        .kind = CHD_IN_LISTED,
        .u.listed = {.outcome = CHD_DNS_ANSWER,
                     .dns_count = mesh->count,
                     .endpoints = mesh->endpoints,
                     .endpoint_count = mesh->count},
    };

    feed(mesh, node, &listed);
    node->due_ns = 0;
}

void scale_start(scale_mesh *mesh)
{
    scale_node *node = &mesh->nodes[mesh->started];

    must(make_core(mesh, node->number, mesh->count, &node->core) == CHD_OK,
         "a core was not made: too many nodes, or out of memory");
    mesh->started++;
    scale_list(mesh, node);
}

scale_mesh *scale_mesh_new(uint32_t count, uint64_t seed)
{
    scale_mesh *mesh = zeroed(1, sizeof(*mesh));

    mesh->count = count;
    mesh->seed = seed;
    mesh->tick_ms = 1;
    mesh->timed_every = (count + TIMED_MAX - 1) / TIMED_MAX;
    mesh->timed = (count + mesh->timed_every - 1) / mesh->timed_every;
    mesh->clock_ns = clock_cost();
    mesh->mem = (chd_mem){count_zalloc, count_free, mesh};
    mesh->nodes = zeroed(count, sizeof(scale_node));
    mesh->endpoints = zeroed(count, sizeof(chd_endpoint));
    mesh->up = zeroed((size_t)count * count, sizeof(uint32_t));
    memset(mesh->up, 0xff, (size_t)count * count * sizeof(uint32_t));
    must(chd_out_new(NULL, &mesh->out) == CHD_OK, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        scale_node *node = &mesh->nodes[i];
        chd_endpoint *endpoint = &mesh->endpoints[i];
        node->number = i;
        node->id = chd_mix64(seed * 65536 + i + 1);
        node->targets = zeroed(count, sizeof(uint16_t));
        endpoint->address[0] = 0xfd;
        endpoint->address[14] = (uint8_t)(i >> 8);
        endpoint->address[15] = (uint8_t)i;
        endpoint->port = PORT;
    }
    return mesh;
}

/* --- sessions ------------------------------------------------------------- */

void scale_attach(scale_mesh *mesh)
{
    static const chd_filter all = {.match = CHD_MATCH_PREFIX};
    uint8_t buf[512];
    chd_pack pack;

    for (uint32_t i = 0; i < mesh->started; i++) {
        scale_node *node = &mesh->nodes[i];
        const chd_local_hello hello = {
            .version_min = CHD_PROTOCOL_MIN,
            .version_max = CHD_PROTOCOL_MAX,
            .client = i + 1,
            .name = chd_bytes_str("scale"),
        };
        const chd_input open = {.kind = CHD_IN_SESSION_OPEN};
        feed(mesh, node, &open);
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_local_pack_hello(&pack, &hello);
        say(mesh, node, chd_pack_bytes(&pack));
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_local_pack_filters(&pack, CHD_LOCAL_SUBSCRIBE, &all, 1);
        say(mesh, node, chd_pack_bytes(&pack));
    }
}

void scale_publish(scale_mesh *mesh, scale_node *node)
{
    char key[33];
    uint8_t buf[512];
    chd_pack pack;

    (void)snprintf(key, sizeof(key), "%032u",
                   (unsigned)(chd_mix64(mesh->published) % KEYS));
    const chd_event item = {
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = chd_bytes_str(TOPIC),
        .target = chd_bytes_str(key),
    };
    chd_pack_init(&pack, buf, sizeof(buf));
    const size_t at =
        chd_local_publish_open(&pack, ++node->requests, CHD_WAIT_NONE);
    chd_local_publish_add(&pack, &item);
    chd_local_publish_close(&pack, at, 1, 0);
    mesh->published++;
    say(mesh, node, chd_pack_bytes(&pack));
}

void scale_apply(scale_mesh *mesh)
{
    uint8_t buf[64];
    chd_pack pack;

    for (uint32_t i = 0; i < mesh->started; i++) {
        scale_node *node = &mesh->nodes[i];
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_local_pack_applied(&pack, node->stream_position,
                               node->stream_bytes);
        say(mesh, node, chd_pack_bytes(&pack));
    }
}
