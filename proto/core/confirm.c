/* confirm.c - sessions that wait until an event is applied everywhere.
 * PROTOCOL 3.11 and 4.3.
 *
 * Each member that counts is asked until it answers, leaves or dies; so
 * nothing depends on one message arriving.
 */
#include "proto/core/state.h"

/* How often a member that has not answered is asked. */
#define ASK_INTERVAL (200 * CHD_MS)

/* How long members have to tell which of their sessions are missing; less than
 * what the library waits for that. */
#define WHO_PATIENCE (150 * CHD_MS)

#define ANSWER_BYTES_MAX                                                       \
    (64 + CHD_MISSING_MAX * (16 + 2 * (CHD_NAME_BYTES_MAX + 3)))

chd_err chd_core_confirms_new(chd_core *core)
{
    chd_confirms *made = chd_zalloc(core->mem, 1, sizeof(*made));

    core->confirms = made;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->due_ns = CHD_NEVER_NS;
    made->nodes =
        chd_zalloc(core->mem, (size_t)CHD_CONFIRMS_MAX * CHD_COUNTED_MAX,
                   sizeof(made->nodes[0]));
    /* What is not asked for is not touched, and costs no memory. */
    return made->nodes == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_core_confirms_destroy(chd_core *core)
{
    if (core->confirms != NULL) {
        chd_free(core->mem, core->confirms->nodes);
        chd_free(core->mem, core->confirms);
    }
}

/* --- who counts ----------------------------------------------------------- */

/* Whoever counts for freshness and did not say goodbye, silent or not: it may
 * still serve what it has.  Who is taken for dead is listed, and gone. */
static void list_members(const chd_core *core, chd_confirm *confirm)
{
    confirm->high = core->horizon.high;
    confirm->left = 0;
    for (uint32_t i = 0; i < confirm->high; i++) {
        const chd_counted *counted = &core->horizon.all[i];
        const bool counts = counted->state == CHD_COUNTING_ALIVE ||
                            counted->state == CHD_COUNTING_DEAD;
        confirm->nodes[i] = counts ? counted->node : 0;
        confirm->left += counts;
    }
    confirm->total = confirm->left + UINT64_C(1);
    confirm->due_ns = core->now.mono_ns;
    confirm->listed = true;
}

/* It said goodbye, or nobody hears it for so long that it is taken for dead. */
static bool is_gone(const chd_core *core, const chd_confirm *confirm,
                    uint32_t i)
{
    const chd_counted *counted = &core->horizon.all[i];

    return counted->node != confirm->nodes[i] ||
           counted->state != CHD_COUNTING_ALIVE;
}

/* A member that cannot be reached has not heard of the event, nor can it be
 * fresh again before it has: it said that it waits for us however long we are
 * silent, and that its sessions refuse to serve what may be so old.
 * This goes for events of our own alone. */
static bool must_refuse(const chd_core *core, const chd_confirm *confirm,
                        uint32_t i, const chd_peer *peer)
{
    const uint64_t refuses_ns = core->horizon.all[i].refuses_ns;

    return (peer == NULL || peer->state == CHD_MEMBER_SILENT) &&
           refuses_ns != 0 &&
           chd_elapsed(core->now.mono_ns, confirm->accepted_ns,
                       refuses_ns + refuses_ns / 64 + CHD_MS);
}

static bool is_away(const chd_confirm *confirm, uint32_t i)
{
    return (confirm->away[i / 64] >> i % 64 & 1) != 0;
}

static void set_away(chd_confirm *confirm, uint32_t i, bool away)
{
    if (away != is_away(confirm, i)) {
        confirm->away[i / 64] ^= UINT64_C(1) << i % 64;
        if (away) {
            confirm->left--;
            confirm->gone++;
        } else {
            confirm->left++;
            confirm->gone--;
        }
    }
}

static void cross_off(chd_confirm *confirm, uint32_t i, uint64_t *as)
{
    confirm->nodes[i] = 0;
    confirm->left--;
    (*as)++;
}

/* Who was taken for dead may be heard again.  As long as nothing has changed,
 * nothing is looked at: many questions wait at one time, for many members. */
static void note_who_is_gone(const chd_core *core, chd_confirm *confirm)
{
    if (confirm->changes == core->horizon.changes) {
        return;
    }
    confirm->changes = core->horizon.changes;
    for (uint32_t i = 0; i < confirm->high; i++) {
        if (confirm->nodes[i] != 0) {
            set_away(confirm, i, is_gone(core, confirm, i));
        }
    }
}

/* Ask those that have not answered. */
static void ask_members(chd_core *core, chd_confirm *confirm, bool who,
                        chd_out *out)
{
    const chd_mesh_want want = {confirm->origin, confirm->seq, who};
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_WANT, chd_core_broadcast_version(core));
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);

    chd_mesh_pack_want(&pack, &header, &want);
    const chd_bytes bytes = chd_out_keep(out, &pack);
    for (uint32_t i = 0; i < confirm->high; i++) {
        if (confirm->nodes[i] == 0 || is_away(confirm, i)) {
            continue;
        }
        const chd_peer *peer = chd_peers_node(&core->peers, confirm->nodes[i]);
        if (must_refuse(core, confirm, i, peer)) {
            cross_off(confirm, i, &confirm->refusing);
        } else if (peer != NULL && peer->dialled) {
            chd_action *action = chd_out_add(out, CHD_ACT_SEND);
            action->peer = chd_peers_index(&core->peers, peer);
            action->bytes = bytes;
            confirm->who_left += who && chd_core_member_answers(peer);
        }
    }
    confirm->due_ns = chd_after(core->now.mono_ns, ASK_INTERVAL);
}

