/* reload.h - read the configuration again while running. */
#ifndef CHD_BROKER_RELOAD_H
#define CHD_BROKER_RELOAD_H

#include "broker/log.h"
#include "broker/options.h"

/* Log everything that is wrong or doubtful. */
void chd_problems_log(const chd_problems *problems, chd_logger *logger);

/* Read everything again and move into config what has changed and can change
 * without a restart; tell what has changed, and what would need one.  A
 * mistake is told and changes nothing.  Returns whether config changed. */
bool chd_reload(chd_options *options, chd_config *config, chd_logger *logger);

#endif
