/* What verify looks at besides digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/audit.h"

static void put_recovery(struct audit *audit, uint64_t seq, uint64_t kept_to)
{
    const struct input input = {
        .seq = seq, .kind = INPUT_RECOVERY, .of.recovery = {.kept_to = kept_to}};
    audit_record(audit, &input);
}

/* A recovery says which record is the last one kept, and it is the one before it. */
static void a_recovery_in_another_place_is_found(void **state)
{
    (void)state;
    struct audit *audit;
    assert_int_equal(audit_open(0, &audit), STATUS_OK);
    put_recovery(audit, 10, 9);
    assert_int_equal(audit_finish(audit)->recoveries, 1);
    assert_int_equal(audit_finish(audit)->first_bad_seq, 0);
    put_recovery(audit, 20, 18);
    put_recovery(audit, 30, 30);
    const struct audit_result *result = audit_finish(audit);
    assert_int_equal(result->recoveries, 1);
    assert_int_equal(result->recoveries_bad, 2);
    assert_int_equal(result->first_bad_seq, 20);
    assert_string_equal(result->problem,
                        "seq 20: a recovery that does not follow the last record it kept");
    audit_free(audit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recovery_in_another_place_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
