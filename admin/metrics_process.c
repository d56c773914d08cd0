/* SPDX-License-Identifier: MIT
 *
 * The engine's own process, by the names that every Prometheus client has for it. What /proc does not tell is left
 * out. Control thread. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/metrics.h"
#include "base/clock.h"

#define STAT_MAX 1024

/* Field 22 and later of /proc/self/stat: proc(5). */
struct process {
    unsigned long long started_ticks, virtual_bytes;
    long long resident_pages;
};

static bool read_process(struct process *process)
{
    char text[STAT_MAX];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        (void)close(fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
    return rest && sscanf(rest + 1,
                          " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu "
                          "%llu %lld",
                          &process->started_ticks, &process->virtual_bytes, &process->resident_pages) == 3;
}

/* Linux 6.2 and later say it as the directory's size; before, it is walked. */
static double open_descriptors(void)
{
    struct stat found;
    double count = 0;

    if (stat("/proc/self/fd", &found) == 0 && found.st_size > 0)
        return (double)found.st_size;
    DIR *entries = opendir("/proc/self/fd");
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        count += entry->d_name[0] != '.';
    if (entries)
        (void)closedir(entries);
    return count > 0 ? count - 1 : 0; /* less the one that reads this */
}

static void add(struct scrape *scrape, const struct metric *metric, double value)
{
    exposition_family(&scrape->exposition, metric);
    exposition_add(&scrape->exposition, NULL, value);
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

void metrics_process(struct scrape *scrape)
{
    static const struct metric
        cpu = {"process_cpu_seconds", METRIC_COUNTER, "seconds", "CPU time of the engine, user and system."},
        resident = {"process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory of the engine."},
        virtual = {"process_virtual_memory_bytes", METRIC_GAUGE, "bytes", "Address space of the engine."},
        start = {"process_start_time_seconds", METRIC_GAUGE, "seconds",
                 "When the engine was started, in seconds since the epoch."},
        open_fds = {"process_open_fds", METRIC_GAUGE, NULL, "Open descriptors of the engine."},
        max_fds = {"process_max_fds", METRIC_GAUGE, NULL, "Descriptors that the engine may have open."};
    struct rusage used;
    struct rlimit files;
    struct process process;
    struct timespec boot;

    if (getrusage(RUSAGE_SELF, &used) == 0)
        add(scrape, &cpu, seconds(&used.ru_utime) + seconds(&used.ru_stime));
    if (read_process(&process)) {
        add(scrape, &resident, (double)process.resident_pages * (double)sysconf(_SC_PAGESIZE));
        add(scrape, &virtual, (double)process.virtual_bytes);
        if (clock_gettime(CLOCK_BOOTTIME, &boot) == 0) {
            double up = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
            add(scrape, &start,
                metrics_moment((double)clock_wall_us() / 1e6 - up +
                               (double)process.started_ticks / (double)sysconf(_SC_CLK_TCK)));
        }
    }
    add(scrape, &open_fds, open_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        add(scrape, &max_fds, (double)files.rlim_cur);
}
