/* detect.h - defaults that depend on where the daemon runs: on Fly.io, in a
 * pod, as an ordinary user.
 */
#ifndef CHD_BROKER_DETECT_H
#define CHD_BROKER_DETECT_H

#include "broker/config.h"

/* Return the value of a variable of env, as environ holds it, or NULL. */
const char *chd_env_get(char *const *env, const char *name);

/* Give every setting its default, from the table or as detected. */
void chd_detect(chd_config *config, char *const *env, chd_problems *problems);

#endif
