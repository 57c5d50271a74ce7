#include "tools/bench/figures.h"

#include <inttypes.h>
#include <stdio.h>

void figures_open(struct figures *figures, bool as_json)
{
    *figures = (struct figures){.as_json = as_json};
    if (as_json) {
        json_open(&figures->json, '{');
        json_key(&figures->json, "figures");
        json_open(&figures->json, '[');
    }
}

static void say(struct figures *figures, const char *name, const char *value, const char *unit)
{
    if (!figures->as_json) {
        printf("%s %s%s%s\n", name, value, unit[0] == '\0' ? "" : " ", unit);
        fflush(stdout);
        return;
    }
    json_open(&figures->json, '{');
    json_key(&figures->json, "name");
    json_string(&figures->json, name);
    json_key(&figures->json, "value");
    json_string(&figures->json, value);
    json_key(&figures->json, "unit");
    json_string(&figures->json, unit);
    json_close(&figures->json, '}');
}

void figures_value(struct figures *figures, const char *name, double value, int digits,
                   const char *unit)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*f", digits, value);
    say(figures, name, text, unit);
}

void figures_count(struct figures *figures, const char *name, uint64_t value, const char *unit)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    say(figures, name, text, unit);
}

void figures_text(struct figures *figures, const char *name, const char *text)
{
    say(figures, name, text, "");
}

bool figures_close(struct figures *figures)
{
    bool good = true;
    if (figures->as_json) {
        json_close(&figures->json, ']');
        json_close(&figures->json, '}');
        good = !figures->json.failed && puts(figures->json.text) >= 0;
    }
    json_text_free(&figures->json);
    return fflush(stdout) == 0 && ferror(stdout) == 0 && good;
}
