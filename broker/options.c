#include "broker/options.h"

#include <string.h>
#include <unistd.h>

#include "broker/detect.h"
#include "broker/file.h"

static const char variable_prefix[] = "COHERD_";

typedef struct plain_flag {
    const char *name;
    chd_purpose purpose;
} plain_flag;

static const plain_flag plain_flags[] = {
    {"--help", CHD_PURPOSE_HELP},
    {"-h", CHD_PURPOSE_HELP},
    {"--version", CHD_PURPOSE_VERSION},
    {"--check-config", CHD_PURPOSE_CHECK},
    {"--print-config", CHD_PURPOSE_PRINT},
};

void chd_options_help(FILE *file)
{
    fputs("usage: coherd [--config FILE] [--SETTING VALUE]...\n"
          "\n"
          "Keeps the caches of many application instances coherent.\n"
          "\n"
          "  --config FILE          read FILE (" CHD_FILE_STANDARD
          ", if it exists)\n"
          "  --check-config         check the configuration and exit\n"
          "  --print-config         print it, and where each value is from\n"
          "  --version              print the version and exit\n"
          "  --help                 print this and exit\n"
          "\n"
          "Settings, as flags; mesh.port in the file is --mesh-port here and\n"
          "COHERD_MESH_PORT in the environment:\n"
          "\n",
          file);
    chd_config_help(file);
}

/* Find the setting whose flag has the first len bytes of arg. */
static bool find_flag(const char *arg, size_t len, chd_setting_id *id)
{
    char flag[CHD_SETTING_NAME_MAX];

    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        chd_setting_flag((chd_setting_id)i, flag);
        if (strlen(flag) == len && memcmp(flag, arg, len) == 0) {
            *id = (chd_setting_id)i;
            return true;
        }
    }
    return false;
}

/* Take a flag that stands alone; the last one that says what to do wins. */
static bool take_plain_flag(chd_options *options, const char *arg)
{
    for (size_t i = 0; i < CHD_COUNT(plain_flags); i++) {
        if (strcmp(arg, plain_flags[i].name) == 0) {
            options->purpose = plain_flags[i].purpose;
            return true;
        }
    }
    return false;
}

/* Take a flag that has a value, and move *i to the last argument used. */
static void take_value_flag(chd_options *options, int *i, chd_config *config,
                            chd_problems *problems)
{
    const char *arg = options->argv[*i];
    const size_t len = strcspn(arg, "=");
    const bool is_file = len == 8 && memcmp(arg, "--config", len) == 0;
    chd_setting_id id = 0;
    char origin[CHD_SETTING_NAME_MAX];

    if (!is_file && !find_flag(arg, len, &id)) {
        chd_setting_flag(chd_setting_nearest(arg + 2), origin);
        chd_problem_error(problems,
                          "unknown flag %.*s; did you mean %s? (see coherd "
                          "--help)",
                          (int)len, arg, origin);
        /* What follows is most likely its value. */
        *i += arg[len] != '=' && *i + 1 < options->argc &&
              options->argv[*i + 1][0] != '-';
        return;
    }
    const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
    if (value == NULL && *i + 1 < options->argc) {
        value = options->argv[++*i];
    }
    if (value == NULL) {
        chd_problem_error(problems, "%.*s needs a value", (int)len, arg);
    } else if (is_file) {
        options->file = value;
    } else {
        chd_setting_flag(id, origin);
        chd_config_set(config, id, value, CHD_SOURCE_FLAG, origin, problems);
    }
}

static void read_flags(chd_options *options, chd_config *config,
                       chd_problems *problems)
{
    for (int i = 1; i < options->argc; i++) {
        const char *arg = options->argv[i];
        if (take_plain_flag(options, arg)) {
            continue;
        }
        if (strncmp(arg, "--", 2) != 0) {
            chd_problem_error(problems,
                              "\"%s\" is not a flag (see coherd --help)", arg);
            continue;
        }
        take_value_flag(options, &i, config, problems);
    }
}

/* Take one variable, "NAME=value", whose name begins with our prefix. */
static void read_variable(const char *variable, chd_config *config,
                          chd_problems *problems)
{
    const size_t len = strcspn(variable, "=");
    char name[CHD_SETTING_NAME_MAX];

    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        chd_setting_variable((chd_setting_id)i, name);
        if (strlen(name) == len && memcmp(name, variable, len) == 0) {
            chd_config_set(config, (chd_setting_id)i, variable + len + 1,
                           CHD_SOURCE_ENVIRONMENT, name, problems);
            return;
        }
    }
    (void)snprintf(name, sizeof(name), "%.*s",
                   (int)(len - strlen(variable_prefix)),
                   variable + strlen(variable_prefix));
    chd_setting_variable(chd_setting_nearest(name), name);
    chd_problem_warning(problems,
                        "environment variable %.*s is not a setting and has "
                        "no effect; did you mean %s?",
                        (int)len, variable, name);
}

static void read_environment(char *const *env, chd_config *config,
                             chd_problems *problems)
{
    for (; *env != NULL; env++) {
        if (strncmp(*env, variable_prefix, strlen(variable_prefix)) == 0 &&
            strchr(*env, '=') != NULL) {
            read_variable(*env, config, problems);
        }
    }
}

void chd_options_read(chd_options *options, chd_config *config,
                      chd_problems *problems)
{
    options->purpose = CHD_PURPOSE_RUN;
    options->file =
        access(CHD_FILE_STANDARD, F_OK) == 0 ? CHD_FILE_STANDARD : NULL;
    read_flags(options, config, problems);
    chd_detect(config, options->env, problems);
    if (options->file != NULL) {
        chd_file_read(options->file, config, problems);
    }
    read_environment(options->env, config, problems);
    if (problems->error_count == 0) {
        chd_config_check(config, problems);
    }
}
