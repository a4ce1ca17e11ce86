/* serve.c - answering those who miss something.  PROTOCOL 3.7.
 *
 * Nothing is remembered about the asker: each FETCH says all.  Answers are
 * paid from a budget of bytes that fills with time, so that a node that comes
 * back cannot drown one that works; what is not answered is asked again.
 */
#include "proto/core/state.h"

/* Look-ups for one answer: the range may have nothing but holes. */
#define LOOKUPS_MAX 65536u

static bool can_afford(chd_core *core, size_t bytes)
{
    const uint64_t per_ms = CHD_REPAIR_BYTES_PER_SECOND / 1000;
    const uint64_t elapsed_ms =
        chd_since(core->now.mono_ns, core->serve_ns) / CHD_MS;

    if (elapsed_ms > 0) {
        core->serve_budget = chd_min_u64(
            CHD_REPAIR_BYTES_PER_SECOND / 4,
            core->serve_budget + per_ms * chd_min_u64(elapsed_ms, 1000));
        core->serve_ns = core->now.mono_ns;
    }
    return core->serve_budget >= bytes;
}

/* Up to where everything of origin is here. */
static uint64_t held_of(const chd_core *core, uint64_t origin)
{
    if (origin == core->config.node) {
        return core->sent;
    }
    const chd_origin *known = chd_vector_find(core->vector, origin);
    return known == NULL ? 0 : known->received;
}

/* Tell whether something of the range has left the log, as far as one answer
 * goes.  What came behind a gap that a RESET answered for has not. */
static bool is_gone(const chd_core *core, const chd_mesh_fetch *fetch)
{
    const uint64_t upto = chd_min_u64(
        chd_min_u64(held_of(core, fetch->origin), fetch->upto),
        chd_forgotten_seq(chd_log_forgotten(core->log), fetch->origin));
    uint64_t seq = fetch->first;
    chd_log_entry entry;

    while (seq <= upto && seq - fetch->first < LOOKUPS_MAX &&
           chd_log_find(core->log, fetch->origin, seq, &entry)) {
        seq++;
    }
    return seq <= upto && seq - fetch->first < LOOKUPS_MAX;
}

/* Write the topics that were touched; returns how many, none when they are too
 * many to name. */
static uint32_t put_topics(const chd_forgotten *forgotten,
                           const chd_forgotten_query *query, chd_pack *pack)
{
    const size_t begin = pack->len;
    uint32_t count = 0;
    uint32_t at = 0;
    chd_bytes topic;

    while (chd_forgotten_next(forgotten, query, &at, &topic)) {
        if (count++ == CHD_RESET_TOPICS_MAX) {
            pack->len = begin;
            return 0;
        }
        chd_pack_str(pack, topic);
    }
    return count;
}

/* Say what of the rest of the stream left the log since the asker was told.  It
 * may do so while the stream runs, so this is looked at for each answer.
 * Returns up to what the asker is told now. */
static uint64_t tell_lost(chd_core *core, const chd_mesh_fetch *fetch,
                          const chd_mesh_header *asker, uint64_t route,
                          chd_out *out)
{
    const chd_forgotten *forgotten = chd_log_forgotten(core->log);
    const chd_forgotten_query query = {fetch->origin, fetch->first,
                                       fetch->told};
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_LOST, asker->version);
    const chd_mesh_lost lost = {
        .origin = fetch->origin,
        .first = fetch->first,
        .last = chd_forgotten_seq(forgotten, fetch->origin),
        .told = chd_forgotten_count(forgotten, fetch->origin),
    };
    const bool all = chd_forgotten_all(forgotten, &query);
    uint32_t at = 0;
    chd_bytes topic;

    if (!is_gone(core, fetch)) {
        return 0;
    }
    if (!all && !chd_forgotten_next(forgotten, &query, &at, &topic)) {
        return fetch->told; /* nothing new */
    }
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
    const size_t array_at = chd_mesh_lost_open(&pack, &header, &lost);
    chd_mesh_lost_close(&pack, array_at,
                        all ? 0 : put_topics(forgotten, &query, &pack));
    core->serve_budget -= pack.len;
    chd_core_reply(route, &pack, out);
    return lost.told;
}

static void answer(chd_core *core, const chd_mesh_fetch *fetch, uint64_t told,
                   const chd_mesh_header *asker, uint64_t route, chd_out *out)
{
    const uint64_t held = held_of(core, fetch->origin);
    const uint64_t upto = chd_min_u64(held, fetch->upto);
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_REPAIR, asker->version);
    chd_repair_writer writer;
    chd_log_entry entry;
    uint32_t count = 0;
    uint64_t seq = fetch->first;
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);

    const chd_mesh_repair begin = {
        .origin = fetch->origin,
        .first = fetch->first,
        .held = held,
        .told = told,
    };
    chd_mesh_repair_open(&pack, &header, &begin, &writer);
    for (; seq <= upto && seq - fetch->first < LOOKUPS_MAX &&
           pack.len < CHD_REPAIR_CHUNK_BYTES;
         seq++) {
        if (chd_log_find(core->log, fetch->origin, seq, &entry)) {
            chd_pack_raw(&pack, entry.record);
            count++;
        }
    }
    chd_mesh_repair_close(&pack, &writer, seq - 1, count);
    core->stats.served += count;
    core->stats.served_bytes += pack.len;
    core->serve_budget -= pack.len;
    chd_core_reply(route, &pack, out);
}

chd_err chd_core_on_fetch(chd_core *core, const chd_mesh_header *header,
                          uint64_t route, chd_scan *scan, uint32_t fields,
                          chd_out *out)
{
    chd_mesh_fetch fetch;
    const chd_err err = chd_mesh_scan_fetch(scan, fields, &fetch);

    if (err == CHD_OK && can_afford(core, 2 * (size_t)CHD_FRAME_BYTES_MAX)) {
        chd_log_index(core->log, fetch.origin, fetch.first,
                      fetch.first + LOOKUPS_MAX);
        const uint64_t told = tell_lost(core, &fetch, header, route, out);
        answer(core, &fetch, told, header, route, out);
    }
    return err;
}
