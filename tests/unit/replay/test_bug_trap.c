#include "tools/bug_trap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

/* Runs a child that notes the seq and traps; gives its exit code and what it said on stderr. */
static int trap_in_child(int signal_number, unsigned long long seq, char *said, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        bug_trap_install();
        bug_trap_note(seq);
        if (signal_number == 0) {
            __builtin_trap();
        }
        raise(signal_number);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], said + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    said[length] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A trap instruction, and both signals that a machine may give for one, end the process with 70 and
 * one line that names the record being applied. */
static void a_trap_names_its_record_and_ends_with_70(void **state)
{
    (void)state;
    static const int signals[] = {0, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        char said[1024];
        assert_int_equal(trap_in_child(signals[i], 18446744073709551615u, said, sizeof said),
                         CHECK_EXIT_CODE);
        assert_non_null(strstr(said, "at seq 18446744073709551615"));
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    }
}

/* Before any record there is no seq to name. */
static void a_trap_before_any_record_names_none(void **state)
{
    (void)state;
    char said[1024];
    assert_int_equal(trap_in_child(SIGILL, 0, said, sizeof said), CHECK_EXIT_CODE);
    assert_null(strstr(said, "seq"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trap_names_its_record_and_ends_with_70),
        cmocka_unit_test(a_trap_before_any_record_names_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
