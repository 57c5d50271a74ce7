/* `tapline bench`: finds the benchmark and hands over. */
#include <stdio.h>
#include <string.h>

#include "tools/bench/commands.h"
#include "tools/commands.h"

struct benchmark {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct benchmark benchmarks[] = {
    {"live", bench_live, "signed taps against a real server, open loop"},
    {"signature", bench_signature, "wallet signatures on one core"},
    {"disk", bench_disk, "synced writes as the journal makes them"},
    {"machine", bench_machine, "the state machine alone, in memory"},
    {"fill", bench_fill, "makes a journal of any size"},
    {"kept", bench_kept, "bytes that a tap leaves behind"},
    {"verify", bench_verify, "a whole journal checked from its first record"},
    {"replay", bench_replay, "a whole journal applied, as a start does"},
};

static void print_help(FILE *to)
{
    fprintf(to, "usage: tapline bench BENCHMARK [options]\n\n");
    for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++) {
        fprintf(to, "  %-9s %s\n", benchmarks[i].name, benchmarks[i].summary);
    }
    fprintf(to, "\n'tapline bench BENCHMARK --help' shows its options. Figures are printed, and\n"
                "judged by nobody: docs/PERFORMANCE.md says what was measured where.\n");
}

int command_bench(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_GOOD;
    }
    for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++) {
        if (strcmp(benchmarks[i].name, argv[1]) == 0) {
            return benchmarks[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "tapline bench: unknown benchmark '%s'; see 'tapline bench --help'\n", argv[1]);
    return EXIT_USAGE;
}
