#include "tools/offline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "journal/journal.h"
#include "projections/sqlite_audit.h"
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
    case STATUS_LOST_TAIL:
        return "; " JOURNAL_ADVICE;
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
    case STATUS_VERSION: /* its line says what to start */
        return "";
    }
    return "";
}

int offline_fail(const char *command, enum status status, const char *problem)
{
    /* What the journal says of its damage ends in the advice already. */
    const bool advised = strstr(problem, JOURNAL_ADVICE) != NULL;
    fprintf(stderr, "tapline %s: %s%s\n", command,
            problem[0] != '\0' ? problem : status_text(status), advised ? "" : advice(status));
    return offline_exit_code(status);
}

bool offline_is_directory(const char *command, const char *option, const char *path, int *code)
{
    struct stat seen;
    const int error = stat(path, &seen) != 0 ? errno : S_ISDIR(seen.st_mode) ? 0 : ENOTDIR;
    if (error == 0) {
        return true;
    }
    fprintf(stderr, "tapline %s: %s '%s': %s; name a directory\n", command, option, path,
            strerror(error));
    *code = EXIT_USAGE;
    return false;
}

bool offline_lost_journal(const char *command, const char *data_dir)
{
    uint64_t seq;
    char name[32];
    sqlite_audit_witness(data_dir, &seq, name);
    if (seq > 0) {
        fprintf(stderr,
                "tapline %s: the folder journal/ is missing, but %s has seen seq %" PRIu64
                ": put it back from where it went, or from a backup\n",
                command, name, seq);
    }
    return seq > 0;
}

bool offline_print(struct json *text)
{
    json_append(text, "\n", 1);
    const bool good = !text->failed && fwrite(text->text, 1, text->length, stdout) == text->length;
    json_reset(text);
    return good;
}
