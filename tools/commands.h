/* The subcommands of `tapline`. Each takes its own arguments (argv[0] is the command's name) and
 * returns the exit code of the process: 0, those its --help names, EXIT_USAGE for wrong usage. */
#ifndef TAPLINE_TOOLS_COMMANDS_H
#define TAPLINE_TOOLS_COMMANDS_H

#define TAPLINE_VERSION "0.1.0"

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_DIFFERENCE = 1, /* something does not match, or was not found */
    EXIT_DAMAGED = 2,    /* the journal is damaged (offline commands) */
    EXIT_USAGE = 64,
    EXIT_BUG = 70,             /* a failed CHECK */
    EXIT_JOURNAL_IO = 73,      /* input/output error */
    EXIT_JOURNAL_DAMAGED = 74, /* serve: damaged, or shorter than its witnesses */
    EXIT_IN_USE = 75,          /* the data directory is in use */
};

int command_serve(int argc, char **argv); /* tools/serve/ */
int command_admin(int argc, char **argv);
int command_bench(int argc, char **argv); /* tools/bench/ */
int command_verify(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_whatif(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_account(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_recover(int argc, char **argv);

#endif
