/* file.h - read the configuration file.
 *
 *   # a comment
 *   mesh.port = 7420          # another
 *   cluster.name = "my shop"  # quotes keep blanks and #
 *
 * Inside quotes \" and \\ stand for a quote and a backslash.  A setting may
 * stand in the file once.
 */
#ifndef CHD_BROKER_FILE_H
#define CHD_BROKER_FILE_H

#include "broker/config.h"

/* Read the file at path into config.  What is wrong with it, or that it
 * cannot be read, goes into problems. */
void chd_file_read(const char *path, chd_config *config,
                   chd_problems *problems);

#endif
