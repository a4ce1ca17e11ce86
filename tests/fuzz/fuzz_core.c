/* Whatever peers and applications send to a node, it lives on, and what it
 * says itself is well-formed.
 *
 * The input is a list of chunks: a byte that says what happens and to whom, the
 * length of what follows in two bytes, most significant first, and so many
 * bytes, or those that are left.  After each chunk the node ends its turn.
 */
#include "proto/core/core.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/rig.h"
#include "tests/support/walk.h"

#define SESSIONS 4
#define ADDRESSES 8
#define STEP_NS (50 * CHD_MS)

typedef enum happening {
    STRANGER_SAYS, /* on the control port */
    PEER_SAYS,     /* on the control link dialled to it */
    BROADCAST,
    SESSION_SAYS, /* opened if need be */
    SESSION_ENDS,
    TIME_PASSES, /* STEP_NS times the first byte */
    LISTED,      /* the first byte's bits: addresses; the second: the outcome */
    LEAVE,
    HAPPENINGS
} happening;

typedef struct chunk {
    happening what;
    uint32_t who;
    chd_bytes bytes;
} chunk;

typedef struct node {
    chd_core *core;
    chd_out *out;
    chd_now now;
    uint32_t peer_high; /* peers at and above were never dialled */
    bool open[SESSIONS];
    bool stopped;
} node;

static bool next_chunk(chd_bytes *input, chunk *next)
{
    if (input->len < 3) {
        return false;
    }
    const uint8_t *head = input->ptr;
    const size_t len = (size_t)head[1] << 8 | head[2];

    next->what = (happening)(head[0] % HAPPENINGS);
    next->who = head[0] / HAPPENINGS;
    next->bytes = chd_bytes_of(head + 3, chd_min_size(len, input->len - 3));
    input->ptr += 3 + next->bytes.len;
    input->len -= 3 + next->bytes.len;
    return true;
}

static void check_action(node *under_test, const chd_action *action)
{
    switch (action->kind) {
    case CHD_ACT_BROADCAST:
    case CHD_ACT_SEND:
    case CHD_ACT_REPLY:
        CHD_ASSERT(walk_mesh(action->bytes) == CHD_OK);
        break;
    case CHD_ACT_SESSION_SEND:
        CHD_ASSERT(walk_local(action->bytes) == CHD_OK);
        break;
    case CHD_ACT_SESSION_CLOSE:
        CHD_ASSERT(action->session < SESSIONS);
        CHD_ASSERT(under_test->open[action->session]);
        under_test->open[action->session] = false;
        break;
    case CHD_ACT_DIAL:
        if (action->peer >= under_test->peer_high) {
            under_test->peer_high = action->peer + 1;
        }
        break;
    case CHD_ACT_STOPPED:
        under_test->stopped = true;
        break;
    case CHD_ACT_HANG_UP:
    case CHD_ACT_TRACE:
        break;
    }
}

static void feed(node *under_test, const chd_input *input)
{
    chd_out *out = under_test->out;

    chd_out_clear(out);
    chd_core_step(under_test->core, under_test->now, input, out);
    for (size_t i = 0; i < out->count; i++) {
        check_action(under_test, &out->actions[i]);
    }
}

static void feed_message(node *under_test, chd_input_kind kind, uint32_t peer,
                         chd_bytes bytes)
{
    const chd_input input = {
        .kind = kind,
        .u.message = {.bytes = bytes, .route = 7, .peer = peer},
    };
    feed(under_test, &input);
}

static void feed_session(node *under_test, chd_input_kind kind,
                         uint32_t session, chd_bytes bytes)
{
    const chd_input input = {
        .kind = kind,
        .u.session = {.session = session, .bytes = bytes},
    };
    feed(under_test, &input);
}

static void session_says(node *under_test, uint32_t session, chd_bytes bytes)
{
    if (!under_test->open[session]) {
        under_test->open[session] = true;
        feed_session(under_test, CHD_IN_SESSION_OPEN, session, bytes);
    }
    feed_session(under_test, CHD_IN_SESSION_MESSAGE, session, bytes);
}

static void session_ends(node *under_test, uint32_t session)
{
    if (under_test->open[session]) {
        under_test->open[session] = false;
        feed_session(under_test, CHD_IN_SESSION_CLOSED, session,
                     (chd_bytes){NULL, 0});
    }
}

static void list(node *under_test, chd_bytes bytes)
{
    chd_endpoint endpoints[ADDRESSES];
    chd_input input = {.kind = CHD_IN_LISTED};
    size_t count = 0;

    if (bytes.len < 2) {
        return;
    }
    for (uint8_t i = 0; i < ADDRESSES; i++) {
        if ((bytes.ptr[0] >> i & 1) != 0) {
            endpoints[count++] = rig_endpoint(i);
        }
    }
    input.u.listed.outcome =
        (chd_dns_outcome)(bytes.ptr[1] % (CHD_DNS_UNKNOWN + 1));
    input.u.listed.dns_count = count;
    input.u.listed.endpoints = endpoints;
    input.u.listed.endpoint_count = count;
    feed(under_test, &input);
}

static void pass(node *under_test, chd_bytes bytes)
{
    if (bytes.len > 0) {
        under_test->now.mono_ns += bytes.ptr[0] * STEP_NS;
        under_test->now.wall_ms += bytes.ptr[0] * STEP_NS / CHD_MS;
    }
}

static void happen(node *under_test, const chunk *one)
{
    switch (one->what) {
    case PEER_SAYS:
        if (under_test->peer_high > 0) {
            feed_message(under_test, CHD_IN_CONTROL,
                         one->who % under_test->peer_high, one->bytes);
        }
        break;
    case STRANGER_SAYS:
        feed_message(under_test, CHD_IN_CONTROL, CHD_PEER_NONE, one->bytes);
        break;
    case BROADCAST:
        feed_message(under_test, CHD_IN_BROADCAST, CHD_PEER_NONE, one->bytes);
        break;
    case SESSION_SAYS:
        session_says(under_test, one->who % SESSIONS, one->bytes);
        break;
    case SESSION_ENDS:
        session_ends(under_test, one->who % SESSIONS);
        break;
    case TIME_PASSES:
        pass(under_test, one->bytes);
        break;
    case LISTED:
        list(under_test, one->bytes);
        break;
    case LEAVE:
        feed(under_test, &(chd_input){.kind = CHD_IN_DRAIN});
        break;
    case HAPPENINGS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static chd_out *out; /* large, so made once */
    chd_bytes input = chd_bytes_of(data, size);
    chd_core_config config = rig_config();
    node under_test = {.now = {1000 * CHD_SECOND, 1700000000000}};
    chunk next;

    config.cluster = chd_bytes_str("prod"); /* that of tests/vectors */
    config.session_count_max = SESSIONS;
    config.peer_count_max = ADDRESSES;
    if (out == NULL) {
        CHD_ASSERT(chd_out_new(NULL, &out) == CHD_OK);
    }
    under_test.out = out;
    const chd_err err =
        chd_core_new(&config, NULL, under_test.now, &under_test.core);
    CHD_ASSERT(err == CHD_OK);
    while (!under_test.stopped && next_chunk(&input, &next)) {
        happen(&under_test, &next);
        feed(&under_test, &(chd_input){.kind = CHD_IN_TURN_END});
    }
    chd_core_destroy(&under_test.core);
    return 0;
}
