#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* Every status has words of its own, so that no two errors read alike. */
static void every_status_has_its_own_text(void **state)
{
    (void)state;
    static const enum status all[] = {
#define X(name, text) name,
        STATUS_LIST(X)
#undef X
    };
    const unsigned count = sizeof(all) / sizeof(all[0]);
    for (unsigned i = 0; i < count; i++) {
        assert_true(strlen(status_text(all[i])) > 0);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(status_text(all[i]), status_text(all[j]));
        }
    }
    assert_string_equal(status_text(STATUS_OK), "ok");
}

/* A number that is no status is still printable. */
static void unknown_status_is_printable(void **state)
{
    (void)state;
    assert_string_equal(status_text((enum status)9999), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_text),
        cmocka_unit_test(unknown_status_is_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
