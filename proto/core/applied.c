/* applied.c - up to where the sessions of this node have applied an origin's
 * events, for whoever wants to know.  PROTOCOL 3.11.
 *
 * The log has one order for all origins, so one number stands for everything
 * before it.  What a session was sent before it passed that number is known in
 * bytes, and bytes are what it says to have applied.
 */
#include "proto/core/state.h"

/* Who is not asked again for so long is not waited for any more. */
#define WANT_FORGET (10 * CHD_SECOND)

/* --- sessions ------------------------------------------------------------- */

/* Marks come faster than they are reached, so the oldest is kept until it is,
 * and the newest beside it. */
static void reach_marks(chd_session *session)
{
    chd_applied *passed = &session->passed;

    if (passed->newest.bytes != 0 &&
        session->applied_bytes >= passed->newest.bytes) {
        passed->number = passed->newest.number;
        passed->oldest.bytes = passed->newest.bytes = 0;
    } else if (passed->oldest.bytes != 0 &&
               session->applied_bytes >= passed->oldest.bytes) {
        passed->number = passed->oldest.number;
        passed->oldest = passed->newest;
        passed->newest.bytes = 0;
    }
}

/* Tell whether everything before the cursor was sent, or is not wanted. */
static bool has_sent_all(const chd_session *session)
{
    return session->reset == 0 && !session->resuming &&
           session->cursor.number >= session->passed.owed;
}

static void note_passed(chd_session *session)
{
    chd_applied *passed = &session->passed;

    reach_marks(session);
    if (!has_sent_all(session)) {
        return;
    }
    if (session->applied_bytes == session->sent_bytes) {
        passed->number = session->cursor.number;
        passed->oldest.bytes = passed->newest.bytes = 0;
    } else if (passed->oldest.bytes == 0) {
        passed->oldest.number = session->cursor.number;
        passed->oldest.bytes = session->sent_bytes;
    } else {
        passed->newest.number = session->cursor.number;
        passed->newest.bytes = session->sent_bytes;
    }
}

/* The session serves nothing that may be so old.  What it was last told of its
 * freshness was told before this, and what is told behind an event counts only
 * once that is applied.  Its clock may be a little slower than ours. */
static bool refuses(const chd_core *core, const chd_session *session)
{
    const uint64_t bound_ns = session->bound_ns;

    return bound_ns != 0 &&
           chd_elapsed(core->now.mono_ns, session->fresh_sent_ns,
                       bound_ns + bound_ns / 64 + CHD_MS);
}

static bool has_passed(const chd_session *session, uint64_t number)
{
    const chd_applied *passed = &session->passed;

    return session->reset == 0 && !session->resuming && !passed->unsure &&
           passed->number >= number &&
           session->applied_bytes >= passed->reset_bytes;
}

bool chd_core_session_lacks(const chd_core *core, uint32_t index,
                            uint64_t number)
{
    const chd_session *session = &core->sessions[index];

    return session->open && session->greeted && !has_passed(session, number) &&
           !refuses(core, session);
}

/* Note for each session how far it has come. */
static void note_all_passed(chd_core *core)
{
    for (uint32_t i = 0; i < core->session_high; i++) {
        chd_session *session = &core->sessions[i];
        if (session->open && session->greeted) {
            note_passed(session);
        }
    }
}

/* Tell whether all have passed a number, or refuse; count those that do. */
static bool have_passed(const chd_core *core, uint64_t number,
                        uint64_t *refusing)
{
    *refusing = 0;
    for (uint32_t i = 0; i < core->session_high; i++) {
        const chd_session *session = &core->sessions[i];
        if (chd_core_session_lacks(core, i, number)) {
            return false;
        }
        *refusing +=
            session->open && session->greeted && !has_passed(session, number);
    }
    return true;
}

uint64_t chd_core_refuses_ms(const chd_core *core)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < core->session_high && core->config.strict; i++) {
        const chd_session *session = &core->sessions[i];
        if (!session->open || !session->greeted ||
            (!session->resuming &&
             chd_route_session_count(core->route, i) == 0)) {
            continue;
        }
        if (session->bound_ns == 0) {
            return 0;
        }
        longest = chd_max_u64(longest, session->bound_ns);
    }
    return longest / CHD_MS;
}

void chd_core_superseded(chd_core *core, uint64_t number)
{
    if (number >= core->confirms->watched) {
        return;
    }
    for (uint32_t i = 0; i < core->session_high; i++) {
        chd_session *session = &core->sessions[i];
        if (session->open && session->cursor.number <= number) {
            /* What stands for it may be superseded in turn. */
            session->passed.owed = chd_log_end(core->log);
            core->confirms->watched = session->passed.owed;
        }
    }
}

void chd_core_watch(chd_core *core)
{
    uint64_t watched = 0;

    for (uint32_t i = 0; i < core->session_high; i++) {
        const chd_session *session = &core->sessions[i];
        if (!session->open) {
            continue;
        }
        if (session->fresh_due) {
            watched = chd_max_u64(watched, session->fresh_number);
        }
        if (session->cursor.number < session->passed.owed) {
            watched = chd_max_u64(watched, session->passed.owed);
        }
    }
    core->confirms->watched = watched;
}

