/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/app.h"
#include "tests/unit/config/fixture.h"

struct file {
    const char *path, *text;
};

static void write_file(const struct file *file)
{
    char *slash, *directory = mem_dup(file->path);

    if ((slash = strrchr(directory, '/'))) {
        *slash = 0;
        mkdir(directory, 0700);
    }
    FILE *into = fopen(file->path, "we");
    ck_assert_ptr_nonnull(into);
    ck_assert_int_ge(fputs(file->text, into), 0);
    ck_assert_int_eq(fclose(into), 0);
    mem_free(directory);
}

static void remove_file(const struct file *file)
{
    char *slash, *directory = mem_dup(file->path);

    ck_assert_int_eq(unlink(file->path), 0);
    if ((slash = strrchr(directory, '/'))) {
        *slash = 0;
        rmdir(directory);
    }
    mem_free(directory);
}

/* The sample for a directory with these files, which must load without an error; it must hold `wanted`. */
static void finds(const struct file *files, unsigned count, const char *wanted)
{
    char directory[] = "/tmp/drover-test-XXXXXX";
    struct config_report report = {0};

    quiet_environment();
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    for (unsigned i = 0; i < count; i++)
        write_file(&files[i]);
    char *sample = config_sample(".");
    ck_assert_msg(strstr(sample, wanted) != NULL, "no '%s' in\n%s", wanted, sample);
    struct config *config = config_load("drover.yaml", sample, strlen(sample), &report);
    ck_assert_msg(config != NULL, "%s\n%s", sample, report.text);
    for (const char *line = sample; *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 110);
    config_unref(&config);
    config_report_fini(&report);
    mem_free(sample);
    for (unsigned i = 0; i < count; i++)
        remove_file(&files[i]);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(python_apps_are_found_by_the_line_that_makes_them)
{
    static const struct {
        struct file file;
        const char *wanted;
    } rows[] = {
        {{"main.py", "from fastapi import FastAPI\napi = FastAPI(title='x')\n"},
         "uvicorn main:api --uds $SOCKET"},
        {{"app.py", "import fastapi\napp: fastapi.FastAPI = fastapi.FastAPI()\n"},
         "uvicorn app:app --uds $SOCKET"},
        {{"app/main.py", "app=Starlette(routes=[])\n"}, "uvicorn app.main:app --uds $SOCKET"},
        {{"app/__init__.py", "x = 1\nweb = Flask(__name__)\n"}, "gunicorn app:web --bind unix:$SOCKET"},
        {{"wsgi.py", "application = get_wsgi_application()\n"}, "gunicorn wsgi:application --bind"},
        {{"asgi.py", "application = get_asgi_application()\n"}, "uvicorn asgi:application --uds"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        finds(&rows[i].file, 1, rows[i].wanted);
}
END_TEST

START_TEST(what_only_mentions_an_app_is_none)
{
    static const struct file files[] = {
        {"main.py", "def make():\n    app = FastAPI()\n    return app\nprint(FastAPI())\nx == FastAPI(\n# "
                    "app = FastAPI()\n"}};

    finds(files, 1, "no app was found here");
}
END_TEST

START_TEST(django_is_found_by_its_package)
{
    static const struct file plain[] = {
        {"manage.py", ""}, {"shop/wsgi.py", ""}, {"shop/asgi.py", "get_asgi_application()"}};
    static const struct file channels[] = {
        {"manage.py", ""}, {"shop/wsgi.py", ""}, {"shop/asgi.py", "x = ProtocolTypeRouter({})"}};

    finds(plain, 3, "gunicorn shop.wsgi:application");
    finds(channels, 3, "uvicorn shop.asgi:application");
}
END_TEST

START_TEST(node_and_rack_apps_are_found_by_their_files)
{
    static const struct file named[] = {{"package.json", "{\"name\": \"x\", \"main\": \"./web.js\"}"},
                                        {"web.js", ""}};
    static const struct file usual[] = {{"package.json", "{\"main\": \"gone.js\"}"}, {"server.js", ""}};
    static const struct file neither[] = {{"package.json", "{"}};
    static const struct file rack[] = {{"config.ru", "run App"}};

    finds(named, 2, "node ./web.js\n");
    finds(usual, 2, "node server.js\n");
    finds(neither, 1, "npm start\n");
    finds(rack, 1, "puma --bind unix://$SOCKET");
}
END_TEST

START_TEST(an_empty_directory_gives_a_template)
{
    finds(NULL, 0, "no app was found here");
}
END_TEST

START_TEST(a_program_of_a_virtual_environment_comes_first)
{
    static const struct file file = {"venv/bin/uvicorn", ""};
    char directory[] = "/tmp/drover-test-XXXXXX";
    bool found;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("venv", 0700), 0);
    write_file(&file);
    char *program = app_program(directory, "uvicorn", &found);
    ck_assert_str_eq(program, "venv/bin/uvicorn");
    ck_assert(found);
    mem_free(program);
    program = app_program(directory, "no-such-program", &found);
    ck_assert(!found);
    mem_free(program);
    remove_file(&file);
    ck_assert(rmdir("venv") == 0 && chdir("/") == 0 && rmdir(directory) == 0);
}
END_TEST

UNIT_MAIN("config/sample", python_apps_are_found_by_the_line_that_makes_them,
          what_only_mentions_an_app_is_none, django_is_found_by_its_package,
          node_and_rack_apps_are_found_by_their_files, an_empty_directory_gives_a_template,
          a_program_of_a_virtual_environment_comes_first)
