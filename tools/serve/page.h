/* The page's files, compiled in at build time from projections/web/. No path of the file system is
 * ever made of a request. */
#ifndef TAPLINE_TOOLS_SERVE_PAGE_H
#define TAPLINE_TOOLS_SERVE_PAGE_H

#include <stddef.h>

struct page_file {
    const char *path; /* "/app.js"; "/" is index.html */
    const char *type;
    const unsigned char *bytes;
    size_t length;
};

/* The file of a request path, or NULL. */
const struct page_file *page_find(const char *path);

#endif
