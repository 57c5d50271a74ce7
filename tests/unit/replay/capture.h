/* Catches what code under test prints to stdout and stderr. */
#ifndef TAPLINE_TESTS_REPLAY_CAPTURE_H
#define TAPLINE_TESTS_REPLAY_CAPTURE_H

#include <stdio.h>

struct capture {
    FILE *files[2];
    int saved[2];
    char *output; /* NUL terminated, after capture_end */
    char *errors;
};

void capture_begin(struct capture *capture);
void capture_end(struct capture *capture);
void capture_free(struct capture *capture);

#endif
