#include "tools/offline.h"

#include <stdio.h>

#include "tools/commands.h"

int offline_exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK:
    case STATUS_END:
        return EXIT_GOOD;
    case STATUS_MISMATCH:
        return EXIT_DIFFERENCE;
    case STATUS_DAMAGED:
    case STATUS_LOST_TAIL:
    case STATUS_VERSION:
        return EXIT_DAMAGED;
    case STATUS_USAGE:
    case STATUS_NOT_FOUND:
        return EXIT_USAGE;
    case STATUS_IN_USE:
        return EXIT_IN_USE;
    case STATUS_INVALID:
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_NO_MEMORY:
    case STATUS_FULL:
    case STATUS_CLOSED:
        return EXIT_JOURNAL_IO;
    }
    return EXIT_JOURNAL_IO;
}

static const char *advice(enum status status)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        return "; give the data directory with --data";
    case STATUS_DAMAGED:
        return "; restore the segment from the archive, 'tapline inspect' shows the rest";
    case STATUS_LOST_TAIL:
        return "; restore the journal's tail from the archive";
    case STATUS_VERSION:
        return "; use the version of tapline that wrote it";
    case STATUS_NO_SPACE:
        return "; free some space and run it again";
    case STATUS_MISMATCH:
        return "; keep all files and report it";
    case STATUS_OK:
    case STATUS_END:
    case STATUS_INVALID:
    case STATUS_USAGE:
    case STATUS_IN_USE:
    case STATUS_IO:
    case STATUS_NO_MEMORY:
    case STATUS_FULL:
    case STATUS_CLOSED:
        return "";
    }
    return "";
}

int offline_fail(const char *command, enum status status, const char *problem)
{
    fprintf(stderr, "tapline %s: %s%s\n", command,
            problem[0] != '\0' ? problem : status_text(status), advice(status));
    return offline_exit_code(status);
}

bool offline_print(struct json *text)
{
    json_append(text, "\n", 1);
    const bool good = !text->failed && fwrite(text->text, 1, text->length, stdout) == text->length;
    json_reset(text);
    return good;
}