/* What was known of the sessions that were connected then says nothing of one
 * that comes back with what it had. */
void chd_core_wants_doubt(chd_core *core)
{
    for (uint32_t i = 0; i < CHD_WANTS_MAX; i++) {
        core->confirms->wants[i].applied = 0;
        core->confirms->wants[i].pending = 0;
    }
}

/* --- wants ---------------------------------------------------------------- */

chd_want *chd_core_want_of(const chd_core *core, uint64_t origin)
{
    for (uint32_t i = 0; i < CHD_WANTS_MAX; i++) {
        chd_want *want = &core->confirms->wants[i];
        if (want->used && want->origin == origin) {
            return want;
        }
    }
    return NULL;
}

/* A place for one more: that of one nobody asks for any more, else of the one
 * that was answered and not asked for again for longest. */
static chd_want *find_place(chd_core *core)
{
    chd_want *answered = NULL;

    for (uint32_t i = 0; i < CHD_WANTS_MAX; i++) {
        chd_want *want = &core->confirms->wants[i];
        if (!want->used ||
            chd_elapsed(core->now.mono_ns, want->asked_ns, WANT_FORGET)) {
            return want;
        }
        if (want->applied >= want->seq &&
            (answered == NULL || want->asked_ns < answered->asked_ns)) {
            answered = want;
        }
    }
    return answered;
}

chd_want *chd_core_want(chd_core *core, uint64_t origin, uint64_t seq)
{
    chd_want *want = chd_core_want_of(core, origin);

    if (want == NULL) {
        want = find_place(core);
        if (want == NULL) {
            return NULL;
        }
        *want = (chd_want){.used = true, .origin = origin};
    }
    want->seq = chd_max_u64(want->seq, seq);
    want->asked_ns = core->now.mono_ns;
    return want;
}

/* APPLIED, with the sessions that lack what was asked for if that is wanted. */
static chd_bytes make_applied(const chd_core *core, const chd_want *want,
                              uint64_t version, bool names, chd_out *out)
{
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_APPLIED, version);
    const chd_mesh_applied applied = {
        .origin = want->origin,
        .seq = want->applied,
        .refusing = want->refusing,
    };
    chd_pack pack = chd_out_pack(out, CHD_APPLIED_BYTES_MAX);
    const size_t at = chd_mesh_applied_open(&pack, &header, &applied);
    uint32_t count = 0;

    for (uint32_t i = 0; names && want->pending != 0 &&
                         i < core->session_high && count < CHD_LACKING_MAX;
         i++) {
        if (chd_core_session_lacks(core, i, want->number)) {
            chd_mesh_applied_add(&pack,
                                 chd_name_bytes(&core->sessions[i].name));
            count++;
        }
    }
    chd_mesh_applied_close(&pack, at, count);
    return chd_out_keep(out, &pack);
}

/* Tell everybody who asked; there is room. */
static void tell_askers(chd_core *core, chd_want *want, chd_out *out)
{
    const chd_bytes bytes =
        make_applied(core, want, chd_core_broadcast_version(core), false, out);

    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        const bool asked = want->askers[i / 64] >> i % 64 & 1;
        if (asked && peer->used && peer->dialled) {
            chd_action *action = chd_out_add(out, CHD_ACT_SEND);
            action->peer = i;
            action->bytes = bytes;
        }
    }
    if (want->applied >= want->seq) {
        memset(want->askers, 0, sizeof(want->askers));
    }
}

/* Returns false when there was no room to tell of it. */
static bool want_turn(chd_core *core, chd_want *want, chd_out *out)
{
    uint64_t refusing;

    while (want->applied < want->seq) {
        if (want->pending == 0) {
            const chd_origin *origin =
                chd_vector_find(core->vector, want->origin);
            if (origin == NULL || origin->received <= want->applied) {
                return true;
            }
            want->pending = origin->received;
            want->number = chd_log_end(core->log);
        }
        if (!have_passed(core, want->number, &refusing)) {
            return true;
        }
        if (!chd_out_has_room(out, core->peers.high, CHD_APPLIED_BYTES_MAX)) {
            return false;
        }
        want->applied = want->pending;
        want->refusing = refusing;
        want->pending = 0;
        tell_askers(core, want, out);
    }
    return true;
}

/* Libraries put APPLIED off while nobody needs it. */
static void prompt(chd_core *core, chd_session *session, uint32_t index,
                   chd_out *out)
{
    if (session->applied_bytes == session->sent_bytes ||
        (session->prompted_ns != 0 &&
         !chd_elapsed(core->now.mono_ns, session->prompted_ns,
                      core->config.ping_interval))) {
        return;
    }
    if (!chd_out_has_room(out, 1, CHD_PING_BYTES_MAX)) {
        core->more = true;
        return;
    }
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);
    chd_local_pack_bare(&pack, CHD_LOCAL_PROMPT);
    chd_core_tell(index, &pack, out);
    session->prompted_ns = core->now.mono_ns;
}

