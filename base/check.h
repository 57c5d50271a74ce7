/* CHECK: for bugs only, one condition each, on in every build. Never for what a disk, a peer or a
 * user can cause (those are enum status or a refusal). In freestanding code (the state machine) a
 * failed CHECK is a trap instruction, so that the archive needs no symbol; the program's signal
 * handler turns it into exit code 70. */
#ifndef TAPLINE_BASE_CHECK_H
#define TAPLINE_BASE_CHECK_H

#if __STDC_HOSTED__
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            check_failed(#condition, __FILE__, __LINE__);                                          \
        }                                                                                          \
    } while (0)

/* Prints the condition and the place to stderr and ends the process with CHECK_EXIT_CODE. */
_Noreturn void check_failed(const char *condition, const char *file, int line);
#else
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)
#endif

#define CHECK_EXIT_CODE 70

#endif
