/* `tapline bench signature`: what one core signs and checks, the yardstick for the work of a tap.
 */
#include <stdio.h>

#include "base/check.h"
#include "tools/bench/commands.h"
#include "tools/bench/figures.h"
#include "tools/bench/surroundings.h"
#include "tools/bench/wallets.h"
#include "tools/commands.h"
#include "tools/options.h"

#define MEASURE_MS 2000

enum row {
    ROW_JSON,
    ROW_COUNT
};

int bench_signature(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {.command = "bench signature",
                              .usage = "tapline bench signature [--json]",
                              .summary = "Signs and checks wallet signatures on one core.",
                              .rows = rows,
                              .row_count = ROW_COUNT};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct wallets wallets;
    struct figures figures;
    CHECK(wallets_open(&wallets, 1) == STATUS_OK);
    figures_open(&figures, rows[ROW_JSON].given);
    figures_value(&figures, "recover_rate", surroundings_recover_rate(&wallets, MEASURE_MS), 0,
                  "1/s/core");
    figures_value(&figures, "sign_rate", surroundings_sign_rate(&wallets, MEASURE_MS), 0,
                  "1/s/core");
    surroundings_say(&figures, ".");
    wallets_close(&wallets);
    options_free(&options);
    return figures_close(&figures) ? EXIT_GOOD : EXIT_DIFFERENCE;
}
