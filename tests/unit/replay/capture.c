#include "capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

void capture_begin(struct capture *capture)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        capture->files[i] = tmpfile();
        assert_non_null(capture->files[i]);
        capture->saved[i] = dup(STDOUT_FILENO + i);
        assert_true(capture->saved[i] >= 0);
        assert_true(dup2(fileno(capture->files[i]), STDOUT_FILENO + i) >= 0);
    }
}

static char *read_back(FILE *file)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long length = ftell(file);
    assert_true(length >= 0);
    rewind(file);
    char *text = malloc((size_t)length + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)length, file), (size_t)length);
    text[length] = '\0';
    return text;
}

void capture_end(struct capture *capture)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        assert_true(dup2(capture->saved[i], STDOUT_FILENO + i) >= 0);
        close(capture->saved[i]);
    }
    capture->output = read_back(capture->files[0]);
    capture->errors = read_back(capture->files[1]);
    fclose(capture->files[0]);
    fclose(capture->files[1]);
}

void capture_free(struct capture *capture)
{
    free(capture->output);
    free(capture->errors);
}
