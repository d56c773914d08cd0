# SPDX-License-Identifier: MIT
"""Which pool answers: host and path, the first match."""
from kit import plain, scenario


def routed(stage, routes, names):
    backends = {name: stage.backend(name=name) for name in names}
    pools = {name: {"servers": [backend.address]} for name, backend in backends.items()}
    return stage.drover(stage.config(pools, routes=routes), wait="up")


@scenario()
def the_first_route_that_matches_counts(stage):
    drover = routed(stage, [{"host": "api.example.org", "path": "/ws", "pool": "sockets"}, {"host": "api.example.org", "pool": "api"},
                            {"host": "*.example.org", "path": "/static", "pool": "files"}, {"path": "/ws", "pool": "wsall"},
                            {"path": "/", "pool": "web"}], ("sockets", "api", "files", "wsall", "web"))
    for host, path, wanted in (("api.example.org", "/ws", "sockets"), ("api.example.org", "/ws/x?y", "sockets"), ("api.example.org", "/wsx", "api"),
                               ("API.Example.ORG:8000", "/", "api"), ("a.b.example.org", "/static/x", "files"), ("example.org", "/static", "web"),
                               ("other.test", "/ws", "wsall"), ("other.test", "/", "web"), ("notexample.org", "/static", "web")):
        assert drover.get(path, host=host).text == wanted, (host, path)


@scenario()
def routes_look_at_a_normalised_copy_and_the_path_goes_on_unchanged(stage):
    drover = routed(stage, [{"path": "/admin", "pool": "admin"}, {"path": "/", "pool": "web"}], ("admin", "web"))
    for path in ("/admin", "/admin/", "/x/../admin", "/./admin/x", "//admin", "/%61dmin", "/x/%2e%2e/admin", "/admin?x=/../.."):
        assert drover.get(path).text == "admin", path
    for path in ("/", "/administrator", "/admin/../web", "/Admin", "/x/admin"):
        assert drover.get(path).text == "web", path


@scenario()
def a_request_that_matches_nothing_is_404(stage):
    drover = routed(stage, [{"host": "only.test", "pool": "web"}], ("web",))
    assert drover.get("/", host="only.test").status == 200
    assert drover.get("/", host="other.test").status == 404


@scenario()
def an_empty_host_and_an_absolute_target_are_routed(stage):
    drover = routed(stage, [{"host": "a.test", "pool": "a"}, {"path": "/", "pool": "rest"}], ("a", "rest"))
    assert drover.get("/", host="").text == "rest"
    assert drover.get("http://a.test/x", host="a.test").text == "a"


@scenario()
def workers_and_servers_stand_side_by_side(stage):
    server = stage.backend(name="server")
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 2}, "legacy": {"servers": [server.address]}},
                                       routes=[{"path": "/old", "pool": "legacy"}, {"path": "/", "pool": "web"}]), wait="up")
    drover.wait_workers("web", 2)
    assert drover.get("/old").text == "server" and drover.get("/").text.startswith("web.")
    pools = drover.health()["pools"]
    assert set(pools) == {"web", "legacy"} and pools["legacy"]["workers"][0]["address"] == server.address