static void prompt_all(chd_core *core, chd_out *out)
{
    for (uint32_t i = 0; i < core->session_high; i++) {
        chd_session *session = &core->sessions[i];
        if (session->open && session->greeted) {
            prompt(core, session, i, out);
        }
    }
}

void chd_core_wants_turn(chd_core *core, chd_out *out)
{
    chd_confirms *confirms = core->confirms;

    note_all_passed(core);
    confirms->want_count = 0;
    for (uint32_t i = 0; i < CHD_WANTS_MAX; i++) {
        chd_want *want = &confirms->wants[i];
        if (!want->used || want->applied >= want->seq) {
            continue;
        }
        if (chd_elapsed(core->now.mono_ns, want->asked_ns, WANT_FORGET)) {
            want->used = false;
            continue;
        }
        if (!want_turn(core, want, out)) {
            core->more = true;
        }
        if (want->applied < want->seq) {
            confirms->want_count++;
            confirms->watched = chd_max_u64(
                confirms->watched, want->pending == 0 ? 0 : want->number);
        }
    }
    if (confirms->want_count > 0) {
        prompt_all(core, out);
    }
}

static void remember_asker(chd_core *core, chd_want *want, uint64_t node)
{
    const chd_peer *peer = chd_peers_node(&core->peers, node);

    core->confirms->want_count++;
    if (peer != NULL) {
        const uint32_t i = chd_peers_index(&core->peers, peer);
        want->askers[i / 64] |= UINT64_C(1) << i % 64;
    }
}

chd_err chd_core_on_want(chd_core *core, const chd_mesh_header *header,
                         uint64_t route, chd_scan *scan, uint32_t fields,
                         chd_out *out)
{
    chd_mesh_want asked;
    const chd_err err = chd_mesh_scan_want(scan, fields, &asked);

    if (err != CHD_OK) {
        return err;
    }
    chd_want *want = chd_core_want(core, asked.origin, asked.seq);
    if (want == NULL) {
        return CHD_OK; /* it will be asked again */
    }
    if (want->applied < asked.seq) {
        remember_asker(core, want, header->sender);
    }
    if (want->applied >= asked.seq || asked.who) {
        const chd_bytes bytes =
            make_applied(core, want, header->version, asked.who, out);
        chd_action *action = chd_out_add(out, CHD_ACT_REPLY);
        action->route = route;
        action->bytes = bytes;
    }
    return CHD_OK;
}

/* --- awaits --------------------------------------------------------------- */

/* Tell the session, in its stream, that it was sent everything. */
static void await_turn(chd_core *core, chd_await *await, chd_out *out)
{
    const chd_session *session = &core->sessions[await->session];
    const chd_origin *origin = chd_vector_find(core->vector, await->origin);

    if (await->number == CHD_AWAIT_UNKNOWN && origin != NULL &&
        origin->received >= await->seq) {
        await->number = chd_log_end(core->log);
    }
    if (session->cursor.number < await->number || !has_sent_all(session)) {
        return;
    }
    if (!chd_out_has_room(out, 1, CHD_PING_BYTES_MAX)) {
        core->more = true;
        return;
    }
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);
    chd_local_pack_request(&pack, CHD_LOCAL_AWAITED, await->request);
    chd_core_tell(await->session, &pack, out);
    await->used = false;
    core->confirms->await_count--;
}

void chd_core_awaits_turn(chd_core *core, chd_out *out)
{
    chd_confirms *confirms = core->confirms;

    for (uint32_t i = 0; i < CHD_AWAITS_MAX && confirms->await_count > 0; i++) {
        chd_await *await = &confirms->awaits[i];
        if (await->used) {
            await_turn(core, await, out);
        }
        if (await->used && await->number != CHD_AWAIT_UNKNOWN) {
            confirms->watched = chd_max_u64(confirms->watched, await->number);
        }
    }
}

bool chd_core_on_await(chd_core *core, uint32_t index, const chd_local_ask *ask)
{
    chd_confirms *confirms = core->confirms;

    chd_await *place = NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; i < CHD_AWAITS_MAX; i++) {
        chd_await *await = &confirms->awaits[i];
        place = await->used ? place : await;
        count += await->used && await->session == index;
    }
    if (place == NULL || count == CHD_SESSION_ASKS_MAX) {
        return false;
    }
    *place = (chd_await){
        .used = true,
        .session = index,
        .request = ask->request,
        .origin = ask->origin,
        .seq = ask->seq,
        .number = CHD_AWAIT_UNKNOWN,
    };
    confirms->await_count++;
    return true;
}

void chd_core_await_end(chd_core *core, uint32_t index, uint64_t request)
{
    for (uint32_t i = 0; i < CHD_AWAITS_MAX; i++) {
        chd_await *await = &core->confirms->awaits[i];
        if (await->used && await->session == index &&
            await->request == request) {
            await->used = false;
            core->confirms->await_count--;
        }
    }
}
