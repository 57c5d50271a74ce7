/* The form of an origin, as a browser writes it into its Origin header and this program's players
 * sign it: scheme://host or scheme://host:port, in lower case, with nothing behind. Any other text
 * given by --origin would never equal a header, and every browser would be refused. */
#ifndef TAPLINE_TOOLS_SERVE_ORIGIN_H
#define TAPLINE_TOOLS_SERVE_ORIGIN_H

#include <stdbool.h>

#include "base/status.h"

/* True for a text of that form. The host is a name, an IPv4 address or an IPv6 address in []; the
 * port is 1..65535 without leading zeros. */
MUST_USE bool origin_is_well_formed(const char *text);

#endif
