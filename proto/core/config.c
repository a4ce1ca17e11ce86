#include "proto/core/state.h"

#include "proto/base/hash.h"

void chd_core_config_init(chd_core_config *config)
{
    *config = (chd_core_config){
        .version_min = CHD_PROTOCOL_MIN,
        .version_max = CHD_PROTOCOL_MAX,
        .ping_interval = 500 * CHD_MS,
        .join_timeout = 5 * CHD_SECOND,
        .dead_after = 10 * CHD_SECOND,
        .drain_timeout = 5 * CHD_SECOND,
        .log_bytes = CHD_LOG_BYTES_DEFAULT,
        .payload_max = CHD_PAYLOAD_BYTES_DEFAULT,
        .peer_count_max = CHD_PEERS_MAX,
        .session_count_max = CHD_SESSIONS_MAX,
    };
}

static bool name_is_valid(chd_bytes name, bool may_be_empty)
{
    return (name.len > 0 || may_be_empty) && name.len <= CHD_NAME_BYTES_MAX &&
           chd_text_is_valid(name);
}

static bool config_is_valid(const chd_core_config *c)
{
    const bool texts =
        name_is_valid(c->cluster, false) && name_is_valid(c->name, false) &&
        name_is_valid(c->region, true) && name_is_valid(c->release, true);
    const bool times =
        c->ping_interval > 0 && c->dead_after >= 2 * c->ping_interval;
    const bool sizes =
        c->log_bytes >= CHD_LOG_BYTES_MIN &&
        c->log_bytes <= CHD_LOG_BYTES_MAX &&
        c->payload_max <= CHD_PAYLOAD_BYTES_MAX && c->peer_count_max >= 1 &&
        c->peer_count_max <= CHD_PEERS_MAX && c->session_count_max >= 1 &&
        c->session_count_max <= CHD_SESSIONS_MAX;
    const bool versions =
        c->version_min >= 1 && c->version_max >= c->version_min;

    return c->node != 0 && c->endpoint.port != 0 && texts && times && sizes &&
           versions;
}

static void copy_texts(chd_core *core, const chd_core_config *config)
{
    chd_name_set(&core->cluster, config->cluster);
    chd_name_set(&core->name, config->name);
    chd_name_set(&core->region, config->region);
    chd_name_set(&core->release, config->release);
    core->config.cluster = chd_name_bytes(&core->cluster);
    core->config.name = chd_name_bytes(&core->name);
    core->config.region = chd_name_bytes(&core->region);
    core->config.release = chd_name_bytes(&core->release);
}

/* Allocate everything the core will ever use. */
static chd_err build(chd_core *core)
{
    const chd_core_config *config = &core->config;
    const chd_mem *mem = core->mem;
    chd_err err =
        chd_log_new(config->log_bytes, CHD_RECORD_BYTES_MAX, mem, &core->log);

    if (err == CHD_OK) {
        err = chd_vector_new(mem, &core->vector);
    }
    if (err == CHD_OK) {
        err = chd_peers_init(&core->peers, config->peer_count_max, mem);
    }
    if (err == CHD_OK) {
        err = chd_route_new(chd_prng_next(&core->prng),
                            config->session_count_max, mem, &core->route);
    }
    if (err == CHD_OK) {
        err = chd_published_new(chd_mix64(config->seed), mem, &core->published);
    }
    if (err == CHD_OK) {
        err = chd_hold_init(&core->hold, mem);
    }
    if (err == CHD_OK) {
        err = chd_pace_init(&core->pace, mem);
    }
    if (err == CHD_OK) {
        err = chd_horizon_init(&core->horizon, config->node, mem);
    }
    if (err != CHD_OK) {
        return err;
    }
    err = chd_core_confirms_new(core);
    if (err != CHD_OK) {
        return err;
    }
    core->repairs = chd_zalloc(mem, CHD_REPAIRS_MAX, sizeof(chd_repair));
    core->positions = chd_zalloc(mem, CHD_ORIGINS_MAX, sizeof(chd_position));
    core->sessions =
        chd_zalloc(mem, config->session_count_max, sizeof(chd_session));
    core->record = chd_zalloc(mem, CHD_RECORD_BYTES_MAX, 1);
    core->names = chd_zalloc(mem, CHD_NAMES_BYTES_MAX, 1);
    return core->repairs == NULL || core->positions == NULL ||
                   core->sessions == NULL || core->record == NULL ||
                   core->names == NULL
               ? CHD_ENOMEM
               : CHD_OK;
}

chd_err chd_core_new(const chd_core_config *config, const chd_mem *mem,
                     chd_now now, chd_core **core)
{
    *core = NULL;
    if (!config_is_valid(config)) {
        return CHD_ELIMIT;
    }
    chd_core *made = chd_zalloc(mem, 1, sizeof(*made));
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->config = *config;
    made->prng = chd_prng_seeded(config->seed);
    made->now = now;
    made->started_ns = now.mono_ns;
    made->turned_ns = now.mono_ns;
    made->peers_changed = true;
    made->beacon_due_ns = now.mono_ns;
    made->peers_due_ns = now.mono_ns;
    made->drain_due_ns = CHD_NEVER_NS;
    made->repair_due_ns = CHD_NEVER_NS;
    made->held_back_ns = CHD_NEVER_NS;
    made->hurry_due_ns = CHD_NEVER_NS;
    made->serve_ns = now.mono_ns;
    made->serve_budget = CHD_REPAIR_BYTES_PER_SECOND / 4;
    made->dns_answer_ns = now.mono_ns;
    copy_texts(made, config);

    const chd_err err = build(made);
    if (err != CHD_OK) {
        chd_core_destroy(&made);
        return err;
    }
    /* Never heard from, and never forgotten. */
    chd_vector_add(made->vector, config->node, 0, CHD_NEVER_NS);
    *core = made;
    return CHD_OK;
}

void chd_core_destroy(chd_core **core)
{
    if (*core == NULL) {
        return;
    }
    const chd_mem *mem = (*core)->mem;
    chd_log_destroy(&(*core)->log);
    chd_vector_destroy(&(*core)->vector);
    chd_peers_fini(&(*core)->peers);
    chd_route_destroy(&(*core)->route);
    chd_published_destroy(&(*core)->published);
    chd_hold_fini(&(*core)->hold);
    chd_pace_fini(&(*core)->pace);
    chd_core_confirms_destroy(*core);
    chd_horizon_fini(&(*core)->horizon);
    chd_free(mem, (*core)->repairs);
    chd_free(mem, (*core)->positions);
    chd_free(mem, (*core)->sessions);
    chd_free(mem, (*core)->record);
    chd_free(mem, (*core)->names);
    chd_free(mem, *core);
    *core = NULL;
}
