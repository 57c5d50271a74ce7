#include "tools/bench/surroundings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define NS_PER_S   1000000000
#define TEXT_BYTES 320 /* as long as a tap's text */

static void say_model(struct figures *figures)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *colon = strchr(line, ':');
        if (colon != NULL && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            figures_text(figures, "machine.model", colon + 2);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void say_file_system(struct figures *figures, const char *directory)
{
    static const struct {
        long magic;
        const char *name;
    } known[] = {{0xef53, "ext4"},      {0x58465342, "xfs"},       {0x9123683e, "btrfs"},
                 {0x01021994, "tmpfs"}, {0x794c7630, "overlayfs"}, {0x2fc12fc1, "zfs"},
                 {0xf2f52010, "f2fs"}};
    struct statfs info;
    char text[32] = "unknown";
    if (statfs(directory, &info) == 0) {
        snprintf(text, sizeof(text), "0x%lx", (unsigned long)info.f_type);
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (known[i].magic == info.f_type) {
                snprintf(text, sizeof(text), "%s", known[i].name);
            }
        }
    }
    figures_text(figures, "machine.file_system", text);
}

void surroundings_say(struct figures *figures, const char *directory)
{
    struct utsname name;
    figures_count(figures, "machine.cores", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN), "cores");
    say_model(figures);
    if (uname(&name) == 0) {
        figures_text(figures, "machine.kernel", name.release);
    }
    say_file_system(figures, directory);
}

int64_t surroundings_busy_ns(void)
{
    /* user, nice, system, idle, iowait, irq, softirq, steal */
    uint64_t ticks[8] = {0};
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL) {
        return 0;
    }
    const int count = fscanf(file,
                             "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                             " %" SCNu64 " %" SCNu64 " %" SCNu64,
                             &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5],
                             &ticks[6], &ticks[7]);
    fclose(file);
    if (count != 8) {
        return 0;
    }
    const uint64_t busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7];
    return (int64_t)busy * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

int64_t surroundings_own_ns(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
           (int64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

double surroundings_recover_rate(const struct wallets *wallets, int64_t measure_ms)
{
    char text[TEXT_BYTES];
    uint8_t secret[WALLET_SECRET_BYTES];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    memset(text, 'x', sizeof(text));
    wallets_secret(0, secret);
    CHECK(wallet_sign(wallets->curve, secret, text, sizeof(text), signature));
    const int64_t start_ns = thread_cpu_ns();
    int64_t now_ns = start_ns;
    uint64_t count = 0;
    while (now_ns - start_ns < measure_ms * 1000000) {
        CHECK(wallet_check(wallets->curve, text, sizeof(text), signature, wallets->addresses[0]));
        count += 1;
        now_ns = thread_cpu_ns();
    }
    return (double)count * NS_PER_S / (double)(now_ns - start_ns);
}

double surroundings_sign_rate(const struct wallets *wallets, int64_t measure_ms)
{
    char text[TEXT_BYTES];
    uint8_t secret[WALLET_SECRET_BYTES];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    memset(text, 'x', sizeof(text));
    wallets_secret(0, secret);
    const int64_t start_ns = thread_cpu_ns();
    int64_t now_ns = start_ns;
    uint64_t count = 0;
    while (now_ns - start_ns < measure_ms * 1000000) {
        memcpy(text, &count, sizeof(count));
        CHECK(wallet_sign(wallets->curve, secret, text, sizeof(text), signature));
        count += 1;
        now_ns = thread_cpu_ns();
    }
    return (double)count * NS_PER_S / (double)(now_ns - start_ns);
}
