/* value.h - read and write one value of a setting's type.
 *
 * Units:  as in config.h.
 */
#ifndef CHD_BROKER_VALUE_H
#define CHD_BROKER_VALUE_H

#include "broker/config.h"

/* Read text as the setting's type demands; false when it does not fit.
 * *number is 0 for what is not a number. */
bool chd_value_parse(const chd_setting *setting, const char *text,
                     uint64_t *number);

/* Write what the setting accepts: "a duration from 1s to 1h". */
void chd_value_accepts(const chd_setting *setting, char *text, size_t cap);

/* Write a number in its setting's unit: "500ms", "32MiB", "ipv6". */
void chd_value_print(const chd_setting *setting, uint64_t number, char *text,
                     size_t cap);

/* Tell whether values of the setting's type are numbers. */
bool chd_value_is_number(const chd_setting *setting);

#endif
