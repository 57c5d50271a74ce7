/* Makes a golden journal: only ever for a format or rules that are released anew. One that is there
 * is never written over, it is what every later program must replay.
 *
 *     make_golden DIRECTORY SEED POINTS      DIRECTORY must not exist: tests/vectors/golden/NAME */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/property/story.h"
#include "tests/vectors/golden.h"

static int fail(const char *what, const char *path)
{
    fprintf(stderr, "make_golden: %s '%s': %s\n", what, path, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: make_golden DIRECTORY SEED POINTS\n");
        return 64;
    }
    static char text[GOLDEN_TEXT_BYTES];
    char data_dir[] = "/tmp/tapline-golden-XXXXXX";
    char path[1024];
    if (mkdtemp(data_dir) == NULL || mkdir(argv[1], 0755) != 0) {
        return fail("cannot make", argv[1]);
    }
    const struct story_options options = {
        .dir = data_dir,
        .seed = strtoull(argv[2], NULL, 0),
        .points = strtol(argv[3], NULL, 0),
    };
    struct story_told told;
    story_write(&options, &told);
    golden_pack(data_dir, argv[1]);
    golden_describe(data_dir, text);
    snprintf(path, sizeof path, "%s/" GOLDEN_EXPECTED, argv[1]);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputs(text, file) == EOF || fclose(file) != 0) {
        return fail("cannot write", path);
    }
    printf("%s: made from the journal in %s\n%s", argv[1], data_dir, text);
    return 0;
}
