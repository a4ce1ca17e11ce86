/* options.h - what the command line, the environment and the file say.
 *
 * Flags come first, then the environment, then the file, then defaults.
 */
#ifndef CHD_BROKER_OPTIONS_H
#define CHD_BROKER_OPTIONS_H

#include "broker/config.h"

#define CHD_FILE_STANDARD "/etc/coherd/coherd.conf"

typedef enum chd_purpose {
    CHD_PURPOSE_RUN,
    CHD_PURPOSE_HELP,
    CHD_PURPOSE_VERSION,
    CHD_PURPOSE_CHECK,
    CHD_PURPOSE_PRINT,
} chd_purpose;

typedef struct chd_options {
    int argc; /* kept to read everything again on SIGHUP */
    char *const *argv;
    char *const *env;
    chd_purpose purpose;
    const char *file; /* NULL: there is none */
} chd_options;

/* Read flags, environment and file into config, which must be zeroed or
 * finished.  Fills in options; argv and env are borrowed from the process.
 * What is wrong goes into problems; config is usable without errors there. */
void chd_options_read(chd_options *options, chd_config *config,
                      chd_problems *problems);

/* Print how to call the daemon. */
void chd_options_help(FILE *file);

#endif
