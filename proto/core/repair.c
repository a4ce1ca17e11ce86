/* repair.c - fetching what is missing.  PROTOCOL 3.7.
 *
 *  1. Somebody claims a sequence number beyond our position (chd_core_claim):
 *     an event or beacon behind a gap, a PONG, a vector.
 *  2. What comes in order on PUB/SUB cannot come any more, so it is fetched at
 *     once; other claims may only be early, and wait for a round trip.
 *  3. Ask the origin; when it is gone, whoever made the claim; then anybody.
 *  4. The answer comes in chunks, each asked for when the last has arrived, so
 *     that the asker sets the pace.  An answer without holes moves the
 *     position at once.  One with holes (superseded events) moves it when the
 *     stream has reached all that its sender has, or the rest came before it,
 *     or since: only then is everything that stands for the missing ones here,
 *     too.
 *  5. A range that left the log is answered by LOST, with the topics that it
 *     touched; when several members say so, sessions are RESET for those.
 *  6. When the origin is gone and nobody has what was claimed, RESET of
 *     everything: it is in no log.
 */
#include "proto/core/state.h"

/* An answer is late after this, and the next member is asked. */
#define ANSWER_PATIENCE (250 * CHD_MS)

/* How long an unproven claim may be ahead of what is on its way. */
#define CLAIM_PATIENCE (100 * CHD_MS)

static chd_repair *place_of(chd_core *core, uint64_t origin)
{
    for (uint32_t i = 0; i < CHD_REPAIRS_MAX; i++) {
        if (core->repairs[i].origin == origin) {
            return &core->repairs[i];
        }
    }
    return NULL;
}

chd_repair *chd_core_repair_of(chd_core *core, uint64_t origin)
{
    /* Nearly always there is none, and looking would take the time of the
     * message that asks. */
    return core->repair_count == 0 ? NULL : place_of(core, origin);
}

static void end(chd_core *core, chd_repair *repair)
{
    repair->origin = 0;
    core->repair_count--;
}

static uint64_t round_trip(const chd_core *core, uint64_t node)
{
    const chd_peer *peer = chd_peers_node(&core->peers, node);
    return peer == NULL ? 0 : peer->rtt_ns;
}

static void set_due(chd_core *core, chd_repair *repair, uint64_t due_ns)
{
    repair->due_ns = due_ns;
    core->repair_due_ns = chd_min_u64(core->repair_due_ns, due_ns);
}

chd_repair *chd_core_claim(chd_core *core, const chd_claim *claim)
{
    const chd_origin *origin = chd_vector_find(core->vector, claim->origin);
    chd_repair *repair = chd_core_repair_of(core, claim->origin);

    if (origin == NULL) {
        return NULL; /* the vector is full, and this is hearsay */
    }
    if (claim->seq <= origin->received) {
        return repair;
    }
    if (repair == NULL) {
        repair = place_of(core, 0);
        if (repair == NULL) {
            return NULL;
        }
        core->repair_count++;
        *repair = (chd_repair){
            .origin = claim->origin,
            .window = {.base = origin->received, .high = origin->received},
            .claimed = claim->seq,
            .holder = claim->holder,
            .stream = origin->received,
            .started_ns = core->now.mono_ns,
        };
        set_due(
            core, repair,
            chd_after(core->now.mono_ns,
                      CLAIM_PATIENCE + 2 * round_trip(core, claim->origin)));
    }
    if (claim->seq > repair->claimed) {
        repair->claimed = claim->seq;
        repair->holder = claim->holder;
    }
    if (claim->certain) {
        core->stats.gaps += !repair->is_gap;
        repair->is_gap = true;
        if (repair->asked == 0) {
            set_due(core, repair, core->now.mono_ns);
        }
    }
    return repair;
}

