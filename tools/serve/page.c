#include "tools/serve/page.h"

#include <string.h>

#include "page_app.h"
#include "page_index.h"
#include "page_style.h"

#define FILE_OF(path, type, text)                                                                  \
    {                                                                                              \
        path, type, (const unsigned char *)(text), sizeof(text) - 1                                \
    }

static const struct page_file files[] = {
    FILE_OF("/", "text/html; charset=utf-8", page_index),
    FILE_OF("/app.js", "text/javascript; charset=utf-8", page_app),
    FILE_OF("/style.css", "text/css; charset=utf-8", page_style),
};

const struct page_file *page_find(const char *path)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strcmp(files[i].path, path) == 0) {
            return &files[i];
        }
    }
    return NULL;
}
