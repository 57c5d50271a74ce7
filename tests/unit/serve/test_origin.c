/* What --origin takes. */
#include "tools/serve/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Whatever a browser can send as its Origin is taken. */
static void what_browsers_send_is_well_formed(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http://127.0.0.1:8080", "https://tap.example.com",   "http://localhost:1",
        "http://[::1]:80",       "https://a-b.example:65535", "chrome-extension://abcdefgh",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!origin_is_well_formed(good[i])) {
            print_error("refused: %s\n", good[i]);
        }
        assert_true(origin_is_well_formed(good[i]));
    }
}

/* What no browser ever sends is refused, as it would refuse every browser. */
static void what_no_browser_sends_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "foo",
        "http",
        "http://",
        "://host",
        "1http://host",
        "http:/host",
        "https://tap.example.com/",
        "https://tap.example.com/play",
        "https://tap.example.com?x",
        "https://tap.example.com:",
        "https://tap.example.com:0",
        "https://tap.example.com:08",
        "https://tap.example.com:65536",
        "https://tap.example.com:80/",
        "https://Tap.example.com",
        "HTTPS://tap.example.com",
        "https://user@tap.example.com",
        "https://tap.example.com https://b",
        "http://[::1",
        "http://[]",
        "http://[::1]x",
        "null",
        "*",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (origin_is_well_formed(bad[i])) {
            print_error("taken: %s\n", bad[i]);
        }
        assert_false(origin_is_well_formed(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_browsers_send_is_well_formed),
        cmocka_unit_test(what_no_browser_sends_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
