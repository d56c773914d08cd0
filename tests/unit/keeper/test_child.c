/* SPDX-License-Identifier: MIT */
#include "keeper/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/net.h"
#include "tests/unit/keeper/fixture.h"

static char *plain_environment[] = {"PATH=/usr/bin:/bin", NULL};
static struct guard no_guard = {.pipe = -1};

struct run {
    struct child_plan plan;
    int output; /* read end of both streams */
};

static void run_init(struct run *run, char **command)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    run->output = ends[0];
    run->plan = (struct child_plan){.command = command,
                                    .environment = plain_environment,
                                    .directory = "/",
                                    .output = ends[1],
                                    .errors = ends[1],
                                    .listener = -1};
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &run->plan.files), 0);
}

static pid_t run_start(struct run *run)
{
    struct child_failure failure;
    pid_t pid = child_start(&run->plan, &no_guard, &failure);

    ck_assert_msg(pid > 0, "%s: %s", child_step_name(failure.step), strerror(failure.error));
    net_close(&run->plan.output);
    return pid;
}

/* What a shell says in a child that was started so. */
static char *said_by(struct run *run)
{
    pid_t pid = run_start(run);
    char *text = read_to_end(run->output);
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    net_close(&run->output);
    return text;
}

static struct child_failure failure_of(struct run *run)
{
    struct child_failure failure = {-1, 0};

    ck_assert_int_eq(child_start(&run->plan, &no_guard, &failure), -1);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of it */
    ck_assert_int_eq(errno, ECHILD);
    net_close(&run->plan.output);
    net_close(&run->output);
    return failure;
}

START_TEST(a_program_runs_with_its_output_in_our_pipe)
{
    char *command[] = {"sh", "-c", "echo out; echo error >&2", NULL};
    struct run run;

    run_init(&run, command);
    char *text = said_by(&run);
    ck_assert_str_eq(text, "out\nerror\n");
    mem_free(text);
}
END_TEST

START_TEST(a_command_that_is_not_there_is_told)
{
    char *command[] = {"no-such-program-anywhere", NULL};
    struct run run;

    run_init(&run, command);
    struct child_failure failure = failure_of(&run);
    ck_assert_int_eq(failure.step, CHILD_EXEC);
    ck_assert_int_eq(failure.error, ENOENT);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_told)
{
    char *command[] = {"true", NULL};
    struct run run;

    run_init(&run, command);
    run.plan.directory = "/no/such/directory";
    struct child_failure failure = failure_of(&run);
    ck_assert_int_eq(failure.step, CHILD_DIRECTORY);
    ck_assert_str_eq(child_step_name(failure.step), "directory");
}
END_TEST

START_TEST(the_kernel_ends_a_worker_before_us_when_memory_is_short)
{
    char *command[] = {"cat", "/proc/self/oom_score_adj", NULL};
    struct run run;
    int ours = open("/proc/self/oom_score_adj", O_RDONLY);
    char *before = read_to_end(ours);

    run_init(&run, command);
    run.plan.oom_score_more = 30;
    char *text = said_by(&run);
    ck_assert_int_eq(atoi(text), atoi(before) + 30);
    mem_free(text);

    run_init(&run, command);
    run.plan.oom_score_more = 5000;
    text = said_by(&run);
    ck_assert_str_eq(text, "1000\n");
    mem_free(text);

    run_init(&run, command);
    text = said_by(&run);
    ck_assert_str_eq(text, before);
    mem_free(text);
    mem_free(before);
    net_close(&ours);
}
END_TEST

START_TEST(nothing_of_ours_stays_open_in_the_program)
{
    char *command[] = {"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '", NULL};
    struct run run;
    int ours[8];

    for (unsigned i = 0; i < 8; i++)
        ours[i] = open("/dev/null", O_RDONLY); /* not even close-on-exec */
    run_init(&run, command);
    char *text = said_by(&run);
    ck_assert_str_eq(text, "0 1 2 3 "); /* 3 is ls's own */
    mem_free(text);
    for (unsigned i = 0; i < 8; i++)
        net_close(&ours[i]);
}
END_TEST

START_TEST(an_inherited_listener_is_descriptor_3_and_blocks)
{
    char *environment[] = {"PATH=/usr/bin:/bin", mem_dup(CHILD_LISTEN_PID_ROOM), NULL};
    char *command[] = {"sh", "-c", "test $LISTEN_PID = $$ && cat /proc/self/fdinfo/3", NULL};
    struct address address;
    struct run run;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    run_init(&run, command);
    run.plan.environment = environment;
    run.plan.listener = net_listen(&address, 0, 1);
    ck_assert_int_ge(run.plan.listener, 0);
    char *text = said_by(&run);
    ck_assert_ptr_nonnull(strstr(text, "flags:\t02\n")); /* O_RDWR, not O_NONBLOCK */
    mem_free(text);
    mem_free(environment[1]);
    net_close(&run.plan.listener);
}
END_TEST

