#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>

json_t *vectors_load(const char *name)
{
    const char *shared = getenv("TAPLINE_SHARED");
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/vectors/%s", shared != NULL ? shared : TAPLINE_SHARED_DIR,
                   name); /* a cut path is not found */
    json_t *json = json_load_file(path, 0, NULL);
    if (json == NULL) {
        printf("SKIPPED: no vectors at %s (set TAPLINE_SHARED)\n", path);
    }
    return json;
}
