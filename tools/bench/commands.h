/* The benchmarks of `tapline bench`, each with its own options; as the commands of
 * tools/commands.h. */
#ifndef TAPLINE_TOOLS_BENCH_COMMANDS_H
#define TAPLINE_TOOLS_BENCH_COMMANDS_H

int bench_live(int argc, char **argv);
int bench_signature(int argc, char **argv);
int bench_disk(int argc, char **argv);
int bench_machine(int argc, char **argv);
int bench_fill(int argc, char **argv);
int bench_kept(int argc, char **argv);
int bench_verify(int argc, char **argv);
int bench_replay(int argc, char **argv);

#endif
