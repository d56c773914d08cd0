/* SPDX-License-Identifier: MIT */
#include "proxy/route.h"

#include "tests/unit/config/fixture.h"

static const char *pool_for(const char *routes, const char *host, const char *target)
{
    static char name[64];
    char *yaml = mem_print("pools: {a: {servers: ['h:1']}, b: {servers: ['h:2']}, c: {servers: ['h:3']}}\n"
                           "listen: ['127.0.0.1:8000']\n%s",
                           routes);
    struct config *config = load(yaml);
    const struct route_config *route = route_find(config, slice_of(host), slice_of(target));

    str_format(name, sizeof name, "%s", route ? config->pools[route->pool].name : "none");
    config_unref(&config);
    mem_free(yaml);
    return name;
}

#define ROUTES(text) "routes: [" text "]\n"

START_TEST(without_routes_everything_goes_to_the_first_pool)
{
    ck_assert_str_eq(pool_for("", "any.example", "/x"), "a");
    ck_assert_str_eq(pool_for("", "", "*"), "a");
}
END_TEST

START_TEST(the_first_route_that_matches_wins)
{
    const char *routes = ROUTES("{path: /ws, pool: b}, {path: /ws/deep, pool: c}, {path: /, pool: a}");

    ck_assert_str_eq(pool_for(routes, "h", "/ws/deep"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/other"), "a");
}
END_TEST

START_TEST(a_path_matches_by_whole_segments)
{
    const char *routes = ROUTES("{path: /ws/, pool: b}, {path: /, pool: a}");

    ck_assert_str_eq(pool_for(routes, "h", "/ws"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/ws/"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/ws/x?y"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/ws?y=/a"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/wsx"), "a");
    ck_assert_str_eq(pool_for(routes, "h", "/WS"), "a");
}
END_TEST

START_TEST(a_path_is_compared_as_whoever_serves_it_will_read_it)
{
    const char *routes = ROUTES("{path: /admin, pool: b}, {path: /, pool: a}");

    ck_assert_str_eq(pool_for(routes, "h", "/x/../admin"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/./admin/x"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/%61dmin"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "//admin"), "b");
    ck_assert_str_eq(pool_for(routes, "h", "/admin/../x"), "a");
    ck_assert_str_eq(pool_for(routes, "h", "/x?/../admin"), "a");
}
END_TEST

START_TEST(a_path_longer_than_any_buffer_is_matched_too)
{
    char *target = mem_zero(9000);

    memset(target, 'a', 8999);
    memcpy(target, "/ws/", 4);
    ck_assert_str_eq(pool_for(ROUTES("{path: /ws, pool: b}, {path: /, pool: a}"), "h", target), "b");
    mem_free(target);
}
END_TEST

START_TEST(a_host_matches_without_its_port_and_in_either_case)
{
    const char *routes = ROUTES("{host: api.example.org, path: /, pool: b}, {path: /, pool: a}");

    ck_assert_str_eq(pool_for(routes, "api.example.org", "/"), "b");
    ck_assert_str_eq(pool_for(routes, "API.example.ORG:8000", "/"), "b");
    ck_assert_str_eq(pool_for(routes, "xapi.example.org", "/"), "a");
    ck_assert_str_eq(pool_for(routes, "", "/"), "a");
}
END_TEST

START_TEST(a_star_matches_any_deeper_name_and_not_the_name_itself)
{
    const char *routes = ROUTES("{host: '*.example.org', path: /, pool: b}, {path: /, pool: a}");

    ck_assert_str_eq(pool_for(routes, "x.example.org", "/"), "b");
    ck_assert_str_eq(pool_for(routes, "x.y.example.org:80", "/"), "b");
    ck_assert_str_eq(pool_for(routes, "example.org", "/"), "a");
    ck_assert_str_eq(pool_for(routes, ".example.org", "/"), "a");
    ck_assert_str_eq(pool_for(routes, "x.example.org.evil", "/"), "a");
}
END_TEST

START_TEST(where_nothing_matches_there_is_no_route)
{
    const char *routes = ROUTES("{host: a.example, path: /, pool: a}, {path: /b, pool: b}");

    ck_assert_str_eq(pool_for(routes, "other", "/x"), "none");
    ck_assert_str_eq(pool_for(routes, "other", "*"), "none");
}
END_TEST

UNIT_MAIN("proxy/route", without_routes_everything_goes_to_the_first_pool, the_first_route_that_matches_wins,
          a_path_matches_by_whole_segments, a_path_is_compared_as_whoever_serves_it_will_read_it,
          a_path_longer_than_any_buffer_is_matched_too, a_host_matches_without_its_port_and_in_either_case,
          a_star_matches_any_deeper_name_and_not_the_name_itself, where_nothing_matches_there_is_no_route)
