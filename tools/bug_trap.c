#include "tools/bug_trap.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

static _Atomic unsigned long long noted_seq;

/* Appends text, or digits, to the line; snprintf is not async-signal-safe. */
static size_t append(char *line, size_t length, const char *text)
{
    const size_t count = strlen(text);
    memcpy(line + length, text, count);
    return length + count;
}

static size_t append_digits(char *line, size_t length, unsigned long long value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count] = (char)('0' + value % 10);
        count += 1;
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        count -= 1;
        line[length] = digits[count];
        length += 1;
    }
    return length;
}

static void on_trap(int signal_number)
{
    (void)signal_number;
    char line[160];
    size_t length = append(line, 0, "tapline: bug: a check of the state machine failed");
    const unsigned long long seq = atomic_load(&noted_seq);
    if (seq != 0) {
        length = append(line, length, " at seq ");
        length = append_digits(line, length, seq);
    }
    length = append(line, length, "; keep the journal and report it\n");
    if (write(STDERR_FILENO, line, length) < 0) {
        _exit(CHECK_EXIT_CODE); /* nobody hears it, the exit code still tells */
    }
    _exit(CHECK_EXIT_CODE);
}

void bug_trap_install(void)
{
    struct sigaction action = {.sa_handler = on_trap};
    sigemptyset(&action.sa_mask);
    /* sigaction fails for invalid signals only. */
    (void)sigaction(SIGILL, &action, NULL);
    (void)sigaction(SIGTRAP, &action, NULL);
}

void bug_trap_note(unsigned long long seq)
{
    atomic_store_explicit(&noted_seq, seq, memory_order_relaxed);
}
