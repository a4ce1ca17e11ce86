/* config.h - the settings: their table, their values, where each came from.
 *
 * Units:  numbers are in the unit of the setting's type: nanoseconds, bytes,
 *         a plain number, or the index of a choice.
 * Owns:   a chd_config owns its texts; what it returns is borrowed from it.
 */
#ifndef CHD_BROKER_CONFIG_H
#define CHD_BROKER_CONFIG_H

#include <stdio.h>

#include "broker/problem.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

typedef enum chd_setting_id {
#define X(name, id, type, choices, min, max, standard, reloadable, help)       \
    CHD_SET_##id,
#include "broker/config.def"
#undef X
    CHD_SET_COUNT
} chd_setting_id;

typedef enum chd_type {
    CHD_TYPE_NAME,      /* text                                            */
    CHD_TYPE_ADDRESS,   /* IPv6 or IPv4                                    */
    CHD_TYPE_COUNT,     /* a decimal number                                */
    CHD_TYPE_NAMES,     /* comma-separated DNS names                       */
    CHD_TYPE_ENDPOINTS, /* comma-separated addresses, ports may be missing */
    CHD_TYPE_CHOICE,    /* one of a few words                              */
    CHD_TYPE_DURATION,  /* a number with ms, s, m or h                     */
    CHD_TYPE_SIZE,      /* a number, of bytes or with KiB, MiB or GiB      */
    CHD_TYPE_PATH,      /* of a Unix socket                                */
    CHD_TYPE_MODE,      /* octal                                           */
    CHD_TYPE_GROUP,     /* of the system, by name or number                */
    CHD_TYPE_UIDS,      /* comma-separated numbers                         */
    CHD_TYPE_LISTEN,    /* an address with a port, or empty                */
} chd_type;

typedef struct chd_setting {
    const char *name; /* as in the file: "mesh.port" */
    chd_type type;
    const char *choices; /* of CHOICE: "ipv6|ipv4|any" */
    uint64_t min;
    uint64_t max;
    const char *standard; /* the default, as text */
    bool reloadable;
    const char *help;
} chd_setting;

/* In order of precedence. */
typedef enum chd_source {
    CHD_SOURCE_NONE,
    CHD_SOURCE_DEFAULT,
    CHD_SOURCE_DETECTED,
    CHD_SOURCE_FILE,
    CHD_SOURCE_ENVIRONMENT,
    CHD_SOURCE_FLAG,
} chd_source;

typedef struct chd_value {
    char *text;
    uint64_t number;
    chd_source source;
    char *origin; /* "FLY_REGION", "/etc/coherd/coherd.conf:3", "--mesh-port" */
} chd_value;

typedef struct chd_config {
    chd_value values[CHD_SET_COUNT];
} chd_config;

/* Most DNS names and user ids that a list may hold. */
#define CHD_NAMES_MAX 32
#define CHD_UIDS_MAX 256

/* A flag or variable is a setting's name with other letters. */
#define CHD_SETTING_NAME_MAX 64

/* Return the table's row of a setting. */
const chd_setting *chd_setting_of(chd_setting_id id);

/* Find a setting by its name in the file; false when there is none. */
bool chd_setting_find(const char *name, chd_setting_id *id);

/* Return the setting that name was probably meant to be. */
chd_setting_id chd_setting_nearest(const char *name);

/* Write "COHERD_MESH_PORT" and "--mesh-port". */
void chd_setting_variable(chd_setting_id id, char text[CHD_SETTING_NAME_MAX]);
void chd_setting_flag(chd_setting_id id, char text[CHD_SETTING_NAME_MAX]);

/* Check text and make it the setting's value, unless a source of higher
 * precedence has set it already.  What is wrong with it goes into problems. */
void chd_config_set(chd_config *config, chd_setting_id id, const char *text,
                    chd_source source, const char *origin,
                    chd_problems *problems);

/* Check what settings demand of each other. */
void chd_config_check(const chd_config *config, chd_problems *problems);

/* Return a value as a number. */
uint64_t chd_config_number(const chd_config *config, chd_setting_id id);

/* Return a value as text: as it was given, never NULL. */
const char *chd_config_text(const chd_config *config, chd_setting_id id);

/* Write where a value came from: "from /etc/coherd/coherd.conf:3". */
void chd_config_origin(const chd_config *config, chd_setting_id id, char *text,
                       size_t cap);

/* Print all values and where they came from, as a file that can be read. */
void chd_config_print(const chd_config *config, FILE *file);

/* Print all settings with their flags, defaults and meaning. */
void chd_config_help(FILE *file);

/* Forget all values. */
void chd_config_fini(chd_config *config);

/* Take the next item off a comma-separated list; blanks around it are
 * dropped, and items without anything else are skipped.  Items longer than
 * cap - 1 bytes are cut: the checks above know no such.  False at the end. */
bool chd_list_next(const char **list, char *item, size_t cap);

#endif