void chd_core_repairs_hurry(chd_core *core)
{
    for (uint32_t i = 0; i < CHD_REPAIRS_MAX; i++) {
        chd_repair *repair = &core->repairs[i];
        if (repair->origin != 0 && repair->tries > 0 && repair->asked == 0) {
            set_due(core, repair, core->now.mono_ns);
        }
    }
}

/* Whoever comes back after being forgotten is met anew. */
void chd_core_repairs_forget(chd_core *core)
{
    for (uint32_t i = 0; i < CHD_REPAIRS_MAX; i++) {
        chd_repair *repair = &core->repairs[i];
        if (repair->origin != 0 &&
            chd_vector_find(core->vector, repair->origin) == NULL) {
            chd_hold_drop(&core->hold, repair->origin, CHD_SEQ_MAX);
            end(core, repair);
        }
    }
}

/* Carry the window's base over to the vector; close what is complete. */
void chd_core_repair_settle(chd_core *core, chd_repair *repair, chd_out *out)
{
    chd_vector_advance(core->vector, repair->origin, repair->window.base);
    repair->stream = chd_max_u64(repair->stream, repair->window.base);
    chd_hold_drop(&core->hold, repair->origin, repair->window.base);
    if (repair->window.base < repair->claimed) {
        return;
    }
    const chd_trace trace = {
        .code = CHD_TRACE_REPAIRED,
        .node = repair->origin,
        .a = repair->window.base,
        .b = chd_since(core->now.mono_ns, repair->started_ns) / CHD_MS,
    };
    if (repair->asked != 0) {
        chd_out_trace(out, &trace);
    }
    end(core, repair);
}

/* --- asking --------------------------------------------------------------- */

static bool is_expected(const chd_peer *peer)
{
    return peer->state == CHD_MEMBER_LIVE || peer->state == CHD_MEMBER_JOINING;
}

static bool can_answer(const chd_peer *peer)
{
    return peer->used && peer->node != 0 && peer->dialled && peer->up &&
           is_expected(peer);
}

/* A member other than the one asked last, at random. */
static const chd_peer *another_member(chd_core *core, uint64_t but)
{
    const uint32_t high = core->peers.high;

    if (high == 0) {
        return NULL;
    }
    const uint32_t start = (uint32_t)chd_prng_below(&core->prng, high);
    for (uint32_t n = 0; n < high; n++) {
        const chd_peer *peer = &core->peers.all[(start + n) % high];
        if (can_answer(peer) && peer->node != but) {
            return peer;
        }
    }
    return NULL;
}

static const chd_peer *whom_to_ask(chd_core *core, const chd_repair *repair)
{
    const chd_peer *origin = chd_peers_node(&core->peers, repair->origin);
    const chd_peer *holder = chd_peers_node(&core->peers, repair->holder);

    const bool doubted = repair->lost_told > 0 && repair->lost_upto == 0;

    if (!doubted && repair->tries % 4 == 0 && origin != NULL &&
        can_answer(origin)) {
        return origin;
    }
    if (repair->tries % 4 == 1 && holder != NULL && can_answer(holder) &&
        repair->asked != repair->holder) {
        return holder;
    }
    const chd_peer *other = another_member(core, repair->asked);
    return other != NULL ? other : another_member(core, 0);
}

/* Up to where the gap reaches: not what stands in the window or waits for its
 * turn.  Behind holes nothing is known to be whole. */
static uint64_t gap_end(const chd_core *core, const chd_repair *repair)
{
    uint64_t end = repair->claimed;
    const uint64_t marked = chd_window_next(&repair->window);
    const chd_held *held =
        chd_hold_next(&core->hold, repair->origin, repair->stream);

    if (repair->holes) {
        return CHD_SEQ_MAX;
    }
    if (marked > repair->stream + 1) {
        end = chd_min_u64(end, marked - 1);
    }
    if (held != NULL && held->first > repair->stream + 1) {
        end = chd_min_u64(end, held->first - 1);
    }
    return chd_max_u64(end, repair->stream + 1);
}

