# SPDX-License-Identifier: MIT
"""A real cgroup with a limit on memory for one scenario: version 1 or 2, whatever this machine has."""
import contextlib
import os
import time

from kit import Skipped


def mounts():
    """-> (mount point, is version 2) of the hierarchies that can bound memory"""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            words, _, after = line.partition(" - ")
            kind, _, options = after.split()[:3]
            where = words.split()[4]
            if kind == "cgroup" and "memory" in options.split(","):
                found.append((where, False))
            elif kind == "cgroup2":
                with contextlib.suppress(OSError), open(f"{where}/cgroup.controllers") as controllers:
                    if "memory" in controllers.read().split():
                        found.append((where, True))
    return found


def own_place(is_v2):
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, controllers, place = line.rstrip("\n").split(":", 2)
            if (is_v2 and not controllers) or (not is_v2 and "memory" in controllers.split(",")):
                return place
    return "/"


class Box:
    def __init__(self, directory, is_v2):
        self.directory, self.is_v2 = directory, is_v2

    def read(self, name, default=""):
        try:
            with open(f"{self.directory}/{name}") as file:
                return file.read()
        except OSError:
            return default

    def write(self, name, text):
        with open(f"{self.directory}/{name}", "w") as file:
            file.write(str(text))

    def used(self):
        return int(self.read("memory.current" if self.is_v2 else "memory.usage_in_bytes"))

    def limit(self, size):
        """No swap beside it: what does not fit is killed."""
        with contextlib.suppress(OSError):
            self.write("memory.swap.max" if self.is_v2 else "memory.swappiness", 0)
        self.write("memory.max" if self.is_v2 else "memory.limit_in_bytes", size)

    def file_of_limit(self):
        return f"{self.directory}/" + ("memory.max" if self.is_v2 else "memory.limit_in_bytes")

    def kills(self):
        text = self.read("memory.events" if self.is_v2 else "memory.oom_control")
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])

    def prefix(self):
        """What a command line begins with to run in it."""
        return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.directory]


def make(name):
    why = "no cgroup hierarchy here has a memory controller"
    for where, is_v2 in mounts():
        for parent in dict.fromkeys((where + own_place(is_v2).rstrip("/"), where)):
            directory = f"{parent}/{name}"
            try:
                if is_v2:  # may be refused where processes sit in the parent
                    with contextlib.suppress(OSError), open(f"{parent}/cgroup.subtree_control", "w") as control:
                        control.write("+memory")
                os.mkdir(directory)
                box = Box(directory, is_v2)
                box.limit(1 << 40)
                return box
            except OSError as error:
                why = f"{directory}: {error.strerror or error}"
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
    raise Skipped(f"cannot make a cgroup that bounds memory: {why}")


@contextlib.contextmanager
def limited(stage):
    """A cgroup of its own, without a limit yet; all drovers of the stage have ended when it goes."""
    if os.geteuid() != 0:
        raise Skipped("needs root, to make a cgroup")
    box = make(f"drover-test-{os.getpid()}")
    try:
        yield box
    finally:
        for drover in stage.drovers:
            drover.end()
        for _ in range(100):
            try:
                os.rmdir(box.directory)
                break
            except OSError:
                time.sleep(0.05)
