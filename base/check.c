#include "base/check.h"

#include <stdio.h>
#include <unistd.h>

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "tapline: bug: CHECK(%s) failed at %s:%d; please report this line\n", condition,
            file, line);
    fflush(stderr);
#ifdef __SANITIZE_ADDRESS__
    __builtin_trap();
#endif
    _exit(CHECK_EXIT_CODE);
}
