/* routes.h - what each address answers. */
#ifndef ROUTES_H
#define ROUTES_H

#include <microhttpd.h>

#include "body.h"
#include "pages.h"

/* What is served. */
struct service {
    struct pages *pages;
    struct store *source;
};

/* The body of a request, as far as it has come. */
struct upload {
    size_t len;
    char text[BODY_BYTES_MAX];
};

/* Tell what is wrong with a request before its body is read: a status, and
 * *why is a sentence for people, static.  0: nothing is. */
unsigned upload_refused(struct MHD_Connection *from, const char **why);

/* Answer a request, of which all is here. */
enum MHD_Result route(const struct service *service,
                      struct MHD_Connection *from, const char *method,
                      const char *url, const struct upload *body);

#endif
