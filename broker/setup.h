/* setup.h - from the configuration to what the parts are created with. */
#ifndef CHD_BROKER_SETUP_H
#define CHD_BROKER_SETUP_H

#include "broker/address.h"
#include "broker/config.h"
#include "broker/log.h"
#include "proto/core/core.h"

/* Return where the mesh sockets are bound: mesh.address, mesh.port. */
chd_endpoint chd_setup_bound(const chd_config *config);

/* Return what peers are told: bound or, where that is every address of the
 * host, a private one of them. */
chd_endpoint chd_setup_announced(const chd_endpoint *bound);

/* Fill in the core's configuration.  Its texts borrow from config. */
void chd_setup_core(const chd_config *config, const chd_endpoint *announced,
                    chd_core_config *core);

/* Take over logging.level and logging.format. */
void chd_setup_logger(const chd_config *config, chd_logger *logger);

/* Log the version and the settings: those that are not defaults as info, the
 * others as debug. */
void chd_setup_log(const chd_config *config, uint64_t node,
                   const chd_endpoint *announced, chd_logger *logger);

/* Raise the limit of open files, and warn if it is below the need. */
void chd_setup_descriptors(const chd_config *config, chd_logger *logger);

#endif
