/* SPDX-License-Identifier: MIT
 *
 * Replays demand curves against sizing rules and prints a table; bench/sizing/README.md says how to read it.
 *
 *     sizing [--boot SECONDS]... [--concurrency N] [--seed N] [--seeds N] [--series FILE] [TRACE.csv]... */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sizing/sizing.h"

#define BOOTS_MAX  8
#define SEEDS_MAX  99
#define RULES_MAX  16
#define TRACES_MAX 64

struct cell {
    double cost, late, changes;
};

struct run {
    double boots[BOOTS_MAX];
    unsigned boot_count, seeds, concurrency;
    uint64_t seed;
    FILE *series;
};

static int compare(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;

    return (first > second) - (first < second);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void write_series(FILE *file, const struct trace *trace, const char *rule, double boot,
                         const unsigned *workers, const unsigned *queue)
{
    for (unsigned t = 0; t < trace->seconds; t++)
        fprintf(file, "%s,%s,%g,%u,%g,%u,%u\n", trace->name, rule, boot, t, trace->rate[t], workers[t],
                queue[t]);
}

/* All rules through one trace. */
static void replay(const struct run *run, const struct trace *trace, double boot, struct cell *row)
{
    static unsigned workers[SPAN_MAX], queue[SPAN_MAX];
    static double cost[RULES_MAX][SEEDS_MAX], late[RULES_MAX][SEEDS_MAX], changes[RULES_MAX][SEEDS_MAX];

    for (unsigned seed = 0; seed < run->seeds; seed++) {
        struct setting setting = {boot, run->concurrency, 1, 100, run->seed + seed};
        for (size_t rule = 0; rule < rule_count; rule++) {
            struct outcome outcome = simulate(trace, &rules[rule], &setting, workers, queue);
            cost[rule][seed] = outcome.cost;
            late[rule][seed] = outcome.late;
            changes[rule][seed] = outcome.changes;
            if (run->series && seed == 0)
                write_series(run->series, trace, rules[rule].name, boot, workers, queue);
        }
        for (size_t rule = rule_count; rule-- > 0;)
            cost[rule][seed] /= cost[0][seed];
    }
    for (size_t rule = 0; rule < rule_count; rule++)
        row[rule] = (struct cell){median(cost[rule], run->seeds), median(late[rule], run->seeds),
                                  median(changes[rule], run->seeds)};
}

static void print_row(const char *name, const struct cell *row, bool with_changes)
{
    printf("%-15s", name);
    for (size_t rule = 1; rule < rule_count; rule++) {
        if (with_changes)
            printf(" %5.2f %5.2f%% %4.0f |", row[rule].cost, 100 * row[rule].late, row[rule].changes);
        else
            printf(" %5.2f %5.2f%%      |", row[rule].cost, 100 * row[rule].late);
    }
    printf("\n");
}

static void print_head(double boot)
{
    printf("\nboot %g s: worker-seconds over the oracle's, share late, changes of size\n%-15s", boot, "");
    for (size_t rule = 1; rule < rule_count; rule++)
        printf(" %-18.18s |", rules[rule].name);
    printf("\n");
}

/* Where drover's is both dearer and later than another. */
static void print_beaten(const char *trace, const struct cell *row)
{
    for (size_t rule = 2; rule < rule_count; rule++) {
        if (row[1].cost > row[rule].cost + 0.005 && row[1].late > row[rule].late + 0.00005)
            printf("  ! %s: dearer and later than %s\n", trace, rules[rule].name);
    }
}

static void replay_all(const struct run *run, double boot, const struct trace *traces, size_t count)
{
    struct cell sum[RULES_MAX] = {{0}}, row[RULES_MAX];
    unsigned in_mean = 0;

    print_head(boot);
    for (size_t i = 0; i < count; i++) {
        replay(run, &traces[i], boot, row);
        print_row(traces[i].name, row, true);
        print_beaten(traces[i].name, row);
        for (size_t rule = 0; rule < rule_count && traces[i].is_of_sketch; rule++) {
            sum[rule].cost += row[rule].cost;
            sum[rule].late += row[rule].late;
        }
        in_mean += traces[i].is_of_sketch;
        fflush(stdout);
    }
    for (size_t rule = 0; rule < rule_count && in_mean; rule++) {
        sum[rule].cost /= in_mean;
        sum[rule].late /= in_mean;
    }
    if (in_mean)
        print_row("mean of first 7", sum, false);
}

static double number(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (*end || end == text || !(value >= least && value <= most)) {
        fprintf(stderr, "sizing: '%s' is not a number from %g to %g\n", text, least, most);
        exit(2);
    }
    return value;
}

static struct run options(int argc, char **argv)
{
    static const struct option known[] = {
        {"boot", required_argument, NULL, 'b'},   {"concurrency", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},   {"seeds", required_argument, NULL, 'n'},
        {"series", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    struct run run = {.boots = {0.5, 8, 30}, .seeds = 1, .concurrency = 10, .seed = 1};

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'b':
            if (run.boot_count < BOOTS_MAX)
                run.boots[run.boot_count++] = number(optarg, STEP, 120);
            break;
        case 'c': run.concurrency = (unsigned)number(optarg, 1, 1000); break;
        case 's': run.seed = (uint64_t)number(optarg, 0, 1e15); break;
        case 'n': run.seeds = (unsigned)number(optarg, 1, SEEDS_MAX); break;
        case 'w': run.series = fopen(optarg, "w"); break;
        default: exit(2);
        }
    }
    run.boot_count = run.boot_count ? run.boot_count : 3;
    return run;
}

int main(int argc, char **argv)
{
    struct run run = options(argc, argv);

    for (unsigned i = 0; i < run.boot_count; i++) {
        struct setting setting = {.boot = run.boots[i]};
        struct trace *traces = NULL;
        size_t count = 0;
        if (optind == argc) {
            count = traces_make(&traces, &setting);
        } else {
            traces = calloc(TRACES_MAX, sizeof *traces);
            for (int at = optind; at < argc && count < TRACES_MAX && traces; at++)
                traces[count++] = trace_read(argv[at]);
        }
        replay_all(&run, run.boots[i], traces, count);
        for (size_t at = 0; at < count; at++)
            trace_free(&traces[at]);
        free(traces);
    }
    if (run.series)
        fclose(run.series);
    return 0;
}
