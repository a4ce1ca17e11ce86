#include "broker/setup.h"

#include <string.h>

#include "broker/descriptors.h"
#include "broker/entropy.h"

#define OWN_ADDRESSES_MAX 64

chd_endpoint chd_setup_bound(const chd_config *config)
{
    chd_endpoint bound = {
        .port = (uint16_t)chd_config_number(config, CHD_SET_MESH_PORT),
    };

    /* Cannot fail: it was checked when it was read. */
    CHD_ASSERT(chd_address_parse(chd_config_text(config, CHD_SET_MESH_ADDRESS),
                                 bound.address));
    return bound;
}

/* Tell how good an address is to announce: higher is better, 0 not at all. */
static int rank(const uint8_t address[CHD_ADDRESS_BYTES], bool only_ipv4)
{
    const bool ipv4 = chd_address_is_ipv4(address);

    if (only_ipv4 && !ipv4) {
        return 0;
    }
    if (chd_address_is_loopback(address)) {
        return 1;
    }
    if (chd_address_is_unique_local(address)) {
        return 4;
    }
    return ipv4 && !only_ipv4 ? 2 : 3;
}

chd_endpoint chd_setup_announced(const chd_endpoint *bound)
{
    uint8_t own[OWN_ADDRESSES_MAX][CHD_ADDRESS_BYTES];
    chd_endpoint announced = *bound;
    int best = 0;

    if (!chd_address_is_any(bound->address)) {
        return announced;
    }
    const bool only_ipv4 = chd_address_is_ipv4(bound->address);
    const size_t count = chd_address_list_own(own, OWN_ADDRESSES_MAX);
    for (size_t i = 0; i < count; i++) {
        const int this_rank = rank(own[i], only_ipv4);
        if (this_rank > best) {
            best = this_rank;
            memcpy(announced.address, own[i], CHD_ADDRESS_BYTES);
        }
    }
    return announced;
}

static chd_bytes text_of(const chd_config *config, chd_setting_id id)
{
    return chd_bytes_str(chd_config_text(config, id));
}

void chd_setup_core(const chd_config *config, const chd_endpoint *announced,
                    chd_core_config *core)
{
    chd_core_config_init(core);
    core->seed = chd_entropy_u64();
    core->node = chd_entropy_u64();
    core->cluster = text_of(config, CHD_SET_CLUSTER_NAME);
    core->name = text_of(config, CHD_SET_NODE_NAME);
    core->region = text_of(config, CHD_SET_NODE_REGION);
    core->release = chd_bytes_str(CHD_VERSION);
    core->endpoint = *announced;
    core->ping_interval = chd_config_number(config, CHD_SET_PING_INTERVAL);
    core->join_timeout = chd_config_number(config, CHD_SET_JOIN_TIMEOUT);
    core->dead_after = chd_config_number(config, CHD_SET_MEMBER_DEAD_AFTER);
    core->strict = chd_config_number(config, CHD_SET_PARTITION_POLICY) == 1;
    core->drain_timeout = chd_config_number(config, CHD_SET_DRAIN_TIMEOUT);
    core->log_bytes = (size_t)chd_config_number(config, CHD_SET_LOG_BYTES);
    core->payload_max =
        (size_t)chd_config_number(config, CHD_SET_LIMITS_PAYLOAD);
    core->peer_count_max =
        (uint32_t)chd_config_number(config, CHD_SET_LIMITS_PEERS);
    core->session_count_max =
        (uint32_t)chd_config_number(config, CHD_SET_LIMITS_SESSIONS);
    /* Discovery always feeds a list, an empty one where there is nothing. */
    core->discovers = true;
}

void chd_setup_logger(const chd_config *config, chd_logger *logger)
{
    logger->level = (chd_level)chd_config_number(config, CHD_SET_LOGGING_LEVEL);
    logger->format =
        (chd_logger_format)chd_config_number(config, CHD_SET_LOGGING_FORMAT);
}

static void log_setting(const chd_config *config, chd_setting_id id,
                        chd_logger *logger)
{
    char origin[512];
    chd_line line;
    const char *name = chd_setting_of(id)->name;
    const bool is_default = config->values[id].source == CHD_SOURCE_DEFAULT;

    chd_config_origin(config, id, origin, sizeof(origin));
    chd_line_begin(&line, logger, is_default ? CHD_LEVEL_DEBUG : CHD_LEVEL_INFO,
                   "setting");
    chd_line_text(&line, "name", name);
    chd_line_text(&line, "value", chd_config_text(config, id));
    chd_line_text(&line, "origin", origin);
    chd_line_distinct(&line, chd_bytes_str(name));
    chd_line_end(&line);
}

void chd_setup_log(const chd_config *config, uint64_t node,
                   const chd_endpoint *announced, chd_logger *logger)
{
    chd_line line;

    chd_line_begin(&line, logger, CHD_LEVEL_NOTICE, "starting");
    chd_line_node(&line, node);
    chd_line_endpoint(&line, announced);
    chd_line_text(&line, "name", chd_config_text(config, CHD_SET_NODE_NAME));
    chd_line_text(&line, "cluster",
                  chd_config_text(config, CHD_SET_CLUSTER_NAME));
    chd_line_text(&line, "version", CHD_VERSION);
    chd_line_end(&line);
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        log_setting(config, (chd_setting_id)i, logger);
    }
}

void chd_setup_descriptors(const chd_config *config, chd_logger *logger)
{
    const uint64_t limit = chd_descriptors_raise();
    const uint64_t needed = chd_descriptors_needed(
        chd_config_number(config, CHD_SET_LIMITS_PEERS),
        chd_config_number(config, CHD_SET_LIMITS_SESSIONS));
    chd_line line;

    if (limit >= needed) {
        return;
    }
    chd_line_begin(&line, logger, CHD_LEVEL_WARN, "descriptor_limit_low");
    chd_line_number(&line, "limit", limit);
    chd_line_number(&line, "needed", needed);
    chd_line_text(&line, "hint",
                  "raise the limit of open files, or lower limits.peers or "
                  "limits.sessions");
    chd_line_end(&line);
}
