#include "broker/detect.h"

#include <string.h>
#include <unistd.h>

#include "broker/address.h"
#include "broker/value.h"

#define OWN_ADDRESSES_MAX 64
#define DETECTED_MAX 512

const char *chd_env_get(char *const *env, const char *name)
{
    const size_t len = strlen(name);

    for (; *env != NULL; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
            return *env + len + 1;
        }
    }
    return NULL;
}

/* Use text for a setting unless it is empty or does not fit: then somebody
 * else's variable means something else, and that is no mistake of ours. */
static bool use(chd_config *config, chd_setting_id id, const char *text,
                const char *origin, chd_problems *problems)
{
    uint64_t number = 0;

    if (text == NULL || text[0] == '\0' ||
        !chd_value_parse(chd_setting_of(id), text, &number)) {
        return false;
    }
    chd_config_set(config, id, text, CHD_SOURCE_DETECTED, origin, problems);
    return true;
}

static bool use_variable(chd_config *config, chd_setting_id id,
                         char *const *env, const char *name,
                         chd_problems *problems)
{
    return use(config, id, chd_env_get(env, name), name, problems);
}

static void detect_names(chd_config *config, char *const *env,
                         chd_problems *problems)
{
    char text[DETECTED_MAX];
    const char *app = chd_env_get(env, "FLY_APP_NAME");

    use_variable(config, CHD_SET_CLUSTER_NAME, env, "FLY_APP_NAME", problems);
    use_variable(config, CHD_SET_NODE_REGION, env, "FLY_REGION", problems);
    if (app != NULL && app[0] != '\0') {
        (void)snprintf(text, sizeof(text), "%s.internal", app);
        use(config, CHD_SET_DISCOVERY_NAMES, text, "FLY_APP_NAME", problems);
    }
    if (use_variable(config, CHD_SET_NODE_NAME, env, "FLY_MACHINE_ID",
                     problems) ||
        use_variable(config, CHD_SET_NODE_NAME, env, "POD_NAME", problems)) {
        return;
    }
    if (gethostname(text, CHD_NAME_BYTES_MAX + 1) == 0) {
        text[CHD_NAME_BYTES_MAX] = '\0';
        use(config, CHD_SET_NODE_NAME, text, "host name", problems);
    }
}

static void detect_address(chd_config *config, char *const *env,
                           chd_problems *problems)
{
    uint8_t own[OWN_ADDRESSES_MAX][CHD_ADDRESS_BYTES];
    char text[CHD_ADDRESS_TEXT_MAX];

    if (use_variable(config, CHD_SET_MESH_ADDRESS, env, "FLY_PRIVATE_IP",
                     problems)) {
        return;
    }
    const size_t count = chd_address_list_own(own, OWN_ADDRESSES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (chd_address_is_unique_local(own[i])) {
            chd_address_print(own[i], text);
            use(config, CHD_SET_MESH_ADDRESS, text, "interface", problems);
            return;
        }
    }
}

static void detect_socket(chd_config *config, char *const *env,
                          chd_problems *problems)
{
    char text[DETECTED_MAX];
    const char *dir = chd_env_get(env, "XDG_RUNTIME_DIR");

    if (geteuid() == 0 || dir == NULL || dir[0] == '\0') {
        return;
    }
    (void)snprintf(text, sizeof(text), "%s/coherd.sock", dir);
    use(config, CHD_SET_LOCAL_SOCKET, text, "XDG_RUNTIME_DIR", problems);
}

void chd_detect(chd_config *config, char *const *env, chd_problems *problems)
{
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        const chd_setting_id id = (chd_setting_id)i;
        chd_config_set(config, id, chd_setting_of(id)->standard,
                       CHD_SOURCE_DEFAULT, "", problems);
    }
    detect_names(config, env, problems);
    detect_address(config, env, problems);
    detect_socket(config, env, problems);
}