/* --- what members say ----------------------------------------------------- */

static void note_lacking(chd_confirm *confirm, uint64_t node, chd_bytes lacking)
{
    chd_bytes name;

    while (confirm->lacking_count < CHD_CONFIRM_NAMES_MAX &&
           chd_mesh_lacking_next(&lacking, &name)) {
        chd_lacking *to = &confirm->lacking[confirm->lacking_count++];
        to->node = node;
        chd_name_set(&to->session, name);
    }
}

static void take_answer(chd_confirm *confirm, uint32_t i,
                        const chd_mesh_applied *said)
{
    if (is_away(confirm, i)) {
        set_away(confirm, i, false);
        confirm->changes = 0; /* it may be gone nevertheless */
    }
    if (said->seq >= confirm->seq) {
        cross_off(confirm, i,
                  said->refusing > 0 ? &confirm->refusing : &confirm->applied);
    } else if (confirm->who) {
        note_lacking(confirm, confirm->nodes[i], said->lacking);
    }
    if (confirm->who_left > 0) {
        confirm->who_left--;
    }
}

chd_err chd_core_on_applied(chd_core *core, const chd_mesh_header *header,
                            chd_scan *scan, uint32_t fields)
{
    chd_mesh_applied said;
    const chd_err err = chd_mesh_scan_applied(scan, fields, &said);
    const chd_counted *counted =
        chd_horizon_find(&core->horizon, header->sender);

    if (err != CHD_OK || counted == NULL) {
        return err;
    }
    const uint32_t i = (uint32_t)(counted - core->horizon.all);
    for (uint32_t n = 0; n < CHD_CONFIRMS_MAX; n++) {
        chd_confirm *confirm = &core->confirms->all[n];
        if (confirm->used && confirm->origin == said.origin &&
            i < confirm->high && confirm->nodes[i] == header->sender) {
            take_answer(confirm, i, &said);
        }
    }
    return CHD_OK;
}

/* --- answers -------------------------------------------------------------- */

void chd_core_refuse_ask(const chd_local_ask *ask, uint32_t index, chd_out *out)
{
    const chd_local_confirmed answer = {.request = ask->request,
                                        .outcome = CHD_CONFIRM_REFUSED};
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);
    const size_t at = chd_local_confirmed_open(&pack, &answer);

    chd_local_confirmed_close(&pack, at, 0);
    chd_core_tell(index, &pack, out);
}

static void end_confirm(chd_core *core, chd_confirm *confirm)
{
    confirm->used = false;
    core->confirms->confirm_count--;
}

