/* http.h - the pages over HTTP.
 *
 *   GET /episodes/51               one episode
 *   PUT /episodes/51               create or replace it
 *   GET /episodes                  the first 20 of all shows
 *   GET /episodes?show=S&after=51  the next 20 of a show
 *   GET /stats, GET /healthz
 *
 * A page comes with X-Cache (hit, miss or stale), X-Staleness-Ms, an ETag, and
 * "Cache-Control: no-cache": what lies between us and the reader hears of no
 * invalidation, so it may keep the page but has to ask whether it still is the
 * right one.
 */
#ifndef HTTP_H
#define HTTP_H

#include "pages.h"

struct http;

/* Serve on an address, a number, and a port, in threads of their own.
 *
 * Owns: on true, *http belongs to the caller: http_stop; pages and source are
 * borrowed until then.
 * Errors: false, and a line on standard error says why. */
bool http_start(const char *address, const char *port, struct pages *pages,
                struct store *source, struct http **http);

/* Take no more requests, wait until those that were begun are answered, five
 * seconds at most, and stop. */
void http_stop(struct http *http);

#endif
