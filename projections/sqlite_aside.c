#include "projections/sqlite_aside.h"

#include <dirent.h>

#include "projections/sqlite_file.h"
#include "projections/week.h"

enum status sqlite_aside(const char *dir)
{
    struct sqlite_file file;
    enum status status = STATUS_OK;
    DIR *stream = opendir(dir);
    if (stream == NULL) {
        return STATUS_IO;
    }
    const struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(stream)) != NULL) {
        int64_t start_ms;
        if (week_from_file_name(entry->d_name, &start_ms)) {
            sqlite_file_init_week(&file, start_ms);
            status = sqlite_file_discard(&file, dir, true);
        }
    }
    (void)closedir(stream); /* was read only */
    if (status != STATUS_OK) {
        return status;
    }
    /* Last: as long as it is there, a start sees again what was found. */
    sqlite_file_init_main(&file);
    return sqlite_file_discard(&file, dir, true);
}