START_TEST(signals_and_limits_are_as_a_program_expects_them)
{
    char *command[] = {"sh", "-c", "ulimit -n; grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL};
    sigset_t all;
    struct run run;

    sigfillset(&all);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, NULL), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    run_init(&run, command);
    run.plan.files.rlim_cur = 321;
    char *text = said_by(&run);
    /* 32 and 33 are glibc's own: its posix_spawn leaves them ignored (so they come from make), its sigaction refuses
     * to touch them. */
    char *ignored = strstr(text, "SigIgn:\t") + strlen("SigIgn:\t");
    ignored[7] = ignored[7] == '1' ? '0' : ignored[7];
    ignored[8] = ignored[8] == '8' ? '0' : ignored[8];
    ck_assert_str_eq(text, "321\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    mem_free(text);
}
END_TEST

START_TEST(a_program_leads_a_group_of_its_own_which_dies_as_a_whole)
{
    char *command[] = {"sh", "-c", "sleep 100 & echo $!; wait", NULL};
    struct run run;
    char line[32];

    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    run_init(&run, command);
    pid_t pid = run_start(&run);
    read_line(run.output, line, sizeof line);
    int grandchild = watch_process(atoi(line));
    ck_assert_int_eq(getpgid(pid), pid);
    ck_assert_int_eq(getsid(pid), pid);
    ck_assert_int_eq(getpgid(atoi(line)), pid);
    ck_assert_int_eq(kill(-pid, SIGKILL), 0);
    await_end(grandchild);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    net_close(&run.output);
}
END_TEST

START_TEST(a_program_dies_with_its_keeper)
{
    char *command[] = {"sleep", "100", NULL};
    int ends[2], child = 0;
    pid_t keeper;

    ck_assert_int_eq(pipe(ends), 0);
    keeper = fork();
    if (keeper == 0) {
        struct run run;
        run_init(&run, command);
        child = run_start(&run);
        if (write(ends[1], &child, sizeof child) != (ssize_t)sizeof child)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert(readable_in_time(ends[0]));
    ck_assert_int_eq(read(ends[0], &child, sizeof child), (int)sizeof child);
    int watched = watch_process(child);
    ck_assert_int_eq(kill(keeper, SIGKILL), 0);
    await_end(watched);
    ck_assert_int_eq(waitpid(keeper, NULL, 0), keeper);
    net_close(&ends[0]);
    net_close(&ends[1]);
}
END_TEST

START_TEST(another_user_has_its_ids_and_not_the_groups_of_root)
{
    char *command[] = {"id", "-u", NULL};
    struct identity identity;
    struct run run;

    if (geteuid() != 0)
        return; /* only root can become somebody else */
    ck_assert_int_eq(identity_find(&identity, "nobody"), 0);
    run_init(&run, command);
    run.plan.identity = &identity;
    char *text = said_by(&run);
    ck_assert_int_eq(atoi(text), (int)identity.uid);
    mem_free(text);
    char *groups[] = {"sh", "-c", "id -G", NULL};
    run_init(&run, groups);
    run.plan.identity = &identity;
    text = said_by(&run);
    ck_assert_int_ne(text[0], '0');
    mem_free(text);
    ck_assert_int_eq(identity_find(&identity, "no-such-user-here"), -ENOENT);
}
END_TEST

START_TEST(a_user_may_not_enter_what_only_root_may)
{
    char *command[] = {"true", NULL};
    char *directory = directory_new(); /* 0700 */
    struct identity identity;
    struct run run;

    if (geteuid() == 0) {
        ck_assert_int_eq(identity_find(&identity, "nobody"), 0);
        run_init(&run, command);
        run.plan.identity = &identity;
        run.plan.directory = directory;
        struct child_failure failure = failure_of(&run);
        ck_assert_int_eq(failure.step, CHILD_DIRECTORY);
        ck_assert_int_eq(failure.error, EACCES);
    }
    directory_free(directory);
}
END_TEST

START_TEST(an_end_is_told_in_words)
{
    char text[64];

    child_status_print(3 << 8, text, sizeof text);
    ck_assert_str_eq(text, "exited with status 3");
    child_status_print(SIGKILL, text, sizeof text);
    ck_assert_str_eq(text, "killed by SIGKILL");
    child_status_print(SIGSEGV | 0x80, text, sizeof text);
    ck_assert_str_eq(text, "killed by SIGSEGV (core dumped)");
}
END_TEST

UNIT_MAIN("keeper/child", a_program_runs_with_its_output_in_our_pipe, a_command_that_is_not_there_is_told,
          a_directory_that_is_not_there_is_told, the_kernel_ends_a_worker_before_us_when_memory_is_short,
          nothing_of_ours_stays_open_in_the_program, an_inherited_listener_is_descriptor_3_and_blocks,
          signals_and_limits_are_as_a_program_expects_them,
          a_program_leads_a_group_of_its_own_which_dies_as_a_whole, a_program_dies_with_its_keeper,
          another_user_has_its_ids_and_not_the_groups_of_root, a_user_may_not_enter_what_only_root_may,
          an_end_is_told_in_words)