/* Another member's answers may have other holes, so the stream begins again
 * while the window still knows what came.  Where messages were lost on the way
 * it cannot: another member might bring them after later ones. */
static void begin_again(chd_repair *repair)
{
    if (repair->stream - repair->window.base > CHD_WINDOW_SEQS ||
        repair->lost_upto > 0) {
        repair->mixed = true;
        return;
    }
    repair->stream = repair->window.base;
    repair->holes = false;
    repair->mixed = false;
}

static void ask(chd_core *core, chd_repair *repair, const chd_peer *peer,
                chd_out *out)
{
    if (repair->asked != 0 && repair->asked != peer->node && repair->holes) {
        begin_again(repair);
    }
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_FETCH, peer->version);
    const chd_mesh_fetch fetch = {
        .origin = repair->origin,
        .first = repair->stream + 1,
        .upto = gap_end(core, repair),
        .told = peer->node == repair->teller ? repair->told : 0,
    };
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);

    chd_mesh_pack_fetch(&pack, &header, &fetch);
    chd_core_send(core, peer, &pack, out);
    repair->asked = peer->node;
    repair->upto = fetch.upto;
    core->stats.fetches++;
    const uint64_t patience = ANSWER_PATIENCE + 2 * peer->rtt_ns;
    set_due(core, repair, chd_after(core->now.mono_ns, patience));
}

/* Tell whether an event came behind a gap: it is in the window, or waits. */
static bool is_here(const chd_core *core, const chd_repair *repair,
                    uint64_t seq)
{
    if (chd_window_judge(&repair->window, seq) == CHD_SEEN_BEFORE) {
        return true;
    }
    const chd_held *held = chd_hold_next(&core->hold, repair->origin, seq - 1);
    return held != NULL && held->first <= seq;
}

/* The last one of those that are missing. */
static uint64_t last_missing(const chd_core *core, const chd_repair *repair)
{
    uint64_t seq = repair->claimed;

    while (seq > repair->window.base + 1 && is_here(core, repair, seq)) {
        seq--;
    }
    return seq;
}

/* In no log: the only answer left is to drop everything.  What came behind it
 * has not been lost. */
static void give_up(chd_core *core, chd_repair *repair, chd_out *out)
{
    const chd_trace trace = {
        .code = CHD_TRACE_GAP,
        .node = repair->origin,
        .a = repair->window.base + 1,
        .b = last_missing(core, repair),
    };
    chd_out_trace(out, &trace);
    chd_log_skip(core->log, repair->origin, trace.b);
    core->stats.lost += trace.b - repair->window.base;
    chd_core_reset_all(core, CHD_RESET_LOST);
    chd_core_take_waiting(core, repair, repair->claimed, out);
    chd_window_advance(&repair->window, repair->claimed);
    chd_core_repair_settle(core, repair, out);
}

/* DNS has not told of the origin yet, or the link to it is not up: it may come.
 */
static bool origin_may_come(const chd_core *core, const chd_repair *repair)
{
    const uint64_t patience =
        chd_max_u64(core->config.join_timeout, core->config.dead_after);

    const chd_peer *peer = chd_peers_node(&core->peers, repair->origin);

    return (peer == NULL || (is_expected(peer) && !peer->up)) &&
           chd_since(core->now.mono_ns, repair->started_ns) < patience;
}

/* Who is here was asked again and again, and nobody has what was claimed. */
static bool is_hopeless(const chd_core *core, const chd_repair *repair)
{
    const bool holder = chd_peers_node(&core->peers, repair->holder) != NULL;
    const uint32_t tries = CHD_REPAIR_TRIES_MAX * (holder ? 4 : 1);

    return repair->tries > tries &&
           chd_peers_node(&core->peers, repair->origin) == NULL &&
           !origin_may_come(core, repair);
}