static void add_missing(chd_pack *pack, const chd_missing *missing,
                        uint32_t *count)
{
    if (*count < CHD_MISSING_MAX) {
        chd_local_confirmed_add(pack, missing);
        (*count)++;
    }
}

/* Name the sessions of this node that are missing, or the node, where it has
 * not got the event itself. */
static void add_own(const chd_core *core, const chd_confirm *confirm,
                    chd_pack *pack, uint32_t *count)
{
    const chd_want *want = chd_core_want_of(core, confirm->origin);
    chd_missing missing = {.node = core->config.node,
                           .name = core->config.name};

    if (want == NULL || want->pending < confirm->seq) {
        add_missing(pack, &missing, count);
        return;
    }
    for (uint32_t i = 0; i < core->session_high; i++) {
        if (chd_core_session_lacks(core, i, want->number)) {
            missing.session = chd_name_bytes(&core->sessions[i].name);
            add_missing(pack, &missing, count);
        }
    }
}

/* Name the sessions of a member that it named, or the member alone. */
static void add_member(const chd_core *core, const chd_confirm *confirm,
                       uint32_t place, chd_pack *pack, uint32_t *count)
{
    chd_missing missing = {
        .node = confirm->nodes[place],
        .name = chd_name_bytes(&core->horizon.all[place].name),
    };
    bool named = false;

    for (uint32_t i = 0; i < confirm->lacking_count; i++) {
        if (confirm->lacking[i].node == missing.node) {
            missing.session = chd_name_bytes(&confirm->lacking[i].session);
            add_missing(pack, &missing, count);
            named = true;
        }
    }
    if (!named) {
        add_missing(pack, &missing, count);
    }
}

static void answer(chd_core *core, chd_confirm *confirm,
                   chd_confirm_outcome outcome, chd_out *out)
{
    const chd_local_confirmed message = {
        .request = confirm->request,
        .outcome = outcome,
        .total = confirm->total,
        .applied = confirm->applied,
        .gone = confirm->gone,
        .refusing = confirm->refusing,
    };
    chd_pack pack = chd_out_pack(out, ANSWER_BYTES_MAX);
    const size_t at = chd_local_confirmed_open(&pack, &message);
    uint32_t count = 0;

    if (!confirm->own) {
        add_own(core, confirm, &pack, &count);
    }
    for (uint32_t i = 0; confirm->listed && i < confirm->high; i++) {
        if (confirm->nodes[i] != 0 && !is_away(confirm, i)) {
            add_member(core, confirm, i, &pack, &count);
        }
    }
    chd_local_confirmed_close(&pack, at, count);
    chd_core_tell(confirm->session, &pack, out);
    end_confirm(core, confirm);
}

void chd_core_on_who(chd_core *core, uint32_t index, uint64_t request)
{
    for (uint32_t i = 0; i < CHD_CONFIRMS_MAX; i++) {
        chd_confirm *confirm = &core->confirms->all[i];
        if (confirm->used && !confirm->who && confirm->session == index &&
            confirm->request == request) {
            confirm->who = true;
            confirm->who_due_ns = chd_after(core->now.mono_ns, WHO_PATIENCE);
            confirm->due_ns = core->now.mono_ns;
            return;
        }
    }
    chd_core_await_end(core, index, request);
}

/* --- what is due ---------------------------------------------------------- */

bool chd_core_on_confirm(chd_core *core, uint32_t index,
                         const chd_local_ask *ask)
{
    chd_confirms *confirms = core->confirms;
    const bool is_accepted =
        ask->origin == core->config.node && ask->seq <= core->head;

    chd_confirm *place = NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; i < CHD_CONFIRMS_MAX; i++) {
        chd_confirm *confirm = &confirms->all[i];
        place = confirm->used ? place : confirm;
        count += confirm->used && confirm->session == index;
    }
    if (place == NULL || count == CHD_SESSION_ASKS_MAX) {
        return false;
    }
    *place = (chd_confirm){
        .used = true,
        .session = index,
        .request = ask->request,
        .origin = ask->origin,
        .seq = ask->seq,
        .accepted_ns = is_accepted ? core->now.mono_ns : CHD_NEVER_NS,
        .due_ns = core->now.mono_ns,
        .nodes =
            confirms->nodes + (size_t)(place - confirms->all) * CHD_COUNTED_MAX,
    };
    confirms->confirm_count++;
    return true;
}

