/* answer.h - what goes back to the reader. */
#ifndef ANSWER_H
#define ANSWER_H

#include <microhttpd.h>

#include "pages.h"

/* Answer with a fault: {"error": text}; text is static and needs no escapes.
 * allow may be NULL; else it names the methods that there are. */
enum MHD_Result answer_fault(struct MHD_Connection *to, unsigned status,
                             const char *text, const char *allow);

/* Answer with what was counted, or the like; json is copied. */
enum MHD_Result answer_json(struct MHD_Connection *to, const char *json);

/* Answer with what pages_get returned.
 *
 * Owns: page->held is consumed. */
enum MHD_Result answer_page(struct MHD_Connection *to, int status,
                            const struct page *page);

/* Answer a write. */
enum MHD_Result answer_change(struct MHD_Connection *to,
                              const struct change *change, enum told told);

#endif