static void repair_turn(chd_core *core, chd_repair *repair, chd_out *out)
{
    const chd_peer *peer = whom_to_ask(core, repair);

    if (is_hopeless(core, repair)) {
        give_up(core, repair, out);
    } else if (peer == NULL) {
        repair->tries++;
        set_due(core, repair, chd_after(core->now.mono_ns, ANSWER_PATIENCE));
    } else {
        ask(core, repair, peer, out);
        repair->tries++;
    }
}

void chd_core_repairs_turn(chd_core *core, chd_out *out)
{
    if (core->now.mono_ns < core->repair_due_ns) {
        return;
    }
    core->repair_due_ns = CHD_NEVER_NS;
    for (uint32_t i = 0; i < CHD_REPAIRS_MAX; i++) {
        chd_repair *repair = &core->repairs[i];
        if (repair->origin == 0) {
            continue;
        }
        if (!chd_out_has_room(out, 4, CHD_PING_BYTES_MAX)) {
            core->more = true;
            core->repair_due_ns = core->now.mono_ns;
            return;
        }
        if (core->now.mono_ns >= repair->due_ns) {
            repair_turn(core, repair, out);
        }
        if (repair->origin != 0) {
            core->repair_due_ns =
                chd_min_u64(core->repair_due_ns, repair->due_ns);
        }
    }
}

/* --- answers -------------------------------------------------------------- */

/* What an answer leaves out may wait here: it was superseded, or its sender
 * does not have it and said so. */
static void take_records(chd_core *core, chd_repair *repair,
                         const chd_mesh_repair *answer, chd_out *out)
{
    chd_bytes records = answer->records;
    chd_event event;
    chd_bytes record;

    while (chd_mesh_record_next(&records, &event, &record)) {
        chd_core_take_waiting(core, repair, event.seq - 1, out);
        core->stats.repaired += chd_core_take(core, repair, &event, record);
        repair->stream = event.seq;
    }
    chd_core_take_waiting(core, repair, answer->last, out);
    repair->stream = answer->last;
}

/* Tell whether all that their sender had is here with the answers: the rest
 * may have come before them, or since. */
static bool is_whole(const chd_core *core, const chd_repair *repair)
{
    uint64_t seq = repair->stream;

    while (seq < repair->held && is_here(core, repair, seq + 1)) {
        seq++;
    }
    return seq == repair->held;
}

bool chd_core_repair_close(chd_core *core, chd_repair *repair)
{
    const bool whole = is_whole(core, repair);

    if (repair->holes && whole && repair->mixed) {
        chd_log_skip(core->log, repair->origin, repair->stream);
        chd_core_reset_all(core, CHD_RESET_LOST);
    }
    if (!repair->holes || whole) {
        chd_window_advance(&repair->window, repair->stream);
        repair->holes = false;
        repair->mixed = false;
    }
    return whole;
}

chd_err chd_core_on_repair(chd_core *core, const chd_mesh_header *header,
                           chd_scan *scan, uint32_t fields, chd_out *out)
{
    chd_mesh_repair answer;
    const chd_err err = chd_mesh_scan_repair(scan, fields, &answer);
    chd_repair *repair =
        err == CHD_OK ? chd_core_repair_of(core, answer.origin) : NULL;

    /* Late answers are of no use: their range was asked for again.  Nobody
     * can take the position beyond what was asked for. */
    if (repair == NULL || repair->asked != header->sender ||
        answer.first != repair->stream + 1 || answer.last > repair->upto) {
        return err;
    }
    if (answer.told != 0 &&
        (answer.told != repair->told || repair->teller != header->sender)) {
        return CHD_OK; /* LOST did not arrive, or does not count: ask again */
    }
    const bool progress = answer.last >= answer.first;
    if (progress) {
        chd_core_make_room(core, answer.records.len, out);
        repair->holes |= answer.record_count != answer.last - answer.first + 1;
        take_records(core, repair, &answer, out);
        repair->tries = 0;
    }
    repair->held = answer.held;
    const bool whole = chd_core_repair_close(core, repair);
    chd_core_replay(core, repair, out);
    chd_core_repair_settle(core, repair, out);
    if (repair->origin != 0 && progress && !whole) {
        /* More of the same: ask on. */
        const chd_peer *peer = chd_peers_node(&core->peers, repair->asked);
        if (peer != NULL && can_answer(peer)) {
            ask(core, repair, peer, out);
        }
    } else if (repair->origin != 0) {
        /* It has no more than this; somebody else may.  When all were asked in
         * vain, whoever made the claim may still be on its way back. */
        set_due(core, repair,
                chd_after(core->now.mono_ns,
                          repair->tries < 2 ? 0 : ANSWER_PATIENCE));
    }
    return CHD_OK;
}