/* Sessions of this node are asked like those of any other. */
static void look_at_own(chd_core *core, chd_confirm *confirm)
{
    const chd_want *want =
        confirm->own ? NULL : chd_core_want_of(core, confirm->origin);

    if (want != NULL && want->applied >= confirm->seq) {
        confirm->own = true;
        confirm->applied += want->refusing == 0;
        confirm->refusing += want->refusing > 0;
    }
}

/* Returns false while it is not known who counts: this node has only just
 * started, or there are more than it can count. */
static bool list_who_counts(const chd_core *core, chd_confirm *confirm)
{
    if (core->state == CHD_NODE_STARTING || core->horizon.refused_ns != 0) {
        confirm->due_ns = chd_after(core->now.mono_ns, ASK_INTERVAL);
        return false;
    }
    list_members(core, confirm);
    return true;
}

static void confirm_turn(chd_core *core, chd_confirm *confirm, chd_out *out)
{
    if (!chd_out_has_room(out, core->peers.high + 1, ANSWER_BYTES_MAX)) {
        core->more = true;
        return;
    }
    look_at_own(core, confirm);
    if (!confirm->listed && !list_who_counts(core, confirm)) {
        if (confirm->who) {
            answer(core, confirm, CHD_CONFIRM_MISSING, out);
        }
        return;
    }
    note_who_is_gone(core, confirm);
    if (core->now.mono_ns >= confirm->due_ns) {
        const bool first_who = confirm->who && confirm->who_left == 0;
        ask_members(core, confirm, first_who, out);
    }
    if (confirm->own && confirm->left == 0) {
        answer(core, confirm, CHD_CONFIRM_DONE, out);
    } else if (confirm->who && (confirm->who_left == 0 ||
                                core->now.mono_ns >= confirm->who_due_ns)) {
        answer(core, confirm, CHD_CONFIRM_MISSING, out);
    }
}

static uint64_t due_of(const chd_confirm *confirm)
{
    return confirm->who ? chd_min_u64(confirm->due_ns, confirm->who_due_ns)
                        : confirm->due_ns;
}

void chd_core_confirms_turn(chd_core *core, chd_out *out)
{
    chd_confirms *confirms = core->confirms;

    confirms->due_ns = CHD_NEVER_NS;
    chd_core_watch(core);
    if (confirms->confirm_count + confirms->await_count +
            confirms->want_count ==
        0) {
        return;
    }
    for (uint32_t i = 0; i < CHD_CONFIRMS_MAX; i++) {
        const chd_confirm *confirm = &confirms->all[i];
        if (confirm->used && !confirm->own) {
            (void)chd_core_want(core, confirm->origin, confirm->seq);
        }
    }
    chd_core_wants_turn(core, out);
    for (uint32_t i = 0; i < CHD_CONFIRMS_MAX; i++) {
        chd_confirm *confirm = &confirms->all[i];
        if (confirm->used) {
            confirm_turn(core, confirm, out);
        }
        if (confirm->used) {
            confirms->due_ns = chd_min_u64(confirms->due_ns, due_of(confirm));
        }
    }
    chd_core_awaits_turn(core, out);
}

void chd_core_confirms_end(chd_core *core, uint32_t index)
{
    chd_confirms *confirms = core->confirms;

    for (uint32_t i = 0; i < CHD_CONFIRMS_MAX && confirms->confirm_count > 0;
         i++) {
        if (confirms->all[i].used && confirms->all[i].session == index) {
            end_confirm(core, &confirms->all[i]);
        }
    }
    for (uint32_t i = 0; i < CHD_AWAITS_MAX && confirms->await_count > 0; i++) {
        if (confirms->awaits[i].used && confirms->awaits[i].session == index) {
            confirms->awaits[i].used = false;
            confirms->await_count--;
        }
    }
}
