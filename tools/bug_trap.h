/* The state machine is freestanding: its failed CHECK is a trap instruction. This turns the signal
 * of one (SIGILL, SIGTRAP) into one line on stderr and exit code 70, the same as a CHECK elsewhere.
 */
#ifndef TAPLINE_TOOLS_BUG_TRAP_H
#define TAPLINE_TOOLS_BUG_TRAP_H

/* Installs the handlers; called once by main before anything else. */
void bug_trap_install(void);

/* The record being applied now, for the line; 0: none. Async-signal-safe, any thread. */
void bug_trap_note(unsigned long long seq);

#endif
