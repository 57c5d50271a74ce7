/* The one program: finds the subcommand and hands over. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tools/bug_trap.h"
#include "tools/commands.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
#ifdef TAPLINE_HAS_SERVE
    {"serve", command_serve, "runs the server"},
#endif
    {"verify", command_verify, "checks the journal, every digest and the projections"},
    {"replay", command_replay, "rebuilds the projections into a new directory"},
    {"inspect", command_inspect, "shows journal records"},
    {"explain", command_explain, "tells the whole story of one bet"},
    {"whatif", command_whatif, "the taps again under another market configuration"},
    {"diff", command_diff, "compares two journals and the states they lead to"},
    {"account", command_account, "shows an account as of any moment"},
    {"recover", command_recover, "keeps what is sound of a damaged journal"},
#ifdef TAPLINE_HAS_ADMIN
    {"admin", command_admin, "operator commands to a running server"},
#endif
#ifdef TAPLINE_HAS_BENCH
    {"bench", command_bench, "measures this program on this machine"},
#endif
};

static void print_help(FILE *to)
{
    fprintf(to, "usage: tapline COMMAND [options]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(to, "\n'tapline COMMAND --help' shows the options and exit codes of a command.\n");
}

int main(int argc, char **argv)
{
    bug_trap_install();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("tapline %s\n", TAPLINE_VERSION);
        return EXIT_GOOD;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, argv[1]) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "tapline: unknown command '%s'; see 'tapline --help'\n", argv[1]);
    return EXIT_USAGE;
}