static bool was_consulted(const chd_repair *repair, uint64_t node)
{
    for (uint32_t i = 0; i < repair->lost_told; i++) {
        if (repair->lost_by[i] == node) {
            return true;
        }
    }
    return false;
}

/* Members that joined late never had what others may still have: ask the
 * origin, then one after the other. */
static const chd_peer *another_opinion(const chd_core *core,
                                       const chd_repair *repair)
{
    const chd_peer *origin = chd_peers_node(&core->peers, repair->origin);

    if (origin != NULL && can_answer(origin) &&
        !was_consulted(repair, repair->origin)) {
        return origin;
    }
    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (can_answer(peer) && !was_consulted(repair, peer->node)) {
            return peer;
        }
    }
    return NULL;
}

static void consult(chd_repair *repair, uint64_t node)
{
    if (!was_consulted(repair, node) && repair->lost_told < CHD_LOST_OPINIONS) {
        repair->lost_by[repair->lost_told++] = node;
    }
}

/* Tell whether that was not the last opinion, and ask for another.  Whoever
 * says nothing when asked twice has none. */
static bool is_doubted(chd_core *core, chd_repair *repair, uint64_t teller,
                       chd_out *out)
{
    consult(repair, teller);
    const chd_peer *other = another_opinion(core, repair);
    if (repair->lost_told == CHD_LOST_OPINIONS || other == NULL) {
        if (++repair->lost_round == CHD_LOST_ROUNDS) {
            return false;
        }
        repair->lost_told = 0;
        consult(repair, teller);
        other = another_opinion(core, repair);
        if (other == NULL) {
            return false;
        }
    }
    consult(repair, other->node);
    ask(core, repair, other, out);
    return true;
}

chd_err chd_core_on_lost(chd_core *core, const chd_mesh_header *header,
                         chd_scan *scan, uint32_t fields, chd_out *out)
{
    chd_mesh_lost lost;
    const chd_err err = chd_mesh_scan_lost(scan, fields, &lost);
    chd_repair *repair =
        err == CHD_OK ? chd_core_repair_of(core, lost.origin) : NULL;

    if (repair == NULL || repair->asked != header->sender ||
        lost.last <= repair->window.base ||
        (repair->teller == header->sender && lost.told <= repair->told)) {
        return err;
    }
    if (lost.topic_count == 0 && origin_may_come(core, repair)) {
        return CHD_OK; /* who joined late never had them: ask again */
    }
    if (repair->lost_upto == 0 &&
        is_doubted(core, repair, header->sender, out)) {
        return CHD_OK;
    }
    const chd_trace trace = {
        .code = CHD_TRACE_GAP,
        .node = lost.origin,
        .a = chd_max_u64(lost.first, repair->window.base + 1),
        .b = lost.last,
    };
    chd_out_trace(out, &trace);
    repair->lost_upto = lost.last;
    repair->teller = header->sender;
    repair->told = lost.told;
    chd_log_skip(core->log, lost.origin, lost.last);
    core->stats.lost += trace.b - trace.a + 1;
    chd_core_reset_topics(core, &lost, out);
    return CHD_OK;
}
