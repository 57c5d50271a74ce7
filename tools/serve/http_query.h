/* Query strings of the paged reads: `state=&before=&limit=` and
 * `ref_type=&ref_id=&from=&to=&before=&limit=` (interface.md section 3). */
#ifndef TAPLINE_TOOLS_SERVE_HTTP_QUERY_H
#define TAPLINE_TOOLS_SERVE_HTTP_QUERY_H

#include "tools/serve/reads.h"

/* Fills read->query (READ_BETS or READ_LEDGER) from the raw query. NULL when good, else what is
 * wrong; unknown and repeated parameters are refused, empty ones count as not given. */
const char *http_query_page(const char *query, struct read *read);

#endif
